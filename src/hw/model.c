/* Models made ready: which of them do anything, what they draw and keep, and chains of them. */

#include "../base/number.h"
#include "hw.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

extern const mgd_hw_kernels mgd_hw_kernels_portable_f32, mgd_hw_kernels_portable_f64;
#if defined(MGD_HAVE_X86_KERNELS)
extern const mgd_hw_kernels mgd_hw_kernels_avx2_f32, mgd_hw_kernels_avx2_f64;
extern const mgd_hw_kernels mgd_hw_kernels_avx512_f32, mgd_hw_kernels_avx512_f64;
#endif

const mgd_hw_kernels *mgd_hw_kernels_get(mgd_isa isa, mgd_dtype dtype) {
    static const mgd_hw_kernels *const table[MGD_ISA_COUNT][2] = {
        [MGD_ISA_PORTABLE] = {&mgd_hw_kernels_portable_f64, &mgd_hw_kernels_portable_f32},
#if defined(MGD_HAVE_X86_KERNELS)
        [MGD_ISA_AVX2] = {&mgd_hw_kernels_avx2_f64, &mgd_hw_kernels_avx2_f32},
        [MGD_ISA_AVX512] = {&mgd_hw_kernels_avx512_f64, &mgd_hw_kernels_avx512_f32},
#endif
    };
    return table[isa][dtype == MGD_F32];
}

/* ---- streams --------------------------------------------------------------------------------- */

static void name_streams(mgd_hw_op *op, const char *stream, uint64_t seed, uint64_t run) {
    op->device_seed = mgd_random_key(seed, stream);
    op->noise_seed = mgd_random_key(op->device_seed ^ run, "noise");
}

#define MAX_DELAY 1e5 /* steps, each of which is remembered for each value */

/* ---- one model ------------------------------------------------------------------------------- */

bool mgd_hw_is_neutral(const mgd_hw_model *m) {
    switch (m->kind) {
    case MGD_HW_AFFINE:
    case MGD_HW_SHIFT:
        return m->gain == 1 && m->gain_spread == 0 && m->offset == 0 && m->offset_spread == 0;
    case MGD_HW_ASYMMETRY:
        return m->strength == 0 && m->strength_spread == 0;
    case MGD_HW_QUANTISE:
        return m->step == 0;
    case MGD_HW_CLAMP:
        return m->low == -INFINITY && m->high == INFINITY;
    case MGD_HW_SATURATE:
        return m->strength == INFINITY;
    case MGD_HW_COMPRESS:
    case MGD_HW_IR_DROP:
    case MGD_HW_CROSSTALK:
        return m->strength == 0;
    case MGD_HW_NOISE: /* laws of conductance have coefficients instead */
        return m->sigma == 0 && m->noise <= MGD_HW_NOISE_INVERSE;
    case MGD_HW_FLICKER:
    case MGD_HW_DIFFUSION:
        return m->sigma == 0;
    case MGD_HW_DRIFT:
        return !m->pcm_nu && !m->table && m->nu == 0 && m->nu_spread == 0;
    case MGD_HW_LEAK:
    case MGD_HW_HIGH_PASS:
        return m->tau == INFINITY;
    case MGD_HW_LOW_PASS:
    case MGD_HW_DELAY:
        return m->tau == 0;
    case MGD_HW_RINGING:
        return m->frequency == INFINITY;
    case MGD_HW_SLEW:
        return m->strength == INFINITY;
    case MGD_HW_STUCK:
        return m->fraction[0] + m->fraction[1] + m->fraction[2] == 0;
    default:
        return false;
    }
}

static void add_draw(mgd_hw_op *op, double mean, double spread, double least) {
    op->draw[op->num_draws++] = (mgd_hw_draw){mean, spread, least, false};
}

/* In the order in which the kernels look for them. Time constants stay positive. */
static void list_draws(mgd_hw_op *op) {
    const mgd_hw_model *m = &op->model;
    switch (m->kind) {
    case MGD_HW_AFFINE:
    case MGD_HW_SHIFT:
        if (m->gain_spread > 0)
            add_draw(op, m->gain, m->gain_spread, -INFINITY);
        if (m->offset_spread > 0)
            add_draw(op, m->offset, m->offset_spread, -INFINITY);
        break;
    case MGD_HW_ASYMMETRY:
        if (m->strength_spread > 0)
            add_draw(op, m->strength, m->strength_spread, -INFINITY);
        break;
    case MGD_HW_LEAK:
        if (m->tau_spread > 0)
            add_draw(op, m->tau, m->tau * m->tau_spread, m->tau / 20);
        if (m->offset_spread > 0)
            add_draw(op, m->offset, m->offset_spread, -INFINITY);
        break;
    case MGD_HW_DRIFT:
        add_draw(op, 0, 1, -INFINITY);
        if (m->mapping.differential)
            add_draw(op, 0, 1, -INFINITY);
        break;
    case MGD_HW_STUCK:
        op->draw[0] = op->draw[1] = (mgd_hw_draw){0, 1, 0, true};
        op->num_draws = 2;
        break;
    default:
        break;
    }
}

