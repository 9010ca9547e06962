/* A session over a function from θ and x to y: one evaluation at a time, in the order of time. */

#include "chip.h"

#include "../net/net.h"
#include "../tensor/tensor.h"
#include "nodes_step.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define EVALUATE_ROWS 1000 /* samples handed over at once when a whole data set is evaluated */

typedef struct {
    mgd_session session;
    const mgd_net_kernels *kernels;
    mgd_respond *respond;
    void *user;
    mgd_dtype dtype; /* of θ, x and y */
    mgd_cost cost;
    size_t signals;           /* the cost, and … */
    const mgd_range *outputs; /* … the shares of these in it, which measure tells, too */
    size_t batch;
    mgd_samples samples;
    mgd_tensor *theta;      /* (P) what is handed over */
    mgd_tensor *x, *target; /* (B, …), (B, K) what is handed over */

    /* of a task that perturbs nodes */
    mgd_chip_move *move;
    mgd_chip_products *products;
    size_t nodes, width; /* M, and lanes for a batch */
    mgd_node_use use;
    mgd_tensor *shift; /* (B, M) ξ, then e */
    char *steps;       /* (M × width) s: signs, or reals */
    double *each[2];   /* (B) costs of samples in both evaluations */
} responder;

/* ---- costs of rows --------------------------------------------------------------------------- */

/* What is said of outputs y (B, O) against the target (B, K), or with steps: the mean cost; and the
 * fraction of right answers and the cost of each row (B), where they are not NULL. Of `signals`
 * costs the others are shares, each `stride` after the one before. */
typedef struct {
    size_t signals, stride;
    double *cost, *accuracy, *each;
} verdict;

/* Both are of the session's dtype and contiguous. */
static mgd_status cost_of_rows(mgd_context *ctx, const responder *s, const mgd_tensor *y,
                               const mgd_tensor *target, const verdict *v) {
    enum { TILE = 16 }; /* at least the kernels' lanes */
    const mgd_extent output = mgd_extent_of_sample(y), wanted = mgd_extent_of_sample(target);
    size_t n = mgd_tensor_shape(y)[0], outputs = output.features, targets = wanted.features;
    size_t steps = wanted.ndim == 2 ? wanted.size[0] : 1, columns = wanted.size[wanted.ndim - 1];
    size_t lanes = s->kernels->lanes;
    size_t row = lanes * mgd_dtype_size(s->dtype);
    void *y_lanes = mgd_calloc(outputs, row), *t_lanes = mgd_calloc(targets, row);
    double value[2 * TILE], hit[TILE], hits = 0;
    bool alike = outputs == targets;
    uint32_t index[TILE];
    if (!y_lanes || !t_lanes) {
        mgd_free(y_lanes);
        mgd_free(t_lanes);
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: cost of %zu outputs", outputs);
    }
    for (size_t c = 0; c < v->signals; c++)
        v->cost[c * v->stride] = 0;
    for (size_t first = 0; first < n; first += lanes) {
        size_t used = n - first < lanes ? n - first : lanes;
        for (size_t lane = 0; lane < lanes; lane++)
            index[lane] = (uint32_t)(first + (lane < used ? lane : used - 1));
        s->kernels->gather(mgd_tensor_data(y), outputs, index, y_lanes, lanes);
        s->kernels->gather(mgd_tensor_data(target), targets, index, t_lanes, lanes);
        for (size_t c = 0; c < v->signals && s->cost.kind != MGD_COST_FUNCTION; c++) {
            if (c == 0)
                s->kernels->cost(&s->cost, steps, columns, lanes, y_lanes, t_lanes, value);
            else
                mgd_net_share(s->kernels, s->dtype, s->outputs[c - 1], steps, columns, lanes,
                              y_lanes, t_lanes, value);
            for (size_t lane = 0; lane < used; lane++)
                v->cost[c * v->stride] += value[lane];
            if (v->each && c == 0)
                memcpy(v->each + first, value, used * sizeof *value);
        }
        if (v->accuracy && alike)
            s->kernels->hits(steps, columns, lanes, y_lanes, t_lanes, hit);
        for (size_t lane = 0; lane < used; lane++)
            hits += v->accuracy && alike ? hit[lane] : NAN;
    }
    mgd_free(y_lanes);
    mgd_free(t_lanes);
    for (size_t c = 0; c < v->signals; c++)
        v->cost[c * v->stride] /= (double)n;
    if (v->accuracy)
        *v->accuracy = hits / (double)n;
    if (s->cost.kind == MGD_COST_FUNCTION)
        return s->cost.function(s->cost.user, ctx, y, target, v->cost);
    return MGD_OK;
}

