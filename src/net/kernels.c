/* Lane kernels of networks, costs and their gradients; compiled once per instruction set and
 * precision (see base/simd.h for what keeps the bits the same).
 *
 * Dense layers are register blocks of OB outputs × VB vectors, accumulated over the inputs in
 * order. One multiply-add needs one load (of w when private, of a broadcast w when shared), so the
 * private kind runs at the speed of memory and the shared one near the peak of the multipliers.
 */

#include "../base/simd.h"
#include "net.h"

#include <stdbool.h>

DEFINE_FUNCTION(exp_vec, exp, u10)
DEFINE_FUNCTION(tanh_vec, tanh, u35)
DEFINE_FUNCTION(log1p_vec, log1p, u10)

#define INLINE static inline __attribute__((always_inline))
#define MAX_OB 6
#define MAX_VB (VEC_BYTES == 64 ? 4 : 2)

/* ---- dense, forward -------------------------------------------------------------------------- */

/* y (ob outputs × vb vectors); w and b are those of the first output, x and y of the first vector
 */
INLINE void shared_block(const real *w, const real *b, const real *x, real *y, size_t inputs,
                         size_t width, const int ob, const int vb) {
    vec sum[MAX_OB][4];
    for (int o = 0; o < ob; o++)
        for (int v = 0; v < vb; v++)
            sum[o][v] = splat(b[o]);
    for (size_t i = 0; i < inputs; i++)
        for (int o = 0; o < ob; o++) {
            vec weight = splat(w[(size_t)o * inputs + i]);
            for (int v = 0; v < vb; v++)
                sum[o][v] = fma_vec(weight, load(x + i * width + (size_t)v * VEC_LANES), sum[o][v]);
        }
    for (int o = 0; o < ob; o++)
        for (int v = 0; v < vb; v++)
            store(y + (size_t)o * width + (size_t)v * VEC_LANES, sum[o][v]);
}

/* The same with parameters (… × width), one set per lane */
INLINE void private_block(const real *w, const real *b, const real *x, real *y, size_t inputs,
                          size_t width, const int ob, const int vb) {
    vec sum[MAX_OB][4];
    for (int o = 0; o < ob; o++)
        for (int v = 0; v < vb; v++)
            sum[o][v] = load(b + (size_t)o * width + (size_t)v * VEC_LANES);
    for (size_t i = 0; i < inputs; i++)
        for (int o = 0; o < ob; o++)
            for (int v = 0; v < vb; v++) {
                size_t lane = (size_t)v * VEC_LANES;
                vec weight = load(w + ((size_t)o * inputs + i) * width + lane);
                sum[o][v] = fma_vec(weight, load(x + i * width + lane), sum[o][v]);
            }
    for (int o = 0; o < ob; o++)
        for (int v = 0; v < vb; v++)
            store(y + (size_t)o * width + (size_t)v * VEC_LANES, sum[o][v]);
}

/* All outputs for vb vectors of lanes that start at `lane` */
INLINE void shared_columns(const mgd_stage *s, const real *theta, const real *x, real *y,
                           size_t width, size_t lane, const int vb) {
    const size_t in = s->inputs, out = s->outputs;
    const real *b = theta + out * in;
    size_t o = 0;
    for (; o + 6 <= out; o += 6)
        shared_block(theta + o * in, b + o, x + lane, y + o * width + lane, in, width, 6, vb);
    for (; o + 4 <= out; o += 4)
        shared_block(theta + o * in, b + o, x + lane, y + o * width + lane, in, width, 4, vb);
    for (; o + 2 <= out; o += 2)
        shared_block(theta + o * in, b + o, x + lane, y + o * width + lane, in, width, 2, vb);
    if (o < out)
        shared_block(theta + o * in, b + o, x + lane, y + o * width + lane, in, width, 1, vb);
}

INLINE void private_columns(const mgd_stage *s, const real *theta, const real *x, real *y,
                            size_t width, size_t lane, const int vb) {
    const size_t in = s->inputs, out = s->outputs;
    const real *w = theta + lane, *b = theta + out * in * width + lane;
    size_t o = 0;
    for (; o + 4 <= out; o += 4)
        private_block(w + o * in * width, b + o * width, x + lane, y + o * width + lane, in, width,
                      4, vb);
    for (; o + 2 <= out; o += 2)
        private_block(w + o * in * width, b + o * width, x + lane, y + o * width + lane, in, width,
                      2, vb);
    if (o < out)
        private_block(w + o * in * width, b + o * width, x + lane, y + o * width + lane, in, width,
                      1, vb);
}

