/* Kernels of the engine: patterns of the codes, demodulation, integration, updates; compiled once
 * per instruction set and precision (see base/simd.h for what keeps the bits the same).
 */

#include "../base/simd.h"
#include "code.h"

#include <Random123/philox.h>
#include <float.h>
#include <stdbool.h>

DEFINE_FUNCTION(sinpi_vec, sinpi, u05)

#define INLINE static inline __attribute__((always_inline))

/* ---- random signs ---------------------------------------------------------------------------- */

#define SIGN_SHIFT ((int)(8 * sizeof(real)) - 1)

/* +1 where the lowest bit is 0, −1 where it is 1 */
INLINE vec sign_of(vec_int bits) {
    const vec one = splat(1);
    return (vec)((vec_int)one | bits << SIGN_SHIFT);
}

INLINE vec_int iota(void) {
    vec_int v;
    for (size_t lane = 0; lane < VEC_LANES; lane++)
        v[lane] = (real_int)lane;
    return v;
}

/* Where slot k of a dense random code finds its bits: which block, and from which bit on. */
INLINE uint64_t block_of(const mgd_code *code, uint64_t slot, unsigned *bit) {
    *bit = ((unsigned)slot & ((1u << code->log_slots) - 1)) << code->log_bits;
    return slot >> code->log_slots;
}

/* Bits at … at + 31 of a Philox block, zeros beyond its end */
INLINE uint32_t bits_at(const uint32_t words[4], size_t at) {
    uint64_t high = at / 32 < 3 ? words[at / 32 + 1] : 0;
    return (uint32_t)((high << 32 | words[at / 32]) >> at % 32);
}

/* Stores whole vectors: `out` has room for VEC_LANES − 1 reals more than `count`. */
static void random_row(const mgd_code *code, mgd_code_cache *cache, uint64_t replica, uint64_t slot,
                       size_t first, size_t count, real *out) {
    const vec_int steps = iota();
    unsigned bit;
    uint64_t block = block_of(code, slot, &bit);
    for (size_t done = 0; done < count;) {
        size_t at = first + done, from = at % MGD_BLOCK_BITS;
        size_t n = MGD_BLOCK_BITS - from < count - done ? MGD_BLOCK_BITS - from : count - done;
        uint32_t index = (uint32_t)(at / MGD_BLOCK_BITS);
        if (cache->block != block || cache->index != index) {
            mgd_random_words(code->seed, MGD_STREAM_CODE, replica, block, index, cache->words);
            cache->block = block;
            cache->index = index;
        }
        for (size_t i = 0; i < n; i += VEC_LANES) {
            vec_int bits = (real_int)bits_at(cache->words, bit + from + i) - (vec_int){0};
            store(out + done + i, sign_of(bits >> steps));
        }
        done += n;
    }
}

/* A word for each parameter: its top bit is the sign, the others decide on zero. */
static void sparse_row(const mgd_code *code, uint64_t replica, uint64_t slot, size_t first,
                       size_t count, real *out) {
    uint32_t words[4];
    for (size_t i = 0; i < count; i++) {
        size_t at = first + i;
        if (i == 0 || at % 4 == 0)
            mgd_random_words(code->seed, MGD_STREAM_CODE, replica, slot, (uint32_t)(at / 4), words);
        uint32_t word = words[at % 4];
        out[i] = (word & 0x7fffffff) < code->zero_below ? 0 : word >> 31 ? -1 : 1;
    }
}

static void random_words(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                         uint32_t index, size_t width, uint32_t *words) {
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    for (size_t lane = 0; lane < width; lane++) {
        philox4x32_ctr_t counter;
        mgd_random_counter(stream, replica + lane, step, index, counter.v);
        philox4x32_ctr_t drawn = philox4x32(counter, key);
        for (size_t i = 0; i < 4; i++)
            words[i * width + lane] = drawn.v[i];
    }
}

/* A vector's worth of 32-bit words as the integers of `vec` */
INLINE vec_int load_words(const uint32_t *words) {
    vec_int v;
    for (size_t lane = 0; lane < VEC_LANES; lane++)
        v[lane] = (real_int)words[lane];
    return v;
}

