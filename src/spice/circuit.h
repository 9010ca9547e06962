/* circuit: the netlist in ngspice, and its evaluation: outputs as a function of θ, x and what they
 * are drawn from, whatever was evaluated before.
 *
 * Letters: P parameters, I inputs, O outputs.
 */
#ifndef MGD_SPICE_CIRCUIT_H
#define MGD_SPICE_CIRCUIT_H

#include "specification.h"

typedef struct mgd_spice_circuit mgd_spice_circuit;

/* One evaluation. */
typedef struct {
    const double *theta, *x; /* (P), (I) */
    uint64_t replica;        /* whose devices these are; 0: none is spread */
    bool noisy;              /* with noise, of: */
    uint64_t seed, step;
    unsigned tick;
    uint32_t sample;
} mgd_spice_point;

/* Loads the netlist into the library, which is open, and tries all that is to be set. The
 * specification must outlive the circuit. */
mgd_status mgd_spice_circuit_open(mgd_context *ctx, const mgd_spice_specification *spec,
                                  mgd_spice_circuit **out);
void mgd_spice_circuit_close(mgd_spice_circuit *c);

/* θ (P) of the netlist. */
void mgd_spice_circuit_theta(const mgd_spice_circuit *c, double *theta);
/* What parameter or device number i of the specification is at a point. */
double mgd_spice_circuit_value(mgd_spice_circuit *c, const mgd_spice_point *point, size_t i);

/* Outputs (O). Fails with ngspice's own words. */
mgd_status mgd_spice_circuit_evaluate(mgd_context *ctx, mgd_spice_circuit *c,
                                      const mgd_spice_point *point, double *outputs);
/* The same once, leaving the plot as it is: all of its vectors can be read. */
mgd_status mgd_spice_circuit_analyse(mgd_context *ctx, mgd_spice_circuit *c,
                                     const mgd_spice_point *point);

#endif
