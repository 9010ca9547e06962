/* Linear filters for a clock that holds their input: the exact change of their states over one or
 * two ticks, whatever the time constants. With deviations d = s − u from the held input u, d' =
 * A·d, so d(h) = e^(A·h)·d(0); what is kept is e^(A·h) − 1, without cancellation.
 */

#include "hw.h"

#include <math.h>
#include <string.h>

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

/* K relaxations whose corner frequencies lie evenly on a logarithmic scale from f_low to f_high,
 * all of one power: 1/f between them (van der Ziel 1950). */
static void relaxations(mgd_hw_op *op, double h, double *matrix) {
    const mgd_hw_model *m = &op->model;
    double n = (double)op->order;
    for (size_t k = 0; k < op->order; k++) {
        double place = op->order > 1 ? (double)k / (n - 1) : 0.5;
        double f = m->f_low * pow(m->f_high / m->f_low, place), x = 2 * acos(-1) * f * h;
        matrix[2 * k] = exp(-x);
        matrix[2 * k + 1] = m->sigma * sqrt(-expm1(-2 * x) / n);
    }
}

void mgd_hw_filter_prepare(mgd_hw_op *op, double step) {
    const mgd_hw_model *m = &op->model;
    for (size_t ticks = 1; ticks <= MGD_HW_TICKS; ticks++) {
        double *matrix = op->matrix[ticks - 1], h = step * (double)ticks / MGD_HW_TICKS;
        memset(matrix, 0, sizeof op->matrix[0]);
        if (m->kind == MGD_HW_LOW_PASS)
            poles(op->order, h / m->tau, matrix);
        else if (m->kind == MGD_HW_HIGH_PASS)
            poles(1, h / m->tau, matrix);
        else if (m->kind == MGD_HW_RINGING)
            ringing(2 * acos(-1) * m->frequency * h, m->damping, matrix);
        else if (m->kind == MGD_HW_FLICKER)
            relaxations(op, h, matrix);
    }
    op->delay = (size_t)llround(m->kind == MGD_HW_DELAY ? m->tau / step * MGD_HW_TICKS : 0);
}
