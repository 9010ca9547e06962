/* The ideal chip, and how sessions on it are opened. */

#include "ideal.h"

#include <string.h>

#define WHOLE_BYTES 32768   /* up to so much, the parameters of all ops are fetched at once */
#define PREFETCH_ROW 512    /* bytes of the largest row that is prefetched … */
#define PREFETCH_SET 262144 /* … and of the smallest set whose rows are */
#define PASS 400            /* multiply-adds that one pass costs besides its own */

typedef struct {
    mgd_chip chip;
    mgd_net *net;
    mgd_node_group *groups;
    mgd_matrix *matrices;
} ideal_chip;

/* ---- sessions -------------------------------------------------------------------------------- */

static void scratch_close(scratch *w) {
    mgd_free(w->pack);
    mgd_free(w->arena);
    mgd_free(w->other);
    mgd_free(w->target);
    mgd_free(w->value);
    mgd_free(w->share);
    mgd_free(w->hit);
    mgd_free(w->index);
    mgd_free(w->point_cost);
}

static void ideal_close(mgd_session *session) {
    ideal_session *s = (ideal_session *)session;
    for (size_t i = 0; s->scratch && i < s->workers; i++)
        scratch_close(&s->scratch[i]);
    mgd_free(s->scratch);
    mgd_backward_close(s->backward);
    mgd_nodes_close(s->nodes);
    mgd_ideal_keep_close(s);
    mgd_samples_close(&s->samples);
    mgd_free(s);
}

/* On failure the caller closes what was opened. */
static mgd_status scratch_open(mgd_context *ctx, const ideal_session *s, size_t max_points,
                               scratch *w) { /* max_points: 0 for workers that make no requests */
    const mgd_net *net = s->net;
    size_t row = s->width * s->real, largest = s->whole ? net->num_parameters : 0;
    for (size_t i = 0; i < net->num_vertices; i++)
        largest = net->vertices[i].count > largest ? net->vertices[i].count : largest;
    if (mgd_take(&w->pack, largest, s->pack_row) && mgd_take(&w->arena, net->plan.arena, row) &&
        (!s->pairs || mgd_take(&w->other, net->plan.arena, row)) &&
        mgd_take(&w->target, s->samples.targets, row) &&
        mgd_take(&w->value, 2 * s->width, sizeof(double)) &&
        (s->signals == 1 || mgd_take(&w->share, 2 * s->width, sizeof(double))) &&
        mgd_take(&w->hit, s->width, sizeof(double)) &&
        mgd_take(&w->index, s->width, sizeof(uint32_t)) &&
        mgd_take(&w->point_cost, s->signals * max_points * s->chunks, s->width * sizeof(double)))
        return MGD_OK;
    double bytes = (double)largest * (double)s->pack_row +
                   (double)(net->plan.arena + s->samples.targets) * (double)row +
                   (double)(max_points * s->chunks) * (double)s->width * sizeof(double);
    return mgd_fail(ctx, MGD_ERR_MEMORY,
                    "out of memory: a batch of %zu in a network of %zu parameters needs %.0f "
                    "bytes for each thread",
                    s->batch, net->num_parameters, bytes);
}

/* Whether the kernels of a pair do for the whole plan: parameters in dense layers alone, and
 * nothing but these reads the input, which is in the first arena only. */
static bool can_pair(const mgd_net *net) {
    for (size_t i = 0; i < net->plan.num_ops; i++) {
        const mgd_op *op = &net->plan.ops[i];
        bool dense = op->vertex.kind == MGD_LAYER_DENSE && op->vertex.steps == 1;
        bool input = op->x[0] == 0 || (op->vertex.num_sources == 2 && op->x[1] == 0);
        if (!dense && (op->vertex.count > 0 || input))
            return false;
    }
    return true;
}

/* Which way to fill the lanes: the one that looks cheaper. Beside the multiply-adds of the network,
 * a pass with parameters of each lane's own takes about 3P to form those, and a pass of any kind
 * costs PASS more. Measured on 2-2-1 and 49-4-4. */
static void arrange(ideal_session *s, const mgd_task_spec *task) {
    size_t lanes = s->net->kernels->lanes;
    size_t batch_tiles = (task->batch + lanes - 1) / lanes;
    size_t point_tiles = (task->max_points + lanes - 1) / lanes;
    double work = PASS, forming = 3 * (double)s->net->num_parameters;
    for (size_t i = 0; i < s->net->plan.num_ops; i++)
        work += mgd_op_flop(&s->net->plan.ops[i]) / 2;
    s->chunks = 0;
    if (task->width) {
        s->arrangement = REPLICAS;
        s->width = task->width;
    } else if ((double)(batch_tiles * task->max_points) * work <=
               (double)(point_tiles * task->batch) * (work + forming)) {
        size_t most = mgd_net_tiles(s->net, batch_tiles);
        s->arrangement = SAMPLES;
        s->chunks = (batch_tiles + most - 1) / most;
        if (s->chunks < task->workers)
            s->chunks = task->workers < batch_tiles ? task->workers : batch_tiles;
        s->width = (batch_tiles + s->chunks - 1) / s->chunks * lanes;
        s->chunks = (task->batch + s->width - 1) / s->width;
    } else {
        s->arrangement = POINTS;
        s->width = lanes;
    }
    s->pairs = s->arrangement == REPLICAS && s->signals == 1 && can_pair(s->net);
    s->pack_row = s->real * (s->arrangement == SAMPLES ? 1 : s->width);
    s->whole = s->net->num_parameters * s->pack_row <= WHOLE_BYTES;
}

