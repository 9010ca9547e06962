/* Models of the wires of an array: the voltage lost on them to first order, whose kernel is in
 * kernels_wires.c, and the circuit itself.
 *
 * The circuit, for conductances in units of the largest: a node of the input wire and one of the
 * output wire at each device (at a bias, which is at the amplifier, that of the input wire alone);
 * segments of conductance 1/r between neighbours, from the driver to the first output, from the
 * last input to the amplifier, which is at 0 V. Currents are linear in the drivers' voltages: y =
 * T·x, whatever x is, so T is what the weights come to. By reciprocity row o of T comes of one
 * solution, with currents injected where output o is sensed.
 */

#include "model.h"
#include "wires.h"

#include <gsl/gsl_errno.h>
#include <gsl/gsl_linalg.h>
#include <math.h>

static bool no_strength(const mgd_hw_model *m) {
    return m->strength == 0;
}

static const char *fault_of_wires(const mgd_hw_model *m) {
    const mgd_hw_mapping *map = &m->mapping;
    return m->strength >= 0 && map->per_weight > 0 && map->g_max > 0
               ? NULL
               : "strength: expected a number from 0 on, and a mapping with per_weight and g_max";
}

/* ---- to first order -------------------------------------------------------------------------- */

static size_t rows_of_sums(const mgd_hw_geometry *geometry, size_t lane_bytes) {
    size_t most = 0;
    for (size_t n = 0; n < geometry->num_arrays; n++) {
        size_t wires = mgd_hw_array_wires(&geometry->arrays[n]);
        most = wires > most ? wires : most;
    }
    return 4 * most * lane_bytes;
}

MGD_HW_DECLARE(ir_drop);
const mgd_hw_type mgd_hw_type_ir_drop = {
    .name = "ir_drop",
    .kernel = MGD_HW_KERNELS(ir_drop),
    .neutral = no_strength,
    .fault = fault_of_wires,
    .scratch = rows_of_sums,
};

/* ---- the circuit ----------------------------------------------------------------------------- */

size_t mgd_hw_nodes(const mgd_hw_array *array) {
    return array->outputs * (array->inputs + mgd_hw_array_wires(array));
}

/* Nodes are numbered along the shorter side first, so that neighbours are at most so far apart. */
static bool outputs_first(const mgd_hw_array *array) {
    return 2 * array->outputs <= array->inputs + mgd_hw_array_wires(array);
}

static size_t band_of(const mgd_hw_array *array) {
    return outputs_first(array) ? 2 * array->outputs : array->inputs + mgd_hw_array_wires(array);
}

/* A banded Cholesky factor, and two triangular solutions for each output; of both arrays. */
double mgd_hw_nodal_flop(const mgd_hw_array *array) {
    double n = (double)mgd_hw_nodes(array), band = (double)band_of(array);
    return 2 * n * band * (band + 4 * (double)array->outputs);
}

/* One array in doubles: the matrix in GSL's banded form, a solution, and T⁺. */
typedef struct {
    const mgd_hw_array *array;
    const mgd_hw_mapping *map;
    double wire; /* conductance of a segment */
    size_t nodes, band;
    double *matrix, *solution, *plus;
} circuit;

static circuit circuit_in(const mgd_hw_array *array, const mgd_hw_model *m, double *memory) {
    circuit c = {array, &m->mapping, 1 / m->strength, mgd_hw_nodes(array), band_of(array), NULL,
                 NULL,  NULL};
    c.matrix = memory;
    c.solution = c.matrix + c.nodes * (c.band + 1);
    c.plus = c.solution + c.nodes;
    return c;
}

static size_t doubles_of_circuits(const mgd_hw_geometry *geometry, size_t lane_bytes) {
    size_t most = 0;
    (void)lane_bytes;
    for (size_t n = 0; n < geometry->num_arrays; n++) {
        const mgd_hw_array *a = &geometry->arrays[n];
        size_t count = mgd_hw_nodes(a) * (band_of(a) + 2) + a->outputs * mgd_hw_array_wires(a);
        most = count > most ? count : most;
    }
    return most * sizeof(double);
}

/* The node at device (o, i) of the input's wire, or the output's. */
static size_t node_of(const mgd_hw_array *array, size_t o, size_t i, bool output) {
    if (outputs_first(array)) /* those of biases, which have no output node, last */
        return i < array->inputs ? 2 * (i * array->outputs + o) + output
                                 : 2 * array->inputs * array->outputs + o;
    return o * (array->inputs + mgd_hw_array_wires(array)) + 2 * i + output;
}

/* A conductance between two nodes. */
static void join(const circuit *c, size_t a, size_t b, double g) {
    size_t low = a < b ? a : b, high = a < b ? b : a;
    c->matrix[low * (c->band + 1)] += g;
    c->matrix[high * (c->band + 1)] += g;
    c->matrix[low * (c->band + 1) + (high - low)] -= g;
}

/* … and between a node and a fixed voltage. */
static void ground(const circuit *c, size_t a, double g) {
    c->matrix[a * (c->band + 1)] += g;
}

/* One of the two arrays that a weight has a device in: see mgd_hw_mapping. */
static double conductance(const circuit *c, double weight, double side) {
    const mgd_hw_mapping *map = c->map;
    double above = map->differential ? fmax(side * weight, 0) : weight - map->w_min;
    return fmax((map->g_min + map->per_weight * above) / map->g_max, 0);
}

/* Where values lie: lane `lane` of rows, or the row itself. */
typedef struct {
    const mgd_hw_chain *chain;
    const mgd_hw_frame *f;
    void *values;
    size_t lane;
} lane_of_values;

