/* The layout of a run: whether replicas lie in rows or in lanes, how many make a unit, where each
 * of them stands, and how they change places so that those that have stopped cost nothing.
 */

#include "run.h"

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
    if (lanes == 0 || t->replicas == 1 || t->cost.kind == MGD_COST_FUNCTION ||
        t->engine == MGD_ENGINE_BACKPROP || t->integrator != MGD_INTEGRATOR_EULER ||
        run->nodes > 0) /* its lanes are samples */
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
    size_t lanes = run->kernels->lanes, threads = mgd_pool_threads(run->pool);
    size_t per_step = t->baseline == MGD_BASELINE_NONE ? 1 : 2;
    size_t window = mgd_schedule_constant(&t->tau_theta) ? (size_t)run->windows.tau : lanes;
    run->block_steps = run->nodes > 0 ? 1 : least(window, lanes);
    run->in_lanes = prefer_lanes(run, per_step * run->block_steps);
    if (run->in_lanes) {
        size_t tiles = (t->replicas + lanes - 1) / lanes;
        size_t fitting = UNIT_CACHE_BYTES / (run->parameters * MGD_ALIGNMENT);
        size_t each = least(least(MAX_UNIT_TILES, fitting), (tiles + threads - 1) / threads);
        run->lanes = (each < 1 ? 1 : each) * lanes;
        run->block_steps = least(run->block_steps, 4);
        run->width = run->lanes;
        run->count = run->parameters;
    } else {
        run->lanes = 1;
        run->width = lanes;
        run->count = (run->parameters + lanes - 1) / lanes;
    }
    run->units = (t->replicas + run->lanes - 1) / run->lanes;
    /* With fewer units than threads these share the evaluations of one unit's window instead. */
    run->one_by_one = !run->in_lanes && (run->units < threads || t->engine == MGD_ENGINE_BACKPROP);
    if (run->one_by_one && run->nodes == 0)
        run->block_steps =
            least(least(window, lanes * threads),
                  BLOCK_SAMPLES / t->batch > lanes ? BLOCK_SAMPLES / t->batch : lanes);
    if (run->chip->in_order) /* a request is answered whole or not at all: Ctrl-C waits for it */
        run->block_steps = least(run->block_steps, 4);
    run->max_points = per_step * run->block_steps;
    run->num_workers = threads;
    run->requesters = run->one_by_one ? 1 : threads;
}

size_t mgd_run_unit_bytes(const mgd_run *run) {
    return run->count * run->width * run->real;
}

/* Where value i of the slot's row lies in an array. */
static size_t place_of(const mgd_run *run, size_t slot, size_t i) {
    size_t stride = run->in_lanes ? run->width : 1;
    return slot / run->lanes * mgd_run_unit_bytes(run) +
           (i * stride + slot % run->lanes) * run->real;
}

/* Where the piece of a row ends that begins with value i. */
static size_t piece_end(const mgd_run *run, size_t i) {
    return run->parameters - i < POLL_VALUES ? run->parameters : i + POLL_VALUES;
}

mgd_status mgd_run_slot_set(mgd_context *ctx, const mgd_run *run, char *array, size_t slot,
                            const void *row) {
    for (size_t i = 0; i < run->parameters;) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        for (size_t end = piece_end(run, i); i < end; i++)
            memcpy(array + place_of(run, slot, i), (const char *)row + i * run->real, run->real);
    }
    return MGD_OK;
}

mgd_status mgd_run_row_copy(mgd_context *ctx, const mgd_run *run, const char *array, size_t r,
                            void *row) {
    for (size_t i = 0; i < run->parameters;) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        for (size_t end = piece_end(run, i); i < end; i++)
            memcpy((char *)row + i * run->real, array + place_of(run, run->slot[r], i), run->real);
    }
    return MGD_OK;
}

void mgd_run_row_get(const mgd_run *run, const char *array, size_t r, void *row) {
    for (size_t i = 0; i < run->parameters; i++)
        memcpy((char *)row + i * run->real, array + place_of(run, run->slot[r], i), run->real);
}

void mgd_run_row_set(const mgd_run *run, char *array, size_t r, const void *row) {
    for (size_t i = 0; i < run->parameters; i++)
        memcpy(array + place_of(run, run->slot[r], i), (const char *)row + i * run->real,
               run->real);
}

