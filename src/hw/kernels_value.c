/* Kernels of models without noise or memory: gains, converters, bounds, faults, wires; draws of
 * devices; and the table of those that are not models' (see base/simd.h for what keeps the bits the
 * same).
 */

#include "kernels.h"

/* ---- gains and bounds ------------------------------------------------------------------------ */

MODEL_KERNEL(affine) {
    const mgd_hw_model *m = &op->model;
    bool gains = m->gain_spread > 0;
    coefficient gain = coefficient_of(f, coef, 0, gains, m->gain);
    coefficient offset = coefficient_of(f, coef, gains, m->offset_spread > 0, m->offset);
    real *v = values;
    EACH_VALUE(f)
    store(v + at,
          fma_vec(load(v + at), coefficient_at(&gain, i, at), coefficient_at(&offset, i, at)));
}

MODEL_KERNEL(shift) {
    const mgd_hw_model *m = &op->model;
    bool gains = m->gain_spread > 0;
    coefficient gain = coefficient_of(f, coef, 0, gains, m->gain);
    coefficient offset = coefficient_of(f, coef, gains, m->offset_spread > 0, m->offset);
    real *v = values;
    EACH_VALUE(f)
    store(v + at, (load(v + at) - coefficient_at(&offset, i, at)) * coefficient_at(&gain, i, at));
}

MODEL_KERNEL(asymmetry) {
    const mgd_hw_model *m = &op->model;
    coefficient strength = coefficient_of(f, coef, 0, m->strength_spread > 0, m->strength);
    real *v = values;
    EACH_VALUE(f) {
        vec x = load(v + at), half = coefficient_at(&strength, i, at) * splat((real)0.5);
        store(v + at, x * (splat(1) + pick(x > splat(0), half, -half)));
    }
}

MODEL_KERNEL(clamp) {
    const vec low = splat((real)op->model.low), high = splat((real)op->model.high);
    real *v = values;
    EACH_VALUE(f)
    store(v + at, clamped(load(v + at), low, high));
}

MODEL_KERNEL(compress) {
    const vec n = splat((real)op->model.strength);
    real *v = values;
    EACH_VALUE(f) {
        vec x = load(v + at);
        store(v + at, x / fma_vec(n, vec_abs(x), splat(1)));
    }
}

MODEL_KERNEL(saturate) {
    const vec limit = splat((real)op->model.strength);
    real *v = values;
    EACH_VALUE(f)
    store(v + at, limit * tanh_of(load(v + at) / limit));
}

/* ---- converters ------------------------------------------------------------------------------ */

#define MOST_HALVINGS 10

/* Stochastic rounding draws one number of 16 bits for each value. */
static void round_at_random(const mgd_hw_op *op, const mgd_hw_frame *f, real *v) {
    const mgd_hw_model *m = &op->model;
    const vec origin = splat((real)m->offset), step = splat((real)m->step);
    const vec per_step = splat((real)(1 / m->step));
    const vec first = splat((real)m->low), last = splat((real)m->high);
    vec z[GROUP];
    draws d = draws_of(f, op->noise_seed, MGD_STREAM_NOISE, f->tick, 0, 1);
    EACH_DRAWN(&d, true, z) {
        vec place = within((load(v + at) - origin) * per_step, first, last);
        store(v + at, fma_vec(floor_vec(place + z[k]), step, origin));
    }
}

/* The largest |v| of each lane, or in a row of all sites. */
static vec largest_of(const mgd_hw_frame *f, const real *v, size_t lane) {
    vec most = splat(0);
    if (!f->row) {
        for (size_t i = 0; i < f->rows; i++)
            most = maximum(vec_abs(load(v + i * f->width + lane)), most);
        return most;
    }
    real largest = 0;
    for (size_t i = 0; i < f->sites; i++) {
        real size = v[i] < 0 ? -v[i] : v[i];
        largest = size > largest ? size : largest;
    }
    return splat(largest);
}

/* Noise and bound management (aihwkit): the converter's range follows the values of the sample. */
static void quantise_managed(const mgd_hw_model *m, const mgd_hw_frame *f, real *v) {
    const vec step = splat((real)m->step), half = splat((real)0.5);
    const vec per_step = splat((real)(1 / m->step)), bound = splat((real)(m->high * m->step));
    const vec first = splat((real)m->low), last = splat((real)m->high), one = splat(1);
    const vec row = f->row ? largest_of(f, v, 0) : one;
    for (size_t lane = 0; lane < f->width; lane += VEC_LANES) {
        vec largest = f->row ? row : largest_of(f, v, lane), factor = one;
        if (m->management == 1)
            factor = pick(largest > splat(0), largest / bound, one);
        else
            for (size_t k = 0; k < MOST_HALVINGS; k++)
                factor = pick(largest > bound * factor, factor + factor, factor);
        for (size_t i = 0; i < f->rows; i++) {
            real *at = v + i * f->width + lane;
            vec place = within(load(at) / factor * per_step, first, last);
            store(at, floor_vec(place + half) * step * factor);
        }
    }
}

MODEL_KERNEL(quantise) {
    const mgd_hw_model *m = &op->model;
    if (m->management) {
        quantise_managed(m, f, values);
        return;
    }
    if (m->stochastic && (!f->still || f->noisy)) {
        round_at_random(op, f, values);
        return;
    }
    const vec origin = splat((real)m->offset), step = splat((real)m->step);
    const vec per_step = splat((real)(1 / m->step)), half = splat((real)0.5);
    const vec first = splat((real)m->low), last = splat((real)m->high);
    real *v = values;
    EACH_VALUE(f) {
        vec place = within((load(v + at) - origin) * per_step, first, last);
        store(v + at, fma_vec(floor_vec(place + half), step, origin));
    }
}

