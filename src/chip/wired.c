/* Measuring with an instrument.
 *
 * A request's points become requests to the chip, put together and sent at once; their answers are
 * taken in their order. What the chip does by itself (perturb, cost) is not done here. Whatever
 * goes wrong on the way is done again as a whole: nothing of it has changed the chip but its θ,
 * which is sent again.
 */

#include "instrument_state.h"

#include <math.h>
#include <string.h>

#define MOST_WAITING ((size_t)1 << 18) /* bytes of requests that are put together */

/* ---- answers that are to come ---------------------------------------------------------------- */

static mgd_status expect(mgd_context *ctx, mgd_wired *s, mgd_expected next) {
    if (s->queued == s->room) {
        size_t room = 2 * s->room + 64;
        void *queue;
        MGD_TRY(mgd_allocate(ctx, "requests", room, sizeof *s->queue, &queue));
        if (s->queued)
            memcpy(queue, s->queue, s->queued * sizeof *s->queue);
        mgd_free(s->queue);
        s->queue = queue;
        s->room = room;
    }
    s->queue[s->queued++] = next;
    return MGD_OK;
}

static mgd_status expect_done(mgd_context *ctx, mgd_wired *s, size_t answers) {
    return answers ? expect(ctx, s, (mgd_expected){.kind = MGD_EXPECT_DONE}) : MGD_OK;
}

static mgd_status hold_values(mgd_context *ctx, mgd_wired *s, size_t count) {
    if (count <= s->num_values)
        return MGD_OK;
    mgd_free(s->values);
    s->num_values = 0;
    s->values = NULL;
    MGD_TRY(mgd_allocate(ctx, "an answer", count, sizeof *s->values, (void **)&s->values));
    s->num_values = count;
    return MGD_OK;
}

/* All outputs of a point are there: its costs. */
static mgd_status judge_outputs(mgd_context *ctx, mgd_wired *s, const mgd_request *r, size_t p) {
    size_t outputs = mgd_port_description(s->chip->devices->port)->outputs;
    const size_t shape[] = {s->batch, outputs};
    mgd_tensor *y;
    MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, shape, &y));
    memcpy(mgd_tensor_data(y), s->outputs, s->batch * outputs * sizeof(double));
    memset(s->outputs, 0, s->batch * outputs * sizeof(double));
    return mgd_responder_costs(ctx, s->rows, y, r->points[p].samples, r->num_points, &r->cost[p]);
}

static mgd_status take_costs(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                             const mgd_request *r, const mgd_expected *e) {
    double average = (double)s->chip->spec.average, share = (double)e->count / (double)s->batch;
    MGD_TRY(hold_values(ctx, s, e->points));
    MGD_TRY(mgd_port_costs(ctx, device->port, s->values, e->points));
    for (size_t i = 0; i < e->points; i++)
        r->cost[e->point + i] += s->values[i] * share / average;
    return MGD_OK;
}

static mgd_status take_outputs(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                               const mgd_request *r, const mgd_expected *e) {
    size_t outputs = mgd_port_description(device->port)->outputs, each = e->count * outputs;
    MGD_TRY(hold_values(ctx, s, e->points * each));
    MGD_TRY(mgd_port_reals(ctx, device->port, s->values, e->points * each));
    for (size_t p = 0; p < e->points; p++) {
        for (size_t i = 0; i < each; i++)
            s->outputs[e->first * outputs + i] +=
                s->values[p * each + i] / (double)s->chip->spec.average;
        if (e->last)
            MGD_TRY(judge_outputs(ctx, s, r, e->point + p));
    }
    return MGD_OK;
}

/* Sends what waits and takes all answers. */
mgd_status mgd_wired_collect(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                             const mgd_request *r) {
    size_t queued = s->queued;
    s->queued = 0;
    for (size_t i = 0; i < queued; i++) {
        const mgd_expected *e = &s->queue[i];
        if (e->kind == MGD_EXPECT_DONE)
            MGD_TRY(mgd_port_done(ctx, device->port));
        else if (e->kind == MGD_EXPECT_COSTS)
            MGD_TRY(take_costs(ctx, s, device, r, e));
        else
            MGD_TRY(take_outputs(ctx, s, device, r, e));
    }
    device->state->seen = mgd_clock();
    return MGD_OK;
}

