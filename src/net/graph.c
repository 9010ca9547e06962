/* From layers to nodes: the graph of a network, every shape worked out and checked. Layers that
 * compute nothing (reshape, identity) leave no node: later ones see the same value in another
 * shape. Concatenation of many is a chain of pairs.
 */

#include "net.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* What a layer gives: the output of node − 1, or the input of the network (0), as seen from here.
 */
typedef struct {
    size_t node;
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

/* ---- messages -------------------------------------------------------------------------------- */

static const char *layer_label(const builder *b, char *buffer, size_t capacity) {
    const mgd_layer *layer = &b->layers[b->at];
    if (layer->name)
        return layer->name;
    snprintf(buffer, capacity, "layer %zu (%s)", b->at + 1, mgd_layer_name(layer->kind));
    return buffer;
}

__attribute__((format(printf, 3, 4))) static mgd_status
fail_layer(const builder *b, mgd_status code, const char *format, ...) {
    char label[96], text[MGD_MESSAGE_SIZE - 128];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return mgd_fail(b->ctx, code, "network: %s: %s", layer_label(b, label, sizeof label), text);
}

static const char *shape_of(const mgd_extent *extent, char *buffer) {
    return mgd_shape_format(buffer, 96, extent->ndim, extent->size);
}

/* ---- shapes ---------------------------------------------------------------------------------- */

/* Fewer than 2^32 features, none of the sizes 0. */
static bool extent_of(size_t ndim, const size_t *size, mgd_extent *out) {
    *out = (mgd_extent){.ndim = ndim, .features = 1};
    for (size_t i = 0; i < ndim; i++) {
        out->size[i] = size[i];
        if (size[i] < 1 || __builtin_mul_overflow(out->features, size[i], &out->features) ||
            out->features >= UINT32_MAX)
            return false;
    }
    return true;
}

static mgd_status need_image(const builder *b, const mgd_extent *in) {
    char shape[96];
    if (in->ndim == 3)
        return MGD_OK;
    return fail_layer(
        b, MGD_ERR_SHAPE,
        "its input has the shape %s: expected channels×height×width, as the input of the "
        "network or a reshape gives it",
        shape_of(in, shape));
}

/* The output of windows over an image, `channels` of it. */
static mgd_status slide(const builder *b, mgd_node *node, size_t channels) {
    MGD_TRY(need_image(b, &node->in));
    const mgd_layer *layer = &b->layers[b->at];
    size_t size[3] = {channels};
    char shape[96];
    for (size_t side = 0; side < 2; side++) {
        size_t in = node->in.size[1 + side], k = layer->kernel[side], pad = layer->padding[side];
        if (k < 1 || k > UINT16_MAX || layer->stride[side] < 1 ||
            layer->stride[side] > UINT16_MAX || pad > UINT16_MAX)
            return fail_layer(
                b, MGD_ERR_ARGUMENT,
                "kernel %zu×%zu, stride %zu×%zu, padding %zu×%zu: expected kernel and "
                "stride of at least 1, and all of them less than 65,536",
                layer->kernel[0], layer->kernel[1], layer->stride[0], layer->stride[1],
                layer->padding[0], layer->padding[1]);
        if (pad >= k && layer->kind != MGD_LAYER_CONV2D)
            return fail_layer(
                b, MGD_ERR_ARGUMENT,
                "padding %zu×%zu with a kernel of %zu×%zu: some windows would lie outside "
                "of the image; expected less padding than kernel",
                layer->padding[0], layer->padding[1], layer->kernel[0], layer->kernel[1]);
        if (k > in + 2 * pad)
            return fail_layer(b, MGD_ERR_SHAPE,
                              "a kernel of %zu×%zu does not fit into its input of %s with padding "
                              "%zu×%zu",
                              layer->kernel[0], layer->kernel[1], shape_of(&node->in, shape),
                              layer->padding[0], layer->padding[1]);
        node->kernel[side] = k;
        node->stride[side] = layer->stride[side];
        node->padding[side] = pad;
        size[1 + side] = (in + 2 * pad - k) / layer->stride[side] + 1;
    }
    if (!extent_of(3, size, &node->out))
        return fail_layer(b, MGD_ERR_SHAPE, "its output has no, or more than 2^32, features");
    return MGD_OK;
}

/* ---- parameters ------------------------------------------------------------------------------ */

static void place_parameters(mgd_net *net, mgd_node *node, size_t count) {
    node->first = net->num_parameters;
    node->count = count;
    net->num_parameters += count;
}

/* `each` weights, and `biases` (0 or 1), for every one of `outputs`. */
static mgd_status take_parameters(const builder *b, mgd_node *node, size_t outputs, size_t each,
                                  size_t biases) {
    if (outputs < 1 || outputs > UINT32_MAX || each >= UINT32_MAX ||
        outputs * (each + biases) > UINT32_MAX - b->net->num_parameters)
        return fail_layer(
            b, MGD_ERR_ARGUMENT,
            "%zu outputs of %zu weights each: expected at least one output and fewer than "
            "2^32 parameters in all",
            outputs, each);
    place_parameters(b->net, node, outputs * (each + biases));
    return MGD_OK;
}

/* ---- layers ---------------------------------------------------------------------------------- */

static mgd_status add_dense(const builder *b, mgd_node *node) {
    size_t outputs = b->layers[b->at].outputs;
    MGD_TRY(take_parameters(b, node, outputs, node->in.features, 1));
    extent_of(1, &outputs, &node->out);
    return MGD_OK;
}

static mgd_status add_conv2d(const builder *b, mgd_node *node) {
    size_t outputs = b->layers[b->at].outputs;
    if (outputs < 1 || outputs > UINT32_MAX)
        return fail_layer(b, MGD_ERR_ARGUMENT,
                          "%zu channels: expected at least 1, and fewer than 2^32", outputs);
    MGD_TRY(slide(b, node, outputs));
    return take_parameters(b, node, outputs, node->in.size[0] * node->kernel[0] * node->kernel[1],
                           1);
}

static mgd_status add_affine(const builder *b, mgd_node *node) {
    node->out = node->in;
    return take_parameters(b, node, node->in.size[0], 1, 1);
}

static mgd_status add_mesh(const builder *b, mgd_node *node) {
    const mgd_layer *layer = &b->layers[b->at];
    size_t modes = layer->modes, outputs = layer->outputs;
    bool field = layer->detect == MGD_DETECT_FIELD;
    if (modes < 2 || modes > MGD_MESH_MODES)
        return fail_layer(b, MGD_ERR_ARGUMENT, "%zu modes: expected 2 to %d", modes,
                          MGD_MESH_MODES);
    if (outputs < 1 || outputs > modes)
        return fail_layer(b, MGD_ERR_ARGUMENT, "%zu outputs of %zu modes: expected 1 to %zu",
                          outputs, modes, modes);
    if (!field && layer->detect != MGD_DETECT_INTENSITY)
        return fail_layer(b, MGD_ERR_ARGUMENT, "unknown detection %d", (int)layer->detect);
    if (node->in.features > modes)
        return fail_layer(b, MGD_ERR_SHAPE,
                          "its input has %zu features, which %zu modes cannot take: expected at "
                          "most one for each mode",
                          node->in.features, modes);
    size_t count = modes * (modes - 1) + (field ? outputs : 0);
    if (count > UINT32_MAX - b->net->num_parameters)
        return fail_layer(b, MGD_ERR_ARGUMENT, "expected fewer than 2^32 parameters in all");
    node->modes = modes;
    node->detect = layer->detect;
    place_parameters(b->net, node, count);
    extent_of(1, &outputs, &node->out);
    return MGD_OK;
}

static mgd_status add_recurrent(const builder *b, mgd_node *node) {
    const mgd_layer *layer = &b->layers[b->at];
    const mgd_extent *in = &node->in;
    bool elman = node->kind == MGD_LAYER_ELMAN;
    char shape[96];
    if (layer->each_step)
        return fail_layer(b, MGD_ERR_ARGUMENT,
                          "it runs through the steps by itself and cannot act on each alone: "
                          "expected it outside of each_step");
    if (in->ndim > 2)
        return fail_layer(b, MGD_ERR_SHAPE,
                          "its input has the shape %s: expected a sequence, steps×features, as the "
                          "input of the network or a reshape gives it",
                          shape_of(in, shape));
    if (elman && layer->cell != MGD_LAYER_TANH && layer->cell != MGD_LAYER_RELU &&
        layer->cell != MGD_LAYER_SIGMOID)
        return fail_layer(b, MGD_ERR_ARGUMENT,
                          "unknown activation %d: expected tanh, relu or "
                          "sigmoid",
                          (int)layer->cell);
    if (!(layer->step >= 0 && layer->step < INFINITY))
        return fail_layer(b, MGD_ERR_ARGUMENT, "step %g: expected a number above 0", layer->step);
    node->length = in->size[0];
    node->cell = elman ? layer->cell : MGD_LAYER_IDENTITY;
    node->every = layer->every;
    node->drawn = layer->drawn;
    node->step = layer->step > 0 ? layer->step : 1 / (double)node->length;
    size_t states = layer->outputs, size[2] = {node->length, states};
    MGD_TRY(take_parameters(b, node, states, in->features / node->length + states, elman));
    if (!extent_of(node->every ? 2 : 1, node->every ? size : &states, &node->out))
        return fail_layer(b, MGD_ERR_SHAPE, "its output has more than 2^32 features");
    return MGD_OK;
}

static mgd_status check_pair(const builder *b, mgd_node *node, const mgd_extent *other) {
    char left[96], right[96];
    const mgd_extent *in = &node->in;
    bool add = node->kind == MGD_LAYER_ADD, alike = in->ndim == other->ndim;
    for (size_t i = add ? 0 : 1; alike && i < in->ndim; i++)
        alike = in->size[i] == other->size[i];
    if (!alike)
        return fail_layer(b, MGD_ERR_SHAPE, "its branches have the shapes %s and %s: expected %s",
                          shape_of(in, left), shape_of(other, right),
                          add ? "the same" : "the same but for the first dimension");
    size_t size[MGD_MAX_DIMS];
    memcpy(size, in->size, sizeof size);
    size[0] += add ? 0 : other->size[0];
    if (!extent_of(in->ndim, size, &node->out))
        return fail_layer(b, MGD_ERR_SHAPE, "its output has more than 2^32 features");
    return MGD_OK;
}

static mgd_status add_node(const builder *b, mgd_node *node) {
    switch (node->kind) {
    case MGD_LAYER_DENSE:
        return add_dense(b, node);
    case MGD_LAYER_CONV2D:
        return add_conv2d(b, node);
    case MGD_LAYER_MAXPOOL2D:
    case MGD_LAYER_AVGPOOL2D:
        MGD_TRY(need_image(b, &node->in));
        return slide(b, node, node->in.size[0]);
    case MGD_LAYER_AFFINE:
        return add_affine(b, node);
    case MGD_LAYER_MZI_MESH:
        return add_mesh(b, node);
    case MGD_LAYER_ELMAN:
    case MGD_LAYER_SSM:
        return add_recurrent(b, node);
    default: /* activations */
        node->out = node->in;
        return MGD_OK;
    }
}

/* ---- each step by itself -----------------------------------------------------------------------
 */

/* Whether the layer acts on steps. To what is done feature by feature they are all the same. */
static bool by_steps(const mgd_layer *layer) {
    return layer->each_step && layer->kind != MGD_LAYER_ADD &&
           (layer->kind < MGD_LAYER_IDENTITY || layer->kind > MGD_LAYER_SOFTPLUS);
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
    if (!extent_of(step->ndim + 1, size, out))
        return fail_layer(b, MGD_ERR_SHAPE, "its output has more than 2^32 features");
    return MGD_OK;
}

/* The value `given`, in the shape that the layer asks for. */
static mgd_status reshape(const builder *b, const value *given, value *out) {
    const mgd_layer *layer = &b->layers[b->at];
    char from[96], to[96];
    bool flat = layer->ndim == 0;
    size_t steps, most = MGD_MAX_DIMS - 1 - by_steps(layer);
    mgd_extent in = step_of(layer, &given->extent, &steps), reshaped;
    if (layer->ndim > most)
        return fail_layer(b, MGD_ERR_SHAPE, "a shape of %zu dimensions: expected at most %zu",
                          layer->ndim, most);
    *out = *given;
    out->used = false;
    if (extent_of(flat ? 1 : layer->ndim, flat ? &in.features : layer->shape, &reshaped) &&
        reshaped.features == in.features)
        return sequence_of(b, steps, &reshaped, &out->extent);
    return fail_layer(b, MGD_ERR_SHAPE, "%s does not have the features of its input %s",
                      mgd_shape_format(to, sizeof to, layer->ndim, layer->shape),
                      shape_of(&in, from));
}

/* The i-th value that the layer takes. */
static mgd_status source_of(const builder *b, size_t i, value **out) {
    const mgd_layer *layer = &b->layers[b->at];
    size_t source = layer->num_sources ? layer->sources[i] : b->at;
    if (source > b->at)
        return fail_layer(b, MGD_ERR_ARGUMENT,
                          "source %zu comes after it: expected an earlier layer", source);
    b->values[source].used = true;
    *out = &b->values[source];
    return MGD_OK;
}

static mgd_status push_node(const builder *b, const mgd_node *node, value *out) {
    mgd_net *net = b->net;
    net->nodes[net->num_nodes++] = *node;
    *out = (value){.node = net->num_nodes};
    return sequence_of(b, node->steps, &node->out, &out->extent);
}

/* Sums and concatenations, a pair at a time. */
static mgd_status join(const builder *b, value *out) {
    const mgd_layer *layer = &b->layers[b->at];
    value *first, *next;
    if (layer->num_sources < 2)
        return fail_layer(b, MGD_ERR_ARGUMENT, "it takes %zu values: expected at least two",
                          layer->num_sources);
    MGD_TRY(source_of(b, 0, &first));
    value sum = *first;
    for (size_t i = 1; i < layer->num_sources; i++) {
        MGD_TRY(source_of(b, i, &next));
        size_t steps;
        mgd_extent other = step_of(layer, &next->extent, &steps);
        mgd_node node = {.kind = layer->kind, .num_sources = 2, .source = {sum.node, next->node}};
        node.in = step_of(layer, &sum.extent, &node.steps);
        if (steps != node.steps)
            return fail_layer(b, MGD_ERR_SHAPE,
                              "its branches have %zu and %zu steps: expected "
                              "as many",
                              node.steps, steps);
        MGD_TRY(check_pair(b, &node, &other));
        MGD_TRY(push_node(b, &node, &sum));
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
    if (layer->num_sources > 0 && !layer->sources)
        return fail_layer(b, MGD_ERR_ARGUMENT, "expected %zu sources, got NULL",
                          layer->num_sources);
    if (layer->kind == MGD_LAYER_ADD || layer->kind == MGD_LAYER_CONCAT)
        return join(b, out);
    if (layer->num_sources > 1)
        return fail_layer(b, MGD_ERR_ARGUMENT, "it takes one value, got %zu", layer->num_sources);
    MGD_TRY(source_of(b, 0, &given));
    if (layer->kind == MGD_LAYER_RESHAPE)
        return reshape(b, given, out);
    *out = *given;
    out->used = false;
    if (layer->kind == MGD_LAYER_IDENTITY)
        return MGD_OK;
    mgd_node node = {.kind = layer->kind, .num_sources = 1, .source = {given->node}};
    node.in = step_of(layer, &given->extent, &node.steps);
    MGD_TRY(add_node(b, &node));
    return push_node(b, &node, out);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static mgd_status add_layers(builder *b, size_t num_layers) {
    mgd_net *net = b->net;
    b->values[0] = (value){.node = 0, .extent = net->input};
    for (b->at = 0; b->at < num_layers; b->at++)
        MGD_TRY(add_layer(b, &b->values[b->at + 1]));
    if (net->num_parameters == 0)
        return mgd_fail(b->ctx, MGD_ERR_ARGUMENT,
                        "network: no layer has parameters: expected at least one, such as dense or "
                        "conv2d");
    for (b->at = 0; b->at + 1 < num_layers; b->at++)
        if (!b->values[b->at + 1].used)
            return fail_layer(b, MGD_ERR_ARGUMENT, "nothing takes its output");
    value *last = &b->values[num_layers];
    if (last->node != net->num_nodes) /* it looks at an earlier value, in another shape */
        return mgd_fail(b->ctx, MGD_ERR_ARGUMENT,
                        "network: the last layer does not use the one computed before it");
    net->output = last->extent;
    net->outputs = last->extent.features;
    return MGD_OK;
}

mgd_status mgd_graph_build(mgd_context *ctx, mgd_net *net, size_t num_layers,
                           const mgd_layer *layers) {
    size_t most = 0; /* nodes: a layer gives one, a concatenation one for each pair */
    for (size_t i = 0; i < num_layers; i++)
        most += layers[i].num_sources > 2 ? layers[i].num_sources - 1 : 1;
    void *nodes, *values;
    MGD_TRY(mgd_allocate(ctx, "network", most, sizeof(mgd_node), &nodes));
    net->nodes = nodes;
    MGD_TRY(mgd_allocate(ctx, "network", num_layers + 1, sizeof(value), &values));
    builder b = {.ctx = ctx, .net = net, .layers = layers, .values = values};
    mgd_status status = add_layers(&b, num_layers);
    mgd_free(values);
    return status;
}
