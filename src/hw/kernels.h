/* kernels.h: what the kernel files of hw share: walking over values with their coefficients, and
 * random numbers in lanes.
 *
 * One Philox block is four words, one word two normals (base/normals.h). A block serves
 * MGD_HW_BLOCK neighbouring sites of one replica: in lanes a tile draws the same block of its
 * replicas, in a row a tile draws as many blocks of one replica.
 */
#ifndef MGD_HW_KERNELS_H
#define MGD_HW_KERNELS_H

#include "../base/normals.h"
#include "../base/philox.h"
#include "../base/simd.h"
#include "hw.h"

#include <stdbool.h>

#define HW_KERNEL(name) MGD_KERNEL_TABLE(hw_##name)

/* Begins the kernel of a model (mgd_hw_kernel), for its row to find: see model.h. */
#define MODEL_KERNEL(name)                                                                         \
    mgd_hw_kernel HW_KERNEL(name);                                                                 \
    void HW_KERNEL(name)(UNUSED const mgd_hw_chain *chain, const mgd_hw_op *op,                    \
                         const mgd_hw_frame *f, UNUSED const void *coef, UNUSED void *state,       \
                         void *values)
#define UNUSED __attribute__((unused))

mgd_hw_write_kernel HW_KERNEL(write);
double HW_KERNEL(pulse)(const mgd_hw_law *law, double weight, int direction);
void HW_KERNEL(product)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *x, size_t inputs,
                        void *y);
void HW_KERNEL(variance)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *w, void *out);
void HW_KERNEL(scatter)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *variance,
                        bool shared, bool uniform, void *v);
void HW_KERNEL(draw)(const mgd_hw_op *op, size_t which, const mgd_hw_frame *f, void *coef);
void HW_KERNEL(normals)(uint64_t seed, bool uniform, const mgd_hw_frame *f, void *out);

DEFINE_FUNCTION(hw_exp, exp, u10)
DEFINE_FUNCTION(hw_log, log, u10)

/* ---- walking --------------------------------------------------------------------------------- */

/* for every vector of values: i its row, lane its first lane, at its place. The shape is read once:
 * a store might change it, for all the compiler knows. */
#define EACH_VALUE(f)                                                                              \
    for (size_t rows_ = (f)->rows, width_ = (f)->width, i = 0; i < rows_; i++)                     \
        for (size_t lane = 0, at = i * width_; lane < width_; lane += VEC_LANES, at += VEC_LANES)

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

/* Since `since` was brought up to date. */
INLINE vec held_at(const mgd_hw_frame *f, size_t lane) {
    return f->held_lanes ? load((const real *)f->held_lanes + lane) : splat((real)f->held);
}

/* Since the device was programmed. */
INLINE vec seconds_at(const mgd_hw_frame *f, size_t lane, size_t at) {
    vec held = held_at(f, lane);
    if (f->since)
        held += load((const real *)f->since + at);
    return held;
}

/* `v`, or `x` in the lanes where that is a NaN: comparisons would make a number of it. */
INLINE vec unless_nan(vec x, vec v) {
#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
    return (vec)_mm512_mask_mov_ps(
        (__m512)v, _mm512_cmp_ps_mask((__m512)x, (__m512)x, _CMP_UNORD_Q), (__m512)x);
#elif defined(MGD_KERNEL_AVX512)
    return (vec)_mm512_mask_mov_pd(
        (__m512d)v, _mm512_cmp_pd_mask((__m512d)x, (__m512d)x, _CMP_UNORD_Q), (__m512d)x);
#else
    return pick(x != x, x, v);
#endif
}

/* A chip that diverged must be seen to diverge: no model makes a number of a NaN. */
INLINE vec clamped(vec v, vec low, vec high) {
    return unless_nan(v, minimum(maximum(v, low), high));
}

/* The same for nothing, where the sign of a zero that is a bound does not matter. */
INLINE vec within(vec v, vec low, vec high) {
    return minimum(high, maximum(low, v));
}

INLINE vec tanh_of(vec x) {
    vec e = hw_exp(splat(-2) * vec_abs(x));
    vec t = (splat(1) - e) / (splat(1) + e);
    return pick(x < splat(0), -t, t);
}

/* ---- random numbers -------------------------------------------------------------------------- */

#define GROUP (2 * MGD_HW_BLOCK)

/* What is drawn: of which stream, at which event. A *group* is GROUP vectors, `stride` apart: in
 * lanes two blocks of sites of as many replicas as a vector has lanes; in a row, which is taken as
 * one line of vectors, as many pairs of blocks of the one replica. */
typedef struct {
    const mgd_hw_frame *f;
    uint64_t seed;
    uint32_t fixed[4];             /* the counter for replica 0 and index 0 */
    uint32_t per_sample;           /* blocks of one sample */
    uint32_t first;                /* block that the draw begins with */
    bool row, one;                 /* one: of one replica */
    size_t vectors, stride, lanes; /* down a column of vectors, and how far columns reach */
} draws;

/* `part`: of several draws at one event, this one. */
INLINE draws draws_of(const mgd_hw_frame *f, uint64_t seed, mgd_stream stream, uint64_t event,
                      size_t part, size_t parts) {
    draws d = {.f = f, .seed = seed, .row = f->row, .one = f->row || f->shared};
    size_t blocks = (f->sites + MGD_HW_BLOCK - 1) / MGD_HW_BLOCK;
    mgd_random_counter(stream, 0, event, 0, d.fixed);
    d.per_sample = (uint32_t)(blocks * parts);
    d.first = (uint32_t)(blocks * part);
    d.vectors = f->row ? f->rows * f->width / VEC_LANES : f->rows;
    d.stride = f->row ? VEC_LANES : f->width;
    d.lanes = f->row ? VEC_LANES : f->width;
    return d;
}

