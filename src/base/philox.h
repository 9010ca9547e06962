/* Philox4x32-10 for a vector of counters; only kernels*.c include it. The 32-bit words of Philox
 * lie in the lower halves of 64-bit lanes, where the machine multiplies them; what the upper halves
 * hold does not matter.
 */
#ifndef MGD_BASE_PHILOX_H
#define MGD_BASE_PHILOX_H

#include "base.h"
#include "simd.h"

#define PHILOX_LANES (VEC_BYTES / sizeof(uint32_t)) /* counters at once: two vectors of them */
#define PHILOX_HALF (PHILOX_LANES / 2)
#define PHILOX_ROUNDS 10

typedef struct {
    vec_u64 word[4][2]; /* [number of the word][first and second half of the lanes] */
} philox_words;

INLINE void philox_round(uint32_t key0, uint32_t key1, philox_words *w) {
    for (int h = 0; h < 2; h++) {
        vec_u64 a = multiply_words(w->word[0][h], 0xD2511F53);
        vec_u64 b = multiply_words(w->word[2][h], 0xCD9E8D57);
        w->word[0][h] = b >> 32 ^ w->word[1][h] ^ key0;
        w->word[2][h] = a >> 32 ^ w->word[3][h] ^ key1;
        w->word[1][h] = b;
        w->word[3][h] = a;
    }
}

/* Of `sets` sets of counters with one key, side by side: a few hide each other's latency. */
INLINE void philox_sets(uint64_t seed, size_t sets, philox_words *w) {
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        for (size_t set = 0; set < sets; set++)
            philox_round(key0, key1, &w[set]);
        key0 += 0x9E3779B9;
        key1 += 0xBB67AE85;
    }
}

/* out (PHILOX_LANES) ← word number i */
INLINE void store_words(const philox_words *w, int i, uint32_t *out) {
    for (int h = 0; h < 2; h++) {
        words_half lower = __builtin_convertvector(w->word[i][h], words_half);
        memcpy(out + h * (int)PHILOX_HALF, &lower, sizeof lower);
    }
}

#endif
