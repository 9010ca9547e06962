/* The engine of chips that train by themselves: they are shown samples for a block of steps, and
 * say what came of it. θ is the chip's; it is read when a call of mgd_run_advance ends.
 */

#include "engines.h"

#include <math.h>
#include <string.h>

static mgd_status check(mgd_context *ctx, const mgd_train *train, const mgd_chip *chip) {
    (void)train;
    return chip->integrates
               ? MGD_OK
               : mgd_fail(ctx, MGD_ERR_ARGUMENT,
                          "train: engine: chip is for chips that integrate and write by "
                          "themselves, which this one does not: expected discrete or analog");
}

static mgd_status hold(mgd_context *ctx, mgd_run *run) {
    (void)ctx;
    for (size_t unit = 0; unit < run->layout.units && run->session->hold; unit++)
        run->session->hold(run->session, run->state.theta + unit * mgd_run_unit_bytes(run));
    return MGD_OK;
}

static mgd_status measure(mgd_context *ctx, mgd_run *run, mgd_worker *w, mgd_request *request,
                          uint64_t first, size_t steps) {
    size_t unit = request->unit, batch = run->train.batch; /* one replica in a unit */
    for (size_t k = 0; k < steps; k++)
        mgd_run_samples(run, unit, mgd_timer_index(&run->clock.shows, first + k),
                        w->block.samples + k * batch);
    mgd_lesson lesson = {.unit = unit,
                         .replica = run->state.number[unit],
                         .step = first,
                         .steps = steps,
                         .theta = run->state.theta + unit * mgd_run_unit_bytes(run),
                         .amplitude =
                             mgd_run_amplitude(run, mgd_timer_index(&run->clock.slots, first)),
                         .samples = w->block.samples};
    MGD_TRY(run->session->teach(ctx, run->session, &lesson));
    run->state.c[unit] = lesson.cost;
    run->state.c_tilde[unit] = lesson.c_tilde;
    run->state.c0[unit] = lesson.cost - lesson.c_tilde;
    run->state.asked_of[unit] += lesson.evaluations;
    uint64_t last = first + steps - 1;
    if (isfinite(lesson.cost))
        mgd_divergence_step(run, unit, last);
    else
        mgd_divergence_stop(run, unit, last, lesson.cost);
    return MGD_OK;
}

mgd_status mgd_engine_read_back(mgd_context *ctx, mgd_run *run) {
    for (size_t unit = 0; unit < run->layout.units && run->session->read; unit++)
        MGD_TRY(run->session->read(ctx, run->session, unit,
                                   run->state.theta + unit * mgd_run_unit_bytes(run)));
    return MGD_OK;
}

const mgd_engine_type mgd_engine_chip = {
    .name = "chip",
    .windows = true,
    .teaches = true,
    .counts = true,
    .check = check,
    .hold = hold,
    .measure = measure,
};
