/* add and concat: several values become one, a pair at a time. */

#include "layer.h"

#include <string.h>

/* Both alike from dimension `from` on. */
static mgd_status need_alike(const mgd_layer_place *place, const mgd_vertex *vertex, size_t from,
                             const char *expected) {
    const mgd_extent *in = &vertex->in, *other = &vertex->other;
    char left[96], right[96];
    bool alike = in->ndim == other->ndim;
    for (size_t i = from; alike && i < in->ndim; i++)
        alike = in->size[i] == other->size[i];
    if (alike)
        return MGD_OK;
    return mgd_layer_fail(place, MGD_ERR_SHAPE,
                          "its branches have the shapes %s and %s: expected %s",
                          mgd_extent_text(in, left), mgd_extent_text(other, right), expected);
}

static mgd_status add(const mgd_layer_place *place, mgd_vertex *vertex) {
    vertex->out = vertex->in;
    return need_alike(place, vertex, 0, "the same");
}

static mgd_status concat(const mgd_layer_place *place, mgd_vertex *vertex) {
    size_t size[MGD_MAX_DIMS];
    MGD_TRY(need_alike(place, vertex, 1, "the same but for the first dimension"));
    memcpy(size, vertex->in.size, sizeof size);
    size[0] += vertex->other.size[0];
    if (!mgd_extent_of(vertex->in.ndim, size, &vertex->out))
        return mgd_layer_fail(place, MGD_ERR_SHAPE, "its output has more than 2^32 features");
    return MGD_OK;
}

static double add_flop(const mgd_op *op) {
    return (double)op->out.features;
}

static size_t add_traffic(const mgd_op *op) {
    return op->vertex.in.features + 2 * op->out.features;
}

static size_t concat_traffic(const mgd_op *op) {
    return 2 * op->out.features;
}

const mgd_layer_type mgd_layer_add = {
    .name = "add", .featurewise = true, .join = add, .flop = add_flop, .traffic = add_traffic};
const mgd_layer_type mgd_layer_concat = {
    .name = "concat", .pixelwise = true, .join = concat, .traffic = concat_traffic};
