/* Whole data sets through a network: outputs, mean cost and accuracy. Samples fill the lanes,
 * parameters are shared.
 */

#include "../base/number.h"
#include "../tensor/tensor.h"
#include "block.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* ---- samples --------------------------------------------------------------------------------- */

/* A (N × F) tensor of `dtype`: the tensor itself when it can be used as it lies. */
mgd_status mgd_net_rows(mgd_context *ctx, mgd_dtype dtype, const mgd_tensor *t, mgd_tensor **out) {
    if (mgd_tensor_dtype(t) == dtype && mgd_tensor_contiguous(t))
        return mgd_tensor_view(ctx, t, out);
    return mgd_tensor_convert(ctx, t, dtype, out);
}

mgd_status mgd_samples_open(mgd_context *ctx, mgd_dtype dtype, const mgd_tensor *x,
                            const mgd_tensor *y, mgd_samples *out) {
    char shape_x[128], shape_y[128];
    size_t n = mgd_tensor_ndim(x) ? mgd_tensor_shape(x)[0] : 0, ndim = mgd_tensor_ndim(y);
    if (mgd_tensor_ndim(x) < 2 || ndim < 2 || ndim > 3 || n < 1 || n > UINT32_MAX ||
        mgd_tensor_shape(y)[0] != n)
        return mgd_fail(
            ctx, MGD_ERR_SHAPE,
            "data: x is %s and y is %s: expected x (N, …) and y (N, K), or (N, T, K) with an "
            "answer for every step, with the same N ≥ 1",
            mgd_shape_format(shape_x, sizeof shape_x, mgd_tensor_ndim(x), mgd_tensor_shape(x)),
            mgd_shape_format(shape_y, sizeof shape_y, mgd_tensor_ndim(y), mgd_tensor_shape(y)));
    mgd_samples samples = {.samples = n,
                           .features = mgd_tensor_size(x) / n,
                           .targets = mgd_tensor_size(y) / n,
                           .steps = ndim == 3 ? mgd_tensor_shape(y)[1] : 1,
                           .columns = mgd_tensor_shape(y)[ndim - 1]};
    MGD_TRY(mgd_net_rows(ctx, dtype, x, &samples.x));
    mgd_status status = mgd_net_rows(ctx, dtype, y, &samples.y);
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

mgd_extent mgd_extent_of_sample(const mgd_tensor *t) {
    mgd_extent sample = {.ndim = mgd_tensor_ndim(t) - 1, .features = 1};
    for (size_t i = 0; i < sample.ndim; i++) {
        sample.size[i] = mgd_tensor_shape(t)[i + 1];
        sample.features *= sample.size[i];
    }
    return sample;
}

/* Whether the answers are one for each of several steps. */
static bool by_steps(const mgd_extent *extent) {
    return extent->ndim == 2 && extent->size[0] > 1;
}

static mgd_status check_sides(mgd_context *ctx, const mgd_extent *output,
                              const mgd_extent *target) {
    char left[96], right[96];
    mgd_shape_format(left, sizeof left, output->ndim, output->size);
    mgd_shape_format(right, sizeof right, target->ndim, target->size);
    if (by_steps(output) && target->ndim == 1)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "cost: outputs of %s, an answer for every step, against %s target columns: "
                        "expected y of shape (N, %zu, %zu), or one answer (output = \"last\")",
                        left, right, output->size[0], output->size[1]);
    bool same = output->features == target->features;
    if (target->ndim == 2 && (output->ndim != 2 || output->size[0] != target->size[0] || !same))
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "cost: outputs of %s against targets of %s: expected the same steps and "
                        "columns, which layers with output = \"all\" give",
                        left, right);
    if (!same)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "cost: %zu outputs against %zu target columns: expected as many",
                        output->features, target->features);
    return MGD_OK;
}

const char *mgd_cost_name(unsigned kind) {
    static const char *const names[] = {
        [MGD_COST_MSE] = "mse", [MGD_COST_CROSS_ENTROPY] = "cross_entropy", [MGD_COST_L2] = "l2"};
    return kind < sizeof names / sizeof *names ? names[kind] : NULL;
}

