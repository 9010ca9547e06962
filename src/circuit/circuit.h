/* circuit: the digital learning synapse as integers, bit for bit what its Verilog does
 * (lua/mgd/circuits). Pure functions of registers, signs and costs: no chip and no engine is known
 * here.
 *
 * A synapse has a weight register w of W bits and a register that integrates. Both are two's
 * complement, and are kept as reals, which hold integers of so many bits exactly: θ = w·lsb, and G,
 * which counts downhill as θ does, so that the hardware's register is −G. Kernels compute with
 * integers as wide as a real.
 *
 *   cost unit    D = Q(C₋) − Q(C₊), Q(C) = ⌊C/range·2^B⌉ within 0 … 2^B − 1; the synapses hear D
 *                within ±1 (sign-sign: a vote) or within ±(2^M − 1) (accumulator)
 *   integrator   G ← G − D·s, saturating
 *   write        sign-sign: where |G| = 2^(n−1), w ← w − sign(G)·step and G ← 0, at every step;
 *                accumulator: w ← w + ⌊(−G + 2^(shift−1))/2^shift⌋ and G ← 0, at the end of τ_θ
 *
 * and w saturates at −2^(W−1) … 2^(W−1) − 1.
 */
#ifndef MGD_CIRCUIT_H
#define MGD_CIRCUIT_H

#include "../base/base.h"

#include <float.h>
#include <math.h>

/* Bits up to which integers of either sign are exact as reals. */
static inline unsigned mgd_circuit_exact_bits(mgd_dtype dtype) {
    return dtype == MGD_F32 ? FLT_MANT_DIG : DBL_MANT_DIG;
}

/* w: the step of a register of so many bits that is nearest to θ. */
static inline double mgd_circuit_weight(double theta, double lsb, unsigned bits) {
    const double half = ldexp(1, (int)bits - 1);
    return fmin(fmax(rint(theta / lsb), -half), half - 1);
}

/* Q(C); kernels compute it in lanes. */
static inline double mgd_circuit_code(double cost, double range, unsigned bits) {
    const double scale = ldexp(1, (int)bits);
    return fmin(fmax(rint(cost / range * scale), 0), scale - 1);
}

/* Arrays like θ are (count × width) reals, in rows or in lanes. */
typedef struct {
    /* signal (width) ← −D of each lane, 0 of lanes that are not alive; one lane fills a whole tile
     * with its value. plus, minus, alive (lanes) */
    void (*compare)(const mgd_circuit *circuit, const double *plus, const double *minus,
                    const double *alive, size_t lanes, size_t width, void *signal);
    /* G ← G + signal·s; s ±1 in reals, (count × width), or (count) where all lanes share it */
    void (*integrate)(const mgd_circuit *circuit, void *g, const void *s, bool shared,
                      const void *signal, size_t count, size_t width);
    /* w ← what G asks for, where lives (width) is not 0 */
    void (*write)(const mgd_circuit *circuit, void *theta, void *g, const void *lives, size_t count,
                  size_t width);
    /* θ and G become values that the registers can hold: w ← ⌊θ/lsb⌉ within its range. */
    void (*hold)(const mgd_circuit *circuit, void *theta, void *g, size_t count, size_t width);
} mgd_circuit_kernels;

const mgd_circuit_kernels *mgd_circuit_kernels_get(mgd_isa isa, mgd_dtype dtype);

/* "sign-sign", …; NULL beyond the last. */
const char *mgd_circuit_set_name(unsigned set);
/* Whether reals of this precision hold the registers; each field is within its range. */
mgd_status mgd_circuit_check(mgd_context *ctx, const mgd_circuit *circuit, mgd_dtype dtype);

#endif
