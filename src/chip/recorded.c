/* What a recording holds: steps of each replica, rows of probes; and what of them is asked. */

#include "recorded.h"

#include <string.h>

/* ---- arrays ---------------------------------------------------------------------------------- */

void *mgd_array_grow(mgd_array *a, size_t more, size_t size) {
    if (a->room - a->count < more) {
        size_t room = 2 * a->count + more;
        void *larger = mgd_calloc(room, size);
        if (!larger)
            return NULL;
        if (a->count > 0)
            memcpy(larger, a->at, a->count * size);
        mgd_free(a->at);
        a->at = larger;
        a->room = room;
    }
    return (char *)a->at + a->count * size;
}

bool mgd_array_push(mgd_array *a, const void *element, size_t size) {
    void *to = mgd_array_grow(a, 1, size);
    if (!to)
        return false;
    memcpy(to, element, size);
    a->count++;
    return true;
}

/* ---- steps ----------------------------------------------------------------------------------- */

static const uint64_t *places_of(const mgd_recording *r) {
    return r->places.at;
}

static uint64_t end_of(const mgd_recording *r) {
    return r->head.begin + r->places.count - 1;
}

static uint64_t end_of_stretch(const mgd_recorded_stretch *s) {
    return s->first + s->witnesses.count;
}

mgd_outcome mgd_recording_note(mgd_recording *r, uint64_t first, uint64_t n,
                               const unsigned char *points) {
    if (first < r->head.begin || first > end_of(r))
        return MGD_READ_WRONG;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = first - r->head.begin + i, *place;
        if (points[i] == 0)
            return MGD_READ_WRONG;
        if (at + 1 < r->places.count) {
            if (places_of(r)[at + 1] - places_of(r)[at] != points[i])
                return MGD_READ_WRONG;
            continue;
        }
        place = mgd_array_grow(&r->places, 1, sizeof *place);
        if (!place)
            return MGD_READ_NO_MEMORY;
        *place = places_of(r)[at] + points[i];
        r->places.count++;
    }
    return MGD_READ;
}

mgd_outcome mgd_recording_slot(mgd_recording *r, mgd_recorded_replica *of, uint64_t step,
                               uint32_t **witness, double **cost) {
    const uint64_t *place = places_of(r), begin = r->head.begin;
    const size_t values = (size_t)(place[step - begin + 1] - place[step - begin]) * r->head.signals;
    mgd_recorded_stretch *all = of->stretches.at, *s = NULL;
    for (size_t i = of->stretches.count; i > 0 && !s; i--)
        if (step >= all[i - 1].first)
            s = &all[i - 1];
    if (!s && of->stretches.count > 0)
        return MGD_READ_WRONG; /* never before the first one */
    if (!s || (step > end_of_stretch(s) && s == &all[of->stretches.count - 1])) {
        const mgd_recorded_stretch fresh = {.first = step};
        if (!mgd_array_push(&of->stretches, &fresh, sizeof fresh))
            return MGD_READ_NO_MEMORY;
        s = (mgd_recorded_stretch *)of->stretches.at + of->stretches.count - 1;
    }
    if (step > end_of_stretch(s))
        return MGD_READ_WRONG;
    const size_t at = (size_t)(place[step - begin] - place[s->first - begin]) * r->head.signals;
    if (step == end_of_stretch(s)) {
        if (!mgd_array_grow(&s->witnesses, 1, sizeof **witness) ||
            !mgd_array_grow(&s->costs, values, sizeof **cost))
            return MGD_READ_NO_MEMORY;
        s->witnesses.count++;
        s->costs.count += values;
    }
    *witness = (uint32_t *)s->witnesses.at + (step - s->first);
    *cost = (double *)s->costs.at + at;
    return MGD_READ;
}

/* ---- a run that was resumed ------------------------------------------------------------------ */

static void close_stretch(mgd_recorded_stretch *s) {
    mgd_free(s->costs.at);
    mgd_free(s->witnesses.at);
}

/* Of one replica, nothing of `step` and later; it may have come to rest or stopped there. */
static void cut_stream(const mgd_recording *r, mgd_recorded_replica *of, uint64_t step) {
    const uint64_t *place = places_of(r), begin = r->head.begin;
    mgd_recorded_stretch *s = of->stretches.at;
    size_t *count = &of->stretches.count;
    for (; *count > 0 && s[*count - 1].first >= step; --*count)
        close_stretch(&s[*count - 1]);
    if (*count > 0 && end_of_stretch(&s[*count - 1]) > step) {
        mgd_recorded_stretch *last = &s[*count - 1];
        last->witnesses.count = (size_t)(step - last->first);
        last->costs.count =
            (size_t)(place[step - begin] - place[last->first - begin]) * r->head.signals;
    }
    while (of->halts.count > 0 &&
           ((mgd_recorded_halt *)of->halts.at)[of->halts.count - 1].step > step)
        of->halts.count--;
    mgd_recorded_change *e = of->changes.at;
    for (; of->changes.count > 0 && e[of->changes.count - 1].step >= step; of->changes.count--) {
        mgd_recorded_change *last = &e[of->changes.count - 1];
        if (last->event == MGD_THETA_RESTED && last->step == step)
            break;
        mgd_recorded_change_free(last);
    }
}

