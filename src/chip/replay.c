/* A chip that answers what is recorded. What was asked is compared with the witnesses; the first
 * difference ends the run. θ becomes what was recorded, or what a model of the chip makes of it.
 */

#include "recording.h"

#include <math.h>
#include <string.h>

typedef struct {
    mgd_chip chip;
    const mgd_recording *recording;
    const mgd_recording_head *head;
    mgd_chip *model; /* NULL: none */
} replay_chip;

typedef struct {
    mgd_session session;
    const replay_chip *chip;
    const mgd_recording_head *head;
    mgd_session *model; /* of the chip's model, where that has states; else NULL */
    size_t width;       /* replicas in a unit */
    size_t seats;
    size_t *owner;          /* (seats) the replica in each, R where there is none; … */
    mgd_recorded_steps *at; /* … and where it is in the recording */
    uint32_t *asked;        /* (workers × max_points × width) witnesses */
    size_t max_points;
} replay;

/* ---- measuring ------------------------------------------------------------------------------- */

static mgd_status fail_missing(mgd_context *ctx, const replay *s, uint64_t step) {
    uint64_t end = mgd_recording_end(s->chip->recording);
    if (step < s->head->begin)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "the recording begins at step %llu, and step %llu was asked for: expected "
                        "the checkpoint that the recorded run was resumed from, mgd.resume(…, "
                        "{chip = …})",
                        (unsigned long long)s->head->begin, (unsigned long long)step);
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "the recording ends before step %llu: it holds %llu steps, up to step %llu",
                    (unsigned long long)step, (unsigned long long)(end - s->head->begin),
                    (unsigned long long)end);
}

static mgd_status fail_departed(mgd_context *ctx, const replay *s, size_t seat, uint64_t step,
                                uint32_t bits) {
    const char *what = bits & MGD_WITNESS_SLOT ? "the slot of the code (tau_p)"
                       : bits & MGD_WITNESS_SAMPLE
                           ? "the sample (tau_x, the data)"
                           : "θ (eta, amplitude, tau_theta, the code, rests "
                             "of the chip, or where it began)";
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "at step %llu replica %llu departs from the recording: %s is another",
                    (unsigned long long)step, (unsigned long long)s->head->numbers[s->owner[seat]],
                    what);
}

/* Costs of a step of a lane: points p … p + count − 1, of which the witness is `asked`. */
static mgd_status answer_step(mgd_context *ctx, const replay *s, const mgd_request *r, size_t p,
                              size_t count, size_t lane, uint32_t asked) {
    const uint64_t n = r->points[p].step;
    const size_t seat = r->unit * s->width + lane, signals = s->head->signals;
    const mgd_recording *recording = s->chip->recording;
    mgd_recorded_steps steps;
    const double *cost = NULL;
    mgd_recorded found = MGD_RECORDED_STOPPED;
    if (s->owner[seat] < s->head->replicas)
        found = mgd_recording_steps(recording, s->owner[seat], n, &steps);
    if (found == MGD_RECORDED_NOT)
        return fail_missing(ctx, s, n);
    if (found == MGD_RECORDED) {
        const uint64_t place = mgd_recording_place(recording, n);
        const uint64_t held = mgd_recording_place(recording, n + 1) - place;
        if (asked != steps.witness[n - steps.first])
            return fail_departed(ctx, s, seat, n, asked ^ steps.witness[n - steps.first]);
        if (held != count)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "at step %llu the run departs from the recording: %llu measurements "
                            "were made there, and %zu are asked for (baseline, tau_theta, tau_x)",
                            (unsigned long long)n, (unsigned long long)held, count);
        cost = steps.cost + (place - mgd_recording_place(recording, steps.first)) * signals;
    }
    for (size_t k = 0; k < count; k++)
        for (size_t signal = 0; signal < signals; signal++)
            mgd_request_cost(r, signal, p + k, s->width)[lane] =
                cost ? cost[k * signals + signal] : NAN;
    return MGD_OK;
}

/* The same for all steps of a request at once, where these lie together, as they mostly do; false:
 * they do not, or something is wrong. */
