/* The session of an instrument: steps, sets that are evaluated, θ that is written, training that
 * the chip does by itself.
 */

#include "instrument_state.h"

#include <math.h>
#include <string.h>

#define EVALUATE_ROWS 1000  /* samples sent at once when a set is evaluated */
#define BURST_SAMPLES 65536 /* of all steps of a burst, unless one batch has more */

static const mgd_description *described(const mgd_wired *s) {
    return mgd_port_description(s->chip->devices->port);
}

/* The device of a unit; what another run left in it counts for nothing. */
static mgd_device *device_of(mgd_wired *s, size_t unit) {
    mgd_device *device = mgd_wired_device(s, unit);
    if (device->user != s)
        mgd_device_unknown(device);
    device->user = s;
    return device;
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* What a failure leaves behind: nothing is known of what the chip holds, and no answer is awaited.
 */
static mgd_status fail(mgd_context *ctx, mgd_device *device, mgd_status status) {
    mgd_context failure = *ctx;
    mgd_device_unknown(device);
    mgd_port_forget(ctx, device->port);
    *ctx = failure;
    return status;
}

/* Again where the chip was lost on the way, as often as its patience lasts. */
static mgd_status measure(mgd_context *ctx, mgd_session *session, const mgd_request *r) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_device *device = device_of(s, r->unit);
    double until = 0;
    for (;;) {
        mgd_status status = mgd_drift_look(ctx, s, r);
        if (status == MGD_OK)
            status = mgd_wired_try(ctx, s, device, r);
        if (status == MGD_OK)
            break;
        bool again = status != MGD_ERR_INTERRUPT && mgd_port_lost(device->port);
        until = until > 0 ? until : mgd_clock() + s->chip->spec.patience;
        fail(ctx, device, status);
        if (!again || mgd_clock() >= until)
            return status;
        MGD_TRY(mgd_instrument_recover(ctx, device, until));
    }
    s->amplitude = fabs(r->points[r->num_points - 1].amplitude);
    return MGD_OK;
}

/* ---- sets ------------------------------------------------------------------------------------ */

/* Where samples of other sets may be kept: behind those of training, or in their place. */
static size_t scratch(const mgd_wired *s, mgd_device *device, size_t *room) {
    size_t all = described(s)->samples, kept = s->keeps ? s->samples.samples : 0;
    device->held = NULL;
    *room = all > kept ? all - kept : all;
    if (*room > EVALUATE_ROWS)
        *room = EVALUATE_ROWS;
    if (all > kept)
        return kept;
    device->set = NULL;
    return 0;
}

/* At most EVALUATE_ROWS of them. */
static void hold_numbers(mgd_wired *s, size_t first, size_t count) {
    for (size_t i = 0; i < count; i++)
        s->numbers[i] = (uint32_t)(first + i);
}

/* Sends rows and asks for their outputs (count × O), or with y for their mean cost. */
static mgd_status ask_rows(mgd_context *ctx, mgd_wired *s, mgd_device *device, const void *x,
                           const void *y, size_t count, double *out) {
    size_t room, first = scratch(s, device, &room), answers = y ? 1 : count * described(s)->outputs;
    if (first > 0)
        MGD_TRY(mgd_wired_keep(ctx, s, device));
    MGD_TRY(mgd_wired_send(ctx, s, device, first, x, y, count));
    MGD_TRY(mgd_wired_collect(ctx, s, device, NULL));
    hold_numbers(s, first, count);
    mgd_burst burst = {.code = y ? "none" : "outputs",
                       .n = 1,
                       .replica = 1,
                       .samples = s->numbers,
                       .batch = count,
                       .batches = 1,
                       .signs = "+"};
    mgd_port_run(device->port, &burst);
    mgd_status status = y ? mgd_port_costs(ctx, device->port, out, answers)
                          : mgd_port_reals(ctx, device->port, out, answers);
    hold_numbers(s, 0, s->batch < EVALUATE_ROWS ? s->batch : EVALUATE_ROWS);
    return status;
}

/* The chip holds θ. */
static mgd_status put_theta(mgd_context *ctx, mgd_wired *s, mgd_device *device, const void *theta) {
    size_t answers;
    s->queued = 0;
    MGD_TRY(mgd_device_theta(ctx, device, theta, 0, 0, &answers));
    return answers ? mgd_port_done(ctx, device->port) : MGD_OK;
}

