/* The order of samples: a permutation per epoch and replica, from a stream of its own. Small sets
 * are shuffled into a table (Fisher and Yates). Larger ones go through a keyed bijection, a Feistel
 * network on the smallest square power of two, walked until it lands below N: any place can be
 * computed alone and nothing of size N is stored.
 */

#include "order.h"

static void shuffle_table(const mgd_order *order, mgd_order_cache *cache, uint64_t replica,
                          uint64_t epoch) {
    size_t n = (size_t)order->samples;
    for (size_t i = 0; i < n; i++)
        cache->table[i] = (uint8_t)i;
    uint32_t words[4];
    for (size_t i = n; i-- > 1;) {
        size_t draw = n - 1 - i;
        if (draw % 4 == 0)
            mgd_random_words(order->seed, MGD_STREAM_ORDER, replica, epoch, (uint32_t)(draw / 4),
                             words);
        size_t other = (size_t)((uint64_t)words[draw % 4] * (i + 1) >> 32);
        uint8_t swap = cache->table[i];
        cache->table[i] = cache->table[other];
        cache->table[other] = swap;
    }
}

static void begin_epoch(const mgd_order *order, mgd_order_cache *cache, uint64_t replica,
                        uint64_t epoch) {
    cache->epoch_plus_1 = epoch + 1;
    if (order->samples <= MGD_ORDER_TABLE)
        shuffle_table(order, cache, replica, epoch);
    else
        mgd_random_words(order->seed, MGD_STREAM_ORDER, replica, epoch, 0, cache->key);
}

/* A well-mixing function of 32 bits: two rounds of multiply and xor-shift. */
static uint32_t mix(uint32_t x) {
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

static uint64_t walk(const mgd_order *order, const uint32_t key[4], uint64_t place) {
    unsigned half = 1;
    while (UINT64_C(1) << 2 * half < order->samples)
        half++;
    const uint32_t mask = (uint32_t)((UINT64_C(1) << half) - 1);
    do {
        uint32_t left = (uint32_t)(place >> half), right = (uint32_t)place & mask;
        for (int round = 0; round < 4; round++) {
            uint32_t next = left ^ (mix(right ^ key[round]) & mask);
            left = right;
            right = next;
        }
        place = (uint64_t)left << half | right;
    } while (place >= order->samples);
    return place;
}

uint32_t mgd_order_sample(const mgd_order *order, mgd_order_cache *cache, uint64_t replica,
                          uint64_t epoch, uint64_t place) {
    if (!order->shuffle)
        return (uint32_t)place;
    if (cache->epoch_plus_1 != epoch + 1)
        begin_epoch(order, cache, replica, epoch);
    if (order->samples <= MGD_ORDER_TABLE)
        return cache->table[place];
    return (uint32_t)walk(order, cache->key, place);
}
