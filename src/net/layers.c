/* The kinds of layers, a row each. */

#include "layer.h"

extern const mgd_layer_type mgd_layer_dense, mgd_layer_conv2d, mgd_layer_maxpool2d,
    mgd_layer_avgpool2d, mgd_layer_affine, mgd_layer_mzi_mesh, mgd_layer_elman, mgd_layer_ssm;
extern const mgd_layer_type mgd_layer_identity, mgd_layer_sigmoid, mgd_layer_tanh, mgd_layer_relu,
    mgd_layer_softplus;
extern const mgd_layer_type mgd_layer_reshape, mgd_layer_add, mgd_layer_concat, mgd_layer_centre;

static const mgd_layer_type *const rows[MGD_LAYER_COUNT] = {
    [MGD_LAYER_DENSE] = &mgd_layer_dense,         [MGD_LAYER_IDENTITY] = &mgd_layer_identity,
    [MGD_LAYER_SIGMOID] = &mgd_layer_sigmoid,     [MGD_LAYER_TANH] = &mgd_layer_tanh,
    [MGD_LAYER_RELU] = &mgd_layer_relu,           [MGD_LAYER_SOFTPLUS] = &mgd_layer_softplus,
    [MGD_LAYER_CONV2D] = &mgd_layer_conv2d,       [MGD_LAYER_MAXPOOL2D] = &mgd_layer_maxpool2d,
    [MGD_LAYER_AVGPOOL2D] = &mgd_layer_avgpool2d, [MGD_LAYER_AFFINE] = &mgd_layer_affine,
    [MGD_LAYER_RESHAPE] = &mgd_layer_reshape,     [MGD_LAYER_ADD] = &mgd_layer_add,
    [MGD_LAYER_CONCAT] = &mgd_layer_concat,       [MGD_LAYER_MZI_MESH] = &mgd_layer_mzi_mesh,
    [MGD_LAYER_ELMAN] = &mgd_layer_elman,         [MGD_LAYER_SSM] = &mgd_layer_ssm,
    [MGD_LAYER_CENTRE] = &mgd_layer_centre,
};

const mgd_layer_type *mgd_layer_of(mgd_layer_kind kind) {
    return rows[kind];
}

const char *mgd_layer_name(mgd_layer_kind kind) {
    return (unsigned)kind < MGD_LAYER_COUNT ? rows[kind]->name : "unknown";
}

bool mgd_layer_is_activation(mgd_layer_kind kind) {
    return rows[kind]->featurewise && !rows[kind]->join;
}

bool mgd_layer_is_recurrent(mgd_layer_kind kind) {
    return rows[kind]->recurrent;
}

bool mgd_layer_is_linear(mgd_layer_kind kind) {
    return rows[kind]->linear;
}
