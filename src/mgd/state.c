/* The table of what a run holds, and what is done to all of it alike. */

#include "run.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

static bool has_first_moment(const mgd_run *run) {
    return mgd_optimizer_type_of(run->train.optimizer)->moments > 0;
}

static bool has_second_moment(const mgd_run *run) {
    return mgd_optimizer_type_of(run->train.optimizer)->moments > 1;
}

static bool keeps_windows(const mgd_run *run) {
    return run->keeps_windows;
}

static bool keeps_average(const mgd_run *run) {
    return run->train.average.kind != MGD_AVERAGE_NONE;
}

#define ARRAY(field) .at = offsetof(mgd_state, field)
#define OF_PARAMETER .type = MGD_HELD_REAL, .of = MGD_OF_PARAMETER
#define OF_SIGNAL .type = MGD_HELD_DOUBLE, .of = MGD_OF_SIGNAL
#define OF_SEAT .type = MGD_HELD_DOUBLE, .of = MGD_OF_SEAT

const mgd_state_row mgd_state_rows[] = {
    {ARRAY(theta), OF_PARAMETER, .saved = "theta"},
    {ARRAY(gradient), OF_PARAMETER, .saved = "gradient"},
    {ARRAY(first_moment), OF_PARAMETER, .saved = "first_moment", .exists = has_first_moment},
    {ARRAY(second_moment), OF_PARAMETER, .saved = "second_moment", .exists = has_second_moment},
    {ARRAY(window_gradient), OF_PARAMETER, .saved = "window_gradient", .exists = keeps_windows},
    {ARRAY(window_theta), OF_PARAMETER, .saved = "window_theta", .exists = keeps_windows},
    {ARRAY(average), OF_PARAMETER, .saved = "average", .exists = keeps_average},
    {ARRAY(average_rest), OF_PARAMETER, .saved = "average_rest", .exists = keeps_average},

    {ARRAY(c0), OF_SIGNAL, .saved = "c0"},
    {ARRAY(c), OF_SIGNAL, .saved = "c"},
    {ARRAY(c_tilde), OF_SIGNAL, .saved = "c_tilde"},
    {ARRAY(stopped), OF_SEAT, .saved = "stopped", .may_be = MGD_SAVED_STEP_OR_NAN, .initial = NAN},
    {ARRAY(finite), MGD_HELD_FLAG, MGD_OF_SEAT, .saved = "finite", .initial = 1},
    {ARRAY(fatal), OF_SEAT, .saved = "fatal"},
    {ARRAY(done), MGD_HELD_COUNT, MGD_OF_UNIT, .saved = "done", .may_be = MGD_SAVED_STEP},
    {ARRAY(window_first), OF_SEAT, .saved = "window_first", .may_be = MGD_SAVED_STEP},
    {ARRAY(window_end), OF_SEAT, .saved = "window_end", .may_be = MGD_SAVED_STEP},
    {ARRAY(asked_of), OF_SEAT, .saved = "asked_of"},
    {ARRAY(written_of), OF_SEAT, .saved = "written_of"},
    {ARRAY(reference), OF_SEAT, .saved = "reference", .may_be = MGD_SAVED_NOT_NEGATIVE},
    {ARRAY(diverged), OF_SEAT, .saved = "diverged", .may_be = MGD_SAVED_STEP_OR_NAN,
     .initial = NAN},
    {ARRAY(averaged), OF_SEAT, .saved = "averaged", .may_be = MGD_SAVED_STEP,
     .exists = keeps_average},

    {ARRAY(share), OF_SEAT, .exists = keeps_average},
    {ARRAY(limit), OF_SIGNAL, .initial = INFINITY},
    {ARRAY(sum_tilde), OF_SIGNAL},
    {ARRAY(sum_c), OF_SIGNAL},
    {ARRAY(alive), OF_SEAT},
    {ARRAY(rate), OF_SEAT},
    {ARRAY(number), MGD_HELD_COUNT, MGD_OF_SEAT},
    {ARRAY(owner), MGD_HELD_COUNT, MGD_OF_SEAT},
    {ARRAY(careful), MGD_HELD_FLAG, MGD_OF_UNIT, .initial = 1}, /* a resumed window may be huge */
    {ARRAY(news), MGD_HELD_FLAG, MGD_OF_UNIT},
    {ARRAY(seat), MGD_HELD_COUNT, MGD_OF_REPLICA},
};
const size_t mgd_state_num_rows = sizeof mgd_state_rows / sizeof *mgd_state_rows;

/* ---- arrays ---------------------------------------------------------------------------------- */

static size_t size_of(const mgd_run *run, const mgd_state_row *row) {
    switch (row->type) {
    case MGD_HELD_REAL:
        return run->real;
    case MGD_HELD_DOUBLE:
        return sizeof(double);
    case MGD_HELD_COUNT:
        return sizeof(uint64_t);
    default:
        return sizeof(uint8_t);
    }
}

