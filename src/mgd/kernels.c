/* Kernels of the engine: perturbation, demodulation, integration; compiled once per
 * instruction set and precision (see base/simd.h for what keeps the bits the same).
 */

#include "kernels.h"
#include "stepped.h"

#include <float.h>
#include <stdbool.h>

/* ---- reading a pattern ----------------------------------------------------------------------- */

/* Walks down a pattern's parameters for the vector of lanes from `lane` on. Kernels go through a
 * pattern in runs within which a cursor needs no new word: for (…; i += run_of(…)). */
typedef struct {
    vec_int signs; /* that of the present parameter on top once it is turned by one */
    const real *values;
} cursor;

INLINE size_t run_of(const mgd_pattern *s, const int kind, size_t i, size_t count) {
    size_t run = kind == MGD_PATTERN_SIGNS ? 32 - (s->bit + i) % 32 : count;
    return run < count - i ? run : count - i;
}

INLINE cursor cursor_at(const mgd_pattern *s, const int kind, size_t i, size_t lane, size_t width) {
    cursor c = {0};
    if (kind == MGD_PATTERN_SIGNS) {
        size_t place = s->bit + i;
        c.signs = load_words(s->words + place / 32 * width + lane) >> (int)(place % 32);
    } else {
        c.values = s->values;
        c.values += kind == MGD_PATTERN_OWN ? i * width + lane : i;
    }
    return c;
}

/* factor·s + addend for the present parameter, and on to the next one */
INLINE vec multiply_add(cursor *c, const int kind, vec factor, vec addend, size_t width) {
    if (kind == MGD_PATTERN_SIGNS) { /* factor·s is exact: no need to fuse */
        const vec_int sign = (vec_int)splat((real)-0.0);
        c->signs = turn(c->signs, 1);
        return (vec)((vec_int)factor ^ (c->signs & sign)) + addend;
    }
    vec s = kind == MGD_PATTERN_OWN ? load(c->values) : splat(*c->values);
    c->values += kind == MGD_PATTERN_OWN ? width : 1;
    return fma_vec(factor, s, addend);
}

/* Calls a kernel that is written for any kind with its kind as a constant. */
#define FOR_KIND(s, kernel, ...)                                                                   \
    switch ((s)->kind) {                                                                           \
    case MGD_PATTERN_OWN:                                                                          \
        kernel(MGD_PATTERN_OWN, __VA_ARGS__);                                                      \
        break;                                                                                     \
    case MGD_PATTERN_SHARED:                                                                       \
        kernel(MGD_PATTERN_SHARED, __VA_ARGS__);                                                   \
        break;                                                                                     \
    case MGD_PATTERN_SIGNS:                                                                        \
        kernel(MGD_PATTERN_SIGNS, __VA_ARGS__);                                                    \
        break;                                                                                     \
    }

/* ---- perturbation ---------------------------------------------------------------------------- */

static void perturb_row(const void *thetas, const void *patterns, double factor, size_t n,
                        void *out) {
    const real *theta = thetas, *s = patterns;
    const vec f = splat((real)factor);
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        store((real *)out + i, fma_vec(f, load(s + i), load(theta + i)));
    for (; i < n; i++) { /* the same rounding, in one lane */
        vec one = fma_vec(f, splat(s[i]), splat(theta[i]));
        ((real *)out)[i] = one[0];
    }
}

INLINE void perturb_kind(const int kind, const real *theta, const mgd_pattern *s, vec factor,
                         size_t count, size_t width, real *out) {
    for (size_t i = 0, run; i < count; i += run) {
        run = run_of(s, kind, i, count);
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            cursor c = cursor_at(s, kind, i, lane, width);
            size_t end = (i + run) * width + lane;
            for (size_t at = i * width + lane; at < end; at += width)
                store(out + at, multiply_add(&c, kind, factor, load(theta + at), width));
        }
    }
}

