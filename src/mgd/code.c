/* Perturbation codes: options checked; tables of frequencies, orders and sequences made; the
 * patterns of a function fetched.
 */

#include "../base/number.h"
#include "kernels.h"
#include "schedule.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

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
                        "perturbation: sine from low = %s to high = %s cycles per step: expected "
                        "0 < low < high < %s, half a cycle per slot",
                        MGD_NUMBER(train->low), MGD_NUMBER(train->high), MGD_NUMBER(limit));
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

/* ---- brownian -------------------------------------------------------------------------------- */

/* s_k = (ξ_k + ξ_{k−1} + … + ξ_{k−L+1})/√L of fair signs ξ: a walk that takes each step back L
 * slots later. So it is stationary with mean 0 and mean square 1, never leaves ±√L, moves by 0 or
 * ±2/√L, and forgets in L slots: ⟨s_k·s_{k+d}⟩ = 1 − d/L. */
static mgd_status open_brownian(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    if (!(train->length >= 2 && train->length <= 32))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: length of the brownian code must be in [2, 32], got %u",
                        train->length);
    code->length = train->length;
    code->step = 1 / sqrt((double)code->length);
    code->mean_square = 1;
    return MGD_OK;
}

/* ---- lfsr ------------------------------------------------------------------------------------ */

#define MAX_REGISTER 30

/* Taps of registers of 2 … 30 bits whose period is 2^m − 1: those of the table in P. Alfke,
 * "Efficient Shift Registers, LFSR Counters, and Long Pseudo-Random Sequence Generators", Xilinx
 * XAPP 052 (1996), stage t as bit t − 1. */
static uint32_t taps_of(unsigned bits) {
    static const uint8_t taps[MAX_REGISTER + 1][4] = {
        [2] = {2, 1},
        [3] = {3, 2},
        [4] = {4, 3},
        [5] = {5, 3},
        [6] = {6, 5},
        [7] = {7, 6},
        [8] = {8, 6, 5, 4},
        [9] = {9, 5},
        [10] = {10, 7},
        [11] = {11, 9},
        [12] = {12, 6, 4, 1},
        [13] = {13, 4, 3, 1},
        [14] = {14, 5, 3, 1},
        [15] = {15, 14},
        [16] = {16, 15, 13, 4},
        [17] = {17, 14},
        [18] = {18, 11},
        [19] = {19, 6, 2, 1},
        [20] = {20, 17},
        [21] = {21, 19},
        [22] = {22, 21},
        [23] = {23, 18},
        [24] = {24, 23, 22, 17},
        [25] = {25, 22},
        [26] = {26, 6, 2, 1},
        [27] = {27, 5, 2, 1},
        [28] = {28, 25},
        [29] = {29, 27},
        [30] = {30, 6, 4, 1},
    };
    uint32_t mask = 0;
    for (size_t i = 0; i < 4 && taps[bits][i]; i++)
        mask |= (uint32_t)1 << (taps[bits][i] - 1);
    return mask;
}

#define POLL_BITS ((uint64_t)1 << 20) /* drawn between two looks for an interrupt */

/* b_n = ⊕ b_{n−t} over the taps t, from m ones on: what the last stage of the register shows. */
static mgd_status draw_sequence(mgd_context *ctx, unsigned bits, mgd_code *code) {
    uint64_t cycle = ((uint64_t)1 << bits) - 1, total = cycle + code->parameters;
    const uint32_t taps = taps_of(bits);
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "sequence of the register", (size_t)(total / 32 + 2),
                         sizeof(uint32_t), &memory));
    uint32_t *sequence = memory, state = (uint32_t)cycle; /* stage t, b_{n−t}, is bit t − 1 */
    for (uint64_t n = 0; n < total; n++) {
        if (n % POLL_BITS == POLL_BITS - 1 && mgd_interrupt_pending()) {
            mgd_free(memory);
            return mgd_interrupted(ctx);
        }
        sequence[n / 32] |= (state >> (bits - 1)) << n % 32;
        state = (state << 1 | (uint32_t)__builtin_parity(state & taps)) & (uint32_t)cycle;
    }
    code->sequence = sequence;
    return MGD_OK;
}

