/* Signals with a memory one behind the other: from the line of the perturbation through the network
 * to those of outputs and cost.
 *
 * θ̃ moves during a tick along its line, and so does what the network makes of it. Where θ̃ goes as
 * s(t) from 0 to 1, outputs and cost that are linear in it go from what they were to what they
 * become as s(t), too; the next line's filters are driven by just that (mgd_hw_chain_drive) instead
 * of by what stands at the end of the tick. s(t) is that of a single pole, exactly; several, a slew
 * rate or an input that moves as well count as a straight line, which is right to second order.
 * Outputs that move along a line make a cost that moves, straight ahead again.
 *
 * What a driven line's input sets out from is where it was a tick ago, unless samples or θ have
 * changed. Then the chip is evaluated once more as it is at that moment, with its lines where they
 * stand: an evaluation of the simulation, not of the hardware, and not counted. Behind inputs that
 * move the network's outputs hardly jump, and the moment is asked for no more than the cost of the
 * outputs as they are, under new targets (`apart`).
 *
 * Lines begin at rest: as they are where the first value has stood for ever; θ̃ begins at 0.
 */

#include "simulated.h"

#include <math.h>
#include <string.h>

/* ---- which lines ----------------------------------------------------------------------------- */

void mgd_simulated_lines_open(simulated *s) {
    parts *p = &s->parts;
    const double step = s->dt / (double)s->substeps;
    const bool input = mgd_hw_chain_remembers(&p->input.chain);
    const bool output = mgd_hw_chain_remembers(&p->output.chain);
    double tau = mgd_hw_chain_shape(&p->perturbation.chain).tau;
    if (s->calls || !mgd_hw_chain_shape(&p->perturbation.chain).moves ||
        (input && !mgd_hw_chain_shape(&p->input.chain).moves))
        return;
    if (input)
        tau = INFINITY;
    if (output) {
        s->driven = mgd_hw_chain_drive(&p->output.chain, tau, step);
        if (!s->driven || !mgd_hw_chain_shape(&p->output.chain).moves)
            return;
        s->apart = input;
        tau = INFINITY;
    }
    s->driven |= mgd_hw_chain_drive(&p->cost.chain, tau, step);
}

/* ---- time ------------------------------------------------------------------------------------ */

static mgd_hw_frame frame_at(const simulated *s, worker *w, const mgd_request *r, uint64_t tick,
                             unsigned ticks) {
    mgd_hw_frame f = mgd_simulated_parameters(s, w, r->unit, r->replica, tick / MGD_HW_TICKS);
    f.tick = tick;
    f.ticks = ticks;
    f.alive = w->alive;
    return f;
}

static void set_substep(const simulated *s, size_t substep, mgd_hw_frame *f) {
    f->step = s->dt / (double)s->substeps;
    f->clock = f->tick * s->substeps + substep * f->ticks;
}

/* ---- where a point begins -------------------------------------------------------------------- */

/* The event of a point. */
static uint64_t event_of(const mgd_point *point) {
    return point->step * MGD_HW_TICKS + point->tick;
}

/* As the point before ended: what was drawn then still holds. */
static mgd_hw_frame beginning_of(const simulated *s, worker *w, const mgd_request *r,
                                 const mgd_point *point, uint64_t last) {
    const uint64_t now = event_of(point), tick = last > 0 ? last - 1 : now;
    const unsigned ticks = now - tick == 1 ? 1 : MGD_HW_TICKS;
    mgd_hw_frame f = frame_at(s, w, r, tick, ticks);
    f.flow = MGD_HW_JUMPS;
    f.settled = last == 0;
    return f;
}

/* Weights with θ̃ where its line stands; it begins at 0. */
static mgd_status standing(mgd_context *ctx, const simulated *s, worker *w, const mgd_request *r,
                           const mgd_hw_frame *f, const void *base) {
    const size_t n = s->rows * s->row_width;
    mgd_hw_frame line = *f;
    line.flow = MGD_HW_STANDS;
    line.settled = false;
    memset(w->pack, 0, n * s->real);
    MGD_TRY(mgd_simulated_apply(ctx, s, &s->parts.perturbation, r->unit, &line, 0, w->pack));
    s->hw->add(w->pack, base, n);
    return mgd_simulated_apply(ctx, s, &s->parts.drive, r->unit, f, 0, w->pack);
}

static mgd_status begin(mgd_context *ctx, const simulated *s, worker *w, const mgd_request *r,
                        size_t p, const mgd_hw_frame *f, const void *base) {
    mgd_hw_frame signals = *f;
    set_substep(s, s->substeps - 1, &signals);
    if (s->apart && !f->settled)
        signals.flow = MGD_HW_STANDS;
    else
        MGD_TRY(standing(ctx, s, w, r, &signals, base));
    return mgd_simulated_point(ctx, s, w, r, p, &signals, w->pack);
}

/* ---- points ---------------------------------------------------------------------------------- */

