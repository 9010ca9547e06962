/* Probes: looking at a run without changing it. */

#include "engines.h"

#include <float.h>
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
    mgd_status status = MGD_OK;
    for (size_t r = 0; r < replicas && array && status == MGD_OK; r++)
        status = mgd_run_row_copy(ctx, run, array, r,
                                  (char *)mgd_tensor_data(t) + r * run->parameters * run->real);
    if (status == MGD_OK)
        *out = t;
    else
        mgd_tensor_free(t);
    return status;
}

mgd_status mgd_run_theta(mgd_context *ctx, mgd_run *run, mgd_tensor **out) {
    MGD_OPERATION;
    return rows_tensor(ctx, run, mgd_run_shown(run), out);
}

mgd_status mgd_run_gradient(mgd_context *ctx, const mgd_run *run, mgd_tensor **out) {
    MGD_OPERATION;
    return rows_tensor(ctx, run, run->keeps_windows ? run->state.window_gradient : NULL, out);
}

mgd_status mgd_run_keep_gradient(mgd_context *ctx, mgd_run *run) {
    if (run->keeps_windows)
        return MGD_OK;
    run->keeps_windows = true;
    if (mgd_state_take(run))
        return MGD_OK;
    run->keeps_windows = false;
    return mgd_fail(ctx, MGD_ERR_MEMORY,
                    "out of memory: G and θ of the last window need %.0f bytes each",
                    (double)run->layout.units * (double)mgd_run_unit_bytes(run));
}

/* Replicas side by side, in the units where some run: those of them that are not known. */
static mgd_status evaluate_lanes(mgd_context *ctx, mgd_run *run, const char *theta,
                                 const mgd_tensor *x, const mgd_tensor *y, const bool *known,
                                 double *cost, double *accuracy) {
    size_t seats = run->layout.live_units * run->layout.lanes;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "costs", 2 * seats, sizeof(double), &memory));
    double *costs = memory, *accuracies = costs + seats;
    mgd_status status =
        run->session->evaluate_lanes(ctx, run->session, run->pool, run->layout.live_units,
                                     run->clock.step, theta, x, y, costs, accuracies);
    for (size_t r = 0; r < run->train.replicas && status == MGD_OK; r++)
        if (run->state.seat[r] < seats && !(known && known[r])) {
            cost[r] = costs[run->state.seat[r]];
            accuracy[r] = accuracies[run->state.seat[r]];
        }
    mgd_free(memory);
    return status;
}

mgd_status mgd_run_evaluate(mgd_context *ctx, mgd_run *run, const mgd_tensor *x,
                            const mgd_tensor *y, const bool *known, double *cost,
                            double *accuracy) {
    MGD_OPERATION;
    const char *theta = mgd_run_shown(run);
    size_t first = 0; /* of the seats whose replicas are evaluated one by one */
    void *row;
    MGD_TRY(mgd_allocate(ctx, "parameters", run->parameters, run->real, &row));
    mgd_status status = MGD_OK;
    if (run->session->evaluate_lanes) {
        status = evaluate_lanes(ctx, run, theta, x, y, known, cost, accuracy);
        first = run->layout.live_units * run->layout.lanes;
    }
    for (size_t r = 0; r < run->train.replicas && status == MGD_OK; r++) {
        if (run->state.seat[r] < first || (known && known[r]))
            continue;
        mgd_run_row_get(run, theta, r, row);
        mgd_view view = {.seat = run->state.seat[r], .step = run->clock.step, .theta = row};
        status = run->session->evaluate(ctx, run->session, run->pool, &view, x, y, &cost[r],
                                        &accuracy[r]);
    }
    mgd_free(row);
    return status;
}

/* The outputs of replica r, into `all` (R, …), which is made with the first. */
static mgd_status add_outputs(mgd_context *ctx, const mgd_run *run, size_t r, const mgd_tensor *y,
                              mgd_tensor **all) {
    size_t ndim = mgd_tensor_ndim(y), shape[MGD_MAX_DIMS], size = mgd_tensor_size(y);
    shape[0] = run->train.replicas;
    memcpy(shape + 1, mgd_tensor_shape(y), ndim * sizeof *shape);
    if (r == 0)
        MGD_TRY(mgd_tensor_new(ctx, mgd_tensor_dtype(y), ndim + 1, shape, all));
    if (mgd_tensor_size(*all) / run->train.replicas != size)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "predict: outputs of other shapes than before");
    size *= mgd_dtype_size(mgd_tensor_dtype(y));
    memcpy((char *)mgd_tensor_data(*all) + r * size, mgd_tensor_data(y), size);
    return MGD_OK;
}

