/* Units at a bound of their activation, where it passes on next to no gradient. */

#include "../tensor/tensor.h"
#include "layer.h"

#include <string.h>

bool mgd_layer_bounds(mgd_layer_kind kind, double *low, double *high) {
    const mgd_layer_type *type = mgd_layer_of(kind);
    *low = type->low;
    *high = type->high;
    return *low < *high;
}

/* Those of the activation that gives the op's output. */
static bool bounds_of(const mgd_op *op, double *low, double *high) {
    return mgd_layer_bounds(op->vertex.kind, low, high) ||
           mgd_layer_bounds(op->activation, low, high);
}

mgd_status mgd_watch_open(mgd_context *ctx, const mgd_plan *plan, size_t width, mgd_watch *out) {
    size_t units = 0;
    double low, high;
    void *marks;
    for (size_t i = 0; i < plan->num_ops; i++)
        if (bounds_of(&plan->ops[i], &low, &high))
            units += plan->ops[i].out.features;
    if (units == 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "saturated: the network has no units of sigmoid, tanh, relu or softplus");
    MGD_TRY(mgd_allocate(ctx, "marks of units", units, width, &marks));
    memset(marks, 1, units * width);
    *out = (mgd_watch){.units = units, .marks = marks};
    return MGD_OK;
}

void mgd_watch_op(mgd_watch *watch, const mgd_net *net, const mgd_op *op, void *arena,
                  size_t width) {
    double low, high;
    if (!watch->marks || !bounds_of(op, &low, &high))
        return;
    const void *y = mgd_net_place(net, arena, op->y, width);
    uint8_t *marks = watch->marks + watch->at * width;
    for (size_t i = 0; i < mgd_op_features(op) * width; i++) {
        double value =
            net->dtype == MGD_F32 ? (double)((const float *)y)[i] : ((const double *)y)[i];
        marks[i] &= !(value > low && value < high);
    }
    watch->at += mgd_op_features(op);
}

void mgd_watch_forward(mgd_watch *watch, const mgd_net *net, const mgd_plan *plan,
                       const void *theta, bool private_parameters, void *arena, size_t width) {
    size_t stride = mgd_dtype_size(net->dtype) * (private_parameters ? width : 1);
    watch->at = 0;
    for (size_t i = 0; i < plan->num_ops; i++) {
        const mgd_op *op = &plan->ops[i];
        mgd_op_forward(net, op, private_parameters, (const char *)theta + op->vertex.first * stride,
                       arena, width);
        mgd_watch_op(watch, net, op, arena, width);
    }
}

void mgd_watch_share(const mgd_watch *watch, bool each_lane, size_t width, double *share) {
    const double one = 1 / (double)watch->units;
    memset(share, 0, (each_lane ? width : 1) * sizeof *share);
    for (size_t unit = 0; unit < watch->units; unit++) {
        const uint8_t *marks = watch->marks + unit * width;
        if (each_lane)
            for (size_t lane = 0; lane < width; lane++)
                share[lane] += marks[lane] ? one : 0;
        else
            share[0] += memchr(marks, 0, width) ? 0 : one;
    }
}

mgd_status mgd_net_saturated(mgd_context *ctx, const mgd_net *net, const void *theta, size_t width,
                             const mgd_samples *samples, double *share, size_t *units) {
    const mgd_net_kernels *k = net->kernels;
    const mgd_plan *plan = &net->reference;
    const bool private = width > 0;
    const size_t real = mgd_dtype_size(net->dtype), n = samples->samples;
    const char *x = mgd_tensor_data(samples->x);
    if (!private)
        width = k->lanes * mgd_net_tiles(net, (n + k->lanes - 1) / k->lanes);
    mgd_watch watch = {0};
    void *arena = NULL;
    uint32_t *index = NULL;
    mgd_status status = mgd_watch_open(ctx, plan, width, &watch);
    if (status == MGD_OK &&
        !(mgd_take(&arena, plan->arena, width * real) && mgd_take(&index, width, sizeof(uint32_t))))
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu lanes of %zu features", width,
                          plan->arena);
    for (size_t first = 0; first < n && status == MGD_OK; first += private ? 1 : width) {
        for (size_t lane = 0; lane < width; lane++) /* spare lanes repeat the last sample */
            index[lane] = (uint32_t)(private || first + lane < n ? first + lane * !private : n - 1);
        k->gather(x, samples->features, index, arena, width);
        mgd_watch_forward(&watch, net, plan, theta, private, arena, width);
        status = mgd_interrupt_answer(ctx);
    }
    if (status == MGD_OK) {
        mgd_watch_share(&watch, private, width, share);
        *units = watch.units;
    }
    mgd_free(index);
    mgd_free(arena);
    mgd_free(watch.marks);
    return status;
}