static void dense_shared(const mgd_stage *stage, const void *theta, const void *x, void *y,
                         size_t width) {
    size_t lane = 0;
    for (; lane + MAX_VB * VEC_LANES <= width; lane += MAX_VB * VEC_LANES)
        shared_columns(stage, theta, x, y, width, lane, MAX_VB);
    for (; lane < width; lane += VEC_LANES)
        shared_columns(stage, theta, x, y, width, lane, 1);
}

static void dense_private(const mgd_stage *stage, const void *theta, const void *x, void *y,
                          size_t width) {
    size_t lane = 0;
    for (; lane + MAX_VB * VEC_LANES <= width; lane += MAX_VB * VEC_LANES)
        private_columns(stage, theta, x, y, width, lane, MAX_VB);
    for (; lane < width; lane += VEC_LANES)
        private_columns(stage, theta, x, y, width, lane, 1);
}

/* ---- activations ----------------------------------------------------------------------------- */

#define EACH_VEC(p, n) for (real *p##_end = (p) + (n); (p) < p##_end; (p) += VEC_LANES)

static void activate(mgd_layer_kind kind, void *values, size_t n) {
    const vec zero = splat(0), one = splat(1);
    real *y = values;
    switch (kind) {
    case MGD_LAYER_SIGMOID:
        EACH_VEC(y, n)
        store(y, one / (one + exp_vec(-load(y))));
        break;
    case MGD_LAYER_TANH:
        EACH_VEC(y, n)
        store(y, tanh_vec(load(y)));
        break;
    case MGD_LAYER_RELU: /* a NaN stays one */
        EACH_VEC(y, n)
        store(y, pick(load(y) < zero, zero, load(y)));
        break;
    case MGD_LAYER_SOFTPLUS: /* max(x, 0) + log1p(e^−|x|) never overflows */
        EACH_VEC(y, n) {
            vec x = load(y);
            store(y, pick(x < zero, zero, x) + log1p_vec(exp_vec(-vec_abs(x))));
        }
        break;
    case MGD_LAYER_IDENTITY:
    case MGD_LAYER_DENSE:
        break;
    }
}

static void activate_backward(mgd_layer_kind kind, const void *outputs, void *deltas, size_t n) {
    const vec zero = splat(0), one = splat(1);
    const real *y = outputs;
    real *delta = deltas;
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
    case MGD_LAYER_IDENTITY:
    case MGD_LAYER_DENSE:
        break;
    }
}

/* ---- dense, backward ------------------------------------------------------------------------- */

static void dense_backward(const mgd_stage *stage, const void *theta, const void *deltas, void *dx,
                           size_t width) {
    const size_t in = stage->inputs, out = stage->outputs;
    const real *w = theta, *delta = deltas;
    for (size_t i = 0; i < in; i++)
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            vec sum = splat(0);
            for (size_t o = 0; o < out; o++)
                sum = fma_vec(splat(w[o * in + i]), load(delta + o * width + lane), sum);
            store((real *)dx + i * width + lane, sum);
        }
}

/* Sum of a tile's lanes: halves are added until one is left */
INLINE real tile_sum(real *tile) {
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            tile[lane] += tile[lane + half];
    return tile[0];
}

/* Σ over lanes of a·b, tile by tile lane-wise first, then across the lanes */
INLINE real dot_lanes(const real *a, const real *b, size_t width) {
    real tile[LANES];
    for (size_t part = 0; part < LANES; part += VEC_LANES) {
        vec sum = splat(0);
        for (size_t lane = part; lane < width; lane += LANES)
            sum = fma_vec(load(a + lane), load(b + lane), sum);
        store(tile + part, sum);
    }
    return tile_sum(tile);
}

/* The same for VEC_LANES rows of b at once, added to sum (VEC_LANES): the lanes' sums are
 * transposed, so that the tree runs down the vectors. */
INLINE void dot_lanes_rows(const real *a, const real *b, size_t width, double *sum) {
    vec tile[LANES];
    for (size_t part = 0; part < LANES; part += VEC_LANES) {
        vec rows[VEC_LANES];
        for (size_t k = 0; k < VEC_LANES; k++)
            rows[k] = splat(0);
        for (size_t lane = part; lane < width; lane += LANES) {
            vec left = load(a + lane);
            for (size_t k = 0; k < VEC_LANES; k++)
                rows[k] = fma_vec(left, load(b + k * width + lane), rows[k]);
        }
        transpose(rows);
        memcpy(tile + part, rows, sizeof rows);
    }
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            tile[lane] += tile[lane + half];
    for (size_t k = 0; k < VEC_LANES; k++)
        sum[k] += (double)tile[0][k];
}

