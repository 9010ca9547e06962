/* Looking at a run, and what rests have done to it. */

#include "step.h"

void mgd_run_settle(mgd_run *run) {
    double seconds = run->chip->rested - run->clock.rested;
    run->clock.rested = run->chip->rested;
    if (!(seconds > 0) || !run->session->rest)
        return;
    run->session->rest(run->session,
                       &(mgd_rest){run->clock.step, run->state.number, run->state.theta, seconds});
    for (size_t r = 0; r < run->train.replicas && run->recording.recorder; r++) {
        size_t seat = run->state.seat[r], unit = seat / run->layout.lanes;
        mgd_recorder_theta(run->recording.recorder, run->clock.step, r, MGD_THETA_RESTED,
                           run->state.theta + unit * mgd_run_unit_bytes(run), NULL,
                           run->layout.lanes, seat % run->layout.lanes);
    }
}

uint64_t mgd_run_steps_done(const mgd_run *run) {
    return run->clock.step;
}

size_t mgd_run_replicas(const mgd_run *run) {
    return run->train.replicas;
}

size_t mgd_run_units(const mgd_run *run, size_t *active) {
    *active = run->layout.live_units;
    return run->layout.units;
}

const char *mgd_run_warning(const mgd_run *run) {
    return run->watch.warned ? run->watch.warning : NULL;
}
