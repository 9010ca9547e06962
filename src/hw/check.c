/* Models and updates as a user of mgd.h filled them in: see check.h. */

#include "../base/number.h"
#include "check.h"

#include "law.h"
#include "model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MAX_PULSES 65535 /* of one write */

/* ---- numbers --------------------------------------------------------------------------------- */

static const char *const ranges[] = {
    [MGD_HW_ANY] = "a number",
    [MGD_HW_FINITE] = "a finite number",
    [MGD_HW_NOT_NEGATIVE] = "a number from 0 on",
    [MGD_HW_SHARE] = "a number from 0 to 1",
    [MGD_HW_CHOICE] = "0, 1 or 2",
};

static bool in_range(mgd_hw_range wanted, double value) {
    switch (wanted) {
    case MGD_HW_FINITE:
        return isfinite(value);
    case MGD_HW_NOT_NEGATIVE:
        return value >= 0;
    case MGD_HW_SHARE:
        return value >= 0 && value <= 1;
    case MGD_HW_CHOICE:
        return value == 0 || value == 1 || value == 2;
    default:
        return !isnan(value);
    }
}

/* The k-th number of a field. */
static double number_of(const void *structure, const mgd_hw_field *field, size_t k) {
    const char *at = (const char *)structure + field->offset;
    return field->type == MGD_HW_NUMBER ? ((const double *)(const void *)at)[k]
           : field->type == MGD_HW_SIZE ? (double)((const size_t *)(const void *)at)[k]
                                        : ((const bool *)at)[k];
}

/* `who` opens messages. */
static mgd_status check_fields(mgd_context *ctx, const char *who, const void *structure,
                               const mgd_hw_field *fields, size_t count) {
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < fields[i].count; k++) {
            double value = number_of(structure, &fields[i], k);
            char entry[24] = "";
            if (in_range(fields[i].range, value))
                continue;
            if (fields[i].count > 1)
                snprintf(entry, sizeof entry, "[%zu]", k);
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: %s%s must be %s, got %s", who,
                            fields[i].name, entry, ranges[fields[i].range], MGD_NUMBER(value));
        }
    return MGD_OK;
}

/* ---- models ---------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool parameters; /* one of those that a parameter passes on its way */
} places[MGD_HW_PLACE_COUNT] = {
    [MGD_HW_AT_INPUT] = {"input", false},
    [MGD_HW_AT_NEURON] = {"neuron", false},
    [MGD_HW_AT_ACTIVATION] = {"activation", false},
    [MGD_HW_AT_OUTPUT] = {"output", false},
    [MGD_HW_AT_COST] = {"cost", false},
    [MGD_HW_AT_PERTURBATION] = {"perturbation", false},
    [MGD_HW_AT_MEMORY] = {"memory", true},
    [MGD_HW_AT_WEIGHT] = {"weight", true},
    [MGD_HW_AT_DRIVE] = {"drive", true},
    [MGD_HW_AT_CHANGE] = {"change", true},
    [MGD_HW_AT_WRITE] = {"write", true},
    [MGD_HW_AT_PRODUCT] = {"product", true},
};

const char *mgd_hw_place_name(mgd_hw_place place) {
    return (unsigned)place < MGD_HW_PLACE_COUNT ? places[place].name : "unknown";
}

/* What is wrong with a model beside the ranges of its fields; NULL: nothing. */
static const char *model_fault(const mgd_hw_model *m) {
    if ((unsigned)m->kind >= MGD_HW_KIND_COUNT)
        return "unknown kind";
    if ((unsigned)m->place >= MGD_HW_PLACE_COUNT)
        return "unknown place";
    if ((unsigned)m->noise >= MGD_HW_NOISE_COUNT)
        return "unknown law of noise";
    if (!memchr(m->stream, 0, sizeof m->stream))
        return "stream: the name has no end";
    const mgd_hw_type *type = mgd_hw_type_of(m->kind);
    if (m->place == MGD_HW_AT_PRODUCT && !type->products)
        return "place: at the products there is noise alone";
    return type->fault ? type->fault(m) : NULL;
}

