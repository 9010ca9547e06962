/* The analog engine in continuous time, by GSL's solvers (gsl_odeiv2). Within a step of length 1,
 * in which pattern, sample and η are held, with C̃ = C(θ + θ̃) − u:
 *   dθ/dt = −η·(G + λ·θ)   dG/dt = (C̃·θ̃/⟨θ̃²⟩ − G)/τ_θ   du/dt = C̃/τ_hp
 * u begins as C, so that C̃ begins at 0, and moves with C where the sample changes, so that C̃ does
 * not jump there. Only these values, y = (θ, G, u), outlive a step: the solver begins anew in each,
 * with the whole of it as its first trial, so that a run may be cut and continued anywhere.
 *
 * Implicit methods want ∂y'/∂y, of which only ∂C/∂θ is not known: central differences of the
 * measured cost, 2·P measurements. A chip is measured at one point at a time.
 *
 * u lies in c0: it is what C is compared with. asked_of counts evaluations of replicas that run,
 * too, for each takes as many as it needs. All that is taken per step is what GSL's decomposition
 * of a matrix takes for its pivots.
 */

#include "../base/number.h"
#include "engines.h"

#include <float.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_odeiv2.h>
#include <math.h>
#include <string.h>

/* A solver's time in a step. From 1 on, not 0, so that END − t is exact, and a trial that has
 * become lost in rounding ends the search for a shorter one. */
#define BEGIN 1.0
#define END 2.0
#define MOST_TRIALS 100000 /* in a step, before a cost that cannot be followed is given up */
#define MOST_IMPLICIT 1000 /* parameters: the solver's matrices have 4·P² entries and more */

typedef struct {
    gsl_odeiv2_system system;
    gsl_odeiv2_driver *driver;
    double *y;       /* (2P + 1) θ, G, u */
    double *pattern; /* (P) s of this step, as it demodulates */
    double *theta;   /* (P', as in the run) where the chip is asked */
    double *slope;   /* (P) ∂C/∂θ */

    /* of this step */
    mgd_context *ctx;
    mgd_run *run;
    mgd_unit_source source;
    mgd_request request;
    double eta, tau_theta, scale;
    double cost;        /* as last measured */
    double evaluations; /* so far */
    mgd_status status;  /* of the chip */
} solver;

typedef struct {
    const char *name;
    const gsl_odeiv2_step_type *const *type;
    bool implicit;
} method;

static const method methods[] = {
    [MGD_INTEGRATOR_EULER] = {"euler", NULL, false},
    [MGD_INTEGRATOR_RK2] = {"rk2", &gsl_odeiv2_step_rk2, false},
    [MGD_INTEGRATOR_RK4] = {"rk4", &gsl_odeiv2_step_rk4, false},
    [MGD_INTEGRATOR_RKF45] = {"rkf45", &gsl_odeiv2_step_rkf45, false},
    [MGD_INTEGRATOR_RKCK] = {"rkck", &gsl_odeiv2_step_rkck, false},
    [MGD_INTEGRATOR_RK8PD] = {"rk8pd", &gsl_odeiv2_step_rk8pd, false},
    [MGD_INTEGRATOR_MSADAMS] = {"msadams", &gsl_odeiv2_step_msadams, false},
    [MGD_INTEGRATOR_RK2IMP] = {"rk2imp", &gsl_odeiv2_step_rk2imp, true},
    [MGD_INTEGRATOR_RK4IMP] = {"rk4imp", &gsl_odeiv2_step_rk4imp, true},
    [MGD_INTEGRATOR_BSIMP] = {"bsimp", &gsl_odeiv2_step_bsimp, true},
    [MGD_INTEGRATOR_MSBDF] = {"msbdf", &gsl_odeiv2_step_msbdf, true},
};

const char *mgd_integrator_name(unsigned integrator) {
    return integrator < sizeof methods / sizeof *methods ? methods[integrator].name : NULL;
}

/* ---- what it cannot do ----------------------------------------------------------------------- */

