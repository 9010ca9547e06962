/* Kernels of noise: white, by any law σ(v), of values and of sums of products; of programming; 1/f,
 * as a sum of relaxations; diffusion.
 *
 * σ of a pair of conductances is that of both devices, √(σ(g⁺)² + σ(g⁻)²), in units of weight.
 */

#include "kernels.h"

/* ---- σ(v) ------------------------------------------------------------------------------------ */

/* Of one device of conductance g that was programmed to `stored`. */
INLINE vec device_sigma(const mgd_hw_model *m, vec g, vec stored, vec seconds) {
    const mgd_hw_mapping *map = &m->mapping;
    const vec zero = splat(0), c0 = splat((real)m->c[0]), c1 = splat((real)m->c[1]);
    const vec per_max = splat((real)(1 / map->g_max));
    const vec inside = within(g, splat((real)map->g_min), splat((real)map->g_max));
    switch (m->noise) {
    case MGD_HW_NOISE_POLYNOMIAL: {
        const vec r = inside * per_max;
        return maximum(fma_vec(fma_vec(splat((real)m->c[2]), r, c1), r, c0), zero);
    }
    case MGD_HW_NOISE_LINEAR:
        return maximum(fma_vec(c1, inside, c0), zero);
    case MGD_HW_NOISE_EXPONENTIAL:
        return c0 * (splat(1) - hw_exp(-g / c1));
    default: { /* PCM read; a device without conductance is silent */
        const vec read = splat((real)m->c[2]), r = stored * per_max;
        vec q = minimum(c0 * hw_exp(splat((real)-0.65) * hw_log(r)), c1);
        vec time = hw_log(maximum((seconds + read) / (splat(2) * read), splat(1)));
        return pick(g > zero, g * q * sqrt_vec(time), zero);
    }
    }
}

/* Conductances of the devices of weight v; of a single one both are the same. A NaN stays one. */
typedef struct {
    vec plus, minus;
} devices;

INLINE devices devices_of(const mgd_hw_mapping *map, vec v) {
    const vec k = splat((real)map->per_weight), least = splat((real)map->g_min);
    if (!map->differential) {
        vec g = fma_vec(k, v - splat((real)map->w_min), least);
        return (devices){g, g};
    }
    return (devices){fma_vec(k, maximum(splat(0), v), least),
                     fma_vec(k, maximum(splat(0), -v), least)};
}

INLINE vec conductance_sigma(const mgd_hw_model *m, vec v, vec stored, vec seconds) {
    const mgd_hw_mapping *map = &m->mapping;
    const vec scale = splat((real)(map->averaging / map->per_weight));
    const devices g = devices_of(map, v), first = devices_of(map, stored);
    vec plus = device_sigma(m, g.plus, first.plus, seconds);
    if (!map->differential)
        return scale * plus;
    vec minus = device_sigma(m, g.minus, first.minus, seconds);
    return scale * sqrt_vec(fma_vec(plus, plus, minus * minus));
}

INLINE vec sigma_of(const mgd_hw_model *m, vec v, vec stored, vec seconds) {
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
        return conductance_sigma(m, v, stored, seconds);
    }
}

/* ---- white noise ----------------------------------------------------------------------------- */

/* √12: uniform numbers have a variance of 1/12. */
#define UNIFORM_SCALE 3.4641016151377544

/* z of variance 1 from what was drawn */
INLINE vec standard(vec z, bool uniform) {
    const vec half = splat((real)(uniform ? 0.5 : 0));
    const vec scale = splat((real)(uniform ? UNIFORM_SCALE : 1));
    return (z - half) * scale;
}

/* Weights as they were programmed, v where that is what they are. */
INLINE vec stored_at(const mgd_hw_frame *f, size_t at, vec v) {
    return f->stored ? load((const real *)f->stored + at) : v;
}

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
    EACH_DRAWN(&d, m->uniform, z) {
        vec x = load(v + at), sigma = sigma_of(m, x, stored_at(f, at, x), seconds_at(f, lane, at));
        store(v + at, fma_vec(sigma, standard(z[k], m->uniform), x));
    }
}

/* ---- noise of products ----------------------------------------------------------------------- */

void HW_KERNEL(variance)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *ws, void *outs) {
    const mgd_hw_model *m = &op->model;
    const real *w = ws;
    real *out = outs;
    EACH_VALUE(f) {
        vec v = load(w + at), sigma = sigma_of(m, v, stored_at(f, at, v), seconds_at(f, lane, at));
        store(out + at, sigma * sigma);
    }
}

void HW_KERNEL(scatter)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *variances,
                        bool shared, bool uniform, void *values) {
    const real *variance = variances;
    real *v = values;
    draws d = draws_of(f, op->noise_seed, MGD_STREAM_NOISE, f->tick, 0, 1);
    vec z[GROUP];
    EACH_DRAWN(&d, uniform, z) {
        vec sigma = sqrt_vec(shared ? splat(variance[i]) : load(variance + at));
        store(v + at, fma_vec(sigma, standard(z[k], uniform), load(v + at)));
    }
}

#define SUMS 4

/* A sum of independent normal terms σ·x_i·z_i, and one for the bias, is normal itself. */
void HW_KERNEL(product)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *xs, size_t inputs,
                        void *ys) {
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

/* ---- programming ----------------------------------------------------------------------------- */

/* Where a device ends that was to have conductance g. */
INLINE vec programmed(const mgd_hw_model *m, vec g, vec z) {
    const vec most = splat((real)m->mapping.g_max), averaging = splat((real)m->mapping.averaging);
    vec mean = g, change = splat(0);
    for (size_t i = m->table_size; i-- > 0;)
        change = fma_vec(change, minimum(most, g), splat((real)m->table[i]));
    mean += change;
    return maximum(splat(0), fma_vec(averaging * device_sigma(m, mean, mean, splat(0)), z, mean));
}

MODEL_KERNEL(program) {
    const mgd_hw_model *m = &op->model;
    const mgd_hw_mapping *map = &m->mapping;
    const vec per_g = splat((real)(1 / map->per_weight)), least = splat((real)map->g_min);
    if (f->still && !f->noisy)
        return;
    const size_t parts = map->differential ? 2 : 1;
    draws first = draws_of(f, op->noise_seed, MGD_STREAM_NOISE, f->tick, 0, parts);
    draws second = draws_of(f, op->noise_seed, MGD_STREAM_NOISE, f->tick, parts - 1, parts);
    vec z[GROUP], other[GROUP];
    real *v = values;
    EACH_DRAWN(&first, m->uniform, z) {
        if (k == 0 && map->differential) { /* the other devices of this group */
            const column c = column_of(&second, lane);
            draw_group(&second, &c, m->uniform, block, left_ - block * GROUP, other);
        }
        const devices g = devices_of(map, load(v + at));
        const vec plus = programmed(m, g.plus, standard(z[k], m->uniform));
        if (!map->differential) {
            store(v + at, fma_vec(plus - least, per_g, splat((real)map->w_min)));
            continue;
        }
        const vec minus = programmed(m, g.minus, standard(other[k], m->uniform));
        store(v + at, (plus - minus) * per_g);
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
