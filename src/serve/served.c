/* The operations on any chip but the measuring (measure.c), by sessions that measure as the engine
 * does (points.h).
 *
 * A session belongs to a code, a seed, a replica and a size of batches. What a chip remembers is
 * its sessions', so the last few stay open, and θ goes to each of them when it is asked again.
 */

#include "served.h"

#include <string.h>

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

static bool fits(const mgd_served_session *k, const mgd_wanted *want) {
    return k->points && k->replica == want->replica &&
           (want->code == MGD_CODE_FUNCTION || k->code == want->code) &&
           (want->any_seed || k->seed == want->seed) &&
           (want->batch == 0 || k->batch == want->batch);
}

/* The session that fits, rather the one that measures; else the place for another. */
static mgd_served_session *find_session(mgd_served *s, const mgd_wanted *want) {
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

static mgd_status open_points(mgd_context *ctx, mgd_served *s, const mgd_wanted *want,
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

mgd_status mgd_served_session_open(mgd_context *ctx, mgd_served *s, const mgd_wanted *want,
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
    memcpy(s->safe, s->initial, mgd_served_theta_bytes(s));
    memcpy(s->theta, s->initial, mgd_served_theta_bytes(s));
    if (spec->safe) {
        MGD_TRY(mgd_tensor_convert(ctx, spec->safe, spec->chip->dtype, &safe));
        memcpy(s->safe, mgd_tensor_data(safe), mgd_served_theta_bytes(s));
        mgd_tensor_free(safe);
    }
    MGD_TRY(first_data(ctx, s));
    MGD_TRY(present_data(ctx, s));
    if (spec->measure)
        return MGD_OK;
    /* what is wrong with chip, data and cost comes out now, and whether the chip writes */
    mgd_wanted any = {.code = MGD_CODE_FUNCTION, .seed = 1, .replica = 1};
    MGD_TRY(mgd_served_session_open(ctx, s, &any, &session));
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
    MGD_DO(mgd_verdict_of(make_room(ctx, s, at + n)));
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
    if (theta->count == mgd_served_theta_bytes(s))
        return MGD_DONE;
    return mgd_verdict_fail(ctx, MGD_WRONG, "θ: %zu values: expected %zu", theta->count / s->real,
                            s->spec.num_parameters);
}

static void place(mgd_served *s, const char *theta) {
    memcpy(s->theta, theta, mgd_served_theta_bytes(s));
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
    if (replica > MGD_MOST_REPLICA || step >= MGD_MOST_STEP)
        return mgd_verdict_fail(ctx, MGD_RANGE, "%s is too large",
                                step < MGD_MOST_STEP ? "replica" : "step");
    mgd_served_session *k = stepped && s->writes ? writer(s, replica > 0 ? replica : 1) : NULL;
    if (!k) {
        place(s, theta->data);
        return MGD_DONE;
    }
    place_theta(s, k);
    MGD_DO(mgd_verdict_of(mgd_points_write(ctx, k->points, step, theta->data)));
    place(s, theta->data);
    k->theta = s->version;
    return MGD_DONE;
}

mgd_verdict mgd_served_give(mgd_context *ctx, mgd_served *s, const mgd_bytes *theta) {
    MGD_DO(check_theta(ctx, s, theta));
    memcpy(s->given, theta->data, mgd_served_theta_bytes(s));
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
