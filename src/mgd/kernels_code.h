/* kernels_code.h: what the kernels of codes share; only kernels_code*.c include it. A pattern's
 * values are functions of (seed, replica, slot, parameter), the same in a row and in lanes.
 */
#ifndef MGD_MGD_KERNELS_CODE_H
#define MGD_MGD_KERNELS_CODE_H

#include "../base/normals.h"
#include "code.h"

#define CODE_KERNEL(name) MGD_PASTE(code_##name, MGD_ISA_SUFFIX, MGD_REAL_BITS)

extern const mgd_random_kernels MGD_KERNEL_TABLE(random);

/* ---- signs ----------------------------------------------------------------------------------- */

#define SIGN_SHIFT ((int)(8 * sizeof(real)) - 1)

/* +1 where the lowest bit is 0, −1 where it is 1 */
INLINE vec sign_of(vec_int bits) {
    const vec one = splat(1);
    return (vec)((vec_int)one | bits << SIGN_SHIFT);
}

INLINE vec_int iota(void) {
    vec_int v;
    for (size_t lane = 0; lane < VEC_LANES; lane++)
        v[lane] = (real_int)lane;
    return v;
}

/* Signs of bits from bit `at` on, all turned over with `flip`. Stores whole vectors: `out` has room
 * for VEC_LANES − 1 reals more than `count`, and `words` for one more than the pattern has. */
static inline void signs_row(const uint32_t *words, size_t at, uint32_t flip, size_t count,
                             real *out) {
    const vec_int steps = iota();
    for (size_t i = 0; i < count; i += VEC_LANES) {
        uint32_t bits = mgd_code_bits(words, at + i) ^ flip;
        store(out + i, sign_of(((real_int)bits - (vec_int){0}) >> steps));
    }
}

/* All bits turned over in odd periods, where the code alternates. */
static inline uint32_t flip_of(const mgd_code *code, uint64_t slot) {
    return code->alternate && (slot / code->period & 1) ? UINT32_MAX : 0;
}

/* s, or 0 where the lower 31 bits of the word fall below the share of zeros */
INLINE vec masked(const mgd_code *code, vec s, vec_int word) {
    return pick((word & 0x7fffffff) < (real_int)code->zero_below, splat(0), s);
}

/* ---- words ----------------------------------------------------------------------------------- */

/* Parameters at once; whole vectors are read and stored. */
#define CHUNK ((size_t)64)
#define CHUNK_WORDS (CHUNK + 8 + VEC_LANES)

/* A word for each of n parameters, n ≤ CHUNK: where they begin in `words` (CHUNK_WORDS). */
static inline const uint32_t *row_words(const mgd_code *code, const mgd_code_place *at,
                                        mgd_stream stream, uint64_t step, size_t first, size_t n,
                                        uint32_t *words) {
    size_t block = first / 4, blocks = (first + n + 3) / 4 - block;
    MGD_KERNEL_TABLE(random).block_words(code->seed, stream, *at->replica, step, (uint32_t)block,
                                         blocks, words);
    return words + first % 4;
}

/* Words of parameter i in each lane of a tile, out of `drawn` (4 × LANES): drawn when it is the
 * first one asked for, or the first of its block. */
static inline const uint32_t *tile_words(const mgd_code *code, const mgd_code_place *at,
                                         mgd_stream stream, uint64_t step, size_t i, bool begin,
                                         uint32_t *drawn) {
    if (begin || i % 4 == 0)
        MGD_KERNEL_TABLE(random).words(code->seed, stream, at->replica, step, (uint32_t)(i / 4),
                                       LANES, drawn);
    return drawn + i % 4 * LANES;
}

/* Standard normals of n parameters, half a word for each: n ≤ CHUNK of a row, or out (n × LANES) of
 * a tile. */
void CODE_KERNEL(row_normals)(const mgd_code *code, const mgd_code_place *at, mgd_stream stream,
                              uint64_t step, size_t first, size_t n, real *out);
void CODE_KERNEL(tile_normals)(const mgd_code *code, const mgd_code_place *at, mgd_stream stream,
                               uint64_t step, size_t first, size_t n, real *out);

#endif
