/* Kernels of models with memory: linear filters, delay, slew rate; leak and drift of what is
 * stored.
 *
 * A filter's state is a pair of reals, its value and what rounding took from it: where a step is a
 * tiny part of the time constant the changes are below half a unit in the last place of the value,
 * and it would stall far from where it should go.
 */

#include "kernels.h"

/* ---- linear filters -------------------------------------------------------------------------- */

/* value + what rounding took from it + change, as such a pair again */
INLINE void accumulate(vec change, vec *value, vec *rest) {
    vec add = change + *rest, sum = *value + add;
    *rest = add - (sum - *value);
    *value = sum;
}

/* One pole, by far the most frequent. Fast ones keep no rest: see mgd_hw_filter_is_fast. */
INLINE vec pole(const mgd_hw_frame *f, bool fast, vec gain, vec u, real *s, size_t size,
                size_t lane, size_t at) {
    vec before = load(s + at);
    if (fast) {
        vec value = fma_vec(gain, u - before, before);
        store(s + at, if_alive(f, lane, value, before));
        return value;
    }
    vec rest_before = load(s + size + at), value = before, rest = rest_before;
    accumulate(gain * ((u - value) - rest), &value, &rest);
    store(s + at, if_alive(f, lane, value, before));
    store(s + size + at, if_alive(f, lane, rest, rest_before));
    return value;
}

/* States of a system at rest under u. */
INLINE vec target_of(const mgd_hw_system *y, size_t k, vec u) {
    return fma_vec(splat((real)y->target[k]), u, splat((real)y->shift[k]));
}

/* The input goes from `from` to `to`: deviations of the states from where they would rest under the
 * first go to e^(A·h) times them, and the way to the second adds its own. */
INLINE void advance(const mgd_hw_op *op, const mgd_hw_frame *f, vec from, vec to, real *state,
                    size_t size, size_t lane) {
    const mgd_hw_system *y = &op->system;
    const double *matrix = op->matrix[f->ticks - 1], *drive = y->drive[f->ticks - 1];
    const size_t n = op->order;
    vec deviation[MGD_HW_MAX_ORDER];
    for (size_t k = 0; k < n; k++) {
        const real *s = state + 2 * k * size;
        deviation[k] = (load(s) - target_of(y, k, from)) + load(s + size);
    }
    for (size_t k = 0; k < n; k++) {
        real *s = state + 2 * k * size;
        vec before = load(s), rest_before = load(s + size), value = before, rest = rest_before;
        vec change = splat(0);
        for (size_t j = 0; j < n; j++)
            change = fma_vec(splat((real)matrix[k * n + j]), deviation[j], change);
        if (op->driven)
            change = fma_vec(splat((real)drive[k]), to - from, change);
        accumulate(change, &value, &rest);
        store(s, if_alive(f, lane, value, before));
        store(s + size, if_alive(f, lane, rest, rest_before));
    }
}

/* As they are where u has stood for ever. */
INLINE void settle(const mgd_hw_op *op, const mgd_hw_frame *f, vec u, real *state, size_t size,
                   size_t lane) {
    for (size_t k = 0; k < op->order; k++) {
        real *s = state + 2 * k * size;
        store(s, if_alive(f, lane, target_of(&op->system, k, u), load(s)));
        store(s + size, if_alive(f, lane, splat(0), load(s + size)));
    }
}

/* One or several filters as a system, values at `state`. Behind the states of one that is driven
 * lies where its input was last. */
INLINE vec filtered(const mgd_hw_op *op, const mgd_hw_frame *f, vec u, real *state, size_t size,
                    size_t lane) {
    const mgd_hw_system *y = &op->system;
    real *input = state + 2 * op->order * size;
    vec last = op->driven ? load(input) : u;
    if (f->flow == MGD_HW_STANDS)
        u = last;
    else if (op->driven)
        store(input, if_alive(f, lane, u, last));
    if (f->settled)
        settle(op, f, u, state, size, lane);
    else if (f->flow == MGD_HW_PASSES)
        advance(op, f, last, u, state, size, lane);
    vec out = splat((real)y->bias);
    if (y->through != 0)
        out = fma_vec(splat((real)y->through), u, out);
    for (size_t k = 0; k < op->order; k++)
        out = fma_vec(splat((real)y->readout[k]), load(state + 2 * k * size), out);
    return out;
}

