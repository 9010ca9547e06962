/* Fits of the laws to measured pulses: Levenberg and Marquardt by GSL (gsl_multifit_nlinear).
 *
 * The unknowns are the free numbers of the law and, for each curve, the weight at which it starts.
 * A curve is followed pulse by pulse by the law itself, so what is fitted is what a chip will do.
 * dw_min and the amplitudes, which are positive, are fitted as logarithms; the Jacobian is taken by
 * central differences.
 *
 * Two kinds of noise lie on a curve. What a reading adds is independent from point to point; what a
 * step adds (cycle to cycle) stays, and makes the residuals of neighbours alike. The two are told
 * from each other by their likelihood (`measure_noise`), and standard errors allow for both
 * (`add_spread`).
 *
 * GSL asks its own allocator and reports through an error handler that aborts; it is off during a
 * fit and put back afterwards.
 */

#include "../base/number.h"
#include "law.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>
#include <string.h>

#define LEAST_POINTS 3   /* per curve */
#define TOLERANCE 1e-9   /* relative change of the unknowns, gradient */
#define LIMIT 1e6        /* weights beyond are held there: no law of interest comes near */
#define DIFFERENCE 6e-6  /* of a value, for central differences: the cube root of 2^-52 */
#define RATIO_LEAST 1e-7 /* of the noise of steps to that of readings, as variances */
#define RATIO_MOST 1e7
#define MOST_STUCK 3 /* iterations in a row that find nothing better */

typedef struct {
    mgd_context *ctx;
    const char *name;
    mgd_hw_law law; /* held numbers, and the free ones of the last evaluation */
    size_t curves;
    const mgd_hw_curve *curve;
    double c2c_squared; /* known from elsewhere, or NaN */
    size_t points;
    size_t free_count, unknowns; /* unknowns = free_count + curves */
    size_t free[MGD_HW_PARAMETERS];
    double *above, *below;               /* points each: weights for the Jacobian */
    double *deviation, *squares, *carry; /* points each, see find_deviations */
    double *x;                           /* unknowns: where the Jacobian is taken */
    mgd_status status;                   /* what an evaluation inside of GSL failed with */
} problem;

/* ---- curves ---------------------------------------------------------------------------------- */

static double next_weight(const mgd_hw_law *law, double w, int direction) {
    w += mgd_hw_law_step(law, w, direction);
    return w > -LIMIT ? fmin(w, LIMIT) : -LIMIT; /* NaN too */
}

static void follow(const mgd_hw_law *law, const mgd_hw_curve *curve, double w, double *out) {
    double pulse = curve->pulse[0];
    for (size_t i = 0; i < curve->count; i++) {
        for (; pulse < curve->pulse[i]; pulse++)
            w = next_weight(law, w, curve->direction);
        out[i] = w;
    }
}

static bool is_logarithmic(size_t parameter) {
    return parameter == MGD_HW_FIT_DW_MIN || parameter == MGD_HW_FIT_AMPLITUDE_UP ||
           parameter == MGD_HW_FIT_AMPLITUDE_DOWN;
}

static void unpack(const double *x, problem *p) {
    for (size_t i = 0; i < p->free_count; i++) {
        double value = is_logarithmic(p->free[i]) ? exp(x[i]) : x[i];
        mgd_hw_parameter_set(&p->law, p->free[i], value);
    }
}

/* The weights of all curves, one after the other, for the unknowns x. */
static mgd_status follow_all(problem *p, const double *x, double *out) {
    unpack(x, p);
    for (size_t c = 0; c < p->curves; c++) {
        MGD_TRY(mgd_interrupt_answer(p->ctx));
        follow(&p->law, &p->curve[c], x[p->free_count + c], out);
        out += p->curve[c].count;
    }
    return MGD_OK;
}

/* ---- what GSL calls -------------------------------------------------------------------------- */

