/* Kernel of writing: what a device makes of the change of its weight that is asked for. The gate
 * decides whether it is written at all; the law turns the change into pulses, each of which acts on
 * the weight that the one before it left.
 */

#include "kernels.h"

typedef struct {
    coefficient step, up_down, top, bottom, gamma_up, gamma_down, endurance;
} device;

/* The device's coefficients at one vector of values. */
typedef struct {
    vec step, up_down, top, bottom, gamma_up, gamma_down;
} devices;

INLINE device device_of(const mgd_hw_writer *writer, const mgd_hw_frame *f, const void *coef) {
    coefficient c[MGD_HW_WRITE_COEFS];
    for (size_t k = 0; k < MGD_HW_WRITE_COEFS; k++)
        c[k] = coefficient_of(f, coef, writer->coef[k], writer->drawn[k], writer->op.draw[k].mean);
    return (device){c[MGD_HW_STEP],     c[MGD_HW_UP_DOWN],    c[MGD_HW_TOP],      c[MGD_HW_BOTTOM],
                    c[MGD_HW_GAMMA_UP], c[MGD_HW_GAMMA_DOWN], c[MGD_HW_ENDURANCE]};
}

INLINE devices devices_at(const device *d, size_t i, size_t at) {
    return (devices){coefficient_at(&d->step, i, at),     coefficient_at(&d->up_down, i, at),
                     coefficient_at(&d->top, i, at),      -coefficient_at(&d->bottom, i, at),
                     coefficient_at(&d->gamma_up, i, at), coefficient_at(&d->gamma_down, i, at)};
}

/* ---- laws ------------------------------------------------------------------------------------ */

INLINE vec positive(vec x) {
    return maximum(x, splat(0));
}

/* e^(y·ln x), x ≥ 0; y = 1, the usual exponent, exactly */
INLINE vec power_of(vec x, vec y) {
    vec p = hw_exp(y * hw_log(maximum(x, splat((real)1e-30))));
    return pick(y == splat(1), x, pick(x > splat(0), p, splat(0)));
}

/* One pulse further along a measured curve: its place by straight lines, then one on. `sign`: 1 for
 * a rising curve, −1 for a falling one. */
INLINE vec further(const double *curve, size_t size, real sign, vec w) {
    vec next = splat((real)curve[size - 1]);
    for (size_t k = size - 1; k-- > 0;) { /* the first piece that reaches w decides */
        const real a = (real)curve[k], b = (real)curve[k + 1];
        const real c = (real)curve[k + 2 < size ? k + 2 : size - 1];
        vec x = (w - splat(a)) * splat(b != a ? 1 / (b - a) : 0);
        vec moved = fma_vec(positive(x), splat(c - b), splat(b));
        next = pick(splat(sign) * w < splat(sign * b), moved, next);
    }
    return next;
}

/* The step where nothing limits it: Δ(1 + β) or −Δ(1 − β). */
INLINE vec full_step(const devices *d, vec_int up) {
    const vec one = splat(1);
    return pick(up, d->step * (one + d->up_down), -d->step * (one - d->up_down));
}

/* A step that is affine in w: offset + slope·w. */
typedef struct {
    vec offset, slope;
} line;

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

INLINE vec exponential_step(const mgd_hw_law *law, const devices *d, vec w, vec_int up) {
    const vec range = d->top - d->bottom;
    vec z = fma_vec(splat((real)(2 * law->a)), w / range, splat((real)law->b));
    vec e = hw_exp(pick(up, d->gamma_up, -d->gamma_down) * z);
    vec share = pick(up, splat((real)law->amplitude_up), splat((real)law->amplitude_down));
    return full_step(d, up) * positive(splat(1) - share * e);
}

INLINE vec power_step(const devices *d, vec w, vec_int up) {
    const vec range = d->top - d->bottom;
    return full_step(d, up) * power_of(positive(pick(up, d->top - w, w - d->bottom) / range),
                                       pick(up, d->gamma_up, d->gamma_down));
}

