/* law: what a law of update is. A law is one row, an mgd_hw_law_type, in laws.c: its numbers with
 * their bounds, and where a fit begins. Its equation stands in mgd.h, and is computed in one place,
 * pulses.h, for chips and fits alike.
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

/* Where a fit looks for a number. */
typedef enum {
    MGD_HW_HAS_NONE, /* the law has no such number */
    MGD_HW_REAL,     /* finite */
    MGD_HW_BELOW_0,  /* < 0 */
    MGD_HW_ABOVE_0,  /* > 0 */
    MGD_HW_FROM_0,   /* ≥ 0 */
    MGD_HW_WITHIN_1, /* between −1 and 1 */
} mgd_hw_bounds;

/* Measured curves of one direction in short: the step as a straight line, slope·w + at_zero, and at
 * the mean weights of both halves of a curve. */
typedef struct {
    double w[2], step[2], slope, at_zero;
} mgd_hw_outline;

/* Both directions, and the least and the largest weight measured. */
typedef struct {
    mgd_hw_outline up, down;
    double low, high;
} mgd_hw_outlines;

typedef struct {
    const char *name;
    mgd_hw_bounds numbers[MGD_HW_PARAMETERS];
    bool clips;  /* a pulse may come to a bound before its end; other steps shrink towards them */
    bool affine; /* the step is affine in w */
    bool blind;  /* the step does not depend on the bounds, which clip it alone */
    /* What is wrong with its numbers for a chip, or NULL: nothing; NULL: nothing is. */
    const char *(*fault)(const mgd_hw_law *law);
    /* The step that a controller reckons with; NULL: dw_min. */
    double (*nominal)(const mgd_hw_law *law);
    /* Fills in the numbers that are NaN, where a fit may begin; NULL: it has none. */
    void (*guess)(mgd_hw_law *law, const mgd_hw_outlines *o);
} mgd_hw_law_type;

const mgd_hw_law_type *mgd_hw_law_type_of(mgd_hw_law_kind kind);

/* Fails where a fit cannot have the numbers, naming `name`, the number and its bounds. Tables are
 * not looked at. */
mgd_status mgd_hw_law_check(mgd_context *ctx, const char *name, const mgd_hw_law *law);

#endif