static mgd_status check(mgd_context *ctx, const mgd_train *t, const mgd_chip *chip) {
    const char *name = methods[t->integrator].name;
    if (t->engine != MGD_ENGINE_ANALOG)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: integrator %s is the analog engine's", name);
    MGD_TRY(mgd_analog_check(ctx, t, chip));
    if (!mgd_optimizer_type_of(t->optimizer)->plain || t->clip > 0 || t->clip_norm > 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: integrator %s: θ follows dθ/dt = −η·(G + λ·θ): expected optimizer "
                        "sgd, without clip or clip_norm, or integrator euler",
                        name);
    if (chip->in_order || chip->real)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: integrator %s needs a chip without noise or states, since it may "
                        "try a step again: expected a network or a function, or integrator euler",
                        name);
    if (chip->dtype != MGD_F64)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: integrator %s needs a network of dtype f64, got f32, whose "
                        "rounding it would follow with ever smaller steps",
                        name);
    if (methods[t->integrator].implicit && chip->num_parameters > MOST_IMPLICIT)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: integrator %s solves equations of 2·P + 1 unknowns, P = %zu: "
                        "expected at most %d parameters, or an explicit integrator",
                        name, chip->num_parameters, MOST_IMPLICIT);
    return MGD_OK;
}

/* ---- the chip -------------------------------------------------------------------------------- */

/* Measures C at o->theta with this step's pattern on top. The interrupt flag is left for the caller
 * of all units to clear. */
static int measure(solver *o) {
    if (o->status != MGD_OK)
        return GSL_EBADFUNC;
    mgd_session *session = o->run->session;
    o->status = mgd_interrupt_pending() ? mgd_fail(o->ctx, MGD_ERR_INTERRUPT, "interrupted")
                                        : session->measure(o->ctx, session, &o->request);
    if (o->status != MGD_OK)
        return GSL_EBADFUNC;
    o->evaluations += (double)o->run->train.batch;
    o->cost = *o->request.cost;
    return isfinite(o->cost) ? GSL_SUCCESS : GSL_FAILURE; /* a shorter trial may not meet it */
}

static int measure_at(solver *o, const double *theta) {
    memcpy(o->theta, theta, o->run->parameters * sizeof(double));
    return measure(o);
}

/* ---- the equations --------------------------------------------------------------------------- */

/* e/s of a signal C̃ */
static double signal_of(const solver *o, double tilde) {
    double clamp = o->run->train.clamp;
    return (clamp > 0 ? fmax(-clamp, fmin(clamp, tilde)) : tilde) * o->scale;
}

/* y' (2P + 1) */
static int derivative(double t, const double y[], double out[], void *self) {
    (void)t;
    solver *o = self;
    size_t p = o->run->parameters;
    int code = measure_at(o, y);
    if (code != GSL_SUCCESS)
        return code;
    double tilde = o->cost - y[2 * p], signal = signal_of(o, tilde);
    double decay = o->run->train.weight_decay;
    for (size_t i = 0; i < p; i++) {
        out[i] = -o->eta * (y[p + i] + decay * y[i]);
        out[p + i] = (signal * o->pattern[i] - y[p + i]) / o->tau_theta;
    }
    out[2 * p] = tilde / o->run->train.tau_hp;
    return GSL_SUCCESS;
}

/* ∂C/∂θ (P) at θ + θ̃, with the step that balances truncation and rounding: ε^⅓·max(1, |θ|). */
static int differences(solver *o, const double *theta) {
    memcpy(o->theta, theta, o->run->parameters * sizeof(double));
    for (size_t i = 0; i < o->run->parameters; i++) {
        double step = cbrt(DBL_EPSILON) * fmax(1, fabs(theta[i])), c[2], at[2];
        for (int side = 0; side < 2; side++) {
            o->theta[i] = at[side] = side ? theta[i] + step : theta[i] - step;
            int code = measure(o);
            if (code != GSL_SUCCESS)
                return code;
            c[side] = o->cost;
        }
        o->theta[i] = theta[i];
        o->slope[i] = (c[1] - c[0]) / (at[1] - at[0]);
    }
    return GSL_SUCCESS;
}

