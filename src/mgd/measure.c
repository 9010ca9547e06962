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

/* ---- which steps count ----------------------------------------------------------------------- */

/* Steps since the sample changed or θ was written, whichever was later. */
static uint64_t settled_for(const mgd_run *run, uint64_t n) {
    uint64_t shown = n - mgd_timer_start(&run->shows, n);
    uint64_t written = n - mgd_timer_start(&run->windows, n);
    return shown < written ? shown : written;
}

/* Whether what step n measures is integrated: everything settles first. */
static bool counts(const mgd_run *run, uint64_t n) {
    return run->train.settle == 0 || settled_for(run, n) >= run->train.settle;
}

/* Whether C₀ is measured at step n: at the first that counts since C(θ) may have changed. */
static bool measures_base(const mgd_run *run, uint64_t n) {
    if (run->train.baseline != MGD_BASELINE_MEASURED)
        return false;
    if (run->train.settle > 0)
        return settled_for(run, n) == run->train.settle;
    return mgd_timer_begins(&run->shows, n) || mgd_timer_begins(&run->windows, n);
}

/* How many of the steps before n count, as far as samples go. */
static double settled_before(const mgd_run *run, uint64_t n) {
    uint64_t tau = run->shows.tau, settle = run->train.settle, rest = n % tau;
    return (double)(n / tau) * (double)(tau - settle) + (double)(rest > settle ? rest - settle : 0);
}

/* G is a mean over the steps of a window that count: the mean of C̃·a·s/(a²·⟨s²⟩), or the published
 * sum over Δ². */
double mgd_step_scale(const mgd_run *run, uint64_t n) {
    const mgd_train *t = &run->train;
    if (run->steady)
        return run->scale;
    if (!counts(run, n))
        return 0;
    double a = mgd_run_amplitude(run, mgd_timer_index(&run->slots, n));
    if (t->convention == MGD_CONVENTION_PUBLISHED)
        return 1 / (a * run->code.square_sum);
    double window = (double)run->windows.tau; /* 1 for the analog engine, which has none */
    if (t->settle > 0) {
        uint64_t start = mgd_timer_start(&run->windows, n);
        window =
            settled_before(run, start + run->windows.tau) - settled_before(run, start + t->settle);
    }
    return 1 / (a * run->code.mean_square * window);
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
        bool with_base = measures_base(run, n), two = with_base || two_sided;
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

/* Steps before n at which C₀ is measured, all time constants being constant. */
static double bases_before(const mgd_run *run, uint64_t n) {
    uint64_t show = run->shows.tau, window = run->windows.tau, a = show, b = window;
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    double steps = (double)n, both = (double)show * ((double)window / (double)a);
    return ceil(steps / (double)show) + ceil(steps / (double)window) - ceil(steps / both);
}

double mgd_step_count(const mgd_run *run, uint64_t first, uint64_t last) {
    const mgd_train *t = &run->train;
    if (t->integrator != MGD_INTEGRATOR_EULER)
        return 0;
    double points = (double)(last - first);
    if (t->baseline == MGD_BASELINE_TWO_SIDED)
        points *= 2;
    bool steady = mgd_schedule_constant(&t->tau_x) && mgd_schedule_constant(&t->tau_theta);
    if (t->baseline == MGD_BASELINE_MEASURED && steady && t->settle == 0)
        points += bases_before(run, last) - bases_before(run, first);
    else
        for (uint64_t n = first; n < last; n++)
            points += measures_base(run, n);
    return points * (double)t->batch;
}

/* ---- demodulation ---------------------------------------------------------------------------- */

void mgd_step_stop(mgd_run *run, size_t slot, uint64_t step, double cost) {
    run->alive[slot] = 0;
    run->finite[slot] = 0;
    mgd_divergence_note(run, slot, step, cost);
    mgd_run_stopped_at(run, slot, step);
}

static void stop_lanes(mgd_run *run, size_t unit, uint64_t step, const double *plus,
                       const double *against) {
    for (size_t lane = 0; lane < run->lanes; lane++) {
        size_t slot = unit * run->lanes + lane;
        if (run->alive[slot] != 0 && !(isfinite(plus[lane]) && isfinite(against[lane])))
            mgd_step_stop(run, slot, step, isfinite(plus[lane]) ? against[lane] : plus[lane]);
    }
}

/* What the cost C(θ + θ̃) of step n is compared with, of the channel whose costs begin at `cost` and
 * whose latest C₀ was `base`. */
static const double *against_of(const mgd_run *run, mgd_worker *w, uint64_t n,
                                const mgd_places *place, const double *cost, const double *base) {
    size_t lanes = run->lanes;
    if (run->train.baseline == MGD_BASELINE_TWO_SIDED)
        return cost + place->minus * lanes;
    if (run->train.baseline == MGD_BASELINE_NONE || !counts(run, n))
        return cost + place->plus * lanes;
    if (place->has_base)
        return cost + place->base * lanes;
    return memcpy(w->against, base, lanes * sizeof(double));
}

bool mgd_step_changes_sample(const mgd_run *run, uint64_t n) {
    return n == 0 || (mgd_timer_begins(&run->shows, n) && run->train.batch != run->order.samples);
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
