/* simulated.h: the simulated chip, in eleven files. simulated_chip.c is the chip,
 * simulated_session.c opens sessions on it, simulated.c evaluates and writes; lines.c measures,
 * with signals that have a memory and follow each other; reading.c multiplies by weights that read
 * with noise; simulated_moves.c and simulated_nodes.c
 * perturb nodes; frames.c says where and when parts act; devices.c
 * keeps what each replica's hardware is (coefficients) and is in the middle of (states); still.c
 * looks at it for probes, without noise and settled.
 *
 * A *part* is a chain of models at one place of the signal with room for its coefficients and
 * states in the memory of a unit. Parts act on parameters (P), on features of a sample, or on the
 * cost. There are two arrangements, which give the same bits.
 *
 * Replicas: a unit is W replicas; parameters (P × W), features (F × W), one sample after another.
 *
 * Samples: a unit is one replica; parameters in a row (P), the batch in lanes, in chunks.
 */
#ifndef MGD_SIMULATED_H
#define MGD_SIMULATED_H

#include "../hw/model.h"
#include "../net/net.h"
#include "chip.h"
#include "nodes.h"

#include <stdatomic.h>

typedef enum { ON_PARAMETERS, ON_FEATURES, ON_COST } part_kind;

typedef struct {
    mgd_hw_chain chain;
    part_kind kind;
    size_t sites;
    size_t copies;      /* of its states: samples of a batch, or chunks of them; costs; else 1 */
    size_t coef, state; /* where its arrays begin in a unit's memory, bytes */
} part;

/* Parts by place; those of neurons by op of the plan, empty where it is no activation. */
typedef struct {
    part input, output, cost, perturbation, memory, weight, drive, change, written;
    part read;            /* noise of the weights at the multipliers, … */
    part *product;        /* (ops) … and of what they multiply */
    part *before, *after; /* (ops) */
} parts;

typedef struct {
    mgd_chip chip;
    mgd_net *net;
    mgd_chip_spec spec; /* owns its models and update */
    mgd_plan bare; /* where sums or neurons have models; else empty, and the network's own serves */
    mgd_node_group *groups;
    mgd_matrix *matrices;
    uint8_t *joined;      /* (P) see mgd_hw_geometry */
    mgd_hw_array *arrays; /* (vertices), of layers that have one */
    size_t num_arrays;
    bool remembers; /* it has models with a memory */
} simulated_chip;

/* What one worker needs. */
typedef struct {
    char *base, *pack, *change; /* like a unit's parameters: as read, as driven, of a write */
    char *input;                /* (F × W) samples, where models spoil those in the arena */
    char *arena, *target;       /* (plan's arena × W), (K × W) */
    double *value;              /* (2 × W) of one pass */
    double *sum;                /* (signals × lanes of costs) */
    double *hit, *moves;        /* (W); moves: 0 where the replica has stopped */
    const void *alive;          /* the request's `lives`, NULL where all move */
    char *held;                 /* (W) reals: see mgd_hw_frame */
    char *scratch;              /* of models of driven weights: see mgd_hw_frame */
    char *variance;             /* (models of noise of reading) arrays like a unit's parameters */
    char *squares;              /* like the arena: inputs and weights' variances, in squares */
    char *noisy;                /* weights of a layer (… × W) as a sample finds them */
    uint32_t *index, *copy;     /* (W) samples in the set, and their places in the batch */
    size_t used;                /* samples: lanes of a probe that hold some */
    char *undo;                 /* a unit's states, where a request may end in the middle */
    const uint32_t *gathered;
    mgd_watch watch;                /* of probes that look at activations */
    const struct node_moves *moved; /* ξ of this pass; NULL: nodes are not perturbed in it */
} MGD_OWN_LINE worker;

typedef struct simulated_nodes simulated_nodes;

