/* Chains: models of one place made ready, in order, and values sent through them. */

#include "model.h"

#include <string.h>

/* ---- one model ------------------------------------------------------------------------------- */

void mgd_hw_name_streams(mgd_hw_op *op, const char *stream, uint64_t seed, uint64_t run) {
    op->device_seed = mgd_random_key(seed, stream);
    op->noise_seed = mgd_random_key(op->device_seed ^ run, "noise");
}

static void add_op(mgd_hw_chain *chain, const mgd_hw_op *op) {
    const mgd_hw_model *m = &op->model;
    chain->num_coefs += op->num_draws;
    chain->num_states += op->num_states;
    chain->timed = chain->timed || (op->type->timed && op->type->timed(m));
    chain->calls = chain->calls || !op->apply;
}

/* ---- chains ---------------------------------------------------------------------------------- */

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
        const mgd_hw_type *type = mgd_hw_type_of(models[i].kind);
        mgd_hw_op *op = &chain.ops[chain.num_ops++];
        *op = (mgd_hw_op){.model = models[i],
                          .type = type,
                          .apply = type->kernel[isa][dtype == MGD_F32],
                          .coef = chain.num_coefs,
                          .state = chain.num_states};
        mgd_hw_name_streams(op, models[i].stream, seed, run);
        if (type->prepare)
            status = type->prepare(ctx, op, step);
        add_op(&chain, op);
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

void mgd_hw_chain_start(const mgd_hw_chain *chain, const mgd_hw_frame *f, void *states) {
    size_t bytes = state_bytes(chain, f);
    memset(states, 0, chain->num_states * bytes);
    for (size_t i = 0; i < chain->num_ops; i++) {
        const mgd_hw_op *op = &chain->ops[i];
        mgd_hw_op start = {.device_seed = mgd_random_key(op->noise_seed, "start")};
        for (size_t k = 0; op->type->rest && k < op->num_states; k++) {
            start.draw[k] = op->type->rest(op, k);
            chain->kernels->draw(&start, k, f, (char *)states + (op->state + k) * bytes);
        }
    }
}

size_t mgd_hw_chain_scratch(const mgd_hw_chain *chain, size_t lane_bytes) {
    size_t most = 0;
    for (size_t i = 0; i < chain->num_ops; i++) {
        const mgd_hw_type *type = chain->ops[i].type;
        size_t bytes = type->scratch ? type->scratch(&chain->geometry, lane_bytes) : 0;
        most = bytes > most ? bytes : most;
    }
    return most;
}

mgd_status mgd_hw_chain_apply(mgd_context *ctx, const mgd_hw_chain *chain, const mgd_hw_frame *f,
                              const void *coefs, void *states, void *values) {
    for (size_t i = 0; i < chain->num_ops; i++) {
        const mgd_hw_op *op = &chain->ops[i];
        if (!op->apply) {
            MGD_TRY(mgd_hw_call(ctx, chain, op, f, values));
            continue;
        }
        op->apply(chain, op, f, (const char *)coefs + op->coef * coef_bytes(chain, f),
                  (char *)states + op->state * state_bytes(chain, f), values);
    }
    return MGD_OK;
}

void mgd_hw_chain_products(const mgd_hw_chain *chain, const mgd_hw_frame *f, const void *x,
                           size_t inputs, void *y) {
    for (size_t i = 0; i < chain->num_ops; i++)
        chain->kernels->product(&chain->ops[i], f, x, inputs, y);
}