mgd_status mgd_run_predict(mgd_context *ctx, mgd_run *run, const mgd_tensor *x, uint64_t draw,
                           mgd_tensor **out) {
    const bool single = run->train.replicas == 1;
    const char *theta = mgd_run_shown(run);
    void *row;
    MGD_TRY(mgd_allocate(ctx, "parameters", run->parameters, run->real, &row));
    mgd_status status = MGD_OK;
    mgd_tensor *all = NULL, *y = NULL;
    for (size_t r = 0; r < run->train.replicas && status == MGD_OK; r++) {
        mgd_run_row_get(run, theta, r, row);
        mgd_view view = {.seat = run->state.seat[r], .step = run->clock.step, .theta = row};
        status = run->session->predict(ctx, run->session, &view, x, draw, &y);
        if (status != MGD_OK || single)
            break;
        status = add_outputs(ctx, run, r, y, &all);
        mgd_tensor_free(y);
        y = NULL;
    }
    mgd_free(row);
    if (status == MGD_OK)
        *out = single ? y : all;
    else
        mgd_tensor_free(all);
    return status;
}

/* ---- angle ----------------------------------------------------------------------------------- */

/* Adds the samples of a batch to weights (N). */
static void add_batch(const mgd_run *run, size_t seat, uint64_t batch, double share,
                      double *weight) {
    uint32_t *samples = run->workers[0].block.samples; /* (B × lanes), free between segments */
    mgd_run_samples(run, seat / run->layout.lanes, batch, samples);
    for (size_t b = 0; b < run->train.batch; b++)
        weight[samples[b * run->layout.lanes + seat % run->layout.lanes]] +=
            share / (double)run->train.batch;
}

/* The timer by which samples were shown at an earlier step; NULL where that is forgotten. */
static const mgd_timer *shows_at(const mgd_run *run, uint64_t step) {
    if (step >= run->clock.shows.first)
        return &run->clock.shows;
    for (size_t i = 0; i < MGD_SHOWN && run->clock.shown[i].tau > 0; i++)
        if (step >= run->clock.shown[i].first)
            return &run->clock.shown[i];
    return NULL;
}

#define FORGOTTEN 1e-9 /* what a low-pass holds of samples so long ago is nothing */

/* How much each sample weighs in G: those of steps first … end − 1, or, for the low-pass of the
 * analog engine, of all steps before `end` as far as it remembers. False: some are forgotten. */
static bool window_weights(const mgd_run *run, size_t seat, uint64_t first, uint64_t end,
                           double *weight) {
    const bool analog = run->engine->filters;
    const uint64_t begin = analog ? run->clock.began : first;
    double keep = run->now.tau_theta / (run->now.tau_theta + 1), left = 1;
    memset(weight, 0, run->order.samples * sizeof *weight);
    for (uint64_t n = end; n > begin && left > FORGOTTEN;) {
        const mgd_timer *shows = shows_at(run, n - 1);
        if (!shows)
            return false;
        uint64_t start = mgd_timer_start(shows, n - 1);
        uint64_t from = start > begin ? start : begin;
        double steps = (double)(n - from), share = steps / (double)(end - first);
        if (analog) {
            double after = left * mgd_power(keep, steps);
            share = left - after;
            left = after;
        }
        add_batch(run, seat, mgd_timer_index(shows, n - 1), share, weight);
        n = from;
    }
    return true;
}

/* Whether a sum of squares has neither overflowed nor lost digits. */
static bool is_ordinary(double squares) {
    return squares >= DBL_MIN / DBL_EPSILON && squares <= DBL_MAX;
}