/* Who moves, as doubles; whether all do. */
static bool look_who_moves(const simulated *s, worker *w, const void *lives) {
    bool all = true;
    for (size_t lane = 0; lane < s->width; lane++) {
        w->moves[lane] = simulated_real(s, lives, lane);
        all = all && w->moves[lane] != 0;
    }
    return all;
}

/* Replicas that run have all been through the same points. */
static uint64_t last_point(const simulated *s, size_t unit) {
    uint64_t last = 0;
    for (size_t seat = unit * s->seats; seat < (unit + 1) * s->seats; seat++)
        last = s->last[seat] > last ? s->last[seat] : last;
    return last;
}

static void have_been(const simulated *s, const worker *w, size_t unit, uint64_t last) {
    for (size_t lane = 0; lane < s->seats; lane++)
        if (!s->replicas || w->moves[lane] != 0)
            s->last[unit * s->seats + lane] = last;
}

/* One substep of point p; `first`: of a run, whose lines have not begun. */
static mgd_status measure_part(mgd_context *ctx, const simulated *s, worker *w,
                               const mgd_request *r, size_t p, size_t substep, bool first,
                               mgd_hw_frame *f, const char *base) {
    const void *theta;
    if (substep > 0 && mgd_interrupt_pending())
        return mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
    set_substep(s, substep, f);
    MGD_TRY(mgd_simulated_drive(ctx, s, w, r, &r->points[p], f, base, &theta));
    mgd_hw_frame signals = *f;
    signals.settled = first && !s->driven;
    return mgd_simulated_point(ctx, s, w, r, p, &signals, theta);
}

/* Point p; `last` is the one before. `base` is kept from point to point where it stays the same. */
static mgd_status measure_point(mgd_context *ctx, const simulated *s, worker *w,
                                const mgd_request *r, size_t p, uint64_t last, const char **base) {
    const mgd_point *point = &r->points[p];
    const bool timed = s->parts.weight.chain.timed || s->parts.weight.chain.calls;
    bool reads = p == 0 || timed;
    mgd_hw_frame f;
    if (s->driven && (last == 0 || point->moved)) {
        f = beginning_of(s, w, r, point, last);
        if (reads)
            MGD_TRY(mgd_simulated_read(ctx, s, w, r, &f, base));
        MGD_TRY(begin(ctx, s, w, r, p, &f, *base));
        reads = timed;
    }
    f = frame_at(s, w, r, event_of(point), point->ticks);
    if (reads)
        MGD_TRY(mgd_simulated_read(ctx, s, w, r, &f, base));
    for (size_t k = 0; k < s->substeps; k++)
        MGD_TRY(measure_part(ctx, s, w, r, p, k, last == 0 && k == 0, &f, *base));
    return MGD_OK;
}

static mgd_status measure_points(mgd_context *ctx, const simulated *s, const mgd_request *r) {
    worker *w = &s->workers[r->worker];
    const char *base = NULL;
    uint64_t last = last_point(s, r->unit);
    w->gathered = NULL;
    w->alive = !s->replicas || look_who_moves(s, w, r->lives) ? NULL : r->lives;
    for (size_t p = 0; p < r->num_points; p++) {
        MGD_TRY(measure_point(ctx, s, w, r, p, last, &base));
        last = event_of(&r->points[p]) + 1;
    }
    have_been(s, w, r->unit, last);
    return MGD_OK;
}

/* What a replica's models of the user's remember is put aside, or back. They share one place. */
static mgd_status keep_memory(mgd_context *ctx, const simulated *s, size_t device, bool undo) {
    for (size_t i = 0; i < s->chip->spec.num_models && s->remembers; i++) {
        const mgd_hw_model *m = &s->chip->spec.models[i];
        if (m->memory && m->keep)
            return m->keep(m->user, ctx, device, undo);
    }
    return MGD_OK;
}

mgd_status mgd_simulated_whole(mgd_context *ctx, const simulated *s, const mgd_request *r,
                               simulated_act *act, void *arg) {
    char *states = s->states + r->unit * s->state_bytes;
    if (mgd_interrupt_pending()) /* the flag is for the caller to clear */
        return mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
    if (!s->undoes)
        return act(arg, ctx);
    MGD_TRY(keep_memory(ctx, s, r->unit, false));
    memcpy(s->workers[r->worker].undo, states, s->state_bytes);
    mgd_status status = act(arg, ctx);
    if (status != MGD_OK) {
        mgd_context unused = {0};
        memcpy(states, s->workers[r->worker].undo, s->state_bytes);
        keep_memory(&unused, s, r->unit, true);
    }
    return status;
}

typedef struct {
    const simulated *s;
    const mgd_request *r;
} points_act;

static mgd_status act_points(void *arg, mgd_context *ctx) {
    const points_act *a = arg;
    return measure_points(ctx, a->s, a->r);
}

mgd_status mgd_simulated_measure(mgd_context *ctx, mgd_session *session, const mgd_request *r) {
    points_act a = {(const simulated *)session, r};
    return mgd_simulated_whole(ctx, a.s, r, act_points, &a);
}
