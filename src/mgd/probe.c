/* Probes: looking at a run without changing it. */

#include "run.h"

#include <math.h>
#include <string.h>

/* One row for a single run, a matrix for an ensemble. */
static mgd_status rows_tensor(mgd_context *ctx, const mgd_run *run, const char *array,
                              mgd_tensor **out) {
    size_t replicas = run->train.replicas;
    size_t shape[2] = {replicas, run->parameters};
    mgd_tensor *t;
    MGD_TRY(mgd_tensor_new(ctx, run->chip->dtype, replicas > 1 ? 2 : 1,
                           replicas > 1 ? shape : shape + 1, &t));
    for (size_t r = 0; r < replicas && array; r++)
        mgd_run_row_get(run, array, r,
                        (char *)mgd_tensor_data(t) + r * run->parameters * run->real);
    *out = t;
    return MGD_OK;
}

mgd_status mgd_run_theta(mgd_context *ctx, mgd_run *run, mgd_tensor **out) {
    mgd_run_settle(run);
    return rows_tensor(ctx, run, run->theta, out);
}

mgd_status mgd_run_gradient(mgd_context *ctx, const mgd_run *run, mgd_tensor **out) {
    return rows_tensor(ctx, run, run->window_gradient, out);
}

mgd_status mgd_run_keep_gradient(mgd_context *ctx, mgd_run *run) {
    if (run->window_gradient)
        return MGD_OK;
    void *gradient, *theta;
    MGD_TRY(
        mgd_allocate(ctx, "G of the last window", run->units, mgd_run_unit_bytes(run), &gradient));
    mgd_status status =
        mgd_allocate(ctx, "θ of the last window", run->units, mgd_run_unit_bytes(run), &theta);
    if (status != MGD_OK) {
        mgd_free(gradient);
        return status;
    }
    run->window_gradient = gradient;
    run->window_theta = theta;
    run->window_from = run->step;
    return MGD_OK;
}

/* Replicas side by side, in the units where some run: those of them that are not known. */
static mgd_status evaluate_lanes(mgd_context *ctx, mgd_run *run, const mgd_tensor *x,
                                 const mgd_tensor *y, const bool *known, double *cost,
                                 double *accuracy) {
    size_t slots = run->live_units * run->lanes;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "costs", 2 * slots, sizeof(double), &memory));
    double *costs = memory, *accuracies = costs + slots;
    mgd_status status =
        run->session->evaluate_lanes(ctx, run->session, run->pool, run->live_units, run->step,
                                     run->theta, x, y, costs, accuracies);
    for (size_t r = 0; r < run->train.replicas && status == MGD_OK; r++)
        if (run->slot[r] < slots && !(known && known[r])) {
            cost[r] = costs[run->slot[r]];
            accuracy[r] = accuracies[run->slot[r]];
        }
    mgd_free(memory);
    return status;
}

mgd_status mgd_run_evaluate(mgd_context *ctx, mgd_run *run, const mgd_tensor *x,
                            const mgd_tensor *y, const bool *known, double *cost,
                            double *accuracy) {
    mgd_run_settle(run);
    size_t first = 0; /* of the slots whose replicas are evaluated one by one */
    void *row;
    MGD_TRY(mgd_allocate(ctx, "parameters", run->parameters, run->real, &row));
    mgd_status status = MGD_OK;
    if (run->session->evaluate_lanes) {
        status = evaluate_lanes(ctx, run, x, y, known, cost, accuracy);
        first = run->live_units * run->lanes;
    }
    for (size_t r = 0; r < run->train.replicas && status == MGD_OK; r++) {
        if (run->slot[r] < first || (known && known[r]))
            continue;
        mgd_run_row_get(run, run->theta, r, row);
        mgd_view view = {.slot = run->slot[r], .step = run->step, .theta = row};
        status = run->session->evaluate(ctx, run->session, run->pool, &view, x, y, &cost[r],
                                        &accuracy[r]);
    }
    mgd_free(row);
    return status;
}

/* ---- angle ----------------------------------------------------------------------------------- */

/* How much each training sample weighs in the window of τ_θ steps that ended before step `end`. */
static void window_weights(const mgd_run *run, size_t r, uint64_t end, double *weight) {
    const mgd_train *t = &run->train;
    uint32_t *samples = run->workers[0].samples; /* (B × lanes), free between segments */
    size_t unit = run->slot[r] / run->lanes, lane = run->slot[r] % run->lanes;
    memset(weight, 0, run->order.samples * sizeof *weight);
    double share = 1 / ((double)t->tau_theta * (double)t->batch);
    for (uint64_t n = end - t->tau_theta; n < end;) {
        uint64_t next = (n / t->tau_x + 1) * t->tau_x;
        uint64_t steps = (next < end ? next : end) - n;
        mgd_run_samples(run, unit, n, samples);
        for (size_t b = 0; b < t->batch; b++)
            weight[samples[b * run->lanes + lane]] += share * (double)steps;
        n += steps;
    }
}

/* Degrees between a row of reals and a vector; NaN when one of them is zero. */
static double angle_between(const mgd_run *run, const void *row, const double *vector) {
    double dot = 0, a = 0, b = 0;
    for (size_t i = 0; i < run->parameters; i++) {
        double x = mgd_run_real(run, row, i);
        dot += x * vector[i];
        a += x * x;
        b += vector[i] * vector[i];
    }
    double cosine = dot / (sqrt(a) * sqrt(b));
    return acos(fmax(-1, fmin(1, cosine))) * (180 / acos(-1)) + (isnan(cosine) ? NAN : 0);
}

/* Scratch of the angle probe. */
typedef struct {
    void *row;
    double *weight, *truth;
} angle_scratch;

static mgd_status angle_of(mgd_context *ctx, mgd_run *run, size_t r, bool whole_set, uint64_t end,
                           angle_scratch *w, double *angle) {
    size_t n = (size_t)run->order.samples;
    if (whole_set)
        for (size_t i = 0; i < n; i++)
            w->weight[i] = 1 / (double)n;
    else
        window_weights(run, r, end, w->weight);
    mgd_run_row_get(run, run->window_theta, r, w->row);
    mgd_view view = {.slot = run->slot[r], .step = end, .theta = w->row};
    MGD_TRY(run->session->gradient(ctx, run->session, &view, w->weight, w->truth));
    mgd_run_row_get(run, run->window_gradient, r, w->row);
    *angle = angle_between(run, w->row, w->truth);
    return MGD_OK;
}

mgd_status mgd_run_angle(mgd_context *ctx, mgd_run *run, bool whole_set, double *angle) {
    uint64_t tau = run->train.tau_theta;
    for (size_t r = 0; r < run->train.replicas; r++)
        angle[r] = NAN;
    if (!run->window_gradient)
        return MGD_OK;
    angle_scratch w = {mgd_calloc(run->parameters, run->real),
                       mgd_calloc((size_t)run->order.samples, sizeof(double)),
                       mgd_calloc(run->parameters, sizeof(double))};
    mgd_status status = MGD_OK;
    if (!w.row || !w.weight || !w.truth)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: the angle probe");
    for (size_t r = 0; r < run->train.replicas && status == MGD_OK; r++) {
        double stopped = run->stopped[run->slot[r]];
        double last = isnan(stopped) ? (double)run->step : stopped;
        uint64_t end = (uint64_t)last / tau * tau; /* of its last completed window */
        if (end > run->window_from)
            status = angle_of(ctx, run, r, whole_set, end, &w, &angle[r]);
    }
    mgd_free(w.row);
    mgd_free(w.weight);
    mgd_free(w.truth);
    return status;
}