static mgd_status collect_if_full(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                                  const mgd_request *r) {
    bool full = !mgd_device_streams(device) || mgd_port_waiting(device->port) > MOST_WAITING;
    return full ? mgd_wired_collect(ctx, s, device, r) : MGD_OK;
}

/* ---- samples --------------------------------------------------------------------------------- */

static void copy_rows(const mgd_wired *s, const uint32_t *samples, size_t count) {
    size_t x = s->samples.features * s->real, y = s->samples.targets * s->real;
    const char *from_x = mgd_tensor_data(s->samples.x), *from_y = mgd_tensor_data(s->samples.y);
    for (size_t i = 0; i < count; i++) {
        memcpy((char *)s->x + i * x, from_x + samples[i] * x, x);
        memcpy((char *)s->y + i * y, from_y + samples[i] * y, y);
    }
}

/* Rows x and y, from number `first` on, in messages of a length that the chip takes. */
mgd_status mgd_wired_send(mgd_context *ctx, mgd_wired *s, mgd_device *device, size_t first,
                          const void *rows_x, const void *rows_y, size_t count) {
    const char *x = rows_x, *y = rows_y;
    const mgd_description *d = mgd_port_description(device->port);
    bool answers = d->costs || d->integrates; /* it compares outputs with targets */
    size_t features = s->samples.features, targets = y && answers ? s->samples.targets : 0;
    size_t digits = d->blocks ? s->real : s->dtype == MGD_F32 ? 16 : 25;
    size_t row = (features + targets) * digits, most = d->message / row;
    if (most < 1)
        most = 1;
    for (size_t at = 0, n; at < count; at += n) {
        n = count - at < most ? count - at : most;
        mgd_port_data(device->port, first + at, x + at * features * s->real, n * features,
                      targets ? y + at * targets * s->real : NULL, n * targets);
        MGD_TRY(expect_done(ctx, s, 1));
        if (mgd_port_waiting(device->port) > MOST_WAITING || !mgd_device_streams(device))
            MGD_TRY(mgd_wired_collect(ctx, s, device, NULL));
    }
    return MGD_OK;
}

mgd_status mgd_wired_keep(mgd_context *ctx, mgd_wired *s, mgd_device *device) {
    if (device->set == s)
        return MGD_OK;
    device->held = NULL;
    MGD_TRY(mgd_wired_send(ctx, s, device, 0, mgd_tensor_data(s->samples.x),
                           mgd_tensor_data(s->samples.y), s->samples.samples));
    device->set = s;
    return MGD_OK;
}

/* Samples of a batch as numbers 0, 1, … of the chip, unless it holds just these. */
static mgd_status send_batch(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                             const mgd_point *point, size_t first, size_t count) {
    bool held = device->held == point->samples && device->held_step == point->step &&
                device->held_first == first;
    if (held)
        return MGD_OK;
    copy_rows(s, point->samples + first, count);
    MGD_TRY(mgd_wired_send(ctx, s, device, 0, s->x, s->y, count));
    device->set = NULL;
    device->held = point->samples;
    device->held_step = point->step;
    device->held_first = first;
    return MGD_OK;
}

/* ---- room for θ̃ ------------------------------------------------------------------------------ */

static bool is_limited(const mgd_reach *reach) {
    return reach->num_ranges > 0 || reach->num_limits > 0;
}

static double largest_amplitude(const mgd_request *r) {
    double amplitude = 0;
    for (size_t p = 0; p < r->num_points; p++)
        if (r->points[p].sign != 0)
            amplitude = fmax(amplitude, fabs(r->points[p].amplitude));
    return amplitude;
}

