/* Pools that no convolution took in, and what acts on channels: scale and shift, and centring. */

#include "kernels.h"

#include <string.h>

/* ---- pools ----------------------------------------------------------------------------------- */

/* The pixels of a window that lie in the image: [first, last) along each side. */
typedef struct {
    size_t first[2], last[2];
} window;

static window window_at(const mgd_vertex *n, size_t row, size_t column) {
    window w;
    size_t place[2] = {row, column};
    for (size_t side = 0; side < 2; side++) {
        size_t begin = place[side] * n->stride[side], pad = n->padding[side];
        size_t end = begin + n->kernel[side], edge = n->in.size[1 + side] + pad;
        w.first[side] = begin > pad ? begin - pad : 0;
        w.last[side] = (end < edge ? end : edge) - pad;
    }
    return w;
}

#define EACH_WINDOW(n, channel, row, column)                                                       \
    for (size_t channel = 0; channel < (n)->out.size[0]; channel++)                                \
        for (size_t row = 0; row < (n)->out.size[1]; row++)                                        \
            for (size_t column = 0; column < (n)->out.size[2]; column++)

#define EACH_PIXEL(w, row, column)                                                                 \
    for (size_t row = (w).first[0]; row < (w).last[0]; row++)                                      \
        for (size_t column = (w).first[1]; column < (w).last[1]; column++)

static size_t pixel_at(const mgd_extent *image, size_t channel, size_t row, size_t column) {
    return (channel * image->size[1] + row) * image->size[2] + column;
}

/* The largest of the window, or its sum, for one vector of lanes. */
INLINE vec over_window(const mgd_vertex *n, const real *x, size_t channel, const window *w,
                       size_t width, const bool max) {
    vec result = splat(0);
    bool begun = false;
    EACH_PIXEL(*w, row, column) {
        vec v = load(x + pixel_at(&n->in, channel, row, column) * width);
        if (begun)
            v = max ? larger(result, v) : (vec)(result + v);
        result = v;
        begun = true;
    }
    return result;
}

static real pixels_in(const window *w) {
    return (real)((w->last[0] - w->first[0]) * (w->last[1] - w->first[1]));
}

INLINE void pool(const mgd_op *op, void *arena, size_t width, const bool max) {
    const mgd_vertex *n = &op->vertex;
    const real *x = (const real *)arena + op->x[0] * width;
    real *y = (real *)arena + op->y * width;
    EACH_WINDOW(n, channel, row, column) {
        window w = window_at(n, row, column);
        real *to = y + pixel_at(&n->out, channel, row, column) * width;
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            vec v = over_window(n, x + lane, channel, &w, width, max);
            store(to + lane, max ? v : (vec)(v / splat(pixels_in(&w))));
        }
    }
    NET_KERNEL(activate)(op->activation, y, n->out.features * width);
}

static void maxpool(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    pool(op, arena, width, true);
}

/* Ties win together. */
static void wins(const mgd_op *op, const void *arena, void *open, size_t width) {
    const mgd_vertex *n = &op->vertex;
    const real *x = (const real *)arena + op->x[0] * width;
    memset(open, 0, n->in.features * width * sizeof(real));
    EACH_WINDOW(n, channel, row, column) {
        window w = window_at(n, row, column);
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            const vec most = over_window(n, x + lane, channel, &w, width, true);
            EACH_PIXEL(w, i, j) {
                size_t at = pixel_at(&n->in, channel, i, j) * width + lane;
                real *to = (real *)open + at;
                store(to, pick(load(x + at) == most, splat(1), load(to)));
            }
        }
    }
}

static void avgpool(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    pool(op, arena, width, false);
}

/* A mean shares its delta; of the largest, the first of equals gets all. */
INLINE void pool_backward(const mgd_op *op, const real *arena, real *deltas, size_t width,
                          const bool max) {
    const mgd_vertex *n = &op->vertex;
    const real *x = arena + op->x[0] * width, *y = arena + op->y * width;
    real *delta = deltas + op->y * width, *dx = deltas + op->x[0] * width;
    NET_KERNEL(activate_backward)(op->activation, y, delta, n->out.features * width);
    EACH_WINDOW(n, channel, r, c) {
        window w = window_at(n, r, c);
        size_t at = pixel_at(&n->out, channel, r, c) * width;
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            vec left = load(delta + at + lane);
            vec top = over_window(n, x + lane, channel, &w, width, max);
            EACH_PIXEL(w, row, column) {
                size_t from = pixel_at(&n->in, channel, row, column) * width + lane;
                vec_int found = load(x + from) == top;
                vec share = max ? pick(found, left, splat(0)) : (vec)(left / splat(pixels_in(&w)));
                store(dx + from, load(dx + from) + share);
                left = max ? pick(found, splat(0), left) : left;
            }
        }
    }
}