/* Outputs (n, O) of x (n, …), for the responder. */
static mgd_status respond(void *user, mgd_context *ctx, const mgd_tensor *theta,
                          const mgd_tensor *x, mgd_tensor **y) {
    mgd_wired *s = user;
    mgd_device *device = device_of(s, s->unit);
    size_t n = mgd_tensor_shape(x)[0], outputs = described(s)->outputs, room;
    size_t features = mgd_tensor_size(x) / n;
    const size_t shape[] = {n, outputs};
    if (outputs < 1)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: the chip shows costs only, no outputs: expected the probes c, c_tilde "
                        "or cost",
                        mgd_port_address(device->port));
    if (features != described(s)->inputs)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "%s: a sample has %zu numbers: expected %zu",
                        mgd_port_address(device->port), features, described(s)->inputs);
    MGD_TRY(put_theta(ctx, s, device, mgd_tensor_data(theta)));
    MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, shape, y));
    mgd_status status = MGD_OK;
    scratch(s, device, &room);
    for (size_t at = 0, k; at < n && status == MGD_OK; at += k) {
        k = n - at < room ? n - at : room;
        status = ask_rows(ctx, s, device, (char *)mgd_tensor_data(x) + at * features * s->real,
                          NULL, k, (double *)mgd_tensor_data(*y) + at * outputs);
    }
    if (status != MGD_OK) {
        fail(ctx, device, status);
        mgd_tensor_free(*y);
        *y = NULL;
    }
    return status;
}

/* Of a chip that shows no outputs: its own costs. */
static mgd_status mean_cost(mgd_context *ctx, mgd_wired *s, const mgd_samples *set, double *cost) {
    mgd_device *device = device_of(s, s->unit);
    size_t room;
    scratch(s, device, &room);
    *cost = 0;
    for (size_t at = 0, n; at < set->samples; at += n) {
        double part;
        n = set->samples - at < room ? set->samples - at : room;
        const char *x = (char *)mgd_tensor_data(set->x) + at * set->features * s->real;
        const char *y = (char *)mgd_tensor_data(set->y) + at * set->targets * s->real;
        MGD_TRY(ask_rows(ctx, s, device, x, y, n, &part));
        *cost += part * (double)n;
        MGD_TRY(mgd_interrupt_answer(ctx));
    }
    *cost /= (double)set->samples;
    return MGD_OK;
}

static mgd_status evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                           double *cost, double *accuracy) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_samples set;
    s->unit = view->seat;
    if (described(s)->outputs > 0)
        return s->rows->evaluate(ctx, s->rows, pool, view, x, y, cost, accuracy);
    MGD_TRY(mgd_samples_open(ctx, s->dtype, x, y, &set));
    *accuracy = NAN;
    mgd_device *device = device_of(s, s->unit);
    mgd_status status = put_theta(ctx, s, device, view->theta);
    if (status == MGD_OK)
        status = mean_cost(ctx, s, &set, cost);
    mgd_samples_close(&set);
    return status == MGD_OK ? MGD_OK : fail(ctx, device, status);
}

static mgd_status predict(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                          const mgd_tensor *x, uint64_t draw, mgd_tensor **y) {
    mgd_wired *s = (mgd_wired *)session;
    s->unit = view->seat;
    return s->rows->predict(ctx, s->rows, view, x, draw, y);
}

static mgd_status gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_weighted *samples, double *out,
                           double *cost) {
    mgd_wired *s = (mgd_wired *)session;
    s->unit = view->seat;
    return s->rows->gradient(ctx, s->rows, pool, view, samples, out, cost);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Within its reach; and of a chip with a law of its own, as that makes it. */
static mgd_status write(mgd_context *ctx, mgd_session *session, const mgd_write *w) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_device *device = device_of(s, w->unit);
    size_t answers;
    for (size_t i = 0; i < s->chip->chip.num_parameters; i++) {
        double kept = mgd_reach_write(&s->chip->reach, i, mgd_real_at(s->dtype, w->theta, i),
                                      mgd_real_at(s->dtype, w->before, i), s->amplitude);
        mgd_real_set(s->dtype, w->theta, i, kept);
    }
    if (!described(s)->writes)
        return MGD_OK; /* sent with the next measurement */
    s->queued = 0;
    mgd_status status = mgd_device_theta(ctx, device, w->theta, w->step, *w->replica, &answers);
    if (status == MGD_OK && answers)
        status = mgd_port_done(ctx, device->port);
    if (status == MGD_OK)
        status = mgd_device_read(ctx, device, w->theta);
    if (status != MGD_OK)
        return fail(ctx, device, status);
    memcpy(device->sent, w->theta, s->chip->chip.num_parameters * s->real);
    return MGD_OK;
}

/* ---- chips that train by themselves ---------------------------------------------------------- */

/* It goes on from where this run left it; else it gets the samples and θ first. */
static mgd_status begin_lesson(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                               const mgd_lesson *lesson) {
    s->queued = 0;
    if (device->set == s)
        return MGD_OK;
    MGD_TRY(put_theta(ctx, s, device, lesson->theta));
    MGD_TRY(mgd_wired_keep(ctx, s, device));
    return mgd_wired_collect(ctx, s, device, NULL);
}

