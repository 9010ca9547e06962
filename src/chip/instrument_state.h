/* What an instrument and its session are made of, for recover.c, wired.c (measuring), drift.c,
 * wired_session.c and instrument.c, which use each other in this order.
 */
#ifndef MGD_CHIP_INSTRUMENT_STATE_H
#define MGD_CHIP_INSTRUMENT_STATE_H

#include "device.h"

#include "../net/net.h"

struct mgd_instrument {
    mgd_chip chip;
    mgd_instrument_spec spec;
    mgd_reach reach;
    size_t count;
    mgd_device *devices; /* (count) */
    double *safe;        /* (P) NULL: none */
    mgd_limit *limits;
    mgd_span_of_unit *ranges;
    void *theta; /* (P) present θ, of the chip's dtype; NULL: not known */
    char *temporary; /* NULL: none */
    long owner;  /* the process that opened it: none that it forks may use it */
    double drifts;
};

/* What the next answer is. */
typedef struct {
    enum { MGD_EXPECT_DONE, MGD_EXPECT_COSTS, MGD_EXPECT_OUTPUTS } kind;
    size_t point, points; /* of the request */
    size_t first, count;  /* samples of the batch; of outputs, for one point */
    bool last;            /* with it the point is complete */
} mgd_expected;

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

    mgd_expected *queue; /* answers that are to come */
    size_t queued, room;
    double *values; /* (num_values) of one answer */
    size_t num_values;
    size_t signals;
    double amplitude;  /* of the last step: room for it is kept when θ is written */
    size_t unit;       /* that is evaluated */
    double *outputs;   /* (B × O) of a point, summed up */
    uint32_t *numbers; /* 0, 1, …: of samples that are sent as they are needed */
    uint32_t *batches; /* (num_batches) of a burst */
    size_t num_batches;
    void *theta; /* (P) perturbed */
    void *x, *y; /* (B, …) rows on their way */

    uint64_t look;       /* drift: the step from which on the next look is due, … */
    void *reference;     /* … (P) θ that is looked at, … */
    uint32_t *looked_at; /* … on this batch (B), … */
    double *costs;       /* (signals) … room for its costs, … */
    double cost;         /* … the first of which was this; NaN: not measured yet */
} mgd_wired;

/* The device of a unit. */
static inline mgd_device *mgd_wired_device(const mgd_wired *s, size_t unit) {
    return &s->chip->devices[unit % s->chip->count];
}

/* Opens a device anew, the guard's connection with it. */
mgd_status mgd_instrument_recover(mgd_context *ctx, mgd_device *device, double until);
/* What somebody at the bench should know at once, on stderr: no status would say it before the end.
 */
void mgd_instrument_tell(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Measuring, wired.c: the costs of a request, once. Rows of samples are added, as numbers `first` …
 * of the chip (y may be NULL); what was added is sent, and its answers are taken. */
mgd_status mgd_wired_try(mgd_context *ctx, mgd_wired *s, mgd_device *device, const mgd_request *r);
mgd_status mgd_wired_send(mgd_context *ctx, mgd_wired *s, mgd_device *device, size_t first,
                          const void *x, const void *y, size_t count);
/* The training samples, where the chip does not hold them yet. */
mgd_status mgd_wired_keep(mgd_context *ctx, mgd_wired *s, mgd_device *device);
mgd_status mgd_wired_collect(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                             const mgd_request *r);
/* Looks whether the chip has drifted, where that is due, and does what is to be done then. */
mgd_status mgd_drift_look(mgd_context *ctx, mgd_wired *s, const mgd_request *r);
/* The session of a task. */
mgd_status mgd_wired_open(mgd_context *ctx, mgd_instrument *instrument, const mgd_task_spec *task,
                          mgd_session **out);

#endif
