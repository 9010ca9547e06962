/* simulated_nodes.h: what simulated_moves.c, which says where nodes are and moves them in a pass,
 * and simulated_nodes.c, which measures, share.
 */
#ifndef MGD_CHIP_SIMULATED_NODES_H
#define MGD_CHIP_SIMULATED_NODES_H

#include "nodes_plan.h"
#include "nodes_step.h"
#include "simulated.h"

/* ξ of one pass. */
struct node_moves {
    mgd_node_steps steps;
    double amplitude;
    void *factor; /* (W) room */
    char *delta;  /* (most nodes of an op × W) room */
    char *open;   /* (nodes with a gate × W): 1 where a unit passes on something */
};

/* What one worker needs beside the two evaluations' own. */
typedef struct {
    char *steps;     /* (M × W) s of all nodes: signs, or reals */
    char *delta;     /* (most nodes of an op × W) */
    char *open[2];   /* see node_moves; */
    char *won;       /* (most nodes of an op × W), with a gate */
    void *signal;    /* (W) */
    double *cost[2]; /* requesters: (chunks × W) of each sample in both evaluations */
    double *parts;   /* requesters: (parts × P'), or (P') where they work alone */
} MGD_OWN_LINE node_scratch;

struct simulated_nodes {
    mgd_plan plan;
    mgd_node_op *ops; /* of the plan's */
    size_t *gate;     /* (ops) where marks begin that an op makes, in nodes; SIZE_MAX: none */
    const mgd_node_op **marks; /* (ops) whose nodes these are */
    size_t gates, largest;     /* nodes with a gate, and most of an op */
    size_t count;              /* M */
    mgd_range learning;        /* P': parameters from the first to the last that nodes teach */
    mgd_node_chunks chunks;
    bool shared;    /* parts of one request are shared out */
    worker *others; /* (workers) for the second evaluation */
    node_scratch *scratch;
};

#endif
