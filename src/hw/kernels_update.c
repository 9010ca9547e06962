/* Kernel of writing: what a device makes of the change of its weight that is asked for. The gate
 * decides whether it is written at all; the law turns the change into pulses, each of which acts on
 * the weight that the one before it left.
 */

#include "pulses.h"

/* The coefficients of one device, by mgd_hw_write_coef. */
typedef struct {
    coefficient c[MGD_HW_WRITE_COEFS];
} device;

INLINE device device_of(const mgd_hw_writer *writer, const mgd_hw_frame *f, const void *coef) {
    device d;
    for (size_t k = 0; k < MGD_HW_WRITE_COEFS; k++)
        d.c[k] =
            coefficient_of(f, coef, writer->coef[k], writer->drawn[k], writer->op.draw[k].mean);
    return d;
}

/* `set`: 0, or MGD_HW_SECOND, that of the other device of a pair. */
INLINE devices devices_at(const mgd_hw_law *law, const device *d, size_t set, size_t i, size_t at) {
    const coefficient *c = d->c + set;
    devices out = {.top = coefficient_at(&c[MGD_HW_TOP], i, at),
                   .bottom = -coefficient_at(&c[MGD_HW_BOTTOM], i, at),
                   .gamma_up = coefficient_at(&c[MGD_HW_GAMMA_UP], i, at),
                   .gamma_down = coefficient_at(&c[MGD_HW_GAMMA_DOWN], i, at)};
    set_steps(law, coefficient_at(&c[MGD_HW_STEP], i, at),
              coefficient_at(&c[MGD_HW_UP_DOWN], i, at), &out);
    return out;
}

/* A pulse at one weight of the nominal device, as fits follow it: neither bounded nor noisy. */
double HW_KERNEL(pulse)(const mgd_hw_law *law, double weight, int direction) {
    devices d = {.top = splat((real)law->w_max),
                 .bottom = splat((real)law->w_min),
                 .gamma_up = splat((real)law->gamma_up),
                 .gamma_down = splat((real)law->gamma_down)};
    const vec w = splat((real)weight);
    const vec_int up = splat((real)direction) > splat(0);
    line l;
    set_steps(law, splat((real)law->dw_min), splat((real)(law->one_sided ? 0 : law->up_down)), &d);
    vec step =
        has_line(law, &d, up, &l) ? fma_vec(l.slope, w, l.offset) : step_at(law, &d, w, up).offset;
    return (double)step[0];
}

/* ---- gate ------------------------------------------------------------------------------------ */

INLINE vec_int count_of(const real *writes, size_t at) {
    vec_int n;
    memcpy(&n, writes + at, sizeof n);
    return n;
}

/* What a write did. */
typedef struct {
    vec_int written, refreshed;
    vec now, rest, sent;
    vec offset, common; /* see mgd_hw_kept */
} outcome;

/* Counts of writes are integers in the bits of reals, which count further than these could. */
INLINE void keep(const mgd_hw_frame *f, void *const kept[], size_t lane, size_t at,
                 const outcome *o) {
    real *since = kept[MGD_HW_SINCE], *writes = kept[MGD_HW_WRITES],
         *residue = kept[MGD_HW_RESIDUE], *offset = kept[MGD_HW_OFFSET],
         *common = kept[MGD_HW_COMMON];
    if (since) {
        vec before = load(since + at);
        vec now = pick(o->written, splat(0), before + held_at(f, lane));
        store(since + at, if_alive(f, lane, now, before));
    }
    if (writes) {
        vec_int before = count_of(writes, at);
        vec_int more = before - o->written - o->refreshed; /* true is −1 */
        store(writes + at, if_alive(f, lane, (vec)more, (vec)before));
    }
    if (residue)
        store(residue + at, if_alive(f, lane, o->rest, load(residue + at)));
    if (offset) {
        vec before = load(offset + at);
        store(offset + at, if_alive(f, lane, pick(o->written, o->offset, before), before));
    }
    if (common) {
        vec before = load(common + at);
        store(common + at, if_alive(f, lane, pick(o->written, o->common, before), before));
    }
}