/* Checks the shape of outputs (B, …), which it frees, and compares them with the target. */
static mgd_status judge(mgd_context *ctx, const responder *s, mgd_tensor *raw,
                        const mgd_tensor *target, const verdict *v) {
    char shape[128];
    mgd_tensor *y;
    size_t n = mgd_tensor_shape(target)[0], ndim = mgd_tensor_ndim(raw);
    mgd_status status = MGD_OK;
    if (ndim < 2 || ndim > 3 || mgd_tensor_shape(raw)[0] != n || mgd_tensor_size(raw) < 1) {
        status = mgd_fail(
            ctx, MGD_ERR_SHAPE,
            "chip: evaluate returned y of shape %s: expected (B, O) with B = %zu, or (B, T, O)",
            mgd_shape_format(shape, sizeof shape, ndim, mgd_tensor_shape(raw)), n);
    } else {
        mgd_extent output = mgd_extent_of_sample(raw), wanted = mgd_extent_of_sample(target);
        status = mgd_cost_check(ctx, &s->cost, &output, &wanted);
    }
    if (status == MGD_OK)
        status = mgd_tensor_convert(ctx, raw, s->dtype, &y);
    mgd_tensor_free(raw);
    if (status != MGD_OK)
        return status;
    status = cost_of_rows(ctx, s, y, target, v);
    mgd_tensor_free(y);
    return status;
}

/* Asks for y and compares it with the target. */
static mgd_status answer(mgd_context *ctx, const responder *s, const mgd_tensor *theta,
                         const mgd_tensor *x, const mgd_tensor *target, const verdict *v) {
    mgd_tensor *raw;
    MGD_TRY(s->respond(s->user, ctx, theta, x, &raw));
    return judge(ctx, s, raw, target, v);
}

static void copy_rows(const mgd_tensor *rows, size_t row_bytes, const uint32_t *index, size_t n,
                      mgd_tensor *out) {
    const char *from = mgd_tensor_data(rows);
    char *to = mgd_tensor_data(out);
    for (size_t i = 0; i < n; i++)
        memcpy(to + i * row_bytes, from + index[i] * row_bytes, row_bytes);
}

static void load_samples(const responder *s, const uint32_t *index) {
    size_t size = mgd_dtype_size(s->dtype);
    copy_rows(s->samples.x, s->samples.features * size, index, s->batch, s->x);
    copy_rows(s->samples.y, s->samples.targets * size, index, s->batch, s->target);
}

/* ---- the session ----------------------------------------------------------------------------- */

static mgd_status measure(mgd_context *ctx, mgd_session *session, const mgd_request *r) {
    const responder *s = (const responder *)session;
    size_t parameters = mgd_tensor_size(s->theta);
    const uint32_t *loaded = NULL;
    for (size_t p = 0; p < r->num_points; p++) {
        const mgd_point *point = &r->points[p];
        void *theta = mgd_tensor_data(s->theta);
        if (point->sign == 0)
            memcpy(theta, r->source.theta, parameters * mgd_dtype_size(s->dtype));
        else
            r->source.perturbed(r->source.self, r->worker, point, r->source.theta, 0, parameters,
                                theta);
        if (point->samples != loaded)
            load_samples(s, point->samples);
        loaded = point->samples;
        const verdict v = {s->signals, r->num_points, &r->cost[p], NULL, NULL};
        MGD_TRY(answer(ctx, s, s->theta, s->x, s->target, &v));
    }
    return MGD_OK;
}

mgd_status mgd_responder_costs(mgd_context *ctx, mgd_session *session, mgd_tensor *y,
                               const uint32_t *samples, size_t stride, double *cost) {
    const responder *s = (const responder *)session;
    copy_rows(s->samples.y, s->samples.targets * mgd_dtype_size(s->dtype), samples, s->batch,
              s->target);
    const verdict v = {s->signals, stride, cost, NULL, NULL};
    return judge(ctx, s, y, s->target, &v);
}

