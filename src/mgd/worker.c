/* A worker's memory. */

#include "engines.h"

/* What every thread needs that forms patterns. */
static mgd_status open_patterns(mgd_context *ctx, const mgd_run *run, mgd_patterns *p) {
    const mgd_layout *l = &run->layout;
    size_t values = MGD_PATTERN_ROWS * l->width;
    values = (values > MGD_PATTERN_ROW ? values : MGD_PATTERN_ROW) + run->kernels->lanes;
    MGD_TRY(mgd_code_cache_open(ctx, &run->code, l->block_steps, l->lanes, &p->code));
    if (mgd_take(&p->values, values, run->real) &&
        mgd_take(&p->factor, run->kernels->lanes, run->real))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: patterns of %zu parameters",
                    run->parameters);
}

static bool take_block(const mgd_run *run, mgd_block *b) {
    const mgd_layout *l = &run->layout;
    size_t signals = run->signals.count, batch = run->train.batch;
    return mgd_take(&b->points, l->max_points, sizeof *b->points) &&
           mgd_take(&b->places, l->block_steps, sizeof *b->places) &&
           mgd_take(&b->cost, signals * l->max_points * l->lanes, sizeof(double)) &&
           mgd_take(&b->against, l->lanes, sizeof(double)) &&
           mgd_take(&b->samples, l->block_steps * batch, l->lanes * sizeof(uint32_t)) &&
           mgd_take(&b->ahead, MGD_AHEAD * batch, l->lanes * sizeof(uint32_t)) &&
           mgd_take(&b->signal, signals * l->block_steps * l->width, run->real) &&
           mgd_take(&b->mixed, l->width, run->real);
}

static bool take_rates(const mgd_run *run, mgd_rates *r) {
    size_t width = run->layout.width;
    return mgd_take(&r->eta, width, run->real) && mgd_take(&r->lives, width, run->real) &&
           mgd_take(&r->decay, width, run->real) && mgd_take(&r->own[0], width, run->real) &&
           mgd_take(&r->own[1], width, run->real) && mgd_take(&r->own[2], width, run->real) &&
           mgd_take(&r->share, width, run->real);
}

/* And what those need that ask the chip for blocks of steps. */
static mgd_status open_requester(mgd_context *ctx, const mgd_run *run, mgd_worker *w) {
    const mgd_engine_type *engine = run->engine;
    if (take_block(run, &w->block) && take_rates(run, &w->rates) &&
        mgd_take(&w->before, 1, mgd_run_unit_bytes(run)))
        return engine->open ? engine->open(ctx, run, &w->own) : MGD_OK;
    double samples = (double)(run->layout.block_steps + MGD_AHEAD) * (double)run->train.batch;
    return mgd_fail(ctx, MGD_ERR_MEMORY,
                    "out of memory: the samples of a batch of %zu, shown up to %zu at once, need "
                    "%.0f bytes for each thread",
                    run->train.batch, run->layout.block_steps,
                    samples * (double)run->layout.lanes * sizeof(uint32_t));
}

mgd_status mgd_worker_open(mgd_context *ctx, const mgd_run *run, bool requests, mgd_worker *w) {
    MGD_TRY(open_patterns(ctx, run, &w->patterns));
    return requests ? open_requester(ctx, run, w) : MGD_OK;
}

void mgd_worker_close(const mgd_run *run, mgd_worker *w) {
    void *blocks[] = {w->block.points,    w->block.places,   w->block.cost,   w->block.against,
                      w->block.samples,   w->block.ahead,    w->block.signal, w->block.mixed,
                      w->rates.eta,       w->rates.lives,    w->rates.decay,  w->rates.share,
                      w->before,          w->rates.own[0],   w->rates.own[1], w->rates.own[2],
                      w->patterns.values, w->patterns.factor};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mgd_free(blocks[i]);
    if (run->engine->close)
        run->engine->close(w->own);
    mgd_code_cache_close(&w->patterns.code);
}