static void random_replicas(const mgd_code *code, mgd_code_cache *cache, uint64_t replica,
                            uint64_t slot, size_t first, size_t count, size_t width, real *out) {
    unsigned bit;
    uint64_t block = block_of(code, slot, &bit);
    for (size_t i = 0; i < count; i++) {
        size_t at = first + i;
        uint32_t index = (uint32_t)(at / MGD_BLOCK_BITS);
        if (cache->block != block || cache->index != index) {
            random_words(code->seed, MGD_STREAM_CODE, replica, block, index, width, cache->words);
            cache->block = block;
            cache->index = index;
        }
        size_t place = bit + at % MGD_BLOCK_BITS;
        const uint32_t *words = cache->words + place / 32 * width;
        for (size_t lane = 0; lane < width; lane += VEC_LANES)
            store(out + i * width + lane, sign_of(load_words(words + lane) >> (int)(place % 32)));
    }
}

static void sparse_replicas(const mgd_code *code, mgd_code_cache *cache, uint64_t replica,
                            uint64_t slot, size_t first, size_t count, size_t width, real *out) {
    for (size_t i = 0; i < count; i++) {
        size_t at = first + i;
        if (i == 0 || at % 4 == 0)
            random_words(code->seed, MGD_STREAM_CODE, replica, slot, (uint32_t)(at / 4), width,
                         cache->words);
        for (size_t lane = 0; lane < width; lane++) {
            uint32_t word = cache->words[at % 4 * width + lane];
            out[i * width + lane] = (word & 0x7fffffff) < code->zero_below ? 0
                                    : word >> 31                           ? -1
                                                                           : 1;
        }
    }
}

/* ---- deterministic codes --------------------------------------------------------------------- */

/* s_i = (−1)^popcount((i + 1) & k): row i + 1 of the Hadamard matrix in natural order */
static void walsh_row(const mgd_code *code, uint64_t slot, size_t first, size_t count, real *out) {
    const uint32_t k = (uint32_t)(slot & (code->period - 1));
    const real flip = code->alternate && (slot / code->period & 1) ? -1 : 1;
    for (size_t i = 0; i < count; i++)
        out[i] = __builtin_parity((uint32_t)(first + i + 1) & k) ? -flip : flip;
}

static void sequential_row(const mgd_code *code, uint64_t slot, size_t first, size_t count,
                           real *out) {
    size_t visited = (size_t)(slot % code->period);
    if (code->order)
        visited = code->order[visited];
    memset(out, 0, count * sizeof(real));
    if (visited >= first && visited - first < count)
        out[visited - first] = 1;
}

/* A numerically controlled oscillator: the phase is a 64-bit fraction of a cycle that wraps. */
static void sine_row(const mgd_code *code, uint64_t slot, size_t first, size_t count, real *out) {
    for (size_t i = 0; i < count; i += VEC_LANES) {
        vec turn = splat(0); /* in half cycles, [−1, 1) */
        for (size_t lane = 0; lane < VEC_LANES && i + lane < count; lane++) {
            size_t at = first + i + lane;
            uint64_t phase = code->frequency[at] * slot + code->phase[at];
            turn[lane] = (real)((double)(int64_t)phase * 0x1p-63);
        }
        vec s = sinpi_vec(turn);
        memcpy(out + i, &s, (count - i < VEC_LANES ? count - i : VEC_LANES) * sizeof(real));
    }
}

/* ---- patterns of any code -------------------------------------------------------------------- */

static void pattern_row(const mgd_code *code, mgd_code_cache *cache, uint64_t replica,
                        uint64_t slot, size_t first, size_t count, void *out) {
    switch (code->kind) {
    case MGD_CODE_SEQUENTIAL:
        sequential_row(code, slot, first, count, out);
        break;
    case MGD_CODE_WALSH:
        walsh_row(code, slot, first, count, out);
        break;
    case MGD_CODE_RANDOM:
        if (code->zero_below)
            sparse_row(code, replica, slot, first, count, out);
        else
            random_row(code, cache, replica, slot, first, count, out);
        break;
    case MGD_CODE_SINE:
        sine_row(code, slot, first, count, out);
        break;
    }
}

