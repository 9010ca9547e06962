/* The allocator seam: counts what is live and can be told to fail. Each block carries its size in a
 * header of one alignment unit, so that freeing needs no size.
 */

#include "base.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    size_t bytes;
} header;

static atomic_size_t live_blocks, live_bytes, total_blocks;
static atomic_uint_fast64_t fail_countdown; /* 0: never; 1: from now on; n: after n − 1 more */

void mgd_memory_fail_from(uint64_t n) {
    atomic_store(&fail_countdown, n);
}

mgd_memory mgd_memory_stats(void) {
    return (mgd_memory){atomic_load(&live_blocks), atomic_load(&live_bytes),
                        atomic_load(&total_blocks)};
}

/* True when this allocation is to fail. Failing is sticky: a single failure could be hidden by a
 * retry after garbage collection. */
static bool must_fail(void) {
    uint_fast64_t n = atomic_load(&fail_countdown);
    while (n > 1)
        if (atomic_compare_exchange_weak(&fail_countdown, &n, n - 1))
            return false;
    return n == 1;
}

void *mgd_calloc(size_t count, size_t size) {
    size_t bytes;
    if (must_fail() || __builtin_mul_overflow(count, size, &bytes))
        return NULL;
    size_t padded;
    if (__builtin_add_overflow(bytes, (size_t)2 * MGD_ALIGNMENT - 1, &padded))
        return NULL;
    padded &= ~(size_t)(MGD_ALIGNMENT - 1);
    char *block = aligned_alloc(MGD_ALIGNMENT, padded);
    if (!block)
        return NULL;
    memset(block, 0, padded);
    ((header *)(void *)block)->bytes = bytes;
    atomic_fetch_add(&live_blocks, 1);
    atomic_fetch_add(&live_bytes, bytes);
    atomic_fetch_add(&total_blocks, 1);
    return block + MGD_ALIGNMENT;
}

void mgd_free(void *pointer) {
    if (!pointer)
        return;
    char *block = (char *)pointer - MGD_ALIGNMENT;
    atomic_fetch_sub(&live_blocks, 1);
    atomic_fetch_sub(&live_bytes, ((header *)(void *)block)->bytes);
    free(block);
}

mgd_status mgd_allocate(mgd_context *ctx, const char *name, size_t count, size_t size, void **out) {
    void *memory = mgd_calloc(count, size);
    if (!memory)
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %s needs %.0f bytes", name,
                        (double)count * (double)size);
    *out = memory;
    return MGD_OK;
}
