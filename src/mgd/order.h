/* In which order samples are shown. Replicas come in units of `lanes`, side by side. */
#ifndef MGD_MGD_ORDER_H
#define MGD_MGD_ORDER_H

#include "random.h"

typedef struct {
    bool shuffle; /* false: 1, 2, …, N, 1, … for every replica */
    uint64_t seed;
    uint64_t samples; /* N */
} mgd_order;

/* What a unit keeps of its present epoch. */
typedef struct {
    uint64_t epoch;  /* UINT64_MAX: none */
    uint8_t *table;  /* small N: (N × lanes) the permutations; else NULL */
    uint32_t *words; /* (4 × lanes) random words; for large N the keys of the permutations */
    uint32_t *left;  /* small N: (lanes) what is left of a word */
} MGD_OWN_LINE mgd_order_cache;

mgd_status mgd_order_open(mgd_context *ctx, const mgd_order *order, size_t lanes,
                          mgd_order_cache *out);
void mgd_order_close(mgd_order_cache *cache);

/* samples (count × lanes) ← the samples (0-based) at places `place` … `place + count − 1` of the
 * endless sequence of epochs, one lane for each number in `replica`. Any place can be asked for, in
 * any order; each epoch shows every sample once. */
void mgd_order_fill(const mgd_order *order, const mgd_random_kernels *kernels,
                    mgd_order_cache *cache, const uint64_t *replica, size_t lanes, uint64_t place,
                    size_t count, uint32_t *samples);

#endif