/* θ ± θ̃ that were moved into the limits would measure something else. */
static mgd_status check_room(mgd_context *ctx, const mgd_wired *s, const mgd_request *r) {
    const mgd_reach *reach = &s->chip->reach;
    double amplitude = largest_amplitude(r), room = is_limited(reach) ? mgd_reach_room(reach) : 0;
    if (!is_limited(reach) || amplitude <= room)
        return MGD_OK;
    return mgd_fail(
        ctx, MGD_ERR_ARGUMENT,
        "perturbation: an amplitude of %.6g has no room within the ranges and limits of "
        "the chip: expected at most %.6g",
        amplitude, room);
}

/* ---- bursts -----------------------------------------------------------------------------------
 */

/* As often as its mean is taken of. */
static mgd_status run_burst(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                            const mgd_request *r, const mgd_burst *burst, mgd_expected next) {
    bool costs = mgd_port_description(device->port)->costs, last = next.last;
    next.kind = costs ? MGD_EXPECT_COSTS : MGD_EXPECT_OUTPUTS;
    for (size_t k = 1; k <= s->chip->spec.average; k++) {
        mgd_port_run(device->port, burst);
        next.last = last && k == s->chip->spec.average;
        MGD_TRY(expect(ctx, s, next));
    }
    return collect_if_full(ctx, s, device, r);
}

/* ---- points that are perturbed here ---------------------------------------------------------- */

/* One point, whose θ the chip holds by now, with samples first … of its batch. */
static mgd_status run_point(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                            const mgd_request *r, size_t p, size_t first, size_t count) {
    const mgd_description *d = mgd_port_description(device->port);
    const mgd_point *point = &r->points[p];
    bool half = d->halves && point->ticks < 2;
    const char *signs = !half ? "+" : point->tick == 0 ? "+." : ".+";
    mgd_burst burst = {.code = d->costs ? "none" : "outputs",
                       .seed = s->train->seed, /* noise may be drawn by it */
                       .replica = *r->replica,
                       .slot = point->slot,
                       .step = point->step,
                       .n = 1,
                       .samples = s->keeps ? point->samples + first : s->numbers,
                       .batch = count,
                       .batches = 1,
                       .signs = signs};
    mgd_expected next = {
        .point = p, .points = 1, .first = first, .count = count, .last = first + count == s->batch};
    return run_burst(ctx, s, device, r, &burst, next);
}

static mgd_status measure_points(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                                 const mgd_request *r) {
    size_t parameters = s->chip->chip.num_parameters, answers;
    size_t most = s->keeps ? s->batch : mgd_port_description(device->port)->samples;
    for (size_t p = 0; p < r->num_points; p++) {
        const mgd_point *point = &r->points[p];
        const void *theta = r->source.theta;
        if (point->sign != 0) {
            r->source.perturbed(r->source.self, r->worker, point, r->source.theta, 0, parameters,
                                s->theta);
            theta = s->theta;
        }
        MGD_TRY(mgd_device_theta(ctx, device, theta, 0, 0, &answers));
        MGD_TRY(expect_done(ctx, s, answers));
        for (size_t first = 0, n; first < s->batch; first += n) {
            n = s->batch - first < most ? s->batch - first : most;
            if (!s->keeps)
                MGD_TRY(send_batch(ctx, s, device, point, first, n));
            MGD_TRY(run_point(ctx, s, device, r, p, first, n));
        }
    }
    return MGD_OK;
}

/* ---- points that the chip perturbs ----------------------------------------------------------- */

/* The points of one step, from p on; what is measured in it, as the contract writes it. */
static size_t step_signs(const mgd_request *r, size_t p, char signs[4]) {
    size_t n = 0;
    do {
        signs[n] = "-0+"[r->points[p + n].sign + 1];
        n++;
    } while (n < 3 && p + n < r->num_points && r->points[p + n].step == r->points[p].step);
    signs[n] = '\0';
    return n;
}

