/* The complete state of a run as named tensors, one row per replica, whatever the layout: a run can
 * be continued with another number of threads or another instruction set.
 */

#include "step.h"

#include "../base/number.h"

#include <math.h>
#include <string.h>

/* Columns of the tensor "replicas" (R × COLUMNS), f64: of each replica, and from STEP on of the
 * run, in every row. Steps are exact up to 2^53. */
enum {
    C0,
    C,
    C_TILDE,
    STOPPED,
    FINITE,
    FATAL,
    DONE,
    WINDOW_FIRST,
    WINDOW_END,
    ASKED_OF,
    WRITTEN_OF,
    REFERENCE,
    DIVERGED,
    STEP,
    ASKED,
    AMPLITUDE,
    TAU_THETA,
    FIRST_WINDOW,
    TIMERS, /* first, index, tau of slots, windows, shows */
    COLUMNS = TIMERS + 9
};

/* The arrays like θ that this run has; `out` has room for 6. Returns how many. */
static size_t list_arrays(const mgd_run *run, const char **names, char **arrays) {
    const struct {
        const char *name;
        char *array;
    } all[] = {{"theta", run->theta},
               {"gradient", run->gradient},
               {"first_moment", run->first_moment},
               {"second_moment", run->second_moment},
               {"window_gradient", run->window_gradient},
               {"window_theta", run->window_theta}};
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].array) {
            names[count] = all[i].name;
            arrays[count++] = all[i].array;
        }
    return count;
}

size_t mgd_run_state_count(const mgd_run *run) {
    const char *names[6];
    char *arrays[6];
    return list_arrays(run, names, arrays) + 1 + (run->channels > 1) +
           (run->session->num_states > 0);
}

const char *mgd_run_state_name(const mgd_run *run, size_t i) {
    const char *names[6];
    char *arrays[6];
    size_t count = list_arrays(run, names, arrays);
    if (i >= mgd_run_state_count(run))
        return NULL;
    return i < count                             ? names[i]
           : i == count                          ? "replicas"
           : i == count + 1 && run->channels > 1 ? "signals"
                                                 : "chip";
}

static void timer_get(const mgd_timer *timer, double *columns) {
    columns[0] = (double)timer->first;
    columns[1] = (double)timer->index;
    columns[2] = (double)timer->tau;
}

static void timer_set(mgd_timer *timer, const double *columns) {
    *timer = (mgd_timer){(uint64_t)columns[0], (uint64_t)columns[1], (uint64_t)columns[2]};
}

static void columns_get(mgd_run *run, double *columns) {
    mgd_run_count(run);
    for (size_t r = 0; r < run->train.replicas; r++, columns += COLUMNS) {
        size_t slot = run->slot[r];
        columns[C0] = run->c0[slot];
        columns[C] = run->c[slot];
        columns[C_TILDE] = run->c_tilde[slot];
        columns[STOPPED] = run->stopped[slot];
        columns[FINITE] = run->finite[slot];
        columns[FATAL] = run->fatal[slot];
        columns[DONE] = (double)run->done[slot / run->lanes];
        columns[WINDOW_FIRST] = run->window_first[slot];
        columns[WINDOW_END] = run->window_end[slot];
        columns[ASKED_OF] = run->asked_of[slot];
        columns[WRITTEN_OF] = run->written_of[slot];
        columns[REFERENCE] = run->reference[slot];
        columns[DIVERGED] = run->diverged[slot];
        columns[STEP] = (double)run->step;
        columns[ASKED] = run->asked;
        columns[AMPLITUDE] = run->amplitude;
        columns[TAU_THETA] = run->tau_theta;
        columns[FIRST_WINDOW] = run->first_window;
        timer_get(&run->slots, columns + TIMERS);
        timer_get(&run->windows, columns + TIMERS + 3);
        timer_get(&run->shows, columns + TIMERS + 6);
    }
}

