/* Perturbation codes. A code gives the unit pattern s of a slot; the perturbation is θ̃ = a·s with
 * the amplitude a. A pattern is computed where it is needed, from (code, replica, slot), as often
 * as it is needed. What a worker keeps of it is at most one bit per parameter, and lane, and slot:
 * the signs of the dense random code. Patterns that a function of the user's gives are asked for
 * before a segment begins, once for all replicas, and kept for as many slots as that may take.
 *
 * What is demodulated with is not s where amplitudes or energies differ between parameters:
 * e_i = C̃·θ̃_i/⟨θ̃_i²⟩ is then C̃·(s_i/⟨s_i²⟩)/a. So a pattern is formed for one of two uses.
 */
#ifndef MGD_MGD_CODE_H
#define MGD_MGD_CODE_H

#include "../base/base.h"

#define MGD_BLOCK_BITS 128 /* signs that one Philox block yields */

/* Parameters are perturbed and integrated so many rows at a time, within the first-level cache,
 * where their pattern has to be stored: that of any code but the dense random one in lanes. */
#define MGD_PATTERN_ROWS 32
#define MGD_PATTERN_ROW 512 /* the same in rows: parameters of one replica */

typedef enum { MGD_USE_PERTURB, MGD_USE_DEMODULATE } mgd_use;

typedef struct {
    mgd_code_kind kind;
    size_t parameters;
    double mean_square; /* time average of s_i² before the gains: 1, ½ for sines, 1/P for
                         * sequential, the share of parameters that are not left out */
    double square_sum;  /* of all parameters, gains included: Δ² = a²·square_sum */
    uint64_t seed;

    uint64_t period;     /* walsh, lfsr: slots; sequential: P */
    bool alternate;      /* walsh, lfsr: all signs flip in odd periods */
    uint32_t *order;     /* sequential: (P) parameter of each slot; NULL: 0, 1, 2, … */
    uint64_t *frequency; /* sine: (P) cycles per slot, in units of 2^−64 */
    uint64_t *phase;     /* sine: (P) cycles, in units of 2^−64 */
    uint32_t *sequence;  /* lfsr: bits of a period and of P slots more, one word more */
    bool balanced;       /* lfsr: the last slot of a period shows +1 everywhere */
    unsigned length;     /* brownian: L, the signs that are added up, and … */
    double step;         /* … 1/√L */
    uint32_t zero_below; /* sparse: a 31-bit draw below this is a zero; 0: dense */
    unsigned log_bits; /* random, dense: a slot takes 2^log_bits bits of a block, at most 128, … */
    unsigned log_slots; /* … so that one block serves 2^log_slots slots */

    mgd_code_function *function; /* what gives the patterns, … */
    void *user;                  /* … called with this */
    double seconds;              /* of a slot */
    size_t real;                 /* bytes of a real */
    char *rows;                  /* (kept × P) patterns of the slots before `next`, a tile more */
    size_t kept;                 /* slots; 0: not a function */
    uint64_t next;

    double *gain[2]; /* by use, (P) factors of s_i; NULL: 1 */
    double spread;   /* σ of the logarithm of a further factor, drawn by replica … */
    bool divide[2];  /* … that s_i is multiplied with, or divided by */
    bool uneven;     /* there are such gains or factors */
    bool own;        /* replicas have patterns of their own */
    bool drawn;      /* rows are formed piece by piece, from random words or with gains */
} mgd_code;

/* Checks the fields of `train` that concern its code and prepares it for P parameters and kernels
 * of a precision. */
mgd_status mgd_code_open(mgd_context *ctx, const mgd_train *train, size_t parameters,
                         mgd_dtype dtype, mgd_code *out);
void mgd_code_close(mgd_code *code);

/* Has the function's patterns of slots first … last at hand; asks for each only once, in order, as
 * long as `first` does not go back by more than `kept` slots, which `last` may not exceed. Nothing
 * to do for other codes. */
mgd_status mgd_code_fetch(mgd_context *ctx, mgd_code *code, uint64_t first, uint64_t last);

/* The function's pattern from parameter `first` on, in the kernels' precision; behind its end there
 * is room to read a tile. */
static inline const void *mgd_code_row(const mgd_code *code, uint64_t slot, size_t first) {
    return code->rows + ((size_t)(slot % code->kept) * code->parameters + first) * code->real;
}

/* Random words of a worker's replicas in some slots: their patterns' signs, one bit each. */
typedef struct {
    size_t kept;     /* Philox blocks in the order of slots, a power of two; 0: another code */
    size_t indices;  /* Philox blocks side by side that make up a pattern */
    uint64_t *block; /* (kept) which one each entry holds; UINT64_MAX: none */
    uint32_t *words; /* (kept × 4·indices × W); in rows W = 1 */
} mgd_code_cache;

/* Whether a pattern is nothing but signs, drawn as random bits: the dense random code's with even
 * amplitudes. */
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

/* What some living lane met: a cost that is not finite, one beyond its limit, a signal that is
 * huge.
 */
typedef struct {
    bool nonfinite, beyond, huge;
} mgd_alarm;

/* Kernels that draw. `replica` is an array of replica numbers, one for each lane. */
typedef struct {
    /* out (4 × width): a Philox block for each replica */
    void (*words)(uint64_t seed, mgd_stream stream, const uint64_t *replica, uint64_t step,
                  uint32_t index, size_t width, uint32_t *out);
    /* out (blocks × 4): blocks of index from, from + 1, … of one replica */
    void (*block_words)(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                        uint32_t from, size_t blocks, uint32_t *out);
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
/* Kernels that form patterns. `signs` are those of the whole pattern, of the dense random code,
 * from bit `bit` on; others do without. */
typedef struct {
    /* out (count): of one replica, parameters first …; there is room for a tile more */
    void (*row)(const mgd_code *code, const mgd_pattern *signs, mgd_use use, uint64_t replica,
                uint64_t slot, size_t first, size_t count, void *out);
    /* out (count × width): of each replica, count ≤ MGD_PATTERN_ROWS */
    void (*lanes)(const mgd_code *code, const mgd_pattern *signs, mgd_use use,
                  const uint64_t *replica, uint64_t slot, size_t first, size_t count, size_t width,
                  void *out);
} mgd_code_kernels;

/* What the kernels know of a unit's replicas. */
typedef struct {
    const double *alive;      /* (lanes) 1, or 0: everything of it stays as it is */
    const double *limit;      /* (lanes) of |C| */
    double *c0, *c, *c_tilde; /* (lanes) */
    double *sums;             /* (2 × lanes) Σ|C̃|, Σ|C| */
} mgd_signals;

typedef struct {
    size_t lanes;
    const mgd_random_kernels *random;
    const mgd_code_kernels *code;

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

    /* out (width) ← factor·alive·rate (lanes each; rate NULL: 1); one lane fills a whole tile with
     * its value */
    void (*rates)(double factor, const double *alive, const double *rate, size_t lanes,
                  size_t width, void *out);
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
