/* A session on a simulated chip: how it is arranged, what it needs, and what it can do. */

#include "simulated.h"

static void arrange(simulated *s, const mgd_task_spec *task) {
    size_t lanes = s->net->kernels->lanes, parameters = s->net->num_parameters;
    size_t tiles = (task->batch + lanes - 1) / lanes;
    s->replicas = task->width > 0;
    s->chunks = 1;
    if (s->replicas) {
        s->width = s->row_width = task->width;
        s->rows = parameters;
        s->seats = s->width;
        return;
    }
    s->seats = 1;
    s->row_width = lanes;
    s->rows = (parameters + lanes - 1) / lanes;
    if (s->nodes) {
        mgd_simulated_nodes_arrange(s, task);
    } else {
        size_t most = mgd_net_tiles(s->net, tiles < SIMULATED_TILES ? tiles : SIMULATED_TILES);
        s->chunks = (tiles + most - 1) / most;
        if (s->chunks < task->workers)
            s->chunks = task->workers < tiles ? task->workers : tiles;
        s->chunks = s->remembers ? 1 : s->chunks;
        s->width = (tiles + s->chunks - 1) / s->chunks * lanes;
        s->chunks = (task->batch + s->width - 1) / s->width;
    }
}

static void close_session(mgd_session *session) {
    simulated *s = (simulated *)session;
    for (size_t i = 0; s->workers && i < s->num_workers; i++)
        mgd_simulated_worker_close(&s->workers[i]);
    mgd_free(s->workers);
    mgd_backward_close(s->backward);
    mgd_free(s->nothing);
    mgd_simulated_devices_close(s);
    mgd_simulated_nodes_close(s); /* its plan says which parts there are */
    mgd_samples_close(&s->samples);
    mgd_free(s);
}

static mgd_status prepare(mgd_context *ctx, simulated *s, const mgd_task_spec *task) {
    MGD_TRY(mgd_net_samples_open(ctx, s->net, task->x, task->y, &task->cost, &s->samples));
    if (task->nodes)
        MGD_TRY(mgd_simulated_nodes_plan(ctx, s, task));
    arrange(s, task);
    MGD_TRY(mgd_simulated_devices_open(ctx, s, task));
    void *memory;
    if (part_acts(&s->parts.perturbation)) {
        MGD_TRY(mgd_allocate(ctx, "perturbations", s->rows * s->row_width, s->real, &memory));
        s->nothing = memory;
    }
    MGD_TRY(mgd_allocate(ctx, "scratch memory", task->workers, sizeof(worker), &memory));
    s->workers = memory;
    for (size_t i = 0; i < s->num_workers; i++)
        MGD_TRY(mgd_simulated_worker_open(ctx, s, &s->workers[i]));
    if (task->nodes)
        MGD_TRY(mgd_simulated_nodes_open(ctx, s, task));
    if (task->gradients)
        MGD_TRY(mgd_backward_open(ctx, s->net, s->samples.targets, task->workers, &s->backward));
    return MGD_OK;
}

mgd_status mgd_simulated_open(mgd_context *ctx, mgd_chip *chip, const mgd_task_spec *task,
                              mgd_session **out) {
    simulated_chip *c = (simulated_chip *)chip;
    if (task->cost.kind == MGD_COST_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: a cost that is a function does not go with a simulated chip: "
                        "expected mse, cross_entropy or l2");
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip session", 1, sizeof(simulated), &memory));
    simulated *s = memory;
    s->session = (mgd_session){.measure = mgd_simulated_measure,
                               .measure_nodes = task->nodes ? mgd_simulated_measure_nodes : NULL,
                               .not_kept = "a simulated chip evaluates all of it",
                               .evaluate = mgd_simulated_evaluate,
                               .evaluate_lanes = task->width ? mgd_simulated_evaluate_lanes : NULL,
                               .predict = mgd_simulated_predict,
                               .gradient = mgd_simulated_gradient,
                               .saturated = mgd_simulated_saturated,
                               .rest = mgd_simulated_rest,
                               .swap = mgd_simulated_swap,
                               .stop = mgd_simulated_stop,
                               .go_on = mgd_simulated_go_on,
                               .begin = mgd_simulated_begin,
                               .state_get = mgd_simulated_state_get,
                               .state_fits = mgd_simulated_state_fits,
                               .state_set = mgd_simulated_state_set,
                               .close = close_session};
    s->chip = c;
    s->net = c->net;
    s->plan = c->bare.num_ops ? &c->bare : &c->net->plan;
    s->real = mgd_dtype_size(chip->dtype);
    s->cost = task->cost;
    s->signals = task->signals;
    s->outputs = task->outputs;
    s->remembers = c->remembers;
    s->batch = task->batch;
    s->units = task->units;
    s->num_workers = task->workers;
    s->dt = task->dt;
    s->substeps = c->spec.substeps > 1 ? c->spec.substeps : 1;
    s->origin = mgd_chip_age(chip);
    mgd_status status = prepare(ctx, s, task);
    if (status != MGD_OK) {
        close_session(&s->session);
        return status;
    }
    if (s->writes) {
        s->session.write = mgd_simulated_write;
        s->session.wear = mgd_simulated_wear;
    }
    *out = &s->session;
    return MGD_OK;
}
