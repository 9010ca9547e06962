/* What an instrument and its session are made of, for recover.c, wired_talk.c, wired.c (measuring),
 * drift.c, wired_fail.c, wired_rows.c, wired_session.c and instrument.c, which use each other in
 * this order.
 */
#ifndef MGD_CHIP_INSTRUMENT_STATE_H
#define MGD_CHIP_INSTRUMENT_STATE_H

#include "device.h"

#include "../net/net.h"

#define MGD_MOST_WAITING ((size_t)1 << 18) /* bytes of requests to a device, put together */

struct mgd_instrument {
    mgd_chip chip;
    mgd_instrument_spec spec;
    mgd_reach reach;
    size_t count;
    mgd_device *devices; /* (count) */
    bool pool;           /* all of them share out each request; else each serves its replicas */
    double *safe;        /* (P) NULL: none */
    mgd_limit *limits;
    mgd_span_of_unit *ranges;
    void *theta;     /* (P) present θ, of the chip's dtype; NULL: not known */
    char *temporary; /* NULL: none */
    long owner;      /* the process that opened it: none that it forks may use it */
    double drifts, failures;
};

/* What the next answer is. */
typedef struct {
    enum { MGD_EXPECT_DONE, MGD_EXPECT_COSTS, MGD_EXPECT_OUTPUTS, MGD_EXPECT_ROWS } kind;
    size_t point, points; /* of the request */
    size_t first, count;  /* samples of the batch; of rows, numbers */
    double *out;          /* of rows */
} mgd_expected;

/* What is under way to one device. */
typedef struct {
    mgd_expected *queue; /* answers that are to come */
    size_t queued, room;
    mgd_context failure; /* of the last answers that were taken */
} mgd_talk;

/* The devices that share a request out: one, or all of a pool. */
typedef struct {
    mgd_device *first;
    size_t count;
} mgd_crew;

/* What has become of the workers while one request was repeated. */
typedef struct {
    double until;              /* for a chip that is no worker: its patience ends */
    unsigned losses, restarts; /* in all; a restart is planned by the worker */
    unsigned same;             /* losses in a row … */
    size_t point;              /* … in the step that begins here */
    bool careful;              /* steps are asked for one by one */
} mgd_trouble;

typedef struct {
    mgd_session session;
    mgd_instrument *chip;
    mgd_session *rows; /* a responder: evaluates sets, and makes costs of outputs */
    const mgd_train *train;
    mgd_samples samples;
    size_t batch;
    mgd_dtype dtype;
    size_t real;
    bool keeps; /* the chip keeps all samples */

    mgd_talk *talks; /* (the chip's count) */
    double *values;  /* (num_values) of one answer */
    size_t num_values;
    size_t signals;
    double amplitude;   /* of the last step: room for it is kept when θ is written */
    size_t unit;        /* that is evaluated, … */
    bool failed;        /* … with some evaluation that failed */
    uint64_t *replicas; /* (units) their numbers */
    size_t wave;        /* points that are asked for at once, … */
    size_t wave_first;  /* … from this one of the request on */
    double *outputs;    /* (wave + 1, B, O) of its points, summed up */
    uint32_t *numbers;  /* 0, 1, …: of samples that are sent as they are needed */
    uint32_t *batches;  /* (num_batches) of a burst */
    size_t num_batches;
    void *theta; /* (P) perturbed */
    void *x, *y; /* (B, …) rows on their way */

    const mgd_request *request; /* whose costs are to come */
    const mgd_request *asked;   /* that is repeated as a whole where something is lost, … */
    mgd_trouble trouble;        /* … by what became of it … */
    bool *barred;               /* … without the points (max_points) of steps that are given up */
    bool *bad;                  /* (max_points) the measurement of a point failed */
    char words[300];            /* what the last failure was */
    double *fates; /* (units × num_states) see wired_fail.c; NULL: failures are errors */
    double *fate;  /* (num_states) one of them, as a request makes it */

    uint64_t look;       /* drift: the step from which on the next look is due, … */
    void *reference;     /* … (P) θ that is looked at, … */
    uint32_t *looked_at; /* … on this batch (B), … */
    double *costs;       /* (signals) … room for its costs, … */
    double cost;         /* … the first of which was this; NaN: not measured yet */
} mgd_wired;

