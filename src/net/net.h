/* net: feed-forward networks as graphs of layers, compiled to a plan of lane kernels.
 *
 * Letters: W lanes side by side (a multiple of the kernels' `lanes`), I inputs, O outputs, C
 * channels, P parameters, F features of one sample, K target columns; the sides of an image are
 * written out. Activations are feature-major with lanes innermost, (F × W). Parameters are either
 * shared by all lanes, (P), or private to each, (P × W). Both kinds round alike: a lane gives the
 * same bits.
 */
#ifndef MGD_NET_H
#define MGD_NET_H

#include "../base/base.h"

typedef struct {
    size_t ndim, size[MGD_MAX_DIMS];
    size_t features; /* their product */
} mgd_extent;

/* A layer with its place in the graph, and its shapes and parameters worked out. */
typedef struct {
    mgd_layer_kind kind;
    size_t layer;       /* which of the layers asked for it is of, from 0 */
    mgd_extent in, out; /* conv2d and pools: (C, height, width) */
    mgd_extent other;   /* of joins: of the second value */
    size_t whole;       /* features of out before what no one reads was cut off, see crop.c */
    size_t kernel[2], stride[2], padding[2]; /* conv2d and pools */
    size_t modes;                            /* mzi_mesh */
    mgd_detect detect;                       /* mzi_mesh */
    /* in and out are those of one step of so many, one after the other: parameters are the same */
    size_t steps;
    size_t length; /* elman, ssm: T steps within; in is (T, F), out (H) or (T, H) */
    mgd_layer_kind cell;
    bool every, drawn;
    double step;  /* ssm */
    size_t first; /* where its parameters start in θ: weights (O × …), then biases (O) */
    size_t count; /* how many they are */
    size_t num_sources, source[2]; /* values it takes; concat is split up into pairs */
} mgd_vertex;

/* One kernel call. Values are places in an arena (features × W), counted in features. */
typedef struct {
    mgd_vertex vertex;         /* what it computes, … */
    mgd_layer_kind activation; /* … the activation applied to that, … */
    mgd_layer_kind pool;       /* … and the 2×2 pool of stride 2 over that; IDENTITY: none */
    mgd_extent out;            /* of a step, with activation and pool */
    size_t x[2], y;            /* places of the sources and of the output */
    size_t kept;               /* elman, ssm: states that lie at y, see mgd_state_place */
} mgd_op;

/* The row of a kind, see layer.h; and what others than the rows' users ask it for. */
const struct mgd_layer_type *mgd_layer_of(mgd_layer_kind kind);
bool mgd_layer_is_activation(mgd_layer_kind kind);
bool mgd_layer_is_recurrent(mgd_layer_kind kind);
bool mgd_layer_is_linear(mgd_layer_kind kind);
/* Outputs between which an activation passes on a gradient worth mentioning; false: all are. */
bool mgd_layer_bounds(mgd_layer_kind kind, double *low, double *high);

/* H of elman and ssm */
static inline size_t mgd_vertex_states(const mgd_vertex *vertex) {
    return vertex->out.size[vertex->out.ndim - 1];
}

/* Where the state after step t (from 0) lies: all in order, or, where only the last is asked for,
 * that one first and the others behind it, as many as are kept, in turn. */
static inline size_t mgd_state_place(const mgd_op *op, size_t t) {
    size_t at = op->vertex.every ? t : (op->vertex.length - 1 - t) % op->kept;
    return op->y + at * mgd_vertex_states(&op->vertex);
}

/* Ops in order over one arena, whose first features are the input. Values take the place of those
 * that are not needed any more. */
typedef struct {
    size_t num_ops;
    mgd_op *ops;
    size_t arena;  /* features */
    size_t output; /* place of the network's output */
} mgd_plan;

/* y ← op(x), of one step, θ being the parameters of this op alone. Values are in the arena. */
typedef void mgd_forward_kernel(const mgd_op *op, const void *theta, void *arena, size_t width);
/* Two evaluations at once, of parameters private to each lane, θ being those of the whole network:
 * in the first arena at θ, in the second at θ + θ̃; or, two-sided, at θ + θ̃ and θ − θ̃. The sums θ ±
 * θ̃ are formed in registers and never stored. The input is read from the first arena alone. */
typedef void mgd_pair_kernel(const mgd_op *op, const void *theta, const mgd_signs *signs,
                             bool two_sided, void *const arenas[2], size_t width);
/* Perturbations of an op's *nodes*, its pre-activations, in W lanes: amplitude·s. Those of a
 * convolution come pixel by pixel, its outputs side by side. */
