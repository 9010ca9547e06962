/* The ideal chip: a network with nothing wrong with it, in lanes.
 *
 * Three ways to fill the lanes, which give the same bits:
 *   replicas  one point of W replicas, each with parameters and samples of its own;
 *   points    several points of one replica side by side (small batches);
 *   samples   one point, the batch in the lanes, parameters shared (large batches).
 */

#include "nodes.h"

#include <stdatomic.h>
#include <string.h>

#define WHOLE_BYTES 32768   /* up to so much, the parameters of all ops are fetched at once */
#define PREFETCH_ROW 512    /* bytes of the largest row that is prefetched … */
#define PREFETCH_SET 262144 /* … and of the smallest set whose rows are */
#define FEW_CHUNKS 4        /* for each thread: one more or less makes a difference */
#define PASS 400            /* multiply-adds that one pass costs besides its own */

typedef struct {
    mgd_chip chip;
    mgd_net *net;
} ideal_chip;

/* What one worker needs; W is the session's width. */
typedef struct {
    char *pack;               /* (largest op × W) perturbed parameters */
    char *arena;              /* (the plan's arena × W), the input first */
    char *other;              /* the same for the second of a pair of evaluations, else NULL */
    char *target;             /* (K × W) */
    double *value;            /* (2 × W) */
    double *share;            /* (2 × W) where there are shares */
    double *hit;              /* (W) */
    uint32_t *index;          /* (W) */
    const uint32_t *gathered; /* the index that input and target were gathered by; NULL: none */
    double *point_cost;       /* SAMPLES: (channels × max_points × chunks·W) */
} MGD_OWN_LINE scratch;

enum arrangement { REPLICAS, POINTS, SAMPLES };

typedef struct {
    mgd_session session;
    const mgd_net *net;
    enum arrangement arrangement;
    mgd_samples samples;
    mgd_cost cost;
    size_t channels;         /* the cost, and … */
    const mgd_range *shares; /* … shares in it */
    size_t batch;
    size_t width;
    size_t chunks;   /* SAMPLES: parts of `width` lanes that make up the batch */
    size_t real;     /* bytes of a real */
    size_t pack_row; /* bytes of one parameter for the lanes */
    bool pairs; /* REPLICAS: C₀ and C, or both sides, are evaluated together where they can be */
    bool whole; /* parameters are fetched for all ops at once */
    size_t workers;
    scratch *scratch;
    mgd_backward *backward; /* kept for a task of gradients, else NULL */
    mgd_nodes *nodes;       /* NULL: parameters are perturbed */
} ideal_session;

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
    for (size_t c = 1; c < s->channels; c++, to += stride) {
        mgd_net_share(s->net->kernels, s->net->dtype, s->shares[c - 1], s->samples.steps,
                      s->samples.columns, s->width, y, w->target, w->share);
        for (size_t lane = 0; lane < used; lane++)
            to[lane] = add ? to[lane] + w->share[lane] : w->share[lane];
    }
}

/* Sums over the batch into means, in each channel. */
static void divide_costs(const ideal_session *s, size_t used, double *to, size_t stride) {
    for (size_t c = 0; c < s->channels && s->batch > 1; c++, to += stride)
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
    for (size_t p = 0; p < s->channels * r->num_points; p++) {
        const double *cost = s->scratch[r->worker].point_cost + p * s->chunks * s->width;
        double sum = cost[0];
        for (size_t b = 1; b < s->batch; b++)
            sum += cost[b];
        r->cost[p] = sum / (double)s->batch;
    }
    return true;
}

/* The flag is left for the caller to clear: other requests may be under way. */
static mgd_status ideal_measure(mgd_context *ctx, mgd_session *session, const mgd_request *r) {
    const ideal_session *s = (const ideal_session *)session;
    bool complete = s->arrangement == REPLICAS  ? measure_replicas(s, r)
                    : s->arrangement == SAMPLES ? measure_samples(s, r)
                                                : measure_tiles_of_points(s, r);
    return complete ? MGD_OK : mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
}

static mgd_status ideal_measure_nodes(mgd_context *ctx, mgd_session *session, const mgd_request *r,
                                      const mgd_node_step *step) {
    return mgd_nodes_measure(ctx, ((const ideal_session *)session)->nodes, r, step);
}

/* Rows of a few cache lines, picked at random from a set larger than the caches near by. */
static bool worth_prefetching(const ideal_session *s) {
    size_t row = s->samples.features * s->real;
    return row <= PREFETCH_ROW && row * s->samples.samples > PREFETCH_SET;
}

static void ideal_prefetch(const mgd_session *session, const uint32_t *samples, size_t count) {
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

static mgd_status ideal_evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                 const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                                 double *cost, double *accuracy) {
    const ideal_session *s = (const ideal_session *)session;
    mgd_samples samples;
    MGD_TRY(mgd_net_samples_open(ctx, s->net, x, y, &s->cost, &samples));
    mgd_status status =
        mgd_net_evaluate(ctx, s->net, pool, view->theta, &samples, &s->cost, cost, accuracy);
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
    const mgd_net *net = s->net;
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

static mgd_status ideal_evaluate_lanes(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                       size_t units, uint64_t step, const void *theta,
                                       const mgd_tensor *x, const mgd_tensor *y, double *cost,
                                       double *accuracy) {
    (void)step;
    const ideal_session *s = (const ideal_session *)session;
    mgd_samples set;
    MGD_TRY(mgd_net_samples_open(ctx, s->net, x, y, &s->cost, &set));
    unit_evaluation e = {
        .session = s, .set = &set, .theta = theta, .cost = cost, .accuracy = accuracy};
    mgd_pool_run(pool, evaluate_unit, &e, units);
    mgd_samples_close(&set);
    return atomic_load(&e.incomplete) ? mgd_interrupted(ctx) : MGD_OK;
}

static mgd_status ideal_gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                 const mgd_view *view, const mgd_weighted *set, double *gradient,
                                 double *cost) {
    const ideal_session *s = (const ideal_session *)session;
    return mgd_net_backward(ctx, s->net, s->backward, pool, view->theta, &s->samples, &s->cost, set,
                            gradient, cost);
}

