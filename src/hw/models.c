/* The kinds of models, a row each. */

#include "model.h"

extern const mgd_hw_type mgd_hw_type_affine, mgd_hw_type_shift, mgd_hw_type_asymmetry,
    mgd_hw_type_quantise, mgd_hw_type_levels, mgd_hw_type_clamp, mgd_hw_type_compress,
    mgd_hw_type_saturate, mgd_hw_type_stuck, mgd_hw_type_ir_drop, mgd_hw_type_nodal,
    mgd_hw_type_crosstalk;
extern const mgd_hw_type mgd_hw_type_noise, mgd_hw_type_program, mgd_hw_type_flicker,
    mgd_hw_type_diffusion;
extern const mgd_hw_type mgd_hw_type_drift, mgd_hw_type_leak, mgd_hw_type_low_pass,
    mgd_hw_type_high_pass, mgd_hw_type_ringing, mgd_hw_type_delay, mgd_hw_type_slew;
extern const mgd_hw_type mgd_hw_type_function;

static const mgd_hw_type *const rows[MGD_HW_KIND_COUNT] = {
    [MGD_HW_AFFINE] = &mgd_hw_type_affine,       [MGD_HW_SHIFT] = &mgd_hw_type_shift,
    [MGD_HW_ASYMMETRY] = &mgd_hw_type_asymmetry, [MGD_HW_QUANTISE] = &mgd_hw_type_quantise,
    [MGD_HW_LEVELS] = &mgd_hw_type_levels,       [MGD_HW_CLAMP] = &mgd_hw_type_clamp,
    [MGD_HW_COMPRESS] = &mgd_hw_type_compress,   [MGD_HW_SATURATE] = &mgd_hw_type_saturate,
    [MGD_HW_NOISE] = &mgd_hw_type_noise,         [MGD_HW_PROGRAM] = &mgd_hw_type_program,
    [MGD_HW_FLICKER] = &mgd_hw_type_flicker,     [MGD_HW_DRIFT] = &mgd_hw_type_drift,
    [MGD_HW_LEAK] = &mgd_hw_type_leak,           [MGD_HW_DIFFUSION] = &mgd_hw_type_diffusion,
    [MGD_HW_STUCK] = &mgd_hw_type_stuck,         [MGD_HW_IR_DROP] = &mgd_hw_type_ir_drop,
    [MGD_HW_NODAL] = &mgd_hw_type_nodal,         [MGD_HW_CROSSTALK] = &mgd_hw_type_crosstalk,
    [MGD_HW_LOW_PASS] = &mgd_hw_type_low_pass,   [MGD_HW_HIGH_PASS] = &mgd_hw_type_high_pass,
    [MGD_HW_RINGING] = &mgd_hw_type_ringing,     [MGD_HW_DELAY] = &mgd_hw_type_delay,
    [MGD_HW_SLEW] = &mgd_hw_type_slew,           [MGD_HW_FUNCTION] = &mgd_hw_type_function,
};

const mgd_hw_type *mgd_hw_type_of(mgd_hw_kind kind) {
    return rows[kind];
}

const char *mgd_hw_kind_name(mgd_hw_kind kind) {
    return (unsigned)kind < MGD_HW_KIND_COUNT ? rows[kind]->name : "unknown";
}