/* ∂y'/∂y (2P + 1 × 2P + 1), and ∂y'/∂t, which is 0. */
static int jacobian(double t, const double y[], double *out, double by_time[], void *self) {
    (void)t;
    solver *o = self;
    const mgd_train *train = &o->run->train;
    size_t p = o->run->parameters, n = 2 * p + 1;
    bool limited = false;
    int code = GSL_SUCCESS;
    if (train->clamp > 0) {
        code = measure_at(o, y);
        limited = fabs(o->cost - y[2 * p]) > train->clamp;
    }
    if (code == GSL_SUCCESS)
        code = differences(o, y);
    if (code != GSL_SUCCESS)
        return code;
    memset(by_time, 0, n * sizeof(double));
    memset(out, 0, n * n * sizeof(double));
    for (size_t i = 0; i < p; i++) {
        double *theta = out + i * n, *g = out + (p + i) * n;
        double gain = limited ? 0 : o->scale * o->pattern[i] / o->tau_theta;
        theta[i] = -o->eta * train->weight_decay;
        theta[p + i] = -o->eta;
        for (size_t j = 0; j < p; j++)
            g[j] = gain * o->slope[j];
        g[p + i] = -1 / o->tau_theta;
        g[2 * p] = -gain;
        out[2 * p * n + i] = o->slope[i] / train->tau_hp;
    }
    out[2 * p * n + 2 * p] = -1 / train->tau_hp;
    return GSL_SUCCESS;
}

/* ---- a step ---------------------------------------------------------------------------------- */

/* All that is held in step n, and y as it begins. */
static void begin(mgd_context *ctx, mgd_run *run, mgd_worker *w, const mgd_request *request,
                  uint64_t n) {
    solver *o = w->own;
    size_t unit = request->unit, p = run->parameters, at = unit * mgd_run_unit_bytes(run);
    o->ctx = ctx;
    o->run = run;
    o->source = mgd_unit_source_of(run, unit);
    o->source.theta = (const char *)o->theta;
    o->request = *request;
    o->request.num_points = mgd_step_points(run, w, unit, n, 1);
    o->request.source = mgd_unit_source_open(&o->source);
    o->eta = mgd_run_eta(run, n) * run->state.rate[unit]; /* one replica in a unit */
    o->tau_theta = mgd_run_tau_theta(run, n);
    o->scale = mgd_step_scale(run, n);
    o->evaluations = 0;
    o->status = MGD_OK;
    for (size_t first = 0, count; first < p; first += count) {
        count = mgd_unit_part(run, first, p);
        mgd_pattern s = mgd_unit_pattern(&o->source, w, MGD_USE_DEMODULATE, w->block.points->slot,
                                         first, count);
        memcpy(o->pattern + first, s.values, count * sizeof(double));
    }
    memcpy(o->y, run->state.theta + at, p * sizeof(double));
    memcpy(o->y + p, run->state.gradient + at, p * sizeof(double));
    o->y[2 * p] = run->state.c0[unit];
}

/* From the beginning of a step to its end. The last trial takes what is nearly its own length, too:
 * implicit methods fail on a rest that is lost in rounding. */
static int evolve(solver *o) {
    gsl_odeiv2_driver *d = o->driver;
    double t = BEGIN, h = END - BEGIN;
    int code = gsl_odeiv2_driver_reset(d);
    for (int trials = 0; t < END && code == GSL_SUCCESS; trials++) {
        h = h > 0.99 * (END - t) ? END - t : h;
        code = trials < MOST_TRIALS
                   ? gsl_odeiv2_evolve_apply(d->e, d->c, d->s, d->sys, &t, END, &h, o->y)
                   : GSL_EMAXITER;
    }
    return code;
}

