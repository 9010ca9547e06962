/* The layout of a run: whether replicas lie in rows or in lanes, how many make a unit, where each
 * of them stands, and how they change places so that those that have stopped cost nothing.
 */

#include "engines.h"

#include <math.h>
#include <string.h>

#define BLOCK_SAMPLES (1u << 20) /* shown in a block that threads share, at most */
#define MAX_UNIT_TILES 8         /* tiles of replicas in a unit, while their θ stays in cache */
#define POLL_VALUES ((size_t)1 << 17) /* copied between two looks for an interrupt */
#define UNIT_CACHE_BYTES                                                                           \
    16384 /* bytes of θ in a unit, unless one tile is larger already: with a pack                 \
           * of the same size they fit in the first-level cache */

/* Lanes when that takes fewer passes through the chip than one replica after the other. Passes with
 * samples in the lanes count half: their parameters are shared. */
static bool prefer_lanes(const mgd_run *run, size_t points) {
    const mgd_train *t = &run->train;
    size_t lanes = run->chip->lanes;
    if (lanes == 0 || t->replicas == 1 || t->cost.kind == MGD_COST_FUNCTION || run->engine->by_step)
        return false;
    double tiles = ceil((double)t->replicas / (double)lanes);
    double side_by_side = tiles * (double)(points * t->batch);
    double by_samples = 0.5 * ceil((double)t->batch / (double)lanes) * (double)points;
    double by_points = ceil((double)points / (double)lanes) * (double)t->batch;
    return side_by_side <= (double)t->replicas * fmin(by_samples, by_points);
}

static size_t least(size_t a, size_t b) {
    return a < b ? a : b;
}

void mgd_run_choose_layout(mgd_run *run) {
    const mgd_train *t = &run->train;
    mgd_layout *l = &run->layout;
    size_t lanes = run->kernels->lanes, threads = mgd_pool_threads(run->pool);
    size_t per_step = t->baseline == MGD_BASELINE_NONE ? 1 : 2;
    size_t window = mgd_schedule_constant(&t->tau_theta) ? (size_t)run->clock.windows.tau : lanes;
    l->block_steps = run->engine->by_step ? 1 : least(window, lanes);
    l->in_lanes = prefer_lanes(run, per_step * l->block_steps);
    if (l->in_lanes) {
        size_t tiles = (t->replicas + lanes - 1) / lanes;
        size_t fitting = UNIT_CACHE_BYTES / (run->parameters * MGD_ALIGNMENT);
        size_t each = least(least(MAX_UNIT_TILES, fitting), (tiles + threads - 1) / threads);
        l->lanes = (each < 1 ? 1 : each) * lanes;
        l->block_steps = least(l->block_steps, 4);
        l->width = l->lanes;
        l->count = run->parameters;
    } else {
        l->lanes = 1;
        l->width = lanes;
        l->count = (run->parameters + lanes - 1) / lanes;
    }
    l->units = (t->replicas + l->lanes - 1) / l->lanes;
    /* With fewer units than threads these share the evaluations of one unit's window instead. */
    l->one_by_one = !l->in_lanes && (l->units < threads || run->engine->alone);
    if (l->one_by_one && !run->engine->by_step)
        l->block_steps = least(least(window, lanes * threads),
                               BLOCK_SAMPLES / t->batch > lanes ? BLOCK_SAMPLES / t->batch : lanes);
    if (run->chip->steps > 0 && !run->engine->by_step)
        l->block_steps = least(window, run->chip->steps);
    if (run->chip->in_order) /* a request is answered whole or not at all: Ctrl-C waits for it */
        l->block_steps = least(l->block_steps, 4);
    l->max_points = per_step * l->block_steps;
    l->workers = threads;
    l->requesters = l->one_by_one ? 1 : threads;
}

/* Where the piece of a row ends that begins with value i. */
static size_t piece_end(const mgd_run *run, size_t i) {
    return run->parameters - i < POLL_VALUES ? run->parameters : i + POLL_VALUES;
}

