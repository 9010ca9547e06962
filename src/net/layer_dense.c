/* dense: y = W·x + b of a flat input; W (O × I), then b (O). */

#include "layer.h"

static mgd_status shape(const mgd_layer_place *place, mgd_node *node) {
    size_t outputs = place->layer->outputs;
    MGD_TRY(mgd_layer_count_parameters(place, node, outputs, node->in.features, 1));
    mgd_extent_of(1, &outputs, &node->out);
    return MGD_OK;
}

static void draw(const mgd_init *init, uint64_t part, const mgd_node *node, double *out) {
    size_t outputs = node->out.features;
    mgd_layer_draw_weights(init, part, node->count - outputs, outputs, 1, node->count, out);
}

static double flop(const mgd_op *op) {
    return 2 * (double)op->out.features * (double)op->node.in.features;
}

static size_t nodes(const mgd_op *op) {
    return op->out.features;
}

const mgd_layer_type mgd_layer_dense = {
    .name = "dense", .shape = shape, .draw = draw, .flop = flop, .nodes = nodes};
