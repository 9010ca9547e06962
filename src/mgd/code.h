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

#include "random.h"

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

/* The words of a slot's pattern for `width` replicas, drawn unless they are kept. */
mgd_pattern mgd_code_signs(const mgd_code *code, mgd_code_cache *cache,
                           const mgd_random_kernels *kernels, const uint64_t *replica,
                           uint64_t slot, size_t width);

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

#endif
