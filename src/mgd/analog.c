/* The analog engine: the steps of the discrete one with first-order filters in place of baseline,
 * sum and end of a window, at every step:
 *   C̃ ← α·(C̃ + C − C_before), α = τ_hp/(τ_hp + 1), C_before = C where the sample changed;
 *   G ← G + (e − G)/(τ_θ + 1);  θ ← θ − η·G.
 * ode.c has the same equations in continuous time.
 */

#include "../base/number.h"
#include "engines.h"

#include <float.h>
#include <math.h>

mgd_status mgd_analog_check(mgd_context *ctx, const mgd_train *t, const mgd_chip *chip) {
    (void)chip;
    if (!(t->tau_hp > 1 && t->tau_hp <= DBL_MAX))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: tau_hp = %s steps: the high-pass needs more than one, the time dt "
                        "of a step",
                        MGD_NUMBER(t->tau_hp));
    if (mgd_schedule_constant(&t->tau_x) && t->tau_x.value == 1 &&
        t->batch != mgd_tensor_shape(t->x)[0])
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: tau_x = 1 with the analog engine: every step would be a change of "
                        "sample, which its high-pass does not see; expected at least 2, or a batch "
                        "of the whole set");
    if (mgd_schedule_constant(&t->tau_x) && mgd_schedule_constant(&t->tau_p) &&
        fmod(t->tau_p.value, t->tau_x.value) == 0 && t->batch != mgd_tensor_shape(t->x)[0])
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: tau_p = %s is a multiple of tau_x = %s with the analog engine: "
                        "patterns would change together with samples alone, where its high-pass "
                        "sees nothing; expected a shorter tau_p",
                        MGD_NUMBER(t->tau_p.value), MGD_NUMBER(t->tau_x.value));
    if (t->clip > 0 || t->clip_norm > 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: the analog engine's G is a low-pass, which has no limits: expected "
                        "neither clip nor clip_norm");
    if (t->baseline != MGD_BASELINE_NONE || t->settle > 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: the analog engine measures no baseline and waits for nothing: "
                        "expected neither baseline nor settle");
    return MGD_OK;
}

static void integrate_part(const mgd_run *run, const mgd_worker *w, const mgd_part *p) {
    double share = 1 / (mgd_run_tau_theta(run, p->step) + 1);
    run->kernels->low_pass(p->theta, p->g, &p->s, p->signal, w->rates.eta, w->rates.lives, share,
                           p->rows, run->layout.width);
}

const mgd_engine_type mgd_engine_analog = {
    .name = "analog",
    .filters = true,
    .lasts = true,
    .signals = true,
    .check = mgd_analog_check,
    .measure = mgd_step_measure,
    .integrate = mgd_step_integrate,
    .integrate_part = integrate_part,
    .write = mgd_step_write,
};
