/* Advancing a run, whatever its engine (engines.h): steps in blocks, blocks in units, units in
 * segments; what is asked between segments, and where a run ends.
 *
 * Neither the length of a block of steps nor the number of threads changes any value. θ + θ̃ is
 * never stored into θ.
 */

#include "../base/number.h"
#include "engines.h"

#include <gsl/gsl_errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_STEPS                                                                                 \
    (UINT64_C(1) << 53) /* of one call; exact as doubles, in which they are saved                  \
                         */
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

/* ---- units and segments ---------------------------------------------------------------------- */

static bool unit_lives(const mgd_run *run, size_t unit) {
    for (size_t lane = 0; lane < run->layout.lanes; lane++)
        if (run->state.alive[unit * run->layout.lanes + lane] != 0)
            return true;
    return false;
}

/* What the worker holds is of another unit, or of a time when other replicas ran. */
static void forget(mgd_worker *w) {
    mgd_code_cache_forget(&w->patterns.code);
    w->patterns.held_count = 0;
    w->patterns.factor_signs = 0;
    w->block.ahead_batch = UINT64_MAX;
    w->rates.held = NAN;
}

static mgd_status advance_unit(segment *s, size_t unit, size_t worker) {
    mgd_run *run = s->run;
    const mgd_engine_type *engine = run->engine;
    mgd_worker *w = &run->workers[worker];
    mgd_unit_source source = mgd_unit_source_of(run, unit);
    mgd_request request = {.worker = worker,
                           .pool = s->inner,
                           .points = w->block.points,
                           .source = mgd_unit_source_open(&source),
                           .unit = unit,
                           .replica = source.replica,
                           .lives = w->rates.lives,
                           .cost = w->block.cost};
    mgd_context *ctx = &s->ctx[unit];
    mgd_status status = MGD_OK;
    uint64_t n =
        run->state.done[unit]; /* written back once: its neighbours belong to other threads */
    for (size_t i = 0; i < run->layout.workers; i++) /* those that help with this unit, too */
        if (i == worker || s->inner)
            forget(&run->workers[i]);
    while (n < s->last) {
        uint64_t to_write = mgd_timer_next(&run->clock.windows, n) - n;
        size_t steps = (size_t)min_u64(min_u64(s->last - n, to_write), run->layout.block_steps);
        if (!unit_lives(run, unit)) { /* nothing is left to ask the chip for */
            n = s->last;
            break;
        }
        status = engine->measure(ctx, run, w, &request, n, steps);
        if (status != MGD_OK)
            break;
        if (engine->write)
            status = engine->write(ctx, run, w, unit, n, steps);
        n += steps;
        if (status != MGD_OK) /* the write of this step did not happen */
            break;
    }
    run->state.done[unit] = n;
    return status;
}

static void advance_task(void *arg, size_t unit, size_t worker) {
    segment *s = arg;
    s->status[unit] = advance_unit(s, unit, worker);
}

/* ---- what is asked as time goes on ----------------------------------------------------------- */

/* A time constant that may change is asked at the first step of each of its periods. */
static mgd_status ask_tau(mgd_context *ctx, mgd_run *run, const char *name,
                          const mgd_schedule *schedule, mgd_timer *timer) {
    double tau;
    if (mgd_schedule_constant(schedule) || !mgd_timer_begins(timer, run->clock.step))
        return MGD_OK;
    MGD_TRY(mgd_schedule_ask(ctx, name, schedule, run->clock.step, MGD_VALUE_STEPS, &tau));
    if (timer == &run->clock.shows && (uint64_t)tau != timer->tau) {
        memmove(run->clock.shown + 1, run->clock.shown,
                sizeof run->clock.shown - sizeof *run->clock.shown);
        run->clock.shown[0] = *timer;
    }
    mgd_timer_set(timer, run->clock.step, (uint64_t)tau);
    return MGD_OK;
}