typedef struct {
    const uint32_t *words; /* s as signs, as in mgd_signs; or NULL: */
    const void *values;    /* s (… × W), in the kernels' precision */
    size_t first;          /* where the op's nodes begin in either */
    double amplitude[2];   /* in the first and in the second arena */
    /* Where a pool has joined: (nodes × W) ← 1 for those that pass something on, which won or are
     * averaged, and are above 0 under relu; NULL: nobody asks. */
    void *open[2];
} mgd_node_steps;
/* The op with its nodes moved, parameters shared, in two evaluations on the same input, which is
 * read from the first arena; or in one, where the second arena is NULL. */
typedef void mgd_node_kernel(const mgd_op *op, const void *theta, const mgd_node_steps *steps,
                             void *const arenas[2], size_t width);
/* gradient (count) += that of the op's parameters, from the deltas of its nodes (O × pixels × W)
 * and what it has read, summed over lanes by a fixed tree. */
typedef void mgd_weight_kernel(const mgd_op *op, const void *arena, const void *delta,
                               double *gradient, size_t width);
/* open (features of the input × W) ← 1 where an input is the largest of a window, in this arena. */
typedef void mgd_win_kernel(const mgd_op *op, const void *arena, void *open, size_t width);
/* From the delta of the output, those of the sources (added to) and the gradient (count), added to,
 * summed over lanes by a fixed tree; deltas lie as the values do. The output's delta is spoilt. */
typedef void mgd_backward_kernel(const mgd_op *op, const void *theta, const void *arena,
                                 void *deltas, double *gradient, size_t width);

/* How a kind of layer computes. */
typedef struct {
    mgd_forward_kernel *forward[2]; /* parameters shared by the lanes; private */
    mgd_backward_kernel *backward;
    mgd_node_kernel *nodes; /* this and `weights` NULL: it has no nodes */
    mgd_weight_kernel *weights;
    mgd_win_kernel *wins; /* NULL: there is nobody to win */
} mgd_layer_kernels;

typedef struct {
    size_t lanes; /* in a tile: 64 bytes of reals */

    const mgd_layer_kernels *const *layer; /* by kind; NULL: leaves no vertex */
    mgd_pair_kernel *dense_pair;
    /* delta (O × pixels × W) ← signal (W)·s of the op's nodes */
    void (*node_deltas)(const mgd_op *op, const mgd_node_steps *steps, const void *signal,
                        void *delta, size_t width);
    /* open (n) ← 1 where low < y < high */
    void (*mark_open)(const void *y, double low, double high, void *open, size_t n);
    /* open (n) ← 0 where `also` is 0; and 1 where it is not */
    void (*mark_both)(void *open, const void *also, size_t n);
    void (*mark_either)(void *open, const void *also, size_t n);
    /* delta (n) ← 0 where open is 0 */
    void (*close_gates)(const void *open, void *delta, size_t n);
    /* a ← (a + b)/2, n values */
    void (*average)(void *a, const void *b, size_t n);

    /* out (F × W): every lane gets `row` (F) */
    void (*spread)(const void *row, size_t features, void *out, size_t width);
    /* out (F × W): lane w gets row index[w] of rows (N × F) */
    void (*gather)(const void *rows, size_t features, const uint32_t *index, void *out,
                   size_t width);

    /* cost of each lane, from outputs (T × K × W) and targets (T × K × W), in double: the mean over
     * the steps T, 1 where there is one answer */
    void (*cost)(const mgd_cost *cost, size_t steps, size_t outputs, size_t width, const void *y,
                 const void *target, double *value);
    /* delta (T × K × W) = weight[w]·∂cost/∂y */
    void (*cost_gradient)(const mgd_cost *cost, size_t steps, size_t outputs, size_t width,
                          const void *y, const void *target, const double *weight, void *delta);
    /* the share of the lane's answers that are right */
    void (*hits)(size_t steps, size_t outputs, size_t width, const void *y, const void *target,
                 double *hit);
} mgd_net_kernels;

/* The kernels of an instruction set and precision (f32 or f64). */
const mgd_net_kernels *mgd_net_kernels_get(mgd_isa isa, mgd_dtype dtype);

struct mgd_net {
    mgd_dtype dtype;
    const mgd_net_kernels *kernels;
    mgd_extent input;
    size_t num_vertices;
    mgd_vertex *vertices; /* vertex i gives value i + 1; the last one gives the output */
    size_t num_parameters, inputs, outputs;
    size_t read; /* of the inputs, those on which outputs depend as far as crop.c knows */
    mgd_extent output;
    mgd_plan plan;      /* forward */
    mgd_plan reference; /* for back-propagation */
    void *theta;        /* (P) */
};

