/* Measuring with an instrument.
 *
 * The points of a request become requests to the chip, wave by wave: those of a wave are put
 * together and sent at once. A pool shares a wave out: evaluations, counted point by point and
 * sample by sample, are cut into as many ranges as there are chips, so that a point may be of two
 * of them; what they return is put together again before its cost is taken, so that no bit depends
 * on where it was cut. What the chip does by itself (perturb, cost) is not done here, and is not
 * cut: a chip that perturbs gets whole steps, one with costs whole points.
 */

#include "instrument_state.h"

#include <math.h>
#include <string.h>

#define WAVE_VALUES ((size_t)1 << 20) /* outputs of a wave, unless one point has more */
#define RUN_BYTES 100                 /* of a request to measure, without its samples, about */

mgd_crew mgd_wired_crew(mgd_wired *s, size_t unit) {
    mgd_instrument *chip = s->chip;
    mgd_crew crew = {chip->devices, chip->count};
    if (!chip->pool)
        crew = (mgd_crew){&chip->devices[unit % chip->count], 1};
    for (size_t k = 0; k < crew.count; k++) {
        if (crew.first[k].user != s)
            mgd_device_unknown(&crew.first[k]);
        crew.first[k].user = s;
    }
    return crew;
}

/* ---- costs of outputs ------------------------------------------------------------------------ */

/* The first of a point's outputs that is NaN; the number of outputs where none is. */
static size_t first_nan(const double *outputs, size_t count) {
    size_t i = 0;
    while (i < count && !isnan(outputs[i]))
        i++;
    return i;
}

/* A point of a chip that says it may fail has: which is an error unless steps may be dropped. */
static mgd_status note_failure(mgd_context *ctx, mgd_wired *s, const mgd_request *r, size_t p,
                               size_t sample) {
    char words[sizeof s->words];
    snprintf(words, sizeof words, "%.150s: at step %llu the measurement of sample %lu failed",
             mgd_port_address(s->chip->devices->port), (unsigned long long)r->points[p].step,
             (unsigned long)r->points[p].samples[sample] + 1);
    s->bad[p] = true;
    if (!mgd_wired_skips(s))
        return mgd_fail(ctx, MGD_ERR_CALLBACK, "%s: expected numbers, the chip returned nan",
                        words);
    if (!*s->words)
        memcpy(s->words, words, sizeof words);
    return MGD_OK;
}

/* All outputs of a point are there: its costs. */
static mgd_status judge_outputs(mgd_context *ctx, mgd_wired *s, const mgd_request *r, size_t p) {
    const mgd_description *d = mgd_wired_described(s);
    const size_t shape[] = {s->batch, d->outputs}, count = s->batch * d->outputs;
    const double *outputs = s->outputs + (p - s->wave_first) * count;
    size_t nan = d->fails || mgd_wired_skips(s) ? first_nan(outputs, count) : count;
    if (nan < count)
        return note_failure(ctx, s, r, p, nan / d->outputs);
    mgd_tensor *y;
    MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, shape, &y));
    memcpy(mgd_tensor_data(y), outputs, count * sizeof *outputs);
    return mgd_responder_costs(ctx, s->rows, y, r->points[p].samples, r->num_points, &r->cost[p]);
}

static bool is_barred(const mgd_wired *s, const mgd_request *r, size_t p) {
    return r == s->asked && s->barred[p];
}

/* The points of a wave whose answers have all been taken. */
static mgd_status judge_wave(mgd_context *ctx, mgd_wired *s, const mgd_request *r, size_t count) {
    const mgd_description *d = mgd_wired_described(s);
    for (size_t p = s->wave_first; p < s->wave_first + count; p++) {
        if (is_barred(s, r, p))
            s->bad[p] = true;
        else if (!d->costs)
            MGD_TRY(judge_outputs(ctx, s, r, p));
        else if (isnan(r->cost[p]) && (d->fails || mgd_wired_skips(s)))
            MGD_TRY(note_failure(ctx, s, r, p, 0));
    }
    return MGD_OK;
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
                             const mgd_request *r, size_t p, size_t first, size_t count) {
    const mgd_point *point = &r->points[p];
    bool held = device->held == point->samples && device->held_replica == *r->replica &&
                device->held_step == point->step && device->held_first == first &&
                device->held_count == count;
    if (held)
        return MGD_OK;
    copy_rows(s, point->samples + first, count);
    MGD_TRY(mgd_wired_send(ctx, s, device, 0, s->x, s->y, count));
    device->set = NULL;
    device->held = point->samples;
    device->held_replica = *r->replica;
    device->held_step = point->step;
    device->held_first = first;
    device->held_count = count;
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
                            const mgd_burst *burst, mgd_expected next) {
    next.kind = mgd_wired_described(s)->costs ? MGD_EXPECT_COSTS : MGD_EXPECT_OUTPUTS;
    for (size_t k = 0; k < s->chip->spec.average; k++) {
        mgd_port_run(device->port, burst);
        MGD_TRY(mgd_wired_expect(ctx, s, device, next));
    }
    return mgd_wired_relieve(ctx, s, device);
}

