/* The laws of update, a row each, and what is asked of them. */

#include "law.h"

#include "../base/number.h"
#include "hw.h"

#include <math.h>

/* ---- where a fit begins ---------------------------------------------------------------------- */

static void guess(mgd_hw_law *law, mgd_hw_parameter i, double value) {
    if (isnan(mgd_hw_parameter_get(law, i)))
        mgd_hw_parameter_set(law, i, value);
}

/* Δ and β from both full steps, which are made positive where the data have them otherwise. */
static void guess_steps(mgd_hw_law *law, double up, double down, double range) {
    up = fmax(up, 1e-6 * range);
    down = fmax(down, 1e-6 * range);
    guess(law, MGD_HW_FIT_DW_MIN, (up + down) / 2);
    guess(law, MGD_HW_FIT_UP_DOWN, (up - down) / (up + down));
}

static double between(double low, double value, double high) {
    return fmin(fmax(value, low), high);
}

/* Where the step's straight line reaches 0; `otherwise` where it does not before `far`. */
static double zero_of(const mgd_hw_outline *o, double near, double far, double otherwise) {
    double at = o->slope < 0 ? -o->at_zero / o->slope : INFINITY;
    bool fits = near < far ? at > near && at < far : at < near && at > far;
    return fits ? at : otherwise;
}

/* The part of the way to its bound that a pulse goes. */
static double rate_of(const mgd_hw_outline *o) {
    return between(1e-4, -o->slope, 0.9);
}

/* ---- rows ------------------------------------------------------------------------------------ */

#define STEPS [MGD_HW_FIT_DW_MIN] = MGD_HW_ABOVE_0, [MGD_HW_FIT_UP_DOWN] = MGD_HW_WITHIN_1
#define BOUNDS [MGD_HW_FIT_W_MIN] = MGD_HW_REAL, [MGD_HW_FIT_W_MAX] = MGD_HW_REAL
#define GAMMAS [MGD_HW_FIT_GAMMA_UP] = MGD_HW_REAL, [MGD_HW_FIT_GAMMA_DOWN] = MGD_HW_REAL

static void guess_bounds(mgd_hw_law *law, const mgd_hw_outlines *o) {
    guess(law, MGD_HW_FIT_W_MIN, o->low);
    guess(law, MGD_HW_FIT_W_MAX, o->high);
}

/* Where the steps of both directions come to an end. */
static void guess_ends(mgd_hw_law *law, const mgd_hw_outlines *o) {
    double low = o->low, high = o->high, range = high - low;
    guess(law, MGD_HW_FIT_W_MAX,
          zero_of(&o->up, high - 0.1 * range, high + range, high + 0.1 * range));
    guess(law, MGD_HW_FIT_W_MIN,
          zero_of(&o->down, low + 0.1 * range, low - range, low - 0.1 * range));
}

static void guess_constant(mgd_hw_law *law, const mgd_hw_outlines *o) {
    guess_bounds(law, o);
    guess_steps(law, o->up.step[0], -o->down.step[0], o->high - o->low);
}

static const mgd_hw_law_type constant = {
    .name = "constant",
    .affine = true,
    .numbers = {STEPS, BOUNDS},
    .clips = true,
    .blind = true,
    .guess = guess_constant,
};

static void guess_linear(mgd_hw_law *law, const mgd_hw_outlines *o) {
    const mgd_hw_outline *up = &o->up, *down = &o->down;
    bool rises = up->at_zero > 0, falls = down->at_zero < 0;
    guess_bounds(law, o);
    guess(law, MGD_HW_FIT_GAMMA_UP, rises ? up->slope / up->at_zero : 0);
    guess(law, MGD_HW_FIT_GAMMA_DOWN, falls ? down->slope / down->at_zero : 0);
    guess_steps(law, rises ? up->at_zero : up->step[0], falls ? -down->at_zero : -down->step[0],
                o->high - o->low);
}

static const mgd_hw_law_type linear = {
    .name = "linear",
    .affine = true,
    .numbers = {STEPS, BOUNDS, GAMMAS},
    .clips = true,
    .blind = true,
    .guess = guess_linear,
};

static const char *soft_fault(const mgd_hw_law *law) {
    return law->w_min < 0 && law->w_max > 0 ? NULL : "soft bounds must lie on both sides of 0";
}

static void guess_soft(mgd_hw_law *law, const mgd_hw_outlines *o) {
    guess_ends(law, o);
    guess_steps(law, rate_of(&o->up) * law->w_max, -rate_of(&o->down) * law->w_min,
                o->high - o->low);
}

static const mgd_hw_law_type soft_bounds = {
    .name = "soft_bounds",
    .affine = true,
    .numbers = {STEPS, [MGD_HW_FIT_W_MIN] = MGD_HW_BELOW_0, [MGD_HW_FIT_W_MAX] = MGD_HW_ABOVE_0},
    .fault = soft_fault,
    .guess = guess_soft,
};

