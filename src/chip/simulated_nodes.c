/* Node perturbation on a simulated chip. The lanes are samples of the batch, each with a ξ of its
 * own that is added to the sums of its neurons, before anything that is wrong with these; with
 * noise of its own, and with a cost of its own, which goes its way alone. What a neuron multiplies
 * e by is what it reads in these evaluations, noise and all.
 *
 * Places in the batch have lines of their own, within the network and behind it, for which time
 * passes by two ticks a step: they are as many chips side by side with the same devices.
 *
 * A chunk goes through all evaluations before the next one does, so that what its neurons read need
 * not be kept for the batch. Weights are read and driven before, for both evaluations.
 */

#include "simulated_nodes.h"

#include <string.h>

/* ---- one chunk ------------------------------------------------------------------------------- */

/* One step of one request. */
typedef struct {
    const simulated *s;
    const mgd_request *request;
    mgd_node_evaluations evaluations;
    mgd_hw_frame frame[2];
    multipliers weights[2];
    mgd_context *ctx;
    mgd_status status;
} job;

/* Evaluation e of a chunk, its costs to where those of the chunk begin. */
static mgd_status evaluate(job *j, worker *w, node_scratch *own, mgd_node_steps steps, size_t e,
                           size_t chunk, size_t used, double *cost) {
    const simulated *s = j->s;
    const mgd_samples *set = &s->samples;
    const struct node_moves moves = {.steps = steps,
                                     .amplitude = j->evaluations.amplitude[e],
                                     .factor = own->signal,
                                     .delta = own->delta,
                                     .open = own->open[e]};
    void *y;
    mgd_hw_frame f = j->frame[e];
    f.used = used;
    for (size_t lane = 0; lane < s->width; lane++) {
        w->copy[lane] = (uint32_t)(chunk * s->width + (lane < used ? lane : used - 1));
        w->index[lane] = j->evaluations.point->samples[w->copy[lane]];
    }
    w->gathered = NULL;
    mgd_simulated_gather(s, w, w->index);
    w->moved = &moves;
    mgd_status status = mgd_simulated_forward(j->ctx, s, w, j->request->unit, &f, chunk, w->copy,
                                              &j->weights[e], &y);
    w->moved = NULL;
    MGD_TRY(status);
    s->net->kernels->cost(&s->cost, set->steps, set->columns, s->width, y, w->target, w->value);
    mgd_hw_frame way = mgd_simulated_features(s, &f, 1, 0, w->copy);
    MGD_TRY(
        mgd_simulated_apply(j->ctx, s, &s->parts.cost, j->request->unit, &way, chunk, w->value));
    memcpy(cost, w->value, s->width * sizeof *cost);
    return MGD_OK;
}

/* A unit is heard that has a derivative in one of the evaluations. */
static void gate(const job *j, worker *const sides[2], node_scratch *own, size_t i) {
    const simulated *s = j->s;
    const simulated_nodes *n = s->nodes;
    const mgd_net_kernels *k = s->net->kernels;
    const mgd_node_op *at = &n->ops[i];
    const size_t values = mgd_op_nodes(at->op) * s->width;
    char *open[2] = {NULL, NULL};
    for (size_t e = 0; e < j->evaluations.count; e++) {
        open[e] = at->bounded ? own->open[e] + n->gate[at->says - n->plan.ops] * s->width * s->real
                              : own->open[e] + n->gates * s->width * s->real; /* room at the end */
        char *won = at->bounded ? own->won : open[e];
        if (at->pool)
            k->layer[at->pool->vertex.kind]->wins(at->pool, sides[e]->arena, won, s->width);
        if (at->pool && at->bounded)
            k->mark_both(open[e], won, values);
    }
    if (j->evaluations.count == 2)
        k->mark_either(open[0], open[1], values);
    k->close_gates(open[0], own->delta, values);
}

/* gradient (P') += Σ over the lanes of signal·s·x; x between +ξ and −ξ is the mean of the two.
 * Gates of the ops before have been looked at by then. */
