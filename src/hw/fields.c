/* The fields of models and updates by name, each once: what checks look at and bindings fill in. */

#include "../base/base.h"

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
    NUMBER(dw_min, NOT_NEGATIVE),
    NUMBER(dw_min_d2d, NOT_NEGATIVE),
    NUMBER(c2c, NOT_NEGATIVE),
    NUMBER(up_down, FINITE),
    NUMBER(up_down_d2d, NOT_NEGATIVE),
    NUMBER(w_min, FINITE),
    NUMBER(w_max, FINITE),
    NUMBER(w_min_d2d, NOT_NEGATIVE),
    NUMBER(w_max_d2d, NOT_NEGATIVE),
    NUMBER(gamma_up, FINITE),
    NUMBER(gamma_down, FINITE),
    NUMBER(gamma_d2d, NOT_NEGATIVE),
    NUMBER(amplitude_up, FINITE),
    NUMBER(amplitude_down, FINITE),
    NUMBER(a, FINITE),
    NUMBER(b, FINITE),
    NUMBER(levels, NOT_NEGATIVE),
    NUMBER(nonlinearity_up, FINITE),
    NUMBER(nonlinearity_down, FINITE),
    SIZE(max_pulses, ANY),
    FLAG(stochastic),
};

const mgd_hw_field *mgd_hw_update_fields(size_t *count) {
    *count = sizeof update_fields / sizeof *update_fields;
    return update_fields;
}
