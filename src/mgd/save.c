/* The complete state of a run as named tensors, one row per replica, whatever the layout: a run can
 * be continued with another number of threads or another instruction set.
 */

#include "../base/number.h"
#include "engines.h"

#include <assert.h>
#include <math.h>
#include <stddef.h>
#include <string.h>

/* Tensors: each array of parameters, under its name; "replicas", f64, with a column for each other
 * row of the state that is saved, and for each value of the run, alike in all rows; "signals", the
 * columns of signals beyond the whole cost; "chip", the states of its devices. Steps are exact up
 * to 2^53. */

#define MOST_ARRAYS 12 /* like θ */

/* What the run has as a whole, in the order of its columns. */
typedef struct {
    size_t at; /* in mgd_run */
    mgd_held_type type;
    mgd_saved_value may_be;
} value_row;

#define VALUE(field) .at = offsetof(mgd_run, field)
#define COUNT .type = MGD_HELD_COUNT, .may_be = MGD_SAVED_STEP
#define NUMBER .type = MGD_HELD_DOUBLE

static const value_row values[] = {
    {VALUE(clock.step), COUNT},
    {VALUE(counters.asked), NUMBER, .may_be = MGD_SAVED_NOT_NEGATIVE},
    {VALUE(now.amplitude), NUMBER, .may_be = MGD_SAVED_POSITIVE},
    {VALUE(now.tau_theta), NUMBER, .may_be = MGD_SAVED_POSITIVE},
    {VALUE(watch.first_window), NUMBER, .may_be = MGD_SAVED_STEP},
    {VALUE(clock.began), COUNT},
    {VALUE(clock.began_window), COUNT},
    {VALUE(clock.slots.first), COUNT},
    {VALUE(clock.slots.index), COUNT},
    {VALUE(clock.slots.tau), COUNT},
    {VALUE(clock.windows.first), COUNT},
    {VALUE(clock.windows.index), COUNT},
    {VALUE(clock.windows.tau), COUNT},
    {VALUE(clock.shows.first), COUNT},
    {VALUE(clock.shows.index), COUNT},
    {VALUE(clock.shows.tau), COUNT},
};
enum { VALUES = sizeof values / sizeof *values, TIMERS = VALUES - 9 };

/* ---- tensors --------------------------------------------------------------------------------- */

/* The arrays like θ that this run has; returns how many. */
static size_t list_arrays(const mgd_run *run, const mgd_state_row *out[MOST_ARRAYS]) {
    size_t count = 0;
    for (size_t i = 0; i < mgd_state_num_rows; i++) {
        const mgd_state_row *row = &mgd_state_rows[i];
        if (row->of == MGD_OF_PARAMETER && row->saved && mgd_state_array(run, row)) {
            assert(count < MOST_ARRAYS);
            out[count++] = row;
        }
    }
    return count;
}

static bool is_column(const mgd_run *run, const mgd_state_row *row) {
    return row->of != MGD_OF_PARAMETER && row->saved && mgd_state_array(run, row);
}

static bool is_of_signal(const mgd_state_row *row) {
    return row->of == MGD_OF_SIGNAL && row->saved;
}

/* How many columns replicas have, but the run's; and how many each further signal. */
static size_t own_columns(const mgd_run *run) {
    size_t count = 0;
    for (size_t i = 0; i < mgd_state_num_rows; i++)
        count += is_column(run, &mgd_state_rows[i]);
    return count;
}

static size_t signal_columns(const mgd_run *run) {
    size_t count = 0;
    for (size_t i = 0; i < mgd_state_num_rows; i++)
        count += is_of_signal(&mgd_state_rows[i]);
    return count * (run->signals.count - 1);
}

size_t mgd_run_state_count(const mgd_run *run) {
    const mgd_state_row *arrays[MOST_ARRAYS];
    return list_arrays(run, arrays) + 1 + (run->signals.count > 1) + (run->session->num_states > 0);
}

const char *mgd_run_state_name(const mgd_run *run, size_t i) {
    const mgd_state_row *arrays[MOST_ARRAYS];
    size_t count = list_arrays(run, arrays);
    if (i >= mgd_run_state_count(run))
        return NULL;
    return i < count                                  ? arrays[i]->saved
           : i == count                               ? "replicas"
           : i == count + 1 && run->signals.count > 1 ? "signals"
                                                      : "chip";
}

/* ---- columns --------------------------------------------------------------------------------- */

