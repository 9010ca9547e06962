/* device: one chip of an instrument. What it holds, how it is driven, and how it is left. */
#ifndef MGD_CHIP_DEVICE_H
#define MGD_CHIP_DEVICE_H

#include "instrument.h"

/* What a guard has to know: memory that it shares with this process. */
typedef struct {
    bool driven;    /* something was written since the last safe state */
    double seen;    /* when (mgd_clock) */
    double value[]; /* (P) as last written, in the unit of each */
} mgd_device_state;

typedef struct {
    mgd_port_spec spec;
    mgd_port *port;
    const mgd_reach *reach;
    const double *safe; /* (P) NULL: none */
    double ramp;
    mgd_device_state *state;
    size_t state_bytes;
    bool slews; /* some parameter may not jump */

    const void *user; /* the session that used it last */
    void *sent;       /* (P) θ that it holds, of its dtype, … */
    bool known;       /* … unless this is false */
    void *wire;       /* (P) θ on its way, in the units */

    const void *set;      /* whose samples it holds, … */
    const uint32_t *held; /* … or the batch that it holds as numbers 0, 1, … */
    uint64_t held_step, held_replica;
    size_t held_first, held_count;

    double watchdog; /* ms after which it goes to its safe state by itself; 0: never */
    int guard;       /* the end of a pipe that holds it back; −1: none */
    int guard_pid;
} mgd_device;

/* Opens the port of `spec`, which stays with the device. */
mgd_status mgd_device_open(mgd_context *ctx, mgd_device *device, const mgd_port_spec *spec);
/* Once the reach is known: memory for θ. */
mgd_status mgd_device_prepare(mgd_context *ctx, mgd_device *device, const mgd_reach *reach,
                              const double *safe, double ramp);
/* To the safe state, then away. */
void mgd_device_close(mgd_device *device);

/* Whether requests may be put together: not where θ may not jump. */
static inline bool mgd_device_streams(const mgd_device *device) {
    return !device->slews;
}

/* Adds what is needed for the chip to hold θ (P); how many answers that makes, 0 or 1. Where θ may
 * not jump it goes there by and by, and nothing may wait for an answer. An update at the end of a
 * step of a replica is written in the way of a chip that has one, whatever it holds; with replica 0
 * θ is placed as it is. */
mgd_status mgd_device_theta(mgd_context *ctx, mgd_device *device, const void *theta, uint64_t step,
                            uint64_t replica, size_t *answers);
/* θ as the chip has it, (P) of its dtype. */
mgd_status mgd_device_read(mgd_context *ctx, mgd_device *device, void *theta);
/* All that it is known to hold is forgotten. */
void mgd_device_unknown(mgd_device *device);
/* Opens it anew where that can be done until `until`. */
mgd_status mgd_device_recover(mgd_context *ctx, mgd_device *device, double until);
mgd_status mgd_device_safe(mgd_context *ctx, mgd_device *device);

/* The process that does so when this one dies, guard.c; 0 and less: there is none. */
mgd_status mgd_guard_start(mgd_context *ctx, mgd_device *device);
void mgd_guard_stop(mgd_device *device);

#endif
