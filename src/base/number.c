/* Numbers as text. */

#include "number.h"

#include <stdio.h>
#include <stdlib.h>

const char *mgd_number_text(double value, char text[MGD_NUMBER_TEXT]) {
    if (isnan(value))
        return "nan"; /* printf would tell its sign */
    snprintf(text, MGD_NUMBER_TEXT, "%.15g", value);
    if (strtod(text, NULL) != value)
        snprintf(text, MGD_NUMBER_TEXT, "%.17g", value);
    return text;
}
