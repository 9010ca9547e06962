/* Node perturbation on the ideal chip. The lanes are samples of the batch, each with a perturbation
 * of its own. A chunk of lanes passes through the network twice, at rest and with its nodes moved,
 * or moved by ±ξ, but once as far as nothing has moved; what the neurons read is kept, C̃ of each
 * lane becomes the signal that all its neurons hear, and signal × s × input, summed over the lanes,
 * is the gradient of the weights. A gate silences units whose own derivative is 0.
 *
 * A chunk sums its lanes by a fixed tree.
 */

#include "nodes_plan.h"
#include "nodes_step.h"

#include <string.h>

/* What one worker needs; W lanes in a chunk. */
typedef struct {
    char *arenas[2]; /* (the plan's arena × W) of the two evaluations */
    char *target;    /* (K × W) */
    char *steps;     /* (M × W) s of all nodes: signs, or reals */
    char *delta;     /* (most nodes of an op × W) */
    char *open[3];   /* the same, for gates: 1 where a unit is heard; of both evaluations, room */
    char *marks[2];  /* (nodes that kernels mark × W) 1 where one passes something on */
    void *signal;    /* (W) */
    uint32_t *index; /* (W) */
    double *cost;    /* requesters: (2 × chunks × W) of each sample in the two */
    double *parts;   /* requesters: (parts × P'), or (P') where they work alone */
} MGD_OWN_LINE scratch;

struct mgd_nodes {
    const mgd_net *net;
    const mgd_samples *samples;
    mgd_cost cost;
    mgd_plan plan;
    mgd_node_op *ops;   /* of the plan's */
    size_t count;       /* M */
    mgd_range learning; /* P': parameters from the first to the last that nodes teach */
    size_t real;        /* bytes of a real */
    mgd_node_chunks chunks;
    size_t width; /* W of a chunk */
    size_t workers;
    bool shared; /* parts of one request are shared out */
    bool gate;
    size_t marked; /* nodes that kernels mark */
    scratch *scratch;
};

/* ---- one chunk ------------------------------------------------------------------------------- */

/* One step of one request, as its parts see it. */
typedef struct {
    const mgd_nodes *nodes;
    const mgd_request *request;
    mgd_node_evaluations evaluations;
} job;

/* Samples `first` … of the batch into the lanes; spare lanes repeat the last. */
static void gather(const job *j, scratch *w, size_t first) {
    const mgd_nodes *n = j->nodes;
    const mgd_net_kernels *k = n->net->kernels;
    const mgd_samples *set = n->samples;
    for (size_t lane = 0; lane < n->width; lane++) {
        size_t b = first + lane < n->chunks.batch ? first + lane : n->chunks.batch - 1;
        w->index[lane] = j->evaluations.point->samples[b];
    }
    k->gather(mgd_tensor_data(set->x), set->features, w->index, w->arenas[0], n->width);
    k->gather(mgd_tensor_data(set->y), set->targets, w->index, w->target, n->width);
}

static char *marks_of(const mgd_nodes *n, const scratch *w, const mgd_node_op *at, size_t e) {
    return at->marks == SIZE_MAX ? NULL : w->marks[e] + at->marks * n->width * n->real;
}

static mgd_node_steps steps_at(const job *j, const scratch *w, const mgd_node_op *at,
                               mgd_node_steps all) {
    all.first = at->first;
    for (size_t e = 0; e < 2; e++) {
        all.amplitude[e] = j->evaluations.amplitude[e] * at->use.factor;
        all.open[e] = marks_of(j->nodes, w, at, e);
    }
    return all;
}

/* An op in evaluation e by itself. */
static void evaluate(const job *j, const mgd_node_op *at, mgd_node_steps steps, void *arena,
                     size_t e) {
    const mgd_nodes *n = j->nodes;
    const char *theta = j->evaluations.theta[e] + at->op->vertex.first * n->real;
    steps.amplitude[0] = steps.amplitude[e];
    steps.open[0] = steps.open[e];
    if (steps.amplitude[0] != 0 || steps.open[0])
        n->net->kernels->layer[at->op->vertex.kind]->nodes(at->op, theta, &steps,
                                                           (void *const[]){arena, NULL}, n->width);
    else
        mgd_op_forward(n->net, at->op, false, theta, arena, n->width);
}