/* The power of 2 that brings `largest` to 1 … 2; 1 where there is none. */
static double scale_for(double largest) {
    return largest >= DBL_MIN && largest <= DBL_MAX ? ldexp(1, -ilogb(largest)) : 1;
}

/* Degrees between a row of reals and a vector; NaN when one of them is zero. */
static double angle_between(const mgd_run *run, const void *row, const double *vector) {
    double dot, a, b, scale[2] = {1, 1}, largest[2] = {0};
    for (int pass = 0; pass < 2; pass++) {
        dot = a = b = 0;
        for (size_t i = 0; i < run->parameters; i++) {
            double x = scale[0] * mgd_run_real(run, row, i), y = scale[1] * vector[i];
            dot += x * y;
            a += x * x;
            b += y * y;
            largest[0] = fmax(largest[0], fabs(x));
            largest[1] = fmax(largest[1], fabs(y));
        }
        if (is_ordinary(a) && is_ordinary(b))
            break;
        for (int k = 0; k < 2; k++)
            scale[k] = scale_for(largest[k]);
    }
    double cosine = dot / (sqrt(a) * sqrt(b));
    return acos(fmax(-1, fmin(1, cosine))) * (180 / acos(-1)) + (isnan(cosine) ? NAN : 0);
}

/* Scratch of the probes of a window. */
typedef struct {
    void *row;
    double *truth;
    uint32_t *index; /* (N) samples that weigh something … */
    double *weight;  /* … and how much */
} angle_scratch;

/* The last completed window of a replica; false when none has been kept. */
static bool last_window(const mgd_run *run, size_t r, uint64_t *first, uint64_t *end) {
    size_t seat = run->state.seat[r];
    *first = (uint64_t)run->state.window_first[seat];
    *end = (uint64_t)run->state.window_end[seat];
    return run->keeps_windows && *end > 0;
}

/* |g|²/|G − g|², and G − g where it is wanted; published sums are made means. */
static double compare(const mgd_run *run, const void *row, const double *truth, double steps,
                      double *error) {
    double factor = 1, signal, noise, scale = 1, largest = 0;
    if (run->train.convention == MGD_CONVENTION_PUBLISHED)
        factor = (double)run->parameters / steps;
    for (int pass = 0; pass < 2; pass++) {
        signal = noise = 0;
        for (size_t i = 0; i < run->parameters; i++) {
            double off = factor * mgd_run_real(run, row, i) - truth[i];
            signal += truth[i] * scale * (truth[i] * scale);
            noise += off * scale * (off * scale);
            largest = fmax(largest, fmax(fabs(truth[i]), fabs(off)));
            if (error)
                error[i] = off;
        }
        if (is_ordinary(signal) && is_ordinary(noise))
            break;
        scale = scale_for(largest);
    }
    return signal / noise;
}

static mgd_status angle_of(mgd_context *ctx, mgd_run *run, size_t r, bool whole_set,
                           angle_scratch *w, double *angle, double *snr, double *error) {
    size_t n = (size_t)run->order.samples, seat = run->state.seat[r], count = 0;
    uint64_t first, end;
    if (!last_window(run, r, &first, &end))
        return MGD_OK;
    for (size_t i = 0; i < n && whole_set; i++)
        w->weight[i] = 1 / (double)n;
    if (!whole_set && !window_weights(run, seat, first, end, w->weight))
        return MGD_OK;
    for (size_t i = 0; i < n; i++)
        if (w->weight[i] != 0) {
            w->index[count] = (uint32_t)i;
            w->weight[count++] = w->weight[i];
        }
    mgd_run_row_get(run, run->state.window_theta, r, w->row);
    mgd_view view = {.seat = seat, .step = end, .theta = w->row};
    mgd_weighted set = {count, w->index, w->weight};
    MGD_TRY(mgd_run_keep(ctx, run));
    MGD_TRY(run->session->gradient(ctx, run->session, run->pool, &view, &set, w->truth, NULL));
    mgd_rules_mask(run, w->truth);
    mgd_run_row_get(run, run->state.window_gradient, r, w->row);
    *angle = angle_between(run, w->row, w->truth);
    *snr = compare(run, w->row, w->truth, (double)(end - first), error);
    return MGD_OK;
}