static mgd_status teach(mgd_context *ctx, mgd_session *session, mgd_lesson *lesson) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_device *device = device_of(s, lesson->unit);
    double values[3];
    mgd_burst burst = {.code = "train",
                       .seed = s->train->seed,
                       .replica = lesson->replica,
                       .slot = lesson->step,
                       .step = lesson->step,
                       .n = lesson->steps,
                       .amplitude = lesson->amplitude,
                       .samples = lesson->samples,
                       .batch = s->batch,
                       .batches = lesson->steps,
                       .signs = "+"};
    mgd_status status = begin_lesson(ctx, s, device, lesson);
    if (status == MGD_OK) {
        device->known = false; /* it moves θ by itself */
        mgd_port_run(device->port, &burst);
        status = mgd_port_costs(ctx, device->port, values, 3);
    }
    if (status == MGD_OK && !(values[2] >= 0 && values[2] < 0x1p53))
        status =
            mgd_fail(ctx, MGD_ERR_FORMAT, "%s: the chip made %g evaluations: expected a number ≥ 0",
                     mgd_port_address(device->port), values[2]);
    if (status != MGD_OK)
        return fail(ctx, device, status);
    lesson->cost = values[0];
    lesson->c_tilde = values[1];
    lesson->evaluations = values[2];
    return MGD_OK;
}

static mgd_status read_theta(mgd_context *ctx, mgd_session *session, size_t unit, void *theta) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_device *device = device_of(s, unit);
    mgd_status status = mgd_device_read(ctx, device, theta);
    return status == MGD_OK ? MGD_OK : fail(ctx, device, status);
}

/* The chips get θ again, where they keep it, and samples with it. */
static void begin(mgd_session *session, uint64_t step) {
    mgd_wired *s = (mgd_wired *)session;
    (void)step;
    for (size_t k = 0; k < s->chip->count; k++)
        if (s->chip->devices[k].user == s)
            mgd_device_unknown(&s->chip->devices[k]);
}

/* ---- opening --------------------------------------------------------------------------------- */

static void close_session(mgd_session *session) {
    mgd_wired *s = (mgd_wired *)session;
    if (s->rows)
        s->rows->close(s->rows);
    for (size_t k = 0; k < s->chip->count; k++)
        mgd_device_unknown(&s->chip->devices[k]);
    mgd_samples_close(&s->samples);
    void *owned[] = {s->queue, s->values, s->outputs,   s->numbers,   s->batches, s->theta,
                     s->x,     s->y,      s->reference, s->looked_at, s->costs};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        mgd_free(owned[i]);
    mgd_free(s);
}

static mgd_status check_cost(mgd_context *ctx, const mgd_wired *s, const mgd_task_spec *task) {
    static const char *const names[] = {
        [MGD_COST_MSE] = "mse", [MGD_COST_CROSS_ENTROPY] = "cross_entropy", [MGD_COST_L2] = "l2"};
    const mgd_description *d = described(s);
    const char *own = *d->cost ? d->cost : "mse";
    if (!d->costs)
        return MGD_OK;
    if (task->cost.kind == MGD_COST_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "cost: the chip measures its own cost, %s: expected no function", own);
    if (strcmp(own, "own") != 0 && strcmp(own, names[task->cost.kind]) != 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "cost: the chip measures %s: expected cost = \"%s\"",
                        own, own);
    if (task->cost.label_smoothing > 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "label_smoothing: the chip measures its own cost: expected none");
    if (task->signals > 1)
        return mgd_fail(
            ctx, MGD_ERR_ARGUMENT,
            "signals: the chip returns one cost, not that of its outputs: expected none");
    return MGD_OK;
}

static mgd_status check_code(mgd_context *ctx, const mgd_wired *s, const mgd_train *t) {
    char name[32];
    const char *code = mgd_code_name(t->code);
    if (!s->chip->chip.perturbs)
        return MGD_OK;
    snprintf(name, sizeof name, ",%s,", code);
    if (!strstr(described(s)->codes, name))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: code: the chip perturbs by itself and knows %s: expected "
                        "one of those, got %s",
                        described(s)->codes, code);
    const struct {
        const char *name;
        bool given;
    } options[] = {{"amplitudes", t->amplitudes != NULL},
                   {"amplitude_spread", t->amplitude_spread > 0},
                   {"order", t->shuffled},
                   {"alternate", t->alternate},
                   {"sparsity", t->sparsity > 0},
                   {"low", t->low > 0},
                   {"high", t->high > 0},
                   {"bits", t->bits > 0},
                   {"length", t->code == MGD_CODE_BROWNIAN && t->length != 16},
                   {"balanced", t->balanced}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (options[i].given)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "perturbation: %s: the chip perturbs by itself, without it: expected "
                            "none",
                            options[i].name);
    if (isnan(mgd_reach_scale(&s->chip->reach)))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "ranges: the chip perturbs all parameters by the same amplitude: expected "
                        "linear ranges of one width");
    return MGD_OK;
}

