/* The average of θ over its writes, beside θ: nothing of the training depends on it. The n-th write
 * of a replica that counts has the share w_n in it, m ← m + w_n·(θ − m), with w_1 = 1:
 *   mean: w_n = 1/n;
 *   ema:  w_n = (1 − d)/(1 − dⁿ), which is m ← d·m + (1 − d)·θ from 0, corrected for that start.
 * Sources: Polyak and Juditsky, SIAM J. Control Optim. 30, 838 (1992); the correction as that of
 * moments in Kingma and Ba (2015), section 3.
 */

#include "engines.h"

#include <string.h>

static double share_of(const mgd_average *average, double n) {
    if (average->kind == MGD_AVERAGE_MEAN)
        return 1 / n;
    return (1 - average->decay) / (1 - mgd_power(average->decay, n));
}

void mgd_step_average(mgd_run *run, mgd_worker *w, size_t unit, uint64_t step) {
    const mgd_average *average = &run->train.average;
    const size_t lanes = run->layout.lanes, at = unit * mgd_run_unit_bytes(run);
    if (average->kind == MGD_AVERAGE_NONE || step < average->since)
        return; /* without an average its arrays are not there */
    const double *alive = run->state.alive + unit * lanes;
    double *averaged = run->state.averaged + unit * lanes, *share = run->state.share + unit * lanes;
    double known = 0, its = 0; /* most replicas have written as often as their neighbours */
    for (size_t lane = 0; lane < lanes; lane++) {
        if (alive[lane] == 0)
            continue;
        averaged[lane]++;
        its = averaged[lane] == known ? its : share_of(average, averaged[lane]);
        known = averaged[lane];
        share[lane] = its;
    }
    run->kernels->rates(1, alive, share, lanes, run->layout.width, w->rates.share);
    run->kernels->average(run->state.average + at, run->state.average_rest + at,
                          run->state.theta + at, w->rates.share, run->layout.count,
                          run->layout.width);
}

/* ---- looking at it --------------------------------------------------------------------------- */

void mgd_average_begin(mgd_run *run) {
    for (size_t r = 0; r < run->train.replicas && run->state.average; r++) {
        size_t seat = run->state.seat[r];
        for (size_t i = 0; i < run->parameters && run->state.averaged[seat] == 0; i++)
            memcpy(run->state.average + mgd_run_place(run, seat, i),
                   run->state.theta + mgd_run_place(run, seat, i), run->real);
    }
}

const char *mgd_run_shown(mgd_run *run) {
    mgd_run_settle(run);
    if (!run->shows_average)
        return run->state.theta;
    mgd_average_begin(run);
    return run->state.average;
}

mgd_status mgd_run_show_average(mgd_context *ctx, mgd_run *run, bool average) {
    if (average && !run->state.average)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "average: the run keeps none: expected average = {kind = \"ema\"} or "
                        "{kind = \"mean\"} among its options");
    run->shows_average = average;
    return MGD_OK;
}