static mgd_status prepare(mgd_context *ctx, ideal_session *s, const mgd_chip *chip,
                          const mgd_task_spec *task) {
    MGD_TRY(mgd_net_samples_open(ctx, s->all, task->x, task->y, &task->cost, &s->samples));
    s->real = mgd_dtype_size(s->all->dtype);
    MGD_TRY(mgd_ideal_keep_open(ctx, s, task));
    arrange(s, task);
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "scratch memory", task->workers, sizeof(scratch), &memory));
    s->scratch = memory;
    for (size_t i = 0; i < s->workers; i++)
        MGD_TRY(scratch_open(ctx, s, i < task->requesters ? task->max_points : 0, &s->scratch[i]));
    if (task->nodes)
        return mgd_nodes_open(ctx, s->net, task, &s->samples, chip->num_groups, chip->groups,
                              &s->nodes);
    return task->gradients
               ? mgd_backward_open(ctx, s->net, s->samples.targets, task->workers, &s->backward)
               : MGD_OK;
}

static mgd_status ideal_predict(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                                const mgd_tensor *x, uint64_t draw, mgd_tensor **y) {
    (void)draw; /* it has no noise */
    const mgd_net *net = ((const ideal_session *)session)->all;
    MGD_TRY(mgd_net_check_input(ctx, net, "predict", x));
    return mgd_net_forward_at(ctx, net, view->theta, x, y);
}

/* The network as a responder, for costs that only Lua can compute. */
static mgd_status respond(void *user, mgd_context *ctx, const mgd_tensor *theta,
                          const mgd_tensor *x, mgd_tensor **y) {
    const mgd_net *net = user;
    return mgd_net_forward_at(ctx, net, mgd_tensor_data(theta), x, y);
}

/* Rows of a few cache lines, picked at random from a set larger than the caches near by. */
static bool worth_prefetching(const ideal_session *s) {
    size_t row = s->samples.features * s->real;
    return row <= PREFETCH_ROW && row * s->samples.samples > PREFETCH_SET;
}

static mgd_status ideal_open(mgd_context *ctx, mgd_chip *chip, const mgd_task_spec *task,
                             mgd_session **out) {
    mgd_net *net = ((ideal_chip *)chip)->net;
    if (task->cost.kind == MGD_COST_FUNCTION) {
        MGD_TRY(mgd_net_check_input(ctx, net, "data", task->x));
        return mgd_responder_open(ctx, chip, respond, net, task, out);
    }
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip session", 1, sizeof(ideal_session), &memory));
    ideal_session *s = memory;
    s->session = (mgd_session){.measure = mgd_ideal_measure,
                               .measure_nodes = task->nodes ? mgd_ideal_measure_nodes : NULL,
                               .evaluate = mgd_ideal_evaluate,
                               .evaluate_lanes = task->width ? mgd_ideal_evaluate_lanes : NULL,
                               .predict = ideal_predict,
                               .gradient = mgd_ideal_gradient,
                               .saturated = mgd_ideal_saturated,
                               .close = ideal_close};
    s->net = s->all = net;
    s->cost = task->cost;
    s->signals = task->signals;
    s->outputs = task->outputs;
    s->batch = task->batch;
    s->workers = task->workers;
    mgd_status status = prepare(ctx, s, chip, task);
    if (status == MGD_OK && worth_prefetching(s))
        s->session.prefetch = mgd_ideal_prefetch;
    if (status != MGD_OK) {
        ideal_close(&s->session);
        return status;
    }
    *out = &s->session;
    return MGD_OK;
}

/* ---- the chip -------------------------------------------------------------------------------- */

static void ideal_theta(const mgd_chip *chip, void *out) {
    const mgd_net *net = ((const ideal_chip *)chip)->net;
    memcpy(out, net->theta, net->num_parameters * mgd_dtype_size(net->dtype));
}

static mgd_status ideal_draw(mgd_context *ctx, const mgd_chip *chip, const mgd_init *init,
                             void *out) {
    return mgd_net_draw(ctx, ((const ideal_chip *)chip)->net, init, out);
}

static void ideal_free(mgd_chip *chip) {
    ideal_chip *ideal = (ideal_chip *)chip;
    mgd_free(ideal->groups);
    mgd_free(ideal->matrices);
    mgd_free(ideal);
}

mgd_status mgd_chip_ideal(mgd_context *ctx, mgd_net *net, mgd_chip **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip", 1, sizeof(ideal_chip), &memory));
    ideal_chip *ideal = memory;
    ideal->net = net;
    if (!mgd_take(&ideal->groups, net->num_vertices, sizeof(mgd_node_group)) ||
        !mgd_take(&ideal->matrices, mgd_net_matrices(net, NULL) + 1, sizeof(mgd_matrix))) {
        ideal_free(&ideal->chip);
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a chip");
    }
    ideal->chip = (mgd_chip){
        .dtype = net->dtype,
        .num_parameters = net->num_parameters,
        .num_groups = mgd_nodes_groups(net, ideal->groups),
        .groups = ideal->groups,
        .num_matrices = mgd_net_matrices(net, ideal->matrices),
        .matrices = ideal->matrices,
        .no_nodes = "this one has parameters in layers other than dense and conv2d, or "
                    "along the steps of a sequence",
        .lanes = net->kernels->lanes,
        .resolution = net->dtype == MGD_F32 ? 0x1p-23 : 0x1p-52,
        .open = ideal_open,
        .theta = ideal_theta,
        .draw = ideal_draw,
        .free = ideal_free,
    };
    *out = &ideal->chip;
    return MGD_OK;
}