static size_t place_of(const lane_of_values *v, size_t site) {
    return v->f->row ? site : site * v->f->width + v->lane;
}

static double value_get(const lane_of_values *v, size_t site) {
    size_t at = place_of(v, site);
    return v->chain->dtype == MGD_F32 ? (double)((const float *)v->values)[at]
                                      : ((const double *)v->values)[at];
}

static void value_set(const lane_of_values *v, size_t site, double value) {
    size_t at = place_of(v, site);
    if (v->chain->dtype == MGD_F32)
        ((float *)v->values)[at] = (float)value;
    else
        ((double *)v->values)[at] = value;
}

static void fill(const circuit *c, const lane_of_values *v, double side) {
    const mgd_hw_array *a = c->array;
    for (size_t k = 0; k < c->nodes * (c->band + 1); k++)
        c->matrix[k] = 0;
    for (size_t o = 0; o < a->outputs; o++)
        for (size_t i = 0; i < mgd_hw_array_wires(a); i++) {
            const size_t in = node_of(a, o, i, false);
            const double g = conductance(c, value_get(v, mgd_hw_array_site(a, o, i)), side);
            if (o == 0)
                ground(c, in, c->wire); /* the driver */
            else
                join(c, in, node_of(a, o - 1, i, false), c->wire);
            if (i == a->inputs) { /* a bias, at the amplifier */
                ground(c, in, g);
                continue;
            }
            const size_t out = node_of(a, o, i, true);
            join(c, in, out, g);
            if (i + 1 < a->inputs)
                join(c, out, node_of(a, o, i + 1, true), c->wire);
            else
                ground(c, out, c->wire);
        }
}

/* Row o of T, in the units of the conductances, once the matrix is its factor. */
static void solve_output(const circuit *c, const gsl_matrix *factor, const lane_of_values *v,
                         double side, size_t o) {
    const mgd_hw_array *a = c->array;
    gsl_vector_view x = gsl_vector_view_array(c->solution, c->nodes);
    gsl_vector_set_zero(&x.vector);
    if (a->inputs > 0)
        c->solution[node_of(a, o, a->inputs - 1, true)] = c->wire;
    if (a->bias != SIZE_MAX)
        c->solution[node_of(a, o, a->inputs, false)] =
            conductance(c, value_get(v, a->bias + o), side);
    gsl_linalg_cholesky_band_svx(factor, &x.vector);
}

static double read_input(const circuit *c, size_t i) {
    return c->wire * c->solution[node_of(c->array, 0, i, false)];
}

/* The circuit of one side: T⁺ is kept, weights become (T⁺ − T⁻)/k. Biases last: they are read for
 * the right-hand side. */
static bool solve_side(const circuit *c, const lane_of_values *v, double side, bool last) {
    const mgd_hw_array *a = c->array;
    const size_t wires = mgd_hw_array_wires(a);
    const double per_g = c->map->g_max / c->map->per_weight;
    const double least = c->map->differential ? 0 : c->map->g_min / c->map->g_max;
    gsl_matrix_view m = gsl_matrix_view_array(c->matrix, c->nodes, c->band + 1);
    fill(c, v, side);
    if (gsl_linalg_cholesky_band_decomp(&m.matrix) != GSL_SUCCESS)
        return false;
    for (size_t o = 0; o < a->outputs; o++) {
        solve_output(c, &m.matrix, v, side, o);
        for (size_t i = 0; i < wires; i++) {
            double *plus = &c->plus[o * wires + i], t = read_input(c, i);
            *plus = side > 0 ? t : *plus - t;
            if (last)
                value_set(v, mgd_hw_array_site(a, o, i), (*plus - least) * per_g + c->map->w_min);
        }
    }
    return true;
}

static bool is_finite(const lane_of_values *v, const mgd_hw_array *a) {
    for (size_t o = 0; o < a->outputs; o++)
        for (size_t i = 0; i < mgd_hw_array_wires(a); i++)
            if (!isfinite(value_get(v, mgd_hw_array_site(a, o, i))))
                return false;
    return true;
}

static void solve_array(const circuit *c, const lane_of_values *v) {
    const mgd_hw_array *a = c->array;
    const bool pair = c->map->differential;
    bool solved =
        is_finite(v, a) && solve_side(c, v, 1, !pair) && (!pair || solve_side(c, v, -1, true));
    for (size_t o = 0; o < a->outputs && !solved; o++) /* a chip that diverged is seen to */
        for (size_t i = 0; i < mgd_hw_array_wires(a); i++)
            value_set(v, mgd_hw_array_site(a, o, i), NAN);
}

static void nodal(const mgd_hw_chain *chain, const mgd_hw_op *op, const mgd_hw_frame *f,
                  const void *coef, void *state, void *values) {
    const mgd_hw_geometry *all = &chain->geometry;
    (void)coef, (void)state;
    for (size_t n = 0; n < all->num_arrays; n++) {
        const circuit c = circuit_in(&all->arrays[n], &op->model, f->scratch);
        for (size_t lane = 0; lane < (f->row ? 1 : f->width); lane++) {
            const lane_of_values v = {chain, f, values, lane};
            solve_array(&c, &v);
        }
    }
}

const mgd_hw_type mgd_hw_type_nodal = {
    .name = "nodal",
    .kernel = {{nodal, nodal}, {nodal, nodal}, {nodal, nodal}},
    .neutral = no_strength,
    .fault = fault_of_wires,
    .scratch = doubles_of_circuits,
};