/* Beyond a curve's end it stays. */
INLINE vec table_step(const mgd_hw_law *law, vec w, vec_int up) {
    vec rise = further(law->up, law->up_size, 1, w) - w;
    vec fall = further(law->down, law->down_size, -1, w) - w;
    return pick(up, positive(rise), minimum(fall, splat(0)));
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
INLINE vec step_at(const mgd_hw_law *law, const devices *d, vec w, vec_int up) {
    switch (law->kind) {
    case MGD_HW_LAW_EXPONENTIAL:
        return exponential_step(law, d, w, up);
    case MGD_HW_LAW_POWER:
        return power_step(d, w, up);
    default:
        return table_step(law, w, up);
    }
}

/* A pulse at one weight of the nominal device, as fits follow it: neither bounded nor noisy. */
double HW_KERNEL(pulse)(const mgd_hw_law *law, double weight, int direction) {
    const devices d = {splat((real)law->dw_min),   splat((real)law->up_down),
                       splat((real)law->w_max),    splat((real)law->w_min),
                       splat((real)law->gamma_up), splat((real)law->gamma_down)};
    const vec w = splat((real)weight);
    const vec_int up = splat((real)direction) > splat(0);
    line l;
    vec step = has_line(law, &d, up, &l) ? fma_vec(l.slope, w, l.offset) : step_at(law, &d, w, up);
    return (double)step[0];
}

/* ---- pulses ---------------------------------------------------------------------------------- */

INLINE vec bounded(const devices *d, vec w) {
    return clamped(w, d->bottom, d->top);
}

INLINE bool any_lane(vec_int mask) {
    return any_word((vec_u32)mask);
}

/* Steps s, s·q, s·q², … of an affine law, n of them: their sum is s·Σ qᵏ, that of their squares
 * s²·Σ q²ᵏ. Both sums by the binary digits of n: Σ over 2m = (Σ over m)·(1 + qᵐ). */
INLINE vec affine_pulses(const line *l, const devices *d, vec w, vec n, vec_int up, vec *square) {
    const vec zero = splat(0), one = splat(1), half = splat((real)0.5);
    const vec first = fma_vec(l->slope, w, l->offset);
    vec power = maximum(one + l->slope, zero), sum = one, sum2 = one; /* of 1, 2, 4, … pulses */
    vec all = zero, all2 = zero, reach = one;                         /* of the pulses so far */
    for (vec left = n; any_lane(left > zero);) {
        vec rest = floor_vec(left * half);
        vec_int odd = left - rest - rest > zero;
        all = pick(odd, fma_vec(reach, sum, all), all);
        all2 = pick(odd, fma_vec(reach * reach, sum2, all2), all2);
        reach = pick(odd, reach * power, reach);
        sum *= one + power;
        power *= power;
        sum2 *= one + power;
        left = rest;
    }
    /* a step has the direction of its pulse, or none */
    vec step = pick(up, maximum(first, zero), minimum(first, zero));
    *square = step * step * all2;
    return bounded(d, fma_vec(step, all, w));
}

INLINE vec single_pulses(const mgd_hw_law *law, const devices *d, vec w, vec n, vec_int up,
                         vec *square) {
    *square = splat(0);
    for (vec left = n; any_lane(left > splat(0)); left -= splat(1)) {
        vec before = w, step = step_at(law, d, w, up);
        w = pick(left > splat(0), bounded(d, w + step), w);
        vec_int moved = w != before; /* where it is at its bound the rest changes nothing */
        *square = pick(moved, fma_vec(step, step, *square), *square);
        if (!any_lane(moved))
            break;
    }
    return w;
}

/* `n` pulses; the noise of each is c2c of its step, independent of the others. */
INLINE vec pulsed(const mgd_hw_update *m, const devices *d, vec w, vec n, vec_int up, vec z) {
    vec square, now;
    line l;
    if (has_line(&m->as_law, d, up, &l))
        now = affine_pulses(&l, d, w, n, up, &square);
    else
        now = single_pulses(&m->as_law, d, w, n, up, &square);
    if (m->c2c > 0)
        now = bounded(d, fma_vec(splat((real)m->c2c) * sqrt_vec(square), z, now));
    return pick(n > splat(0), now, w);
}

/* ---- gate ------------------------------------------------------------------------------------ */

INLINE vec_int count_of(const real *writes, size_t at) {
    vec_int n;
    memcpy(&n, writes + at, sizeof n);
    return n;
}

/* Counts of writes are integers in the bits of reals, which count further than these could. */
INLINE void keep(const mgd_hw_frame *f, void *const kept[], size_t lane, size_t at, vec_int written,
                 vec rest) {
    real *since = kept[MGD_HW_SINCE], *writes = kept[MGD_HW_WRITES],
         *residue = kept[MGD_HW_RESIDUE];
    if (since) {
        vec before = load(since + at);
        vec now = pick(written, splat(0), before + held_at(f, lane));
        store(since + at, if_alive(f, lane, now, before));
    }
    if (writes) {
        vec_int before = count_of(writes, at);
        vec now = if_alive(f, lane, (vec)(before - written), (vec)before); /* true is −1 */
        store(writes + at, now);
    }
    if (residue)
        store(residue + at, if_alive(f, lane, rest, load(residue + at)));
}

/* Where the device may be written now. */
INLINE vec_int allowed(const mgd_hw_update *m, const device *d, const mgd_hw_frame *f,
                       void *const kept[], size_t i, size_t lane, size_t at, vec change) {
    vec_int may = (change != splat(0)) & (vec_abs(change) >= splat((real)m->threshold));
    if (m->interval > 0) {
        vec passed = load((const real *)kept[MGD_HW_SINCE] + at) + held_at(f, lane);
        /* seconds are sums, and rounded */
        may &= passed >= splat((real)(m->interval - f->step / 100));
    }
    if (m->endurance > 0) {
        vec done = __builtin_convertvector(count_of(kept[MGD_HW_WRITES], at), vec);
        may &= done < coefficient_at(&d->endurance, i, at);
    }
    return may;
}

/* One vector of devices. */
typedef struct {
    const mgd_hw_writer *writer;
    const mgd_hw_frame *f;
    device d;
    void *const *kept;
} writing;

/* What becomes of w, `asked` being the change; *written and *sent tell whether, and by how many
 * pulses. */
INLINE vec written_by(const writing *c, const devices *here, vec_int may, vec w, vec asked, vec z,
                      vec u, vec *rest, vec_int *written, vec *sent) {
    const mgd_hw_update *m = &c->writer->model;
    if (m->law == MGD_HW_LAW_IDEAL) {
        vec change = asked;
        if (m->resolution > 0) {
            vec n = floor_vec(fma_vec(vec_abs(asked), splat((real)(1 / m->resolution)), u));
            change = pick(asked > splat(0), n, -n) * splat((real)m->resolution);
        }
        vec s = splat((real)m->proportional) * change;
        vec sigma = sqrt_vec(fma_vec(s, s, splat((real)(m->sigma * m->sigma))));
        *written = may & (change != splat(0));
        *rest = pick(*written, asked - change, asked);
        *sent = splat(0);
        return pick(*written, w + fma_vec(sigma, z, change), w);
    }
    vec n = floor_vec(fma_vec(vec_abs(asked), splat((real)(1 / c->writer->nominal)), u));
    n = pick(may, minimum(n, splat((real)m->max_pulses)), splat(0));
    vec_int up = asked > splat(0);
    *written = n > splat(0);
    *sent = n;
    *rest = asked - pick(up, n, -n) * splat((real)c->writer->nominal);
    return pulsed(m, here, w, n, up, z);
}

INLINE void write_vector(const writing *c, size_t i, size_t lane, size_t at, vec z, vec u, real *w,
                         real *change, vec *pulses) {
    const devices here = devices_at(&c->d, i, at);
    const vec before = load(w + at);
    vec asked = load(change + at), rest, sent;
    vec_int written;
    if (c->kept[MGD_HW_RESIDUE])
        asked += load((const real *)c->kept[MGD_HW_RESIDUE] + at);
    vec_int may = allowed(&c->writer->model, &c->d, c->f, c->kept, i, lane, at, asked);
    vec now = written_by(c, &here, may, before, asked, z, u, &rest, &written, &sent);
    now = unless_nan(asked, now);
    keep(c->f, c->kept, lane, at, written, rest);
    store(w + at, if_alive(c->f, lane, now, before));
    store(change + at, pick(written, splat(1), splat(0)));
    *pulses += if_alive(c->f, lane, sent, splat(0));
}

void HW_KERNEL(write)(const mgd_hw_writer *writer, const mgd_hw_frame *f, const void *coef,
                      void *const kept[MGD_HW_KEPT], void *w, void *change, double *pulses) {
    const mgd_hw_update *m = &writer->model;
    const bool noisy = m->c2c > 0 || m->sigma > 0 || m->proportional > 0;
    const writing c = {writer, f, device_of(writer, f, coef), kept};
    const uint64_t seed = writer->op.noise_seed;
    draws normal = draws_of(f, seed, MGD_STREAM_NOISE, f->tick, 0, 2);
    draws uniform = draws_of(f, seed, MGD_STREAM_NOISE, f->tick, 1, 2);
    vec z[GROUP], u[GROUP];
    for (size_t k = 0; k < GROUP; k++) {
        z[k] = splat(0);
        u[k] = splat((real)0.5);
    }
    for (size_t lane = 0; lane < normal.lanes; lane += VEC_LANES) {
        const column zs = column_of(&normal, lane), us = column_of(&uniform, lane);
        vec sent = splat(0);
        for (size_t i = 0, at = lane; i < normal.vectors; i++, at += normal.stride) {
            size_t k = i % GROUP;
            if (k == 0 && noisy)
                draw_group(&normal, &zs, false, i / GROUP, normal.vectors - i, z);
            if (k == 0 && m->stochastic)
                draw_group(&uniform, &us, true, i / GROUP, normal.vectors - i, u);
            write_vector(&c, i, lane, at, z[k], u[k], w, change, &sent);
        }
        for (size_t k = 0; k < VEC_LANES; k++)
            pulses[f->row ? 0 : lane + k] += (double)sent[k];
    }
}
