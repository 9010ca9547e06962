/* The simulated chip itself: what was specified, copied, and the places of its devices. Sessions
 * are simulated.c's.
 */

#include "simulated.h"

#include "../hw/check.h"

#include <math.h>
#include <string.h>

static void chip_theta(const mgd_chip *chip, void *out) {
    const mgd_net *net = ((const simulated_chip *)chip)->net;
    memcpy(out, net->theta, net->num_parameters * mgd_dtype_size(net->dtype));
}

static mgd_status chip_draw(mgd_context *ctx, const mgd_chip *chip, const mgd_init *init,
                            void *out) {
    return mgd_net_draw(ctx, ((const simulated_chip *)chip)->net, init, out);
}

static void chip_free(mgd_chip *chip) {
    simulated_chip *c = (simulated_chip *)chip;
    mgd_hw_update *update = (mgd_hw_update *)c->spec.update;
    for (size_t i = 0; c->spec.models && i < c->spec.num_models; i++)
        mgd_free((void *)c->spec.models[i].table);
    if (update) {
        mgd_free((void *)update->up);
        mgd_free((void *)update->down);
    }
    mgd_free(update);
    mgd_free((void *)c->spec.models);
    mgd_free(c->distance);
    mgd_free(c->joined);
    mgd_plan_close(&c->bare);
    mgd_free(c);
}

/* Of a recurrent layer: the wire of a state has the inputs on it, then all states. */
static void lay_out_recurrent(const mgd_vertex *node, double *distance, uint8_t *joined) {
    size_t states = mgd_vertex_states(node), inputs = node->in.features / node->length;
    for (size_t o = 0; o < states; o++)
        for (size_t in = 0; in < inputs + states; in++) {
            size_t at = in < inputs ? o * inputs + in : states * inputs + o * states + in - inputs;
            distance[at] = (double)(o + 1) + (double)(inputs + states - in);
            joined[at] = in != 0 && in != inputs;
        }
    for (size_t i = states * (inputs + states); i < node->count; i++) { /* biases */
        size_t o = i - states * (inputs + states);
        distance[i] = (double)(o + 1);
        joined[i] = o > 0;
    }
}

/* Each row of a layer's weights is a wire along which its devices lie, each output one across; the
 * bias is the last device of its output's wire. Segments of wire from the driver and to the sense
 * amplifier: o + 1 and I − i. */
static void lay_out(simulated_chip *c) {
    for (size_t n = 0; n < c->net->num_vertices; n++) {
        const mgd_vertex *node = &c->net->vertices[n];
        if (mgd_layer_is_recurrent(node->kind)) {
            lay_out_recurrent(node, c->distance + node->first, c->joined + node->first);
            continue;
        }
        size_t outputs = node->kind == MGD_LAYER_CONV2D ? node->out.size[0] : node->out.features;
        size_t inputs = outputs && node->count > outputs ? (node->count - outputs) / outputs : 0;
        if (node->kind == MGD_LAYER_MZI_MESH) /* phases one after the other along the light */
            inputs = 0;
        for (size_t i = 0; i < node->count; i++) {
            size_t o = inputs ? i / inputs : 0, in = inputs ? i % inputs : i;
            bool bias = inputs > 0 && i >= inputs * outputs;
            c->distance[node->first + i] =
                bias ? (double)(i - inputs * outputs + 1) : (double)(o + 1) + (double)(inputs - in);
            c->joined[node->first + i] = bias ? i > inputs * outputs : in > 0;
        }
    }
}

static mgd_status copy_doubles(mgd_context *ctx, const double **field, size_t count) {
    const double *from = *field;
    void *copy;
    *field = NULL;
    if (!from)
        return MGD_OK;
    MGD_TRY(mgd_allocate(ctx, "a table", count, sizeof(double), &copy));
    memcpy(copy, from, count * sizeof(double));
    *field = copy;
    return MGD_OK;
}

static mgd_status copy_spec(mgd_context *ctx, simulated_chip *c, const mgd_chip_spec *spec) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "models", spec->num_models + 1, sizeof(mgd_hw_model), &memory));
    mgd_hw_model *models = memory;
    c->spec = (mgd_chip_spec){.models = models, .seed = spec->seed};
    for (size_t i = 0; i < spec->num_models; i++) {
        models[i] = spec->models[i];
        c->spec.num_models++;
        MGD_TRY(copy_doubles(ctx, &models[i].table, models[i].table_size));
    }
    if (!spec->update)
        return MGD_OK;
    MGD_TRY(mgd_allocate(ctx, "models", 1, sizeof(mgd_hw_update), &memory));
    mgd_hw_update *update = memory;
    *update = *spec->update;
    mgd_hw_law *law = &update->as_law;
    law->up = law->down = NULL;
    c->spec.update = update;
    law->up = spec->update->up;
    MGD_TRY(copy_doubles(ctx, &law->up, law->up_size));
    law->down = spec->update->down;
    return copy_doubles(ctx, &law->down, law->down_size);
}

/* Whether the models have to see activations and sums by themselves, and whether they call the
 * user. */
