/* Devices of a simulated chip: the memory of each unit, in which every part has its coefficients
 * and states; replicas that change places; states as numbers, for checkpoints.
 */

#include "simulated.h"

#include "../base/number.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- parts ----------------------------------------------------------------------------------- */

mgd_status mgd_simulated_each_part(simulated *s, visit_part *visit, void *arg) {
    parts *p = &s->parts;
    part *single[] = {&p->input,  &p->output, &p->cost,   &p->perturbation, &p->memory,
                      &p->weight, &p->drive,  &p->change, &p->written,      &p->read};
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        MGD_TRY(visit(arg, single[i]));
    for (size_t i = 0; p->product && i < s->plan->num_ops; i++) { /* the last one taken */
        MGD_TRY(visit(arg, &p->before[i]));
        MGD_TRY(visit(arg, &p->after[i]));
        MGD_TRY(visit(arg, &p->product[i]));
    }
    return MGD_OK;
}

/* Values in one array of coefficients of a unit, and of states (of one copy). */
static size_t coef_size(const simulated *s, const part *p) {
    if (p->kind == ON_PARAMETERS)
        return s->rows * s->row_width;
    if (p->kind == ON_COST)
        return s->replicas ? s->width : MGD_ALIGNMENT / sizeof(double);
    return s->replicas ? p->sites * s->width : p->sites;
}

static size_t state_size(const simulated *s, const part *p) {
    return p->kind == ON_FEATURES ? p->sites * s->width : coef_size(s, p);
}

static size_t round_up(size_t bytes) {
    return (bytes + MGD_ALIGNMENT - 1) / MGD_ALIGNMENT * MGD_ALIGNMENT;
}

static mgd_status place_part(void *arg, part *p) {
    simulated *s = arg;
    size_t real = mgd_dtype_size(p->chain.dtype);
    p->coef = s->coef_bytes;
    p->state = s->state_bytes;
    s->coef_bytes += round_up(p->chain.num_coefs * coef_size(s, p) * real);
    s->state_bytes += round_up(p->copies * p->chain.num_states * state_size(s, p) * real);
    return MGD_OK;
}

/* One part: the models of `place`. Names of streams tell neurons of different layers apart. */
typedef struct {
    mgd_context *ctx;
    simulated *s;
    const mgd_task_spec *task;
} opening;

/* Whether values pass it at every evaluation. */
static bool is_signal(mgd_hw_place place) {
    return place != MGD_HW_AT_MEMORY && place != MGD_HW_AT_WEIGHT && place != MGD_HW_AT_CHANGE &&
           place != MGD_HW_AT_WRITE;
}

static mgd_status open_part(const opening *o, mgd_hw_place place, part_kind kind, size_t sites,
                            uint64_t layer, part *p) {
    simulated *s = o->s;
    const mgd_chip_spec *spec = &s->chip->spec;
    mgd_dtype dtype = place == MGD_HW_AT_COST ? MGD_F64 : s->net->dtype;
    uint64_t seed = spec->seed + (layer << 32);
    double step = is_signal(place) ? s->dt / (double)s->substeps : s->dt;
    p->kind = kind;
    p->sites = sites;
    p->copies = kind == ON_COST       ? s->signals
                : kind != ON_FEATURES ? 1
                : s->replicas         ? s->batch
                                      : s->chunks;
    MGD_TRY(mgd_hw_chain_open(o->ctx, spec->models, spec->num_models, place, step, seed,
                              o->task->seed, dtype, &p->chain));
    p->chain.number = s->num_chains++;
    p->chain.geometry = (mgd_hw_geometry){s->chip->joined, s->chip->arrays, s->chip->num_arrays};
    s->calls = s->calls || p->chain.calls;
    return MGD_OK;
}