static void pattern_replicas(const mgd_code *code, mgd_code_cache *cache, uint64_t replica,
                             uint64_t slot, size_t first, size_t count, size_t width, void *out) {
    if (code->kind == MGD_CODE_RANDOM && code->zero_below) {
        sparse_replicas(code, cache, replica, slot, first, count, width, out);
        return;
    }
    if (code->kind == MGD_CODE_RANDOM) {
        random_replicas(code, cache, replica, slot, first, count, width, out);
        return;
    }
    real row[MGD_BLOCK_BITS + VEC_LANES]; /* the same for all replicas */
    for (size_t done = 0; done < count; done += MGD_BLOCK_BITS) {
        size_t n = count - done < MGD_BLOCK_BITS ? count - done : MGD_BLOCK_BITS;
        pattern_row(code, cache, replica, slot, first + done, n, row);
        for (size_t i = 0; i < n; i++)
            for (size_t lane = 0; lane < width; lane += VEC_LANES)
                store((real *)out + (done + i) * width + lane, splat(row[i]));
    }
}

/* ---- perturbation ---------------------------------------------------------------------------- */

static void perturb(const void *thetas, const void *patterns, double factor, size_t n, void *out) {
    const real *theta = thetas, *s = patterns;
    const vec f = splat((real)factor);
    size_t i = 0;
    for (; i + VEC_LANES <= n; i += VEC_LANES)
        store((real *)out + i, fma_vec(f, load(s + i), load(theta + i)));
    for (; i < n; i++) { /* the same rounding, in one lane */
        vec one = fma_vec(f, splat(s[i]), splat(theta[i]));
        ((real *)out)[i] = one[0];
    }
}

static void perturb_slot(const void *thetas, const void *pattern, const void *factors, size_t count,
                         void *out) {
    const real *theta = thetas, *s = pattern, *factor = factors;
    for (size_t i = 0; i < count; i++)
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store((real *)out + i * LANES + lane,
                  fma_vec(load(factor + lane), splat(s[i]), splat(theta[i])));
}

static void perturb_slots(const void *thetas, const void *const *patterns, const void *factors,
                          size_t count, void *out) {
    const real *theta = thetas, *factor = factors;
    for (size_t i = 0; i < count; i++) {
        real s[LANES];
        for (size_t lane = 0; lane < LANES; lane++)
            s[lane] = ((const real *)patterns[lane])[i];
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store((real *)out + i * LANES + lane,
                  fma_vec(load(factor + lane), load(s + lane), splat(theta[i])));
    }
}

/* ---- demodulation and integration ------------------------------------------------------------ */

/* Widens one lane's value to a tile, as rows need it. Whole vectors are stored, because a vector
 * that is read right after it was written piece by piece stalls. */
INLINE void fill_tile(real *out, size_t lanes, size_t width) {
    vec all = splat(out[0]);
    for (size_t lane = 0; lane < width && lanes == 1; lane += VEC_LANES)
        store(out + lane, all);
}

static mgd_alarm demodulate(mgd_baseline baseline, const double *restrict plus,
                            const double *restrict against, const double *restrict alive,
                            double scale, size_t lanes, size_t width, double *restrict c_tilde,
                            void *restrict signals, double *restrict sums) {
    real *restrict signal = signals;
    const double share = baseline == MGD_BASELINE_NONE ? 0 : 1; /* of what is subtracted */
    const double half = baseline == MGD_BASELINE_TWO_SIDED ? 0.5 : 1;
    int64_t bad = 0, huge = 0;
    for (size_t lane = 0; lane < lanes; lane++) {
        double tilde = half * (plus[lane] - share * against[lane]);
        bool finite = __builtin_fabs(tilde) <= DBL_MAX, lives = alive[lane] != 0;
        bad |= (int64_t)(lives & !finite);
        tilde = finite & lives ? tilde : 0;
        huge |= (int64_t)(__builtin_fabs(tilde * scale) > MGD_HUGE_SIGNAL);
        c_tilde[lane] = tilde;
        signal[lane] = (real)(tilde * scale);
        sums[lane] += __builtin_fabs(tilde);
        sums[lanes + lane] += finite ? __builtin_fabs(plus[lane]) : 0;
    }
    fill_tile(signal, lanes, width);
    return (mgd_alarm){bad != 0, huge != 0};
}

