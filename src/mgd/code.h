/* Perturbation codes. A code gives the unit pattern s of a slot; the perturbation is θ̃ = a·s with
 * the amplitude a. A pattern is computed where it is needed, from (code, replica, slot), as often
 * as it is needed. What a worker keeps of it is at most one bit per parameter, and lane, and slot:
 * the signs that the dense random code and `outer` draw. Patterns that a function of the user's
 * gives are asked for before a segment begins, once for all replicas, and kept for as many slots as
 * that may take.
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

typedef struct mgd_code mgd_code;

/* What a kind of code is: one row, in a file code_*.c; codes.c lists the rows by kind. How its
 * patterns are formed is a row of kernels (mgd_pattern_kernels), in a kernels_code_*.c. */
typedef struct {
    const char *name;
    const char *const *reads; /* options that not all codes have, NULL behind the last */
    bool own;                 /* replicas have patterns of their own */
    bool drawn;               /* patterns are formed of random words, piece by piece */
    bool signs;               /* of its bits each is the sign of a parameter */
    bool zeroing; /* the words that decide on its signs decide on the zeros of a sparse one, too */
    /* Checks what the code reads beside the range of each option, and sets what differs from
     * {.mean_square = 1}; `state` is freed with the code. NULL: nothing does. */
    mgd_status (*open)(mgd_context *ctx, const mgd_train *train, mgd_code *code);
    /* Puts the pattern of a slot into code->rows; NULL: the kernels form it. */
    mgd_status (*fetch)(mgd_context *ctx, mgd_code *code, uint64_t slot);
} mgd_code_type;

/* The row of a kind; NULL beyond the last. */
const mgd_code_type *mgd_code_of(unsigned kind);

struct mgd_code {
    mgd_code_kind kind;
    const mgd_code_type *type;
    size_t parameters;
    double mean_square; /* time average of s_i² before the gains: 1, ½ for sines, 1/P for
                         * sequential, the share of parameters that are not left out */
    double square_sum;  /* of all parameters, gains included: Δ² = a²·square_sum */
    uint64_t seed;

    uint64_t period; /* slots after which patterns come again, 0: never; with … */
    bool alternate;  /* … all signs turned over in odd periods */
    uint64_t cycle;  /* slots in which parameters are orthogonal: the period, or others; 0: none */
    uint64_t stride; /* slots from step to step of τ_p: 1, or with nodes one for each sample */
    void *state;     /* the code's own */

    size_t bits;       /* random ones that a slot of a dense code takes, 0: none; … */
    mgd_stream stream; /* … and out of which stream */

    /* patterns that are fetched */
    char *rows;    /* (kept × P) of the slots before `next`, a tile more; NULL: none are */
    size_t kept;   /* slots; 0: none */
    size_t real;   /* bytes of a real */
    uint64_t next; /* slot */

    uint32_t zero_below; /* sparse: a 31-bit draw below this is a zero; 0: dense */
    double *gain[2];     /* by use, (P) factors of s_i; NULL: 1 */
    double spread;       /* σ of the logarithm of a further factor, drawn by replica … */
    bool divide[2];      /* … that s_i is multiplied with, or divided by */
    bool uneven;         /* there are such gains or factors */
    bool shared;         /* none of what its kind draws for each replica is in it */
    bool own;            /* replicas have patterns of their own */
    bool drawn;          /* rows are formed piece by piece, from random words or with gains */
    bool masked;         /* zeros are drawn for themselves */
};

/* Prepares the code of `train`, whose options are in their ranges, for P parameters and kernels of
 * a precision. */
mgd_status mgd_code_open(mgd_context *ctx, const mgd_train *train, size_t parameters,
                         mgd_dtype dtype, mgd_code *out);
void mgd_code_close(mgd_code *code);

/* Has the patterns of slots first … last at hand where they are fetched; asks for each only once,
 * in order, as long as `first` does not go back by more than `kept` slots, which `last` may not
 * exceed. Nothing to do for other codes. */
mgd_status mgd_code_fetch(mgd_context *ctx, mgd_code *code, uint64_t first, uint64_t last);

/* A pattern that was fetched, from parameter `first` on, in the kernels' precision; behind its end
 * there is room to read a tile. */
static inline const void *mgd_code_row(const mgd_code *code, uint64_t slot, size_t first) {
    return code->rows + ((size_t)(slot % code->kept) * code->parameters + first) * code->real;
}

/* Random words of a worker's replicas in some slots: what the code draws for these, bit by bit. */
typedef struct {
    unsigned log_bits;  /* a slot takes 2^log_bits bits of a block, at most 128, … */
    unsigned log_slots; /* … so that one block serves 2^log_slots slots */
    size_t kept;        /* Philox blocks in the order of slots, a power of two; 0: another code */
    size_t indices;     /* Philox blocks side by side that make up a pattern */
    uint64_t *block;    /* (kept) which one each entry holds; UINT64_MAX: none */
    uint32_t *words;    /* (kept × 4·indices × W); in rows W = 1 */
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

/* Kernels that form patterns. `signs` are the bits of a slot, of the codes that draw some, from bit
 * `bit` on: of the dense random code one for each parameter, of `outer` one for each source. */
typedef struct {
    /* out (count): of one replica, parameters first …; there is room for a tile more */
    void (*row)(const mgd_code *code, const mgd_pattern *signs, mgd_use use, uint64_t replica,
                uint64_t slot, size_t first, size_t count, void *out);
    /* out (count × width): of each replica, count ≤ MGD_PATTERN_ROWS */
    void (*lanes)(const mgd_code *code, const mgd_pattern *signs, mgd_use use,
                  const uint64_t *replica, uint64_t slot, size_t first, size_t count, size_t width,
                  void *out);
} mgd_code_kernels;

/* Where a pattern is formed: the slot; the replica, or those of a tile, the lanes from `lane` on of
 * `width`; and the signs, as above. */
typedef struct {
    const mgd_pattern *signs;
    const uint64_t *replica;
    uint64_t slot;
    size_t lane, width;
} mgd_code_place;

/* How a code forms its patterns. */
typedef struct {
    /* out (n): of one replica, parameters first …; whole vectors may be stored */
    void (*row)(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out);
    /* out (n × LANES): of a tile of replicas; NULL: all replicas have the same */
    void (*tile)(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out);
} mgd_pattern_kernels;

/* ---- for the rows: code_values.c ------------------------------------------------------------- */

/* A time constant, 0 where it changes. */
uint64_t mgd_code_steps(const mgd_schedule *tau);
/* The smallest that is not below n. */
uint64_t mgd_power_of_two_from(uint64_t n);
/* Values of a tensor (P), each finite, as `out` of floats or doubles; `what` opens the message. */
mgd_status mgd_code_take_values(mgd_context *ctx, const char *what, const mgd_tensor *t,
                                size_t count, size_t real, void *out);

#endif
