/* Measuring at points that somebody else lists: a run that is never advanced, whose worker, source
 * and session are asked as engine.c asks them. */

#include "points.h"

#include "engines.h"

#include <math.h>
#include <string.h>

#define WINDOW 4096 /* steps: no window is shorter than what the engine asks for at once */

struct mgd_points {
    mgd_run *run;
    uint64_t done; /* steps that the chip's clock has been through */
    bool began;
};

/* ---- opening --------------------------------------------------------------------------------- */

bool mgd_points_knows(mgd_code_kind code) {
    /* sines depend on the window, rows and columns on arrays that whoever asks does not see, and a
     * function's patterns are not here */
    return code != MGD_CODE_SINE && code != MGD_CODE_OUTER && code != MGD_CODE_FUNCTION;
}

mgd_status mgd_points_open(mgd_context *ctx, mgd_chip *chip, const mgd_points_spec *spec,
                           mgd_points **out) {
    mgd_train train = mgd_train_defaults();
    train.x = spec->x;
    train.y = spec->y;
    train.cost = spec->cost;
    train.batch = spec->batch;
    train.shuffle = false;
    train.code = spec->code;
    train.seed = spec->seed;
    train.replica = spec->replica;
    train.dt = spec->dt;
    train.threads = spec->threads;
    mgd_schedule window = {.kind = MGD_SCHEDULE_CONSTANT, .value = WINDOW};
    train.tau_theta = window;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "points", 1, sizeof(mgd_points), &memory));
    mgd_points *points = memory;
    mgd_status status = mgd_run_new(ctx, chip, &train, &points->run);
    if (status != MGD_OK) {
        mgd_points_close(points);
        return status;
    }
    mgd_worker *w = &points->run->workers[0];
    w->rates.held = NAN;
    mgd_step_hold_rates(points->run, w, 0, 0);
    *out = points;
    return MGD_OK;
}

void mgd_points_close(mgd_points *points) {
    if (points)
        mgd_run_free(points->run);
    mgd_free(points);
}

bool mgd_points_writes(const mgd_points *points) {
    return points->run->session->write != NULL;
}

/* ---- θ --------------------------------------------------------------------------------------- */

void mgd_points_place(mgd_points *points, const void *theta) {
    const mgd_run *run = points->run; /* of one replica, in a row */
    memcpy(run->state.theta, theta, run->parameters * run->real);
}

mgd_status mgd_points_write(mgd_context *ctx, mgd_points *points, uint64_t step, void *theta) {
    mgd_run *run = points->run;
    size_t bytes = mgd_run_unit_bytes(run);
    if (!mgd_points_writes(points)) {
        mgd_points_place(points, theta);
        return MGD_OK;
    }
    mgd_worker *w = &run->workers[0];
    memcpy(w->before, run->state.theta, bytes);
    mgd_points_place(points, theta);
    mgd_write write = {.replica = run->state.number,
                       .lives = w->rates.lives,
                       .step = step,
                       .before = w->before,
                       .theta = run->state.theta};
    mgd_status status = run->session->write(ctx, run->session, &write);
    if (status != MGD_OK)
        memcpy(run->state.theta, w->before, bytes);
    else
        memcpy(theta, run->state.theta, run->parameters * run->real);
    return status;
}

/* ---- measuring ------------------------------------------------------------------------------- */

static void set_amplitude(mgd_run *run, double amplitude) {
    if (run->now.amplitude == amplitude)
        return;
    run->now.amplitude = amplitude;
    for (size_t i = 0; i < run->layout.workers; i++)
        run->workers[i].patterns.factor_signs = 0; /* made with another one */
}

/* The clock of a chip whose first point is in the middle of a run begins there. */
static void pass_time(mgd_points *points, const mgd_point *first, const mgd_point *last) {
    mgd_run *run = points->run;
    if (!points->began)
        points->done = first->step;
    points->began = true;
    if (last->step < points->done)
        return;
    run->chip->ran += (double)(last->step + 1 - points->done) * run->train.dt;
    points->done = last->step + 1;
}

/* Tells the chip which samples come, as the engine does. */
static void tell_samples(const mgd_run *run, const mgd_request *r) {
    for (size_t p = 0; p < r->num_points && run->session->prefetch; p++)
        if (p == 0 || r->points[p].samples != r->points[p - 1].samples)
            run->session->prefetch(run->session, r->points[p].samples, run->train.batch);
}

mgd_status mgd_points_measure(mgd_context *ctx, mgd_points *points, double amplitude, size_t count,
                              const mgd_point *point, double *cost) {
    mgd_run *run = points->run;
    bool alone = run->chip->caller_only || run->train.cost.kind == MGD_COST_FUNCTION;
    mgd_unit_source source = mgd_unit_source_of(run, 0);
    mgd_request request = {.pool = !alone && run->layout.one_by_one ? run->pool : NULL,
                           .source = mgd_unit_source_open(&source),
                           .replica = source.replica,
                           .lives = run->workers[0].rates.lives};
    set_amplitude(run, amplitude);
    for (size_t done = 0; done < count; done += request.num_points) {
        size_t left = count - done;
        request.num_points = left < run->layout.max_points ? left : run->layout.max_points;
        request.points = point + done;
        request.cost = cost + done;
        tell_samples(run, &request);
        MGD_TRY(run->session->measure(ctx, run->session, &request));
        MGD_TRY(mgd_interrupt_answer(ctx));
    }
    if (count > 0)
        pass_time(points, point, &point[count - 1]);
    return MGD_OK;
}

void mgd_points_perturbed(mgd_points *points, double amplitude, const mgd_point *point, void *out) {
    mgd_run *run = points->run;
    mgd_unit_source source = mgd_unit_source_of(run, 0);
    mgd_source from = mgd_unit_source_open(&source);
    set_amplitude(run, amplitude);
    if (point->sign == 0)
        memcpy(out, source.theta, run->parameters * run->real);
    else
        from.perturbed(from.self, 0, point, source.theta, 0, run->parameters, out);
}

mgd_status mgd_points_predict(mgd_context *ctx, mgd_points *points, uint64_t step,
                              const void *theta, const mgd_tensor *x, mgd_tensor **y) {
    mgd_run *run = points->run;
    mgd_view view = {.step = step, .theta = theta};
    return run->session->predict(ctx, run->session, &view, x, 0, y);
}