/* Everything that is asked at run->clock.step, where a segment begins. */
static mgd_status ask(mgd_context *ctx, mgd_run *run) {
    const mgd_train *t = &run->train;
    MGD_TRY(ask_tau(ctx, run, "tau_p", &t->tau_p, &run->clock.slots));
    MGD_TRY(ask_tau(ctx, run, "tau_x", &t->tau_x, &run->clock.shows));
    if (run->engine->windows)
        MGD_TRY(ask_tau(ctx, run, "tau_theta", &t->tau_theta, &run->clock.windows));
    else if (t->tau_theta.kind == MGD_SCHEDULE_FUNCTION)
        MGD_TRY(mgd_schedule_ask(ctx, "tau_theta", &t->tau_theta, run->clock.step,
                                 MGD_VALUE_POSITIVE, &run->now.tau_theta));
    if (t->amplitude.kind != MGD_SCHEDULE_FUNCTION ||
        !mgd_timer_begins(&run->clock.slots, run->clock.step))
        return MGD_OK;
    double value;
    MGD_TRY(mgd_schedule_ask(ctx, t->norm ? "norm" : "amplitude", &t->amplitude, run->clock.step,
                             MGD_VALUE_POSITIVE, &value));
    run->now.amplitude = value * run->now.per_amplitude;
    return MGD_OK;
}

/* η of the write that the segment ends with, where it is a function. */
static mgd_status ask_eta(mgd_context *ctx, mgd_run *run, uint64_t last) {
    if (run->train.eta.kind != MGD_SCHEDULE_FUNCTION ||
        !mgd_timer_begins(&run->clock.windows, last))
        return MGD_OK;
    return mgd_schedule_ask(ctx, "eta", &run->train.eta, last - 1, MGD_VALUE_ANY, &run->now.eta);
}

/* ---- segments -------------------------------------------------------------------------------- */

/* The first look at C̃ after step `step`. */
static uint64_t next_look(uint64_t step) {
    uint64_t look = FIRST_LOOK;
    while (look <= step && look < LOOK_STEPS)
        look *= 2;
    return look > step ? look : (step / LOOK_STEPS + 1) * LOOK_STEPS;
}

/* Where a segment of `length` steps ends: at the latest where C̃ is looked at, and where something
 * is asked, so that it is asked when it is needed and not before. */
static uint64_t segment_end(const mgd_run *run, uint64_t target, uint64_t length) {
    const mgd_train *t = &run->train;
    uint64_t last = run->clock.step + min_u64(target - run->clock.step, length);
    bool amplitude = t->amplitude.kind == MGD_SCHEDULE_FUNCTION;
    bool window = t->eta.kind == MGD_SCHEDULE_FUNCTION ||
                  (run->engine->filters ? t->tau_theta.kind == MGD_SCHEDULE_FUNCTION
                                        : !mgd_schedule_constant(&t->tau_theta));
    if (!run->watch.warned)
        last = min_u64(last, next_look(run->clock.step));
    if (run->code.kept > 0) /* no more slots than are kept of a function's */
        last = min_u64(last, mgd_timer_start(&run->clock.slots, run->clock.step) +
                                 run->code.kept / run->code.stride * run->clock.slots.tau);
    if (amplitude || !mgd_schedule_constant(&t->tau_p))
        last = min_u64(last, mgd_timer_next(&run->clock.slots, run->clock.step));
    if (!mgd_schedule_constant(&t->tau_x))
        last = min_u64(last, mgd_timer_next(&run->clock.shows, run->clock.step));
    return window ? min_u64(last, mgd_timer_next(&run->clock.windows, run->clock.step)) : last;
}

/* Units are independent: when a chip fails in one of them the others still finish the segment. */
static mgd_status advance_segment(mgd_run *run, segment *s) {
    bool alone = run->chip->caller_only || run->train.cost.kind == MGD_COST_FUNCTION;
    s->inner = !alone && run->layout.one_by_one ? run->pool : NULL;
    if (alone || run->layout.one_by_one)
        for (size_t unit = 0; unit < run->layout.live_units; unit++)
            s->status[unit] = advance_unit(s, unit, 0);
    else
        mgd_pool_run(run->pool, advance_task, s, run->layout.live_units);
    for (size_t unit = run->layout.live_units; unit < run->layout.units; unit++)
        run->state.done[unit] = s->last;
    run->clock.step = UINT64_MAX;
    for (size_t unit = 0; unit < run->layout.units; unit++)
        run->clock.step = min_u64(run->clock.step, run->state.done[unit]);
    run->chip->ran += (double)(run->clock.step - s->first) * run->train.dt;
    for (size_t unit = 0; unit < run->layout.live_units; unit++)
        if (s->status[unit] != MGD_OK)
            return s->status[unit];
    return MGD_OK;
}

