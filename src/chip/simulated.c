/* The simulated chip: a network on hardware that is not ideal. Every point of a request passes
 *
 *     θ → weight → + perturbation → drive → network (input, neurons, output) → cost
 *
 * one after the other, because filters remember. A request is answered whole or not at all: the
 * interrupt flag is looked at before it begins.
 */

#include "simulated.h"

#include <math.h>
#include <string.h>

/* ---- frames ---------------------------------------------------------------------------------- */

/* Costs are doubles, and so is who moves. */
static mgd_hw_frame for_cost(const simulated *s, const worker *w, const mgd_hw_frame *of) {
    mgd_hw_frame f = *of;
    f.alive = of->alive ? w->moves : NULL;
    f.rows = f.sites = 1;
    f.width = s->replicas ? s->width : MGD_ALIGNMENT / sizeof(double);
    f.since = NULL;
    f.flow = of->flow == MGD_HW_PASSES ? MGD_HW_PASSES : MGD_HW_JUMPS;
    return f;
}

static size_t state_array(const part *p, const mgd_hw_frame *f) {
    return p->chain.num_states * f->rows * f->width * mgd_dtype_size(p->chain.dtype);
}

mgd_status mgd_simulated_apply(mgd_context *ctx, const simulated *s, const part *p, size_t unit,
                               const mgd_hw_frame *f, size_t copy, void *values) {
    if (!part_acts(p))
        return MGD_OK;
    return mgd_hw_chain_apply(
        ctx, &p->chain, f, s->coefs + unit * s->coef_bytes + p->coef,
        s->states + unit * s->state_bytes + p->state + copy * state_array(p, f), values);
}

/* ---- one pass through the network ------------------------------------------------------------ */

static mgd_status activate(mgd_context *ctx, const simulated *s, worker *w, size_t unit,
                           const mgd_hw_frame *f, size_t copy, const uint32_t *sample, size_t i) {
    mgd_op op = s->plan->ops[i];
    mgd_hw_frame g = mgd_simulated_features(s, f, op.out.features, f->copy, sample);
    char *y = mgd_net_place(s->net, w->arena, op.y, s->width);
    if (op.x[0] != op.y)
        memcpy(y, mgd_net_place(s->net, w->arena, op.x[0], s->width),
               op.out.features * s->width * s->real);
    op.x[0] = op.y;
    MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.before[i], unit, &g, copy, y));
    s->net->kernels->layer[op.vertex.kind]->forward[s->replicas](&op, NULL, w->arena, s->width);
    mgd_watch_op(&w->watch, s->net, &op, w->arena, s->width);
    if (w->moved)
        mgd_simulated_mark_open(s, w, i);
    return mgd_simulated_apply(ctx, s, &s->parts.after[i], unit, &g, copy, y);
}

/* From the input's line to the network's outputs. */
static mgd_status pass(mgd_context *ctx, const simulated *s, worker *w, size_t unit,
                       const mgd_hw_frame *f, size_t copy, const uint32_t *sample,
                       const multipliers *weights) {
    const size_t stride = s->real * (s->replicas ? s->width : 1);
    const bool noisy = !f->still || f->noisy;
    mgd_hw_frame in = mgd_simulated_features(s, f, s->samples.features, f->copy, sample);
    MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.input, unit, &in, copy, w->arena));
    w->watch.at = 0;
    for (size_t i = 0; i < s->plan->num_ops; i++) {
        const mgd_op *op = &s->plan->ops[i];
        if (part_acts(&s->parts.before[i]) || part_acts(&s->parts.after[i])) {
            MGD_TRY(activate(ctx, s, w, unit, f, copy, sample, i));
        } else if (noisy && part_acts(&s->parts.product[i])) {
            mgd_simulated_multiply(s, w, f, sample, weights, i);
        } else {
            mgd_op_forward(s->net, op, s->replicas, weights->theta + op->vertex.first * stride,
                           w->arena, s->width);
            mgd_watch_op(&w->watch, s->net, op, w->arena, s->width);
            if (w->moved)
                mgd_simulated_mark_open(s, w, i);
        }
        if (w->moved)
            mgd_simulated_move_nodes(s, w, i);
    }
    return MGD_OK;
}

mgd_status mgd_simulated_forward(mgd_context *ctx, const simulated *s, worker *w, size_t unit,
                                 const mgd_hw_frame *f, size_t copy, const uint32_t *sample,
                                 const multipliers *weights, void **y) {
    *y = mgd_net_place(s->net, w->arena, s->plan->output, s->width);
    if (f->flow != MGD_HW_STANDS)
        MGD_TRY(pass(ctx, s, w, unit, f, copy, sample, weights));
    mgd_hw_frame out = mgd_simulated_features(s, f, s->net->outputs, f->copy, sample);
    return mgd_simulated_apply(ctx, s, &s->parts.output, unit, &out, copy, *y);
}

