/* Whole data sets through a network: outputs, mean cost and accuracy, and the reference gradient by
 * back-propagation. Samples fill the lanes, parameters are shared.
 */

#include "../tensor/tensor.h"
#include "net.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* ---- samples --------------------------------------------------------------------------------- */

/* A (N × F) tensor of `dtype`: the tensor itself when it can be used as it lies. */
static mgd_status as_rows(mgd_context *ctx, mgd_dtype dtype, const mgd_tensor *t,
                          mgd_tensor **out) {
    if (mgd_tensor_dtype(t) == dtype && mgd_tensor_contiguous(t))
        return mgd_tensor_view(ctx, t, out);
    return mgd_tensor_convert(ctx, t, dtype, out);
}

mgd_status mgd_samples_open(mgd_context *ctx, mgd_dtype dtype, const mgd_tensor *x,
                            const mgd_tensor *y, mgd_samples *out) {
    char shape_x[128], shape_y[128];
    size_t n = mgd_tensor_ndim(x) ? mgd_tensor_shape(x)[0] : 0;
    if (mgd_tensor_ndim(x) < 2 || mgd_tensor_ndim(y) != 2 || n < 1 || n > UINT32_MAX ||
        mgd_tensor_shape(y)[0] != n)
        return mgd_fail(
            ctx, MGD_ERR_SHAPE,
            "data: x is %s and y is %s: expected x (N, …) and y (N, K) with the same "
            "N ≥ 1",
            mgd_shape_format(shape_x, sizeof shape_x, mgd_tensor_ndim(x), mgd_tensor_shape(x)),
            mgd_shape_format(shape_y, sizeof shape_y, mgd_tensor_ndim(y), mgd_tensor_shape(y)));
    mgd_samples samples = {
        .samples = n, .features = mgd_tensor_size(x) / n, .targets = mgd_tensor_shape(y)[1]};
    MGD_TRY(as_rows(ctx, dtype, x, &samples.x));
    mgd_status status = as_rows(ctx, dtype, y, &samples.y);
    if (status != MGD_OK) {
        mgd_tensor_free(samples.x);
        return status;
    }
    *out = samples;
    return MGD_OK;
}

void mgd_samples_close(mgd_samples *samples) {
    mgd_tensor_free(samples->x);
    mgd_tensor_free(samples->y);
    *samples = (mgd_samples){0};
}

mgd_status mgd_cost_check(mgd_context *ctx, const mgd_cost *cost, size_t outputs, size_t targets) {
    if ((unsigned)cost->kind > MGD_COST_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "cost: unknown kind %d", (int)cost->kind);
    if (cost->kind == MGD_COST_FUNCTION)
        return MGD_OK;
    if (!(cost->label_smoothing >= 0 && cost->label_smoothing < 1))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "cost: label smoothing must be in [0, 1), got %g",
                        cost->label_smoothing);
    if (outputs != targets)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "cost: %zu outputs against %zu target columns: expected as many", outputs,
                        targets);
    if (cost->kind == MGD_COST_CROSS_ENTROPY && outputs < 2)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "cost: cross_entropy compares classes and needs at least 2 outputs, got 1");
    return MGD_OK;
}

/* Samples may be flat; those with as many sides as the input have the same. */
static bool same_sides(const mgd_net *net, const mgd_tensor *x) {
    size_t ndim = mgd_tensor_ndim(x);
    for (size_t i = 1; i < ndim && ndim == net->input.ndim + 1; i++)
        if (mgd_tensor_shape(x)[i] != net->input.size[i - 1])
            return false;
    return true;
}

mgd_status mgd_net_check_input(mgd_context *ctx, const mgd_net *net, const char *where,
                               const mgd_tensor *x) {
    char shape[128], wanted[128];
    size_t ndim = mgd_tensor_ndim(x);
    size_t n = ndim ? mgd_tensor_shape(x)[0] : 0;
    if (ndim >= 2 && n >= 1 && n <= UINT32_MAX && mgd_tensor_size(x) / n == net->inputs &&
        same_sides(net, x))
        return MGD_OK;
    mgd_shape_format(shape, sizeof shape, ndim, mgd_tensor_shape(x));
    if (ndim == 1 && n == net->inputs)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "%s: x has shape %s: expected (B, …); a single sample is x:reshape{1, %zu}",
                        where, shape, n);
    return mgd_fail(
        ctx, MGD_ERR_SHAPE,
        "%s: x has shape %s: expected (B, …) with the network's %zu inputs (%s) for each "
        "sample",
        where, shape, net->inputs,
        mgd_shape_format(wanted, sizeof wanted, net->input.ndim, net->input.size));
}

