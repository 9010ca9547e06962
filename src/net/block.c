/* Blocks of samples: scratch memory, gathering, and the way forward. */

#include "block.h"

void mgd_block_close(mgd_block *b) {
    mgd_free(b->arena);
    mgd_free(b->deltas);
    mgd_free(b->target);
    mgd_free(b->value);
    mgd_free(b->hit);
    mgd_free(b->weight);
    mgd_free(b->index);
}

size_t mgd_block_width(const mgd_net *net, size_t samples) {
    size_t lanes = net->kernels->lanes;
    return mgd_net_tiles(net, samples / lanes + (samples % lanes != 0)) * lanes;
}

mgd_status mgd_block_open(mgd_context *ctx, const mgd_net *net, const mgd_plan *plan,
                          size_t samples, size_t targets, mgd_block *out) {
    size_t size = mgd_dtype_size(net->dtype), bytes;
    mgd_block b = {.plan = plan, .width = mgd_block_width(net, samples)};
    bool back = plan == &net->reference;
    if (!(mgd_take(&b.arena, plan->arena, b.width * size) &&
          (!back || mgd_take(&b.deltas, plan->arena, b.width * size)) &&
          mgd_take(&b.target, targets ? targets : 1, b.width * size) &&
          mgd_take(&b.value, b.width, sizeof(double)) &&
          mgd_take(&b.hit, b.width, sizeof(double)) &&
          mgd_take(&b.weight, b.width, sizeof(double)) &&
          mgd_take(&b.index, b.width, sizeof(uint32_t)))) {
        mgd_block_close(&b);
        bytes = plan->arena * b.width * size * (back ? 2 : 1);
        return mgd_fail(ctx, MGD_ERR_MEMORY,
                        "out of memory: %zu lanes of a network with %zu features need %zu bytes",
                        b.width, plan->arena, bytes);
    }
    *out = b;
    return MGD_OK;
}

void mgd_block_count(mgd_block *b, size_t first, size_t used) {
    for (size_t lane = 0; lane < b->width; lane++)
        b->index[lane] = (uint32_t)(first + (lane < used ? lane : used - 1));
}

void mgd_block_gather(const mgd_net *net, const mgd_block *b, const void *rows, size_t features,
                      void *out) {
    net->kernels->gather(rows, features, b->index, out, b->width);
}

const void *mgd_block_forward(const mgd_net *net, const void *theta, mgd_block *b) {
    mgd_plan_forward(net, b->plan, theta, b->arena, b->width);
    return mgd_net_place(net, b->arena, b->plan->output, b->width);
}