static mgd_status ideal_saturated(mgd_context *ctx, mgd_session *session, size_t unit,
                                  uint64_t step, const void *theta, const mgd_tensor *x,
                                  const mgd_tensor *y, double *share, size_t *units) {
    (void)unit;
    (void)step;
    const ideal_session *s = (const ideal_session *)session;
    mgd_samples samples;
    MGD_TRY(mgd_net_samples_open(ctx, s->net, x, y, &s->cost, &samples));
    mgd_status status = mgd_net_saturated(
        ctx, s->net, theta, s->arrangement == REPLICAS ? s->width : 0, &samples, share, units);
    mgd_samples_close(&samples);
    return status;
}

/* ---- opening and closing --------------------------------------------------------------------- */

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
        (s->channels == 1 || mgd_take(&w->share, 2 * s->width, sizeof(double))) &&
        mgd_take(&w->hit, s->width, sizeof(double)) &&
        mgd_take(&w->index, s->width, sizeof(uint32_t)) &&
        mgd_take(&w->point_cost, s->channels * max_points * s->chunks, s->width * sizeof(double)))
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
    s->pairs = s->arrangement == REPLICAS && s->channels == 1 && can_pair(s->net);
    s->real = mgd_dtype_size(s->net->dtype);
    s->pack_row = s->real * (s->arrangement == SAMPLES ? 1 : s->width);
    s->whole = s->net->num_parameters * s->pack_row <= WHOLE_BYTES;
}

static mgd_status prepare(mgd_context *ctx, ideal_session *s, const mgd_task_spec *task) {
    MGD_TRY(mgd_net_samples_open(ctx, s->net, task->x, task->y, &task->cost, &s->samples));
    arrange(s, task);
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "scratch memory", task->workers, sizeof(scratch), &memory));
    s->scratch = memory;
    for (size_t i = 0; i < s->workers; i++)
        MGD_TRY(scratch_open(ctx, s, i < task->requesters ? task->max_points : 0, &s->scratch[i]));
    if (task->nodes)
        return mgd_nodes_open(ctx, s->net, task, &s->samples, &s->nodes);
    return task->gradients
               ? mgd_backward_open(ctx, s->net, s->samples.targets, task->workers, &s->backward)
               : MGD_OK;
}

static mgd_status ideal_predict(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                                const mgd_tensor *x, uint64_t draw, mgd_tensor **y) {
    (void)draw; /* it has no noise */
    const mgd_net *net = ((const ideal_session *)session)->net;
    MGD_TRY(mgd_net_check_input(ctx, net, "predict", x));
    return mgd_net_forward_at(ctx, net, view->theta, x, y);
}

/* The network as a responder, for costs that only Lua can compute. */
static mgd_status respond(void *user, mgd_context *ctx, const mgd_tensor *theta,
                          const mgd_tensor *x, mgd_tensor **y) {
    const mgd_net *net = user;
    return mgd_net_forward_at(ctx, net, mgd_tensor_data(theta), x, y);
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
    s->session = (mgd_session){.measure = ideal_measure,
                               .measure_nodes = task->nodes ? ideal_measure_nodes : NULL,
                               .evaluate = ideal_evaluate,
                               .evaluate_lanes = task->width ? ideal_evaluate_lanes : NULL,
                               .predict = ideal_predict,
                               .gradient = ideal_gradient,
                               .saturated = ideal_saturated,
                               .close = ideal_close};
    s->net = net;
    s->cost = task->cost;
    s->channels = task->num_shares + 1;
    s->shares = task->shares;
    s->batch = task->batch;
    s->workers = task->workers;
    mgd_status status = prepare(ctx, s, task);
    if (status == MGD_OK && worth_prefetching(s))
        s->session.prefetch = ideal_prefetch;
    if (status != MGD_OK) {
        ideal_close(&s->session);
        return status;
    }
    *out = &s->session;
    return MGD_OK;
}

static void ideal_theta(const mgd_chip *chip, void *out) {
    const mgd_net *net = ((const ideal_chip *)chip)->net;
    memcpy(out, net->theta, net->num_parameters * mgd_dtype_size(net->dtype));
}

static mgd_status ideal_draw(mgd_context *ctx, const mgd_chip *chip, const mgd_init *init,
                             void *out) {
    return mgd_net_draw(ctx, ((const ideal_chip *)chip)->net, init, out);
}

static void ideal_free(mgd_chip *chip) {
    mgd_free(chip);
}

mgd_status mgd_chip_ideal(mgd_context *ctx, mgd_net *net, mgd_chip **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip", 1, sizeof(ideal_chip), &memory));
    ideal_chip *ideal = memory;
    ideal->net = net;
    ideal->chip = (mgd_chip){
        .dtype = net->dtype,
        .num_parameters = net->num_parameters,
        .num_nodes = mgd_nodes_count(net),
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
