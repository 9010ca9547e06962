/* normals.h: random words into normal and uniform numbers, a vector of them at a time; only
 * kernels*.c include it.
 *
 * One word makes two normals (Box and Muller 1958): its upper 20 bits the radius, two bits the
 * signs and 10 bits the angle within a quadrant. So |z| ≤ 5.4, mean and correlation of the two are
 * exactly 0 and their variance is 1 within 10⁻⁶. Words lie in the integers of a vector, as
 * load_words gives them.
 */
#ifndef MGD_BASE_NORMALS_H
#define MGD_BASE_NORMALS_H

#include "simd.h"

#if MGD_REAL_BITS == 64
DEFINE_FUNCTION(normals_log, log, u10)
#endif

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
    vec log = normals_log(u);
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

#endif
