/* Back-propagation: the reference gradient, summed over samples of any weights.
 *
 * The samples are cut into blocks, and those into at most GROUPS groups, which threads share. A
 * group adds up its blocks in order, then the groups are added in order: who did which does not
 * matter.
 */

#include "../tensor/tensor.h"
#include "block.h"

#include <stdatomic.h>
#include <string.h>

#define GROUPS 8

struct mgd_backward {
    const mgd_net *net;
    size_t workers;
    mgd_block *blocks; /* (workers) */
    double *gradient;  /* (GROUPS × P) */
    double value[GROUPS];
};

mgd_status mgd_backward_open(mgd_context *ctx, const mgd_net *net, size_t targets, size_t workers,
                             mgd_backward **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "back-propagation", 1, sizeof(mgd_backward), &memory));
    mgd_backward *b = memory;
    b->net = net;
    mgd_status status = MGD_OK;
    if (!mgd_take(&b->blocks, workers, sizeof(mgd_block)) ||
        !mgd_take(&b->gradient, GROUPS * net->num_parameters, sizeof(double)))
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: gradient of %zu parameters",
                          net->num_parameters);
    for (; b->workers < workers && status == MGD_OK; b->workers += status == MGD_OK)
        status =
            mgd_block_open(ctx, net, &net->reference, SIZE_MAX, targets, &b->blocks[b->workers]);
    if (status == MGD_OK)
        *out = b;
    else
        mgd_backward_close(b);
    return status;
}

void mgd_backward_close(mgd_backward *b) {
    if (!b)
        return;
    for (size_t i = 0; i < b->workers; i++)
        mgd_block_close(&b->blocks[i]);
    mgd_free(b->blocks);
    mgd_free(b->gradient);
    mgd_free(b);
}

/* ---- one block ------------------------------------------------------------------------------- */

/* From the delta of the outputs to the gradient (P), added to. */
static void block_backward(const mgd_net *net, const void *theta, mgd_block *b, double *gradient) {
    size_t real = mgd_dtype_size(net->dtype);
    for (size_t i = b->plan->num_ops; i-- > 0;) {
        const mgd_op *op = &b->plan->ops[i];
        mgd_op_backward(net, op, (const char *)theta + op->vertex.first * real, b->arena, b->deltas,
                        gradient + op->vertex.first, b->width);
    }
}

/* What is summed up. */
typedef struct {
    mgd_backward *b;
    const void *theta;
    const mgd_samples *samples;
    const mgd_cost *cost;
    const mgd_weighted *set;
    size_t width, blocks, groups;
    atomic_bool incomplete;
} job;

/* Samples `first` … of the set, as many as there are lanes; spare lanes weigh nothing. */
static void add_block(const job *j, mgd_block *b, size_t first, double *gradient, double *value) {
    const mgd_net *net = j->b->net;
    const mgd_net_kernels *k = net->kernels;
    const mgd_weighted *set = j->set;
    for (size_t lane = 0; lane < b->width; lane++) {
        size_t at = first + lane < set->count ? first + lane : set->count - 1;
        b->index[lane] = set->index[at];
        b->weight[lane] = first + lane < set->count ? set->weight[at] : 0;
    }
    mgd_block_gather(net, b, mgd_tensor_data(j->samples->x), j->samples->features, b->arena);
    mgd_block_gather(net, b, mgd_tensor_data(j->samples->y), j->samples->targets, b->target);
    const void *y = mgd_block_forward(net, j->theta, b);
    k->cost(j->cost, j->samples->steps, j->samples->columns, b->width, y, b->target, b->value);
    for (size_t lane = 0; lane < b->width && first + lane < set->count; lane++)
        *value += b->weight[lane] * b->value[lane];
    memset(b->deltas, 0, b->plan->arena * b->width * mgd_dtype_size(net->dtype));
    k->cost_gradient(j->cost, j->samples->steps, j->samples->columns, b->width, y, b->target,
                     b->weight, mgd_net_place(net, b->deltas, b->plan->output, b->width));
    block_backward(net, j->theta, b, gradient);
}

