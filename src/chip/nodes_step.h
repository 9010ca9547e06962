/* nodes_step: what a step of node perturbation is on any simulation: the evaluations that it makes,
 * what becomes of their costs, and a batch whose chunks of lanes add up to one gradient.
 */
#ifndef MGD_CHIP_NODES_STEP_H
#define MGD_CHIP_NODES_STEP_H

#include "../net/net.h"
#include "chip.h"

/* The evaluations of every sample, in the order of time. */
typedef struct {
    const mgd_node_step *step;
    const mgd_point *point; /* the one with + */
    size_t count;           /* 2, or 1 without a baseline */
    double amplitude[2];
    const char *theta[2];
    double weight[2]; /* C̃ = Σ weight·C */
} mgd_node_evaluations;

mgd_node_evaluations mgd_nodes_evaluations(const mgd_request *request, const mgd_node_step *step);

/* C̃ of a sample; `cost` (B) of each evaluation. */
static inline double mgd_nodes_tilde(const mgd_node_evaluations *e, double *const cost[2],
                                     size_t b) {
    double sum = e->weight[0] * cost[0][b];
    return e->count == 2 ? sum + e->weight[1] * cost[1][b] : sum;
}
/* signal (width) ← C̃·scale·weight of each lane, 0 in those from `used` on; cost: of the lanes. */
void mgd_nodes_signal(const mgd_node_evaluations *e, double *const cost[2], double weight,
                      mgd_dtype dtype, size_t used, size_t width, void *signal);
/* Mean costs of the points, and the magnitude, from those of B samples. */
void mgd_nodes_report(const mgd_node_evaluations *e, double *const cost[2], size_t batch,
                      const mgd_request *request);

/* A batch in chunks of lanes, which follow from the network and the batch alone, never from the
 * threads: a part adds up its chunks in order, and parts are added up in order. */
typedef struct {
    size_t batch, width, count; /* W, and how many chunks there are */
    size_t parts;
} mgd_node_chunks;
/* `arena`: values of a sample in one evaluation. */
mgd_node_chunks mgd_nodes_chunks(const mgd_net *net, size_t arena, size_t batch);

/* Measures a chunk and adds its share to the gradient (count); false: it cannot. */
typedef bool mgd_node_chunk(void *arg, size_t worker, size_t chunk, double *gradient);
/* sum (count) ← that of all chunks; false where one failed or there was an interrupt. `room`
 * (count), or (parts × count) for the threads of a pool. */
bool mgd_nodes_sum(const mgd_node_chunks *chunks, mgd_pool *pool, size_t worker,
                   mgd_node_chunk *measure, void *arg, size_t count, double *room, double *sum);

#endif
