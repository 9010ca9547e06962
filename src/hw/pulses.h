/* pulses.h: what one pulse makes of a weight, law by law, and what many do: for kernels_update.c
 * alone. A pulse acts on the weight that the one before it left; so does its noise, whose variance
 * the pulses behind it carry on.
 */
#ifndef MGD_HW_PULSES_H
#define MGD_HW_PULSES_H

#include "kernels.h"

/* One vector of devices. Steps where nothing limits them, both positive. */
typedef struct {
    vec up, down, top, bottom, gamma_up, gamma_down;
} devices;

INLINE vec positive(vec x) {
    return maximum(x, splat(0));
}

INLINE bool any_lane(vec_int mask) {
    return any_word((vec_u32)mask);
}

/* Of a device with this step and imbalance (or, one-sided, this spread of it). */
INLINE void set_steps(const mgd_hw_law *law, vec step, vec imbalance, devices *d) {
    const vec one = splat(1), unit = splat((real)law->dw_min);
    const double bias = law->up_down * law->dw_min;
    if (law->one_sided) { /* the weaker direction alone is weaker */
        d->up = vec_abs(fma_vec(unit, imbalance, step + splat((real)(bias < 0 ? bias : 0))));
        d->down = vec_abs(fma_vec(-unit, imbalance, step - splat((real)(bias > 0 ? bias : 0))));
    } else {
        d->up = step * (one + imbalance);
        d->down = step * (one - imbalance);
    }
}

/* ---- laws ------------------------------------------------------------------------------------ */

/* A step as a line: offset + slope·w of laws that are affine in w; of others the step at w, and how
 * it changes there. */
typedef struct {
    vec offset, slope;
} line;

/* With its sign. */
INLINE vec full_step(const devices *d, vec_int up) {
    return pick(up, d->up, -d->down);
}

INLINE line constant_line(const devices *d, vec_int up) {
    return (line){full_step(d, up), splat(0)};
}

INLINE line linear_line(const devices *d, vec_int up) {
    const vec step = full_step(d, up);
    return (line){step, step * pick(up, d->gamma_up, d->gamma_down)};
}

INLINE line soft_bounds_line(const devices *d, vec_int up) {
    const vec step = full_step(d, up);
    return (line){step, -step / pick(up, d->top, d->bottom)};
}

/* Without curvature as good as straight. */
INLINE double curved(double nonlinearity) {
    return nonlinearity != 0 ? nonlinearity : 1e-15;
}

/* Towards where the curve would end. */
INLINE line ltp_ltd_line(const mgd_hw_law *law, const devices *d, vec_int up) {
    const double up_nu = curved(law->nonlinearity_up), down_nu = curved(law->nonlinearity_down);
    const double up_end = 1 / -__builtin_expm1(-up_nu), down_end = 1 / -__builtin_expm1(-down_nu);
    const double up_share = -__builtin_expm1(-up_nu / law->levels);
    const double down_share = -__builtin_expm1(-down_nu / law->levels);
    const vec share = pick(up, splat((real)up_share), splat((real)down_share));
    vec range = d->top - d->bottom;
    vec end = pick(up, fma_vec(range, splat((real)up_end), d->bottom),
                   fma_vec(-range, splat((real)down_end), d->top));
    return (line){end * share, -share};
}

INLINE line exponential_step(const mgd_hw_law *law, const devices *d, vec w, vec_int up) {
    const vec range = d->top - d->bottom, full = full_step(d, up), zero = splat(0);
    const vec gamma = pick(up, d->gamma_up, -d->gamma_down);
    vec z = fma_vec(splat((real)(2 * law->a)), w / range, splat((real)law->b));
    vec e = hw_exp(gamma * z);
    vec share = pick(up, splat((real)law->amplitude_up), splat((real)law->amplitude_down));
    vec left = splat(1) - share * e;
    vec slope = -full * share * e * gamma * splat((real)(2 * law->a)) / range;
    return (line){full * positive(left), pick(left > zero, slope, zero)};
}

/* e^(y·ln x), x ≥ 0; y = 1, the usual exponent, exactly */
INLINE vec power_of(vec x, vec y) {
    vec p = hw_exp(y * hw_log(maximum(x, splat((real)1e-30))));
    return pick(y == splat(1), x, pick(x > splat(0), p, splat(0)));
}

