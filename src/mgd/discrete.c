/* The discrete engine. A step n = 0, 1, 2, …:
 *   1. n begins a sample time τ_x: the next sample (or batch);
 *   2. n begins a perturbation time τ_p: the next pattern;
 *   3. when the sample changed or θ was written: measure C₀ = C(θ);
 *   4. measure C = C(θ + θ̃); C̃ = C − C₀ (or by the other baselines);
 *   5. integrate e = C̃·θ̃/⟨θ̃²⟩ into G;
 *   6. n ends an integration time τ_θ: write θ, clear G.
 */

#include "engines.h"

static void integrate_part(const mgd_run *run, const mgd_worker *w, const mgd_part *p) {
    const mgd_engine_kernels *k = run->kernels;
    bool set = mgd_timer_begins(&run->clock.windows, p->step);
    if (p->theta)
        k->integrate_sgd(p->theta, p->g, &p->s, p->signal, w->rates.eta, set, p->rows,
                         run->layout.width);
    else
        k->integrate(p->g, &p->s, p->signal, set, p->rows, run->layout.width);
}

const mgd_engine_type mgd_engine_discrete = {
    .name = "discrete",
    .windows = true,
    .signals = true,
    .measure = mgd_step_measure,
    .integrate = mgd_step_integrate,
    .integrate_part = integrate_part,
    .write = mgd_step_write,
};