static void dense_gradient(const mgd_stage *stage, const void *deltas, const void *xs,
                           double *gradient, size_t width) {
    const size_t in = stage->inputs, out = stage->outputs;
    const real *x = xs, *delta = deltas;
    size_t i = 0;
    for (; i + VEC_LANES <= in; i += VEC_LANES)
        for (size_t o = 0; o < out; o++)
            dot_lanes_rows(delta + o * width, x + i * width, width, gradient + o * in + i);
    for (; i < in; i++)
        for (size_t o = 0; o < out; o++)
            gradient[o * in + i] += (double)dot_lanes(delta + o * width, x + i * width, width);
    for (size_t o = 0; o < out; o++) {
        real bias[LANES] = {0};
        for (size_t lane = 0; lane < width; lane++)
            bias[lane % LANES] += delta[o * width + lane];
        gradient[out * in + o] += (double)tile_sum(bias);
    }
}

/* ---- samples into lanes ---------------------------------------------------------------------- */

/* VEC_LANES lanes with a row each: blocks of features are loaded as rows and transposed. */
static void gather_rows(const real *const row[], size_t features, real *out, size_t width) {
    size_t f = 0;
    for (; f + VEC_LANES <= features; f += VEC_LANES) {
        vec block[VEC_LANES];
        for (size_t k = 0; k < VEC_LANES; k++)
            block[k] = load(row[k] + f);
        transpose(block);
        for (size_t k = 0; k < VEC_LANES; k++)
            store(out + (f + k) * width, block[k]);
    }
    for (; f < features; f++)
        for (size_t k = 0; k < VEC_LANES; k++)
            out[f * width + k] = row[k][f];
}

static void spread(const void *row, size_t features, void *lanes, size_t width) {
    for (size_t f = 0; f < features; f++)
        for (size_t lane = 0; lane < width; lane += VEC_LANES)
            store((real *)lanes + f * width + lane, splat(((const real *)row)[f]));
}

static void gather(const void *rows, size_t features, const uint32_t *index, void *lanes,
                   size_t width) {
    uint32_t differ = 0;
    for (size_t lane = 0; lane < width; lane++)
        differ |= index[lane] ^ index[0];
    if (!differ) {
        spread((const real *)rows + (size_t)index[0] * features, features, lanes, width);
        return;
    }
    for (size_t lane = 0; lane < width; lane += VEC_LANES) {
        const real *row[VEC_LANES];
        for (size_t k = 0; k < VEC_LANES; k++)
            row[k] = (const real *)rows + (size_t)index[lane + k] * features;
        gather_rows(row, features, (real *)lanes + lane, width);
    }
}

/* ---- costs, in double ------------------------------------------------------------------------ */

/* One tile of lanes at a time, so that the sums fit in registers. */

static void squared_distance(size_t outputs, size_t width, const real *y, const real *t,
                             double sum[LANES]) {
    for (size_t k = 0; k < LANES; k++)
        sum[k] = 0;
    for (size_t o = 0; o < outputs; o++)
        for (size_t k = 0; k < LANES; k++) {
            double d = (double)y[o * width + k] - (double)t[o * width + k];
            sum[k] += d * d;
        }
}

/* log Σ_o e^y per lane, safe against overflow; a NaN goes through */
static void log_sum_exp(size_t outputs, size_t width, const real *y, double result[LANES]) {
    double top[LANES], sum[LANES] = {0}, term[LANES];
    for (size_t k = 0; k < LANES; k++)
        top[k] = (double)y[k];
    for (size_t o = 1; o < outputs; o++)
        for (size_t k = 0; k < LANES; k++)
            top[k] = (double)y[o * width + k] > top[k] ? (double)y[o * width + k] : top[k];
    for (size_t o = 0; o < outputs; o++) {
        for (size_t k = 0; k < LANES; k++)
            term[k] = (double)y[o * width + k] - top[k];
        exp_doubles(term, LANES);
        for (size_t k = 0; k < LANES; k++)
            sum[k] += term[k];
    }
    for (size_t k = 0; k < LANES; k++)
        result[k] = top[k] + log_double(sum[k]);
}

/* ŷ' = (1 − s)·ŷ + s/K */
INLINE double smoothed(const mgd_cost *cost, size_t outputs, real target) {
    double s = cost->label_smoothing;
    return (1 - s) * (double)target + s / (double)outputs;
}

