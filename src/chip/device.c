/* One chip of an instrument: what it holds, how θ gets there without a jump where it may not, and
 * the way to the safe state, which nothing but a third Ctrl-C cuts short.
 */

#include "device.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define TICK 0.02        /* s between two values on the way to another */
#define RETRY 0.1        /* s between two attempts to open a port anew, at first … */
#define LONGEST_RETRY 2. /* … and at last */

/* ---- opening and closing --------------------------------------------------------------------- */

mgd_status mgd_device_open(mgd_context *ctx, mgd_device *device, const mgd_port_spec *spec) {
    device->guard = -1;
    device->spec = *spec;
    return mgd_port_open(ctx, &device->spec, &device->port);
}

mgd_status mgd_device_prepare(mgd_context *ctx, mgd_device *device, const mgd_reach *reach,
                              const double *safe, double ramp) {
    size_t count = reach->parameters;
    size_t real = mgd_dtype_size(mgd_port_description(device->port)->dtype);
    device->reach = reach;
    device->safe = safe;
    device->ramp = ramp;
    for (size_t i = 0; i < count; i++)
        device->slews = device->slews || isfinite(mgd_reach_slew(reach, i));
    device->state_bytes = sizeof *device->state + count * sizeof(double);
    void *shared =
        mmap(NULL, device->state_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED)
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu bytes to share with a guard",
                        device->state_bytes);
    device->state = shared;
    MGD_TRY(mgd_allocate(ctx, "parameters", count, real, &device->sent));
    return mgd_allocate(ctx, "parameters", count, real, &device->wire);
}

void mgd_device_close(mgd_device *device) {
    mgd_port_close(device->port);
    if (device->state)
        munmap(device->state, device->state_bytes);
    mgd_free(device->sent);
    mgd_free(device->wire);
    *device = (mgd_device){.guard = -1};
}

void mgd_device_unknown(mgd_device *device) {
    device->known = false;
    device->set = NULL;
    device->held = NULL;
}

static mgd_dtype dtype_of(const mgd_device *device) {
    return mgd_port_description(device->port)->dtype;
}

/* ---- driving --------------------------------------------------------------------------------- */

static void pause_for(double seconds) {
    struct timespec rest = {.tv_sec = (time_t)seconds,
                            .tv_nsec = (long)((seconds - floor(seconds)) * 1e9)};
    while (nanosleep(&rest, &rest) != 0)
        continue;
}

/* Puts together the request that makes state->value the chip's. */
static void add_values(mgd_device *device, uint64_t step, uint64_t replica) {
    for (size_t i = 0; i < device->reach->parameters; i++)
        mgd_real_set(dtype_of(device), device->wire, i, device->state->value[i]);
    device->state->driven = true;
    device->state->seen = mgd_clock();
    mgd_port_write(device->port, device->wire, step, replica);
}

/* Seconds that the way to the values in `goal` takes without breaking a limit of speed. */
static double seconds_to(const mgd_device *device, const double *goal) {
    double most = 0;
    for (size_t i = 0; i < device->reach->parameters; i++)
        most =
            fmax(most, fabs(goal[i] - device->state->value[i]) / mgd_reach_slew(device->reach, i));
    return most;
}

/* The same in ticks, one at least. */
static double ticks_to(const mgd_device *device, const double *goal) {
    return fmax(1, ceil(seconds_to(device, goal) / TICK - 1e-9));
}

/* Values between those that stand and the goal. */
static void move(mgd_device *device, const double *goal, double share) {
    for (size_t i = 0; i < device->reach->parameters; i++)
        device->state->value[i] += share * (goal[i] - device->state->value[i]);
}

/* All the way but for the last tick's values, which the caller sends: by now they may be. */
static mgd_status approach(mgd_context *ctx, mgd_device *device, const double *goal, uint64_t step,
                           uint64_t replica) {
    for (double ticks = ticks_to(device, goal); ticks > 1; ticks--) {
        move(device, goal, 1 / ticks);
        add_values(device, step, replica);
        MGD_TRY(mgd_port_done(ctx, device->port));
        pause_for(TICK);
        MGD_TRY(mgd_interrupt_answer(ctx));
    }
    double rest = seconds_to(device, goal) - (mgd_clock() - device->state->seen);
    if (rest > 0)
        pause_for(fmin(rest, TICK));
    return MGD_OK;
}

