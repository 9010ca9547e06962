/* The six operations on any chip, by sessions that measure as the engine does (points.h).
 *
 * A session belongs to a code, a seed, a replica and a size of batches. What a chip remembers is
 * its sessions', so the last few stay open, and θ goes to each of them when it is asked again.
 */

#include "served.h"

#include <math.h>
#include <string.h>

#define MOST_REPLICA ((UINT64_C(1) << 47) - 2)
#define MOST_STEP (UINT64_C(1) << 53)
#define MOST_BATCH (1u << 20)

static size_t theta_bytes(const mgd_served *s) {
    return s->spec.num_parameters * s->real;
}

/* What a failure of the library means to who asked. */
static mgd_verdict verdict_of(mgd_status status) {
    return status == MGD_OK ? MGD_DONE : status == MGD_ERR_INTERRUPT ? MGD_STOP : MGD_HARDWARE;
}

/* ---- samples --------------------------------------------------------------------------------- */

static void free_data(mgd_served_data *d) {
    mgd_tensor_free(d->x);
    mgd_tensor_free(d->y);
    mgd_free(d->target);
    *d = (mgd_served_data){0};
}

/* Fresh tensors with room for so many, and what `from` holds. */
static mgd_status make_data(mgd_context *ctx, const mgd_served *s, size_t room,
                            const mgd_served_data *from, mgd_served_data *out) {
    const mgd_server_spec *spec = &s->spec;
    mgd_served_data d = {.room = room, .count = from->count, .own = true};
    size_t shape_x[MGD_MAX_DIMS + 1] = {room}, shape_y[MGD_MAX_DIMS + 1] = {room};
    memcpy(shape_x + 1, spec->shape_x, spec->ndim_x * sizeof *shape_x);
    memcpy(shape_y + 1, spec->shape_y, spec->ndim_y * sizeof *shape_y);
    mgd_status status = mgd_tensor_new(ctx, spec->chip->dtype, spec->ndim_x + 1, shape_x, &d.x);
    if (status == MGD_OK)
        status = mgd_tensor_new(ctx, spec->chip->dtype, spec->ndim_y + 1, shape_y, &d.y);
    if (status == MGD_OK && !mgd_take(&d.target, room, 1))
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu samples", room);
    if (status != MGD_OK) {
        free_data(&d);
        return status;
    }
    if (from->count > 0) {
        memcpy(mgd_tensor_data(d.x), mgd_tensor_data(from->x), from->count * s->inputs * s->real);
        memcpy(mgd_tensor_data(d.y), mgd_tensor_data(from->y), from->count * s->targets * s->real);
        if (from->target)
            memcpy(d.target, from->target, from->count);
        else
            memset(d.target, 1, from->count);
    }
    *out = d;
    return MGD_OK;
}

/* The user's samples, in the chip's precision; or room for one, which sessions need to open. */
static mgd_status first_data(mgd_context *ctx, mgd_served *s) {
    const mgd_server_spec *spec = &s->spec;
    if (!spec->x)
        return make_data(ctx, s, 1, &(mgd_served_data){0}, &s->first);
    MGD_TRY(mgd_tensor_convert(ctx, spec->x, spec->chip->dtype, &s->first.x));
    MGD_TRY(mgd_tensor_convert(ctx, spec->y, spec->chip->dtype, &s->first.y));
    s->first.count = s->first.room = mgd_tensor_shape(s->first.x)[0];
    return MGD_OK;
}

static mgd_status present_data(mgd_context *ctx, mgd_served *s) {
    mgd_served_data d = s->first;
    d.own = false;
    d.target = NULL; /* all of them have one */
    d.x = d.y = NULL;
    MGD_TRY(mgd_tensor_view(ctx, s->first.x, &d.x));
    mgd_status status = mgd_tensor_view(ctx, s->first.y, &d.y);
    if (status != MGD_OK) {
        mgd_tensor_free(d.x);
        return status;
    }
    s->data = d;
    return MGD_OK;
}

