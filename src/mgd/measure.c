/* What a step asks of the chip, and what its costs say: the points of a block of steps, and their
 * demodulation.
 *
 * Between two writes the evaluations do not depend on each other's results, so the engine asks the
 * chip for a block of steps at once, in the order of time.
 */

#include "engines.h"

#include <math.h>
#include <string.h>

/* ---- samples --------------------------------------------------------------------------------- */

void mgd_run_samples(const mgd_run *run, size_t unit, uint64_t batch, uint32_t *out) {
    mgd_order_fill(&run->order, run->kernels->random, &run->orders[unit],
                   run->state.number + unit * run->layout.lanes, run->layout.lanes,
                   batch * run->train.batch, run->train.batch, out);
}

/* Makes sure that batch number `batch` is among those worked out ahead; where it lies. */
static const uint32_t *ahead(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t batch) {
    if (batch < w->block.ahead_batch || batch - w->block.ahead_batch >= MGD_AHEAD) {
        mgd_order_fill(&run->order, run->kernels->random, &run->orders[unit],
                       run->state.number + unit * run->layout.lanes, run->layout.lanes,
                       batch * run->train.batch, MGD_AHEAD * run->train.batch, w->block.ahead);
        w->block.ahead_batch = batch;
    }
    return w->block.ahead + (batch - w->block.ahead_batch) * run->train.batch * run->layout.lanes;
}

/* The same for a step; where the chip wants to know, it is told the next ones. */
static void take_samples(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t batch,
                         uint32_t *out) {
    size_t count = run->train.batch * run->layout.lanes;
    if (!run->session->prefetch) {
        mgd_run_samples(run, unit, batch, out);
        return;
    }
    memcpy(out, ahead(run, w, unit, batch), count * sizeof *out);
    run->session->prefetch(run->session, ahead(run, w, unit, batch + 1), count);
}

/* ---- points ---------------------------------------------------------------------------------- */

/* Whether θ or the samples may be others than a step before. */
static bool moves(const mgd_run *run, uint64_t n) {
    const bool same = run->train.batch == run->order.samples && !run->train.shuffle;
    return (mgd_timer_begins(&run->clock.shows, n) && !same) ||
           mgd_timer_begins(&run->clock.windows, n);
}

size_t mgd_step_points(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t first,
                       size_t steps) {
    const mgd_train *t = &run->train;
    size_t points = 0, base = 0, batches = 0;
    bool has_base = false, two_sided = t->baseline == MGD_BASELINE_TWO_SIDED;
    const uint32_t *samples = NULL;
    for (size_t j = 0; j < steps; j++) {
        uint64_t n = first + j;
        if (mgd_timer_begins(&run->clock.shows, n) || !samples) {
            uint32_t *fresh = w->block.samples + batches++ * t->batch * run->layout.lanes;
            take_samples(run, w, unit, mgd_timer_index(&run->clock.shows, n), fresh);
            samples = fresh;
        }
        bool with_base = mgd_step_measures_base(run, n), two = with_base || two_sided;
        mgd_point point = {.step = n,
                           .slot = mgd_timer_index(&run->clock.slots, n),
                           .samples = samples,
                           .ticks = two ? 1 : 2,
                           .moved = moves(run, n)};
        if (run->chip->perturbs || run->session->write)
            point.amplitude = mgd_run_amplitude(run, point.slot);
        if (with_base) {
            base = points;
            has_base = true;
            w->block.points[points++] = point;
            point.tick = 1;
            point.moved = false;
        }
        point.sign = 1;
        w->block.places[j] = (mgd_places){.plus = points, .base = base, .has_base = has_base};
        w->block.points[points++] = point;
        if (two_sided) {
            point.tick = 1;
            point.moved = false;
            point.sign = -1;
            w->block.places[j].minus = points;
            w->block.points[points++] = point;
        }
    }
    w->block.num_points = points;
    return points;
}

/* ---- demodulation ---------------------------------------------------------------------------- */

static void stop_lanes(mgd_run *run, size_t unit, uint64_t step, const double *plus,
                       const double *against) {
    for (size_t lane = 0; lane < run->layout.lanes; lane++) {
        size_t seat = unit * run->layout.lanes + lane;
        if (run->state.alive[seat] != 0 && !(isfinite(plus[lane]) && isfinite(against[lane])))
            mgd_divergence_stop(run, seat, step, isfinite(plus[lane]) ? against[lane] : plus[lane]);
    }
}

