/* code_lfsr: what the code of a shift register keeps for its kernel. */
#ifndef MGD_MGD_CODE_LFSR_H
#define MGD_MGD_CODE_LFSR_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
    bool balanced;       /* the last slot of a period shows +1 everywhere */
    uint32_t sequence[]; /* bits of a period and of P slots more, one word more */
} mgd_register;

#endif