static double value_get(const mgd_run *run, const value_row *row) {
    const void *value = (const char *)run + row->at;
    return row->type == MGD_HELD_COUNT ? (double)*(const uint64_t *)value : *(const double *)value;
}

static void value_set(mgd_run *run, const value_row *row, double number) {
    void *value = (char *)run + row->at;
    if (row->type == MGD_HELD_COUNT)
        *(uint64_t *)value = (uint64_t)number;
    else
        *(double *)value = number;
}

/* What replicas have of their own, of the whole cost where it is of signals. */
static void columns_get(mgd_run *run, double *columns) {
    mgd_run_count(run);
    for (size_t r = 0; r < run->train.replicas; r++) {
        for (size_t i = 0; i < mgd_state_num_rows; i++) {
            const mgd_state_row *row = &mgd_state_rows[i];
            if (is_column(run, row))
                *columns++ = mgd_state_value(run, row, 0, run->state.seat[r]);
        }
        for (size_t i = 0; i < VALUES; i++)
            *columns++ = value_get(run, &values[i]);
    }
}

static void columns_set(mgd_run *run, const double *columns) {
    mgd_state *state = &run->state;
    for (size_t i = 0; i < VALUES; i++)
        value_set(run, &values[i], columns[own_columns(run) + i]);
    run->counters.asked_step = run->clock.step;
    for (size_t r = 0; r < run->train.replicas; r++, columns += VALUES) {
        size_t seat = state->seat[r];
        for (size_t i = 0; i < mgd_state_num_rows; i++) {
            const mgd_state_row *row = &mgd_state_rows[i];
            if (is_column(run, row))
                mgd_state_set_value(run, row, 0, seat, *columns++);
        }
        state->alive[seat] = isnan(state->stopped[seat]) ? 1 : 0;
        if (state->alive[seat] == 0) /* a unit is ahead only while one of its replicas runs */
            state->done[seat / run->layout.lanes] = run->clock.step;
    }
    run->layout.live_units = run->layout.units;
    mgd_run_sum_anew(run);
    mgd_divergence_reset(run);
}

/* C₀, C and C̃ of each further signal. */
static void signals_get(const mgd_run *run, double *columns) {
    for (size_t r = 0; r < run->train.replicas; r++)
        for (size_t s = 1; s < run->signals.count; s++)
            for (size_t i = 0; i < mgd_state_num_rows; i++)
                if (is_of_signal(&mgd_state_rows[i]))
                    *columns++ = mgd_state_value(run, &mgd_state_rows[i], s, run->state.seat[r]);
}

static void signals_set(mgd_run *run, const double *columns) {
    for (size_t r = 0; r < run->train.replicas; r++)
        for (size_t s = 1; s < run->signals.count; s++)
            for (size_t i = 0; i < mgd_state_num_rows; i++)
                if (is_of_signal(&mgd_state_rows[i]))
                    mgd_state_set_value(run, &mgd_state_rows[i], s, run->state.seat[r], *columns++);
}

/* What the chip's devices are in the middle of, (R × states), f64. */
static mgd_status chip_states(mgd_context *ctx, const mgd_run *run, mgd_tensor **out) {
    const mgd_session *s = run->session;
    MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, (size_t[]){run->train.replicas, s->num_states}, out));
    for (size_t r = 0; r < run->train.replicas; r++)
        s->state_get(s, run->state.seat[r], (double *)mgd_tensor_data(*out) + r * s->num_states);
    return MGD_OK;
}

