/* What a digital circuit may be. */

#include "circuit.h"
#include "../base/number.h"

const char *mgd_circuit_set_name(unsigned set) {
    static const char *const names[] = {[MGD_CIRCUIT_NONE] = "none",
                                        [MGD_CIRCUIT_SIGN_SIGN] = "sign-sign",
                                        [MGD_CIRCUIT_ACCUMULATOR] = "accumulator"};
    return set < sizeof names / sizeof *names ? names[set] : NULL;
}

static mgd_status need_bits(mgd_context *ctx, const char *name, unsigned bits, mgd_dtype dtype) {
    unsigned most = mgd_circuit_exact_bits(dtype);
    if (bits <= most)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "circuit: %s = %u, and a network of %s shows no more than %u: expected fewer%s",
                    name, bits, mgd_dtype_name(dtype), most,
                    dtype == MGD_F32 ? ", or a network of dtype f64" : "");
}

/* lsb, its inverse and all that the chip shows, up to lsb·2^weight_bits, are normal numbers. */
static mgd_status need_range(mgd_context *ctx, const mgd_circuit *c, mgd_dtype dtype) {
    const int low = dtype == MGD_F32 ? FLT_MIN_EXP : DBL_MIN_EXP;
    const int high = (dtype == MGD_F32 ? FLT_MAX_EXP : DBL_MAX_EXP) - (int)c->weight_bits;
    int exponent;
    frexp(c->lsb, &exponent);
    if (exponent >= low && exponent <= high)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "circuit: lsb = %s with weight_bits = %u, in a network of %s: expected an lsb "
                    "from 2^%d to 2^%d",
                    MGD_NUMBER(c->lsb), c->weight_bits, mgd_dtype_name(dtype), low - 1, high - 1);
}

mgd_status mgd_circuit_check(mgd_context *ctx, const mgd_circuit *c, mgd_dtype dtype) {
    int exponent;
    if (frexp(c->lsb, &exponent) != 0.5)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "circuit: lsb = %s: expected a power of 2, of which weights are exact "
                        "multiples",
                        MGD_NUMBER(c->lsb));
    /* what the chip shows, w ± w̃, has one bit more */
    MGD_TRY(need_bits(ctx, "weight_bits + 1", c->weight_bits + 1, dtype));
    MGD_TRY(need_range(ctx, c, dtype));
    if (c->set == MGD_CIRCUIT_SIGN_SIGN)
        return need_bits(ctx, "counter_bits", c->counter_bits, dtype);
    if (c->shift >= c->accumulator_bits)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "circuit: shift = %u takes all %u bits of the accumulator away: expected "
                        "less than accumulator_bits",
                        c->shift, c->accumulator_bits);
    MGD_TRY(need_bits(ctx, "magnitude_bits", c->magnitude_bits, dtype));
    return need_bits(ctx, "accumulator_bits", c->accumulator_bits, dtype);
}
