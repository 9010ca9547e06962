/* Kernel of voltage lost on the wires of an array, to first order.
 *
 * Every device draws its current through wires that others use, too. With all inputs on, segment m
 * of the wire of input i carries T_i(m) = Σ_{k ≥ m} g_ki, for the outputs from m on, and segment m
 * of the wire of output o carries H_o(m) = Σ_{l ≤ m} g_ol. A device loses the drops on its way,
 * from the driver and to the amplifier:
 *
 *     S_oi = Σ_{m ≤ o} T_i(m) + Σ_{m ≥ i} H_o(m),    g_oi → g_oi/(1 + r·S_oi)
 *
 * g in units of the largest conductance, r the resistance of a segment in that unit. Devices of
 * positive and of negative weights lie in two arrays with wires of their own.
 */

#include "kernels.h"
#include "wires.h"

/* The conductances that a weight has in both arrays. */
typedef struct {
    vec plus, minus;
} conductances;

/* Scratch: by input wire A = Σ_{m ≤ o} T(m) and T(o) as o goes on, of both arrays. */
typedef struct {
    const mgd_hw_mapping *map;
    const mgd_hw_frame *f;
    size_t lane, wires;
    real *values, *sums; /* sums: (4 × wires) rows */
} array_lanes;

/* In a row a site is a value, which all lanes then have. */
INLINE vec row_of(const array_lanes *a, const real *rows, size_t i) {
    return a->f->row ? splat(rows[i]) : load(rows + i * a->f->width + a->lane);
}

INLINE void row_set(const array_lanes *a, real *rows, size_t i, vec v) {
    if (a->f->row)
        rows[i] = v[0];
    else
        store(rows + i * a->f->width + a->lane, v);
}

INLINE conductances conductances_of(const mgd_hw_mapping *map, vec w) {
    const vec k = splat((real)(map->per_weight / map->g_max)), zero = splat(0);
    const vec least = splat((real)(map->g_min / map->g_max));
    if (!map->differential)
        return (conductances){maximum(zero, fma_vec(k, w - splat((real)map->w_min), least)), zero};
    return (conductances){fma_vec(k, maximum(zero, w), least), /* a NaN stays one */
                          fma_vec(k, maximum(zero, -w), least)};
}

INLINE vec weight_of(const mgd_hw_mapping *map, conductances g) {
    const vec per_g = splat((real)(map->g_max / map->per_weight));
    if (map->differential)
        return (g.plus - g.minus) * per_g;
    return fma_vec(g.plus - splat((real)(map->g_min / map->g_max)), per_g, splat((real)map->w_min));
}

INLINE conductances device(const array_lanes *a, size_t site) {
    return conductances_of(a->map, row_of(a, a->values, site));
}

/* T(0) of all input wires; A = 0. */
INLINE void load_inputs(const array_lanes *a, const mgd_hw_array *array) {
    for (size_t i = 0; i < a->wires; i++) {
        vec plus = splat(0), minus = plus;
        for (size_t o = 0; o < array->outputs; o++) {
            conductances g = device(a, mgd_hw_array_site(array, o, i));
            plus += g.plus;
            minus += g.minus;
        }
        row_set(a, a->sums, 4 * i, splat(0));
        row_set(a, a->sums, 4 * i + 1, plus);
        row_set(a, a->sums, 4 * i + 2, splat(0));
        row_set(a, a->sums, 4 * i + 3, minus);
    }
}

/* A device, whose output wire has lost `drops` behind it. */
INLINE conductances lower(const array_lanes *a, vec ratio, size_t site, size_t i,
                          conductances drops) {
    const conductances g = device(a, site);
    const vec one = splat(1);
    vec plus = row_of(a, a->sums, 4 * i) + row_of(a, a->sums, 4 * i + 1);
    vec minus = row_of(a, a->sums, 4 * i + 2) + row_of(a, a->sums, 4 * i + 3);
    row_set(a, a->sums, 4 * i, plus);
    row_set(a, a->sums, 4 * i + 1, row_of(a, a->sums, 4 * i + 1) - g.plus);
    row_set(a, a->sums, 4 * i + 2, minus);
    row_set(a, a->sums, 4 * i + 3, row_of(a, a->sums, 4 * i + 3) - g.minus);
    conductances left = {g.plus / fma_vec(ratio, plus + drops.plus, one),
                         g.minus / fma_vec(ratio, minus + drops.minus, one)};
    row_set(a, a->values, site, weight_of(a->map, left));
    return g;
}

/* One output wire, from its amplifier on: first the bias, which is at the amplifier. */
INLINE void lower_output(const array_lanes *a, const mgd_hw_array *array, vec ratio, size_t o) {
    const vec zero = splat(0);
    conductances current = {zero, zero}, drops = {zero, zero};
    for (size_t i = 0; i < array->inputs; i++) {
        conductances g = device(a, mgd_hw_array_site(array, o, i));
        current.plus += g.plus;
        current.minus += g.minus;
    }
    if (array->bias != SIZE_MAX)
        lower(a, ratio, array->bias + o, array->inputs, drops);
    for (size_t i = array->inputs; i-- > 0;) {
        drops.plus += current.plus;
        drops.minus += current.minus;
        conductances g = lower(a, ratio, mgd_hw_array_site(array, o, i), i, drops);
        current.plus -= g.plus;
        current.minus -= g.minus;
    }
}

MODEL_KERNEL(ir_drop) {
    const mgd_hw_geometry *all = &chain->geometry;
    const vec ratio = splat((real)op->model.strength);
    const size_t lanes = f->row ? VEC_LANES : f->width;
    for (size_t n = 0; n < all->num_arrays; n++) {
        const mgd_hw_array *array = &all->arrays[n];
        for (size_t lane = 0; lane < lanes; lane += VEC_LANES) {
            const array_lanes a = {&op->model.mapping,        f,      lane,
                                   mgd_hw_array_wires(array), values, f->scratch};
            load_inputs(&a, array);
            for (size_t o = 0; o < array->outputs; o++)
                lower_output(&a, array, ratio, o);
        }
    }
}
