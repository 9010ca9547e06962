/* The simulated chip itself: what was specified, copied, and the places of its devices. Sessions
 * are simulated.c's.
 */

#include "simulated.h"

#include "../base/number.h"
#include "../hw/check.h"
#include "../hw/wires.h"

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
    mgd_free(c->joined);
    mgd_free(c->groups);
    mgd_free(c->matrices);
    mgd_free(c->arrays);
    mgd_plan_close(&c->bare);
    mgd_free(c);
}

/* The weights of a layer as an array of wires; false where they are none. Those of a recurrent
 * layer have its states as inputs, too. */
static bool array_of(const mgd_vertex *node, mgd_hw_array *out) {
    mgd_hw_array a = {.num_blocks = 1, .bias = SIZE_MAX};
    size_t first = node->first, fed = 0;
    if (mgd_layer_is_recurrent(node->kind)) {
        a.outputs = fed = mgd_vertex_states(node);
        a.inputs = node->in.features / node->length;
    } else if (node->kind == MGD_LAYER_CONV2D || node->kind == MGD_LAYER_DENSE) {
        a.outputs = node->kind == MGD_LAYER_CONV2D ? node->out.size[0] : node->out.features;
        a.inputs = (node->count - a.outputs) / a.outputs;
    } else {
        return false;
    }
    a.block[0].first = first;
    a.block[0].width = a.inputs;
    first += a.outputs * a.inputs;
    if (fed > 0) {
        a.num_blocks = 2;
        a.block[1].first = first;
        a.block[1].width = fed;
        a.inputs += fed;
        first += a.outputs * fed;
    }
    if (first < node->first + node->count)
        a.bias = first;
    *out = a;
    return true;
}

/* The devices of an output's wire lie side by side, and so do the biases; parameters of layers that
 * are no array, one after the other. */
static void lay_out(simulated_chip *c) {
    for (size_t n = 0; n < c->net->num_vertices; n++) {
        const mgd_vertex *node = &c->net->vertices[n];
        mgd_hw_array *a = &c->arrays[c->num_arrays];
        for (size_t i = 1; i < node->count; i++)
            c->joined[node->first + i] = 1;
        if (node->count == 0 || !array_of(node, a))
            continue;
        c->num_arrays++;
        for (size_t o = 0; o < a->outputs; o++)
            for (size_t b = 0; b < a->num_blocks; b++)
                c->joined[a->block[b].first + o * a->block[b].width] = 0;
        if (a->bias != SIZE_MAX)
            c->joined[a->bias] = 0;
    }
}

#define FLOP_RATE 2e9 /* of the solution of a circuit, about */
#define MOST_FLOP 4e9 /* of one array, at each evaluation */

/* Circuits are solved at each evaluation: those that nobody would wait for are refused. */
static mgd_status check_circuits(mgd_context *ctx, const simulated_chip *c) {
    bool solved = false;
    for (size_t i = 0; i < c->spec.num_models; i++)
        solved = solved ||
                 (c->spec.models[i].kind == MGD_HW_NODAL && !mgd_hw_is_neutral(&c->spec.models[i]));
    for (size_t n = 0; n < c->num_arrays && solved; n++) {
        const mgd_hw_array *a = &c->arrays[n];
        double flop = mgd_hw_nodal_flop(a);
        if (flop > MOST_FLOP)
            return mgd_fail(
                ctx, MGD_ERR_ARGUMENT,
                "chip: hw.ir_drop with solve = \"nodal\": an array of %zu×%zu devices is "
                "a circuit of %zu nodes, which takes about %s s for each evaluation: "
                "expected at most %s s; solve = \"first_order\" has no such limit",
                a->outputs, a->inputs, mgd_hw_nodes(a), MGD_NUMBER(ceil(flop / FLOP_RATE)),
                MGD_NUMBER(MOST_FLOP / FLOP_RATE));
    }
    return MGD_OK;
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
    c->spec = (mgd_chip_spec){.models = models, .seed = spec->seed, .substeps = spec->substeps};
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
    if (looks_inside(&c->spec))
        MGD_TRY(mgd_plan_open(ctx, c->net, MGD_PLAN_BARE, &c->bare));
    if (!mgd_take(&c->joined, parameters + 1, 1) ||
        !mgd_take(&c->groups, c->net->num_vertices, sizeof(mgd_node_group)) ||
        !mgd_take(&c->matrices, mgd_net_matrices(c->net, NULL) + 1, sizeof(mgd_matrix)) ||
        !mgd_take(&c->arrays, c->net->num_vertices + 1, sizeof(mgd_hw_array)))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: places of %zu parameters", parameters);
    lay_out(c);
    c->chip.num_groups = mgd_nodes_groups(c->net, c->groups);
    c->chip.groups = c->groups;
    c->chip.num_matrices = mgd_net_matrices(c->net, c->matrices);
    c->chip.matrices = c->matrices;
    return check_circuits(ctx, c);
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
        .no_nodes =
            "this one has no dense or conv2d layer, or it acts along the steps of a sequence",
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
