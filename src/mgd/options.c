/* The options of training: one row for each field of mgd_train that is a number, a flag, a choice
 * or a tensor. Defaults, checks, the bindings, the schemas of Lua and docs/options.md are made from
 * these rows; what a field means beside others is checked where it is used. */

#include "options.h"
#include "../base/number.h"
#include "../circuit/circuit.h"
#include "engines.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* ---- names of choices ------------------------------------------------------------------------ */

#define COUNT(names) (sizeof(names) / sizeof *(names))

static const char *order_name(unsigned shuffled) {
    return shuffled == 0 ? "natural" : shuffled == 1 ? "shuffled" : NULL;
}

static const char *source_name(unsigned registered) {
    return registered == 0 ? "random" : registered == 1 ? "register" : NULL;
}

static const char *perturb_name(unsigned what) {
    static const char *const names[] = {
        [MGD_PERTURB_PARAMETERS] = "parameters", [MGD_PERTURB_NODES] = "nodes"};
    return what < COUNT(names) ? names[what] : NULL;
}

static const char *baseline_name(unsigned baseline) {
    static const char *const names[] = {[MGD_BASELINE_MEASURED] = "measured",
                                        [MGD_BASELINE_TWO_SIDED] = "two-sided",
                                        [MGD_BASELINE_NONE] = "none"};
    return baseline < COUNT(names) ? names[baseline] : NULL;
}

static const char *convention_name(unsigned convention) {
    static const char *const names[] = {
        [MGD_CONVENTION_GRADIENT] = "gradient", [MGD_CONVENTION_PUBLISHED] = "published"};
    return convention < COUNT(names) ? names[convention] : NULL;
}

static const char *average_name(unsigned kind) {
    static const char *const names[] = {
        [MGD_AVERAGE_NONE] = "none", [MGD_AVERAGE_EMA] = "ema", [MGD_AVERAGE_MEAN] = "mean"};
    return kind < COUNT(names) ? names[kind] : NULL;
}

/* ---- the table ------------------------------------------------------------------------------- */

#define AT(member) .offset = offsetof(mgd_train, member), .size = sizeof(((mgd_train *)0)->member)
#define OF_CODE(member) AT(member), .part = "perturbation"
#define OF_AVERAGE(member) AT(average.member), .part = "average"
#define OF_CIRCUIT(member) AT(circuit.member), .part = "circuit"

/* Ranges: [low, ∞), (low, ∞), [low, high], [low, high), (low, high); numbers are finite. */
#define FROM(least) .low = (least), .high = INFINITY
#define ABOVE(bound) .low = (bound), .open_low = true, .high = INFINITY
#define WITHIN(least, most) .low = (least), .high = (most)
#define BELOW(least, bound) .low = (least), .high = (bound), .open_high = true
#define BETWEEN(low_bound, bound)                                                                  \
    .low = (low_bound), .open_low = true, .high = (bound), .open_high = true

