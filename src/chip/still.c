/* A simulated chip as probes see it: with all that is wrong with its devices, at its present age,
 * but settled and without noise. Nothing of the chip changes.
 */

#include "simulated.h"

#include <float.h>
#include <math.h>
#include <string.h>

static mgd_hw_frame still_frame(const simulated *s, worker *w, size_t unit, uint64_t step) {
    mgd_hw_frame f = mgd_simulated_parameters(s, w, unit, s->number + unit * s->seats, step);
    f.still = true;
    return f;
}

/* Weights as they read and are driven, in place. */
static mgd_status still_weights(mgd_context *ctx, const simulated *s, size_t unit,
                                const mgd_hw_frame *f, void *theta) {
    MGD_TRY(mgd_simulated_weights(ctx, s, unit, f, theta));
    return mgd_simulated_apply(ctx, s, &s->parts.drive, unit, f, 0, theta);
}

/* Rows (… × n) of the samples that `w` names into lanes (n × W): in replicas one sample for all, in
 * samples one for each. */
static void load(const simulated *s, const worker *w, const mgd_tensor *rows, size_t n, void *out) {
    const mgd_net_kernels *k = s->net->kernels;
    const char *from = mgd_tensor_data(rows);
    if (s->replicas)
        k->spread(from + w->index[0] * n * s->real, n, out, s->width);
    else
        k->gather(from, n, w->index, out, s->width);
}

/* Outputs of the samples that `w` names; variances of noise, where there is any, are in `w`. */
static mgd_status still_outputs(mgd_context *ctx, const simulated *s, worker *w, size_t unit,
                                const mgd_hw_frame *f, const mgd_tensor *x, const void *theta,
                                void **y) {
    mgd_hw_frame g = *f;
    g.used = w->used;
    g.copy = w->index[0]; /* tells draws of its noise apart, which there may be: see predict */
    load(s, w, x, s->samples.features, w->arena);
    w->gathered = NULL;
    const multipliers weights = {theta, w->variance};
    return mgd_simulated_forward(ctx, s, w, unit, &g, 0, f->noisy && !s->replicas ? w->index : NULL,
                                 &weights, y);
}

/* Outputs, costs (value) and hits (hit) of the samples that `w` names. */
static mgd_status still_pass(mgd_context *ctx, const simulated *s, worker *w, size_t unit,
                             const mgd_hw_frame *f, const mgd_samples *set, const void *theta) {
    const mgd_net_kernels *k = s->net->kernels;
    void *y;
    load(s, w, set->y, set->targets, w->target);
    MGD_TRY(still_outputs(ctx, s, w, unit, f, set->x, theta, &y));
    k->cost(&s->cost, set->steps, set->columns, s->width, y, w->target, w->value);
    k->hits(set->steps, set->columns, s->width, y, w->target, w->hit);
    return MGD_OK;
}

/* Samples of a pass, from number `first` of a list (NULL: 0, 1, …): in replicas one, in samples W.
 */
static size_t take(const simulated *s, worker *w, const uint32_t *index, size_t first,
                   size_t samples) {
    size_t used = s->replicas ? 1 : samples - first < s->width ? samples - first : s->width;
    for (size_t lane = 0; lane < s->width; lane++) {
        size_t at = first + (lane < used ? lane : used - 1);
        w->index[lane] = index ? index[at] : (uint32_t)at;
    }
    w->used = used;
    return used;
}

/* Means over a set: cost and accuracy (W) in replicas, (1) in samples. */
static mgd_status still_mean(mgd_context *ctx, const simulated *s, worker *w, size_t unit,
                             const mgd_hw_frame *f, const mgd_samples *set, const void *theta,
                             double *cost, double *accuracy) {
    memset(cost, 0, s->seats * sizeof *cost);
    memset(accuracy, 0, s->seats * sizeof *accuracy);
    for (size_t i = 0, used; i < set->samples; i += used) {
        if (mgd_interrupt_pending())
            return mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
        used = take(s, w, NULL, i, set->samples);
        MGD_TRY(still_pass(ctx, s, w, unit, f, set, theta));
        for (size_t lane = 0; lane < (s->replicas ? s->width : used); lane++) {
            cost[s->replicas ? lane : 0] += w->value[lane];
            accuracy[s->replicas ? lane : 0] += w->hit[lane];
        }
    }
    for (size_t lane = 0; lane < s->seats; lane++) {
        cost[lane] /= (double)set->samples;
        accuracy[lane] /= (double)set->samples;
    }
    return MGD_OK;
}