void mgd_recorded_change_free(mgd_recorded_change *change) {
    mgd_free(change->index);
    mgd_free(change->value);
}

void mgd_recorded_row_free(mgd_recorded_row *row) {
    for (size_t i = 0; row->names && i < row->count; i++)
        mgd_free(row->names[i]);
    mgd_free(row->names);
    mgd_free(row->values);
}

void mgd_recording_cut(mgd_recording *r, uint64_t step) {
    if (step >= end_of(r))
        return;
    for (size_t i = 0; i < r->head.replicas; i++)
        cut_stream(r, &r->streams[i], step);
    r->places.count = (size_t)(step - r->head.begin) + 1;
    mgd_recorded_row *row = r->rows.at;
    for (; r->rows.count > 0 && row[r->rows.count - 1].step > step; r->rows.count--)
        mgd_recorded_row_free(&row[r->rows.count - 1]);
}

void mgd_recording_free(mgd_recording *r) {
    if (!r)
        return;
    for (size_t i = 0; r->streams && i < r->head.replicas; i++) {
        mgd_recorded_replica *s = &r->streams[i];
        for (size_t k = 0; k < s->stretches.count; k++)
            close_stretch((mgd_recorded_stretch *)s->stretches.at + k);
        for (size_t k = 0; k < s->changes.count; k++)
            mgd_recorded_change_free((mgd_recorded_change *)s->changes.at + k);
        mgd_free(s->stretches.at);
        mgd_free(s->halts.at);
        mgd_free(s->changes.at);
    }
    for (size_t i = 0; i < r->rows.count; i++)
        mgd_recorded_row_free((mgd_recorded_row *)r->rows.at + i);
    mgd_free(r->rows.at);
    mgd_free(r->places.at);
    mgd_free(r->streams);
    mgd_free(r->theta);
    mgd_free(r->numbers);
    mgd_free(r->text);
    mgd_free(r);
}

/* ---- looking --------------------------------------------------------------------------------- */

const mgd_recording_head *mgd_recording_head_of(const mgd_recording *r) {
    return &r->head;
}

uint64_t mgd_recording_length(const mgd_recording *r) {
    return r->length;
}

bool mgd_recording_was_cut(const mgd_recording *r) {
    return r->cut;
}

const mgd_recorded_row *mgd_recording_rows(const mgd_recording *r, size_t *count) {
    *count = r->rows.count;
    return r->rows.at;
}

/* Whether a replica stood still at a step. */
static bool stood(const mgd_recorded_replica *of, uint64_t step) {
    const mgd_recorded_halt *h = of->halts.at;
    for (size_t i = of->halts.count; i > 0; i--)
        if (h[i - 1].step <= step)
            return h[i - 1].stops;
    return false;
}

static uint64_t end_of_stream(const mgd_recording *r, const mgd_recorded_replica *of) {
    const mgd_recorded_stretch *s = of->stretches.at;
    return of->stretches.count > 0 ? end_of_stretch(&s[of->stretches.count - 1]) : r->head.begin;
}

uint64_t mgd_recording_end(const mgd_recording *r) {
    uint64_t end = end_of(r);
    for (size_t i = 0; i < r->head.replicas; i++) {
        uint64_t own = end_of_stream(r, &r->streams[i]);
        if (own < end && !stood(&r->streams[i], own))
            end = own;
    }
    return end;
}

uint64_t mgd_recording_place(const mgd_recording *r, uint64_t step) {
    return places_of(r)[step - r->head.begin];
}

bool mgd_recording_has(const mgd_recording *r, uint64_t first, size_t steps) {
    return first >= r->head.begin && first <= end_of(r) && steps <= end_of(r) - first;
}

mgd_recorded mgd_recording_steps(const mgd_recording *r, size_t replica, uint64_t step,
                                 mgd_recorded_steps *out) {
    const mgd_recorded_replica *of = &r->streams[replica];
    const mgd_recorded_stretch *s = of->stretches.at;
    size_t low = 0, high = of->stretches.count; /* the first one that begins behind the step */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s[middle].first <= step)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || step >= end_of_stretch(&s[low - 1]))
        return stood(of, step) ? MGD_RECORDED_STOPPED : MGD_RECORDED_NOT;
    s += low - 1;
    *out = (mgd_recorded_steps){s->first, end_of_stretch(s), s->costs.at, s->witnesses.at};
    return MGD_RECORDED;
}

const mgd_recorded_change *mgd_recording_change(const mgd_recording *r, size_t replica,
                                                uint64_t step, bool rested) {
    const mgd_recorded_replica *of = &r->streams[replica];
    const mgd_recorded_change *e = of->changes.at;
    size_t low = 0, high = of->changes.count; /* the first one behind the step */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (e[middle].step <= step)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low > 0 && e[low - 1].step == step; low--) /* the latest counts */
        if ((e[low - 1].event == MGD_THETA_RESTED) == rested)
            return &e[low - 1];
    return NULL;
}
