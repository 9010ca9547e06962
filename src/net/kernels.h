/* kernels.h: what the kernel files of net share: how their functions are named, and activations in
 * registers. One file for each kind of layer, which ends with its row; kernels.c holds the table.
 */
#ifndef MGD_NET_KERNELS_H
#define MGD_NET_KERNELS_H

#include "../base/simd.h"
#include "net.h"

#include <stdbool.h>

/* NET_KERNEL(conv2d) is mgd_conv2d_kernels_avx512_f32, and so on. */
#define NET_KERNEL(name) MGD_KERNEL_TABLE(name)

mgd_pair_kernel NET_KERNEL(dense_pair);

/* y ← act(y), n values, n a multiple of VEC_LANES; and delta ← delta·act'(y), from y alone */
void NET_KERNEL(activate)(mgd_layer_kind kind, real *y, size_t n);
void NET_KERNEL(activate_backward)(mgd_layer_kind kind, const real *y, real *delta, size_t n);

void NET_KERNEL(cost_lanes)(const mgd_cost *cost, size_t steps, size_t outputs, size_t width,
                            const void *y, const void *target, double *value);
void NET_KERNEL(cost_gradient)(const mgd_cost *cost, size_t steps, size_t outputs, size_t width,
                               const void *y, const void *target, const double *weight,
                               void *delta);
void NET_KERNEL(hits)(size_t steps, size_t outputs, size_t width, const void *y, const void *target,
                      double *hit);

/* Some lanes of a dense layer: y = W·x + b for vectors of them. */
typedef struct {
    const real *w, *b; /* shared: (O × I), (O); private: the same × W, from the first lane on */
    const real *x;     /* (I × W), from the lane on */
    real *y;           /* (O × W) */
    size_t inputs, width;
    bool onto;                 /* sums go on from what is in y, instead of from b */
    size_t first, last;        /* the part of the inputs at work */
    mgd_layer_kind activation; /* after the last part, in_registers or none */

    const mgd_node_steps *steps; /* with nodes: what is added to a sum before that, … */
    real *other;                 /* … and y of the second evaluation, or NULL */
    size_t lane;
} dense_lanes;

/* Lanes that are best taken together: several vectors, or, where fewer are left, one. */
#define DENSE_VECTORS (VEC_BYTES == 64 ? 4 : 2)
INLINE size_t dense_step(size_t lanes) {
    return lanes >= DENSE_VECTORS * VEC_LANES ? DENSE_VECTORS * VEC_LANES : VEC_LANES;
}
void NET_KERNEL(dense_forward)(const dense_lanes *l, size_t outputs, bool private, size_t lanes);
/* Backward: dx (I × W) += Wᵀ·delta, and gradient (O × I) += delta·xᵀ, summed over the lanes */
void NET_KERNEL(dense_spread)(size_t inputs, size_t outputs, const real *w, const real *delta,
                              real *dx, size_t width);
void NET_KERNEL(dense_gradient)(size_t inputs, size_t outputs, const real *delta, const real *x,
                                double *gradient, size_t width);

DEFINE_FUNCTION(exp_vec, exp, u10)

/* relu(−0) is +0, so that relu and the largest of a window can be swapped; a NaN stays one. */
INLINE vec relu_vec(vec x) {
#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
    return (vec)_mm512_maskz_mov_ps(_mm512_cmp_ps_mask((__m512)x, _mm512_setzero_ps(), _CMP_NLE_UQ),
                                    (__m512)x);
#elif defined(MGD_KERNEL_AVX512)
    return (vec)_mm512_maskz_mov_pd(
        _mm512_cmp_pd_mask((__m512d)x, _mm512_setzero_pd(), _CMP_NLE_UQ), (__m512d)x);
#else
    return (vec)(~(x <= splat(0)) & (vec_int)x);
#endif
}

/* The larger; a NaN wins. */
INLINE vec larger(vec a, vec b) {
#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
    return (vec)_mm512_mask_mov_ps(
        (__m512)maximum(a, b), _mm512_cmp_ps_mask((__m512)a, (__m512)a, _CMP_UNORD_Q), (__m512)a);
#elif defined(MGD_KERNEL_AVX512)
    return (vec)_mm512_mask_mov_pd((__m512d)maximum(a, b),
                                   _mm512_cmp_pd_mask((__m512d)a, (__m512d)a, _CMP_UNORD_Q),
                                   (__m512d)a);
#else
    return pick((a > b) | (a != a), a, b);
#endif
}

/* sum += x, n values */
INLINE void add_to(real *sum, const real *x, size_t n) {
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(sum + i, load(sum + i) + load(x + i));
}

/* Sum of a tile's lanes: halves are added until one is left. */
INLINE real tile_sum(real *tile) {
    for (size_t half = LANES / 2; half > 0; half /= 2)
        for (size_t lane = 0; lane < half; lane++)
            tile[lane] += tile[lane + half];
    return tile[0];
}

/* Sums by the same tree of VEC_LANES tiles, each LANES / VEC_LANES vectors, one into each lane: a
 * perfect shuffle of two vectors lays the lanes that are added above each other. */
INLINE vec tile_sums(vec tile[VEC_LANES][LANES / VEC_LANES]) {
    vec v[VEC_LANES];
    for (size_t k = 0; k < VEC_LANES; k++) {
        for (size_t half = LANES / VEC_LANES / 2; half > 0; half /= 2)
            for (size_t part = 0; part < half; part++)
                tile[k][part] += tile[k][part + half];
        v[k] = tile[k][0];
    }
    for (size_t half = VEC_LANES / 2; half > 0; half /= 2)
        for (size_t k = 0; k < half; k++)
            v[k] = (vec)SHUFFLE(v[k], v[k + half], LOWER_HALVES) +
                   (vec)SHUFFLE(v[k], v[k + half], UPPER_HALVES);
    return v[0];
}

