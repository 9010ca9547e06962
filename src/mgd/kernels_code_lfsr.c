/* The code of a shift register: parameter i is i slots ahead of parameter 0. */

#include "code_lfsr.h"
#include "kernels_code.h"

static void row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out) {
    static const uint32_t zero[2] = {0};
    const mgd_register *r = code->state;
    const uint32_t flip = flip_of(code, at->slot);
    uint64_t place = at->slot % code->period;
    bool blank = r->balanced && place + 1 == code->period;
    if (blank)
        for (size_t i = 0; i < n; i += VEC_LANES)
            signs_row(zero, 0, flip, VEC_LANES, (real *)out + i);
    else
        signs_row(r->sequence, (size_t)place + first, flip, n, out);
}

const mgd_pattern_kernels CODE_KERNEL(lfsr) = {.row = row};
