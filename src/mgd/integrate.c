/* Integration: the signal of each step times its pattern goes into G, for every parameter by
 * itself. Patterns are formed again where they are not at hand. In rows the spare end of the last
 * tile integrates leftovers that nothing reads.
 */

#include "engines.h"

#include <string.h>

void mgd_step_integrate(mgd_run *run, mgd_worker *w, size_t unit, uint64_t first, size_t steps,
                        bool write) {
    const mgd_unit_source source = mgd_unit_source_of(run, unit);
    size_t base = unit * mgd_run_unit_bytes(run);
    size_t row = (run->layout.in_lanes ? run->layout.width : 1) * run->real;
    for (size_t from = 0, count; from < run->parameters; from += count) {
        const mgd_stretch stretch = mgd_spans_stretch(run, &run->signals.spans, from);
        count = mgd_unit_part(run, from, from + stretch.count);
        size_t rows =
            run->layout.in_lanes ? count : (count + run->layout.width - 1) / run->layout.width;
        size_t at = base + from * row;
        for (size_t j = 0; j < steps; j++) {
            uint64_t slot = w->block.points[w->block.places[j].plus].slot;
            const mgd_part part = {
                .g = run->state.gradient + at,
                .theta = write && j + 1 == steps ? run->state.theta + at : NULL,
                .s = mgd_unit_pattern(&source, w, MGD_USE_DEMODULATE, slot, from, count),
                .signal = mgd_signals_of(run, w, &stretch, from, j),
                .rows = rows,
                .step = first + j};
            run->engine->integrate_part(run, w, &part);
        }
    }
}