static void perturb(const void *theta, const mgd_pattern *s, double factor, size_t count,
                    size_t width, void *out) {
    const vec f = splat((real)factor);
    FOR_KIND(s, perturb_kind, theta, s, f, count, width, out)
}

static void perturb_slot(const void *thetas, const void *pattern, const void *factors, size_t count,
                         void *out) {
    const real *theta = thetas, *s = pattern, *factor = factors;
    for (size_t i = 0; i < count; i++)
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store((real *)out + i * LANES + lane,
                  fma_vec(load(factor + lane), splat(s[i]), splat(theta[i])));
}

static void perturb_points(const void *thetas, const mgd_pattern *s, const void *factors,
                           size_t count, void *out) {
    const int kind = MGD_PATTERN_SIGNS;
    const real *theta = thetas, *factor = factors;
    for (size_t i = 0, run; i < count; i += run) {
        run = run_of(s, kind, i, count);
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES) {
            cursor c = cursor_at(s, kind, i, lane, LANES);
            const vec f = load(factor + lane);
            for (size_t at = i; at < i + run; at++)
                store((real *)out + at * LANES + lane,
                      multiply_add(&c, kind, f, splat(theta[at]), LANES));
        }
    }
}

static void perturb_slots(const void *thetas, const void *const *patterns, const void *factors,
                          size_t count, void *out) {
    const real *theta = thetas, *factor = factors;
    for (size_t i = 0; i < count; i++) {
        real s[LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            s[lane] = ((const real *)patterns[lane])[i];
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store((real *)out + i * LANES + lane,
                  fma_vec(load(factor + lane), load(s + lane), splat(theta[i])));
    }
}

/* ---- demodulation and integration ------------------------------------------------------------ */

INLINE void store_doubles(double *p, size_t lanes, vec_f64 v) {
    if (lanes > 1)
        memcpy(p, &v, sizeof v);
    else
        *p = v[0];
}

INLINE vec_f64 abs_doubles(vec_f64 v) {
    return (vec_f64)((vec_i64)v & INT64_MAX);
}

INLINE bool any_double(vec_i64 mask) {
    int64_t any = 0;
    for (size_t lane = 0; lane < DOUBLE_LANES; lane++)
        any |= mask[lane];
    return any != 0;
}

/* What a vector of lanes met, as masks. */
typedef struct {
    vec_i64 bad, beyond, huge;
} alarms;

/* C̃ of the lanes from `at` on into the state and, scaled, into the signal. */
INLINE void take_signal(const mgd_demodulation *d, vec_f64 before, vec_f64 cost, vec_f64 tilde,
                        size_t at, size_t lanes, const mgd_unit_costs *unit, real *signal,
                        alarms *met) {
    const vec_f64 zero = {0};
    vec_i64 finite = (abs_doubles(tilde) <= zero + DBL_MAX) & (abs_doubles(cost) <= zero + DBL_MAX);
    vec_i64 lives = load_doubles(unit->alive + at, lanes) != zero;
    met->bad |= lives & ~finite;
    met->beyond |= lives & (abs_doubles(cost) > load_doubles(unit->limit + at, lanes));
    finite &= lives;
    tilde = pick_doubles(finite, tilde, zero);
    vec_f64 clamped = pick_doubles(tilde > zero + d->clamp, zero + d->clamp, tilde);
    clamped = pick_doubles(clamped < zero - d->clamp, zero - d->clamp, clamped) * d->scale;
    met->huge |= abs_doubles(clamped) > zero + MGD_HUGE_SIGNAL;
    reals_of_doubles scaled = __builtin_convertvector(clamped, reals_of_doubles);
    if (lanes > 1)
        memcpy(signal + at, &scaled, sizeof scaled);
    else
        *signal = scaled[0];
    double *const kept[] = {unit->c0 + at, unit->c + at, unit->c_tilde + at};
    const vec_f64 now[] = {before, cost, tilde};
    for (size_t i = 0; i < 3; i++)
        store_doubles(kept[i], lanes, pick_doubles(lives, now[i], load_doubles(kept[i], lanes)));
    double *sum_tilde = unit->sum_tilde + at, *sum_c = unit->sum_c + at;
    store_doubles(sum_tilde, lanes, load_doubles(sum_tilde, lanes) + abs_doubles(tilde));
    store_doubles(sum_c, lanes,
                  load_doubles(sum_c, lanes) + pick_doubles(finite, abs_doubles(cost), zero));
}

static mgd_alarm demodulate(const mgd_demodulation *d, const double *plus, const double *against,
                            size_t lanes, size_t width, const mgd_unit_costs *unit, void *signal) {
    const double share = d->baseline == MGD_BASELINE_NONE ? 0 : 1; /* of what is subtracted */
    const double half = d->baseline == MGD_BASELINE_TWO_SIDED ? 0.5 : 1;
    alarms met = {{0}, {0}, {0}};
    for (size_t at = 0; at < lanes; at += DOUBLE_LANES) {
        vec_f64 cost = load_doubles(plus + at, lanes), before = load_doubles(against + at, lanes);
        take_signal(d, before, cost, half * (cost - share * before), at, lanes, unit, signal, &met);
    }
    fill_tile(signal, lanes, width);
    return (mgd_alarm){any_double(met.bad), any_double(met.beyond), any_double(met.huge)};
}

static mgd_alarm high_pass(const mgd_demodulation *d, const double *plus, size_t lanes,
                           size_t width, const mgd_unit_costs *unit, void *signal) {
    alarms met = {{0}, {0}, {0}};
    for (size_t at = 0; at < lanes; at += DOUBLE_LANES) {
        vec_f64 cost = load_doubles(plus + at, lanes);
        vec_f64 before = d->jumps ? cost : load_doubles(unit->c + at, lanes);
        vec_f64 tilde = d->keep * (load_doubles(unit->c_tilde + at, lanes) + (cost - before));
        take_signal(d, before, cost, tilde, at, lanes, unit, signal, &met);
    }
    fill_tile(signal, lanes, width);
    return (mgd_alarm){any_double(met.bad), any_double(met.beyond), any_double(met.huge)};
}

INLINE void integrate_kind(const int kind, real *g, const mgd_pattern *s, const real *signal,
                           bool set, size_t count, size_t width) {
    for (size_t i = 0, run; i < count; i += run) {
        run = run_of(s, kind, i, count);
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            cursor c = cursor_at(s, kind, i, lane, width);
            const vec e = load(signal + lane);
            size_t end = (i + run) * width + lane;
            for (size_t at = i * width + lane; at < end; at += width) {
                vec before = set ? splat(0) : load(g + at);
                store(g + at, multiply_add(&c, kind, e, before, width));
            }
        }
    }
}

