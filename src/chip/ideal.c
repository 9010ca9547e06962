/* Sessions on the ideal chip: measuring, and what probes ask. */

#include "ideal.h"

#include <string.h>

#define FEW_CHUNKS 4 /* for each thread: one more or less makes a difference */

/* ---- one pass through the network ------------------------------------------------------------ */

/* Parameters first … first + count − 1 for the lanes: shared (count) or private (count × W). */
typedef const void *fetch_parameters(const ideal_session *s, const mgd_request *r, size_t worker,
                                     const mgd_point *point, size_t first, size_t count,
                                     void *pack);

/* One point: of W replicas, or of one with its batch in the lanes. */
static const void *fetch_point(const ideal_session *s, const mgd_request *r, size_t worker,
                               const mgd_point *point, size_t first, size_t count, void *pack) {
    const char *theta = (const char *)r->source.theta + first * s->pack_row;
    if (point->sign == 0)
        return theta;
    r->source.perturbed(r->source.self, worker, point, theta, first, count, pack);
    return pack;
}

/* Here `point` is the first of as many points as there are lanes. */
static const void *fetch_points(const ideal_session *s, const mgd_request *r, size_t worker,
                                const mgd_point *point, size_t first, size_t count, void *pack) {
    size_t rest = (size_t)(r->points + r->num_points - point);
    r->source.points(r->source.self, worker, point, rest < s->width ? rest : s->width, s->width,
                     first, count, pack);
    return pack;
}

/* The samples `index` (W) into the lanes, unless they are there already. */
static void gather_samples(const ideal_session *s, scratch *w, const uint32_t *index) {
    if (w->gathered == index)
        return;
    const mgd_net_kernels *k = s->net->kernels;
    k->gather(mgd_tensor_data(s->samples.x), s->samples.features, index, w->arena, s->width);
    k->gather(mgd_tensor_data(s->samples.y), s->samples.targets, index, w->target, s->width);
    w->gathered = index;
}

/* All parameters at once, for small networks; NULL: each op fetches its own, so that what is
 * fetched stays in the cache. */
static const char *fetch_whole(const ideal_session *s, const mgd_request *r, size_t worker,
                               const mgd_point *point, fetch_parameters *fetch) {
    return s->whole ? fetch(s, r, worker, point, 0, s->net->num_parameters, s->scratch[worker].pack)
                    : NULL;
}

/* The outputs (O × W) of what was gathered, with parameters as `fetch` gives them op by op, or all
 * at once where `all` is not NULL. */
static const void *forward(const ideal_session *s, const mgd_request *r, size_t worker,
                           const mgd_point *point, fetch_parameters *fetch, const char *all) {
    const mgd_net *net = s->net;
    const mgd_plan *plan = &net->plan;
    const bool private = s->arrangement != SAMPLES;
    scratch *w = &s->scratch[worker];
    for (size_t i = 0; i < plan->num_ops; i++) {
        const mgd_op *op = &plan->ops[i];
        const void *theta = all ? all + op->vertex.first * s->pack_row : NULL;
        if (!all && op->vertex.count > 0)
            theta = fetch(s, r, worker, point, op->vertex.first, op->vertex.count, w->pack);
        mgd_op_forward(net, op, private, theta, w->arena, s->width);
    }
    return mgd_net_place(net, w->arena, plan->output, s->width);
}

/* Costs of the lanes into value (W); the outputs. */
static const void *pass(const ideal_session *s, const mgd_request *r, size_t worker,
                        const mgd_point *point, fetch_parameters *fetch, const char *all,
                        double *value) {
    const void *y = forward(s, r, worker, point, fetch, all);
    s->net->kernels->cost(&s->cost, s->samples.steps, s->samples.columns, s->width, y,
                          s->scratch[worker].target, value);
    return y;
}

/* Shares of outputs y in the costs of the first `used` lanes: set, or added, where `to` and each
 * `stride` after it points to. */
