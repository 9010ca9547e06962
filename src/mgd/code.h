/* Perturbation codes. A code gives the unit pattern s of a slot; the perturbation is θ̃ = a·s with
 * the amplitude a. A pattern is computed where it is needed, from (code, replica, slot), as often
 * as it is needed. What a worker keeps of it is at most one bit per parameter, and lane, and slot:
 * the signs of the dense random code.
 */
#ifndef MGD_MGD_CODE_H
#define MGD_MGD_CODE_H

#include "../base/base.h"

#define MGD_BLOCK_BITS 128 /* signs that one Philox block yields */

typedef struct {
    mgd_code_kind kind;
    size_t parameters;
    double mean_square; /* time average of s_i²: 1, ½ for sines, 1/P for sequential */
    double square_sum;  /* of all parameters: Δ² = a²·square_sum */
    uint64_t seed;

    uint64_t period;     /* walsh: M slots, a power of two; sequential: P */
    bool alternate;      /* walsh: all signs flip in odd periods */
    uint32_t *order;     /* sequential: (P) parameter of each slot; NULL: 0, 1, 2, … */
    uint64_t *frequency; /* sine: (P) cycles per slot, in units of 2^−64 */
    uint64_t *phase;     /* sine: (P) cycles, in units of 2^−64 */
    uint32_t zero_below; /* random: a 31-bit draw below this is a zero; 0: dense */
    unsigned log_bits; /* random, dense: a slot takes 2^log_bits bits of a block, at most 128, … */
    unsigned log_slots; /* … so that one block serves 2^log_slots slots */
} mgd_code;

/* Checks the fields of `train` that concern its code and prepares it for P parameters. */
mgd_status mgd_code_open(mgd_context *ctx, const mgd_train *train, size_t parameters,
                         mgd_code *out);
void mgd_code_close(mgd_code *code);

/* Random words of a worker's replicas in some slots: their patterns' signs, one bit each. */
typedef struct {
    size_t kept;     /* Philox blocks in the order of slots, a power of two; 0: another code */
    size_t indices;  /* Philox blocks side by side that make up a pattern */
    uint64_t *block; /* (kept) which one each entry holds; UINT64_MAX: none */
    uint32_t *words; /* (kept × 4·indices × W); in rows W = 1 */
} mgd_code_cache;

/* Whether a pattern is nothing but signs, drawn as random bits: the dense random code's. */
bool mgd_code_is_signs(const mgd_code *code);

mgd_status mgd_code_cache_open(mgd_context *ctx, const mgd_code *code, size_t slots, size_t width,
                               mgd_code_cache *out);
void mgd_code_cache_close(mgd_code_cache *cache);
/* For another unit: what is kept belongs to other replicas. */
void mgd_code_cache_forget(mgd_code_cache *cache);

/* The pattern of some parameters, for the kernels that multiply with it. In rows it is `values`
 * (count), several at once in a vector; in lanes one of the three. */
typedef struct {
    enum { MGD_PATTERN_OWN, MGD_PATTERN_SHARED, MGD_PATTERN_SIGNS } kind;
    const void *values;    /* OWN: (count × W), SHARED: (count), in the kernels' precision */
    const uint32_t *words; /* SIGNS: (… × W), the first parameter's at … */
    size_t bit;            /* … this bit of W words side by side, the others' following */
} mgd_pattern;

/* 32 bits of a row of words from bit `at` on; there is one word more than the pattern needs. */
static inline uint32_t mgd_code_bits(const uint32_t *words, size_t at) {
    words += at / 32;
    return (uint32_t)(((uint64_t)words[1] << 32 | words[0]) >> at % 32);
}

/* Signals beyond this may make θ overflow when it is written. */
#define MGD_HUGE_SIGNAL 1e15

/* What some living lane met: a cost that is not finite, a signal that is huge. */
typedef struct {
    bool nonfinite, huge;
} mgd_alarm;

/* Kernels that draw. `replica` is an array of replica numbers, one for each lane. */
typedef struct {
    /* out (4 × width): a Philox block for each replica */
    void (*words)(uint64_t seed, mgd_stream stream, const uint64_t *replica, uint64_t step,
                  uint32_t index, size_t width, uint32_t *out);
    /* out (blocks × 4): blocks of index 0, 1, … of one replica */
    void (*block_words)(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                        size_t blocks, uint32_t *out);
    /* Feistel permutations of n places with keys (4 × lanes), the smallest square of 2^half that
     * holds n being their range. samples (count × lanes) ← where places place … go to. */
    void (*walk)(uint64_t n, unsigned half, const uint32_t *keys, size_t lanes, uint32_t place,
                 size_t count, uint32_t *samples);
    /* Swaps row i of the table (… × lanes), in each lane, with one of the rows up to i that is
     * chosen by what is `left` of a random word (lanes). */
    void (*exchange)(uint8_t *table, uint32_t *left, size_t lanes, size_t i);
    /* samples (count × lanes) ← first, first + 1, …, alike in all lanes; or (n) ← a table's */
    void (*count_up)(uint32_t first, size_t count, size_t lanes, uint32_t *samples);
    void (*widen)(const uint8_t *table, size_t n, uint32_t *samples);
} mgd_random_kernels;