static bool looks_inside(const mgd_chip_spec *spec) {
    for (size_t i = 0; i < spec->num_models; i++)
        if (spec->models[i].place == MGD_HW_AT_NEURON ||
            spec->models[i].place == MGD_HW_AT_ACTIVATION ||
            spec->models[i].place == MGD_HW_AT_PRODUCT)
            return true;
    return false;
}

/* Models of neurons see activations that are used once for a sample: not those within a recurrence
 * or at each step. */
static mgd_status check_neurons(mgd_context *ctx, const mgd_net *net, const mgd_chip_spec *spec) {
    bool neurons = false;
    for (size_t i = 0; i < spec->num_models; i++)
        neurons = neurons || spec->models[i].place == MGD_HW_AT_NEURON ||
                  spec->models[i].place == MGD_HW_AT_ACTIVATION;
    for (size_t i = 0; i < net->num_vertices && neurons; i++) {
        const mgd_vertex *node = &net->vertices[i];
        const char *name = mgd_layer_name(node->kind);
        if (node->kind == MGD_LAYER_ELMAN)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "chip: option 'neurons' cannot act within the recurrence of layer %zu "
                            "(elman): expected models of weights, input, output, perturbation, "
                            "cost or update alone",
                            i + 1);
        if (node->steps > 1 || (mgd_layer_is_recurrent(node->kind) && node->every))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "chip: option 'neurons' cannot act on neurons that are used at every "
                            "step, behind layer %zu (%s): expected output = \"last\", and no "
                            "each_step",
                            i + 1, name);
    }
    return MGD_OK;
}

/* Noise at the multipliers is drawn for sums where all parameters are in dense layers, and else for
 * each weight. */
static void place_products(const mgd_net *net, mgd_hw_model *models, size_t count) {
    bool dense = true;
    for (size_t i = 0; i < net->num_vertices; i++)
        dense =
            dense && (net->vertices[i].count == 0 ||
                      (net->vertices[i].kind == MGD_LAYER_DENSE && net->vertices[i].steps == 1));
    for (size_t i = 0; i < count && !dense; i++)
        if (models[i].place == MGD_HW_AT_PRODUCT)
            models[i].place = MGD_HW_AT_DRIVE;
}

static bool has_function(const mgd_chip_spec *spec) {
    for (size_t i = 0; i < spec->num_models; i++)
        if (spec->models[i].kind == MGD_HW_FUNCTION)
            return true;
    return false;
}

static bool remembers(const mgd_chip_spec *spec) {
    for (size_t i = 0; i < spec->num_models; i++)
        if (spec->models[i].memory)
            return true;
    return false;
}

static mgd_status chip_prepare(mgd_context *ctx, simulated_chip *c, const mgd_chip_spec *spec) {
    size_t parameters = c->net->num_parameters;
    MGD_TRY(check_neurons(ctx, c->net, spec));
    MGD_TRY(copy_spec(ctx, c, spec));
    place_products(c->net, (mgd_hw_model *)c->spec.models, c->spec.num_models);
    if (looks_inside(&c->spec))
        MGD_TRY(mgd_plan_open(ctx, c->net, MGD_PLAN_BARE, &c->bare));
    if (!mgd_take(&c->distance, parameters, sizeof(double)) || !mgd_take(&c->joined, parameters, 1))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: places of %zu parameters", parameters);
    lay_out(c);
    return MGD_OK;
}

static bool is_ideal(const mgd_chip_spec *spec) {
    bool neutral = !spec->update;
    for (size_t i = 0; i < spec->num_models; i++)
        neutral = neutral && mgd_hw_is_neutral(&spec->models[i]);
    return neutral;
}

mgd_status mgd_chip_simulated(mgd_context *ctx, mgd_net *net, const mgd_chip_spec *spec,
                              mgd_chip **out) {
    void *memory;
    MGD_TRY(mgd_hw_models_check(ctx, spec->num_models, spec->models));
    if (spec->update)
        MGD_TRY(mgd_hw_update_check(ctx, spec->update));
    if (is_ideal(spec))
        return mgd_chip_ideal(ctx, net, out);
    MGD_TRY(mgd_allocate(ctx, "chip", 1, sizeof(simulated_chip), &memory));
    simulated_chip *c = memory;
    c->net = net;
    c->remembers = remembers(spec);
    c->chip = (mgd_chip){
        .dtype = net->dtype,
        .num_parameters = net->num_parameters,
        .no_nodes = "node perturbation is there for ideal chips, and this one has imperfections",
        .lanes = c->remembers ? 0 : net->kernels->lanes, /* one replica after the other */
        .caller_only = has_function(spec),
        .in_order = true,
        .resolution = net->dtype == MGD_F32 ? 0x1p-23 : 0x1p-52,
        .open = mgd_simulated_open,
        .theta = chip_theta,
        .draw = chip_draw,
        .free = chip_free,
    };
    mgd_status status = chip_prepare(ctx, c, spec);
    if (status != MGD_OK) {
        chip_free(&c->chip);
        return status;
    }
    *out = &c->chip;
    return MGD_OK;
}