/* Models of the input spoil what lies in the arena, so that they get a copy. */
void mgd_simulated_gather(const simulated *s, worker *w, const uint32_t *index) {
    const mgd_net_kernels *k = s->net->kernels;
    size_t features = s->samples.features;
    char *to = w->input ? w->input : w->arena;
    if (w->gathered != index) {
        k->gather(mgd_tensor_data(s->samples.x), features, index, to, s->width);
        k->gather(mgd_tensor_data(s->samples.y), s->samples.targets, index, w->target, s->width);
        w->gathered = index;
    }
    if (w->input)
        memcpy(w->arena, w->input, features * s->width * s->real);
}

/* ---- parameters ------------------------------------------------------------------------------ */

/* What the weights are at this point, as they are driven. `base` is what they read as. */
mgd_status mgd_simulated_drive(mgd_context *ctx, const simulated *s, worker *w,
                               const mgd_request *r, const mgd_point *point, const mgd_hw_frame *f,
                               const char *base, const void **out) {
    size_t count = s->net->num_parameters, n = s->rows * s->row_width;
    bool path = part_acts(&s->parts.perturbation), driven = part_acts(&s->parts.drive);
    *out = w->pack;
    if (point->sign == 0 && !path && !driven) {
        *out = base;
        return MGD_OK;
    }
    if (path && point->sign == 0)
        memset(w->pack, 0, n * s->real);
    else if (point->sign == 0)
        memcpy(w->pack, base, n * s->real);
    if (point->sign != 0)
        r->source.perturbed(r->source.self, r->worker, point, path ? s->nothing : base, 0, count,
                            w->pack);
    if (path) {
        MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.perturbation, r->unit, f, 0, w->pack));
        s->hw->add(w->pack, base, n);
    }
    return mgd_simulated_apply(ctx, s, &s->parts.drive, r->unit, f, 0, w->pack);
}

void mgd_simulated_kept(const simulated *s, size_t unit, void *kept[MGD_HW_KEPT]) {
    char *states = s->states + unit * s->state_bytes;
    for (size_t i = 0; i < MGD_HW_KEPT; i++)
        kept[i] = s->kept[i] == SIZE_MAX ? NULL : states + s->kept[i];
}

mgd_status mgd_simulated_weights(mgd_context *ctx, const simulated *s, size_t unit,
                                 const mgd_hw_frame *f, void *theta) {
    void *kept[MGD_HW_KEPT];
    mgd_simulated_kept(s, unit, kept);
    if (kept[MGD_HW_OFFSET])
        s->hw->add(theta, kept[MGD_HW_OFFSET], s->rows * s->row_width);
    return mgd_simulated_apply(ctx, s, &s->parts.weight, unit, f, 0, theta);
}

/* θ as the multipliers read it, without perturbation. */
mgd_status mgd_simulated_read(mgd_context *ctx, const simulated *s, worker *w, const mgd_request *r,
                              const mgd_hw_frame *f, const char **base) {
    if (!part_acts(&s->parts.weight) && s->kept[MGD_HW_OFFSET] == SIZE_MAX) {
        *base = r->source.theta;
        return MGD_OK;
    }
    memcpy(w->base, r->source.theta, s->rows * s->row_width * s->real);
    *base = w->base;
    return mgd_simulated_weights(ctx, s, r->unit, f, w->base);
}

/* ---- measuring ------------------------------------------------------------------------------- */

/* The cost of a signal for outputs y in the lanes, into w->value. */
static void take_cost(const simulated *s, const worker *w, size_t signal, const void *y) {
    const mgd_samples *set = &s->samples;
    if (signal == 0)
        s->net->kernels->cost(&s->cost, set->steps, set->columns, s->width, y, w->target, w->value);
    else
        mgd_net_share(s->net->kernels, s->net->dtype, s->outputs[signal - 1], set->steps,
                      set->columns, s->width, y, w->target, w->value);
}

