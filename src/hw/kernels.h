/* kernels.h: what the kernel files of hw share: walking over values with their coefficients, and
 * random numbers in lanes.
 *
 * One Philox block is four words, one word two normals (Box and Muller 1958): its upper 20 bits the
 * radius, two bits the signs and 10 bits the angle within a quadrant. So |z| ≤ 5.4 and the finest
 * steps are far below what hardware noise is known to. A block serves MGD_HW_BLOCK neighbouring
 * sites of one replica: in lanes a tile draws the same block of its replicas, in a row a tile draws
 * as many blocks of one replica.
 */
#ifndef MGD_HW_KERNELS_H
#define MGD_HW_KERNELS_H

#include "../base/philox.h"
#include "../base/simd.h"
#include "hw.h"

#include <stdbool.h>

#define HW_KERNEL(name) MGD_KERNEL_TABLE(hw_##name)

mgd_hw_kernel HW_KERNEL(affine), HW_KERNEL(shift), HW_KERNEL(asymmetry), HW_KERNEL(quantise),
    HW_KERNEL(levels), HW_KERNEL(clamp), HW_KERNEL(compress), HW_KERNEL(saturate), HW_KERNEL(stuck),
    HW_KERNEL(ir_drop), HW_KERNEL(crosstalk);
mgd_hw_kernel HW_KERNEL(noise), HW_KERNEL(flicker), HW_KERNEL(diffusion);
mgd_hw_kernel HW_KERNEL(leak), HW_KERNEL(drift), HW_KERNEL(filter), HW_KERNEL(high_pass),
    HW_KERNEL(delay), HW_KERNEL(slew);
mgd_hw_write_kernel HW_KERNEL(write);
void HW_KERNEL(draw)(const mgd_hw_op *op, size_t which, const mgd_hw_frame *f, void *coef);
void HW_KERNEL(normals)(uint64_t seed, bool uniform, const mgd_hw_frame *f, void *out);

DEFINE_FUNCTION(hw_exp, exp, u10)
DEFINE_FUNCTION(hw_log, log, u10)

/* ---- walking --------------------------------------------------------------------------------- */

/* for every vector of values: i its row, lane its first lane, at its place */
#define EACH_VALUE(f)                                                                              \
    for (size_t i = 0; i < (f)->rows; i++)                                                         \
        for (size_t lane = 0, at = i * (f)->width; lane < (f)->width;                              \
             lane += VEC_LANES, at += VEC_LANES)

/* Coefficient array number k of an op, or a constant where it has no draws of it. */
typedef struct {
    const real *array;
    real constant;
    bool shared;
} coefficient;

INLINE size_t coefficients_size(const mgd_hw_frame *f) {
    return f->shared ? f->rows : f->rows * f->width;
}

INLINE coefficient coefficient_of(const mgd_hw_frame *f, const void *coef, size_t k, bool drawn,
                                  double constant) {
    coefficient c = {NULL, (real)constant, f->shared};
    if (drawn)
        c.array = (const real *)coef + k * coefficients_size(f);
    return c;
}

INLINE vec coefficient_at(const coefficient *c, size_t i, size_t at) {
    return !c->array ? splat(c->constant) : c->shared ? splat(c->array[i]) : load(c->array + at);
}

/* `next` where the lane moves, else `before`. */
INLINE vec if_alive(const mgd_hw_frame *f, size_t lane, vec next, vec before) {
    return f->alive ? pick(load((const real *)f->alive + lane) != splat(0), next, before) : next;
}

/* Since the device was programmed. */
INLINE vec seconds_at(const mgd_hw_frame *f, size_t at) {
    vec held = splat((real)f->held);
    if (f->since)
        held += load((const real *)f->since + at);
    return held;
}

INLINE vec smaller_of(vec a, vec b) {
    return pick(a < b, a, b);
}

INLINE vec larger_of(vec a, vec b) {
    return pick(a > b, a, b);
}

INLINE vec clamped(vec v, vec low, vec high) {
    return smaller_of(larger_of(v, low), high);
}

/* The next integer below; from 2^22 (f32) or 2^51 (f64) on, where halves are the finest steps, x.
 */
INLINE vec floor_vec(vec x) {
    const real most = MGD_REAL_BITS == 32 ? (real)0x1p22 : (real)0x1p51;
    const vec shift = splat(3 * most);
    vec near = (x + shift) - shift;
    near -= pick(near > x, splat(1), splat(0));
    return pick(vec_abs(x) < splat(most), near, x);
}