/* Numbers of replicas and, from their samples, where their blocks begin: of one column. */
typedef struct {
    vec_u64 low[2], high[2]; /* as the counter has them */
    vec_u64 index[2];
} column;

/* Lanes that a vector has and Philox, which has room for f32, need not be as many. */
#define COLUMN_LANES (VEC_LANES < PHILOX_LANES ? VEC_LANES : PHILOX_LANES)

INLINE column column_of(const draws *d, size_t lane) {
    const mgd_hw_frame *f = d->f;
    uint64_t number[PHILOX_LANES] = {0}, index[PHILOX_LANES] = {0};
    for (size_t k = 0; k < COLUMN_LANES; k++) {
        uint32_t sample = f->sample ? f->sample[lane + k] : f->copy;
        number[k] = f->replica[d->one ? 0 : lane + k];
        index[k] = d->first + d->per_sample * sample + (d->row ? (uint32_t)k : 0);
    }
    column c;
    for (size_t h = 0; h < 2; h++) {
        vec_u64 r;
        memcpy(&r, number + h * PHILOX_HALF, sizeof r);
        memcpy(&c.index[h], index + h * PHILOX_HALF, sizeof r);
        c.low[h] = r << 8 | d->fixed[2];
        c.high[h] = (r >> 24 & 0xffffff) | d->fixed[3];
    }
    return c;
}

#if MGD_REAL_BITS == 32
#if VEC_BYTES == 64
#define EVEN_WORDS 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#elif VEC_BYTES == 32
#define EVEN_WORDS 0, 2, 4, 6, 8, 10, 12, 14
#else
#define EVEN_WORDS 0, 2, 4, 6
#endif
#endif

/* Word number i of the lanes, in the integers of a vector. */
INLINE vec_int word_of(const philox_words *w, int i) {
#if MGD_REAL_BITS == 32
    return SHUFFLE((vec_int)w->word[i][0], (vec_int)w->word[i][1], EVEN_WORDS);
#else
    return (vec_int)(w->word[i][0] & 0xffffffff);
#endif
}

/* The words of group `block` of a column. Two blocks at once: one alone would wait for its own
 * multiplications. */
INLINE void draw_words(const draws *d, const column *c, size_t block, size_t sets,
                       vec_int words[8]) {
    philox_words w[2];
    for (size_t g = 0; g < sets; g++) {
        const uint64_t place = 2 * block + g;
        for (size_t h = 0; h < 2; h++) {
            w[g].word[0][h] = c->index[h] + (d->row ? place * VEC_LANES : place);
            w[g].word[1][h] = d->fixed[1] - (vec_u64){0};
            w[g].word[2][h] = c->low[h];
            w[g].word[3][h] = c->high[h];
        }
    }
    philox_sets(d->seed, sets, w);
    for (size_t i = 0; i < 4 * sets; i++)
        words[i] = word_of(&w[i / 4], i % 4);
}

/* Sites of a row lie along its vectors; they were drawn a block to a lane. */
INLINE void lay_in_row(vec z[MGD_HW_BLOCK]) {
    real drawn[MGD_HW_BLOCK * VEC_LANES], laid[MGD_HW_BLOCK * VEC_LANES];
    for (size_t k = 0; k < MGD_HW_BLOCK; k++)
        store(drawn + k * VEC_LANES, z[k]);
    for (size_t k = 0; k < MGD_HW_BLOCK; k++)
        for (size_t lane = 0; lane < VEC_LANES; lane++)
            laid[lane * MGD_HW_BLOCK + k] = drawn[k * VEC_LANES + lane];
    for (size_t k = 0; k < MGD_HW_BLOCK; k++)
        z[k] = load(laid + k * VEC_LANES);
}

/* One group of normals, or of uniform numbers; the first `need` of it where that is less. */
INLINE void draw_group(const draws *d, const column *c, bool uniform, size_t block, size_t need,
                       vec z[GROUP]) {
    vec_int words[GROUP / 2] = {{0}};
    bool few = need <= MGD_HW_BLOCK && !d->row;
    if (few)
        draw_words(d, c, block, 1, words);
    else
        draw_words(d, c, block, 2, words);
    for (size_t i = 0; i < GROUP / 2; i++) {
        if (few && 2 * i >= need)
            break;
        if (uniform)
            uniform_pair(words[i], z + 2 * i);
        else
            normal_pair(words[i], z + 2 * i);
    }
    if (d->row) {
        lay_in_row(z);
        lay_in_row(z + MGD_HW_BLOCK);
    }
}

/* for every column and group of values: draw_group into z; then for every vector of the group, with
 * `at` its place and z[k] its draws; `i` is its row and `lane` its first lane, but in a row */
#define EACH_DRAWN(d, uniform, z)                                                                  \
    for (size_t lane = 0, lanes_ = (d)->lanes, stride_ = (d)->stride, left_ = (d)->vectors;        \
         lane < lanes_; lane += VEC_LANES)                                                         \
        for (column column_ = column_of(d, lane), *column_at = &column_; column_at;                \
             column_at = NULL)                                                                     \
            for (size_t block = 0;                                                                 \
                 block * GROUP < left_ &&                                                          \
                 (draw_group(d, &column_, uniform, block, left_ - block * GROUP, z), true);        \
                 block++)                                                                          \
                for (size_t k = 0, i = block * GROUP, at = i * stride_ + lane;                     \
                     k < GROUP && i < left_; k++, i++, at += stride_)

#endif