mgd_status mgd_run_seat_set(mgd_context *ctx, const mgd_run *run, char *array, size_t seat,
                            const void *row) {
    for (size_t i = 0; i < run->parameters;) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        for (size_t end = piece_end(run, i); i < end; i++)
            memcpy(array + mgd_run_place(run, seat, i), (const char *)row + i * run->real,
                   run->real);
    }
    return MGD_OK;
}

mgd_status mgd_run_row_copy(mgd_context *ctx, const mgd_run *run, const char *array, size_t r,
                            void *row) {
    for (size_t i = 0; i < run->parameters;) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        for (size_t end = piece_end(run, i); i < end; i++)
            memcpy((char *)row + i * run->real, array + mgd_run_place(run, run->state.seat[r], i),
                   run->real);
    }
    return MGD_OK;
}

void mgd_run_row_get(const mgd_run *run, const char *array, size_t r, void *row) {
    for (size_t i = 0; i < run->parameters; i++)
        memcpy((char *)row + i * run->real, array + mgd_run_place(run, run->state.seat[r], i),
               run->real);
}

void mgd_run_row_set(const mgd_run *run, char *array, size_t r, const void *row) {
    for (size_t i = 0; i < run->parameters; i++)
        memcpy(array + mgd_run_place(run, run->state.seat[r], i), (const char *)row + i * run->real,
               run->real);
}

bool mgd_run_in_window(const mgd_run *run, size_t r) {
    double stopped = run->state.stopped[run->state.seat[r]];
    uint64_t stands = isnan(stopped) ? run->clock.step : (uint64_t)stopped;
    return run->engine->lasts || stands > mgd_timer_start(&run->clock.windows, run->clock.step);
}

/* ---- compaction ------------------------------------------------------------------------------ */

void mgd_run_compact(mgd_run *run) {
    mgd_layout *l = &run->layout;
    mgd_state *state = &run->state;
    size_t living = 0, used = l->live_units * l->lanes;
    for (size_t seat = 0; seat < used; seat++)
        living += state->alive[seat] != 0;
    size_t units = (living + l->lanes - 1) / l->lanes;
    if (!l->in_lanes || units == l->live_units || living == 0)
        return;
    for (size_t unit = 0; unit < l->live_units; unit++)
        if (state->done[unit] != run->clock.step) /* a chip has failed */
            return;
    size_t to = 0, from = units * l->lanes;
    for (;; to++, from++) {
        while (to < units * l->lanes && state->alive[to] != 0)
            to++;
        while (from < used && state->alive[from] == 0)
            from++;
        if (from == used)
            break;
        mgd_state_exchange(run, to, from);
        if (run->session->swap)
            run->session->swap(run->session, to, from);
        state->careful[to / l->lanes] = 1; /* what it brings may be huge */
        run->orders[to / l->lanes].epoch = run->orders[from / l->lanes].epoch = UINT64_MAX;
    }
    l->live_units = units;
}

void mgd_run_go_on(mgd_run *run) {
    mgd_state *state = &run->state;
    for (size_t r = 0; r < run->train.replicas; r++) {
        size_t seat = state->seat[r];
        if (!state->finite[seat])
            continue;
        bool begins_anew = !isnan(state->stopped[seat]) && !mgd_run_in_window(run, r);
        for (size_t i = 0; i < run->parameters && begins_anew; i++)
            memset(state->gradient + mgd_run_place(run, seat, i), 0, run->real);
        if (run->session->go_on)
            run->session->go_on(run->session, seat, run->clock.step);
        if (run->recording.recorder && !isnan(state->stopped[seat]))
            mgd_recorder_halt(run->recording.recorder, run->clock.step, r, false);
        state->alive[seat] = 1;
        state->stopped[seat] = NAN;
    }
    run->layout.live_units = run->layout.units;
}