static bool answer_block(const replay *s, const mgd_request *r, size_t steps, size_t lane,
                         const uint32_t *asked) {
    const size_t seat = r->unit * s->width + lane, signals = s->head->signals;
    const mgd_recording *recording = s->chip->recording;
    const uint64_t first = r->points[0].step;
    mgd_recorded_steps *at = &s->at[seat];
    if (s->owner[seat] == s->head->replicas)
        return false;
    if ((first < at->first || first >= at->end) &&
        mgd_recording_steps(recording, s->owner[seat], first, at) != MGD_RECORDED)
        return false;
    if (first + steps > at->end)
        return false;
    uint32_t other = 0;
    for (size_t j = 0; j < steps; j++)
        other |= at->witness[first - at->first + j] ^ asked[j * s->width + lane];
    const double *cost = at->cost + (mgd_recording_place(recording, first) -
                                     mgd_recording_place(recording, at->first)) *
                                        signals;
    for (size_t p = 0; p < r->num_points; p++)
        for (size_t signal = 0; signal < signals; signal++)
            r->cost[(signal * r->num_points + p) * s->width + lane] = *cost++;
    return other == 0;
}

/* Costs of many replicas lie far apart: those of a request are fetched side by side. */
static void prefetch(const replay *s, const mgd_request *r) {
    const uint64_t first = r->points[0].step;
    for (size_t lane = 0; lane < s->width; lane++) {
        const mgd_recorded_steps *at = &s->at[r->unit * s->width + lane];
        if (first < at->first || first >= at->end)
            continue;
        const uint64_t place = mgd_recording_place(s->chip->recording, first) -
                               mgd_recording_place(s->chip->recording, at->first);
        __builtin_prefetch(at->cost + place * s->head->signals);
        __builtin_prefetch(at->witness + (first - at->first));
    }
}

/* Whether the recording has so many points at each step of a request. */
static bool has_points(const replay *s, const mgd_request *r, size_t steps) {
    const mgd_recording *recording = s->chip->recording;
    if (!mgd_recording_has(recording, r->points[0].step, steps))
        return false;
    for (size_t p = 0, count; p < r->num_points; p += count) {
        const uint64_t n = r->points[p].step;
        count = mgd_points_of_step(r, p);
        if (mgd_recording_place(recording, n + 1) - mgd_recording_place(recording, n) != count)
            return false;
    }
    return true;
}

static mgd_status measure(mgd_context *ctx, mgd_session *session, const mgd_request *r) {
    const replay *s = (const replay *)session;
    uint32_t *asked = s->asked + r->worker * s->max_points * s->width;
    size_t steps = 0;
    for (size_t p = 0; p < r->num_points; p += mgd_points_of_step(r, p))
        mgd_witness(&r->points[p], r->source.theta, s->head->dtype, s->head->parameters, s->width,
                    asked + steps++ * s->width);
    const bool whole = has_points(s, r, steps);
    if (whole && s->width > 1)
        prefetch(s, r);
    for (size_t lane = 0; lane < s->width; lane++) {
        if (whole && answer_block(s, r, steps, lane, asked))
            continue;
        for (size_t p = 0, j = 0; p < r->num_points; p += mgd_points_of_step(r, p), j++)
            MGD_TRY(answer_step(ctx, s, r, p, mgd_points_of_step(r, p), lane,
                                asked[j * s->width + lane]));
    }
    return MGD_OK;
}

/* ---- what a recording does not know ---------------------------------------------------------- */

static mgd_status fail_unknown(mgd_context *ctx, const char *what) {
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "%s: this chip is a recording, which answers what the run measured and nothing "
                    "else: expected a probe that was recorded, or the chip itself",
                    what);
}

static mgd_status evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                           double *cost, double *accuracy) {
    (void)session, (void)pool, (void)view, (void)x, (void)y, (void)cost, (void)accuracy;
    return fail_unknown(ctx, "evaluate");
}

static mgd_status predict(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                          const mgd_tensor *x, uint64_t draw, mgd_tensor **y) {
    (void)session, (void)view, (void)x, (void)draw, (void)y;
    return fail_unknown(ctx, "predict");
}

static mgd_status gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_weighted *samples, double *out,
                           double *cost) {
    (void)session, (void)pool, (void)view, (void)samples, (void)out, (void)cost;
    return fail_unknown(ctx, "gradient");
}

static mgd_status saturated(mgd_context *ctx, mgd_session *session, size_t unit, uint64_t step,
                            const void *theta, const mgd_tensor *x, const mgd_tensor *y,
                            double *share, size_t *units) {
    (void)session, (void)unit, (void)step, (void)theta, (void)x, (void)y, (void)share, (void)units;
    return fail_unknown(ctx, "saturated");
}

/* ---- θ, where the recording has it ----------------------------------------------------------- */

/* What differs from what was asked, into a lane of a unit's θ. */
static void change_theta(const replay *s, const mgd_recorded_change *change, size_t lane,
                         void *theta) {
    const size_t real = mgd_dtype_size(s->head->dtype);
    for (size_t k = 0; k < change->count; k++)
        memcpy((char *)theta + (change->index[k] * s->width + lane) * real,
               (const char *)change->value + k * real, real);
}

