/* The fields of models, laws and updates by name, each once: what checks look at and bindings fill
 * in. */

#include "law.h"

#include <math.h>
#include <string.h>

#define NUMBERS(field, count, range)                                                               \
    { #field, MGD_HW_NUMBER, offsetof(STRUCTURE, field), count, MGD_HW_##range }
#define NUMBER(field, range) NUMBERS(field, 1, range)
#define SIZE(field, range)                                                                         \
    { #field, MGD_HW_SIZE, offsetof(STRUCTURE, field), 1, MGD_HW_##range }
#define FLAG(field)                                                                                \
    { #field, MGD_HW_FLAG, offsetof(STRUCTURE, field), 1, MGD_HW_ANY }

/* ---- models ---------------------------------------------------------------------------------- */

#define STRUCTURE mgd_hw_model
static const mgd_hw_field model_fields[] = {
    NUMBER(gain, FINITE),
    NUMBER(gain_spread, NOT_NEGATIVE),
    NUMBER(offset, FINITE),
    NUMBER(offset_spread, NOT_NEGATIVE),
    NUMBER(low, ANY),
    NUMBER(high, ANY),
    NUMBER(step, NOT_NEGATIVE),
    FLAG(stochastic),
    SIZE(management, CHOICE),
    NUMBER(strength, ANY),
    NUMBER(strength_spread, NOT_NEGATIVE),
    NUMBER(scale, ANY),
    FLAG(uniform),
    NUMBER(sigma, NOT_NEGATIVE),
    NUMBERS(c, 3, FINITE),
    FLAG(mapping.differential),
    NUMBER(mapping.g_min, FINITE),
    NUMBER(mapping.g_max, FINITE),
    NUMBER(mapping.w_min, FINITE),
    NUMBER(mapping.per_weight, FINITE),
    NUMBER(mapping.averaging, FINITE),
    NUMBER(tau, NOT_NEGATIVE),
    NUMBER(tau_spread, NOT_NEGATIVE),
    NUMBER(frequency, NOT_NEGATIVE),
    NUMBER(damping, NOT_NEGATIVE),
    NUMBER(f_low, NOT_NEGATIVE),
    NUMBER(f_high, NOT_NEGATIVE),
    SIZE(poles, ANY),
    NUMBER(t0, ANY),
    NUMBER(nu, FINITE),
    NUMBER(nu_spread, NOT_NEGATIVE),
    FLAG(pcm_nu),
    SIZE(compensation, CHOICE),
    NUMBERS(fraction, 3, SHARE),
};

const mgd_hw_field *mgd_hw_model_fields(size_t *count) {
    *count = sizeof model_fields / sizeof *model_fields;
    return model_fields;
}

/* ---- laws ------------------------------------------------------------------------------------ */

#undef STRUCTURE
#define STRUCTURE mgd_hw_law
static const mgd_hw_field law_fields[MGD_HW_PARAMETERS] = {
    [MGD_HW_FIT_DW_MIN] = NUMBER(dw_min, NOT_NEGATIVE),
    [MGD_HW_FIT_UP_DOWN] = NUMBER(up_down, FINITE),
    [MGD_HW_FIT_W_MIN] = NUMBER(w_min, FINITE),
    [MGD_HW_FIT_W_MAX] = NUMBER(w_max, FINITE),
    [MGD_HW_FIT_GAMMA_UP] = NUMBER(gamma_up, FINITE),
    [MGD_HW_FIT_GAMMA_DOWN] = NUMBER(gamma_down, FINITE),
    [MGD_HW_FIT_AMPLITUDE_UP] = NUMBER(amplitude_up, FINITE),
    [MGD_HW_FIT_AMPLITUDE_DOWN] = NUMBER(amplitude_down, FINITE),
    [MGD_HW_FIT_A] = NUMBER(a, FINITE),
    [MGD_HW_FIT_B] = NUMBER(b, FINITE),
    [MGD_HW_FIT_LEVELS] = NUMBER(levels, NOT_NEGATIVE),
    [MGD_HW_FIT_NONLINEARITY_UP] = NUMBER(nonlinearity_up, FINITE),
    [MGD_HW_FIT_NONLINEARITY_DOWN] = NUMBER(nonlinearity_down, FINITE),
};

const mgd_hw_field *mgd_hw_law_fields(size_t *count) {
    *count = MGD_HW_PARAMETERS;
    return law_fields;
}

const char *mgd_hw_parameter_name(size_t i) {
    return i < MGD_HW_PARAMETERS ? law_fields[i].name : "unknown";
}

double mgd_hw_parameter_get(const mgd_hw_law *law, size_t i) {
    double value = NAN;
    if (i < MGD_HW_PARAMETERS)
        memcpy(&value, (const char *)law + law_fields[i].offset, sizeof value);
    return value;
}

void mgd_hw_parameter_set(mgd_hw_law *law, size_t i, double value) {
    if (i < MGD_HW_PARAMETERS)
        memcpy((char *)law + law_fields[i].offset, &value, sizeof value);
}

/* ---- updates --------------------------------------------------------------------------------- */

#undef STRUCTURE
#define STRUCTURE mgd_hw_update
static const mgd_hw_field update_fields[] = {
    NUMBER(resolution, NOT_NEGATIVE),
    NUMBER(threshold, NOT_NEGATIVE),
    NUMBER(interval, NOT_NEGATIVE),
    FLAG(accumulate),
    NUMBER(endurance, NOT_NEGATIVE),
    NUMBER(endurance_spread, NOT_NEGATIVE),
    NUMBER(sigma, NOT_NEGATIVE),
    NUMBER(proportional, NOT_NEGATIVE),
    NUMBER(dw_min_d2d, NOT_NEGATIVE),
    NUMBER(c2c, NOT_NEGATIVE),
    NUMBER(up_down_d2d, NOT_NEGATIVE),
    NUMBER(w_min_d2d, NOT_NEGATIVE),
    NUMBER(w_max_d2d, NOT_NEGATIVE),
    NUMBER(gamma_up_d2d, NOT_NEGATIVE),
    NUMBER(gamma_down_d2d, NOT_NEGATIVE),
    FLAG(one_sided),
    FLAG(dw_min_lognormal),
    FLAG(fold),
    NUMBER(c2c_add, NOT_NEGATIVE),
    NUMBER(c2c_slope, NOT_NEGATIVE),
    FLAG(c2c_of_full),
    NUMBER(write_noise, NOT_NEGATIVE),
    NUMBER(reference, FINITE),
    NUMBER(reference_d2d, NOT_NEGATIVE),
    FLAG(subtract_symmetry),
    FLAG(pair),
    NUMBER(refresh_upper, NOT_NEGATIVE),
    NUMBER(refresh_lower, NOT_NEGATIVE),
    NUMBER(reset, FINITE),
    NUMBER(reset_d2d, NOT_NEGATIVE),
    NUMBER(reset_noise, NOT_NEGATIVE),
    NUMBER(nominal, NOT_NEGATIVE),
    SIZE(max_pulses, ANY),
    FLAG(stochastic),
};

const mgd_hw_field *mgd_hw_update_fields(size_t *count) {
    *count = sizeof update_fields / sizeof *update_fields;
    return update_fields;
}