static void columns_set(mgd_run *run, const double *columns) {
    run->step = run->asked_step = (uint64_t)columns[STEP];
    run->asked = columns[ASKED];
    run->amplitude = columns[AMPLITUDE];
    run->tau_theta = columns[TAU_THETA];
    run->first_window = columns[FIRST_WINDOW];
    timer_set(&run->slots, columns + TIMERS);
    timer_set(&run->windows, columns + TIMERS + 3);
    timer_set(&run->shows, columns + TIMERS + 6);
    for (size_t r = 0; r < run->train.replicas; r++, columns += COLUMNS) {
        size_t slot = run->slot[r];
        run->c0[slot] = columns[C0];
        run->c[slot] = columns[C];
        run->c_tilde[slot] = columns[C_TILDE];
        run->stopped[slot] = columns[STOPPED];
        run->finite[slot] = columns[FINITE] != 0;
        run->fatal[slot] = columns[FATAL];
        run->window_first[slot] = columns[WINDOW_FIRST];
        run->window_end[slot] = columns[WINDOW_END];
        run->asked_of[slot] = columns[ASKED_OF];
        run->written_of[slot] = columns[WRITTEN_OF];
        run->reference[slot] = columns[REFERENCE];
        run->diverged[slot] = columns[DIVERGED];
        run->alive[slot] = isnan(columns[STOPPED]) ? 1 : 0;
        /* a unit is ahead of the run only while one of its replicas runs */
        run->done[slot / run->lanes] = (uint64_t)columns[run->alive[slot] != 0 ? DONE : STEP];
    }
    run->live_units = run->units;
    memset(run->sums, 0, 2 * run->units * run->lanes * sizeof(double));
    run->sums_from = run->step;
    mgd_divergence_reset(run);
}

/* C₀, C and C̃ of each share, (R × 3·S), f64. */
static void signals_get(const mgd_run *run, double *columns) {
    size_t all = run->units * run->lanes;
    for (size_t r = 0; r < run->train.replicas; r++)
        for (size_t c = 1; c < run->channels; c++) {
            *columns++ = run->c0[c * all + run->slot[r]];
            *columns++ = run->c[c * all + run->slot[r]];
            *columns++ = run->c_tilde[c * all + run->slot[r]];
        }
}

static void signals_set(mgd_run *run, const double *columns) {
    size_t all = run->units * run->lanes;
    for (size_t r = 0; r < run->train.replicas; r++)
        for (size_t c = 1; c < run->channels; c++) {
            run->c0[c * all + run->slot[r]] = *columns++;
            run->c[c * all + run->slot[r]] = *columns++;
            run->c_tilde[c * all + run->slot[r]] = *columns++;
        }
}

/* What the chip's devices are in the middle of, (R × states), f64. */
static mgd_status chip_states(mgd_context *ctx, const mgd_run *run, mgd_tensor **out) {
    const mgd_session *s = run->session;
    MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, (size_t[]){run->train.replicas, s->num_states}, out));
    for (size_t r = 0; r < run->train.replicas; r++)
        s->state_get(s, run->slot[r], (double *)mgd_tensor_data(*out) + r * s->num_states);
    return MGD_OK;
}

mgd_status mgd_run_state_get(mgd_context *ctx, mgd_run *run, size_t i, mgd_tensor **out) {
    MGD_OPERATION;
    const char *names[6];
    char *arrays[6];
    size_t count = list_arrays(run, names, arrays), replicas = run->train.replicas;
    if (i >= mgd_run_state_count(run))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "state: there is no tensor %zu of %zu", i,
                        mgd_run_state_count(run));
    mgd_run_settle(run);
    if (i == count + 1 && run->channels > 1) {
        MGD_TRY(
            mgd_tensor_new(ctx, MGD_F64, 2, (size_t[]){replicas, 3 * (run->channels - 1)}, out));
        signals_get(run, mgd_tensor_data(*out));
        return MGD_OK;
    }
    if (i > count)
        return chip_states(ctx, run, out);
    bool columns = i >= count;
    size_t shape[2] = {replicas, columns ? COLUMNS : run->parameters};
    mgd_tensor *t;
    MGD_TRY(mgd_tensor_new(ctx, columns ? MGD_F64 : run->chip->dtype, 2, shape, &t));
    if (columns)
        columns_get(run, mgd_tensor_data(t));
    mgd_status status = MGD_OK;
    for (size_t r = 0; r < replicas && !columns && status == MGD_OK; r++)
        if (arrays[i] != run->gradient || mgd_run_in_window(run, r))
            status = mgd_run_row_copy(ctx, run, arrays[i], r,
                                      (char *)mgd_tensor_data(t) + r * run->parameters * run->real);
    if (status == MGD_OK)
        *out = t;
    else
        mgd_tensor_free(t);
    return status;
}