mgd_status mgd_net_samples_open(mgd_context *ctx, const mgd_net *net, const mgd_tensor *x,
                                const mgd_tensor *y, const mgd_cost *cost, mgd_samples *out) {
    mgd_samples samples;
    MGD_TRY(mgd_net_check_input(ctx, net, "data", x));
    MGD_TRY(mgd_samples_open(ctx, net->dtype, x, y, &samples));
    mgd_status status = mgd_cost_check(ctx, cost, net->outputs, samples.targets);
    if (status == MGD_OK)
        *out = samples;
    else
        mgd_samples_close(&samples);
    return status;
}

/* ---- a block of samples ---------------------------------------------------------------------- */

/* Scratch for one block of samples that pass through a plan together. */
typedef struct {
    const mgd_plan *plan;
    size_t width;    /* W lanes */
    void *arena;     /* (the plan's arena × W) */
    void *deltas;    /* the same for back-propagation, else NULL */
    void *target;    /* (K × W) */
    double *value;   /* (W) */
    double *hit;     /* (W) */
    double *weight;  /* (W) */
    uint32_t *index; /* (W) */
} block;

static void block_close(block *b) {
    mgd_free(b->arena);
    mgd_free(b->deltas);
    mgd_free(b->target);
    mgd_free(b->value);
    mgd_free(b->hit);
    mgd_free(b->weight);
    mgd_free(b->index);
}

/* As many tiles of lanes as fit in the cache with all their values, but not more than needed. */
static mgd_status block_open(mgd_context *ctx, const mgd_net *net, const mgd_plan *plan,
                             size_t samples, size_t targets, block *out) {
    size_t size = mgd_dtype_size(net->dtype), bytes;
    size_t tiles = mgd_net_tiles(net, (samples + net->kernels->lanes - 1) / net->kernels->lanes);
    block b = {.plan = plan, .width = tiles * net->kernels->lanes};
    bool back = plan == &net->reference;
    if (!(mgd_take(&b.arena, plan->arena, b.width * size) &&
          (!back || mgd_take(&b.deltas, plan->arena, b.width * size)) &&
          mgd_take(&b.target, targets ? targets : 1, b.width * size) &&
          mgd_take(&b.value, b.width, sizeof(double)) &&
          mgd_take(&b.hit, b.width, sizeof(double)) &&
          mgd_take(&b.weight, b.width, sizeof(double)) &&
          mgd_take(&b.index, b.width, sizeof(uint32_t)))) {
        block_close(&b);
        bytes = plan->arena * b.width * size * (back ? 2 : 1);
        return mgd_fail(ctx, MGD_ERR_MEMORY,
                        "out of memory: %zu lanes of a network with %zu features need %zu bytes",
                        b.width, plan->arena, bytes);
    }
    *out = b;
    return MGD_OK;
}

/* Samples `first` … `first + used − 1` into the lanes; spare lanes repeat the last one. */
static void block_gather(const mgd_net *net, block *b, const void *rows, size_t features,
                         size_t first, size_t used, void *out) {
    for (size_t lane = 0; lane < b->width; lane++)
        b->index[lane] = (uint32_t)(first + (lane < used ? lane : used - 1));
    net->kernels->gather(rows, features, b->index, out, b->width);
}

/* Forward; returns the outputs (O × W). */
static const void *block_forward(const mgd_net *net, const void *theta, block *b) {
    mgd_plan_forward(net, b->plan, theta, b->arena, b->width);
    return mgd_net_place(net, b->arena, b->plan->output, b->width);
}

/* ---- outputs --------------------------------------------------------------------------------- */

static void scatter(const mgd_net *net, const block *b, const void *lanes, size_t used, void *y) {
    size_t outputs = net->outputs;
    for (size_t lane = 0; lane < used; lane++)
        for (size_t o = 0; o < outputs; o++)
            if (net->dtype == MGD_F32)
                ((float *)y)[lane * outputs + o] = ((const float *)lanes)[o * b->width + lane];
            else
                ((double *)y)[lane * outputs + o] = ((const double *)lanes)[o * b->width + lane];
}

static mgd_status forward_rows(mgd_context *ctx, const mgd_net *net, const void *theta,
                               const mgd_tensor *rows, size_t n, mgd_tensor *y) {
    block b;
    MGD_TRY(block_open(ctx, net, &net->plan, n, 0, &b));
    mgd_status status = MGD_OK;
    size_t row_bytes = net->outputs * mgd_dtype_size(net->dtype);
    for (size_t first = 0; first < n && status == MGD_OK; first += b.width) {
        size_t used = n - first < b.width ? n - first : b.width;
        block_gather(net, &b, mgd_tensor_data(rows), net->inputs, first, used, b.arena);
        scatter(net, &b, block_forward(net, theta, &b), used,
                (char *)mgd_tensor_data(y) + first * row_bytes);
        status = mgd_interrupt_answer(ctx);
    }
    block_close(&b);
    return status;
}