static size_t states_of(const mgd_hw_op *op) {
    switch (op->model.kind) {
    case MGD_HW_LOW_PASS:
    case MGD_HW_HIGH_PASS:
    case MGD_HW_RINGING:
        return mgd_hw_filter_is_fast(op) ? 1 : 2 * op->order;
    case MGD_HW_FLICKER:
        return op->order;
    case MGD_HW_DELAY:
        return op->delay + MGD_HW_TICKS;
    case MGD_HW_SLEW:
        return 1;
    case MGD_HW_DRIFT:
        return op->model.compensation ? 1 : 0;
    default:
        return 0;
    }
}

static mgd_status op_open(mgd_context *ctx, const mgd_hw_model *model, double step, uint64_t seed,
                          uint64_t run, mgd_hw_op *op) {
    *op = (mgd_hw_op){.model = *model};
    name_streams(op, model->stream, seed, run);
    op->order = model->kind == MGD_HW_RINGING     ? 2
                : model->kind == MGD_HW_HIGH_PASS ? 1
                                                  : model->poles;
    if (op->order > MGD_HW_MAX_ORDER)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "chip: %s: %zu poles: expected at most %d",
                        model->stream, op->order, MGD_HW_MAX_ORDER);
    if (model->kind == MGD_HW_DELAY && !(model->tau / step <= MAX_DELAY))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "chip: %s: a delay of %s s is %s steps of %s s: expected at most %s steps",
                        model->stream, MGD_NUMBER(model->tau), MGD_NUMBER(model->tau / step),
                        MGD_NUMBER(step), MGD_NUMBER(MAX_DELAY));
    list_draws(op);
    mgd_hw_filter_prepare(op, step);
    op->num_states = states_of(op);
    return MGD_OK;
}

/* ---- chains ---------------------------------------------------------------------------------- */

/* Whether what it does to values that are held changes while they are held. */
static bool is_timed(const mgd_hw_model *m) {
    return m->kind == MGD_HW_DRIFT || m->kind == MGD_HW_LEAK || m->kind == MGD_HW_NOISE ||
           m->kind == MGD_HW_FLICKER || (m->kind == MGD_HW_QUANTISE && m->stochastic);
}

mgd_status mgd_hw_chain_open(mgd_context *ctx, const mgd_hw_model *models, size_t count,
                             mgd_hw_place place, double step, uint64_t seed, uint64_t run,
                             mgd_dtype dtype, mgd_hw_chain *out) {
    mgd_isa isa;
    MGD_TRY(mgd_isa_select(ctx, &isa));
    mgd_hw_chain chain = {.kernels = mgd_hw_kernels_get(isa, dtype), .dtype = dtype};
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "models", count + 1, sizeof(mgd_hw_op), &memory));
    chain.ops = memory;
    mgd_status status = MGD_OK;
    for (size_t i = 0; i < count && status == MGD_OK; i++) {
        if (models[i].place != place || mgd_hw_is_neutral(&models[i]))
            continue;
        mgd_hw_op *op = &chain.ops[chain.num_ops++];
        status = op_open(ctx, &models[i], step, seed, run, op);
        op->coef = chain.num_coefs;
        op->state = chain.num_states;
        chain.num_coefs += op->num_draws;
        chain.num_states += op->num_states;
        chain.timed = chain.timed || is_timed(&models[i]);
        chain.calls = chain.calls || models[i].kind == MGD_HW_FUNCTION;
    }
    if (status != MGD_OK) {
        mgd_hw_chain_close(&chain);
        return status;
    }
    *out = chain;
    return MGD_OK;
}

void mgd_hw_chain_close(mgd_hw_chain *chain) {
    mgd_free(chain->ops);
    *chain = (mgd_hw_chain){0};
}

static size_t real_size(const mgd_hw_chain *chain) {
    return mgd_dtype_size(chain->dtype);
}

/* Bytes of one array of coefficients, and of states. */
static size_t coef_bytes(const mgd_hw_chain *chain, const mgd_hw_frame *f) {
    return f->rows * (f->shared ? 1 : f->width) * real_size(chain);
}

static size_t state_bytes(const mgd_hw_chain *chain, const mgd_hw_frame *f) {
    return f->rows * f->width * real_size(chain);
}

