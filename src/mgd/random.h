/* Kernels of randomness: random words and orders of samples, for many replicas at once. */
#ifndef MGD_MGD_RANDOM_H
#define MGD_MGD_RANDOM_H

#include "../base/base.h"

/* Kernels that draw. `replica` is an array of replica numbers, one for each lane. */
typedef struct {
    /* out (4 × width): a Philox block for each replica */
    void (*words)(uint64_t seed, mgd_stream stream, const uint64_t *replica, uint64_t step,
                  uint32_t index, size_t width, uint32_t *out);
    /* out (blocks × 4): blocks of index from, from + 1, … of one replica */
    void (*block_words)(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                        uint32_t from, size_t blocks, uint32_t *out);
    /* Feistel permutations of n places with keys (4 × lanes), the smallest square of 2^half that
     * holds n being their range. samples (count × lanes) ← where places place … go to. */
    void (*walk)(uint64_t n, unsigned half, const uint32_t *keys, size_t lanes, uint32_t place,
                 size_t count, uint32_t *samples);
    /* Swaps row i of the table (… × lanes), in each lane, with one of the rows up to i that is
     * chosen by what is `left` of a random word (lanes). */
    void (*exchange)(uint8_t *table, uint32_t *left, size_t lanes, size_t i);
    /* samples (count × lanes) ← first, first + 1, …, alike in all lanes; or (n) ← a table's */
    void (*count_up)(uint32_t first, size_t count, size_t lanes, uint32_t *samples);
    void (*widen)(const uint8_t *table, size_t n, uint32_t *samples);
} mgd_random_kernels;

#endif
