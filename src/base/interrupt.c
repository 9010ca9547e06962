/* Requests to stop, and the clock.
 *
 * Requests are counted, and so is how many of them have been answered. An operation notes at its
 * beginning how many that are: a request beyond those is for it. So one request stops every
 * operation that runs, on whatever thread, and each answers once; one that comes while nothing runs
 * waits for the next operation; and what begins after somebody has answered is not stopped.
 */

#include "base.h"

#include <stdatomic.h>
#include <time.h>

static atomic_uint requested, answered; /* free of locks: a signal handler may raise the first */

/* Of the operation that this thread is in, the outermost one. */
static _Thread_local struct {
    unsigned depth; /* 0: in none */
    unsigned noted;
} self;

void mgd_interrupt_request(void) {
    atomic_fetch_add(&requested, 1);
}

unsigned mgd_operation_noted(void) {
    return self.depth > 0 ? self.noted : atomic_load(&answered);
}

bool mgd_interrupt_pending(void) {
    return atomic_load_explicit(&requested, memory_order_relaxed) != mgd_operation_noted();
}

void mgd_interrupt_clear(void) {
    unsigned now = atomic_load(&requested), before = atomic_load(&answered);
    self.noted = now;
    while ((int)(now - before) > 0 && !atomic_compare_exchange_weak(&answered, &before, now))
        continue; /* never back: another thread may have answered a later one */
}

unsigned mgd_interrupt_count(void) {
    return atomic_load(&answered);
}

mgd_status mgd_interrupted(mgd_context *ctx) {
    mgd_interrupt_clear();
    return mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
}

mgd_status mgd_interrupt_answer(mgd_context *ctx) {
    return mgd_interrupt_pending() ? mgd_interrupted(ctx) : MGD_OK;
}

unsigned mgd_operation_begin(void) {
    if (self.depth++ == 0)
        self.noted = atomic_load(&answered);
    return self.noted;
}

void mgd_operation_end(const unsigned *noted) {
    (void)noted;
    self.depth--;
}

void mgd_operation_join(unsigned noted) {
    self.depth = 1;
    self.noted = noted;
}

double mgd_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
