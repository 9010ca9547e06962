/* lfsr: one maximal-length shift register, a phase for each parameter. */

#include "code_lfsr.h"
#include "code.h"
#include "register.h"

#include <math.h>

/* A register that is balanced is orthogonal, and best when it is short. */
static unsigned register_bits(const mgd_train *train, double parameters) {
    if (train->bits > 0)
        return train->bits;
    return train->balanced ? mgd_register_bits(parameters + 1) : mgd_register_ample(parameters);
}

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    unsigned least = mgd_register_bits((double)code->parameters + 1);
    unsigned bits = register_bits(train, (double)code->parameters);
    if (bits < least || bits > MGD_REGISTER_MAX)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: a register of bits = %u shows %.0f phases: expected %u to "
                        "%d bits for %zu parameters and one phase more",
                        bits, exp2(bits) - 1, least, MGD_REGISTER_MAX, code->parameters);
    MGD_TRY(mgd_allocate(ctx, "sequence of the register",
                         sizeof(mgd_register) / sizeof(uint32_t) +
                             mgd_register_words(bits, code->parameters),
                         sizeof(uint32_t), &code->state));
    mgd_register *r = code->state;
    MGD_TRY(mgd_register_draw(ctx, bits, code->parameters, r->sequence));
    r->balanced = train->balanced;
    code->alternate = train->alternate;
    code->period = ((uint64_t)1 << bits) - (train->balanced ? 0 : 1);
    return MGD_OK;
}

static const char *const reads[] = {"alternate", "sparsity", "bits", "balanced", NULL};
const mgd_code_type mgd_code_lfsr = {.name = "lfsr", .reads = reads, .open = open};