static mgd_status open_lfsr(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    unsigned least = 2, bits = train->bits;
    while (least < MAX_REGISTER && ((uint64_t)1 << least) - 1 < (uint64_t)code->parameters + 1)
        least++;
    bits = bits ? bits : least;
    if (bits < least || bits > MAX_REGISTER ||
        ((uint64_t)1 << bits) - 1 < (uint64_t)code->parameters + 1)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: a register of bits = %u shows %.0f phases: expected %u to "
                        "%d bits for %zu parameters and one phase more",
                        bits, exp2(bits) - 1, least, MAX_REGISTER, code->parameters);
    MGD_TRY(draw_sequence(ctx, bits, code));
    code->mean_square = 1;
    code->alternate = train->alternate;
    code->balanced = train->balanced;
    code->period = ((uint64_t)1 << bits) - (code->balanced ? 0 : 1);
    return MGD_OK;
}

/* ---- random ---------------------------------------------------------------------------------- */

#define LOG_BLOCK_BITS 7 /* of MGD_BLOCK_BITS */

static void open_random(mgd_code *code) {
    code->mean_square = 1;
    while (code->log_bits < LOG_BLOCK_BITS && 1u << code->log_bits < code->parameters)
        code->log_bits++;
    code->log_slots = LOG_BLOCK_BITS - code->log_bits;
}

static mgd_status open_sparsity(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    bool zeros = code->kind == MGD_CODE_RANDOM || code->kind == MGD_CODE_GAUSSIAN ||
                 code->kind == MGD_CODE_BROWNIAN || code->kind == MGD_CODE_LFSR;
    if (!(train->sparsity >= 0 && train->sparsity < 1))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: sparsity is the fraction of zeros and must be in [0, 1), "
                        "got %s",
                        MGD_NUMBER(train->sparsity));
    if (train->sparsity > 0 && !zeros)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "perturbation: this code has no sparse variant");
    code->zero_below = (uint32_t)(train->sparsity * 0x1p31);
    code->mean_square *= 1 - (double)code->zero_below * 0x1p-31;
    return MGD_OK;
}

/* ---- function -------------------------------------------------------------------------------- */

#define MAX_KEPT_SLOTS 32
#define TILE 16 /* reals, at most */
#define MAX_KEPT_BYTES ((size_t)1 << 24)

static inline double real_at(const void *values, size_t real, ptrdiff_t at) {
    return real == sizeof(float) ? (double)((const float *)values)[at]
                                 : ((const double *)values)[at];
}

static inline __attribute__((always_inline)) bool copy_as(const void *from, size_t from_real,
                                                          ptrdiff_t stride, size_t count,
                                                          size_t real, void *out) {
    const double most = real == sizeof(float) ? FLT_MAX : DBL_MAX;
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        double value = real_at(from, from_real, (ptrdiff_t)i * stride);
        finite &= fabs(value) <= most;
        if (real == sizeof(float))
            ((float *)out)[i] = (float)value;
        else
            ((double *)out)[i] = value;
    }
    return finite;
}

/* out (count), of floats or doubles, ← values `stride` apart; whether all of them are finite. Those
 * that lie side by side are every slot's. */
static bool copy_values(const void *from, size_t from_real, ptrdiff_t stride, size_t count,
                        size_t real, void *out) {
    const size_t narrow = sizeof(float), wide = sizeof(double);
    if (stride == 1 && from_real == wide)
        return real == narrow ? copy_as(from, wide, 1, count, narrow, out)
                              : copy_as(from, wide, 1, count, wide, out);
    if (stride == 1 && real == narrow)
        return copy_as(from, narrow, 1, count, narrow, out);
    return copy_as(from, from_real, stride, count, real, out);
}

/* Values of a tensor (P), each finite, as `out` of floats or doubles; `what` opens the message. */
static mgd_status take_values(mgd_context *ctx, const char *what, const mgd_tensor *t, size_t count,
                              size_t real, void *out) {
    mgd_dtype dtype = mgd_tensor_dtype(t);
    if (dtype != MGD_F64 && dtype != MGD_F32)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: got a tensor of integers: expected f64 or f32",
                        what);
    if (mgd_tensor_ndim(t) != 1 || mgd_tensor_size(t) != count)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: got a tensor of %zu dimensions with %zu values: expected shape (%zu), "
                        "one value for each parameter",
                        what, mgd_tensor_ndim(t), mgd_tensor_size(t), count);
    if (copy_values(mgd_tensor_data(t), mgd_dtype_size(dtype), mgd_tensor_strides(t)[0], count,
                    real, out))
        return MGD_OK;
    size_t i = 0;
    while (fabs(real_at(out, real, (ptrdiff_t)i)) <= DBL_MAX)
        i++;
    double bad = real_at(out, real, (ptrdiff_t)i);
    const char *name = isnan(bad) ? "nan" : bad > 0 ? "inf" : "-inf";
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: value %zu is %s: expected finite numbers", what,
                    i + 1, name);
}