/* How costs become a signal. */
typedef struct {
    mgd_baseline baseline;
    double scale;
    double clamp; /* |C̃| in the signal is at most this */
    double keep;  /* high-pass: α, … */
    bool jumps;   /* … and whether the sample changed: the cost's jump is not seen */
} mgd_demodulation;

/* What the kernels know of a unit's replicas. */
typedef struct {
    const double *alive;      /* (lanes) 1, or 0: everything of it stays as it is */
    double *c0, *c, *c_tilde; /* (lanes) */
    double *sums;             /* (2 × lanes) Σ|C̃|, Σ|C| */
} mgd_signals;

typedef struct {
    size_t lanes;
    const mgd_random_kernels *random;

    /* out (count): the pattern of one replica, parameters first …; there is room for a tile more.
     * `words` are those of the whole pattern, of the dense random code, from bit `bit` on. */
    void (*row)(const mgd_code *code, const mgd_pattern *signs, uint64_t replica, uint64_t slot,
                size_t first, size_t count, void *out);
    /* out (count × width): the pattern of the sparse random code for each replica */
    void (*sparse)(const mgd_code *code, const uint64_t *replica, uint64_t slot, size_t first,
                   size_t count, size_t width, void *out);

    /* out ← θ + factor·s, n values of one replica */
    void (*perturb_row)(const void *theta, const void *s, double factor, size_t n, void *out);
    /* out (count × width) ← θ (count × width) + factor·s */
    void (*perturb)(const void *theta, const mgd_pattern *s, double factor, size_t count,
                    size_t width, void *out);
    /* out (count × lanes) ← θ (count) + factor (lanes)·s (count), factor in the kernels' precision
     */
    void (*perturb_slot)(const void *theta, const void *s, const void *factor, size_t count,
                         void *out);
    /* The same with signs of each lane's own */
    void (*perturb_points)(const void *theta, const mgd_pattern *signs, const void *factor,
                           size_t count, void *out);
    /* The same with a pattern s[lane] (count) for each lane */
    void (*perturb_slots)(const void *theta, const void *const *s, const void *factor, size_t count,
                          void *out);

    /* C̃ of every lane: plus − against, half of it when two-sided, or plus alone without a baseline;
     * and signal ← C̃·scale, C̃ clamped, in the kernels' precision. The signal is 0 where the lane
     * is not alive or not finite, and nothing else of a lane that is not alive changes. plus and
     * against (lanes); signal (width): one lane fills a whole tile with its value. */
    mgd_alarm (*demodulate)(const mgd_demodulation *d, const double *plus, const double *against,
                            size_t lanes, size_t width, const mgd_signals *unit, void *signal);
    /* The same with C̃ ← keep·(C̃ + plus − C), C being the cost of the step before. */
    mgd_alarm (*high_pass)(const mgd_demodulation *d, const double *plus, size_t lanes,
                           size_t width, const mgd_signals *unit, void *signal);
    /* G (count × width) += signal (width)·s; `set`: = instead of += */
    void (*integrate)(void *g, const mgd_pattern *s, const void *signal, bool set, size_t count,
                      size_t width);
    /* The same at the end of a window, and θ ← θ − eta (width)·G instead of keeping G. */
    void (*integrate_sgd)(void *theta, const void *g, const mgd_pattern *s, const void *signal,
                          const void *eta, bool set, size_t count, size_t width);

    /* G ← G + share·(signal·s − G) where lives (width) is not 0; and then θ ← θ − eta (width)·G,
     * unless θ is NULL. */
    void (*low_pass)(void *theta, void *g, const mgd_pattern *s, const void *signal,
                     const void *eta, const void *lives, double share, size_t count, size_t width);
    /* |G| ≤ most, each by itself */
    void (*limit)(void *g, double most, size_t count, size_t width);

    /* out (width) ← factor·alive (lanes); one lane fills a whole tile with its value */
    void (*rates)(double factor, const double *alive, size_t lanes, size_t width, void *out);
    /* Updates of θ (count × width) from G; eta (width), 0 where θ is to stay; lives (width), 0
     * where the moments are */
    void (*sgd)(void *theta, const void *g, const void *eta, size_t count, size_t width);
    void (*momentum)(void *theta, const void *g, void *v, const void *eta, const void *lives,
                     double momentum, bool nesterov, size_t count, size_t width);
    /* θ ← θ ∓ eta by the sign of G, where |G| > threshold */
    void (*sign)(void *theta, const void *g, const void *eta, double threshold, size_t count,
                 size_t width);
    /* correction: 1/(1 − β₁ᵗ), 1/(1 − β₂ᵗ) */
    void (*adam)(void *theta, const void *g, void *m, void *v, const void *eta, const void *lives,
                 double beta1, double beta2, double epsilon, const double correction[2],
                 size_t count, size_t width);
} mgd_engine_kernels;

const mgd_engine_kernels *mgd_engine_kernels_get(mgd_isa isa, mgd_dtype dtype);

/* The words of a slot's pattern for `width` replicas, drawn unless they are kept. */
mgd_pattern mgd_code_signs(const mgd_code *code, mgd_code_cache *cache,
                           const mgd_random_kernels *kernels, const uint64_t *replica,
                           uint64_t slot, size_t width);

#endif
