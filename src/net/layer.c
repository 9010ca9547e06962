/* What the rows of layers share: messages, shapes, counts of parameters, draws. */

#include "layer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

mgd_status mgd_layer_fail(const mgd_layer_place *place, mgd_status code, const char *format, ...) {
    char label[96], text[MGD_MESSAGE_SIZE - 128];
    const mgd_layer *layer = place->layer;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!layer->name)
        snprintf(label, sizeof label, "layer %zu (%s)", place->index + 1, place->type->name);
    return mgd_fail(place->ctx, code, "network: %s: %s", layer->name ? layer->name : label, text);
}

bool mgd_extent_of(size_t ndim, const size_t *size, mgd_extent *out) {
    *out = (mgd_extent){.ndim = ndim, .features = 1};
    for (size_t i = 0; i < ndim; i++) {
        out->size[i] = size[i];
        if (size[i] < 1 || __builtin_mul_overflow(out->features, size[i], &out->features) ||
            out->features >= UINT32_MAX)
            return false;
    }
    return true;
}

const char *mgd_extent_text(const mgd_extent *extent, char *buffer) {
    return mgd_shape_format(buffer, 96, extent->ndim, extent->size);
}

mgd_status mgd_layer_count_parameters(const mgd_layer_place *place, mgd_vertex *vertex,
                                      size_t outputs, size_t each, size_t biases) {
    if (outputs < 1 || outputs > UINT32_MAX || each >= UINT32_MAX ||
        outputs * (each + biases) > UINT32_MAX - place->parameters)
        return mgd_layer_fail(
            place, MGD_ERR_ARGUMENT,
            "%zu outputs of %zu weights each: expected at least one output and fewer than "
            "2^32 parameters in all",
            outputs, each);
    vertex->count = outputs * (each + biases);
    return MGD_OK;
}

size_t mgd_layer_matrices(const mgd_vertex *vertex, size_t rows, size_t columns, size_t states,
                          mgd_matrix *out) {
    size_t count = 0, weights = rows * (columns + states);
    out[count++] = (mgd_matrix){0, rows, columns, MGD_MATRIX_FIRST};
    if (states > 0)
        out[count++] = (mgd_matrix){rows * columns, rows, states, MGD_MATRIX_BESIDE};
    if (vertex->count > weights)
        out[count++] = (mgd_matrix){weights, rows, 1, MGD_MATRIX_BIASES};
    return count;
}

void mgd_init_draw(const mgd_init *init, uint64_t part, bool normal, double centre, double half,
                   size_t count, double *out) {
    double pair[2] = {0};
    for (size_t i = 0; i < count; i++) {
        if (i % MGD_POLL_DRAWS == MGD_POLL_DRAWS - 1 && mgd_interrupt_pending())
            return; /* answered by whoever draws */
        if (i % 2 == 0) {
            uint32_t index = (uint32_t)(i / 2);
            if (normal)
                mgd_random_normal2(init->seed, MGD_STREAM_INIT, init->replica, part, index, pair);
            else
                mgd_random_uniform2(init->seed, MGD_STREAM_INIT, init->replica, part, index, pair);
        }
        out[i] = normal ? centre + half * pair[i % 2] : centre + half * (2 * pair[i % 2] - 1);
    }
}

void mgd_layer_draw_weights(const mgd_init *init, uint64_t part, size_t weights, size_t outputs,
                            size_t area, size_t count, double *out) {
    double in = (double)weights / (double)outputs, both = in + (double)(outputs * area);
    memset(out, 0, count * sizeof *out);
    switch (init->scheme) {
    case MGD_INIT_GLOROT_UNIFORM:
        mgd_init_draw(init, part, false, 0, sqrt(6 / both), weights, out);
        break;
    case MGD_INIT_GLOROT_NORMAL:
        mgd_init_draw(init, part, true, 0, sqrt(2 / both), weights, out);
        break;
    case MGD_INIT_HE_UNIFORM:
        mgd_init_draw(init, part, false, 0, sqrt(6 / in), weights, out);
        break;
    case MGD_INIT_HE_NORMAL:
        mgd_init_draw(init, part, true, 0, sqrt(2 / in), weights, out);
        break;
    default:
        break;
    }
}
