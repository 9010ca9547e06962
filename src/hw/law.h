/* law.h: laws of update, one weight and one pulse at a time, in double.
 *
 * What fits are made with, and what the vector kernels of the same laws are checked against. The
 * equations stand in mgd.h, beside mgd_hw_law: without spreads and noise.
 */
#ifndef MGD_HW_LAW_H
#define MGD_HW_LAW_H

#include "../base/base.h"

/* The numbers of a law in the order of mgd_hw_law: the index of mgd_hw_parameter_name and of the
 * arrays of a fit. */
typedef enum {
    MGD_HW_FIT_DW_MIN,
    MGD_HW_FIT_UP_DOWN,
    MGD_HW_FIT_W_MIN,
    MGD_HW_FIT_W_MAX,
    MGD_HW_FIT_GAMMA_UP,
    MGD_HW_FIT_GAMMA_DOWN,
    MGD_HW_FIT_AMPLITUDE_UP,
    MGD_HW_FIT_AMPLITUDE_DOWN,
    MGD_HW_FIT_A,
    MGD_HW_FIT_B,
    MGD_HW_FIT_LEVELS,
    MGD_HW_FIT_NONLINEARITY_UP,
    MGD_HW_FIT_NONLINEARITY_DOWN,
} mgd_hw_parameter;

/* Fails where the numbers are none that the law can have, naming `name`, the number and its
 * bounds. Tables are not looked at. */
mgd_status mgd_hw_law_check(mgd_context *ctx, const char *name, const mgd_hw_law *law);

#endif