/* Rows `first` … of t as a tensor of their own header. */
static mgd_status rows_of(mgd_context *ctx, const mgd_tensor *t, size_t first, size_t count,
                          mgd_tensor **out) {
    return mgd_tensor_slice(ctx, t, 0, first, count, 1, out);
}

static mgd_status evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                           double *cost, double *accuracy) {
    (void)pool;
    const responder *s = (const responder *)session;
    mgd_samples set;
    MGD_TRY(mgd_samples_open(ctx, s->dtype, x, y, &set));
    memcpy(mgd_tensor_data(s->theta), view->theta,
           mgd_tensor_size(s->theta) * mgd_dtype_size(s->dtype));
    mgd_status status = MGD_OK;
    double cost_sum = 0, hit_sum = 0;
    for (size_t first = 0; first < set.samples && status == MGD_OK; first += EVALUATE_ROWS) {
        size_t n = set.samples - first < EVALUATE_ROWS ? set.samples - first : EVALUATE_ROWS;
        mgd_tensor *part_x = NULL, *part_y = NULL;
        double part_cost, part_accuracy;
        const verdict v = {1, 1, &part_cost, &part_accuracy, NULL};
        status = rows_of(ctx, set.x, first, n, &part_x);
        if (status == MGD_OK)
            status = rows_of(ctx, set.y, first, n, &part_y);
        if (status == MGD_OK)
            status = answer(ctx, s, s->theta, part_x, part_y, &v);
        mgd_tensor_free(part_x);
        mgd_tensor_free(part_y);
        if (status == MGD_OK)
            status = mgd_interrupt_answer(ctx);
        if (status != MGD_OK)
            break;
        cost_sum += part_cost * (double)n;
        hit_sum += part_accuracy * (double)n;
    }
    if (status == MGD_OK) {
        *cost = cost_sum / (double)set.samples;
        *accuracy = hit_sum / (double)set.samples;
    }
    mgd_samples_close(&set);
    return status;
}

/* Rows first … of the outputs, which get their shape from the first that come. */
static mgd_status take_rows(mgd_context *ctx, const responder *s, const mgd_tensor *raw,
                            size_t first, size_t n, size_t samples, mgd_tensor **out) {
    char shape[128];
    size_t ndim = mgd_tensor_ndim(raw), sides[MGD_MAX_DIMS];
    const size_t *size = mgd_tensor_shape(raw);
    bool fits = ndim >= 2 && size[0] == n && mgd_tensor_size(raw) > 0;
    if (fits && *out)
        fits = mgd_tensor_size(raw) / n == mgd_tensor_size(*out) / samples;
    if (!fits)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "chip: evaluate returned y of shape %s: expected (B, O) with B = %zu, as "
                        "before",
                        mgd_shape_format(shape, sizeof shape, ndim, size), n);
    if (!*out) {
        memcpy(sides, size, ndim * sizeof *sides);
        sides[0] = samples;
        MGD_TRY(mgd_tensor_new(ctx, s->dtype, ndim, sides, out));
    }
    mgd_tensor *y;
    MGD_TRY(mgd_tensor_convert(ctx, raw, s->dtype, &y));
    size_t row = mgd_tensor_size(y) / n * mgd_dtype_size(s->dtype);
    memcpy((char *)mgd_tensor_data(*out) + first * row, mgd_tensor_data(y), n * row);
    mgd_tensor_free(y);
    return MGD_OK;
}

static mgd_status predict(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                          const mgd_tensor *x, uint64_t draw, mgd_tensor **y) {
    (void)draw; /* its noise is its own */
    const responder *s = (const responder *)session;
    size_t samples = mgd_tensor_ndim(x) > 0 ? mgd_tensor_shape(x)[0] : 0;
    mgd_tensor *rows, *out = NULL;
    if (samples < 1 || mgd_tensor_ndim(x) < 2)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "predict: x must have the shape (B, …) with B ≥ 1");
    MGD_TRY(mgd_tensor_convert(ctx, x, s->dtype, &rows));
    memcpy(mgd_tensor_data(s->theta), view->theta,
           mgd_tensor_size(s->theta) * mgd_dtype_size(s->dtype));
    mgd_status status = MGD_OK;
    for (size_t first = 0; first < samples && status == MGD_OK; first += EVALUATE_ROWS) {
        size_t n = samples - first < EVALUATE_ROWS ? samples - first : EVALUATE_ROWS;
        mgd_tensor *part = NULL, *raw = NULL;
        status = rows_of(ctx, rows, first, n, &part);
        if (status == MGD_OK)
            status = s->respond(s->user, ctx, s->theta, part, &raw);
        if (status == MGD_OK)
            status = take_rows(ctx, s, raw, first, n, samples, &out);
        mgd_tensor_free(part);
        mgd_tensor_free(raw);
        if (status == MGD_OK)
            status = mgd_interrupt_answer(ctx);
    }
    mgd_tensor_free(rows);
    if (status == MGD_OK)
        *y = out;
    else
        mgd_tensor_free(out);
    return status;
}

