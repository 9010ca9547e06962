/* The interrupt flag and the clock. */

#include "base.h"

#include <signal.h>
#include <time.h>

volatile sig_atomic_t mgd_interrupt_flag;

void mgd_interrupt_request(void) {
    mgd_interrupt_flag = 1;
}

bool mgd_interrupt_pending(void) {
    return mgd_interrupt_flag != 0;
}

void mgd_interrupt_clear(void) {
    mgd_interrupt_flag = 0;
}

mgd_status mgd_interrupt_answer(mgd_context *ctx) {
    if (!mgd_interrupt_pending())
        return MGD_OK;
    mgd_interrupt_clear();
    return mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
}

double mgd_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
