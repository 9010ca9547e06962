/* number.h: doubles that come from a file or a user: on their way to integers, for in C the
 * conversion of one that does not fit is undefined; and in messages, where they keep their value.
 */
#ifndef MGD_NUMBER_H
#define MGD_NUMBER_H

#include <math.h>
#include <stdbool.h>

/* Whether it is a whole number from 0 to `most`; NaN is none. */
static inline bool mgd_is_count(double value, double most) {
    return value >= 0 && value <= most && value == floor(value);
}

#define MGD_NUMBER_TEXT 32

/* The shorter of 15 and 17 digits that reads back as the same number; "nan", "inf", "-inf". */
const char *mgd_number_text(double value, char text[MGD_NUMBER_TEXT]);

/* The same in memory of the block that it stands in: an argument for %s. */
#define MGD_NUMBER(value) mgd_number_text(value, (char[MGD_NUMBER_TEXT]){0})

#endif