/* Rows of some numbers as a tensor. */
static mgd_status gather_rows(mgd_context *ctx, const responder *s, const mgd_tensor *rows,
                              const uint32_t *index, size_t n, mgd_tensor **out) {
    size_t shape[MGD_MAX_DIMS], ndim = mgd_tensor_ndim(rows);
    memcpy(shape, mgd_tensor_shape(rows), ndim * sizeof *shape);
    shape[0] = n;
    MGD_TRY(mgd_tensor_new(ctx, s->dtype, ndim, shape, out));
    copy_rows(rows, mgd_tensor_size(*out) / n * mgd_dtype_size(s->dtype), index, n, *out);
    return MGD_OK;
}

/* Costs (n) of training samples at s->theta, each by itself: a function takes one at a time. */
static mgd_status each_cost(mgd_context *ctx, const responder *s, const uint32_t *index, size_t n,
                            double *each) {
    mgd_tensor *x = NULL, *target = NULL;
    double mean;
    const verdict v = {1, 1, n > 1 ? &mean : each, NULL, n > 1 ? each : NULL};
    mgd_status status = gather_rows(ctx, s, s->samples.x, index, n, &x);
    if (status == MGD_OK)
        status = gather_rows(ctx, s, s->samples.y, index, n, &target);
    if (status == MGD_OK)
        status = answer(ctx, s, s->theta, x, target, &v);
    mgd_tensor_free(x);
    mgd_tensor_free(target);
    return status == MGD_OK ? mgd_interrupt_answer(ctx) : status;
}

/* Σ weight·C over some training samples at s->theta. */
static mgd_status weighted_cost(mgd_context *ctx, const responder *s, const mgd_weighted *set,
                                double *sum) {
    enum { ROWS = 256 }; /* handed over at once */
    double each[ROWS];
    const size_t most = s->cost.kind == MGD_COST_FUNCTION ? 1 : ROWS;
    *sum = 0;
    for (size_t k = 0, n; k < set->count; k += n) {
        n = set->count - k < most ? set->count - k : most;
        MGD_TRY(each_cost(ctx, s, set->index + k, n, each));
        for (size_t i = 0; i < n; i++)
            *sum += set->weight[k + i] * each[i];
    }
    return MGD_OK;
}

static double parameter_get(const responder *s, size_t i) {
    const void *data = mgd_tensor_data(s->theta);
    return s->dtype == MGD_F32 ? (double)((const float *)data)[i] : ((const double *)data)[i];
}

static void parameter_set(const responder *s, size_t i, double value) {
    void *data = mgd_tensor_data(s->theta);
    if (s->dtype == MGD_F32)
        ((float *)data)[i] = (float)value;
    else
        ((double *)data)[i] = value;
}

/* Central differences with the step that balances truncation and rounding: ε^⅓·max(1, |θ|). */
static mgd_status gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_weighted *set, double *out,
                           double *cost) {
    (void)pool;
    const responder *s = (const responder *)session;
    double relative = cbrt(s->dtype == MGD_F32 ? FLT_EPSILON : DBL_EPSILON);
    memcpy(mgd_tensor_data(s->theta), view->theta,
           mgd_tensor_size(s->theta) * mgd_dtype_size(s->dtype));
    for (size_t i = 0; i < mgd_tensor_size(s->theta); i++) {
        double centre = parameter_get(s, i), step = relative * fmax(1, fabs(centre)), c[2], at[2];
        for (int side = 0; side < 2; side++) {
            parameter_set(s, i, side ? centre + step : centre - step);
            at[side] = parameter_get(s, i);
            MGD_TRY(weighted_cost(ctx, s, set, &c[side]));
        }
        parameter_set(s, i, centre);
        out[i] = (c[1] - c[0]) / (at[1] - at[0]);
    }
    return cost ? weighted_cost(ctx, s, set, cost) : MGD_OK;
}

