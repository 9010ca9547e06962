/* Activations: of what an op has stored, and as ops of their own, where no op before took them in.
 */

#include "kernels.h"

DEFINE_FUNCTION(tanh_vec, tanh, u35)
DEFINE_FUNCTION(log1p_vec, log1p, u10)

#define EACH_VEC(p, n) for (real *p##_end = (p) + (n); (p) < p##_end; (p) += VEC_LANES)

void NET_KERNEL(activate)(mgd_layer_kind kind, real *y, size_t n) {
    const vec zero = splat(0);
    switch (kind) {
    case MGD_LAYER_SIGMOID:
        EACH_VEC(y, n)
        store(y, sigmoid_vec(load(y)));
        break;
    case MGD_LAYER_TANH:
        EACH_VEC(y, n)
        store(y, tanh_vec(load(y)));
        break;
    case MGD_LAYER_RELU:
        EACH_VEC(y, n)
        store(y, relu_vec(load(y)));
        break;
    case MGD_LAYER_SOFTPLUS: /* max(x, 0) + log1p(e^−|x|) never overflows */
        EACH_VEC(y, n) {
            vec x = load(y);
            store(y, pick(x < zero, zero, x) + log1p_vec(exp_vec(-vec_abs(x))));
        }
        break;
    default: /* identity */
        break;
    }
}

void NET_KERNEL(activate_backward)(mgd_layer_kind kind, const real *y, real *delta, size_t n) {
    const vec zero = splat(0), one = splat(1);
    switch (kind) {
    case MGD_LAYER_SIGMOID:
        for (size_t i = 0; i < n; i += VEC_LANES)
            store(delta + i, load(delta + i) * load(y + i) * (one - load(y + i)));
        break;
    case MGD_LAYER_TANH:
        for (size_t i = 0; i < n; i += VEC_LANES)
            store(delta + i, load(delta + i) * (one - load(y + i) * load(y + i)));
        break;
    case MGD_LAYER_RELU:
        for (size_t i = 0; i < n; i += VEC_LANES)
            store(delta + i, pick(load(y + i) > zero, load(delta + i), zero));
        break;
    case MGD_LAYER_SOFTPLUS: /* sigmoid(x) = 1 − e^−y */
        for (size_t i = 0; i < n; i += VEC_LANES)
            store(delta + i, load(delta + i) * (one - exp_vec(-load(y + i))));
        break;
    default: /* identity */
        break;
    }
}

/* An activation that no op before it took in. */
static void forward(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    real *y = (real *)arena + op->y * width, *x = (real *)arena + op->x[0] * width;
    size_t n = op->out.features * width;
    if (x != y)
        memcpy(y, x, n * sizeof(real));
    NET_KERNEL(activate)(op->vertex.kind, y, n);
}

static void backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                     double *gradient, size_t width) {
    (void)theta, (void)gradient;
    size_t n = op->out.features * width;
    real *delta = (real *)deltas + op->y * width;
    NET_KERNEL(activate_backward)(op->vertex.kind, (const real *)arena + op->y * width, delta, n);
    add_to((real *)deltas + op->x[0] * width, delta, n);
}

const mgd_layer_kernels NET_KERNEL(activation) = {.forward = {forward, forward},
                                                  .backward = backward};
