/* nodes_plan: what is done at each op of a network while its nodes are perturbed, worked out once.
 */
#ifndef MGD_CHIP_NODES_PLAN_H
#define MGD_CHIP_NODES_PLAN_H

#include "nodes.h"

/* How an op takes part in the two evaluations of a step. */
typedef enum {
    MGD_OP_ONCE,  /* nothing has moved so far: in the first arena alone */
    MGD_OP_SPLIT, /* its own nodes are the first to move: both at once, on one input */
    MGD_OP_TWICE
} mgd_op_course;

typedef struct {
    const mgd_op *op;
    mgd_op_course course;
    bool copies[2];   /* sources that are in the first arena alone, and are wanted in both */
    mgd_node_use use; /* of its nodes; factor 0: they are not perturbed */
    size_t first;     /* where its nodes begin in the code's pattern */
    bool settles;     /* what it reads is still to be averaged over the two evaluations */
    /* Gates: kernels mark who passes something on where a pool has joined (from node `marks` on;
     * SIZE_MAX: they do not). Else y of the op itself, or of its activation, tells, which passes on
     * nothing unless low < y < high; and only who wins in this max-pool is heard. */
    size_t marks;
    const mgd_op *says;
    bool bounded;
    double low, high;
    const mgd_op *pool; /* NULL: in none */
} mgd_node_op;

/* Of a plan that keeps all values, into out (as many as the plan has ops). Returns how many nodes
 * kernels mark. */
size_t mgd_nodes_plan(const mgd_plan *plan, const mgd_task_spec *task, size_t num_groups,
                      const mgd_node_group *groups, mgd_node_op *out);
/* M, of groups that are perturbed. */
size_t mgd_nodes_count(const mgd_task_spec *task, size_t num_groups, const mgd_node_group *groups);
/* From the first to the last parameter of perturbed ops, which θ has in another order than the
 * network where this is a graph. */
mgd_range mgd_nodes_learning(const mgd_node_op *ops, size_t num_ops);

#endif
