/* lfsr: one maximal-length shift register, a phase for each parameter. */

#include "code_lfsr.h"
#include "code.h"

#include <math.h>

#define MAX_REGISTER 30
#define ENOUGH_BITS 24 /* unless there are more parameters than slots */

/* Taps of registers of 2 … 30 bits whose period is 2^m − 1: those of the table in P. Alfke,
 * "Efficient Shift Registers, LFSR Counters, and Long Pseudo-Random Sequence Generators", Xilinx
 * XAPP 052 (1996), stage t as bit t − 1. */
static uint32_t taps_of(unsigned bits) {
    static const uint8_t taps[MAX_REGISTER + 1][4] = {
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

#define POLL_BITS ((uint64_t)1 << 20) /* drawn between two looks for an interrupt */

/* b_n = ⊕ b_{n−t} over the taps t, from m ones on: what the last stage of the register shows. */
static mgd_status draw_sequence(mgd_context *ctx, unsigned bits, mgd_code *code) {
    uint64_t cycle = ((uint64_t)1 << bits) - 1, total = cycle + code->parameters;
    const uint32_t taps = taps_of(bits);
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "sequence of the register",
                         sizeof(mgd_register) / sizeof(uint32_t) + (size_t)(total / 32 + 2),
                         sizeof(uint32_t), &memory));
    mgd_register *r = code->state = memory;
    uint32_t state = (uint32_t)cycle; /* stage t, b_{n−t}, is bit t − 1 */
    for (uint64_t n = 0; n < total; n++) {
        if (n % POLL_BITS == POLL_BITS - 1 && mgd_interrupt_pending())
            return mgd_interrupted(ctx);
        r->sequence[n / 32] |= (state >> (bits - 1)) << n % 32;
        state = (state << 1 | (uint32_t)__builtin_parity(state & taps)) & (uint32_t)cycle;
    }
    return MGD_OK;
}

/* Of a register with so many slots in a period. */
static unsigned bits_for(double slots) {
    unsigned bits = 2;
    while (exp2(bits) - 1 < slots)
        bits++;
    return bits;
}

/* Parameters are correlated by −1/(2^m − 1), which leaves an angle of up to asin(P/(2^(m+1) − P))
 * however long G is integrated: 0.45° with 64·P slots. A register that is balanced is orthogonal,
 * and best when it is short. */
static unsigned register_bits(const mgd_train *train, double parameters) {
    unsigned least = bits_for(parameters + 1), enough = bits_for(64 * parameters);
    if (train->bits > 0 || train->balanced)
        return train->bits > 0 ? train->bits : least;
    enough = enough < ENOUGH_BITS ? enough : ENOUGH_BITS;
    return enough > least ? enough : least;
}

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    unsigned least = bits_for((double)code->parameters + 1);
    unsigned bits = register_bits(train, (double)code->parameters);
    if (bits < least || bits > MAX_REGISTER)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: a register of bits = %u shows %.0f phases: expected %u to "
                        "%d bits for %zu parameters and one phase more",
                        bits, exp2(bits) - 1, least, MAX_REGISTER, code->parameters);
    MGD_TRY(draw_sequence(ctx, bits, code));
    ((mgd_register *)code->state)->balanced = train->balanced;
    code->alternate = train->alternate;
    code->period = ((uint64_t)1 << bits) - (train->balanced ? 0 : 1);
    return MGD_OK;
}

static const char *const reads[] = {"alternate", "sparsity", "bits", "balanced", NULL};
const mgd_code_type mgd_code_lfsr = {.name = "lfsr", .reads = reads, .open = open};
