/* Answers: how each is found in what comes, and what it says. */

#include "port_state.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define LONGEST_LINE 80 /* of an answer, in messages; … */
#define SHOWN 400       /* … and of what the chip reports as an error */

/* The way is at fault: bytes were lost, or are those of somebody else. */
static mgd_status garbled(mgd_context *ctx, mgd_port *port, const char *expected) {
    char shown[LONGEST_LINE + 1];
    size_t n = port->answer.count < LONGEST_LINE ? port->answer.count : LONGEST_LINE;
    for (size_t i = 0; i < n; i++)
        shown[i] = isprint((unsigned char)port->answer.bytes[i]) ? port->answer.bytes[i] : '?';
    shown[n] = '\0';
    port->lost = true;
    return mgd_fail(ctx, MGD_ERR_FORMAT, "%s: the answer is '%s'%s: expected %s",
                    mgd_port_address(port), shown, port->answer.count > n ? " …" : "", expected);
}

/* ---- taking one ------------------------------------------------------------------------------ */

static mgd_status missing(mgd_port *port, mgd_status status) {
    port->lost = status != MGD_ERR_INTERRUPT;
    return status;
}

static mgd_status take(mgd_context *ctx, mgd_port *port, size_t count, double until,
                       mgd_text *into) {
    const char *bytes;
    mgd_status status = mgd_wire_take(ctx, port->wire, count, until, &bytes);
    if (status != MGD_OK)
        return missing(port, status);
    mgd_text_add(into, bytes, count);
    return MGD_OK;
}

static mgd_status take_line(mgd_context *ctx, mgd_port *port, double until, mgd_text *into) {
    const char *bytes;
    size_t count;
    mgd_status status;
    if (*port->terminator == '\0') { /* what comes until it is silent */
        do
            status = mgd_wire_take_some(ctx, port->wire, 0.05, &bytes, &count);
        while (status == MGD_OK && count == 0 && mgd_clock() < until);
        if (status == MGD_OK && count == 0) {
            port->lost = true;
            return mgd_fail(ctx, MGD_ERR_IO, "%s: no answer came within %g s",
                            mgd_port_address(port), port->spec->timeout);
        }
    } else {
        char end = port->terminator[strlen(port->terminator) - 1];
        status = mgd_wire_take_until(ctx, port->wire, end, until, &bytes, &count);
    }
    if (status != MGD_OK)
        return missing(port, status);
    while (count > 0 && (bytes[count - 1] == '\r' || bytes[count - 1] == '\n'))
        count--;
    mgd_text_add(into, bytes, count);
    return MGD_OK;
}

/* Behind its "#": the block into `answer`, what follows into `rest`. */
static mgd_status take_block(mgd_context *ctx, mgd_port *port, double until) {
    mgd_text head = {0};
    mgd_text_add(&head, "#", 1);
    mgd_status status = take(ctx, port, 1, until, &head);
    size_t length = 0, digits = head.count > 1 ? (size_t)(head.bytes[1] - '0') : 0;
    if (status == MGD_OK && digits >= 1 && digits <= 9)
        status = take(ctx, port, digits, until, &head);
    size_t used = head.failed || status != MGD_OK
                      ? SIZE_MAX
                      : mgd_block_read(head.bytes, head.count, port->spec->wire.limit, &length);
    mgd_free(head.bytes);
    port->answer.count = 0;
    if (status != MGD_OK)
        return status;
    if (used == SIZE_MAX || used == 0) {
        mgd_text_add(&port->answer, "#", 1);
        return garbled(ctx, port, "a definite block of a length that is allowed");
    }
    MGD_TRY(take(ctx, port, length, until, &port->answer));
    port->is_block = true;
    return take_line(ctx, port, until, &port->rest);
}

/* A line, or a block and the rest of its line. Small answers begin with OK or ERR, which a block
 * stands behind. */
static mgd_status take_message(mgd_context *ctx, mgd_port *port, double until) {
    bool small = *port->dialect->tail == '\0';
    if (*port->terminator == '\0')
        return take_line(ctx, port, until, &port->answer);
    MGD_TRY(take(ctx, port, 1, until, &port->answer));
    if (small && *port->answer.bytes == 'O') {
        MGD_TRY(take(ctx, port, 2, until, &port->answer));
        if (memcmp(port->answer.bytes, "OK ", 3) == 0)
            MGD_TRY(take(ctx, port, 1, until, &port->answer));
    }
    char last = port->answer.bytes[port->answer.count - 1];
    if (last == '#' && (port->answer.count == 1) == !small)
        return take_block(ctx, port, until);
    if (last == '\n')
        return MGD_OK;
    return take_line(ctx, port, until, &port->answer);
}