void mgd_hw_chain_draw(const mgd_hw_chain *chain, const mgd_hw_frame *f, void *coefs) {
    for (size_t i = 0; i < chain->num_ops; i++)
        for (size_t k = 0; k < chain->ops[i].num_draws; k++)
            chain->kernels->draw(&chain->ops[i], k, f,
                                 (char *)coefs + (chain->ops[i].coef + k) * coef_bytes(chain, f));
}

/* Filters rest at 0; relaxations are drawn from what they stay in. */
void mgd_hw_chain_start(const mgd_hw_chain *chain, const mgd_hw_frame *f, void *states) {
    size_t bytes = state_bytes(chain, f);
    memset(states, 0, chain->num_states * bytes);
    for (size_t i = 0; i < chain->num_ops; i++) {
        const mgd_hw_op *op = &chain->ops[i];
        for (size_t k = 0; op->model.kind == MGD_HW_FLICKER && k < op->order; k++) {
            mgd_hw_op start = {.device_seed = mgd_random_key(op->noise_seed, "start")};
            start.draw[k] =
                (mgd_hw_draw){0, op->model.sigma / sqrt((double)op->order), -INFINITY, false};
            chain->kernels->draw(&start, k, f, (char *)states + (op->state + k) * bytes);
        }
    }
}

mgd_status mgd_hw_chain_apply(mgd_context *ctx, const mgd_hw_chain *chain, const mgd_hw_frame *f,
                              const void *coefs, void *states, void *values) {
    for (size_t i = 0; i < chain->num_ops; i++) {
        const mgd_hw_op *op = &chain->ops[i];
        if (op->model.kind == MGD_HW_FUNCTION) {
            MGD_TRY(mgd_hw_call(ctx, chain, op, f, values));
            continue;
        }
        chain->kernels->apply[op->model.kind](
            chain, op, f, (const char *)coefs + op->coef * coef_bytes(chain, f),
            (char *)states + op->state * state_bytes(chain, f), values);
    }
    return MGD_OK;
}

void mgd_hw_chain_products(const mgd_hw_chain *chain, const mgd_hw_frame *f, const void *x,
                           size_t inputs, void *y) {
    for (size_t i = 0; i < chain->num_ops; i++)
        chain->kernels->product(&chain->ops[i], f, x, inputs, y);
}

/* ---- writers --------------------------------------------------------------------------------- */

static void writer_draw(mgd_hw_writer *w, mgd_hw_write_coef which, double mean, double spread,
                        double least) {
    mgd_hw_op *op = &w->law;
    op->draw[which] = (mgd_hw_draw){mean, spread, least, false};
    w->drawn[which] = spread > 0;
    w->coef[which] = op->num_draws;
    op->num_draws += spread > 0;
}

/* Bounds keep their side of zero. */
static double least_bound(double bound) {
    return bound > 0 ? bound / 20 : -INFINITY;
}

mgd_hw_writer mgd_hw_writer_of(const mgd_hw_update *m, uint64_t seed, uint64_t run) {
    mgd_hw_writer w = {.model = *m};
    name_streams(&w.law, m->stream, seed, run);
    writer_draw(&w, MGD_HW_STEP, m->dw_min, m->dw_min * m->dw_min_d2d, 0);
    writer_draw(&w, MGD_HW_UP_DOWN, m->up_down, m->up_down_d2d, -1);
    writer_draw(&w, MGD_HW_TOP, m->w_max, fabs(m->w_max) * m->w_max_d2d, least_bound(m->w_max));
    writer_draw(&w, MGD_HW_BOTTOM, -m->w_min, fabs(m->w_min) * m->w_min_d2d,
                least_bound(-m->w_min));
    writer_draw(&w, MGD_HW_GAMMA_UP, m->gamma_up, m->gamma_d2d, -INFINITY);
    writer_draw(&w, MGD_HW_GAMMA_DOWN, m->gamma_down, m->gamma_d2d, -INFINITY);
    writer_draw(&w, MGD_HW_ENDURANCE, m->endurance, m->endurance * m->endurance_spread, 0);
    w.keeps[MGD_HW_SINCE] = m->interval > 0;
    w.keeps[MGD_HW_WRITES] = true;
    w.keeps[MGD_HW_RESIDUE] = m->accumulate;
    return w;
}

void mgd_hw_writer_draw(const mgd_hw_writer *writer, const mgd_hw_kernels *kernels,
                        size_t real_bytes, const mgd_hw_frame *f, void *coefs) {
    for (size_t k = 0; k < MGD_HW_WRITE_COEFS; k++)
        if (writer->drawn[k])
            kernels->draw(&writer->law, k, f,
                          (char *)coefs + writer->coef[k] * f->rows * f->width * real_bytes);
}
