/* Ports: opening one, finding out what is at its end, and what is to be known of it. */

#include "port_state.h"

#include <math.h>
#include <string.h>

#define SILENCE 0.05       /* s without a byte, after which nothing more is expected */
#define PROBE_SECONDS 1.0  /* for an answer while dialect and terminator are found out … */
#define PROBE_PROGRAM 10.0 /* … of a program that has to start first */

/* ---- forgetting ----------------------------------------------------------------------------- */

/* Errors of earlier requests that wait in a queue are nobody's any more. */
static mgd_status clear_errors(mgd_context *ctx, mgd_port *port) {
    mgd_text words = {0};
    if (!port->dialect || !*port->dialect->clear || !*port->terminator || !port->wire)
        return MGD_OK;
    mgd_text_format(&words, "%s%s", port->dialect->clear, port->terminator);
    mgd_status status = words.failed ? mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a request")
                                     : mgd_wire_write(ctx, port->wire, words.bytes, words.count,
                                                      mgd_clock() + port->spec->timeout);
    mgd_free(words.bytes);
    return status;
}

static mgd_status drop_waiting(mgd_context *ctx, mgd_port *port) {
    size_t count;
    const char *bytes = mgd_wire_waiting(port->wire, &count);
    return count ? mgd_wire_take(ctx, port->wire, count, 0, &bytes) : MGD_OK;
}

mgd_status mgd_port_forget(mgd_context *ctx, mgd_port *port) {
    bool late = port->gone > 0 && !port->dialect->frames;
    double latency = fmin(port->description.latency, port->spec->timeout);
    mgd_status status = MGD_OK;
    port->out.count = port->num_requests = port->answered = port->gone = 0;
    port->out.failed = port->sent = false;
    if (port->refused)
        status = clear_errors(ctx, port);
    port->refused = port->failed = false;
    if (status == MGD_OK && port->wire)
        status =
            late ? mgd_wire_drain(ctx, port->wire, SILENCE + latency) : drop_waiting(ctx, port);
    port->lost = status != MGD_OK && status != MGD_ERR_INTERRUPT;
    return status;
}

/* ---- finding out ----------------------------------------------------------------------------- */

typedef struct {
    const char *dialect, *terminator;
} guess;

/* Small chips take *IDN?, too, and their answer tells them. */
static const guess guesses[] = {
    {"scpi", "\n"}, {"lines", "\n"}, {"scpi", "\r\n"}, {"lines", "\r\n"}, {"scpi", ""}};

static mgd_status ask_identity(mgd_context *ctx, mgd_port *port) {
    const char *text;
    size_t count;
    mgd_port_say(port, port->dialect->identify, strlen(port->dialect->identify));
    MGD_TRY(mgd_port_text(ctx, port, &text, &count));
    port->identity.count = 0;
    mgd_text_add(&port->identity, text, count);
    return MGD_OK;
}

/* Asks in the words of a guess, and whether the answer is in its words. */
static mgd_status try_guess(mgd_context *ctx, mgd_port *port, const guess *g) {
    MGD_TRY(mgd_port_forget(ctx, port));
    MGD_TRY(mgd_wire_drain(ctx, port->wire, 0));
    port->dialect = mgd_dialect_of(g->dialect);
    port->terminator = g->terminator;
    MGD_TRY(clear_errors(ctx, port));
    return ask_identity(ctx, port);
}

static bool may_be(const mgd_port *port, const guess *g) {
    const char *dialect = port->spec->dialect;
    return (!dialect || strcmp(dialect, g->dialect) == 0) &&
           (!port->spec->terminator || strcmp(port->spec->terminator, g->terminator) == 0);
}

/* Instruments on a network speak SCPI as a rule, programs and serial ports the small protocol. */
static size_t guess_at(const mgd_port *port, size_t i) {
    return mgd_port_is(port, "TCPIP") || i > 3 ? i : i ^ 1;
}

static mgd_status find_out(mgd_context *ctx, mgd_port *port) {
    const mgd_port_spec *given = port->spec;
    bool frames = given->dialect && mgd_dialect_of(given->dialect)->frames; /* without terminator */
    if (frames || (given->dialect && given->terminator)) {
        guess g = {given->dialect, frames ? "\n" : given->terminator};
        return try_guess(ctx, port, &g);
    }
    mgd_port_spec quick = *given;
    bool program = mgd_port_is(port, "EXEC");
    size_t count = sizeof guesses / sizeof *guesses, tried = 0;
    mgd_status status = MGD_ERR_IO;
    for (size_t i = 0; i < count && status != MGD_OK; i++) {
        const guess *g = &guesses[guess_at(port, i)];
        if (!may_be(port, g))
            continue;
        double most = program && tried++ == 0 ? PROBE_PROGRAM : PROBE_SECONDS;
        quick.timeout = most < given->timeout ? most : given->timeout;
        port->spec = &quick;
        status = try_guess(ctx, port, g);
        port->spec = given;
        if (status == MGD_ERR_INTERRUPT || mgd_wire_fault(port->wire) == MGD_FAULT_CLOSED)
            return status;
    }
    if (status == MGD_OK)
        return MGD_OK;
    mgd_context last = *ctx;
    return mgd_fail(
        ctx, status,
        "%.250s; it was asked who it is by *IDN? and ID, with and without carriage return: "
        "expected a chip that keeps docs/guide/chip-contract.md, or dialect and "
        "terminator as they are",
        last.message);
}

/* ---- opening --------------------------------------------------------------------------------- */

