/* The session of an instrument: steps, θ that is written, training that the chip does by itself.
 */

#include "instrument_state.h"

#include <math.h>
#include <string.h>

#define BURST_SAMPLES 65536 /* of all steps of a burst, unless one batch has more */

/* ---- steps ----------------------------------------------------------------------------------- */

static mgd_status measure(mgd_context *ctx, mgd_session *session, const mgd_request *r) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_crew crew = mgd_wired_crew(s, r->unit);
    bool given_up;
    s->asked = r;
    s->trouble = (mgd_trouble){0};
    *s->words = '\0';
    memset(s->barred, 0, r->num_points * sizeof *s->barred);
    for (;;) {
        mgd_status status = mgd_drift_look(ctx, s, r);
        if (status == MGD_OK)
            status = mgd_wired_try(ctx, s, crew, r);
        if (status == MGD_OK)
            break;
        MGD_TRY(mgd_wired_mend(ctx, s, crew, status, &given_up));
    }
    s->amplitude = fabs(r->points[r->num_points - 1].amplitude);
    return mgd_wired_forgive(ctx, s, crew, r);
}

/* ---- writing --------------------------------------------------------------------------------- */

/* Within its reach; and of a chip with a law of its own, as that makes it. */
static mgd_status write(mgd_context *ctx, mgd_session *session, const mgd_write *w) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_crew crew = mgd_wired_crew(s, w->unit);
    mgd_device *device = crew.first;
    size_t answers;
    for (size_t i = 0; i < s->chip->chip.num_parameters; i++) {
        double kept = mgd_reach_write(&s->chip->reach, i, mgd_real_at(s->dtype, w->theta, i),
                                      mgd_real_at(s->dtype, w->before, i), s->amplitude);
        mgd_real_set(s->dtype, w->theta, i, kept);
    }
    if (!mgd_wired_described(s)->writes)
        return MGD_OK; /* sent with the next measurement */
    mgd_status status = mgd_device_theta(ctx, device, w->theta, w->step, *w->replica, &answers);
    if (status == MGD_OK && answers)
        status = mgd_port_done(ctx, device->port);
    if (status == MGD_OK)
        status = mgd_device_read(ctx, device, w->theta);
    if (status != MGD_OK)
        return mgd_wired_fail(ctx, s, crew, status);
    memcpy(device->sent, w->theta, s->chip->chip.num_parameters * s->real);
    return MGD_OK;
}

/* ---- chips that train by themselves ---------------------------------------------------------- */

/* It goes on from where this run left it; else it gets the samples and θ first. */
static mgd_status begin_lesson(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                               const mgd_lesson *lesson) {
    size_t answers;
    mgd_wired_talk(s, device)->queued = 0;
    if (device->set == s)
        return MGD_OK;
    MGD_TRY(mgd_device_theta(ctx, device, lesson->theta, 0, 0, &answers));
    MGD_TRY(mgd_wired_expect_done(ctx, s, device, answers));
    MGD_TRY(mgd_wired_keep(ctx, s, device));
    return mgd_wired_take(ctx, s, device);
}

static mgd_status teach(mgd_context *ctx, mgd_session *session, mgd_lesson *lesson) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_crew crew = mgd_wired_crew(s, lesson->unit);
    mgd_device *device = crew.first;
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
        return mgd_wired_fail(ctx, s, crew, status);
    lesson->cost = values[0];
    lesson->c_tilde = values[1];
    lesson->evaluations = values[2];
    return MGD_OK;
}

static mgd_status read_theta(mgd_context *ctx, mgd_session *session, size_t unit, void *theta) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_crew crew = mgd_wired_crew(s, unit);
    mgd_status status = mgd_device_read(ctx, crew.first, theta);
    return status == MGD_OK ? MGD_OK : mgd_wired_fail(ctx, s, crew, status);
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
    for (size_t k = 0; s->talks && k < s->chip->count; k++)
        mgd_free(s->talks[k].queue);
    void *owned[] = {s->talks, s->values,    s->replicas,  s->outputs, s->numbers, s->batches,
                     s->theta, s->x,         s->y,         s->barred,  s->bad,     s->fates,
                     s->fate,  s->reference, s->looked_at, s->costs};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        mgd_free(owned[i]);
    mgd_free(s);
}

static mgd_status check_cost(mgd_context *ctx, const mgd_wired *s, const mgd_task_spec *task) {
    static const char *const names[] = {
        [MGD_COST_MSE] = "mse", [MGD_COST_CROSS_ENTROPY] = "cross_entropy", [MGD_COST_L2] = "l2"};
    const mgd_description *d = mgd_wired_described(s);
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
    if (!strstr(mgd_wired_described(s)->codes, name))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: code: the chip perturbs by itself and knows %s: expected "
                        "one of those, got %s",
                        mgd_wired_described(s)->codes, code);
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
    const mgd_description *d = mgd_wired_described(s);
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
    const mgd_description *d = mgd_wired_described(s);
    size_t parameters = s->chip->chip.num_parameters, batch = s->batch;
    size_t x = s->samples.features, y = s->samples.targets;
    size_t numbers = mgd_wired_rows_room(s), values = batch * (d->outputs ? d->outputs : 1);
    s->keeps = d->samples >= s->samples.samples;
    s->num_batches = batch > BURST_SAMPLES ? batch : BURST_SAMPLES;
    s->wave = mgd_wired_wave(s, task->max_points);
    s->cost = NAN;
    if (!(mgd_take(&s->talks, s->chip->count, sizeof *s->talks) &&
          mgd_take(&s->replicas, task->units, sizeof *s->replicas) &&
          mgd_take(&s->outputs, (s->wave + 1) * values, sizeof(double)) &&
          mgd_take(&s->barred, task->max_points + 1, sizeof *s->barred) &&
          mgd_take(&s->bad, task->max_points + 1, sizeof *s->bad) &&
          mgd_take(&s->numbers, numbers, sizeof *s->numbers) &&
          mgd_take(&s->batches, s->num_batches, sizeof *s->batches) &&
          mgd_take(&s->theta, parameters, s->real) && mgd_take(&s->x, batch * x, s->real) &&
          mgd_take(&s->y, batch * y, s->real) && mgd_take(&s->reference, parameters, s->real) &&
          mgd_take(&s->looked_at, batch, sizeof *s->looked_at) &&
          mgd_take(&s->costs, task->signals, sizeof *s->costs)))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a chip of %zu parameters", parameters);
    for (size_t unit = 0; unit < task->units; unit++)
        s->replicas[unit] = task->numbers[unit];
    for (size_t i = 0; i < numbers; i++)
        s->numbers[i] = (uint32_t)i;
    MGD_TRY(mgd_fate_open(ctx, s, task->units));
    return mgd_responder_open(ctx, &s->chip->chip, mgd_wired_respond, s, task, &s->rows);
}

mgd_status mgd_wired_open(mgd_context *ctx, mgd_instrument *instrument, const mgd_task_spec *task,
                          mgd_session **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "chip session", 1, sizeof(mgd_wired), &memory));
    mgd_wired *s = memory;
    const mgd_description *d = mgd_port_description(instrument->devices->port);
    bool writes = d->writes || instrument->reach.num_ranges || instrument->reach.num_limits;
    s->session = (mgd_session){.measure = measure,
                               .write = writes ? write : NULL,
                               .begin = begin,
                               .teach = d->integrates ? teach : NULL,
                               .read = d->integrates ? read_theta : NULL,
                               .close = close_session};
    mgd_wired_rows_open(s);
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
