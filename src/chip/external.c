/* Chips outside the library: a function from θ and x to y, and the number of its parameters. */

#include "chip.h"

#include "../net/net.h"

#include <string.h>

typedef struct {
    mgd_chip chip;
    mgd_chip_evaluate *evaluate;
    mgd_chip_move *move; /* of one that has nodes; else NULL */
    mgd_chip_products *products;
    mgd_node_group nodes;
    void *user;
    double *theta; /* (P) present parameters */
} external_chip;

static mgd_status external_open(mgd_context *ctx, mgd_chip *chip, const mgd_task_spec *task,
                                mgd_session **out) {
    const external_chip *external = (const external_chip *)chip;
    MGD_TRY(mgd_responder_open(ctx, chip, external->evaluate, external->user, task, out));
    if (!task->nodes)
        return MGD_OK;
    mgd_status status = mgd_responder_nodes(ctx, *out, task, external->nodes.nodes, external->move,
                                            external->products);
    if (status != MGD_OK)
        (*out)->close(*out);
    return status;
}

static void external_theta(const mgd_chip *chip, void *out) {
    memcpy(out, ((const external_chip *)chip)->theta, chip->num_parameters * sizeof(double));
}

static mgd_status external_draw(mgd_context *ctx, const mgd_chip *chip, const mgd_init *init,
                                void *out) {
    MGD_TRY(mgd_init_check(ctx, init));
    if (init->scheme > MGD_INIT_NORMAL)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "init: this chip shows no layers, which glorot and he schemes need: "
                        "expected uniform, normal or zeros");
    mgd_init_flat(init, chip->num_parameters, out);
    return mgd_interrupt_answer(ctx);
}

static void external_free(mgd_chip *chip) {
    mgd_free(((external_chip *)chip)->theta);
    mgd_free(chip);
}

static mgd_status set_theta(mgd_context *ctx, external_chip *external, const mgd_tensor *theta) {
    char shape[128];
    size_t count = external->chip.num_parameters;
    if (mgd_tensor_ndim(theta) != 1 || mgd_tensor_size(theta) != count)
        return mgd_fail(
            ctx, MGD_ERR_SHAPE, "chip: theta has shape %s: expected %zu",
            mgd_shape_format(shape, sizeof shape, mgd_tensor_ndim(theta), mgd_tensor_shape(theta)),
            count);
    mgd_tensor *converted;
    MGD_TRY(mgd_tensor_convert(ctx, theta, MGD_F64, &converted));
    memcpy(external->theta, mgd_tensor_data(converted), count * sizeof(double));
    mgd_tensor_free(converted);
    return MGD_OK;
}

mgd_status mgd_chip_external(mgd_context *ctx, size_t num_parameters, const mgd_tensor *theta,
                             mgd_chip_evaluate *evaluate, void *user, mgd_chip **out) {
    if (num_parameters < 1 || num_parameters >= UINT32_MAX)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "chip: parameters must be from 1 to 2^32 − 2, got %zu", num_parameters);
    if (!evaluate)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "chip: evaluate: expected a function, got NULL");
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip", 1, sizeof(external_chip), &memory));
    external_chip *external = memory;
    external->evaluate = evaluate;
    external->user = user;
    external->chip = (mgd_chip){
        .dtype = MGD_F64,
        .num_parameters = num_parameters,
        .no_nodes = "this one is a black box, a function of θ and x that shows no nodes, unless it "
                    "is made with nodes = M and products",
        .caller_only = true,
        .resolution = 0x1p-52,
        .open = external_open,
        .theta = external_theta,
        .draw = external_draw,
        .free = external_free,
    };
    mgd_status status =
        mgd_allocate(ctx, "chip parameters", num_parameters, sizeof(double), &memory);
    external->theta = status == MGD_OK ? memory : NULL;
    if (status == MGD_OK && theta)
        status = set_theta(ctx, external, theta);
    if (status != MGD_OK) {
        external_free(&external->chip);
        return status;
    }
    *out = &external->chip;
    return MGD_OK;
}

mgd_status mgd_chip_external_nodes(mgd_context *ctx, mgd_chip *chip, size_t num_nodes,
                                   mgd_chip_move *move, mgd_chip_products *products) {
    external_chip *external = (external_chip *)chip;
    if (chip->open != external_open)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "chip: nodes: expected a chip of mgd_chip_external");
    if (num_nodes < 1 || num_nodes >= UINT32_MAX)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "chip: nodes must be from 1 to 2^32 − 2, got %zu",
                        num_nodes);
    if (!move || !products)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "chip: %s: expected a function, got NULL",
                        move ? "products" : "move");
    external->move = move;
    external->products = products;
    external->nodes = (mgd_node_group){{0, chip->num_parameters}, num_nodes, false};
    chip->num_groups = 1;
    chip->groups = &external->nodes;
    return MGD_OK;
}

void mgd_chip_free(mgd_chip *chip) {
    if (chip)
        chip->free(chip);
}

void mgd_chip_advance(mgd_chip *chip, double seconds) {
    chip->rested += seconds > 0 ? seconds : 0; /* nan, too */
}

double mgd_chip_age(const mgd_chip *chip) {
    return chip->ran + chip->rested;
}

size_t mgd_chip_num_parameters(const mgd_chip *chip) {
    return chip->num_parameters;
}

size_t mgd_chip_num_nodes(const mgd_chip *chip) {
    size_t nodes = 0;
    for (size_t i = 0; i < chip->num_groups; i++)
        nodes += chip->groups[i].nodes;
    return nodes;
}