static int residuals(const gsl_vector *x, void *arg, gsl_vector *f) {
    problem *p = arg;
    for (size_t i = 0; i < p->unknowns; i++)
        p->x[i] = gsl_vector_get(x, i);
    if (p->status == MGD_OK)
        p->status = follow_all(p, p->x, p->above);
    if (p->status != MGD_OK)
        return GSL_EFAILED;
    size_t row = 0;
    for (size_t c = 0; c < p->curves; c++)
        for (size_t i = 0; i < p->curve[c].count; i++, row++)
            gsl_vector_set(f, row, p->above[row] - p->curve[c].w[i]);
    return GSL_SUCCESS;
}

static int jacobian(const gsl_vector *x, void *arg, gsl_matrix *j) {
    problem *p = arg;
    for (size_t i = 0; i < p->unknowns; i++)
        p->x[i] = gsl_vector_get(x, i);
    for (size_t i = 0; i < p->unknowns; i++) {
        double at = p->x[i], h = DIFFERENCE * fmax(fabs(at), 0.1);
        p->x[i] = at + h;
        if (p->status == MGD_OK)
            p->status = follow_all(p, p->x, p->above);
        p->x[i] = at - h;
        if (p->status == MGD_OK)
            p->status = follow_all(p, p->x, p->below);
        p->x[i] = at;
        if (p->status != MGD_OK)
            return GSL_EFAILED;
        for (size_t row = 0; row < p->points; row++)
            gsl_matrix_set(j, row, i, (p->above[row] - p->below[row]) / (2 * h));
    }
    return GSL_SUCCESS;
}

/* ---- where to begin -------------------------------------------------------------------------- */

/* The curves of one direction in short: the step as a straight line, slope·w + at_zero, and at the
 * mean weights of both halves of a curve. */
typedef struct {
    double w[2], step[2], slope, at_zero;
} outline;

/* Mean weight and step per pulse of points first … last. */
static void line_through(const mgd_hw_curve *curve, size_t first, size_t last, double *w,
                         double *step) {
    double n = (double)(last - first + 1), pulse = 0, weight = 0, square = 0, product = 0;
    for (size_t i = first; i <= last; i++) {
        pulse += curve->pulse[i] / n;
        weight += curve->w[i] / n;
    }
    for (size_t i = first; i <= last; i++) {
        square += (curve->pulse[i] - pulse) * (curve->pulse[i] - pulse);
        product += (curve->pulse[i] - pulse) * (curve->w[i] - weight);
    }
    *w += weight;
    *step += product / square;
}

static outline outline_of(const problem *p, int direction) {
    outline o = {{0}, {0}, 0, 0};
    double curves = 0;
    for (size_t c = 0; c < p->curves; c++) {
        const mgd_hw_curve *curve = &p->curve[c];
        if (curve->direction != direction)
            continue;
        size_t middle = curve->count / 2;
        line_through(curve, 0, middle, &o.w[0], &o.step[0]);
        line_through(curve, middle, curve->count - 1, &o.w[1], &o.step[1]);
        curves++;
    }
    for (int half = 0; half < 2; half++) {
        o.w[half] /= curves;
        o.step[half] /= curves;
    }
    double apart = o.w[1] - o.w[0];
    o.slope = apart != 0 ? (o.step[1] - o.step[0]) / apart : 0;
    o.at_zero = o.step[0] - o.slope * o.w[0];
    return o;
}

static void extremes(const problem *p, double *low, double *high) {
    *low = INFINITY;
    *high = -INFINITY;
    for (size_t c = 0; c < p->curves; c++)
        for (size_t i = 0; i < p->curve[c].count; i++) {
            *low = fmin(*low, p->curve[c].w[i]);
            *high = fmax(*high, p->curve[c].w[i]);
        }
}

static void guess(mgd_hw_law *law, mgd_hw_parameter i, double value) {
    if (isnan(mgd_hw_parameter_get(law, i)))
        mgd_hw_parameter_set(law, i, value);
}

