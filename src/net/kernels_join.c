/* Sums and concatenations of two values. An image may have more rows and columns than are taken
 * from it, because somebody else reads them. */

#include "kernels.h"

/* The rows of every channel that two images have. */
#define EACH_ROW(from, to, channel, row)                                                           \
    for (size_t channel = 0; channel < (from)->size[0]; channel++)                                 \
        for (size_t row = 0; row < (from)->size[1] && row < (to)->size[1]; row++)

/* Whether two values, of which one may be cut, have the same places. */
static bool lie_alike(const mgd_extent *a, const mgd_extent *b) {
    return a->features == b->features;
}

static size_t row_at(const mgd_extent *image, size_t channel, size_t row) {
    return (channel * image->size[1] + row) * image->size[2];
}

/* Pixels of a row that two images have. */
static size_t pixels_of(const mgd_extent *a, const mgd_extent *b) {
    return a->size[2] < b->size[2] ? a->size[2] : b->size[2];
}

/* y ← x, as much as both have */
static void copy_image(real *y, const mgd_extent *to, const real *x, const mgd_extent *from,
                       size_t width) {
    if (lie_alike(from, to)) {
        memcpy(y, x, to->features * width * sizeof(real));
        return;
    }
    EACH_ROW(from, to, channel, row)
    memcpy(y + row_at(to, channel, row) * width, x + row_at(from, channel, row) * width,
           pixels_of(from, to) * width * sizeof(real));
}

/* y += x, as much as both have */
static void add_image(real *y, const mgd_extent *to, const real *x, const mgd_extent *from,
                      size_t width) {
    if (lie_alike(from, to)) {
        add_to(y, x, to->features * width);
        return;
    }
    EACH_ROW(from, to, channel, row)
    add_to(y + row_at(to, channel, row) * width, x + row_at(from, channel, row) * width,
           pixels_of(from, to) * width);
}

static void add(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    const real *a = (const real *)arena + op->x[0] * width;
    const real *b = (const real *)arena + op->x[1] * width;
    const mgd_vertex *v = &op->vertex;
    real *y = (real *)arena + op->y * width;
    size_t n = op->out.features * width;
    if (lie_alike(&v->in, &v->out) && lie_alike(&v->other, &v->out)) {
        for (size_t i = 0; i < n; i += VEC_LANES)
            store(y + i, load(a + i) + load(b + i));
    } else {
        if (y != a)
            copy_image(y, &v->out, a, &v->in, width);
        add_image(y, &v->out, b, &v->other, width);
    }
    NET_KERNEL(activate)(op->activation, y, n);
}

/* The part of a concatenation's output that has the values of `from`. */
static mgd_extent part_of(const mgd_vertex *v, const mgd_extent *from) {
    mgd_extent part = v->out;
    part.size[0] = from->size[0];
    part.features = v->out.features / v->out.size[0] * from->size[0];
    return part;
}

static void concat(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    const mgd_vertex *v = &op->vertex;
    const mgd_extent first = part_of(v, &v->in), rest = part_of(v, &v->other);
    real *values = arena, *y = values + op->y * width;
    copy_image(y, &first, values + op->x[0] * width, &v->in, width);
    copy_image(y + first.features * width, &rest, values + op->x[1] * width, &v->other, width);
    NET_KERNEL(activate)(op->activation, y, op->out.features * width);
}

static void join_backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                          double *gradient, size_t width) {
    (void)theta, (void)gradient;
    const mgd_vertex *v = &op->vertex;
    const bool sum = v->kind == MGD_LAYER_ADD;
    const mgd_extent first = part_of(v, &v->in), rest = part_of(v, &v->other);
    real *delta = (real *)deltas + op->y * width;
    NET_KERNEL(activate_backward)
    (op->activation, (const real *)arena + op->y * width, delta, op->out.features * width);
    add_image((real *)deltas + op->x[0] * width, &v->in, delta, &first, width);
    add_image((real *)deltas + op->x[1] * width, &v->other,
              sum ? delta : delta + first.features * width, &rest, width);
}

const mgd_layer_kernels NET_KERNEL(add) = {.forward = {add, add}, .backward = join_backward};
const mgd_layer_kernels NET_KERNEL(concat) = {.forward = {concat, concat},
                                              .backward = join_backward};