static mgd_status finish_description(mgd_context *ctx, const mgd_port *port, mgd_description *d) {
    const char *given = port->spec->describe;
    if (given)
        MGD_TRY(mgd_description_read(ctx, given, strlen(given), d));
    if (d->targets == SIZE_MAX)
        d->targets = d->outputs;
    return mgd_description_check(ctx, d);
}

/* What it says, into *d, which is to be closed in any case. A chip that cannot describe itself is
 * described by its user. */
static mgd_status ask_description(mgd_context *ctx, mgd_port *port, mgd_description *d) {
    const char *text;
    size_t count;
    mgd_description_default(d);
    mgd_port_say(port, port->dialect->describe, strlen(port->dialect->describe));
    mgd_status status = mgd_port_text(ctx, port, &text, &count);
    port->said.count = 0;
    if (status == MGD_OK) {
        mgd_text_add(&port->said, text, count);
        MGD_TRY(mgd_description_read(ctx, text, count, d));
    } else if (!port->spec->describe || mgd_port_lost(port)) {
        return status;
    }
    return finish_description(ctx, port, d);
}

/* How it is to write arrays. */
static mgd_status choose_format(mgd_context *ctx, mgd_port *port) {
    if (port->description.blocks && *port->dialect->reals) {
        mgd_port_say(port, port->dialect->reals, strlen(port->dialect->reals));
        MGD_TRY(mgd_port_done(ctx, port));
    }
    return MGD_OK;
}

static mgd_status open_dry(mgd_context *ctx, mgd_port *port) {
    if (!port->spec->describe)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "a dry run opens nothing: expected describe = {parameters =, inputs =, …}");
    mgd_description_default(&port->description);
    port->dialect = mgd_dialect_of(port->spec->dialect ? port->spec->dialect : "scpi");
    port->terminator = port->spec->terminator ? port->spec->terminator : "\n";
    mgd_text_add(&port->identity, "dry run", 7);
    return finish_description(ctx, port, &port->description);
}

static mgd_status open(mgd_context *ctx, mgd_port *port) {
    if (port->spec->dry_run)
        return open_dry(ctx, port);
    MGD_TRY(mgd_wire_open(ctx, &port->spec->wire, &port->wire));
    MGD_TRY(find_out(ctx, port));
    MGD_TRY(ask_description(ctx, port, &port->description));
    return choose_format(ctx, port);
}

mgd_status mgd_port_open(mgd_context *ctx, const mgd_port_spec *spec, mgd_port **out) {
    void *memory;
    if (spec->dialect && !mgd_dialect_of(spec->dialect))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "unknown dialect '%s': expected scpi, lines or frames", spec->dialect);
    MGD_TRY(mgd_allocate(ctx, "port", 1, sizeof(mgd_port), &memory));
    mgd_port *port = memory;
    port->spec = spec;
    mgd_status status = open(ctx, port);
    if (status != MGD_OK) {
        mgd_port_close(port);
        return status;
    }
    port->spent = (mgd_port_times){0}; /* what is spent on a program that starts says nothing */
    *out = port;
    return MGD_OK;
}

/* All that was made for the chip has the sizes that it told at first. */
static mgd_status check_same(mgd_context *ctx, mgd_port *port) {
    mgd_description now = {0};
    mgd_status status = ask_description(ctx, port, &now);
    if (status == MGD_OK && !mgd_description_same(&now, &port->description))
        status = mgd_fail(ctx, MGD_ERR_FORMAT,
                          "%s: after the connection was opened again the chip is another, '%s': "
                          "expected the same description as before",
                          mgd_port_address(port), port->said.bytes);
    mgd_description_close(&now);
    return status;
}

mgd_status mgd_port_reopen(mgd_context *ctx, mgd_port *port) {
    mgd_text before = port->identity;
    port->gone = 0;
    if (!port->wire)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "the chip was closed");
    MGD_TRY(mgd_port_forget(ctx, port));
    MGD_TRY(mgd_wire_reopen(ctx, port->wire));
    port->spent.reconnections++;
    port->identity = (mgd_text){0};
    mgd_status status = ask_identity(ctx, port);
    bool same = status != MGD_OK || (port->identity.count == before.count &&
                                     memcmp(port->identity.bytes, before.bytes, before.count) == 0);
    if (!same)
        status = mgd_fail(ctx, MGD_ERR_FORMAT,
                          "%s: it was '%s', and is '%s' after the connection was opened again: "
                          "expected the same chip",
                          mgd_port_address(port), before.bytes, port->identity.bytes);
    mgd_free(port->identity.bytes);
    port->identity = before;
    if (status == MGD_OK)
        status = check_same(ctx, port);
    return status == MGD_OK ? choose_format(ctx, port) : status;
}

void mgd_port_terminate(mgd_port *port) {
    if (port->wire)
        mgd_wire_terminate(port->wire);
}

void mgd_port_shut(mgd_port *port) {
    mgd_wire_close(port->wire);
    port->wire = NULL;
}

void mgd_port_close(mgd_port *port) {
    if (!port)
        return;
    mgd_wire_close(port->wire);
    mgd_description_close(&port->description);
    mgd_text *texts[] = {&port->identity, &port->said, &port->out, &port->answer, &port->rest};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        mgd_free(texts[i]->bytes);
    mgd_free(port->end);
    mgd_free(port);
}

/* ---- telling ------------------------------------------------------------------------------- */

mgd_status mgd_port_tell(mgd_context *ctx, mgd_port *port, const char *text, size_t count) {
    if (port->spec->dry_run) {
        mgd_port_show(stderr, '>', text, count);
        return MGD_OK;
    }
    if (port->spec->log)
        mgd_port_show(port->spec->log, '>', text, count);
    return mgd_wire_write(ctx, port->wire, text, count, mgd_clock() + port->spec->timeout);
}