/* Whether the step at point q goes on as a burst did that began at point p, k steps before. */
static bool goes_on(const mgd_request *r, size_t p, size_t q, size_t k, const char *signs) {
    char own[4];
    const mgd_point *a = &r->points[p], *b = &r->points[q];
    step_signs(r, q, own);
    return strcmp(own, signs) == 0 && b->step == a->step + k && b->slot == a->slot + k &&
           b->amplitude == a->amplitude;
}

/* The batches of a burst's n steps, one after the other; or one where all are the same. */
static void fill_batches(mgd_wired *s, const mgd_request *r, size_t p, size_t each, mgd_burst *b) {
    bool same = true;
    for (size_t k = 0; k < b->n; k++) {
        const uint32_t *own = r->points[p + k * each].samples;
        same = same && own == r->points[p].samples;
        memcpy(s->batches + k * s->batch, own, s->batch * sizeof *own);
    }
    b->samples = s->batches;
    b->batch = s->batch;
    b->batches = same ? 1 : b->n;
}

/* θ as the chip gets it, which has to have room for what it adds to it by itself. */
static void make_room(mgd_wired *s, const mgd_device *device, const mgd_request *r,
                      const void **theta) {
    const mgd_reach *reach = &s->chip->reach;
    double amplitude = largest_amplitude(r);
    *theta = r->source.theta;
    if (!is_limited(reach))
        return;
    for (size_t i = 0; i < reach->parameters; i++) {
        double before = mgd_reach_theta(reach, i, device->state->value[i]);
        double own = mgd_real_at(s->dtype, *theta, i);
        mgd_real_set(s->dtype, s->theta, i, mgd_reach_write(reach, i, own, before, amplitude));
    }
    *theta = s->theta;
}

static mgd_status measure_bursts(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                                 const mgd_request *r) {
    const mgd_description *d = mgd_port_description(device->port);
    size_t answers, most = s->keeps ? s->num_batches / s->batch : 1;
    if (!d->costs && s->chip->spec.average > 1)
        most = 1; /* outputs are summed up point by point */
    const void *theta;
    make_room(s, device, r, &theta);
    MGD_TRY(mgd_device_theta(ctx, device, theta, 0, 0, &answers));
    MGD_TRY(expect_done(ctx, s, answers));
    for (size_t p = 0; p < r->num_points;) {
        char signs[4];
        size_t each = step_signs(r, p, signs);
        const mgd_point *point = &r->points[p];
        mgd_burst b = {.code = mgd_code_name(s->train->code),
                       .seed = s->train->seed,
                       .replica = *r->replica,
                       .slot = point->slot,
                       .step = point->step,
                       .n = 1,
                       .amplitude = point->amplitude * mgd_reach_scale(&s->chip->reach),
                       .signs = signs};
        while (b.n < most && p + b.n * each < r->num_points &&
               goes_on(r, p, p + b.n * each, b.n, signs))
            b.n++;
        fill_batches(s, r, p, each, &b);
        if (!s->keeps) {
            MGD_TRY(send_batch(ctx, s, device, point, 0, s->batch));
            b.samples = s->numbers;
        }
        mgd_expected next = {.point = p, .points = b.n * each, .count = s->batch, .last = true};
        MGD_TRY(run_burst(ctx, s, device, r, &b, next));
        p += b.n * each;
    }
    return MGD_OK;
}

/* ---- measuring ------------------------------------------------------------------------------- */

mgd_status mgd_wired_try(mgd_context *ctx, mgd_wired *s, mgd_device *device, const mgd_request *r) {
    size_t outputs = mgd_port_description(device->port)->outputs;
    MGD_TRY(check_room(ctx, s, r));
    s->queued = 0;
    for (size_t i = 0; i < s->signals * r->num_points; i++)
        r->cost[i] = 0;
    memset(s->outputs, 0, s->batch * (outputs ? outputs : 1) * sizeof *s->outputs);
    if (s->keeps)
        MGD_TRY(mgd_wired_keep(ctx, s, device));
    MGD_TRY(s->chip->chip.perturbs ? measure_bursts(ctx, s, device, r)
                                   : measure_points(ctx, s, device, r));
    return mgd_wired_collect(ctx, s, device, r);
}