/* ---- frames ---------------------------------------------------------------------------------- */

static mgd_status send_frame(mgd_context *ctx, mgd_port *port, const char *message, size_t count) {
    void *frame;
    MGD_TRY(mgd_allocate(ctx, "frame", mgd_frame_room(count) + 1, 1, &frame));
    *(char *)frame = 0; /* whatever was under way ends here */
    size_t length = 1 + mgd_frame_write(port->sequence, message, count, (char *)frame + 1);
    mgd_status status =
        mgd_wire_write(ctx, port->wire, frame, length, mgd_clock() + port->spec->timeout);
    port->spent.sent += (double)length;
    mgd_free(frame);
    return status;
}

/* Frames of other numbers are answers to earlier requests. */
static mgd_status take_frame(mgd_context *ctx, mgd_port *port, double until) {
    for (;;) {
        const char *bytes;
        char *message;
        size_t count, length;
        uint8_t sequence;
        MGD_TRY(mgd_wire_take_until(ctx, port->wire, '\0', until, &bytes, &count));
        port->answer.count = 0;
        mgd_text_add(&port->answer, bytes, count);
        if (!port->answer.failed && count > 0 &&
            mgd_frame_read(port->answer.bytes, count, &sequence, &message, &length) &&
            sequence == port->sequence) {
            memmove(port->answer.bytes, message, length);
            port->answer.count = length;
            return MGD_OK;
        }
        MGD_TRY(mgd_interrupt_answer(ctx));
        if (mgd_clock() > until)
            return mgd_fail(ctx, MGD_ERR_IO, "%s: what came within %g s was no answer",
                            mgd_port_address(port), port->spec->timeout);
    }
}

/* "OK #…" as take_message leaves it. */
static void part_block(mgd_port *port) {
    size_t length, head;
    if (port->answer.count < 5 || memcmp(port->answer.bytes, "OK #", 4) != 0)
        return;
    head = mgd_block_read(port->answer.bytes + 3, port->answer.count - 3, SIZE_MAX / 4, &length);
    if (head == 0 || head == SIZE_MAX || port->answer.count - 3 - head != length)
        return;
    memmove(port->answer.bytes, port->answer.bytes + 3 + head, length);
    port->answer.count = length;
    port->is_block = true;
}

/* Sends request `k` until it is answered. */
static mgd_status ask_frame(mgd_context *ctx, mgd_port *port, size_t k) {
    size_t from = k ? port->end[k - 1] : 0;
    mgd_status status = MGD_OK;
    port->sequence++;
    for (unsigned i = 0; i <= port->spec->retries; i++) {
        port->spent.retries += i > 0;
        status = send_frame(ctx, port, port->out.bytes + from, port->end[k] - from);
        if (status == MGD_OK)
            status = take_frame(ctx, port, mgd_clock() + port->spec->timeout);
        if (status == MGD_OK || mgd_wire_fault(port->wire) != MGD_FAULT_LATE)
            break;
    }
    if (status != MGD_OK)
        return missing(port, status);
    part_block(port);
    return MGD_OK;
}

static mgd_status take_answer(mgd_context *ctx, mgd_port *port) {
    double begin = mgd_clock();
    port->answer.count = port->rest.count = 0;
    port->is_block = false;
    mgd_status status = port->dialect->frames
                            ? ask_frame(ctx, port, port->answered)
                            : take_message(ctx, port, begin + port->spec->timeout);
    port->spent.seconds += mgd_clock() - begin;
    port->spent.requests++;
    port->spent.received += (double)(port->answer.count + port->rest.count);
    port->answered++;
    port->gone -= port->gone > 0;
    if (port->spec->log && status == MGD_OK)
        mgd_port_show(port->spec->log, '<', port->answer.bytes, port->answer.count);
    if (status == MGD_OK && (port->answer.failed || port->rest.failed))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: an answer");
    return status;
}

/* ---- what it says ---------------------------------------------------------------------------- */

static mgd_status refused(mgd_context *ctx, mgd_port *port, const char *why, size_t count) {
    long code = strtol(why, NULL, 10);
    port->refused = true;
    port->failed = code == (*port->dialect->tail ? -240 : 4);
    return mgd_fail(ctx, MGD_ERR_CALLBACK, "%s: the chip reports: %.*s", mgd_port_address(port),
                    count < SHOWN ? (int)count : SHOWN, why);
}

