/* reshape: the same features in the same order, in another shape; flat where none is given. */

#include "layer.h"

static mgd_status view(const mgd_layer_place *place, const mgd_extent *in, mgd_extent *out) {
    const mgd_layer *layer = place->layer;
    char from[96], to[96];
    bool flat = layer->ndim == 0;
    size_t most = MGD_MAX_DIMS - 1 - layer->each_step;
    if (layer->ndim > most)
        return mgd_layer_fail(place, MGD_ERR_SHAPE,
                              "a shape of %zu dimensions: expected at most %zu", layer->ndim, most);
    if (mgd_extent_of(flat ? 1 : layer->ndim, flat ? &in->features : layer->shape, out) &&
        out->features == in->features)
        return MGD_OK;
    return mgd_layer_fail(place, MGD_ERR_SHAPE, "%s does not have the features of its input %s",
                          mgd_shape_format(to, sizeof to, layer->ndim, layer->shape),
                          mgd_extent_text(in, from));
}

const mgd_layer_type mgd_layer_reshape = {.name = "reshape", .view = view};