mgd_status mgd_run_angle(mgd_context *ctx, mgd_run *run, bool whole_set, double *angle, double *snr,
                         double *error) {
    MGD_OPERATION;
    const size_t replicas = run->train.replicas;
    for (size_t r = 0; r < replicas; r++)
        angle[r] = snr[r] = NAN;
    for (size_t i = 0; error && i < replicas * run->parameters; i++)
        error[i] = NAN;
    if (!run->keeps_windows)
        return MGD_OK;
    angle_scratch w = {mgd_calloc(run->parameters, run->real),
                       mgd_calloc(run->parameters, sizeof(double)),
                       mgd_calloc((size_t)run->order.samples, sizeof(uint32_t)),
                       mgd_calloc((size_t)run->order.samples, sizeof(double))};
    mgd_status status = MGD_OK;
    if (!w.row || !w.truth || !w.index || !w.weight)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: the angle probe");
    for (size_t r = 0; r < replicas && status == MGD_OK; r++)
        status = angle_of(ctx, run, r, whole_set, &w, &angle[r], &snr[r],
                          error ? error + r * run->parameters : NULL);
    mgd_free(w.row);
    mgd_free(w.truth);
    mgd_free(w.index);
    mgd_free(w.weight);
    return status;
}

mgd_status mgd_run_update_norm(mgd_context *ctx, const mgd_run *run, double *norm) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "parameters", 2 * run->parameters, run->real, &memory));
    char *now = memory, *before = now + run->parameters * run->real;
    uint64_t first, end;
    for (size_t r = 0; r < run->train.replicas; r++) {
        norm[r] = NAN;
        if (!last_window(run, r, &first, &end))
            continue;
        double sum = 0;
        mgd_run_row_get(run, run->state.theta, r, now);
        mgd_run_row_get(run, run->state.window_theta, r, before);
        for (size_t i = 0; i < run->parameters; i++) {
            double change = mgd_run_real(run, now, i) - mgd_run_real(run, before, i);
            sum += change * change;
        }
        norm[r] = sqrt(sum);
    }
    mgd_free(memory);
    return MGD_OK;
}

/* ---- signal and units ------------------------------------------------------------------------ */

uint64_t mgd_run_signal(const mgd_run *run, bool mean, double *c, double *c_tilde, double *ulps) {
    uint64_t steps = mean ? run->clock.step - run->counters.summed_from : 0;
    for (size_t r = 0; r < run->train.replicas; r++) {
        size_t seat = run->state.seat[r];
        bool summed = steps > 0 && run->state.alive[seat] != 0;
        c[r] = summed ? run->state.sum_c[seat] / (double)steps : run->state.c[seat];
        c_tilde[r] = summed ? run->state.sum_tilde[seat] / (double)steps : run->state.c_tilde[seat];
        int exponent;
        frexp(c[r], &exponent); /* of the power of two above C */
        ulps[r] = c[r] != 0 ? fabs(c_tilde[r]) / ldexp(run->chip->resolution, exponent - 1) : NAN;
    }
    return steps > 0 ? steps : 1;
}

mgd_status mgd_run_saturated(mgd_context *ctx, mgd_run *run, const mgd_tensor *x,
                             const mgd_tensor *y, double *share, size_t *units) {
    MGD_OPERATION;
    if (!run->session->saturated)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "saturated: this chip answers with outputs alone and shows no activations: "
                        "expected a network on an ideal or a simulated chip, with a built-in cost");
    void *memory;
    mgd_run_settle(run);
    MGD_TRY(mgd_allocate(ctx, "shares", mgd_run_seats(run), sizeof(double), &memory));
    double *shares = memory;
    mgd_status status = MGD_OK;
    for (size_t unit = 0; unit < run->layout.units && status == MGD_OK; unit++)
        status = run->session->saturated(ctx, run->session, unit, run->clock.step,
                                         run->state.theta + unit * mgd_run_unit_bytes(run), x, y,
                                         shares + unit * run->layout.lanes, units);
    for (size_t r = 0; r < run->train.replicas && status == MGD_OK; r++)
        share[r] = shares[run->state.seat[r]];
    mgd_free(memory);
    return status;
}
