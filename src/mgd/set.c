/* Setting θ of a run from outside: from there on it is as it would be had it begun with that θ, but
 * for what goes on with time: steps, samples, patterns, schedules, and what has been counted.
 */

#include "engines.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static mgd_status check_shape(mgd_context *ctx, const mgd_run *run, const mgd_tensor *theta) {
    size_t ndim = mgd_tensor_ndim(theta), replicas = run->train.replicas;
    const size_t *shape = mgd_tensor_shape(theta);
    bool one = ndim == 1 && shape[0] == run->parameters;
    bool each = ndim == 2 && shape[0] == replicas && shape[1] == run->parameters;
    if (one || each)
        return MGD_OK;
    char got[128], all[64] = "";
    if (replicas > 1)
        snprintf(all, sizeof all, ", or %zux%zu", replicas, run->parameters);
    return mgd_fail(ctx, MGD_ERR_SHAPE, "set_theta: θ is %s: expected %zu%s",
                    mgd_shape_format(got, sizeof got, ndim, shape), run->parameters, all);
}

/* As the chip's precision has them. */
static mgd_status check_values(mgd_context *ctx, const mgd_run *run, const mgd_tensor *theta) {
    const void *values = mgd_tensor_data(theta);
    for (size_t i = 0; i < mgd_tensor_size(theta); i++)
        if (!isfinite(mgd_run_real(run, values, i)))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "set_theta: parameter %zu of replica %zu is %s in %s: expected a "
                            "finite number",
                            i % run->parameters + 1, i / run->parameters + 1,
                            isnan(mgd_run_real(run, values, i)) ? "nan" : "infinite",
                            mgd_dtype_name(run->chip->dtype));
    return MGD_OK;
}

/* Everything that follows from what θ was. */
static void begin_anew(mgd_run *run) {
    mgd_state *state = &run->state;
    const size_t bytes = run->layout.units * mgd_run_unit_bytes(run);
    char *arrays[] = {state->gradient,        state->first_moment, state->second_moment,
                      state->window_gradient, state->average,      state->average_rest};
    double *signals[] = {state->c0, state->c, state->c_tilde};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (arrays[i])
            memset(arrays[i], 0, bytes);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        memset(signals[i], 0, run->signals.count * mgd_run_seats(run) * sizeof(double));
    for (size_t seat = 0; seat < mgd_run_seats(run); seat++) {
        state->window_first[seat] = state->window_end[seat] = 0;
        if (state->averaged)
            state->averaged[seat] = 0;
    }
    for (size_t unit = 0; unit < run->layout.units; unit++) {
        state->done[unit] = run->clock.step;
        state->careful[unit] = 1;
    }
    mgd_divergence_forget(run);
    mgd_run_sum_anew(run);
}

static void place(mgd_run *run, const mgd_tensor *theta) {
    bool each = mgd_tensor_ndim(theta) == 2;
    mgd_timer *windows = &run->clock.windows;
    mgd_run_settle(run);
    mgd_run_count(run);
    begin_anew(run);
    for (size_t r = 0; r < run->train.replicas; r++)
        mgd_run_row_set(run, run->state.theta, r,
                        (const char *)mgd_tensor_data(theta) +
                            (each ? r * run->parameters * run->real : 0));
    mgd_timer_set(windows, run->clock.step, windows->tau);
    run->kept = false;
    run->clock.began = run->clock.step;
    run->clock.began_window = windows->index;
    if (run->session->begin)
        run->session->begin(run->session, run->clock.step);
}

mgd_status mgd_run_set_theta(mgd_context *ctx, mgd_run *run, const mgd_tensor *theta) {
    MGD_OPERATION;
    if (!theta)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "set_theta: expected a tensor, got NULL");
    if (run->recording.recorder)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "set_theta: the run is recorded, and a recording holds no θ but that of "
                        "its beginning: expected a run without record");
    MGD_TRY(check_shape(ctx, run, theta));
    mgd_tensor *values;
    MGD_TRY(mgd_tensor_convert(ctx, theta, run->chip->dtype, &values));
    mgd_status status = check_values(ctx, run, values);
    if (status == MGD_OK)
        place(run, values);
    if (status == MGD_OK && run->engine->hold)
        status = run->engine->hold(ctx, run);
    mgd_tensor_free(values);
    return status;
}
