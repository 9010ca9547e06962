/* Writing θ from G: limits on G, the optimizer's law, what the chip makes of it, and the way back
 * where that was not finite.
 */

#include "engines.h"

#include <math.h>
#include <string.h>

void mgd_step_hold_rates(const mgd_run *run, mgd_worker *w, size_t unit, uint64_t step) {
    double eta = mgd_run_eta(run, step), decay = run->train.weight_decay;
    if (w->rates.held == eta)
        return;
    const double *alive = run->state.alive + unit * run->layout.lanes,
                 *rate = run->state.rate + unit * run->layout.lanes;
    run->kernels->rates(eta, alive, rate, run->layout.lanes, run->layout.width, w->rates.eta);
    run->kernels->rates(1, alive, NULL, run->layout.lanes, run->layout.width, w->rates.lives);
    if (decay > 0)
        run->kernels->rates(eta * decay, alive, rate, run->layout.lanes, run->layout.width,
                            w->rates.decay);
    w->rates.held = eta;
}

/* ---- windows that are kept ------------------------------------------------------------------- */

void mgd_step_keep_window(mgd_run *run, size_t unit, uint64_t step) {
    size_t at = unit * mgd_run_unit_bytes(run),
           stride = run->layout.in_lanes ? run->layout.width : 1;
    for (size_t lane = 0; lane < run->layout.lanes; lane++) {
        size_t seat = unit * run->layout.lanes + lane;
        if (run->state.alive[seat] == 0)
            continue;
        for (size_t i = 0; i < run->parameters; i++) {
            size_t from = at + (i * stride + lane) * run->real;
            memcpy(run->state.window_gradient + from, run->state.gradient + from, run->real);
            memcpy(run->state.window_theta + from, run->state.theta + from, run->real);
        }
        run->state.window_first[seat] = (double)mgd_timer_start(&run->clock.windows, step);
        run->state.window_end[seat] = (double)step + 1;
    }
}

/* ---- limits on G ----------------------------------------------------------------------------- */

/* The length of a lane's G, summed in the order of parameters; `scale` it is by a power of 2 where
 * its squares would overflow. */
static double length_of(const mgd_run *run, const char *g, size_t lane, double scale) {
    size_t stride = run->layout.in_lanes ? run->layout.width : 1;
    double sum = 0;
    for (size_t i = 0; i < run->parameters; i++) {
        double value = mgd_run_real(run, g, i * stride + lane) * scale;
        sum += value * value;
    }
    return isinf(sum) && scale == 1 ? length_of(run, g, lane, 0x1p-600) : sqrt(sum) / scale;
}

/* G of each replica becomes at most `most` long. */
static void limit_norm(mgd_run *run, size_t unit, double most) {
    char *g = run->state.gradient + unit * mgd_run_unit_bytes(run);
    size_t stride = run->layout.in_lanes ? run->layout.width : 1;
    for (size_t lane = 0; lane < run->layout.lanes; lane++) {
        double length = length_of(run, g, lane, 1);
        if (!(length > most) || run->state.alive[unit * run->layout.lanes + lane] == 0)
            continue;
        for (size_t i = 0; i < run->parameters; i++) {
            size_t at = i * stride + lane;
            mgd_run_real_set(run, g, at, mgd_run_real(run, g, at) * (most / length));
        }
    }
}

/* ---- the law --------------------------------------------------------------------------------- */

/* η, lives and η·λ of some parameters, (width) each. */
typedef struct {
    const void *eta, *lives, *decay;
    bool decays;
} part_rates;

/* Of one rule: the run's times its factors. */
static void rates_of_rule(const mgd_run *run, mgd_worker *w, size_t unit, const mgd_rule *r,
                          double eta) {
    const mgd_engine_kernels *k = run->kernels;
    const size_t lanes = run->layout.lanes, width = run->layout.width;
    const double *alive = run->state.alive + unit * lanes, *rate = run->state.rate + unit * lanes;
    double moves = r->still ? 0 : 1;
    k->rates(moves * eta * r->eta, alive, rate, lanes, width, w->rates.own[0]);
    k->rates(moves, alive, NULL, lanes, width, w->rates.own[1]);
    k->rates(moves * eta * r->eta * r->weight_decay, alive, rate, lanes, width, w->rates.own[2]);
}