/* The amplitude with which the step falls from that of the first half to that of the second. */
static double amplitude_for(const mgd_hw_law *law, const mgd_hw_outline *o, double gamma,
                            double otherwise) {
    double r = between(0.02, o->step[1] / o->step[0], 0.98), e[2];
    for (int half = 0; half < 2; half++)
        e[half] = exp(gamma * (2 * law->a * o->w[half] / (law->w_max - law->w_min) + law->b));
    double amplitude = (1 - r) / (e[1] - r * e[0]);
    return amplitude > 0 && amplitude < 1 / e[1] ? amplitude : otherwise;
}

static void guess_exponential(mgd_hw_law *law, const mgd_hw_outlines *o) {
    guess_bounds(law, o);
    guess(law, MGD_HW_FIT_A, 0.244);
    guess(law, MGD_HW_FIT_B, 0.2425);
    guess(law, MGD_HW_FIT_GAMMA_UP, 12.44625);
    guess(law, MGD_HW_FIT_GAMMA_DOWN, 12.78785);
    guess(law, MGD_HW_FIT_AMPLITUDE_UP, amplitude_for(law, &o->up, law->gamma_up, 0.00081));
    guess(law, MGD_HW_FIT_AMPLITUDE_DOWN, amplitude_for(law, &o->down, -law->gamma_down, 0.36833));
    guess_steps(law, 1.2 * o->up.step[0], -1.2 * o->down.step[0], o->high - o->low);
}

static const mgd_hw_law_type exponential = {
    .name = "exponential",
    .numbers =
        {STEPS, BOUNDS,
         GAMMAS, [MGD_HW_FIT_AMPLITUDE_UP] = MGD_HW_REAL, [MGD_HW_FIT_AMPLITUDE_DOWN] = MGD_HW_REAL,
         [MGD_HW_FIT_A] = MGD_HW_REAL, [MGD_HW_FIT_B] = MGD_HW_REAL},
    .clips = true,
    .guess = guess_exponential,
};

static void guess_power(mgd_hw_law *law, const mgd_hw_outlines *o) {
    guess_ends(law, o);
    double width = law->w_max - law->w_min;
    guess_steps(law, rate_of(&o->up) * width, rate_of(&o->down) * width, o->high - o->low);
    guess(law, MGD_HW_FIT_GAMMA_UP, 1);
    guess(law, MGD_HW_FIT_GAMMA_DOWN, 1);
}

static const mgd_hw_law_type power = {
    .name = "power",
    .numbers = {STEPS, BOUNDS, GAMMAS},
    .guess = guess_power,
};

static const char *ltp_ltd_fault(const mgd_hw_law *law) {
    bool curved = law->nonlinearity_up != 0 && law->nonlinearity_down != 0;
    return law->levels >= 1 && curved ? NULL : "levels must be at least 1, and no nonlinearity 0";
}

static double ltp_ltd_nominal(const mgd_hw_law *law) {
    return (law->w_max - law->w_min) / law->levels;
}

static void guess_ltp_ltd(mgd_hw_law *law, const mgd_hw_outlines *o) {
    guess_bounds(law, o);
    guess(law, MGD_HW_FIT_NONLINEARITY_UP, -law->levels * log1p(-rate_of(&o->up)));
    guess(law, MGD_HW_FIT_NONLINEARITY_DOWN, -law->levels * log1p(-rate_of(&o->down)));
}

static const mgd_hw_law_type ltp_ltd = {
    .name = "ltp_ltd",
    .affine = true,
    .numbers =
        {BOUNDS, [MGD_HW_FIT_LEVELS] = MGD_HW_ABOVE_0, [MGD_HW_FIT_NONLINEARITY_UP] = MGD_HW_REAL,
         [MGD_HW_FIT_NONLINEARITY_DOWN] = MGD_HW_REAL},
    .clips = true,
    .fault = ltp_ltd_fault,
    .nominal = ltp_ltd_nominal,
    .guess = guess_ltp_ltd,
};

static const char *table_fault(const mgd_hw_law *law) {
    if (!law->up || !law->down)
        return "up, down: expected two curves, got NULL";
    if (law->up_size < 2 || law->down_size < 2)
        return "up, down: expected at least 2 weights in each";
    if (!mgd_hw_rises(law->up, law->up_size, 1) || !mgd_hw_rises(law->down, law->down_size, -1))
        return "up, down: expected finite weights that rise, and that fall";
    return NULL;
}

static double table_nominal(const mgd_hw_law *law) {
    return (law->up[law->up_size - 1] - law->up[0]) / (double)(law->up_size - 1);
}

static const mgd_hw_law_type table = {
    .name = "table",
    .fault = table_fault,
    .nominal = table_nominal,
};

static const mgd_hw_law_type ideal = {.name = "ideal"};

