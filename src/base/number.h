/* number.h: doubles that come from a file or a user, on their way to integers. In C the conversion
 * of one that does not fit is undefined: it is asked first. */
#ifndef MGD_NUMBER_H
#define MGD_NUMBER_H

#include <math.h>
#include <stdbool.h>

/* Whether it is a whole number from 0 to `most`; NaN is none. */
static inline bool mgd_is_count(double value, double most) {
    return value >= 0 && value <= most && value == floor(value);
}

#endif