MODEL_KERNEL(levels) {
    const double *table = op->model.table;
    real *v = values;
    EACH_VALUE(f) {
        vec x = load(v + at), nearest = splat((real)table[0]);
        for (size_t k = 1; k < op->model.table_size; k++) {
            const vec between = splat((real)(0.5 * (table[k - 1] + table[k])));
            nearest = pick(x >= between, splat((real)table[k]), nearest);
        }
        store(v + at, unless_nan(x, nearest));
    }
}

/* ---- faults and wires ------------------------------------------------------------------------ */

/* Coefficients: two uniform numbers of the device, which fault it has and where it then stands. */
MODEL_KERNEL(stuck) {
    const mgd_hw_model *m = &op->model;
    const vec low = splat((real)m->low), range = splat((real)(m->high - m->low));
    const vec first = splat((real)m->fraction[0]);
    const vec second = splat((real)(m->fraction[0] + m->fraction[1]));
    const vec third = splat((real)(m->fraction[0] + m->fraction[1] + m->fraction[2]));
    coefficient fault = coefficient_of(f, coef, 0, true, 0);
    coefficient level = coefficient_of(f, coef, 1, true, 0);
    real *v = values;
    EACH_VALUE(f) {
        vec u = coefficient_at(&fault, i, at), stands = load(v + at);
        stands = pick(u < third, fma_vec(range, coefficient_at(&level, i, at), low), stands);
        stands = pick(u < second, low + range, stands);
        stands = pick(u < first, low, stands);
        store(v + at, stands);
    }
}

/* Along a line, from its first site to its last: each gets its neighbours' values as they were. */
MODEL_KERNEL(crosstalk) {
    const uint8_t *joined = chain->geometry.joined;
    const real k = (real)op->model.strength;
    real *v = values;
    if (f->row) {
        real before = 0;
        for (size_t i = 0; i < f->sites; i++) {
            real own = v[i], left = joined[i] ? before : 0;
            real right = i + 1 < f->sites && joined[i + 1] ? v[i + 1] : 0;
            before = own;
            v[i] = own + k * (left + right);
        }
        return;
    }
    for (size_t lane = 0; lane < f->width; lane += VEC_LANES) {
        vec before = splat(0);
        for (size_t i = 0, at = lane; i < f->rows; i++, at += f->width) {
            vec own = load(v + at), left = joined[i] ? before : splat(0);
            vec right = i + 1 < f->rows && joined[i + 1] ? load(v + at + f->width) : splat(0);
            before = own;
            store(v + at, own + splat(k) * (left + right));
        }
    }
}

/* ---- devices --------------------------------------------------------------------------------- */

/* In a shared frame coefficients are (n): as a row of their own. */
void HW_KERNEL(draw)(const mgd_hw_op *op, size_t which, const mgd_hw_frame *f, void *coef) {
    const mgd_hw_draw *draw = &op->draw[which];
    const vec mean = splat((real)draw->mean), spread = splat((real)draw->spread);
    const vec least = splat((real)draw->least), zero = splat(0);
    vec z[GROUP];
    real *c = coef;
    draws d = draws_of(f, op->device_seed, MGD_STREAM_DEVICE, which, 0, 1);
    EACH_DRAWN(&d, draw->sampling == MGD_HW_UNIFORM, z) {
        vec value = fma_vec(spread, z[k], mean);
        if (draw->sampling == MGD_HW_LOGNORMAL)
            value = mean * hw_exp(spread * z[k]);
        else if (draw->sampling == MGD_HW_FOLDED)
            value = pick(mean < zero, -vec_abs(value), vec_abs(value));
        store(c + at, maximum(value, least));
    }
}

/* ---- arrays ---------------------------------------------------------------------------------- */

static void subtract(void *as, const void *bs, size_t n) {
    real *a = as;
    const real *b = bs;
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(a + i, load(a + i) - load(b + i));
}

static void square(const void *as, size_t n, void *outs) {
    const real *a = as;
    real *out = outs;
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(out + i, load(a + i) * load(a + i));
}

static void add(void *as, const void *bs, size_t n) {
    real *a = as;
    const real *b = bs;
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(a + i, load(a + i) + load(b + i));
}

static void choose(void *as, const void *where, const void *bs, size_t n) {
    real *a = as;
    const real *b = bs, *w = where;
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(a + i, pick(load(w + i) != splat(0), load(a + i), load(b + i)));
}

static void choose_lanes(void *as, const void *where, const void *bs, size_t rows, size_t width) {
    real *a = as;
    const real *b = bs, *w = where;
    for (size_t i = 0; i < rows * width; i += width)
        for (size_t lane = 0; lane < width; lane += VEC_LANES)
            store(a + i + lane,
                  pick(load(w + lane) != splat(0), load(a + i + lane), load(b + i + lane)));
}

extern const mgd_hw_kernels MGD_KERNEL_TABLE(hw);
const mgd_hw_kernels MGD_KERNEL_TABLE(hw) = {
    .lanes = LANES,
    .write = HW_KERNEL(write),
    .pulse = HW_KERNEL(pulse),
    .product = HW_KERNEL(product),
    .variance = HW_KERNEL(variance),
    .scatter = HW_KERNEL(scatter),
    .square = square,
    .draw = HW_KERNEL(draw),
    .noise = HW_KERNEL(normals),
    .subtract = subtract,
    .add = add,
    .choose = choose,
    .choose_lanes = choose_lanes,
};
