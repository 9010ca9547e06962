/* What a fit is worth: its noises and the standard errors of its numbers.
 *
 * Two kinds of noise lie on a curve. What a reading adds is independent from point to point; what a
 * step adds (cycle to cycle) stays, and makes the residuals of neighbours alike. Their
 * likelihood separates the two (`measure_noise`), and standard errors allow for both
 * (`add_spread`).
 */

#include "fit.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>

#define RATIO_LEAST 1e-7 /* of the noise of steps to that of readings, as variances */
#define RATIO_MOST 1e7

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

/* The likeliest of both; the error of c² reaches to where the deviance has risen by 1. */
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

void mgd_hw_fit_noise(const problem *p, mgd_hw_fit *out) {
    find_deviations(p);
    measure_noise(p, out);
}

/* ---- standard errors ------------------------------------------------------------------------- */

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

/* A bound that only clips shows itself in points that lie on it. */
static bool is_seen(const problem *p, size_t parameter) {
    bool bound = parameter == MGD_HW_FIT_W_MIN || parameter == MGD_HW_FIT_W_MAX;
    if (!bound || !mgd_hw_law_type_of(p->law.kind)->blind)
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

mgd_status mgd_hw_fit_errors(const problem *p, const gsl_multifit_nlinear_workspace *w,
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
