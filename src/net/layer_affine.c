/* Layers that act on each channel of an image, or feature, by parameters of its own. affine:
 * y = s·x + b; the scales, then the shifts. centre: y = x − μ. */

#include "layer.h"

#include <string.h>

/* ---- affine ---------------------------------------------------------------------------------- */

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

/* ---- centre ---------------------------------------------------------------------------------- */

/* It is not linear as affine is: what it adds up are no products of parameters and inputs. */
static mgd_status centre_shape(const mgd_layer_place *place, mgd_vertex *vertex) {
    vertex->out = vertex->in;
    return mgd_layer_count_parameters(place, vertex, vertex->in.size[0], 1, 0);
}

static void centre_start(const mgd_init *init, uint64_t part, const mgd_vertex *vertex,
                         double *scratch, double *out) {
    (void)init, (void)part, (void)scratch;
    memset(out, 0, vertex->count * sizeof *out);
}

static double centre_flop(const mgd_op *op) {
    return (double)op->out.features;
}

const mgd_layer_type mgd_layer_centre = {.name = "centre",
                                         .pixelwise = true,
                                         .shape = centre_shape,
                                         .start = centre_start,
                                         .flop = centre_flop};
