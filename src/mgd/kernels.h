/* The engine's kernels: perturbing, costs into signals, integration. One table for each
 * instruction set and precision, with those of randomness, codes and optimizers in it.
 */
#ifndef MGD_MGD_KERNELS_H
#define MGD_MGD_KERNELS_H

#include "code.h"
#include "optimizers.h"

/* Signals beyond this may make θ overflow when it is written. */
#define MGD_HUGE_SIGNAL 1e15

/* How costs become a signal. */
typedef struct {
    mgd_baseline baseline;
    double scale;
    double clamp; /* |C̃| in the signal is at most this */
    double keep;  /* high-pass: α, … */
    bool jumps;   /* … and whether the sample changed: the cost's jump is not seen */
} mgd_demodulation;

/* What some living lane met: a cost that is not finite, one beyond its limit, a signal that is
 * huge.
 */
typedef struct {
    bool nonfinite, beyond, huge;
} mgd_alarm;

/* What the kernels know of a unit's replicas. */
typedef struct {
    const double *alive;       /* (lanes) 1, or 0: everything of it stays as it is */
    const double *limit;       /* (lanes) of |C| */
    double *c0, *c, *c_tilde;  /* (lanes) */
    double *sum_tilde, *sum_c; /* (lanes) Σ|C̃|, Σ|C| */
} mgd_unit_costs;

typedef struct {
    size_t lanes;
    const mgd_random_kernels *random;
    const mgd_code_kernels *code;

    /* out ← θ + factor·s, n values of one replica */
    void (*perturb_row)(const void *theta, const void *s, double factor, size_t n, void *out);
    /* out (count × width) ← θ (count × width) + factor·s */
    void (*perturb)(const void *theta, const mgd_pattern *s, double factor, size_t count,
                    size_t width, void *out);
    /* out (count × lanes) ← θ (count) + factor (lanes)·s (count), factor in the kernels' precision
     */
    void (*perturb_slot)(const void *theta, const void *s, const void *factor, size_t count,
                         void *out);
    /* The same with signs of each lane's own */
    void (*perturb_points)(const void *theta, const mgd_pattern *signs, const void *factor,
                           size_t count, void *out);
    /* The same with a pattern s[lane] (count) for each lane */
    void (*perturb_slots)(const void *theta, const void *const *s, const void *factor, size_t count,
                          void *out);

    /* C̃ of every lane: plus − against, half of it when two-sided, or plus alone without a baseline;
     * and signal ← C̃·scale, C̃ clamped, in the kernels' precision. The signal is 0 where the lane
     * is not alive or not finite, and nothing else of a lane that is not alive changes. plus and
     * against (lanes); signal (width): one lane fills a whole tile with its value. */
    mgd_alarm (*demodulate)(const mgd_demodulation *d, const double *plus, const double *against,
                            size_t lanes, size_t width, const mgd_unit_costs *unit, void *signal);
    /* The same with C̃ ← keep·(C̃ + plus − C), C being the cost of the step before. */
    mgd_alarm (*high_pass)(const mgd_demodulation *d, const double *plus, size_t lanes,
                           size_t width, const mgd_unit_costs *unit, void *signal);
    /* G (count × width) += signal (width)·s; `set`: = instead of += */
    void (*integrate)(void *g, const mgd_pattern *s, const void *signal, bool set, size_t count,
                      size_t width);
    /* The same at the end of a window, and θ ← θ − eta (width)·G instead of keeping G. */
    void (*integrate_sgd)(void *theta, const void *g, const mgd_pattern *s, const void *signal,
                          const void *eta, bool set, size_t count, size_t width);

    /* G ← G + share·(signal·s − G) where lives (width) is not 0; and then θ ← θ − eta (width)·G,
     * unless θ is NULL. */
    void (*low_pass)(void *theta, void *g, const mgd_pattern *s, const void *signal,
                     const void *eta, const void *lives, double share, size_t count, size_t width);
    /* |G| ≤ most, each by itself */
    void (*limit)(void *g, double most, size_t count, size_t width);

    /* out (width) ← factor·alive·rate (lanes each; rate NULL: 1); one lane fills a whole tile with
     * its value */
    void (*rates)(double factor, const double *alive, const double *rate, size_t lanes,
                  size_t width, void *out);
    mgd_optimizer_kernel *const *optimizers; /* by mgd_optimizer */

    /* mean ← mean + share (width)·(θ − mean), θ itself where share is 1, and as it was where share
     * is 0. `rest` is what the rounding of `mean` leaves out: by a small share a mean of f32 alone
     * would stand still. */
    void (*average)(void *mean, void *rest, const void *theta, const void *share, size_t count,
                    size_t width);
} mgd_engine_kernels;

const mgd_engine_kernels *mgd_engine_kernels_get(mgd_isa isa, mgd_dtype dtype);

#endif