static inline const mgd_description *mgd_wired_described(const mgd_wired *s) {
    return mgd_port_description(s->chip->devices->port);
}

static inline mgd_talk *mgd_wired_talk(const mgd_wired *s, const mgd_device *device) {
    return &s->talks[device - s->chip->devices];
}

/* Whether a failed measurement costs a step, and not the run. */
static inline bool mgd_wired_skips(const mgd_wired *s) {
    return s->chip->spec.skip;
}

/* Opens a device anew, the guard's connection with it; `why` is reported unless it is NULL. */
mgd_status mgd_instrument_recover(mgd_context *ctx, mgd_device *device, double until,
                                  const char *why);
/* What somebody at the bench should know at once, on stderr: no status would say it before the end.
 */
void mgd_instrument_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* ---- wired_talk.c: requests that are put together, and their answers ------------------------- */

mgd_status mgd_wired_expect(mgd_context *ctx, mgd_wired *s, const mgd_device *device,
                            mgd_expected next);
mgd_status mgd_wired_expect_done(mgd_context *ctx, mgd_wired *s, const mgd_device *device,
                                 size_t answers);
/* Sends what waits for one device and takes all its answers; for a crew, sends to all of it before
 * the first answer is waited for, and takes those of the others where one fails. */
mgd_status mgd_wired_take(mgd_context *ctx, mgd_wired *s, mgd_device *device);
mgd_status mgd_wired_collect(mgd_context *ctx, mgd_wired *s, mgd_crew crew);
/* Takes them at once where requests may not be put together, or where they are many. */
mgd_status mgd_wired_relieve(mgd_context *ctx, mgd_wired *s, mgd_device *device);
/* Adds rows of samples, as numbers `first` … of the chip; y may be NULL. */
mgd_status mgd_wired_send(mgd_context *ctx, mgd_wired *s, mgd_device *device, size_t first,
                          const void *x, const void *y, size_t count);
/* ---- wired.c: measuring ---------------------------------------------------------------------- */

/* The devices of a unit; what another run left in them counts for nothing. */
mgd_crew mgd_wired_crew(mgd_wired *s, size_t unit);
/* The costs of a request, once; and which of its points failed, in s->bad. */
mgd_status mgd_wired_try(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const mgd_request *r);
/* How many points of at most so many a session asks for at once. */
size_t mgd_wired_wave(const mgd_wired *s, size_t most);
/* Adds the training samples, where the chip does not hold them yet. */
mgd_status mgd_wired_keep(mgd_context *ctx, mgd_wired *s, mgd_device *device);

/* Looks whether the chip has drifted, where that is due, and does what is to be done then. */
mgd_status mgd_drift_look(mgd_context *ctx, mgd_wired *s, const mgd_request *r);

/* ---- wired_fail.c: what becomes of failures -------------------------------------------------- */

/* Nothing is known of what a crew that failed holds, and no answer is awaited. Returns `status`,
 * of the failure in ctx. */
mgd_status mgd_wired_fail(mgd_context *ctx, mgd_wired *s, mgd_crew crew, mgd_status status);
/* What failed with `status` is to be done again, unless that is returned; who was lost is back by
 * then. *given_up: not again, for it has cost too many workers. */
mgd_status mgd_wired_mend(mgd_context *ctx, mgd_wired *s, mgd_crew crew, mgd_status status,
                          bool *given_up);
/* Steps whose measurement failed get costs by which they write nothing. */
mgd_status mgd_wired_forgive(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const mgd_request *r);
/* A replica's states, see mgd_session. */
mgd_status mgd_fate_open(mgd_context *ctx, mgd_wired *s, size_t units);

/* ---- wired_rows.c: sets that are evaluated --------------------------------------------------- */

void mgd_wired_rows_open(mgd_wired *s);
/* Outputs (n, O) of x (n, …), for the responder. */
mgd_status mgd_wired_respond(void *user, mgd_context *ctx, const mgd_tensor *theta,
                             const mgd_tensor *x, mgd_tensor **y);
/* Numbers of samples that are needed. */
size_t mgd_wired_rows_room(const mgd_wired *s);

/* The session of a task. */
mgd_status mgd_wired_open(mgd_context *ctx, mgd_instrument *instrument, const mgd_task_spec *task,
                          mgd_session **out);

#endif
