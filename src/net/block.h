/* block: samples that pass through a plan together, in the lanes, with parameters that they share.
 */
#ifndef MGD_NET_BLOCK_H
#define MGD_NET_BLOCK_H

#include "net.h"

typedef struct {
    const mgd_plan *plan;
    size_t width;    /* W lanes */
    void *arena;     /* (the plan's arena × W) */
    void *deltas;    /* the same for back-propagation, else NULL */
    void *target;    /* (K × W) */
    double *value;   /* (W) */
    double *hit;     /* (W) */
    double *weight;  /* (W) */
    uint32_t *index; /* (W) */
} mgd_block;

/* Lanes for so many samples: as many tiles as fit in the cache with all their values, but not more
 * than needed. */
size_t mgd_block_width(const mgd_net *net, size_t samples);

/* Of that width, which may be made less later. */
mgd_status mgd_block_open(mgd_context *ctx, const mgd_net *net, const mgd_plan *plan,
                          size_t samples, size_t targets, mgd_block *out);
void mgd_block_close(mgd_block *b);

/* Rows of features into lanes, by the block's index (W). */
void mgd_block_gather(const mgd_net *net, const mgd_block *b, const void *rows, size_t features,
                      void *out);
/* The block's index: samples `first` … `first + used − 1`; spare lanes repeat the last one. */
void mgd_block_count(mgd_block *b, size_t first, size_t used);

/* Forward; returns the outputs (O × W). */
const void *mgd_block_forward(const mgd_net *net, const void *theta, mgd_block *b);

#endif
