/* Fits of the laws to measured pulses: Levenberg and Marquardt by GSL (gsl_multifit_nlinear).
 *
 * The unknowns are the free numbers of the law and, for each curve, the weight at which it starts.
 * A curve is followed pulse by pulse by the law itself, so what is fitted is what a chip will do.
 * dw_min and the amplitudes, which are positive, are fitted as logarithms; the Jacobian is taken by
 * central differences.
 *
 * GSL asks its own allocator and reports through an error handler that aborts; it is off during a
 * fit and put back afterwards.
 */

#include "../base/number.h"
#include "fit.h"

#include <gsl/gsl_blas.h>
#include <gsl/gsl_errno.h>
#include <string.h>

#define TOLERANCE 1e-9 /* relative change of the unknowns, gradient */
#define MOST_STUCK 3   /* iterations in a row that find nothing better */

/* ---- curves ---------------------------------------------------------------------------------- */

static void follow(const mgd_hw_law *law, const mgd_hw_curve *curve, double w, double *out) {
    double pulse = curve->pulse[0];
    for (size_t i = 0; i < curve->count; i++) {
        for (; pulse < curve->pulse[i]; pulse++)
            w = next_weight(law, w, curve->direction);
        out[i] = w;
    }
}

static void unpack(const double *x, problem *p) {
    for (size_t i = 0; i < p->free_count; i++) {
        double value = x[i];
        if (is_logarithmic(p->free[i]))
            value = copysign(exp(value), mgd_hw_parameter_get(&p->law, p->free[i]));
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

static mgd_hw_outline outline_of(const problem *p, int direction) {
    mgd_hw_outline o = {{0}, {0}, 0, 0};
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

static void guess_law(problem *p) {
    const mgd_hw_law_type *type = mgd_hw_law_type_of(p->law.kind);
    mgd_hw_outlines o = {.up = outline_of(p, 1), .down = outline_of(p, -1)};
    extremes(p, &o.low, &o.high);
    if (type->guess)
        type->guess(&p->law, &o);
}

/* The unknowns to begin with. */
static void pack(const problem *p, double *x) {
    for (size_t i = 0; i < p->free_count; i++) {
        double value = mgd_hw_parameter_get(&p->law, p->free[i]);
        x[i] = is_logarithmic(p->free[i]) ? log(fabs(value)) : value;
    }
    for (size_t c = 0; c < p->curves; c++)
        x[p->free_count + c] = p->curve[c].w[0];
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
        mgd_hw_outline o = outline_of(p, direction);
        if (direction * (o.step[0] + o.step[1]) <= 0)
            return mgd_fail(p->ctx, MGD_ERR_ARGUMENT,
                            "%s: pulses %s change the weight by %g each: are the directions "
                            "swapped, or is nothing there but noise?",
                            p->name, direction > 0 ? "up" : "down", (o.step[0] + o.step[1]) / 2);
    }
    return MGD_OK;
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
    mgd_hw_fit_noise(p, out);
    return mgd_hw_fit_errors(p, w, out);
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
    if ((unsigned)start->kind >= MGD_HW_LAW_COUNT || start->kind == MGD_HW_LAW_IDEAL)
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
