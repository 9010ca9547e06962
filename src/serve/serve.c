/* The server at work: one client after the other, silences that are too long, and when to end. It
 * works a while at a time, so that an interpreter can look at its own signals in between. */

#include "serve.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define SLICE 0.02              /* seconds between two looks at who else waits */
#define SPARE ((size_t)1 << 20) /* bytes that may come while an answer is sent */
#define PATIENCE 60.0           /* seconds until a client has taken its answer */

static const char busy[] = "ERR 4 busy: another client is connected\n";

struct mgd_work {
    mgd_server *server;
    mgd_listener *listener;
    mgd_server_limits limits;
    mgd_wire *client;         /* NULL: none */
    bool ended;               /* nobody comes any more */
    double begun;             /* when the server began, … */
    double heard;             /* … when somebody was heard last, … */
    bool safe;                /* … whether θ went to its safe values since, … */
    double looked;            /* … and when others were looked for */
    mgd_server_counts before; /* it began */
};

typedef struct mgd_work work;

static mgd_status say(mgd_context *ctx, const work *w, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static mgd_status say(mgd_context *ctx, const work *w, const char *format, ...) {
    char text[MGD_MESSAGE_SIZE];
    va_list arguments;
    if (!w->limits.log)
        return MGD_OK;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return w->limits.log(w->limits.user, ctx, text);
}

/* ---- time ------------------------------------------------------------------------------------ */

static bool is_over(const work *w) {
    const mgd_server_limits *l = &w->limits;
    return w->ended ||
           (l->requests > 0 &&
            mgd_server_counted(w->server).requests - w->before.requests >= l->requests) ||
           (l->clients > 0 && !w->client &&
            mgd_server_counted(w->server).clients - w->before.clients >= l->clients) ||
           (l->seconds > 0 && mgd_clock() - w->begun >= l->seconds);
}

/* The safe state, once there has been silence for as long as a client asked. */
static mgd_status watch(mgd_context *ctx, work *w) {
    double watchdog = mgd_server_watchdog(w->server);
    if (w->safe || !(watchdog > 0) || mgd_clock() - w->heard < watchdog)
        return MGD_OK;
    mgd_server_safe(w->server);
    w->safe = true;
    return say(ctx, w, "no request for %.3g s: θ is safe", watchdog);
}

/* No longer than until something is due. */
static double slice_of(const work *w) {
    double watchdog = mgd_server_watchdog(w->server), slice = SLICE;
    if (watchdog > 0 && !w->safe)
        slice = fmin(slice, fmax(w->heard + watchdog - mgd_clock(), 0));
    return slice;
}

/* ---- a client -------------------------------------------------------------------------------- */

/* Whether its end is all that is still to come from the client. */
static bool has_left(const work *w) {
    char next;
    int in, out;
    mgd_wire_descriptors(w->client, &in, &out);
    return recv(in, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

/* Who comes when the client has left, even if that was not noticed yet, is the next client. */
static void refuse_others(work *w) {
    if (mgd_clock() - w->looked < SLICE || has_left(w))
        return;
    mgd_listener_refuse(w->listener, busy, sizeof busy - 1);
    w->looked = mgd_clock();
}

/* Sends what is to be answered, and what of it follows from that. */
static mgd_status send_answers(mgd_context *ctx, work *w) {
    for (;;) {
        size_t count;
        const char *answers = mgd_server_answers(w->server, &count);
        if (count == 0)
            return MGD_OK;
        MGD_TRY(mgd_wire_write(ctx, w->client, answers, count, mgd_clock() + PATIENCE));
        if (is_over(w))
            return MGD_OK;
        MGD_TRY(mgd_server_take(ctx, w->server, NULL, 0));
    }
}

/* What a client's silence means: the end of a message that never came, or of the client. */
static mgd_status bear_silence(mgd_context *ctx, work *w, bool *gone) {
    const mgd_server_limits *l = &w->limits;
    double silence = mgd_clock() - w->heard;
    if (mgd_server_waits(w->server) && silence >= l->stall) {
        mgd_server_cut(w->server);
        MGD_TRY(say(ctx, w, "a message was cut short"));
        MGD_TRY(send_answers(ctx, w));
    }
    *gone = l->idle > 0 && silence >= l->idle;
    return *gone ? say(ctx, w, "%s: no request for %.3g s", mgd_wire_address(w->client), l->idle)
                 : MGD_OK;
}

/* What comes within a moment, and what follows from it. */
static mgd_status hear(mgd_context *ctx, work *w, bool *gone) {
    const char *bytes;
    size_t count;
    MGD_TRY(mgd_wire_take_some(ctx, w->client, slice_of(w), &bytes, &count));
    if (count == 0)
        return bear_silence(ctx, w, gone);
    MGD_TRY(mgd_server_take(ctx, w->server, bytes, count));
    MGD_TRY(send_answers(ctx, w));
    w->heard = mgd_clock();
    w->safe = false;
    return MGD_OK;
}

static mgd_status welcome(mgd_context *ctx, work *w) {
    MGD_TRY(mgd_listener_accept(ctx, w->listener, mgd_clock() + slice_of(w),
                                mgd_server_longest(w->server) + SPARE, &w->client));
    if (!w->client)
        return MGD_OK;
    w->heard = mgd_clock();
    mgd_server_meet(w->server);
    return say(ctx, w, "%s: a client", mgd_wire_address(w->client));
}

static void part(work *w) {
    mgd_server_forget(w->server);
    mgd_wire_close(w->client);
    w->client = NULL;
    w->ended = strcmp(mgd_listener_address(w->listener), "-") == 0;
}

/* Serves the client, until it goes or is sent away. One that fails is no failure. */
static mgd_status attend(mgd_context *ctx, work *w) {
    bool gone = false;
    mgd_status status = hear(ctx, w, &gone);
    if (status == MGD_ERR_IO) {
        gone = true;
        status = mgd_wire_fault(w->client) == MGD_FAULT_CLOSED
                     ? say(ctx, w, "%s: the client has gone", mgd_wire_address(w->client))
                     : say(ctx, w, "%s", ctx->message);
    }
    if (gone)
        part(w);
    else
        refuse_others(w);
    return status;
}

/* ---- at work --------------------------------------------------------------------------------- */

mgd_status mgd_work_open(mgd_context *ctx, mgd_server *server, mgd_listener *listener,
                         const mgd_server_limits *limits, mgd_work **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "server at work", 1, sizeof(work), &memory));
    *out = memory;
    **out = (work){.server = server,
                   .listener = listener,
                   .limits = *limits,
                   .begun = mgd_clock(),
                   .heard = mgd_clock(),
                   .before = mgd_server_counted(server)};
    return MGD_OK;
}

void mgd_work_close(mgd_work *w) {
    if (w && w->client)
        part(w);
    mgd_free(w);
}

mgd_status mgd_work_some(mgd_context *ctx, mgd_work *w, double seconds, bool *over) {
    MGD_OPERATION;
    double until = mgd_clock() + seconds;
    while (!is_over(w) && mgd_clock() < until) {
        MGD_TRY(w->client ? attend(ctx, w) : welcome(ctx, w));
        MGD_TRY(watch(ctx, w));
    }
    *over = is_over(w);
    return MGD_OK;
}
