/* instrument: a chip at the end of a wire, or several alike: one for each replica, or, where they
 * are stateless, a pool that shares out the work of each. What is sent to it,
 * docs/guide/chip-contract.md says; who sends it, is here.
 */
#ifndef MGD_CHIP_INSTRUMENT_H
#define MGD_CHIP_INSTRUMENT_H

#include "chip.h"
#include "port.h"
#include "reach.h"

/* What is done when the chip is found to have drifted. */
typedef enum { MGD_DRIFT_STOP, MGD_DRIFT_PAUSE, MGD_DRIFT_REBASELINE } mgd_drift_action;

/* Whether there is one: where the chip has no watchdog, or in any case. */
typedef enum { MGD_GUARD_NEVER, MGD_GUARD_NEEDED, MGD_GUARD_ALWAYS } mgd_guard;

typedef struct {
    size_t num_ports; /* chips */
    const mgd_port_spec *ports;
    double patience; /* seconds for which a chip that was lost is looked for */
    size_t average;  /* times that a measurement is repeated, ≥ 1 */
    bool skip;       /* a failed measurement costs a step, and not the run */

    size_t num_ranges, num_limits; /* 0, 1 or P; without ranges, those of the description */
    const mgd_span_of_unit *ranges;
    const mgd_limit *limits;
    const mgd_tensor *theta; /* (P) present θ; NULL: read from the chip */

    const mgd_tensor *safe; /* (P) safe values, in the unit of each; NULL: none but SAFE */
    double ramp;            /* seconds that the way to them takes at least */
    mgd_guard guard;        /* a process of its own goes there when this one dies */

    const char *temporary; /* a file that goes with the chip; NULL: none */

    uint64_t watch; /* steps between two looks at the reference point; 0: none */
    double tolerance;
    mgd_drift_action action;
} mgd_instrument_spec;

/* Copies the specification, but for the files of logs. */
mgd_status mgd_chip_instrument(mgd_context *ctx, const mgd_instrument_spec *spec, mgd_chip **out);
/* NULL where it is another kind of chip. */
typedef struct mgd_instrument mgd_instrument;
mgd_instrument *mgd_instrument_of(mgd_chip *chip);

/* The port of chip k, to look at and for queries of the user's; NULL beyond the last. */
mgd_port *mgd_instrument_port(mgd_instrument *instrument, size_t k);
/* Asks chip k something in its own dialect; the answer is good until the next call. A worker that
 * has ended as it planned is started again. */
mgd_status mgd_instrument_query(mgd_context *ctx, mgd_instrument *instrument, size_t k,
                                const char *text, size_t count, const char **answer,
                                size_t *answer_count);
const mgd_reach *mgd_instrument_reach(const mgd_instrument *instrument);
/* All chips go to their safe state, by the ramp, which Ctrl-C does not cut until it comes for the
 * second time. Nothing to do where nothing has been written since the last time. */
mgd_status mgd_instrument_safe(mgd_context *ctx, mgd_instrument *instrument);
/* The same, and their wires are closed: what uses them from now on fails. */
mgd_status mgd_instrument_shut(mgd_context *ctx, mgd_instrument *instrument);
/* How often the reference point was found to have drifted; steps that were dropped, because a
 * measurement failed. */
double mgd_instrument_drifts(const mgd_instrument *instrument);
double mgd_instrument_failures(const mgd_instrument *instrument);

#endif