/* ---- sessions -------------------------------------------------------------------------------- */

static void close_sessions(mgd_served *s) {
    for (size_t i = 0; i < MGD_SESSIONS; i++) {
        mgd_points_close(s->sessions[i].points);
        s->sessions[i] = (mgd_served_session){0};
    }
    s->present = NULL;
}

/* What a session has to be. */
typedef struct {
    mgd_code_kind code; /* MGD_CODE_FUNCTION: any */
    bool any_seed;
    uint64_t seed, replica;
    size_t batch; /* 0: any */
} wanted;

static bool fits(const mgd_served_session *k, const wanted *want) {
    return k->points && k->replica == want->replica &&
           (want->code == MGD_CODE_FUNCTION || k->code == want->code) &&
           (want->any_seed || k->seed == want->seed) &&
           (want->batch == 0 || k->batch == want->batch);
}

/* The session that fits, rather the one that measures; else the place for another. */
static mgd_served_session *find_session(mgd_served *s, const wanted *want) {
    mgd_served_session *found = NULL, *oldest = NULL;
    if (s->present && fits(s->present, want))
        return s->present;
    for (size_t i = 0; i < MGD_SESSIONS; i++) {
        mgd_served_session *k = &s->sessions[i];
        if (fits(k, want) && (!found || k->turned > found->turned))
            found = k;
        if (!oldest || k->turned < oldest->turned) /* 0 where none is open */
            oldest = k;
    }
    return found ? found : oldest;
}

static mgd_status open_points(mgd_context *ctx, mgd_served *s, const wanted *want,
                              mgd_served_session *k) {
    if (s->spec.chip->seats > 0) /* an instrument: one session at a time */
        close_sessions(s);
    mgd_points_close(k->points);
    s->present = s->present == k ? NULL : s->present;
    *k = (mgd_served_session){.code = want->code == MGD_CODE_FUNCTION ? MGD_CODE_WALSH : want->code,
                              .seed = want->seed,
                              .replica = want->replica,
                              .batch = want->batch > 0 ? want->batch : 1};
    mgd_points_spec spec = {.x = s->data.x,
                            .y = s->data.y,
                            .cost = s->spec.cost,
                            .batch = k->batch,
                            .code = k->code,
                            .seed = k->seed,
                            .replica = k->replica,
                            .dt = s->spec.dt,
                            .threads = s->spec.threads};
    return mgd_points_open(ctx, s->spec.chip, &spec, &k->points); /* θ is of version 0 */
}

/* θ of the session becomes the present one. */
static void place_theta(const mgd_served *s, mgd_served_session *k) {
    if (k->theta != s->version)
        mgd_points_place(k->points, s->theta);
    k->theta = s->version;
}

static mgd_status open_session(mgd_context *ctx, mgd_served *s, const wanted *want,
                               mgd_served_session **out) {
    mgd_served_session *k = find_session(s, want);
    if (!fits(k, want))
        MGD_TRY(open_points(ctx, s, want, k));
    place_theta(s, k);
    k->turned = ++s->turns;
    *out = k;
    return MGD_OK;
}

/* ---- opening --------------------------------------------------------------------------------- */

static size_t product(size_t count, const size_t *factors) {
    size_t out = 1;
    for (size_t i = 0; i < count; i++)
        out *= factors[i];
    return out;
}

