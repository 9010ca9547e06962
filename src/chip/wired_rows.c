/* Sets that are evaluated with an instrument: probes, predictions, differences. Rows of samples are
 * sent and asked for in messages to all chips of a crew; a pool shares them out.
 */

#include "instrument_state.h"

#include <math.h>
#include <string.h>

#define EVALUATE_ROWS 1000 /* samples sent at once when a set is evaluated */

/* Outputs of rows at a θ; or their mean cost by parts, where the chip shows none. */
typedef struct {
    const void *theta;
    const char *x, *y; /* (count, …); y NULL: outputs */
    size_t count;
    double *out;
} question;

/* ---- asking ---------------------------------------------------------------------------------- */

/* Where samples of other sets may be kept: behind those of training, or in their place. */
static size_t scratch(const mgd_wired *s, mgd_device *device, size_t *room) {
    size_t all = mgd_wired_described(s)->samples, kept = s->keeps ? s->samples.samples : 0;
    device->held = NULL;
    *room = all > kept ? all - kept : all;
    if (*room > EVALUATE_ROWS)
        *room = EVALUATE_ROWS;
    if (all > kept)
        return kept;
    device->set = NULL;
    return 0;
}

size_t mgd_wired_rows_room(const mgd_wired *s) {
    return s->batch > EVALUATE_ROWS ? s->batch : EVALUATE_ROWS;
}

/* At most so many of them. */
static void hold_numbers(mgd_wired *s, size_t first, size_t count) {
    for (size_t i = 0; i < count; i++)
        s->numbers[i] = (uint32_t)(first + i);
}

/* Rows `at` … of the question go to one device, whose answer goes to `out`. */
static mgd_status ask(mgd_context *ctx, mgd_wired *s, mgd_device *device, const question *q,
                      size_t at, size_t count, double *out) {
    size_t room, answers, first = scratch(s, device, &room);
    const char *x = q->x + at * s->samples.features * s->real;
    const char *y = q->y ? q->y + at * s->samples.targets * s->real : NULL;
    MGD_TRY(mgd_device_theta(ctx, device, q->theta, 0, 0, &answers));
    MGD_TRY(mgd_wired_expect_done(ctx, s, device, answers));
    if (first > 0)
        MGD_TRY(mgd_wired_keep(ctx, s, device));
    MGD_TRY(mgd_wired_send(ctx, s, device, first, x, y, count));
    hold_numbers(s, first, count);
    mgd_burst burst = {.code = y ? "none" : "outputs",
                       .n = 1,
                       .replica = s->replicas[s->unit],
                       .samples = s->numbers,
                       .batch = count,
                       .batches = 1,
                       .signs = "+"};
    mgd_port_run(device->port, &burst);
    hold_numbers(s, 0, count);
    mgd_expected next = {.kind = MGD_EXPECT_ROWS,
                         .out = out,
                         .count = y ? 1 : count * mgd_wired_described(s)->outputs};
    MGD_TRY(mgd_wired_expect(ctx, s, device, next));
    return mgd_wired_relieve(ctx, s, device);
}

/* How many rows a device gets: all that it may at once of those whose mean it takes, so that the
 * means are of the same rows in any pool; else its share of what is left. */
static size_t share_of(const question *q, size_t left, size_t room, size_t devices) {
    size_t share = (left + devices - 1) / devices;
    return q->y || share > room ? room : share;
}

static mgd_status ask_all(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const question *q) {
    size_t outputs = mgd_wired_described(s)->outputs, room, parts = 0;
    for (size_t k = 0; k < crew.count; k++) {
        mgd_wired_talk(s, &crew.first[k])->queued = 0;
        scratch(s, &crew.first[k], &room);
    }
    for (size_t at = 0; at < q->count;) {
        size_t share = share_of(q, q->count - at, room, crew.count);
        for (size_t k = 0, n; k < crew.count && at < q->count; k++, at += n) {
            n = share < q->count - at ? share : q->count - at;
            double *out = q->out + (q->y ? parts++ : at * outputs);
            MGD_TRY(ask(ctx, s, &crew.first[k], q, at, n, out));
        }
        MGD_TRY(mgd_wired_collect(ctx, s, crew));
        MGD_TRY(mgd_interrupt_answer(ctx));
    }
    return MGD_OK;
}

/* The same, again where a chip was lost on the way; without numbers where it may not be. `out` has
 * so many values. */
