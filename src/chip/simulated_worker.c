/* What a worker needs on a simulated chip. */

#include "simulated.h"

void mgd_simulated_worker_close(worker *w) {
    void *blocks[] = {w->base,  w->pack, w->change,  w->arena,    w->target,  w->value,
                      w->sum,   w->hit,  w->index,   w->copy,     w->undo,    w->moves,
                      w->input, w->held, w->scratch, w->variance, w->squares, w->noisy};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mgd_free(blocks[i]);
}

mgd_status mgd_simulated_worker_open(mgd_context *ctx, const simulated *s, worker *w) {
    size_t row = s->width * s->real, parameters = s->rows * s->row_width;
    size_t scratch = mgd_hw_chain_scratch(&s->parts.drive.chain, s->row_width * s->real);
    if (mgd_take(&w->base, parameters, s->real) && mgd_take(&w->pack, parameters, s->real) &&
        mgd_take(&w->change, parameters, s->real) && mgd_take(&w->arena, s->plan->arena, row) &&
        mgd_take(&w->target, s->samples.targets, row) &&
        mgd_take(&w->value, 2 * s->width, sizeof(double)) &&
        mgd_take(&w->moves, s->width, sizeof(double)) && mgd_take(&w->held, 1, row) &&
        (scratch == 0 || mgd_take(&w->scratch, scratch, 1)) &&
        mgd_take(&w->sum, s->signals * simulated_costs(s), sizeof(double)) &&
        mgd_take(&w->hit, s->width, sizeof(double)) &&
        mgd_take(&w->index, s->width, sizeof(uint32_t)) &&
        mgd_take(&w->copy, s->width, sizeof(uint32_t)) &&
        (!part_acts(&s->parts.input) || mgd_take(&w->input, s->samples.features, row)) &&
        mgd_simulated_reading_take(s, w) &&
        (!s->undoes || mgd_take(&w->undo, s->state_bytes + 1, 1)))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_MEMORY,
                    "out of memory: %zu parameters and %zu lanes of a network on a chip with "
                    "imperfections",
                    parameters, s->width);
}