MODEL_KERNEL(filter) {
    const size_t size = f->rows * f->width;
    real *v = values, *s = state;
    if (f->still)
        return;
    if (op->order > 1 || op->driven) {
        EACH_VALUE(f)
        store(v + at, filtered(op, f, load(v + at), s + at, size, lane));
        return;
    }
    double step = f->flow == MGD_HW_PASSES ? -op->matrix[f->ticks - 1][0] : 0;
    const vec gain = splat((real)(f->settled ? 1 : step));
    const bool fast = mgd_hw_filter_is_fast(op), high = op->model.kind == MGD_HW_HIGH_PASS;
    EACH_VALUE(f) {
        vec u = load(v + at), low = pole(f, fast, gain, u, s, size, lane, at);
        low = high ? (vec)(u - low) : low;
        store(v + at, low);
    }
}

/* ---- delay and slew rate --------------------------------------------------------------------- */

/* A ring of the last values, one place for each tick: the value held in the tick that ends `delay`
 * ticks ago. The ring holds two ticks more than the delay. */
MODEL_KERNEL(delay) {
    size_t size = f->rows * f->width, length = op->num_states;
    real *v = values, *ring = state;
    const uint64_t end = f->clock + f->ticks;
    uint64_t tick = f->settled ? end : f->clock, until = f->settled ? end + length : end;
    if (f->still)
        return;
    for (; tick < until && (f->flow == MGD_HW_PASSES || f->settled); tick++) {
        real *to = ring + tick % length * size;
        EACH_VALUE(f)
        store(to + at, if_alive(f, lane, load(v + at), load(to + at)));
    }
    /* before the first value the line is silent: ticks below 0 fall on places still zero */
    const real *from = ring + (end + length - 1 - op->delay) % length * size;
    EACH_VALUE(f)
    store(v + at, load(from + at));
}

MODEL_KERNEL(slew) {
    if (f->still)
        return;
    const double seconds = f->flow == MGD_HW_PASSES ? f->step * f->ticks / MGD_HW_TICKS : 0;
    const vec most = splat(f->settled ? (real)INFINITY : (real)(op->model.strength * seconds));
    real *v = values, *s = state;
    EACH_VALUE(f) {
        vec before = load(s + at), next = before + within(load(v + at) - before, -most, most);
        store(s + at, if_alive(f, lane, next, before));
        store(v + at, next);
    }
}

/* ---- what is stored -------------------------------------------------------------------------- */

MODEL_KERNEL(leak) {
    const mgd_hw_model *m = &op->model;
    if (!f->held_lanes && !(f->held > 0))
        return;
    coefficient tau = coefficient_of(f, coef, 0, m->tau_spread > 0, m->tau);
    coefficient reset = coefficient_of(f, coef, m->tau_spread > 0, m->offset_spread > 0, m->offset);
    real *v = values;
    EACH_VALUE(f) {
        vec to = coefficient_at(&reset, i, at),
            left = hw_exp(-held_at(f, lane) / coefficient_at(&tau, i, at));
        store(v + at, fma_vec(load(v + at) - to, left, to));
    }
}

