/* What a step needs to know of time: values that change, which steps measure C₀ and count, and how
 * many evaluations that makes.
 */

#include "engines.h"

#include <math.h>

/* ---- what changes with time ------------------------------------------------------------------ */

double mgd_run_amplitude(const mgd_run *run, uint64_t slot) {
    const mgd_schedule *s = &run->train.amplitude;
    if (mgd_schedule_constant(s) || s->kind == MGD_SCHEDULE_FUNCTION)
        return run->now.amplitude;
    uint64_t step = run->clock.slots.first + (slot - run->clock.slots.index) * run->clock.slots.tau;
    return mgd_schedule_at(s, step) * run->now.per_amplitude;
}

double mgd_run_eta(const mgd_run *run, uint64_t step) {
    const mgd_schedule *s = &run->train.eta;
    return s->kind == MGD_SCHEDULE_FUNCTION ? run->now.eta : mgd_schedule_at(s, step);
}

double mgd_run_tau_theta(const mgd_run *run, uint64_t step) {
    const mgd_schedule *s = &run->train.tau_theta;
    bool held = mgd_schedule_constant(s) || s->kind == MGD_SCHEDULE_FUNCTION;
    return held ? run->now.tau_theta : mgd_schedule_at(s, step);
}

/* ---- which steps count ----------------------------------------------------------------------- */

/* Steps since the sample changed or θ was written, whichever was later. */
static uint64_t settled_for(const mgd_run *run, uint64_t n) {
    uint64_t shown = n - mgd_timer_start(&run->clock.shows, n);
    uint64_t written = n - mgd_timer_start(&run->clock.windows, n);
    return shown < written ? shown : written;
}

bool mgd_step_counts(const mgd_run *run, uint64_t n) {
    return run->train.settle == 0 || settled_for(run, n) >= run->train.settle;
}

bool mgd_step_measures_base(const mgd_run *run, uint64_t n) {
    if (run->train.baseline != MGD_BASELINE_MEASURED)
        return false;
    if (run->engine->nodes) /* each sample has a C₀ of its own, and its neurons an input */
        return true;
    if (run->train.settle > 0)
        return settled_for(run, n) == run->train.settle;
    return mgd_timer_begins(&run->clock.shows, n) || mgd_timer_begins(&run->clock.windows, n);
}

/* How many of the steps before n count, as far as samples go. */
static double settled_before(const mgd_run *run, uint64_t n) {
    uint64_t tau = run->clock.shows.tau, settle = run->train.settle, rest = n % tau;
    return (double)(n / tau) * (double)(tau - settle) + (double)(rest > settle ? rest - settle : 0);
}

/* G is a mean over the steps of a window that count: the mean of C̃·a·s/(a²·⟨s²⟩), or the published
 * sum over Δ². */
double mgd_step_scale(const mgd_run *run, uint64_t n) {
    const mgd_train *t = &run->train;
    if (run->now.steady)
        return run->now.scale;
    if (!mgd_step_counts(run, n))
        return 0;
    double a = mgd_run_amplitude(run, mgd_timer_index(&run->clock.slots, n));
    if (t->convention == MGD_CONVENTION_PUBLISHED)
        return 1 / (a * run->code.square_sum);
    double window = (double)run->clock.windows.tau; /* 1 for the analog engine, which has none */
    if (t->settle > 0) {
        uint64_t start = mgd_timer_start(&run->clock.windows, n);
        window = settled_before(run, start + run->clock.windows.tau) -
                 settled_before(run, start + t->settle);
    }
    return 1 / (a * run->code.mean_square * window);
}

bool mgd_step_changes_sample(const mgd_run *run, uint64_t n) {
    return n == run->clock.began ||
           (mgd_timer_begins(&run->clock.shows, n) && run->train.batch != run->order.samples);
}

/* ---- evaluations ----------------------------------------------------------------------------- */

/* Steps before n at which a sample is shown anew, or a window begins, all time constants being
 * constant: windows as they are since θ was set, which samples go past. */
static double bases_before(const mgd_run *run, uint64_t n) {
    uint64_t show = run->clock.shows.tau, window = run->clock.windows.tau, a = show, b = window;
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    double steps = (double)n, both = (double)show * ((double)window / (double)a);
    uint64_t offset = run->clock.windows.first % window, meet = offset;
    for (uint64_t k = 1; meet % show != 0 && k < show / a; k++)
        meet += window;
    double met = meet % show == 0 ? fmax(0, ceil((steps - (double)meet) / both)) : 0;
    return ceil(steps / (double)show) + ceil((steps - (double)offset) / (double)window) - met;
}

double mgd_step_count(const mgd_run *run, uint64_t first, uint64_t last) {
    const mgd_train *t = &run->train;
    if (run->engine->counts)
        return 0;
    double points = (double)(last - first);
    if (t->baseline == MGD_BASELINE_TWO_SIDED)
        points *= 2;
    bool steady = mgd_schedule_constant(&t->tau_x) && mgd_schedule_constant(&t->tau_theta);
    if (t->baseline == MGD_BASELINE_MEASURED && run->engine->nodes)
        points *= 2;
    else if (t->baseline == MGD_BASELINE_MEASURED && steady && t->settle == 0)
        points += bases_before(run, last) - bases_before(run, first);
    else
        for (uint64_t n = first; n < last; n++)
            points += mgd_step_measures_base(run, n);
    return points * (double)t->batch;
}