static mgd_status open_neurons(const opening *o) {
    simulated *s = o->s;
    size_t ops = s->plan->num_ops;
    if (!mgd_take(&s->parts.before, ops, sizeof(part)) ||
        !mgd_take(&s->parts.after, ops, sizeof(part)) ||
        !mgd_take(&s->parts.product, ops, sizeof(part)))
        return mgd_fail(o->ctx, MGD_ERR_MEMORY, "out of memory: neurons of %zu layers", ops);
    for (size_t i = 0; i < ops; i++) {
        const mgd_op *op = &s->plan->ops[i];
        size_t sites = op->out.features;
        if (op->vertex.count > 0)
            MGD_TRY(
                open_part(o, MGD_HW_AT_PRODUCT, ON_FEATURES, sites, i + 1, &s->parts.product[i]));
        if (!mgd_layer_is_activation(op->vertex.kind))
            continue;
        MGD_TRY(open_part(o, MGD_HW_AT_NEURON, ON_FEATURES, sites, i + 1, &s->parts.before[i]));
        MGD_TRY(open_part(o, MGD_HW_AT_ACTIVATION, ON_FEATURES, sites, i + 1, &s->parts.after[i]));
    }
    return MGD_OK;
}

static mgd_status open_parts(const opening *o) {
    simulated *s = o->s;
    parts *p = &s->parts;
    size_t n = s->net->num_parameters;
    MGD_TRY(open_part(o, MGD_HW_AT_INPUT, ON_FEATURES, s->samples.features, 0, &p->input));
    MGD_TRY(open_part(o, MGD_HW_AT_OUTPUT, ON_FEATURES, s->net->outputs, 0, &p->output));
    /* each sample that is perturbed by itself has a cost of its own */
    MGD_TRY(open_part(o, MGD_HW_AT_COST, s->nodes ? ON_FEATURES : ON_COST, 1, 0, &p->cost));
    MGD_TRY(open_part(o, MGD_HW_AT_PERTURBATION, ON_PARAMETERS, n, 0, &p->perturbation));
    MGD_TRY(open_part(o, MGD_HW_AT_MEMORY, ON_PARAMETERS, n, 0, &p->memory));
    MGD_TRY(open_part(o, MGD_HW_AT_WEIGHT, ON_PARAMETERS, n, 0, &p->weight));
    MGD_TRY(open_part(o, MGD_HW_AT_DRIVE, ON_PARAMETERS, n, 0, &p->drive));
    MGD_TRY(open_part(o, MGD_HW_AT_CHANGE, ON_PARAMETERS, n, 0, &p->change));
    MGD_TRY(open_part(o, MGD_HW_AT_WRITE, ON_PARAMETERS, n, 0, &p->written));
    MGD_TRY(open_neurons(o));
    MGD_TRY(open_part(o, MGD_HW_AT_PRODUCT, ON_PARAMETERS, n, 0, &p->read));
    s->undoes = s->calls || s->substeps > 1 || s->nodes;
    if (!s->nodes)
        mgd_simulated_lines_open(s);
    return mgd_simulated_each_part(s, place_part, s);
}

/* ---- the writer ------------------------------------------------------------------------------ */

static bool uses_time(const mgd_chip_spec *spec) {
    for (size_t i = 0; i < spec->num_models; i++) {
        const mgd_hw_type *type = mgd_hw_type_of(spec->models[i].kind);
        if (type->ages && type->ages(&spec->models[i]))
            return true;
    }
    return false;
}