mgd_status mgd_cost_check(mgd_context *ctx, const mgd_cost *cost, const mgd_extent *output,
                          const mgd_extent *target) {
    if ((unsigned)cost->kind > MGD_COST_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "cost: unknown kind %d", (int)cost->kind);
    if (cost->kind == MGD_COST_FUNCTION)
        return cost->function
                   ? MGD_OK
                   : mgd_fail(ctx, MGD_ERR_ARGUMENT, "cost: function: expected one, got NULL");
    if (!(cost->label_smoothing >= 0 && cost->label_smoothing < 1))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "cost: label smoothing must be in [0, 1), got %s",
                        MGD_NUMBER(cost->label_smoothing));
    MGD_TRY(check_sides(ctx, output, target));
    if (cost->kind == MGD_COST_CROSS_ENTROPY && target->size[target->ndim - 1] < 2)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "cost: cross_entropy compares classes and needs at least 2 outputs, got 1");
    return MGD_OK;
}

void mgd_net_share(const mgd_net_kernels *kernels, mgd_dtype dtype, mgd_range outputs, size_t steps,
                   size_t columns, size_t width, const void *y, const void *target, double *value) {
    const mgd_cost mse = {.kind = MGD_COST_MSE};
    const double share = (double)outputs.count / (double)(columns * steps);
    const size_t row = width * mgd_dtype_size(dtype);
    double *part = value + width;
    memset(value, 0, width * sizeof *value);
    for (size_t step = 0; step < steps; step++) {
        size_t at = (step * columns + outputs.first) * row;
        kernels->cost(&mse, 1, outputs.count, width, (const char *)y + at,
                      (const char *)target + at, part);
        for (size_t lane = 0; lane < width; lane++)
            value[lane] += share * part[lane];
    }
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
    mgd_extent target = mgd_extent_of_sample(y);
    mgd_status status = mgd_cost_check(ctx, cost, &net->output, &target);
    if (status == MGD_OK)
        *out = samples;
    else
        mgd_samples_close(&samples);
    return status;
}

/* ---- outputs --------------------------------------------------------------------------------- */

static void scatter(const mgd_net *net, const mgd_block *b, const void *lanes, size_t used,
                    void *y) {
    size_t outputs = net->outputs;
    for (size_t lane = 0; lane < used; lane++)
        for (size_t o = 0; o < outputs; o++)
            if (net->dtype == MGD_F32)
                ((float *)y)[lane * outputs + o] = ((const float *)lanes)[o * b->width + lane];
            else
                ((double *)y)[lane * outputs + o] = ((const double *)lanes)[o * b->width + lane];
}

typedef struct {
    const mgd_net *net;
    const void *theta;
    const void *rows;
    char *out;
    size_t samples;
    mgd_block *blocks;      /* one per worker */
    atomic_bool incomplete; /* an interrupt made a worker leave out its block */
} outputs_job;

static void outputs_block(void *arg, size_t index, size_t worker) {
    outputs_job *j = arg;
    mgd_block *b = &j->blocks[worker];
    const size_t first = index * b->width, rest = j->samples - first;
    const size_t used = rest < b->width ? rest : b->width;
    if (mgd_interrupt_pending()) {
        atomic_store(&j->incomplete, true);
        return;
    }
    mgd_block_count(b, first, used);
    mgd_block_gather(j->net, b, j->rows, j->net->inputs, b->arena);
    scatter(j->net, b, mgd_block_forward(j->net, j->theta, b), used,
            j->out + first * j->net->outputs * mgd_dtype_size(j->net->dtype));
}

mgd_status mgd_net_outputs_at(mgd_context *ctx, const mgd_net *net, mgd_pool *pool,
                              const void *theta, const mgd_samples *samples, void *out) {
    size_t n = samples->samples, threads = pool ? mgd_pool_threads(pool) : 1, opened = 0;
    outputs_job j = {.net = net,
                     .theta = theta,
                     .rows = mgd_tensor_data(samples->x),
                     .out = out,
                     .samples = n,
                     .blocks = mgd_calloc(threads, sizeof(mgd_block))};
    mgd_status status = MGD_OK;
    if (!j.blocks)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: outputs of %zu samples", n);
    while (status == MGD_OK && opened < threads) {
        status = mgd_block_open(ctx, net, &net->plan, n, 0, &j.blocks[opened]);
        opened += status == MGD_OK;
    }
    if (status == MGD_OK) {
        size_t width = j.blocks[0].width, blocks = (n + width - 1) / width;
        if (pool)
            mgd_pool_run(pool, outputs_block, &j, blocks);
        for (size_t i = 0; i < blocks && !pool; i++)
            outputs_block(&j, i, 0);
        if (atomic_load(&j.incomplete))
            status = mgd_interrupted(ctx);
    }
    for (size_t i = 0; i < opened; i++)
        mgd_block_close(&j.blocks[i]);
    mgd_free(j.blocks);
    return status;
}