static mgd_status measure_replicas(mgd_context *ctx, const simulated *s, worker *w,
                                   const mgd_request *r, const mgd_point *point,
                                   const mgd_hw_frame *f, const multipliers *weights) {
    mgd_hw_frame at = *f;
    for (size_t b = 0; b < s->batch; b++) {
        void *y;
        at.copy = (uint32_t)b;
        mgd_simulated_gather(s, w, point->samples + b * s->width);
        MGD_TRY(mgd_simulated_forward(ctx, s, w, r->unit, &at, b, NULL, weights, &y));
        for (size_t c = 0; c < s->signals; c++) {
            double *sum = w->sum + c * s->width;
            take_cost(s, w, c, y);
            for (size_t lane = 0; lane < s->width; lane++)
                sum[lane] = b == 0 ? w->value[lane] : sum[lane] + w->value[lane];
        }
    }
    for (size_t i = 0; i < s->signals * s->width && s->batch > 1; i++)
        w->sum[i] /= (double)s->batch;
    return MGD_OK;
}

/* Chunks of a batch, which threads share. */
typedef struct {
    const simulated *s;
    const mgd_request *r;
    const mgd_point *point;
    const mgd_hw_frame *frame;
    const multipliers *weights;
    double *cost; /* (signals × costs_of) of the chunks */
    mgd_context *ctx;
    mgd_status status;
} chunk_job;

static void measure_chunk(void *arg, size_t chunk, size_t pool_worker) {
    chunk_job *job = arg;
    const simulated *s = job->s;
    worker *w = &s->workers[job->r->pool && !s->calls ? pool_worker : job->r->worker];
    void *y;
    mgd_hw_frame f = *job->frame;
    f.used = s->batch - chunk * s->width < s->width ? s->batch - chunk * s->width : s->width;
    for (size_t lane = 0; lane < s->width; lane++) {
        size_t b = chunk * s->width + lane;
        w->copy[lane] = (uint32_t)(b < s->batch ? b : s->batch - 1);
        w->index[lane] = job->point->samples[w->copy[lane]];
    }
    w->gathered = NULL;
    mgd_simulated_gather(s, w, w->index);
    mgd_status status =
        mgd_simulated_forward(job->ctx, s, w, job->r->unit, &f, chunk, w->copy, job->weights, &y);
    if (status != MGD_OK)
        job->status = status; /* only functions of the user's fail, and then there is one thread */
    for (size_t c = 0; c < s->signals && status == MGD_OK; c++) {
        take_cost(s, w, c, y);
        memcpy(job->cost + c * simulated_costs(s) + chunk * s->width, w->value,
               s->width * sizeof(double));
    }
}

static mgd_status measure_samples(mgd_context *ctx, const simulated *s, worker *w,
                                  const mgd_request *r, const mgd_point *point,
                                  const mgd_hw_frame *f, const multipliers *weights) {
    chunk_job job = {s, r, point, f, weights, w->sum, ctx, MGD_OK};
    mgd_pool_run(s->calls ? NULL : r->pool, measure_chunk, &job, s->chunks);
    for (size_t c = 0; c < s->signals; c++) {
        double *cost = w->sum + c * simulated_costs(s), sum = cost[0];
        for (size_t b = 1; b < s->batch; b++)
            sum += cost[b];
        cost[0] = sum / (double)s->batch;
    }
    return job.status;
}

mgd_status mgd_simulated_point(mgd_context *ctx, const simulated *s, worker *w,
                               const mgd_request *r, size_t p, const mgd_hw_frame *f,
                               const void *theta) {
    const size_t each = s->replicas ? s->width : 1;
    const multipliers weights = mgd_simulated_multipliers(s, w, f, r->source.theta, theta);
    if (s->replicas)
        MGD_TRY(measure_replicas(ctx, s, w, r, &r->points[p], f, &weights));
    else
        MGD_TRY(measure_samples(ctx, s, w, r, &r->points[p], f, &weights));
    for (size_t c = 0; c < s->signals; c++) { /* each goes its own way */
        double *cost = w->sum + c * simulated_costs(s);
        mgd_hw_frame way = for_cost(s, w, f);
        way.copy = (uint32_t)c;
        if (!s->replicas) /* what happens to one cost happens in the first lane */
            for (size_t lane = 1; lane < way.width; lane++)
                cost[lane] = cost[0];
        MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.cost, r->unit, &way, c, cost));
        memcpy(mgd_request_cost(r, c, p, each), cost, each * sizeof(double));
    }
    return MGD_OK;
}

/* ---- writing and resting --------------------------------------------------------------------- */

/* θ through the time that it has been held. */
static mgd_status keep(mgd_context *ctx, const simulated *s, size_t unit, mgd_hw_frame *f,
                       void *theta) {
    f->keeping = true;
    mgd_status status = mgd_simulated_apply(ctx, s, &s->parts.memory, unit, f, 0, theta);
    f->keeping = false;
    return status;
}