/* What the op reads, from the first arena into the second. */
static void copy_source(const mgd_nodes *n, scratch *w, const mgd_op *op, size_t k) {
    size_t features = op->vertex.in.features;
    if (k == 1 && op->vertex.kind == MGD_LAYER_CONCAT)
        features = op->vertex.out.features - features;
    size_t at = op->x[k] * n->width * n->real;
    memcpy(w->arenas[1] + at, w->arenas[0] + at, features * op->vertex.steps * n->width * n->real);
}

/* The evaluations, and their costs (chunk's lanes) into cost[0] and cost[1]. */
static void forward(const job *j, scratch *w, mgd_node_steps all, double *const cost[2]) {
    const mgd_nodes *n = j->nodes;
    const mgd_net *net = n->net;
    void *const arenas[2] = {w->arenas[0], w->arenas[1]};
    for (size_t i = 0; i < n->plan.num_ops; i++) {
        const mgd_node_op *at = &n->ops[i];
        const mgd_node_steps steps = steps_at(j, w, at, all);
        if (at->course == MGD_OP_SPLIT && j->evaluations.count == 2) {
            const char *theta = j->evaluations.theta[0] + at->op->vertex.first * n->real;
            net->kernels->layer[at->op->vertex.kind]->nodes(at->op, theta, &steps, arenas,
                                                            n->width);
            continue;
        }
        for (size_t k = 0; k < 2 && j->evaluations.count == 2; k++)
            if (at->copies[k])
                copy_source(n, w, at->op, k);
        size_t evaluations = at->course == MGD_OP_ONCE ? 1 : j->evaluations.count;
        for (size_t e = 0; e < evaluations; e++)
            evaluate(j, at, steps, arenas[e], e);
    }
    for (size_t e = 0; e < j->evaluations.count; e++)
        net->kernels->cost(&n->cost, n->samples->steps, n->samples->columns, n->width,
                           mgd_net_place(net, arenas[e], n->plan.output, n->width), w->target,
                           cost[e]);
}

/* open (nodes × W) ← 1 where a unit has a derivative in this evaluation */
static void mark_open(const mgd_nodes *n, scratch *w, const mgd_node_op *at, size_t e, char *open) {
    const mgd_net_kernels *k = n->net->kernels;
    size_t values = mgd_op_nodes(at->op) * n->width;
    const char *y = w->arenas[e] + at->says->y * n->width * n->real;
    if (at->bounded)
        k->mark_open(y, at->low, at->high, open, values);
    if (!at->pool)
        return;
    char *won = at->bounded ? w->open[2] : open;
    k->layer[at->pool->vertex.kind]->wins(at->pool, w->arenas[e], won, n->width);
    if (at->bounded)
        k->mark_both(open, won, values);
}

/* A unit is heard that has a derivative in one of the evaluations: of those closed in both, which
 * ξ has not opened, C does not depend on ξ. */
static void gate(const job *j, scratch *w, const mgd_node_op *at) {
    const mgd_nodes *n = j->nodes;
    const mgd_net_kernels *k = n->net->kernels;
    size_t values = mgd_op_nodes(at->op) * n->width;
    char *open[2] = {marks_of(n, w, at, 0), marks_of(n, w, at, 1)};
    for (size_t e = 0; e < j->evaluations.count && at->marks == SIZE_MAX; e++)
        mark_open(n, w, at, e, open[e] = w->open[e]);
    if (j->evaluations.count == 2)
        k->mark_either(open[0], open[1], values);
    k->close_gates(open[0], w->delta, values);
}

