/* The Walsh code: parities, 32 parameters at a time. */

#include "kernels_code.h"

/* Parities of j & k for j = 0 … 31, as bits: each bit of k doubles what the lower ones gave. */
INLINE uint32_t parities(uint32_t k) {
    uint32_t word = 0;
    for (unsigned b = 0; b < 5; b++) {
        uint32_t lower = word & (((uint32_t)1 << (1u << b)) - 1);
        word = lower | (k >> b & 1 ? ~lower : lower) << (1u << b);
    }
    return word;
}

/* s_i = (−1)^popcount((i + 1) & k): row i + 1 of the Hadamard matrix in natural order. Stores whole
 * vectors, as signs_row does. */
static void row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out) {
    const uint32_t k = (uint32_t)(at->slot & (code->period - 1));
    const uint32_t low = parities(k) ^ flip_of(code, at->slot);
    const vec_int steps = iota();
    for (size_t i = 0; i < n; i += VEC_LANES) {
        uint32_t j = (uint32_t)(first + i + 1), block = j & ~(uint32_t)31;
        uint64_t here = low ^ -(uint32_t)__builtin_parity(block & k);
        uint64_t next = low ^ -(uint32_t)__builtin_parity((block + 32) & k);
        uint32_t bits = (uint32_t)((next << 32 | here) >> j % 32);
        store((real *)out + i, sign_of(((real_int)bits - (vec_int){0}) >> steps));
    }
}

const mgd_pattern_kernels CODE_KERNEL(walsh) = {.row = row};