static mgd_status fail_diverged(mgd_context *ctx, const mgd_run *run) {
    return mgd_fail(ctx, MGD_ERR_NONFINITE,
                    "the cost became %s at step %llu (seed %llu, replica %llu%s): θ is kept as it "
                    "was before that step; %s",
                    MGD_NUMBER(run->state.fatal[run->state.seat[0]]),
                    (unsigned long long)run->clock.step, (unsigned long long)run->train.seed,
                    (unsigned long long)run->train.replica,
                    run->train.replicas > 1 ? " and all others" : "",
                    run->clock.step < mgd_timer_next(&run->clock.windows, 0)
                        ? "it had not been written yet: look at θ, the data and the chip"
                        : "a smaller eta may help, unless the chip answers so by itself");
}

/* True when every replica has stopped; the run's clock then stands at the last one's stop. */
static bool all_stopped(mgd_run *run) {
    double last = 0;
    for (size_t r = 0; r < run->train.replicas; r++) {
        if (run->state.alive[run->state.seat[r]] != 0)
            return false;
        last = fmax(last, run->state.stopped[run->state.seat[r]]);
    }
    run->chip->ran -= (double)(run->clock.step - (uint64_t)last) * run->train.dt;
    run->clock.step = (uint64_t)last;
    for (size_t unit = 0; unit < run->layout.units;
         unit++) /* not where the segment happened to end */
        run->state.done[unit] = run->clock.step;
    return true;
}

static bool all_diverged(const mgd_run *run) {
    for (size_t r = 0; r < run->train.replicas; r++)
        if (run->state.finite[run->state.seat[r]])
            return false;
    return true;
}

/* C̃ of a few units in the last place of C is rounding, not signal. Below one unit its size is not
 * known, so the amplitude that is advised aims far above. */
static void warn_of_signal(mgd_run *run, double tilde, double cost, double first) {
    double ulp = run->chip->resolution * cost, a = run->now.amplitude;
    if (!(tilde < 4 * ulp))
        return;
    run->watch.warned = true;
    unsigned long long step = run->clock.step;
    if (first > 0 && cost > 1000 * first)
        snprintf(run->watch.warning, sizeof run->watch.warning,
                 "by step %llu the cost has grown from %.3g to %.3g: the run diverges; a smaller "
                 "eta may help",
                 step, first, cost);
    else if (tilde == 0)
        snprintf(
            run->watch.warning, sizeof run->watch.warning,
            "up to step %llu C̃ was exactly 0 at C = %.3g: the output does not depend on θ, its "
            "units are saturated, or the amplitude %.2g is far too small",
            step, cost, a);
    else
        snprintf(
            run->watch.warning, sizeof run->watch.warning,
            "by step %llu the signal C̃ (mean |C̃| = %.3g) is within a few units in the last "
            "place of C (%.3g) and may be rounding; try an amplitude of %.1g or more instead of "
            "%.2g%s",
            step, tilde, cost, 1000 * a * ulp / fmax(tilde, ulp / 4), a,
            run->real == sizeof(float) ? ", or a network of dtype f64" : "");
}

/* Over the replicas that run and have not diverged. */
static void check_signal(mgd_run *run) {
    uint64_t steps = run->clock.step - run->counters.summed_from;
    if (run->watch.warned || run->clock.step == 0 ||
        next_look(run->clock.step - 1) != run->clock.step || steps == 0)
        return;
    double tilde = 0, cost = 0, first = 0, living = 0;
    for (size_t r = 0; r < run->train.replicas; r++) {
        size_t seat = run->state.seat[r];
        if (run->state.alive[seat] == 0 || !isnan(run->state.diverged[seat]))
            continue;
        tilde += run->state.sum_tilde[seat];
        cost += run->state.sum_c[seat];
        first += run->state.reference[seat];
        living++;
    }
    tilde /= living * (double)steps;
    cost /= living * (double)steps;
    mgd_run_sum_anew(run);
    if (run->train.baseline != MGD_BASELINE_NONE && living > 0)
        warn_of_signal(run, tilde, cost, first / living);
}

/* The patterns of the segment, where a function gives them. Where it fails the segment ends before
 * that slot. */
static mgd_status fetch_patterns(mgd_context *ctx, segment *s) {
    mgd_run *run = s->run;
    const mgd_timer *slots = &run->clock.slots;
    const uint64_t stride = run->code.stride;
    mgd_status status = mgd_code_fetch(ctx, &run->code, mgd_timer_index(slots, s->first) * stride,
                                       mgd_timer_index(slots, s->last - 1) * stride + stride - 1);
    uint64_t end = run->code.next / stride * slots->tau; /* slots last as long as each other */
    if (status != MGD_OK)
        s->last = s->first > end ? s->first : end;
    return status;
}

