/* Kernels of noise: white, by any law σ(v); 1/f, as a sum of relaxations; diffusion.
 *
 * σ of a pair of conductances is that of both devices, √(σ(g⁺)² + σ(g⁻)²), in units of weight.
 */

#include "kernels.h"

/* ---- σ(v) ------------------------------------------------------------------------------------ */

/* Of one device of conductance g. */
INLINE vec device_sigma(const mgd_hw_model *m, vec g, vec seconds) {
    const vec zero = splat(0), c0 = splat((real)m->c[0]), c1 = splat((real)m->c[1]);
    const vec r = g * splat((real)(1 / m->mapping.g_max));
    switch (m->noise) {
    case MGD_HW_NOISE_POLYNOMIAL:
        return maximum(fma_vec(fma_vec(splat((real)m->c[2]), r, c1), r, c0), zero);
    case MGD_HW_NOISE_LINEAR:
        return maximum(fma_vec(c1, g, c0), zero);
    case MGD_HW_NOISE_EXPONENTIAL:
        return c0 * (splat(1) - hw_exp(-g / c1));
    default: { /* PCM read; a device without conductance is silent */
        const vec read = splat((real)m->c[2]);
        vec q = minimum(c0 * hw_exp(splat((real)-0.65) * hw_log(r)), c1);
        vec time = hw_log(maximum((seconds + read) / (splat(2) * read), splat(1)));
        return pick(g > zero, g * q * sqrt_vec(time), zero);
    }
    }
}

INLINE vec conductance_sigma(const mgd_hw_model *m, vec v, vec seconds) {
    const mgd_hw_mapping *map = &m->mapping;
    const vec k = splat((real)map->per_weight), least = splat((real)map->g_min);
    const vec scale = splat((real)(map->averaging / map->per_weight));
    if (!map->differential)
        return scale * device_sigma(m, fma_vec(k, v - splat((real)map->w_min), least), seconds);
    vec plus = device_sigma(m, fma_vec(k, maximum(v, splat(0)), least), seconds);
    vec minus = device_sigma(m, fma_vec(k, maximum(-v, splat(0)), least), seconds);
    return scale * sqrt_vec(fma_vec(plus, plus, minus * minus));
}

INLINE vec sigma_of(const mgd_hw_model *m, vec v, vec seconds) {
    const vec sigma = splat((real)(m->sigma));
    switch (m->noise) {
    case MGD_HW_NOISE_ADDITIVE:
        return sigma;
    case MGD_HW_NOISE_PROPORTIONAL:
        return sigma * vec_abs(v);
    case MGD_HW_NOISE_INVERSE: {
        const vec scale = splat((real)m->scale), least = splat((real)(m->scale / 100));
        return sigma * scale / maximum(vec_abs(v), least);
    }
    default:
        return conductance_sigma(m, v, seconds);
    }
}

/* ---- white noise ----------------------------------------------------------------------------- */

/* Most noise is additive: nothing but draws and a multiply-add. */
static void add_normal(const draws *d, real sigma, real *v) {
    vec z[GROUP];
    EACH_DRAWN(d, false, z)
    store(v + at, fma_vec(splat(sigma), z[k], load(v + at)));
}

MODEL_KERNEL(noise) {
    const mgd_hw_model *m = &op->model;
    if (f->still && !f->noisy)
        return;
    draws d = draws_of(f, op->noise_seed, MGD_STREAM_NOISE, f->tick, 0, 1);
    vec z[GROUP];
    real *v = values;
    if (m->noise == MGD_HW_NOISE_ADDITIVE && !m->uniform) {
        add_normal(&d, (real)m->sigma, v);
        return;
    }
    const vec half = splat((real)(m->uniform ? 0.5 : 0));
    const vec scale = splat((real)(m->uniform ? 3.4641016151377544 : 1)); /* √12 */
    EACH_DRAWN(&d, m->uniform, z) {
        vec x = load(v + at), seconds = seconds_at(f, lane, at);
        vec drawn = (z[k] - half) * scale;
        store(v + at, fma_vec(sigma_of(m, x, seconds), drawn, x));
    }
}

