/* step: the parts of a step of training, in the order of time: measure.c asks the chip and
 * demodulates, integrate.c takes the signal into G, write.c changes θ. Engines (engines.h) put them
 * together. time.c is what they ask about time, and below them all.
 */
#ifndef MGD_MGD_STEP_H
#define MGD_MGD_STEP_H

#include "run.h"

/* Lists the points of steps first … first + steps − 1, in the order of time; returns how many. */
size_t mgd_step_points(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t first,
                       size_t steps);
/* Whether what step n measures is integrated: everything settles first. */
bool mgd_step_counts(const mgd_run *run, uint64_t n);
/* Whether C₀ is measured at step n: at the first that counts since C(θ) may have changed. */
bool mgd_step_measures_base(const mgd_run *run, uint64_t n);
/* Signal per C̃ at a step. */
double mgd_step_scale(const mgd_run *run, uint64_t step);
/* Evaluations that the steps from `first` to before `last` ask for; those of GSL's integrators are
 * counted one by one. */
double mgd_step_count(const mgd_run *run, uint64_t first, uint64_t last);
/* Whether the jump of the cost at step n is the sample's and not the perturbation's: a batch of the
 * whole set stays the same. */
bool mgd_step_changes_sample(const mgd_run *run, uint64_t n);
/* Asks the chip for a block of steps and makes signals of its costs. */
mgd_status mgd_step_measure(mgd_context *ctx, mgd_run *run, mgd_worker *w, mgd_request *request,
                            uint64_t first, size_t steps);
/* Costs into signals, (signals × steps × width); rows repeat the one value in every lane of a
 * tile. */
void mgd_step_demodulate(mgd_run *run, mgd_worker *w, size_t unit, uint64_t first, size_t steps);

/* Divergence, divergence.c: nobody has yet; at step 0, how long the first window is; limits again
 * from references; nobody has, with another θ; C of a unit's step, which needs a look within the
 * first window and where it is beyond a limit; that θ of a replica stays as it is, for a `cost`
 * that was too much; whether any has diverged since this was last asked. */
mgd_status mgd_divergence_open(mgd_context *ctx, mgd_run *run);
void mgd_divergence_begin(mgd_run *run);
void mgd_divergence_reset(mgd_run *run);
void mgd_divergence_forget(mgd_run *run);
void mgd_divergence_step(mgd_run *run, size_t unit, uint64_t step);
void mgd_divergence_stop(mgd_run *run, size_t seat, uint64_t step, double cost);
bool mgd_divergence_news(mgd_run *run);

/* Several signals, signals.c: whether they can be; who hears what. */
mgd_status mgd_signals_check(mgd_context *ctx, const mgd_run *run);
mgd_status mgd_signals_open(mgd_context *ctx, mgd_run *run);
void mgd_signals_close(mgd_run *run);

/* Parameters in a row, from `from` on, that are treated alike: they are of one span, or are a tile
 * of a row whose parameters are of several. spans.c. */
typedef struct {
    size_t count, value, span;
    bool mixed;
} mgd_stretch;
mgd_stretch mgd_spans_stretch(const mgd_run *run, const mgd_spans *spans, size_t from);
/* Adds a span up to `end`; there is room. */
void mgd_spans_add(mgd_spans *spans, size_t end, size_t value);

/* How layers learn, rules.c: whether they can; made from the options, all parameters covered. */
mgd_status mgd_rules_check(mgd_context *ctx, const mgd_run *run);
mgd_status mgd_rules_open(mgd_context *ctx, mgd_run *run);
void mgd_rules_close(mgd_run *run);
double mgd_rules_largest_eta(const mgd_run *run); /* factor of those that learn */
/* Σ of the squares of factors of the amplitude, over all that the code of nodes perturbs. */
double mgd_rules_squares(const mgd_run *run);
/* The rule of a parameter. */
const mgd_rule *mgd_rules_of(const mgd_run *run, size_t parameter);
/* slope (P) ← 0 for parameters that stand still. */
void mgd_rules_mask(const mgd_run *run, double *slope);
/* Has the chip keep what it can of layers that stand still, at the present θ. */
mgd_status mgd_run_keep(mgd_context *ctx, mgd_run *run);

/* The signal (width) of step j of the block for parameters of a stretch from `from` on, good until
 * the worker asks for another. */
const void *mgd_signals_of(const mgd_run *run, mgd_worker *w, const mgd_stretch *s, size_t from,
                           size_t j);

/* Takes a block of steps into G; with `write`, the last step's share goes with G straight into θ.
 */
void mgd_step_integrate(mgd_run *run, mgd_worker *w, size_t unit, uint64_t first, size_t steps,
                        bool write);

/* G of the window that ends here and the θ it was measured at, of the replicas that run. */
void mgd_step_keep_window(mgd_run *run, size_t unit, uint64_t step);
/* η of a step and who runs, as the kernels want them. */
void mgd_step_hold_rates(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t step);
/* Takes a unit's θ, as the end of `step` has written it, into its average, where that is kept. */
void mgd_step_average(mgd_run *run, mgd_worker *w, size_t unit, uint64_t step);
/* Takes a block into G and, where its last step ends a window, writes θ. */
mgd_status mgd_step_write(mgd_context *ctx, mgd_run *run, mgd_worker *w, size_t unit,
                          uint64_t first, size_t steps);

#endif
