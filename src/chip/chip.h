/* chip: the contract between MGD and what it trains. The engine sees this and nothing else: no
 * network, no hardware model.
 *
 * A chip answers one question: what does the cost become at these parameter points, on these
 * samples? It never sees a perturbation as such; it is handed perturbed parameters, and asks for
 * them a range at a time, so that no second copy of θ need exist.
 *
 * Letters: P parameters, B batch, R replicas, W lanes side by side in a unit. The engine works in
 * units of replicas. In *rows* a unit is one replica, θ (P); in *lanes* it is W replicas, θ (P ×
 * W), for chips that can evaluate replicas side by side.
 */
#ifndef MGD_CHIP_H
#define MGD_CHIP_H

#include "../base/base.h"

/* One evaluation. Points of a request come in the order of time. */
typedef struct {
    uint64_t step;           /* engine step at which it happens */
    uint64_t slot;           /* slot of the perturbation code */
    int sign;                /* 0: θ itself; +1, −1: θ + θ̃, θ − θ̃ */
    const uint32_t *samples; /* rows: (B); lanes: (B × W), one sample per replica */
    unsigned tick, ticks;    /* a step has two ticks: in which one it begins, how many it lasts */
    double amplitude;        /* a of the slot; where the chip perturbs or writes */
    bool moved;              /* θ or the samples may be others than at the point before */
} mgd_point;

/* Where the chip gets parameters from. `first` and `count` are a range of θ; `worker` is the one
 * that asks: the request's, or the pool's when the chip shares out its work. */
typedef struct {
    const void *self;
    const void *theta; /* of this unit, unperturbed: what sign 0 stands for */
    /* The point's perturbation on top of `base`, both (count × W) in lanes, (count) in rows. */
    void (*perturbed)(const void *self, size_t worker, const mgd_point *point, const void *base,
                      size_t first, size_t count, void *out);
    /* Rows: out (count × width), one point per lane; lanes from `used` on repeat the last. */
    void (*points)(const void *self, size_t worker, const mgd_point *points, size_t used,
                   size_t width, size_t first, size_t count, void *out);
    /* Lanes: the point's perturbation of all parameters as signs, for chips that form θ ± θ̃ by
     * themselves; false when it is no such thing. Good until the same worker asks again. */
    bool (*signs)(const void *self, size_t worker, const mgd_point *point, mgd_signs *out);
} mgd_source;

typedef struct {
    size_t worker;  /* which scratch memory to use, < the session's workers */
    mgd_pool *pool; /* may be used to share out the work; NULL when the caller runs in it already */
    size_t num_points;
    const mgd_point *points;
    mgd_source source;
    size_t unit;             /* whose parameters these are, … */
    const uint64_t *replica; /* … numbers of its replicas: (1) or (W) … */
    const void *lives;       /* … and reals (W): 0 where one has stopped. For chips with states */
    double *cost; /* rows: (S, num_points); lanes: (S, num_points × W): of each of the task's S
                   * signals */
} mgd_request;

/* Where the costs of point p begin, `width` of each: signal 0 is the whole cost. */
static inline double *mgd_request_cost(const mgd_request *r, size_t signal, size_t p,
                                       size_t width) {
    return r->cost + (signal * r->num_points + p) * width;
}

/* Node perturbation: one step in which every sample of the batch has a perturbation ξ = amplitude·s
 * of its own, of the M pre-activations instead of the parameters. */