/* Δ and β from both full steps, which are made positive where the data have them otherwise. */
static void guess_steps(mgd_hw_law *law, double up, double down, double range) {
    up = fmax(up, 1e-6 * range);
    down = fmax(down, 1e-6 * range);
    guess(law, MGD_HW_FIT_DW_MIN, (up + down) / 2);
    guess(law, MGD_HW_FIT_UP_DOWN, (up - down) / (up + down));
}

static double between(double low, double value, double high) {
    return fmin(fmax(value, low), high);
}

/* Where the step's straight line reaches 0; `otherwise` where it does not before `far`. */
static double zero_of(const outline *o, double near, double far, double otherwise) {
    double at = o->slope < 0 ? -o->at_zero / o->slope : INFINITY;
    bool fits = near < far ? at > near && at < far : at < near && at > far;
    return fits ? at : otherwise;
}

/* The part of the way to its bound that a pulse goes. */
static double rate_of(const outline *o) {
    return between(1e-4, -o->slope, 0.9);
}

static void guess_linear(mgd_hw_law *law, const outline *up, const outline *down, double range) {
    bool rises = up->at_zero > 0, falls = down->at_zero < 0;
    guess(law, MGD_HW_FIT_GAMMA_UP, rises ? up->slope / up->at_zero : 0);
    guess(law, MGD_HW_FIT_GAMMA_DOWN, falls ? down->slope / down->at_zero : 0);
    guess_steps(law, rises ? up->at_zero : up->step[0], falls ? -down->at_zero : -down->step[0],
                range);
}

/* The amplitude with which the step falls from that of the first half to that of the second. */
static double amplitude_for(const mgd_hw_law *law, const outline *o, double gamma,
                            double otherwise) {
    double r = between(0.02, o->step[1] / o->step[0], 0.98), e[2];
    for (int half = 0; half < 2; half++)
        e[half] = exp(gamma * (2 * law->a * o->w[half] / (law->w_max - law->w_min) + law->b));
    double amplitude = (1 - r) / (e[1] - r * e[0]);
    return amplitude > 0 && amplitude < 1 / e[1] ? amplitude : otherwise;
}

static void guess_exponential(mgd_hw_law *law, const outline *up, const outline *down,
                              double range) {
    guess(law, MGD_HW_FIT_A, 0.244);
    guess(law, MGD_HW_FIT_B, 0.2425);
    guess(law, MGD_HW_FIT_GAMMA_UP, 12.44625);
    guess(law, MGD_HW_FIT_GAMMA_DOWN, 12.78785);
    guess(law, MGD_HW_FIT_AMPLITUDE_UP, amplitude_for(law, up, law->gamma_up, 0.00081));
    guess(law, MGD_HW_FIT_AMPLITUDE_DOWN, amplitude_for(law, down, -law->gamma_down, 0.36833));
    guess_steps(law, 1.2 * up->step[0], -1.2 * down->step[0], range);
}