mgd_status mgd_run_state_get(mgd_context *ctx, mgd_run *run, size_t i, mgd_tensor **out) {
    MGD_OPERATION;
    const mgd_state_row *arrays[MOST_ARRAYS];
    size_t count = list_arrays(run, arrays), replicas = run->train.replicas;
    if (i >= mgd_run_state_count(run))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "state: there is no tensor %zu of %zu", i,
                        mgd_run_state_count(run));
    mgd_run_settle(run);
    mgd_average_begin(run);
    if (i == count + 1 && run->signals.count > 1) {
        MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, (size_t[]){replicas, signal_columns(run)}, out));
        signals_get(run, mgd_tensor_data(*out));
        return MGD_OK;
    }
    if (i > count)
        return chip_states(ctx, run, out);
    bool columns = i >= count;
    size_t shape[2] = {replicas, columns ? own_columns(run) + VALUES : run->parameters};
    mgd_tensor *t;
    MGD_TRY(mgd_tensor_new(ctx, columns ? MGD_F64 : run->chip->dtype, 2, shape, &t));
    if (columns)
        columns_get(run, mgd_tensor_data(t));
    const char *array = columns ? NULL : mgd_state_array(run, arrays[i]);
    mgd_status status = MGD_OK;
    for (size_t r = 0; r < replicas && array && status == MGD_OK; r++)
        if (array != run->state.gradient || mgd_run_in_window(run, r))
            status = mgd_run_row_copy(ctx, run, array, r,
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

static bool may_be(mgd_saved_value kind, double value) {
    switch (kind) {
    case MGD_SAVED_STEP_OR_NAN:
        return isnan(value) || mgd_is_count(value, 0x1p53);
    case MGD_SAVED_STEP:
        return mgd_is_count(value, 0x1p53);
    case MGD_SAVED_NOT_NEGATIVE:
        return value >= 0;
    case MGD_SAVED_POSITIVE:
        return value > 0;
    default:
        return true;
    }
}

/* One replica's columns. Periods have a length, and began by the present step. */
static bool can_be(const mgd_run *run, const double *columns) {
    for (size_t i = 0; i < mgd_state_num_rows; i++) {
        const mgd_state_row *row = &mgd_state_rows[i];
        if (is_column(run, row) && !may_be(row->may_be, *columns++))
            return false;
    }
    for (size_t i = 0; i < VALUES; i++)
        if (!may_be(values[i].may_be, columns[i]))
            return false;
    for (size_t i = TIMERS; i < VALUES; i += 3)
        if (columns[i] > columns[0] || columns[i + 2] < 1)
            return false;
    return true;
}

static mgd_status check_columns(mgd_context *ctx, const mgd_run *run, const double *columns) {
    const size_t own = own_columns(run), all = own + VALUES;
    for (size_t r = 0; r < run->train.replicas; r++)
        if (!can_be(run, columns + r * all) ||
            memcmp(columns + r * all + own, columns + own, VALUES * sizeof(double)) != 0)
            return mgd_fail(ctx, MGD_ERR_FORMAT, "state: replica %zu stands at no possible step",
                            r + 1);
    return MGD_OK;
}

mgd_status mgd_run_state_set(mgd_context *ctx, mgd_run *run, mgd_tensor *const *tensors) {
    MGD_OPERATION;
    const mgd_state_row *arrays[MOST_ARRAYS];
    size_t count = list_arrays(run, arrays);
    for (size_t i = 0; i < count; i++)
        MGD_TRY(check_tensor(ctx, run, arrays[i]->saved, tensors[i], run->chip->dtype,
                             run->parameters));
    MGD_TRY(check_tensor(ctx, run, "replicas", tensors[count], MGD_F64, own_columns(run) + VALUES));
    MGD_TRY(check_columns(ctx, run, mgd_tensor_data(tensors[count])));
    size_t states = run->session->num_states, next = count + 1;
    const mgd_tensor *signals = run->signals.count > 1 ? tensors[next++] : NULL;
    if (signals)
        MGD_TRY(check_tensor(ctx, run, "signals", signals, MGD_F64, signal_columns(run)));
    if (states > 0)
        MGD_TRY(check_tensor(ctx, run, "chip", tensors[next], MGD_F64, states));
    for (size_t r = 0; r < run->train.replicas && states > 0; r++)
        if (!run->session->state_fits(run->session, run->state.seat[r],
                                      (const double *)mgd_tensor_data(tensors[next]) + r * states))
            return mgd_fail(ctx, MGD_ERR_FORMAT,
                            "state: the devices of replica %zu are in no possible state", r + 1);
    MGD_TRY(mgd_interrupt_answer(ctx)); /* from here on the run changes, and changes whole */
    run->kept = false;
    for (size_t i = 0; i < count; i++)
        for (size_t r = 0; r < run->train.replicas; r++)
            mgd_run_row_set(run, mgd_state_array(run, arrays[i]), r,
                            (const char *)mgd_tensor_data(tensors[i]) +
                                r * run->parameters * run->real);
    columns_set(run, mgd_tensor_data(tensors[count]));
    if (signals)
        signals_set(run, mgd_tensor_data(signals));
    run->chip->ran += (double)run->clock.step * run->train.dt;
    for (size_t r = 0; r < run->train.replicas && states > 0; r++)
        run->session->state_set(run->session, run->state.seat[r],
                                (const double *)mgd_tensor_data(tensors[next]) + r * states);
    return run->engine->hold ? run->engine->hold(ctx, run) : MGD_OK;
}