static void add_group(void *arg, size_t group, size_t worker) {
    job *j = arg;
    mgd_block *b = &j->b->blocks[worker];
    double *gradient = j->b->gradient + group * j->b->net->num_parameters;
    memset(gradient, 0, j->b->net->num_parameters * sizeof(double));
    j->b->value[group] = 0;
    b->width = j->width;
    size_t last = (group + 1) * j->blocks / j->groups;
    for (size_t block = group * j->blocks / j->groups; block < last; block++) {
        if (mgd_interrupt_pending()) {
            atomic_store(&j->incomplete, true);
            return;
        }
        add_block(j, b, block * j->width, gradient, &j->b->value[group]);
    }
}

/* ---- all samples ----------------------------------------------------------------------------- */

static mgd_status add_all(mgd_context *ctx, mgd_backward *b, mgd_pool *pool, const void *theta,
                          const mgd_samples *samples, const mgd_cost *cost, const mgd_weighted *set,
                          double *gradient, double *value) {
    size_t parameters = b->net->num_parameters, width = mgd_block_width(b->net, set->count);
    size_t blocks = (set->count + width - 1) / width;
    job j = {.b = b,
             .theta = theta,
             .samples = samples,
             .cost = cost,
             .set = set,
             .width = width,
             .blocks = blocks,
             .groups = blocks < GROUPS ? blocks : GROUPS};
    mgd_pool_run(pool, add_group, &j, j.groups);
    if (atomic_load(&j.incomplete))
        return mgd_interrupted(ctx);
    memset(gradient, 0, parameters * sizeof(double));
    double sum = 0;
    for (size_t group = 0; group < j.groups; group++) {
        sum += b->value[group];
        for (size_t i = 0; i < parameters; i++)
            gradient[i] += b->gradient[group * parameters + i];
    }
    if (value)
        *value = sum;
    return MGD_OK;
}

mgd_status mgd_net_backward(mgd_context *ctx, const mgd_net *net, mgd_backward *kept,
                            mgd_pool *pool, const void *theta, const mgd_samples *samples,
                            const mgd_cost *cost, const mgd_weighted *set, double *gradient,
                            double *value) {
    mgd_backward *b = kept;
    if (!kept)
        MGD_TRY(
            mgd_backward_open(ctx, net, samples->targets, pool ? mgd_pool_threads(pool) : 1, &b));
    mgd_status status = add_all(ctx, b, pool, theta, samples, cost, set, gradient, value);
    if (!kept)
        mgd_backward_close(b);
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
    MGD_OPERATION;
    if (cost->kind == MGD_COST_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "gradient: back-propagation needs mse, cross_entropy or l2, not a "
                        "function");
    mgd_samples samples;
    MGD_TRY(mgd_net_samples_open(ctx, net, x, target, cost, &samples));
    size_t n = samples.samples;
    double *sums = mgd_calloc(net->num_parameters, sizeof(double));
    double *weight = mgd_calloc(n, sizeof(double));
    uint32_t *index = mgd_calloc(n, sizeof(uint32_t));
    mgd_status status = MGD_OK;
    if (!sums || !weight || !index)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: gradient of %zu parameters",
                          net->num_parameters);
    for (size_t i = 0; i < n && status == MGD_OK; i++) {
        weight[i] = 1 / (double)n;
        index[i] = (uint32_t)i;
    }
    if (status == MGD_OK)
        status = mgd_net_backward(ctx, net, NULL, NULL, net->theta, &samples, cost,
                                  &(mgd_weighted){n, index, weight}, sums, value);
    if (status == MGD_OK)
        status = gradient_tensor(ctx, net, sums, gradient);
    mgd_free(index);
    mgd_free(weight);
    mgd_free(sums);
    mgd_samples_close(&samples);
    return status;
}