/* ---- points that are perturbed here ---------------------------------------------------------- */

/* One point, whose θ the chip holds by now, with samples first … of its batch. */
static mgd_status run_point(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                            const mgd_request *r, size_t p, size_t first, size_t count) {
    const mgd_description *d = mgd_wired_described(s);
    const mgd_point *point = &r->points[p];
    bool half = d->halves && point->ticks < 2;
    const char *signs = !half ? "+" : point->tick == 0 ? "+." : ".+";
    mgd_burst burst = {.code = d->costs || d->noisy ? "none" : "outputs",
                       .seed = s->train->seed, /* noise may be drawn by it */
                       .replica = *r->replica,
                       .slot = point->slot,
                       .step = point->step,
                       .n = 1,
                       .samples = s->keeps ? point->samples + first : s->numbers,
                       .batch = count,
                       .batches = 1,
                       .signs = signs};
    mgd_expected next = {.point = p, .points = 1, .first = first, .count = count};
    return run_burst(ctx, s, device, &burst, next);
}

/* A point's θ, and samples first … of its batch, by as many as the chip takes at once. */
static mgd_status order_point(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                              const mgd_request *r, size_t p, size_t first, size_t count) {
    const mgd_point *point = &r->points[p];
    size_t most = s->keeps ? s->batch : mgd_wired_described(s)->samples, answers;
    const void *theta = r->source.theta;
    if (point->sign != 0) {
        r->source.perturbed(r->source.self, r->worker, point, r->source.theta, 0,
                            s->chip->chip.num_parameters, s->theta);
        theta = s->theta;
    }
    MGD_TRY(mgd_device_theta(ctx, device, theta, 0, 0, &answers));
    MGD_TRY(mgd_wired_expect_done(ctx, s, device, answers));
    for (size_t n; count > 0; first += n, count -= n) {
        n = count < most ? count : most;
        if (!s->keeps)
            MGD_TRY(send_batch(ctx, s, device, r, p, first, n));
        MGD_TRY(run_point(ctx, s, device, r, p, first, n));
    }
    return MGD_OK;
}

/* Number i of the points of the wave that are not barred. */
static size_t open_point(const mgd_wired *s, const mgd_request *r, size_t i) {
    size_t p = s->wave_first;
    for (;; p++)
        if (!is_barred(s, r, p) && i-- == 0)
            return p;
}

/* Noise may be of a sample's number, which is its place in what is sent where it is not kept. */
static bool may_cut(const mgd_wired *s) {
    const mgd_description *d = mgd_wired_described(s);
    return !d->costs && (s->keeps || !d->noisy);
}