/* Layers into vertices: shapes worked out, everything checked. */
mgd_status mgd_graph_build(mgd_context *ctx, mgd_net *net, size_t num_layers,
                           const mgd_layer *layers);

/* Cuts off the edges of images on which no output depends. */
mgd_status mgd_graph_crop(mgd_context *ctx, mgd_net *net);

typedef enum {
    MGD_PLAN_FORWARD,   /* as few calls as possible */
    MGD_PLAN_REFERENCE, /* all values kept, nothing but activations fused: for back-propagation */
    MGD_PLAN_NODES,     /* the same calls, all values kept: for node perturbation */
    MGD_PLAN_BARE,      /* nothing fused: for chips that act on what enters an activation; … */
    MGD_PLAN_BARE_NODES /* … and all values kept */
} mgd_plan_kind;
mgd_status mgd_plan_open(mgd_context *ctx, const mgd_net *net, mgd_plan_kind kind, mgd_plan *out);
void mgd_plan_close(mgd_plan *plan);
/* Features of what the op gives, all steps together. */
static inline size_t mgd_op_features(const mgd_op *op) {
    return op->out.features * op->vertex.steps;
}
/* All steps of one op; θ is as the kernel takes it. */
void mgd_op_forward(const mgd_net *net, const mgd_op *op, bool private, const void *theta,
                    void *arena, size_t width);
void mgd_op_backward(const mgd_net *net, const mgd_op *op, const void *theta, const void *arena,
                     void *deltas, double *gradient, size_t width);
/* Floating-point operations of one op for one sample. */
double mgd_op_flop(const mgd_op *op);

/* Nodes of an op: the outputs of a dense layer, the pixels (height × width × O) of a convolution as
 * far as later layers look at them; 0 for other layers. */
size_t mgd_op_nodes(const mgd_op *op);
/* Side 0, height, or 1, width, of a convolution's nodes. */
static inline size_t mgd_op_node_side(const mgd_op *op, size_t side) {
    return op->out.size[1 + side] * (op->pool == MGD_LAYER_IDENTITY ? 1 : 2);
}

/* How many tiles of lanes pass through the plan together, so that their values stay in the cache
 * and calls are shared: at least one, and not more than `most`. */
size_t mgd_net_tiles(const mgd_net *net, size_t most);

/* The most of the first `still` vertices after which the network can be cut: one value crosses. 0:
 * it cannot be. */
size_t mgd_net_find_cut(const mgd_net *net, size_t still);
/* The network below and above such a cut, each with the whole θ (P). */
mgd_status mgd_net_cut(mgd_context *ctx, const mgd_net *net, size_t cut, mgd_net **below,
                       mgd_net **above);

/* All ops with shared θ (P). */
void mgd_plan_forward(const mgd_net *net, const mgd_plan *plan, const void *theta, void *arena,
                      size_t width);

/* Where a value lies. */
static inline void *mgd_net_place(const mgd_net *net, void *arena, size_t place, size_t width) {
    return (char *)arena + place * width * mgd_dtype_size(net->dtype);
}

/* HiPPO-LegS as a recurrence, see hippo.c: out has B (states × inputs), its columns times `weight`
 * (states × inputs), then A (states × states). */
void mgd_hippo_legs(size_t states, size_t inputs, double step, const double *weight, double *out);

/* Draws initial parameters into out (P), of the network's dtype. */
mgd_status mgd_net_draw(mgd_context *ctx, const mgd_net *net, const mgd_init *init, void *out);
/* The schemes that need no layers, for any P. */
mgd_status mgd_init_check(mgd_context *ctx, const mgd_init *init);
void mgd_init_flat(const mgd_init *init, size_t count, double *out);

/* Checks that the targets and outputs of a sample go together and that the cost's fields are in
 * range. Targets of two dimensions (T, K) are an answer for every step, which outputs are too. */
mgd_status mgd_cost_check(mgd_context *ctx, const mgd_cost *cost, const mgd_extent *output,
                          const mgd_extent *target);

/* What some of the outputs contribute to the cost mse of the lanes, into the first W of value
 * (2 × W); y and target are (steps × columns × W). Shares of all outputs add up to the cost. */
void mgd_net_share(const mgd_net_kernels *kernels, mgd_dtype dtype, mgd_range outputs, size_t steps,
                   size_t columns, size_t width, const void *y, const void *target, double *value);

/* One sample of a tensor (N, …). */
mgd_extent mgd_extent_of_sample(const mgd_tensor *t);

/* Samples in the kernels' precision, one row each. Rows are the tensor's own memory where it is
 * contiguous and of that precision already, else a converted copy. */
