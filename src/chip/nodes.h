/* nodes.h: node perturbation in a network with nothing wrong with it; what ideal.c asks for. */
#ifndef MGD_CHIP_NODES_H
#define MGD_CHIP_NODES_H

#include "../net/net.h"
#include "chip.h"

typedef struct mgd_nodes mgd_nodes;

/* The groups of a network, one for each vertex with nodes, in the order of θ: out has room for as
 * many as there are vertices. Returns how many there are. */
size_t mgd_nodes_groups(const mgd_net *net, mgd_node_group *out);

/* The network and the samples must outlive it; uses are those of the chip's groups, of which the
 * network has all that are perturbed. On failure nothing is left open. */
mgd_status mgd_nodes_open(mgd_context *ctx, const mgd_net *net, const mgd_task_spec *task,
                          const mgd_samples *samples, size_t num_groups,
                          const mgd_node_group *groups, mgd_nodes **out);
void mgd_nodes_close(mgd_nodes *nodes);

/* See mgd_session.measure_nodes. */
mgd_status mgd_nodes_measure(mgd_context *ctx, const mgd_nodes *nodes, const mgd_request *request,
                             const mgd_node_step *step);

#endif
