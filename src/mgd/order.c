/* The order of samples: a permutation per epoch and replica, from a stream of its own. Small sets
 * are shuffled into a table (Fisher and Yates). Larger ones go through a keyed bijection, a Feistel
 * network on the smallest square power of two, walked until it lands below N: any place can be
 * computed alone and nothing of size N is stored.
 */

#include "order.h"

#include <string.h>

#define TABLE_SAMPLES 256     /* largest N with a table */
#define WORD_RANGE (1u << 12) /* choices taken from one 32-bit word: a bias below 2^−20 */

mgd_status mgd_order_open(mgd_context *ctx, const mgd_order *order, size_t lanes,
                          mgd_order_cache *out) {
    bool small = order->samples <= TABLE_SAMPLES;
    mgd_order_cache cache = {
        .epoch = UINT64_MAX,
        .table = small ? mgd_calloc((size_t)order->samples, lanes) : NULL,
        .left = small ? mgd_calloc(lanes, sizeof(uint32_t)) : NULL,
        .words = mgd_calloc(4 * lanes, sizeof(uint32_t)),
    };
    if (!cache.words || (small && (!cache.table || !cache.left))) {
        mgd_order_close(&cache);
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: order of the samples of %zu lanes",
                        lanes);
    }
    *out = cache;
    return MGD_OK;
}

void mgd_order_close(mgd_order_cache *cache) {
    mgd_free(cache->table);
    mgd_free(cache->words);
    mgd_free(cache->left);
}

/* ---- small sets ------------------------------------------------------------------------------ */

/* Whether one word is enough to shuffle n samples; four epochs then share a Philox block. */
static bool one_word(uint64_t n) {
    uint64_t range = 1;
    for (uint64_t i = 2; i <= n && range <= WORD_RANGE; i++)
        range *= i;
    return range <= WORD_RANGE;
}

static void shuffle_lanes(const mgd_order *order, const mgd_random_kernels *kernels,
                          mgd_order_cache *cache, const uint64_t *replica, size_t lanes,
                          uint64_t epoch) {
    size_t n = (size_t)order->samples, used = 0, range = WORD_RANGE;
    bool shared = one_word(n);
    for (size_t i = 0; i < n; i++)
        memset(cache->table + i * lanes, (int)i, lanes);
    for (size_t i = n; i-- > 1;) {
        range *= i + 1;
        if (range > WORD_RANGE) {
            size_t at = shared ? (size_t)(epoch % 4) : used++;
            if (shared || at % 4 == 0)
                kernels->words(order->seed, MGD_STREAM_ORDER, replica, shared ? epoch / 4 : epoch,
                               (uint32_t)(shared ? 0 : at / 4), lanes, cache->words);
            memcpy(cache->left, cache->words + at % 4 * lanes, lanes * sizeof *cache->left);
            range = shared ? 1 : i + 1;
        }
        kernels->exchange(cache->table, cache->left, lanes, i);
    }
}

/* ---- large sets ------------------------------------------------------------------------------ */

/* Half the bits of the smallest square power of two that holds n. */
static unsigned half_bits(uint64_t n) {
    unsigned half = 1;
    while (UINT64_C(1) << 2 * half < n)
        half++;
    return half;
}

/* ---- any ------------------------------------------------------------------------------------- */

static void begin_epoch(const mgd_order *order, const mgd_random_kernels *kernels,
                        mgd_order_cache *cache, const uint64_t *replica, size_t lanes,
                        uint64_t epoch) {
    cache->epoch = epoch;
    if (cache->table)
        shuffle_lanes(order, kernels, cache, replica, lanes, epoch);
    else
        kernels->words(order->seed, MGD_STREAM_ORDER, replica, epoch, 0, lanes, cache->words);
}

void mgd_order_fill(const mgd_order *order, const mgd_random_kernels *kernels,
                    mgd_order_cache *cache, const uint64_t *replica, size_t lanes, uint64_t place,
                    size_t count, uint32_t *samples) {
    uint64_t n = order->samples, epoch = place / n;
    place -= epoch * n;
    for (size_t done = 0, some; done < count; done += some, place = 0, epoch++) {
        some = n - place < count - done ? (size_t)(n - place) : count - done; /* of this epoch */
        uint32_t *out = samples + done * lanes;
        if (order->shuffle && cache->epoch != epoch)
            begin_epoch(order, kernels, cache, replica, lanes, epoch);
        if (!order->shuffle)
            kernels->count_up((uint32_t)place, some, lanes, out);
        else if (cache->table)
            kernels->widen(cache->table + place * lanes, some * lanes, out);
        else
            kernels->walk(n, half_bits(n), cache->words, lanes, (uint32_t)place, some, out);
    }
}