INLINE vec tanh_of(vec x) {
    vec e = hw_exp(splat(-2) * vec_abs(x));
    vec t = (splat(1) - e) / (splat(1) + e);
    return pick(x < splat(0), -t, t);
}

/* ---- random numbers -------------------------------------------------------------------------- */

#define AT_ONCE (LANES < PHILOX_LANES ? LANES : PHILOX_LANES)

/* What is drawn: of which stream, at which event. */
typedef struct {
    const mgd_hw_frame *f;
    uint64_t seed;
    uint32_t fixed[4]; /* the counter for replica 0 and index 0 */
    uint32_t stride;   /* blocks of one sample */
    uint32_t first;    /* block that the draw begins with */
} draws;

/* `part`: of several draws at one event, this one. */
INLINE draws draws_of(const mgd_hw_frame *f, uint64_t seed, mgd_stream stream, uint64_t event,
                      size_t part, size_t parts) {
    draws d = {.f = f, .seed = seed};
    size_t blocks = (f->sites + MGD_HW_BLOCK - 1) / MGD_HW_BLOCK;
    mgd_random_counter(stream, 0, event, 0, d.fixed);
    d.stride = (uint32_t)(blocks * parts);
    d.first = (uint32_t)(blocks * part);
    return d;
}

typedef union {
    uint32_t word[4][LANES < 16 ? 16 : LANES];
    vec aligned;
} word_tile;

/* The four words of block `block` for the tile of lanes from `lane` on; in a row, of LANES blocks
 * from there on. */
INLINE void draw_words(const draws *d, size_t lane, size_t block, word_tile *out) {
    const mgd_hw_frame *f = d->f;
    const bool one = f->row || f->shared;
    uint32_t index[LANES];
    for (size_t k = 0; k < LANES; k++) {
        uint32_t sample = f->sample ? f->sample[lane + k] : f->copy;
        index[k] = d->first + d->stride * sample + (uint32_t)block + (f->row ? (uint32_t)k : 0);
    }
    for (size_t part = 0; part < LANES; part += AT_ONCE) {
        philox_words w;
        uint64_t number[PHILOX_LANES] = {0};
        uint32_t low[PHILOX_LANES] = {0}, drawn[PHILOX_LANES];
        memcpy(low, index + part, AT_ONCE * sizeof *low);
        for (size_t k = 0; k < AT_ONCE; k++)
            number[k] = f->replica[one ? 0 : lane + part + k];
        for (size_t h = 0; h < 2; h++) {
            vec_u64 r;
            words_half l;
            memcpy(&r, number + h * PHILOX_HALF, sizeof r);
            memcpy(&l, low + h * PHILOX_HALF, sizeof l);
            w.word[0][h] = __builtin_convertvector(l, vec_u64);
            w.word[1][h] = d->fixed[1] - (vec_u64){0};
            w.word[2][h] = r << 8 | d->fixed[2];
            w.word[3][h] = (r >> 24 & 0xffffff) | d->fixed[3];
        }
        philox(d->seed, &w);
        for (int i = 0; i < 4; i++) {
            store_words(&w, i, drawn);
            memcpy(out->word[i] + part, drawn, AT_ONCE * sizeof *drawn);
        }
    }
}

INLINE vec real_of(vec_int v) {
    return __builtin_convertvector(v, vec);
}

/* √(−2 ln u), u = (k + ½)·2⁻²⁰ */
INLINE vec radius(vec_int k) {
    vec u = (real_of(k) + splat((real)0.5)) * splat((real)0x1p-20);
#if MGD_REAL_BITS == 32
    /* u = 2^e·(1 + x), 1 + x in [√½, √2): ln(1 + x) = x + x²·q(x), q by interpolation at Chebyshev
     * points, error 2·10⁻⁸ */
    vec_int bits = (vec_int)u - 0x3f3504f3;
    vec e = real_of(bits >> 23);
    vec x = (vec)((bits & 0x007fffff) + 0x3f3504f3) - splat(1);
    vec q = fma_vec(splat(0x1.67ed28p-4f), x, splat(-0x1.21fd54p-3f));
    q = fma_vec(q, x, splat(0x1.2fd102p-3f));
    q = fma_vec(q, x, splat(-0x1.53bb74p-3f));
    q = fma_vec(q, x, splat(0x1.99071p-3f));
    q = fma_vec(q, x, splat(-0x1.000302p-2f));
    q = fma_vec(q, x, splat(0x1.555638p-2f));
    q = fma_vec(q, x, splat(-0x1.fffffep-2f));
    vec log = fma_vec(e, splat(0x1.62e43p-1f), fma_vec(x * x, q, x));
#else
    vec log = hw_log(u);
#endif
    return sqrt_vec(splat(-2) * log);
}