typedef struct {
    mgd_session session;
    simulated_chip *chip;
    const mgd_net *net;
    const mgd_plan *plan;
    const mgd_hw_kernels *hw;
    bool replicas;   /* the arrangement */
    bool calls;      /* functions of the user's, … */
    bool remembers;  /* … some of which have a memory */
    bool undoes;     /* a request may end in the middle */
    bool times;      /* for how long θ has been held matters */
    bool writes;     /* θ does not just become what is asked for */
    bool lines;      /* behind the weights: the last point is one of their states; … */
    bool driven;     /* … lines behind the network see values move during a tick, … */
    bool apart;      /* … by themselves, whatever the network is at its beginning: see lines.c */
    size_t substeps; /* of a step on the signal clock, with an evaluation in each */
    uint64_t rests;  /* times at rest so far */
    size_t width;    /* W; in samples, lanes of a chunk */
    size_t chunks;   /* samples: parts of the batch */
    size_t batch, real, units, seats;
    size_t rows, row_width; /* of a unit's parameters */
    mgd_cost cost;
    size_t signals;           /* the cost, and … */
    const mgd_range *outputs; /* … the shares of these in it, as the task asks for them */
    mgd_samples samples;
    double dt, origin; /* seconds of a step; age of the chip at step 0 */
    parts parts;
    size_t num_chains; /* of all parts */
    mgd_hw_writer writer;
    size_t law;                     /* its coefficients, bytes in a unit's memory */
    size_t kept[MGD_HW_KEPT];       /* its states likewise, SIZE_MAX where there are none */
    size_t coef_bytes, state_bytes; /* of a unit */
    char *coefs, *states;           /* (units) */
    double *pulses;                 /* (units × W) */
    /* (units × seats): the step from which on time has yet to pass in θ; and the step at which the
     * replica stopped, from which on none does, UINT64_MAX while it runs */
    uint64_t *from, *stood;
    uint64_t *last; /* (units × seats): event of the replica's last point, and 1; 0: none so far */
    uint64_t *number; /* (units × seats) of the replica in each seat */
    char *nothing; /* zeros like a unit's parameters: what perturbations are added to on a path */
    size_t num_workers;
    worker *workers;
    mgd_backward *backward; /* kept for a task of gradients, else NULL */
    simulated_nodes *nodes; /* of a task that perturbs nodes, else NULL */
} simulated;

/* Frames for parameters of a unit, for features of copy `copy` (or of the lanes' samples), and for
 * costs; `tick` counts from the start of the run. */
mgd_hw_frame mgd_simulated_parameters(const simulated *s, worker *w, size_t unit,
                                      const uint64_t *replica, uint64_t step);
/* Seconds for which a replica's θ has been held. */
double mgd_simulated_held(const simulated *s, size_t seat, uint64_t step);
mgd_hw_frame mgd_simulated_features(const simulated *s, const mgd_hw_frame *of, size_t sites,
                                    size_t copy, const uint32_t *sample);

/* Applies a part to the values of a unit. `copy` is that of its states. */
mgd_status mgd_simulated_apply(mgd_context *ctx, const simulated *s, const part *p, size_t unit,
                               const mgd_hw_frame *f, size_t copy, void *values);

/* What a unit's writing keeps, NULL where it does not. */
void mgd_simulated_kept(const simulated *s, size_t unit, void *kept[MGD_HW_KEPT]);
/* θ of a unit as it reads, in place: with what writing has left of noise, by its weight models. */
mgd_status mgd_simulated_weights(mgd_context *ctx, const simulated *s, size_t unit,
                                 const mgd_hw_frame *f, void *theta);

#define SIMULATED_TILES 8              /* of lanes in a chunk of a batch, at most */
#define REST_TICKS (UINT64_C(1) << 39) /* events at rest are numbered from here on, … */
#define DRAW_TICKS (UINT64_C(1) << 38) /* … and noise of predictions */

/* Value `at` of an array of reals, as a double. */
static inline double simulated_real(const simulated *s, const void *values, size_t at) {
    return s->real == sizeof(float) ? (double)((const float *)values)[at]
                                    : ((const double *)values)[at];
}

static inline void simulated_real_set(const simulated *s, void *values, size_t at, double value) {
    if (s->real == sizeof(float))
        ((float *)values)[at] = (float)value;
    else
        ((double *)values)[at] = value;
}

/* Whether the part does anything. */
static inline bool part_acts(const part *p) {
    return p->chain.num_ops > 0;
}

/* Lanes of costs of one signal in `sum`. */
static inline size_t simulated_costs(const simulated *s) {
    return s->replicas ? s->width : s->chunks * s->width + MGD_ALIGNMENT / sizeof(double);
}

/* Weights at the multipliers, in the layout of the arrangement: what they are driven to, and the
 * variances of the noise that they read with; NULL: nothing of it is drawn that needs them. */
typedef struct {
    const char *theta, *variance;
} multipliers;

/* Outputs for what is in the arena. */
mgd_status mgd_simulated_forward(mgd_context *ctx, const simulated *s, worker *w, size_t unit,
                                 const mgd_hw_frame *f, size_t copy, const uint32_t *sample,
                                 const multipliers *weights, void **y);

/* reading.c: what noise of reading needs in a worker; driven weights, programmed as `stored`, with
 * their variances; and an op by weights that read with noise. */
bool mgd_simulated_reading_take(const simulated *s, worker *w);
multipliers mgd_simulated_multipliers(const simulated *s, worker *w, const mgd_hw_frame *f,
                                      const void *stored, const void *theta);
void mgd_simulated_multiply(const simulated *s, worker *w, const mgd_hw_frame *f,
                            const uint32_t *sample, const multipliers *weights, size_t i);

/* simulated.c: θ as the multipliers read it, without perturbation; what the weights are at a point,
 * as they are driven; costs of point p for such weights, into the request. */