static void integrate(void *g, const mgd_pattern *s, const void *signal, bool set, size_t count,
                      size_t width){FOR_KIND(s, integrate_kind, g, s, signal, set, count, width)}

/* ---- updates --------------------------------------------------------------------------------- */

INLINE void integrate_sgd_kind(const int kind, real *theta, const real *g, const mgd_pattern *s,
                               const real *signal, const real *eta, bool set, size_t count,
                               size_t width) {
    for (size_t i = 0, run; i < count; i += run) {
        run = run_of(s, kind, i, count);
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            cursor c = cursor_at(s, kind, i, lane, width);
            const vec e = load(signal + lane), rate = load(eta + lane);
            size_t end = (i + run) * width + lane;
            for (size_t at = i * width + lane; at < end; at += width) {
                vec before = set ? splat(0) : load(g + at);
                vec slope = multiply_add(&c, kind, e, before, width);
                store(theta + at, stepped(load(theta + at), rate, slope));
            }
        }
    }
}

static void integrate_sgd(void *theta, const void *g, const mgd_pattern *s, const void *signal,
                          const void *eta, bool set, size_t count, size_t width){
    FOR_KIND(s, integrate_sgd_kind, theta, g, s, signal, eta, set, count, width)}

INLINE void low_pass_kind(const int kind, const bool writes, real *theta, real *g,
                          const mgd_pattern *s, const real *signal, const real *eta,
                          const real *lives, real share, size_t count, size_t width) {
    for (size_t i = 0, run; i < count; i += run) {
        run = run_of(s, kind, i, count);
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            cursor c = cursor_at(s, kind, i, lane, width);
            const vec e = load(signal + lane), rate = load(eta + lane);
            const vec_int moves = load(lives + lane) != splat(0);
            size_t end = (i + run) * width + lane;
            for (size_t at = i * width + lane; at < end; at += width) {
                vec before = load(g + at), error = multiply_add(&c, kind, e, -before, width);
                vec slope = pick(moves, fma_vec(splat(share), error, before), before);
                store(g + at, slope);
                if (writes)
                    store(theta + at, stepped(load(theta + at), rate, slope));
            }
        }
    }
}

