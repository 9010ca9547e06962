/* random (CDMA, SPSA): fair signs, drawn anew in each slot: bits of Philox blocks, which are kept
 * while slots share them. A sparse one draws a word for each parameter instead. */

#include "code.h"

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    (void)ctx, (void)train;
    code->bits = code->parameters;
    code->stream = MGD_STREAM_CODE;
    return MGD_OK;
}

static const char *const reads[] = {"sparsity", NULL};
const mgd_code_type mgd_code_random = {
    .name = "random", .reads = reads, .own = true, .zeroing = true, .signs = true, .open = open};