static void take_shares(const ideal_session *s, const scratch *w, const void *y, size_t used,
                        bool add, double *to, size_t stride) {
    for (size_t c = 1; c < s->signals; c++, to += stride) {
        mgd_net_share(s->net->kernels, s->net->dtype, s->outputs[c - 1], s->samples.steps,
                      s->samples.columns, s->width, y, w->target, w->share);
        for (size_t lane = 0; lane < used; lane++)
            to[lane] = add ? to[lane] + w->share[lane] : w->share[lane];
    }
}

/* Sums over the batch into means, in each signal. */
static void divide_costs(const ideal_session *s, size_t used, double *to, size_t stride) {
    for (size_t c = 0; c < s->signals && s->batch > 1; c++, to += stride)
        for (size_t lane = 0; lane < used; lane++)
            to[lane] /= (double)s->batch;
}

/* ---- the three arrangements ------------------------------------------------------------------ */

/* Each answers whether it measured everything: an interrupt makes it leave out what is left. */

/* Whether point p and the next one are θ and θ + θ̃, or θ + θ̃ and θ − θ̃, on the same samples, and θ̃
 * is given as signs. */
static bool pair_at(const ideal_session *s, const mgd_request *r, size_t p, mgd_signs *signs) {
    if (!s->pairs || p + 1 >= r->num_points)
        return false;
    const mgd_point *a = &r->points[p], *b = &r->points[p + 1];
    bool together = (a->sign == 0 && b->sign == 1) || (a->sign == 1 && b->sign == -1);
    return together && a->samples == b->samples && (a->sign == 0 || a->slot == b->slot) &&
           r->source.signs(r->source.self, r->worker, b, signs);
}

/* Costs of the two points of a pair for the samples that were gathered, into cost[0] and cost[1].
 */
static void pass_pair(const ideal_session *s, const mgd_request *r, const mgd_signs *signs,
                      bool two_sided, double *const cost[2]) {
    const mgd_net *net = s->net;
    const mgd_net_kernels *k = net->kernels;
    scratch *w = &s->scratch[r->worker];
    void *const arenas[2] = {w->arena, w->other};
    for (size_t i = 0; i < net->plan.num_ops; i++) {
        const mgd_op *op = &net->plan.ops[i];
        if (op->vertex.count > 0)
            k->dense_pair(op, r->source.theta, signs, two_sided, arenas, s->width);
        for (size_t e = 0; e < 2 && op->vertex.count == 0; e++)
            mgd_op_forward(net, op, true, NULL, arenas[e], s->width);
    }
    for (size_t e = 0; e < 2; e++)
        k->cost(&s->cost, s->samples.steps, s->samples.columns, s->width,
                mgd_net_place(net, arenas[e], net->plan.output, s->width), w->target, cost[e]);
}

static void add_costs(double *sum, const double *cost, size_t width) {
    for (size_t lane = 0; lane < width; lane++)
        sum[lane] += cost[lane];
}

static bool measure_replicas(const ideal_session *s, const mgd_request *r) {
    scratch *w = &s->scratch[r->worker];
    size_t width = s->width, together;
    w->gathered = NULL;
    for (size_t p = 0; p < r->num_points; p += together) {
        const mgd_point *point = &r->points[p];
        double *cost = r->cost + p * width;
        mgd_signs signs;
        together = pair_at(s, r, p, &signs) ? 2 : 1;
        const char *all = together == 1 ? fetch_whole(s, r, r->worker, point, fetch_point) : NULL;
        for (size_t b = 0; b < s->batch; b++) {
            if (mgd_interrupt_pending())
                return false;
            double *to = b == 0 ? cost : w->value;
            gather_samples(s, w, point->samples + b * width);
            if (together == 2)
                pass_pair(s, r, &signs, point->sign != 0, (double *const[]){to, to + width});
            else
                take_shares(s, w, pass(s, r, r->worker, point, fetch_point, all, to), width, b > 0,
                            cost + r->num_points * width, r->num_points * width);
            if (b > 0)
                add_costs(cost, w->value, together * width);
        }
        divide_costs(s, together * width, cost, r->num_points * width);
    }
    return true;
}