mgd_status mgd_net_forward_at(mgd_context *ctx, const mgd_net *net, const void *theta,
                              const mgd_tensor *x, mgd_tensor **out) {
    MGD_TRY(mgd_net_check_input(ctx, net, "forward", x));
    size_t n = mgd_tensor_shape(x)[0];
    mgd_tensor *rows, *y;
    MGD_TRY(as_rows(ctx, net->dtype, x, &rows));
    mgd_status status = mgd_tensor_new(ctx, net->dtype, 2, (size_t[]){n, net->outputs}, &y);
    if (status == MGD_OK) {
        status = forward_rows(ctx, net, theta, rows, n, y);
        if (status == MGD_OK)
            *out = y;
        else
            mgd_tensor_free(y);
    }
    mgd_tensor_free(rows);
    return status;
}

mgd_status mgd_net_forward(mgd_context *ctx, const mgd_net *net, const mgd_tensor *x,
                           mgd_tensor **y) {
    return mgd_net_forward_at(ctx, net, net->theta, x, y);
}

/* ---- mean cost and accuracy ------------------------------------------------------------------ */

typedef struct {
    const mgd_net *net;
    const void *theta;
    const mgd_samples *samples;
    const mgd_cost *cost;
    block *blocks;          /* one per worker */
    double *cost_of_set;    /* (N) */
    double *hit_of_set;     /* (N) */
    atomic_bool incomplete; /* an interrupt made a worker leave out its block */
} evaluation;

static void evaluate_block(void *arg, size_t index, size_t worker) {
    evaluation *e = arg;
    block *b = &e->blocks[worker];
    const mgd_samples *s = e->samples;
    const mgd_net_kernels *k = e->net->kernels;
    size_t first = index * b->width;
    size_t used = s->samples - first < b->width ? s->samples - first : b->width;
    if (mgd_interrupt_pending()) {
        atomic_store(&e->incomplete, true);
        return;
    }
    block_gather(e->net, b, mgd_tensor_data(s->x), s->features, first, used, b->arena);
    block_gather(e->net, b, mgd_tensor_data(s->y), s->targets, first, used, b->target);
    const void *y = block_forward(e->net, e->theta, b);
    k->cost(e->cost, e->net->outputs, b->width, y, b->target, b->value);
    k->hits(e->net->outputs, b->width, y, b->target, b->hit);
    memcpy(e->cost_of_set + first, b->value, used * sizeof(double));
    memcpy(e->hit_of_set + first, b->hit, used * sizeof(double));
}

static mgd_status evaluate_all(mgd_context *ctx, evaluation *e, mgd_pool *pool, double *mean_cost,
                               double *accuracy) {
    size_t n = e->samples->samples, width = e->blocks[0].width;
    mgd_pool_run(pool, evaluate_block, e, (n + width - 1) / width);
    if (atomic_load(&e->incomplete)) {
        mgd_interrupt_clear();
        return mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
    }
    double cost = 0, hit = 0;
    for (size_t i = 0; i < n; i++) {
        cost += e->cost_of_set[i];
        hit += e->hit_of_set[i];
    }
    *mean_cost = cost / (double)n;
    *accuracy = hit / (double)n;
    return MGD_OK;
}

mgd_status mgd_net_evaluate(mgd_context *ctx, const mgd_net *net, mgd_pool *pool, const void *theta,
                            const mgd_samples *samples, const mgd_cost *cost, double *mean_cost,
                            double *accuracy) {
    size_t n = samples->samples, threads = mgd_pool_threads(pool), opened = 0;
    evaluation e = {.net = net, .theta = theta, .samples = samples, .cost = cost};
    e.blocks = mgd_calloc(threads, sizeof(block));
    e.cost_of_set = mgd_calloc(n, sizeof(double));
    e.hit_of_set = mgd_calloc(n, sizeof(double));
    mgd_status status = MGD_OK;
    if (!e.blocks || !e.cost_of_set || !e.hit_of_set)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: evaluating %zu samples", n);
    while (status == MGD_OK && opened < threads) {
        status = block_open(ctx, net, &net->plan, n, samples->targets, &e.blocks[opened]);
        opened += status == MGD_OK;
    }
    if (status == MGD_OK)
        status = evaluate_all(ctx, &e, pool, mean_cost, accuracy);
    for (size_t i = 0; i < opened; i++)
        block_close(&e.blocks[i]);
    mgd_free(e.blocks);
    mgd_free(e.cost_of_set);
    mgd_free(e.hit_of_set);
    return status;
}