/* sum (n) += the first n lanes */
INLINE void add_doubles(double *sum, vec v, size_t n) {
    real lanes[VEC_LANES];
    store(lanes, v);
    for (size_t k = 0; n >= VEC_LANES && k < VEC_LANES; k += DOUBLE_LANES) {
        reals_of_doubles some;
        vec_f64 sums;
        memcpy(&some, lanes + k, sizeof some);
        memcpy(&sums, sum + k, sizeof sums);
        sums += __builtin_convertvector(some, vec_f64);
        memcpy(sum + k, &sums, sizeof sums);
    }
    for (size_t k = 0; n < VEC_LANES && k < n; k++)
        sum[k] += (double)lanes[k];
}

/* Σ over lanes of a, tile by tile lane-wise first, then across the lanes */
INLINE real sum_lanes(const real *a, size_t width) {
    real tile[LANES];
    for (size_t part = 0; part < LANES; part += VEC_LANES) {
        vec sum = splat(0);
        for (size_t lane = part; lane < width; lane += LANES)
            sum += load(a + lane);
        store(tile + part, sum);
    }
    return tile_sum(tile);
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

/* How a kernel gets the perturbation of a node, as a constant. */
enum { NODES_STILL, NODES_SIGNS, NODES_VALUES };

#define SIGN_BIT ((int)(8 * sizeof(real)) - 1)

/* Nodes `node` … of the op, at most 32 of them, for the vector of lanes from `lane` on. */
typedef struct {
    vec_int bits;       /* SIGNS: that of the first node lowest */
    const real *values; /* VALUES */
    size_t width;
} node_row;

INLINE node_row nodes_from(const mgd_node_steps *steps, const int kind, size_t node, size_t lane,
                           size_t width, int count) {
    const size_t place = steps->first + node;
    node_row row = {.width = width};
    if (kind == NODES_VALUES) {
        row.values = (const real *)steps->values + place * width + lane;
        return row;
    }
    const uint32_t *words = steps->words + place / 32 * width + lane;
    const int bit = (int)(place % 32);
    /* an arithmetic shift fills in from the top what is not asked for */
    row.bits = load_words(words) >> bit;
    if (bit + count > 32)
        row.bits = (row.bits & (((real_int)1 << (32 - bit)) - 1)) | load_words(words + width)
                                                                        << (32 - bit);
    return row;
}

/* factor·s of the i-th of them */
INLINE vec node_times(const node_row *row, const int kind, int i, vec factor) {
    if (kind == NODES_VALUES)
        return factor * load(row->values + (size_t)i * row->width);
    return (vec)((vec_int)factor ^ (row->bits << (SIGN_BIT - i) & (vec_int)splat((real)-0.0)));
}

#if MGD_REAL_BITS == 32

/* e^x for |x| ≤ 87: e^r = 1 + r + r²·q(r) on |r| ≤ ln2/2, q a minimax polynomial of degree 4
 * (3·10⁻⁹), times 2^n, which is made of the bits of 1. */
INLINE vec exp_reduced(vec x) {
    const vec to_integer = splat(0x1.8p23f);
    vec n = fma_vec(x, splat(0x1.715476p0f), to_integer);
    vec whole = n - to_integer;
    vec r = fma_vec(whole, splat(-0x1.62e4p-1f), x);
    r = fma_vec(whole, splat(-0x1.7f7d1cp-20f), r);
    vec q = fma_vec(splat(0x1.6a2434p-10f), r, splat(0x1.1239e2p-7f));
    q = fma_vec(q, r, splat(0x1.5558f2p-5f));
    q = fma_vec(q, r, splat(0x1.555492p-3f));
    q = fma_vec(q, r, splat(0x1.fffffcp-2f));
    vec e = fma_vec(r * r, q, r) + splat(1);
    return e * (vec)(((vec_int)n << 23) + (vec_int)splat(1)); /* a NaN stays one */
}

#endif

/* 1 / (1 + e^−x). In f32 with an exponential of our own, because a call for each vector costs as
 * much as the rest of a small network; |x| is cut at 87, where the result is 2·10⁻³⁸, or 1. */
INLINE vec sigmoid_vec(vec x) {
#if MGD_REAL_BITS == 32
    vec t = maximum(splat(-87), minimum(splat(87), x)); /* a NaN stays one */
    return splat(1) / (splat(1) + exp_reduced(-t));
#else
    return splat(1) / (splat(1) + exp_vec(-x));
#endif
}

/* Activations that a result can pass through before it is stored; the others are a pass over what
 * was stored, because the functions that they call leave no register alone. */
INLINE bool in_registers(mgd_layer_kind kind) {
    return kind == MGD_LAYER_IDENTITY || kind == MGD_LAYER_RELU ||
           (MGD_REAL_BITS == 32 && kind == MGD_LAYER_SIGMOID);
}

INLINE vec activated(mgd_layer_kind kind, vec x) {
    if (kind == MGD_LAYER_RELU)
        return relu_vec(x);
    if (MGD_REAL_BITS == 32 && kind == MGD_LAYER_SIGMOID)
        return sigmoid_vec(x);
    return x;
}

#endif
