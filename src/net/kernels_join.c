/* Sums and concatenations of two values. */

#include "kernels.h"

static void add(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    const real *a = (const real *)arena + op->x[0] * width;
    const real *b = (const real *)arena + op->x[1] * width;
    real *y = (real *)arena + op->y * width;
    size_t n = op->out.features * width;
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(y + i, load(a + i) + load(b + i));
    NET_KERNEL(activate)(op->activation, y, n);
}

/* Values one after the other, of `first` and the rest of the features. */
static void concat(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    real *values = arena, *y = values + op->y * width;
    size_t first = op->vertex.in.features * width, n = op->out.features * width;
    memcpy(y, values + op->x[0] * width, first * sizeof(real));
    memcpy(y + first, values + op->x[1] * width, (n - first) * sizeof(real));
    NET_KERNEL(activate)(op->activation, y, n);
}

static void join_backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                          double *gradient, size_t width) {
    (void)theta, (void)gradient;
    real *delta = (real *)deltas + op->y * width;
    size_t first = op->vertex.in.features * width, n = op->out.features * width;
    bool sum = op->vertex.kind == MGD_LAYER_ADD;
    NET_KERNEL(activate_backward)(op->activation, (const real *)arena + op->y * width, delta, n);
    add_to((real *)deltas + op->x[0] * width, delta, first);
    add_to((real *)deltas + op->x[1] * width, sum ? delta : delta + first, sum ? n : n - first);
}

const mgd_layer_kernels NET_KERNEL(add) = {.forward = {add, add}, .backward = join_backward};
const mgd_layer_kernels NET_KERNEL(concat) = {.forward = {concat, concat},
                                              .backward = join_backward};