/* ---- nodes ----------------------------------------------------------------------------------- */

/* shift (B, M) ← factor_b·s, of each sample b; `factor` (B), or the same for all. */
static void shift_nodes(const responder *s, bool signs, const double *factor, double all) {
    void *out = mgd_tensor_data(s->shift);
    for (size_t b = 0; b < s->batch; b++)
        for (size_t j = 0; j < s->nodes; j++) {
            double own = factor ? factor[b] : all;
            size_t at = b * s->nodes + j, from = j * s->width + b;
            if (signs) {
                uint32_t word = ((const uint32_t *)(const void *)s->steps)[j / 32 * s->width + b];
                own = word >> j % 32 & 1 ? -own : own;
            } else {
                own *= s->dtype == MGD_F32 ? (double)((const float *)(const void *)s->steps)[from]
                                           : ((const double *)(const void *)s->steps)[from];
            }
            if (s->dtype == MGD_F32)
                ((float *)out)[at] = (float)own;
            else
                ((double *)out)[at] = own;
        }
}

/* Evaluation e, the cost of each sample into s->each[e]. */
static mgd_status move(mgd_context *ctx, const responder *s, const mgd_node_evaluations *all,
                       size_t e, bool signs) {
    const double amplitude = all->amplitude[e] * s->use.factor;
    double mean;
    const verdict v = {1, 1, &mean, NULL, s->each[e]};
    mgd_tensor *raw;
    memcpy(mgd_tensor_data(s->theta), all->theta[e],
           mgd_tensor_size(s->theta) * mgd_dtype_size(s->dtype));
    if (amplitude == 0)
        return answer(ctx, s, s->theta, s->x, s->target, &v);
    shift_nodes(s, signs, NULL, amplitude);
    MGD_TRY(s->move(s->user, ctx, s->theta, s->x, s->shift, &raw));
    return judge(ctx, s, raw, s->target, &v);
}

/* The products of a chip, which it frees, as doubles into the gradient. */
static mgd_status take_products(mgd_context *ctx, const responder *s, mgd_tensor *raw,
                                double *gradient) {
    char shape[128];
    size_t count = mgd_tensor_size(s->theta);
    mgd_tensor *values = NULL;
    mgd_status status = MGD_OK;
    if (mgd_tensor_ndim(raw) != 1 || mgd_tensor_size(raw) != count)
        status = mgd_fail(
            ctx, MGD_ERR_SHAPE,
            "chip: products returned the shape %s: expected (%zu), a sum over the "
            "batch for each parameter",
            mgd_shape_format(shape, sizeof shape, mgd_tensor_ndim(raw), mgd_tensor_shape(raw)),
            count);
    if (status == MGD_OK)
        status = mgd_tensor_convert(ctx, raw, MGD_F64, &values);
    mgd_tensor_free(raw);
    MGD_TRY(status);
    memcpy(gradient, mgd_tensor_data(values), count * sizeof *gradient);
    mgd_tensor_free(values);
    for (size_t i = 0; i < count; i++)
        if (!isfinite(gradient[i]))
            return mgd_fail(ctx, MGD_ERR_NONFINITE,
                            "chip: products: value %zu is %s: expected finite numbers", i + 1,
                            isnan(gradient[i]) ? "nan"
                            : gradient[i] > 0  ? "inf"
                                               : "-inf");
    return MGD_OK;
}