/* y at the end of step n, and C there. */
static int solve(solver *o, size_t unit, uint64_t n) {
    size_t p = o->run->parameters;
    int code = GSL_SUCCESS;
    if (mgd_step_changes_sample(o->run, n)) {
        code = measure_at(o, o->y);
        o->y[2 * p] = o->cost - o->run->state.c_tilde[unit];
    }
    if (code == GSL_SUCCESS)
        code = evolve(o);
    for (size_t i = 0; i < 2 * p + 1 && code == GSL_SUCCESS; i++)
        if (!isfinite(o->y[i])) {
            o->cost = INFINITY; /* as it would be with that θ */
            code = GSL_FAILURE;
        }
    return code == GSL_SUCCESS ? measure_at(o, o->y) : code;
}

static mgd_status take_step(mgd_context *ctx, mgd_run *run, mgd_worker *w, mgd_request *request,
                            uint64_t n, size_t steps) {
    solver *o = w->own;
    size_t unit = request->unit, p = run->parameters, at = unit * mgd_run_unit_bytes(run);
    (void)steps; /* one */
    begin(ctx, run, w, request, n);
    int code = solve(o, unit, n);
    if (o->status != MGD_OK)
        return o->status;
    /* no trial is short enough where the solution itself reaches infinity */
    if (code != GSL_SUCCESS && !(fabs(o->cost) < MGD_HUGE_SIGNAL)) {
        mgd_divergence_stop(run, unit, n, isfinite(o->cost) ? INFINITY : o->cost);
        return MGD_OK;
    }
    if (code != GSL_SUCCESS)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: integrator %s does not come to the end of step %llu within %d "
                        "trials and the tolerance %s: a larger tolerance or another integrator may "
                        "help, unless the cost jumps or is noisy",
                        methods[run->train.integrator].name, (unsigned long long)n, MOST_TRIALS,
                        MGD_NUMBER(run->train.tolerance));
    memcpy(run->state.gradient + at, o->y + p, p * sizeof(double));
    if (run->keeps_windows)
        mgd_step_keep_window(run, unit, n);
    memcpy(run->state.theta + at, o->y, p * sizeof(double));
    run->state.c0[unit] = o->y[2 * p];
    run->state.c[unit] = o->cost;
    run->state.c_tilde[unit] = o->cost - o->y[2 * p];
    run->state.asked_of[unit] += o->evaluations;
    mgd_step_average(run, w, unit, n);
    mgd_divergence_step(run, unit, n);
    return MGD_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static mgd_status open_own(mgd_context *ctx, const mgd_run *run, void **out) {
    size_t p = run->parameters;
    MGD_TRY(mgd_allocate(ctx, "integrator", 1, sizeof(solver), out));
    solver *o = *out;
    o->system = (gsl_odeiv2_system){derivative, jacobian, 2 * p + 1, o};
    if (mgd_take(&o->y, 2 * p + 1, sizeof(double)) && mgd_take(&o->pattern, p, sizeof(double)) &&
        mgd_take(&o->theta, 1, mgd_run_unit_bytes(run)) && mgd_take(&o->slope, p, sizeof(double))) {
        double tolerance = run->train.tolerance;
        gsl_error_handler_t *handler = gsl_set_error_handler_off();
        o->driver = gsl_odeiv2_driver_alloc_y_new(&o->system, *methods[run->train.integrator].type,
                                                  END - BEGIN, tolerance, tolerance);
        gsl_set_error_handler(handler);
    }
    return o->driver
               ? MGD_OK
               : mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: integrator %s of %zu parameters",
                          methods[run->train.integrator].name, p);
}

static void close_own(void *memory) {
    solver *o = memory;
    if (!o)
        return;
    if (o->driver)
        gsl_odeiv2_driver_free(o->driver);
    mgd_free(o->y);
    mgd_free(o->pattern);
    mgd_free(o->theta);
    mgd_free(o->slope);
    mgd_free(o);
}

const mgd_engine_type mgd_engine_ode = {
    .filters = true,
    .lasts = true,
    .by_step = true,
    .counts = true,
    .check = check,
    .open = open_own,
    .close = close_own,
    .measure = take_step,
};