static void low_pass(void *theta, void *g, const mgd_pattern *s, const void *signal,
                     const void *eta, const void *lives, double share, size_t count, size_t width) {
    if (theta) {
        FOR_KIND(s, low_pass_kind, true, theta, g, s, signal, eta, lives, (real)share, count, width)
    } else {
        FOR_KIND(s, low_pass_kind, false, theta, g, s, signal, eta, lives, (real)share, count,
                 width)
    }
}

static void limit(void *gs, double most, size_t count, size_t width) {
    real *g = gs;
    const vec bound = splat((real)most);
    for (size_t i = 0; i < count * width; i += VEC_LANES)
        store(g + i, maximum(-bound, minimum(bound, load(g + i))));
}

static void rates(double factor, const double *alive, const double *rate, size_t lanes,
                  size_t width, void *out) {
    for (size_t lane = 0; lane < lanes; lane++)
        ((real *)out)[lane] = (real)(factor * (rate ? alive[lane] * rate[lane] : alive[lane]));
    fill_tile(out, lanes, width);
}

/* The sum of two is exact in two: Knuth, The Art of Computer Programming 2, 4.2.2, theorem B. */
static void average(void *means, void *rests, const void *thetas, const void *shares, size_t count,
                    size_t width) {
    real *mean = means, *rest = rests;
    const real *theta = thetas, *share = shares;
    for (size_t lane = 0; lane < width; lane += VEC_LANES) {
        const vec w = load(share + lane);
        const vec_int moves = w != splat(0), first = w == splat(1);
        for (size_t at = lane; at < count * width; at += width) {
            const vec m = load(mean + at), r = load(rest + at), now = load(theta + at);
            const vec d = fma_vec(w, now - m - r, r), sum = m + d, part = sum - m;
            const vec left = (m - (sum - part)) + (d - part);
            store(mean + at, pick(moves, pick(first, now, sum), m));
            store(rest + at, pick(moves, pick(first, splat(0), left), r));
        }
    }
}

extern const mgd_random_kernels MGD_KERNEL_TABLE(random);
extern const mgd_code_kernels MGD_KERNEL_TABLE(code);
extern mgd_optimizer_kernel *const MGD_KERNEL_TABLE(optimizer)[];
extern const mgd_engine_kernels MGD_KERNEL_TABLE(engine);
const mgd_engine_kernels MGD_KERNEL_TABLE(engine) = {
    .lanes = LANES,
    .random = &MGD_KERNEL_TABLE(random),
    .code = &MGD_KERNEL_TABLE(code),
    .perturb_row = perturb_row,
    .perturb = perturb,
    .perturb_slot = perturb_slot,
    .perturb_points = perturb_points,
    .perturb_slots = perturb_slots,
    .demodulate = demodulate,
    .high_pass = high_pass,
    .integrate = integrate,
    .integrate_sgd = integrate_sgd,
    .low_pass = low_pass,
    .limit = limit,
    .rates = rates,
    .optimizers = MGD_KERNEL_TABLE(optimizer),
    .average = average,
};
