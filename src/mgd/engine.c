/* The discrete engine. Step n = 0, 1, 2, …:
 *   1. n mod τ_x = 0: the next sample (or batch);
 *   2. n mod τ_p = 0: the next pattern;
 *   3. when the sample changed or θ was written: measure C₀ = C(θ);
 *   4. measure C = C(θ + θ̃); C̃ = C − C₀ (or by the other baselines);
 *   5. integrate e = C̃·θ̃/⟨θ̃²⟩ into G;
 *   6. (n + 1) mod τ_θ = 0: write θ, clear G.
 * Between two writes the evaluations do not depend on each other's results, so the engine asks the
 * chip for a block of steps at once, in the order of time. Neither the length of a block nor the
 * number of threads changes any value. θ + θ̃ is never stored into θ.
 */

#include "run.h"

#include <math.h>
#include <sleef.h>
#include <stdio.h>
#include <string.h>

#define SEGMENT_SECONDS                                                                            \
    2e-3 /* how long the engine works between two looks at the interrupt flag                      \
          */
#define MAX_SEGMENT (1u << 20)
#define LEAST_LANES_STEPS                                                                          \
    32 /* of a large ensemble: once a unit is in the cache it is worth as many */
/* C̃ is looked at after fixed numbers of steps, whatever the clock says: a few and all their
 * doubles, then every so many, because what threads have summed is far away from the one that
 * looks. */
#define FIRST_LOOK 128
#define LOOK_STEPS 1024

typedef struct {
    mgd_run *run;
    uint64_t first, last; /* steps [first, last); a unit may have done some of them already */
    mgd_pool *inner;      /* shares out one request, when units are advanced one by one */
    mgd_context *ctx;     /* one per unit: what went wrong there */
    mgd_status *status;
} segment;