static void guess_law(problem *p) {
    mgd_hw_law *law = &p->law;
    outline up = outline_of(p, 1), down = outline_of(p, -1);
    double low, high;
    extremes(p, &low, &high);
    double range = high - low;
    if (law->kind == MGD_HW_LAW_SOFT_BOUNDS || law->kind == MGD_HW_LAW_POWER) {
        double top = zero_of(&up, high - 0.1 * range, high + range, high + 0.1 * range);
        double bottom = zero_of(&down, low + 0.1 * range, low - range, low - 0.1 * range);
        guess(law, MGD_HW_FIT_W_MAX, top);
        guess(law, MGD_HW_FIT_W_MIN, bottom);
    }
    guess(law, MGD_HW_FIT_W_MIN, low);
    guess(law, MGD_HW_FIT_W_MAX, high);
    double width = law->w_max - law->w_min;
    if (law->kind == MGD_HW_LAW_CONSTANT)
        guess_steps(law, up.step[0], -down.step[0], range);
    else if (law->kind == MGD_HW_LAW_LINEAR)
        guess_linear(law, &up, &down, range);
    else if (law->kind == MGD_HW_LAW_SOFT_BOUNDS)
        guess_steps(law, rate_of(&up) * law->w_max, -rate_of(&down) * law->w_min, range);
    else if (law->kind == MGD_HW_LAW_POWER)
        guess_steps(law, rate_of(&up) * width, rate_of(&down) * width, range);
    else if (law->kind == MGD_HW_LAW_EXPONENTIAL)
        guess_exponential(law, &up, &down, range);
    guess(law, MGD_HW_FIT_GAMMA_UP, 1);
    guess(law, MGD_HW_FIT_GAMMA_DOWN, 1);
    guess(law, MGD_HW_FIT_NONLINEARITY_UP, -law->levels * log1p(-rate_of(&up)));
    guess(law, MGD_HW_FIT_NONLINEARITY_DOWN, -law->levels * log1p(-rate_of(&down)));
}

/* The unknowns to begin with. */
static void pack(const problem *p, double *x) {
    for (size_t i = 0; i < p->free_count; i++) {
        double value = mgd_hw_parameter_get(&p->law, p->free[i]);
        x[i] = is_logarithmic(p->free[i]) ? log(value) : value;
    }
    for (size_t c = 0; c < p->curves; c++)
        x[p->free_count + c] = p->curve[c].w[0];
}

/* ---- noise ----------------------------------------------------------------------------------- */

/* The weight that the law makes of w by the pulses between points i − 1 and i; *squares: the sum of
 * the squares of the steps. */
static double predict(const mgd_hw_law *law, const mgd_hw_curve *curve, size_t i, double w,
                      double *squares) {
    *squares = 0;
    for (double pulse = curve->pulse[i - 1]; pulse < curve->pulse[i]; pulse++) {
        double next = next_weight(law, w, curve->direction);
        *squares += (next - w) * (next - w);
        w = next;
    }
    return w;
}

/* Fills, along the fitted curves (p->above): what is measured less what is fitted; the squares of
 * the steps that lead to a point, and how much of a deviation the law carries over from the one
 * before. */
static void find_deviations(const problem *p) {
    size_t row = 0;
    for (size_t c = 0; c < p->curves; c++)
        for (size_t i = 0; i < p->curve[c].count; i++, row++) {
            const mgd_hw_curve *curve = &p->curve[c];
            p->deviation[row] = curve->w[i] - p->above[row];
            p->squares[row] = p->carry[row] = 0;
            if (i == 0)
                continue;
            double w = p->above[row - 1], h = DIFFERENCE * fmax(fabs(w), 0.1), unused;
            double above = predict(&p->law, curve, i, w + h, &unused);
            double below = predict(&p->law, curve, i, w - h, &unused);
            p->carry[row] = (above - below) / (2 * h);
            predict(&p->law, curve, i, w, &p->squares[row]);
        }
}

/* −2 log(likelihood) of the deviations, where the steps' variance is `ratio` times their squares
 * and the readings' is 1, both times a common factor, the likeliest of which is put into *scale:
 * the filter of Kalman (1960) along each curve, whose start is free. */
static double deviance(const problem *p, double ratio, double *scale) {
    double sum = 0, logs = 0, n = 0;
    size_t row = 0;
    for (size_t c = 0; c < p->curves; c++) {
        double state = p->deviation[row], variance = 1;
        row++;
        for (size_t i = 1; i < p->curve[c].count; i++, row++, n++) {
            double before = p->carry[row] * p->carry[row] * variance + ratio * p->squares[row];
            double surprise = p->deviation[row] - p->carry[row] * state, all = before + 1;
            sum += surprise * surprise / all;
            logs += log(all);
            state = p->carry[row] * state + before / all * surprise;
            variance = before / all;
        }
    }
    *scale = sum / n;
    return n * log(*scale) + logs;
}