typedef struct {
    mgd_baseline baseline;
    double amplitude;
    double scale; /* a node's signal is e = C̃_b·scale·s, C̃_b the cost of its sample; see `steps` */

    /* s of samples first … first + used − 1 of the batch, for `width` lanes, of which the spare
     * ones repeat the last. True: as signs, a bit for each node as in mgd_signs, (⌈M/32⌉ × width)
     * words; false: (M × width) reals. `out` has room for either, and for a vector more. To
     * `demodulate` with it is s/⟨s²⟩ where codes are `uneven`, and s itself elsewhere. */
    bool (*steps)(const void *self, size_t worker, const mgd_point *point, size_t first,
                  size_t used, size_t width, bool demodulate, void *out);
    bool uneven;
    const void *self;

    /* θ of the evaluation with +ξ, and of the other one: not the same where some layers are
     * perturbed by their parameters at the same time. */
    const void *theta[2];

    double *gradient; /* out (P): Σ_b e·x for weights, x what the neuron reads at θ unperturbed, and
                       * Σ_b e for biases; 0 for parameters of all other groups */
    double *magnitude; /* out: mean over the batch of |C̃_b| */
} mgd_node_step;

/* Nodes that some parameters feed, a layer's as a rule. */
typedef struct {
    mgd_range parameters;
    size_t nodes;
    bool gates; /* whether their activation, or a max-pool behind it, has a derivative of 0 */
} mgd_node_group;

/* What is done with a group: ξ = factor·amplitude·s, e = C̃_b·scale·weight·s. Nodes of a group with
 * factor 0 are not perturbed, and the code passes them over. */
typedef struct {
    double factor, weight;
} mgd_node_use;

/* θ of a unit is to become what stands in `theta`: it becomes what the hardware makes of that. */
typedef struct {
    size_t worker, unit;
    const uint64_t *replica;
    const void *lives;
    uint64_t step;      /* at whose end it happens */
    const void *before; /* θ as it is */
    void *theta;        /* in: as asked for; out: as written */
} mgd_write;

/* Steps of training that a chip does by itself. */
typedef struct {
    size_t unit;
    uint64_t replica, step; /* the first one's number */
    size_t steps;
    const void *theta;       /* (P) as the run knows it, for a chip that does not yet */
    double amplitude;        /* at the first step */
    const uint32_t *samples; /* (steps × B) */
    double cost, c_tilde;    /* out: the last ones */
    double evaluations;      /* out: how many the chip made, of one sample */
} mgd_lesson;

/* All units at rest for some time. */
typedef struct {
    uint64_t step;           /* steps done */
    const uint64_t *replica; /* (units × W) */
    char *theta;             /* (units) */
    double seconds;
} mgd_rest;

/* What has happened to the devices of one replica. */
typedef struct {
    double writes_mean, writes_max; /* of a parameter */
    double pulses;
    double endurance_left; /* share of its writes that the most worn device has left */
} mgd_wear;

/* θ of the replica in a seat, at a step, for probes. */
typedef struct {
    size_t seat;
    uint64_t step;
    const void *theta; /* (P) */
} mgd_view;

/* What will be asked of a session. */
typedef struct {
    const mgd_tensor *x, *y; /* training samples (N, …), and (N, K) or (N, T, K) */
    mgd_cost cost;
    size_t batch;
    size_t width;              /* W of a unit in lanes; 0: rows */
    size_t max_points;         /* most points of one request */
    bool gradients;            /* gradients will be asked for at every step */
    size_t workers;            /* threads that may be at work at once */
    size_t requesters;         /* workers, from number 0 on, that may make requests */
    size_t units;              /* for chips whose replicas differ: how many units, … */
    size_t replicas;           /* … replicas in all, seat by seat, … */
    const uint64_t *numbers;   /* … (units × W or 1) the number of each, while it opens, … */
    uint64_t seed;             /* … the run's seed, … */
    double dt;                 /* … and seconds of a step */
    const mgd_node_use *nodes; /* measure_nodes will be asked instead of measure: (the chip's
                                * groups), as long as the session lives; else NULL */
    const mgd_train *train;    /* the run's options, for chips that do some of it by themselves */
    size_t signals; /* S that are measured: the whole cost, then with mse the shares … */
    const mgd_range *outputs; /* (S − 1) … of these outputs. As long as the session lives */
} mgd_task_spec;

/* Whether parameters of a rule are perturbed by themselves, or by their nodes. */
static inline bool mgd_rule_perturbs(const mgd_rule *r, mgd_perturb what) {
    return !r->still && r->amplitude > 0 && r->perturb == what;
}