mgd_status mgd_net_outputs_new(mgd_context *ctx, const mgd_net *net, size_t samples,
                               mgd_tensor **out) {
    bool sequence = net->output.ndim == 2;
    size_t shape[3] = {samples, sequence ? net->output.size[0] : net->outputs, net->output.size[1]};
    return mgd_tensor_new(ctx, net->dtype, sequence ? 3 : 2, shape, out);
}

mgd_status mgd_net_forward_at(mgd_context *ctx, const mgd_net *net, const void *theta,
                              const mgd_tensor *x, mgd_tensor **out) {
    MGD_TRY(mgd_net_check_input(ctx, net, "forward", x));
    size_t n = mgd_tensor_shape(x)[0];
    mgd_tensor *rows, *y;
    MGD_TRY(mgd_net_rows(ctx, net->dtype, x, &rows));
    mgd_status status = mgd_net_outputs_new(ctx, net, n, &y);
    if (status == MGD_OK) {
        mgd_samples samples = {.x = rows, .samples = n};
        status = mgd_net_outputs_at(ctx, net, NULL, theta, &samples, mgd_tensor_data(y));
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
    MGD_OPERATION;
    return mgd_net_forward_at(ctx, net, net->theta, x, y);
}

/* ---- mean cost and accuracy ------------------------------------------------------------------ */

typedef struct {
    const mgd_net *net;
    const void *theta;
    const mgd_samples *samples;
    const mgd_cost *cost;
    mgd_block *blocks;      /* one per worker */
    double *cost_of_set;    /* (N) */
    double *hit_of_set;     /* (N) */
    atomic_bool incomplete; /* an interrupt made a worker leave out its block */
} evaluation;

static void evaluate_block(void *arg, size_t index, size_t worker) {
    evaluation *e = arg;
    mgd_block *b = &e->blocks[worker];
    const mgd_samples *s = e->samples;
    const mgd_net_kernels *k = e->net->kernels;
    size_t first = index * b->width;
    size_t used = s->samples - first < b->width ? s->samples - first : b->width;
    if (mgd_interrupt_pending()) {
        atomic_store(&e->incomplete, true);
        return;
    }
    mgd_block_count(b, first, used);
    mgd_block_gather(e->net, b, mgd_tensor_data(s->x), s->features, b->arena);
    mgd_block_gather(e->net, b, mgd_tensor_data(s->y), s->targets, b->target);
    const void *y = mgd_block_forward(e->net, e->theta, b);
    k->cost(e->cost, s->steps, s->columns, b->width, y, b->target, b->value);
    k->hits(s->steps, s->columns, b->width, y, b->target, b->hit);
    memcpy(e->cost_of_set + first, b->value, used * sizeof(double));
    memcpy(e->hit_of_set + first, b->hit, used * sizeof(double));
}

static mgd_status evaluate_all(mgd_context *ctx, evaluation *e, mgd_pool *pool, double *mean_cost,
                               double *accuracy) {
    size_t n = e->samples->samples, width = e->blocks[0].width;
    mgd_pool_run(pool, evaluate_block, e, (n + width - 1) / width);
    if (atomic_load(&e->incomplete))
        return mgd_interrupted(ctx);
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
    e.blocks = mgd_calloc(threads, sizeof(mgd_block));
    e.cost_of_set = mgd_calloc(n, sizeof(double));
    e.hit_of_set = mgd_calloc(n, sizeof(double));
    mgd_status status = MGD_OK;
    if (!e.blocks || !e.cost_of_set || !e.hit_of_set)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: evaluating %zu samples", n);
    while (status == MGD_OK && opened < threads) {
        status = mgd_block_open(ctx, net, &net->plan, n, samples->targets, &e.blocks[opened]);
        opened += status == MGD_OK;
    }
    if (status == MGD_OK)
        status = evaluate_all(ctx, &e, pool, mean_cost, accuracy);
    for (size_t i = 0; i < opened; i++)
        mgd_block_close(&e.blocks[i]);
    mgd_free(e.blocks);
    mgd_free(e.cost_of_set);
    mgd_free(e.hit_of_set);
    return status;
}
