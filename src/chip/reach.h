/* reach: where the parameters of a real chip may stand, and in which unit θ is theirs.
 *
 * With ranges θ in [−1, 1] is mapped onto [low, high] of each parameter, evenly or by its
 * logarithm; without, θ is the value itself. Safe limits are kept on top of that: whatever is to be
 * written is moved to the nearest place where it may be.
 */
#ifndef MGD_CHIP_REACH_H
#define MGD_CHIP_REACH_H

#include "description.h"

/* Of one parameter, in its unit. */
typedef struct {
    double low, high;             /* −∞, ∞: any */
    double slew;                  /* at most so much in a second; ∞: at once */
    double avoid_low, avoid_high; /* not between these; NaN: anywhere */
} mgd_limit;

typedef struct {
    size_t parameters;
    const mgd_span_of_unit *ranges; /* (num_ranges) */
    size_t num_ranges;              /* 0, 1 or P */
    const mgd_limit *limits;        /* (num_limits) */
    size_t num_limits;              /* 0, 1 or P */
} mgd_reach;

double mgd_reach_value(const mgd_reach *reach, size_t i, double theta);
double mgd_reach_theta(const mgd_reach *reach, size_t i, double value);
/* A value of the unit, moved to where it may be; `before` tells the side of what is to be avoided.
 */
double mgd_reach_keep(const mgd_reach *reach, size_t i, double value, double before);
/* θ as it may be written, so that θ ± amplitude may be, too; from θ as it was. */
double mgd_reach_write(const mgd_reach *reach, size_t i, double theta, double before,
                       double amplitude);
/* The largest amplitude that all parameters have room for; ∞ where nothing limits it. */
double mgd_reach_room(const mgd_reach *reach);
/* What an amplitude in θ is in the unit of all parameters; NaN where it is not one number. */
double mgd_reach_scale(const mgd_reach *reach);
/* ∞ where there is no limit. */
double mgd_reach_slew(const mgd_reach *reach, size_t i);

#endif
