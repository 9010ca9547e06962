/* Wires: their life, what comes in, and deadlines. */

#include "transport.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define ROOM 65536            /* bytes of a buffer that has nothing to grow for */
#define USUAL_LIMIT (1 << 26) /* bytes */
#define USUAL_TIMEOUT 5.0     /* seconds */
#define PATIENCE 20           /* times the silence that is asked for, until there is one … */
#define LEAST_PATIENCE 1.0    /* … or so many seconds, where that is more */
#define PAUSE 1000000         /* ns between two calls of a function that returned nothing */

/* ---- faults ---------------------------------------------------------------------------------- */

static mgd_status fail_closed(mgd_context *ctx, mgd_wire *w, int reason) {
    char ending[100];
    const char *why = reason == 0 || reason == EIO || reason == EPIPE ? "the other side closed it"
                                                                      : strerror(reason);
    if (w->kind->ending && w->kind->ending(w, ending, sizeof ending))
        why = ending;
    w->fault = MGD_FAULT_CLOSED;
    return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": %s", w->address, why);
}

static mgd_status fail_limit(mgd_context *ctx, mgd_wire *w) {
    w->fault = MGD_FAULT_LIMIT;
    return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": more than %zu bytes came: that is its limit",
                    w->address, w->spec.limit);
}

/* ---- its life -------------------------------------------------------------------------------- */

/* A process that was forked from the one that opened it has copies of the descriptors: what is at
 * their other ends is not its own. */
static void shut(mgd_wire *w) {
    if (w->kind->close && w->opener == getpid())
        w->kind->close(w);
    if (w->in >= 0 && !w->shared)
        close(w->in);
    if (w->out >= 0 && w->out != w->in && !w->shared)
        close(w->out);
    w->in = w->out = -1;
    w->opener = 0;
    w->begin = w->end = 0;
}

static mgd_status start(mgd_context *ctx, mgd_wire *w) {
    w->fault = MGD_FAULT_NONE;
    w->ended = false;
    MGD_TRY(w->kind->open(ctx, w, mgd_clock() + w->spec.timeout));
    mgd_quieten();
    w->opener = getpid();
    return MGD_OK;
}

static mgd_status copy_text(mgd_context *ctx, const char *text, char **out) {
    size_t bytes = strlen(text) + 1;
    void *copy;
    MGD_TRY(mgd_allocate(ctx, "wire: address", bytes, 1, &copy));
    *out = memcpy(copy, text, bytes);
    return MGD_OK;
}

/* What the specification points to becomes the wire's own. */
static mgd_status keep(mgd_context *ctx, const mgd_wire_spec *spec, mgd_wire *w) {
    w->spec.address = NULL;
    w->spec.words = w->spec.environment = NULL;
    w->spec.calls = NULL;
    if (spec->environment)
        MGD_TRY(mgd_words_copy(ctx, spec->environment, &w->environment));
    if (spec->calls) {
        w->calls = *spec->calls;
        w->kind = &mgd_transport_functions;
        return copy_text(ctx, "functions", &w->address);
    }
    if (spec->address)
        MGD_TRY(copy_text(ctx, spec->address, &w->address));
    if (spec->words)
        MGD_TRY(mgd_words_copy(ctx, spec->words, &w->words));
    else
        MGD_TRY(mgd_address_read(ctx, spec->address, &w->words));
    if (!spec->address)
        MGD_TRY(mgd_address_write(ctx, w->words, &w->address));
    return mgd_address_kind(ctx, w->words, &w->kind);
}

static mgd_status allocate(mgd_context *ctx, const mgd_wire_spec *spec, mgd_wire **out) {
    void *w;
    MGD_TRY(mgd_allocate(ctx, "wire", 1, sizeof(mgd_wire), &w));
    *out = w;
    (*out)->kind = &mgd_transport_client;
    (*out)->spec = *spec;
    (*out)->in = (*out)->out = -1;
    if ((*out)->spec.limit == 0)
        (*out)->spec.limit = USUAL_LIMIT;
    if (!((*out)->spec.timeout > 0))
        (*out)->spec.timeout = USUAL_TIMEOUT;
    return MGD_OK;
}

