/* The laws of update as they are written in mgd.h, and their numbers by name. */

#include "../base/number.h"
#include "law.h"

#include <math.h>
#include <string.h>

/* ---- one pulse ------------------------------------------------------------------------------- */

/* The step where nothing limits it: Δ(1 + β) or −Δ(1 − β). */
static double full_step(const mgd_hw_law *law, int direction) {
    return direction > 0 ? law->dw_min * (1 + law->up_down) : -law->dw_min * (1 - law->up_down);
}

static double linear_step(const mgd_hw_law *law, double w, int direction) {
    double gamma = direction > 0 ? law->gamma_up : law->gamma_down;
    return full_step(law, direction) * fmax(0, 1 + gamma * w);
}

static double soft_step(const mgd_hw_law *law, double w, int direction) {
    return full_step(law, direction) * (1 - w / (direction > 0 ? law->w_max : law->w_min));
}

static double exponential_step(const mgd_hw_law *law, double w, int direction) {
    double z = 2 * law->a * w / (law->w_max - law->w_min) + law->b;
    double lost = direction > 0 ? law->amplitude_up * exp(law->gamma_up * z)
                                : law->amplitude_down * exp(-law->gamma_down * z);
    return full_step(law, direction) * fmax(0, 1 - lost);
}

static double power_step(const mgd_hw_law *law, double w, int direction) {
    double left = direction > 0 ? law->w_max - w : w - law->w_min;
    double gamma = direction > 0 ? law->gamma_up : law->gamma_down;
    return full_step(law, direction) * pow(fmax(0, left / (law->w_max - law->w_min)), gamma);
}

/* (w_top − w)(1 − e^(−ν/N)), w_top = w_min + R/(1 − e^(−ν)), for w counted from the end where the
 * curve begins; written so that ν → 0 gives R/N. */
static double curve_step(double w, double range, double nu, double levels) {
    double one = expm1(-nu / levels), all = expm1(-nu);
    return w * one + range * (all == 0 ? 1 / levels : one / all);
}

static double ltp_ltd_step(const mgd_hw_law *law, double w, int direction) {
    double range = law->w_max - law->w_min;
    if (direction > 0)
        return curve_step(w - law->w_min, range, law->nonlinearity_up, law->levels);
    return -curve_step(law->w_max - w, range, law->nonlinearity_down, law->levels);
}

/* One pulse along table[0 … count − 1], monotonic in the sense of `direction`, from the place where
 * w lies between two entries. A weight before the table's begin makes its first step, one at its
 * end or beyond none. */
static double table_step(const double *table, size_t count, double w, int direction) {
    double sign = direction > 0 ? 1 : -1;
    if (count < 2 || sign * (w - table[count - 1]) >= 0)
        return 0;
    size_t low = 0, high = count - 1; /* w lies from `low` on and before `high` */
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (sign * (w - table[middle]) >= 0)
            low = middle;
        else
            high = middle;
    }
    double part = (w - table[low]) / (table[low + 1] - table[low]);
    if (part < 0)
        part = 0;
    if (low + 2 >= count)
        return (1 - part) * (table[low + 1] - table[low]);
    return (1 - part) * (table[low + 1] - table[low]) + part * (table[low + 2] - table[low + 1]);
}

/* A step that ends at the bounds. */
static double clipped(const mgd_hw_law *law, double w, double step) {
    return fmin(fmax(w + step, law->w_min), law->w_max) - w;
}

double mgd_hw_law_step(const mgd_hw_law *law, double w, int direction) {
    switch (law->kind) {
    case MGD_HW_LAW_CONSTANT:
        return clipped(law, w, full_step(law, direction));
    case MGD_HW_LAW_LINEAR:
        return clipped(law, w, linear_step(law, w, direction));
    case MGD_HW_LAW_SOFT_BOUNDS:
        return soft_step(law, w, direction);
    case MGD_HW_LAW_EXPONENTIAL:
        return clipped(law, w, exponential_step(law, w, direction));
    case MGD_HW_LAW_POWER:
        return power_step(law, w, direction);
    case MGD_HW_LAW_LTP_LTD:
        return clipped(law, w, ltp_ltd_step(law, w, direction));
    case MGD_HW_LAW_TABLE:
        return direction > 0 ? table_step(law->up, law->up_count, w, 1)
                             : table_step(law->down, law->down_count, w, -1);
    default: /* the ideal one knows no pulses */
        break;
    }
    return 0;
}

/* ---- numbers by name ------------------------------------------------------------------------- */

#define OF(kind) (1u << MGD_HW_LAW_##kind)
#define STEPS (OF(CONSTANT) | OF(LINEAR) | OF(SOFT_BOUNDS) | OF(EXPONENTIAL) | OF(POWER))
#define GAMMAS (OF(LINEAR) | OF(EXPONENTIAL) | OF(POWER))

