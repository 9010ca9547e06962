/* A session over a function from θ and x to y: one evaluation at a time, in the order of time. */

#include "chip.h"

#include "../net/net.h"
#include "../tensor/tensor.h"

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
} responder;

/* ---- costs of rows --------------------------------------------------------------------------- */

/* The mean cost, and when `accuracy` is not NULL the fraction of right answers, of y (B, O) against
 * target (B, K), or with steps, both of the session's dtype and contiguous. Of `signals` costs the
 * others are shares, each `stride` after the one before. */
static mgd_status cost_of_rows(mgd_context *ctx, const responder *s, const mgd_tensor *y,
                               const mgd_tensor *target, size_t signals, size_t stride,
                               double *cost, double *accuracy) {
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
    for (size_t c = 0; c < signals; c++)
        cost[c * stride] = 0;
    for (size_t first = 0; first < n; first += lanes) {
        size_t used = n - first < lanes ? n - first : lanes;
        for (size_t lane = 0; lane < lanes; lane++)
            index[lane] = (uint32_t)(first + (lane < used ? lane : used - 1));
        s->kernels->gather(mgd_tensor_data(y), outputs, index, y_lanes, lanes);
        s->kernels->gather(mgd_tensor_data(target), targets, index, t_lanes, lanes);
        for (size_t c = 0; c < signals && s->cost.kind != MGD_COST_FUNCTION; c++) {
            if (c == 0)
                s->kernels->cost(&s->cost, steps, columns, lanes, y_lanes, t_lanes, value);
            else
                mgd_net_share(s->kernels, s->dtype, s->outputs[c - 1], steps, columns, lanes,
                              y_lanes, t_lanes, value);
            for (size_t lane = 0; lane < used; lane++)
                cost[c * stride] += value[lane];
        }
        if (accuracy && alike)
            s->kernels->hits(steps, columns, lanes, y_lanes, t_lanes, hit);
        for (size_t lane = 0; lane < used; lane++)
            hits += accuracy && alike ? hit[lane] : NAN;
    }
    mgd_free(y_lanes);
    mgd_free(t_lanes);
    for (size_t c = 0; c < signals; c++)
        cost[c * stride] /= (double)n;
    if (accuracy)
        *accuracy = hits / (double)n;
    if (s->cost.kind == MGD_COST_FUNCTION)
        return s->cost.function(s->cost.user, ctx, y, target, cost);
    return MGD_OK;
}

/* Checks the shape of outputs (B, …), which it frees, and compares them with the target. */
static mgd_status judge(mgd_context *ctx, const responder *s, mgd_tensor *raw,
                        const mgd_tensor *target, size_t signals, size_t stride, double *cost,
                        double *accuracy) {
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
    status = cost_of_rows(ctx, s, y, target, signals, stride, cost, accuracy);
    mgd_tensor_free(y);
    return status;
}

/* Asks for y and compares it with the target. */
static mgd_status answer(mgd_context *ctx, const responder *s, const mgd_tensor *theta,
                         const mgd_tensor *x, const mgd_tensor *target, size_t signals,
                         size_t stride, double *cost, double *accuracy) {
    mgd_tensor *raw;
    MGD_TRY(s->respond(s->user, ctx, theta, x, &raw));
    return judge(ctx, s, raw, target, signals, stride, cost, accuracy);
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
        MGD_TRY(answer(ctx, s, s->theta, s->x, s->target, s->signals, r->num_points, &r->cost[p],
                       NULL));
    }
    return MGD_OK;
}

mgd_status mgd_responder_costs(mgd_context *ctx, mgd_session *session, mgd_tensor *y,
                               const uint32_t *samples, size_t stride, double *cost) {
    const responder *s = (const responder *)session;
    copy_rows(s->samples.y, s->samples.targets * mgd_dtype_size(s->dtype), samples, s->batch,
              s->target);
    return judge(ctx, s, y, s->target, s->signals, stride, cost, NULL);
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
        status = rows_of(ctx, set.x, first, n, &part_x);
        if (status == MGD_OK)
            status = rows_of(ctx, set.y, first, n, &part_y);
        if (status == MGD_OK)
            status = answer(ctx, s, s->theta, part_x, part_y, 1, 1, &part_cost, &part_accuracy);
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

/* Σ weight·C over some training samples at s->theta, sample by sample. */
static mgd_status weighted_cost(mgd_context *ctx, const responder *s, const mgd_weighted *set,
                                double *sum) {
    *sum = 0;
    for (size_t k = 0; k < set->count; k++) {
        size_t i = set->index[k];
        mgd_tensor *x = NULL, *target = NULL;
        double cost;
        mgd_status status = rows_of(ctx, s->samples.x, i, 1, &x);
        if (status == MGD_OK)
            status = rows_of(ctx, s->samples.y, i, 1, &target);
        if (status == MGD_OK)
            status = answer(ctx, s, s->theta, x, target, 1, 1, &cost, NULL);
        mgd_tensor_free(x);
        mgd_tensor_free(target);
        if (status == MGD_OK)
            status = mgd_interrupt_answer(ctx);
        MGD_TRY(status);
        *sum += set->weight[k] * cost;
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

static void close_session(mgd_session *session) {
    responder *s = (responder *)session;
    mgd_tensor_free(s->theta);
    mgd_tensor_free(s->x);
    mgd_tensor_free(s->target);
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