mgd_status mgd_simulated_read(mgd_context *ctx, const simulated *s, worker *w, const mgd_request *r,
                              const mgd_hw_frame *f, const char **base);
mgd_status mgd_simulated_drive(mgd_context *ctx, const simulated *s, worker *w,
                               const mgd_request *r, const mgd_point *point, const mgd_hw_frame *f,
                               const char *base, const void **out);
mgd_status mgd_simulated_point(mgd_context *ctx, const simulated *s, worker *w,
                               const mgd_request *r, size_t p, const mgd_hw_frame *f,
                               const void *theta);

/* Samples `index` (W) into the lanes. */
void mgd_simulated_gather(const simulated *s, worker *w, const uint32_t *index);

/* simulated_worker.c */
mgd_status mgd_simulated_worker_open(mgd_context *ctx, const simulated *s, worker *w);
void mgd_simulated_worker_close(worker *w);

/* simulated_moves.c: the plan of a session that perturbs nodes, before it is arranged; how it is;
 * and in a pass, ξ of op i's nodes once their sums are known, and whether its units pass on
 * anything.
 */
mgd_status mgd_simulated_nodes_plan(mgd_context *ctx, simulated *s, const mgd_task_spec *task);
void mgd_simulated_nodes_arrange(simulated *s, const mgd_task_spec *task);
void mgd_simulated_move_nodes(const simulated *s, worker *w, size_t i);
void mgd_simulated_mark_open(const simulated *s, worker *w, size_t i);

/* simulated_nodes.c: what else it needs, once parts are open; a step. */
mgd_status mgd_simulated_nodes_open(mgd_context *ctx, simulated *s, const mgd_task_spec *task);
void mgd_simulated_nodes_close(simulated *s);
mgd_status mgd_simulated_measure_nodes(mgd_context *ctx, mgd_session *session, const mgd_request *r,
                                       const mgd_node_step *step);

/* lines.c: a request is answered by `act`, or all states are as they were. */
typedef mgd_status simulated_act(void *arg, mgd_context *ctx);
mgd_status mgd_simulated_whole(mgd_context *ctx, const simulated *s, const mgd_request *r,
                               simulated_act *act, void *arg);

/* lines.c: which lines are driven, before their states are placed; what is measured. */
void mgd_simulated_lines_open(simulated *s);
mgd_status mgd_simulated_measure(mgd_context *ctx, mgd_session *session, const mgd_request *r);

/* What else a session does. */
mgd_status mgd_simulated_write(mgd_context *ctx, mgd_session *session, const mgd_write *w);
void mgd_simulated_rest(mgd_session *session, const mgd_rest *r);

/* simulated_session.c */
mgd_status mgd_simulated_open(mgd_context *ctx, mgd_chip *chip, const mgd_task_spec *task,
                              mgd_session **out);

/* devices.c: everything that replicas have of their own. */
mgd_status mgd_simulated_devices_open(mgd_context *ctx, simulated *s, const mgd_task_spec *task);
void mgd_simulated_devices_close(simulated *s);
void mgd_simulated_swap(mgd_session *session, size_t a, size_t b);
void mgd_simulated_stop(mgd_session *session, size_t seat, uint64_t step);
void mgd_simulated_go_on(mgd_session *session, size_t seat, uint64_t step);
void mgd_simulated_begin(mgd_session *session, uint64_t step);
void mgd_simulated_state_get(const mgd_session *session, size_t seat, double *states);
bool mgd_simulated_state_fits(const mgd_session *session, size_t seat, const double *states);
void mgd_simulated_state_set(mgd_session *session, size_t seat, const double *states);
mgd_wear mgd_simulated_wear(const mgd_session *session, size_t seat);
/* Every part of the session, in a fixed order: calls visit(arg, part). */
typedef mgd_status visit_part(void *arg, part *p);
mgd_status mgd_simulated_each_part(simulated *s, visit_part *visit, void *arg);

/* still.c */
mgd_status mgd_simulated_predict(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                                 const mgd_tensor *x, uint64_t draw, mgd_tensor **y);
mgd_status mgd_simulated_evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                  const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                                  double *cost, double *accuracy);
mgd_status mgd_simulated_evaluate_lanes(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                        size_t units, uint64_t step, const void *theta,
                                        const mgd_tensor *x, const mgd_tensor *y, double *cost,
                                        double *accuracy);
mgd_status mgd_simulated_gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                  const mgd_view *view, const mgd_weighted *set, double *gradient,
                                  double *cost);
mgd_status mgd_simulated_saturated(mgd_context *ctx, mgd_session *session, size_t unit,
                                   uint64_t step, const void *theta, const mgd_tensor *x,
                                   const mgd_tensor *y, double *share, size_t *units);

#endif
