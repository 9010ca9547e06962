/* Direct convolution, no im2col: blocks of output channels × pixels of one row (or the four pixels
 * of a 2×2 pool) are accumulated in registers over input channels and window, in order from the
 * bias, and relu and pool are applied before anything is stored. A block needs outputs + pixels
 * loads for outputs × pixels multiply-adds, so both kinds of parameters run near the peak of the
 * multipliers. Taps that fall outside of the image are left out.
 */

#include "kernels.h"

#define BLOCK_OUTPUTS (VEC_BYTES == 64 ? 4 : 2)
#define MAX_OUTPUTS 4
#define PIXELS 4

/* Sides of images: [0] height, [1] width. `width` alone is the number of lanes. */
typedef struct {
    const real *w, *b; /* parameters, from the lane on when private */
    const real *x;     /* (C × height × width × W), from the lane on */
    real *y;           /* (O × height × width × W), what is stored, from the lane on */
    size_t width;
    size_t channels, outputs;
    size_t in[2], out[2]; /* sides of the input and of what is stored */
    size_t kernel[2], stride[2], padding[2];
    bool relu, max, mean;
} conv;

/* The taps of a window that lie in the image: [first, last) along each side. */
typedef struct {
    size_t first[2], last[2];
} taps;

/* Output pixels that share their taps. */
typedef struct {
    size_t corner[PIXELS]; /* input pixel under tap (0, 0), row-major; wraps when it lies outside */
    taps taps;
} group;

static taps taps_at(const conv *c, size_t row, size_t column) {
    taps t;
    size_t place[2] = {row, column};
    for (size_t side = 0; side < 2; side++) {
        size_t begin = place[side] * c->stride[side], end = c->in[side] + c->padding[side];
        t.first[side] = begin < c->padding[side] ? c->padding[side] - begin : 0;
        t.last[side] =
            begin + c->kernel[side] > end ? (begin < end ? end - begin : 0) : c->kernel[side];
        if (t.first[side] > t.last[side])
            t.first[side] = t.last[side];
    }
    return t;
}

static bool whole(const conv *c, const taps *t) {
    return t->first[0] == 0 && t->first[1] == 0 && t->last[0] == c->kernel[0] &&
           t->last[1] == c->kernel[1];
}

/* Input pixel under tap (0, 0) of an output pixel; wraps when that lies outside of the image. */
static size_t corner_of(const conv *c, size_t row, size_t column) {
    return (row * c->stride[0] - c->padding[0]) * c->in[1] + column * c->stride[1] - c->padding[1];
}

/* sum (ob × np): outputs o …, pixels of the group. `across`: taps along a row, all in the image,
 * when that is known to the compiler; else 0. */
INLINE void accumulate(const conv *c, size_t o, const group *g, vec sum[MAX_OUTPUTS][PIXELS],
                       const bool private, const int ob, const int np, const size_t across) {
    const size_t left = across ? 0 : g->taps.first[1], right = across ? across : g->taps.last[1];
    const size_t width = c->width, area = c->kernel[0] * c->kernel[1];
    const size_t each = c->channels * area, image = c->in[0] * c->in[1];
    const size_t unit = private ? width : 1;
    for (int i = 0; i < ob; i++)
        for (int p = 0; p < np; p++)
            sum[i][p] = private ? load(c->b + (o + (size_t)i) * width) : splat(c->b[o + (size_t)i]);
    for (size_t channel = 0; channel < c->channels; channel++)
        for (size_t ky = g->taps.first[0]; ky < g->taps.last[0]; ky++) {
            const real *w = c->w + (o * each + channel * area + ky * c->kernel[1]) * unit;
            const size_t row = channel * image + ky * c->in[1];
            for (size_t kx = left; kx < right; kx++) {
                vec pixel[PIXELS];
                for (int p = 0; p < np; p++)
                    pixel[p] = load(c->x + (row + g->corner[p] + kx) * width);
                for (int i = 0; i < ob; i++) {
                    const real *at = w + ((size_t)i * each + kx) * unit;
                    vec weight = private ? load(at) : splat(*at);
                    for (int p = 0; p < np; p++)
                        sum[i][p] = fma_vec(weight, pixel[p], sum[i][p]);
                }
            }
        }
}

INLINE vec rectified(const conv *c, vec v) {
    return c->relu ? relu_vec(v) : v;
}

