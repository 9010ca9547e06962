/* random (CDMA, SPSA): fair signs, drawn anew in each slot: bits of Philox blocks, which are kept
 * while slots share them. A sparse one draws a word for each parameter instead. */

#include "code.h"

#define LOG_BLOCK_BITS 7 /* of MGD_BLOCK_BITS */

typedef struct {
    unsigned log_bits;  /* dense: a slot takes 2^log_bits bits of a block, at most 128, … */
    unsigned log_slots; /* … so that one block serves 2^log_slots slots */
} packing;

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    (void)train;
    MGD_TRY(mgd_allocate(ctx, "signs", 1, sizeof(packing), &code->state));
    packing *p = code->state;
    while (p->log_bits < LOG_BLOCK_BITS && 1u << p->log_bits < code->parameters)
        p->log_bits++;
    p->log_slots = LOG_BLOCK_BITS - p->log_bits;
    return MGD_OK;
}

static const char *const reads[] = {"sparsity", NULL};
const mgd_code_type mgd_code_random = {
    .name = "random", .reads = reads, .own = true, .zeroing = true, .open = open};

/* ---- kept words ------------------------------------------------------------------------------ */

#define MAX_KEPT 64 /* Philox blocks; what steps of a block further apart need is drawn again */

static bool draws_bits(const mgd_code *code) {
    return code->type == &mgd_code_random && !code->zero_below;
}

bool mgd_code_is_signs(const mgd_code *code) {
    return draws_bits(code) && !code->uneven;
}

mgd_status mgd_code_cache_open(mgd_context *ctx, const mgd_code *code, size_t slots, size_t width,
                               mgd_code_cache *out) {
    mgd_code_cache cache = {0};
    if (draws_bits(code)) {
        cache.kept = (size_t)mgd_power_of_two_from(slots < MAX_KEPT ? slots : MAX_KEPT);
        cache.indices = (code->parameters + MGD_BLOCK_BITS - 1) / MGD_BLOCK_BITS;
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
    const packing *p = code->state;
    uint64_t block = slot >> p->log_slots;
    size_t entry = (size_t)block & (cache->kept - 1);
    uint32_t *words = cache->words + entry * 4 * cache->indices * width;
    if (cache->block[entry] != block) {
        if (width == 1)
            kernels->block_words(code->seed, MGD_STREAM_CODE, *replica, block, 0, cache->indices,
                                 words);
        for (size_t i = 0; i < cache->indices && width > 1; i++)
            kernels->words(code->seed, MGD_STREAM_CODE, replica, block, (uint32_t)i, width,
                           words + i * 4 * width);
        cache->block[entry] = block;
    }
    signs.words = words;
    signs.bit = ((size_t)slot & (((size_t)1 << p->log_slots) - 1)) << p->log_bits;
    return signs;
}
