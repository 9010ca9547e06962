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

    const mgd_node_steps *steps; /* with nodes: what is added to a sum, … */
    real *other;                 /* … and y of the second evaluation; NULL */
    size_t lane, sides[2];       /* the present one; of the images of nodes */
} conv;

/* The taps of a window that lie in the image: [first, last) along each side. */
typedef struct {
    size_t first[2], last[2];
} taps;

/* Output pixels that share their taps. */
typedef struct {
    size_t corner[PIXELS]; /* input pixel under tap (0, 0), row-major; wraps when it lies outside */
    size_t node[PIXELS];   /* the pixel among those of the nodes */
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

/* What the sums of a group's pixels make of an output, into its place in y. */
INLINE void put_sums(const conv *c, real *y, const vec sum[PIXELS], const int np) {
    if (np == PIXELS && (c->max || c->mean))
        store(y, pooled(c, sum));
    else
        for (int p = 0; p < np; p++)
            store(y + (size_t)p * c->width, rectified(c, sum[p]));
}

/* Which of the four pass something on through relu and pool, into the places of their nodes. */
INLINE void mark_open(const conv *c, real *open, size_t o, const group *g, const vec v[PIXELS]) {
    const size_t image = o * c->sides[0] * c->sides[1];
    const vec most = larger(larger(larger(v[0], v[1]), v[2]), v[3]);
    for (int p = 0; p < PIXELS; p++) {
        vec_int passes = v[p] == (c->max ? most : v[p]);
        if (c->relu)
            passes &= v[p] > splat(0);
        store(open + (image + g->node[p]) * c->width + c->lane, pick(passes, splat(1), splat(0)));
    }
}

/* What the sums of output o make in evaluation e, with nodes moved as the i-th of each pixel's row
 * says. */
INLINE void put_moved(const conv *c, real *y, const vec sum[PIXELS], const node_row row[PIXELS],
                      size_t o, const group *g, int i, int e, const int nodes, const int np) {
    const double amplitude = c->steps->amplitude[e];
    const vec a = splat((real)amplitude);
    vec moved[PIXELS];
    for (int p = 0; p < np; p++)
        moved[p] = amplitude == 0 ? sum[p] : (vec)(sum[p] + node_times(&row[p], nodes, i, a));
    put_sums(c, y, moved, np);
    if (np == PIXELS && c->steps->open[e])
        mark_open(c, c->steps->open[e], o, g, moved);
}

/* Outputs o … o + ob − 1 of a group, from their sums; its pixels lie side by side from place `at`
 * on, or are one. */
INLINE void put(const conv *c, size_t o, const group *g, size_t at, vec (*sum)[PIXELS],
                const int nodes, const int ob, const int np) {
    const size_t place = (o * c->out[0] * c->out[1] + at) * c->width;
    const size_t next = c->out[0] * c->out[1] * c->width;
    if (nodes == NODES_STILL) {
        for (int i = 0; i < ob; i++)
            put_sums(c, c->y + place + (size_t)i * next, sum[i], np);
        return;
    }
    node_row row[PIXELS];
    for (int p = 0; p < np; p++)
        row[p] = nodes_from(c->steps, nodes, g->node[p] * c->outputs + o, c->lane, c->width, ob);
#pragma GCC unroll 4 /* or the sums would go through memory */
    for (int i = 0; i < ob; i++) {
        real *y = c->y + place + (size_t)i * next;
        put_moved(c, y, sum[i], row, o + (size_t)i, g, i, 0, nodes, np);
        if (c->other)
            put_moved(c, c->other + place + (size_t)i * next, sum[i], row, o + (size_t)i, g, i, 1,
                      nodes, np);
    }
}

INLINE void group_block(const conv *c, size_t o, const group *g, size_t at, const bool private,
                        const int nodes, const int ob, const int np, const size_t across) {
    vec sum[MAX_OUTPUTS][PIXELS];
    accumulate(c, o, g, sum, private, ob, np, across);
    put(c, o, g, at, sum, nodes, ob, np);
}

INLINE void all_blocks(const conv *c, const group *g, size_t at, const bool private,
                       const int nodes, const int np, const size_t across) {
    size_t o = 0;
    for (; o + BLOCK_OUTPUTS <= c->outputs; o += BLOCK_OUTPUTS)
        group_block(c, o, g, at, private, nodes, BLOCK_OUTPUTS, np, across);
    for (; o < c->outputs; o++)
        group_block(c, o, g, at, private, nodes, 1, np, across);
}

INLINE void all_outputs(const conv *c, const group *g, size_t at, const bool private,
                        const int nodes, const int np) {
    if (g->taps.first[1] == 0 && g->taps.last[1] == 3)
        all_blocks(c, g, at, private, nodes, np, 3);
    else
        all_blocks(c, g, at, private, nodes, np, 0);
}

/* The four pixels of one window of the pool; at the padded edge one by one. */
INLINE void pooled_pixel(const conv *c, size_t row, size_t column, const bool private,
                         const int nodes) {
    const size_t at = row * c->out[1] + column;
    group g, one[PIXELS];
    bool inside = true;
    for (size_t p = 0; p < PIXELS; p++) {
        size_t place[2] = {2 * row + p / 2, 2 * column + p % 2};
        one[p].taps = taps_at(c, place[0], place[1]);
        one[p].corner[0] = g.corner[p] = corner_of(c, place[0], place[1]);
        g.node[p] = place[0] * c->sides[1] + place[1];
        inside = inside && whole(c, &one[p].taps);
    }
    g.taps = one[0].taps;
    if (inside) {
        all_outputs(c, &g, at, private, nodes, PIXELS);
        return;
    }
    for (size_t o = 0; o < c->outputs; o++) {
        vec sum[MAX_OUTPUTS][PIXELS], pixel[MAX_OUTPUTS][PIXELS];
        for (size_t p = 0; p < PIXELS; p++) {
            accumulate(c, o, &one[p], sum, private, 1, 1, 0);
            pixel[0][p] = sum[0][0];
        }
        put(c, o, &g, at, pixel, nodes, 1, PIXELS);
    }
}

/* One row of output pixels: four at a time where the whole window lies in the image. */
INLINE void plain_row(const conv *c, size_t row, const bool private, const int nodes) {
    for (size_t column = 0, step; column < c->out[1]; column += step) {
        group g = {.taps = taps_at(c, row, column)};
        step = 1;
        if (column + PIXELS <= c->out[1]) {
            taps last = taps_at(c, row, column + PIXELS - 1);
            bool same = g.taps.first[1] == last.first[1] && g.taps.last[1] == last.last[1];
            step = same ? PIXELS : 1;
        }
        for (size_t p = 0; p < step; p++) {
            g.corner[p] = corner_of(c, row, column + p);
            g.node[p] = row * c->sides[1] + column + p;
        }
        if (step == PIXELS)
            all_outputs(c, &g, row * c->out[1] + column, private, nodes, PIXELS);
        else
            all_outputs(c, &g, row * c->out[1] + column, private, nodes, 1);
    }
}

static conv conv_of(const mgd_op *op, const real *theta, real *arena, size_t width, bool private) {
    const mgd_vertex *n = &op->vertex;
    conv c = {.width = width,
              .channels = n->in.size[0],
              .outputs = n->out.size[0],
              .relu = op->activation == MGD_LAYER_RELU,
              .max = op->pool == MGD_LAYER_MAXPOOL2D,
              .mean = op->pool == MGD_LAYER_AVGPOOL2D};
    for (size_t side = 0; side < 2; side++) {
        c.in[side] = n->in.size[1 + side];
        c.out[side] = op->out.size[1 + side];
        c.sides[side] = mgd_op_node_side(op, side);
        c.kernel[side] = n->kernel[side];
        c.stride[side] = n->stride[side];
        c.padding[side] = n->padding[side];
    }
    size_t weights = c.outputs * c.channels * c.kernel[0] * c.kernel[1];
    c.w = theta;
    c.b = theta ? c.w + weights * (private ? width : 1) : NULL; /* NULL: x alone is read */
    c.x = arena + op->x[0] * width;
    c.y = arena + op->y * width;
    return c;
}

/* `steps` and `other`, an arena or NULL, with nodes alone */
INLINE void convolve(const mgd_op *op, const void *theta, void *arena, size_t width,
                     const bool private, const int nodes, const mgd_node_steps *steps,
                     void *other) {
    conv c = conv_of(op, theta, arena, width, private);
    c.steps = steps;
    c.other = other ? (real *)other + op->y * width : NULL;
    for (; c.lane < width; c.lane += VEC_LANES) {
        for (size_t row = 0; row < c.out[0]; row++)
            if (c.max || c.mean)
                for (size_t column = 0; column < c.out[1]; column++)
                    pooled_pixel(&c, row, column, private, nodes);
            else
                plain_row(&c, row, private, nodes);
        c.x += VEC_LANES;
        c.y += VEC_LANES;
        if (other) /* not even 0 may be added to NULL */
            c.other += VEC_LANES;
        c.w += private ? VEC_LANES : 0;
        c.b += private ? VEC_LANES : 0;
    }
    size_t values = op->out.features * width;
    if (!c.relu) /* others are a pass over what was stored */
        NET_KERNEL(activate)(op->activation, (real *)arena + op->y * width, values);
    if (!c.relu && other)
        NET_KERNEL(activate)(op->activation, (real *)other + op->y * width, values);
}

static void shared_forward(const mgd_op *op, const void *theta, void *arena, size_t width) {
    convolve(op, theta, arena, width, false, NODES_STILL, NULL, NULL);
}

static void private_forward(const mgd_op *op, const void *theta, void *arena, size_t width) {
    convolve(op, theta, arena, width, true, NODES_STILL, NULL, NULL);
}

static void perturbed(const mgd_op *op, const void *theta, const mgd_node_steps *steps,
                      void *const arenas[2], size_t width) {
    if (steps->words)
        convolve(op, theta, arenas[0], width, false, NODES_SIGNS, steps, arenas[1]);
    else
        convolve(op, theta, arenas[0], width, false, NODES_VALUES, steps, arenas[1]);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* Parameters shared, all lanes of a block at once. conv_backward: only in the reference plan, where
 * no pool has joined. */

#define BACK 8 /* channels that are summed side by side */

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

#define ROW_OUTPUTS                                                                                \
    4 /* outputs summed side by side for three taps of a row: all stays in registers */
#define ROW_TAPS 3
#define GROUP 48 /* weights of an output that are summed before any goes across the lanes */
#define TILE_VECS (LANES / VEC_LANES)

/* Output pixels over which delta·x is summed: those that see the image under some tap. Distances
 * are in features. */
typedef struct {
    size_t rows, columns;
    size_t delta, delta_row; /* the first of them, and from row to row, */
    size_t x, x_row, x_step; /* and of x, from pixel to pixel too; x wraps, as corners do */
    size_t image;            /* from output to output */
} field;

static field field_of(const conv *c, size_t ky, size_t kx) {
    size_t rows[2], columns[2];
    outputs_seeing(c, 0, ky, &rows[0], &rows[1]);
    outputs_seeing(c, 1, kx, &columns[0], &columns[1]);
    return (field){.rows = rows[1] - rows[0],
                   .columns = columns[1] - columns[0],
                   .delta = rows[0] * c->out[1] + columns[0],
                   .delta_row = c->out[1],
                   .x = corner_of(c, rows[0], columns[0]),
                   .x_row = c->stride[0] * c->in[1],
                   .x_step = c->stride[1],
                   .image = c->out[0] * c->out[1]};
}

/* In a register, where the compiler would rather load it again for each use: with as many loads as
 * multiply-adds these wait. */
INLINE vec kept(vec x) {
#if defined(MGD_KERNEL_AVX512)
    __asm__("" : "+v"(x));
#endif
    return x;
}

/* sum (n × across) += Σ delta·x of one tile, for n outputs and as many taps side by side. */
INLINE void sum_field(const field *f, const real *delta, const real *x, const size_t width,
                      vec sum[BACK][ROW_TAPS], const int n, const int across) {
    for (size_t row = 0; row < f->rows; row++) {
        const real *d = delta + (f->delta + row * f->delta_row) * width;
        const real *at = x + (ptrdiff_t)((f->x + row * f->x_row) * width);
        for (size_t column = 0; column < f->columns; column++) {
            vec left[BACK];
            for (int i = 0; i < n; i++)
                left[i] = kept(load(d + (size_t)i * f->image * width));
            for (int t = 0; t < across; t++) {
                const vec right = load(at + (size_t)t * width);
                for (int i = 0; i < n; i++)
                    sum[i][t] = fma_vec(left[i], right, sum[i][t]);
            }
            d += width;
            at += f->x_step * width;
        }
    }
}

/* Over all tiles, lane by lane, into sums (n × GROUP) */
INLINE void sum_tiles(const field *f, const real *delta, const real *x, const size_t width,
                      vec (*sums)[TILE_VECS], const int n, const int across) {
    for (size_t part = 0; part < LANES; part += VEC_LANES) {
        vec sum[BACK][ROW_TAPS];
        for (int i = 0; i < n; i++)
            for (int t = 0; t < across; t++)
                sum[i][t] = splat(0);
        for (size_t lane = part; lane < width; lane += LANES)
            sum_field(f, delta + lane, x + lane, width, sum, n, across);
        for (int i = 0; i < n; i++)
            for (int t = 0; t < across; t++)
                sums[i * GROUP + t][part / VEC_LANES] = sum[i][t];
    }
}

/* The sums of one output, across the lanes, into gradient (count). */
static void add_sums(vec (*sum)[TILE_VECS], size_t count, double *gradient) {
    for (size_t first = 0; first < count; first += VEC_LANES)
        add_doubles(gradient + first, tile_sums(sum + first), count - first);
}

/* Gradients of the weights of outputs o … o + n − 1, `across` taps at once: more than one where all
 * outputs see them alike. */
INLINE void gradients_of(const conv *c, const real *delta, size_t o, double *gradient,
                         const size_t width, const int n, const int across) {
    vec sums[BACK * GROUP][TILE_VECS] = {{{0}}};
    const size_t area = c->kernel[0] * c->kernel[1], each = c->channels * area;
    const bool padded = c->padding[0] > 0 || c->padding[1] > 0;
    field f = field_of(c, 0, 0);
    const real *d = delta + o * f.image * width;
    size_t first = 0, count = 0; /* weights whose sums wait */
    for (size_t channel = 0; channel < c->channels; channel++)
        for (size_t ky = 0; ky < c->kernel[0]; ky++)
            for (size_t kx = 0; kx < c->kernel[1]; kx += (size_t)across) {
                const size_t x = (channel * c->in[0] + ky) * c->in[1] + kx;
                if (padded)
                    f = field_of(c, ky, kx);
                sum_tiles(&f, d, c->x + x * width, width, sums + count, n, across);
                count += (size_t)across;
                if (count < GROUP && first + count < each)
                    continue;
                for (size_t i = 0; i < (size_t)n; i++)
                    add_sums(sums + i * GROUP, count, gradient + (o + i) * each + first);
                first += count;
                count = 0;
            }
}

/* All outputs; `width` is known to the compiler where it is one tile: half of the work is addresses
 * otherwise. */
INLINE void weight_gradients(const conv *c, const real *delta, double *gradient,
                             const size_t width) {
    size_t o = 0;
    if (c->padding[1] == 0 && c->kernel[1] % ROW_TAPS == 0) {
        for (; o + ROW_OUTPUTS <= c->outputs; o += ROW_OUTPUTS)
            gradients_of(c, delta, o, gradient, width, ROW_OUTPUTS, ROW_TAPS);
        for (; o < c->outputs; o++)
            gradients_of(c, delta, o, gradient, width, 1, ROW_TAPS);
        return;
    }
    for (; o + BACK <= c->outputs; o += BACK)
        gradients_of(c, delta, o, gradient, width, BACK, 1);
    for (; o < c->outputs; o++)
        gradients_of(c, delta, o, gradient, width, 1, 1);
}

/* bias (O) += Σ delta, some outputs side by side: a single sum would wait for itself */
static void add_biases(const conv *c, const real *delta, double *bias) {
    const size_t image = c->out[0] * c->out[1] * c->width;
    for (size_t o = 0, n; o < c->outputs; o += n) {
        vec sum[VEC_LANES][TILE_VECS] = {{{0}}};
        n = c->outputs - o < VEC_LANES ? c->outputs - o : VEC_LANES;
        for (size_t at = 0; at < image; at += LANES)
            for (size_t i = 0; i < n; i++)
                for (size_t part = 0; part < TILE_VECS; part++)
                    sum[i][part] += load(delta + (o + i) * image + at + part * VEC_LANES);
        add_doubles(bias + o, tile_sums(sum), n);
    }
}

static void weights(const mgd_op *op, const void *arena, const void *deltas, double *gradient,
                    size_t width) {
    conv c = conv_of(op, NULL, (real *)arena, width, false); /* of which x is read */
    const real *delta = deltas;
    memcpy(c.out, c.sides, sizeof c.out);
    if (width == LANES)
        weight_gradients(&c, delta, gradient, LANES);
    else
        weight_gradients(&c, delta, gradient, width);
    add_biases(&c, delta, gradient + c.outputs * c.channels * c.kernel[0] * c.kernel[1]);
}

static void backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                     double *gradient, size_t width) {
    conv c = conv_of(op, theta, (real *)arena, width, false); /* its y is not written */
    real *delta = (real *)deltas + op->y * width;
    NET_KERNEL(activate_backward)(op->activation, c.y, delta, op->out.features * width);
    weights(op, arena, delta, gradient, width);
    if (op->x[0] != 0) /* nobody asks for the delta of the network's input */
        input_deltas(&c, delta, (real *)deltas + op->x[0] * width);
}

const mgd_layer_kernels NET_KERNEL(conv2d) = {.forward = {shared_forward, private_forward},
                                              .backward = backward,
                                              .nodes = perturbed,
                                              .weights = weights};