static mgd_status open_function(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    if (!train->code_function || !train->energy)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: the code is a function, but it or its energy is missing");
    code->function = train->code_function;
    code->user = train->code_user;
    code->seconds = (double)steps_of(&train->tau_p) * train->dt;
    size_t fitting = MAX_KEPT_BYTES / (code->parameters * code->real);
    code->kept = fitting > MAX_KEPT_SLOTS ? MAX_KEPT_SLOTS : fitting < 1 ? 1 : fitting;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "patterns of a function", code->kept * code->parameters + TILE,
                         code->real, &memory));
    code->rows = memory;
    code->mean_square = 1;
    return MGD_OK;
}

mgd_status mgd_code_fetch(mgd_context *ctx, mgd_code *code, uint64_t first, uint64_t last) {
    if (code->kept == 0)
        return MGD_OK;
    if (code->next < first || code->next > first + code->kept)
        code->next = first;
    for (; code->next <= last; code->next++) {
        mgd_tensor *pattern = NULL;
        uint64_t slot = code->next;
        char what[64];
        MGD_TRY(code->function(code->user, ctx, slot, (double)slot * code->seconds, &pattern));
        snprintf(what, sizeof what, "perturbation: slot %llu", (unsigned long long)slot);
        mgd_status status =
            take_values(ctx, what, pattern, code->parameters, code->real,
                        code->rows + (size_t)(slot % code->kept) * code->parameters * code->real);
        mgd_tensor_free(pattern);
        MGD_TRY(status);
    }
    return MGD_OK;
}

/* ---- gains ----------------------------------------------------------------------------------- */

/* `values` (count), or ones where there is no tensor; all above 0 */
static mgd_status take_positive(mgd_context *ctx, const char *what, const mgd_tensor *t,
                                size_t count, double *values) {
    for (size_t i = 0; i < count; i++)
        values[i] = 1;
    if (t)
        MGD_TRY(take_values(ctx, what, t, count, sizeof(double), values));
    for (size_t i = 0; i < count; i++)
        if (!(values[i] > 0))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: value %zu is %s: expected more than 0",
                            what, i + 1, MGD_NUMBER(values[i]));
    return MGD_OK;
}

static bool all_equal(const double *values, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (values[i] != values[0])
            return false;
    return true;
}

/* Keeps factors that are not all 1. */
static double *keep_gain(double *gain, size_t count) {
    if (!(all_equal(gain, count) && gain[0] == 1))
        return gain;
    mgd_free(gain);
    return NULL;
}

/* Where r_i are the relative amplitudes and q_i the mean squares, θ̃_i/a = r_i·s_i, and what is
 * demodulated with is s_i/(r_i·q_i), or θ̃_i/a itself by the published convention. */
static void set_gains(const mgd_train *train, mgd_code *code, double *r, double *q) {
    size_t n = code->parameters;
    bool published = train->convention == MGD_CONVENTION_PUBLISHED;
    if (all_equal(q, n)) { /* no factor, then: a number for all */
        code->mean_square *= q[0];
        for (size_t i = n; i-- > 0;)
            q[i] = 1;
    }
    code->square_sum = 0;
    for (size_t i = 0; i < n; i++) {
        code->square_sum += r[i] * r[i] * q[i] * code->mean_square;
        q[i] = published ? r[i] : 1 / (r[i] * q[i]);
    }
    code->spread = train->amplitude_spread;
    code->divide[MGD_USE_DEMODULATE] = !published;
    code->gain[MGD_USE_PERTURB] = keep_gain(r, n);
    code->gain[MGD_USE_DEMODULATE] = keep_gain(q, n);
    code->uneven =
        code->gain[MGD_USE_PERTURB] || code->gain[MGD_USE_DEMODULATE] || code->spread > 0;
}

