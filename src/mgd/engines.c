/* The engines that there are. */

#include "engines.h"

static const mgd_engine_type *const types[] = {
    [MGD_ENGINE_DISCRETE] = &mgd_engine_discrete, [MGD_ENGINE_ANALOG] = &mgd_engine_analog,
    [MGD_ENGINE_BACKPROP] = &mgd_engine_backprop, [MGD_ENGINE_CHIP] = &mgd_engine_chip,
    [MGD_ENGINE_CIRCUIT] = &mgd_engine_circuit,
};

const char *mgd_engine_name(unsigned engine) {
    return engine < sizeof types / sizeof *types ? types[engine]->name : NULL;
}

const mgd_engine_type *mgd_engine_of(const mgd_train *t) {
    if (t->perturb == MGD_PERTURB_NODES)
        return &mgd_engine_nodes;
    if (t->engine == MGD_ENGINE_CIRCUIT && t->circuit.set == MGD_CIRCUIT_SIGN_SIGN)
        return &mgd_engine_counters;
    return t->integrator == MGD_INTEGRATOR_EULER ? types[t->engine] : &mgd_engine_ode;
}