/* Of a tile in rows, whose parameters have several. */
static void rates_of_tile(const mgd_run *run, mgd_worker *w, size_t unit, size_t from, size_t count,
                          double eta) {
    for (size_t i = 0; i < run->layout.width; i++) {
        const mgd_rule *r = mgd_rules_of(run, from + (i < count ? i : 0));
        double moves = r->still || i >= count ? 0 : run->state.alive[unit];
        double own = moves * eta * r->eta * run->state.rate[unit];
        mgd_run_real_set(run, w->rates.own[0], i, own);
        mgd_run_real_set(run, w->rates.own[1], i, moves);
        mgd_run_real_set(run, w->rates.own[2], i, own * r->weight_decay);
    }
}

static part_rates rates_of(const mgd_run *run, mgd_worker *w, size_t unit, const mgd_stretch *s,
                           size_t from, uint64_t step) {
    if (run->train.num_rules == 0)
        return (part_rates){w->rates.eta, w->rates.lives, w->rates.decay,
                            run->train.weight_decay > 0};
    double eta = mgd_run_eta(run, step);
    const mgd_rule *r = &run->rules.rule[s->value];
    if (s->mixed)
        rates_of_tile(run, w, unit, from, s->count, eta);
    else
        rates_of_rule(run, w, unit, r, eta);
    return (part_rates){w->rates.own[0], w->rates.own[1], w->rates.own[2],
                        s->mixed || (!r->still && r->weight_decay > 0)};
}

/* Some parameters of a unit; `at` is where they begin in its arrays, in rows of width reals. */
static void update_part(mgd_run *run, size_t unit, uint64_t step, size_t at, size_t rows,
                        const part_rates *rates) {
    mgd_optimizer_kernel *const *optimizers = run->kernels->optimizers;
    mgd_state *state = &run->state;
    at = unit * mgd_run_unit_bytes(run) + at * run->layout.width * run->real;
    mgd_optimizer_step s = {
        .train = &run->train,
        .time = (double)(mgd_timer_index(&run->clock.windows, step) - run->clock.began_window) + 1,
        .theta = state->theta + at,
        .g = state->gradient + at,
        .first = state->first_moment ? state->first_moment + at : NULL,
        .second = state->second_moment ? state->second_moment + at : NULL,
        .eta = rates->eta,
        .lives = rates->lives,
        .count = rows,
        .width = run->layout.width};
    if (rates->decays) { /* θ ← θ − η·λ·θ */
        mgd_optimizer_step decay = s;
        decay.g = s.theta;
        decay.eta = rates->decay;
        optimizers[MGD_OPTIMIZER_SGD](&decay);
    }
    optimizers[run->train.optimizer](&s);
}

/* θ of a unit from its G, for the write at the end of `step`. */
static void update(mgd_run *run, mgd_worker *w, size_t unit, uint64_t step) {
    const size_t in_row = run->layout.in_lanes ? 1 : run->layout.width;
    for (size_t from = 0, count; from < run->parameters; from += count) {
        const mgd_stretch s = mgd_spans_stretch(run, &run->rules.spans, from);
        const part_rates rates = rates_of(run, w, unit, &s, from, step);
        count = s.count;
        update_part(run, unit, step, from / in_row, (count + in_row - 1) / in_row, &rates);
    }
}

/* ---- after the write ------------------------------------------------------------------------- */

/* After a write that may have overflowed: lanes whose θ is not finite get the one before back and
 * stop there. */
static void undo_overflow(mgd_run *run, size_t unit, uint64_t step, const char *before) {
    char *theta = run->state.theta + unit * mgd_run_unit_bytes(run);
    size_t stride = run->layout.in_lanes ? run->layout.width : 1;
    for (size_t lane = 0; lane < run->layout.lanes; lane++) {
        size_t seat = unit * run->layout.lanes + lane;
        bool finite = true;
        if (run->state.alive[seat] == 0) /* θ did not move */
            continue;
        for (size_t i = 0; i < run->parameters && finite; i++)
            finite = isfinite(mgd_run_real(run, theta, i * stride + lane));
        if (finite)
            continue;
        for (size_t i = 0; i < run->parameters; i++)
            memcpy(theta + (i * stride + lane) * run->real,
                   before + (i * stride + lane) * run->real, run->real);
        mgd_divergence_stop(run, seat, step, INFINITY); /* as it would be with that θ */
    }
}