/* What the cost C(θ + θ̃) of step n is compared with, of the signal whose costs begin at `cost` and
 * whose latest C₀ was `base`. */
static const double *against_of(const mgd_run *run, mgd_worker *w, uint64_t n,
                                const mgd_places *place, const double *cost, const double *base) {
    size_t lanes = run->layout.lanes;
    if (run->train.baseline == MGD_BASELINE_TWO_SIDED)
        return cost + place->minus * lanes;
    if (run->train.baseline == MGD_BASELINE_NONE || !mgd_step_counts(run, n))
        return cost + place->plus * lanes;
    if (place->has_base)
        return cost + place->base * lanes;
    return memcpy(w->block.against, base, lanes * sizeof(double));
}

/* One of the signals, of step n, number j of the block. */
static void demodulate_signal(mgd_run *run, mgd_worker *w, const mgd_demodulation *d, size_t unit,
                              size_t signal, uint64_t n, size_t j) {
    const size_t lanes = run->layout.lanes, at = (signal * run->layout.units + unit) * lanes;
    const double *cost = w->block.cost + signal * w->block.num_points * lanes;
    const double *plus = cost + w->block.places[j].plus * lanes;
    const double *against = against_of(run, w, n, &w->block.places[j], cost, run->state.c0 + at);
    const mgd_unit_costs state = {.alive = run->state.alive + unit * lanes,
                                  .limit = run->state.limit + at,
                                  .c0 = run->state.c0 + at,
                                  .c = run->state.c + at,
                                  .c_tilde = run->state.c_tilde + at,
                                  .sum_tilde = run->state.sum_tilde + at,
                                  .sum_c = run->state.sum_c + at};
    const size_t width = run->layout.width;
    char *out = w->block.signal + (signal * run->layout.block_steps + j) * width * run->real;
    mgd_alarm alarm = run->engine->filters
                          ? run->kernels->high_pass(d, plus, lanes, width, &state, out)
                          : run->kernels->demodulate(d, plus, against, lanes, width, &state, out);
    if (alarm.nonfinite) {
        stop_lanes(run, unit, n, plus, against);
        w->rates.held = NAN;
    }
    if (run->circuit)
        run->circuit->compare(&run->train.circuit, plus, against, state.alive, lanes, width, out);
    if (alarm.huge)
        run->state.careful[unit] = 1;
    if (signal > 0 || !(alarm.beyond || (double)n < run->watch.first_window))
        return;
    mgd_divergence_step(run, unit, n);
    w->rates.held = alarm.beyond ? NAN : w->rates.held; /* some may have stopped */
}

void mgd_step_demodulate(mgd_run *run, mgd_worker *w, size_t unit, uint64_t first, size_t steps) {
    const mgd_train *t = &run->train;
    mgd_demodulation d = {.baseline = t->baseline,
                          .clamp = t->clamp > 0 ? t->clamp : INFINITY,
                          .keep = t->tau_hp / (t->tau_hp + 1)};
    for (size_t j = 0; j < steps; j++) {
        d.scale = mgd_step_scale(run, first + j);
        d.jumps = run->engine->filters && mgd_step_changes_sample(run, first + j);
        for (size_t signal = 0; signal < run->signals.count; signal++)
            demodulate_signal(run, w, &d, unit, signal, first + j, j);
    }
}

/* ---- a block of steps ------------------------------------------------------------------------ */

mgd_status mgd_step_measure(mgd_context *ctx, mgd_run *run, mgd_worker *w, mgd_request *request,
                            uint64_t first, size_t steps) {
    if (run->chip->in_order)
        mgd_step_hold_rates(run, w, request->unit, first);
    request->num_points = mgd_step_points(run, w, request->unit, first, steps);
    MGD_TRY(run->session->measure(ctx, run->session, request));
    if (run->recording.recorder)
        mgd_recorder_costs(run->recording.recorder, request, run->layout.lanes,
                           run->state.owner + request->unit * run->layout.lanes,
                           run->state.alive + request->unit * run->layout.lanes);
    mgd_step_demodulate(run, w, request->unit, first, steps);
    return MGD_OK;
}
