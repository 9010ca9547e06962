/* Instruments as chips: opening the devices, their reach, and how they are left. */

#include "instrument_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_STEPS 64 /* worth asking for at once: random codes keep their words for as many */

/* ---- the chip -------------------------------------------------------------------------------- */

static mgd_status open_session(mgd_context *ctx, mgd_chip *chip, const mgd_task_spec *task,
                               mgd_session **out) {
    return mgd_wired_open(ctx, (mgd_instrument *)chip, task, out);
}

static void theta(const mgd_chip *chip, void *out) {
    const mgd_instrument *self = (const mgd_instrument *)chip;
    size_t bytes = chip->num_parameters * mgd_dtype_size(chip->dtype);
    if (self->theta)
        memcpy(out, self->theta, bytes);
    else
        memset(out, 0, bytes);
}

static mgd_status draw(mgd_context *ctx, const mgd_chip *chip, const mgd_init *init, void *out) {
    double *wide;
    size_t count = chip->num_parameters;
    MGD_TRY(mgd_init_check(ctx, init));
    if (init->scheme > MGD_INIT_NORMAL)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "init: this chip shows no layers, which glorot and he schemes need: "
                        "expected uniform, normal or zeros");
    MGD_TRY(mgd_allocate(ctx, "parameters", count, sizeof *wide, (void **)&wide));
    mgd_init_flat(init, count, wide);
    for (size_t i = 0; i < count; i++)
        mgd_real_set(chip->dtype, out, i, wide[i]);
    mgd_free(wide);
    return mgd_interrupt_answer(ctx);
}

static void free_chip(mgd_chip *chip) {
    mgd_instrument *self = (mgd_instrument *)chip;
    mgd_context ctx = {0};
    bool own = self->owner == (long)getpid();
    if (own && self->temporary)
        unlink(self->temporary);
    if (own && mgd_instrument_safe(&ctx, self) != MGD_OK)
        fprintf(stderr, "mgd: warning: the safe state was not reached: %s\n", ctx.message);
    for (size_t k = 0; own && self->devices && k < self->count; k++) {
        mgd_guard_stop(&self->devices[k]);
        mgd_device_close(&self->devices[k]);
    }
    void *owned[] = {self->devices, self->safe,  self->limits,
                     self->ranges,  self->theta, self->temporary};
    for (size_t i = 0; i < sizeof owned / sizeof *owned; i++)
        mgd_free(owned[i]);
    mgd_free(self);
}

/* ---- opening --------------------------------------------------------------------------------- */

static mgd_status copy(mgd_context *ctx, const void *from, size_t count, size_t size, void *slot) {
    void *memory;
    if (count == 0)
        return MGD_OK;
    MGD_TRY(mgd_allocate(ctx, "instrument", count, size, &memory));
    memcpy(memory, from, count * size);
    *(void **)slot = memory;
    return MGD_OK;
}

static mgd_status check_entries(mgd_context *ctx, const char *name, size_t count,
                                size_t parameters) {
    if (count <= 1 || count == parameters)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_SHAPE,
                    "%s: %zu entries: expected 1, or one for each of the %zu parameters", name,
                    count, parameters);
}

static mgd_status make_reach(mgd_context *ctx, mgd_instrument *self) {
    const mgd_instrument_spec *spec = &self->spec;
    const mgd_description *d = mgd_port_description(self->devices->port);
    bool own = spec->num_ranges > 0;
    size_t ranges = own ? spec->num_ranges : d->num_ranges;
    MGD_TRY(check_entries(ctx, "ranges", ranges, d->parameters));
    MGD_TRY(check_entries(ctx, "limits", spec->num_limits, d->parameters));
    MGD_TRY(copy(ctx, own ? spec->ranges : d->ranges, ranges, sizeof *self->ranges, &self->ranges));
    MGD_TRY(copy(ctx, spec->limits, spec->num_limits, sizeof *self->limits, &self->limits));
    self->reach = (mgd_reach){.parameters = d->parameters,
                              .ranges = self->ranges,
                              .num_ranges = ranges,
                              .limits = self->limits,
                              .num_limits = spec->num_limits};
    return MGD_OK;
}

/* A tensor (P) as doubles. */
static mgd_status take_vector(mgd_context *ctx, const char *name, const mgd_tensor *tensor,
                              size_t count, double **out) {
    mgd_tensor *wide;
    size_t size = mgd_tensor_size(tensor);
    if (mgd_tensor_ndim(tensor) != 1 || (size != count && size != 1))
        return mgd_fail(ctx, MGD_ERR_SHAPE, "%s: %zu values: expected %zu, one for each parameter",
                        name, size, count);
    MGD_TRY(mgd_tensor_convert(ctx, tensor, MGD_F64, &wide));
    mgd_status status = mgd_allocate(ctx, name, count, sizeof(double), (void **)out);
    for (size_t i = 0; i < count && status == MGD_OK; i++)
        (*out)[i] = ((const double *)mgd_tensor_data(wide))[size == 1 ? 0 : i];
    mgd_tensor_free(wide);
    return status;
}