/* What a neuron reads, into the first arena: between +ξ and −ξ it is their mean. Without a baseline
 * it is what it read when all were moved: that only upstream nodes have changed, whose
 * perturbations are not correlated with the neuron's own. Gates of the ops before have been looked
 * at by then. */
static void settle(const job *j, scratch *w, const mgd_op *op) {
    const mgd_nodes *n = j->nodes;
    size_t at = op->x[0] * n->width * n->real;
    if (j->evaluations.step->baseline == MGD_BASELINE_TWO_SIDED)
        n->net->kernels->average(w->arenas[0] + at, w->arenas[1] + at,
                                 op->vertex.in.features * n->width);
}

/* gradient (P') += Σ over the lanes of signal·s·x */
static void add_gradient(const job *j, scratch *w, mgd_node_steps all, double *const cost[2],
                         size_t used, double *gradient) {
    const mgd_nodes *n = j->nodes;
    const mgd_net_kernels *k = n->net->kernels;
    for (size_t i = 0; i < n->plan.num_ops; i++) {
        const mgd_node_op *at = &n->ops[i];
        const mgd_op *op = at->op;
        if (at->use.factor == 0)
            continue;
        const mgd_node_steps steps = steps_at(j, w, at, all);
        mgd_nodes_signal(&j->evaluations, cost, at->use.weight, n->net->dtype, used, n->width,
                         w->signal);
        k->node_deltas(op, &steps, w->signal, w->delta, n->width);
        if (at->bounded || at->pool || at->marks != SIZE_MAX)
            gate(j, w, at);
        if (at->settles)
            settle(j, w, op);
        k->layer[op->vertex.kind]->weights(op, w->arenas[0], w->delta,
                                           gradient + (op->vertex.first - n->learning.first),
                                           n->width);
    }
}

static bool measure_chunk(void *arg, size_t worker, size_t chunk, double *gradient) {
    const job *j = arg;
    const mgd_nodes *n = j->nodes;
    const mgd_node_step *step = j->evaluations.step;
    scratch *w = &n->scratch[worker];
    const size_t first = chunk * n->width, rest = n->chunks.batch - first;
    const size_t used = rest < n->width ? rest : n->width;
    double *all = n->scratch[j->request->worker].cost;
    double *const cost[2] = {all + first, all + n->chunks.count * n->width + first};
    const bool signs = n->count > 0 && step->steps(step->self, worker, j->evaluations.point, first,
                                                   used, n->width, false, w->steps);
    const mgd_node_steps steps = {.words = signs ? (const uint32_t *)(const void *)w->steps : NULL,
                                  .values = w->steps};
    gather(j, w, first);
    forward(j, w, steps, cost);
    if (step->uneven)
        step->steps(step->self, worker, j->evaluations.point, first, used, n->width, true,
                    w->steps);
    add_gradient(j, w, steps, cost, used, gradient);
    return true;
}

/* ---- the batch ------------------------------------------------------------------------------- */

