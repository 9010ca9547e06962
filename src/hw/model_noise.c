/* Models of noise, and the laws of its σ. Their kernels are in kernels_noise.c. */

#include "model.h"

#include <math.h>

static bool silent(const mgd_hw_model *m) {
    return m->sigma == 0;
}

static bool always(const mgd_hw_model *m) {
    (void)m;
    return true;
}

/* ---- white noise ----------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool conductance; /* of conductances, which has coefficients instead of sigma */
} laws[MGD_HW_NOISE_COUNT] = {
    [MGD_HW_NOISE_ADDITIVE] = {"additive", false},
    [MGD_HW_NOISE_PROPORTIONAL] = {"proportional", false},
    [MGD_HW_NOISE_INVERSE] = {"inverse", false},
    [MGD_HW_NOISE_POLYNOMIAL] = {"polynomial", true},
    [MGD_HW_NOISE_LINEAR] = {"linear", true},
    [MGD_HW_NOISE_EXPONENTIAL] = {"exponential", true},
    [MGD_HW_NOISE_PCM_READ] = {"pcm_read", true},
};

const char *mgd_hw_noise_name(mgd_hw_noise noise) {
    return (unsigned)noise < MGD_HW_NOISE_COUNT ? laws[noise].name : "unknown";
}

static bool silent_noise(const mgd_hw_model *m) {
    return m->sigma == 0 && !laws[m->noise].conductance;
}

static bool noise_ages(const mgd_hw_model *m) {
    return m->noise == MGD_HW_NOISE_PCM_READ;
}

MGD_HW_DECLARE(noise);
const mgd_hw_type mgd_hw_type_noise = {
    .name = "noise",
    .kernel = MGD_HW_KERNELS(noise),
    .noise = true,
    .products = true,
    .neutral = silent_noise,
    .timed = always,
    .ages = noise_ages,
};

/* What devices miss their targets by. */
static const char *fault_of_program(const mgd_hw_model *m) {
    return laws[m->noise].conductance && m->noise != MGD_HW_NOISE_PCM_READ
               ? NULL
               : "noise: expected polynomial, linear or exponential";
}

MGD_HW_DECLARE(program);
const mgd_hw_type mgd_hw_type_program = {
    .name = "program",
    .kernel = MGD_HW_KERNELS(program),
    .noise = true,
    .fault = fault_of_program,
};

/* A random walk of what is stored. */
MGD_HW_DECLARE(diffusion);
const mgd_hw_type mgd_hw_type_diffusion = {
    .name = "diffusion",
    .kernel = MGD_HW_KERNELS(diffusion),
    .neutral = silent,
};

/* ---- 1/f noise ------------------------------------------------------------------------------- */

/* K relaxations whose corner frequencies lie evenly on a logarithmic scale from f_low to f_high,
 * all of one power: 1/f between them (van der Ziel 1950). */
static void relaxations(mgd_hw_op *op, double h, double *matrix) {
    const mgd_hw_model *m = &op->model;
    double n = (double)op->order;
    for (size_t k = 0; k < op->order; k++) {
        double place = op->order > 1 ? (double)k / (n - 1) : 0.5;
        double f = m->f_low * pow(m->f_high / m->f_low, place), x = 2 * acos(-1) * f * h;
        matrix[2 * k] = exp(-x);
        matrix[2 * k + 1] = m->sigma * sqrt(-expm1(-2 * x) / n);
    }
}

static mgd_status prepare_flicker(mgd_context *ctx, mgd_hw_op *op, double step) {
    (void)ctx;
    op->order = op->num_states = op->model.poles;
    for (size_t ticks = 1; ticks <= MGD_HW_TICKS; ticks++)
        relaxations(op, step * (double)ticks / MGD_HW_TICKS, op->matrix[ticks - 1]);
    return MGD_OK;
}

/* What they stay in. */
static mgd_hw_draw rest_of_flicker(const mgd_hw_op *op, size_t k) {
    (void)k;
    return (mgd_hw_draw){0, op->model.sigma / sqrt((double)op->order), -INFINITY, MGD_HW_NORMAL};
}

MGD_HW_DECLARE(flicker);
const mgd_hw_type mgd_hw_type_flicker = {
    .name = "flicker",
    .kernel = MGD_HW_KERNELS(flicker),
    .noise = true,
    .neutral = silent,
    .fault = mgd_hw_poles_fault,
    .timed = always,
    .prepare = prepare_flicker,
    .rest = rest_of_flicker,
};
