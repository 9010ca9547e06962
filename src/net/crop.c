/* Dead edges: the bottom rows and right columns of images on which no output depends, because the
 * windows of later layers end before them. They are cut off where they would be made, so that no
 * plan computes them, no chip has devices for them and nobody perturbs them.
 *
 * How much of each value is needed is worked out from the last vertex back to the first. What is
 * left of an image keeps all of its pixels' neighbours that anybody reads, so windows see padding
 * only where they did.
 */

#include "layer.h"

/* Rows and columns of an image; of other values nothing is said. */
typedef struct {
    size_t side[2];
} sides;

/* Value v as it was made. */
static const mgd_extent *value_of(const mgd_net *net, size_t v) {
    return v > 0 ? &net->vertices[v - 1].out : &net->input;
}

static sides all_of(const mgd_net *net, size_t v) {
    const mgd_extent *made = value_of(net, v);
    return (sides){{made->size[1], made->size[2]}};
}

static mgd_extent *seen_by(mgd_vertex *vertex, size_t source) {
    return source == 0 ? &vertex->in : &vertex->other;
}

static bool is_image(const mgd_net *net, size_t v) {
    return value_of(net, v)->ndim == 3 && (v == 0 || net->vertices[v - 1].steps == 1);
}

/* Whether a vertex takes an image as an image, and not in another shape or as a sequence. */
static bool takes_image(const mgd_net *net, mgd_vertex *vertex, size_t source) {
    const mgd_extent *seen = seen_by(vertex, source);
    const mgd_extent *made = value_of(net, vertex->source[source]);
    bool alike = seen->ndim == 3 && vertex->steps == 1 && is_image(net, vertex->source[source]);
    for (size_t i = 0; alike && i < 3; i++)
        alike = seen->size[i] == made->size[i];
    return alike;
}

static bool by_pixels(const mgd_vertex *vertex) {
    const mgd_layer_type *type = mgd_layer_of(vertex->kind);
    return type->featurewise || type->pixelwise;
}

/* What a vertex needs of a value that it takes, where `out` is needed of what it gives. */
static sides needed_by(const mgd_net *net, mgd_vertex *vertex, size_t source, const sides *out) {
    const mgd_layer_type *type = mgd_layer_of(vertex->kind);
    sides need = all_of(net, vertex->source[source]);
    if (!takes_image(net, vertex, source) || (!by_pixels(vertex) && !type->reads))
        return need;
    for (size_t side = 0; side < 2; side++) {
        const size_t given = out->side[side];
        const size_t taken = type->reads ? type->reads(vertex, side, given) : given;
        if (need.side[side] > taken)
            need.side[side] = taken;
    }
    return need;
}

static void work_out(mgd_net *net, sides *need) {
    const size_t last = net->num_vertices;
    need[last] = all_of(net, last);
    for (size_t i = last; i-- > 0;)
        for (size_t k = 0; k < net->vertices[i].num_sources; k++) {
            sides more = needed_by(net, &net->vertices[i], k, &need[i + 1]);
            sides *so_far = &need[net->vertices[i].source[k]];
            for (size_t side = 0; side < 2; side++)
                if (so_far->side[side] < more.side[side])
                    so_far->side[side] = more.side[side];
        }
}

/* Kernels that act on one value pixel by pixel give as much as they are given. */
static void even_out(mgd_net *net, sides *need) {
    for (size_t i = 0; i < net->num_vertices; i++) {
        mgd_vertex *vertex = &net->vertices[i];
        if (by_pixels(vertex) && vertex->num_sources == 1)
            need[i + 1] =
                takes_image(net, vertex, 0) ? need[vertex->source[0]] : all_of(net, i + 1);
    }
}

static void cut(mgd_extent *image, const sides *need) {
    image->size[1] = need->side[0];
    image->size[2] = need->side[1];
    image->features = image->size[0] * image->size[1] * image->size[2];
}

mgd_status mgd_graph_crop(mgd_context *ctx, mgd_net *net) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "network", net->num_vertices + 1, sizeof(sides), &memory));
    sides *need = memory;
    work_out(net, need);
    if (is_image(net, 0)) {
        net->read = net->input.size[0] * need[0].side[0] * need[0].side[1];
        need[0] = all_of(net, 0); /* it is not made here */
    }
    even_out(net, need);
    for (size_t i = 0; i < net->num_vertices; i++) {
        mgd_vertex *vertex = &net->vertices[i];
        for (size_t k = 0; k < vertex->num_sources; k++)
            if (takes_image(net, vertex, k))
                cut(seen_by(vertex, k), &need[vertex->source[k]]);
    }
    for (size_t v = 1; v <= net->num_vertices; v++)
        if (is_image(net, v))
            cut(&net->vertices[v - 1].out, &need[v]);
    mgd_free(need);
    return MGD_OK;
}