static mgd_status prepare(mgd_context *ctx, mgd_served *s) {
    const mgd_server_spec *spec = &s->spec;
    mgd_tensor *safe = NULL;
    mgd_served_session *session;
    if (!mgd_take(&s->theta, spec->num_parameters, s->real) ||
        !mgd_take(&s->initial, spec->num_parameters, s->real) ||
        !mgd_take(&s->safe, spec->num_parameters, s->real) ||
        !mgd_take(&s->given, spec->num_parameters, s->real))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu parameters", spec->num_parameters);
    spec->chip->theta(spec->chip, s->initial);
    memcpy(s->safe, s->initial, theta_bytes(s));
    memcpy(s->theta, s->initial, theta_bytes(s));
    if (spec->safe) {
        MGD_TRY(mgd_tensor_convert(ctx, spec->safe, spec->chip->dtype, &safe));
        memcpy(s->safe, mgd_tensor_data(safe), theta_bytes(s));
        mgd_tensor_free(safe);
    }
    MGD_TRY(first_data(ctx, s));
    MGD_TRY(present_data(ctx, s));
    /* what is wrong with chip, data and cost comes out now, and whether the chip writes */
    wanted any = {.code = MGD_CODE_FUNCTION, .seed = 1, .replica = 1};
    MGD_TRY(open_session(ctx, s, &any, &session));
    s->writes = mgd_points_writes(session->points);
    close_sessions(s);
    return MGD_OK;
}

mgd_status mgd_served_open(mgd_context *ctx, const mgd_server_spec *spec, mgd_served *out) {
    *out = (mgd_served){.spec = *spec,
                        .inputs = product(spec->ndim_x, spec->shape_x),
                        .targets = product(spec->ndim_y, spec->shape_y),
                        .outputs = spec->outputs,
                        .real = mgd_dtype_size(spec->chip->dtype),
                        .version = 1};
    mgd_status status = prepare(ctx, out);
    if (status != MGD_OK)
        mgd_served_close(out);
    return status;
}

void mgd_served_close(mgd_served *s) {
    close_sessions(s);
    free_data(&s->data);
    free_data(&s->first);
    mgd_free(s->theta);
    mgd_free(s->initial);
    mgd_free(s->safe);
    mgd_free(s->given);
    mgd_bytes_free(&s->values);
    mgd_bytes_free(&s->points);
    mgd_bytes_free(&s->row);
    *s = (mgd_served){0};
}

/* ---- describe -------------------------------------------------------------------------------- */

static void describe_codes(mgd_bytes *answer) {
    const char *before = " codes=";
    for (unsigned code = 0; mgd_code_name(code); code++)
        if (mgd_points_knows((mgd_code_kind)code)) {
            mgd_bytes_format(answer, "%s%s", before, mgd_code_name(code));
            before = ",";
        }
}

void mgd_served_describe(const mgd_served *s, mgd_bytes *answer) {
    const mgd_server_spec *spec = &s->spec;
    const uint16_t one = 1;
    bool little = *(const uint8_t *)&one == 1;
    mgd_bytes_format(answer, "parameters=%zu inputs=%zu outputs=%zu targets=%zu",
                     spec->num_parameters, s->inputs, s->outputs, s->targets);
    mgd_bytes_format(answer, " dtype=%s blocks=1 order=%s samples=%zu message=%zu",
                     mgd_dtype_name(spec->chip->dtype), little ? "little" : "big", spec->samples,
                     spec->message);
    if (spec->perturbs) {
        mgd_bytes_text(answer, " perturbs=1");
        describe_codes(answer);
    }
    if (spec->costs)
        mgd_bytes_format(answer, " costs=1 cost=%s",
                         spec->cost.kind == MGD_COST_FUNCTION ? "own"
                                                              : mgd_cost_name(spec->cost.kind));
    if (s->writes)
        mgd_bytes_text(answer, " writes=1");
    if (spec->stateless)
        mgd_bytes_text(answer, " stateless=1");
    mgd_bytes_text(answer, " watchdog=1 halves=1");
    mgd_bytes_text(answer, spec->more);
}

/* ---- data ------------------------------------------------------------------------------------ */

/* Has room for samples up to `last`, in tensors of its own. */
static mgd_status make_room(mgd_context *ctx, mgd_served *s, size_t last) {
    mgd_served_data more;
    if (s->data.own && last <= s->data.room)
        return MGD_OK;
    size_t room = s->data.room;
    while (room < last)
        room = room > s->spec.samples / 2 ? s->spec.samples : room * 2;
    MGD_TRY(make_data(ctx, s, room, &s->data, &more));
    close_sessions(s); /* they have the old ones */
    free_data(&s->data);
    s->data = more;
    return MGD_OK;
}