mgd_status mgd_device_theta(mgd_context *ctx, mgd_device *device, const void *theta, uint64_t step,
                            uint64_t replica, size_t *answers) {
    const mgd_reach *reach = device->reach;
    size_t bytes = reach->parameters * mgd_dtype_size(dtype_of(device));
    bool silent = device->watchdog > 0 && /* it may have gone to its safe state meanwhile */
                  mgd_clock() - device->state->seen > device->watchdog * 0.5e-3;
    bool update = replica > 0 && mgd_port_description(device->port)->writes; /* takes time */
    *answers = 0;
    if (device->known && !silent && !update && memcmp(device->sent, theta, bytes) == 0)
        return MGD_OK;
    device->known = false;
    double *goal = NULL;
    if (device->slews)
        MGD_TRY(mgd_allocate(ctx, "parameters", reach->parameters, sizeof *goal, (void **)&goal));
    for (size_t i = 0; i < reach->parameters; i++) {
        double before = device->state->value[i];
        double value = mgd_reach_value(reach, i, mgd_real_at(dtype_of(device), theta, i));
        value = mgd_reach_keep(reach, i, value, before);
        if (isnan(value)) {
            mgd_free(goal);
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "%s: parameter %zu would become nan, which is not written",
                            mgd_port_address(device->port), i + 1);
        }
        *(goal ? &goal[i] : &device->state->value[i]) = value;
    }
    mgd_status status = MGD_OK;
    if (goal) {
        status = approach(ctx, device, goal, step, replica);
        if (status == MGD_OK)
            memcpy(device->state->value, goal, reach->parameters * sizeof *goal);
        mgd_free(goal);
    }
    if (status != MGD_OK)
        return status;
    add_values(device, step, replica);
    memcpy(device->sent, theta, bytes);
    device->known = true;
    *answers = 1;
    return MGD_OK;
}

/* Of a parameter that was read: no way leads from NaN to the safe values. */
static mgd_status check_value(mgd_context *ctx, const mgd_device *device, size_t i, double value) {
    if (isfinite(value) && isfinite(mgd_reach_theta(device->reach, i, value)))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_FORMAT, "%s: parameter %zu is %g: expected %s",
                    mgd_port_address(device->port), i + 1, value,
                    isfinite(value) ? "a value within its range of logarithms" : "a finite number");
}

mgd_status mgd_device_read(mgd_context *ctx, mgd_device *device, void *theta) {
    size_t count = device->reach->parameters;
    double *values;
    MGD_TRY(mgd_allocate(ctx, "parameters", count, sizeof *values, (void **)&values));
    mgd_port_read(device->port);
    mgd_status status = mgd_port_reals(ctx, device->port, values, count);
    for (size_t i = 0; i < count && status == MGD_OK; i++)
        status = check_value(ctx, device, i, values[i]);
    for (size_t i = 0; i < count && status == MGD_OK; i++) {
        device->state->value[i] = values[i];
        mgd_real_set(dtype_of(device), theta, i, mgd_reach_theta(device->reach, i, values[i]));
    }
    mgd_free(values);
    return status;
}

/* ---- coming back ----------------------------------------------------------------------------- */

mgd_status mgd_device_recover(mgd_context *ctx, mgd_device *device, double until) {
    mgd_status status;
    double rest = RETRY;
    mgd_context first = *ctx; /* what happened: more to the point than that it cannot be mended */
    mgd_device_unknown(device);
    while ((status = mgd_port_reopen(ctx, device->port)) != MGD_OK) {
        if (status == MGD_ERR_INTERRUPT)
            return status;
        if (mgd_clock() >= until) {
            *ctx = first;
            return first.status;
        }
        for (double slept = 0; slept < rest && mgd_clock() < until; slept += TICK) {
            MGD_TRY(mgd_interrupt_answer(ctx));
            pause_for(TICK);
        }
        rest = fmin(2 * rest, LONGEST_RETRY);
    }
    if (device->watchdog > 0) {
        mgd_port_safe(device->port, device->watchdog);
        return mgd_port_done(ctx, device->port);
    }
    return MGD_OK;
}

