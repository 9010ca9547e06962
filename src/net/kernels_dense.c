/* Dense layers: register blocks of outputs × vectors of lanes, accumulated over the inputs in order
 * from the bias. Inputs are taken in parts that stay in the first-level cache while all outputs use
 * them; sums wait in y between the parts, which does not change their bits.
 *
 * One multiply-add needs one load (of w when private, of a broadcast w when shared), so the private
 * kind runs at the speed of loads and the shared one near the peak of the multipliers.
 */

#include "kernels.h"

#define MAX_OB 8
#define PART 64 /* inputs of one part: 16 KiB in DENSE_VECTORS vectors */

/* Sums v of outputs o …, with their nodes moved, into y and into that of the second evaluation. */
INLINE void put_moved(const dense_lanes *l, size_t o, size_t lane, vec sum[MAX_OB][4], int v,
                      const int nodes, const int ob) {
    const node_row row = nodes_from(l->steps, nodes, o, l->lane + lane, l->width, ob);
    real *const y[2] = {l->y, l->other};
    for (size_t e = 0; e < 2 && y[e]; e++) {
        const vec amplitude = splat((real)l->steps->amplitude[e]);
        for (int i = 0; i < ob; i++)
            store(y[e] + (o + (size_t)i) * l->width + lane,
                  activated(l->activation, sum[i][v] + node_times(&row, nodes, i, amplitude)));
    }
}

/* Outputs o … o + ob − 1 for vb vectors. */
INLINE void block(const dense_lanes *l, size_t o, const bool private, const int nodes, const int ob,
                  const int vb) {
    vec sum[MAX_OB][4];
    const size_t width = l->width, inputs = l->inputs;
    real *y = l->y + o * width;
    for (int i = 0; i < ob; i++)
        for (int v = 0; v < vb; v++) {
            size_t lane = (size_t)v * VEC_LANES, at = (o + (size_t)i) * width + lane;
            sum[i][v] = l->first > 0 || l->onto ? load(l->y + at)
                        : !l->b                 ? splat(0)
                        : private               ? load(l->b + at)
                                                : splat(l->b[o + (size_t)i]);
        }
    const real *w = l->w + o * inputs * (private ? width : 1);
    for (size_t k = l->first; k < l->last; k++)
        for (int i = 0; i < ob; i++) {
            size_t at = (size_t)i * inputs + k;
            vec shared = private ? splat(0) : splat(w[at]);
            for (int v = 0; v < vb; v++) {
                size_t lane = (size_t)v * VEC_LANES;
                vec weight = private ? load(w + at * width + lane) : shared;
                sum[i][v] = fma_vec(weight, load(l->x + k * width + lane), sum[i][v]);
            }
        }
    const mgd_layer_kind last = l->last == inputs ? l->activation : MGD_LAYER_IDENTITY;
    for (int v = 0; v < vb; v++) {
        const size_t lane = (size_t)v * VEC_LANES;
        if (nodes != NODES_STILL && l->last == inputs)
            put_moved(l, o, lane, sum, v, nodes, ob);
        else
            for (int i = 0; i < ob; i++)
                store(y + (size_t)i * width + lane, activated(last, sum[i][v]));
    }
}

/* All outputs of one part of the inputs. */
INLINE void outputs_of(const dense_lanes *l, size_t outputs, const bool private, const int nodes,
                       const int most, const int vb) {
    size_t o = 0;
    for (; o + (size_t)most <= outputs; o += (size_t)most)
        block(l, o, private, nodes, most, vb);
    for (; most > 4 && o + 4 <= outputs; o += 4)
        block(l, o, private, nodes, 4, vb);
    for (; o + 2 <= outputs; o += 2)
        block(l, o, private, nodes, 2, vb);
    if (o < outputs)
        block(l, o, private, nodes, 1, vb);
}

/* Many vectors share a weight and few outputs do, or the other way around: enough independent sums
 * to hide the latency, within the registers. */