/* ---- evaluating ------------------------------------------------------------------------------ */

typedef struct {
    const simulated *s;
    const mgd_samples *set;
    const char *theta;
    uint64_t step;
    double *cost, *accuracy; /* (units × W) */
    atomic_bool interrupted, failed;
    mgd_context failure;
} unit_job;

static void evaluate_unit(void *arg, size_t unit, size_t at_work) {
    unit_job *job = arg;
    const simulated *s = job->s;
    worker *w = &s->workers[at_work];
    size_t bytes = s->rows * s->row_width * s->real;
    mgd_context ctx = {0};
    mgd_hw_frame f = still_frame(s, w, unit, job->step);
    memcpy(w->pack, job->theta + unit * bytes, bytes);
    mgd_status status = still_weights(&ctx, s, unit, &f, w->pack);
    if (status == MGD_OK)
        status = still_mean(&ctx, s, w, unit, &f, job->set, w->pack, job->cost + unit * s->seats,
                            job->accuracy + unit * s->seats);
    if (status == MGD_ERR_INTERRUPT)
        atomic_store(&job->interrupted, true);
    else if (status != MGD_OK && !atomic_exchange(&job->failed, true))
        job->failure = ctx;
}

mgd_status mgd_simulated_evaluate_lanes(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                        size_t units, uint64_t step, const void *theta,
                                        const mgd_tensor *x, const mgd_tensor *y, double *cost,
                                        double *accuracy) {
    const simulated *s = (const simulated *)session;
    mgd_samples set;
    MGD_TRY(mgd_net_samples_open(ctx, s->net, x, y, &s->cost, &set));
    unit_job job = {
        .s = s, .set = &set, .theta = theta, .step = step, .cost = cost, .accuracy = accuracy};
    mgd_pool_run(s->calls ? NULL : pool, evaluate_unit, &job, units);
    mgd_samples_close(&set);
    if (atomic_load(&job.failed))
        return mgd_fail(ctx, job.failure.status, "%s", job.failure.message);
    return atomic_load(&job.interrupted) ? mgd_interrupted(ctx) : MGD_OK;
}

/* θ (P) of one replica as parameters of its unit: in lanes all of them get it. */
static void place_theta(const simulated *s, const void *theta, void *out) {
    size_t n = s->net->num_parameters;
    if (s->replicas)
        s->net->kernels->spread(theta, n, out, s->width);
    else
        memcpy(out, theta, n * s->real);
}

mgd_status mgd_simulated_evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                  const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                                  double *cost, double *accuracy) {
    (void)pool;
    const simulated *s = (const simulated *)session;
    worker *w = &s->workers[0];
    size_t unit = view->seat / s->seats, lane = view->seat % s->seats;
    mgd_samples set;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "costs", 2 * s->seats, sizeof(double), &memory));
    double *means = memory;
    mgd_status status = mgd_net_samples_open(ctx, s->net, x, y, &s->cost, &set);
    if (status == MGD_OK) {
        mgd_hw_frame f = still_frame(s, w, unit, view->step);
        place_theta(s, view->theta, w->pack);
        status = still_weights(ctx, s, unit, &f, w->pack);
        if (status == MGD_OK)
            status = still_mean(ctx, s, w, unit, &f, &set, w->pack, means, means + s->seats);
        mgd_samples_close(&set);
    }
    if (status == MGD_OK) {
        *cost = means[lane];
        *accuracy = means[s->seats + lane];
    }
    mgd_free(memory);
    return status == MGD_ERR_INTERRUPT ? mgd_interrupted(ctx) : status;
}

/* ---- predicting ------------------------------------------------------------------------------ */

/* Outputs (O × W) of `used` samples from number `first` on into rows (… × O): those of one lane in
 * replicas. */
static void store_outputs(const simulated *s, size_t first, size_t used, size_t lane,
                          const char *from, char *to) {
    size_t n = s->net->outputs;
    for (size_t k = 0; k < used; k++)
        for (size_t o = 0; o < n; o++)
            memcpy(to + ((first + k) * n + o) * s->real,
                   from + (o * s->width + (s->replicas ? lane : k)) * s->real, s->real);
}

