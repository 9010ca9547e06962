/* Models with memory: linear filters, delay, slew rate; leak and drift of what is stored. Their
 * kernels are in kernels_path.c.
 */

#include "../base/number.h"
#include "model.h"

#include <math.h>

static bool endless(const mgd_hw_model *m) {
    return m->tau == INFINITY;
}

static bool instant(const mgd_hw_model *m) {
    return m->tau == 0;
}

static bool always(const mgd_hw_model *m) {
    (void)m;
    return true;
}

/* ---- linear filters -------------------------------------------------------------------------- */

/* The clock holds their input. With deviations d = s − u from the held input u, d' = A·d, so d(h) =
 * e^(A·h)·d(0), exactly, whatever the time constants; what is kept for the kernel is e^(A·h) − 1,
 * without cancellation: of one filter in closed form, of several as filters.c has it. */

/* n equal poles in a row: A = (−1 + shift)/τ, e^(A·h) = e^(−x)·Σ_j x^j/j!·shift^j, x = h/τ. */
static void poles(size_t n, double x, double *matrix) {
    double term = exp(-x);
    for (size_t j = 0; j < n; j++) {
        for (size_t k = j; k < n; k++)
            matrix[k * n + (k - j)] = j == 0 ? expm1(-x) : term;
        term *= x / (double)(j + 1);
    }
}

/* y'' + 2ζω·y' + ω²·(y − u) = 0 with states (y'/ω, y − u): the exponential of ω·h·[[−2ζ, −1],
 * [1, 0]]. e = e^(−ζx); the rest by whether the poles are complex, equal or real. */
static void ringing(double x, double zeta, double *matrix) {
    double e = exp(-zeta * x), c, s; /* c: cos or cosh of the damped phase, s: its sin over it */
    double d = 1 - zeta * zeta;
    if (fabs(d) < 1e-12) {
        c = 1;
        s = x;
    } else if (d > 0) {
        c = cos(sqrt(d) * x);
        s = sin(sqrt(d) * x) / sqrt(d);
    } else { /* e·cosh and e·sinh apart would be 0·∞ for large x */
        double r = sqrt(-d), fast = exp((r - zeta) * x), slow = exp((-r - zeta) * x);
        matrix[0] = (fast + slow) / 2 - zeta * (fast - slow) / (2 * r) - 1;
        matrix[1] = -(fast - slow) / (2 * r);
        matrix[2] = (fast - slow) / (2 * r);
        matrix[3] = (fast + slow) / 2 + zeta * (fast - slow) / (2 * r) - 1;
        return;
    }
    matrix[0] = e * (c - zeta * s) - 1;
    matrix[1] = -e * s;
    matrix[2] = e * s;
    matrix[3] = e * (c + zeta * s) - 1;
}

/* State number `n` follows what the system gives so far. */
static void follow(mgd_hw_system *s, size_t n, double rate) {
    double *a = s->a + n * MGD_HW_MAX_ORDER;
    s->target[n] = s->through;
    s->shift[n] = s->bias;
    for (size_t k = 0; k < n; k++) {
        a[k] = rate * s->readout[k];
        s->target[n] += s->readout[k] * s->target[k];
        s->shift[n] += s->readout[k] * s->shift[k];
    }
    a[n] = -rate;
    s->b[n] = rate * s->through;
}

/* The system gives state number `n`. */
static void read_out(mgd_hw_system *s, size_t n) {
    for (size_t k = 0; k < n; k++)
        s->readout[k] = 0;
    s->readout[n] = 1;
    s->through = s->bias = 0;
}

static size_t poles_of_low_pass(const mgd_hw_model *m) {
    return m->poles;
}

static void filter_low_pass(const mgd_hw_model *m, double tick, size_t order, mgd_hw_system *s) {
    for (size_t n = order; n < order + m->poles; n++) {
        follow(s, n, fmin(tick / m->tau, MGD_HW_FASTEST));
        read_out(s, n);
    }
}

static void exponential_low_pass(const mgd_hw_model *m, double h, double *matrix) {
    poles(m->poles, h / m->tau, matrix);
}

MGD_HW_DECLARE(filter);
const mgd_hw_type mgd_hw_type_low_pass = {
    .name = "low_pass",
    .kernel = MGD_HW_KERNELS(filter),
    .neutral = instant,
    .fault = mgd_hw_poles_fault,
    .poles = poles_of_low_pass,
    .filter = filter_low_pass,
    .exponential = exponential_low_pass,
};

static size_t one_pole(const mgd_hw_model *m) {
    (void)m;
    return 1;
}

/* What a low-pass leaves out. */
static void filter_high_pass(const mgd_hw_model *m, double tick, size_t order, mgd_hw_system *s) {
    follow(s, order, fmin(tick / m->tau, MGD_HW_FASTEST));
    s->readout[order] = -1;
}

static void exponential_high_pass(const mgd_hw_model *m, double h, double *matrix) {
    poles(1, h / m->tau, matrix);
}

const mgd_hw_type mgd_hw_type_high_pass = {
    .name = "high_pass",
    .kernel = MGD_HW_KERNELS(filter),
    .neutral = endless,
    .poles = one_pole,
    .filter = filter_high_pass,
    .exponential = exponential_high_pass,
};