/* The pool over four pixels. relu of the largest is the largest of the relus. */
INLINE vec pooled(const conv *c, const vec v[PIXELS]) {
    if (c->max)
        return rectified(c, larger(larger(larger(v[0], v[1]), v[2]), v[3]));
    vec sum = rectified(c, v[0]);
    for (int p = 1; p < PIXELS; p++)
        sum += rectified(c, v[p]);
    return sum * splat((real)0.25);
}

/* Outputs o … o + ob − 1 of a group; its pixels lie side by side from place `at` on, or are one. */
INLINE void group_block(const conv *c, size_t o, const group *g, size_t at, const bool private,
                        const int ob, const int np, const size_t across) {
    vec sum[MAX_OUTPUTS][PIXELS];
    const size_t image = c->out[0] * c->out[1];
    accumulate(c, o, g, sum, private, ob, np, across);
    for (int i = 0; i < ob; i++) {
        real *y = c->y + ((o + (size_t)i) * image + at) * c->width;
        if (np == PIXELS && (c->max || c->mean))
            store(y, pooled(c, sum[i]));
        else
            for (int p = 0; p < np; p++)
                store(y + (size_t)p * c->width, rectified(c, sum[i][p]));
    }
}

INLINE void all_blocks(const conv *c, const group *g, size_t at, const bool private, const int np,
                       const size_t across) {
    size_t o = 0;
    for (; o + BLOCK_OUTPUTS <= c->outputs; o += BLOCK_OUTPUTS)
        group_block(c, o, g, at, private, BLOCK_OUTPUTS, np, across);
    for (; o < c->outputs; o++)
        group_block(c, o, g, at, private, 1, np, across);
}

INLINE void all_outputs(const conv *c, const group *g, size_t at, const bool private,
                        const int np) {
    if (g->taps.first[1] == 0 && g->taps.last[1] == 3)
        all_blocks(c, g, at, private, np, 3);
    else
        all_blocks(c, g, at, private, np, 0);
}

/* The four pixels of one window of the pool; at the padded edge one by one. */
INLINE void pooled_pixel(const conv *c, size_t row, size_t column, const bool private) {
    const size_t at = row * c->out[1] + column, image = c->out[0] * c->out[1];
    group g, one[PIXELS];
    bool inside = true;
    for (size_t p = 0; p < PIXELS; p++) {
        size_t place[2] = {2 * row + p / 2, 2 * column + p % 2};
        one[p].taps = taps_at(c, place[0], place[1]);
        one[p].corner[0] = g.corner[p] = corner_of(c, place[0], place[1]);
        inside = inside && whole(c, &one[p].taps);
    }
    g.taps = one[0].taps;
    if (inside) {
        all_outputs(c, &g, at, private, PIXELS);
        return;
    }
    for (size_t o = 0; o < c->outputs; o++) {
        vec sum[MAX_OUTPUTS][PIXELS], pixel[PIXELS];
        for (size_t p = 0; p < PIXELS; p++) {
            accumulate(c, o, &one[p], sum, private, 1, 1, 0);
            pixel[p] = sum[0][0];
        }
        store(c->y + (o * image + at) * c->width, pooled(c, pixel));
    }
}

/* One row of output pixels: four at a time where the whole window lies in the image. */
INLINE void plain_row(const conv *c, size_t row, const bool private) {
    for (size_t column = 0, step; column < c->out[1]; column += step) {
        group g = {.taps = taps_at(c, row, column)};
        step = 1;
        if (column + PIXELS <= c->out[1]) {
            taps last = taps_at(c, row, column + PIXELS - 1);
            bool same = g.taps.first[1] == last.first[1] && g.taps.last[1] == last.last[1];
            step = same ? PIXELS : 1;
        }
        for (size_t p = 0; p < step; p++)
            g.corner[p] = corner_of(c, row, column + p);
        if (step == PIXELS)
            all_outputs(c, &g, row * c->out[1] + column, private, PIXELS);
        else
            all_outputs(c, &g, row * c->out[1] + column, private, 1);
    }
}

