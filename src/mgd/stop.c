/* Counting what has been asked, and replicas that stop. */

#include "engines.h"

#include <math.h>
#include <string.h>

void mgd_run_count(mgd_run *run) {
    if (run->clock.step > run->counters.asked_step) {
        run->counters.asked += mgd_step_count(run, run->counters.asked_step, run->clock.step);
        run->counters.asked_step = run->clock.step;
    }
}

void mgd_run_sum_anew(mgd_run *run) {
    memset(run->state.sum_tilde, 0, mgd_run_seats(run) * sizeof(double));
    memset(run->state.sum_c, 0, mgd_run_seats(run) * sizeof(double));
    run->counters.summed_from = run->clock.step;
}

double mgd_run_evaluations(mgd_run *run, uint64_t n) {
    const mgd_train *t = &run->train;
    if (run->engine->counts)
        return NAN;
    mgd_run_count(run);
    if (n >= run->counters.asked_step)
        return run->counters.asked + mgd_step_count(run, run->counters.asked_step, n);
    if (mgd_schedule_constant(&t->tau_x) && mgd_schedule_constant(&t->tau_theta) &&
        run->clock.began == 0)
        return mgd_step_count(run, 0, n);
    return run->counters.asked * (double)n / (double)run->counters.asked_step;
}

/* Writes of a parameter until a step, at most. */
static double writes_until(const mgd_run *run, uint64_t step) {
    double windows = (double)mgd_timer_index(&run->clock.windows, step);
    return run->engine->writes ? run->engine->writes(run, windows) : windows;
}

void mgd_run_stopped_at(mgd_run *run, size_t seat, uint64_t step) {
    run->state.stopped[seat] = (double)step;
    if (!run->engine->counts)
        run->state.asked_of[seat] =
            run->counters.asked + mgd_step_count(run, run->counters.asked_step, step);
    run->state.written_of[seat] = writes_until(run, step);
    if (run->session->stop)
        run->session->stop(run->session, seat, step);
    if (run->recording.recorder)
        mgd_recorder_halt(run->recording.recorder, step, run->state.owner[seat], true);
}

void mgd_run_counters(mgd_run *run, const mgd_counters *out) {
    mgd_run_count(run);
    for (size_t r = 0; r < run->train.replicas; r++) {
        size_t seat = run->state.seat[r];
        bool running = isnan(run->state.stopped[seat]);
        double writes = running ? writes_until(run, run->clock.step) : run->state.written_of[seat];
        mgd_wear wear = {.writes_mean = writes, .writes_max = writes, .endurance_left = 1};
        if (run->session->wear)
            wear = run->session->wear(run->session, seat);
        bool counted = !running || run->engine->counts;
        out->evaluations[r] = counted ? run->state.asked_of[seat] : run->counters.asked;
        out->writes_mean[r] = wear.writes_mean;
        out->writes_max[r] = wear.writes_max;
        out->pulses[r] = wear.pulses;
        out->endurance_left[r] = wear.endurance_left;
    }
}

/* ---- stopping ----------------------------------------------------------------------------------
 */

void mgd_run_stop(mgd_run *run, size_t r) {
    if (r >= run->train.replicas || run->state.alive[run->state.seat[r]] == 0)
        return;
    size_t seat = run->state.seat[r];
    run->state.alive[seat] = 0;
    mgd_run_stopped_at(run, seat, run->clock.step);
}

uint64_t mgd_run_stopped(const mgd_run *run, size_t r, bool *finite) {
    *finite = false;
    if (r >= run->train.replicas)
        return UINT64_MAX;
    size_t seat = run->state.seat[r];
    *finite = run->state.finite[seat] != 0;
    return isnan(run->state.stopped[seat]) ? UINT64_MAX : (uint64_t)run->state.stopped[seat];
}