bool mgd_run_in_window(const mgd_run *run, size_t r) {
    double stopped = run->stopped[run->slot[r]];
    uint64_t stands = isnan(stopped) ? run->step : (uint64_t)stopped;
    return run->train.engine == MGD_ENGINE_ANALOG || /* its G never begins anew */
           stands > mgd_timer_start(&run->windows, run->step);
}

/* ---- compaction ------------------------------------------------------------------------------ */

static void swap_bytes(void *a, void *b, size_t n) {
    char kept[sizeof(uint64_t)];
    memcpy(kept, a, n);
    memcpy(a, b, n);
    memcpy(b, kept, n);
}

/* Exchanges all that two slots hold. Both hold replicas. */
static void swap_slots(mgd_run *run, size_t a, size_t b) {
    char *arrays[] = {run->theta,         run->gradient,        run->first_moment,
                      run->second_moment, run->window_gradient, run->window_theta};
    for (size_t k = 0; k < sizeof arrays / sizeof *arrays; k++)
        for (size_t i = 0; i < run->parameters && arrays[k]; i++)
            swap_bytes(arrays[k] + place_of(run, a, i), arrays[k] + place_of(run, b, i), run->real);
    double *values[] = {run->alive,      run->stopped,  run->fatal,      run->window_first,
                        run->window_end, run->asked_of, run->written_of, run->reference,
                        run->limit,      run->diverged};
    for (size_t k = 0; k < sizeof values / sizeof *values; k++)
        swap_bytes(&values[k][a], &values[k][b], sizeof(double));
    for (size_t c = 0, all = run->units * run->lanes; c < run->channels; c++) {
        swap_bytes(&run->c0[c * all + a], &run->c0[c * all + b], sizeof(double));
        swap_bytes(&run->c[c * all + a], &run->c[c * all + b], sizeof(double));
        swap_bytes(&run->c_tilde[c * all + a], &run->c_tilde[c * all + b], sizeof(double));
    }
    for (size_t k = 0; k < 2; k++)
        swap_bytes(&run->sums[2 * (a - a % run->lanes) + k * run->lanes + a % run->lanes],
                   &run->sums[2 * (b - b % run->lanes) + k * run->lanes + b % run->lanes],
                   sizeof(double));
    if (run->session->swap)
        run->session->swap(run->session, a, b);
    swap_bytes(&run->finite[a], &run->finite[b], 1);
    swap_bytes(&run->number[a], &run->number[b], sizeof(uint64_t));
    swap_bytes(&run->rate[a], &run->rate[b], sizeof(double));
    swap_bytes(&run->owner[a], &run->owner[b], sizeof(size_t));
    run->slot[run->owner[a]] = a;
    run->slot[run->owner[b]] = b;
}

void mgd_run_compact(mgd_run *run) {
    size_t living = 0, used = run->live_units * run->lanes;
    for (size_t slot = 0; slot < used; slot++)
        living += run->alive[slot] != 0;
    size_t units = (living + run->lanes - 1) / run->lanes;
    if (!run->in_lanes || units == run->live_units || living == 0)
        return;
    for (size_t unit = 0; unit < run->live_units; unit++)
        if (run->done[unit] != run->step) /* a chip has failed: units stand at different steps */
            return;
    size_t to = 0, from = units * run->lanes;
    for (;; to++, from++) {
        while (to < units * run->lanes && run->alive[to] != 0)
            to++;
        while (from < used && run->alive[from] == 0)
            from++;
        if (from == used)
            break;
        swap_slots(run, to, from);
        run->careful[to / run->lanes] = 1; /* what it brings may be huge */
        run->cache[to / run->lanes].epoch = run->cache[from / run->lanes].epoch = UINT64_MAX;
    }
    run->live_units = units;
}

void mgd_run_go_on(mgd_run *run) {
    for (size_t r = 0; r < run->train.replicas; r++) {
        size_t slot = run->slot[r];
        if (!run->finite[slot])
            continue;
        bool begins_anew = !isnan(run->stopped[slot]) && !mgd_run_in_window(run, r);
        for (size_t i = 0; i < run->parameters && begins_anew; i++)
            memset(run->gradient + place_of(run, slot, i), 0, run->real);
        if (run->session->go_on)
            run->session->go_on(run->session, slot, run->step);
        run->alive[slot] = 1;
        run->stopped[slot] = NAN;
    }
    run->live_units = run->units;
}
