/* Watching for runs that blow up: a replica diverges at the first step whose |C| exceeds so many
 * times the largest of its first window, or at which C is not finite.
 *
 * Costs of the first window raise a replica's *reference*; from its end on the *limit* is the
 * factor times that, and a step is one comparison. Both follow from the replica's own costs alone,
 * so that a replica diverges at the same step whatever stands beside it and however steps are cut.
 */

#include "../base/number.h"
#include "engines.h"

#include <math.h>
#include <string.h>

/* A first window of few samples may happen to be answered right. Its costs say nothing of what is
 * usual then, and count as this share of what an answer of zeros costs in the mean. */
#define LEAST_SHARE 1e-3

mgd_status mgd_divergence_open(mgd_context *ctx, mgd_run *run) {
    double norm;
    MGD_TRY(mgd_tensor_reduce(ctx, MGD_NORM, run->train.y, 0, &norm));
    run->watch.least = LEAST_SHARE * norm * norm / (double)mgd_tensor_size(run->train.y);
    return MGD_OK;
}

static void set_limit(mgd_run *run, size_t seat) {
    mgd_state *state = &run->state;
    bool known = !isnan(state->diverged[seat]) && !run->watch.ends;
    bool watched = run->watch.factor > 0 && !known;
    state->limit[seat] =
        watched ? run->watch.factor * fmax(state->reference[seat], run->watch.least) : INFINITY;
}

void mgd_divergence_reset(mgd_run *run) {
    for (size_t seat = 0; seat < mgd_run_seats(run); seat++) {
        run->state.limit[seat] = INFINITY;
        if ((double)run->state.done[seat / run->layout.lanes] >= run->watch.first_window)
            set_limit(run, seat);
    }
}

void mgd_divergence_forget(mgd_run *run) {
    for (size_t seat = 0; seat < mgd_run_seats(run); seat++) {
        run->state.diverged[seat] = NAN;
        run->state.fatal[seat] = 0;
        run->state.finite[seat] = 1;
    }
    memset(run->state.news, 0, run->layout.units);
    mgd_divergence_reset(run);
}

void mgd_divergence_begin(mgd_run *run) {
    if (run->engine->filters) /* its low-pass has no windows: τ_θ of it */
        run->watch.first_window = fmax(1, ceil(fmin(mgd_run_tau_theta(run, 0), 0x1p53)));
    else
        run->watch.first_window = (double)run->clock.windows.tau;
    mgd_divergence_reset(run);
}

static void note(mgd_run *run, size_t seat, uint64_t step, double cost) {
    mgd_state *state = &run->state;
    state->fatal[seat] = cost;
    if (isnan(state->diverged[seat]))
        state->diverged[seat] = (double)step;
    state->news[seat / run->layout.lanes] = 1;
}

void mgd_divergence_stop(mgd_run *run, size_t seat, uint64_t step, double cost) {
    run->state.alive[seat] = 0;
    run->state.finite[seat] = 0;
    note(run, seat, step, cost);
    mgd_run_stopped_at(run, seat, step);
}

/* Of replicas that are beyond their limit. */
static void diverge(mgd_run *run, size_t seat, uint64_t step) {
    if (run->watch.ends) {
        mgd_divergence_stop(run, seat, step, run->state.c[seat]);
        return;
    }
    note(run, seat, step, run->state.c[seat]);
    run->state.limit[seat] = INFINITY; /* told once */
}

void mgd_divergence_step(mgd_run *run, size_t unit, uint64_t step) {
    mgd_state *state = &run->state;
    for (size_t seat = unit * run->layout.lanes; seat < (unit + 1) * run->layout.lanes; seat++) {
        double cost = fabs(state->c[seat]);
        if (state->alive[seat] == 0)
            continue;
        if ((double)step < run->watch.first_window)
            state->reference[seat] = fmax(state->reference[seat], cost);
        else if (cost > state->limit[seat])
            diverge(run, seat, step);
        if ((double)step + 1 == run->watch.first_window)
            set_limit(run, seat);
    }
}

bool mgd_divergence_news(mgd_run *run) {
    bool any = false;
    for (size_t unit = 0; unit < run->layout.units; unit++) {
        any = any || run->state.news[unit] != 0;
        run->state.news[unit] = 0;
    }
    return any;
}

/* ---- what users see -------------------------------------------------------------------------- */

mgd_status mgd_run_watch(mgd_context *ctx, mgd_run *run, double factor, bool ends) {
    if (!(factor > 1))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "run: a factor of divergence must be above 1, got %s", MGD_NUMBER(factor));
    run->watch.factor = factor;
    run->watch.ends = ends;
    mgd_divergence_reset(run);
    return MGD_OK;
}

uint64_t mgd_run_diverged(const mgd_run *run, size_t r, double *cost, double *reference) {
    const mgd_state *state = &run->state;
    if (r >= run->train.replicas) {
        *cost = *reference = NAN;
        return UINT64_MAX;
    }
    size_t seat = state->seat[r];
    *reference = fmax(state->reference[seat], run->watch.least);
    *cost = state->fatal[seat];
    return isnan(state->diverged[seat]) ? UINT64_MAX : (uint64_t)state->diverged[seat];
}