static mgd_status predict_rows(mgd_context *ctx, const simulated *s, const mgd_view *view,
                               uint64_t draw, const mgd_tensor *x, mgd_tensor *out) {
    worker *w = &s->workers[0];
    size_t unit = view->seat / s->seats, lane = view->seat % s->seats;
    size_t samples = mgd_tensor_shape(x)[0];
    mgd_hw_frame f = still_frame(s, w, unit, view->step);
    f.noisy = draw > 0;
    f.at_step = view->step;
    f.tick = f.noisy ? DRAW_TICKS + draw : f.tick;
    place_theta(s, view->theta, w->base);
    place_theta(s, view->theta, w->pack);
    MGD_TRY(still_weights(ctx, s, unit, &f, w->pack));
    if (f.noisy)
        mgd_simulated_multipliers(s, w, &f, w->base, w->pack);
    for (size_t i = 0, used; i < samples; i += used) {
        void *y;
        MGD_TRY(mgd_interrupt_answer(ctx));
        used = take(s, w, NULL, i, samples);
        MGD_TRY(still_outputs(ctx, s, w, unit, &f, x, w->pack, &y));
        store_outputs(s, i, used, lane, y, mgd_tensor_data(out));
    }
    return MGD_OK;
}

mgd_status mgd_simulated_predict(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                                 const mgd_tensor *x, uint64_t draw, mgd_tensor **y) {
    const simulated *s = (const simulated *)session;
    mgd_tensor *rows = NULL, *out = NULL;
    MGD_TRY(mgd_net_check_input(ctx, s->net, "predict", x));
    mgd_status status = mgd_tensor_convert(ctx, x, s->net->dtype, &rows);
    if (status == MGD_OK)
        status = mgd_net_outputs_new(ctx, s->net, mgd_tensor_shape(x)[0], &out);
    if (status == MGD_OK)
        status = predict_rows(ctx, s, view, draw, rows, out);
    mgd_tensor_free(rows);
    if (status == MGD_OK)
        *y = out;
    else
        mgd_tensor_free(out);
    return status;
}

/* ---- saturation ------------------------------------------------------------------------------ */

/* One pass of the samples that `w` names by the reference plan in an arena of its own: for chips
 * whose own plan fuses pools, and has no models within the network. */
static mgd_status watch_reference(mgd_context *ctx, const simulated *s, worker *w, size_t unit,
                                  const mgd_hw_frame *f, const mgd_samples *set, void *arena) {
    const mgd_net_kernels *k = s->net->kernels;
    const char *x = mgd_tensor_data(set->x);
    if (s->replicas)
        k->spread(x + w->index[0] * set->features * s->real, set->features, arena, s->width);
    else
        k->gather(x, set->features, w->index, arena, s->width);
    mgd_hw_frame in = mgd_simulated_features(s, f, set->features, f->copy, NULL);
    MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.input, unit, &in, 0, arena));
    mgd_watch_forward(&w->watch, s->net, &s->net->reference, w->pack, s->replicas, arena, s->width);
    return MGD_OK;
}

static mgd_status watch_set(mgd_context *ctx, const simulated *s, worker *w, size_t unit,
                            const mgd_hw_frame *f, const mgd_samples *set, void *arena) {
    for (size_t i = 0; i < set->samples;) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        i += take(s, w, NULL, i, set->samples);
        if (arena)
            MGD_TRY(watch_reference(ctx, s, w, unit, f, set, arena));
        else
            MGD_TRY(still_pass(ctx, s, w, unit, f, set, w->pack));
    }
    return MGD_OK;
}

mgd_status mgd_simulated_saturated(mgd_context *ctx, mgd_session *session, size_t unit,
                                   uint64_t step, const void *theta, const mgd_tensor *x,
                                   const mgd_tensor *y, double *share, size_t *units) {
    const simulated *s = (const simulated *)session;
    const bool bare = s->plan != &s->net->plan;
    const mgd_plan *plan = bare ? s->plan : &s->net->reference;
    worker *w = &s->workers[0];
    mgd_samples set = {0};
    void *arena = NULL;
    mgd_status status = mgd_net_samples_open(ctx, s->net, x, y, &s->cost, &set);
    if (status == MGD_OK)
        status = mgd_watch_open(ctx, plan, s->width, &w->watch);
    if (status == MGD_OK && !bare)
        status = mgd_allocate(ctx, "activations", plan->arena, s->width * s->real, &arena);
    if (status == MGD_OK) {
        mgd_hw_frame f = still_frame(s, w, unit, step);
        memcpy(w->pack, theta, s->rows * s->row_width * s->real);
        status = still_weights(ctx, s, unit, &f, w->pack);
        if (status == MGD_OK)
            status = watch_set(ctx, s, w, unit, &f, &set, arena);
    }
    if (status == MGD_OK) {
        mgd_watch_share(&w->watch, s->replicas, s->width, share);
        *units = w->watch.units;
    }
    mgd_free(arena);
    mgd_free(w->watch.marks);
    w->watch = (mgd_watch){0};
    mgd_samples_close(&set);
    return status;
}