static mgd_status check_tensor(mgd_context *ctx, const mgd_run *run, const char *name,
                               const mgd_tensor *t, mgd_dtype dtype, size_t columns) {
    char shape[128];
    if (mgd_tensor_dtype(t) == dtype && mgd_tensor_contiguous(t) && mgd_tensor_ndim(t) == 2 &&
        mgd_tensor_shape(t)[0] == run->train.replicas && mgd_tensor_shape(t)[1] == columns)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_SHAPE, "state: %s is %s of %s: expected %zux%zu of %s", name,
                    mgd_shape_format(shape, sizeof shape, mgd_tensor_ndim(t), mgd_tensor_shape(t)),
                    mgd_dtype_name(mgd_tensor_dtype(t)), run->train.replicas, columns,
                    mgd_dtype_name(dtype));
}

static bool is_step(double value) {
    return mgd_is_count(value, 0x1p53);
}

/* Periods that cannot be: they have no length, or begin after the present step. */
static bool bad_timers(const double *columns) {
    for (size_t i = TIMERS; i < COLUMNS; i += 3)
        if (!is_step(columns[i]) || !is_step(columns[i + 1]) || !is_step(columns[i + 2]) ||
            columns[i] > columns[STEP] || columns[i + 2] < 1)
            return true;
    return !(columns[AMPLITUDE] > 0) || !(columns[TAU_THETA] > 0) || !(columns[ASKED] >= 0);
}

static mgd_status check_columns(mgd_context *ctx, const mgd_run *run, const double *columns) {
    const double *first = columns;
    for (size_t r = 0; r < run->train.replicas; r++, columns += COLUMNS)
        if (!is_step(columns[STEP]) || !is_step(columns[DONE]) || bad_timers(columns) ||
            memcmp(columns + STEP, first + STEP, (COLUMNS - STEP) * sizeof(double)) != 0 ||
            !is_step(columns[WINDOW_FIRST]) || !is_step(columns[WINDOW_END]) ||
            !(columns[REFERENCE] >= 0) || !is_step(columns[FIRST_WINDOW]) ||
            !(isnan(columns[DIVERGED]) || is_step(columns[DIVERGED])) ||
            !(isnan(columns[STOPPED]) || is_step(columns[STOPPED])))
            return mgd_fail(ctx, MGD_ERR_FORMAT, "state: replica %zu stands at no possible step",
                            r + 1);
    return MGD_OK;
}

mgd_status mgd_run_state_set(mgd_context *ctx, mgd_run *run, mgd_tensor *const *tensors) {
    MGD_OPERATION;
    const char *names[6];
    char *arrays[6];
    size_t count = list_arrays(run, names, arrays);
    for (size_t i = 0; i < count; i++)
        MGD_TRY(check_tensor(ctx, run, names[i], tensors[i], run->chip->dtype, run->parameters));
    MGD_TRY(check_tensor(ctx, run, "replicas", tensors[count], MGD_F64, COLUMNS));
    MGD_TRY(check_columns(ctx, run, mgd_tensor_data(tensors[count])));
    size_t states = run->session->num_states, next = count + 1;
    const mgd_tensor *signals = run->channels > 1 ? tensors[next++] : NULL;
    if (signals)
        MGD_TRY(check_tensor(ctx, run, "signals", signals, MGD_F64, 3 * (run->channels - 1)));
    if (states > 0)
        MGD_TRY(check_tensor(ctx, run, "chip", tensors[next], MGD_F64, states));
    for (size_t r = 0; r < run->train.replicas && states > 0; r++)
        if (!run->session->state_fits(run->session, run->slot[r],
                                      (const double *)mgd_tensor_data(tensors[next]) + r * states))
            return mgd_fail(ctx, MGD_ERR_FORMAT,
                            "state: the devices of replica %zu are in no possible state", r + 1);
    MGD_TRY(mgd_interrupt_answer(ctx)); /* from here on the run changes, and changes whole */
    for (size_t i = 0; i < count; i++)
        for (size_t r = 0; r < run->train.replicas; r++)
            mgd_run_row_set(run, arrays[i], r,
                            (const char *)mgd_tensor_data(tensors[i]) +
                                r * run->parameters * run->real);
    columns_set(run, mgd_tensor_data(tensors[count]));
    if (signals)
        signals_set(run, mgd_tensor_data(signals));
    run->chip->ran += (double)run->step * run->train.dt;
    for (size_t r = 0; r < run->train.replicas && states > 0; r++)
        run->session->state_set(run->session, run->slot[r],
                                (const double *)mgd_tensor_data(tensors[next]) + r * states);
    return MGD_OK;
}
