/* Talking to the devices of an instrument: requests are put together in each of their ports, sent
 * to all before the first answer is waited for, and answers are taken device by device, in their
 * order.
 */

#include "instrument_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- answers that are to come ---------------------------------------------------------------- */

mgd_status mgd_wired_expect(mgd_context *ctx, mgd_wired *s, const mgd_device *device,
                            mgd_expected next) {
    mgd_talk *t = mgd_wired_talk(s, device);
    if (t->queued == t->room) {
        size_t room = 2 * t->room + 64;
        void *queue;
        MGD_TRY(mgd_allocate(ctx, "requests", room, sizeof *t->queue, &queue));
        if (t->queued)
            memcpy(queue, t->queue, t->queued * sizeof *t->queue);
        mgd_free(t->queue);
        t->queue = queue;
        t->room = room;
    }
    t->queue[t->queued++] = next;
    return MGD_OK;
}

mgd_status mgd_wired_expect_done(mgd_context *ctx, mgd_wired *s, const mgd_device *device,
                                 size_t answers) {
    mgd_expected next = {.kind = MGD_EXPECT_DONE};
    return answers ? mgd_wired_expect(ctx, s, device, next) : MGD_OK;
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

/* A measurement that the chip reports as failed is one without numbers, where that costs a step. */
static mgd_status forgive(const mgd_context *ctx, mgd_wired *s, const mgd_device *device,
                          mgd_status status, double *values, size_t count) {
    if (status != MGD_ERR_CALLBACK || !mgd_wired_skips(s) || !mgd_port_failed(device->port))
        return status;
    snprintf(s->words, sizeof s->words, "%.299s", ctx->message);
    for (size_t i = 0; i < count; i++)
        values[i] = NAN;
    return MGD_OK;
}

static mgd_status take_costs(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                             const mgd_expected *e) {
    double average = (double)s->chip->spec.average, share = (double)e->count / (double)s->batch;
    MGD_TRY(hold_values(ctx, s, e->points));
    mgd_status status = mgd_port_costs(ctx, device->port, s->values, e->points);
    MGD_TRY(forgive(ctx, s, device, status, s->values, e->points));
    for (size_t i = 0; i < e->points; i++)
        s->request->cost[e->point + i] += s->values[i] * share / average;
    return MGD_OK;
}

/* Into their place among those of the wave. */
static mgd_status take_outputs(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                               const mgd_expected *e) {
    size_t outputs = mgd_wired_described(s)->outputs, each = e->count * outputs;
    MGD_TRY(hold_values(ctx, s, e->points * each));
    mgd_status status = mgd_port_reals(ctx, device->port, s->values, e->points * each);
    MGD_TRY(forgive(ctx, s, device, status, s->values, e->points * each));
    for (size_t p = 0; p < e->points; p++) {
        size_t place = (e->point + p - s->wave_first) * s->batch + e->first;
        for (size_t i = 0; i < each; i++)
            s->outputs[place * outputs + i] +=
                s->values[p * each + i] / (double)s->chip->spec.average;
    }
    return MGD_OK;
}

/* Outputs of rows, or their mean cost, in the place of who asked. */
static mgd_status take_rows(mgd_context *ctx, mgd_wired *s, mgd_device *device,
                            const mgd_expected *e) {
    mgd_status status = mgd_wired_described(s)->outputs > 0
                            ? mgd_port_reals(ctx, device->port, e->out, e->count)
                            : mgd_port_costs(ctx, device->port, e->out, e->count);
    return forgive(ctx, s, device, status, e->out, e->count);
}

static mgd_status take_all(mgd_context *ctx, mgd_wired *s, mgd_device *device) {
    mgd_talk *t = mgd_wired_talk(s, device);
    size_t queued = t->queued;
    t->queued = 0;
    for (size_t i = 0; i < queued; i++) {
        const mgd_expected *e = &t->queue[i];
        if (e->kind == MGD_EXPECT_DONE)
            MGD_TRY(mgd_port_done(ctx, device->port));
        else if (e->kind == MGD_EXPECT_COSTS)
            MGD_TRY(take_costs(ctx, s, device, e));
        else if (e->kind == MGD_EXPECT_OUTPUTS)
            MGD_TRY(take_outputs(ctx, s, device, e));
        else
            MGD_TRY(take_rows(ctx, s, device, e));
    }
    device->state->seen = mgd_clock();
    return MGD_OK;
}

mgd_status mgd_wired_take(mgd_context *ctx, mgd_wired *s, mgd_device *device) {
    mgd_status status = take_all(ctx, s, device);
    if (status != MGD_OK)
        mgd_wired_talk(s, device)->failure = *ctx;
    return status;
}

mgd_status mgd_wired_collect(mgd_context *ctx, mgd_wired *s, mgd_crew crew) {
    mgd_status first = MGD_OK;
    for (size_t k = 0; k < crew.count && crew.count > 1; k++) {
        mgd_context own = {0}; /* one that cannot be written to says so when it is read from */
        if (mgd_port_flush(&own, crew.first[k].port) == MGD_ERR_INTERRUPT)
            return mgd_fail(ctx, MGD_ERR_INTERRUPT, "%s", own.message);
    }
    for (size_t k = 0; k < crew.count; k++) {
        mgd_context own = {0};
        mgd_status status = mgd_wired_take(&own, s, &crew.first[k]);
        if (status == MGD_OK || (first != MGD_OK && status != MGD_ERR_INTERRUPT))
            continue;
        first = status;
        *ctx = own;
        if (status == MGD_ERR_INTERRUPT)
            break;
    }
    return first;
}

mgd_status mgd_wired_relieve(mgd_context *ctx, mgd_wired *s, mgd_device *device) {
    bool full = mgd_port_waiting(device->port) > 2 * MGD_MOST_WAITING;
    return full || !mgd_device_streams(device) ? mgd_wired_take(ctx, s, device) : MGD_OK;
}

/* ---- samples --------------------------------------------------------------------------------- */

/* In messages of a length that the chip takes. */
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
        MGD_TRY(mgd_wired_expect_done(ctx, s, device, 1));
        MGD_TRY(mgd_wired_relieve(ctx, s, device));
    }
    return MGD_OK;
}