static conv conv_of(const mgd_op *op, const real *theta, real *arena, size_t width, bool private) {
    const mgd_node *n = &op->node;
    conv c = {.width = width,
              .channels = n->in.size[0],
              .outputs = n->out.size[0],
              .relu = op->activation == MGD_LAYER_RELU,
              .max = op->pool == MGD_LAYER_MAXPOOL2D,
              .mean = op->pool == MGD_LAYER_AVGPOOL2D};
    for (size_t side = 0; side < 2; side++) {
        c.in[side] = n->in.size[1 + side];
        c.out[side] = op->out.size[1 + side];
        c.kernel[side] = n->kernel[side];
        c.stride[side] = n->stride[side];
        c.padding[side] = n->padding[side];
    }
    size_t weights = c.outputs * c.channels * c.kernel[0] * c.kernel[1];
    c.w = theta;
    c.b = theta + weights * (private ? width : 1);
    c.x = arena + op->x[0] * width;
    c.y = arena + op->y * width;
    return c;
}

INLINE void convolve(const mgd_op *op, const void *theta, void *arena, size_t width,
                     const bool private) {
    conv c = conv_of(op, theta, arena, width, private);
    for (size_t lane = 0; lane < width; lane += VEC_LANES) {
        for (size_t row = 0; row < c.out[0]; row++)
            if (c.max || c.mean)
                for (size_t column = 0; column < c.out[1]; column++)
                    pooled_pixel(&c, row, column, private);
            else
                plain_row(&c, row, private);
        c.x += VEC_LANES;
        c.y += VEC_LANES;
        c.w += private ? VEC_LANES : 0;
        c.b += private ? VEC_LANES : 0;
    }
    if (!c.relu) /* others are a pass over what was stored */
        NET_KERNEL(activate)
    (op->activation, (real *)arena + op->y * width, op->out.features * width);
}

void NET_KERNEL(conv_shared)(const mgd_op *op, const void *theta, void *arena, size_t width) {
    convolve(op, theta, arena, width, false);
}

