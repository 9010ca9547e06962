/* base: what every other folder stands on. Status codes with an explicit context, one allocator
 * seam, counter-based random streams, a thread pool, the interrupt flag, a monotonic clock and the
 * choice of an instruction set. Nothing here knows tensors, networks or Lua.
 */
#ifndef MGD_BASE_H
#define MGD_BASE_H

#include "../mgd.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- status ---------------------------------------------------------------------------------- */

/* Records `code` and the message in `ctx` and returns `code`, so that a caller can write
 * `return mgd_fail(ctx, MGD_ERR_SHAPE, "matmul: …")`. */
mgd_status mgd_fail(mgd_context *ctx, mgd_status code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Returns early from the enclosing function when `call` fails. */
#define MGD_TRY(call)                                                                              \
    do {                                                                                           \
        mgd_status try_status_ = (call);                                                           \
        if (try_status_ != MGD_OK)                                                                 \
            return try_status_;                                                                    \
    } while (0)

/* Writes "2x3x4" (or "scalar") for use in messages; returns `buffer`. */
const char *mgd_shape_format(char *buffer, size_t capacity, size_t ndim, const size_t *shape);

/* ---- memory ---------------------------------------------------------------------------------- */

#define MGD_ALIGNMENT 64 /* bytes: one cache line, one tile of lanes */

/* For structures in arrays that threads write to, each its own: a cache line of their own, too. */
#define MGD_OWN_LINE __attribute__((aligned(MGD_ALIGNMENT)))

/* The only way to memory below src/lua. Zeroed, aligned to MGD_ALIGNMENT; NULL when it fails or
 * when count * size overflows. `mgd_free(NULL)` does nothing. */
void *mgd_calloc(size_t count, size_t size);
/* Bytes that this process can have. */
double mgd_memory_limit(void);
void mgd_free(void *pointer);

/* The same, with the failure told in `ctx`: "out of memory: NAME needs N bytes". */
mgd_status mgd_allocate(mgd_context *ctx, const char *name, size_t count, size_t size, void **out);

/* Stores fresh memory through `slot`, the address of a pointer, and says whether there was any: for
 * chains that stop at the first failure, `mgd_take(&a, …) && mgd_take(&b, …)`. */
bool mgd_take(void *slot, size_t count, size_t size);

/* ---- random streams -------------------------------------------------------------------------- */

/* Every consumer of randomness has a stream of its own; adding one never shifts another. The
 * values are part of the promise "same bits": never renumber, only append. */
typedef enum {
    MGD_STREAM_TENSOR = 1,     /* mgd.rand, mgd.randn */
    MGD_STREAM_INIT = 2,       /* initial parameters */
    MGD_STREAM_ORDER = 3,      /* order of the samples */
    MGD_STREAM_CODE = 4,       /* random codes */
    MGD_STREAM_PHASE = 5,      /* phases of sines, order of the sequential code */
    MGD_STREAM_DEVICE = 6,     /* what is drawn once for each device */
    MGD_STREAM_NOISE = 7,      /* what is drawn each time: evaluations, writes */
    MGD_STREAM_MASK = 8,       /* which parameters a sparse code leaves out */
    MGD_STREAM_AMPLITUDE = 9,  /* amplitudes that differ from parameter to parameter */
    MGD_STREAM_BOOTSTRAP = 10, /* resamples of statistics */
    MGD_STREAM_SWEEP = 11,     /* random points of sweeps */
    MGD_STREAM_SPLIT = 12,     /* which samples become the test set */
    MGD_STREAM_OUTER = 13,     /* generators of rows and columns */
} mgd_stream;

/* Philox4x32-10 (Salmon et al., SC 2011; Random123). The seed is the key; the counter is
 * (index, step, replica, stream): 32 bits of index, 40 of step, 48 of replica, 8 of stream.
 * Any word of any stream can be computed again, in any order, on any thread. */
void mgd_random_words(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                      uint32_t index, uint32_t out[4]);

/* The counter that mgd_random_words feeds to Philox; for kernels that run many lanes at once. */
static inline void mgd_random_counter(mgd_stream stream, uint64_t replica, uint64_t step,
                                      uint32_t index, uint32_t counter[4]) {
    counter[0] = index;
    counter[1] = (uint32_t)step;
    counter[2] = (uint32_t)(step >> 32 & 0xff) | (uint32_t)(replica << 8);
    counter[3] = (uint32_t)(replica >> 24 & 0xffffff) | (uint32_t)stream << 24;
}

/* Two independent doubles from one counter: uniform on the open interval (0, 1), multiples of
 * 2^-52 plus half a step; or standard normal (Box and Muller 1958). */
void mgd_random_uniform2(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                         uint32_t index, double out[2]);
void mgd_random_normal2(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                        uint32_t index, double out[2]);

/* A seed of its own for each name: how devices and models have streams that no other one shifts. */
uint64_t mgd_random_key(uint64_t seed, const char *name);

/* A perturbation of W replicas side by side as signs: that of parameter i in lane w is −amplitude
 * where bit (bit + i) % 32 of words[(bit + i) / 32 · W + w] is set, else +amplitude. */
typedef struct {
    const uint32_t *words;
    size_t bit;
    double amplitude;
} mgd_signs;

/* Samples of a set, each weighing so much. */
typedef struct {
    size_t count;
    const uint32_t *index;
    const double *weight;
} mgd_weighted;

/* ---- threads --------------------------------------------------------------------------------- */

typedef struct mgd_pool mgd_pool;

/* `threads` counts the caller. They are started when there is work for them. */
mgd_status mgd_pool_new(mgd_context *ctx, size_t threads, mgd_pool **out);
void mgd_pool_free(mgd_pool *pool);
size_t mgd_pool_threads(const mgd_pool *pool);

/* Runs task(arg, 0 … count − 1, worker), each index once, and returns when all are done; `worker`
 * in [0, threads) names the scratch memory that the call may use. Indices are handed out in order,
 * to whichever thread is free: which one runs a task must not matter. Not re-entrant. A NULL pool
 * runs everything on the calling thread. */
typedef void mgd_task(void *arg, size_t index, size_t worker);
void mgd_pool_run(mgd_pool *pool, mgd_task *task, void *arg, size_t count);

/* Number of processors that this process may use, or what MGD_THREADS says; fails when that is no
 * number of threads. */
mgd_status mgd_threads_default(mgd_context *ctx, size_t *out);

/* ---- interrupts ------------------------------------------------------------------------------ */

/* For loops to ask now and then, at least every 50 ms: where a request to stop waits for the
 * operation that this thread is in, counts it as answered and fails with MGD_ERR_INTERRUPT. */
mgd_status mgd_interrupt_answer(mgd_context *ctx);

/* Answers for threads that worked for this operation and left their work undone for a request: it
 * is counted as answered. Fails in any case. */
mgd_status mgd_interrupted(mgd_context *ctx);

/* How many requests have been answered so far, by anyone. */
unsigned mgd_interrupt_count(void);

/* Stands first in a function of mgd.h whose loops ask: what it calls belongs to this operation, and
 * so do the tasks that it gives to a pool. */
#define MGD_OPERATION                                                                              \
    __attribute__((cleanup(mgd_operation_end), unused)) const unsigned operation_noted_ =          \
        mgd_operation_begin()

unsigned mgd_operation_begin(void);
void mgd_operation_end(const unsigned *noted);
/* What the operation of this thread noted, for threads that work for it; and what those call. */
unsigned mgd_operation_noted(void);
void mgd_operation_join(unsigned noted);

/* ---- instruction sets ------------------------------------------------------------------------ */

typedef enum { MGD_ISA_PORTABLE, MGD_ISA_AVX2, MGD_ISA_AVX512, MGD_ISA_COUNT } mgd_isa;

/* The instruction set in force: the best of this machine, or the one that MGD_ISA names. Fails
 * when MGD_ISA names one that is unknown or not available here. Cheap after the first call. */
mgd_status mgd_isa_select(mgd_context *ctx, mgd_isa *out);
bool mgd_isa_available(mgd_isa isa);
const char *mgd_isa_name(mgd_isa isa);

#endif
