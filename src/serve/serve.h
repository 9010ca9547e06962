/* serve: the chip server. It turns any chip into an instrument that speaks
 * docs/guide/chip-contract.md: the small protocol as lines and in frames, and SCPI.
 *
 * A server is bytes in, bytes out (mgd_server_take); mgd_work_some waits for those who send them.
 */
#ifndef MGD_SERVE_SERVE_H
#define MGD_SERVE_SERVE_H

#include "../wire/wire.h"

/* One measurement of a chip that has no sessions. */
typedef struct {
    bool noiseless; /* outputs are asked for, and no measurement in training */
    uint64_t seed, replica, step;
    unsigned tick;           /* the first or second measurement of the step: 0 or 1 */
    size_t count;            /* B */
    const uint32_t *samples; /* (B) their numbers */
    const void *theta;       /* (P) */
    const void *x;           /* (all samples × I) */
} mgd_measurement;

/* The chip and what it is to be. Tensors and texts stay the caller's, as long as the server lives.
 */
typedef struct {
    mgd_chip *chip;
    size_t num_parameters; /* P */
    size_t ndim_x, ndim_y; /* the shapes of a sample and of its target: … */
    size_t shape_x[MGD_MAX_DIMS], shape_y[MGD_MAX_DIMS];
    size_t outputs;          /* O */
    const mgd_tensor *x, *y; /* samples that are there from the start; NULL: none */
    const mgd_tensor *safe;  /* θ (P) of the safe state; NULL: θ as it is at the start */
    mgd_cost cost;
    /* NULL: sessions of the chip measure. Else this does, and the chip says no more than its dtype
     * and θ: outputs (B × O), a function of what is asked alone. */
    mgd_status (*measure)(void *user, mgd_context *ctx, const mgd_measurement *m, void *outputs);
    const char *(*why)(
        void *user); /* what its last failed evaluation said; NULL: it does not say */
    void *user;
    bool costs;           /* it compares outputs with targets */
    bool perturbs;        /* it forms θ̃ */
    bool stateless;       /* its answers depend on nothing but what was sent */
    double dt;            /* seconds of a step */
    size_t threads;       /* 0: as many as training takes */
    size_t samples;       /* that it keeps, at most */
    size_t message;       /* bytes of a message, at most */
    const char *identity; /* maker,model,serial,version */
    const char *more;     /* further words of its description, each with a space before it */
} mgd_server_spec;

typedef struct mgd_server mgd_server;

mgd_status mgd_server_new(mgd_context *ctx, const mgd_server_spec *spec, mgd_server **out);
void mgd_server_free(mgd_server *server);

/* ---- bytes in, bytes out --------------------------------------------------------------------- */

/* Handles the whole messages among what has come, and keeps the beginning of the next one. Fails
 * only for want of memory, and where Ctrl-C stopped the chip. */
mgd_status mgd_server_take(mgd_context *ctx, mgd_server *server, const void *bytes, size_t count);
/* What is to be sent, which is forgotten with the next call of any function. */
const char *mgd_server_answers(mgd_server *server, size_t *count);
/* Counts a client, which begins anew: with lines, its first message. */
void mgd_server_meet(mgd_server *server);
/* Forgets the message that is under way: who sent it has gone; or sends nothing more, and is told.
 */
void mgd_server_forget(mgd_server *server);
void mgd_server_cut(mgd_server *server);
/* Whether a message has begun and has not ended. */
bool mgd_server_waits(const mgd_server *server);
/* Bytes of the longest message, as a frame. */
size_t mgd_server_longest(const mgd_server *server);
/* θ goes to its safe values. */
void mgd_server_safe(mgd_server *server);
/* Seconds of silence after which that is due; 0: never. */
double mgd_server_watchdog(const mgd_server *server);

typedef struct {
    uint64_t requests, errors, clients;
} mgd_server_counts;
mgd_server_counts mgd_server_counted(const mgd_server *server);

/* ---- at work --------------------------------------------------------------------------------- */

typedef struct {
    uint64_t requests; /* after which it ends; 0: never */
    uint64_t clients;  /* the same: once the last of them has gone */
    double seconds;    /* the same; 0: never */
    double idle;       /* of a client's silence, after which it is sent away; 0: never */
    double stall;      /* within a message, after which its beginning is forgotten */
    /* NULL, or hears what happens: a line without its end. */
    mgd_status (*log)(void *user, mgd_context *ctx, const char *text);
    void *user;
} mgd_server_limits;

/* Serves one client after the other, for some seconds at a time until it is over. The server and
 * the listener stay the caller's. */
typedef struct mgd_work mgd_work;
mgd_status mgd_work_open(mgd_context *ctx, mgd_server *server, mgd_listener *listener,
                         const mgd_server_limits *limits, mgd_work **out);
mgd_status mgd_work_some(mgd_context *ctx, mgd_work *work, double seconds, bool *over);
void mgd_work_close(mgd_work *work);

#endif
