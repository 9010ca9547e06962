/* Patterns that a function gave. */

#include "kernels_code.h"

static void row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out) {
    memcpy(out, mgd_code_row(code, at->slot, first), n * sizeof(real));
}

const mgd_pattern_kernels CODE_KERNEL(function) = {.row = row};