static mgd_status measure_nodes(mgd_context *ctx, mgd_session *session, const mgd_request *r,
                                const mgd_node_step *step) {
    const responder *s = (const responder *)session;
    const mgd_node_evaluations all = mgd_nodes_evaluations(r, step);
    mgd_tensor *raw;
    load_samples(s, all.point->samples);
    bool signs =
        step->steps(step->self, r->worker, all.point, 0, s->batch, s->width, false, s->steps);
    for (size_t e = 0; e < all.count; e++)
        MGD_TRY(move(ctx, s, &all, e, signs));
    mgd_nodes_report(&all, s->each, s->batch, r);
    if (step->uneven)
        step->steps(step->self, r->worker, all.point, 0, s->batch, s->width, true, s->steps);
    for (size_t b = 0; b < s->batch; b++) /* signals take the place of costs */
        s->each[0][b] = mgd_nodes_tilde(&all, s->each, b) * step->scale * s->use.weight;
    shift_nodes(s, signs, s->each[0], 1);
    memcpy(mgd_tensor_data(s->theta), r->source.theta,
           mgd_tensor_size(s->theta) * mgd_dtype_size(s->dtype));
    MGD_TRY(s->products(s->user, ctx, s->theta, s->x, s->shift, &raw));
    return take_products(ctx, s, raw, step->gradient);
}

mgd_status mgd_responder_nodes(mgd_context *ctx, mgd_session *session, const mgd_task_spec *task,
                               size_t nodes, mgd_chip_move *move_nodes,
                               mgd_chip_products *products) {
    responder *s = (responder *)session;
    const size_t lanes = s->kernels->lanes, shape[2] = {s->batch, nodes};
    void *memory;
    s->nodes = nodes;
    s->width = (s->batch + lanes - 1) / lanes * lanes;
    s->use = task->nodes[0];
    s->move = move_nodes;
    s->products = products;
    MGD_TRY(mgd_tensor_new(ctx, s->dtype, 2, shape, &s->shift));
    MGD_TRY(mgd_allocate(ctx, "perturbations of nodes", (nodes + 1) * s->width,
                         mgd_dtype_size(s->dtype), &memory));
    s->steps = memory;
    MGD_TRY(mgd_allocate(ctx, "costs of samples", 2 * s->batch, sizeof(double), &memory));
    s->each[0] = memory;
    s->each[1] = s->each[0] + s->batch;
    s->session.measure_nodes = measure_nodes;
    return MGD_OK;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static void close_session(mgd_session *session) {
    responder *s = (responder *)session;
    mgd_tensor_free(s->theta);
    mgd_tensor_free(s->x);
    mgd_tensor_free(s->target);
    mgd_tensor_free(s->shift);
    mgd_free(s->steps);
    mgd_free(s->each[0]);
    mgd_samples_close(&s->samples);
    mgd_free(s);
}

static mgd_status prepare(mgd_context *ctx, responder *s, const mgd_chip *chip,
                          const mgd_task_spec *task) {
    mgd_isa isa;
    MGD_TRY(mgd_isa_select(ctx, &isa));
    s->kernels = mgd_net_kernels_get(isa, s->dtype);
    MGD_TRY(mgd_samples_open(ctx, s->dtype, task->x, task->y, &s->samples));
    size_t shape[MGD_MAX_DIMS];
    memcpy(shape, mgd_tensor_shape(s->samples.x), mgd_tensor_ndim(s->samples.x) * sizeof *shape);
    shape[0] = task->batch;
    MGD_TRY(mgd_tensor_new(ctx, s->dtype, 1, &chip->num_parameters, &s->theta));
    MGD_TRY(mgd_tensor_new(ctx, s->dtype, mgd_tensor_ndim(s->samples.x), shape, &s->x));
    memcpy(shape, mgd_tensor_shape(s->samples.y), mgd_tensor_ndim(s->samples.y) * sizeof *shape);
    shape[0] = task->batch;
    return mgd_tensor_new(ctx, s->dtype, mgd_tensor_ndim(s->samples.y), shape, &s->target);
}

mgd_status mgd_responder_open(mgd_context *ctx, const mgd_chip *chip, mgd_respond *respond,
                              void *user, const mgd_task_spec *task, mgd_session **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip session", 1, sizeof(responder), &memory));
    responder *s = memory;
    s->session = (mgd_session){.measure = measure,
                               .evaluate = evaluate,
                               .predict = predict,
                               .gradient = gradient,
                               .close = close_session};
    s->respond = respond;
    s->user = user;
    s->dtype = chip->dtype;
    s->cost = task->cost;
    s->signals = task->signals;
    s->outputs = task->outputs;
    s->batch = task->batch;
    mgd_status status = prepare(ctx, s, chip, task);
    if (status != MGD_OK) {
        close_session(&s->session);
        return status;
    }
    *out = &s->session;
    return MGD_OK;
}
