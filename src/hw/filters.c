/* Linear filters in a row, with plain gains between them, as one linear system: held inputs, and
 * inputs that move during a tick, take its states to where they exactly are. Each filter by itself
 * would see the end of a tick of the one before as if it had been there from the beginning.
 *
 * Under a held u deviations from the states at rest, ḋ = A·d, go to e^(A·h) times them.
 * What is kept for the kernel is e^(A·h) − 1, without cancellation. Time is counted in ticks.
 */

#include "model.h"

#include <math.h>
#include <string.h>

/* ---- which models ---------------------------------------------------------------------------- */

static bool is_plain_gain(const mgd_hw_model *m) {
    return m->kind == MGD_HW_AFFINE && m->gain_spread == 0 && m->offset_spread == 0;
}

static bool is_filter(const mgd_hw_model *m) {
    return mgd_hw_type_of(m->kind)->filter != NULL;
}

static size_t poles_of(const mgd_hw_model *m) {
    return mgd_hw_type_of(m->kind)->poles(m);
}

size_t mgd_hw_filters_count(const mgd_hw_op *ops, size_t count) {
    size_t end = 1;
    for (size_t i = 1; i < count; i++) {
        if (is_filter(&ops[i].model))
            end = i + 1;
        else if (!is_plain_gain(&ops[i].model))
            break;
    }
    return end;
}

/* ---- the exponential ------------------------------------------------------------------------- */

#define SIDE (MGD_HW_MAX_ORDER + 2)
#define TERMS 16 /* of the series for norms up to ½: 2^−16/16! is far below rounding */

static void multiply(size_t n, const double *a, const double *b, double *out) {
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += a[i * n + k] * b[k * n + j];
            out[i * n + j] = sum;
        }
}

static double norm_of(size_t n, const double *a) {
    double most = 0;
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < n; k++)
            sum += fabs(a[i * n + k]);
        most = fmax(most, sum);
    }
    return most;
}

/* out ← e^a − 1, (n × n): the series of a small part of a, which is doubled by e^2a − 1 = 2p + p²,
 * p = e^a − 1. a is lost. */
static void exponential(size_t n, double *a, double *out) {
    double term[SIDE * SIDE], next[SIDE * SIDE];
    const size_t size = n * n;
    const double norm = norm_of(n, a);
    const int doublings = norm > 0.5 ? ilogb(norm) + 2 : 0;
    for (size_t i = 0; i < size; i++)
        term[i] = out[i] = a[i] = ldexp(a[i], -doublings);
    for (int k = 2; k <= TERMS; k++) {
        multiply(n, term, a, next);
        for (size_t i = 0; i < size; i++) {
            term[i] = next[i] / k;
            out[i] += term[i];
        }
    }
    for (int k = 0; k < doublings; k++) {
        multiply(n, out, out, next);
        for (size_t i = 0; i < size; i++)
            out[i] = 2 * out[i] + next[i];
    }
}

/* ---- systems --------------------------------------------------------------------------------- */

static void join(mgd_hw_op *op, const mgd_hw_model *m, double tick) {
    mgd_hw_system *s = &op->system;
    const mgd_hw_type *type = mgd_hw_type_of(m->kind);
    if (type->filter) {
        type->filter(m, tick, op->order, s);
        op->order += poles_of(m);
        return;
    }
    for (size_t k = 0; k < op->order; k++)
        s->readout[k] *= m->gain;
    s->through *= m->gain;
    s->bias = s->bias * m->gain + m->offset;
}

/* A·ticks into the upper left corner of a matrix of side `side`. */
static void place_a(const mgd_hw_op *op, size_t ticks, size_t side, double *out) {
    for (size_t i = 0; i < op->order; i++)
        for (size_t k = 0; k < op->order; k++)
            out[i * side + k] = op->system.a[i * MGD_HW_MAX_ORDER + k] * (double)ticks;
}

mgd_status mgd_hw_filters_prepare(mgd_context *ctx, mgd_hw_op *op, const mgd_hw_op *from,
                                  size_t count, double step) {
    size_t poles = 0;
    for (size_t i = 0; i < count; i++)
        poles += is_filter(&from[i].model) ? poles_of(&from[i].model) : 0;
    if (poles > MGD_HW_MAX_ORDER)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "chip: %s: linear filters in a row from there on have %zu poles together: "
                        "expected at most %d, or something else between them",
                        op->model.stream, poles, MGD_HW_MAX_ORDER);
    op->system.through = 1;
    for (size_t i = 0; i < count; i++)
        join(op, &from[i].model, step / MGD_HW_TICKS);
    if (count == 1) { /* e^(A·h) of one filter is known */
        for (size_t ticks = 1; ticks <= MGD_HW_TICKS; ticks++)
            op->type->exponential(&op->model, step * (double)ticks / MGD_HW_TICKS,
                                  op->matrix[ticks - 1]);
    } else {
        double a[SIDE * SIDE];
        for (size_t ticks = 1; ticks <= MGD_HW_TICKS; ticks++) {
            place_a(op, ticks, op->order, a);
            exponential(op->order, a, op->matrix[ticks - 1]);
        }
    }
    op->num_states = mgd_hw_filter_is_fast(op) ? 1 : 2 * op->order;
    return MGD_OK;
}

/* The way from 0 to 1 in a tick of length 1 is w(t), ẇ = rise − x·w with x the rate in such
 * lengths. Of the system of x, w and 1, the last column of e^… − 1 is where all are by then, from 0
 * on. */
void mgd_hw_filters_drive(mgd_hw_op *op, double rate) {
    const mgd_hw_system *s = &op->system;
    const size_t n = op->order, side = n + 2;
    double a[SIDE * SIDE], out[SIDE * SIDE];
    op->driven = true;
    op->num_states = 2 * n + 1;
    for (size_t ticks = 1; ticks <= MGD_HW_TICKS; ticks++) {
        const double x = (double)ticks * fmin(rate, MGD_HW_FASTEST);
        memset(a, 0, sizeof a);
        place_a(op, ticks, side, a);
        for (size_t i = 0; i < n; i++)
            a[i * side + n] = s->b[i] * (double)ticks;
        a[n * side + n] = -x;
        a[n * side + n + 1] = x > 0 ? x / -expm1(-x) : 1;
        exponential(side, a, out);
        for (size_t i = 0; i < n; i++)
            op->system.drive[ticks - 1][i] = out[i * side + n + 1];
    }
}
