/* code_outer: what the code of rows and columns keeps for its kernel. */
#ifndef MGD_MGD_CODE_OUTER_H
#define MGD_MGD_CODE_OUTER_H

#include <stddef.h>
#include <stdint.h>

/* Parameters first … first + count − 1. That of row i and column j is perturbed by sources row + i
 * and column + j; where `columns` is 0, the i-th is by source row + i alone. */
typedef struct {
    size_t first, count, columns;
    size_t row, column;
} mgd_outer_block;

/* All parameters, in the order of θ. */
typedef struct {
    uint32_t *sequence; /* source k is k bits ahead of the slot; NULL: sources are random bits */
    size_t num_blocks;
    mgd_outer_block block[];
} mgd_outer;

#endif
