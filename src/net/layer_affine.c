/* affine: y = s·x + b, a pair for each channel of an image, or feature; the scales, then the
 * shifts. */

#include "layer.h"

static mgd_status shape(const mgd_layer_place *place, mgd_vertex *vertex) {
    vertex->out = vertex->in;
    return mgd_layer_count_parameters(place, vertex, vertex->in.size[0], 1, 1);
}

static void draw(const mgd_init *init, uint64_t part, const mgd_vertex *vertex, double *out) {
    (void)init, (void)part;
    for (size_t i = 0; i < vertex->count; i++)
        out[i] = i < vertex->count / 2 ? 1 : 0;
}

static double flop(const mgd_op *op) {
    return 2 * (double)op->out.features;
}

const mgd_layer_type mgd_layer_affine = {.name = "affine",
                                         .pixelwise = true,
                                         .linear = true,
                                         .shape = shape,
                                         .draw = draw,
                                         .flop = flop};
