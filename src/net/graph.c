/* From layers to vertices: the graph of a network, every shape worked out and checked by the row of
 * the layer's kind. Layers that compute nothing (reshape, identity) leave no vertex: later ones see
 * the same value in another shape. Joining many values is a chain of pairs.
 */

#include "layer.h"

#include <string.h>

/* What a layer gives: the output of vertex − 1, or the input of the network (0), as seen from here.
 */
typedef struct {
    size_t vertex;
    mgd_extent extent;
    bool used;
} value;

typedef struct {
    mgd_context *ctx;
    mgd_net *net;
    const mgd_layer *layers;
    size_t at; /* the layer at work */
    value *values;
} builder;

static mgd_layer_place place_of(const builder *b) {
    const mgd_layer *layer = &b->layers[b->at];
    return (mgd_layer_place){.ctx = b->ctx,
                             .layer = layer,
                             .type = mgd_layer_of(layer->kind),
                             .index = b->at,
                             .parameters = b->net->num_parameters};
}

/* ---- each step by itself -----------------------------------------------------------------------
 */

/* Whether the layer acts on steps. To what is done feature by feature they are all the same. */
static bool by_steps(const mgd_layer *layer) {
    return layer->each_step && !mgd_layer_of(layer->kind)->featurewise;
}

/* One step of the sequence (T, …); what the layer acts on. */
static mgd_extent step_of(const mgd_layer *layer, const mgd_extent *whole, size_t *steps) {
    *steps = by_steps(layer) ? whole->size[0] : 1;
    if (!by_steps(layer))
        return *whole;
    mgd_extent step = {.ndim = 1, .size = {1}, .features = whole->features / *steps};
    if (whole->ndim > 1) {
        step.ndim = whole->ndim - 1;
        memcpy(step.size, whole->size + 1, step.ndim * sizeof *step.size);
    }
    return step;
}

/* A sequence of what the layer gives for a step. */
static mgd_status sequence_of(const builder *b, size_t steps, const mgd_extent *step,
                              mgd_extent *out) {
    size_t size[MGD_MAX_DIMS] = {steps};
    *out = *step;
    if (!by_steps(&b->layers[b->at]))
        return MGD_OK;
    memcpy(size + 1, step->size, step->ndim * sizeof *size);
    mgd_layer_place place = place_of(b);
    if (!mgd_extent_of(step->ndim + 1, size, out))
        return mgd_layer_fail(&place, MGD_ERR_SHAPE, "its output has more than 2^32 features");
    return MGD_OK;
}

/* The value `given`, as a layer that computes nothing sees it. */
static mgd_status look(const builder *b, const value *given, value *out) {
    const mgd_layer *layer = &b->layers[b->at];
    const mgd_layer_place place = place_of(b);
    size_t steps;
    mgd_extent in = step_of(layer, &given->extent, &steps), seen;
    MGD_TRY(mgd_layer_of(layer->kind)->view(&place, &in, &seen));
    *out = (value){.vertex = given->vertex};
    return sequence_of(b, steps, &seen, &out->extent);
}

/* The i-th value that the layer takes. */
static mgd_status source_of(const builder *b, size_t i, value **out) {
    const mgd_layer *layer = &b->layers[b->at];
    size_t source = layer->num_sources ? layer->sources[i] : b->at;
    const mgd_layer_place place = place_of(b);
    if (source > b->at)
        return mgd_layer_fail(&place, MGD_ERR_ARGUMENT,
                              "source %zu comes after it: expected an earlier layer", source);
    b->values[source].used = true;
    *out = &b->values[source];
    return MGD_OK;
}

static mgd_status push_vertex(const builder *b, mgd_vertex *vertex, value *out) {
    mgd_net *net = b->net;
    vertex->layer = b->at;
    vertex->whole = vertex->out.features;
    vertex->first = net->num_parameters;
    net->num_parameters += vertex->count;
    net->vertices[net->num_vertices++] = *vertex;
    *out = (value){.vertex = net->num_vertices};
    return sequence_of(b, vertex->steps, &vertex->out, &out->extent);
}

