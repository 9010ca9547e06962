/* simd.h: the vectors that lane kernels are written with. Only files named kernels*.c include it;
 * each is compiled once per instruction set (MGD_KERNEL_AVX512, MGD_KERNEL_AVX2,
 * MGD_KERNEL_PORTABLE) and precision (MGD_REAL_BITS 32 or 64).
 *
 * A tile is LANES independent evaluations: 16 of f32 or 8 of f64, always 64 bytes. A `vec` is what
 * the machine computes with at once; a tile is one, two or four of them. Every operation acts on
 * each lane alone and rounds as IEEE 754 says, multiply-adds are fused explicitly, and exp, tanh,
 * log1p, sinpi and sincos are SLEEF's bit-stable FMA variants: so a lane's result depends neither
 * on its neighbours nor on the width of `vec`.
 */
#ifndef MGD_SIMD_H
#define MGD_SIMD_H

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#include <math.h>

/* sleef.h declares its FMA variants where these are defined, which not every math.h does. */
#if defined(__FMA__) && !defined(FP_FAST_FMA)
#define FP_FAST_FMA 1
#endif
#if defined(__FMA__) && !defined(FP_FAST_FMAF)
#define FP_FAST_FMAF 1
#endif
#include <sleef.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if MGD_REAL_BITS == 32
typedef float real;
typedef int32_t real_int;
typedef uint32_t real_uint;
#else
typedef double real;
typedef int64_t real_int;
typedef uint64_t real_uint;
#endif

#define INLINE static inline __attribute__((always_inline))

#define TILE_BYTES 64
#define LANES ((size_t)(TILE_BYTES / sizeof(real)))

#if defined(MGD_KERNEL_AVX512)
#define VEC_BYTES 64
#elif defined(MGD_KERNEL_AVX2)
#define VEC_BYTES 32
#else
#define VEC_BYTES 16
#endif

typedef real vec __attribute__((vector_size(VEC_BYTES), may_alias));
typedef real_int vec_int __attribute__((vector_size(VEC_BYTES), may_alias));
#define VEC_LANES ((size_t)(VEC_BYTES / sizeof(real)))

/* kernels.c of module `net` for avx512 and f32 exports mgd_net_kernels_avx512_f32. */
#define MGD_PASTE_(module, isa, bits) mgd_##module##_kernels_##isa##_f##bits
#define MGD_PASTE(module, isa, bits) MGD_PASTE_(module, isa, bits)
#define MGD_KERNEL_TABLE(module) MGD_PASTE(module, MGD_ISA_SUFFIX, MGD_REAL_BITS)

static inline vec load(const real *p) {
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

#if defined(MGD_KERNEL_AVX512)
/* The first n of them, n < VEC_LANES, and zeros */
static inline vec load_first(const real *p, size_t n) {
#if MGD_REAL_BITS == 32
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
#else
    return (vec)_mm512_maskz_loadu_pd((__mmask8)((1u << n) - 1), p);
#endif
}
#endif

static inline void store(real *p, vec v) {
    memcpy(p, &v, sizeof v);
}

static inline vec splat(real x) {
    return x - (vec){0};
}

/* Doubles, in which costs are, whatever the precision of the kernels. */
typedef double vec_f64 __attribute__((vector_size(VEC_BYTES), may_alias));
typedef int64_t vec_i64 __attribute__((vector_size(VEC_BYTES), may_alias));
typedef real reals_of_doubles
    __attribute__((vector_size(VEC_BYTES / sizeof(double) * sizeof(real)), may_alias));
#define DOUBLE_LANES ((size_t)(VEC_BYTES / sizeof(double)))

static inline vec_f64 pick_doubles(vec_i64 mask, vec_f64 yes, vec_f64 no) {
#if defined(MGD_KERNEL_AVX512)
    return (vec_f64)_mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)mask), (__m512d)no,
                                         (__m512d)yes);
#else
    return (vec_f64)((mask & (vec_i64)yes) | (~mask & (vec_i64)no));
#endif
}

/* A vector's worth of doubles; in rows there is one. */
INLINE vec_f64 load_doubles(const double *p, size_t lanes) {
    vec_f64 v = *p - (vec_f64){0};
    if (lanes > 1)
        memcpy(&v, p, sizeof v);
    return v;
}

/* Widens one lane's value to a tile, as rows need it. Whole vectors are stored, because a vector
 * that is read right after it was written piece by piece stalls. */
INLINE void fill_tile(real *out, size_t lanes, size_t width) {
    vec all = splat(out[0]);
    for (size_t lane = 0; lane < width && lanes == 1; lane += VEC_LANES)
        store(out + lane, all);
}

/* Words of 32 bits: a vector of them, half a vector, and in lanes of 64 bits. */
typedef uint32_t vec_u32 __attribute__((vector_size(VEC_BYTES), may_alias));
typedef uint32_t words_half __attribute__((vector_size(VEC_BYTES / 2), may_alias));
typedef uint64_t vec_u64 __attribute__((vector_size(VEC_BYTES), may_alias));
#define WORD_LANES ((size_t)(VEC_BYTES / sizeof(uint32_t)))

