/* Models and updates as a user of mgd.h filled them in: see check.h. */

#include "../base/number.h"
#include "check.h"

#include "hw.h"

#include <math.h>
#include <string.h>

#define MAX_PULSES 65535 /* of one write */

/* ---- numbers --------------------------------------------------------------------------------- */

enum range { ANY, FINITE, NOT_NEGATIVE, SHARE };

typedef struct {
    const char *name;
    size_t offset;
    enum range range;
} field;

#define MODEL(name, range)                                                                         \
    { #name, offsetof(mgd_hw_model, name), range }
static const field model_fields[] = {
    MODEL(gain, FINITE),
    MODEL(gain_spread, NOT_NEGATIVE),
    MODEL(offset, FINITE),
    MODEL(offset_spread, NOT_NEGATIVE),
    MODEL(low, ANY),
    MODEL(high, ANY),
    MODEL(step, NOT_NEGATIVE),
    MODEL(strength, ANY),
    MODEL(strength_spread, NOT_NEGATIVE),
    MODEL(scale, ANY),
    MODEL(sigma, NOT_NEGATIVE),
    MODEL(c[0], FINITE),
    MODEL(c[1], FINITE),
    MODEL(c[2], FINITE),
    MODEL(mapping.g_min, FINITE),
    MODEL(mapping.g_max, FINITE),
    MODEL(mapping.w_min, FINITE),
    MODEL(mapping.per_weight, FINITE),
    MODEL(mapping.averaging, FINITE),
    MODEL(tau, NOT_NEGATIVE),
    MODEL(tau_spread, NOT_NEGATIVE),
    MODEL(frequency, NOT_NEGATIVE),
    MODEL(damping, NOT_NEGATIVE),
    MODEL(f_low, NOT_NEGATIVE),
    MODEL(f_high, NOT_NEGATIVE),
    MODEL(t0, ANY),
    MODEL(nu, FINITE),
    MODEL(nu_spread, NOT_NEGATIVE),
    MODEL(fraction[0], SHARE),
    MODEL(fraction[1], SHARE),
    MODEL(fraction[2], SHARE),
};

#define UPDATE(name, range)                                                                        \
    { #name, offsetof(mgd_hw_update, name), range }
static const field update_fields[] = {
    UPDATE(resolution, NOT_NEGATIVE),
    UPDATE(threshold, NOT_NEGATIVE),
    UPDATE(interval, NOT_NEGATIVE),
    UPDATE(endurance, NOT_NEGATIVE),
    UPDATE(endurance_spread, NOT_NEGATIVE),
    UPDATE(sigma, NOT_NEGATIVE),
    UPDATE(proportional, NOT_NEGATIVE),
    UPDATE(dw_min, NOT_NEGATIVE),
    UPDATE(dw_min_d2d, NOT_NEGATIVE),
    UPDATE(c2c, NOT_NEGATIVE),
    UPDATE(up_down, FINITE),
    UPDATE(up_down_d2d, NOT_NEGATIVE),
    UPDATE(w_min, FINITE),
    UPDATE(w_max, FINITE),
    UPDATE(w_min_d2d, NOT_NEGATIVE),
    UPDATE(w_max_d2d, NOT_NEGATIVE),
    UPDATE(gamma_up, FINITE),
    UPDATE(gamma_down, FINITE),
    UPDATE(gamma_d2d, NOT_NEGATIVE),
    UPDATE(amplitude_up, FINITE),
    UPDATE(amplitude_down, FINITE),
    UPDATE(a, FINITE),
    UPDATE(b, FINITE),
    UPDATE(levels, NOT_NEGATIVE),
    UPDATE(nonlinearity_up, FINITE),
    UPDATE(nonlinearity_down, FINITE),
};

static bool in_range(enum range wanted, double value) {
    switch (wanted) {
    case FINITE:
        return isfinite(value);
    case NOT_NEGATIVE:
        return value >= 0;
    case SHARE:
        return value >= 0 && value <= 1;
    default:
        return !isnan(value);
    }
}

/* The first field of the structure that is out of its range, or NULL. */
static const field *bad_field(const void *structure, const field *fields, size_t count,
                              double *value) {
    for (size_t i = 0; i < count; i++) {
        memcpy(value, (const char *)structure + fields[i].offset, sizeof *value);
        if (!in_range(fields[i].range, *value))
            return &fields[i];
    }
    return NULL;
}

static const char *const ranges[] = {"a number", "a finite number", "a number from 0 on",
                                     "a number from 0 to 1"};

/* ---- models ---------------------------------------------------------------------------------- */

static bool rises(const double *table, size_t size, double sign) {
    for (size_t i = 0; i < size; i++)
        if (!isfinite(table[i]) || (i > 0 && !(sign * table[i] > sign * table[i - 1])))
            return false;
    return true;
}

/* What is wrong with a model beside its numbers; NULL: nothing. */
static const char *model_fault(const mgd_hw_model *m) {
    if ((unsigned)m->kind >= MGD_HW_KIND_COUNT)
        return "unknown kind";
    if ((unsigned)m->place >= MGD_HW_PLACE_COUNT)
        return "unknown place";
    if ((unsigned)m->noise > MGD_HW_NOISE_PCM_READ)
        return "unknown law of noise";
    if (!memchr(m->stream, 0, sizeof m->stream))
        return "stream: the name has no end";
    if ((unsigned)m->management > 2 || (unsigned)m->compensation > 2)
        return "management and compensation: expected 0, 1 or 2";
    if (m->kind == MGD_HW_FUNCTION && !m->function)
        return "function: expected one, got NULL";
    if (m->kind == MGD_HW_LEVELS && (!m->table || m->table_size < 1))
        return "table: expected at least one level";
    if (m->kind == MGD_HW_LEVELS && !rises(m->table, m->table_size, 1))
        return "table: expected finite levels that rise";
    if (m->kind == MGD_HW_DRIFT && m->table && m->table_size < 1)
        return "table: expected at least one row of g, ν and its spread";
    if ((m->kind == MGD_HW_LOW_PASS || m->kind == MGD_HW_FLICKER) &&
        (m->poles < 1 || m->poles > MGD_HW_MAX_ORDER))
        return "poles: expected 1 to 8";
    if (m->place == MGD_HW_AT_PRODUCT &&
        (m->kind != MGD_HW_NOISE || m->noise != MGD_HW_NOISE_ADDITIVE || m->uniform))
        return "place: at the products there is additive normal noise alone";
    return NULL;
}

mgd_status mgd_hw_models_check(mgd_context *ctx, size_t count, const mgd_hw_model *models) {
    if (count > 0 && !models)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "hw: expected %zu models, got NULL", count);
    for (size_t i = 0; i < count; i++) {
        double value;
        const char *fault = model_fault(&models[i]);
        if (fault)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "hw: model %zu: %s", i + 1, fault);
        const field *bad =
            bad_field(&models[i], model_fields, sizeof model_fields / sizeof *model_fields, &value);
        if (bad)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "hw: model %zu: %s must be %s, got %s", i + 1,
                            bad->name, ranges[bad->range], MGD_NUMBER(value));
    }
    return MGD_OK;
}