static mgd_status make_safe_values(mgd_context *ctx, mgd_instrument *self) {
    size_t count = self->reach.parameters;
    if (!self->spec.safe)
        return MGD_OK;
    MGD_TRY(take_vector(ctx, "safe", self->spec.safe, count, &self->safe));
    for (size_t i = 0; i < count; i++)
        if (self->safe[i] != mgd_reach_keep(&self->reach, i, self->safe[i], self->safe[i]))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "safe: %.6g of parameter %zu is beyond its range or limits",
                            self->safe[i], i + 1);
    return MGD_OK;
}

static bool guarded(const mgd_instrument *self, const mgd_device *device) {
    bool watchdog = mgd_port_description(device->port)->watchdog;
    return !device->spec.dry_run && (self->spec.guard == MGD_GUARD_ALWAYS ||
                                     (self->spec.guard == MGD_GUARD_NEEDED && !watchdog));
}

/* The watchdog of a chip is set to some times what an answer may take. */
static mgd_status arm(mgd_context *ctx, mgd_device *device) {
    if (!mgd_port_description(device->port)->watchdog || device->spec.dry_run)
        return MGD_OK;
    device->watchdog = ceil(3000 * device->spec.timeout);
    mgd_port_safe(device->port, device->watchdog);
    return mgd_port_done(ctx, device->port);
}

static mgd_status open_devices(mgd_context *ctx, mgd_instrument *self) {
    for (size_t k = 0; k < self->count; k++)
        self->devices[k].guard = -1;
    for (size_t k = 0; k < self->count; k++)
        MGD_TRY(mgd_device_open(ctx, &self->devices[k], &self->spec.ports[k]));
    const mgd_description *first = mgd_port_description(self->devices->port);
    for (size_t k = 1; k < self->count; k++) {
        const mgd_description *d = mgd_port_description(self->devices[k].port);
        if (d->parameters != first->parameters || d->inputs != first->inputs ||
            d->outputs != first->outputs || d->dtype != first->dtype ||
            d->perturbs != first->perturbs || d->costs != first->costs ||
            d->integrates != first->integrates || d->writes != first->writes ||
            d->stateless != first->stateless || d->fails != first->fails ||
            d->noisy != first->noisy || d->samples != first->samples)
            return mgd_fail(
                ctx, MGD_ERR_ARGUMENT,
                "instrument: chip %zu (%s) is not like the first: expected chips of one "
                "kind",
                k + 1, mgd_port_said(self->devices[k].port));
    }
    return MGD_OK;
}

static mgd_status prepare_devices(mgd_context *ctx, mgd_instrument *self) {
    for (size_t k = 0; k < self->count; k++) {
        mgd_device *device = &self->devices[k];
        MGD_TRY(mgd_device_prepare(ctx, device, &self->reach, self->safe, self->spec.ramp));
        MGD_TRY(arm(ctx, device));
    }
    return MGD_OK;
}

/* Present θ: as given, or as the first chip has it. */
static mgd_status find_theta(mgd_context *ctx, mgd_instrument *self) {
    size_t count = self->reach.parameters;
    double *given = NULL;
    if (!self->spec.theta &&
        (!mgd_port_description(self->devices->port)->reads || self->devices->spec.dry_run))
        return MGD_OK;
    MGD_TRY(mgd_allocate(ctx, "parameters", count, mgd_dtype_size(self->chip.dtype), &self->theta));
    for (size_t k = self->spec.theta ? self->count : 0; k < self->count; k++)
        MGD_TRY(mgd_device_read(ctx, &self->devices[k], self->theta));
    if (!self->spec.theta)
        return MGD_OK;
    MGD_TRY(take_vector(ctx, "theta", self->spec.theta, count, &given));
    for (size_t i = 0; i < count; i++) {
        mgd_real_set(self->chip.dtype, self->theta, i, given[i]);
        for (size_t k = 0; k < self->count; k++)
            self->devices[k].state->value[i] = mgd_reach_value(&self->reach, i, given[i]);
    }
    mgd_free(given);
    return MGD_OK;
}

static void describe(mgd_instrument *self) {
    const mgd_description *d = mgd_port_description(self->devices->port);
    self->chip =
        (mgd_chip){.dtype = d->dtype,
                   .num_parameters = d->parameters,
                   .no_nodes = "this one is an instrument, and the protocol has no nodes yet",
                   .caller_only = true,
                   .real = true,
                   .perturbs = d->perturbs && !d->integrates,
                   .integrates = d->integrates,
                   .seats = d->stateless ? 0 : self->count,
                   .steps = BLOCK_STEPS,
                   .resolution = d->dtype == MGD_F32 ? 0x1p-23 : 0x1p-52,
                   .open = open_session,
                   .theta = theta,
                   .draw = draw,
                   .free = free_chip};
}

