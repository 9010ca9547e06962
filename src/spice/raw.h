/* raw: one analysis and all of its vectors; and the values of one copy. */
#ifndef MGD_SPICE_RAW_H
#define MGD_SPICE_RAW_H

#include "circuit.h"

#include <stdio.h>

/* Reads from `in` a line with θ (P), one with x (I) and one with the replica's number, 0 for
 * devices that are not spread. Writes a tensor (points × vectors) to `path`, and to `names` what
 * the vectors are called, one a line. The first of a transient is time. */
mgd_status mgd_spice_raw(mgd_context *ctx, const mgd_spice_specification *spec,
                         mgd_spice_circuit *circuit, FILE *in, const char *path, FILE *names);

/* Reads the same, and writes what each parameter and device is there: its name and its value, one a
 * line. */
mgd_status mgd_spice_values(mgd_context *ctx, const mgd_spice_specification *spec,
                            mgd_spice_circuit *circuit, FILE *in, FILE *values);

#endif