static mgd_status order_points(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const mgd_request *r,
                               size_t count) {
    size_t open = 0, grain = may_cut(s) ? 1 : s->batch;
    for (size_t p = s->wave_first; p < s->wave_first + count; p++)
        open += !is_barred(s, r, p);
    size_t grains = open * s->batch / grain;
    for (size_t k = 0; k < crew.count; k++) {
        size_t at = grains * k / crew.count * grain, end = grains * (k + 1) / crew.count * grain;
        for (size_t n; at < end; at += n) {
            size_t first = at % s->batch;
            n = end - at < s->batch - first ? end - at : s->batch - first;
            MGD_TRY(
                order_point(ctx, s, &crew.first[k], r, open_point(s, r, at / s->batch), first, n));
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

/* Points p to before `end`, whole steps. */
static mgd_status order_bursts_of(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                                  const mgd_request *r, size_t p, size_t end) {
    size_t answers, most = s->keeps ? s->num_batches / s->batch : 1;
    const void *theta;
    make_room(s, device, r, &theta);
    MGD_TRY(mgd_device_theta(ctx, device, theta, 0, 0, &answers));
    MGD_TRY(mgd_wired_expect_done(ctx, s, device, answers));
    while (p < end) {
        char signs[4];
        size_t each = step_signs(r, p, signs);
        if (is_barred(s, r, p)) {
            p += each;
            continue;
        }
        const mgd_point *point = &r->points[p];
        mgd_burst b = {.code = mgd_code_name(s->train->code),
                       .seed = s->train->seed,
                       .replica = *r->replica,
                       .slot = point->slot,
                       .step = point->step,
                       .n = 1,
                       .amplitude = point->amplitude * mgd_reach_scale(&s->chip->reach),
                       .signs = signs};
        while (b.n < most && p + b.n * each < end && !is_barred(s, r, p + b.n * each) &&
               goes_on(r, p, p + b.n * each, b.n, signs))
            b.n++;
        fill_batches(s, r, p, each, &b);
        if (!s->keeps) {
            MGD_TRY(send_batch(ctx, s, device, r, p, 0, s->batch));
            b.samples = s->numbers;
        }
        mgd_expected next = {.point = p, .points = b.n * each, .count = s->batch};
        MGD_TRY(run_burst(ctx, s, device, &b, next));
        p += b.n * each;
    }
    return MGD_OK;
}

/* Moved on to where a step begins. */
static size_t step_begin(const mgd_request *r, size_t p) {
    while (p > 0 && p < r->num_points && r->points[p].step == r->points[p - 1].step)
        p++;
    return p;
}

static mgd_status order_bursts(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const mgd_request *r,
                               size_t count) {
    for (size_t k = 0; k < crew.count; k++) {
        size_t p = step_begin(r, s->wave_first + count * k / crew.count);
        size_t end = step_begin(r, s->wave_first + count * (k + 1) / crew.count);
        if (p < end)
            MGD_TRY(order_bursts_of(ctx, s, &crew.first[k], r, p, end));
    }
    return MGD_OK;
}

/* ---- waves ----------------------------------------------------------------------------------- */

size_t mgd_wired_wave(const mgd_wired *s, size_t most) {
    const mgd_description *d = mgd_wired_described(s);
    size_t digits = d->blocks ? s->real : 25, batch = s->batch;
    size_t bytes = RUN_BYTES + batch * (s->keeps ? 8 : s->samples.features * digits + 8) +
                   (d->perturbs ? 0 : s->chip->chip.num_parameters * digits);
    size_t wave = (s->chip->pool ? s->chip->count : 1) * (MGD_MOST_WAITING / bytes + 1);
    size_t outputs = d->costs ? 1 : WAVE_VALUES / (batch * d->outputs) + 1;
    if (!d->costs && outputs < wave)
        wave = outputs;
    return wave < most ? wave : most;
}

/* The points of a wave that begins at p: whole steps. */
static size_t wave_at(const mgd_wired *s, const mgd_request *r, size_t p) {
    size_t wave = r == s->asked && s->trouble.careful ? 1 : s->wave;
    size_t end = p + wave < r->num_points ? p + wave : r->num_points;
    return step_begin(r, end) - p;
}

mgd_status mgd_wired_try(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const mgd_request *r) {
    const mgd_description *d = mgd_wired_described(s);
    size_t values = d->costs ? 0 : s->batch * d->outputs;
    MGD_TRY(check_room(ctx, s, r));
    for (size_t i = 0; i < s->signals * r->num_points; i++)
        r->cost[i] = 0;
    memset(s->bad, 0, r->num_points * sizeof *s->bad);
    s->request = r;
    for (size_t k = 0; k < crew.count; k++) {
        mgd_wired_talk(s, &crew.first[k])->queued = 0;
        if (s->keeps)
            MGD_TRY(mgd_wired_keep(ctx, s, &crew.first[k]));
    }
    for (size_t p = 0, count; p < r->num_points; p += count) {
        count = wave_at(s, r, p);
        s->wave_first = p;
        memset(s->outputs, 0, count * values * sizeof *s->outputs);
        MGD_TRY(s->chip->chip.perturbs ? order_bursts(ctx, s, crew, r, count)
                                       : order_points(ctx, s, crew, r, count));
        MGD_TRY(mgd_wired_collect(ctx, s, crew));
        MGD_TRY(judge_wave(ctx, s, r, count));
    }
    return MGD_OK;
}
