/* specification: what a worker is to be, as a text that the host writes: one item a line, words
 * with one space between, numbers as C writes them (%.17g). `mgd-spice 1` is first and `netlist`
 * last; the others come in any order.
 *
 *   library PATH                      ngspice's shared library; else libngspice.so.0
 *   analysis op                       or:
 *   analysis tran STEP STOP AVERAGE   in seconds: outputs are means over the last AVERAGE; inputs
 *                                     step at 0 from their values in the netlist; or, with a word
 *                                     uic behind it, all begins at the initial conditions
 *   seconds 10                        limit of an evaluation
 *   grows 256                         MiB by which the process may grow before it ends itself
 *   retry 1                           a failed evaluation is tried with other ways to converge
 *   on_failure stop                   or skip: its outputs are nan
 *   seed 7                            of the chip: what differs between replicas follows from it
 *   option reltol=1e-6                of ngspice, besides the netlist's own
 *   parameter NAME KIND TARGET VALUE  in the order of θ; VALUE "-": ngspice is asked
 *   device NAME KIND TARGET VALUE     no parameter, but something that is spread or noisy
 *   spread NAME SIGMA relative        or absolute; of either, drawn for each replica
 *   noise NAME SIGMA relative         or absolute; drawn for each measurement
 *   input SOURCE SCALE OFFSET         in the order of the features: its value is SCALE·x + OFFSET
 *   output WORD …                     see expression.h
 *   netlist                           and all lines behind it: the netlist, a title first
 */
#ifndef MGD_SPICE_SPECIFICATION_H
#define MGD_SPICE_SPECIFICATION_H

#include "../base/base.h"

/* How a value is set; rows of circuit.c. */
typedef enum {
    MGD_SPICE_VALUE,  /* alter r1 = v */
    MGD_SPICE_FIELD,  /* alter @m1[w] = v */
    MGD_SPICE_MODEL,  /* altermod nch vto = v, of the target nch:vto */
    MGD_SPICE_PARAM,  /* alterparam p = v, then reset */
    MGD_SPICE_OPTION, /* option temp = v */
    MGD_SPICE_KINDS
} mgd_spice_kind;

/* A parameter or device. */
typedef struct {
    const char *name, *target;
    mgd_spice_kind kind;
    double value; /* NAN: ngspice is to be asked */
} mgd_spice_item;

/* σz of an item, z of N(0, 1): added, or times its value. */
typedef struct {
    size_t item;
    double sigma;
    bool relative;
} mgd_spice_draw;

typedef struct {
    const char *source;
    double scale, offset;
} mgd_spice_input;

typedef struct {
    const char *library; /* NULL: where the loader finds it */
    bool tran, uic;
    double step, stop, average; /* s */
    double seconds, grows;
    bool retry, skip;
    uint64_t seed;
    mgd_spice_item *items; /* (count) parameters, then devices */
    size_t parameters, count;
    mgd_spice_draw *spreads, *noises;
    size_t num_spreads, num_noises;
    mgd_spice_input *inputs;
    size_t num_inputs;
    const char **outputs; /* their words */
    size_t num_outputs;
    char **netlist; /* lines, the options among them, ".end", NULL */

    unsigned long crc; /* of the whole text: another netlist is another chip */
    char *text;        /* which all texts above are part of */
} mgd_spice_specification;

mgd_status mgd_spice_specification_read(mgd_context *ctx, const char *path,
                                        mgd_spice_specification *out);
void mgd_spice_specification_free(mgd_spice_specification *s);

#endif
