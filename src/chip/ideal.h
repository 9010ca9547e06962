/* ideal: the ideal chip, a network with nothing wrong with it, in lanes. ideal_chip.c is the chip
 * and opens sessions on it, ideal.c measures.
 *
 * Three ways to fill the lanes, which give the same bits:
 *   replicas  one point of W replicas, each with parameters and samples of its own;
 *   points    several points of one replica side by side (small batches);
 *   samples   one point, the batch in the lanes, parameters shared (large batches).
 */
#ifndef MGD_IDEAL_H
#define MGD_IDEAL_H

#include "nodes.h"

#include <stdatomic.h>

/* What one worker needs; W is the session's width. */
typedef struct {
    char *pack;               /* (largest op × W) perturbed parameters */
    char *arena;              /* (the plan's arena × W), the input first */
    char *other;              /* the same for the second of a pair of evaluations, else NULL */
    char *target;             /* (K × W) */
    double *value;            /* (2 × W) */
    double *share;            /* (2 × W) where there are shares */
    double *hit;              /* (W) */
    uint32_t *index;          /* (W) */
    const uint32_t *gathered; /* the index that input and target were gathered by; NULL: none */
    double *point_cost;       /* SAMPLES: (signals × max_points × chunks·W) */
} MGD_OWN_LINE scratch;

enum arrangement { REPLICAS, POINTS, SAMPLES };

typedef struct {
    mgd_session session;
    const mgd_net *all;     /* the network, … */
    const mgd_net *net;     /* … and what is evaluated in training: all of it, or what is … */
    mgd_net *above, *below; /* … above layers whose outputs are kept; NULL: none are */
    enum arrangement arrangement;
    mgd_samples samples; /* what `net` reads */
    mgd_samples given;   /* the set itself, where something is kept */
    mgd_cost cost;
    size_t signals;           /* the cost, and … */
    const mgd_range *outputs; /* … the shares of these in it */
    size_t batch;
    size_t width;
    size_t chunks;   /* SAMPLES: parts of `width` lanes that make up the batch */
    size_t real;     /* bytes of a real */
    size_t pack_row; /* bytes of one parameter for the lanes */
    bool pairs; /* REPLICAS: C₀ and C, or both sides, are evaluated together where they can be */
    bool whole; /* parameters are fetched for all ops at once */
    size_t workers;
    scratch *scratch;
    mgd_backward *backward; /* kept for a task of gradients, else NULL */
    mgd_nodes *nodes;       /* NULL: parameters are perturbed */
} ideal_session;

/* Cuts off what can be kept, with room for it; session->not_kept says why nothing is. */
mgd_status mgd_ideal_keep_open(mgd_context *ctx, ideal_session *s, const mgd_task_spec *task);
void mgd_ideal_keep_close(ideal_session *s);

/* As in mgd_session. */
mgd_status mgd_ideal_keep(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                          const void *theta);
mgd_status mgd_ideal_measure(mgd_context *ctx, mgd_session *session, const mgd_request *r);
mgd_status mgd_ideal_measure_nodes(mgd_context *ctx, mgd_session *session, const mgd_request *r,
                                   const mgd_node_step *step);
void mgd_ideal_prefetch(const mgd_session *session, const uint32_t *samples, size_t count);
mgd_status mgd_ideal_evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                              const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                              double *cost, double *accuracy);
mgd_status mgd_ideal_evaluate_lanes(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                    size_t units, uint64_t step, const void *theta,
                                    const mgd_tensor *x, const mgd_tensor *y, double *cost,
                                    double *accuracy);
mgd_status mgd_ideal_gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                              const mgd_view *view, const mgd_weighted *set, double *gradient,
                              double *cost);
mgd_status mgd_ideal_saturated(mgd_context *ctx, mgd_session *session, size_t unit, uint64_t step,
                               const void *theta, const mgd_tensor *x, const mgd_tensor *y,
                               double *share, size_t *units);

#endif