/* The end of a row's last tile belongs to no parameter. */
static void clear_tail(const simulated *s, char *values) {
    size_t n = s->net->num_parameters, all = s->rows * s->row_width;
    if (!s->replicas)
        memset(values + n * s->real, 0, (all - n) * s->real);
}

mgd_status mgd_simulated_write(mgd_context *ctx, mgd_session *session, const mgd_write *w) {
    simulated *s = (simulated *)session;
    worker *k = &s->workers[w->worker];
    const size_t n = s->rows * s->row_width, bytes = n * s->real;
    void *kept[MGD_HW_KEPT];
    mgd_simulated_kept(s, w->unit, kept);
    mgd_hw_frame f = mgd_simulated_parameters(s, k, w->unit, w->replica, w->step + 1);
    f.clock = --f.tick; /* at the end of its step */
    f.alive = s->replicas ? w->lives : NULL;
    memcpy(k->change, w->theta, bytes);
    s->hw->subtract(k->change, w->before, n);
    memcpy(w->theta, w->before, bytes);
    MGD_TRY(keep(ctx, s, w->unit, &f, w->theta));
    MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.change, w->unit, &f, 0, k->change));
    clear_tail(s, k->change);
    s->hw->write(&s->writer, &f, s->coefs + w->unit * s->coef_bytes + s->law, kept, w->theta,
                 k->change, s->pulses + w->unit * (s->replicas ? s->width : 1));
    if (part_acts(&s->parts.written)) {
        memcpy(k->base, w->theta, bytes);
        MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.written, w->unit, &f, 0, w->theta));
        s->hw->choose(w->theta, k->change, k->base, n);
    }
    if (f.alive)
        s->hw->choose_lanes(w->theta, f.alive, w->before, s->rows, s->row_width);
    for (size_t seat = w->unit * s->seats; seat < (w->unit + 1) * s->seats; seat++)
        s->from[seat] = s->stood[seat] == UINT64_MAX ? w->step + 1 : s->from[seat];
    return MGD_OK;
}

static void pass_time(const simulated *s, size_t unit, uint64_t step, double seconds, char *since) {
    for (size_t i = 0; i < s->rows * s->row_width; i++) {
        size_t lane = s->replicas ? i % s->row_width : 0;
        double held = mgd_simulated_held(s, unit * s->seats + lane, step) + seconds;
        simulated_real_set(s, since, i, simulated_real(s, since, i) + held);
    }
}

/* θ of each replica rests for as long as it has been held, and `seconds` more. Those that have been
 * held for other times have their turn alone. */
static void rest_unit(simulated *s, size_t unit, const mgd_rest *r) {
    worker *w = &s->workers[0];
    const size_t first = unit * s->seats, bytes = s->rows * s->row_width * s->real;
    mgd_context unused = {0}; /* what happens to θ while time passes cannot fail */
    char *theta = r->theta + unit * bytes;
    memcpy(w->base, theta, bytes);
    for (size_t turn = 0; turn < s->seats; turn++) {
        double held = mgd_simulated_held(s, first + turn, r->step);
        bool had = false;
        for (size_t lane = 0; lane < s->seats; lane++) {
            bool same = mgd_simulated_held(s, first + lane, r->step) == held;
            had = had || (same && lane < turn);
            w->moves[lane] = same;
        }
        if (had)
            continue;
        mgd_hw_frame f = mgd_simulated_parameters(s, w, unit, r->replica + first, r->step);
        f.held = held + r->seconds;
        f.held_lanes = NULL;
        f.tick = REST_TICKS + s->rests;
        f.keeping = true;
        memcpy(w->pack, w->base, bytes);
        mgd_simulated_apply(&unused, s, &s->parts.memory, unit, &f, 0, w->pack);
        for (size_t i = 0; i < s->rows * s->row_width; i++)
            if (!s->replicas || w->moves[i % s->row_width] != 0)
                memcpy(theta + i * s->real, w->pack + i * s->real, s->real);
    }
    if (s->kept[MGD_HW_SINCE] != SIZE_MAX)
        pass_time(s, unit, r->step, r->seconds,
                  s->states + unit * s->state_bytes + s->kept[MGD_HW_SINCE]);
    for (size_t seat = first; seat < first + s->seats; seat++)
        s->from[seat] = r->step < s->stood[seat] ? r->step : s->stood[seat];
}

void mgd_simulated_rest(mgd_session *session, const mgd_rest *r) {
    simulated *s = (simulated *)session;
    s->rests++;
    for (size_t unit = 0; unit < s->units; unit++)
        rest_unit(s, unit, r);
    s->origin += r->seconds;
}