/* a·b in each lane of 64 bits, of which the lower halves are the factors */
static inline vec_u64 multiply_words(vec_u64 a, uint32_t b) {
    const vec_u64 factor = b - (vec_u64){0};
#if defined(MGD_KERNEL_AVX512)
    return (vec_u64)_mm512_mul_epu32((__m512i)a, (__m512i)factor);
#elif defined(MGD_KERNEL_AVX2)
    return (vec_u64)_mm256_mul_epu32((__m256i)a, (__m256i)factor);
#elif defined(__SSE2__)
    return (vec_u64)_mm_mul_epu32((__m128i)a, (__m128i)factor);
#else
    return (a & UINT32_MAX) * factor;
#endif
}

/* A vector's worth of words as the integers of `vec` */
static inline vec_int load_words(const uint32_t *words) {
#if MGD_REAL_BITS == 32
    vec_int v;
    memcpy(&v, words, sizeof v);
    return v;
#else
    words_half v;
    memcpy(&v, words, sizeof v);
    return (vec_int) __builtin_convertvector(v, vec_u64);
#endif
}

/* Each lane turned right by so many bits */
static inline vec_int turn(vec_int word, unsigned by) {
    typedef real_uint vec_uint __attribute__((vector_size(VEC_BYTES)));
    vec_uint w = (vec_uint)word;
    return (vec_int)(w >> by | w << (8 * sizeof(real) - by));
}

/* whether any bit of any lane is set */
static inline int any_word(vec_u32 v) {
#if defined(MGD_KERNEL_AVX512)
    return _mm512_test_epi32_mask((__m512i)v, (__m512i)v) != 0;
#elif defined(MGD_KERNEL_AVX2)
    return !_mm256_testz_si256((__m256i)v, (__m256i)v);
#else
    uint32_t any = 0;
    for (size_t lane = 0; lane < WORD_LANES; lane++)
        any |= v[lane];
    return any != 0;
#endif
}

/* mask lanes are all ones or all zeros, as vector comparisons give them */
static inline vec pick(vec_int mask, vec yes, vec no) {
#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
    return (vec)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)mask), (__m512)no, (__m512)yes);
#elif defined(MGD_KERNEL_AVX512)
    return (vec)_mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)mask), (__m512d)no,
                                     (__m512d)yes);
#else
    return (vec)((mask & (vec_int)yes) | (~mask & (vec_int)no));
#endif
}

static inline vec vec_abs(vec x) {
    const vec minus_zero = splat((real)-0.0);
    return (vec)((vec_int)x & ~(vec_int)minus_zero);
}

/* a0 b0 a1 b1 … of the lower or upper halves of two vectors */
#if VEC_BYTES * 8 / MGD_REAL_BITS == 16
#define LOWER_HALVES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define UPPER_HALVES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif VEC_BYTES * 8 / MGD_REAL_BITS == 8
#define LOWER_HALVES 0, 8, 1, 9, 2, 10, 3, 11
#define UPPER_HALVES 4, 12, 5, 13, 6, 14, 7, 15
#elif VEC_BYTES * 8 / MGD_REAL_BITS == 4
#define LOWER_HALVES 0, 4, 1, 5
#define UPPER_HALVES 2, 6, 3, 7
#else
#define LOWER_HALVES 0, 2
#define UPPER_HALVES 1, 3
#endif
#if defined(__clang__) || __GNUC__ >= 12
#define SHUFFLE(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
#else
#define SHUFFLE(a, b, ...) __builtin_shuffle(a, b, (vec_int){__VA_ARGS__})
#endif

/* Transposes VEC_LANES vectors by log₂ rounds of a perfect shuffle. */
static inline __attribute__((always_inline)) void transpose(vec v[VEC_LANES]) {
    for (size_t round = 1; round < VEC_LANES; round *= 2) {
        vec next[VEC_LANES];
        for (size_t i = 0; i < VEC_LANES / 2; i++) {
            next[2 * i] = SHUFFLE(v[i], v[i + VEC_LANES / 2], LOWER_HALVES);
            next[2 * i + 1] = SHUFFLE(v[i], v[i + VEC_LANES / 2], UPPER_HALVES);
        }
        for (size_t i = 0; i < VEC_LANES; i++)
            v[i] = next[i];
    }
}

/* Calls a scalar function lane by lane; where no vector form exists. */
#define EACH_LANE(result, expression)                                                              \
    for (size_t lane = 0; lane < VEC_LANES; lane++)                                                \
        (result)[lane] = (expression);

/* a where it is larger (smaller) than b, else b; so where one of them is a NaN, b. */
static inline vec maximum(vec a, vec b) {
#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(MGD_KERNEL_AVX512)
    return (vec)_mm512_max_pd((__m512d)a, (__m512d)b);
#else
    return pick(a > b, a, b);
#endif
}