static const mgd_option table[] = {
    {"label_smoothing", MGD_OPTION_NUMBER, AT(cost.label_smoothing), BELOW(0, 1),
     .doc = "cross_entropy: the share of a target that is spread over all classes."},
    {"batch", MGD_OPTION_INTEGER, AT(batch), FROM(1), .otherwise = 1,
     .doc = "Samples shown at once; a batch larger than the set goes round it."},
    {"shuffle", MGD_OPTION_FLAG, AT(shuffle), .otherwise = true,
     .doc = "Each epoch in an order of its own, by replica; false: 1, 2, …, N, 1, …"},
    {"engine", MGD_OPTION_CHOICE, AT(engine), .choice = mgd_engine_name,
     .doc = "Steps that each measure and integrate; first-order filters in continuous time; or, to "
            "compare with, the true gradient of each batch."},
    {"perturb", MGD_OPTION_CHOICE, AT(perturb), .choice = perturb_name,
     .doc = "What the code perturbs: the P parameters, or the M nodes (pre-activations of dense "
            "and conv2d layers), each sample by itself; M is the chip's num_nodes."},
    {"gate", MGD_OPTION_FLAG, AT(gate),
     .doc = "Nodes: what a unit adds to G is dropped where its own derivative is 0: relu at 0, a "
            "pixel that lost its max-pool; sigmoid, tanh and softplus within 0.01 of a bound."},
    {"tau_p", MGD_OPTION_INTEGER, AT(tau_p), FROM(1), .schedule = true, .otherwise = 1,
     .unit = "steps",
     .doc = "Perturbation time: how long a pattern is held. This and all that follow that take a "
            "function take a schedule, see mgd.schedules."},
    {"tau_theta", MGD_OPTION_NUMBER, AT(tau_theta), ABOVE(0), .schedule = true, .otherwise = 1,
     .unit = "steps",
     .doc = "Integration time: how long G is integrated before θ is written, an integer; in the "
            "analog engine the time constant of the low-pass on e."},
    {"tau_x", MGD_OPTION_INTEGER, AT(tau_x), FROM(1), .schedule = true, .otherwise = 1,
     .unit = "steps", .doc = "Sample time: how long a sample or batch is shown."},
    {"tau_hp", MGD_OPTION_NUMBER, AT(tau_hp), ABOVE(1), .otherwise = 10, .unit = "steps",
     .doc = "Time constant of the high-pass on the cost."},
    {"integrator", MGD_OPTION_CHOICE, AT(integrator), .choice = mgd_integrator_name,
     .doc = "How the equations are solved: by filters, a step at a time; or in continuous time by "
            "GSL, for small chips: rk2imp, rk4imp, bsimp and msbdf for stiff ones."},
    {"tolerance", MGD_OPTION_NUMBER, AT(tolerance), WITHIN(1e-15, 0.1), .otherwise = 1e-8,
     .doc = "Error of a trial step of GSL's, absolute and relative, in each of θ, G and u."},
    {"settle", MGD_OPTION_INTEGER, AT(settle), FROM(0), .unit = "steps",
     .doc = "Gated: so many steps after a sample changed or θ was written do not count."},
    {"optimizer", MGD_OPTION_CHOICE, AT(optimizer), .choice = mgd_optimizer_name,
     .doc = "How G changes θ, by the equations of guide 14."},
    {"momentum", MGD_OPTION_NUMBER, AT(momentum), BELOW(0, 1), .otherwise = 0.9,
     .doc = "Share of the velocity that is kept."},
    {"beta1", MGD_OPTION_NUMBER, AT(beta1), BELOW(0, 1), .otherwise = 0.9,
     .doc = "adam: first moment."},
    {"beta2", MGD_OPTION_NUMBER, AT(beta2), BELOW(0, 1), .otherwise = 0.999,
     .doc = "adam: second moment."},
    {"epsilon", MGD_OPTION_NUMBER, AT(epsilon), ABOVE(0), .otherwise = 1e-8,
     .doc = "adam: floor of the root."},
    {"threshold", MGD_OPTION_NUMBER, AT(threshold), FROM(0),
     .doc = "pulses: none where |G| is at most this."},
    {"eta", MGD_OPTION_NUMBER, AT(eta), FROM(0), .schedule = true, .otherwise = 0.1,
     .doc =
         "Learning rate η, or a schedule, asked at each write of θ; or a tensor (R) or list of a "
         "constant for each replica."},
    {"weight_decay", MGD_OPTION_NUMBER, AT(weight_decay), FROM(0),
     .doc = "λ: θ ← θ − η·(step + λ·θ), decoupled from the moments of adam."},
    {"clamp", MGD_OPTION_NUMBER, AT(clamp), ABOVE(0), .may_lack = true,
     .doc = "|C̃| counts as at most this."},
    {"clip", MGD_OPTION_NUMBER, AT(clip), ABOVE(0), .may_lack = true,
     .doc = "|G_i| is at most this when θ is written."},
    {"clip_norm", MGD_OPTION_NUMBER, AT(clip_norm), ABOVE(0), .may_lack = true,
     .doc = "The length of G is at most this when θ is written; no local circuit knows it."},
    {"baseline", MGD_OPTION_CHOICE, AT(baseline), .choice = baseline_name,
     .doc = "C̃ = C − C₀; half of C(θ + θ̃) − C(θ − θ̃); C itself."},
    {"convention", MGD_OPTION_CHOICE, AT(convention), .choice = convention_name,
     .doc = "G as a mean that estimates ∂C/∂θ, or the published sum over Δ²: "
            "G_gradient = (P/τ_θ)·G_published."},
    {"replicas", MGD_OPTION_INTEGER, AT(replicas), FROM(1), .otherwise = 1,
     .doc = "R independent runs side by side."},
    {"replica", MGD_OPTION_INTEGER, AT(replica), FROM(1), .otherwise = 1,
     .doc = "Number of the first replica, which the others follow; or a list of R numbers, which "
            "draw alike where they are alike."},
    {"seed", MGD_OPTION_SEED, AT(seed), .otherwise = 1,
     .doc = "Seed of everything random in the run."},
    {"dt", MGD_OPTION_NUMBER, AT(dt), ABOVE(0), .otherwise = 1, .unit = "s",
     .doc = "Time that a step stands for; defaults to the chip's clock.dt. Where neither is given "
            "steps are of 1 s for models with time constants, and no hardware time is reported."},
    {"threads", MGD_OPTION_INTEGER, AT(threads), FROM(1), .may_lack = true,
     .doc = "Threads; defaults to MGD_THREADS, or all processors."},

    /* average = {…} */
    {"kind", MGD_OPTION_CHOICE, OF_AVERAGE(kind), .choice = average_name,
     .doc = "ema: the latest writes count most; mean: all alike."},
    {"decay", MGD_OPTION_NUMBER, OF_AVERAGE(decay), BETWEEN(0, 1), .otherwise = 0.999,
     .doc = "Per write, of what earlier ones count: the k-th of n counts as "
            "(1 − decay)·decay^(n − k)/(1 − decay^n), so that the first counts all there is."},
    {"since", MGD_OPTION_INTEGER, OF_AVERAGE(since), FROM(0), .unit = "steps",
     .doc = "Writes after so many steps count."},

    /* circuit = mgd.circuit{…} */
    {"set", MGD_OPTION_CHOICE, OF_CIRCUIT(set), .choice = mgd_circuit_set_name,
     .doc = "Which circuit stands at each parameter."},
    {"weight_bits", MGD_OPTION_INTEGER, OF_CIRCUIT(weight_bits), WITHIN(2, 52), .otherwise = 12,
     .doc = "W, of the weight register, in two's complement; it saturates. A network of f32 shows "
            "up to 23, one of f64 up to 52."},
    {"lsb", MGD_OPTION_NUMBER, OF_CIRCUIT(lsb), ABOVE(0), .otherwise = 0x1p-8, .unit = "units of θ",
     .doc = "What one step of the weight register is worth, a power of 2."},
    {"cost_bits", MGD_OPTION_INTEGER, OF_CIRCUIT(cost_bits), WITHIN(1, 32), .otherwise = 16,
     .doc = "B, of the converter of the cost, which the mean over a batch passes."},
    {"cost_range", MGD_OPTION_NUMBER, OF_CIRCUIT(cost_range), ABOVE(0), .otherwise = 1,
     .unit = "units of the cost",
     .doc = "The cost at the end of the converter's range: Q(C) = ⌊C/cost_range·2^B⌉ within "
            "0 … 2^B − 1."},
    {"counter_bits", MGD_OPTION_INTEGER, OF_CIRCUIT(counter_bits), WITHIN(1, 53), .otherwise = 5,
     .doc = "sign-sign: n, of the up/down counter of votes, which writes once they outweigh each "
            "other by 2^(n − 1); 1: every vote writes."},
    {"step", MGD_OPTION_INTEGER, OF_CIRCUIT(step), WITHIN(1, 0x1p20), .otherwise = 8, .unit = "LSB",
     .doc = "sign-sign: what an overflow moves the weight register by."},
    {"magnitude_bits", MGD_OPTION_INTEGER, OF_CIRCUIT(magnitude_bits), WITHIN(1, 31),
     .otherwise = 8, .doc = "accumulator: M, of |Q(C₊) − Q(C₋)|, which saturates at 2^M − 1."},
    {"accumulator_bits", MGD_OPTION_INTEGER, OF_CIRCUIT(accumulator_bits), WITHIN(2, 53),
     .otherwise = 13,
     .doc = "accumulator: of the sum over τ_θ, in two's complement; it saturates."},
    {"shift", MGD_OPTION_INTEGER, OF_CIRCUIT(shift), WITHIN(0, 52), .otherwise = 6,
     .doc = "accumulator: the weight register gets the sum divided by 2^shift, half up."},

    /* perturbation = {…} */
    {"code", MGD_OPTION_CHOICE, OF_CODE(code), .otherwise = MGD_CODE_RANDOM,
     .choice = mgd_code_name,
     .doc = "Which code; or function(slot, time) → tensor (P), or a coroutine that yields one for "
            "each slot: θ̃/a, so θ̃ itself where no amplitude is given."},
    {"amplitude", MGD_OPTION_NUMBER, OF_CODE(amplitude), ABOVE(0), .schedule = true,
     .otherwise = 0.01,
     .doc = "a, per parameter: θ̃ = a·s; a number, or a schedule asked at the first step of a "
            "slot. Either this or norm; 0.01 without both, but 1 where amplitudes or a function "
            "are given."},
    {"amplitudes", MGD_OPTION_TENSOR, OF_CODE(amplitudes),
     .doc = "Factors of a: a list with one for each layer that has parameters, or a tensor (P)."},
    {"amplitude_spread", MGD_OPTION_NUMBER, OF_CODE(amplitude_spread), WITHIN(0, 1),
     .doc = "σ of ln a from parameter to parameter, and replica to replica; ⟨θ̃²⟩ stays the same "
            "on average. Known where it is demodulated: G stays unbiased. For spread that is not "
            "known see hw.amplitude."},
    {"order", MGD_OPTION_CHOICE, OF_CODE(shuffled), .choice = order_name,
     .doc = "sequential: parameters one after the other, or in an order drawn from the seed."},
    {"alternate", MGD_OPTION_FLAG, OF_CODE(alternate),
     .doc = "Flip all signs from period to period, which removes the second-order bias."},
    {"sparsity", MGD_OPTION_NUMBER, OF_CODE(sparsity), BELOW(0, 1),
     .doc = "Fraction of zeros, drawn anew in each slot; the variance is accounted for."},
    {"low", MGD_OPTION_NUMBER, OF_CODE(low), ABOVE(0), .may_lack = true, .unit = "cycles per step",
     .doc = "sine: lowest frequency; without low and high, the integer bins of τ_θ where P fit."},
    {"high", MGD_OPTION_NUMBER, OF_CODE(high), ABOVE(0), .may_lack = true,
     .unit = "cycles per step", .doc = "sine: highest frequency."},
    {"length", MGD_OPTION_INTEGER, OF_CODE(length), WITHIN(2, 32), .otherwise = 16, .unit = "slots",
     .doc = "brownian: L, slots in which it forgets; it moves by 0 or ±2a/√L and stays in "
            "±a·√L."},
    {"source", MGD_OPTION_CHOICE, OF_CODE(registered), .choice = source_name,
     .doc = "outer: signs of rows and columns are drawn, or source k shows the sign that a "
            "maximal-length register shows k slots later, the same in all replicas."},
    {"bits", MGD_OPTION_INTEGER, OF_CODE(bits), WITHIN(2, 30), .may_lack = true,
     .doc = "lfsr: m, of the register, 2^m − 1 ≥ P + 1. Without, the fewest with 64·P slots, but "
            "no more than 24 unless P asks for them; the fewest of all when balanced. outer: of "
            "the source register; the fewest with which the signs of all parameters differ, too."},
    {"balanced", MGD_OPTION_FLAG, OF_CODE(balanced),
     .doc = "lfsr: one slot of +a for all at the end of each period, which makes it orthogonal and "
            "its mean 0."},
    {"energy", MGD_OPTION_TENSOR, OF_CODE(energy),
     .doc = "A function's: ⟨(θ̃/a)²⟩, or a tensor (P); found from the slots that are looked at "
            "without."},
};

