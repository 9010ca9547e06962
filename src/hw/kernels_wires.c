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

/* One array in the lanes of one vector. Scratch has, by input wire, A = Σ_{m ≤ o} T(m) and T(o) as
 * o goes on, of both arrays. In a row a site is a value, which all lanes then have. All is copied:
 * a store might change it, for all the compiler knows. */
typedef struct {
    bool row;
    size_t lane, width;
    mgd_hw_mapping map;
    mgd_hw_array array;
    vec ratio;
    real *values, *sums; /* sums: (4 × wires) rows */
} array_lanes;

INLINE vec row_of(const array_lanes *a, const real *rows, size_t i) {
    return a->row ? splat(rows[i]) : load(rows + i * a->width + a->lane);
}

INLINE void row_set(const array_lanes *a, real *rows, size_t i, vec v) {
    if (a->row)
        rows[i] = v[0];
    else
        store(rows + i * a->width + a->lane, v);
}

/* Of the device at a site. */
INLINE conductances device(const array_lanes *a, size_t site) {
    const mgd_hw_mapping *map = &a->map;
    const vec w = row_of(a, a->values, site), zero = splat(0);
    const vec k = splat((real)(map->per_weight / map->g_max));
    const vec least = splat((real)(map->g_min / map->g_max));
    if (!map->differential)
        return (conductances){maximum(zero, fma_vec(k, w - splat((real)map->w_min), least)), zero};
    return (conductances){fma_vec(k, maximum(zero, w), least), /* a NaN stays one */
                          fma_vec(k, maximum(zero, -w), least)};
}

/* What is left of it behind these drops, as a weight. */
INLINE vec lowered(const array_lanes *a, conductances g, vec plus_drops, vec minus_drops) {
    const mgd_hw_mapping *map = &a->map;
    const vec one = splat(1), per_g = splat((real)(map->g_max / map->per_weight));
    const vec plus = fma_vec(a->ratio, plus_drops, one);
    const vec minus = fma_vec(a->ratio, minus_drops, one);
    if (map->differential) /* g⁺/plus − g⁻/minus, with one division */
        return fma_vec(g.plus, minus, -(g.minus * plus)) / (plus * minus) * per_g;
    return fma_vec(g.plus / plus - splat((real)(map->g_min / map->g_max)), per_g,
                   splat((real)map->w_min));
}

/* T(0) of an input wire, whose devices are `apart` sites apart from each other; A = 0. */
INLINE void load_input(const array_lanes *a, size_t i, size_t site, size_t apart) {
    vec plus = splat(0), minus = plus;
    for (size_t o = 0; o < a->array.outputs; o++, site += apart) {
        conductances g = device(a, site);
        plus += g.plus;
        minus += g.minus;
    }
    row_set(a, a->sums, 4 * i, splat(0));
    row_set(a, a->sums, 4 * i + 1, plus);
    row_set(a, a->sums, 4 * i + 2, splat(0));
    row_set(a, a->sums, 4 * i + 3, minus);
}

INLINE void load_inputs(const array_lanes *a) {
    const mgd_hw_array *array = &a->array;
    size_t i = 0;
    for (size_t b = 0; b < array->num_blocks; b++)
        for (size_t j = 0; j < array->block[b].width; j++, i++)
            load_input(a, i, array->block[b].first + j, array->block[b].width);
    if (array->bias != SIZE_MAX)
        load_input(a, i, array->bias, 1);
}

/* A device, whose output wire has lost `drops` behind it; returns what it was. */
INLINE conductances lower(const array_lanes *a, size_t site, size_t i, conductances drops) {
    const conductances g = device(a, site);
    const vec plus_current = row_of(a, a->sums, 4 * i + 1);
    const vec minus_current = row_of(a, a->sums, 4 * i + 3);
    const vec plus = row_of(a, a->sums, 4 * i) + plus_current;
    const vec minus = row_of(a, a->sums, 4 * i + 2) + minus_current;
    row_set(a, a->sums, 4 * i, plus);
    row_set(a, a->sums, 4 * i + 1, plus_current - g.plus);
    row_set(a, a->sums, 4 * i + 2, minus);
    row_set(a, a->sums, 4 * i + 3, minus_current - g.minus);
    row_set(a, a->values, site, lowered(a, g, plus + drops.plus, minus + drops.minus));
    return g;
}

/* One output wire, from its amplifier on: first the bias, which is at the amplifier. */
INLINE void lower_output(const array_lanes *a, size_t o) {
    const mgd_hw_array *array = &a->array;
    const vec zero = splat(0);
    conductances current = {zero, zero}, drops = {zero, zero};
    for (size_t b = 0; b < array->num_blocks; b++)
        for (size_t j = 0; j < array->block[b].width; j++) {
            conductances g = device(a, array->block[b].first + o * array->block[b].width + j);
            current.plus += g.plus;
            current.minus += g.minus;
        }
    if (array->bias != SIZE_MAX)
        lower(a, array->bias + o, array->inputs, drops);
    size_t i = array->inputs;
    for (size_t b = array->num_blocks; b-- > 0;)
        for (size_t j = array->block[b].width; j-- > 0;) {
            drops.plus += current.plus;
            drops.minus += current.minus;
            conductances g =
                lower(a, array->block[b].first + o * array->block[b].width + j, --i, drops);
            current.plus -= g.plus;
            current.minus -= g.minus;
        }
}

INLINE void lower_array(array_lanes a) {
    load_inputs(&a);
    for (size_t o = 0; o < a.array.outputs; o++)
        lower_output(&a, o);
}

MODEL_KERNEL(ir_drop) {
    const mgd_hw_geometry *all = &chain->geometry;
    array_lanes a = {.row = f->row,
                     .width = f->width,
                     .map = op->model.mapping,
                     .ratio = splat((real)op->model.strength),
                     .values = values,
                     .sums = f->scratch};
    const size_t lanes = f->row ? VEC_LANES : f->width;
    for (size_t n = 0; n < all->num_arrays; n++) {
        a.array = all->arrays[n];
        for (a.lane = 0; a.lane < lanes; a.lane += VEC_LANES)
            lower_array(a);
    }
}