/* ν of a device that reads g, z its own standard normal */
INLINE vec drift_exponent(const mgd_hw_model *m, vec g, vec z) {
    const double *table = m->table;
    const vec r = g * splat((real)(1 / m->mapping.g_max));
    vec mean = splat((real)m->nu), spread = splat((real)m->nu_spread);
    if (m->pcm_nu) {
        vec l = hw_log(maximum(r, splat((real)1e-9)));
        mean = within(fma_vec(splat((real)-0.0155), l, splat((real)0.0244)), splat((real)0.049),
                      splat((real)0.1));
        spread = within(fma_vec(splat((real)-0.0125), l, splat((real)-0.0059)), splat((real)0.008),
                        splat((real)0.045));
    } else if (table) { /* rows of g, mean, spread; straight lines between, flat outside */
        const size_t rows = m->table_size / 3;
        mean = splat((real)table[1]);
        spread = splat((real)table[2]);
        for (size_t k = 1; k < rows; k++) {
            const double *a = table + 3 * (k - 1), *b = table + 3 * k;
            vec x = (g - splat((real)a[0])) * splat((real)(1 / (b[0] - a[0])));
            x = within(x, splat(0), splat(1));
            vec between = fma_vec(x, splat((real)(b[1] - a[1])), splat((real)a[1]));
            vec width = fma_vec(x, splat((real)(b[2] - a[2])), splat((real)a[2]));
            mean = pick(g > splat((real)a[0]), between, mean);
            spread = pick(g > splat((real)a[0]), width, spread);
        }
    }
    return vec_abs(fma_vec(spread, z, mean));
}

/* g·(t/t₀)^−ν once t₀ has passed since it was programmed */
INLINE vec drifted(const mgd_hw_model *m, vec g, vec log_time, vec z) {
    return g * hw_exp(-drift_exponent(m, g, z) * log_time);
}

INLINE vec drifted_weight(const mgd_hw_model *m, vec w, vec log_time, vec z1, vec z2) {
    const mgd_hw_mapping *map = &m->mapping;
    const vec k = splat((real)map->per_weight), least = splat((real)map->g_min);
    const vec per_g = splat((real)(1 / map->per_weight));
    if (!map->differential) {
        vec g = fma_vec(k, w - splat((real)map->w_min), least);
        return fma_vec(drifted(m, g, log_time, z1) - least, per_g, splat((real)map->w_min));
    }
    vec plus = fma_vec(k, maximum(splat(0), w), least); /* a NaN stays one */
    vec minus = fma_vec(k, maximum(splat(0), -w), least);
    return (drifted(m, plus, log_time, z1) - drifted(m, minus, log_time, z2)) * per_g;
}

/* Where a line of sites that share one correction ends. */
static size_t line_end(const mgd_hw_chain *chain, const mgd_hw_op *op, size_t first, size_t sites) {
    size_t end = first + 1;
    while (end < sites && (op->model.compensation == 1 || chain->geometry.joined[end]))
        end++;
    return end;
}

/* A reference read: each line is scaled so that Σ|w| is what it was before the drift. Sums are in
 * double, in the order of the sites. */
static void compensate(const mgd_hw_chain *chain, const mgd_hw_op *op, const mgd_hw_frame *f,
                       real *v, const real *w) {
    size_t lanes = f->row ? 1 : f->width;
    for (size_t first = 0, end; first < f->sites; first = end) {
        end = line_end(chain, op, first, f->sites);
        for (size_t lane = 0; lane < lanes; lane++) {
            double before = 0, after = 0;
            for (size_t i = first; i < end; i++) {
                before += __builtin_fabs((double)w[i * lanes + lane]);
                after += __builtin_fabs((double)v[i * lanes + lane]);
            }
            real factor = after > 0 ? (real)(before / after) : 1;
            for (size_t i = first; i < end; i++)
                v[i * lanes + lane] *= factor;
        }
    }
}

/* Coefficients: a standard normal for each device. The state, where the drift is compensated, is
 * room for the weights as they were. */
MODEL_KERNEL(drift) {
    const mgd_hw_model *m = &op->model;
    const vec per_t0 = splat((real)(1 / m->t0));
    coefficient first = coefficient_of(f, coef, 0, true, 0);
    coefficient second = coefficient_of(f, coef, 1, m->mapping.differential, 0);
    real *v = values;
    if (m->compensation)
        memcpy(state, values, f->rows * f->width * sizeof(real));
    EACH_VALUE(f) {
        vec seconds = seconds_at(f, lane, at);
        vec log_time = hw_log(maximum(seconds * per_t0, splat(1)));
        store(v + at, drifted_weight(m, load(v + at), log_time, coefficient_at(&first, i, at),
                                     coefficient_at(&second, i, at)));
    }
    if (m->compensation)
        compensate(chain, op, f, v, state);
}