static bool of_parameters(mgd_hw_place place) {
    return place >= MGD_HW_AT_MEMORY;
}

mgd_status mgd_hw_places_check(mgd_context *ctx, size_t count, const mgd_hw_model *models) {
    for (size_t i = 1; i < count; i++)
        if (models[i].place != models[0].place &&
            !(of_parameters(models[i].place) && of_parameters(models[0].place)))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "hw: models 1 and %zu are of places %d and %d: expected one place, or "
                            "places of parameters alone",
                            i + 1, (int)models[0].place, (int)models[i].place);
    return MGD_OK;
}

/* ---- updates --------------------------------------------------------------------------------- */

static const char *table_fault(const mgd_hw_update *u) {
    if (!u->up || !u->down)
        return "up, down: expected two curves, got NULL";
    if (u->up_size < 2 || u->down_size < 2)
        return "up, down: expected at least 2 weights in each";
    if (!rises(u->up, u->up_size, 1) || !rises(u->down, u->down_size, -1))
        return "up, down: expected finite weights that rise, and that fall";
    return NULL;
}

/* What is wrong with an update beside its numbers; NULL: nothing. */
static const char *update_fault(const mgd_hw_update *u) {
    if ((unsigned)u->law > MGD_HW_LAW_IDEAL)
        return "unknown law";
    if (!memchr(u->stream, 0, sizeof u->stream))
        return "stream: the name has no end";
    if (u->law == MGD_HW_LAW_IDEAL)
        return NULL;
    if (u->max_pulses < 1 || u->max_pulses > MAX_PULSES)
        return "max_pulses: expected 1 to 65535";
    if (u->law == MGD_HW_LAW_TABLE)
        return table_fault(u);
    if (!(u->w_min < u->w_max))
        return "w_min must be below w_max";
    if (u->law == MGD_HW_LAW_LTP_LTD) {
        bool curved = u->nonlinearity_up != 0 && u->nonlinearity_down != 0;
        return u->levels >= 1 && curved ? NULL : "levels must be at least 1, and no nonlinearity 0";
    }
    if (u->law == MGD_HW_LAW_SOFT_BOUNDS && !(u->w_min < 0 && u->w_max > 0))
        return "soft bounds must lie on both sides of 0";
    return u->dw_min > 0 ? NULL : "dw_min must be above 0";
}

mgd_status mgd_hw_update_check(mgd_context *ctx, const mgd_hw_update *update) {
    double value;
    const char *fault = update_fault(update);
    if (fault)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "hw: update: %s", fault);
    const field *bad =
        bad_field(update, update_fields, sizeof update_fields / sizeof *update_fields, &value);
    if (!bad)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "hw: update: %s must be %s, got %s", bad->name,
                    ranges[bad->range], MGD_NUMBER(value));
}