INLINE void columns(dense_lanes l, size_t outputs, const bool private, const int nodes,
                    const int vb) {
    for (l.first = 0; l.first < l.inputs; l.first = l.last) {
        l.last = l.inputs - l.first < PART ? l.inputs : l.first + PART;
        if (vb == 1)
            outputs_of(&l, outputs, private, nodes, VEC_BYTES == 64 ? 8 : 4, vb);
        else
            outputs_of(&l, outputs, private, nodes, 4, vb);
    }
}

void NET_KERNEL(dense_forward)(const dense_lanes *l, size_t outputs, bool private, size_t lanes) {
    if (private && lanes > VEC_LANES)
        columns(*l, outputs, true, NODES_STILL, DENSE_VECTORS);
    else if (private)
        columns(*l, outputs, true, NODES_STILL, 1);
    else if (lanes > VEC_LANES)
        columns(*l, outputs, false, NODES_STILL, DENSE_VECTORS);
    else
        columns(*l, outputs, false, NODES_STILL, 1);
}

/* `steps` and `other`, an arena or NULL, with nodes alone */
INLINE void dense(const mgd_op *op, const void *thetas, void *arena, size_t width,
                  const bool private, const int nodes, const mgd_node_steps *steps, void *other) {
    const real *theta = thetas;
    const size_t inputs = op->vertex.in.features, outputs = op->vertex.out.features;
    dense_lanes l = {.w = theta,
                     .b = theta + outputs * inputs * (private ? width : 1),
                     .x = (const real *)arena + op->x[0] * width,
                     .y = (real *)arena + op->y * width,
                     .inputs = inputs,
                     .width = width,
                     .activation = op->activation,
                     .steps = steps,
                     .other = other ? (real *)other + op->y * width : NULL};
    size_t step;
    for (; l.lane < width; l.lane += step) {
        step = dense_step(width - l.lane);
        if (nodes == NODES_STILL)
            NET_KERNEL(dense_forward)(&l, outputs, private, step);
        else if (step > VEC_LANES)
            columns(l, outputs, private, nodes, DENSE_VECTORS);
        else
            columns(l, outputs, private, nodes, 1);
        l.x += step;
        l.y += step;
        if (other) /* not even 0 may be added to NULL */
            l.other += step;
        l.w += private ? step : 0;
        l.b += private ? step : 0;
    }
    if (!in_registers(op->activation))
        NET_KERNEL(activate)(op->activation, (real *)arena + op->y * width, outputs * width);
    if (!in_registers(op->activation) && other)
        NET_KERNEL(activate)(op->activation, (real *)other + op->y * width, outputs * width);
}

static void shared_forward(const mgd_op *op, const void *theta, void *arena, size_t width) {
    dense(op, theta, arena, width, false, NODES_STILL, NULL, NULL);
}

static void private_forward(const mgd_op *op, const void *theta, void *arena, size_t width) {
    dense(op, theta, arena, width, true, NODES_STILL, NULL, NULL);
}

static void perturbed(const mgd_op *op, const void *theta, const mgd_node_steps *steps,
                      void *const arenas[2], size_t width) {
    if (steps->words)
        dense(op, theta, arenas[0], width, false, NODES_SIGNS, steps, arenas[1]);
    else
        dense(op, theta, arenas[0], width, false, NODES_VALUES, steps, arenas[1]);
}

/* ---- two evaluations at once ----------------------------------------------------------------- */

#define PAIR_OUTPUTS 4 /* twice as many sums, their signs and a weight stay in registers */

typedef struct {
    const real *w, *b;       /* (O × I × W), (O × W) from the lane on */
    const real *x[2];        /* (I × W) */
    real *y[2];              /* (O × W) */
    const mgd_signs *signs;  /* of the whole network … */
    size_t first_w, first_b; /* … where w and b begin at these parameters */
    size_t inputs, width, lane;
    mgd_layer_kind activation;
} pair;

/* Walks over the signs of parameters one after the other. */
typedef struct {
    const uint32_t *words; /* of the lane */
    size_t place;          /* of the next sign, in bits */
    vec_int turned;        /* its word, with the bit below the top that comes next */
} sign_cursor;