static void undo_theta(const replay *s, const void *before, size_t lane, void *theta) {
    const size_t real = mgd_dtype_size(s->head->dtype);
    for (size_t i = 0; i < s->head->parameters; i++)
        memcpy((char *)theta + (i * s->width + lane) * real,
               (const char *)before + (i * s->width + lane) * real, real);
}

static const mgd_recorded_change *change_of(const replay *s, size_t seat, uint64_t step,
                                            bool rested) {
    if (s->owner[seat] == s->head->replicas)
        return NULL;
    return mgd_recording_change(s->chip->recording, s->owner[seat], step, rested);
}

/* A write that failed left θ as it was. Should the recording be of another one, the next step
 * departs. */
static mgd_status write_recorded(mgd_context *ctx, mgd_session *session, const mgd_write *w) {
    (void)ctx;
    const replay *s = (const replay *)session;
    for (size_t lane = 0; lane < s->width; lane++) {
        const mgd_recorded_change *change = change_of(s, w->unit * s->width + lane, w->step, false);
        if (change && change->event == MGD_THETA_FAILED)
            undo_theta(s, w->before, lane, w->theta);
        else if (change)
            change_theta(s, change, lane, w->theta);
    }
    return MGD_OK;
}

static void rest_recorded(mgd_session *session, const mgd_rest *r) {
    const replay *s = (const replay *)session;
    const size_t real = mgd_dtype_size(s->head->dtype), lanes = MGD_ALIGNMENT / real;
    const size_t row = s->width > 1 ? s->head->parameters * s->width
                                    : (s->head->parameters + lanes - 1) / lanes * lanes;
    for (size_t seat = 0; seat < s->seats; seat++) {
        const mgd_recorded_change *change = change_of(s, seat, r->step, true);
        if (change)
            change_theta(s, change, seat % s->width, r->theta + seat / s->width * row * real);
    }
}

/* ---- what the model does --------------------------------------------------------------------- */

static mgd_status write_model(mgd_context *ctx, mgd_session *session, const mgd_write *w) {
    mgd_session *model = ((const replay *)session)->model;
    return model->write(ctx, model, w);
}

static void rest_model(mgd_session *session, const mgd_rest *r) {
    mgd_session *model = ((const replay *)session)->model;
    model->rest(model, r);
}

static void stop(mgd_session *session, size_t seat, uint64_t step) {
    mgd_session *model = ((const replay *)session)->model;
    model->stop(model, seat, step);
}

static void go_on(mgd_session *session, size_t seat, uint64_t step) {
    mgd_session *model = ((const replay *)session)->model;
    model->go_on(model, seat, step);
}

static void state_get(const mgd_session *session, size_t seat, double *states) {
    const mgd_session *model = ((const replay *)session)->model;
    model->state_get(model, seat, states);
}

static bool state_fits(const mgd_session *session, size_t seat, const double *states) {
    const mgd_session *model = ((const replay *)session)->model;
    return model->state_fits(model, seat, states);
}

static void state_set(mgd_session *session, size_t seat, const double *states) {
    mgd_session *model = ((const replay *)session)->model;
    model->state_set(model, seat, states);
}

static mgd_wear wear(const mgd_session *session, size_t seat) {
    const mgd_session *model = ((const replay *)session)->model;
    return model->wear(model, seat);
}

static void swap(mgd_session *session, size_t seat, size_t other) {
    replay *s = (replay *)session;
    size_t owner = s->owner[seat];
    mgd_recorded_steps at = s->at[seat];
    s->owner[seat] = s->owner[other];
    s->at[seat] = s->at[other];
    s->owner[other] = owner;
    s->at[other] = at;
    if (s->model)
        s->model->swap(s->model, seat, other);
}

static void use_model(replay *s) {
    const mgd_session *model = s->model;
    s->session.write = model->write ? write_model : NULL;
    s->session.wear = model->wear ? wear : NULL;
    s->session.rest = rest_model;
    s->session.stop = stop;
    s->session.go_on = go_on;
    s->session.state_get = state_get;
    s->session.state_fits = state_fits;
    s->session.state_set = state_set;
    s->session.num_states = model->num_states;
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_session(mgd_session *session) {
    replay *s = (replay *)session;
    if (s->model)
        s->model->close(s->model);
    mgd_free(s->owner);
    mgd_free(s->at);
    mgd_free(s->asked);
    mgd_free(s);
}

static mgd_status check_task(mgd_context *ctx, const mgd_recording_head *head,
                             const mgd_task_spec *task) {
    if (task->gradients || task->nodes)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: a recording holds costs alone: expected the engine discrete or "
                        "analog, and perturb = \"parameters\"");
    if (task->replicas != head->replicas || task->signals != head->signals)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: the recording is of %zu replicas and %zu cost signals, got %zu and "
                        "%zu",
                        head->replicas, head->signals, task->replicas, task->signals);
    return MGD_OK;
}

