/* conv2d, maxpool2d, avgpool2d: windows that slide over an image (C, height, width). Parameters of
 * conv2d: the weights (O × C × kernel height × kernel width), then the biases (O). */

#include "layer.h"

#include <stdio.h>

static mgd_status need_image(const mgd_layer_place *place, const mgd_extent *in) {
    char text[96];
    if (in->ndim == 3)
        return MGD_OK;
    return mgd_layer_fail(
        place, MGD_ERR_SHAPE,
        "its input has the shape %s: expected channels×height×width, as the input of the "
        "network or a reshape gives it",
        mgd_extent_text(in, text));
}

static mgd_status check_window(const mgd_layer_place *place, const mgd_extent *in, size_t side) {
    const mgd_layer *layer = place->layer;
    size_t k = layer->kernel[side], pad = layer->padding[side];
    char text[96];
    if (k < 1 || k > UINT16_MAX || layer->stride[side] < 1 || layer->stride[side] > UINT16_MAX ||
        pad > UINT16_MAX)
        return mgd_layer_fail(
            place, MGD_ERR_ARGUMENT,
            "kernel %zu×%zu, stride %zu×%zu, padding %zu×%zu: expected kernel and "
            "stride of at least 1, and all of them less than 65,536",
            layer->kernel[0], layer->kernel[1], layer->stride[0], layer->stride[1],
            layer->padding[0], layer->padding[1]);
    if (pad >= k && layer->kind != MGD_LAYER_CONV2D)
        return mgd_layer_fail(
            place, MGD_ERR_ARGUMENT,
            "padding %zu×%zu with a kernel of %zu×%zu: some windows would lie outside "
            "of the image; expected less padding than kernel",
            layer->padding[0], layer->padding[1], layer->kernel[0], layer->kernel[1]);
    if (k > in->size[1 + side] + 2 * pad)
        return mgd_layer_fail(place, MGD_ERR_SHAPE,
                              "a kernel of %zu×%zu does not fit into its input of %s with padding "
                              "%zu×%zu",
                              layer->kernel[0], layer->kernel[1], mgd_extent_text(in, text),
                              layer->padding[0], layer->padding[1]);
    return MGD_OK;
}

/* The output of windows over an image, `channels` of it. */
static mgd_status slide(const mgd_layer_place *place, mgd_vertex *vertex, size_t channels) {
    const mgd_layer *layer = place->layer;
    size_t size[3] = {channels};
    MGD_TRY(need_image(place, &vertex->in));
    for (size_t side = 0; side < 2; side++) {
        MGD_TRY(check_window(place, &vertex->in, side));
        vertex->kernel[side] = layer->kernel[side];
        vertex->stride[side] = layer->stride[side];
        vertex->padding[side] = layer->padding[side];
        size_t room = vertex->in.size[1 + side] + 2 * layer->padding[side] - layer->kernel[side];
        size[1 + side] = room / layer->stride[side] + 1;
    }
    if (!mgd_extent_of(3, size, &vertex->out))
        return mgd_layer_fail(place, MGD_ERR_SHAPE,
                              "its output has no, or more than 2^32, features");
    return MGD_OK;
}

/* Σ over windows along one side of the pixels of each that lie in the image, for `out` windows. */
static double pixels_along(const mgd_vertex *vertex, size_t side, size_t out) {
    double sum = 0;
    for (size_t i = 0; i < out; i++)
        for (size_t k = 0; k < vertex->kernel[side]; k++) {
            size_t at = i * vertex->stride[side] + k;
            sum += at >= vertex->padding[side] &&
                   at - vertex->padding[side] < vertex->in.size[1 + side];
        }
    return sum;
}

/* As far as the last window goes; not less than a pixel, where windows see nothing but padding. */
static size_t reads(const mgd_vertex *vertex, size_t side, size_t outputs) {
    size_t end = (outputs - 1) * vertex->stride[side] + vertex->kernel[side];
    return end > vertex->padding[side] ? end - vertex->padding[side] : 1;
}

static void detail(const mgd_vertex *vertex, char *buffer, size_t capacity) {
    snprintf(buffer, capacity, " %zu×%zu", vertex->kernel[0], vertex->kernel[1]);
}

/* ---- conv2d ---------------------------------------------------------------------------------- */

static mgd_status conv_shape(const mgd_layer_place *place, mgd_vertex *vertex) {
    size_t outputs = place->layer->outputs;
    if (outputs < 1 || outputs > UINT32_MAX)
        return mgd_layer_fail(place, MGD_ERR_ARGUMENT,
                              "%zu channels: expected at least 1, and fewer than 2^32", outputs);
    MGD_TRY(slide(place, vertex, outputs));
    size_t each = vertex->in.size[0] * vertex->kernel[0] * vertex->kernel[1];
    return mgd_layer_count_parameters(place, vertex, outputs, each, 1);
}

static void conv_draw(const mgd_init *init, uint64_t part, const mgd_vertex *vertex, double *out) {
    size_t outputs = vertex->out.size[0], area = vertex->kernel[0] * vertex->kernel[1];
    mgd_layer_draw_weights(init, part, vertex->count - outputs, outputs, area, vertex->count, out);
}

/* What a pool that has joined leaves out at the edge is not computed. */
static double conv_flop(const mgd_op *op) {
    const mgd_vertex *n = &op->vertex;
    size_t scale = op->pool == MGD_LAYER_IDENTITY ? 1 : 2;
    return 2 * (double)n->out.size[0] * (double)n->in.size[0] *
           pixels_along(n, 0, op->out.size[1] * scale) *
           pixels_along(n, 1, op->out.size[2] * scale);
}

static size_t conv_nodes(const mgd_op *op) {
    return op->out.size[0] * mgd_op_node_side(op, 0) * mgd_op_node_side(op, 1);
}

/* Pixels of a window, channel by channel, are columns: what a filter multiplies at once. */
static size_t conv_matrices(const mgd_vertex *vertex, mgd_matrix *out) {
    size_t filters = vertex->out.size[0];
    size_t window = vertex->in.size[0] * vertex->kernel[0] * vertex->kernel[1];
    return mgd_layer_matrices(vertex, filters, window, 0, out);
}

const mgd_layer_type mgd_layer_conv2d = {.name = "conv2d",
                                         .linear = true,
                                         .shape = conv_shape,
                                         .reads = reads,
                                         .draw = conv_draw,
                                         .flop = conv_flop,
                                         .nodes = conv_nodes,
                                         .matrices = conv_matrices,
                                         .detail = detail};

/* ---- pools ----------------------------------------------------------------------------------- */

static mgd_status pool_shape(const mgd_layer_place *place, mgd_vertex *vertex) {
    MGD_TRY(need_image(place, &vertex->in));
    return slide(place, vertex, vertex->in.size[0]);
}

static double pool_flop(const mgd_op *op) {
    const mgd_vertex *n = &op->vertex;
    return (double)n->out.size[0] * pixels_along(n, 0, n->out.size[1]) *
           pixels_along(n, 1, n->out.size[2]);
}

const mgd_layer_type mgd_layer_maxpool2d = {
    .name = "maxpool2d", .shape = pool_shape, .reads = reads, .flop = pool_flop, .detail = detail};
const mgd_layer_type mgd_layer_avgpool2d = {
    .name = "avgpool2d", .shape = pool_shape, .reads = reads, .flop = pool_flop, .detail = detail};
