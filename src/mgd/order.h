/* In which order samples are shown. */
#ifndef MGD_MGD_ORDER_H
#define MGD_MGD_ORDER_H

#include "../base/base.h"

#define MGD_ORDER_TABLE 256 /* up to so many samples an epoch's permutation is kept as a table */

typedef struct {
    bool shuffle; /* false: 1, 2, …, N, 1, … for every replica */
    uint64_t seed;
    uint64_t samples; /* N */
} mgd_order;

/* What one replica keeps of its present epoch; all zero means none. */
typedef struct {
    uint64_t epoch_plus_1;
    uint32_t key[4];                /* N > MGD_ORDER_TABLE: round keys of the permutation */
    uint8_t table[MGD_ORDER_TABLE]; /* else: the permutation */
} mgd_order_cache;

/* The sample (0-based) at place `place` of epoch `epoch`. Any place can be asked for, in any order;
 * each epoch shows every sample once. */
uint32_t mgd_order_sample(const mgd_order *order, mgd_order_cache *cache, uint64_t replica,
                          uint64_t epoch, uint64_t place);

#endif
