/* served: a chip with the six operations of the chip contract, as functions of C. Both dialects end
 * here.
 *
 * Letters: P parameters, I inputs, O outputs, K targets, B batch.
 */
#ifndef MGD_SERVE_SERVED_H
#define MGD_SERVE_SERVED_H

#include "../mgd/points.h"
#include "serve.h"
#include "words.h"

#define MGD_CODE_TEXT 32 /* bytes of the longest name of a code, with its end */
#define MGD_SESSIONS 4   /* of the chip, that stay open */
#define MGD_MOST_REPLICA ((UINT64_C(1) << 47) - 2)
#define MGD_MOST_STEP (UINT64_C(1) << 53)

/* What is measured in each step. */
typedef enum {
    MGD_SIGNS_PLUS,   /* θ + θ̃, … */
    MGD_SIGNS_FIRST,  /* … in the first half of the step, … */
    MGD_SIGNS_SECOND, /* … in the second; … */
    MGD_SIGNS_BASE,   /* … θ, then θ + θ̃; … */
    MGD_SIGNS_BOTH,   /* … θ + θ̃, then θ − θ̃; … */
    MGD_SIGNS_ZERO,   /* … θ */
} mgd_step_signs;

/* A measurement that is asked for. */
typedef struct {
    char code[MGD_CODE_TEXT];
    uint64_t seed, replica, slot, steps, step;
    double amplitude;
    mgd_step_signs signs;
    size_t batch, batches;   /* B, and 1 or as many as steps */
    const uint32_t *samples; /* (batches × B) */
} mgd_ask;

/* The chip made ready for points of one kind. */
typedef struct {
    mgd_points *points; /* NULL: not in use */
    mgd_code_kind code;
    uint64_t seed, replica;
    size_t batch;
    uint64_t theta;  /* the version of θ that it has, … */
    uint64_t turned; /* … and the turn in which it was asked last */
} mgd_served_session;

/* Samples: those of the server's user, or those that came. */
typedef struct {
    mgd_tensor *x, *y; /* (room, …) */
    char *target;      /* (room) which of them have a target; NULL: all */
    size_t count, room;
    bool own; /* these tensors are nobody else's */
} mgd_served_data;

typedef struct {
    mgd_server_spec spec; /* its pointers stay the caller's */
    size_t inputs, targets, outputs, real;
    char *theta, *initial, *safe, *given; /* (P) present, at the start, in the safe state, θ̃ */
    bool has_given;
    uint64_t version; /* of θ */
    mgd_served_data data, first;
    mgd_served_session sessions[MGD_SESSIONS];
    mgd_served_session *present; /* that steps are measured in; NULL: none, or it is closed */
    uint64_t turns;
    bool writes;
    double watchdog;       /* seconds of silence until the safe state; 0: never */
    mgd_bytes values;      /* that were measured: */
    size_t count;          /* so many, … */
    mgd_dtype dtype;       /* … costs in f64, outputs as the chip has them */
    mgd_bytes points, row; /* mgd_point of a request; θ of one of them */
} mgd_served;

static inline size_t mgd_served_theta_bytes(const mgd_served *served) {
    return served->spec.num_parameters * served->real;
}

/* What a failure of the library means to who asked. */
static inline mgd_verdict mgd_verdict_of(mgd_status status) {
    return status == MGD_OK ? MGD_DONE : status == MGD_ERR_INTERRUPT ? MGD_STOP : MGD_HARDWARE;
}

/* What a session has to be. */
typedef struct {
    mgd_code_kind code; /* MGD_CODE_FUNCTION: any */
    bool any_seed;
    uint64_t seed, replica;
    size_t batch; /* 0: any */
} mgd_wanted;

/* One that is so, at the present θ; good until another is opened. */
mgd_status mgd_served_session_open(mgd_context *ctx, mgd_served *served, const mgd_wanted *want,
                                   mgd_served_session **out);

mgd_status mgd_served_open(mgd_context *ctx, const mgd_server_spec *spec, mgd_served *out);
void mgd_served_close(mgd_served *served);

/* The words of DESC. */
void mgd_served_describe(const mgd_served *served, mgd_bytes *answer);
/* Samples from number `first` on: x (n × I) and y (n × K, or none), in the chip's precision. */
mgd_verdict mgd_served_take(mgd_context *ctx, mgd_served *served, uint64_t first,
                            const mgd_bytes *x, const mgd_bytes *y);
/* θ (P); with `stepped` by what the chip makes of it, at the end of a step of a replica. */
mgd_verdict mgd_served_write(mgd_context *ctx, mgd_served *served, const mgd_bytes *theta,
                             bool stepped, uint64_t step, uint64_t replica);
/* θ̃ (P) of the code `given`. */
mgd_verdict mgd_served_give(mgd_context *ctx, mgd_served *served, const mgd_bytes *theta);
/* Leaves what it measured in served->values. In measure.c. */
mgd_verdict mgd_served_run(mgd_context *ctx, mgd_served *served, const mgd_ask *ask);
/* θ goes to its safe values. */
void mgd_served_safe(mgd_served *served);
/* All as at the start. */
void mgd_served_reset(mgd_served *served);

#endif