/* Sample b of the batch of each point into its lane; mostly it is the same one. */
static void gather_points(const ideal_session *s, scratch *w, const mgd_point *points, size_t used,
                          size_t b) {
    w->gathered = NULL;
    if (points[0].samples == points[used - 1].samples) { /* in the order of time */
        size_t i = points[0].samples[b], row = s->real * s->samples.features;
        const char *x = mgd_tensor_data(s->samples.x), *y = mgd_tensor_data(s->samples.y);
        s->net->kernels->spread(x + i * row, s->samples.features, w->arena, s->width);
        s->net->kernels->spread(y + i * s->real * s->samples.targets, s->samples.targets, w->target,
                                s->width);
        return;
    }
    for (size_t lane = 0; lane < s->width; lane++)
        w->index[lane] = points[lane < used ? lane : used - 1].samples[b];
    gather_samples(s, w, w->index);
}

/* Work that the threads of a request's pool share. */
typedef struct {
    const ideal_session *session;
    const mgd_request *request;
    size_t groups; /* SAMPLES: parts into which the points of a chunk are cut */
    atomic_bool incomplete;
} shared_job;

/* Points `first` … of the request, as many as there are lanes; spare lanes repeat the last. */
static bool measure_points(const ideal_session *s, const mgd_request *r, size_t worker,
                           size_t first, size_t used) {
    scratch *w = &s->scratch[worker];
    const mgd_point *points = r->points + first;
    double *cost = r->cost + first;
    const char *all = fetch_whole(s, r, worker, points, fetch_points);
    for (size_t b = 0; b < s->batch; b++) {
        if (mgd_interrupt_pending())
            return false;
        gather_points(s, w, points, used, b);
        const void *y = pass(s, r, worker, points, fetch_points, all, w->value);
        for (size_t lane = 0; lane < used; lane++)
            cost[lane] = b == 0 ? w->value[lane] : cost[lane] + w->value[lane];
        take_shares(s, w, y, used, b > 0, cost + r->num_points, r->num_points);
    }
    divide_costs(s, used, cost, r->num_points);
    return true;
}

static void measure_tile(void *arg, size_t tile, size_t pool_worker) {
    shared_job *job = arg;
    const ideal_session *s = job->session;
    const mgd_request *r = job->request;
    size_t first = tile * s->width, rest = r->num_points - first;
    if (!measure_points(s, r, r->pool ? pool_worker : r->worker, first,
                        rest < s->width ? rest : s->width))
        atomic_store(&job->incomplete, true);
}

static bool measure_tiles_of_points(const ideal_session *s, const mgd_request *r) {
    shared_job job = {.session = s, .request = r};
    mgd_pool_run(r->pool, measure_tile, &job, (r->num_points + s->width - 1) / s->width);
    return !atomic_load(&job.incomplete);
}

/* The samples of the point in this chunk of its batch; spare lanes repeat the last. */
static void gather_chunk(const ideal_session *s, scratch *w, const mgd_point *point, size_t first) {
    for (size_t lane = 0; lane < s->width; lane++) {
        size_t b = first + lane < s->batch ? first + lane : s->batch - 1;
        w->index[lane] = point->samples[b];
    }
    w->gathered = NULL;
    gather_samples(s, w, w->index);
}

/* One chunk of the batch for one group of the request's points; those on the same samples, as C₀
 * and C of a step, share what was gathered. */