typedef struct {
    mgd_tensor *x, *y; /* (N × F), (N × T × K), owned */
    size_t samples, features, targets;
    size_t steps, columns; /* T answers, or 1; K */
} mgd_samples;

mgd_status mgd_samples_open(mgd_context *ctx, mgd_dtype dtype, const mgd_tensor *x,
                            const mgd_tensor *y, mgd_samples *out);
void mgd_samples_close(mgd_samples *samples);

/* Whether x is (B, …) with the network's inputs; `where` opens the message. */
mgd_status mgd_net_check_input(mgd_context *ctx, const mgd_net *net, const char *where,
                               const mgd_tensor *x);

/* The same, checked against the network's inputs and, with the cost, its outputs. */
mgd_status mgd_net_samples_open(mgd_context *ctx, const mgd_net *net, const mgd_tensor *x,
                                const mgd_tensor *y, const mgd_cost *cost, mgd_samples *out);

/* Samples as rows in that precision: a view of the tensor where it has them, else converted. */
mgd_status mgd_net_rows(mgd_context *ctx, mgd_dtype dtype, const mgd_tensor *t, mgd_tensor **out);

/* Room for the outputs of so many samples: (N, O), or (N, T, O). */
mgd_status mgd_net_outputs_new(mgd_context *ctx, const mgd_net *net, size_t samples,
                               mgd_tensor **out);
/* mgd_net_forward with parameters θ (P) of the caller's. */
mgd_status mgd_net_forward_at(mgd_context *ctx, const mgd_net *net, const void *theta,
                              const mgd_tensor *x, mgd_tensor **y);

/* Outputs of all samples into out (N × O). The pool may be NULL. Polls the interrupt flag. */
mgd_status mgd_net_outputs_at(mgd_context *ctx, const mgd_net *net, mgd_pool *pool,
                              const void *theta, const mgd_samples *samples, void *out);

/* Sums over all samples, in order, in tiles of lanes: cost and hits of θ (P), shared by the lanes.
 * `pool` may be NULL. Polls the interrupt flag. */
mgd_status mgd_net_evaluate(mgd_context *ctx, const mgd_net *net, mgd_pool *pool, const void *theta,
                            const mgd_samples *samples, const mgd_cost *cost, double *mean_cost,
                            double *accuracy);

/* The memory that back-propagation takes, for so many threads. */
typedef struct mgd_backward mgd_backward;
mgd_status mgd_backward_open(mgd_context *ctx, const mgd_net *net, size_t targets, size_t workers,
                             mgd_backward **out);
void mgd_backward_close(mgd_backward *b);
/* gradient (P) = Σ weight·∂C/∂θ over some samples, and *value = Σ weight·C unless it is NULL, with
 * the memory that is kept for it, or its own (NULL). The pool may be NULL, and has at most as many
 * threads. Polls the interrupt flag. */
mgd_status mgd_net_backward(mgd_context *ctx, const mgd_net *net, mgd_backward *kept,
                            mgd_pool *pool, const void *theta, const mgd_samples *samples,
                            const mgd_cost *cost, const mgd_weighted *set, double *gradient,
                            double *value);

/* ---- saturation ------------------------------------------------------------------------------ */

/* Looks at activations as a plan in which nothing is pooled passes by. A mark stays 1 while its
 * unit has stood at a bound: see mgd_run_saturated. */
typedef struct {
    size_t units;   /* with an activation that has a bound */
    uint8_t *marks; /* (units × W); NULL: not looking */
    size_t at;      /* the mark of the next op's first unit */
} mgd_watch;

/* Marks set for plan and width; fails when no unit has a bound. Free `marks` afterwards. */
mgd_status mgd_watch_open(mgd_context *ctx, const mgd_plan *plan, size_t width, mgd_watch *out);
/* Looks at what an op has just computed. */
void mgd_watch_op(mgd_watch *watch, const mgd_net *net, const mgd_op *op, void *arena,
                  size_t width);
/* All ops, θ shared or private, each looked at. */
void mgd_watch_forward(mgd_watch *watch, const mgd_net *net, const mgd_plan *plan,
                       const void *theta, bool private_parameters, void *arena, size_t width);
/* The share of marks that are set: of each lane, or (1) of units that are marked in all lanes. */
void mgd_watch_share(const mgd_watch *watch, bool each_lane, size_t width, double *share);

/* Of a network at θ (P × width), one sample for all lanes; or at θ (P) where width is 0. */
mgd_status mgd_net_saturated(mgd_context *ctx, const mgd_net *net, const void *theta, size_t width,
                             const mgd_samples *samples, double *share, size_t *units);

#endif
