/* mzi_mesh: a unitary of N(N − 1)/2 Mach-Zehnder interferometers, and detectors; see
 * kernels_mesh.c. Parameters: two phases each, then, where fields are detected, one for each of the
 * K outputs. */

#include "layer.h"

#include <math.h>
#include <stdio.h>

#define MZI_FLOP 30 /* three complex products, and four sums of two real ones */

const char *mgd_detect_name(unsigned detect) {
    static const char *const names[] = {
        [MGD_DETECT_INTENSITY] = "intensity", [MGD_DETECT_FIELD] = "field"};
    return detect < sizeof names / sizeof *names ? names[detect] : NULL;
}

static mgd_status shape(const mgd_layer_place *place, mgd_vertex *vertex) {
    const mgd_layer *layer = place->layer;
    size_t modes = layer->modes, outputs = layer->outputs;
    bool field = layer->detect == MGD_DETECT_FIELD;
    if (modes < 2 || modes > MGD_MESH_MODES)
        return mgd_layer_fail(place, MGD_ERR_ARGUMENT, "%zu modes: expected 2 to %d", modes,
                              MGD_MESH_MODES);
    if (outputs < 1 || outputs > modes)
        return mgd_layer_fail(place, MGD_ERR_ARGUMENT,
                              "%zu outputs of %zu modes: expected 1 to %zu", outputs, modes, modes);
    if (!field && layer->detect != MGD_DETECT_INTENSITY)
        return mgd_layer_fail(place, MGD_ERR_ARGUMENT, "unknown detection %d", (int)layer->detect);
    if (vertex->in.features > modes)
        return mgd_layer_fail(place, MGD_ERR_SHAPE,
                              "its input has %zu features, which %zu modes cannot take: expected "
                              "at most one for each mode",
                              vertex->in.features, modes);
    vertex->count = modes * (modes - 1) + (field ? outputs : 0);
    if (vertex->count > UINT32_MAX - place->parameters)
        return mgd_layer_fail(place, MGD_ERR_ARGUMENT,
                              "expected fewer than 2^32 parameters in all");
    vertex->modes = modes;
    vertex->detect = layer->detect;
    mgd_extent_of(1, &outputs, &vertex->out);
    return MGD_OK;
}

/* Anywhere on the circle: phases know no fan-in. */
static void draw(const mgd_init *init, uint64_t part, const mgd_vertex *vertex, double *out) {
    mgd_init_draw(init, part, false, 0, acos(-1), vertex->count, out);
}

/* Every output is two squares and their sum, or as much. */
static double flop(const mgd_op *op) {
    size_t modes = op->vertex.modes;
    return MZI_FLOP * (double)(modes * (modes - 1) / 2) + 3 * (double)op->out.features;
}

static void detail(const mgd_vertex *vertex, char *buffer, size_t capacity) {
    snprintf(buffer, capacity, " %zu", vertex->modes);
}

const mgd_layer_type mgd_layer_mzi_mesh = {
    .name = "mzi_mesh", .shape = shape, .draw = draw, .flop = flop, .detail = detail};