static void measure_chunk(void *arg, size_t index, size_t pool_worker) {
    shared_job *job = arg;
    const ideal_session *s = job->session;
    const mgd_request *r = job->request;
    size_t worker = r->pool ? pool_worker : r->worker;
    size_t chunk = index / job->groups, group = index % job->groups;
    size_t first = group * r->num_points / job->groups;
    size_t last = (group + 1) * r->num_points / job->groups;
    for (size_t p = first; p < last; p++) {
        if (mgd_interrupt_pending()) {
            atomic_store(&job->incomplete, true);
            return;
        }
        const mgd_point *point = &r->points[p];
        if (p == first || point->samples != point[-1].samples)
            gather_chunk(s, &s->scratch[worker], point, chunk * s->width);
        double *cost = s->scratch[r->worker].point_cost + (p * s->chunks + chunk) * s->width;
        size_t stride = r->num_points * s->chunks * s->width;
        const char *all = fetch_whole(s, r, worker, point, fetch_point);
        const void *y = pass(s, r, worker, point, fetch_point, all, cost);
        take_shares(s, &s->scratch[worker], y, s->width, false, cost + stride, stride);
    }
}

static bool measure_samples(const ideal_session *s, const mgd_request *r) {
    shared_job job = {.session = s, .request = r, .groups = 1};
    size_t threads = r->pool ? mgd_pool_threads(r->pool) : 1;
    while (job.groups * s->chunks < threads && job.groups < r->num_points)
        job.groups++;
    if (s->chunks % threads != 0 && s->chunks < FEW_CHUNKS * threads && r->num_points > 1)
        job.groups = job.groups < 2 ? 2 : job.groups; /* better gathered twice than waited for */
    mgd_pool_run(r->pool, measure_chunk, &job, s->chunks * job.groups);
    if (atomic_load(&job.incomplete))
        return false;
    for (size_t p = 0; p < s->signals * r->num_points; p++) {
        const double *cost = s->scratch[r->worker].point_cost + p * s->chunks * s->width;
        double sum = cost[0];
        for (size_t b = 1; b < s->batch; b++)
            sum += cost[b];
        r->cost[p] = sum / (double)s->batch;
    }
    return true;
}

/* The flag is left for the caller to clear: other requests may be under way. */
mgd_status mgd_ideal_measure(mgd_context *ctx, mgd_session *session, const mgd_request *r) {
    const ideal_session *s = (const ideal_session *)session;
    bool complete = s->arrangement == REPLICAS  ? measure_replicas(s, r)
                    : s->arrangement == SAMPLES ? measure_samples(s, r)
                                                : measure_tiles_of_points(s, r);
    return complete ? MGD_OK : mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
}

mgd_status mgd_ideal_measure_nodes(mgd_context *ctx, mgd_session *session, const mgd_request *r,
                                   const mgd_node_step *step) {
    return mgd_nodes_measure(ctx, ((const ideal_session *)session)->nodes, r, step);
}

void mgd_ideal_prefetch(const mgd_session *session, const uint32_t *samples, size_t count) {
    const ideal_session *s = (const ideal_session *)session;
    size_t x_row = s->samples.features * s->real, y_row = s->samples.targets * s->real;
    const char *x = mgd_tensor_data(s->samples.x), *y = mgd_tensor_data(s->samples.y);
    for (size_t i = 0; i < count; i++) {
        for (size_t at = 0; at < x_row; at += MGD_ALIGNMENT)
            __builtin_prefetch(x + samples[i] * x_row + at);
        __builtin_prefetch(x + samples[i] * x_row + x_row - 1);
        __builtin_prefetch(y + samples[i] * y_row);
    }
}

/* ---- probes ---------------------------------------------------------------------------------- */

mgd_status mgd_ideal_evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                              const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                              double *cost, double *accuracy) {
    const ideal_session *s = (const ideal_session *)session;
    mgd_samples samples;
    MGD_TRY(mgd_net_samples_open(ctx, s->all, x, y, &s->cost, &samples));
    mgd_status status =
        mgd_net_evaluate(ctx, s->all, pool, view->theta, &samples, &s->cost, cost, accuracy);
    mgd_samples_close(&samples);
    return status;
}

