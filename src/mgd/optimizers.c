/* The optimizers that there are. */

#include "optimizers.h"

static const mgd_optimizer_type types[] = {
    [MGD_OPTIMIZER_SGD] = {.name = "sgd", .plain = true},
    [MGD_OPTIMIZER_MOMENTUM] = {.name = "momentum", .moments = 1},
    [MGD_OPTIMIZER_NESTEROV] = {.name = "nesterov", .moments = 1},
    [MGD_OPTIMIZER_ADAM] = {.name = "adam", .moments = 2},
    [MGD_OPTIMIZER_SIGN] = {.name = "sign"},
};

const mgd_optimizer_type *mgd_optimizer_type_of(unsigned optimizer) {
    return optimizer < sizeof types / sizeof *types ? &types[optimizer] : NULL;
}

const char *mgd_optimizer_name(unsigned optimizer) {
    const mgd_optimizer_type *type = mgd_optimizer_type_of(optimizer);
    return type ? type->name : NULL;
}
