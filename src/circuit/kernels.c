/* Kernels of the digital synapse: integers in the lanes; compiled once per instruction set and
 * precision (see base/simd.h). Reals here are whole numbers within 24 or 53 bits, so that going to
 * integers and back is exact. */

#include "../base/simd.h"
#include "circuit.h"

INLINE vec_int integers(vec x) {
    return __builtin_convertvector(x, vec_int);
}

INLINE vec reals(vec_int n) {
    return __builtin_convertvector(n, vec);
}

INLINE vec_int within(vec_int n, real_int low, real_int high) {
    vec_int below = n<low, above = n> high;
    return (below & low) | (above & high) | (~(below | above) & n);
}

/* 2^bits */
INLINE real_int power(unsigned bits) {
    return (real_int)1 << bits;
}

/* ---- the cost unit --------------------------------------------------------------------------- */

/* x ≥ 0 and below 2^52, to the nearest integer, half to even: a double that large has no fraction.
 */
INLINE vec_f64 nearest(vec_f64 x) {
    const vec_f64 large = 0x1p52 - (vec_f64){0};
    return x + large - large;
}

INLINE vec_f64 bounded(vec_f64 x, double low, double high) {
    const vec_f64 zero = {0};
    x = pick_doubles(x > zero + low, x, zero + low); /* of a NaN, too */
    return pick_doubles(x < zero + high, x, zero + high);
}

/* Q(C), as mgd_circuit_code has it */
INLINE vec_f64 converted(const double *cost, size_t lanes, double range, double scale) {
    return nearest(bounded(load_doubles(cost, lanes) / range * scale, 0, scale - 1));
}

static void compare(const mgd_circuit *c, const double *plus, const double *minus,
                    const double *alive, size_t lanes, size_t width, void *signals) {
    const double scale = (double)(UINT64_C(1) << c->cost_bits);
    const double most =
        c->set == MGD_CIRCUIT_SIGN_SIGN ? 1 : (double)((UINT64_C(1) << c->magnitude_bits) - 1);
    const vec_f64 zero = {0};
    real *signal = signals;
    for (size_t at = 0; at < lanes; at += DOUBLE_LANES) {
        vec_f64 d = converted(plus + at, lanes, c->cost_range, scale) -
                    converted(minus + at, lanes, c->cost_range, scale);
        d = pick_doubles(load_doubles(alive + at, lanes) != zero, bounded(d, -most, most), zero);
        reals_of_doubles heard = __builtin_convertvector(d, reals_of_doubles);
        if (lanes > 1)
            memcpy(signal + at, &heard, sizeof heard);
        else
            *signal = heard[0];
    }
    fill_tile(signal, lanes, width);
}

/* ---- synapses -------------------------------------------------------------------------------- */

/* What G can be: of counters up to ±2^(n−1), which is an overflow; of the accumulator what −G can.
 */
typedef struct {
    real_int low, high;
} range;

INLINE range range_of(const mgd_circuit *c) {
    const bool counts = c->set == MGD_CIRCUIT_SIGN_SIGN;
    const real_int half = power((counts ? c->counter_bits : c->accumulator_bits) - 1);
    return (range){counts ? -half : 1 - half, half};
}

static void integrate(const mgd_circuit *c, void *gs, const void *signs, bool shared,
                      const void *signals, size_t count, size_t width) {
    real *g = gs;
    const real *s = signs, *signal = signals;
    const range most = range_of(c);
    for (size_t lane = 0; lane < width; lane += VEC_LANES) {
        const vec d = load(signal + lane);
        for (size_t i = 0, at = lane; i < count; i++, at += width) {
            vec e = d * (shared ? splat(s[i]) : load(s + at));
            vec_int sum = integers(load(g + at)) + integers(e);
            store(g + at, reals(within(sum, most.low, most.high)));
        }
    }
}

/* Counters that have run over move w by `step`, against G. */
INLINE vec_int counted(const mgd_circuit *c, vec_int g) {
    const real_int top = power(c->counter_bits - 1), step = (real_int)c->step;
    return ((g == -top) & step) | ((g == top) & -step);
}

/* What a counter holds from then on. */
INLINE vec_int left(const mgd_circuit *c, vec_int g) {
    const real_int top = power(c->counter_bits - 1);
    return g & ~((g == -top) | (g == top));
}

INLINE vec_int shifted(const mgd_circuit *c, vec_int g) {
    return (-g + (power(c->shift) >> 1)) >> (int)c->shift;
}

static void write(const mgd_circuit *c, void *thetas, void *gs, const void *lives, size_t count,
                  size_t width) {
    real *theta = thetas, *g = gs;
    const bool counts = c->set == MGD_CIRCUIT_SIGN_SIGN;
    const vec lsb = splat((real)c->lsb), per_lsb = splat((real)(1 / c->lsb));
    const real_int half = power(c->weight_bits - 1);
    for (size_t lane = 0; lane < width; lane += VEC_LANES) {
        const vec_int moves = load((const real *)lives + lane) != splat(0);
        for (size_t at = lane; at < count * width; at += width) {
            const vec weight = load(theta + at), integral = load(g + at);
            const vec_int sum = integers(integral), w = integers(weight * per_lsb);
            const vec_int asked = counts ? counted(c, sum) : shifted(c, sum);
            const vec_int rest = counts ? left(c, sum) : (vec_int){0};
            const vec written = reals(within(w + asked, -half, half - 1)) * lsb;
            store(theta + at, pick(moves, written, weight));
            store(g + at, pick(moves, reals(rest), integral));
        }
    }
}

static void hold(const mgd_circuit *c, void *thetas, void *gs, size_t count, size_t width) {
    real *theta = thetas, *g = gs;
    const range most = range_of(c);
    for (size_t i = 0; i < count * width; i++) {
        theta[i] = (real)(mgd_circuit_weight((double)theta[i], c->lsb, c->weight_bits) * c->lsb);
        g[i] = (real)fmax((double)most.low, fmin((double)most.high, rint((double)g[i])));
    }
}

extern const mgd_circuit_kernels MGD_KERNEL_TABLE(circuit);
const mgd_circuit_kernels MGD_KERNEL_TABLE(circuit) = {
    .compare = compare,
    .integrate = integrate,
    .write = write,
    .hold = hold,
};
