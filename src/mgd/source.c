/* What a unit's replicas are perturbed by: patterns, and θ + θ̃ for the chip. Neither is ever stored
 * whole: signs are formed in registers from the code's random words, other patterns a part at a
 * time.
 */

#include "run.h"

#include <string.h>

/* ---- patterns -------------------------------------------------------------------------------- */

/* Whether the worker's buffer holds the pattern of these parameters; it will from now on. A small
 * network's pattern is formed once for both the evaluation and the integration. */
static bool held(mgd_worker *w, mgd_use use, uint64_t slot, size_t first, size_t n) {
    bool same = w->patterns.held_slot == slot && w->patterns.held_use == use &&
                w->patterns.held_first == first && w->patterns.held_count == n;
    w->patterns.held_slot = slot;
    w->patterns.held_use = use;
    w->patterns.held_first = first;
    w->patterns.held_count = n;
    return same;
}

/* The pattern from parameter `first` on where it lies ready, as what a function gave does unless
 * there are gains; else NULL. */
static const void *ready_row(const mgd_run *run, mgd_use use, uint64_t slot, size_t first) {
    const mgd_code *code = &run->code;
    bool ready = code->rows && !code->gain[use] && code->spread == 0;
    return ready ? mgd_code_row(code, slot, first) : NULL;
}

/* The pattern of one replica, or of all that share it, into out (n). */
static void form_row(const mgd_unit_source *u, mgd_worker *w, mgd_use use, uint64_t slot,
                     size_t first, size_t n, void *out) {
    const mgd_run *run = u->run;
    mgd_pattern signs =
        mgd_code_signs(&run->code, &w->patterns.code, run->kernels->random, u->replica, slot, 1);
    run->kernels->code->row(&run->code, &signs, use, *u->replica, slot, first, n, out);
}

/* And of each replica of the unit, into out (n × W). */
static void form_lanes(const mgd_unit_source *u, mgd_worker *w, mgd_use use, uint64_t slot,
                       size_t first, size_t n, void *out) {
    const mgd_run *run = u->run;
    mgd_pattern signs = mgd_code_signs(&run->code, &w->patterns.code, run->kernels->random,
                                       u->replica, slot, run->layout.width);
    run->kernels->code->lanes(&run->code, &signs, use, u->replica, slot, first, n,
                              run->layout.width, out);
}

mgd_pattern mgd_unit_pattern(const mgd_unit_source *u, mgd_worker *w, mgd_use use, uint64_t slot,
                             size_t first, size_t n) {
    const mgd_run *run = u->run;
    if (run->layout.in_lanes && mgd_code_is_signs(&run->code)) {
        mgd_pattern signs = mgd_code_signs(&run->code, &w->patterns.code, run->kernels->random,
                                           u->replica, slot, run->layout.width);
        signs.bit += first;
        return signs;
    }
    bool own = !run->layout.in_lanes || run->code.own;
    const void *ready = ready_row(run, use, slot, first);
    if (ready)
        return (mgd_pattern){.kind = own ? MGD_PATTERN_OWN : MGD_PATTERN_SHARED, .values = ready};
    if (!run->code.uneven) /* one pattern serves both */
        use = MGD_USE_PERTURB;
    if (!held(w, use, slot, first, n)) {
        if (run->layout.in_lanes && own)
            form_lanes(u, w, use, slot, first, n, w->patterns.values);
        else
            form_row(u, w, use, slot, first, n, w->patterns.values);
    }
    return (mgd_pattern){.kind = own ? MGD_PATTERN_OWN : MGD_PATTERN_SHARED,
                         .values = w->patterns.values};
}

size_t mgd_unit_part(const mgd_run *run, size_t first, size_t last) {
    size_t most = !run->layout.in_lanes           ? MGD_PATTERN_ROW
                  : mgd_code_is_signs(&run->code) ? SIZE_MAX
                                                  : MGD_PATTERN_ROWS;
    return last - first < most ? last - first : most;
}

/* ---- parameters for the chip ----------------------------------------------------------------- */

/* Rows and lanes alike: base + factor·s, a part at a time. */
static void source_perturbed(const void *self, size_t worker, const mgd_point *point,
                             const void *base, size_t first, size_t count, void *out) {
    const mgd_unit_source *u = self;
    const mgd_run *run = u->run;
    mgd_worker *w = &run->workers[worker];
    double factor = point->sign * mgd_run_amplitude(run, point->slot);
    size_t row = (run->layout.in_lanes ? run->layout.width : 1) * run->real, last = first + count;
    for (size_t at = first, n; at < last; at += n) {
        n = mgd_unit_part(run, at, last);
        mgd_pattern s = mgd_unit_pattern(u, w, MGD_USE_PERTURB, point->slot, at, n);
        const char *from = (const char *)base + (at - first) * row;
        char *to = (char *)out + (at - first) * row;
        if (run->layout.in_lanes)
            run->kernels->perturb(from, &s, factor, n, run->layout.width, to);
        else
            run->kernels->perturb_row(from, s.values, factor, n, to);
    }
}

