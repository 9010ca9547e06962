/* elman and ssm: layers with a state, along a sequence (T, F). Parameters: the weights of the input
 * (H × F), those of the state (H × H), and of elman the biases (H). */

#include "../base/number.h"
#include "layer.h"

#include <math.h>

#define START_PARTS (UINT64_C(1) << 32) /* draws for layers that know what to begin with */

static mgd_status check_sequence(const mgd_layer_place *place, const mgd_extent *in) {
    const mgd_layer *layer = place->layer;
    char text[96];
    if (layer->each_step)
        return mgd_layer_fail(place, MGD_ERR_ARGUMENT,
                              "it runs through the steps by itself and cannot act on each alone: "
                              "expected it outside of each_step");
    if (in->ndim > 2)
        return mgd_layer_fail(place, MGD_ERR_SHAPE,
                              "its input has the shape %s: expected a sequence, steps×features, as "
                              "the input of the network or a reshape gives it",
                              mgd_extent_text(in, text));
    if (!(layer->step >= 0 && layer->step < INFINITY))
        return mgd_layer_fail(place, MGD_ERR_ARGUMENT, "step %s: expected a number above 0",
                              MGD_NUMBER(layer->step));
    return MGD_OK;
}

static mgd_status shape(const mgd_layer_place *place, mgd_vertex *vertex, size_t biases) {
    const mgd_layer *layer = place->layer;
    const mgd_extent *in = &vertex->in;
    MGD_TRY(check_sequence(place, in));
    vertex->length = in->size[0];
    vertex->every = layer->every;
    vertex->drawn = layer->drawn;
    vertex->step = layer->step > 0 ? layer->step : 1 / (double)vertex->length;
    size_t states = layer->outputs, size[2] = {vertex->length, states};
    size_t each = in->features / vertex->length + states;
    MGD_TRY(mgd_layer_count_parameters(place, vertex, states, each, biases));
    if (!mgd_extent_of(vertex->every ? 2 : 1, vertex->every ? size : &states, &vertex->out))
        return mgd_layer_fail(place, MGD_ERR_SHAPE, "its output has more than 2^32 features");
    return MGD_OK;
}

/* The first state is made of the input alone. */
static double sums(const mgd_vertex *vertex) {
    double states = (double)mgd_vertex_states(vertex);
    return 2 * states * ((double)vertex->in.features + states * ((double)vertex->length - 1));
}

/* Every state is written, and read but for the last. */
static size_t traffic(const mgd_op *op) {
    return op->vertex.in.features + mgd_vertex_states(&op->vertex) * (2 * op->vertex.length - 1);
}

static size_t matrices(const mgd_vertex *vertex, mgd_matrix *out) {
    size_t states = mgd_vertex_states(vertex), inputs = vertex->in.features / vertex->length;
    return mgd_layer_matrices(vertex, states, inputs, states, out);
}

/* ---- elman ----------------------------------------------------------------------------------- */

static mgd_status elman_shape(const mgd_layer_place *place, mgd_vertex *vertex) {
    mgd_layer_kind cell = place->layer->cell;
    if (cell != MGD_LAYER_TANH && cell != MGD_LAYER_RELU && cell != MGD_LAYER_SIGMOID)
        return mgd_layer_fail(place, MGD_ERR_ARGUMENT,
                              "unknown activation %d: expected tanh, relu or sigmoid", (int)cell);
    vertex->cell = cell;
    return shape(place, vertex, 1);
}

static void elman_draw(const mgd_init *init, uint64_t part, const mgd_vertex *vertex, double *out) {
    size_t states = mgd_vertex_states(vertex);
    mgd_layer_draw_weights(init, part, vertex->count - states, states, 1, vertex->count, out);
}

static double elman_flop(const mgd_op *op) {
    return sums(&op->vertex) + (double)(mgd_vertex_states(&op->vertex) * op->vertex.length);
}

const mgd_layer_type mgd_layer_elman = {.name = "elman",
                                        .recurrent = true,
                                        .shape = elman_shape,
                                        .draw = elman_draw,
                                        .flop = elman_flop,
                                        .traffic = traffic,
                                        .matrices = matrices};

/* ---- ssm ------------------------------------------------------------------------------------- */

static mgd_status ssm_shape(const mgd_layer_place *place, mgd_vertex *vertex) {
    vertex->cell = MGD_LAYER_IDENTITY;
    return shape(place, vertex, 0);
}

static void ssm_draw(const mgd_init *init, uint64_t part, const mgd_vertex *vertex, double *out) {
    mgd_layer_draw_weights(init, part, vertex->count, mgd_vertex_states(vertex), 1, vertex->count,
                           out);
}

/* HiPPO-LegS. B of one feature is its b; of F features b times draws of variance 1/F, so that each
 * state listens to a mixture of its own. */
static void ssm_start(const mgd_init *init, uint64_t part, const mgd_vertex *vertex, double *weight,
                      double *out) {
    size_t states = mgd_vertex_states(vertex), inputs = vertex->in.features / vertex->length;
    weight[0] = 1;
    if (inputs > 1)
        mgd_init_draw(init, START_PARTS + part, true, 0, sqrt(1 / (double)inputs), states * inputs,
                      weight);
    else
        for (size_t n = 1; n < states; n++)
            weight[n] = 1;
    mgd_hippo_legs(states, inputs, vertex->step, weight, out);
}

static double ssm_flop(const mgd_op *op) {
    return sums(&op->vertex);
}

const mgd_layer_type mgd_layer_ssm = {.name = "ssm",
                                      .recurrent = true,
                                      .shape = ssm_shape,
                                      .draw = ssm_draw,
                                      .start = ssm_start,
                                      .flop = ssm_flop,
                                      .traffic = traffic,
                                      .matrices = matrices};