mgd_status mgd_wire_open(mgd_context *ctx, const mgd_wire_spec *spec, mgd_wire **out) {
    mgd_wire *w;
    MGD_TRY(allocate(ctx, spec, &w));
    mgd_status status = keep(ctx, spec, w);
    if (status == MGD_OK)
        status = start(ctx, w);
    if (status == MGD_OK)
        *out = w;
    else
        mgd_wire_close(w);
    return status;
}

mgd_status mgd_wire_reopen(mgd_context *ctx, mgd_wire *w) {
    shut(w);
    return start(ctx, w);
}

void mgd_wire_terminate(mgd_wire *w) {
    if (w->child > 0 && w->opener == getpid())
        kill(-w->child, SIGTERM);
}

void mgd_wire_close(mgd_wire *w) {
    if (!w)
        return;
    shut(w);
    mgd_free(w->buffer);
    mgd_free(w->words);
    mgd_free(w->environment);
    mgd_free(w->address);
    mgd_free(w);
}

const char *mgd_wire_address(const mgd_wire *w) {
    return w->address;
}

const char *mgd_wire_kind(const mgd_wire *w) {
    return w->kind->name ? w->kind->name : "";
}

mgd_fault mgd_wire_fault(const mgd_wire *w) {
    return w->fault;
}

bool mgd_wire_ended(const mgd_wire *w) {
    return w->ended;
}

void mgd_wire_descriptors(const mgd_wire *w, int *in, int *out) {
    *in = w->in;
    *out = w->out;
}

/* Whether it can be used at all. */
static mgd_status begin(mgd_context *ctx, mgd_wire *w) {
    w->fault = MGD_FAULT_NONE;
    if (w->opener != 0)
        return MGD_OK;
    w->fault = MGD_FAULT_CLOSED;
    return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": it is not open", w->address);
}

/* ---- what comes in --------------------------------------------------------------------------- */

static size_t waiting(const mgd_wire *w) {
    return w->end - w->begin;
}

/* Room behind what waits, for a byte at least. What waits moves to the front where that halves it.
 */
static mgd_status make_room(mgd_context *ctx, mgd_wire *w) {
    if (w->begin == w->end)
        w->begin = w->end = 0;
    if (waiting(w) >= w->spec.limit)
        return fail_limit(ctx, w);
    if (w->end < w->room)
        return MGD_OK;
    if (w->begin < w->room / 2 || w->room == 0) {
        size_t room = w->room ? 2 * w->room : ROOM;
        void *larger;
        MGD_TRY(mgd_allocate(ctx, "wire: buffer", room, 1, &larger));
        w->room = room;
        if (w->buffer)
            memcpy(larger, w->buffer + w->begin, waiting(w));
        mgd_free(w->buffer);
        w->buffer = larger;
    } else {
        memmove(w->buffer, w->buffer + w->begin, waiting(w));
    }
    w->end -= w->begin;
    w->begin = 0;
    return MGD_OK;
}

static size_t free_room(const mgd_wire *w) {
    size_t room = w->room - w->end, allowed = w->spec.limit - waiting(w);
    return room < allowed ? room : allowed;
}

static mgd_status call_receive(mgd_context *ctx, mgd_wire *w, double until, bool *came) {
    for (;;) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        size_t got = 0;
        double left = until - mgd_clock();
        mgd_status status =
            w->kind->receive(ctx, w, w->buffer + w->end, free_room(w), left > 0 ? left : 0, &got);
        w->fault = status == MGD_ERR_IO ? MGD_FAULT_CLOSED : MGD_FAULT_NONE;
        MGD_TRY(status);
        w->end += got;
        *came = got > 0;
        if (*came || !(left > 0))
            return MGD_OK;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE}, NULL);
    }
}

/* A connection waits for a slice of time in the call that reads: a call less for each answer. */
static bool reads_in_slices(const mgd_wire *w) {
    return w->socket && w->in == w->out;
}