mgd_verdict mgd_served_take(mgd_context *ctx, mgd_served *s, uint64_t first, const mgd_bytes *x,
                            const mgd_bytes *y) {
    size_t row = s->inputs * s->real, target = s->targets * s->real, n = x->count / row;
    if (n == 0 || x->count % row != 0)
        return mgd_verdict_fail(ctx, MGD_WRONG,
                                "x: %zu values are no whole number of samples of %zu",
                                x->count / s->real, s->inputs);
    if (y->count != 0 && y->count != n * target)
        return mgd_verdict_fail(ctx, MGD_WRONG, "y: %zu values: expected %zu for %zu samples",
                                y->count / s->real, n * s->targets, n);
    if (first > s->data.count)
        return mgd_verdict_fail(ctx, MGD_RANGE,
                                "first must be at most %zu, the number of samples so far",
                                s->data.count);
    if (n > s->spec.samples || first > s->spec.samples - n)
        return mgd_verdict_fail(ctx, MGD_RANGE, "sample %llu is too many: expected at most %zu",
                                (unsigned long long)(first + n), s->spec.samples);
    size_t at = (size_t)first;
    MGD_DO(verdict_of(make_room(ctx, s, at + n)));
    mgd_served_data *d = &s->data;
    memcpy((char *)mgd_tensor_data(d->x) + at * row, x->data, x->count);
    if (y->count > 0)
        memcpy((char *)mgd_tensor_data(d->y) + at * target, y->data, y->count);
    memset(d->target + at, y->count > 0, n);
    d->count = at + n > d->count ? at + n : d->count;
    return MGD_DONE;
}

/* ---- write ----------------------------------------------------------------------------------- */

static mgd_verdict check_theta(mgd_context *ctx, const mgd_served *s, const mgd_bytes *theta) {
    if (theta->count == theta_bytes(s))
        return MGD_DONE;
    return mgd_verdict_fail(ctx, MGD_WRONG, "θ: %zu values: expected %zu", theta->count / s->real,
                            s->spec.num_parameters);
}

static void place(mgd_served *s, const char *theta) {
    memcpy(s->theta, theta, theta_bytes(s));
    s->version++;
}

/* The session that θ is written in: that which measured last, or another of the replica. */
static mgd_served_session *writer(mgd_served *s, uint64_t replica) {
    mgd_served_session *found = s->present;
    if (found && found->replica == replica)
        return found;
    found = NULL;
    for (size_t i = 0; i < MGD_SESSIONS; i++) {
        mgd_served_session *k = &s->sessions[i];
        if (k->points && k->replica == replica && (!found || k->turned > found->turned))
            found = k;
    }
    return found;
}

mgd_verdict mgd_served_write(mgd_context *ctx, mgd_served *s, const mgd_bytes *theta, bool stepped,
                             uint64_t step, uint64_t replica) {
    MGD_DO(check_theta(ctx, s, theta));
    if (replica > MOST_REPLICA || step >= MOST_STEP)
        return mgd_verdict_fail(ctx, MGD_RANGE, "%s is too large",
                                step < MOST_STEP ? "replica" : "step");
    mgd_served_session *k = stepped && s->writes ? writer(s, replica > 0 ? replica : 1) : NULL;
    if (!k) {
        place(s, theta->data);
        return MGD_DONE;
    }
    place_theta(s, k);
    MGD_DO(verdict_of(mgd_points_write(ctx, k->points, step, theta->data)));
    place(s, theta->data);
    k->theta = s->version;
    return MGD_DONE;
}

mgd_verdict mgd_served_give(mgd_context *ctx, mgd_served *s, const mgd_bytes *theta) {
    MGD_DO(check_theta(ctx, s, theta));
    memcpy(s->given, theta->data, theta_bytes(s));
    s->has_given = true;
    return MGD_DONE;
}

void mgd_served_safe(mgd_served *s) {
    place(s, s->safe);
}

