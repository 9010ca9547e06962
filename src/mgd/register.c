/* Maximal-length shift registers, of the codes that perturb by them. */

#include "register.h"
#include "../base/base.h"

#include <math.h>

#define POLL_BITS ((uint64_t)1 << 20) /* drawn between two looks for an interrupt */
#define AMPLE_MAX 24

uint32_t mgd_register_taps(unsigned bits) {
    /* Of the table in P. Alfke, "Efficient Shift Registers, LFSR Counters, and Long Pseudo-Random
     * Sequence Generators", Xilinx XAPP 052 (1996). */
    static const uint8_t taps[MGD_REGISTER_MAX + 1][4] = {
        [2] = {2, 1},
        [3] = {3, 2},
        [4] = {4, 3},
        [5] = {5, 3},
        [6] = {6, 5},
        [7] = {7, 6},
        [8] = {8, 6, 5, 4},
        [9] = {9, 5},
        [10] = {10, 7},
        [11] = {11, 9},
        [12] = {12, 6, 4, 1},
        [13] = {13, 4, 3, 1},
        [14] = {14, 5, 3, 1},
        [15] = {15, 14},
        [16] = {16, 15, 13, 4},
        [17] = {17, 14},
        [18] = {18, 11},
        [19] = {19, 6, 2, 1},
        [20] = {20, 17},
        [21] = {21, 19},
        [22] = {22, 21},
        [23] = {23, 18},
        [24] = {24, 23, 22, 17},
        [25] = {25, 22},
        [26] = {26, 6, 2, 1},
        [27] = {27, 5, 2, 1},
        [28] = {28, 25},
        [29] = {29, 27},
        [30] = {30, 6, 4, 1},
    };
    uint32_t mask = 0;
    for (size_t i = 0; i < 4 && taps[bits][i]; i++)
        mask |= (uint32_t)1 << (taps[bits][i] - 1);
    return mask;
}

unsigned mgd_register_bits(double slots) {
    unsigned bits = 2;
    while (exp2(bits) - 1 < slots)
        bits++;
    return bits;
}

unsigned mgd_register_ample(double phases) {
    unsigned least = mgd_register_bits(phases + 1), ample = mgd_register_bits(64 * phases);
    ample = ample < AMPLE_MAX ? ample : AMPLE_MAX;
    return ample > least ? ample : least;
}

size_t mgd_register_words(unsigned bits, size_t ahead) {
    return (size_t)((((uint64_t)1 << bits) - 1 + ahead) / 32 + 2);
}

mgd_status mgd_register_draw(mgd_context *ctx, unsigned bits, size_t ahead, uint32_t *words) {
    const uint64_t cycle = ((uint64_t)1 << bits) - 1, total = cycle + ahead;
    const uint32_t taps = mgd_register_taps(bits);
    uint32_t state = (uint32_t)cycle; /* stage t is bit t − 1 */
    for (uint64_t n = 0; n < total; n++) {
        if (n % POLL_BITS == POLL_BITS - 1 && mgd_interrupt_pending())
            return mgd_interrupted(ctx);
        words[n / 32] |= (state >> (bits - 1)) << n % 32;
        state = (state << 1 | (uint32_t)__builtin_parity(state & taps)) & (uint32_t)cycle;
    }
    return MGD_OK;
}
