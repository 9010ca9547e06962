/* Where, when and for whom the parts of a simulated chip act: see mgd_hw_frame. */

#include "simulated.h"

double mgd_simulated_held(const simulated *s, size_t seat, uint64_t step) {
    uint64_t end = step < s->stood[seat] ? step : s->stood[seat];
    return end > s->from[seat] ? (double)(end - s->from[seat]) * s->dt : 0;
}

/* Replicas that have stopped, and gone on, have held their θ for other times than their neighbours.
 */
static void set_held(const simulated *s, worker *w, size_t unit, uint64_t step, mgd_hw_frame *f) {
    const size_t first = unit * s->seats;
    bool same = true;
    f->held = mgd_simulated_held(s, first, step);
    for (size_t lane = 1; lane < s->seats; lane++)
        same = same && mgd_simulated_held(s, first + lane, step) == f->held;
    for (size_t lane = 0; lane < s->seats && !same; lane++)
        simulated_real_set(s, w->held, lane, mgd_simulated_held(s, first + lane, step));
    f->held_lanes = same ? NULL : w->held;
}

mgd_hw_frame mgd_simulated_parameters(const simulated *s, worker *w, size_t unit,
                                      const uint64_t *replica, uint64_t step) {
    mgd_hw_frame f = {.rows = s->rows,
                      .width = s->row_width,
                      .sites = s->net->num_parameters,
                      .row = !s->replicas,
                      .replica = replica,
                      .device = unit,
                      .tick = step * MGD_HW_TICKS,
                      .clock = step * MGD_HW_TICKS,
                      .ticks = MGD_HW_TICKS,
                      .step = s->dt,
                      .scratch = w ? w->scratch : NULL, /* none while devices are drawn */
                      .time = s->origin + (double)step * s->dt};
    if (s->times)
        set_held(s, w, unit, step, &f);
    if (s->kept[MGD_HW_SINCE] != SIZE_MAX)
        f.since = s->states + unit * s->state_bytes + s->kept[MGD_HW_SINCE];
    return f;
}

mgd_hw_frame mgd_simulated_features(const simulated *s, const mgd_hw_frame *of, size_t sites,
                                    size_t copy, const uint32_t *sample) {
    mgd_hw_frame f = *of;
    f.rows = f.sites = sites;
    f.width = s->width;
    f.row = false;
    f.shared = !s->replicas;
    f.copy = (uint32_t)copy;
    f.sample = sample;
    f.since = NULL;
    if (f.shared)
        f.alive = NULL;
    return f;
}