void mgd_served_reset(mgd_served *s) {
    mgd_context unused = {0};
    mgd_served_data before = s->data;
    close_sessions(s);
    place(s, s->initial);
    s->has_given = false;
    s->watchdog = 0;
    if (present_data(&unused, s) == MGD_OK)
        free_data(&before);
}

/* ---- run: what is asked ---------------------------------------------------------------------- */

typedef enum { AT_THETA, OUTPUTS, GIVEN, CODE } asked;

typedef struct {
    const mgd_ask *ask;
    asked what;
    mgd_code_kind code; /* MGD_CODE_FUNCTION: none of the engine's */
    bool outputs;       /* are returned, and not costs */
    size_t each;        /* measurements of a step */
    size_t points;      /* in all */
    uint64_t replica;
} measurement;

static mgd_verdict find_code(mgd_context *ctx, const mgd_served *s, measurement *m) {
    const char *name = m->ask->code;
    m->code = MGD_CODE_FUNCTION;
    m->what = strcmp(name, "none") == 0      ? AT_THETA
              : strcmp(name, "outputs") == 0 ? OUTPUTS
              : strcmp(name, "given") == 0   ? GIVEN
                                             : CODE;
    if (m->what == GIVEN && !s->has_given)
        return mgd_verdict_fail(ctx, MGD_RANGE, "code given: no θ̃ has been given");
    if (m->what != CODE)
        return MGD_DONE;
    for (unsigned code = 0; s->spec.perturbs && mgd_code_name(code); code++)
        if (mgd_points_knows((mgd_code_kind)code) && strcmp(name, mgd_code_name(code)) == 0)
            m->code = (mgd_code_kind)code;
    if (m->code == MGD_CODE_FUNCTION)
        return mgd_verdict_fail(ctx, MGD_RANGE, "code %s is none of this chip's", name);
    return MGD_DONE;
}

static mgd_verdict check_samples(mgd_context *ctx, const mgd_served *s, const measurement *m) {
    const mgd_ask *ask = m->ask;
    for (size_t i = 0; i < ask->batches * ask->batch; i++) {
        uint32_t sample = ask->samples[i];
        if (sample >= s->data.count)
            return mgd_verdict_fail(ctx, MGD_RANGE, "sample %lu: there are %zu samples",
                                    (unsigned long)sample, s->data.count);
        if (!m->outputs && s->data.target && !s->data.target[sample])
            return mgd_verdict_fail(ctx, MGD_RANGE, "sample %lu has no target",
                                    (unsigned long)sample);
    }
    return MGD_DONE;
}

/* An answer is no longer than a message may be, in blocks. */
static mgd_verdict check_size(mgd_context *ctx, const mgd_served *s, measurement *m) {
    const mgd_ask *ask = m->ask;
    bool both = ask->signs == MGD_SIGNS_BASE || ask->signs == MGD_SIGNS_BOTH;
    m->each = both && m->what != OUTPUTS ? 2 : 1;
    uint64_t most = s->spec.message / sizeof(double) / m->each;
    if (m->outputs)
        most /= ask->batch * s->outputs;
    if (ask->steps > most)
        return mgd_verdict_fail(ctx, MGD_RANGE, "%llu steps: expected at most %llu at once",
                                (unsigned long long)ask->steps, (unsigned long long)most);
    m->points = (size_t)ask->steps * m->each;
    return MGD_DONE;
}

static mgd_verdict check(mgd_context *ctx, const mgd_served *s, measurement *m) {
    const mgd_ask *ask = m->ask;
    MGD_DO(find_code(ctx, s, m));
    m->outputs = m->what == OUTPUTS || !s->spec.costs;
    m->replica = ask->replica > 0 ? ask->replica : 1;
    if (ask->replica > MOST_REPLICA)
        return mgd_verdict_fail(ctx, MGD_RANGE, "replica is too large");
    if (ask->steps > MOST_STEP || ask->slot > MOST_STEP - ask->steps ||
        ask->step > MOST_STEP - ask->steps)
        return mgd_verdict_fail(ctx, MGD_RANGE, "slot, step and n must stay below 2^53");
    if (ask->batch > MOST_BATCH)
        return mgd_verdict_fail(ctx, MGD_RANGE, "a batch of %zu: expected at most %u", ask->batch,
                                MOST_BATCH);
    MGD_DO(check_size(ctx, s, m));
    return check_samples(ctx, s, m);
}