mgd_status mgd_nodes_measure(mgd_context *ctx, const mgd_nodes *n, const mgd_request *r,
                             const mgd_node_step *step) {
    job j = {n, r, mgd_nodes_evaluations(r, step)};
    const scratch *w = &n->scratch[r->worker];
    double *const cost[2] = {w->cost, w->cost + n->chunks.count * n->width};
    if (!mgd_nodes_sum(&n->chunks, n->shared ? r->pool : NULL, r->worker, measure_chunk, &j,
                       n->learning.count, w->parts, step->gradient + n->learning.first))
        return mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
    mgd_nodes_report(&j.evaluations, cost, n->chunks.batch, r);
    return MGD_OK;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void scratch_close(scratch *w) {
    void *blocks[] = {w->arenas[0], w->arenas[1], w->target,  w->steps,    w->delta,
                      w->open[0],   w->open[1],   w->open[2], w->marks[0], w->marks[1],
                      w->signal,    w->index,     w->cost,    w->parts};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mgd_free(blocks[i]);
}

void mgd_nodes_close(mgd_nodes *n) {
    if (!n)
        return;
    for (size_t i = 0; n->scratch && i < n->workers; i++)
        scratch_close(&n->scratch[i]);
    mgd_free(n->scratch);
    mgd_free(n->ops);
    mgd_plan_close(&n->plan);
    mgd_free(n);
}

static mgd_status scratch_open(mgd_context *ctx, const mgd_nodes *n, bool requests, scratch *w) {
    size_t row = n->width * n->real, largest = 1, parameters = n->learning.count + 1;
    for (size_t i = 0; i < n->plan.num_ops; i++) {
        size_t own = mgd_op_nodes(&n->plan.ops[i]);
        largest = own > largest ? own : largest;
    }
    size_t gates = n->gate ? largest : 0;
    if (mgd_take(&w->arenas[0], n->plan.arena, row) &&
        mgd_take(&w->arenas[1], n->plan.arena, row) &&
        mgd_take(&w->target, n->samples->targets, row) && mgd_take(&w->steps, n->count + 1, row) &&
        mgd_take(&w->delta, largest, row) && mgd_take(&w->open[0], gates, row) &&
        mgd_take(&w->open[1], gates, row) && mgd_take(&w->open[2], gates, row) &&
        mgd_take(&w->marks[0], n->marked, row) && mgd_take(&w->marks[1], n->marked, row) &&
        mgd_take(&w->signal, 1, row) && mgd_take(&w->index, n->width, sizeof(uint32_t)) &&
        (!requests ||
         (mgd_take(&w->cost, 2 * n->chunks.count * n->width, sizeof(double)) &&
          mgd_take(&w->parts, n->shared ? n->chunks.parts : 1, parameters * sizeof(double)))))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_MEMORY,
                    "out of memory: perturbing %zu nodes for a batch of %zu needs %.0f bytes for "
                    "each thread",
                    n->count, n->chunks.batch,
                    (double)(2 * n->plan.arena + n->count + largest) * (double)row);
}

static mgd_status prepare(mgd_context *ctx, mgd_nodes *n, const mgd_task_spec *task,
                          size_t num_groups, const mgd_node_group *groups) {
    void *memory;
    n->gate = task->train->gate;
    MGD_TRY(mgd_plan_open(ctx, n->net, MGD_PLAN_NODES, &n->plan));
    MGD_TRY(mgd_allocate(ctx, "node perturbation", n->plan.num_ops, sizeof(mgd_node_op), &memory));
    n->ops = memory;
    n->marked = mgd_nodes_plan(&n->plan, task, num_groups, groups, n->ops);
    n->count = mgd_nodes_count(task, num_groups, groups);
    n->learning = mgd_nodes_learning(n->ops, n->plan.num_ops);
    n->chunks = mgd_nodes_chunks(n->net, n->plan.arena, task->batch);
    n->width = n->chunks.width;
    MGD_TRY(mgd_allocate(ctx, "scratch memory", n->workers, sizeof(scratch), &memory));
    n->scratch = memory;
    for (size_t i = 0; i < n->workers; i++)
        MGD_TRY(scratch_open(ctx, n, i < task->requesters, &n->scratch[i]));
    return MGD_OK;
}

mgd_status mgd_nodes_open(mgd_context *ctx, const mgd_net *net, const mgd_task_spec *task,
                          const mgd_samples *samples, size_t num_groups,
                          const mgd_node_group *groups, mgd_nodes **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "node perturbation", 1, sizeof(mgd_nodes), &memory));
    mgd_nodes *n = memory;
    *n = (mgd_nodes){.net = net,
                     .samples = samples,
                     .cost = task->cost,
                     .real = mgd_dtype_size(net->dtype),
                     .workers = task->workers,
                     .shared = task->requesters < task->workers};
    mgd_status status = prepare(ctx, n, task, num_groups, groups);
    if (status != MGD_OK) {
        mgd_nodes_close(n);
        return status;
    }
    *out = n;
    return MGD_OK;
}
