/* Models without noise or memory: gains, bounds, converters, faults. Their kernels are in
 * kernels_value.c.
 */

#include "model.h"

#include <math.h>

static bool no_strength(const mgd_hw_model *m) {
    return m->strength == 0;
}

static bool endless_strength(const mgd_hw_model *m) {
    return m->strength == INFINITY;
}

/* ---- gains and bounds ------------------------------------------------------------------------ */

static bool no_gain(const mgd_hw_model *m) {
    return m->gain == 1 && m->gain_spread == 0 && m->offset == 0 && m->offset_spread == 0;
}

static mgd_status prepare_gain(mgd_context *ctx, mgd_hw_op *op, double step) {
    const mgd_hw_model *m = &op->model;
    (void)ctx, (void)step;
    if (m->gain_spread > 0)
        mgd_hw_add_draw(op, m->gain, m->gain_spread, -INFINITY);
    if (m->offset_spread > 0)
        mgd_hw_add_draw(op, m->offset, m->offset_spread, -INFINITY);
    return MGD_OK;
}

MGD_HW_DECLARE(affine);
const mgd_hw_type mgd_hw_type_affine = {
    .name = "affine",
    .kernel = MGD_HW_KERNELS(affine),
    .neutral = no_gain,
    .prepare = prepare_gain,
};

MGD_HW_DECLARE(shift);
const mgd_hw_type mgd_hw_type_shift = {
    .name = "shift",
    .kernel = MGD_HW_KERNELS(shift),
    .neutral = no_gain,
    .prepare = prepare_gain,
};

static bool symmetric(const mgd_hw_model *m) {
    return m->strength == 0 && m->strength_spread == 0;
}

static mgd_status prepare_asymmetry(mgd_context *ctx, mgd_hw_op *op, double step) {
    const mgd_hw_model *m = &op->model;
    (void)ctx, (void)step;
    if (m->strength_spread > 0)
        mgd_hw_add_draw(op, m->strength, m->strength_spread, -INFINITY);
    return MGD_OK;
}

MGD_HW_DECLARE(asymmetry);
const mgd_hw_type mgd_hw_type_asymmetry = {
    .name = "asymmetry",
    .kernel = MGD_HW_KERNELS(asymmetry),
    .neutral = symmetric,
    .prepare = prepare_asymmetry,
};

static bool unbounded(const mgd_hw_model *m) {
    return m->low == -INFINITY && m->high == INFINITY;
}

MGD_HW_DECLARE(clamp);
const mgd_hw_type mgd_hw_type_clamp = {
    .name = "clamp",
    .kernel = MGD_HW_KERNELS(clamp),
    .neutral = unbounded,
};

MGD_HW_DECLARE(compress);
const mgd_hw_type mgd_hw_type_compress = {
    .name = "compress",
    .kernel = MGD_HW_KERNELS(compress),
    .neutral = no_strength,
};

MGD_HW_DECLARE(saturate);
const mgd_hw_type mgd_hw_type_saturate = {
    .name = "saturate",
    .kernel = MGD_HW_KERNELS(saturate),
    .neutral = endless_strength,
};

/* ---- converters ------------------------------------------------------------------------------ */

static bool no_step(const mgd_hw_model *m) {
    return m->step == 0;
}

static bool rounds_at_random(const mgd_hw_model *m) {
    return m->stochastic;
}

MGD_HW_DECLARE(quantise);
const mgd_hw_type mgd_hw_type_quantise = {
    .name = "quantise",
    .kernel = MGD_HW_KERNELS(quantise),
    .neutral = no_step,
    .timed = rounds_at_random,
};

static const char *fault_of_levels(const mgd_hw_model *m) {
    if (!m->table || m->table_size < 1)
        return "table: expected at least one level";
    return mgd_hw_rises(m->table, m->table_size, 1) ? NULL
                                                    : "table: expected finite levels that rise";
}

MGD_HW_DECLARE(levels);
const mgd_hw_type mgd_hw_type_levels = {
    .name = "levels",
    .kernel = MGD_HW_KERNELS(levels),
    .fault = fault_of_levels,
};

/* ---- faults ------------------------------------------------------------------------ */

static bool none_stuck(const mgd_hw_model *m) {
    return m->fraction[0] + m->fraction[1] + m->fraction[2] == 0;
}

/* Which fault a device has, and where it then stands. */
static mgd_status prepare_stuck(mgd_context *ctx, mgd_hw_op *op, double step) {
    (void)ctx, (void)step;
    op->draw[0] = op->draw[1] = (mgd_hw_draw){0, 1, 0, MGD_HW_UNIFORM};
    op->num_draws = 2;
    return MGD_OK;
}

MGD_HW_DECLARE(stuck);
const mgd_hw_type mgd_hw_type_stuck = {
    .name = "stuck",
    .kernel = MGD_HW_KERNELS(stuck),
    .neutral = none_stuck,
    .prepare = prepare_stuck,
};

MGD_HW_DECLARE(crosstalk);
const mgd_hw_type mgd_hw_type_crosstalk = {
    .name = "crosstalk",
    .kernel = MGD_HW_KERNELS(crosstalk),
    .neutral = no_strength,
};