/* The largest ratio whose deviance is not more than `most`, from `ratio` on. */
static double upper_ratio(const problem *p, double ratio, double unit, double most) {
    double scale, low = ratio, high = fmax(ratio, RATIO_LEAST * unit);
    while (high < RATIO_MOST * unit && deviance(p, high, &scale) <= most) {
        low = high;
        high *= 2;
    }
    for (int i = 0; i < 40; i++) {
        double middle = (low + high) / 2;
        if (deviance(p, middle, &scale) <= most)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* The likeliest noises; the error of c² reaches to where the deviance has risen by 1. */
static void measure_noise(const problem *p, mgd_hw_fit *out) {
    double squares = 0, scale, best, ratio = 0, least = deviance(p, 0, &scale);
    for (size_t row = 0; row < p->points; row++)
        squares += p->squares[row] / (double)p->points;
    double left = (double)p->points / (double)(p->points - p->unknowns);
    if (scale < 1e-28 || squares <= 0) /* no noise but that of rounding */
        return;
    double unit = 1 / squares, factor = 2;
    for (double r = RATIO_LEAST * unit; r < RATIO_MOST * unit; r *= factor)
        if ((best = deviance(p, r, &scale)) < least) {
            least = best;
            ratio = r;
        }
    for (; factor > 1.001; factor = sqrt(factor)) /* closer around the best */
        for (int side = -1; side <= 1; side += 2) {
            double r = ratio * pow(factor, side * 0.5);
            if ((best = deviance(p, r, &scale)) < least) {
                least = best;
                ratio = r;
            }
        }
    double most = upper_ratio(p, ratio, unit, least + 1);
    deviance(p, most, &scale);
    double reach = most * scale * left;
    deviance(p, ratio, &scale);
    out->noise_squared = scale * left;
    out->c2c_squared = ratio * scale * left;
    out->c2c_squared_error = fmax(reach - out->c2c_squared, 0);
}

/* Adds Jᵀ V J to `m`, V being the covariance of the residuals: σ² for readings; and what a step
 * adds, which later points of its curve carry on. */
static void add_spread(const problem *p, const mgd_hw_fit *out, const gsl_matrix *j, gsl_vector *g,
                       gsl_matrix *m) {
    double sigma = out->noise_squared;
    double c = isnan(p->c2c_squared) ? out->c2c_squared : p->c2c_squared;
    size_t end = p->points;
    gsl_blas_dsyrk(CblasLower, CblasTrans, sigma, j, 0, m);
    for (size_t k = p->curves; k-- > 0; end -= p->curve[k].count) {
        gsl_vector_set_zero(g);
        for (size_t row = end - 1; row > end - p->curve[k].count; row--) {
            gsl_vector_const_view at = gsl_matrix_const_row(j, row);
            gsl_vector_scale(g, row + 1 < end ? p->carry[row + 1] : 0);
            gsl_vector_add(g, &at.vector);
            gsl_blas_dsyr(CblasLower, c * p->squares[row], g, m);
        }
    }
}

/* ---- the fit --------------------------------------------------------------------------------- */

static mgd_status check_curve(const problem *p, const mgd_hw_curve *curve) {
    const char *way = curve->direction > 0 ? "up" : "down";
    if (curve->count < LEAST_POINTS)
        return mgd_fail(p->ctx, MGD_ERR_ARGUMENT,
                        "%s: a curve %s has %zu points; a fit needs at least %d", p->name, way,
                        curve->count, LEAST_POINTS);
    for (size_t i = 0; i < curve->count; i++) {
        double pulse = curve->pulse[i];
        if (!isfinite(curve->w[i]) || !(fabs(curve->w[i]) < LIMIT))
            return mgd_fail(p->ctx, MGD_ERR_ARGUMENT, "%s: %s: the weight at pulse %s is %s",
                            p->name, way, MGD_NUMBER(pulse), MGD_NUMBER(curve->w[i]));
        if (pulse != floor(pulse) || fabs(pulse) > LIMIT || (i && pulse <= curve->pulse[i - 1]))
            return mgd_fail(p->ctx, MGD_ERR_ARGUMENT,
                            "%s: %s: pulses must be whole numbers up to %s, rising; %s is not",
                            p->name, way, MGD_NUMBER(LIMIT), MGD_NUMBER(pulse));
    }
    return MGD_OK;
}

static mgd_status check_curves(problem *p) {
    bool up = false, down = false;
    for (size_t c = 0; c < p->curves; c++) {
        MGD_TRY(check_curve(p, &p->curve[c]));
        up = up || p->curve[c].direction > 0;
        down = down || p->curve[c].direction < 0;
        p->points += p->curve[c].count;
    }
    if (!up || !down)
        return mgd_fail(p->ctx, MGD_ERR_ARGUMENT,
                        "%s: no curve %s: a law is fitted to both directions", p->name,
                        up ? "down" : "up");
    if (p->points <= p->unknowns)
        return mgd_fail(p->ctx, MGD_ERR_ARGUMENT,
                        "%s: %zu points for %zu unknowns: measure more, or hold some of them",
                        p->name, p->points, p->unknowns);
    for (int direction = -1; direction <= 1; direction += 2) {
        outline o = outline_of(p, direction);
        if (direction * (o.step[0] + o.step[1]) <= 0)
            return mgd_fail(p->ctx, MGD_ERR_ARGUMENT,
                            "%s: pulses %s change the weight by %g each: are the directions "
                            "swapped, or is nothing there but noise?",
                            p->name, direction > 0 ? "up" : "down", (o.step[0] + o.step[1]) / 2);
    }
    return MGD_OK;
}

/* A bound that only clips shows itself in points that lie on it. */
static bool is_seen(const problem *p, size_t parameter) {
    bool bound = parameter == MGD_HW_FIT_W_MIN || parameter == MGD_HW_FIT_W_MAX;
    if (!bound || (p->law.kind != MGD_HW_LAW_CONSTANT && p->law.kind != MGD_HW_LAW_LINEAR))
        return true;
    size_t on = 0;
    for (size_t row = 0; row < p->points; row++)
        on += p->above[row] == mgd_hw_parameter_get(&p->law, parameter);
    return on >= LEAST_POINTS;
}

/* Standard errors, from C = (JᵀJ)⁻¹ and m = C JᵀVJ C; never below those of residuals that are all
 * independent, so that a law that does not fit is not believed more. What no residual depends on
 * has no column in the Jacobian: GSL leaves its variance 0. */
static void set_errors(const problem *p, const gsl_matrix *c, const gsl_matrix *m,
                       mgd_hw_fit *out) {
    double left = (double)(p->points - p->unknowns) / (double)p->points;
    for (size_t i = 0; i < p->free_count; i++) {
        size_t parameter = p->free[i];
        double plain = gsl_matrix_get(c, i, i), error = NAN;
        if (plain > 0 && is_seen(p, parameter))
            error =
                sqrt(fmax(plain * out->residual * out->residual / left, gsl_matrix_get(m, i, i)));
        if (is_logarithmic(parameter))
            error *= mgd_hw_parameter_get(&p->law, parameter);
        out->error[parameter] = error;
    }
}

/* Errors and noise, in the minimum that `w` has found; p->above holds the fitted weights. */
static mgd_status find_errors(const problem *p, const gsl_multifit_nlinear_workspace *w,
                              mgd_hw_fit *out) {
    gsl_matrix *c = gsl_matrix_calloc(p->unknowns, p->unknowns);
    gsl_matrix *m = gsl_matrix_calloc(p->unknowns, p->unknowns);
    gsl_matrix *product = gsl_matrix_calloc(p->unknowns, p->unknowns);
    gsl_vector *g = gsl_vector_calloc(p->unknowns);
    mgd_status status = MGD_OK;
    if (c && m && product && g) {
        gsl_matrix *j = gsl_multifit_nlinear_jac(w);
        if (gsl_multifit_nlinear_covar(j, 1e-10, c) != GSL_SUCCESS)
            gsl_matrix_set_zero(c);
        add_spread(p, out, j, g, m);
        gsl_blas_dsymm(CblasLeft, CblasLower, 1, m, c, 0, product);
        gsl_blas_dgemm(CblasNoTrans, CblasNoTrans, 1, c, product, 0, m);
        set_errors(p, c, m, out);
    } else
        status = mgd_fail(p->ctx, MGD_ERR_MEMORY, "out of memory: the covariance of a fit");
    gsl_matrix_free(c);
    gsl_matrix_free(m);
    gsl_matrix_free(product);
    gsl_vector_free(g);
    return status;
}

static mgd_status fail_search(const problem *p, int status, const mgd_hw_fit *out) {
    const char *reason = status == GSL_EMAXITER ? "it still moves" : gsl_strerror(status);
    return mgd_fail(p->ctx, MGD_ERR_ARGUMENT,
                    "%s: the fit of '%s' has not converged after %zu iterations (%s; residual "
                    "%.3g): give 'start' values, 'hold' what the data do not tell, or take another "
                    "law",
                    p->name, mgd_hw_law_name(p->law.kind), out->iterations, reason, out->residual);
}

/* Iterates to a minimum. Where no step makes the fit better, GSL begins anew with its first trust
 * region; when that finds none either, several times over, it stands in a minimum (often on an
 * edge, where a bound is met). */
static mgd_status iterate(problem *p, gsl_multifit_nlinear_workspace *w, size_t most,
                          mgd_hw_fit *out) {
    int status = GSL_SUCCESS, stuck = 0, info = 0;
    for (out->iterations = 0; out->iterations < most; out->iterations++) {
        status = gsl_multifit_nlinear_iterate(w);
        if (p->status != MGD_OK)
            return p->status;
        stuck = status == GSL_ENOPROG ? stuck + 1 : 0;
        if (stuck == MOST_STUCK)
            break;
        if (status != GSL_SUCCESS && !stuck)
            break;
        if (!stuck && gsl_multifit_nlinear_test(TOLERANCE, TOLERANCE, 0, &info, w) == GSL_SUCCESS)
            break;
    }
    out->residual = gsl_blas_dnrm2(gsl_multifit_nlinear_residual(w)) / sqrt((double)p->points);
    if (out->iterations == most)
        return fail_search(p, GSL_EMAXITER, out);
    return status == GSL_SUCCESS || stuck ? MGD_OK : fail_search(p, status, out);
}

/* Hands out p->above, the fitted weights. */
static void store_fits(const problem *p) {
    size_t row = 0;
    for (size_t c = 0; c < p->curves; c++)
        for (size_t i = 0; i < p->curve[c].count; i++, row++)
            if (p->curve[c].fit)
                p->curve[c].fit[i] = p->above[row];
}

/* Searches from p->law; leaves the fitted weights in p->above. */
static mgd_status search(problem *p, gsl_multifit_nlinear_workspace *w,
                         gsl_multifit_nlinear_fdf *fdf, gsl_vector *x, size_t most,
                         mgd_hw_fit *out) {
    pack(p, x->data);
    int status = gsl_multifit_nlinear_init(x, fdf, w);
    if (p->status != MGD_OK)
        return p->status;
    if (status != GSL_SUCCESS)
        return fail_search(p, status, out);
    MGD_TRY(iterate(p, w, most, out));
    MGD_TRY(follow_all(p, gsl_multifit_nlinear_position(w)->data, p->above));
    store_fits(p);
    find_deviations(p);
    measure_noise(p, out);
    return find_errors(p, w, out);
}

static mgd_status search_with_gsl(problem *p, size_t most, mgd_hw_fit *out) {
    gsl_multifit_nlinear_parameters parameters = gsl_multifit_nlinear_default_parameters();
    gsl_multifit_nlinear_fdf fdf = {
        .f = residuals, .df = jacobian, .n = p->points, .p = p->unknowns, .params = p};
    gsl_multifit_nlinear_workspace *w =
        gsl_multifit_nlinear_alloc(gsl_multifit_nlinear_trust, &parameters, p->points, p->unknowns);
    gsl_vector *x = gsl_vector_alloc(p->unknowns);
    mgd_status status;
    if (w && x) {
        status = search(p, w, &fdf, x, most, out);
    } else
        status = mgd_fail(p->ctx, MGD_ERR_MEMORY, "out of memory: a fit of %zu points", p->points);
    if (x)
        gsl_vector_free(x);
    if (w)
        gsl_multifit_nlinear_free(w);
    return status;
}

static mgd_status fit(problem *p, size_t most, mgd_hw_fit *out) {
    MGD_TRY(check_curves(p));
    guess_law(p);
    MGD_TRY(mgd_hw_law_check(p->ctx, p->name, &p->law));
    void *memory;
    MGD_TRY(mgd_allocate(p->ctx, "the curves of a fit", 5 * p->points + p->unknowns, sizeof(double),
                         &memory));
    p->above = memory;
    p->below = p->above + p->points;
    p->deviation = p->below + p->points;
    p->squares = p->deviation + p->points;
    p->carry = p->squares + p->points;
    p->x = p->carry + p->points;
    gsl_error_handler_t *handler = gsl_set_error_handler_off();
    mgd_status status = search_with_gsl(p, most, out);
    gsl_set_error_handler(handler);
    mgd_free(memory);
    if (status == MGD_OK)
        status = mgd_hw_law_check(p->ctx, p->name, &p->law);
    out->law = p->law;
    out->points = p->points;
    return status;
}

static mgd_status check_given(mgd_context *ctx, const char *name, const mgd_hw_law *start,
                              size_t curves, const mgd_hw_curve *curve) {
    if ((unsigned)start->kind >= MGD_HW_LAW_COUNT)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: there is no law %d to fit", name,
                        (int)start->kind);
    if (start->kind == MGD_HW_LAW_TABLE && (!start->up || !start->down))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: a table needs two curves, got NULL", name);
    if (curves > 0 && !curve)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: expected %zu curves, got NULL", name, curves);
    for (size_t i = 0; i < curves; i++)
        if (curve[i].count > 0 && (!curve[i].pulse || !curve[i].w))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "%s: curve %zu: expected pulses and weights, got NULL", name, i + 1);
    return MGD_OK;
}

mgd_status mgd_hw_fit_device(mgd_context *ctx, const char *name, const mgd_hw_law *start,
                             const bool free[MGD_HW_PARAMETERS], size_t curves,
                             const mgd_hw_curve *curve, double c2c_squared, size_t max_iterations,
                             mgd_hw_fit *out) {
    MGD_OPERATION;
    MGD_TRY(check_given(ctx, name, start, curves, curve));
    problem p = {.ctx = ctx,
                 .name = name,
                 .law = *start,
                 .curves = curves,
                 .curve = curve,
                 .c2c_squared = c2c_squared};
    for (size_t i = 0; i < MGD_HW_PARAMETERS; i++)
        if (free[i] && mgd_hw_parameter_used(start->kind, i))
            p.free[p.free_count++] = i;
    p.unknowns = p.free_count + curves;
    mgd_hw_fit result;
    memset(&result, 0, sizeof result);
    MGD_TRY(fit(&p, max_iterations, &result));
    *out = result;
    return MGD_OK;
}
