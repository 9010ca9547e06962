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

static device device_of(const mgd_hw_writer *writer, const mgd_hw_frame *f, const void *coef) {
    coefficient c[MGD_HW_WRITE_COEFS];
    for (size_t k = 0; k < MGD_HW_WRITE_COEFS; k++)
        c[k] = coefficient_of(f, coef, writer->coef[k], writer->drawn[k], writer->law.draw[k].mean);
    return (device){c[MGD_HW_STEP],     c[MGD_HW_UP_DOWN],    c[MGD_HW_TOP],      c[MGD_HW_BOTTOM],
                    c[MGD_HW_GAMMA_UP], c[MGD_HW_GAMMA_DOWN], c[MGD_HW_ENDURANCE]};
}

static devices devices_at(const device *d, size_t i, size_t at) {
    return (devices){coefficient_at(&d->step, i, at),     coefficient_at(&d->up_down, i, at),
                     coefficient_at(&d->top, i, at),      -coefficient_at(&d->bottom, i, at),
                     coefficient_at(&d->gamma_up, i, at), coefficient_at(&d->gamma_down, i, at)};
}

/* ---- laws ------------------------------------------------------------------------------------ */

INLINE vec positive(vec x) {
    return larger_of(x, splat(0));
}

/* e^(y·ln x), x ≥ 0; y = 1, the usual exponent, exactly */
INLINE vec power_of(vec x, vec y) {
    vec p = hw_exp(y * hw_log(larger_of(x, splat((real)1e-30))));
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

/* The change by one pulse at weight w, up or down. */
INLINE vec pulse(const mgd_hw_update *m, const devices *d, vec w, vec_int up) {
    const vec one = splat(1);
    vec step = pick(up, d->step * (one + d->up_down), -d->step * (one - d->up_down));
    vec range = d->top - d->bottom, z;
    switch (m->law) {
    case MGD_HW_WRITE_LINEAR:
        return step * positive(fma_vec(pick(up, d->gamma_up, d->gamma_down), w, one));
    case MGD_HW_WRITE_SOFT_BOUNDS:
        return step * (one - w / pick(up, d->top, d->bottom));
    case MGD_HW_WRITE_EXPONENTIAL:
        z = fma_vec(splat((real)(2 * m->a)), w / range, splat((real)m->b));
        z = pick(up, d->gamma_up, -d->gamma_down) * z;
        return step * positive(one - pick(up, splat((real)m->amplitude_up),
                                          splat((real)m->amplitude_down)) *
                                         hw_exp(z));
    case MGD_HW_WRITE_POWER:
        return step * power_of(positive(pick(up, d->top - w, w - d->bottom) / range),
                               pick(up, d->gamma_up, d->gamma_down));
    case MGD_HW_WRITE_LTP_LTD: { /* towards where the curve would end after many pulses */
        const double up_end = 1 / -__builtin_expm1(-m->nonlinearity_up);
        const double down_end = 1 / -__builtin_expm1(-m->nonlinearity_down);
        const double up_share = -__builtin_expm1(-m->nonlinearity_up / m->levels);
        const double down_share = -__builtin_expm1(-m->nonlinearity_down / m->levels);
        vec end = pick(up, fma_vec(range, splat((real)up_end), d->bottom),
                       fma_vec(-range, splat((real)down_end), d->top));
        return (end - w) * pick(up, splat((real)up_share), splat((real)down_share));
    }
    case MGD_HW_WRITE_TABLE:
        return pick(up, further(m->up, m->up_size, 1, w), further(m->down, m->down_size, -1, w)) -
               w;
    default:
        return step;
    }
}

INLINE vec bounded(const devices *d, vec w) {
    return clamped(w, d->bottom, d->top);
}

INLINE bool any_lane(vec_int mask) {
    return any_word((vec_u32)mask);
}

/* `n` pulses; the noise of each is c2c of its step, independent of the others. */
static vec pulsed(const mgd_hw_update *m, const devices *d, vec w, vec n, vec_int up, vec z) {
    vec square = splat(0), left = n;
    while (any_lane(left > splat(0))) {
        vec_int on = left > splat(0);
        vec before = w, step = pulse(m, d, w, up);
        w = pick(on, bounded(d, w + step), w);
        square = pick(on, fma_vec(step, step, square), square);
        left -= pick(on, splat(1), splat(0));
        if (!any_lane(on & (w != before))) /* at the bound: the rest changes nothing */
            break;
    }
    if (m->c2c == 0)
        return w;
    vec noisy = bounded(d, fma_vec(splat((real)m->c2c) * sqrt_vec(square), z, w));
    return pick(n > splat(0), noisy, w);
}

/* ---- gate ------------------------------------------------------------------------------------ */

INLINE vec_int count_of(const real *writes, size_t at) {
    vec_int n;
    memcpy(&n, writes + at, sizeof n);
    return n;
}

/* Counts of writes are integers in the bits of reals, which count further than these could. */
static void keep(const mgd_hw_frame *f, void *const kept[], size_t lane, size_t at, vec_int written,
                 vec rest) {
    real *since = kept[MGD_HW_SINCE], *writes = kept[MGD_HW_WRITES],
         *residue = kept[MGD_HW_RESIDUE];
    if (since) {
        vec before = load(since + at);
        vec now = pick(written, splat(0), before + splat((real)f->held));
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
                       void *const kept[], size_t i, size_t at, vec change) {
    vec_int may = (change != splat(0)) & (vec_abs(change) >= splat((real)m->threshold));
    if (m->interval > 0) {
        vec passed = load((const real *)kept[MGD_HW_SINCE] + at) + splat((real)f->held);
        /* half a step of tolerance: seconds are sums */
        may &= passed >= splat((real)(m->interval - f->step / 2));
    }
    if (m->endurance > 0) {
        vec done = __builtin_convertvector(count_of(kept[MGD_HW_WRITES], at), vec);
        may &= done < coefficient_at(&d->endurance, i, at);
    }
    return may;
}

/* The step that the controller reckons with. */
static double nominal_step(const mgd_hw_update *m) {
    if (m->law == MGD_HW_WRITE_LTP_LTD)
        return (m->w_max - m->w_min) / m->levels;
    if (m->law == MGD_HW_WRITE_TABLE)
        return (m->up[m->up_size - 1] - m->up[0]) / (double)(m->up_size - 1);
    return m->dw_min;
}

void HW_KERNEL(write)(const mgd_hw_writer *writer, const mgd_hw_frame *f, const void *coef,
                      void *const kept[MGD_HW_KEPT], void *ws, void *changes, double *pulses) {
    const mgd_hw_update *m = &writer->model;
    const device d = device_of(writer, f, coef);
    const bool ideal = m->law == MGD_HW_WRITE_IDEAL;
    const bool noisy = m->c2c > 0 || m->sigma > 0 || m->proportional > 0;
    const double nominal = ideal ? 1 : nominal_step(m);
    draws normal = draws_of(f, writer->law.noise_seed, MGD_STREAM_NOISE, f->tick, 0, 2);
    draws uniform = draws_of(f, writer->law.noise_seed, MGD_STREAM_NOISE, f->tick, 1, 2);
    real z[MGD_HW_BLOCK * LANES] = {0}, u[MGD_HW_BLOCK * LANES], *w = ws, *change = changes;
    for (size_t k = 0; k < MGD_HW_BLOCK * LANES; k++)
        u[k] = (real)0.5;
    for (size_t tile = 0; tile < f->width; tile += LANES) {
        real sent[LANES] = {0};
        for (size_t i = 0; i < f->rows; i++) {
            size_t row = i % MGD_HW_BLOCK;
            if (row == 0 && noisy)
                draw_block(&normal, false, tile, i / MGD_HW_BLOCK, z);
            if (row == 0 && m->stochastic)
                draw_block(&uniform, true, tile, i / MGD_HW_BLOCK, u);
            for (size_t part = 0, at = i * f->width + tile; part < LANES;
                 part += VEC_LANES, at += VEC_LANES) {
                const size_t lane = tile + part;
                const devices here = devices_at(&d, i, at);
                const vec own = load(z + row * LANES + part), before = load(w + at);
                vec asked = load(change + at), now, rest;
                if (kept[MGD_HW_RESIDUE])
                    asked += load((const real *)kept[MGD_HW_RESIDUE] + at);
                vec_int written = allowed(m, &d, f, kept, i, at, asked);
                if (ideal) {
                    vec s = splat((real)m->proportional) * asked;
                    vec sigma = sqrt_vec(fma_vec(s, s, splat((real)(m->sigma * m->sigma))));
                    now = pick(written, before + fma_vec(sigma, own, asked), before);
                    rest = pick(written, splat(0), asked);
                } else {
                    vec size = vec_abs(asked) * splat((real)(1 / nominal));
                    vec n = floor_vec(size + load(u + row * LANES + part));
                    n = pick(written, smaller_of(n, splat((real)m->max_pulses)), splat(0));
                    written = n > splat(0);
                    now = pulsed(m, &here, before, n, asked > splat(0), own);
                    vec sign = pick(asked > splat(0), splat(1), splat(-1));
                    rest = asked - sign * n * splat((real)nominal);
                    store(sent + part, load(sent + part) + if_alive(f, lane, n, splat(0)));
                }
                keep(f, kept, lane, at, written, rest);
                store(w + at, if_alive(f, lane, now, before));
                store(change + at, pick(written, splat(1), splat(0)));
            }
        }
        for (size_t k = 0; k < LANES; k++)
            pulses[f->row ? 0 : tile + k] += (double)sent[k];
    }
}