/* ---- run: points ----------------------------------------------------------------------------- */

/* Lists the measurements in the order of time. */
static mgd_verdict list_points(mgd_context *ctx, mgd_served *s, const measurement *m,
                               mgd_point **out) {
    static const int signs[][2] = {
        [MGD_SIGNS_PLUS] = {1, 0}, [MGD_SIGNS_FIRST] = {1, 0}, [MGD_SIGNS_SECOND] = {1, 0},
        [MGD_SIGNS_BASE] = {0, 1}, [MGD_SIGNS_BOTH] = {1, -1}, [MGD_SIGNS_ZERO] = {0, 0}};
    const mgd_ask *ask = m->ask;
    bool second = ask->signs == MGD_SIGNS_SECOND, half = second || ask->signs == MGD_SIGNS_FIRST;
    s->points.count = 0;
    mgd_point *point = mgd_bytes_room(&s->points, m->points * sizeof *point);
    if (!point) {
        s->points.failed = false;
        return mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: %zu measurements", m->points);
    }
    *out = point;
    for (uint64_t k = 0; k < ask->steps; k++)
        for (size_t i = 0; i < m->each; i++)
            *point++ = (mgd_point){
                .step = ask->step + k,
                .slot = ask->slot + k,
                .sign = m->what == AT_THETA || m->what == OUTPUTS ? 0 : signs[ask->signs][i],
                .samples = ask->samples + (ask->batches > 1 ? k : 0) * ask->batch,
                .tick = (unsigned)i + second,
                .ticks = m->each > 1 || half ? 1 : 2,
                .amplitude = ask->amplitude};
    return MGD_DONE;
}

/* θ of a point, by whichever θ̃ is asked for. */
static void theta_of(mgd_served *s, const measurement *m, mgd_points *points,
                     const mgd_point *point, void *out) {
    if (m->what != GIVEN) {
        mgd_points_perturbed(points, m->ask->amplitude, point, out);
        return;
    }
    for (size_t i = 0; i < s->spec.num_parameters; i++)
        if (s->real == sizeof(float))
            ((float *)out)[i] =
                ((const float *)s->theta)[i] + (float)point->sign * ((const float *)s->given)[i];
        else
            ((double *)out)[i] =
                ((const double *)s->theta)[i] + point->sign * ((const double *)s->given)[i];
}

static mgd_verdict make_row(mgd_context *ctx, mgd_served *s) {
    s->row.count = 0;
    if (mgd_bytes_room(&s->row, theta_bytes(s) + MGD_ALIGNMENT)) /* kernels store whole vectors */
        return MGD_DONE;
    s->row.failed = false;
    return mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: parameters");
}

/* θ̃ is no pattern of the engine's: each point has a θ of its own. */
static mgd_verdict measure_given(mgd_context *ctx, mgd_served *s, const measurement *m,
                                 mgd_served_session *k, const mgd_point *point, double *cost) {
    MGD_DO(make_row(ctx, s));
    mgd_verdict verdict = MGD_DONE;
    for (size_t p = 0; p < m->points && verdict == MGD_DONE; p++) {
        mgd_point still = point[p];
        still.sign = 0;
        theta_of(s, m, k->points, &point[p], s->row.data);
        mgd_points_place(k->points, s->row.data);
        verdict = verdict_of(mgd_points_measure(ctx, k->points, 1, 1, &still, &cost[p]));
    }
    mgd_points_place(k->points, s->theta);
    return verdict;
}