/* Several values, a pair at a time. */
static mgd_status join(const builder *b, value *out) {
    const mgd_layer *layer = &b->layers[b->at];
    const mgd_layer_place place = place_of(b);
    value *first, *next;
    if (layer->num_sources < 2)
        return mgd_layer_fail(&place, MGD_ERR_ARGUMENT,
                              "it takes %zu values: expected at least two", layer->num_sources);
    MGD_TRY(source_of(b, 0, &first));
    value sum = *first;
    for (size_t i = 1; i < layer->num_sources; i++) {
        MGD_TRY(source_of(b, i, &next));
        size_t steps;
        mgd_vertex vertex = {
            .kind = layer->kind, .num_sources = 2, .source = {sum.vertex, next->vertex}};
        vertex.in = step_of(layer, &sum.extent, &vertex.steps);
        vertex.other = step_of(layer, &next->extent, &steps);
        if (steps != vertex.steps)
            return mgd_layer_fail(&place, MGD_ERR_SHAPE,
                                  "its branches have %zu and %zu steps: expected as many",
                                  vertex.steps, steps);
        MGD_TRY(mgd_layer_of(layer->kind)->join(&place, &vertex));
        MGD_TRY(push_vertex(b, &vertex, &sum));
    }
    *out = sum;
    return MGD_OK;
}

static mgd_status add_layer(const builder *b, value *out) {
    const mgd_layer *layer = &b->layers[b->at];
    value *given;
    if ((unsigned)layer->kind >= MGD_LAYER_COUNT)
        return mgd_fail(b->ctx, MGD_ERR_ARGUMENT, "network: layer %zu has an unknown kind %d",
                        b->at + 1, (int)layer->kind);
    const mgd_layer_type *type = mgd_layer_of(layer->kind);
    const mgd_layer_place place = place_of(b);
    if (layer->num_sources > 0 && !layer->sources)
        return mgd_layer_fail(&place, MGD_ERR_ARGUMENT, "expected %zu sources, got NULL",
                              layer->num_sources);
    if (type->join)
        return join(b, out);
    if (layer->num_sources > 1)
        return mgd_layer_fail(&place, MGD_ERR_ARGUMENT, "it takes one value, got %zu",
                              layer->num_sources);
    MGD_TRY(source_of(b, 0, &given));
    if (type->view)
        return look(b, given, out);
    mgd_vertex vertex = {.kind = layer->kind, .num_sources = 1, .source = {given->vertex}};
    vertex.in = vertex.out = step_of(layer, &given->extent, &vertex.steps);
    if (type->shape)
        MGD_TRY(type->shape(&place, &vertex));
    return push_vertex(b, &vertex, out);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static mgd_status add_layers(builder *b, size_t num_layers) {
    mgd_net *net = b->net;
    b->values[0] = (value){.vertex = 0, .extent = net->input};
    for (b->at = 0; b->at < num_layers; b->at++)
        MGD_TRY(add_layer(b, &b->values[b->at + 1]));
    if (net->num_parameters == 0)
        return mgd_fail(b->ctx, MGD_ERR_ARGUMENT,
                        "network: no layer has parameters: expected at least one, such as dense or "
                        "conv2d");
    for (b->at = 0; b->at + 1 < num_layers; b->at++)
        if (!b->values[b->at + 1].used) {
            const mgd_layer_place place = place_of(b);
            return mgd_layer_fail(&place, MGD_ERR_ARGUMENT, "nothing takes its output");
        }
    value *last = &b->values[num_layers];
    if (last->vertex != net->num_vertices) /* it looks at an earlier value, in another shape */
        return mgd_fail(b->ctx, MGD_ERR_ARGUMENT,
                        "network: the last layer does not use the one computed before it");
    net->output = last->extent;
    net->outputs = last->extent.features;
    return MGD_OK;
}

mgd_status mgd_graph_build(mgd_context *ctx, mgd_net *net, size_t num_layers,
                           const mgd_layer *layers) {
    size_t most = 0; /* vertices: a layer gives one, a concatenation one for each pair */
    for (size_t i = 0; i < num_layers; i++)
        most += layers[i].num_sources > 2 ? layers[i].num_sources - 1 : 1;
    void *vertices, *values;
    MGD_TRY(mgd_allocate(ctx, "network", most, sizeof(mgd_vertex), &vertices));
    net->vertices = vertices;
    MGD_TRY(mgd_allocate(ctx, "network", num_layers + 1, sizeof(value), &values));
    builder b = {.ctx = ctx, .net = net, .layers = layers, .values = values};
    mgd_status status = add_layers(&b, num_layers);
    mgd_free(values);
    return status == MGD_OK ? mgd_graph_crop(ctx, net) : status;
}