INLINE line power_step(const devices *d, vec w, vec_int up) {
    const vec range = d->top - d->bottom, full = full_step(d, up), zero = splat(0);
    const vec gamma = pick(up, d->gamma_up, d->gamma_down);
    vec x = positive(pick(up, d->top - w, w - d->bottom) / range);
    vec p = power_of(x, gamma);
    vec slope = pick(up, -full, full) * gamma * p / (x * range);
    return (line){full * p, pick(x > zero, slope, zero)};
}

/* One pulse further along a measured curve: its place by straight lines, then one on; and how that
 * changes with w. `sign`: 1 for a rising curve, −1 for a falling one. */
INLINE line further(const double *curve, size_t size, real sign, vec w) {
    vec next = splat((real)curve[size - 1]), slope = splat(0);
    for (size_t k = size - 1; k-- > 0;) { /* the first piece that reaches w decides */
        const real a = (real)curve[k], b = (real)curve[k + 1];
        const real c = (real)curve[k + 2 < size ? k + 2 : size - 1];
        const real per_weight = b != a ? 1 / (b - a) : 0;
        vec x = (w - splat(a)) * splat(per_weight);
        vec moved = fma_vec(positive(x), splat(c - b), splat(b));
        vec_int here = splat(sign) * w < splat(sign * b);
        next = pick(here, moved, next);
        slope = pick(here, pick(x > splat(0), splat((c - b) * per_weight), splat(0)), slope);
    }
    return (line){next, slope};
}

/* Beyond a curve's end it stays. */
INLINE line table_step(const mgd_hw_law *law, vec w, vec_int up) {
    const vec zero = splat(0), one = splat(1);
    line rise = further(law->up, law->up_size, 1, w);
    line fall = further(law->down, law->down_size, -1, w);
    vec step = pick(up, positive(rise.offset - w), minimum(fall.offset - w, zero));
    return (line){step, pick(step != zero, pick(up, rise.slope, fall.slope) - one, zero)};
}

/* Whether the law's step is affine in w, and how. */
INLINE bool has_line(const mgd_hw_law *law, const devices *d, vec_int up, line *out) {
    switch (law->kind) {
    case MGD_HW_LAW_CONSTANT:
        *out = constant_line(d, up);
        return true;
    case MGD_HW_LAW_LINEAR:
        *out = linear_line(d, up);
        return true;
    case MGD_HW_LAW_SOFT_BOUNDS:
        *out = soft_bounds_line(d, up);
        return true;
    case MGD_HW_LAW_LTP_LTD:
        *out = ltp_ltd_line(law, d, up);
        return true;
    default:
        return false;
    }
}

/* One pulse of the other laws at weight w, up or down. */
INLINE line step_at(const mgd_hw_law *law, const devices *d, vec w, vec_int up) {
    switch (law->kind) {
    case MGD_HW_LAW_EXPONENTIAL:
        return exponential_step(law, d, w, up);
    case MGD_HW_LAW_POWER:
        return power_step(d, w, up);
    default:
        return table_step(law, w, up);
    }
}

/* Where both directions step as far, to which pulses up and down in turn lead; 0 where they always
 * do, or never. */
INLINE vec symmetry_point(const mgd_hw_law *law, const devices *d) {
    const vec zero = splat(0);
    line up, down;
    if (!has_line(law, d, zero == zero, &up) || !has_line(law, d, zero != zero, &down))
        return zero;
    vec slope = up.slope + down.slope;
    return pick(slope != zero, -(up.offset + down.offset) / slope, zero);
}

/* ---- many pulses ----------------------------------------------------------------------------- */

INLINE vec bounded(const devices *d, vec w) {
    return clamped(w, d->bottom, d->top);
}

/* What all of n pulses s, s·q, s·q², … come to: Σ qᵏ; and the variance that they leave behind, in
 * units of (c2c·σ)², where the noise of a pulse is a part of its step (σ = s)
 *
 *   v ← v·g + q²ᵏ  by the k-th, g = q² + (c2c·(1 − q))²
 *
 * or, `fixed`, a part of the full step (σ)
 *
 *   v ← v·q² + 1.
 *
 * It is exact but for bounds. Both by the binary digits of n: Σ over 2m = (Σ over m)·(1 + qᵐ). */