static void add_gradient(const job *j, worker *const sides[2], node_scratch *own,
                         mgd_node_steps steps, double *const cost[2], size_t used,
                         double *gradient) {
    const simulated *s = j->s;
    const simulated_nodes *n = s->nodes;
    const mgd_net_kernels *k = s->net->kernels;
    const bool mean = j->evaluations.step->baseline == MGD_BASELINE_TWO_SIDED;
    for (size_t i = 0; i < n->plan.num_ops; i++) {
        const mgd_node_op *at = &n->ops[i];
        const mgd_op *op = at->op;
        if (at->use.factor == 0)
            continue;
        steps.first = at->first;
        mgd_nodes_signal(&j->evaluations, cost, at->use.weight, s->net->dtype, used, s->width,
                         own->signal);
        k->node_deltas(op, &steps, own->signal, own->delta, s->width);
        if (at->bounded || at->pool)
            gate(j, sides, own, i);
        if (mean && at->settles)
            k->average(mgd_net_place(s->net, sides[0]->arena, op->x[0], s->width),
                       mgd_net_place(s->net, sides[1]->arena, op->x[0], s->width),
                       op->vertex.in.features * s->width);
        k->layer[op->vertex.kind]->weights(op, sides[0]->arena, own->delta,
                                           gradient + (op->vertex.first - n->learning.first),
                                           s->width);
    }
}

static bool measure_chunk(void *arg, size_t at_work, size_t chunk, double *gradient) {
    job *j = arg;
    const simulated *s = j->s;
    const simulated_nodes *n = s->nodes;
    const mgd_node_step *step = j->evaluations.step;
    const size_t first = chunk * s->width, rest = s->batch - first;
    const size_t used = rest < s->width ? rest : s->width;
    worker *const sides[2] = {&s->workers[at_work], &n->others[at_work]};
    node_scratch *own = &n->scratch[at_work];
    const node_scratch *asks = &n->scratch[j->request->worker];
    double *const cost[2] = {asks->cost[0] + first, asks->cost[1] + first};
    const bool signs = n->count > 0 && step->steps(step->self, at_work, j->evaluations.point, first,
                                                   used, s->width, false, own->steps);
    const mgd_node_steps steps = {
        .words = signs ? (const uint32_t *)(const void *)own->steps : NULL, .values = own->steps};
    for (size_t e = 0; e < j->evaluations.count; e++) {
        mgd_status status = evaluate(j, sides[e], own, steps, e, chunk, used, cost[e]);
        if (status !=
            MGD_OK) { /* only functions of the user's fail, and then there is one thread */
            j->status = status;
            return false;
        }
    }
    if (step->uneven)
        step->steps(step->self, at_work, j->evaluations.point, first, used, s->width, true,
                    own->steps);
    add_gradient(j, sides, own, steps, cost, used, gradient);
    return true;
}

/* ---- weights --------------------------------------------------------------------------------- */

/* θ of evaluation e as it is driven, in w->pack; θ̃ of layers that are perturbed by their parameters
 * goes along its line. */
static mgd_status drive(const job *j, worker *w, size_t e, const char *base, const void **out) {
    const simulated *s = j->s;
    const mgd_request *r = j->request;
    const size_t n = s->rows * s->row_width, bytes = s->net->num_parameters * s->real;
    const bool path = part_acts(&s->parts.perturbation), driven = part_acts(&s->parts.drive);
    const bool moved = j->evaluations.theta[e] != r->source.theta;
    *out = base;
    if (!path && !driven && !moved)
        return MGD_OK;
    memset(w->pack, 0, n * s->real);
    if (moved) {
        memcpy(w->pack, j->evaluations.theta[e], bytes);
        memcpy(w->change, r->source.theta, bytes);
        s->hw->subtract(w->pack, w->change, n);
    }
    MGD_TRY(
        mgd_simulated_apply(j->ctx, s, &s->parts.perturbation, r->unit, &j->frame[e], 0, w->pack));
    s->hw->add(w->pack, base, n);
    *out = w->pack;
    return mgd_simulated_apply(j->ctx, s, &s->parts.drive, r->unit, &j->frame[e], 0, w->pack);
}

/* As mgd_simulated_parameters, for an evaluation. */
static mgd_hw_frame frame_of(const simulated *s, worker *w, const mgd_request *r, size_t e) {
    const mgd_point *point = &r->points[e];
    mgd_hw_frame f = mgd_simulated_parameters(s, w, r->unit, r->replica, point->step);
    f.tick = f.clock = point->step * MGD_HW_TICKS + point->tick;
    f.ticks = point->ticks;
    return f;
}

static mgd_status read_weights(job *j) {
    const simulated *s = j->s;
    const mgd_request *r = j->request;
    const bool timed = s->parts.weight.chain.timed || s->parts.weight.chain.calls;
    const bool begins = s->last[r->unit] == 0; /* lines begin as they are at the first values */
    const char *base = NULL;
    for (size_t e = 0; e < j->evaluations.count; e++) {
        worker *w = e == 0 ? &s->workers[r->worker] : &s->nodes->others[r->worker];
        const void *theta;
        j->frame[e] = frame_of(s, w, r, e);
        if (e == 0 || timed)
            MGD_TRY(mgd_simulated_read(j->ctx, s, w, r, &j->frame[e], &base));
        MGD_TRY(drive(j, w, e, base, &theta));
        j->weights[e] = mgd_simulated_multipliers(s, w, &j->frame[e], r->source.theta, theta);
        j->frame[e].settled = begins && e == 0;
    }
    return MGD_OK;
}