/* Two independent standard normals of one word. */
INLINE void normal_pair(vec_int word, vec out[2]) {
    const vec_int sign = (vec_int)splat((real)-0.0);
#if MGD_REAL_BITS == 32
    typedef uint32_t vec_uint __attribute__((vector_size(VEC_BYTES)));
    vec_int k = (vec_int)((vec_uint)word >> 12), low = word & 0x3ff;
    vec_int first = word << 20, second = word << 21; /* bits 11 and 10 on top */
#else
    vec_int k = word >> 12, low = word & 0x3ff;
    vec_int first = word << 52, second = word << 53;
#endif
    vec r = radius(k);
    /* the angle from the middle of the quadrant, in quarter turns, (−½, ½) */
    vec f = fma_vec(real_of(low), splat((real)0x1p-10), splat((real)(0x1p-11 - 0.5)));
    vec t = f * f;
    /* cos and sin of f·π/2, times √½: interpolated at Chebyshev points, error 3·10⁻⁸ */
    vec c = fma_vec(splat((real)-0x1.d8dde2p-7), t, splat((real)0x1.6f3ffep-3));
    c = fma_vec(c, t, splat((real)-0x1.bea562p-1));
    c = fma_vec(c, t, splat((real)0x1.6a09e6p-1));
    vec s = fma_vec(splat((real)-0x1.aa8932p-9), t, splat((real)0x1.cd8eap-5));
    s = fma_vec(s, t, splat((real)-0x1.d3ba3ep-2));
    s = fma_vec(s, t, splat((real)0x1.1c5832p+0)) * f;
    out[0] = (vec)((vec_int)(r * (c - s)) ^ (first & sign));
    out[1] = (vec)((vec_int)(r * (c + s)) ^ (second & sign));
}

/* Two independent numbers, evenly on (0, 1), of one word: 16 bits each. */
INLINE void uniform_pair(vec_int word, vec out[2]) {
    const vec half = splat((real)0x1p-17), step = splat((real)0x1p-16);
    out[0] = fma_vec(real_of(word & 0xffff), step, half);
    out[1] = fma_vec(real_of((word >> 16) & 0xffff), step, half);
}

/* z (MGD_HW_BLOCK × LANES): rows block·MGD_HW_BLOCK … of the values, lanes from `lane` on. */
INLINE void draw_block(const draws *d, bool uniform, size_t lane, size_t block, real *z) {
    word_tile words;
    real drawn[MGD_HW_BLOCK * LANES];
    real *to = d->f->row ? drawn : z;
    draw_words(d, lane, d->f->row ? block * LANES : block, &words);
    for (size_t w = 0; w < 4; w++)
        for (size_t part = 0; part < LANES; part += VEC_LANES) {
            vec pair[2];
            vec_int word = load_words(words.word[w] + part);
            if (uniform)
                uniform_pair(word, pair);
            else
                normal_pair(word, pair);
            store(to + 2 * w * LANES + part, pair[0]);
            store(to + (2 * w + 1) * LANES + part, pair[1]);
        }
    for (size_t k = 0; k < MGD_HW_BLOCK && d->f->row; k++)
        for (size_t lane_of = 0; lane_of < LANES; lane_of++)
            z[lane_of * MGD_HW_BLOCK + k] = drawn[k * LANES + lane_of];
}

/* for every tile and block of values: z holds its draws; then `i` is a row of it, `at` a vector */
#define EACH_DRAWN(d, uniform, z)                                                                  \
    for (size_t tile = 0; tile < (d)->f->width; tile += LANES)                                     \
        for (size_t block = 0; block * MGD_HW_BLOCK < (d)->f->rows &&                              \
                               (draw_block(d, uniform, tile, block, z), true);                     \
             block++)                                                                              \
            for (size_t i = block * MGD_HW_BLOCK, row_ = 0;                                        \
                 row_ < MGD_HW_BLOCK && i < (d)->f->rows; i++, row_++)                             \
                for (size_t part = 0, lane = tile, at = i * (d)->f->width + tile; part < LANES;    \
                     part += VEC_LANES, lane += VEC_LANES, at += VEC_LANES)

/* within EACH_DRAWN: the draws of this vector */
#define DRAWN(z) load((z) + row_ * LANES + part)

#endif
