/* code_sine: what the sine code keeps for its kernel. */
#ifndef MGD_MGD_CODE_SINE_H
#define MGD_MGD_CODE_SINE_H

#include <stdint.h>

/* Of each parameter: cycles per slot and cycles, in units of 2^−64. */
typedef struct {
    uint64_t frequency, phase;
} mgd_oscillator;

#endif
