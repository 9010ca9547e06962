/* dense: y = W·x + b of a flat input; W (O × I), then b (O). */

#include "layer.h"

static mgd_status shape(const mgd_layer_place *place, mgd_vertex *vertex) {
    size_t outputs = place->layer->outputs;
    MGD_TRY(mgd_layer_count_parameters(place, vertex, outputs, vertex->in.features, 1));
    mgd_extent_of(1, &outputs, &vertex->out);
    return MGD_OK;
}

static void draw(const mgd_init *init, uint64_t part, const mgd_vertex *vertex, double *out) {
    size_t outputs = vertex->out.features;
    mgd_layer_draw_weights(init, part, vertex->count - outputs, outputs, 1, vertex->count, out);
}

static double flop(const mgd_op *op) {
    return 2 * (double)op->out.features * (double)op->vertex.in.features;
}

static size_t nodes(const mgd_op *op) {
    return op->out.features;
}

static size_t matrices(const mgd_vertex *vertex, mgd_matrix *out) {
    return mgd_layer_matrices(vertex, vertex->out.features, vertex->in.features, 0, out);
}

const mgd_layer_type mgd_layer_dense = {.name = "dense",
                                        .linear = true,
                                        .shape = shape,
                                        .draw = draw,
                                        .flop = flop,
                                        .nodes = nodes,
                                        .matrices = matrices};