static const mgd_hw_law_type *const rows[MGD_HW_LAW_COUNT] = {
    [MGD_HW_LAW_CONSTANT] = &constant,
    [MGD_HW_LAW_LINEAR] = &linear,
    [MGD_HW_LAW_SOFT_BOUNDS] = &soft_bounds,
    [MGD_HW_LAW_EXPONENTIAL] = &exponential,
    [MGD_HW_LAW_POWER] = &power,
    [MGD_HW_LAW_LTP_LTD] = &ltp_ltd,
    [MGD_HW_LAW_TABLE] = &table,
    [MGD_HW_LAW_IDEAL] = &ideal,
};

const mgd_hw_law_type *mgd_hw_law_type_of(mgd_hw_law_kind kind) {
    return rows[kind];
}

const char *mgd_hw_law_name(mgd_hw_law_kind kind) {
    return (unsigned)kind < MGD_HW_LAW_COUNT ? rows[kind]->name : "unknown";
}

bool mgd_hw_parameter_used(mgd_hw_law_kind kind, size_t i) {
    return i < MGD_HW_PARAMETERS && (unsigned)kind < MGD_HW_LAW_COUNT &&
           rows[kind]->numbers[i] != MGD_HW_HAS_NONE;
}

/* ---- one pulse ------------------------------------------------------------------------------- */

/* The part of a curve that a pulse at w goes along, of three entries at most, into `part`, and w
 * itself: a weight before the curve's begin makes its first step. */
static double find_part(const double **curve, size_t *size, double sign, double w) {
    size_t low = 0, high = *size - 1; /* w lies from `low` on and before `high` */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (sign * (w - (*curve)[middle]) >= 0)
            low = middle;
        else
            high = middle;
    }
    *curve += low;
    *size = *size - low < 3 ? *size - low : 3;
    return sign * (w - **curve) < 0 ? **curve : w;
}

static double table_step(const mgd_hw_kernels *kernels, const mgd_hw_law *law, double w,
                         int direction) {
    mgd_hw_law part = *law;
    if (part.up_size < 2 || part.down_size < 2)
        return 0;
    w = direction > 0 ? find_part(&part.up, &part.up_size, 1, w)
                      : find_part(&part.down, &part.down_size, -1, w);
    return kernels->pulse(&part, w, direction);
}

/* By the kernels that every machine has; all give the same bits. */
double mgd_hw_law_step(const mgd_hw_law *law, double w, int direction) {
    const mgd_hw_kernels *kernels = mgd_hw_kernels_get(MGD_ISA_PORTABLE, MGD_F64);
    if ((unsigned)law->kind >= MGD_HW_LAW_COUNT || law->kind == MGD_HW_LAW_IDEAL)
        return 0;
    if (law->kind == MGD_HW_LAW_TABLE)
        return table_step(kernels, law, w, direction);
    double step = kernels->pulse(law, w, direction);
    if (!rows[law->kind]->clips)
        return step;
    step = direction > 0 ? fmax(step, 0) : fmin(step, 0);
    return fmin(fmax(w + step, law->w_min), law->w_max) - w;
}

/* ---- what a fit can have --------------------------------------------------------------------- */

static const char *const bounds[] = {
    [MGD_HW_REAL] = "finite",
    [MGD_HW_BELOW_0] = "< 0",
    [MGD_HW_ABOVE_0] = "> 0",
    [MGD_HW_FROM_0] = "≥ 0",
    [MGD_HW_WITHIN_1] = "between −1 and 1",
};

static bool is_within(double value, mgd_hw_bounds wanted) {
    switch (wanted) {
    case MGD_HW_REAL:
        return isfinite(value);
    case MGD_HW_BELOW_0:
        return value < 0;
    case MGD_HW_ABOVE_0:
        return value > 0;
    case MGD_HW_FROM_0:
        return value >= 0;
    case MGD_HW_WITHIN_1:
        return fabs(value) < 1;
    default:
        return true;
    }
}

static mgd_status check_number(mgd_context *ctx, const char *name, const mgd_hw_law *law, size_t i,
                               mgd_hw_bounds wanted) {
    double value = mgd_hw_parameter_get(law, i);
    if (is_within(value, wanted))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: the law '%s' cannot have %s = %s: it must be %s",
                    name, rows[law->kind]->name, mgd_hw_parameter_name(i), MGD_NUMBER(value),
                    bounds[wanted]);
}

mgd_status mgd_hw_law_check(mgd_context *ctx, const char *name, const mgd_hw_law *law) {
    const mgd_hw_law_type *type = rows[law->kind];
    for (size_t i = 0; i < MGD_HW_PARAMETERS; i++)
        if (type->numbers[i])
            MGD_TRY(check_number(ctx, name, law, i, MGD_HW_REAL));
    if (type->numbers[MGD_HW_FIT_W_MIN] && law->w_min >= law->w_max)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: the law '%s' cannot have w_min = %s and w_max = %s: w_min < w_max",
                        name, type->name, MGD_NUMBER(law->w_min), MGD_NUMBER(law->w_max));
    for (size_t i = 0; i < MGD_HW_PARAMETERS; i++)
        MGD_TRY(check_number(ctx, name, law, i, type->numbers[i]));
    return MGD_OK;
}
