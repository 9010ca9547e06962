/* Looking at a run, and what rests have done to it. */

#include "step.h"

void mgd_run_settle(mgd_run *run) {
    double seconds = run->chip->rested - run->rested;
    run->rested = run->chip->rested;
    if (seconds > 0 && run->session->rest)
        run->session->rest(run->session, &(mgd_rest){run->step, run->number, run->theta, seconds});
}

uint64_t mgd_run_steps_done(const mgd_run *run) {
    return run->step;
}

size_t mgd_run_replicas(const mgd_run *run) {
    return run->train.replicas;
}

size_t mgd_run_units(const mgd_run *run, size_t *active) {
    *active = run->live_units;
    return run->units;
}

const char *mgd_run_warning(const mgd_run *run) {
    return run->warned ? run->warning : NULL;
}
