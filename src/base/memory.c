/* The allocator seam: counts what is live and can be told to fail. Each block carries its size in a
 * header before it, so that freeing needs no size.
 */

#include "base.h"

#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define LARGE_BYTES ((size_t)1 << 24) /* blocks from this size on may have large pages */
#define ASK_BYTES                                                                                  \
    ((double)(1 << 28)) /* live bytes from which the machine's memory is looked at                 \
                         */

typedef struct {
    size_t bytes;
    void *block; /* what the C library gave */
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

static header *header_of(void *pointer) {
    return (header *)(void *)((char *)pointer - MGD_ALIGNMENT);
}

/* Bytes in a file that holds a number; infinite where it does not. */
static double limit_in(const char *path) {
    FILE *file = fopen(path, "r");
    double limit = INFINITY;
    if (file && fscanf(file, "%lf", &limit) != 1)
        limit = INFINITY; /* "max" */
    if (file)
        fclose(file);
    return limit;
}

/* Bytes that this process can have: those of the machine or of the group that it runs in. */
static double find_limit(void) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    double machine = pages > 0 && page > 0 ? (double)pages * (double)page : INFINITY;
    return fmin(machine, fmin(limit_in("/sys/fs/cgroup/memory.max"),
                              limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes")));
}

double mgd_memory_limit(void) {
    static _Atomic double limit; /* the same whoever finds it first */
    if (atomic_load(&limit) == 0)
        atomic_store(&limit, find_limit());
    return atomic_load(&limit);
}

/* Systems hand out more memory than they have and end the process that then touches it. */
static bool fits_machine(size_t bytes) {
    double wanted = (double)bytes + (double)atomic_load(&live_bytes);
    return wanted < ASK_BYTES || wanted < mgd_memory_limit();
}

/* The first touch of each page takes microseconds: reading Fashion-MNIST, half of the time. Large
 * pages are fewer. */
static void ask_for_large_pages(char *block, size_t bytes) {
#if defined(MADV_HUGEPAGE)
    if (bytes >= LARGE_BYTES) {
        size_t page = (size_t)sysconf(_SC_PAGESIZE), past = (uintptr_t)block % page;
        char *first = block + (past ? page - past : 0);
        madvise(first, bytes - (size_t)(first - block), MADV_HUGEPAGE); /* a hint: may fail */
    }
#else
    (void)block, (void)bytes;
#endif
}

/* From calloc, which knows fresh pages to be zero already: they are touched when they are used. */
void *mgd_calloc(size_t count, size_t size) {
    size_t bytes, padded;
    if (must_fail() || __builtin_mul_overflow(count, size, &bytes) ||
        __builtin_add_overflow(bytes, (size_t)2 * MGD_ALIGNMENT, &padded) || !fits_machine(bytes))
        return NULL;
    char *block = calloc(1, padded);
    if (!block)
        return NULL;
    ask_for_large_pages(block, padded);
    size_t past = (uintptr_t)block % MGD_ALIGNMENT;
    char *pointer = block + 2 * MGD_ALIGNMENT - past; /* room for a header, then aligned */
    if (past == 0)
        pointer = block + MGD_ALIGNMENT;
    *header_of(pointer) = (header){bytes, block};
    atomic_fetch_add(&live_blocks, 1);
    atomic_fetch_add(&live_bytes, bytes);
    atomic_fetch_add(&total_blocks, 1);
    return pointer;
}

void mgd_free(void *pointer) {
    if (!pointer)
        return;
    header h = *header_of(pointer);
    atomic_fetch_sub(&live_blocks, 1);
    atomic_fetch_sub(&live_bytes, h.bytes);
    free(h.block);
}

bool mgd_take(void *slot, size_t count, size_t size) {
    void *memory = mgd_calloc(count, size);
    memcpy(slot, &memory, sizeof memory);
    return memory != NULL;
}

mgd_status mgd_allocate(mgd_context *ctx, const char *name, size_t count, size_t size, void **out) {
    void *memory = mgd_calloc(count, size);
    if (!memory)
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %s needs %.0f bytes", name,
                        (double)count * (double)size);
    *out = memory;
    return MGD_OK;
}
