/* sequential (TDMA): each slot perturbs one parameter, all of them one after the other. */

#include "code.h"

/* A drawn order: the parameters sorted by Philox words (Fisher and Yates, from the end). */
static mgd_status draw_order(mgd_context *ctx, mgd_code *code) {
    void *memory;
    size_t n = code->parameters;
    MGD_TRY(mgd_allocate(ctx, "order of the sequential code", n, sizeof(uint32_t), &memory));
    uint32_t *order = memory, words[4];
    for (size_t i = 0; i < n; i++)
        order[i] = (uint32_t)i;
    for (size_t i = n; i-- > 1;) {
        mgd_random_words(code->seed, MGD_STREAM_PHASE, 0, 0, (uint32_t)i, words);
        size_t other = (size_t)((uint64_t)words[0] * (i + 1) >> 32);
        uint32_t swap = order[i];
        order[i] = order[other];
        order[other] = swap;
    }
    code->state = order;
    return MGD_OK;
}

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    code->mean_square = 1 / (double)code->parameters;
    code->period = code->parameters;
    return train->shuffled ? draw_order(ctx, code) : MGD_OK;
}

static const char *const reads[] = {"order", NULL};
const mgd_code_type mgd_code_sequential = {.name = "sequential", .reads = reads, .open = open};