/* Whether all of these parameters stand still. */
static inline bool mgd_task_stands_still(const mgd_task_spec *task, size_t first, size_t count) {
    size_t still = 0;
    for (size_t i = 0; i < task->train->num_rules; i++) {
        const mgd_rule *r = &task->train->rules[i];
        size_t last = r->parameters.first + r->parameters.count, end = first + count;
        size_t from = r->parameters.first > first ? r->parameters.first : first;
        last = last < end ? last : end;
        still += r->still && last > from ? last - from : 0;
    }
    return still == count;
}

/* A chip made ready for one task. Implementations put this first in a structure of their own. */
typedef struct mgd_session mgd_session;
struct mgd_session {
    /* MGD_ERR_INTERRUPT leaves the flag set and the costs undefined. */
    mgd_status (*measure)(mgd_context *ctx, mgd_session *session, const mgd_request *request);
    /* The points of one step in rows, their costs into the request as measure does, with nodes
     * perturbed. NULL where the task did not ask for it. */
    mgd_status (*measure_nodes)(mgd_context *ctx, mgd_session *session, const mgd_request *request,
                                const mgd_node_step *step);
    /* NULL unless outputs of layers that stand still can be kept: makes them, at θ (P). Before the
     * first measurement, and when θ of these layers has become another. `kept`: how many of a
     * sample; else why none are. */
    mgd_status (*keep)(mgd_context *ctx, mgd_session *session, mgd_pool *pool, const void *theta);
    size_t kept;
    const char *not_kept;
    /* May be NULL. These samples will be asked for next. */
    void (*prefetch)(const mgd_session *session, const uint32_t *samples, size_t count);
    /* Mean cost and accuracy of θ over a data set, free of the measurement's imperfections. */
    mgd_status (*evaluate)(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                           double *cost, double *accuracy);
    /* The same for the first `units` units in lanes, θ (units × P × W): cost and accuracy (units ×
     * W). NULL where the chip does not evaluate replicas side by side. */
    mgd_status (*evaluate_lanes)(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                                 size_t units, uint64_t step, const void *theta,
                                 const mgd_tensor *x, const mgd_tensor *y, double *cost,
                                 double *accuracy);
    /* Outputs (B, O), or (B, T, O), for samples x (B, …), settled; with noise, where the chip has
     * some, of draw number `draw` unless that is 0. */
    mgd_status (*predict)(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                          const mgd_tensor *x, uint64_t draw, mgd_tensor **y);
    /* Σ weight·∂C/∂θ (P) over some training samples, as exactly as the chip can tell; and Σ
     * weight·C, unless `cost` is NULL. The pool may be NULL. Not for two at a time. */
    mgd_status (*gradient)(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_weighted *samples, double *gradient,
                           double *cost);
    /* Of a unit's θ, the share of units with a bounded activation that stand at a bound for every
     * sample of x: (W) in lanes, (1) in rows; *units: how many there are, at least one. NULL where
     * the chip shows no activations. */
    mgd_status (*saturated)(mgd_context *ctx, mgd_session *session, size_t unit, uint64_t step,
                            const void *theta, const mgd_tensor *x, const mgd_tensor *y,
                            double *share, size_t *units);

    /* For chips that integrate; NULL otherwise. The chip trains; θ (P) of a unit as it is by then.
     */
    mgd_status (*teach)(mgd_context *ctx, mgd_session *session, mgd_lesson *lesson);
    mgd_status (*read)(mgd_context *ctx, mgd_session *session, size_t unit, void *theta);
    /* May be NULL, too: θ (P) that has been set becomes what the chip's registers can hold. */
    void (*hold)(const mgd_session *session, void *theta);