#define SUMS 4

/* A sum of independent normal terms σ·x_i·z_i, and one for the bias, is normal itself. */
void HW_KERNEL(product)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *xs, size_t inputs,
                        void *ys) {
    if (f->still && !f->noisy)
        return;
    const vec sigma = splat((real)op->model.sigma);
    const real *x = xs;
    const size_t width = f->width;
    real *y = ys;
    draws d = draws_of(f, op->noise_seed, MGD_STREAM_NOISE, f->tick, 0, 1);
    vec z[GROUP];
    for (size_t lane = 0; lane < width; lane += VEC_LANES) {
        const column c = column_of(&d, lane);
        vec squares[SUMS] = {splat(1)}; /* several: one would wait for itself */
        for (size_t i = 0; i < inputs; i++) {
            vec v = load(x + i * width + lane);
            squares[i % SUMS] = fma_vec(v, v, squares[i % SUMS]);
        }
        const vec scale = sigma * sqrt_vec((squares[0] + squares[1]) + (squares[2] + squares[3]));
        for (size_t i = 0; i < d.vectors; i++) {
            if (i % GROUP == 0)
                draw_group(&d, &c, false, i / GROUP, d.vectors - i, z);
            real *to = y + i * width + lane;
            store(to, fma_vec(scale, z[i % GROUP], load(to)));
        }
    }
}

/* A random walk of what is stored, while time passes. */
MODEL_KERNEL(diffusion) {
    if (!f->keeping || (!f->held_lanes && !(f->held > 0)))
        return;
    draws d = draws_of(f, op->noise_seed, MGD_STREAM_NOISE, f->tick, 0, 1);
    const vec sigma = splat((real)op->model.sigma);
    vec z[GROUP];
    real *v = values;
    EACH_DRAWN(&d, false, z)
    store(v + at, fma_vec(sigma * sqrt_vec(held_at(f, lane)), z[k], load(v + at)));
}

/* ---- 1/f noise ------------------------------------------------------------------------------- */

/* Relaxation r: s ← a·s + b·z, with b² = (1 − a²)·σ²/K, so that each is stationary. Its states are
 * drawn at rest as z·σ/√K. */
/* As it is at this moment, which it stays. */
static void add_flicker(const mgd_hw_op *op, const real *s, size_t size, real *v) {
    for (size_t r = 0; r < op->order; r++)
        for (size_t at = 0; at < size; at += VEC_LANES)
            store(v + at, load(v + at) + load(s + r * size + at));
}

MODEL_KERNEL(flicker) {
    size_t size = f->rows * f->width;
    if (f->still ? f->noisy : f->flow != MGD_HW_PASSES)
        add_flicker(op, state, size, values);
    if (f->still || f->flow != MGD_HW_PASSES)
        return;
    const double *matrix = op->matrix[f->ticks - 1];
    vec z[GROUP];
    real *v = values;
    for (size_t r = 0; r < op->order; r++) {
        real *s = (real *)state + r * size;
        const vec a = splat((real)matrix[2 * r]), b = splat((real)matrix[2 * r + 1]);
        draws d = draws_of(f, op->noise_seed, MGD_STREAM_NOISE, f->clock, r, op->order);
        EACH_DRAWN(&d, false, z) {
            vec before = load(s + at), next = fma_vec(a, before, b * z[k]);
            store(s + at, if_alive(f, lane, next, before));
            store(v + at, load(v + at) + next);
        }
    }
}

/* ---- for others ------------------------------------------------------------------------------ */

void HW_KERNEL(normals)(uint64_t seed, bool uniform, const mgd_hw_frame *f, void *out) {
    draws d = draws_of(f, seed, MGD_STREAM_NOISE, f->tick, 0, 1);
    vec z[GROUP];
    real *v = out;
    EACH_DRAWN(&d, uniform, z)
    store(v + at, z[k]);
}