const mgd_option *mgd_train_options(size_t *count) {
    *count = COUNT(table);
    return table;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Integers, flags and choices are as wide as their field. */
static uint64_t whole_at(const void *at, size_t size) {
    uint64_t wide;
    uint32_t narrow;
    uint8_t least;
    switch (size) {
    case sizeof wide:
        memcpy(&wide, at, size);
        return wide;
    case sizeof narrow:
        memcpy(&narrow, at, size);
        return narrow;
    default:
        memcpy(&least, at, size);
        return least;
    }
}

static void set_whole(void *at, size_t size, uint64_t value) {
    uint32_t narrow = (uint32_t)value;
    uint8_t least = (uint8_t)value;
    switch (size) {
    case sizeof value:
        memcpy(at, &value, size);
        return;
    case sizeof narrow:
        memcpy(at, &narrow, size);
        return;
    default:
        memcpy(at, &least, size);
        return;
    }
}

void mgd_train_set(mgd_train *train, const mgd_option *option, double value) {
    void *at = (char *)train + option->offset;
    if (option->schedule)
        *(mgd_schedule *)at = (mgd_schedule){.value = value};
    else if (option->type == MGD_OPTION_NUMBER)
        *(double *)at = value;
    else if (option->type != MGD_OPTION_TENSOR)
        set_whole(at, option->size, value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value);
}

mgd_train mgd_train_defaults(void) {
    mgd_train train = {.cost = {.kind = MGD_COST_MSE}};
    for (size_t i = 0; i < COUNT(table); i++)
        mgd_train_set(&train, &table[i], table[i].otherwise);
    return train;
}

/* ---- checks ---------------------------------------------------------------------------------- */

/* "train: momentum", as messages begin. */
#define WHERE(o) ((o)->part ? (o)->part : "train")

static mgd_status check_schedule(mgd_context *ctx, const mgd_train *train, const mgd_option *o,
                                 const mgd_schedule *schedule) {
    char what[64];
    bool window = o->offset == offsetof(mgd_train, tau_theta) && !mgd_engine_of(train)->filters;
    bool norm = o->offset == offsetof(mgd_train, amplitude) && train->norm;
    snprintf(what, sizeof what, "%s: %s", WHERE(o), norm ? "norm" : o->name);
    return mgd_schedule_check(ctx, what, schedule,
                              o->type == MGD_OPTION_INTEGER || window ? MGD_VALUE_STEPS
                              : o->open_low                           ? MGD_VALUE_POSITIVE
                                                                      : MGD_VALUE_ANY);
}

static mgd_status check_range(mgd_context *ctx, const mgd_option *o, double value) {
    bool above = o->open_low ? value > o->low : value >= o->low;
    bool below = o->open_high ? value < o->high : value <= o->high;
    if ((above && below && fabs(value) <= DBL_MAX) || (o->may_lack && value == 0))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: %s must be in %c%s, %s%c, got %s", WHERE(o),
                    o->name, o->open_low ? '(' : '[', MGD_NUMBER(o->low), MGD_NUMBER(o->high),
                    o->open_high || isinf(o->high) ? ')' : ']', MGD_NUMBER(value));
}

static mgd_status check_option(mgd_context *ctx, const mgd_train *train, const mgd_option *o) {
    const void *at = (const char *)train + o->offset;
    if (o->schedule)
        return check_schedule(ctx, train, o, (const mgd_schedule *)at);
    switch (o->type) {
    case MGD_OPTION_NUMBER:
        return check_range(ctx, o, *(const double *)at);
    case MGD_OPTION_INTEGER:
        return check_range(ctx, o, (double)whole_at(at, o->size));
    case MGD_OPTION_CHOICE:
        if (!o->choice((unsigned)whole_at(at, o->size)))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: unknown %s %d", WHERE(o), o->name,
                            (int)whole_at(at, o->size));
        return MGD_OK;
    default:
        return MGD_OK;
    }
}

mgd_status mgd_options_check(mgd_context *ctx, const mgd_train *train) {
    for (size_t i = 0; i < COUNT(table); i++)
        MGD_TRY(check_option(ctx, train, &table[i]));
    return MGD_OK;
}
