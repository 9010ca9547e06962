/* Activations: functions of each feature by itself, which the plan joins to the op before them. */

#include "layer.h"

#include <math.h>

#define DISTANCE 0.01 /* from a bound, of the range; softplus, which has none: of 1 */

static double flop(const mgd_op *op) {
    return (double)op->out.features;
}

static mgd_status same(const mgd_layer_place *place, const mgd_extent *in, mgd_extent *out) {
    (void)place;
    *out = *in;
    return MGD_OK;
}

const mgd_layer_type mgd_layer_identity = {.name = "identity", .featurewise = true, .view = same};
const mgd_layer_type mgd_layer_sigmoid = {
    .name = "sigmoid", .featurewise = true, .flop = flop, .low = DISTANCE, .high = 1 - DISTANCE};
const mgd_layer_type mgd_layer_tanh = {.name = "tanh",
                                       .featurewise = true,
                                       .flop = flop,
                                       .low = -(1 - 2 * DISTANCE),
                                       .high = 1 - 2 * DISTANCE};
const mgd_layer_type mgd_layer_relu = {
    .name = "relu", .featurewise = true, .flop = flop, .low = 0, .high = INFINITY};
const mgd_layer_type mgd_layer_softplus = {
    .name = "softplus", .featurewise = true, .flop = flop, .low = DISTANCE, .high = INFINITY};
