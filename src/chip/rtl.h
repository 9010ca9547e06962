/* rtl: a learning circuit in Verilog as a chip. Its program (src/verilog/worker.cpp), made by
 * Verilator, is a child process whose registers are read and written; docs/guide/26-rtl.md has
 * them. The circuit holds the weights, perturbs, integrates and writes; the network is evaluated
 * here, on the weights that it shows.
 *
 * A message to the program is a count and so many orders of 8 bytes; its answer is a head and the
 * words that the orders read, all in the byte order of this machine. The program greets first.
 */
#ifndef MGD_CHIP_RTL_H
#define MGD_CHIP_RTL_H

#include "chip.h"

#define MGD_RTL_GREETING "mgd-rtl1"
#define MGD_RTL_WEIGHTS 0x1000 /* the register of the first synapse … */
#define MGD_RTL_MOST 0xf000    /* … and how many there may be */

enum {
    MGD_RTL_ID,
    MGD_RTL_SYNAPSES,
    MGD_RTL_WEIGHT_BITS,
    MGD_RTL_COST_BITS,
    MGD_RTL_AMPLITUDE,
    MGD_RTL_FIXED, /* registers that say what the circuit is */
    MGD_RTL_PHASE = 8,
    MGD_RTL_COST,
    MGD_RTL_STEP,
    MGD_RTL_BUSY,
};

typedef struct {
    const char *program; /* its path */
    const char *name;    /* of the circuit, in messages */
    double lsb;          /* θ = lsb · weight */
    double cost_range;   /* the cost at full scale */
    double timeout;      /* seconds for an answer */
} mgd_rtl_spec;

/* What the circuit says of itself. */
typedef struct {
    uint32_t synapses, weight_bits, cost_bits, amplitude;
} mgd_rtl_about;

/* Starts the program and looks whether its circuit has a synapse for each parameter of the network,
 * which the chip uses as long as it lives. Copies the specification. */
mgd_status mgd_chip_rtl(mgd_context *ctx, mgd_net *net, const mgd_rtl_spec *spec, mgd_chip **out);
mgd_rtl_about mgd_rtl_about_of(const mgd_chip *chip);
/* Whether the circuit is as a run has left it, and can go on with that. */
bool mgd_rtl_goes_on(const mgd_chip *chip);
/* Ends the program for good: lessons fail from now on. */
void mgd_rtl_close(mgd_chip *chip);

#endif