INLINE sign_cursor cursor_at(const pair *l, size_t parameter) {
    sign_cursor c = {.words = l->signs->words + l->lane, .place = l->signs->bit + parameter};
    c.turned = load_words(c.words + c.place / 32 * l->width) >> (int)(c.place % 32);
    return c;
}

/* ±amplitude of the next parameter */
INLINE vec next_step(sign_cursor *c, vec amplitude, size_t width) {
    if (c->place % 32 == 0)
        c->turned = load_words(c->words + c->place / 32 * width);
    c->place++;
    c->turned = turn(c->turned, 1);
    return (vec)((vec_int)amplitude ^ (c->turned & (vec_int)splat((real)-0.0)));
}

INLINE void pair_block(const pair *l, size_t o, const bool two_sided, const bool one_input,
                       const int ob) {
    const size_t width = l->width, inputs = l->inputs;
    const vec amplitude = splat((real)l->signs->amplitude);
    sign_cursor c[PAIR_OUTPUTS];
    vec sum[2][PAIR_OUTPUTS];
    for (int i = 0; i < ob; i++) {
        c[i] = cursor_at(l, l->first_b + o + (size_t)i);
        vec b = load(l->b + (o + (size_t)i) * width), step = next_step(&c[i], amplitude, width);
        sum[0][i] = two_sided ? (vec)(b + step) : b;
        sum[1][i] = two_sided ? (vec)(b - step) : (vec)(b + step);
        c[i] = cursor_at(l, l->first_w + (o + (size_t)i) * inputs);
    }
    const real *w = l->w + o * inputs * width;
    for (size_t k = 0; k < inputs; k++) {
        const vec x = load(l->x[0] + k * width), other = one_input ? x : load(l->x[1] + k * width);
        for (int i = 0; i < ob; i++) {
            vec weight = load(w + ((size_t)i * inputs + k) * width);
            vec step = next_step(&c[i], amplitude, width);
            vec left = two_sided ? (vec)(weight + step) : weight;
            vec right = two_sided ? (vec)(weight - step) : (vec)(weight + step);
            sum[0][i] = fma_vec(left, x, sum[0][i]);
            sum[1][i] = fma_vec(right, other, sum[1][i]);
        }
    }
    for (int i = 0; i < ob; i++)
        for (int e = 0; e < 2; e++)
            store(l->y[e] + (o + (size_t)i) * width, activated(l->activation, sum[e][i]));
}

INLINE void pair_outputs(const pair *l, size_t outputs, const bool two_sided,
                         const bool one_input) {
    size_t o = 0;
    for (; o + PAIR_OUTPUTS <= outputs; o += PAIR_OUTPUTS)
        pair_block(l, o, two_sided, one_input, PAIR_OUTPUTS);
    for (; o + 2 <= outputs; o += 2)
        pair_block(l, o, two_sided, one_input, 2);
    if (o < outputs)
        pair_block(l, o, two_sided, one_input, 1);
}

void NET_KERNEL(dense_pair)(const mgd_op *op, const void *thetas, const mgd_signs *signs,
                            bool two_sided, void *const arenas[2], size_t width) {
    const size_t inputs = op->vertex.in.features, outputs = op->vertex.out.features;
    const real *theta = (const real *)thetas + op->vertex.first * width;
    pair l = {.w = theta,
              .b = theta + outputs * inputs * width,
              .signs = signs,
              .first_w = op->vertex.first,
              .first_b = op->vertex.first + outputs * inputs,
              .inputs = inputs,
              .width = width,
              .activation = op->activation};
    for (size_t e = 0; e < 2; e++) {
        l.x[e] = (const real *)arenas[e] + op->x[0] * width;
        l.y[e] = (real *)arenas[e] + op->y * width;
    }
    for (; l.lane < width; l.lane += VEC_LANES) {
        if (op->x[0] == 0 && two_sided)
            pair_outputs(&l, outputs, true, true);
        else if (op->x[0] == 0)
            pair_outputs(&l, outputs, false, true);
        else if (two_sided)
            pair_outputs(&l, outputs, true, false);
        else
            pair_outputs(&l, outputs, false, false);
        l.w += VEC_LANES;
        l.b += VEC_LANES;
        for (size_t e = 0; e < 2; e++) {
            l.x[e] += VEC_LANES;
            l.y[e] += VEC_LANES;
        }
    }
    for (size_t e = 0; e < 2 && !in_registers(op->activation); e++)
        NET_KERNEL(activate)(op->activation, (real *)arenas[e] + op->y * width, outputs * width);
}

