/* Integration: the signal of each step times its pattern goes into G, for every parameter by
 * itself. Patterns are formed again where they are not at hand. In rows the spare end of the last
 * tile integrates leftovers that nothing reads.
 */

#include "step.h"

#include <string.h>

void mgd_step_integrate(mgd_run *run, mgd_worker *w, size_t unit, uint64_t first, size_t steps,
                        bool write) {
    const mgd_engine_kernels *k = run->kernels;
    const mgd_unit_source source = mgd_unit_source_of(run, unit);
    const bool analog = run->train.engine == MGD_ENGINE_ANALOG;
    size_t base = unit * mgd_run_unit_bytes(run);
    size_t row = (run->layout.in_lanes ? run->layout.width : 1) * run->real;
    for (size_t from = 0, count; from < run->parameters; from += count) {
        const mgd_stretch stretch = mgd_signals_stretch(run, from);
        count = mgd_unit_part(run, from, from + stretch.count);
        size_t rows =
            run->layout.in_lanes ? count : (count + run->layout.width - 1) / run->layout.width;
        char *g = run->state.gradient + base + from * row,
             *theta = run->state.theta + base + from * row;
        for (size_t j = 0; j < steps; j++) {
            uint64_t slot = w->block.points[w->block.places[j].plus].slot;
            mgd_pattern s = mgd_unit_pattern(&source, w, MGD_USE_DEMODULATE, slot, from, count);
            const void *signal = mgd_signals_of(run, w, &stretch, from, j);
            bool set = mgd_timer_begins(&run->clock.windows, first + j),
                 last = write && j + 1 == steps;
            if (analog)
                k->low_pass(last ? theta : NULL, g, &s, signal, w->rates.eta, w->rates.lives,
                            1 / (mgd_run_tau_theta(run, first + j) + 1), rows, run->layout.width);
            else if (last)
                k->integrate_sgd(theta, g, &s, signal, w->rates.eta, set, rows, run->layout.width);
            else
                k->integrate(g, &s, signal, set, rows, run->layout.width);
        }
    }
}