INLINE vec sum_pulses(vec q, vec n, double c2c, bool fixed, vec *variance) {
    const vec zero = splat(0), one = splat(1), half = splat((real)0.5);
    const vec lost = splat((real)c2c) * (one - q);
    vec sum = one, sum2 = one, p = q * q; /* of 1, 2, 4, … pulses */
    vec g = fma_vec(lost, lost, p);
    if (fixed)
        g = p;
    vec all = zero, all2 = zero, reach = one; /* of the pulses so far */
    for (vec left = n; any_lane(left > zero);) {
        vec rest = floor_vec(left * half);
        vec_int odd = left - rest - rest > zero;
        if (c2c > 0) {
            vec found = sum2, doubled = g + one;
            if (!fixed) {
                found *= reach * reach;
                doubled = g + p;
            }
            all2 = pick(odd, fma_vec(g, all2, found), all2);
            sum2 *= doubled;
            g *= g;
            p *= p;
        }
        all = pick(odd, fma_vec(reach, sum, all), all);
        reach = pick(odd, reach * q, reach);
        sum *= one + q;
        q *= q;
        left = rest;
    }
    *variance = all2;
    return all;
}

/* Pulses of an affine law. A step has the direction of its pulse, or none. */
INLINE vec affine_pulses(const mgd_hw_update *m, const line *l, const devices *d, vec w, vec n,
                         vec_int up, vec *variance) {
    const vec zero = splat(0), q = maximum(splat(1) + l->slope, zero);
    const vec first = fma_vec(l->slope, w, l->offset);
    vec step = pick(up, maximum(first, zero), minimum(first, zero)), sigma = step;
    vec all = n, all2 = n; /* of steps that are all the same */
    if (m->law != MGD_HW_LAW_CONSTANT)
        all = sum_pulses(q, n, m->c2c, m->c2c_of_full, &all2);
    if (m->c2c_of_full)
        sigma = full_step(d, up);
    *variance = sigma * sigma * all2;
    return bounded(d, fma_vec(step, all, w));
}

/* Pulses of the other laws, one by one; what a pulse makes of the variance before it is of first
 * order in it. */
INLINE vec single_pulses(const mgd_hw_update *m, const devices *d, vec w, vec n, vec_int up,
                         vec *variance) {
    const vec zero = splat(0), one = splat(1), c = splat((real)m->c2c);
    const vec add = splat((real)m->c2c_add), slope = splat((real)m->c2c_slope);
    const vec full = vec_abs(full_step(d, up));
    const bool lasting = m->c2c_of_full || m->c2c_add > 0 || m->c2c_slope > 0;
    vec v = zero;
    for (vec left = n; any_lane(left > zero); left -= one) {
        line here = step_at(&m->as_law, d, w, up);
        vec sigma = vec_abs(here.offset), lost = c * here.slope, kept = one + here.slope;
        if (m->c2c_of_full) {
            sigma = full;
            lost = zero;
        }
        if (lasting)
            sigma += fma_vec(slope, vec_abs(w), add);
        vec before = w;
        w = pick(left > zero, bounded(d, w + here.offset), w);
        vec_int moved = w != before, acts = moved; /* at a bound the rest changes nothing, … */
        if (lasting)
            acts = left > zero; /* … but for noise that is there without a step */
        v = pick(acts, fma_vec(fma_vec(kept, kept, lost * lost), v, sigma * sigma), v);
        if (!lasting && !any_lane(moved))
            break;
    }
    *variance = v;
    return w;
}

/* `n` pulses with the noise z. */
INLINE vec pulsed(const mgd_hw_update *m, const devices *d, vec w, vec n, vec_int up, vec z) {
    vec variance, now;
    line l;
    if (has_line(&m->as_law, d, up, &l))
        now = affine_pulses(m, &l, d, w, n, up, &variance);
    else
        now = single_pulses(m, d, w, n, up, &variance);
    if (m->c2c > 0)
        now = bounded(d, fma_vec(splat((real)m->c2c) * sqrt_vec(variance), z, now));
    return pick(n > splat(0), now, w);
}

#endif