    /* For chips whose hardware is not ideal; all NULL otherwise. A write that fails leaves θ as it
     * was. Two replicas change places; a replica's states as numbers (num_states), whatever the
     * layout; what its devices have gone through. */
    mgd_status (*write)(mgd_context *ctx, mgd_session *session, const mgd_write *write);
    void (*rest)(mgd_session *session, const mgd_rest *rest);
    void (*swap)(mgd_session *session, size_t seat, size_t other);
    /* Time stands still for a replica from the step at which it stops until it goes on. */
    void (*stop)(mgd_session *session, size_t seat, uint64_t step);
    void (*go_on)(mgd_session *session, size_t seat, uint64_t step);
    /* θ of all units has been set at a step: what the chip is in the middle of begins anew, as
     * where a session opens, and what its devices have been through stays. NULL: it is in the
     * middle of nothing, and gets θ with each request. */
    void (*begin)(mgd_session *session, uint64_t step);
    size_t num_states;
    void (*state_get)(const mgd_session *session, size_t seat, double *states);
    /* Whether these can be a replica's states; then they may be set. */
    bool (*state_fits)(const mgd_session *session, size_t seat, const double *states);
    void (*state_set)(mgd_session *session, size_t seat, const double *states);
    mgd_wear (*wear)(const mgd_session *session, size_t seat);
    void (*close)(mgd_session *session);
};

struct mgd_chip {
    mgd_dtype dtype; /* of θ: f32 or f64 */
    size_t num_parameters;
    size_t num_matrices; /* of synapses in rows and columns, in the order of θ; 0: it shows none */
    const mgd_matrix *matrices;
    size_t num_groups; /* of nodes that can be perturbed, in the order of θ; 0: none, … */
    const mgd_node_group *groups;
    const char *no_nodes; /* … because … */
    size_t lanes;         /* replicas in a tile, when it can evaluate them side by side; else 0 */
    bool caller_only;     /* measure must run on the thread that started the run */
    bool in_order;        /* what it answers depends on what was asked before */
    bool real;            /* hardware: what was done cannot be undone, and evaluations take time */
    bool perturbs;        /* forms θ̃ by itself, of code, seed, replica, slot and amplitude */
    bool integrates;      /* and trains by itself: session->teach instead of measure */
    size_t seats;         /* replicas that it can serve at once; 0: any number */
    size_t steps;         /* that are worth asking for at once; 0: as many as fill its lanes */
    double resolution;    /* smallest relative step of a cost: unit in the last place */
    double ran, rested;   /* seconds of its runs' steps, and at rest */

    /* Checks data and cost against the chip and takes all the memory that measuring needs. */
    mgd_status (*open)(mgd_context *ctx, mgd_chip *chip, const mgd_task_spec *task,
                       mgd_session **out);
    /* Present parameters, and drawn ones, into out (P). */
    void (*theta)(const mgd_chip *chip, void *out);
    mgd_status (*draw)(mgd_context *ctx, const mgd_chip *chip, const mgd_init *init, void *out);
    void (*free)(mgd_chip *chip);
};

/* A session over anything that turns θ and x into y, one evaluation at a time: external chips, and
 * any chip whose cost is the user's function. Its gradient is by central differences. */
typedef mgd_status mgd_respond(void *user, mgd_context *ctx, const mgd_tensor *theta,
                               const mgd_tensor *x, mgd_tensor **y);
mgd_status mgd_responder_open(mgd_context *ctx, const mgd_chip *chip, mgd_respond *respond,
                              void *user, const mgd_task_spec *task, mgd_session **out);
/* Such a session perturbs M nodes as well, of a chip with one group of them. On failure it is still
 * open. */
mgd_status mgd_responder_nodes(mgd_context *ctx, mgd_session *session, const mgd_task_spec *task,
                               size_t nodes, mgd_chip_move *move, mgd_chip_products *products);
/* Of such a session: the costs of outputs y (B, …) of a batch, `stride` between those of signals.
 * Takes y. */
mgd_status mgd_responder_costs(mgd_context *ctx, mgd_session *session, mgd_tensor *y,
                               const uint32_t *samples, size_t stride, double *cost);

#endif