/* Reads once, from a descriptor that is ready, or that is read in slices. */
static mgd_status read_once(mgd_context *ctx, mgd_wire *w, int flags, bool *came) {
    char *next = w->buffer + w->end;
    ssize_t n = reads_in_slices(w) ? recv(w->in, next, free_room(w), flags)
                                   : read(w->in, next, free_room(w));
    *came = n > 0;
    if (n > 0)
        w->end += (size_t)n;
    else if (n == 0 || (errno != EAGAIN && errno != EINTR))
        return fail_closed(ctx, w, n == 0 ? 0 : errno);
    return MGD_OK;
}

/* Takes in what comes until the deadline, as soon as it comes; *came: anything. */
static mgd_status take_in(mgd_context *ctx, mgd_wire *w, double until, bool *came) {
    *came = false;
    MGD_TRY(make_room(ctx, w));
    if (w->kind->receive)
        return call_receive(ctx, w, until, came);
    while (reads_in_slices(w) && !*came && until - mgd_clock() >= MGD_SLICE) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        MGD_TRY(read_once(ctx, w, 0, came));
    }
    struct pollfd watched = {.fd = w->in, .events = POLLIN};
    for (bool ready = true; ready && !*came;) {
        MGD_TRY(mgd_wait(ctx, &watched, 1, until, &ready));
        if (ready)
            MGD_TRY(read_once(ctx, w, MSG_DONTWAIT, came));
    }
    return MGD_OK;
}

static mgd_status fail_late(mgd_context *ctx, mgd_wire *w, const char *wanted, double waited) {
    w->fault = MGD_FAULT_LATE;
    if (waiting(w) == 0)
        return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": nothing came within %.4g s", w->address,
                        MGD_ROUNDED(waited));
    return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": %zu bytes came within %.4g s, expected %s",
                    w->address, waiting(w), MGD_ROUNDED(waited), wanted);
}

/* Takes in what comes; *late: no more is to be waited for. Of what never ends nothing is, either,
 * once the time to wait is over. */
static mgd_status take_in_time(mgd_context *ctx, mgd_wire *w, double until, double wait,
                               bool *late) {
    bool came;
    MGD_TRY(take_in(ctx, w, until, &came));
    *late = !came || (wait > 0 && mgd_clock() > until);
    return MGD_OK;
}

mgd_status mgd_wire_take(mgd_context *ctx, mgd_wire *w, size_t count, double until,
                         const char **bytes) {
    double wait = until - mgd_clock();
    MGD_TRY(begin(ctx, w));
    if (count > w->spec.limit)
        return fail_limit(ctx, w);
    for (bool late = false; waiting(w) < count;) {
        char wanted[32];
        snprintf(wanted, sizeof wanted, "%zu", count);
        if (late)
            return fail_late(ctx, w, wanted, wait);
        MGD_TRY(take_in_time(ctx, w, until, wait, &late));
    }
    *bytes = w->buffer ? w->buffer + w->begin : "";
    w->begin += count;
    return MGD_OK;
}

mgd_status mgd_wire_take_until(mgd_context *ctx, mgd_wire *w, char end, double until,
                               const char **bytes, size_t *count) {
    double wait = until - mgd_clock();
    size_t seen = 0;
    MGD_TRY(begin(ctx, w));
    for (bool late = false;;) {
        const char *next = w->buffer ? w->buffer + w->begin : "";
        const char *found = memchr(next + seen, end, waiting(w) - seen);
        if (found) {
            *bytes = next;
            *count = (size_t)(found - next);
            w->begin += *count + 1;
            return MGD_OK;
        }
        if (late)
            return fail_late(ctx, w, end == '\n' ? "a line feed" : "the end of a message", wait);
        seen = waiting(w);
        MGD_TRY(take_in_time(ctx, w, until, wait, &late));
    }
}

mgd_status mgd_wire_take_some(mgd_context *ctx, mgd_wire *w, double seconds, const char **bytes,
                              size_t *count) {
    bool came;
    MGD_TRY(begin(ctx, w));
    if (waiting(w) == 0)
        MGD_TRY(take_in(ctx, w, mgd_clock() + seconds, &came));
    *bytes = w->buffer + w->begin;
    *count = waiting(w);
    w->begin = w->end;
    return MGD_OK;
}

const char *mgd_wire_waiting(const mgd_wire *w, size_t *count) {
    *count = waiting(w);
    return w->buffer ? w->buffer + w->begin : "";
}