static mgd_status open_gains(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    size_t n = code->parameters;
    if (!(train->amplitude_spread >= 0 && train->amplitude_spread <= 1))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: amplitude_spread must be in [0, 1], got %s",
                        MGD_NUMBER(train->amplitude_spread));
    code->square_sum = code->mean_square * (double)n;
    if (!train->amplitudes && !train->energy && train->amplitude_spread == 0)
        return MGD_OK;
    void *r, *q = NULL;
    MGD_TRY(mgd_allocate(ctx, "amplitudes", n, sizeof(double), &r));
    mgd_status status = mgd_allocate(ctx, "energies", n, sizeof(double), &q);
    if (status == MGD_OK)
        status = take_positive(ctx, "perturbation: amplitudes", train->amplitudes, n, r);
    if (status == MGD_OK)
        status = take_positive(ctx, "perturbation: energy", train->energy, n, q);
    if (status == MGD_OK) {
        set_gains(train, code, r, q);
        return MGD_OK;
    }
    mgd_free(r);
    mgd_free(q);
    return status;
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
        open_random(code);
        return MGD_OK;
    case MGD_CODE_SINE:
        code->mean_square = 0.5;
        return open_sine(ctx, train, code);
    case MGD_CODE_GAUSSIAN:
        code->mean_square = 1;
        return MGD_OK;
    case MGD_CODE_BROWNIAN:
        return open_brownian(ctx, train, code);
    case MGD_CODE_LFSR:
        return open_lfsr(ctx, train, code);
    case MGD_CODE_FUNCTION:
        return open_function(ctx, train, code);
    }
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "perturbation: unknown code %d", (int)code->kind);
}

mgd_status mgd_code_open(mgd_context *ctx, const mgd_train *train, size_t parameters,
                         mgd_dtype dtype, mgd_code *out) {
    mgd_code code = {.kind = train->code,
                     .parameters = parameters,
                     .seed = train->seed,
                     .real = mgd_dtype_size(dtype)};
    mgd_status status = prepare(ctx, train, &code);
    if (status == MGD_OK)
        status = open_sparsity(ctx, train, &code);
    if (status == MGD_OK)
        status = open_gains(ctx, train, &code);
    if (status != MGD_OK) {
        mgd_code_close(&code);
        return status;
    }
    bool numbers = code.kind == MGD_CODE_GAUSSIAN || code.kind == MGD_CODE_BROWNIAN;
    code.own = code.kind == MGD_CODE_RANDOM || numbers || code.zero_below || code.spread > 0;
    code.drawn = numbers || code.zero_below || code.uneven;
    *out = code;
    return MGD_OK;
}

void mgd_code_close(mgd_code *code) {
    mgd_free(code->order);
    mgd_free(code->frequency);
    mgd_free(code->phase);
    mgd_free(code->sequence);
    mgd_free(code->rows);
    mgd_free(code->gain[MGD_USE_PERTURB]);
    mgd_free(code->gain[MGD_USE_DEMODULATE]);
    *code = (mgd_code){0};
}

/* ---- kept words ------------------------------------------------------------------------------ */

#define MAX_KEPT 16 /* Philox blocks; what steps of a block further apart need is drawn again */

static bool draws_bits(const mgd_code *code) {
    return code->kind == MGD_CODE_RANDOM && !code->zero_below;
}

bool mgd_code_is_signs(const mgd_code *code) {
    return draws_bits(code) && !code->uneven;
}

mgd_status mgd_code_cache_open(mgd_context *ctx, const mgd_code *code, size_t slots, size_t width,
                               mgd_code_cache *out) {
    mgd_code_cache cache = {0};
    if (draws_bits(code)) {
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
            kernels->block_words(code->seed, MGD_STREAM_CODE, *replica, block, 0, cache->indices,
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
    MGD_OPERATION;
    mgd_isa isa;
    mgd_code code;
    mgd_tensor *t = NULL;
    MGD_TRY(mgd_isa_select(ctx, &isa));
    const mgd_engine_kernels *kernels = mgd_engine_kernels_get(isa, MGD_F64);
    MGD_TRY(mgd_code_open(ctx, train, parameters, MGD_F64, &code));
    double *row = mgd_calloc(parameters + kernels->lanes, sizeof(double));
    mgd_status status = mgd_tensor_new(ctx, MGD_F64, 2, (size_t[]){slots, parameters}, &t);
    if (status == MGD_OK && !row)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a pattern of %zu", parameters);
    mgd_code_cache cache = {0};
    if (status == MGD_OK)
        status = mgd_code_cache_open(ctx, &code, 1, 1, &cache);
    for (size_t k = 0; k < slots && status == MGD_OK; k++) {
        status = mgd_interrupt_answer(ctx);
        if (status == MGD_OK)
            status = mgd_code_fetch(ctx, &code, first + k, first + k);
        if (status != MGD_OK)
            break;
        mgd_pattern signs =
            mgd_code_signs(&code, &cache, kernels->random, &train->replica, first + k, 1);
        kernels->code->row(&code, &signs, MGD_USE_PERTURB, train->replica, first + k, 0, parameters,
                           row);
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