/* ---- a step ---------------------------------------------------------------------------------- */

static mgd_status measure(void *arg, mgd_context *ctx) {
    job *j = arg;
    const simulated *s = j->s;
    const simulated_nodes *n = s->nodes;
    const mgd_request *r = j->request;
    const mgd_point *last = &r->points[r->num_points - 1];
    const node_scratch *own = &n->scratch[r->worker];
    j->ctx = ctx;
    MGD_TRY(read_weights(j));
    bool done = mgd_nodes_sum(&n->chunks, n->shared ? r->pool : NULL, r->worker, measure_chunk, j,
                              n->learning.count, own->parts,
                              j->evaluations.step->gradient + n->learning.first);
    if (!done)
        return j->status != MGD_OK ? j->status : mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
    mgd_nodes_report(&j->evaluations, own->cost, s->batch, r);
    s->last[r->unit] = last->step * MGD_HW_TICKS + last->tick + 1;
    return MGD_OK;
}

mgd_status mgd_simulated_measure_nodes(mgd_context *ctx, mgd_session *session, const mgd_request *r,
                                       const mgd_node_step *step) {
    const simulated *s = (const simulated *)session;
    job j = {.s = s, .request = r, .evaluations = mgd_nodes_evaluations(r, step)};
    return mgd_simulated_whole(ctx, s, r, measure, &j);
}

/* ---- opening and closing --------------------------------------------------------------------- */

static mgd_status scratch_open(mgd_context *ctx, const simulated *s, bool requests,
                               node_scratch *own) {
    const simulated_nodes *n = s->nodes;
    const size_t row = s->width * s->real, all = n->chunks.count * s->width;
    const size_t gates = n->gates + n->largest, rooms = n->shared ? n->chunks.parts : 1;
    if (mgd_take(&own->steps, n->count + 1, row) && mgd_take(&own->delta, n->largest + 1, row) &&
        mgd_take(&own->open[0], gates + 1, row) && mgd_take(&own->open[1], gates + 1, row) &&
        mgd_take(&own->won, n->largest + 1, row) && mgd_take(&own->signal, 1, row) &&
        (!requests || (mgd_take(&own->cost[0], all, sizeof(double)) &&
                       mgd_take(&own->cost[1], all, sizeof(double)) &&
                       mgd_take(&own->parts, rooms * (n->learning.count + 1), sizeof(double)))))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_MEMORY,
                    "out of memory: perturbing %zu nodes for a batch of %zu on a chip with "
                    "imperfections",
                    n->count, s->batch);
}

mgd_status mgd_simulated_nodes_open(mgd_context *ctx, simulated *s, const mgd_task_spec *task) {
    simulated_nodes *n = s->nodes;
    void *memory;
    n->shared = n->shared && !s->calls;
    MGD_TRY(mgd_allocate(ctx, "scratch memory", s->num_workers, sizeof(worker), &memory));
    n->others = memory;
    MGD_TRY(mgd_allocate(ctx, "scratch memory", s->num_workers, sizeof(node_scratch), &memory));
    n->scratch = memory;
    for (size_t i = 0; i < s->num_workers; i++) {
        MGD_TRY(mgd_simulated_worker_open(ctx, s, &n->others[i]));
        MGD_TRY(scratch_open(ctx, s, i < task->requesters, &n->scratch[i]));
    }
    return MGD_OK;
}

static void scratch_close(node_scratch *own) {
    void *blocks[] = {own->steps,  own->delta,   own->open[0], own->open[1], own->won,
                      own->signal, own->cost[0], own->cost[1], own->parts};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mgd_free(blocks[i]);
}

void mgd_simulated_nodes_close(simulated *s) {
    simulated_nodes *n = s->nodes;
    if (!n)
        return;
    for (size_t i = 0; n->others && i < s->num_workers; i++)
        mgd_simulated_worker_close(&n->others[i]);
    for (size_t i = 0; n->scratch && i < s->num_workers; i++)
        scratch_close(&n->scratch[i]);
    mgd_free(n->others);
    mgd_free(n->scratch);
    mgd_free(n->ops);
    mgd_free(n->gate);
    mgd_free(n->marks);
    mgd_plan_close(&n->plan);
    mgd_free(n);
}