/* Whether no G of a unit that lasts beyond this write is huge: the analog engine's low-pass does,
 * and stays below the largest of what it held and what comes. */
static bool is_calm(const mgd_run *run, size_t unit) {
    const char *g = run->state.gradient + unit * mgd_run_unit_bytes(run);
    if (run->engine->windows)
        return true;
    for (size_t i = 0; i < run->layout.count * run->layout.width; i++)
        if (!(fabs(mgd_run_real(run, g, i)) < MGD_HUGE_SIGNAL))
            return false;
    return true;
}

/* The chip makes of the θ that is asked for what it can. */
static mgd_status write_chip(mgd_context *ctx, mgd_run *run, mgd_worker *w, size_t unit,
                             uint64_t step) {
    size_t bytes = mgd_run_unit_bytes(run);
    char *theta = run->state.theta + unit * bytes;
    mgd_write write = {.worker = (size_t)(w - run->workers),
                       .unit = unit,
                       .replica = run->state.number + unit * run->layout.lanes,
                       .lives = w->rates.lives,
                       .step = step,
                       .before = w->before,
                       .theta = theta};
    char *asked = run->recording.asked ? run->recording.asked + write.worker * bytes : NULL;
    if (asked)
        memcpy(asked, theta, bytes);
    mgd_status status = run->session->write(ctx, run->session, &write);
    if (status != MGD_OK)
        memcpy(theta, w->before, bytes);
    for (size_t lane = 0; lane < run->layout.lanes && asked; lane++)
        if (run->state.alive[unit * run->layout.lanes + lane] != 0)
            mgd_recorder_theta(run->recording.recorder, step,
                               run->state.owner[unit * run->layout.lanes + lane],
                               status == MGD_OK ? MGD_THETA_WRITTEN : MGD_THETA_FAILED, theta,
                               asked, run->layout.lanes, lane);
    return status;
}

mgd_status mgd_step_write(mgd_context *ctx, mgd_run *run, mgd_worker *w, size_t unit,
                          uint64_t first, size_t steps) {
    const mgd_train *t = &run->train;
    const uint64_t last = first + steps - 1;
    size_t bytes = mgd_run_unit_bytes(run), at = unit * bytes;
    bool writes = mgd_timer_begins(&run->clock.windows, last + 1),
         chip = run->session->write != NULL;
    bool limits = t->clip > 0 || t->clip_norm > 0;
    bool at_once = writes && run->engine->integrate_part && !limits &&
                   mgd_optimizer_type_of(t->optimizer)->plain && !run->keeps_windows && !chip &&
                   !(t->weight_decay > 0) && t->num_rules == 0;
    bool careful =
        writes && (run->state.careful[unit] || !(fabs(mgd_run_eta(run, last)) < run->now.huge_eta));
    mgd_status status = MGD_OK;
    if (writes)
        mgd_step_hold_rates(run, w, unit, last);
    if (careful || (writes && chip))
        memcpy(w->before, run->state.theta + at, bytes);
    if (run->engine->integrate)
        run->engine->integrate(run, w, unit, first, steps, at_once);
    if (!writes)
        return MGD_OK;
    if (run->keeps_windows)
        mgd_step_keep_window(run, unit, last);
    if (t->clip > 0)
        run->kernels->limit(run->state.gradient + at, t->clip, run->layout.count,
                            run->layout.width);
    if (t->clip_norm > 0)
        limit_norm(run, unit, t->clip_norm);
    if (!at_once)
        update(run, w, unit, last);
    if (chip)
        status = write_chip(ctx, run, w, unit, last);
    if (careful) {
        undo_overflow(run, unit, last, w->before);
        w->rates.held = NAN;
    }
    mgd_step_average(run, w, unit, last);
    if (run->state.careful[unit] && is_calm(run, unit)) /* its neighbours are others' */
        run->state.careful[unit] = 0;
    return status;
}