static bool source_signs(const void *self, size_t worker, const mgd_point *point, mgd_signs *out) {
    const mgd_unit_source *u = self;
    const mgd_run *run = u->run;
    if (!run->layout.in_lanes || !mgd_code_is_signs(&run->code))
        return false;
    mgd_pattern s =
        mgd_code_signs(&run->code, &run->workers[worker].patterns.code, run->kernels->random,
                       u->replica, point->slot, run->layout.width);
    *out = (mgd_signs){
        .words = s.words, .bit = s.bit, .amplitude = mgd_run_amplitude(run, point->slot)};
    return true;
}

/* Each lane's factor ±a or 0, kept while the signs stay the same: they repeat from step to step. */
static void set_factors(const mgd_run *run, mgd_worker *w, const mgd_point *points, size_t used,
                        size_t width) {
    uint64_t signs = used;
    for (size_t lane = 0; lane < used; lane++)
        signs = signs << 2 | (uint64_t)(points[lane].sign + 1);
    if (signs != w->patterns.factor_signs || !mgd_schedule_constant(&run->train.amplitude)) {
        double factor[MGD_MAX_LANES];
        for (size_t lane = 0; lane < width; lane++) {
            const mgd_point *point = &points[lane < used ? lane : used - 1];
            factor[lane] = point->sign * mgd_run_amplitude(run, point->slot);
        }
        run->kernels->rates(1, factor, NULL, width, width, w->patterns.factor);
        w->patterns.factor_signs = signs;
    }
}

/* The patterns of one part for each lane, in rows of MGD_PATTERN_ROWS; lanes in the same slot as
 * their neighbour share its row. */
static void rows_of_points(const mgd_unit_source *u, mgd_worker *w, const mgd_point *points,
                           size_t used, size_t width, size_t first, size_t n, const void **rows) {
    const void *row = NULL;
    w->patterns.held_count = 0;
    for (size_t lane = 0; lane < width; lane++) {
        if (lane < used && (lane == 0 || points[lane].slot != points[lane - 1].slot)) {
            char *own = w->patterns.values + lane * MGD_PATTERN_ROWS * u->run->real;
            row = ready_row(u->run, MGD_USE_PERTURB, points[lane].slot, first);
            if (!row)
                form_row(u, w, MGD_USE_PERTURB, points[lane].slot, first, n, own);
            row = row ? row : own;
        }
        rows[lane] = row;
    }
}

/* The signs of one part for each lane, side by side as if the lanes were replicas. */
static mgd_pattern signs_of_points(const mgd_unit_source *u, mgd_worker *w, const mgd_point *points,
                                   size_t used, size_t width, size_t first, size_t n) {
    const mgd_run *run = u->run;
    for (size_t lane = 0; lane < width; lane++) {
        uint64_t slot = points[lane < used ? lane : used - 1].slot;
        mgd_pattern own = mgd_code_signs(&run->code, &w->patterns.code, run->kernels->random,
                                         u->replica, slot, 1);
        for (size_t i = 0; i < n; i += 32)
            w->patterns.signs[i / 32 * width + lane] =
                mgd_code_bits(own.words, own.bit + first + i);
    }
    return (mgd_pattern){.kind = MGD_PATTERN_SIGNS, .words = w->patterns.signs};
}

/* θ + factor·s of one part, whose patterns differ from lane to lane. */
static void perturb_slots(const mgd_unit_source *u, mgd_worker *w, const mgd_point *points,
                          size_t used, size_t width, size_t first, size_t n, void *out) {
    const mgd_engine_kernels *k = u->run->kernels;
    const char *theta = u->theta + first * u->run->real;
    const void *rows[MGD_MAX_LANES];
    if (mgd_code_is_signs(&u->run->code)) {
        mgd_pattern signs = signs_of_points(u, w, points, used, width, first, n);
        k->perturb_points(theta, &signs, w->patterns.factor, n, out);
    } else {
        rows_of_points(u, w, points, used, width, first, n, rows);
        k->perturb_slots(theta, rows, w->patterns.factor, n, out);
    }
}

static void source_points(const void *self, size_t worker, const mgd_point *points, size_t used,
                          size_t width, size_t first, size_t count, void *out) {
    const mgd_unit_source *u = self;
    const mgd_run *run = u->run;
    mgd_worker *w = &run->workers[worker];
    bool same = points[0].slot == points[used - 1].slot; /* in the order of time */
    size_t last = first + count;
    size_t most = same || mgd_code_is_signs(&run->code) ? MGD_PATTERN_ROW : MGD_PATTERN_ROWS;
    set_factors(run, w, points, used, width);
    for (size_t at = first, n; at < last; at += n) {
        n = last - at < most ? last - at : most;
        char *to = (char *)out + (at - first) * width * run->real;
        if (same) {
            mgd_pattern s = mgd_unit_pattern(u, w, MGD_USE_PERTURB, points[0].slot, at, n);
            run->kernels->perturb_slot(u->theta + at * run->real, s.values, w->patterns.factor, n,
                                       to);
        } else {
            perturb_slots(u, w, points, used, width, at, n, to);
        }
    }
}

/* ---- opening --------------------------------------------------------------------------------- */

mgd_unit_source mgd_unit_source_of(const mgd_run *run, size_t unit) {
    return (mgd_unit_source){.run = run,
                             .theta = run->state.theta + unit * mgd_run_unit_bytes(run),
                             .replica = run->state.number + unit * run->layout.lanes};
}

mgd_source mgd_unit_source_open(const mgd_unit_source *unit) {
    return (mgd_source){unit, unit->theta, source_perturbed, source_points, source_signs};
}