/* One segment of at most *length steps, which adapts to the time that it took. */
static mgd_status advance_some(mgd_context *ctx, segment *s, uint64_t target, uint64_t *length) {
    mgd_run *run = s->run;
    double begin = mgd_clock();
    mgd_run_settle(run);
    mgd_run_compact(run);
    s->first = run->clock.step;
    mgd_run_count(run);
    MGD_TRY(ask(ctx, run));
    if (run->clock.step == 0)
        mgd_divergence_begin(run);
    s->last = segment_end(run, target, *length);
    mgd_status fetched = fetch_patterns(ctx, s);
    if (s->last == s->first)
        return fetched;
    MGD_TRY(ask_eta(ctx, run, s->last));
    mgd_status status = advance_segment(run, s);
    for (size_t unit = 0; unit < run->layout.live_units && status != MGD_OK; unit++)
        if (s->status[unit] == status)
            return mgd_fail(ctx, status, "%s", s->ctx[unit].message);
    check_signal(run);
    double seconds = mgd_clock() - begin;
    if (seconds < SEGMENT_SECONDS / 2 && *length < MAX_SEGMENT)
        *length *= 2;
    else if (seconds > 2 * SEGMENT_SECONDS &&
             *length > (run->layout.in_lanes ? LEAST_LANES_STEPS : 1))
        *length /= 2;
    return fetched;
}

/* An interrupt leaves units at different steps of a segment. Where a unit has several replicas all
 * go on to the furthest one's, for a checkpoint may put replicas together anew. */
static void catch_up(segment *s) {
    mgd_run *run = s->run;
    mgd_interrupt_clear();
    s->last = run->clock.step;
    for (size_t unit = 0; unit < run->layout.live_units && run->layout.in_lanes; unit++)
        s->last = s->last > run->state.done[unit] ? s->last : run->state.done[unit];
    s->first = run->clock.step;
    if (s->last > run->clock.step)
        advance_segment(run, s);
}

static mgd_status advance_to(mgd_context *ctx, segment *s, uint64_t target) {
    mgd_run *run = s->run;
    uint64_t length = run->layout.in_lanes ? LEAST_LANES_STEPS : 1;
    if (run->clock.step < target)
        MGD_TRY(mgd_run_keep(ctx, run));
    while (!all_stopped(run)) {
        if (run->clock.step >= target)
            return MGD_OK;
        mgd_status status = mgd_interrupt_answer(ctx);
        if (status == MGD_OK)
            status = advance_some(ctx, s, target, &length);
        if (status == MGD_ERR_INTERRUPT) {
            catch_up(s);
            mgd_interrupt_clear(); /* no unit is at work any more */
            return mgd_fail(ctx, status, "interrupted at step %llu",
                            (unsigned long long)run->clock.step);
        }
        MGD_TRY(status);
        if ((run->watch.factor > 0 && mgd_divergence_news(run)) ||
            (run->recording.recorder && mgd_recorder_has_news(run->recording.recorder)))
            break; /* the caller says so, and goes on */
    }
    bool over = all_stopped(run) && all_diverged(run) && !run->watch.ends;
    return over ? fail_diverged(ctx, run) : MGD_OK;
}

mgd_status mgd_run_advance(mgd_context *ctx, mgd_run *run, uint64_t steps) {
    MGD_OPERATION;
    if (steps > MOST_STEPS)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "run: %llu steps: expected at most 2^53, up to which steps are counted",
                        (unsigned long long)steps);
    segment s = {.run = run};
    s.ctx = mgd_calloc(run->layout.units, sizeof(mgd_context));
    s.status = mgd_calloc(run->layout.units, sizeof(mgd_status));
    mgd_status status = MGD_OK;
    gsl_error_handler_t *handler = gsl_set_error_handler_off(); /* it would abort */
    if (s.ctx && s.status)
        status = advance_to(ctx, &s, run->clock.step + steps);
    else
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: advancing a run");
    if (status == MGD_OK)
        status = mgd_engine_read_back(ctx, run);
    else if (!run->chip->real) /* hardware that failed may not answer for long */
        mgd_engine_read_back(&(mgd_context){0}, run);
    gsl_set_error_handler(handler);
    mgd_free(s.ctx);
    mgd_free(s.status);
    return status;
}