/* "OK", "OK value", "ERR code text": leaves the value. */
static mgd_status judge_small(mgd_context *ctx, mgd_port *port) {
    char *bytes = port->answer.bytes;
    size_t n = port->answer.count;
    if (port->is_block)
        return port->rest.count == 0 ? MGD_OK : garbled(ctx, port, "nothing behind its block");
    while (n > 0 && (bytes[n - 1] == '\n' || bytes[n - 1] == '\r'))
        n--;
    if (n >= 3 && memcmp(bytes, "ERR", 3) == 0 && (n == 3 || bytes[3] == ' '))
        return n > 4 ? refused(ctx, port, bytes + 4, n - 4) : refused(ctx, port, "ERR", 3);
    if (n < 2 || memcmp(bytes, "OK", 2) != 0 || (n > 2 && bytes[2] != ' '))
        return garbled(ctx, port, "OK or ERR");
    size_t head = n > 2 ? 3 : 2;
    memmove(bytes, bytes + head, n - head);
    port->answer.count = n - head;
    bytes[port->answer.count] = '\0';
    return MGD_OK;
}

/* What stands between the answers of one line. */
static bool is_gap(char c) {
    return c == ';' || c == ' ';
}

/* Where the last error of a SCPI answer begins, `-222,"…"`; NULL: there is none. */
static char *error_of(mgd_text *text) {
    char *bytes = text->bytes;
    size_t n = text->count;
    if (n < 4 || bytes[n - 1] != '"')
        return NULL;
    size_t i = n - 1;
    while (i > 0 && bytes[i - 1] != '"')
        i--;
    if (i < 3 || bytes[i - 2] != ',')
        return NULL;
    i -= 2;
    size_t comma = i;
    while (i > 0 && isdigit((unsigned char)bytes[i - 1]))
        i--;
    bool number = i < comma;
    if (i > 0 && (bytes[i - 1] == '+' || bytes[i - 1] == '-'))
        i--;
    return number && (i == 0 || is_gap(bytes[i - 1])) ? bytes + i : NULL;
}

/* "value;0,\"No error\"": leaves the value. */
static mgd_status judge_scpi(mgd_context *ctx, mgd_port *port) {
    mgd_text *text = port->is_block ? &port->rest : &port->answer;
    char *error = text->count ? error_of(text) : NULL;
    if (!error)
        return garbled(ctx, port, "an answer with that of SYST:ERR?");
    size_t count = text->count - (size_t)(error - text->bytes);
    if (strspn(error, "+-0") != strcspn(error, ","))
        return refused(ctx, port, error, count);
    text->count -= count;
    while (text->count > 0 && is_gap(text->bytes[text->count - 1]))
        text->count--;
    text->bytes[text->count] = '\0';
    return !port->is_block || text->count == 0 ? MGD_OK
                                               : garbled(ctx, port, "nothing behind its block");
}

/* More than was asked for: an answer that came twice, or was nobody's. What was taken may be that,
 * and the next answers would all be one too late. */
static mgd_status check_rest(mgd_context *ctx, mgd_port *port) {
    size_t count;
    const char *bytes = mgd_wire_waiting(port->wire, &count);
    while (count > 0 && isspace((unsigned char)*bytes))
        bytes++, count--;
    if (count == 0)
        return MGD_OK;
    return garbled(ctx, port, "no other behind it that nobody has asked for");
}

static mgd_status send_all(mgd_context *ctx, mgd_port *port) {
    if (!port->wire)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "the chip was closed");
    if (port->out.failed)
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a request of %zu bytes",
                        port->out.count);
    port->sent = true;
    if (port->spec->log)
        mgd_port_show(port->spec->log, '>', port->out.bytes, port->out.count);
    if (port->dialect->frames)
        return MGD_OK;
    port->since = mgd_clock();
    mgd_status status = mgd_wire_write(ctx, port->wire, port->out.bytes, port->out.count,
                                       port->since + port->spec->timeout);
    port->gone = port->num_requests;
    port->spent.sent += (double)port->out.count;
    port->spent.seconds += mgd_clock() - port->since;
    return status == MGD_OK ? MGD_OK : missing(port, status);
}

mgd_status mgd_port_flush(mgd_context *ctx, mgd_port *port) {
    bool waits = port->num_requests > 0 && !port->sent;
    return waits && !port->spec->dry_run ? send_all(ctx, port) : MGD_OK;
}

/* What has to pass before an answer is read. */
static mgd_status wait_first(mgd_context *ctx, const mgd_port *port) {
    while (mgd_clock() < port->since + port->spec->wait) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    return MGD_OK;
}