static mgd_status answer(mgd_context *ctx, mgd_wired *s, const question *q, size_t values) {
    mgd_crew crew = mgd_wired_crew(s, s->unit);
    bool given_up = false;
    s->asked = NULL;
    s->trouble = (mgd_trouble){0};
    for (;;) {
        mgd_status status = ask_all(ctx, s, crew, q);
        if (status == MGD_OK)
            break;
        MGD_TRY(mgd_wired_mend(ctx, s, crew, status, &given_up));
        if (!given_up)
            continue;
        for (size_t i = 0; i < values; i++)
            q->out[i] = NAN;
        break;
    }
    for (size_t i = 0; i < values && mgd_wired_described(s)->fails; i++)
        s->failed = s->failed || isnan(q->out[i]);
    s->failed = s->failed || given_up;
    return MGD_OK;
}

mgd_status mgd_wired_respond(void *user, mgd_context *ctx, const mgd_tensor *theta,
                             const mgd_tensor *x, mgd_tensor **y) {
    mgd_wired *s = user;
    const char *address = mgd_port_address(s->chip->devices->port);
    size_t n = mgd_tensor_shape(x)[0], outputs = mgd_wired_described(s)->outputs;
    size_t features = mgd_tensor_size(x) / n;
    const size_t shape[] = {n, outputs};
    if (outputs < 1)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: the chip shows costs only, no outputs: expected the probes c, c_tilde "
                        "or cost",
                        address);
    if (features != mgd_wired_described(s)->inputs)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "%s: a sample has %zu numbers: expected %zu", address,
                        features, mgd_wired_described(s)->inputs);
    MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, shape, y));
    question q = {mgd_tensor_data(theta), mgd_tensor_data(x), NULL, n, mgd_tensor_data(*y)};
    mgd_status status = answer(ctx, s, &q, n * outputs);
    if (status != MGD_OK) {
        mgd_tensor_free(*y);
        *y = NULL;
    }
    return status;
}

/* ---- the session's part ---------------------------------------------------------------------- */

/* Of a chip that shows no outputs: its own costs. */
static mgd_status mean_cost(mgd_context *ctx, mgd_wired *s, const mgd_view *view,
                            const mgd_samples *set, double *cost) {
    size_t room, parts;
    void *memory;
    scratch(s, mgd_wired_crew(s, s->unit).first, &room);
    parts = (set->samples + room - 1) / room;
    MGD_TRY(mgd_allocate(ctx, "costs", parts, sizeof(double), &memory));
    question q = {view->theta, mgd_tensor_data(set->x), mgd_tensor_data(set->y), set->samples,
                  memory};
    mgd_status status = answer(ctx, s, &q, parts);
    *cost = 0;
    for (size_t i = 0; i < parts; i++) {
        size_t rest = set->samples - i * room;
        *cost += q.out[i] * (double)(rest < room ? rest : room);
    }
    *cost /= (double)set->samples;
    mgd_free(memory);
    return status;
}

static void begin(mgd_wired *s, const mgd_view *view) {
    s->unit = view->seat;
    s->failed = false;
}

static mgd_status evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                           double *cost, double *accuracy) {
    mgd_wired *s = (mgd_wired *)session;
    mgd_samples set;
    begin(s, view);
    if (mgd_wired_described(s)->outputs > 0) {
        MGD_TRY(s->rows->evaluate(ctx, s->rows, pool, view, x, y, cost, accuracy));
    } else {
        MGD_TRY(mgd_samples_open(ctx, s->dtype, x, y, &set));
        mgd_status status = mean_cost(ctx, s, view, &set, cost);
        mgd_samples_close(&set);
        MGD_TRY(status);
        *accuracy = NAN;
    }
    if (s->failed)
        *cost = *accuracy = NAN;
    return MGD_OK;
}

static mgd_status predict(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                          const mgd_tensor *x, uint64_t draw, mgd_tensor **y) {
    mgd_wired *s = (mgd_wired *)session;
    begin(s, view);
    return s->rows->predict(ctx, s->rows, view, x, draw, y);
}

static mgd_status gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_weighted *samples, double *out,
                           double *cost) {
    mgd_wired *s = (mgd_wired *)session;
    begin(s, view);
    MGD_TRY(s->rows->gradient(ctx, s->rows, pool, view, samples, out, cost));
    for (size_t i = 0; i < s->chip->chip.num_parameters && s->failed; i++)
        out[i] = NAN;
    if (s->failed && cost)
        *cost = NAN;
    return MGD_OK;
}

void mgd_wired_rows_open(mgd_wired *s) {
    s->session.evaluate = evaluate;
    s->session.predict = predict;
    s->session.gradient = gradient;
}
