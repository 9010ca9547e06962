/* Perturbation codes. A code gives the unit pattern s of a slot; the perturbation is θ̃ = a·s with
 * the amplitude a. Nothing is stored: a pattern is computed where it is needed, from (code,
 * replica, slot), as often as it is needed.
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

/* Random bits of W replicas, kept because a Philox block serves several slots or 128 parameters. */
typedef struct {
    uint64_t block; /* which one `words` holds; UINT64_MAX: none */
    uint32_t index;
    uint32_t *words; /* (4 × W); in rows W = 1 */
} mgd_code_cache;

/* Signals beyond this may make θ overflow when it is written. */
#define MGD_HUGE_SIGNAL 1e15

/* What some living lane met: a cost that is not finite, a signal that is huge. */
typedef struct {
    bool nonfinite, huge;
} mgd_alarm;

typedef struct {
    size_t lanes;

    /* words (4 × width): a Philox block for each replica replica … replica + width − 1 */
    void (*words)(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step, uint32_t index,
                  size_t width, uint32_t *words);

    /* out (count): the pattern of one replica, parameters first …; there is room for a tile more.
     * A cache serves one replica (here) or one unit (below) and starts with block = UINT64_MAX. */
    void (*row)(const mgd_code *code, mgd_code_cache *cache, uint64_t replica, uint64_t slot,
                size_t first, size_t count, void *out);
    /* out (count × width): the pattern of replicas replica … replica + width − 1 */
    void (*replicas)(const mgd_code *code, mgd_code_cache *cache, uint64_t replica, uint64_t slot,
                     size_t first, size_t count, size_t width, void *out);

    /* out ← θ + factor·s, n values */
    void (*perturb)(const void *theta, const void *s, double factor, size_t n, void *out);
    /* out (count × lanes) ← θ (count) + factor (lanes)·s (count), factor in the kernels' precision
     */
    void (*perturb_slot)(const void *theta, const void *s, const void *factor, size_t count,
                         void *out);
    /* The same with a pattern s[lane] (count) for each lane */
    void (*perturb_slots)(const void *theta, const void *const *s, const void *factor, size_t count,
                          void *out);

    /* C̃ of every lane: plus − against, half of it when two-sided, or plus alone without a baseline;
     * and signal ← C̃·scale in the kernels' precision. Both are 0 where the lane is not alive or not
     * finite. All (lanes), but signal (width): one lane fills a whole tile with its value. Adds |C̃|
     * and |C| to sums (2 × lanes). */
    mgd_alarm (*demodulate)(mgd_baseline baseline, const double *plus, const double *against,
                            const double *alive, double scale, size_t lanes, size_t width,
                            double *c_tilde, void *signal, double *sums);
    /* g (count × width) += signal (width)·s (count × width); `set`: = instead of += */
    void (*accumulate)(void *g, const void *s, const void *signal, bool set, size_t count,
                       size_t width);

    /* out (width) ← eta·alive (lanes); one lane fills a whole tile with its value */
    void (*rates)(double eta, const double *alive, size_t lanes, size_t width, void *out);
    /* Updates of θ (count × width) from G; eta (width) */
    void (*sgd)(void *theta, const void *g, const void *eta, size_t count, size_t width);
    void (*momentum)(void *theta, const void *g, void *v, const void *eta, double momentum,
                     size_t count, size_t width);
    /* correction: 1/(1 − β₁ᵗ), 1/(1 − β₂ᵗ) */
    void (*adam)(void *theta, const void *g, void *m, void *v, const void *eta, double beta1,
                 double beta2, double epsilon, const double correction[2], size_t count,
                 size_t width);
} mgd_engine_kernels;

const mgd_engine_kernels *mgd_engine_kernels_get(mgd_isa isa, mgd_dtype dtype);

#endif
