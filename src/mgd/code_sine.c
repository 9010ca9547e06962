/* sine (FDMA): a frequency for each parameter. */

#include "../base/number.h"
#include "code_sine.h"
#include "code.h"

/* numerator/denominator of a cycle as a 64-bit fraction, rounded down */
static uint64_t cycle_fraction(uint64_t numerator, uint64_t denominator) {
    unsigned __int128 wide = (unsigned __int128)(numerator % denominator) << 64;
    return (uint64_t)(wide / denominator);
}

/* Slots in a window, 0 where they are not known beforehand or do not fill it. */
static uint64_t window_of(const mgd_train *train) {
    uint64_t tau_p = mgd_code_steps(&train->tau_p), window = mgd_code_steps(&train->tau_theta);
    return tau_p > 0 && window % tau_p == 0 ? window / tau_p : 0;
}

/* The i-th of P frequencies in cycles per slot. Over a window of K slots, K > 2P, the integer bins
 * m/K, m = 1 … P, are exactly orthogonal; otherwise P frequencies evenly between low and high. */
static uint64_t frequency_of(const mgd_train *train, size_t parameters, size_t i) {
    uint64_t tau_p = mgd_code_steps(&train->tau_p), slots = window_of(train);
    bool band = train->high > 0;
    if (!band && slots > 2 * (uint64_t)parameters)
        return cycle_fraction(i + 1, slots);
    double low = band ? train->low * (double)tau_p : 0;
    double high = band ? train->high * (double)tau_p : 0.5;
    double share = band ? (parameters > 1 ? (double)i / (double)(parameters - 1) : 0)
                        : (double)(i + 1) / (double)(parameters + 1);
    return (uint64_t)((low + share * (high - low)) * 0x1p64);
}

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    uint64_t tau_p = mgd_code_steps(&train->tau_p);
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
    MGD_TRY(mgd_allocate(ctx, "frequencies", n, sizeof(mgd_oscillator), &memory));
    mgd_oscillator *oscillator = code->state = memory;
    for (size_t i = 0; i < n; i++) {
        uint32_t words[4];
        mgd_random_words(code->seed, MGD_STREAM_PHASE, 0, 1, (uint32_t)i, words);
        oscillator[i] = (mgd_oscillator){.frequency = frequency_of(train, n, i),
                                         .phase = (uint64_t)words[0] << 32 | words[1]};
    }
    code->mean_square = 0.5;
    code->cycle = window_of(train); /* frequencies are bins of it */
    return MGD_OK;
}

static const char *const reads[] = {"low", "high", NULL};
const mgd_code_type mgd_code_sine = {.name = "sine", .reads = reads, .open = open};