static mgd_status next(mgd_context *ctx, mgd_port *port) {
    if (!port->sent)
        MGD_TRY(send_all(ctx, port));
    if (port->answered == 0 && port->spec->wait > 0 && !port->dialect->frames)
        MGD_TRY(wait_first(ctx, port));
    port->failed = false;
    MGD_TRY(take_answer(ctx, port));
    bool all = port->answered >= port->num_requests;
    if (all) {
        port->out.count = port->num_requests = port->answered = 0;
        port->sent = false;
    }
    MGD_TRY(*port->dialect->tail ? judge_scpi(ctx, port) : judge_small(ctx, port));
    return all && !port->dialect->frames ? check_rest(ctx, port) : MGD_OK;
}

/* ---- answers by kind ------------------------------------------------------------------------- */

/* A request of a dry run: shown, and as good as answered. */
static void pretend(mgd_port *port) {
    if (!port->sent)
        mgd_port_show(stderr, '>', port->out.bytes, port->out.count);
    port->sent = true;
    port->spent.requests++;
    if (++port->answered >= port->num_requests) {
        port->out.count = port->num_requests = port->answered = 0;
        port->sent = false;
    }
}

mgd_status mgd_port_done(mgd_context *ctx, mgd_port *port) {
    if (port->spec->dry_run) {
        pretend(port);
        return MGD_OK;
    }
    MGD_TRY(next(ctx, port));
    return port->answer.count == 0 && !port->is_block ? MGD_OK
                                                      : garbled(ctx, port, "no value behind it");
}

mgd_status mgd_port_text(mgd_context *ctx, mgd_port *port, const char **text, size_t *count) {
    if (port->spec->dry_run) {
        pretend(port);
        port->answer.count = 0;
        mgd_text_add(&port->answer, "", 0);
    } else {
        MGD_TRY(next(ctx, port));
    }
    *text = port->answer.bytes;
    *count = port->answer.count;
    return MGD_OK;
}

static double real_at(const mgd_port *port, const char *bytes, size_t size) {
    char turned[sizeof(double)];
    for (size_t i = 0; i < size; i++)
        turned[i] = bytes[port->description.big_endian ? size - 1 - i : i];
    if (size == sizeof(float)) {
        float narrow;
        memcpy(&narrow, turned, sizeof narrow);
        return (double)narrow;
    }
    double wide;
    memcpy(&wide, turned, sizeof wide);
    return wide;
}

static mgd_status count_differs(mgd_context *ctx, mgd_port *port, size_t got, size_t count) {
    port->lost = true; /* of whatever that was the answer */
    return mgd_fail(ctx, MGD_ERR_FORMAT, "%s: the answer has %zu number%s: expected %zu",
                    mgd_port_address(port), got, got == 1 ? "" : "s", count);
}

static mgd_status read_block(mgd_context *ctx, mgd_port *port, size_t size, double *out,
                             size_t count) {
    size_t bytes = port->answer.count;
    if (bytes != count * size)
        return count_differs(ctx, port, bytes / size, count);
    for (size_t i = 0; i < count; i++)
        out[i] = real_at(port, port->answer.bytes + i * size, size);
    return MGD_OK;
}

/* Elements of a block have `size` bytes. */
static mgd_status take_numbers(mgd_context *ctx, mgd_port *port, size_t size, double *out,
                               size_t count) {
    if (port->spec->dry_run) {
        pretend(port);
        memset(out, 0, count * sizeof *out);
        return MGD_OK;
    }
    MGD_TRY(next(ctx, port));
    if (port->is_block)
        return read_block(ctx, port, size, out, count);
    size_t n = 0;
    char *at = port->answer.bytes, *end, *stop = at + port->answer.count;
    while (at < stop) {
        double value = strtod(at, &end);
        if (end == at || (end < stop && (*end != ',' || end + 1 == stop)))
            return garbled(ctx, port, "numbers with commas between");
        if (n < count)
            out[n] = value;
        n++;
        at = end + (end < stop);
    }
    return n == count ? MGD_OK : count_differs(ctx, port, n, count);
}

mgd_status mgd_port_reals(mgd_context *ctx, mgd_port *port, double *out, size_t count) {
    return take_numbers(ctx, port, mgd_dtype_size(port->description.dtype), out, count);
}

mgd_status mgd_port_costs(mgd_context *ctx, mgd_port *port, double *out, size_t count) {
    return take_numbers(ctx, port, sizeof(double), out, count);
}
