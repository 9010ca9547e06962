/* The server at work: one client after the other, silences that are too long, and when to end. */

#include "serve.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SLICE 0.02              /* seconds between two looks at who else waits */
#define SPARE ((size_t)1 << 20) /* bytes that may come while an answer is sent */
#define PATIENCE 10.0           /* seconds until a client has taken its answer */

static const char busy[] = "ERR 4 busy: another client is connected\n";

typedef struct {
    mgd_server *server;
    mgd_listener *listener;
    const mgd_server_limits *limits;
    mgd_wire *client;  /* NULL: none */
    double begun;      /* when the server began, … */
    double heard;      /* … when somebody was heard last, … */
    bool safe;         /* … whether θ went to its safe values since, … */
    double looked;     /* … and when others were looked for */
    uint64_t requests; /* before it began */
} work;

static mgd_status say(mgd_context *ctx, const work *w, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static mgd_status say(mgd_context *ctx, const work *w, const char *format, ...) {
    char text[MGD_MESSAGE_SIZE];
    va_list arguments;
    if (!w->limits->log)
        return MGD_OK;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return w->limits->log(w->limits->user, ctx, text);
}

/* ---- time ------------------------------------------------------------------------------------ */

static bool is_over(const work *w) {
    const mgd_server_limits *l = w->limits;
    return (l->requests > 0 &&
            mgd_server_counted(w->server).requests - w->requests >= l->requests) ||
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

static mgd_status refuse_others(work *w) {
    if (mgd_clock() - w->looked < SLICE)
        return MGD_OK;
    mgd_listener_refuse(w->listener, busy, sizeof busy - 1);
    w->looked = mgd_clock();
    return MGD_OK;
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
    const mgd_server_limits *l = w->limits;
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

static mgd_status talk(mgd_context *ctx, work *w) {
    for (bool gone = false; !gone && !is_over(w);) {
        const char *bytes;
        size_t count;
        MGD_TRY(mgd_wire_take_some(ctx, w->client, slice_of(w), &bytes, &count));
        if (count > 0) {
            MGD_TRY(mgd_server_take(ctx, w->server, bytes, count));
            MGD_TRY(send_answers(ctx, w));
            w->heard = mgd_clock();
            w->safe = false;
        } else {
            MGD_TRY(bear_silence(ctx, w, &gone));
        }
        MGD_TRY(watch(ctx, w));
        MGD_TRY(refuse_others(w));
    }
    return MGD_OK;
}

/* Until it goes, is sent away, or the server is to end. A client that fails is no failure. */
static mgd_status serve_client(mgd_context *ctx, work *w) {
    w->heard = mgd_clock();
    mgd_server_meet(w->server);
    mgd_status status = say(ctx, w, "%s: a client", mgd_wire_address(w->client));
    if (status == MGD_OK)
        status = talk(ctx, w);
    if (status == MGD_ERR_IO) {
        bool closed = mgd_wire_fault(w->client) == MGD_FAULT_CLOSED;
        status = closed ? say(ctx, w, "%s: the client has gone", mgd_wire_address(w->client))
                        : say(ctx, w, "%s", ctx->message);
    }
    mgd_server_forget(w->server);
    mgd_wire_close(w->client);
    w->client = NULL;
    return status;
}

mgd_status mgd_server_work(mgd_context *ctx, mgd_server *server, mgd_listener *listener,
                           const mgd_server_limits *limits) {
    MGD_OPERATION;
    work w = {.server = server,
              .listener = listener,
              .limits = limits,
              .begun = mgd_clock(),
              .heard = mgd_clock(),
              .requests = mgd_server_counted(server).requests};
    bool once = strcmp(mgd_listener_address(listener), "-") == 0;
    while (!is_over(&w)) {
        MGD_TRY(mgd_listener_accept(ctx, listener, mgd_clock() + slice_of(&w),
                                    mgd_server_longest(server) + SPARE, &w.client));
        if (w.client) {
            MGD_TRY(serve_client(ctx, &w));
            if (once) /* standard input has ended */
                return MGD_OK;
        }
        MGD_TRY(watch(ctx, &w));
    }
    return MGD_OK;
}