mgd_status mgd_hw_models_check(mgd_context *ctx, size_t count, const mgd_hw_model *models) {
    size_t num_fields;
    const mgd_hw_field *fields = mgd_hw_model_fields(&num_fields);
    if (count > 0 && !models)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "hw: expected %zu models, got NULL", count);
    for (size_t i = 0; i < count; i++) {
        char who[40];
        const char *fault = model_fault(&models[i]);
        snprintf(who, sizeof who, "hw: model %zu", i + 1);
        if (fault)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: %s", who, fault);
        MGD_TRY(check_fields(ctx, who, &models[i], fields, num_fields));
    }
    return MGD_OK;
}

static bool go_together(const mgd_hw_model *a, const mgd_hw_model *b) {
    return a->place == b->place || (places[a->place].parameters && places[b->place].parameters);
}

mgd_status mgd_hw_places_check(mgd_context *ctx, size_t count, const mgd_hw_model *models) {
    for (size_t i = 1; i < count; i++)
        if (!go_together(&models[i], &models[0]))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "hw: models 1 and %zu are at '%s' and '%s': expected one place, or "
                            "places of parameters alone",
                            i + 1, places[models[0].place].name, places[models[i].place].name);
    return MGD_OK;
}

/* ---- updates --------------------------------------------------------------------------------- */

/* What does not go together, of a law by pulses; NULL: all does. */
static const char *pulses_fault(const mgd_hw_update *u) {
    const bool affine = mgd_hw_law_type_of(u->law)->affine;
    if (affine && (u->c2c_add > 0 || u->c2c_slope > 0))
        return "c2c_add, c2c_slope: only of laws that are not affine in w";
    if (u->c2c_of_full && !mgd_hw_parameter_used(u->law, MGD_HW_FIT_DW_MIN))
        return "c2c_of_full: the law has no step where nothing limits it";
    if (u->subtract_symmetry && (!affine || u->law == MGD_HW_LAW_CONSTANT))
        return "subtract_symmetry: only of laws that are affine in w, and not constant";
    if (!u->pair)
        return NULL;
    if (u->w_min != 0)
        return "pair: expected w_min = 0, the least of a device that is written up alone";
    if (u->reference != 0 || u->reference_d2d > 0 || u->subtract_symmetry)
        return "pair: its devices have no reference but one another";
    return NULL;
}

/* What is wrong with an update beside the ranges of its fields; NULL: nothing. */
static const char *update_fault(const mgd_hw_update *u) {
    const mgd_hw_law *law = &u->as_law;
    if ((unsigned)law->kind >= MGD_HW_LAW_COUNT)
        return "unknown law";
    if (!memchr(u->stream, 0, sizeof u->stream))
        return "stream: the name has no end";
    if (law->kind == MGD_HW_LAW_IDEAL)
        return NULL;
    if (u->max_pulses < 1 || u->max_pulses > MAX_PULSES)
        return "max_pulses: expected 1 to 65535";
    if (mgd_hw_parameter_used(law->kind, MGD_HW_FIT_W_MIN) && !(law->w_min < law->w_max))
        return "w_min must be below w_max";
    const mgd_hw_law_type *type = mgd_hw_law_type_of(law->kind);
    const char *fault = type->fault ? type->fault(law) : NULL;
    if (!fault && mgd_hw_parameter_used(law->kind, MGD_HW_FIT_DW_MIN) && !(law->dw_min > 0))
        return "dw_min must be above 0";
    return fault ? fault : pulses_fault(u);
}

mgd_status mgd_hw_update_check(mgd_context *ctx, const mgd_hw_update *update) {
    size_t numbers, count;
    const mgd_hw_field *of_law = mgd_hw_law_fields(&numbers);
    const mgd_hw_field *fields = mgd_hw_update_fields(&count);
    const char *fault = update_fault(update);
    if (fault)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "hw: update: %s", fault);
    MGD_TRY(check_fields(ctx, "hw: update", &update->as_law, of_law, numbers));
    return check_fields(ctx, "hw: update", update, fields, count);
}