/* How many values there are of a row but those of parameters. */
static size_t count_of(const mgd_run *run, const mgd_state_row *row) {
    switch (row->of) {
    case MGD_OF_SIGNAL:
        return run->signals.count * mgd_run_seats(run);
    case MGD_OF_UNIT:
        return run->layout.units;
    case MGD_OF_REPLICA:
        return run->train.replicas;
    default:
        return mgd_run_seats(run);
    }
}

static void *pointer_of(const mgd_run *run, const mgd_state_row *row) {
    void *array;
    memcpy(&array, (const char *)&run->state + row->at, sizeof array);
    return array;
}

static bool exists(const mgd_run *run, const mgd_state_row *row) {
    return !row->exists || row->exists(run);
}

void *mgd_state_array(const mgd_run *run, const mgd_state_row *row) {
    return exists(run, row) ? pointer_of(run, row) : NULL;
}

static void set_number(const mgd_state_row *row, void *array, size_t i, double value) {
    if (row->type == MGD_HELD_DOUBLE)
        ((double *)array)[i] = value;
    else if (row->type == MGD_HELD_COUNT)
        ((uint64_t *)array)[i] = (uint64_t)value;
    else
        ((uint8_t *)array)[i] = value != 0;
}

static bool take(mgd_run *run, const mgd_state_row *row) {
    char *pointer = (char *)&run->state + row->at;
    if (row->of == MGD_OF_PARAMETER)
        return mgd_take(pointer, run->layout.units, mgd_run_unit_bytes(run));
    size_t count = count_of(run, row);
    if (!mgd_take(pointer, count, size_of(run, row)))
        return false;
    for (size_t i = 0; i < count && row->initial != 0; i++)
        set_number(row, mgd_state_array(run, row), i, row->initial);
    return true;
}

bool mgd_state_take(mgd_run *run) {
    for (size_t i = 0; i < mgd_state_num_rows; i++) {
        const mgd_state_row *row = &mgd_state_rows[i];
        if (exists(run, row) && !pointer_of(run, row) && !take(run, row))
            return false;
    }
    return true;
}

void mgd_state_free(mgd_run *run) {
    for (size_t i = 0; i < mgd_state_num_rows; i++)
        mgd_free(pointer_of(run, &mgd_state_rows[i]));
    run->state = (mgd_state){0};
}

/* ---- values ---------------------------------------------------------------------------------- */

static size_t place_of(const mgd_run *run, const mgd_state_row *row, size_t signal, size_t seat) {
    if (row->of == MGD_OF_UNIT)
        return seat / run->layout.lanes;
    return row->of == MGD_OF_SIGNAL ? signal * mgd_run_seats(run) + seat : seat;
}

double mgd_state_value(const mgd_run *run, const mgd_state_row *row, size_t signal, size_t seat) {
    const void *array = mgd_state_array(run, row);
    size_t i = place_of(run, row, signal, seat);
    return row->type == MGD_HELD_DOUBLE  ? ((const double *)array)[i]
           : row->type == MGD_HELD_COUNT ? (double)((const uint64_t *)array)[i]
                                         : ((const uint8_t *)array)[i];
}

void mgd_state_set_value(mgd_run *run, const mgd_state_row *row, size_t signal, size_t seat,
                         double value) {
    set_number(row, mgd_state_array(run, row), place_of(run, row, signal, seat), value);
}

/* ---- seats ----------------------------------------------------------------------------------- */

static void exchange_bytes(char *a, char *b, size_t n) {
    char kept[sizeof(uint64_t)];
    memcpy(kept, a, n);
    memcpy(a, b, n);
    memcpy(b, kept, n);
}

void mgd_state_exchange(mgd_run *run, size_t a, size_t b) {
    for (size_t k = 0; k < mgd_state_num_rows; k++) {
        const mgd_state_row *row = &mgd_state_rows[k];
        char *array = mgd_state_array(run, row);
        size_t size = size_of(run, row),
               signals = row->of == MGD_OF_SIGNAL ? run->signals.count : 1;
        if (!array || row->of == MGD_OF_UNIT || row->of == MGD_OF_REPLICA)
            continue;
        for (size_t i = 0; i < run->parameters && row->of == MGD_OF_PARAMETER; i++)
            exchange_bytes(array + mgd_run_place(run, a, i), array + mgd_run_place(run, b, i),
                           size);
        for (size_t s = 0; s < signals && row->of != MGD_OF_PARAMETER; s++)
            exchange_bytes(array + place_of(run, row, s, a) * size,
                           array + place_of(run, row, s, b) * size, size);
    }
    run->state.seat[run->state.owner[a]] = a;
    run->state.seat[run->state.owner[b]] = b;
}
