/* The sequential code: 1 at one parameter, 0 elsewhere. */

#include "kernels_code.h"

static void row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out) {
    const uint32_t *order = code->state; /* NULL: 0, 1, 2, … */
    size_t visited = (size_t)(at->slot % code->period);
    if (order)
        visited = order[visited];
    memset(out, 0, n * sizeof(real));
    if (visited >= first && visited - first < n)
        ((real *)out)[visited - first] = 1;
}

const mgd_pattern_kernels CODE_KERNEL(sequential) = {.row = row};
