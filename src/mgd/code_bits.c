/* Random bits of the codes that draw some in each slot: Philox blocks, which are kept while slots
 * share them. */

#include "code.h"

#define LOG_BLOCK_BITS 7 /* of MGD_BLOCK_BITS */
#define MAX_KEPT 64 /* Philox blocks; what steps of a block further apart need is drawn again */

static bool draws_bits(const mgd_code *code) {
    return code->bits > 0 && !code->zero_below;
}

bool mgd_code_is_signs(const mgd_code *code) {
    return code->type->signs && draws_bits(code) && !code->uneven;
}

mgd_status mgd_code_cache_open(mgd_context *ctx, const mgd_code *code, size_t slots, size_t width,
                               mgd_code_cache *out) {
    mgd_code_cache cache = {0};
    if (draws_bits(code)) {
        while (cache.log_bits < LOG_BLOCK_BITS && 1u << cache.log_bits < code->bits)
            cache.log_bits++;
        cache.log_slots = LOG_BLOCK_BITS - cache.log_bits;
        cache.kept = (size_t)mgd_power_of_two_from(slots < MAX_KEPT ? slots : MAX_KEPT);
        cache.indices = (code->bits + MGD_BLOCK_BITS - 1) / MGD_BLOCK_BITS;
        if (!mgd_take(&cache.block, cache.kept, sizeof(uint64_t)) ||
            !mgd_take(&cache.words, cache.kept * 4 * cache.indices + 1, width * sizeof(uint32_t))) {
            mgd_code_cache_close(&cache);
            return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: signs of %zu parameters",
                            code->parameters);
        }
        mgd_code_cache_forget(&cache);
    }
    *out = cache;
    return MGD_OK;
}

void mgd_code_cache_close(mgd_code_cache *cache) {
    mgd_free(cache->block);
    mgd_free(cache->words);
    *cache = (mgd_code_cache){0};
}

void mgd_code_cache_forget(mgd_code_cache *cache) {
    for (size_t i = 0; i < cache->kept; i++)
        cache->block[i] = UINT64_MAX;
}

/* A slot finds its bits in block number slot / 2^log_slots, behind those of the slots before. */
mgd_pattern mgd_code_signs(const mgd_code *code, mgd_code_cache *cache,
                           const mgd_random_kernels *kernels, const uint64_t *replica,
                           uint64_t slot, size_t width) {
    mgd_pattern signs = {.kind = MGD_PATTERN_SIGNS};
    if (cache->kept == 0)
        return signs;
    uint64_t block = slot >> cache->log_slots;
    size_t entry = (size_t)block & (cache->kept - 1);
    uint32_t *words = cache->words + entry * 4 * cache->indices * width;
    if (cache->block[entry] != block) {
        if (width == 1)
            kernels->block_words(code->seed, code->stream, *replica, block, 0, cache->indices,
                                 words);
        for (size_t i = 0; i < cache->indices && width > 1; i++)
            kernels->words(code->seed, code->stream, replica, block, (uint32_t)i, width,
                           words + i * 4 * width);
        cache->block[entry] = block;
    }
    signs.words = words;
    signs.bit = ((size_t)slot & (((size_t)1 << cache->log_slots) - 1)) << cache->log_bits;
    return signs;
}
