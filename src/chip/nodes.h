/* nodes.h: node perturbation in a network with nothing wrong with it; what ideal.c asks for. */
#ifndef MGD_CHIP_NODES_H
#define MGD_CHIP_NODES_H

#include "../net/net.h"
#include "chip.h"

typedef struct mgd_nodes mgd_nodes;

/* M; 0 where parameters belong to other layers than dense and conv2d. */
size_t mgd_nodes_count(const mgd_net *net);

/* The network and the samples must outlive it. On failure nothing is left open. */
mgd_status mgd_nodes_open(mgd_context *ctx, const mgd_net *net, const mgd_task_spec *task,
                          const mgd_samples *samples, mgd_nodes **out);
void mgd_nodes_close(mgd_nodes *nodes);

/* See mgd_session.measure_nodes. */
mgd_status mgd_nodes_measure(mgd_context *ctx, const mgd_nodes *nodes, const mgd_request *request,
                             const mgd_node_step *step);

#endif