mgd_status mgd_wire_drain(mgd_context *ctx, mgd_wire *w, double seconds) {
    double patience = fmax(PATIENCE * seconds, LEAST_PATIENCE), until = mgd_clock() + patience;
    MGD_TRY(begin(ctx, w));
    for (bool came = true; came;) {
        w->begin = w->end;
        MGD_TRY(take_in(ctx, w, mgd_clock() + seconds, &came));
        if (came && mgd_clock() > until)
            return fail_late(ctx, w, "silence", patience);
    }
    return MGD_OK;
}

/* ---- what goes out --------------------------------------------------------------------------- */

static ssize_t put(const mgd_wire *w, const char *bytes, size_t count) {
    if (w->socket)
        return send(w->out, bytes, count, MSG_NOSIGNAL | (w->shared ? MSG_DONTWAIT : 0));
    return mgd_write_quietly(w->out, bytes, w->shared && count > PIPE_BUF ? PIPE_BUF : count);
}

/* Waits until more can go out; what comes meanwhile is taken in, so that the other side, which may
 * wait for that, goes on. */
static mgd_status wait_to_write(mgd_context *ctx, mgd_wire *w, double until, bool *ready) {
    struct pollfd watched[2] = {{.fd = w->out, .events = POLLOUT}, {.fd = w->in, .events = POLLIN}};
    for (;;) {
        bool came;
        MGD_TRY(mgd_wait(ctx, watched, 2, until, ready));
        if (!*ready || watched[0].revents)
            return MGD_OK;
        MGD_TRY(make_room(ctx, w));
        if (read_once(ctx, w, MSG_DONTWAIT, &came) != MGD_OK)
            watched[1].fd = -1; /* it says no more, but may still listen */
    }
}

static mgd_status write_descriptor(mgd_context *ctx, mgd_wire *w, const char *bytes, size_t count,
                                   double until) {
    double time = until - mgd_clock();
    bool ready = true, wait = w->shared;
    for (size_t done = 0; done < count;) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        if (wait)
            MGD_TRY(wait_to_write(ctx, w, until, &ready));
        if (!ready) {
            w->fault = MGD_FAULT_LATE;
            return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": it took %zu of %zu bytes within %.3g s",
                            w->address, done, count, time);
        }
        ssize_t n = put(w, bytes + done, count - done);
        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return fail_closed(ctx, w, errno);
        done += n > 0 ? (size_t)n : 0;
        wait = w->shared || n <= 0;
    }
    w->fault = MGD_FAULT_NONE;
    return MGD_OK;
}

mgd_status mgd_wire_write(mgd_context *ctx, mgd_wire *w, const void *bytes, size_t count,
                          double until) {
    MGD_TRY(begin(ctx, w));
    if (!w->kind->send)
        return write_descriptor(ctx, w, bytes, count, until);
    mgd_status status = w->kind->send(ctx, w, bytes, count);
    w->fault = status == MGD_ERR_IO ? MGD_FAULT_CLOSED : MGD_FAULT_NONE;
    return status;
}

/* ---- the wire of a client -------------------------------------------------------------------- */

static mgd_status open_client(mgd_context *ctx, mgd_wire *w, double until) {
    (void)until;
    w->fault = MGD_FAULT_CLOSED;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, MGD_ADDRESS ": a client cannot be opened again",
                    w->address);
}

const mgd_transport mgd_transport_client = {.open = open_client};

static bool is_socket(int fd) {
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISSOCK(info.st_mode);
}

mgd_status mgd_wire_around(mgd_context *ctx, const char *address, int in, int out, bool shared,
                           size_t limit, mgd_wire **wire) {
    mgd_wire *w = NULL;
    mgd_status status = allocate(ctx, &(mgd_wire_spec){.limit = limit}, &w);
    if (status != MGD_OK) {
        if (!shared)
            close(in);
        if (!shared && out != in)
            close(out);
        return status;
    }
    w->in = in;
    w->out = out;
    w->shared = shared;
    w->socket = is_socket(out);
    mgd_quieten();
    w->opener = getpid();
    status = copy_text(ctx, address, &w->address);
    if (status == MGD_OK)
        *wire = w;
    else
        mgd_wire_close(w);
    return status;
}