static void cost_tile(const mgd_cost *cost, size_t outputs, size_t width, const real *y,
                      const real *t, double *value) {
    if (cost->kind == MGD_COST_CROSS_ENTROPY) {
        double lse[LANES];
        log_sum_exp(outputs, width, y, lse);
        for (size_t k = 0; k < LANES; k++)
            value[k] = 0;
        for (size_t o = 0; o < outputs; o++)
            for (size_t k = 0; k < LANES; k++)
                value[k] +=
                    smoothed(cost, outputs, t[o * width + k]) * (lse[k] - (double)y[o * width + k]);
        return;
    }
    double sum[LANES];
    squared_distance(outputs, width, y, t, sum);
    for (size_t k = 0; k < LANES; k++)
        value[k] = cost->kind == MGD_COST_L2 ? sqrt(sum[k]) : sum[k] / (double)outputs;
}

static void cost_lanes(const mgd_cost *cost, size_t outputs, size_t width, const void *y,
                       const void *target, double *value) {
    for (size_t lane = 0; lane < width; lane += LANES)
        cost_tile(cost, outputs, width, (const real *)y + lane, (const real *)target + lane,
                  value + lane);
}

static void cost_gradient_tile(const mgd_cost *cost, size_t outputs, size_t width, const real *y,
                               const real *t, const double *weight, real *delta) {
    if (cost->kind == MGD_COST_CROSS_ENTROPY) {
        double lse[LANES], total[LANES] = {0}, p[LANES];
        log_sum_exp(outputs, width, y, lse);
        for (size_t o = 0; o < outputs; o++)
            for (size_t k = 0; k < LANES; k++)
                total[k] += smoothed(cost, outputs, t[o * width + k]);
        for (size_t o = 0; o < outputs; o++) {
            for (size_t k = 0; k < LANES; k++)
                p[k] = (double)y[o * width + k] - lse[k];
            exp_doubles(p, LANES);
            for (size_t k = 0; k < LANES; k++)
                delta[o * width + k] =
                    (real)(weight[k] *
                           (p[k] * total[k] - smoothed(cost, outputs, t[o * width + k])));
        }
        return;
    }
    double sum[LANES], scale[LANES];
    squared_distance(outputs, width, y, t, sum);
    for (size_t k = 0; k < LANES; k++) /* the l2 cost has no slope at its minimum: 0 */
        scale[k] = cost->kind == MGD_COST_MSE ? 2 * weight[k] / (double)outputs
                   : sum[k] > 0               ? weight[k] / sqrt(sum[k])
                                              : 0;
    for (size_t o = 0; o < outputs; o++)
        for (size_t k = 0; k < LANES; k++)
            delta[o * width + k] =
                (real)(scale[k] * ((double)y[o * width + k] - (double)t[o * width + k]));
}

static void cost_gradient(const mgd_cost *cost, size_t outputs, size_t width, const void *y,
                          const void *target, const double *weight, void *delta) {
    for (size_t lane = 0; lane < width; lane += LANES)
        cost_gradient_tile(cost, outputs, width, (const real *)y + lane,
                           (const real *)target + lane, weight + lane, (real *)delta + lane);
}

/* Index of the largest output of each lane; the first of equals. */
static void argmax_tile(size_t outputs, size_t width, const real *y, real_int best[LANES]) {
    real top[LANES];
    for (size_t k = 0; k < LANES; k++) {
        top[k] = y[k];
        best[k] = 0;
    }
    for (size_t o = 1; o < outputs; o++)
        for (size_t k = 0; k < LANES; k++) {
            bool larger = y[o * width + k] > top[k];
            best[k] = larger ? (real_int)o : best[k];
            top[k] = larger ? y[o * width + k] : top[k];
        }
}

static void hits(size_t outputs, size_t width, const void *ys, const void *targets, double *hit) {
    real_int best[LANES], wanted[LANES];
    for (size_t lane = 0; lane < width; lane += LANES) {
        const real *y = (const real *)ys + lane, *t = (const real *)targets + lane;
        if (outputs > 1) {
            argmax_tile(outputs, width, y, best);
            argmax_tile(outputs, width, t, wanted);
        } else {
            for (size_t k = 0; k < LANES; k++) {
                best[k] = y[k] > (real)0.5;
                wanted[k] = t[k] > (real)0.5;
            }
        }
        for (size_t k = 0; k < LANES; k++) /* an answer that is not a number is never right */
            hit[lane + k] = best[k] == wanted[k] && y[k] == y[k];
    }
}

extern const mgd_net_kernels MGD_KERNEL_TABLE(net);
const mgd_net_kernels MGD_KERNEL_TABLE(net) = {
    .lanes = LANES,
    .dense_shared = dense_shared,
    .dense_private = dense_private,
    .activate = activate,
    .activate_backward = activate_backward,
    .dense_backward = dense_backward,
    .dense_gradient = dense_gradient,
    .spread = spread,
    .gather = gather,
    .cost = cost_lanes,
    .cost_gradient = cost_gradient,
    .hits = hits,
};