/* ---- the safe state -------------------------------------------------------------------------- */

static volatile sig_atomic_t asked;  /* how often a ramp was asked to end */
static volatile sig_atomic_t ending; /* the last signal that asks for the end of the process; 0 */

static void count_signal(int number) {
    asked++;
    if (number != SIGINT)
        ending = number;
}

static const int ends[] = {SIGINT, SIGTERM, SIGHUP};
enum { ENDS = sizeof ends / sizeof *ends };

/* Signals that would end this process are counted while it is on its way to the safe state; one
 * that asks for its end comes again afterwards. */
static void hold_signals(struct sigaction before[ENDS]) {
    struct sigaction action = {.sa_handler = count_signal};
    sigemptyset(&action.sa_mask);
    asked = ending = 0;
    for (int i = 0; i < ENDS; i++)
        sigaction(ends[i], &action, &before[i]);
}

static void release_signals(const struct sigaction before[ENDS]) {
    for (int i = 0; i < ENDS; i++)
        sigaction(ends[i], &before[i], NULL);
    if (ending)
        raise(ending);
}

/* One answer, whatever was asked meanwhile. */
static mgd_status insist(mgd_context *ctx, mgd_device *device) {
    mgd_status status = mgd_port_done(ctx, device->port);
    if (status != MGD_ERR_INTERRUPT)
        return status;
    mgd_interrupt_clear();
    return mgd_port_forget(ctx, device->port);
}

static mgd_status ramp(mgd_context *ctx, mgd_device *device) {
    double ticks = fmax(ticks_to(device, device->safe), ceil(device->ramp / TICK));
    if (ticks * TICK > 0.1)
        fprintf(stderr, "mgd: %s: to the safe state, %.1f s\n", mgd_port_address(device->port),
                ticks * TICK);
    for (; ticks >= 1; ticks--) {
        bool at_once = asked >= 2;
        move(device, device->safe, at_once ? 1 : 1 / ticks);
        add_values(device, 0, 0); /* placed, past a law of writing */
        MGD_TRY(insist(ctx, device));
        if (at_once)
            break;
        pause_for(ticks > 1 ? TICK : 0);
    }
    return MGD_OK;
}

static mgd_status go_safe(mgd_context *ctx, mgd_device *device) {
    MGD_TRY(mgd_port_forget(ctx, device->port));
    if (device->safe)
        MGD_TRY(ramp(ctx, device));
    mgd_port_safe(device->port, 0);
    return insist(ctx, device);
}

/* Requests to stop may come from elsewhere than from signals. */
static mgd_status make_safe(mgd_context *ctx, mgd_device *device) {
    mgd_status status;
    while ((status = go_safe(ctx, device)) == MGD_ERR_INTERRUPT)
        mgd_interrupt_clear();
    return status;
}

/* A chip that does not answer as it should may listen all the same. */
static void plead(mgd_device *device) {
    mgd_context ctx = {0};
    mgd_port_forget(&ctx, device->port);
    mgd_port_safe(device->port, 0);
    insist(&ctx, device);
}

mgd_status mgd_device_safe(mgd_context *ctx, mgd_device *device) {
    enum { PATIENCE = 5 }; /* s */
    struct sigaction before[ENDS];
    if (!device->state || !device->state->driven)
        return MGD_OK;
    hold_signals(before);
    mgd_interrupt_clear();
    mgd_status status = make_safe(ctx, device);
    if (status != MGD_OK && mgd_port_lost(device->port)) {
        status = mgd_device_recover(ctx, device, mgd_clock() + PATIENCE);
        if (status == MGD_OK)
            status = make_safe(ctx, device);
    }
    if (status != MGD_OK)
        plead(device);
    device->known = false;
    device->state->driven = status != MGD_OK;
    release_signals(before);
    return status;
}