static mgd_verdict measure_costs(mgd_context *ctx, mgd_served *s, const measurement *m,
                                 mgd_served_session *k, const mgd_point *point) {
    double *cost = mgd_bytes_room(&s->values, m->points * sizeof *cost);
    if (!cost) {
        s->values.failed = false;
        return mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: %zu costs", m->points);
    }
    s->dtype = MGD_F64;
    s->count = m->points;
    if (m->what != AT_THETA || !s->spec.perturbs)
        s->present = k;
    if (m->what == GIVEN)
        return measure_given(ctx, s, m, k, point, cost);
    return verdict_of(
        mgd_points_measure(ctx, k->points, m->ask->amplitude, m->points, point, cost));
}

/* ---- run: outputs ---------------------------------------------------------------------------- */

/* The samples of one batch, (B, …). */
static mgd_status gather(mgd_context *ctx, const mgd_served *s, const uint32_t *samples,
                         size_t batch, mgd_tensor **out) {
    size_t shape[MGD_MAX_DIMS + 1] = {batch}, row = s->inputs * s->real;
    memcpy(shape + 1, s->spec.shape_x, s->spec.ndim_x * sizeof *shape);
    MGD_TRY(mgd_tensor_new(ctx, s->spec.chip->dtype, s->spec.ndim_x + 1, shape, out));
    const char *from = mgd_tensor_data(s->data.x);
    char *to = mgd_tensor_data(*out);
    for (size_t b = 0; b < batch; b++)
        memcpy(to + b * row, from + samples[b] * row, row);
    return MGD_OK;
}

/* The outputs of one measurement behind those that are there. */
static mgd_status predict(mgd_context *ctx, mgd_served *s, const measurement *m,
                          mgd_served_session *k, const mgd_point *point) {
    mgd_tensor *x = NULL, *y = NULL;
    mgd_status status = gather(ctx, s, point->samples, m->ask->batch, &x);
    if (status == MGD_OK)
        status = mgd_points_predict(ctx, k->points, point->step, s->row.data, x, &y);
    mgd_tensor_free(x);
    if (status != MGD_OK)
        return status;
    if (mgd_tensor_size(y) != m->ask->batch * s->outputs)
        status = mgd_fail(ctx, MGD_ERR_SHAPE, "the chip returned %zu outputs of a sample, not %zu",
                          mgd_tensor_size(y) / m->ask->batch, s->outputs);
    else
        mgd_bytes_put(&s->values, mgd_tensor_data(y), mgd_tensor_size(y) * s->real);
    mgd_tensor_free(y);
    return status;
}

static mgd_verdict measure_outputs(mgd_context *ctx, mgd_served *s, const measurement *m,
                                   mgd_served_session *k, const mgd_point *point) {
    MGD_DO(make_row(ctx, s));
    s->dtype = s->spec.chip->dtype;
    for (size_t p = 0; p < m->points; p++) {
        theta_of(s, m, k->points, &point[p], s->row.data);
        MGD_DO(verdict_of(predict(ctx, s, m, k, &point[p])));
        MGD_DO(verdict_of(mgd_interrupt_answer(ctx)));
    }
    if (s->values.failed) {
        s->values.failed = false;
        return mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: outputs");
    }
    s->count = s->values.count / s->real;
    return MGD_DONE;
}

mgd_verdict mgd_served_run(mgd_context *ctx, mgd_served *s, const mgd_ask *ask) {
    measurement m = {.ask = ask};
    mgd_point *points = NULL;
    mgd_served_session *k = NULL;
    MGD_DO(check(ctx, s, &m));
    MGD_DO(list_points(ctx, s, &m, &points));
    /* outputs are of no batch, and settled ones of no seed: they are the devices' alone */
    wanted want = {.code = m.code,
                   .any_seed = m.what == OUTPUTS,
                   .seed = ask->seed,
                   .replica = m.replica,
                   .batch = m.outputs ? 0 : ask->batch};
    MGD_DO(verdict_of(open_session(ctx, s, &want, &k)));
    s->values.count = 0;
    s->count = 0;
    return m.outputs ? measure_outputs(ctx, s, &m, k, points)
                     : measure_costs(ctx, s, &m, k, points);
}
