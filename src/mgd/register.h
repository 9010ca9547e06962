/* Maximal-length shift registers. That of m bits shows b_0, b_1, …: m ones, then b_k = ⊕ b_{k−t}
 * over its taps t, which comes again after 2^m − 1. */
#ifndef MGD_MGD_REGISTER_H
#define MGD_MGD_REGISTER_H

#include "../mgd.h"

#define MGD_REGISTER_MAX 30 /* bits; at least 2 */

/* Stage t, which holds b_{k−t}, as bit t − 1. */
uint32_t mgd_register_taps(unsigned bits);

/* The least bits with so many slots in a period. */
unsigned mgd_register_bits(double slots);

/* Bits for so many phases, which are correlated by −1/(2^m − 1). That leaves an angle of up to
 * asin(P/(2^(m+1) − P)) however long G is integrated: 0.45° with 64·P slots; no more than 24 bits,
 * unless a phase for each takes them. */
unsigned mgd_register_ample(double phases);

/* Words of a period and `ahead` bits more, and a word that may be read with the last. */
size_t mgd_register_words(unsigned bits, size_t ahead);

/* These bits, from b_0 on, each 32 from the lowest on; `words` are zeros. */
mgd_status mgd_register_draw(mgd_context *ctx, unsigned bits, size_t ahead, uint32_t *words);

#endif
