/* Perturbation codes: options checked, tables of frequencies and orders made. */

#include "code.h"
#include "schedule.h"

#include <math.h>
#include <string.h>

extern const mgd_engine_kernels mgd_engine_kernels_portable_f32, mgd_engine_kernels_portable_f64;
#if defined(MGD_HAVE_X86_KERNELS)
extern const mgd_engine_kernels mgd_engine_kernels_avx2_f32, mgd_engine_kernels_avx2_f64;
extern const mgd_engine_kernels mgd_engine_kernels_avx512_f32, mgd_engine_kernels_avx512_f64;
#endif

const mgd_engine_kernels *mgd_engine_kernels_get(mgd_isa isa, mgd_dtype dtype) {
    static const mgd_engine_kernels *const table[MGD_ISA_COUNT][2] = {
        [MGD_ISA_PORTABLE] = {&mgd_engine_kernels_portable_f64, &mgd_engine_kernels_portable_f32},
#if defined(MGD_HAVE_X86_KERNELS)
        [MGD_ISA_AVX2] = {&mgd_engine_kernels_avx2_f64, &mgd_engine_kernels_avx2_f32},
        [MGD_ISA_AVX512] = {&mgd_engine_kernels_avx512_f64, &mgd_engine_kernels_avx512_f32},
#endif
    };
    return table[isa][dtype == MGD_F32];
}

static uint64_t power_of_two_from(uint64_t n) {
    uint64_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

/* ---- sequential ------------------------------------------------------------------------------ */

/* A drawn order: the parameters sorted by Philox words (Fisher and Yates, from the end). */
static mgd_status draw_order(mgd_context *ctx, mgd_code *code) {
    void *memory;
    size_t n = code->parameters;
    MGD_TRY(mgd_allocate(ctx, "order of the sequential code", n, sizeof(uint32_t), &memory));
    uint32_t *order = memory, words[4];
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        mgd_random_words(code->seed, MGD_STREAM_PHASE, 0, 0, (uint32_t)i, words);
        size_t other = (size_t)((uint64_t)words[0] * (i + 1) >> 32);
        uint32_t swap = order[i];
        order[i] = order[other];
        order[other] = swap;
    }
    code->order = order;
    return MGD_OK;
}

/* ---- sine ------------------------------------------------------------------------------------ */

/* numerator/denominator of a cycle as a 64-bit fraction, rounded down */
static uint64_t cycle_fraction(uint64_t numerator, uint64_t denominator) {
    unsigned __int128 wide = (unsigned __int128)(numerator % denominator) << 64;
    return (uint64_t)(wide / denominator);
}

/* A time constant, 0 where it changes. */
static uint64_t steps_of(const mgd_schedule *tau) {
    return mgd_schedule_constant(tau) ? (uint64_t)tau->value : 0;
}

/* The i-th of P frequencies in cycles per slot. Over a window of K slots, K > 2P, the integer bins
 * m/K, m = 1 … P, are exactly orthogonal; otherwise P frequencies evenly between low and high. */
static uint64_t frequency_of(const mgd_train *train, size_t parameters, size_t i) {
    uint64_t tau_p = steps_of(&train->tau_p), window = steps_of(&train->tau_theta);
    uint64_t slots = tau_p > 0 && window % tau_p == 0 ? window / tau_p : 0;
    bool band = train->high > 0;
    if (!band && slots > 2 * (uint64_t)parameters)
        return cycle_fraction(i + 1, slots);
    double low = band ? train->low * (double)tau_p : 0;
    double high = band ? train->high * (double)tau_p : 0.5;
    double share = band ? (parameters > 1 ? (double)i / (double)(parameters - 1) : 0)
                        : (double)(i + 1) / (double)(parameters + 1);
    return (uint64_t)((low + share * (high - low)) * 0x1p64);
}

static mgd_status open_sine(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    uint64_t tau_p = steps_of(&train->tau_p);
    double limit = 0.5 / (double)tau_p;
    bool band = train->low != 0 || train->high != 0;
    if (band && tau_p == 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: a band of sines, in cycles per step, with a tau_p that "
                        "changes: expected a constant tau_p, or no low and high");
    /* at 0 and at half a cycle per slot a sine is a constant: its mean square is not ½ */
    if (band && !(train->low > 0 && train->low < train->high && train->high < limit))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: sine from low = %g to high = %g cycles per step: expected "
                        "0 < low < high < %g, half a cycle per slot",
                        train->low, train->high, limit);
    size_t n = code->parameters;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "frequencies", n, sizeof(uint64_t), &memory));
    code->frequency = memory;
    MGD_TRY(mgd_allocate(ctx, "phases", n, sizeof(uint64_t), &memory));
    code->phase = memory;
    for (size_t i = 0; i < n; i++) {
        uint32_t words[4];
        mgd_random_words(code->seed, MGD_STREAM_PHASE, 0, 1, (uint32_t)i, words);
        code->phase[i] = (uint64_t)words[0] << 32 | words[1];
        code->frequency[i] = frequency_of(train, n, i);
    }
    return MGD_OK;
}

#define LOG_BLOCK_BITS 7 /* of MGD_BLOCK_BITS */

