/* Counting what has been asked, and replicas that stop. */

#include "step.h"

#include <math.h>

void mgd_run_count(mgd_run *run) {
    if (run->step > run->asked_step) {
        run->asked += mgd_step_count(run, run->asked_step, run->step);
        run->asked_step = run->step;
    }
}

double mgd_run_evaluations(mgd_run *run, uint64_t n) {
    const mgd_train *t = &run->train;
    mgd_run_count(run);
    if (n >= run->asked_step)
        return run->asked + mgd_step_count(run, run->asked_step, n);
    if (mgd_schedule_constant(&t->tau_x) && mgd_schedule_constant(&t->tau_theta))
        return mgd_step_count(run, 0, n);
    return run->asked * (double)n / (double)run->asked_step;
}

void mgd_run_stopped_at(mgd_run *run, size_t slot, uint64_t step) {
    run->stopped[slot] = (double)step;
    if (run->train.integrator == MGD_INTEGRATOR_EULER)
        run->asked_of[slot] = run->asked + mgd_step_count(run, run->asked_step, step);
    run->written_of[slot] = (double)mgd_timer_index(&run->windows, step);
    if (run->session->stop)
        run->session->stop(run->session, slot, step);
}

void mgd_run_counters(mgd_run *run, const mgd_counters *out) {
    mgd_run_count(run);
    for (size_t r = 0; r < run->train.replicas; r++) {
        size_t slot = run->slot[r];
        bool running = isnan(run->stopped[slot]);
        double writes =
            running ? (double)mgd_timer_index(&run->windows, run->step) : run->written_of[slot];
        mgd_wear wear = {.writes_mean = writes, .writes_max = writes, .endurance_left = 1};
        if (run->session->wear)
            wear = run->session->wear(run->session, slot);
        bool counted = !running || run->train.integrator != MGD_INTEGRATOR_EULER;
        out->evaluations[r] = counted ? run->asked_of[slot] : run->asked;
        out->writes_mean[r] = wear.writes_mean;
        out->writes_max[r] = wear.writes_max;
        out->pulses[r] = wear.pulses;
        out->endurance_left[r] = wear.endurance_left;
    }
}

/* ---- stopping ----------------------------------------------------------------------------------
 */

void mgd_run_stop(mgd_run *run, size_t r) {
    if (r >= run->train.replicas || run->alive[run->slot[r]] == 0)
        return;
    size_t slot = run->slot[r];
    run->alive[slot] = 0;
    mgd_run_stopped_at(run, slot, run->step);
}

uint64_t mgd_run_stopped(const mgd_run *run, size_t r, bool *finite) {
    *finite = false;
    if (r >= run->train.replicas)
        return UINT64_MAX;
    size_t slot = run->slot[r];
    *finite = run->finite[slot] != 0;
    return isnan(run->stopped[slot]) ? UINT64_MAX : (uint64_t)run->stopped[slot];
}