static bool never_rings(const mgd_hw_model *m) {
    return m->frequency == INFINITY;
}

static size_t two_poles(const mgd_hw_model *m) {
    (void)m;
    return 2;
}

/* States y'/ω, 0 at rest, and y. */
static void filter_ringing(const mgd_hw_model *m, double tick, size_t order, mgd_hw_system *s) {
    const size_t n = order, y = order + 1;
    const double omega = fmin(2 * acos(-1) * m->frequency * tick, MGD_HW_FASTEST);
    follow(s, n, omega);
    double *a = s->a + n * MGD_HW_MAX_ORDER;
    s->target[y] = s->target[n];
    s->shift[y] = s->shift[n];
    s->target[n] = s->shift[n] = 0;
    a[n] = -2 * m->damping * omega;
    a[y] = -omega;
    s->a[y * MGD_HW_MAX_ORDER + n] = omega;
    read_out(s, y);
}

static void exponential_ringing(const mgd_hw_model *m, double h, double *matrix) {
    ringing(2 * acos(-1) * m->frequency * h, m->damping, matrix);
}

const mgd_hw_type mgd_hw_type_ringing = {
    .name = "ringing",
    .kernel = MGD_HW_KERNELS(filter),
    .neutral = never_rings,
    .poles = two_poles,
    .filter = filter_ringing,
    .exponential = exponential_ringing,
};

/* ---- delay and slew rate --------------------------------------------------------------------- */

#define MAX_DELAY 1e5 /* steps, each of which is remembered for each value */

static mgd_status prepare_delay(mgd_context *ctx, mgd_hw_op *op, double step) {
    const mgd_hw_model *m = &op->model;
    if (!(m->tau / step <= MAX_DELAY))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "chip: %s: a delay of %s s is %s steps of %s s: expected at most %s steps",
                        m->stream, MGD_NUMBER(m->tau), MGD_NUMBER(m->tau / step), MGD_NUMBER(step),
                        MGD_NUMBER(MAX_DELAY));
    op->delay = (size_t)llround(m->tau / step * MGD_HW_TICKS);
    op->num_states = op->delay + MGD_HW_TICKS;
    return MGD_OK;
}

MGD_HW_DECLARE(delay);
const mgd_hw_type mgd_hw_type_delay = {
    .name = "delay",
    .kernel = MGD_HW_KERNELS(delay),
    .neutral = instant,
    .prepare = prepare_delay,
};

static bool any_slope(const mgd_hw_model *m) {
    return m->strength == INFINITY;
}

static mgd_status prepare_slew(mgd_context *ctx, mgd_hw_op *op, double step) {
    (void)ctx, (void)step;
    op->num_states = 1;
    return MGD_OK;
}

MGD_HW_DECLARE(slew);
const mgd_hw_type mgd_hw_type_slew = {
    .name = "slew",
    .kernel = MGD_HW_KERNELS(slew),
    .neutral = any_slope,
    .prepare = prepare_slew,
};

/* ---- what is stored -------------------------------------------------------------------------- */

/* Time constants stay positive. */
static mgd_status prepare_leak(mgd_context *ctx, mgd_hw_op *op, double step) {
    const mgd_hw_model *m = &op->model;
    (void)ctx, (void)step;
    if (m->tau_spread > 0)
        mgd_hw_add_draw(op, m->tau, m->tau * m->tau_spread, m->tau / 20);
    if (m->offset_spread > 0)
        mgd_hw_add_draw(op, m->offset, m->offset_spread, -INFINITY);
    return MGD_OK;
}

MGD_HW_DECLARE(leak);
const mgd_hw_type mgd_hw_type_leak = {
    .name = "leak",
    .kernel = MGD_HW_KERNELS(leak),
    .neutral = endless,
    .timed = always,
    .prepare = prepare_leak,
};

static bool stays(const mgd_hw_model *m) {
    return !m->pcm_nu && !m->table && m->nu == 0 && m->nu_spread == 0;
}

static const char *fault_of_drift(const mgd_hw_model *m) {
    return m->table && (m->table_size < 3 || m->table_size % 3 != 0)
               ? "table: expected at least one row of g, ν and its spread"
               : NULL;
}

/* A standard normal for each device; where the drift is compensated, room for the weights as they
 * were. */
static mgd_status prepare_drift(mgd_context *ctx, mgd_hw_op *op, double step) {
    const mgd_hw_model *m = &op->model;
    (void)ctx, (void)step;
    mgd_hw_add_draw(op, 0, 1, -INFINITY);
    if (m->mapping.differential)
        mgd_hw_add_draw(op, 0, 1, -INFINITY);
    op->num_states = m->compensation ? 1 : 0;
    return MGD_OK;
}

MGD_HW_DECLARE(drift);
const mgd_hw_type mgd_hw_type_drift = {
    .name = "drift",
    .kernel = MGD_HW_KERNELS(drift),
    .neutral = stays,
    .fault = fault_of_drift,
    .timed = always,
    .ages = always,
    .prepare = prepare_drift,
};