/* ---- random ---------------------------------------------------------------------------------- */

static mgd_status open_random(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    if (!(train->sparsity >= 0 && train->sparsity < 1))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: sparsity is the fraction of zeros and must be in [0, 1), "
                        "got %g",
                        train->sparsity);
    code->zero_below = (uint32_t)(train->sparsity * 0x1p31);
    code->mean_square = 1 - (double)code->zero_below * 0x1p-31;
    while (code->log_bits < LOG_BLOCK_BITS && 1u << code->log_bits < code->parameters)
        code->log_bits++;
    code->log_slots = LOG_BLOCK_BITS - code->log_bits;
    return MGD_OK;
}

/* ---- any ------------------------------------------------------------------------------------- */

static mgd_status prepare(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    switch (code->kind) {
    case MGD_CODE_SEQUENTIAL:
        code->mean_square = 1 / (double)code->parameters;
        code->period = code->parameters;
        return train->shuffled ? draw_order(ctx, code) : MGD_OK;
    case MGD_CODE_WALSH:
        code->mean_square = 1;
        code->period = power_of_two_from((uint64_t)code->parameters + 1);
        code->alternate = train->alternate;
        return MGD_OK;
    case MGD_CODE_RANDOM:
        return open_random(ctx, train, code);
    case MGD_CODE_SINE:
        code->mean_square = 0.5;
        return open_sine(ctx, train, code);
    }
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "perturbation: unknown code %d", (int)code->kind);
}

mgd_status mgd_code_open(mgd_context *ctx, const mgd_train *train, size_t parameters,
                         mgd_code *out) {
    mgd_code code = {.kind = train->code, .parameters = parameters, .seed = train->seed};
    mgd_status status = prepare(ctx, train, &code);
    if (status != MGD_OK) {
        mgd_code_close(&code);
        return status;
    }
    code.square_sum = code.mean_square * (double)parameters;
    *out = code;
    return MGD_OK;
}

void mgd_code_close(mgd_code *code) {
    mgd_free(code->order);
    mgd_free(code->frequency);
    mgd_free(code->phase);
    *code = (mgd_code){0};
}

/* ---- kept words ------------------------------------------------------------------------------ */

#define MAX_KEPT 16 /* Philox blocks; what steps of a block further apart need is drawn again */

bool mgd_code_is_signs(const mgd_code *code) {
    return code->kind == MGD_CODE_RANDOM && !code->zero_below;
}

mgd_status mgd_code_cache_open(mgd_context *ctx, const mgd_code *code, size_t slots, size_t width,
                               mgd_code_cache *out) {
    mgd_code_cache cache = {0};
    if (mgd_code_is_signs(code)) {
        cache.kept = (size_t)power_of_two_from(slots < MAX_KEPT ? slots : MAX_KEPT);
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
    uint64_t block = slot >> code->log_slots;
    size_t entry = (size_t)block & (cache->kept - 1);
    uint32_t *words = cache->words + entry * 4 * cache->indices * width;
    if (cache->block[entry] != block) {
        if (width == 1)
            kernels->block_words(code->seed, MGD_STREAM_CODE, *replica, block, cache->indices,
                                 words);
        for (size_t i = 0; i < cache->indices && width > 1; i++)
            kernels->words(code->seed, MGD_STREAM_CODE, replica, block, (uint32_t)i, width,
                           words + i * 4 * width);
        cache->block[entry] = block;
    }
    signs.words = words;
    signs.bit = ((size_t)slot & (((size_t)1 << code->log_slots) - 1)) << code->log_bits;
    return signs;
}

mgd_status mgd_code_pattern(mgd_context *ctx, const mgd_train *train, size_t parameters,
                            uint64_t first, size_t slots, mgd_tensor **out) {
    mgd_isa isa;
    mgd_code code;
    mgd_tensor *t = NULL;
    MGD_TRY(mgd_isa_select(ctx, &isa));
    const mgd_engine_kernels *kernels = mgd_engine_kernels_get(isa, MGD_F64);
    MGD_TRY(mgd_code_open(ctx, train, parameters, &code));
    double *row = mgd_calloc(parameters + kernels->lanes, sizeof(double));
    mgd_status status = mgd_tensor_new(ctx, MGD_F64, 2, (size_t[]){slots, parameters}, &t);
    if (status == MGD_OK && !row)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a pattern of %zu", parameters);
    mgd_code_cache cache = {0};
    if (status == MGD_OK)
        status = mgd_code_cache_open(ctx, &code, 1, 1, &cache);
    for (size_t k = 0; k < slots && status == MGD_OK; k++) {
        mgd_pattern signs =
            mgd_code_signs(&code, &cache, kernels->random, &train->replica, first + k, 1);
        kernels->row(&code, &signs, train->replica, first + k, 0, parameters, row);
        memcpy((double *)mgd_tensor_data(t) + k * parameters, row, parameters * sizeof(double));
    }
    mgd_free(row);
    mgd_code_cache_close(&cache);
    mgd_code_close(&code);
    if (status == MGD_OK)
        *out = t;
    else
        mgd_tensor_free(t);
    return status;
}