/* ---- backward -------------------------------------------------------------------------------- */

void NET_KERNEL(dense_spread)(size_t inputs, size_t outputs, const real *w, const real *delta,
                              real *dx, size_t width) {
    for (size_t i = 0; i < inputs; i++)
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            vec sum = load(dx + i * width + lane);
            for (size_t o = 0; o < outputs; o++)
                sum = fma_vec(splat(w[o * inputs + i]), load(delta + o * width + lane), sum);
            store(dx + i * width + lane, sum);
        }
}

/* dot_lanes for VEC_LANES rows of b at once, added to sum (VEC_LANES). */
INLINE void dot_lanes_rows(const real *a, const real *b, size_t width, double *sum) {
    vec tile[VEC_LANES][LANES / VEC_LANES];
    for (size_t part = 0; part < LANES; part += VEC_LANES) {
        vec rows[VEC_LANES];
        for (size_t k = 0; k < VEC_LANES; k++)
            rows[k] = splat(0);
        for (size_t lane = part; lane < width; lane += LANES) {
            vec left = load(a + lane);
            for (size_t k = 0; k < VEC_LANES; k++)
                rows[k] = fma_vec(left, load(b + k * width + lane), rows[k]);
        }
        for (size_t k = 0; k < VEC_LANES; k++)
            tile[k][part / VEC_LANES] = rows[k];
    }
    add_doubles(sum, tile_sums(tile), VEC_LANES);
}

void NET_KERNEL(dense_gradient)(size_t inputs, size_t outputs, const real *delta, const real *x,
                                double *gradient, size_t width) {
    size_t i = 0;
    for (; i + VEC_LANES <= inputs; i += VEC_LANES)
        for (size_t o = 0; o < outputs; o++)
            dot_lanes_rows(delta + o * width, x + i * width, width, gradient + o * inputs + i);
    for (; i < inputs; i++)
        for (size_t o = 0; o < outputs; o++)
            gradient[o * inputs + i] += (double)dot_lanes(delta + o * width, x + i * width, width);
}

static void weights(const mgd_op *op, const void *arena, const void *delta, double *gradient,
                    size_t width) {
    const size_t inputs = op->vertex.in.features, outputs = op->vertex.out.features;
    const real *x = (const real *)arena + op->x[0] * width;
    NET_KERNEL(dense_gradient)(inputs, outputs, delta, x, gradient, width);
    for (size_t o = 0; o < outputs; o++)
        gradient[outputs * inputs + o] += (double)sum_lanes((const real *)delta + o * width, width);
}

static void backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                     double *gradient, size_t width) {
    const size_t inputs = op->vertex.in.features, outputs = op->vertex.out.features;
    const real *y = (const real *)arena + op->y * width;
    real *delta = (real *)deltas + op->y * width, *dx = (real *)deltas + op->x[0] * width;
    NET_KERNEL(activate_backward)(op->activation, y, delta, outputs * width);
    weights(op, arena, delta, gradient, width);
    if (op->x[0] != 0) /* nobody asks for the delta of the network's input */
        NET_KERNEL(dense_spread)(inputs, outputs, theta, delta, dx, width);
}

const mgd_layer_kernels NET_KERNEL(dense) = {.forward = {shared_forward, private_forward},
                                             .backward = backward,
                                             .nodes = perturbed,
                                             .weights = weights};
