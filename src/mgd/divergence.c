/* Watching for runs that blow up: a replica diverges at the first step whose |C| exceeds so many
 * times the largest of its first window, or at which C is not finite.
 *
 * Costs of the first window raise a replica's *reference*; from its end on the *limit* is the
 * factor times that, and a step is one comparison. Both follow from the replica's own costs alone,
 * so that a replica diverges at the same step whatever stands beside it and however steps are cut.
 */

#include "../base/number.h"
#include "step.h"

#include <math.h>

/* A first window of few samples may happen to be answered right. Its costs say nothing of what is
 * usual then, and count as this share of what an answer of zeros costs in the mean. */
#define LEAST_SHARE 1e-3

mgd_status mgd_divergence_open(mgd_context *ctx, mgd_run *run) {
    double norm;
    MGD_TRY(mgd_tensor_reduce(ctx, MGD_NORM, run->train.y, 0, &norm));
    run->least = LEAST_SHARE * norm * norm / (double)mgd_tensor_size(run->train.y);
    for (size_t i = 0; i < run->channels * run->units * run->lanes; i++)
        run->limit[i] = INFINITY; /* that of shares of the cost stays so */
    for (size_t slot = 0; slot < run->units * run->lanes; slot++)
        run->diverged[slot] = NAN;
    return MGD_OK;
}

static void set_limit(mgd_run *run, size_t slot) {
    bool known = !isnan(run->diverged[slot]) && !run->ends_diverged;
    bool watched = run->factor > 0 && !known;
    run->limit[slot] = watched ? run->factor * fmax(run->reference[slot], run->least) : INFINITY;
}

void mgd_divergence_reset(mgd_run *run) {
    for (size_t slot = 0; slot < run->units * run->lanes; slot++) {
        run->limit[slot] = INFINITY;
        if ((double)run->done[slot / run->lanes] >= run->first_window)
            set_limit(run, slot);
    }
}

void mgd_divergence_begin(mgd_run *run) {
    if (run->train.engine == MGD_ENGINE_ANALOG) /* its low-pass has no windows: τ_θ of it */
        run->first_window = fmax(1, ceil(fmin(mgd_run_tau_theta(run, 0), 0x1p53)));
    else
        run->first_window = (double)run->windows.tau;
    mgd_divergence_reset(run);
}

static void note(mgd_run *run, size_t slot, uint64_t step, double cost) {
    run->fatal[slot] = cost;
    if (isnan(run->diverged[slot]))
        run->diverged[slot] = (double)step;
    run->news[slot / run->lanes] = 1;
}

void mgd_divergence_stop(mgd_run *run, size_t slot, uint64_t step, double cost) {
    run->alive[slot] = 0;
    run->finite[slot] = 0;
    note(run, slot, step, cost);
    mgd_run_stopped_at(run, slot, step);
}

/* Of replicas that are beyond their limit. */
static void diverge(mgd_run *run, size_t slot, uint64_t step) {
    if (run->ends_diverged) {
        mgd_divergence_stop(run, slot, step, run->c[slot]);
        return;
    }
    note(run, slot, step, run->c[slot]);
    run->limit[slot] = INFINITY; /* told once */
}

void mgd_divergence_step(mgd_run *run, size_t unit, uint64_t step) {
    for (size_t slot = unit * run->lanes; slot < (unit + 1) * run->lanes; slot++) {
        double cost = fabs(run->c[slot]);
        if (run->alive[slot] == 0)
            continue;
        if ((double)step < run->first_window)
            run->reference[slot] = fmax(run->reference[slot], cost);
        else if (cost > run->limit[slot])
            diverge(run, slot, step);
        if ((double)step + 1 == run->first_window)
            set_limit(run, slot);
    }
}

bool mgd_divergence_news(mgd_run *run) {
    bool any = false;
    for (size_t unit = 0; unit < run->units; unit++) {
        any = any || run->news[unit] != 0;
        run->news[unit] = 0;
    }
    return any;
}

/* ---- what users see -------------------------------------------------------------------------- */

mgd_status mgd_run_watch(mgd_context *ctx, mgd_run *run, double factor, bool ends) {
    if (!(factor > 1))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "run: a factor of divergence must be above 1, got %s", MGD_NUMBER(factor));
    run->factor = factor;
    run->ends_diverged = ends;
    mgd_divergence_reset(run);
    return MGD_OK;
}

uint64_t mgd_run_diverged(const mgd_run *run, size_t r, double *cost, double *reference) {
    if (r >= run->train.replicas) {
        *cost = *reference = NAN;
        return UINT64_MAX;
    }
    size_t slot = run->slot[r];
    *reference = fmax(run->reference[slot], run->least);
    *cost = run->fatal[slot];
    return isnan(run->diverged[slot]) ? UINT64_MAX : (uint64_t)run->diverged[slot];
}
