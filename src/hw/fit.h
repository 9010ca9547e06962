/* fit.h: a fit under way, in two files: fit.c finds the numbers, fit_noise.c what they are worth.
 */
#ifndef MGD_HW_FIT_H
#define MGD_HW_FIT_H

#include "law.h"

#include <gsl/gsl_multifit_nlinear.h>
#include <math.h>

#define LEAST_POINTS 3  /* per curve */
#define LIMIT 1e6       /* weights beyond are held there: no law of interest comes near */
#define DIFFERENCE 6e-6 /* of a value, for central differences: the cube root of 2^-52 */

typedef struct {
    mgd_context *ctx;
    const char *name;
    mgd_hw_law law; /* held numbers, and the free ones of the last evaluation */
    size_t curves;
    const mgd_hw_curve *curve;
    double c2c_squared; /* known from elsewhere, or NaN */
    size_t points;
    size_t free_count, unknowns; /* unknowns = free_count + curves */
    size_t free[MGD_HW_PARAMETERS];
    double *above, *below;               /* points each: weights for the Jacobian */
    double *deviation, *squares, *carry; /* points each, see fit_noise.c */
    double *x;                           /* unknowns: where the Jacobian is taken */
    mgd_status status;                   /* what an evaluation inside of GSL failed with */
} problem;

static inline double next_weight(const mgd_hw_law *law, double w, int direction) {
    w += mgd_hw_law_step(law, w, direction);
    return w > -LIMIT ? fmin(w, LIMIT) : -LIMIT; /* NaN too */
}

/* Numbers that keep their sign are fitted as logarithms. */
static inline bool is_logarithmic(size_t parameter) {
    return parameter == MGD_HW_FIT_DW_MIN || parameter == MGD_HW_FIT_AMPLITUDE_UP ||
           parameter == MGD_HW_FIT_AMPLITUDE_DOWN;
}

/* The likeliest noises of steps and readings, along the fitted weights p->above. */
void mgd_hw_fit_noise(const problem *p, mgd_hw_fit *out);
/* Standard errors in the minimum that `w` has found, after its noise. */
mgd_status mgd_hw_fit_errors(const problem *p, const gsl_multifit_nlinear_workspace *w,
                             mgd_hw_fit *out);

#endif
