/* Chains: models of one place made ready, in order, and values sent through them. */

#include "model.h"

#include <math.h>
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
    size_t given = 0;
    for (size_t i = 0; i < count; i++)
        if (models[i].place == place && !mgd_hw_is_neutral(&models[i]))
            chain.ops[given++].model = models[i];
    mgd_status status = MGD_OK;
    for (size_t i = 0, used; i < given && status == MGD_OK; i += used) {
        const mgd_hw_type *type = mgd_hw_type_of(chain.ops[i].model.kind);
        mgd_hw_op op = {.model = chain.ops[i].model,
                        .type = type,
                        .apply = type->kernel[isa][dtype == MGD_F32],
                        .coef = chain.num_coefs,
                        .state = chain.num_states};
        used = type->filter ? mgd_hw_filters_count(&chain.ops[i], given - i) : 1;
        mgd_hw_name_streams(&op, op.model.stream, seed, run);
        if (type->filter)
            status = mgd_hw_filters_prepare(ctx, &op, &chain.ops[i], used, step);
        else if (type->prepare)
            status = type->prepare(ctx, &op, step);
        chain.ops[chain.num_ops++] = op;
        add_op(&chain, &op);
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

/* ---- lines ----------------------------------------------------------------------------------- */

static bool remembers(const mgd_hw_op *op) {
    return op->num_states > 0 && !op->type->noise;
}

bool mgd_hw_chain_remembers(const mgd_hw_chain *chain) {
    for (size_t i = 0; i < chain->num_ops; i++)
        if (remembers(&chain->ops[i]))
            return true;
    return false;
}

/* Behind what moves, a delay moves, too, and so do filters, whatever they let through. */
mgd_hw_shape mgd_hw_chain_shape(const mgd_hw_chain *chain) {
    mgd_hw_shape shape = {false, INFINITY};
    size_t lines = 0;
    for (size_t i = 0; i < chain->num_ops; i++) {
        const mgd_hw_op *op = &chain->ops[i];
        if (!remembers(op))
            continue;
        lines++;
        shape.moves = shape.moves || op->model.kind == MGD_HW_SLEW ||
                      (op->type->filter && op->system.through == 0);
        shape.tau = shape.moves && lines == 1 && op->order == 1 ? op->model.tau : INFINITY;
    }
    return shape;
}

bool mgd_hw_chain_drive(mgd_hw_chain *chain, double tau, double step) {
    size_t i = 0;
    while (i < chain->num_ops && !remembers(&chain->ops[i]))
        i++;
    if (i == chain->num_ops || !chain->ops[i].type->filter)
        return false;
    size_t before = chain->ops[i].num_states;
    mgd_hw_filters_drive(&chain->ops[i], step / MGD_HW_TICKS / tau);
    size_t more = chain->ops[i].num_states - before;
    for (size_t k = i + 1; k < chain->num_ops; k++)
        chain->ops[k].state += more;
    chain->num_states += more;
    return true;
}

/* ---- what is drawn, what rests, what is applied ---------------------------------------------- */

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