static uint64_t min_u64(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* Divisions by time constants, of which most are 1 and a division is slow. */
static inline uint64_t periods(uint64_t n, uint64_t tau) {
    return tau == 1 ? n : n / tau;
}

static inline bool begins(uint64_t n, uint64_t tau) {
    return tau == 1 || n % tau == 0;
}

/* ---- a block of steps ------------------------------------------------------------------------ */

void mgd_run_samples(const mgd_run *run, size_t unit, uint64_t step, uint32_t *out) {
    uint64_t place = periods(step, run->train.tau_x) * run->train.batch;
    mgd_order_fill(&run->order, run->kernels->random, &run->cache[unit],
                   run->number + unit * run->lanes, run->lanes, place, run->train.batch, out);
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

/* The same for batch number `batch`; where the chip wants to know, it is told the next one. */
static void take_samples(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t batch,
                         uint32_t *out) {
    size_t count = run->train.batch * run->lanes;
    if (!run->session->prefetch) {
        mgd_run_samples(run, unit, batch * run->train.tau_x, out);
        return;
    }
    memcpy(out, ahead(run, w, unit, batch), count * sizeof *out);
    run->session->prefetch(run->session, ahead(run, w, unit, batch + 1), count);
}

/* Lists the points of steps first … first + steps − 1, in the order of time; returns how many. */
static size_t list_points(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t first,
                          size_t steps, mgd_places *places) {
    const mgd_train *t = &run->train;
    size_t points = 0, base = 0, batches = 0;
    bool has_base = false;
    const uint32_t *samples = NULL;
    for (size_t j = 0; j < steps; j++) {
        uint64_t n = first + j;
        bool new_sample = begins(n, t->tau_x);
        if (new_sample || !samples) {
            uint32_t *fresh = w->samples + batches++ * t->batch * run->lanes;
            take_samples(run, w, unit, periods(n, t->tau_x), fresh);
            samples = fresh;
        }
        bool measures_base =
            t->baseline == MGD_BASELINE_MEASURED && (new_sample || begins(n, t->tau_theta));
        bool two = measures_base || t->baseline == MGD_BASELINE_TWO_SIDED;
        mgd_point point = {
            .step = n, .slot = periods(n, t->tau_p), .samples = samples, .ticks = two ? 1 : 2};
        if (measures_base) {
            base = points;
            has_base = true;
            w->points[points++] = point;
            point.tick = 1;
        }
        point.sign = 1;
        places[j] = (mgd_places){.plus = points, .base = base, .has_base = has_base};
        w->points[points++] = point;
        if (t->baseline == MGD_BASELINE_TWO_SIDED) {
            point.tick = 1;
            point.sign = -1;
            places[j].minus = points;
            w->points[points++] = point;
        }
    }
    return points;
}

/* θ of the replica stays as it is from here on; `cost` is what was not finite. */
static void stop_nonfinite(mgd_run *run, size_t slot, uint64_t step, double cost) {
    run->alive[slot] = 0;
    run->stopped[slot] = (double)step;
    run->finite[slot] = 0;
    run->fatal[slot] = cost;
    if (run->session->stop)
        run->session->stop(run->session, slot, step);
}

static void stop_lanes(mgd_run *run, size_t unit, uint64_t step, const double *plus,
                       const double *against) {
    for (size_t lane = 0; lane < run->lanes; lane++) {
        size_t slot = unit * run->lanes + lane;
        if (run->alive[slot] != 0 && !(isfinite(plus[lane]) && isfinite(against[lane])))
            stop_nonfinite(run, slot, step, isfinite(plus[lane]) ? against[lane] : plus[lane]);
    }
}

/* Costs into signals, (steps × width); rows repeat the one value in every lane of a tile. */
static void demodulate_block(mgd_run *run, mgd_worker *w, size_t unit, uint64_t first, size_t steps,
                             const mgd_places *places) {
    mgd_baseline baseline = run->train.baseline;
    size_t lanes = run->lanes, at = unit * lanes;
    mgd_signals state = {run->alive + at, run->c0 + at, run->c + at, run->c_tilde + at,
                         run->sums + 2 * at};
    for (size_t j = 0; j < steps; j++) {
        const double *plus = w->cost + places[j].plus * lanes, *against = plus;
        if (baseline == MGD_BASELINE_TWO_SIDED)
            against = w->cost + places[j].minus * lanes;
        else if (baseline == MGD_BASELINE_MEASURED && places[j].has_base)
            against = w->cost + places[j].base * lanes;
        else if (baseline == MGD_BASELINE_MEASURED)
            against = memcpy(w->against, state.c0, lanes * sizeof(double));
        char *signal = w->signal + j * run->width * run->real;
        mgd_alarm alarm = run->kernels->demodulate(baseline, plus, against, run->scale, lanes,
                                                   run->width, &state, signal);
        if (alarm.nonfinite) {
            stop_lanes(run, unit, first + j, plus, against);
            w->eta_held = NAN;
        }
        if (alarm.huge)
            run->careful[unit] = 1;
    }
}

/* ---- writing θ ------------------------------------------------------------------------------- */

/* After a write that may have overflowed: lanes whose θ is not finite get the one before back and
 * stop there. */
static void undo_overflow(mgd_run *run, size_t unit, uint64_t step, const char *before) {
    char *theta = run->theta + unit * mgd_run_unit_bytes(run);
    size_t stride = run->in_lanes ? run->width : 1;
    for (size_t lane = 0; lane < run->lanes; lane++) {
        size_t slot = unit * run->lanes + lane;
        bool finite = true;
        if (run->alive[slot] == 0) /* θ did not move */
            continue;
        for (size_t i = 0; i < run->parameters && finite; i++)
            finite = isfinite(mgd_run_real(run, theta, i * stride + lane));
        if (finite)
            continue;
        for (size_t i = 0; i < run->parameters; i++)
            memcpy(theta + (i * stride + lane) * run->real,
                   before + (i * stride + lane) * run->real, run->real);
        stop_nonfinite(run, slot, step, INFINITY); /* as it would be with that θ */
    }
}

/* G of the window that ends here and the θ it was measured at, of the replicas that run. */
static void keep_window(mgd_run *run, size_t unit, const char *theta, const char *gradient) {
    size_t bytes = mgd_run_unit_bytes(run), at = unit * bytes;
    if (!run->in_lanes && run->alive[unit] != 0) {
        memcpy(run->window_gradient + at, gradient, bytes);
        memcpy(run->window_theta + at, theta, bytes);
    }
    for (size_t lane = 0; lane < run->lanes && run->in_lanes; lane++) {
        if (run->alive[unit * run->lanes + lane] == 0)
            continue;
        for (size_t i = 0; i < run->parameters; i++) {
            size_t from = (i * run->width + lane) * run->real;
            memcpy(run->window_gradient + at + from, gradient + from, run->real);
            memcpy(run->window_theta + at + from, theta + from, run->real);
        }
    }
}

/* The same bits everywhere, which the C library does not promise. */
static double power(double base, double exponent) {
    return Sleef_cinz_powd1_u10purec(base, exponent);
}

/* θ of a unit from its G. */
static void update(mgd_run *run, mgd_worker *w, size_t unit, uint64_t write) {
    const mgd_engine_kernels *k = run->kernels;
    const mgd_train *t = &run->train;
    size_t at = unit * mgd_run_unit_bytes(run);
    char *theta = run->theta + at, *gradient = run->gradient + at;
    double time = (double)write + 1;
    switch (t->optimizer) {
    case MGD_OPTIMIZER_SGD:
        k->sgd(theta, gradient, w->eta, run->count, run->width);
        break;
    case MGD_OPTIMIZER_MOMENTUM:
        k->momentum(theta, gradient, run->first_moment + at, w->eta, w->lives, t->momentum,
                    run->count, run->width);
        break;
    case MGD_OPTIMIZER_ADAM:
        k->adam(theta, gradient, run->first_moment + at, run->second_moment + at, w->eta, w->lives,
                t->beta1, t->beta2, t->epsilon,
                (double[]){1 / (1 - power(t->beta1, time)), 1 / (1 - power(t->beta2, time))},
                run->count, run->width);
        break;
    }
}

/* ---- integration ----------------------------------------------------------------------------- */

/* G += Σ_j signal_j·s_j, the patterns formed again where they are not at hand; the first step of a
 * window sets G. With `write`, the last step's share goes with G straight into θ. In rows the spare
 * end of the last tile integrates leftovers that nothing reads. */
static void integrate_block(mgd_run *run, mgd_worker *w, size_t unit, uint64_t n, size_t steps,
                            bool write) {
    const mgd_engine_kernels *k = run->kernels;
    const mgd_unit_source source = mgd_unit_source_of(run, unit);
    size_t base = unit * mgd_run_unit_bytes(run);
    size_t row = (run->in_lanes ? run->width : 1) * run->real;
    for (size_t first = 0, count; first < run->parameters; first += count) {
        count = mgd_unit_part(run, first, run->parameters);
        size_t rows = run->in_lanes ? count : (count + run->width - 1) / run->width;
        char *g = run->gradient + base + first * row, *theta = run->theta + base + first * row;
        for (size_t j = 0; j < steps; j++) {
            uint64_t slot = w->points[w->places[j].plus].slot;
            mgd_pattern s = mgd_unit_pattern(&source, w, slot, first, count);
            const char *signal = w->signal + j * run->width * run->real;
            bool set = begins(n + j, run->train.tau_theta);
            if (write && j + 1 == steps)
                k->integrate_sgd(theta, g, &s, signal, w->eta, set, rows, run->width);
            else
                k->integrate(g, &s, signal, set, rows, run->width);
        }
    }
}

/* η and who runs, as the kernels want them. */
static void hold_rates(const mgd_run *run, mgd_worker *w, size_t unit) {
    if (w->eta_held == run->eta)
        return;
    const double *alive = run->alive + unit * run->lanes;
    run->kernels->rates(run->eta, alive, run->lanes, run->width, w->eta);
    run->kernels->rates(1, alive, run->lanes, run->width, w->lives);
    w->eta_held = run->eta;
}

/* The chip makes of the θ that is asked for what it can. */
static mgd_status write_chip(mgd_context *ctx, mgd_run *run, mgd_worker *w, size_t unit,
                             uint64_t step) {
    size_t bytes = mgd_run_unit_bytes(run);
    char *theta = run->theta + unit * bytes;
    mgd_write write = {.worker = (size_t)(w - run->workers),
                       .unit = unit,
                       .replica = run->number + unit * run->lanes,
                       .lives = w->lives,
                       .step = step,
                       .before = w->before,
                       .theta = theta};
    mgd_status status = run->session->write(ctx, run->session, &write);
    if (status != MGD_OK)
        memcpy(theta, w->before, bytes);
    return status;
}

/* Takes a block into G and, where its last step ends a window, writes θ. */
static mgd_status integrate_and_write(mgd_context *ctx, mgd_run *run, mgd_worker *w, size_t unit,
                                      uint64_t n, size_t steps) {
    const mgd_train *t = &run->train;
    size_t bytes = mgd_run_unit_bytes(run), at = unit * bytes;
    bool writes = begins(n + steps, t->tau_theta), chip = run->session->write != NULL;
    bool at_once = writes && t->optimizer == MGD_OPTIMIZER_SGD && !run->window_gradient && !chip;
    bool careful = writes && (run->careful[unit] || !(fabs(run->eta) < MGD_HUGE_SIGNAL));
    mgd_status status = MGD_OK;
    if (writes)
        hold_rates(run, w, unit);
    if (careful || (writes && chip))
        memcpy(w->before, run->theta + at, bytes);
    integrate_block(run, w, unit, n, steps, at_once);
    if (!writes)
        return MGD_OK;
    if (run->window_gradient)
        keep_window(run, unit, run->theta + at, run->gradient + at);
    if (!at_once)
        update(run, w, unit, periods(n, t->tau_theta));
    if (chip)
        status = write_chip(ctx, run, w, unit, n + steps - 1);
    if (careful) {
        undo_overflow(run, unit, n + steps - 1, w->before);
        w->eta_held = NAN;
    }
    if (run->careful[unit]) /* its neighbours belong to other threads */
        run->careful[unit] = 0;
    return status;
}

/* ---- units and segments ---------------------------------------------------------------------- */

static bool unit_lives(const mgd_run *run, size_t unit) {
    for (size_t lane = 0; lane < run->lanes; lane++)
        if (run->alive[unit * run->lanes + lane] != 0)
            return true;
    return false;
}

/* What the worker holds is of another unit, or of a time when other replicas ran. */
static void forget(mgd_worker *w) {
    mgd_code_cache_forget(&w->code);
    w->held_count = 0;
    w->factor_signs = 0;
    w->ahead_batch = UINT64_MAX;
    w->eta_held = NAN;
}

static mgd_status advance_unit(segment *s, size_t unit, size_t worker) {
    mgd_run *run = s->run;
    const mgd_train *t = &run->train;
    mgd_worker *w = &run->workers[worker];
    mgd_unit_source source = mgd_unit_source_of(run, unit);
    mgd_request request = {.worker = worker,
                           .pool = s->inner,
                           .points = w->points,
                           .source = mgd_unit_source_open(&source),
                           .unit = unit,
                           .replica = source.replica,
                           .lives = w->lives,
                           .cost = w->cost};
    mgd_status status = MGD_OK;
    uint64_t n = run->done[unit]; /* written back once: its neighbours belong to other threads */
    for (size_t i = 0; i < run->num_workers; i++) /* those that help with this unit, too */
        if (i == worker || s->inner)
            forget(&run->workers[i]);
    while (n < s->last) {
        uint64_t to_write = t->tau_theta == 1 ? 1 : t->tau_theta - n % t->tau_theta;
        size_t steps = (size_t)min_u64(min_u64(s->last - n, to_write), run->block_steps);
        if (!unit_lives(run, unit)) { /* nothing is left to ask the chip for */
            n = s->last;
            break;
        }
        if (run->chip->in_order)
            hold_rates(run, w, unit);
        request.num_points = list_points(run, w, unit, n, steps, w->places);
        status = run->session->measure(&s->ctx[unit], run->session, &request);
        if (status != MGD_OK)
            break;
        demodulate_block(run, w, unit, n, steps, w->places);
        status = integrate_and_write(&s->ctx[unit], run, w, unit, n, steps);
        n += steps;
        if (status != MGD_OK) /* the write of this step did not happen */
            break;
    }
    run->done[unit] = n;
    return status;
}

static void advance_task(void *arg, size_t unit, size_t worker) {
    segment *s = arg;
    s->status[unit] = advance_unit(s, unit, worker);
}

/* η of the write that the segment from step `first` on ends with. */
static mgd_status prepare_eta(mgd_context *ctx, mgd_run *run, uint64_t first) {
    const mgd_train *t = &run->train;
    if (!t->eta_function)
        return MGD_OK;
    uint64_t step = (first / t->tau_theta + 1) * t->tau_theta - 1;
    double eta;
    MGD_TRY(t->eta_function(t->eta_user, ctx, step, &eta));
    if (!isfinite(eta))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "eta: the function returned %s at step %llu: expected a finite number",
                        isnan(eta) ? "nan" : "an infinity", (unsigned long long)step);
    run->eta = eta;
    return MGD_OK;
}

/* The first look at C̃ after step `step`. */
static uint64_t next_look(uint64_t step) {
    uint64_t look = FIRST_LOOK;
    while (look <= step && look < LOOK_STEPS)
        look *= 2;
    return look > step ? look : (step / LOOK_STEPS + 1) * LOOK_STEPS;
}

/* Where a segment of `length` steps ends: at the latest where C̃ is looked at and, when η is a
 * function, at the next write, so that it is asked when θ is written and not before. */
static uint64_t segment_end(const mgd_run *run, uint64_t target, uint64_t length) {
    uint64_t last = run->step + min_u64(target - run->step, length);
    if (!run->warned)
        last = min_u64(last, next_look(run->step));
    uint64_t write = (run->step / run->train.tau_theta + 1) * run->train.tau_theta;
    return run->train.eta_function ? min_u64(last, write) : last;
}

/* Units are independent: when a chip fails in one of them the others still finish the segment. */
static mgd_status advance_segment(mgd_run *run, segment *s) {
    bool alone = run->chip->caller_only || run->train.cost.kind == MGD_COST_FUNCTION;
    s->inner = !alone && run->one_by_one ? run->pool : NULL;
    if (alone || run->one_by_one)
        for (size_t unit = 0; unit < run->live_units; unit++)
            s->status[unit] = advance_unit(s, unit, 0);
    else
        mgd_pool_run(run->pool, advance_task, s, run->live_units);
    for (size_t unit = run->live_units; unit < run->units; unit++)
        run->done[unit] = s->last;
    run->step = UINT64_MAX;
    for (size_t unit = 0; unit < run->units; unit++)
        run->step = min_u64(run->step, run->done[unit]);
    run->chip->ran += (double)(run->step - s->first) * run->train.dt;
    for (size_t unit = 0; unit < run->live_units; unit++)
        if (s->status[unit] != MGD_OK)
            return s->status[unit];
    return MGD_OK;
}

static mgd_status fail_nonfinite(mgd_context *ctx, const mgd_run *run) {
    char cost[32] = "nan"; /* whatever its sign */
    double fatal = run->fatal[run->slot[0]];
    if (!isnan(fatal))
        snprintf(cost, sizeof cost, "%g", fatal);
    return mgd_fail(ctx, MGD_ERR_NONFINITE,
                    "the cost became %s at step %llu (seed %llu, replica %llu%s): θ is kept as it "
                    "was before that step; %s",
                    cost, (unsigned long long)run->step, (unsigned long long)run->train.seed,
                    (unsigned long long)run->train.replica,
                    run->train.replicas > 1 ? " and all others" : "",
                    run->step < run->train.tau_theta
                        ? "it had not been written yet: look at θ, the data and the chip"
                        : "a smaller eta may help, unless the chip answers so by itself");
}

/* True when every replica has stopped; the run's clock then stands at the last one's stop. */
static bool all_stopped(mgd_run *run) {
    double last = 0;
    for (size_t r = 0; r < run->train.replicas; r++) {
        if (run->alive[run->slot[r]] != 0)
            return false;
        last = fmax(last, run->stopped[run->slot[r]]);
    }
    run->chip->ran -= (double)(run->step - (uint64_t)last) * run->train.dt;
    run->step = (uint64_t)last;
    for (size_t unit = 0; unit < run->units; unit++) /* not where the segment happened to end */
        run->done[unit] = run->step;
    return true;
}

static bool all_nonfinite(const mgd_run *run) {
    for (size_t r = 0; r < run->train.replicas; r++)
        if (run->finite[run->slot[r]])
            return false;
    return true;
}

/* C̃ of a few units in the last place of C is rounding, not signal. Below one unit its size is not
 * known, so the amplitude that is advised aims far above. */
static void warn_of_signal(mgd_run *run, double tilde, double cost) {
    double ulp = run->chip->resolution * cost, a = run->amplitude;
    if (!(tilde < 4 * ulp))
        return;
    run->warned = true;
    unsigned long long step = run->step;
    if (run->first_cost > 0 && cost > 1000 * run->first_cost)
        snprintf(run->warning, sizeof run->warning,
                 "by step %llu the cost has grown from %.3g to %.3g: the run diverges; a smaller "
                 "eta may help",
                 step, run->first_cost, cost);
    else if (tilde == 0)
        snprintf(
            run->warning, sizeof run->warning,
            "up to step %llu C̃ was exactly 0 at C = %.3g: the output does not depend on θ, its "
            "units are saturated, or the amplitude %.2g is far too small",
            step, cost, a);
    else
        snprintf(
            run->warning, sizeof run->warning,
            "by step %llu the signal C̃ (mean |C̃| = %.3g) is within a few units in the last "
            "place of C (%.3g) and may be rounding; try an amplitude of %.1g or more instead of "
            "%.2g%s",
            step, tilde, cost, 1000 * a * ulp / fmax(tilde, ulp / 4), a,
            run->real == sizeof(float) ? ", or a network of dtype f64" : "");
}

/* Over the replicas that run. */
static void check_signal(mgd_run *run) {
    uint64_t steps = run->step - run->sums_from;
    for (size_t r = 0; r < run->train.replicas && run->step == 1; r++)
        run->first_cost += fabs(run->c[run->slot[r]]) / (double)run->train.replicas;
    if (run->warned || run->step == 0 || next_look(run->step - 1) != run->step || steps == 0)
        return;
    double tilde = 0, cost = 0, living = 0;
    for (size_t r = 0; r < run->train.replicas; r++) {
        size_t slot = run->slot[r], lane = slot % run->lanes;
        const double *sums = run->sums + 2 * (slot - lane) + lane;
        tilde += run->alive[slot] != 0 ? sums[0] : 0;
        cost += run->alive[slot] != 0 ? sums[run->lanes] : 0;
        living += run->alive[slot];
    }
    tilde /= living * (double)steps;
    cost /= living * (double)steps;
    memset(run->sums, 0, 2 * run->units * run->lanes * sizeof(double));
    run->sums_from = run->step;
    if (run->train.baseline != MGD_BASELINE_NONE)
        warn_of_signal(run, tilde, cost);
}

/* One segment of at most *length steps, which adapts to the time that it took. */
static mgd_status advance_some(mgd_context *ctx, segment *s, uint64_t target, uint64_t *length) {
    mgd_run *run = s->run;
    double begin = mgd_clock();
    mgd_run_settle(run);
    mgd_run_compact(run);
    s->first = run->step;
    s->last = segment_end(run, target, *length);
    if (s->last % run->train.tau_theta == 0)
        MGD_TRY(prepare_eta(ctx, run, s->first));
    mgd_status status = advance_segment(run, s);
    for (size_t unit = 0; unit < run->live_units && status != MGD_OK; unit++)
        if (s->status[unit] == status)
            return mgd_fail(ctx, status, "%s", s->ctx[unit].message);
    check_signal(run);
    double seconds = mgd_clock() - begin;
    if (seconds < SEGMENT_SECONDS / 2 && *length < MAX_SEGMENT)
        *length *= 2;
    else if (seconds > 2 * SEGMENT_SECONDS && *length > (run->in_lanes ? LEAST_LANES_STEPS : 1))
        *length /= 2;
    return MGD_OK;
}

/* An interrupt leaves units at different steps of a segment. Where a unit has several replicas all
 * go on to the furthest one's, for a checkpoint may put replicas together anew. */
static void catch_up(segment *s) {
    mgd_run *run = s->run;
    mgd_interrupt_clear();
    s->last = run->step;
    for (size_t unit = 0; unit < run->live_units && run->in_lanes; unit++)
        s->last = s->last > run->done[unit] ? s->last : run->done[unit];
    s->first = run->step;
    if (s->last > run->step)
        advance_segment(run, s);
}

static mgd_status advance_to(mgd_context *ctx, segment *s, uint64_t target) {
    mgd_run *run = s->run;
    uint64_t length = run->in_lanes ? LEAST_LANES_STEPS : 1;
    while (!all_stopped(run)) {
        if (run->step >= target)
            return MGD_OK;
        mgd_status status = mgd_interrupt_answer(ctx);
        if (status == MGD_OK)
            status = advance_some(ctx, s, target, &length);
        if (status == MGD_ERR_INTERRUPT) {
            catch_up(s);
            mgd_interrupt_clear(); /* no unit is at work any more */
            return mgd_fail(ctx, status, "interrupted at step %llu", (unsigned long long)run->step);
        }
        MGD_TRY(status);
    }
    return all_nonfinite(run) ? fail_nonfinite(ctx, run) : MGD_OK;
}

mgd_status mgd_run_advance(mgd_context *ctx, mgd_run *run, uint64_t steps) {
    segment s = {.run = run};
    s.ctx = mgd_calloc(run->units, sizeof(mgd_context));
    s.status = mgd_calloc(run->units, sizeof(mgd_status));
    mgd_status status = MGD_OK;
    if (s.ctx && s.status)
        status = advance_to(ctx, &s, run->step + steps);
    else
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: advancing a run");
    mgd_free(s.ctx);
    mgd_free(s.status);
    return status;
}