static void accumulate(void *gs, const void *patterns, const void *signals, bool set, size_t count,
                       size_t width) {
    real *g = gs;
    const real *s = patterns, *signal = signals;
    for (size_t i = 0; i < count * width; i += width)
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            vec before = set ? splat(0) : load(g + i + lane);
            store(g + i + lane, fma_vec(load(signal + lane), load(s + i + lane), before));
        }
}

/* ---- updates --------------------------------------------------------------------------------- */

/* θ − η·step; where η is 0 θ stays, whatever the step: a stopped replica's may not be finite. */
INLINE vec stepped(vec theta, vec eta, vec step) {
    return pick(eta != splat(0), fma_vec(-eta, step, theta), theta);
}

static void rates(double eta, const double *alive, size_t lanes, size_t width, void *out) {
    for (size_t lane = 0; lane < lanes; lane++)
        ((real *)out)[lane] = (real)(eta * alive[lane]);
    fill_tile(out, lanes, width);
}

static void sgd(void *thetas, const void *gs, const void *etas, size_t count, size_t width) {
    real *theta = thetas;
    const real *g = gs, *eta = etas;
    for (size_t i = 0; i < count * width; i += width)
        for (size_t lane = 0; lane < width; lane += VEC_LANES)
            store(theta + i + lane,
                  stepped(load(theta + i + lane), load(eta + lane), load(g + i + lane)));
}

static void momentum(void *thetas, const void *gs, void *vs, const void *etas, double mu,
                     size_t count, size_t width) {
    real *theta = thetas, *v = vs;
    const real *g = gs, *eta = etas;
    for (size_t i = 0; i < count * width; i += width)
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            vec speed = fma_vec(splat((real)mu), load(v + i + lane), load(g + i + lane));
            store(v + i + lane, speed);
            store(theta + i + lane, stepped(load(theta + i + lane), load(eta + lane), speed));
        }
}

static void adam(void *thetas, const void *gs, void *ms, void *vs, const void *etas, double beta1,
                 double beta2, double epsilon, const double correction[2], size_t count,
                 size_t width) {
    real *theta = thetas, *m = ms, *v = vs;
    const real *g = gs, *eta = etas;
    const vec b1 = splat((real)beta1), a1 = splat((real)(1 - beta1));
    const vec b2 = splat((real)beta2), a2 = splat((real)(1 - beta2));
    const vec c1 = splat((real)correction[0]), c2 = splat((real)correction[1]);
    for (size_t i = 0; i < count * width; i += width)
        for (size_t lane = 0; lane < width; lane += VEC_LANES) {
            vec slope = load(g + i + lane);
            vec first = fma_vec(b1, load(m + i + lane), a1 * slope);
            vec second = fma_vec(b2, load(v + i + lane), a2 * slope * slope);
            store(m + i + lane, first);
            store(v + i + lane, second);
            vec step = c1 * first / (sqrt_vec(c2 * second) + splat((real)epsilon));
            store(theta + i + lane, stepped(load(theta + i + lane), load(eta + lane), step));
        }
}

extern const mgd_engine_kernels MGD_KERNEL_TABLE(engine);
const mgd_engine_kernels MGD_KERNEL_TABLE(engine) = {
    .lanes = LANES,
    .words = random_words,
    .row = pattern_row,
    .replicas = pattern_replicas,
    .perturb = perturb,
    .perturb_slot = perturb_slot,
    .perturb_slots = perturb_slots,
    .demodulate = demodulate,
    .accumulate = accumulate,
    .rates = rates,
    .sgd = sgd,
    .momentum = momentum,
    .adam = adam,
};