void NET_KERNEL(conv_private)(const mgd_op *op, const void *theta, void *arena, size_t width) {
    convolve(op, theta, arena, width, true);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Only in the reference plan: no pool, parameters shared, all lanes of a block at once. */

#define BACK 8 /* channels that are summed side by side, … */
#define ACROSS                                                                                     \
    (VEC_BYTES == 64 ? 3 : 1) /* … for so many taps of a row, where there are registers */

/* The outputs whose windows hold input pixel `at` of one side under some tap: for output i that is
 * tap at + padding − i·stride. */
INLINE bool output_under(const conv *c, size_t side, size_t at, size_t tap, size_t *output) {
    size_t shifted = at + c->padding[side];
    if (shifted < tap || (shifted - tap) % c->stride[side] != 0)
        return false;
    *output = (shifted - tap) / c->stride[side];
    return *output < c->out[side];
}

/* Deltas of input pixel (row, column), channels `first` … first + n − 1 */
INLINE void input_delta(const conv *c, const real *delta, real *dx, size_t row, size_t column,
                        size_t first, const int n) {
    const size_t area = c->kernel[0] * c->kernel[1], image = c->in[0] * c->in[1];
    vec sum[BACK];
    real *to = dx + (first * image + row * c->in[1] + column) * c->width;
    for (int i = 0; i < n; i++)
        sum[i] = load(to + (size_t)i * image * c->width);
    for (size_t ky = 0, oy; ky < c->kernel[0]; ky++) {
        if (!output_under(c, 0, row, ky, &oy))
            continue;
        for (size_t kx = 0, ox; kx < c->kernel[1]; kx++) {
            if (!output_under(c, 1, column, kx, &ox))
                continue;
            const real *d = delta + (oy * c->out[1] + ox) * c->width;
            const real *w = c->w + first * area + ky * c->kernel[1] + kx;
            for (size_t o = 0; o < c->outputs; o++) {
                vec from = load(d + o * c->out[0] * c->out[1] * c->width);
                for (int i = 0; i < n; i++)
                    sum[i] = fma_vec(splat(w[(o * c->channels + (size_t)i) * area]), from, sum[i]);
            }
        }
    }
    for (int i = 0; i < n; i++)
        store(to + (size_t)i * image * c->width, sum[i]);
}

static void input_deltas(const conv *c, const real *deltas, real *dx) {
    for (size_t lane = 0; lane < c->width; lane += VEC_LANES)
        for (size_t row = 0; row < c->in[0]; row++)
            for (size_t column = 0; column < c->in[1]; column++) {
                size_t channel = 0;
                for (; channel + BACK <= c->channels; channel += BACK)
                    input_delta(c, deltas + lane, dx + lane, row, column, channel, BACK);
                for (; channel < c->channels; channel++)
                    input_delta(c, deltas + lane, dx + lane, row, column, channel, 1);
            }
}

/* Output pixels of one side that see the image under a tap: [first, last). */
static void outputs_seeing(const conv *c, size_t side, size_t tap, size_t *first, size_t *last) {
    *first = 0;
    while (*first < c->out[side] && *first * c->stride[side] + tap < c->padding[side])
        ++*first;
    *last = c->out[side];
    while (*last > *first && (*last - 1) * c->stride[side] + tap >= c->in[side] + c->padding[side])
        --*last;
}

/* Gradients of the weights (channel, ky, kx … kx + across − 1) of outputs o … o + n − 1, for taps
 * that the same outputs see: over pixels and tiles lane-wise, then across the lanes. */
INLINE void weight_gradient(const conv *c, const real *delta, size_t o, size_t channel, size_t ky,
                            size_t kx, double *gradient, const int n, const int across) {
    const size_t image = c->out[0] * c->out[1], area = c->kernel[0] * c->kernel[1];
    real tile[BACK][ACROSS][LANES];
    size_t rows[2], columns[2];
    outputs_seeing(c, 0, ky, &rows[0], &rows[1]);
    outputs_seeing(c, 1, kx, &columns[0], &columns[1]);
    for (size_t part = 0; part < LANES; part += VEC_LANES) {
        vec sum[BACK][ACROSS];
        for (int i = 0; i < n; i++)
            for (int t = 0; t < across; t++)
                sum[i][t] = splat(0);
        for (size_t row = rows[0]; row < rows[1]; row++)
            for (size_t column = columns[0]; column < columns[1]; column++) {
                size_t under =
                    channel * c->in[0] * c->in[1] + corner_of(c, row, column) + ky * c->in[1] + kx;
                const real *x = c->x + under * c->width + part;
                const real *d = delta + (o * image + row * c->out[1] + column) * c->width + part;
                for (size_t lane = 0; lane < c->width; lane += LANES)
                    for (int i = 0; i < n; i++) {
                        vec left = load(d + (size_t)i * image * c->width + lane);
                        for (int t = 0; t < across; t++)
                            sum[i][t] =
                                fma_vec(left, load(x + (size_t)t * c->width + lane), sum[i][t]);
                    }
            }
        for (int i = 0; i < n; i++)
            for (int t = 0; t < across; t++)
                store(tile[i][t] + part, sum[i][t]);
    }
    for (int i = 0; i < n; i++)
        for (int t = 0; t < across; t++)
            gradient[((o + (size_t)i) * c->channels + channel) * area + ky * c->kernel[1] + kx +
                     (size_t)t] += (double)tile_sum(tile[i][t]);
}

static void weight_gradients(const conv *c, const real *delta, double *gradient) {
    /* without padding every output sees every tap */
    const bool alike = c->padding[1] == 0 && c->kernel[1] % ACROSS == 0;
    for (size_t channel = 0; channel < c->channels; channel++)
        for (size_t ky = 0; ky < c->kernel[0]; ky++)
            for (size_t kx = 0; kx < c->kernel[1]; kx += alike ? ACROSS : 1) {
                size_t o = 0;
                for (; alike && o + BACK <= c->outputs; o += BACK)
                    weight_gradient(c, delta, o, channel, ky, kx, gradient, BACK, ACROSS);
                for (; !alike && o + BACK <= c->outputs; o += BACK)
                    weight_gradient(c, delta, o, channel, ky, kx, gradient, BACK, 1);
                for (; o < c->outputs; o++)
                    for (size_t t = 0; t < (alike ? ACROSS : 1); t++)
                        weight_gradient(c, delta, o, channel, ky, kx + t, gradient, 1, 1);
            }
    double *bias = gradient + (c->b - c->w);
    const size_t image = c->out[0] * c->out[1];
    for (size_t o = 0; o < c->outputs; o++)
        bias[o] += (double)sum_lanes(delta + o * image * c->width, image * c->width);
}

void NET_KERNEL(conv_backward)(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                               double *gradient, size_t width) {
    conv c = conv_of(op, theta, (real *)arena, width, false); /* its y is not written */
    real *delta = (real *)deltas + op->y * width;
    NET_KERNEL(activate_backward)(op->activation, c.y, delta, op->out.features * width);
    weight_gradients(&c, delta, gradient);
    if (op->x[0] != 0) /* nobody asks for the delta of the network's input */
        input_deltas(&c, delta, (real *)deltas + op->x[0] * width);
}