static inline vec minimum(vec a, vec b) {
#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
    return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(MGD_KERNEL_AVX512)
    return (vec)_mm512_min_pd((__m512d)a, (__m512d)b);
#else
    return pick(a < b, a, b);
#endif
}

/* The next integer below */
static inline vec floor_vec(vec x) {
#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
    return (vec)_mm512_floor_ps((__m512)x);
#elif defined(MGD_KERNEL_AVX512)
    return (vec)_mm512_floor_pd((__m512d)x);
#elif defined(MGD_KERNEL_AVX2) && MGD_REAL_BITS == 32
    return (vec)_mm256_floor_ps((__m256)x);
#elif defined(MGD_KERNEL_AVX2)
    return (vec)_mm256_floor_pd((__m256d)x);
#elif MGD_REAL_BITS == 32
    vec y;
    EACH_LANE(y, __builtin_floorf(x[lane]))
    return y;
#else
    vec y;
    EACH_LANE(y, __builtin_floor(x[lane]))
    return y;
#endif
}

#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
#define SLEEF_VECTOR(name, ulp) Sleef_finz_##name##f16_##ulp##avx512f
#elif defined(MGD_KERNEL_AVX512)
#define SLEEF_VECTOR(name, ulp) Sleef_finz_##name##d8_##ulp##avx512f
#elif defined(MGD_KERNEL_AVX2) && MGD_REAL_BITS == 32
#define SLEEF_VECTOR(name, ulp) Sleef_finz_##name##f8_##ulp##avx2
#elif defined(MGD_KERNEL_AVX2)
#define SLEEF_VECTOR(name, ulp) Sleef_finz_##name##d4_##ulp##avx2
#elif MGD_REAL_BITS == 32
#define SLEEF_SCALAR(name, ulp) Sleef_finz_##name##f1_##ulp##purecfma
#else
#define SLEEF_SCALAR(name, ulp) Sleef_finz_##name##d1_##ulp##purecfma
#endif

#if defined(SLEEF_VECTOR)
#define DEFINE_FUNCTION(ours, name, ulp)                                                           \
    static inline vec ours(vec x) {                                                                \
        return (vec)SLEEF_VECTOR(name, ulp)(x);                                                    \
    }
#else
#define DEFINE_FUNCTION(ours, name, ulp)                                                           \
    static inline vec ours(vec x) {                                                                \
        vec y;                                                                                     \
        EACH_LANE(y, SLEEF_SCALAR(name, ulp)(x[lane]))                                             \
        return y;                                                                                  \
    }
#endif

/* Costs are double in every kernel: exp of n values, n a multiple of 8, and one logarithm. */
static inline void exp_doubles(double *p, size_t n) {
#if defined(MGD_KERNEL_AVX512)
    for (size_t i = 0; i < n; i += 8)
        _mm512_storeu_pd(p + i, Sleef_finz_expd8_u10avx512f(_mm512_loadu_pd(p + i)));
#elif defined(MGD_KERNEL_AVX2)
    for (size_t i = 0; i < n; i += 4)
        _mm256_storeu_pd(p + i, Sleef_finz_expd4_u10avx2(_mm256_loadu_pd(p + i)));
#else
    for (size_t i = 0; i < n; i++)
        p[i] = Sleef_finz_expd1_u10purecfma(p[i]);
#endif
}

static inline double log_double(double x) {
    return Sleef_finz_logd1_u10purecfma(x);
}

/* a·b + c, rounded once */
static inline vec fma_vec(vec a, vec b, vec c) {
#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
    return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(MGD_KERNEL_AVX512)
    return (vec)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(MGD_KERNEL_AVX2) && MGD_REAL_BITS == 32
    return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(MGD_KERNEL_AVX2)
    return (vec)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif MGD_REAL_BITS == 32
    vec y;
    EACH_LANE(y, __builtin_fmaf(a[lane], b[lane], c[lane]))
    return y;
#else
    vec y;
    EACH_LANE(y, __builtin_fma(a[lane], b[lane], c[lane]))
    return y;
#endif
}

static inline vec sqrt_vec(vec x) {
#if defined(MGD_KERNEL_AVX512) && MGD_REAL_BITS == 32
    return (vec)_mm512_sqrt_ps((__m512)x);
#elif defined(MGD_KERNEL_AVX512)
    return (vec)_mm512_sqrt_pd((__m512d)x);
#elif defined(MGD_KERNEL_AVX2) && MGD_REAL_BITS == 32
    return (vec)_mm256_sqrt_ps((__m256)x);
#elif defined(MGD_KERNEL_AVX2)
    return (vec)_mm256_sqrt_pd((__m256d)x);
#elif MGD_REAL_BITS == 32
    vec y;
    EACH_LANE(y, __builtin_sqrtf(x[lane]))
    return y;
#else
    vec y;
    EACH_LANE(y, __builtin_sqrt(x[lane]))
    return y;
#endif
}

#endif
