/* Drift watch: every so many steps the cost of a reference point is measured again.
 *
 * The reference is θ of the first step that is measured, on its batch; its cost as it was then.
 */

#include "instrument_state.h"

#include <math.h>
#include <string.h>
#include <time.h>

#define PAUSE 1.0 /* s between two looks while the run waits for the chip */

/* NaN where the measurement failed. */
static mgd_status cost_of_reference(mgd_context *ctx, mgd_wired *s, const mgd_request *r,
                                    double *cost) {
    mgd_point point = {
        .step = r->points->step, .slot = r->points->slot, .samples = s->looked_at, .ticks = 2};
    mgd_request request = {.worker = r->worker,
                           .num_points = 1,
                           .points = &point,
                           .source = {.theta = s->reference},
                           .unit = r->unit,
                           .replica = r->replica,
                           .cost = s->costs};
    MGD_TRY(mgd_wired_try(ctx, s, mgd_wired_crew(s, r->unit), &request));
    *cost = s->bad[0] ? NAN : s->costs[0];
    return MGD_OK;
}

static bool has_drifted(const mgd_wired *s, double cost) {
    return !(fabs(cost - s->cost) <= s->chip->spec.tolerance);
}

static mgd_status wait_for_it(mgd_context *ctx, mgd_wired *s, const mgd_request *r, double cost) {
    mgd_instrument_tell("at step %llu the reference point costs %.6g, and %.6g at first: the run "
                        "waits until it does again",
                        (unsigned long long)r->points->step, cost, s->cost);
    while (has_drifted(s, cost)) {
        for (double slept = 0; slept < PAUSE; slept += 0.02) {
            MGD_TRY(mgd_interrupt_answer(ctx));
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        }
        MGD_TRY(cost_of_reference(ctx, s, r, &cost));
    }
    return MGD_OK;
}

mgd_status mgd_drift_look(mgd_context *ctx, mgd_wired *s, const mgd_request *r) {
    const mgd_instrument_spec *spec = &s->chip->spec;
    uint64_t step = r->points->step;
    double cost;
    if (spec->watch == 0 || r->unit != 0 || step < s->look)
        return MGD_OK;
    bool first = isnan(s->cost);
    if (first) {
        memcpy(s->reference, r->source.theta, s->chip->chip.num_parameters * s->real);
        memcpy(s->looked_at, r->points->samples, s->batch * sizeof *s->looked_at);
    }
    MGD_TRY(cost_of_reference(ctx, s, r, &cost));
    if (s->bad[0]) /* of which nothing follows; the next step looks again */
        return MGD_OK;
    s->look = (step / spec->watch + 1) * spec->watch;
    if (first)
        s->cost = cost;
    if (!has_drifted(s, cost))
        return MGD_OK;
    s->chip->drifts++;
    if (spec->action == MGD_DRIFT_PAUSE)
        return wait_for_it(ctx, s, r, cost);
    if (spec->action == MGD_DRIFT_STOP)
        return mgd_fail(ctx, MGD_ERR_CALLBACK,
                        "the chip has drifted: at step %llu the reference point costs %.6g, and "
                        "%.6g at first; the tolerance is %.3g",
                        (unsigned long long)step, cost, s->cost, spec->tolerance);
    mgd_instrument_tell("at step %llu the reference point costs %.6g, and %.6g before: that is "
                        "what it is compared with from now on",
                        (unsigned long long)step, cost, s->cost);
    s->cost = cost;
    return MGD_OK;
}
