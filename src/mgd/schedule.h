/* schedule: values that change while a run goes on, and the periods that time constants make. */
#ifndef MGD_MGD_SCHEDULE_H
#define MGD_MGD_SCHEDULE_H

#include "../base/base.h"

/* Slots, windows or samples: period number `index` began at step `first`; it and those after it
 * last `tau` steps, until the timer is set anew at the beginning of one. */
typedef struct {
    uint64_t first, index, tau;
} mgd_timer;

/* Most time constants are 1, and a division is slow. */
static inline uint64_t mgd_timer_periods(const mgd_timer *t, uint64_t step) {
    return t->tau == 1 ? step - t->first : (step - t->first) / t->tau;
}

/* Of the period that `step` lies in: its number, and its first step. */
static inline uint64_t mgd_timer_index(const mgd_timer *t, uint64_t step) {
    return t->index + mgd_timer_periods(t, step);
}

static inline uint64_t mgd_timer_start(const mgd_timer *t, uint64_t step) {
    return t->first + mgd_timer_periods(t, step) * t->tau;
}

static inline bool mgd_timer_begins(const mgd_timer *t, uint64_t step) {
    return t->tau == 1 || (step - t->first) % t->tau == 0;
}

/* The first step after `step` at which a period begins. */
static inline uint64_t mgd_timer_next(const mgd_timer *t, uint64_t step) {
    return mgd_timer_start(t, step) + t->tau;
}

/* From `step` on, at which a period begins, they last tau steps. */
static inline void mgd_timer_set(mgd_timer *t, uint64_t step, uint64_t tau) {
    *t = (mgd_timer){step, mgd_timer_index(t, step), tau};
}

static inline bool mgd_schedule_constant(const mgd_schedule *s) {
    return s->kind == MGD_SCHEDULE_CONSTANT;
}

/* What a schedule may give. */
typedef enum {
    MGD_VALUE_ANY,      /* ≥ 0 */
    MGD_VALUE_POSITIVE, /* > 0 */
    MGD_VALUE_STEPS     /* rounded to an integer ≥ 1 */
} mgd_value_kind;

/* Checks the fields of a schedule called `name`. */
mgd_status mgd_schedule_check(mgd_context *ctx, const char *name, const mgd_schedule *schedule,
                              mgd_value_kind kind);
/* The value at a step, checked. */
mgd_status mgd_schedule_ask(mgd_context *ctx, const char *name, const mgd_schedule *schedule,
                            uint64_t step, mgd_value_kind kind, double *value);

/* Time constants as all engines take them: constant numbers of steps become whole, by the rounding
 * that schedules get at every step. */
void mgd_schedule_round(mgd_schedule *schedule);

/* The same bits everywhere, which the C library does not promise. */
double mgd_power(double base, double exponent);

#endif
