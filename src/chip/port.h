/* port: how a chip at the end of a wire is spoken to, in the words of docs/guide/chip-contract.md.
 *
 * Requests are put together first; then their answers are taken, one after the other and each once.
 * On wires that keep their bytes all requests go out together, before the first answer is waited
 * for, so that many of them cost one round trip, and chips at several ports work at the same time.
 * In frames each waits for its answer, and is sent again when none comes: the sequence number makes
 * a retry count once.
 */
#ifndef MGD_CHIP_PORT_H
#define MGD_CHIP_PORT_H

#include "../wire/wire.h"
#include "description.h"

#include <stdio.h>

/* Bytes that grow. A failure to grow is noted and told when they are used. */
typedef struct {
    char *bytes;
    size_t count, room;
    bool failed;
} mgd_text;

void mgd_text_add(mgd_text *text, const void *bytes, size_t count);
void mgd_text_format(mgd_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What a dialect says, and how it sets words and arrays apart; a row of port.c. */
typedef struct {
    const char *name;
    bool frames;
    const char *identify, *describe, *data, *write, *read, *run, *outputs, *safe;
    const char *separator;  /* between words */
    const char *array[2];   /* around numbers in decimal, … */
    const char *samples[2]; /* … and around numbers of samples */
    const char *clear;      /* empties the queue of errors; "": there is none */
    const char *quote;      /* around texts */
    const char *reals;      /* is sent first where arrays are blocks; "": nothing */
    const char *tail;       /* behind each request */
} mgd_dialect;

/* By its name; NULL: there is none. */
const mgd_dialect *mgd_dialect_of(const char *name);

/* n steps measured in a row, see RUN. */
typedef struct {
    const char *code;
    uint64_t seed, replica, slot, step, n;
    double amplitude;
    const uint32_t *samples; /* (batches × batch) */
    size_t batch, batches;   /* 1, or n */
    const char *signs;
} mgd_burst;

typedef struct {
    mgd_wire_spec wire;
    const char *dialect;    /* NULL: found out */
    const char *terminator; /* behind a request; NULL: found out */
    const char *describe;   /* a line of DESC that counts more than the chip's own; NULL: none */
    double timeout;         /* seconds for an answer */
    double wait;            /* seconds between a request and reading its answer */
    unsigned retries;       /* of a frame */
    bool dry_run;           /* nothing is opened: requests are shown, answers are zeros */
    FILE *log;              /* of what goes to and fro; NULL: none. The caller's */
} mgd_port_spec;

/* What has been spent on a port. */
typedef struct {
    double requests, sent, received; /* bytes */
    double seconds;                  /* from sending until the answer was there */
    double retries, reconnections;
} mgd_port_times;

typedef struct mgd_port mgd_port;

/* Opens the wire, finds dialect and terminator, and asks who the chip is and what it is. The
 * specification must outlive the port. */
mgd_status mgd_port_open(mgd_context *ctx, const mgd_port_spec *spec, mgd_port **out);
/* Opens the wire anew and checks that the same chip answers. */
mgd_status mgd_port_reopen(mgd_context *ctx, mgd_port *port);
/* A program is asked to end at once, rather than once it sees its input closed. */
void mgd_port_terminate(mgd_port *port);
/* Closes the wire; the port stays to be looked at, and fails when it is used. */
void mgd_port_shut(mgd_port *port);
void mgd_port_close(mgd_port *port);

const mgd_description *mgd_port_description(const mgd_port *port);
const char *mgd_port_identity(const mgd_port *port); /* what ID returned */
const char *mgd_port_said(const mgd_port *port);     /* the line of its description */
const char *mgd_port_address(const mgd_port *port);
const mgd_dialect *mgd_port_dialect(const mgd_port *port);
const char *mgd_port_terminator(const mgd_port *port);
mgd_port_times mgd_port_spent(const mgd_port *port);
/* Whether the last failure was of the way to the chip rather than said by the chip: opening the
 * port anew may help. */
bool mgd_port_lost(const mgd_port *port);
/* Whether the last failure was that the chip reported one of a measurement: code 4, in SCPI −240.
 */
bool mgd_port_failed(const mgd_port *port);
/* Whether its wire is of a kind (mgd_wire_kind), and, once it is lost, whether a program had ended
 * by itself with status 0. */
bool mgd_port_is(const mgd_port *port, const char *kind);
bool mgd_port_ended(const mgd_port *port);

/* Requests, to be answered in their order. Arrays are of the chip's dtype. */
void mgd_port_data(mgd_port *port, size_t first, const void *x, size_t nx, const void *y,
                   size_t ny);
void mgd_port_write(mgd_port *port, const void *theta, uint64_t step, uint64_t replica);
void mgd_port_read(mgd_port *port);
void mgd_port_run(mgd_port *port, const mgd_burst *burst);
void mgd_port_safe(mgd_port *port, double milliseconds); /* 0: now */
/* Any text, for queries of the user's. */
void mgd_port_say(mgd_port *port, const char *text, size_t count);

/* Bytes of the requests that have been put together, until all of them are answered. */
size_t mgd_port_waiting(const mgd_port *port);
/* Sends them, where they go out together; else, and if this is not called, the first answer that is
 * taken does. */
mgd_status mgd_port_flush(mgd_context *ctx, mgd_port *port);
/* Drops requests that were not sent, and answers that are still to come. */
mgd_status mgd_port_forget(mgd_context *ctx, mgd_port *port);

/* The next answer: that all went well; so many numbers and no others, as doubles, which are in the
 * chip's dtype or, costs, doubles always; a text, good until the next call. */
mgd_status mgd_port_done(mgd_context *ctx, mgd_port *port);
mgd_status mgd_port_reals(mgd_context *ctx, mgd_port *port, double *out, size_t count);
mgd_status mgd_port_costs(mgd_context *ctx, mgd_port *port, double *out, size_t count);
mgd_status mgd_port_text(mgd_context *ctx, mgd_port *port, const char **text, size_t *count);
/* Writes without an answer. */
mgd_status mgd_port_tell(mgd_context *ctx, mgd_port *port, const char *text, size_t count);

#endif