static void maxpool_backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                             double *gradient, size_t width) {
    (void)theta, (void)gradient;
    pool_backward(op, arena, deltas, width, true);
}

static void avgpool_backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                             double *gradient, size_t width) {
    (void)theta, (void)gradient;
    pool_backward(op, arena, deltas, width, false);
}

/* ---- scale and shift ------------------------------------------------------------------------- */

INLINE void affine(const mgd_op *op, const real *theta, real *arena, size_t width,
                   const bool private) {
    const size_t channels = op->vertex.in.size[0], each = op->vertex.in.features / channels;
    const size_t unit = private ? width : 1;
    const real *x = arena + op->x[0] * width, *b = theta + channels * unit;
    real *y = arena + op->y * width;
    for (size_t channel = 0; channel < channels; channel++)
        for (size_t i = channel * each; i < (channel + 1) * each; i++)
            for (size_t lane = 0; lane < width; lane += VEC_LANES) {
                vec scale = private ? load(theta + channel * width + lane) : splat(theta[channel]);
                vec shift = private ? load(b + channel * width + lane) : splat(b[channel]);
                store(y + i * width + lane, fma_vec(scale, load(x + i * width + lane), shift));
            }
    NET_KERNEL(activate)(op->activation, y, op->out.features * width);
}

static void affine_shared(const mgd_op *op, const void *theta, void *arena, size_t width) {
    affine(op, theta, arena, width, false);
}

static void affine_private(const mgd_op *op, const void *theta, void *arena, size_t width) {
    affine(op, theta, arena, width, true);
}

static void affine_backward(const mgd_op *op, const void *thetas, const void *arena, void *deltas,
                            double *gradient, size_t width) {
    const size_t channels = op->vertex.in.size[0], each = op->vertex.in.features / channels * width;
    const real *theta = thetas, *x = (const real *)arena + op->x[0] * width;
    real *delta = (real *)deltas + op->y * width, *dx = (real *)deltas + op->x[0] * width;
    NET_KERNEL(activate_backward)
    (op->activation, (const real *)arena + op->y * width, delta, op->out.features * width);
    for (size_t channel = 0; channel < channels; channel++) {
        size_t from = channel * each;
        gradient[channel] += (double)dot_lanes(delta + from, x + from, each);
        gradient[channels + channel] += (double)sum_lanes(delta + from, each);
        for (size_t i = from; i < from + each; i += VEC_LANES)
            store(dx + i, fma_vec(splat(theta[channel]), load(delta + i), load(dx + i)));
    }
}

/* ---- centre ---------------------------------------------------------------------------------- */

INLINE void centre(const mgd_op *op, const real *theta, real *arena, size_t width,
                   const bool private) {
    const size_t channels = op->vertex.in.size[0], each = op->vertex.in.features / channels;
    const real *x = arena + op->x[0] * width;
    real *y = arena + op->y * width;
    for (size_t i = 0; i < op->vertex.in.features; i++)
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            vec mean = private ? load(theta + i / each * width + lane) : splat(theta[i / each]);
            store(y + i * width + lane, load(x + i * width + lane) - mean);
        }
    NET_KERNEL(activate)(op->activation, y, op->out.features * width);
}

static void centre_shared(const mgd_op *op, const void *theta, void *arena, size_t width) {
    centre(op, theta, arena, width, false);
}

static void centre_private(const mgd_op *op, const void *theta, void *arena, size_t width) {
    centre(op, theta, arena, width, true);
}

static void centre_backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                            double *gradient, size_t width) {
    (void)theta;
    const size_t channels = op->vertex.in.size[0], n = op->out.features * width;
    const size_t each = n / channels;
    real *delta = (real *)deltas + op->y * width;
    NET_KERNEL(activate_backward)(op->activation, (const real *)arena + op->y * width, delta, n);
    for (size_t channel = 0; channel < channels; channel++)
        gradient[channel] -= (double)sum_lanes(delta + channel * each, each);
    add_to((real *)deltas + op->x[0] * width, delta, n);
}

const mgd_layer_kernels NET_KERNEL(maxpool2d) = {
    .forward = {maxpool, maxpool}, .backward = maxpool_backward, .wins = wins};
const mgd_layer_kernels NET_KERNEL(avgpool2d) = {.forward = {avgpool, avgpool},
                                                 .backward = avgpool_backward};
const mgd_layer_kernels NET_KERNEL(affine) = {.forward = {affine_shared, affine_private},
                                              .backward = affine_backward};
const mgd_layer_kernels NET_KERNEL(centre) = {.forward = {centre_shared, centre_private},
                                              .backward = centre_backward};