static const struct {
    const char *name;
    size_t offset;
    unsigned laws; /* bits: 1 << kind */
} parameters[MGD_HW_PARAMETERS] = {
    {"dw_min", offsetof(mgd_hw_law, dw_min), STEPS},
    {"up_down", offsetof(mgd_hw_law, up_down), STEPS},
    {"w_min", offsetof(mgd_hw_law, w_min), STEPS | OF(LTP_LTD)},
    {"w_max", offsetof(mgd_hw_law, w_max), STEPS | OF(LTP_LTD)},
    {"gamma_up", offsetof(mgd_hw_law, gamma_up), GAMMAS},
    {"gamma_down", offsetof(mgd_hw_law, gamma_down), GAMMAS},
    {"amplitude_up", offsetof(mgd_hw_law, amplitude_up), OF(EXPONENTIAL)},
    {"amplitude_down", offsetof(mgd_hw_law, amplitude_down), OF(EXPONENTIAL)},
    {"a", offsetof(mgd_hw_law, a), OF(EXPONENTIAL)},
    {"b", offsetof(mgd_hw_law, b), OF(EXPONENTIAL)},
    {"levels", offsetof(mgd_hw_law, levels), OF(LTP_LTD)},
    {"nonlinearity_up", offsetof(mgd_hw_law, nonlinearity_up), OF(LTP_LTD)},
    {"nonlinearity_down", offsetof(mgd_hw_law, nonlinearity_down), OF(LTP_LTD)},
};

static const char *const laws[MGD_HW_LAW_COUNT] = {
    "constant", "linear", "soft_bounds", "exponential", "power", "ltp_ltd", "table",
};

const char *mgd_hw_law_name(mgd_hw_law_kind kind) {
    return (unsigned)kind < MGD_HW_LAW_COUNT ? laws[kind]
           : kind == MGD_HW_LAW_IDEAL        ? "ideal"
                                             : "unknown";
}

const char *mgd_hw_parameter_name(size_t i) {
    return i < MGD_HW_PARAMETERS ? parameters[i].name : "unknown";
}

bool mgd_hw_parameter_used(mgd_hw_law_kind kind, size_t i) {
    return i < MGD_HW_PARAMETERS && (unsigned)kind < MGD_HW_LAW_COUNT &&
           (parameters[i].laws >> kind & 1);
}

double mgd_hw_parameter_get(const mgd_hw_law *law, size_t i) {
    double value = NAN;
    if (i < MGD_HW_PARAMETERS)
        memcpy(&value, (const char *)law + parameters[i].offset, sizeof value);
    return value;
}

void mgd_hw_parameter_set(mgd_hw_law *law, size_t i, double value) {
    if (i < MGD_HW_PARAMETERS)
        memcpy((char *)law + parameters[i].offset, &value, sizeof value);
}

/* ---- what a law can have --------------------------------------------------------------------- */

static mgd_status refuse(mgd_context *ctx, const char *name, const mgd_hw_law *law, size_t i,
                         const char *right) {
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: the law '%s' cannot have %s = %s: it must be %s",
                    name, laws[law->kind], parameters[i].name,
                    MGD_NUMBER(mgd_hw_parameter_get(law, i)), right);
}

static mgd_status check_bounds(mgd_context *ctx, const char *name, const mgd_hw_law *law) {
    if (law->w_min >= law->w_max)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: the law '%s' cannot have w_min = %s and w_max = %s: w_min < w_max",
                        name, laws[law->kind], MGD_NUMBER(law->w_min), MGD_NUMBER(law->w_max));
    if (law->kind != MGD_HW_LAW_SOFT_BOUNDS)
        return MGD_OK;
    if (law->w_min >= 0)
        return refuse(ctx, name, law, MGD_HW_FIT_W_MIN, "< 0");
    if (law->w_max <= 0)
        return refuse(ctx, name, law, MGD_HW_FIT_W_MAX, "> 0");
    return MGD_OK;
}

mgd_status mgd_hw_law_check(mgd_context *ctx, const char *name, const mgd_hw_law *law) {
    for (size_t i = 0; i < MGD_HW_PARAMETERS; i++)
        if (mgd_hw_parameter_used(law->kind, i) && !isfinite(mgd_hw_parameter_get(law, i)))
            return refuse(ctx, name, law, i, "finite");
    if (law->kind == MGD_HW_LAW_TABLE)
        return MGD_OK;
    MGD_TRY(check_bounds(ctx, name, law));
    if (law->kind == MGD_HW_LAW_LTP_LTD)
        return law->levels > 0 ? MGD_OK : refuse(ctx, name, law, MGD_HW_FIT_LEVELS, "> 0");
    if (law->dw_min <= 0)
        return refuse(ctx, name, law, MGD_HW_FIT_DW_MIN, "> 0");
    if (fabs(law->up_down) >= 1)
        return refuse(ctx, name, law, MGD_HW_FIT_UP_DOWN, "between −1 and 1");
    if (law->kind != MGD_HW_LAW_EXPONENTIAL)
        return MGD_OK;
    if (law->amplitude_up < 0)
        return refuse(ctx, name, law, MGD_HW_FIT_AMPLITUDE_UP, "≥ 0");
    return law->amplitude_down < 0 ? refuse(ctx, name, law, MGD_HW_FIT_AMPLITUDE_DOWN, "≥ 0")
                                   : MGD_OK;
}