/* ---- back-propagation ------------------------------------------------------------------------ */

/* From the delta of the outputs to the gradient (P), added to. */
static void block_backward(const mgd_net *net, const void *theta, block *b, double *gradient) {
    size_t real = mgd_dtype_size(net->dtype);
    for (size_t i = b->plan->num_ops; i-- > 0;) {
        const mgd_op *op = &b->plan->ops[i];
        net->kernels->backward[op->node.kind](op, (const char *)theta + op->node.first * real,
                                              b->arena, b->deltas, gradient + op->node.first,
                                              b->width);
    }
}

/* Fills b->weight with the weights of the block's samples, 0 in spare lanes; false when all are. */
static bool block_weights(block *b, const double *weight, size_t first, size_t used) {
    bool any = false;
    for (size_t lane = 0; lane < b->width; lane++) {
        b->weight[lane] = lane < used ? weight[first + lane] : 0;
        any = any || b->weight[lane] != 0;
    }
    return any;
}

mgd_status mgd_net_backward(mgd_context *ctx, const mgd_net *net, const void *theta,
                            const mgd_samples *samples, const mgd_cost *cost, const double *weight,
                            double *gradient, double *value) {
    const mgd_net_kernels *k = net->kernels;
    size_t n = samples->samples;
    block b;
    MGD_TRY(block_open(ctx, net, &net->reference, n, samples->targets, &b));
    memset(gradient, 0, net->num_parameters * sizeof(double));
    *value = 0;
    mgd_status status = MGD_OK;
    for (size_t first = 0; first < n && status == MGD_OK; first += b.width) {
        size_t used = n - first < b.width ? n - first : b.width;
        if (!block_weights(&b, weight, first, used))
            continue;
        block_gather(net, &b, mgd_tensor_data(samples->x), samples->features, first, used, b.arena);
        block_gather(net, &b, mgd_tensor_data(samples->y), samples->targets, first, used, b.target);
        const void *y = block_forward(net, theta, &b);
        k->cost(cost, net->outputs, b.width, y, b.target, b.value);
        for (size_t lane = 0; lane < used; lane++)
            if (b.weight[lane] != 0)
                *value += b.weight[lane] * b.value[lane];
        memset(b.deltas, 0, b.plan->arena * b.width * mgd_dtype_size(net->dtype));
        k->cost_gradient(cost, net->outputs, b.width, y, b.target, b.weight,
                         mgd_net_place(net, b.deltas, b.plan->output, b.width));
        block_backward(net, theta, &b, gradient);
        status = mgd_interrupt_answer(ctx);
    }
    block_close(&b);
    return status;
}

/* The gradient as a fresh tensor of the network's dtype. */
static mgd_status gradient_tensor(mgd_context *ctx, const mgd_net *net, const double *gradient,
                                  mgd_tensor **out) {
    mgd_tensor *t;
    MGD_TRY(mgd_tensor_new(ctx, net->dtype, 1, &net->num_parameters, &t));
    for (size_t i = 0; i < net->num_parameters; i++)
        if (net->dtype == MGD_F32)
            ((float *)mgd_tensor_data(t))[i] = (float)gradient[i];
        else
            ((double *)mgd_tensor_data(t))[i] = gradient[i];
    *out = t;
    return MGD_OK;
}

mgd_status mgd_net_gradient(mgd_context *ctx, const mgd_net *net, const mgd_tensor *x,
                            const mgd_tensor *target, const mgd_cost *cost, mgd_tensor **gradient,
                            double *value) {
    if (cost->kind == MGD_COST_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "gradient: back-propagation needs mse, cross_entropy or l2, not a "
                        "function");
    mgd_samples samples;
    MGD_TRY(mgd_net_samples_open(ctx, net, x, target, cost, &samples));
    size_t n = samples.samples;
    double *sums = mgd_calloc(net->num_parameters, sizeof(double));
    double *weight = mgd_calloc(n, sizeof(double));
    double mean = 0;
    mgd_status status = MGD_OK;
    if (!sums || !weight)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: gradient of %zu parameters",
                          net->num_parameters);
    for (size_t i = 0; i < n && status == MGD_OK; i++)
        weight[i] = 1 / (double)n;
    if (status == MGD_OK)
        status = mgd_net_backward(ctx, net, net->theta, &samples, cost, weight, sums, &mean);
    if (status == MGD_OK)
        status = gradient_tensor(ctx, net, sums, gradient);
    if (status == MGD_OK && value)
        *value = mean;
    mgd_free(weight);
    mgd_free(sums);
    mgd_samples_close(&samples);
    return status;
}
