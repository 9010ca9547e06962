/* wires: the circuit of an array whose wires have a resistance. Its kernels are in
 * kernels_wires.c, to first order, and model_wires.c, as it is.
 */
#ifndef MGD_HW_WIRES_H
#define MGD_HW_WIRES_H

#include "hw.h"

/* Input wires of an array, that of the bias included. */
static inline size_t mgd_hw_array_wires(const mgd_hw_array *array) {
    return array->inputs + (array->bias != SIZE_MAX);
}

/* The site of device (o, i); the bias is at i = inputs. */
static inline size_t mgd_hw_array_site(const mgd_hw_array *array, size_t o, size_t i) {
    for (size_t b = 0; b < array->num_blocks; b++) {
        if (i < array->block[b].width)
            return array->block[b].first + o * array->block[b].width + i;
        i -= array->block[b].width;
    }
    return array->bias + o;
}

/* What it takes to solve the circuit of an array once: nodes, and floating-point operations. */
size_t mgd_hw_nodes(const mgd_hw_array *array);
double mgd_hw_nodal_flop(const mgd_hw_array *array);

#endif
