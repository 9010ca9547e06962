/* The engine of digital learning circuits: the steps of the discrete one with two-sided costs, in
 * the integers of the circuit's registers (src/circuit). Counters of votes write at every step and
 * last; the accumulator is summed over windows of τ_θ.
 */

#include "../base/number.h"
#include "engines.h"

#include <math.h>

/* Patterns that are ±a, and that a circuit forms alike for all replicas. */
static mgd_status check_code(mgd_context *ctx, const mgd_train *t) {
    const bool signs =
        t->code == MGD_CODE_LFSR || t->code == MGD_CODE_WALSH || t->code == MGD_CODE_OUTER;
    if (!signs || t->sparsity > 0 || t->amplitudes || t->amplitude_spread > 0 || t->norm ||
        !mgd_schedule_constant(&t->amplitude))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: engine: circuit is for perturbations of ±a, a the same for all "
                        "parameters: expected the code lfsr, walsh or outer and a constant "
                        "amplitude");
    int exponent; /* w ± w̃ are shown exactly */
    const double steps = t->amplitude.value / t->circuit.lsb;
    if (steps == rint(steps) && frexp(t->circuit.lsb, &exponent) == 0.5 &&
        steps <= ldexp(1, (int)t->circuit.weight_bits - 1))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "train: engine: circuit: an amplitude of %s is %s LSB: expected 1 to 2^%u",
                    MGD_NUMBER(t->amplitude.value), MGD_NUMBER(steps), t->circuit.weight_bits - 1);
}

static mgd_status check(mgd_context *ctx, const mgd_train *t, const mgd_chip *chip) {
    if (t->circuit.set == MGD_CIRCUIT_NONE)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: engine: circuit is for mgd.train{circuit = mgd.circuit{…}}, and no "
                        "circuit is given");
    MGD_TRY(mgd_circuit_check(ctx, &t->circuit, chip->dtype));
    MGD_TRY(check_code(ctx, t));
    const bool plain = t->baseline == MGD_BASELINE_TWO_SIDED && t->settle == 0 && t->clamp == 0 &&
                       t->clip == 0 && t->clip_norm == 0 && t->weight_decay == 0 &&
                       t->optimizer == MGD_OPTIMIZER_SGD && t->num_signals == 0 &&
                       t->num_rules == 0 && mgd_schedule_constant(&t->tau_p) && t->tau_p.value == 1;
    if (!plain)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: engine: circuit measures two-sided, perturbs anew in each step and "
                        "writes by itself: expected baseline = \"two-sided\" and tau_p = 1, and no "
                        "optimizer, weight_decay, clamp, clip, clip_norm, settle, signals or "
                        "layers");
    const bool counts = t->circuit.set == MGD_CIRCUIT_SIGN_SIGN;
    if (!mgd_schedule_constant(&t->tau_theta) || (counts && t->tau_theta.value != 1))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: engine: circuit: expected a constant tau_theta%s",
                        counts ? " of 1: counters write when they run over" : "");
    if (chip->perturbs)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: engine: circuit perturbs by itself, and so does the chip: expected "
                        "one that does not");
    return MGD_OK;
}

static mgd_status hold(mgd_context *ctx, mgd_run *run) {
    if (run->session->write)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: engine: circuit writes its own registers: expected a chip without "
                        "models of weights' updates or drift");
    const size_t bytes = mgd_run_unit_bytes(run);
    for (size_t unit = 0; unit < run->layout.units; unit++)
        run->circuit->hold(&run->train.circuit, run->state.theta + unit * bytes,
                           run->state.gradient + unit * bytes, run->layout.count,
                           run->layout.width);
    return MGD_OK;
}

static void integrate_part(const mgd_run *run, const mgd_worker *w, const mgd_part *p) {
    (void)w;
    run->circuit->integrate(&run->train.circuit, p->g, p->s.values, p->s.kind == MGD_PATTERN_SHARED,
                            p->signal, p->rows, run->layout.width);
}

/* The window's G for probes. That of the accumulator in units of the gradient, as any other engine
 * has it: Σ D·s is 2·a·τ_θ·2^B/range times the mean of C̃·s/a. Votes have no size. */
static void keep_window(mgd_run *run, size_t unit, uint64_t step) {
    const mgd_layout *l = &run->layout;
    const mgd_circuit *c = &run->train.circuit;
    const double scale = ldexp(c->cost_range, -(int)c->cost_bits - 1) /
                         (run->now.amplitude * (double)run->clock.windows.tau);
    mgd_step_keep_window(run, unit, step);
    for (size_t seat = unit * l->lanes; seat < (unit + 1) * l->lanes; seat++) {
        if (c->set != MGD_CIRCUIT_ACCUMULATOR || run->state.alive[seat] == 0)
            continue;
        for (size_t i = 0; i < run->parameters; i++) {
            void *g = run->state.window_gradient + mgd_run_place(run, seat, i);
            mgd_run_real_set(run, g, 0, mgd_run_real(run, g, 0) * scale);
        }
    }
}

static mgd_status write(mgd_context *ctx, mgd_run *run, mgd_worker *w, size_t unit, uint64_t first,
                        size_t steps) {
    (void)ctx;
    const uint64_t last = first + steps - 1;
    const size_t at = unit * mgd_run_unit_bytes(run);
    mgd_step_integrate(run, w, unit, first, steps, false);
    if (!mgd_timer_begins(&run->clock.windows, last + 1))
        return MGD_OK;
    mgd_step_hold_rates(run, w, unit, last);
    if (run->keeps_windows)
        keep_window(run, unit, last);
    run->circuit->write(&run->train.circuit, run->state.theta + at, run->state.gradient + at,
                        w->rates.lives, run->layout.count, run->layout.width);
    mgd_step_average(run, w, unit, last);
    return MGD_OK;
}

const mgd_engine_type mgd_engine_circuit = {
    .name = "circuit",
    .windows = true,
    .check = check,
    .hold = hold,
    .measure = mgd_step_measure,
    .integrate_part = integrate_part,
    .write = write,
};

/* Where all votes agree. */
static double writes(const mgd_run *run, double windows) {
    return floor(ldexp(windows, 1 - (int)run->train.circuit.counter_bits));
}

const mgd_engine_type mgd_engine_counters = {
    .name = "circuit",
    .windows = true,
    .lasts = true,
    .writes = writes,
    .check = check,
    .hold = hold,
    .measure = mgd_step_measure,
    .integrate_part = integrate_part,
    .write = write,
};