typedef struct {
    const ideal_session *session;
    const mgd_samples *set;
    const char *theta;       /* (units × P × W) */
    double *cost, *accuracy; /* (units × W) */
    atomic_bool incomplete;
} unit_evaluation;

/* Sample after sample for all replicas of a unit. */
static void evaluate_unit(void *arg, size_t unit, size_t worker) {
    unit_evaluation *e = arg;
    const ideal_session *s = e->session;
    const mgd_samples *set = e->set;
    const mgd_net *net = s->all;
    const mgd_net_kernels *k = net->kernels;
    scratch *w = &s->scratch[worker];
    const char *theta = e->theta + unit * net->num_parameters * s->pack_row;
    const char *x = mgd_tensor_data(set->x), *y = mgd_tensor_data(set->y);
    double *cost = e->cost + unit * s->width, *accuracy = e->accuracy + unit * s->width;
    w->gathered = NULL;
    memset(cost, 0, s->width * sizeof *cost);
    memset(accuracy, 0, s->width * sizeof *accuracy);
    for (size_t i = 0; i < set->samples; i++) {
        if (mgd_interrupt_pending()) {
            atomic_store(&e->incomplete, true);
            return;
        }
        k->spread(x + i * set->features * s->real, set->features, w->arena, s->width);
        k->spread(y + i * set->targets * s->real, set->targets, w->target, s->width);
        const void *answer = forward(s, NULL, worker, NULL, NULL, theta);
        k->cost(&s->cost, set->steps, set->columns, s->width, answer, w->target, w->value);
        k->hits(set->steps, set->columns, s->width, answer, w->target, w->hit);
        for (size_t lane = 0; lane < s->width; lane++) {
            cost[lane] += w->value[lane];
            accuracy[lane] += w->hit[lane];
        }
    }
    for (size_t lane = 0; lane < s->width; lane++) {
        cost[lane] /= (double)set->samples;
        accuracy[lane] /= (double)set->samples;
    }
}

mgd_status mgd_ideal_evaluate_lanes(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                    size_t units, uint64_t step, const void *theta,
                                    const mgd_tensor *x, const mgd_tensor *y, double *cost,
                                    double *accuracy) {
    (void)step;
    const ideal_session *s = (const ideal_session *)session;
    mgd_samples set;
    MGD_TRY(mgd_net_samples_open(ctx, s->all, x, y, &s->cost, &set));
    unit_evaluation e = {
        .session = s, .set = &set, .theta = theta, .cost = cost, .accuracy = accuracy};
    mgd_pool_run(pool, evaluate_unit, &e, units);
    mgd_samples_close(&set);
    return atomic_load(&e.incomplete) ? mgd_interrupted(ctx) : MGD_OK;
}

mgd_status mgd_ideal_gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                              const mgd_view *view, const mgd_weighted *set, double *gradient,
                              double *cost) {
    const ideal_session *s = (const ideal_session *)session;
    return mgd_net_backward(ctx, s->net, s->backward, pool, view->theta, &s->samples, &s->cost, set,
                            gradient, cost);
}

mgd_status mgd_ideal_saturated(mgd_context *ctx, mgd_session *session, size_t unit, uint64_t step,
                               const void *theta, const mgd_tensor *x, const mgd_tensor *y,
                               double *share, size_t *units) {
    (void)unit;
    (void)step;
    const ideal_session *s = (const ideal_session *)session;
    mgd_samples samples;
    MGD_TRY(mgd_net_samples_open(ctx, s->all, x, y, &s->cost, &samples));
    mgd_status status = mgd_net_saturated(
        ctx, s->all, theta, s->arrangement == REPLICAS ? s->width : 0, &samples, share, units);
    mgd_samples_close(&samples);
    return status;
}