/* Where the device may be written now. */
INLINE vec_int allowed(const mgd_hw_update *m, const device *d, const mgd_hw_frame *f,
                       void *const kept[], size_t i, size_t lane, size_t at, vec change) {
    vec_int may = (change != splat(0)) & (vec_abs(change) >= splat((real)m->threshold));
    if (m->interval > 0) {
        vec passed = load((const real *)kept[MGD_HW_SINCE] + at) + held_at(f, lane);
        /* seconds are sums, and rounded */
        may &= passed >= splat((real)(m->interval - f->step / 100));
    }
    if (m->endurance > 0) {
        vec done = __builtin_convertvector(count_of(kept[MGD_HW_WRITES], at), vec);
        may &= done < coefficient_at(&d->c[MGD_HW_ENDURANCE], i, at);
    }
    return may;
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Draws of one write: of its pulses' noise and of the fraction of a pulse; of what is read; and of
 * a refresh, its two resets and the noise of its pulses. */
enum { BY_PULSES, BY_CHANCE, BY_READING, BY_RESET, BY_OTHER_RESET, BY_REFRESH, DRAWN };

/* One vector of devices, the i-th of its lanes. */
typedef struct {
    const mgd_hw_writer *writer;
    const mgd_hw_frame *f;
    const device *d;
    void *const *kept;
    size_t i, at;
    const vec *draw[DRAWN];
} writing;

INLINE vec drawn(const writing *c, int which) {
    return c->draw[which][c->i % GROUP];
}

/* So many pulses are nearest to a change, or likeliest. */
INLINE vec count_pulses(const mgd_hw_writer *writer, vec change, vec u, vec_int may) {
    vec n = floor_vec(fma_vec(vec_abs(change), splat((real)(1 / writer->nominal)), u));
    return pick(may, minimum(n, splat((real)writer->model.max_pulses)), splat(0));
}

INLINE void write_ideal(const writing *c, vec_int may, vec w, vec asked, outcome *o) {
    const mgd_hw_update *m = &c->writer->model;
    vec change = asked;
    if (m->resolution > 0) {
        vec n = floor_vec(
            fma_vec(vec_abs(asked), splat((real)(1 / m->resolution)), drawn(c, BY_CHANCE)));
        change = pick(asked > splat(0), n, -n) * splat((real)m->resolution);
    }
    vec s = splat((real)m->proportional) * change;
    vec sigma = sqrt_vec(fma_vec(s, s, splat((real)(m->sigma * m->sigma))));
    o->written = may & (change != splat(0));
    o->rest = pick(o->written, asked - change, asked);
    o->now = w + fma_vec(sigma, drawn(c, BY_PULSES), change);
}

/* A device whose weight is read against a reference: the law acts on the sum of both. */
INLINE vec write_device(const writing *c, vec w, vec n, vec_int up) {
    const mgd_hw_update *m = &c->writer->model;
    const devices d = devices_at(&m->as_law, c->d, 0, c->i, c->at);
    if (!c->writer->referred)
        return pulsed(m, &d, w, n, up, drawn(c, BY_PULSES));
    vec reference = coefficient_at(&c->d->c[MGD_HW_REFERENCE], c->i, c->at);
    if (m->subtract_symmetry)
        reference += symmetry_point(&m->as_law, &d);
    return pulsed(m, &d, w + reference, n, up, drawn(c, BY_PULSES)) - reference;
}

INLINE devices chosen(vec_int first, const devices *a, const devices *b) {
    return (devices){.up = pick(first, a->up, b->up),
                     .down = pick(first, a->down, b->down),
                     .top = pick(first, a->top, b->top),
                     .bottom = pick(first, a->bottom, b->bottom),
                     .gamma_up = pick(first, a->gamma_up, b->gamma_up),
                     .gamma_down = pick(first, a->gamma_down, b->gamma_down)};
}

/* Pulses up, on g⁺ where `plus` and on g⁻ elsewhere. */
INLINE void raise(const mgd_hw_update *m, const devices pair[2], vec g[2], vec n, vec_int plus,
                  vec z) {
    const devices d = chosen(plus, &pair[0], &pair[1]);
    vec raised = pulsed(m, &d, pick(plus, g[0], g[1]), n, plus | ~plus, z);
    g[0] = pick(plus, raised, g[0]);
    g[1] = pick(plus, g[1], raised);
}

/* Where both devices of a pair have come far, they are set back, and their difference is written
 * anew. */
INLINE void refresh(const writing *c, const devices pair[2], vec g[2], outcome *o) {
    const mgd_hw_update *m = &c->writer->model;
    vec_int due = o->written & (maximum(g[0], g[1]) > splat((real)(m->refresh_upper * m->w_max))) &
                  (minimum(g[0], g[1]) > splat((real)(m->refresh_lower * m->w_max)));
    o->refreshed = due;
    if (!any_lane(due))
        return;
    const vec noise = splat((real)m->reset_noise);
    vec w = g[0] - g[1], back[2];
    for (size_t k = 0; k < 2; k++) {
        vec reset = coefficient_at(&c->d->c[k ? MGD_HW_OTHER_RESET : MGD_HW_RESET], c->i, c->at);
        back[k] = bounded(&pair[k], fma_vec(noise, drawn(c, k ? BY_OTHER_RESET : BY_RESET), reset));
    }
    vec n = count_pulses(c->writer, w, splat((real)0.5), due);
    raise(m, pair, back, n, w > splat(0), drawn(c, BY_REFRESH));
    for (size_t k = 0; k < 2; k++)
        g[k] = pick(due, back[k], g[k]);
    o->sent += n;
}

/* Two devices that pulses raise alone: w = g⁺ − g⁻. What is kept is the smaller of both. */
INLINE vec write_pair(const writing *c, vec w, vec_int up, outcome *o) {
    const mgd_hw_update *m = &c->writer->model;
    const devices pair[2] = {devices_at(&m->as_law, c->d, 0, c->i, c->at),
                             devices_at(&m->as_law, c->d, MGD_HW_SECOND, c->i, c->at)};
    const vec common = load((const real *)c->kept[MGD_HW_COMMON] + c->at);
    vec g[2] = {positive(w) + common, positive(-w) + common};
    raise(m, pair, g, o->sent, up, drawn(c, BY_PULSES));
    refresh(c, pair, g, o);
    o->common = minimum(g[0], g[1]);
    return g[0] - g[1];
}

INLINE void write_pulses(const writing *c, vec_int may, vec w, vec asked, outcome *o) {
    const mgd_hw_update *m = &c->writer->model;
    vec n = count_pulses(c->writer, asked, drawn(c, BY_CHANCE), may);
    vec_int up = asked > splat(0);
    o->written = n > splat(0);
    o->sent = n;
    o->rest = asked - pick(up, n, -n) * splat((real)c->writer->nominal);
    o->now = m->pair ? write_pair(c, w, up, o) : write_device(c, w, n, up);
}

INLINE void write_vector(const writing *c, size_t lane, real *w, real *change, vec *pulses) {
    const mgd_hw_update *m = &c->writer->model;
    const vec before = load(w + c->at);
    vec asked = load(change + c->at);
    outcome o = {.refreshed = {0}, .sent = {0}, .offset = {0}, .common = {0}};
    if (c->kept[MGD_HW_RESIDUE])
        asked += load((const real *)c->kept[MGD_HW_RESIDUE] + c->at);
    vec_int may = allowed(m, c->d, c->f, c->kept, c->i, lane, c->at, asked);
    if (m->law == MGD_HW_LAW_IDEAL)
        write_ideal(c, may, before, asked, &o);
    else
        write_pulses(c, may, before, asked, &o);
    if (m->write_noise > 0)
        o.offset = splat((real)m->write_noise) * drawn(c, BY_READING);
    vec now = unless_nan(asked, pick(o.written, o.now, before));
    keep(c->f, c->kept, lane, c->at, &o);
    store(w + c->at, if_alive(c->f, lane, now, before));
    store(change + c->at, pick(o.written, splat(1), splat(0)));
    *pulses += if_alive(c->f, lane, o.sent, splat(0));
}

void HW_KERNEL(write)(const mgd_hw_writer *writer, const mgd_hw_frame *f, const void *coef,
                      void *const kept[MGD_HW_KEPT], void *w, void *change, double *pulses) {
    const mgd_hw_update *m = &writer->model;
    const bool wanted[DRAWN] = {
        [BY_PULSES] = m->c2c > 0 || m->sigma > 0 || m->proportional > 0,
        [BY_CHANCE] = m->stochastic,
        [BY_READING] = m->write_noise > 0,
        [BY_RESET] = m->pair && m->reset_noise > 0,
        [BY_OTHER_RESET] = m->pair && m->reset_noise > 0,
        [BY_REFRESH] = m->pair && m->c2c > 0,
    };
    const int used = m->pair || m->write_noise > 0 ? DRAWN : BY_READING;
    const device d = device_of(writer, f, coef);
    writing c = {.writer = writer, .f = f, .d = &d, .kept = kept};
    draws of[DRAWN];
    vec z[DRAWN][GROUP];
    for (int p = 0; p < used; p++) {
        of[p] = draws_of(f, writer->op.noise_seed, MGD_STREAM_NOISE, f->tick, (size_t)p, DRAWN);
        c.draw[p] = z[p];
        for (size_t k = 0; k < GROUP; k++)
            z[p][k] = splat((real)(p == BY_CHANCE ? 0.5 : 0));
    }
    for (size_t lane = 0; lane < of->lanes; lane += VEC_LANES) {
        column at[DRAWN];
        vec sent = splat(0);
        for (int p = 0; p < used; p++)
            at[p] = column_of(&of[p], lane);
        c.at = lane;
        for (c.i = 0; c.i < of->vectors; c.i++, c.at += of->stride) {
            for (int p = 0; p < used && c.i % GROUP == 0; p++)
                if (wanted[p])
                    draw_group(&of[p], &at[p], p == BY_CHANCE, c.i / GROUP, of->vectors - c.i,
                               z[p]);
            write_vector(&c, lane, w, change, &sent);
        }
        for (size_t k = 0; k < VEC_LANES; k++)
            pulses[f->row ? 0 : lane + k] += (double)sent[k];
    }
}
