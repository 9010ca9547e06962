/* Centring: what reaches a centre layer, averaged over samples, becomes what the layer subtracts.
 * Sums are in double and in the order of the samples, so the same bits for any width.
 */

#include "../tensor/tensor.h"
#include "block.h"

#include <math.h>
#include <string.h>

/* sum (C) += what an op reads of `used` lanes, over pixels and steps */
static void add_lanes(const mgd_net *net, const mgd_op *op, const mgd_block *b, size_t used,
                      double *sum) {
    const mgd_vertex *vertex = &op->vertex;
    const size_t each = vertex->in.features / vertex->count;
    const void *x = mgd_net_place(net, b->arena, op->x[0], b->width);
    for (size_t lane = 0; lane < used; lane++)
        for (size_t i = 0; i < vertex->in.features * vertex->steps; i++) {
            const size_t at = i * b->width + lane;
            sum[i / each % vertex->count] +=
                net->dtype == MGD_F32 ? (double)((const float *)x)[at] : ((const double *)x)[at];
        }
}

/* The means of what reaches op `last` at θ, into sum (C). */
static mgd_status means_at(mgd_context *ctx, const mgd_net *net, const mgd_tensor *rows,
                           const char *theta, size_t last, mgd_block *b, double *sum) {
    const size_t n = mgd_tensor_shape(rows)[0], real = mgd_dtype_size(net->dtype);
    const mgd_op *ops = net->plan.ops, *op = &ops[last];
    const size_t channels = op->vertex.count;
    memset(sum, 0, channels * sizeof *sum);
    for (size_t first = 0, used; first < n; first += used) {
        used = n - first < b->width ? n - first : b->width;
        mgd_block_count(b, first, used);
        mgd_block_gather(net, b, mgd_tensor_data(rows), net->inputs, b->arena);
        for (size_t i = 0; i < last; i++)
            mgd_op_forward(net, &ops[i], false, theta + ops[i].vertex.first * real, b->arena,
                           b->width);
        add_lanes(net, op, b, used, sum);
        MGD_TRY(mgd_interrupt_answer(ctx));
    }
    const size_t values = op->vertex.in.features * op->vertex.steps / channels;
    for (size_t c = 0; c < channels; c++) {
        sum[c] /= (double)n * (double)values;
        if (!isfinite(sum[c]))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "centre: what reaches the layer at parameter %zu of θ is not finite",
                            op->vertex.first + 1);
    }
    return MGD_OK;
}

/* All centre layers in order, in a copy of θ (P); sum (P). */
static mgd_status centre_all(mgd_context *ctx, const mgd_net *net, const mgd_tensor *rows,
                             void *theta, double *sum) {
    mgd_block b;
    MGD_TRY(mgd_block_open(ctx, net, &net->plan, mgd_tensor_shape(rows)[0], 0, &b));
    mgd_status status = MGD_OK;
    for (size_t i = 0; i < net->plan.num_ops && status == MGD_OK; i++) {
        const mgd_vertex *vertex = &net->plan.ops[i].vertex;
        if (vertex->kind != MGD_LAYER_CENTRE)
            continue;
        status = means_at(ctx, net, rows, theta, i, &b, sum);
        for (size_t c = 0; c < vertex->count && status == MGD_OK; c++)
            if (net->dtype == MGD_F32)
                ((float *)theta)[vertex->first + c] = (float)sum[c];
            else
                ((double *)theta)[vertex->first + c] = sum[c];
    }
    mgd_block_close(&b);
    return status;
}

static bool has_centres(const mgd_net *net) {
    for (size_t i = 0; i < net->num_vertices; i++)
        if (net->vertices[i].kind == MGD_LAYER_CENTRE)
            return true;
    return false;
}

mgd_status mgd_net_centre(mgd_context *ctx, mgd_net *net, const mgd_tensor *x) {
    MGD_OPERATION;
    const size_t bytes = net->num_parameters * mgd_dtype_size(net->dtype);
    void *theta, *sum = NULL;
    mgd_tensor *rows;
    if (!has_centres(net))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "centre: the network has no layer that centres: expected nn.centre()");
    MGD_TRY(mgd_net_check_input(ctx, net, "centre", x));
    MGD_TRY(mgd_net_rows(ctx, net->dtype, x, &rows));
    mgd_status status = mgd_allocate(ctx, "parameters", 1, bytes, &theta);
    if (status == MGD_OK) {
        memcpy(theta, net->theta, bytes);
        status = mgd_allocate(ctx, "means", net->num_parameters, sizeof(double), &sum);
        if (status == MGD_OK)
            status = centre_all(ctx, net, rows, theta, sum);
        if (status == MGD_OK)
            memcpy(net->theta, theta, bytes);
        mgd_free(theta);
    }
    mgd_free(sum);
    mgd_tensor_free(rows);
    return status;
}
