/* Back-propagation, to compare with: G is the true gradient of each step's batch, as far as the
 * chip can tell, and θ is written at every step. The chip forms one gradient at a time, by all
 * threads.
 */

#include "engines.h"

#include <math.h>

typedef struct {
    double *weight; /* (B) of the batch's samples */
    double *slope;  /* (P) */
} scratch;

static mgd_status measure(mgd_context *ctx, mgd_run *run, mgd_worker *w, mgd_request *request,
                          uint64_t step, size_t steps) {
    const scratch *own = w->own;
    size_t unit = request->unit, batch = run->train.batch; /* one replica in a unit */
    size_t at = unit * mgd_run_unit_bytes(run);
    (void)steps; /* one */
    mgd_run_samples(run, unit, mgd_timer_index(&run->clock.shows, step), w->block.samples);
    for (size_t b = 0; b < batch; b++)
        own->weight[b] = 1 / (double)batch;
    mgd_view view = {.seat = unit, .step = step, .theta = run->state.theta + at};
    mgd_weighted set = {batch, w->block.samples, own->weight};
    double cost;
    MGD_TRY(
        run->session->gradient(ctx, run->session, request->pool, &view, &set, own->slope, &cost));
    mgd_rules_mask(run, own->slope);
    run->state.c[unit] = cost;
    for (size_t i = 0; i < run->parameters; i++) {
        mgd_run_real_set(run, run->state.gradient + at, i, own->slope[i]);
        if (!(fabs(own->slope[i]) < MGD_HUGE_SIGNAL))
            run->state.careful[unit] = 1;
    }
    if (isfinite(cost))
        mgd_divergence_step(run, unit, step);
    else
        mgd_divergence_stop(run, unit, step, cost);
    if (run->state.alive[unit] == 0)
        w->rates.held = NAN;
    return MGD_OK;
}

static mgd_status open_own(mgd_context *ctx, const mgd_run *run, void **out) {
    MGD_TRY(mgd_allocate(ctx, "back-propagation", 1, sizeof(scratch), out));
    scratch *own = *out;
    if (mgd_take(&own->weight, run->train.batch, sizeof(double)) &&
        mgd_take(&own->slope, run->parameters, sizeof(double)))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: the gradient by %zu parameters",
                    run->parameters);
}

static void close_own(void *memory) {
    scratch *own = memory;
    if (!own)
        return;
    mgd_free(own->weight);
    mgd_free(own->slope);
    mgd_free(own);
}

const mgd_engine_type mgd_engine_backprop = {
    .name = "backprop",
    .by_step = true,
    .alone = true,
    .gradients = true,
    .open = open_own,
    .close = close_own,
    .measure = measure,
    .write = mgd_step_write,
};
