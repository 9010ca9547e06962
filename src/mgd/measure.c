/* What a step asks of the chip, and what its costs say: the points of a block of steps, and their
 * demodulation.
 *
 * Between two writes the evaluations do not depend on each other's results, so the engine asks the
 * chip for a block of steps at once, in the order of time.
 */

#include "step.h"

#include <math.h>
#include <string.h>

/* ---- samples --------------------------------------------------------------------------------- */

void mgd_run_samples(const mgd_run *run, size_t unit, uint64_t batch, uint32_t *out) {
    mgd_order_fill(&run->order, run->kernels->random, &run->cache[unit],
                   run->number + unit * run->lanes, run->lanes, batch * run->train.batch,
                   run->train.batch, out);
}

/* Makes sure that batch number `batch` is among those worked out ahead; where it lies. */
static const uint32_t *ahead(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t batch) {
    if (batch < w->ahead_batch || batch - w->ahead_batch >= MGD_AHEAD) {
        mgd_order_fill(&run->order, run->kernels->random, &run->cache[unit],
                       run->number + unit * run->lanes, run->lanes, batch * run->train.batch,
                       MGD_AHEAD * run->train.batch, w->ahead);
        w->ahead_batch = batch;
    }
    return w->ahead + (batch - w->ahead_batch) * run->train.batch * run->lanes;
}

/* The same for a step; where the chip wants to know, it is told the next ones. */
static void take_samples(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t batch,
                         uint32_t *out) {
    size_t count = run->train.batch * run->lanes;
    if (!run->session->prefetch) {
        mgd_run_samples(run, unit, batch, out);
        return;
    }
    memcpy(out, ahead(run, w, unit, batch), count * sizeof *out);
    run->session->prefetch(run->session, ahead(run, w, unit, batch + 1), count);
}

/* ---- points ---------------------------------------------------------------------------------- */

size_t mgd_step_points(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t first,
                       size_t steps) {
    const mgd_train *t = &run->train;
    size_t points = 0, base = 0, batches = 0;
    bool has_base = false, two_sided = t->baseline == MGD_BASELINE_TWO_SIDED;
    const uint32_t *samples = NULL;
    for (size_t j = 0; j < steps; j++) {
        uint64_t n = first + j;
        if (mgd_timer_begins(&run->shows, n) || !samples) {
            uint32_t *fresh = w->samples + batches++ * t->batch * run->lanes;
            take_samples(run, w, unit, mgd_timer_index(&run->shows, n), fresh);
            samples = fresh;
        }
        bool with_base = mgd_step_measures_base(run, n), two = with_base || two_sided;
        mgd_point point = {.step = n,
                           .slot = mgd_timer_index(&run->slots, n),
                           .samples = samples,
                           .ticks = two ? 1 : 2};
        if (with_base) {
            base = points;
            has_base = true;
            w->points[points++] = point;
            point.tick = 1;
        }
        point.sign = 1;
        w->places[j] = (mgd_places){.plus = points, .base = base, .has_base = has_base};
        w->points[points++] = point;
        if (two_sided) {
            point.tick = 1;
            point.sign = -1;
            w->places[j].minus = points;
            w->points[points++] = point;
        }
    }
    w->num_points = points;
    return points;
}

/* ---- demodulation ---------------------------------------------------------------------------- */

static void stop_lanes(mgd_run *run, size_t unit, uint64_t step, const double *plus,
                       const double *against) {
    for (size_t lane = 0; lane < run->lanes; lane++) {
        size_t slot = unit * run->lanes + lane;
        if (run->alive[slot] != 0 && !(isfinite(plus[lane]) && isfinite(against[lane])))
            mgd_divergence_stop(run, slot, step, isfinite(plus[lane]) ? against[lane] : plus[lane]);
    }
}

/* What the cost C(θ + θ̃) of step n is compared with, of the channel whose costs begin at `cost` and
 * whose latest C₀ was `base`. */
static const double *against_of(const mgd_run *run, mgd_worker *w, uint64_t n,
                                const mgd_places *place, const double *cost, const double *base) {
    size_t lanes = run->lanes;
    if (run->train.baseline == MGD_BASELINE_TWO_SIDED)
        return cost + place->minus * lanes;
    if (run->train.baseline == MGD_BASELINE_NONE || !mgd_step_counts(run, n))
        return cost + place->plus * lanes;
    if (place->has_base)
        return cost + place->base * lanes;
    return memcpy(w->against, base, lanes * sizeof(double));
}

/* Of step n, number j of the block. */
static void demodulate_channel(mgd_run *run, mgd_worker *w, const mgd_demodulation *d, size_t unit,
                               size_t channel, uint64_t n, size_t j) {
    const size_t lanes = run->lanes, at = (channel * run->units + unit) * lanes;
    const double *cost = w->cost + channel * w->num_points * lanes;
    const double *plus = cost + w->places[j].plus * lanes;
    const double *against = against_of(run, w, n, &w->places[j], cost, run->c0 + at);
    const mgd_signals state = {
        run->alive + unit * lanes, run->limit + at,   run->c0 + at, run->c + at,
        run->c_tilde + at,         run->sums + 2 * at};
    char *signal = w->signal + (channel * run->block_steps + j) * run->width * run->real;
    mgd_alarm alarm =
        run->train.engine == MGD_ENGINE_ANALOG
            ? run->kernels->high_pass(d, plus, lanes, run->width, &state, signal)
            : run->kernels->demodulate(d, plus, against, lanes, run->width, &state, signal);
    if (alarm.nonfinite) {
        stop_lanes(run, unit, n, plus, against);
        w->eta_held = NAN;
    }
    if (alarm.huge)
        run->careful[unit] = 1;
    if (channel > 0 || !(alarm.beyond || (double)n < run->first_window))
        return;
    mgd_divergence_step(run, unit, n);
    w->eta_held = alarm.beyond ? NAN : w->eta_held; /* some may have stopped */
}

void mgd_step_demodulate(mgd_run *run, mgd_worker *w, size_t unit, uint64_t first, size_t steps) {
    const mgd_train *t = &run->train;
    mgd_demodulation d = {.baseline = t->baseline,
                          .clamp = t->clamp > 0 ? t->clamp : INFINITY,
                          .keep = t->tau_hp / (t->tau_hp + 1)};
    for (size_t j = 0; j < steps; j++) {
        d.scale = mgd_step_scale(run, first + j);
        d.jumps = t->engine == MGD_ENGINE_ANALOG && mgd_step_changes_sample(run, first + j);
        for (size_t channel = 0; channel < run->channels; channel++)
            demodulate_channel(run, w, &d, unit, channel, first + j, j);
    }
}