static mgd_status prepare(mgd_context *ctx, replay *s, const mgd_task_spec *task) {
    s->width = task->width ? task->width : 1;
    s->seats = task->units * s->width;
    s->max_points = task->max_points;
    if (!mgd_take(&s->owner, s->seats, sizeof *s->owner) ||
        !mgd_take(&s->at, s->seats, sizeof *s->at) ||
        !mgd_take(&s->asked, task->workers * s->max_points, s->width * sizeof *s->asked))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu replicas of a recording",
                        s->head->replicas);
    for (size_t seat = 0; seat < s->seats; seat++)
        s->owner[seat] = seat < s->head->replicas ? seat : s->head->replicas;
    mgd_chip *model = s->chip->model;
    if (!model || !model->in_order) /* without states θ becomes what is asked for */
        return MGD_OK;
    model->ran = 0;
    model->rested = s->head->age;
    MGD_TRY(model->open(ctx, model, task, &s->model));
    use_model(s);
    return MGD_OK;
}

static mgd_status open_session(mgd_context *ctx, mgd_chip *chip, const mgd_task_spec *task,
                               mgd_session **out) {
    const replay_chip *c = (const replay_chip *)chip;
    MGD_TRY(check_task(ctx, c->head, task));
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip session", 1, sizeof(replay), &memory));
    replay *s = memory;
    s->session = (mgd_session){.measure = measure,
                               .evaluate = evaluate,
                               .predict = predict,
                               .gradient = gradient,
                               .saturated = saturated,
                               .write = c->head->keeps_theta ? write_recorded : NULL,
                               .rest = c->head->keeps_theta ? rest_recorded : NULL,
                               .swap = swap,
                               .close = close_session};
    s->chip = c;
    s->head = c->head;
    mgd_status status = prepare(ctx, s, task);
    if (status != MGD_OK) {
        close_session(&s->session);
        return status;
    }
    *out = &s->session;
    return MGD_OK;
}

/* ---- the chip -------------------------------------------------------------------------------- */

static size_t theta_bytes(const mgd_chip *chip) {
    return chip->num_parameters * mgd_dtype_size(chip->dtype);
}

static void chip_theta(const mgd_chip *chip, void *out) {
    memcpy(out, ((const replay_chip *)chip)->head->theta, theta_bytes(chip));
}

/* What was drawn for the replica of that number. */
static mgd_status chip_draw(mgd_context *ctx, const mgd_chip *chip, const mgd_init *init,
                            void *out) {
    const mgd_recording_head *h = ((const replay_chip *)chip)->head;
    size_t at = (size_t)(init->replica - h->numbers[0]); /* they mostly follow each other */
    if (at >= h->replicas || h->numbers[at] != init->replica)
        for (at = 0; at < h->replicas && h->numbers[at] != init->replica;)
            at++;
    if (at == h->replicas)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: the recording has no replica %llu",
                        (unsigned long long)init->replica);
    memcpy(out, (const char *)h->theta + (h->theta_rows > 1 ? at : 0) * theta_bytes(chip),
           theta_bytes(chip));
    return MGD_OK;
}

static void chip_free(mgd_chip *chip) {
    mgd_free(chip);
}

mgd_status mgd_chip_replay(mgd_context *ctx, const mgd_recording *recording, mgd_chip *model,
                           mgd_chip **out) {
    const mgd_recording_head *head = mgd_recording_head_of(recording);
    if (model && (model->num_parameters != head->parameters || model->dtype != head->dtype))
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "a damaged recording: its chip has %zu parameters of %s, and its head says "
                        "%zu of %s",
                        model->num_parameters, mgd_dtype_name(model->dtype), head->parameters,
                        mgd_dtype_name(head->dtype));
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip", 1, sizeof(replay_chip), &memory));
    replay_chip *c = memory;
    c->chip = (mgd_chip){
        .dtype = head->dtype,
        .num_parameters = head->parameters,
        .no_nodes = "this one is a recording, which holds costs alone",
        .num_matrices = model ? model->num_matrices : 0,
        .matrices = model ? model->matrices : NULL,
        .lanes = model ? model->lanes : 0,
        .resolution = head->resolution,
        .open = open_session,
        .theta = chip_theta,
        .draw = chip_draw,
        .free = chip_free,
    };
    c->recording = recording;
    c->head = head;
    c->model = model;
    *out = &c->chip;
    return MGD_OK;
}
