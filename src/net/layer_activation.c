/* Activations: functions of each feature by itself, which the plan joins to the op before them. */

#include "layer.h"

#include <math.h>

#define DISTANCE 0.01 /* from a bound, of the range; softplus, which has none: of 1 */

static bool sigmoid_at_bound(double y) { /* (0, 1) */
    return !(y > DISTANCE && y < 1 - DISTANCE);
}

static bool tanh_at_bound(double y) { /* (−1, 1) */
    return !(fabs(y) < 1 - 2 * DISTANCE);
}

static bool relu_at_bound(double y) {
    return !(y > 0);
}

static bool softplus_at_bound(double y) {
    return !(y > DISTANCE);
}

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
    .name = "sigmoid", .featurewise = true, .flop = flop, .at_bound = sigmoid_at_bound};
const mgd_layer_type mgd_layer_tanh = {
    .name = "tanh", .featurewise = true, .flop = flop, .at_bound = tanh_at_bound};
const mgd_layer_type mgd_layer_relu = {
    .name = "relu", .featurewise = true, .flop = flop, .at_bound = relu_at_bound};
const mgd_layer_type mgd_layer_softplus = {
    .name = "softplus", .featurewise = true, .flop = flop, .at_bound = softplus_at_bound};
