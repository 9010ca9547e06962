/* Schedules: what they are at a step, and whether that can be used. */

#include "../base/number.h"
#include "schedule.h"

#include <float.h>
#include <math.h>
#include <sleef.h>
#include <stdio.h>

double mgd_power(double base, double exponent) {
    return Sleef_cinz_powd1_u10purec(base, exponent);
}

const char *mgd_schedule_name(unsigned kind) {
    static const char *const names[] = {
        [MGD_SCHEDULE_CONSTANT] = "constant",       [MGD_SCHEDULE_STEP] = "step",
        [MGD_SCHEDULE_EXPONENTIAL] = "exponential", [MGD_SCHEDULE_COSINE] = "cosine",
        [MGD_SCHEDULE_INVERSE] = "inverse",         [MGD_SCHEDULE_SPSA] = "spsa",
    };
    return kind < sizeof names / sizeof *names ? names[kind] : NULL;
}

double mgd_schedule_at(const mgd_schedule *s, uint64_t step) {
    double t = (double)(step > s->from ? step - s->from : 0) / s->every;
    switch (s->kind) {
    case MGD_SCHEDULE_STEP:
        return s->value * mgd_power(s->factor, floor(t));
    case MGD_SCHEDULE_EXPONENTIAL:
        return s->value * mgd_power(s->factor, t);
    case MGD_SCHEDULE_COSINE:
        return t >= 1 ? s->to
                      : s->to + (s->value - s->to) * (1 + Sleef_cinz_cospid1_u05purec(t)) / 2;
    case MGD_SCHEDULE_INVERSE:
        return s->value / (1 + s->factor * t);
    case MGD_SCHEDULE_SPSA:
        return s->value / mgd_power(s->offset + 1 + t, s->factor);
    default:
        return s->value;
    }
}

/* Halves go up; unlike floor(v + ½), not the numbers just below them. */
static double whole_steps(double value) {
    return round(value);
}

void mgd_schedule_round(mgd_schedule *s) {
    if (mgd_schedule_constant(s))
        s->value = whole_steps(s->value);
}

static const char *expected(mgd_value_kind kind) {
    return kind == MGD_VALUE_STEPS      ? "a number of steps, at least 1"
           : kind == MGD_VALUE_POSITIVE ? "a positive number"
                                        : "a number of at least 0";
}

static bool allowed(double value, mgd_value_kind kind) {
    if (kind == MGD_VALUE_STEPS)
        return value >= 0.5 && value <= 0x1p53;
    return (kind == MGD_VALUE_POSITIVE ? value > 0 : value >= 0) && value <= DBL_MAX;
}

mgd_status mgd_schedule_check(mgd_context *ctx, const char *name, const mgd_schedule *s,
                              mgd_value_kind kind) {
    if ((unsigned)s->kind > MGD_SCHEDULE_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: unknown schedule %d", name, (int)s->kind);
    if (s->kind == MGD_SCHEDULE_FUNCTION)
        return s->function
                   ? MGD_OK
                   : mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: function: expected one, got NULL", name);
    if (!allowed(s->value, kind))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s must be %s, got %s", name, expected(kind),
                        MGD_NUMBER(s->value));
    if (mgd_schedule_constant(s))
        return MGD_OK;
    if (!(s->every > 0 && s->every <= DBL_MAX && s->factor >= 0 && s->factor <= DBL_MAX &&
          s->offset >= 0 && s->offset <= DBL_MAX && s->to >= 0 && s->to <= DBL_MAX))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: a schedule over %s steps with factor %s, offset %s and end %s: "
                        "expected finite numbers, of at least 0, and more than 0 steps",
                        name, MGD_NUMBER(s->every), MGD_NUMBER(s->factor), MGD_NUMBER(s->offset),
                        MGD_NUMBER(s->to));
    bool vanishes = s->kind == MGD_SCHEDULE_COSINE ? s->to == 0
                    : s->kind == MGD_SCHEDULE_STEP || s->kind == MGD_SCHEDULE_EXPONENTIAL
                        ? s->factor == 0
                        : false;
    if (vanishes && kind == MGD_VALUE_POSITIVE)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: the schedule ends at 0: expected %s at every step", name,
                        expected(kind));
    return MGD_OK;
}

mgd_status mgd_schedule_ask(mgd_context *ctx, const char *name, const mgd_schedule *s,
                            uint64_t step, mgd_value_kind kind, double *value) {
    double v = 0;
    if (s->kind == MGD_SCHEDULE_FUNCTION)
        MGD_TRY(s->function(s->user, ctx, step, &v));
    else
        v = mgd_schedule_at(s, step);
    char got[MGD_NUMBER_TEXT] = "nan"; /* what is computed has rounding in its last digits */
    if (!isnan(v))
        snprintf(got, sizeof got, "%.15g", v);
    if (!allowed(v, kind))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: the schedule gave %s at step %llu: expected %s",
                        name, got, (unsigned long long)step, expected(kind));
    *value = kind == MGD_VALUE_STEPS ? whole_steps(v) : v;
    return MGD_OK;
}