static mgd_status check(mgd_context *ctx, const mgd_wired *s, const mgd_task_spec *task) {
    const mgd_description *d = described(s);
    size_t needed = s->chip->chip.integrates  ? s->samples.samples
                    : d->costs || d->perturbs ? s->batch
                                              : 1;
    MGD_TRY(check_cost(ctx, s, task));
    MGD_TRY(check_code(ctx, s, task->train));
    if (s->samples.features != d->inputs)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "data: a sample has %zu numbers: expected %zu, the chip's inputs",
                        s->samples.features, d->inputs);
    if (d->costs && d->targets > 0 && s->samples.targets != d->targets)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "data: a target has %zu numbers: expected %zu, the chip's targets",
                        s->samples.targets, d->targets);
    if (d->samples < needed && (d->perturbs || d->integrates))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "batch: the chip keeps %zu sample%s, of the %zu that it needs at once",
                        d->samples, d->samples == 1 ? "" : "s", needed);
    if (!s->chip->theta && !task->train->init)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "init: θ of this chip cannot be read: expected init = {…}, or theta = … "
                        "where the chip is opened");
    if (s->chip->chip.seats > 0 && task->replicas > s->chip->chip.seats)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "replicas: this is %zu chip%s, not stateless: expected at most so many "
                        "replicas, got %zu; instrument = {…} takes a list of addresses, one for "
                        "each replica",
                        s->chip->count, s->chip->count == 1 ? "" : "s", task->replicas);
    return MGD_OK;
}

static mgd_status prepare(mgd_context *ctx, mgd_wired *s, const mgd_task_spec *task) {
    const mgd_description *d = described(s);
    size_t parameters = s->chip->chip.num_parameters, batch = s->batch;
    size_t x = s->samples.features, y = s->samples.targets;
    size_t numbers = batch > EVALUATE_ROWS ? batch : EVALUATE_ROWS;
    s->keeps = d->samples >= s->samples.samples;
    s->num_batches = batch > BURST_SAMPLES ? batch : BURST_SAMPLES;
    s->cost = NAN;
    if (!(mgd_take(&s->outputs, batch * (d->outputs ? d->outputs : 1), sizeof(double)) &&
          mgd_take(&s->numbers, numbers, sizeof *s->numbers) &&
          mgd_take(&s->batches, s->num_batches, sizeof *s->batches) &&
          mgd_take(&s->theta, parameters, s->real) && mgd_take(&s->x, batch * x, s->real) &&
          mgd_take(&s->y, batch * y, s->real) && mgd_take(&s->reference, parameters, s->real) &&
          mgd_take(&s->looked_at, batch, sizeof *s->looked_at) &&
          mgd_take(&s->costs, task->signals, sizeof *s->costs)))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a chip of %zu parameters", parameters);
    for (size_t i = 0; i < numbers; i++)
        s->numbers[i] = (uint32_t)i;
    return mgd_responder_open(ctx, &s->chip->chip, respond, s, task, &s->rows);
}

mgd_status mgd_wired_open(mgd_context *ctx, mgd_instrument *instrument, const mgd_task_spec *task,
                          mgd_session **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip session", 1, sizeof(mgd_wired), &memory));
    mgd_wired *s = memory;
    const mgd_description *d = mgd_port_description(instrument->devices->port);
    bool writes = d->writes || instrument->reach.num_ranges || instrument->reach.num_limits;
    s->session = (mgd_session){.measure = measure,
                               .evaluate = evaluate,
                               .predict = predict,
                               .gradient = gradient,
                               .write = writes ? write : NULL,
                               .begin = begin,
                               .teach = d->integrates ? teach : NULL,
                               .read = d->integrates ? read_theta : NULL,
                               .close = close_session};
    s->chip = instrument;
    s->train = task->train;
    s->dtype = instrument->chip.dtype;
    s->real = mgd_dtype_size(s->dtype);
    s->batch = task->batch;
    s->signals = task->signals;
    mgd_status status = mgd_samples_open(ctx, s->dtype, task->x, task->y, &s->samples);
    if (status == MGD_OK)
        status = check(ctx, s, task);
    if (status == MGD_OK)
        status = prepare(ctx, s, task);
    if (status != MGD_OK) {
        close_session(&s->session);
        return status;
    }
    *out = &s->session;
    return MGD_OK;
}