/* Where θ gets by ways of its own depends on what a chip was sent before. */
static bool has_ways(const mgd_instrument *self) {
    for (size_t i = 0; i < self->spec.num_limits; i++)
        if (isfinite(self->limits[i].slew) || !isnan(self->limits[i].avoid_low))
            return true;
    return false;
}

static mgd_status open(mgd_context *ctx, mgd_instrument *self) {
    MGD_TRY(open_devices(ctx, self));
    describe(self);
    MGD_TRY(make_reach(ctx, self));
    const mgd_description *d = mgd_port_description(self->devices->port);
    self->pool = self->count > 1 && d->stateless && !d->writes && !d->integrates && !has_ways(self);
    MGD_TRY(make_safe_values(ctx, self));
    MGD_TRY(prepare_devices(ctx, self));
    MGD_TRY(find_theta(ctx, self));
    for (size_t k = 0; k < self->count; k++)
        if (guarded(self, &self->devices[k]))
            MGD_TRY(mgd_guard_start(ctx, &self->devices[k]));
    return MGD_OK;
}

mgd_status mgd_chip_instrument(mgd_context *ctx, const mgd_instrument_spec *spec, mgd_chip **out) {
    void *memory;
    MGD_OPERATION;
    MGD_TRY(mgd_allocate(ctx, "instrument", 1, sizeof(mgd_instrument), &memory));
    mgd_instrument *self = memory;
    self->spec = *spec;
    self->count = spec->num_ports;
    self->owner = (long)getpid();
    mgd_status status = mgd_allocate(ctx, "instrument", self->count, sizeof *self->devices,
                                     (void **)&self->devices);
    if (status == MGD_OK && spec->temporary)
        status = copy(ctx, spec->temporary, strlen(spec->temporary) + 1, 1, &self->temporary);
    if (status == MGD_OK)
        status = open(ctx, self);
    if (status != MGD_OK) {
        free_chip(&self->chip);
        return status;
    }
    self->spec.theta = self->spec.safe = NULL; /* the caller's, as all else … */
    self->spec.temporary = NULL;
    *out = &self->chip;
    return MGD_OK;
}

/* ---- looking, leaving ------------------------------------------------------------------------ */

mgd_instrument *mgd_instrument_of(mgd_chip *chip) {
    return chip->free == free_chip ? (mgd_instrument *)chip : NULL;
}

mgd_port *mgd_instrument_port(mgd_instrument *instrument, size_t k) {
    return k < instrument->count ? instrument->devices[k].port : NULL;
}

const mgd_reach *mgd_instrument_reach(const mgd_instrument *instrument) {
    return &instrument->reach;
}

mgd_status mgd_instrument_query(mgd_context *ctx, mgd_instrument *instrument, size_t k,
                                const char *text, size_t count, const char **answer,
                                size_t *answer_count) {
    mgd_device *device = &instrument->devices[k];
    for (bool again = false;; again = true) {
        MGD_TRY(mgd_port_forget(ctx, device->port));
        mgd_device_unknown(device); /* the question may change something */
        mgd_port_say(device->port, text, count);
        mgd_status status = mgd_port_text(ctx, device->port, answer, answer_count);
        if (status == MGD_OK || again || !mgd_port_ended(device->port))
            return status;
        MGD_TRY(mgd_instrument_recover(ctx, device, mgd_clock() + instrument->spec.patience, NULL));
    }
}

double mgd_instrument_drifts(const mgd_instrument *instrument) {
    return instrument->drifts;
}

double mgd_instrument_failures(const mgd_instrument *instrument) {
    return instrument->failures;
}

/* All of them, whatever becomes of one. */
mgd_status mgd_instrument_safe(mgd_context *ctx, mgd_instrument *instrument) {
    mgd_status first = MGD_OK;
    for (size_t k = 0; instrument->devices && k < instrument->count; k++) {
        mgd_context own = {0};
        mgd_status status = mgd_device_safe(&own, &instrument->devices[k]);
        if (status != MGD_OK && first == MGD_OK) {
            *ctx = own;
            first = status;
        }
    }
    return first;
}

mgd_status mgd_instrument_shut(mgd_context *ctx, mgd_instrument *instrument) {
    mgd_status status = mgd_instrument_safe(ctx, instrument);
    for (size_t k = 0; k < instrument->count; k++) {
        mgd_guard_stop(&instrument->devices[k]);
        mgd_port_shut(instrument->devices[k].port);
    }
    return status;
}