/* ---- gradient -------------------------------------------------------------------------------- */

/* Whether back-propagation at the weights as they read is the whole truth. */
static bool is_plain(const simulated *s) {
    bool plain = !part_acts(&s->parts.input) && !part_acts(&s->parts.output);
    for (size_t i = 0; i < s->plan->num_ops; i++)
        plain = plain && !part_acts(&s->parts.before[i]) && !part_acts(&s->parts.after[i]);
    for (size_t i = 0; i < s->parts.drive.chain.num_ops; i++)
        plain = plain && s->parts.drive.chain.ops[i].type->noise;
    return plain;
}

/* Σ weight·C of one replica at driven weights. */
static mgd_status weighted_cost(mgd_context *ctx, const simulated *s, worker *w,
                                const mgd_view *view, const mgd_hw_frame *f,
                                const mgd_weighted *set, double *sum) {
    size_t unit = view->seat / s->seats, lane = view->seat % s->seats;
    *sum = 0;
    for (size_t i = 0, used; i < set->count; i += used) {
        used = take(s, w, set->index, i, set->count);
        MGD_TRY(mgd_interrupt_answer(ctx));
        MGD_TRY(still_pass(ctx, s, w, unit, f, &s->samples, w->pack));
        for (size_t k = 0; k < used; k++)
            *sum += set->weight[i + k] * w->value[s->replicas ? lane : k];
    }
    return MGD_OK;
}

static void set_all(const simulated *s, char *values, size_t i, double value) {
    size_t each = s->replicas ? s->width : 1;
    for (size_t lane = 0; lane < each; lane++)
        simulated_real_set(s, values, i * each + lane, value);
}

/* Central differences of what a perturbation of the weights as they read does; steps of ε^⅓. */
static mgd_status differences(mgd_context *ctx, const simulated *s, worker *w, const mgd_view *view,
                              const mgd_hw_frame *f, const mgd_weighted *set, double *gradient) {
    size_t unit = view->seat / s->seats, each = s->replicas ? s->width : 1;
    size_t bytes = s->rows * s->row_width * s->real;
    double relative = cbrt(s->real == sizeof(float) ? FLT_EPSILON : DBL_EPSILON);
    for (size_t i = 0; i < s->net->num_parameters; i++) {
        size_t at = i * each + (s->replicas ? view->seat % s->seats : 0);
        double centre = simulated_real(s, w->base, at), step = relative * fmax(1, fabs(centre));
        double c[2], place[2];
        for (int side = 0; side < 2; side++) {
            memcpy(w->pack, w->base, bytes);
            set_all(s, w->pack, i, side ? centre + step : centre - step);
            place[side] = simulated_real(s, w->pack, at);
            MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.drive, unit, f, 0, w->pack));
            MGD_TRY(weighted_cost(ctx, s, w, view, f, set, &c[side]));
        }
        gradient[i] = (c[1] - c[0]) / (place[1] - place[0]);
    }
    return MGD_OK;
}

mgd_status mgd_simulated_gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                  const mgd_view *view, const mgd_weighted *set, double *gradient,
                                  double *cost) {
    const simulated *s = (const simulated *)session;
    worker *w = &s->workers[0];
    size_t unit = view->seat / s->seats, lane = view->seat % s->seats;
    mgd_hw_frame f = still_frame(s, w, unit, view->step);
    place_theta(s, view->theta, w->base);
    MGD_TRY(mgd_simulated_weights(ctx, s, unit, &f, w->base));
    if (!is_plain(s)) {
        MGD_TRY(differences(ctx, s, w, view, &f, set, gradient));
        memcpy(w->pack, w->base, s->rows * s->row_width * s->real);
        MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.drive, unit, &f, 0, w->pack));
        return cost ? weighted_cost(ctx, s, w, view, &f, set, cost) : MGD_OK;
    }
    for (size_t i = 0; i < s->net->num_parameters && s->replicas; i++) /* this lane as a row */
        memcpy(w->pack + i * s->real, w->base + (i * s->width + lane) * s->real, s->real);
    return mgd_net_backward(ctx, s->net, s->backward, pool, s->replicas ? w->pack : w->base,
                            &s->samples, &s->cost, set, gradient, cost);
}