static void open_writer(const opening *o) {
    simulated *s = o->s;
    const mgd_chip_spec *spec = &s->chip->spec;
    const mgd_hw_update ideal = {.law = MGD_HW_LAW_IDEAL, .stream = "update"};
    size_t bytes = s->rows * s->row_width * s->real;
    s->writer = mgd_hw_writer_of(spec->update ? spec->update : &ideal, spec->seed, o->task->seed);
    bool time = uses_time(spec);
    s->writes = spec->update || time || part_acts(&s->parts.change) ||
                part_acts(&s->parts.memory) || part_acts(&s->parts.written);
    s->writer.keeps[MGD_HW_SINCE] |= time;
    s->times = time || part_acts(&s->parts.memory) || s->writer.model.interval > 0 ||
               s->parts.weight.chain.timed;
    s->law = s->coef_bytes;
    s->coef_bytes += s->writer.op.num_draws * bytes;
    for (size_t i = 0; i < MGD_HW_KEPT; i++) {
        bool keeps = s->writes && s->writer.keeps[i];
        s->kept[i] = keeps ? s->state_bytes : SIZE_MAX;
        s->state_bytes += keeps ? bytes : 0;
    }
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* Of one unit. In the arrangement of samples coefficients of features are drawn as a padded row and
 * copied to where they lie without padding. */
typedef struct {
    simulated *s;
    size_t unit;
    const uint64_t *replica;
    void *row;
    uint32_t *place; /* (W) samples: of the batch, in each lane */
} drawing;

static mgd_hw_frame draw_frame(const drawing *d, const part *p) {
    const simulated *s = d->s;
    mgd_hw_frame f = {.replica = d->replica, .sites = p->sites, .row = !s->replicas};
    size_t lanes = MGD_ALIGNMENT / mgd_dtype_size(p->chain.dtype);
    f.width = s->replicas ? s->width : lanes;
    f.rows = s->replicas ? p->sites : (p->sites + lanes - 1) / lanes;
    return f;
}

static void draw_row(const drawing *d, const part *p, char *coefs) {
    mgd_hw_frame f = draw_frame(d, p);
    size_t real = mgd_dtype_size(p->chain.dtype), kept = coef_size(d->s, p) * real;
    for (size_t i = 0; i < p->chain.num_ops; i++)
        for (size_t k = 0; k < p->chain.ops[i].num_draws; k++) {
            p->chain.kernels->draw(&p->chain.ops[i], k, &f, d->row);
            memcpy(coefs + (p->chain.ops[i].coef + k) * kept, d->row, kept);
        }
}

static mgd_status draw_part(void *arg, part *p) {
    const drawing *d = arg;
    simulated *s = d->s;
    if (!part_acts(p))
        return MGD_OK;
    char *coefs = s->coefs + d->unit * s->coef_bytes + p->coef;
    mgd_hw_frame f = draw_frame(d, p);
    if (p->kind == ON_FEATURES && !s->replicas)
        draw_row(d, p, coefs);
    else
        mgd_hw_chain_draw(&p->chain, &f, coefs);
    return MGD_OK;
}

static mgd_status start_part(void *arg, part *p) {
    const drawing *d = arg;
    simulated *s = d->s;
    if (!part_acts(p))
        return MGD_OK;
    char *states = s->states + d->unit * s->state_bytes + p->state;
    mgd_hw_frame f = draw_frame(d, p);
    size_t copy_bytes = p->chain.num_states * state_size(s, p) * mgd_dtype_size(p->chain.dtype);
    for (size_t copy = 0; copy < p->copies; copy++) {
        if (p->kind == ON_FEATURES) {
            f = mgd_simulated_features(s, &f, p->sites, copy, NULL);
            for (size_t lane = 0; lane < s->width && !s->replicas; lane++) {
                size_t b = copy * s->width + lane;
                d->place[lane] = (uint32_t)(b < s->batch ? b : s->batch - 1);
            }
            f.sample = s->replicas ? NULL : d->place;
        }
        mgd_hw_chain_start(&p->chain, &f, states + copy * copy_bytes);
    }
    return MGD_OK;
}

/* What writing keeps of a unit, as before any; but for how often it has. */
static void start_writer(const drawing *d) {
    const simulated *s = d->s;
    mgd_hw_frame f = mgd_simulated_parameters(s, NULL, d->unit, d->replica, 0);
    void *kept[MGD_HW_KEPT];
    mgd_simulated_kept(s, d->unit, kept);
    for (size_t i = 0; i < MGD_HW_KEPT; i++)
        if (kept[i] && i != MGD_HW_WRITES)
            memset(kept[i], 0, s->rows * s->row_width * s->real);
    mgd_hw_writer_start(&s->writer, s->hw, &f, kept);
}

static mgd_status close_part(void *arg, part *p) {
    (void)arg;
    mgd_hw_chain_close(&p->chain);
    return MGD_OK;
}

static mgd_status widest_part(void *arg, part *p) {
    size_t *most = arg;
    *most = p->sites > *most ? p->sites : *most;
    return MGD_OK;
}

static mgd_status draw_units(mgd_context *ctx, simulated *s, const mgd_task_spec *task) {
    size_t most = s->net->num_parameters;
    mgd_simulated_each_part(s, widest_part, &most);
    drawing d = {.s = s};
    for (size_t seat = 0; seat < s->units * s->seats; seat++)
        s->stood[seat] = UINT64_MAX;
    mgd_status status = MGD_OK;
    if (!mgd_take(&d.row, most + MGD_ALIGNMENT, sizeof(double)) ||
        !mgd_take(&d.place, s->width, sizeof(uint32_t)))
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: devices of %zu parameters", most);
    for (size_t unit = 0; unit < s->units && status == MGD_OK; unit++) {
        for (size_t lane = 0; lane < s->seats; lane++) {
            size_t seat = unit * s->seats + lane;
            s->number[seat] = task->numbers[seat];
        }
        d.unit = unit;
        d.replica = s->number + unit * s->seats;
        mgd_simulated_each_part(s, draw_part, &d);
        mgd_simulated_each_part(s, start_part, &d);
        mgd_hw_frame f = mgd_simulated_parameters(s, NULL, unit, d.replica, 0);
        mgd_hw_writer_draw(&s->writer, s->hw, s->real, &f,
                           s->coefs + unit * s->coef_bytes + s->law);
        start_writer(&d);
        status = mgd_interrupt_answer(ctx);
    }
    mgd_free(d.row);
    mgd_free(d.place);
    return status;
}

void mgd_simulated_begin(mgd_session *session, uint64_t step) {
    simulated *s = (simulated *)session;
    drawing d = {.s = s, .place = s->workers[0].copy};
    for (size_t unit = 0; unit < s->units; unit++) {
        d.unit = unit;
        d.replica = s->number + unit * s->seats;
        mgd_simulated_each_part(s, start_part, &d);
        start_writer(&d);
    }
    for (size_t seat = 0; seat < s->units * s->seats; seat++) {
        s->from[seat] = step;
        s->stood[seat] = s->stood[seat] == UINT64_MAX ? UINT64_MAX : step;
        s->last[seat] = 0;
    }
}

/* ---- states as numbers ----------------------------------------------------------------------- */

/* What a replica has of a block of states: `count` values, of which number i lies at place_of. */
typedef void visit_state(void *arg, void *value, size_t real, bool integer);

/* Walks over all states of a seat, in an order that no layout changes. */
static void walk_part(const simulated *s, const part *p, size_t seat, visit_state *visit,
                      void *arg) {
    size_t real = mgd_dtype_size(p->chain.dtype), lane = seat % s->seats;
    size_t copies = p->kind == ON_FEATURES ? s->batch : p->copies, array = state_size(s, p);
    char *states = s->states + seat / s->seats * s->state_bytes + p->state;
    for (size_t copy = 0; copy < copies; copy++)
        for (size_t k = 0; k < p->chain.num_states; k++)
            for (size_t i = 0; i < p->sites; i++) {
                size_t at = k * array;
                if (s->replicas)
                    at += copy * p->chain.num_states * array + i * s->width + lane;
                else if (p->kind == ON_FEATURES)
                    at += copy / s->width * p->chain.num_states * array + i * s->width +
                          copy % s->width;
                else
                    at += copy * p->chain.num_states * array + i;
                visit(arg, states + at * real, real, false);
            }
}

static void walk_kept(const simulated *s, size_t seat, visit_state *visit, void *arg) {
    char *states = s->states + seat / s->seats * s->state_bytes;
    for (size_t k = 0; k < MGD_HW_KEPT; k++)
        for (size_t i = 0; s->kept[k] != SIZE_MAX && i < s->net->num_parameters; i++) {
            size_t at = s->replicas ? i * s->width + seat % s->seats : i;
            visit(arg, states + s->kept[k] + at * s->real, s->real, k == MGD_HW_WRITES);
        }
}

typedef struct {
    const simulated *s;
    size_t seat;
    visit_state *visit;
    void *arg;
} walking;

static mgd_status walk_one(void *arg, part *p) {
    const walking *w = arg;
    walk_part(w->s, p, w->seat, w->visit, w->arg);
    return MGD_OK;
}

static void walk_states(const simulated *s, size_t seat, visit_state *visit, void *arg) {
    walking w = {s, seat, visit, arg};
    mgd_simulated_each_part((simulated *)s, walk_one, &w); /* looks only */
    walk_kept(s, seat, visit, arg);
}

static void count_state(void *arg, void *value, size_t real, bool integer) {
    (void)value, (void)real, (void)integer;
    ++*(size_t *)arg;
}

static void read_state(void *arg, void *value, size_t real, bool integer) {
    double **to = arg;
    if (integer)
        *(*to)++ = real == sizeof(float) ? (double)*(int32_t *)value : (double)*(int64_t *)value;
    else
        *(*to)++ = real == sizeof(float) ? (double)*(float *)value : *(double *)value;
}

/* Numbers that reals and counts can hold: what does not fit is undefined to convert. */
typedef struct {
    const double *from;
    bool fits;
} fitting;

static void fit_state(void *arg, void *value, size_t real, bool integer) {
    (void)value;
    fitting *f = arg;
    double number = *f->from++;
    if (integer)
        f->fits &= mgd_is_count(number, real == sizeof(float) ? INT32_MAX : 0x1p53);
    else if (real == sizeof(float)) /* a model that went astray may have left anything else */
        f->fits &= !isfinite(number) || fabs(number) <= FLT_MAX;
}

static void write_state(void *arg, void *value, size_t real, bool integer) {
    const double **from = arg;
    double number = *(*from)++;
    if (integer && real == sizeof(float))
        *(int32_t *)value = (int32_t)number;
    else if (integer)
        *(int64_t *)value = (int64_t)number;
    else if (real == sizeof(float))
        *(float *)value = (float)number;
    else
        *(double *)value = number;
}

/* Before the states of parts: pulses, since when θ is held, when the replica stopped, the chip's
 * age at step 0, and rests so far; behind them, for lines, the last point. Steps are exact up to
 * 2^53; −1: it runs. */
enum { PULSES, FROM, STOOD, ORIGIN, RESTS, HEAD };

void mgd_simulated_state_get(const mgd_session *session, size_t seat, double *states) {
    const simulated *s = (const simulated *)session;
    double *to = states + HEAD;
    states[PULSES] = s->pulses[seat];
    states[FROM] = (double)s->from[seat];
    states[STOOD] = s->stood[seat] == UINT64_MAX ? -1 : (double)s->stood[seat];
    states[ORIGIN] = s->origin;
    states[RESTS] = (double)s->rests;
    walk_states(s, seat, read_state, &to);
    if (s->lines)
        *to = (double)s->last[seat];
}

bool mgd_simulated_state_fits(const mgd_session *session, size_t seat, const double *states) {
    const simulated *s = (const simulated *)session;
    fitting f = {states + HEAD, true};
    if (!(states[PULSES] >= 0) || !mgd_is_count(states[FROM], 0x1p53) ||
        !(states[STOOD] == -1 || mgd_is_count(states[STOOD], 0x1p53)) ||
        !isfinite(states[ORIGIN]) || !mgd_is_count(states[RESTS], 0x1p53))
        return false;
    walk_states(s, seat, fit_state, &f);
    return f.fits && (!s->lines || mgd_is_count(*f.from, 0x1p53));
}

void mgd_simulated_state_set(mgd_session *session, size_t seat, const double *states) {
    simulated *s = (simulated *)session;
    const double *from = states + HEAD;
    s->pulses[seat] = states[PULSES];
    s->from[seat] = (uint64_t)states[FROM];
    s->stood[seat] = states[STOOD] < 0 ? UINT64_MAX : (uint64_t)states[STOOD];
    s->origin = states[ORIGIN];
    s->rests = (uint64_t)states[RESTS];
    walk_states(s, seat, write_state, &from);
    if (s->lines)
        s->last[seat] = (uint64_t)*from;
}

/* ---- changing places, wear ------------------------------------------------------------------- */

static void swap_values(char *a, char *b, size_t bytes) {
    char kept[sizeof(double)];
    memcpy(kept, a, bytes);
    memcpy(a, b, bytes);
    memcpy(b, kept, bytes);
}

/* Units are made of whole rows of W values, of coefficients and states alike. */
static void swap_lanes(const simulated *s, char *memory, size_t unit_bytes, size_t from, size_t to,
                       size_t real, size_t a, size_t b) {
    char *x = memory + a / s->width * unit_bytes, *y = memory + b / s->width * unit_bytes;
    for (size_t at = from; at < to; at += s->width * real)
        swap_values(x + at + a % s->width * real, y + at + b % s->width * real, real);
}

typedef struct {
    const simulated *s;
    size_t a, b;
} swapping;

static mgd_status swap_part(void *arg, part *p) {
    const swapping *w = arg;
    const simulated *s = w->s;
    size_t real = mgd_dtype_size(p->chain.dtype);
    size_t coefs = p->chain.num_coefs * coef_size(s, p) * real;
    size_t states = p->copies * p->chain.num_states * state_size(s, p) * real;
    swap_lanes(s, s->coefs, s->coef_bytes, p->coef, p->coef + coefs, real, w->a, w->b);
    swap_lanes(s, s->states, s->state_bytes, p->state, p->state + states, real, w->a, w->b);
    return MGD_OK;
}

void mgd_simulated_swap(mgd_session *session, size_t a, size_t b) {
    simulated *s = (simulated *)session;
    swapping w = {s, a, b};
    size_t bytes = s->rows * s->row_width * s->real;
    mgd_simulated_each_part(s, swap_part, &w);
    swap_lanes(s, s->coefs, s->coef_bytes, s->law, s->law + s->writer.op.num_draws * bytes, s->real,
               a, b);
    for (size_t k = 0; k < MGD_HW_KEPT; k++)
        if (s->kept[k] != SIZE_MAX)
            swap_lanes(s, s->states, s->state_bytes, s->kept[k], s->kept[k] + bytes, s->real, a, b);
    swap_values((char *)&s->pulses[a], (char *)&s->pulses[b], sizeof(double));
    swap_values((char *)&s->number[a], (char *)&s->number[b], sizeof(uint64_t));
    swap_values((char *)&s->from[a], (char *)&s->from[b], sizeof(uint64_t));
    swap_values((char *)&s->stood[a], (char *)&s->stood[b], sizeof(uint64_t));
    swap_values((char *)&s->last[a], (char *)&s->last[b], sizeof(uint64_t));
}

void mgd_simulated_stop(mgd_session *session, size_t seat, uint64_t step) {
    ((simulated *)session)->stood[seat] = step;
}

void mgd_simulated_go_on(mgd_session *session, size_t seat, uint64_t step) {
    simulated *s = (simulated *)session;
    if (s->stood[seat] == UINT64_MAX)
        return;
    s->from[seat] += step - s->stood[seat];
    s->stood[seat] = UINT64_MAX;
}

static double endurance_of(const simulated *s, size_t unit, size_t at) {
    const mgd_hw_writer *w = &s->writer;
    size_t bytes = s->rows * s->row_width * s->real;
    if (!w->drawn[MGD_HW_ENDURANCE])
        return w->model.endurance;
    return simulated_real(
        s, s->coefs + unit * s->coef_bytes + s->law + w->coef[MGD_HW_ENDURANCE] * bytes, at);
}

mgd_wear mgd_simulated_wear(const mgd_session *session, size_t seat) {
    const simulated *s = (const simulated *)session;
    size_t unit = seat / s->seats, n = s->net->num_parameters;
    char *writes = s->states + unit * s->state_bytes + s->kept[MGD_HW_WRITES];
    mgd_wear wear = {.pulses = s->pulses[seat], .endurance_left = 1};
    for (size_t i = 0; i < n; i++) {
        size_t at = s->replicas ? i * s->width + seat % s->seats : i;
        double count, *to = &count;
        read_state(&to, writes + at * s->real, s->real, true);
        wear.writes_mean += count / (double)n;
        wear.writes_max = fmax(wear.writes_max, count);
        if (s->writer.model.endurance > 0)
            wear.endurance_left = fmin(wear.endurance_left, 1 - count / endurance_of(s, unit, at));
    }
    wear.endurance_left = fmax(wear.endurance_left, 0);
    return wear;
}

/* ---- opening and closing --------------------------------------------------------------------- */

static mgd_status look_for_lines(void *arg, part *p) {
    simulated *s = arg;
    if (p->kind != ON_PARAMETERS)
        s->lines |= mgd_hw_chain_remembers(&p->chain);
    return MGD_OK;
}

mgd_status mgd_simulated_devices_open(mgd_context *ctx, simulated *s, const mgd_task_spec *task) {
    opening o = {ctx, s, task};
    mgd_isa isa;
    MGD_TRY(mgd_isa_select(ctx, &isa));
    s->hw = mgd_hw_kernels_get(isa, s->net->dtype);
    MGD_TRY(open_parts(&o));
    open_writer(&o);
    if (!mgd_take(&s->coefs, s->units, s->coef_bytes + MGD_ALIGNMENT) ||
        !mgd_take(&s->states, s->units, s->state_bytes + MGD_ALIGNMENT) ||
        !mgd_take(&s->pulses, s->units * s->seats, sizeof(double)) ||
        !mgd_take(&s->from, s->units * s->seats, sizeof(uint64_t)) ||
        !mgd_take(&s->stood, s->units * s->seats, sizeof(uint64_t)) ||
        !mgd_take(&s->last, s->units * s->seats, sizeof(uint64_t)) ||
        !mgd_take(&s->number, s->units * s->seats, sizeof(uint64_t)))
        return mgd_fail(
            ctx, MGD_ERR_MEMORY, "out of memory: %zu chips with imperfections need %.0f bytes each",
            task->replicas, (double)(s->coef_bytes + s->state_bytes) / (double)s->seats);
    mgd_simulated_each_part(s, look_for_lines, s);
    size_t count = HEAD + s->lines;
    walk_states(s, 0, count_state, &count);
    s->session.num_states = count;
    return draw_units(ctx, s, task);
}

void mgd_simulated_devices_close(simulated *s) {
    mgd_simulated_each_part(s, close_part, NULL);
    mgd_free(s->parts.before);
    mgd_free(s->parts.after);
    mgd_free(s->parts.product);
    mgd_free(s->coefs);
    mgd_free(s->states);
    mgd_free(s->pulses);
    mgd_free(s->from);
    mgd_free(s->stood);
    mgd_free(s->last);
    mgd_free(s->number);
}
