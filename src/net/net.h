/* net: feed-forward networks as a list of stages, run by lane kernels.
 *
 * Letters: W lanes side by side (a multiple of the kernels' `lanes`), I inputs, O outputs of a
 * stage, P parameters, F features of one sample, K target columns.
 * Activations are feature-major with lanes innermost, (F × W). Parameters are either shared by all
 * lanes, (P), or private to each, (P × W). Both kinds round alike: a lane gives the same bits.
 */
#ifndef MGD_NET_H
#define MGD_NET_H

#include "../base/base.h"

/* A dense layer with the activation that follows it, or an activation that follows none. */
typedef struct {
    bool dense;
    mgd_layer_kind activation; /* MGD_LAYER_IDENTITY: none */
    size_t inputs, outputs;
    size_t first; /* where its parameters start in θ: W (O × I), then b (O) */
    size_t count; /* how many they are: O·I + O, or 0 */
} mgd_stage;

typedef struct {
    size_t lanes; /* in a tile: 64 bytes of reals */

    /* y (O × W) = W·x + b, summed over inputs in order, starting from b */
    void (*dense_shared)(const mgd_stage *stage, const void *theta, const void *x, void *y,
                         size_t width);
    void (*dense_private)(const mgd_stage *stage, const void *theta, const void *x, void *y,
                          size_t width);
    /* y ← act(y), n values, n a multiple of `lanes` */
    void (*activate)(mgd_layer_kind kind, void *y, size_t n);

    /* back-propagation: delta ← delta·act'(y), from the output y alone */
    void (*activate_backward)(mgd_layer_kind kind, const void *y, void *delta, size_t n);
    /* dx (I × W) = Wᵀ·delta */
    void (*dense_backward)(const mgd_stage *stage, const void *theta, const void *delta, void *dx,
                           size_t width);
    /* gradient (count) += delta·xᵀ and delta, summed over lanes by a fixed tree */
    void (*dense_gradient)(const mgd_stage *stage, const void *delta, const void *x,
                           double *gradient, size_t width);

    /* out (F × W): every lane gets `row` (F) */
    void (*spread)(const void *row, size_t features, void *out, size_t width);
    /* out (F × W): lane w gets row index[w] of rows (N × F) */
    void (*gather)(const void *rows, size_t features, const uint32_t *index, void *out,
                   size_t width);

    /* cost of each lane, from outputs (O × W) and targets (K × W), in double */
    void (*cost)(const mgd_cost *cost, size_t outputs, size_t width, const void *y,
                 const void *target, double *value);
    /* delta (O × W) = weight[w]·∂cost/∂y */
    void (*cost_gradient)(const mgd_cost *cost, size_t outputs, size_t width, const void *y,
                          const void *target, const double *weight, void *delta);
    /* 1 where the lane's answer is right, else 0 */
    void (*hits)(size_t outputs, size_t width, const void *y, const void *target, double *hit);
} mgd_net_kernels;

/* The kernels of an instruction set and precision (f32 or f64). */
const mgd_net_kernels *mgd_net_kernels_get(mgd_isa isa, mgd_dtype dtype);

struct mgd_net {
    mgd_dtype dtype;
    const mgd_net_kernels *kernels;
    size_t input_ndim, input_shape[MGD_MAX_DIMS];
    size_t num_stages;
    mgd_stage *stages;
    size_t num_parameters, inputs, outputs;
    size_t widest; /* most outputs of a stage */
    size_t total;  /* features of the input and of all stages' outputs together */
    void *theta;   /* (P) */
};

/* One stage forward, x (I × W) → y (O × W); x and y differ. */
void mgd_net_stage(const mgd_net *net, size_t stage, bool shared, const void *theta, const void *x,
                   void *y, size_t width);

/* Draws initial parameters into out (P), of the network's dtype. */
mgd_status mgd_net_draw(mgd_context *ctx, const mgd_net *net, const mgd_init *init, void *out);
/* The schemes that need no layers, for any P. */
mgd_status mgd_init_check(mgd_context *ctx, const mgd_init *init);
void mgd_init_flat(const mgd_init *init, size_t count, double *out);

/* Checks that targets and outputs go together and that the cost's fields are in range. */
mgd_status mgd_cost_check(mgd_context *ctx, const mgd_cost *cost, size_t outputs, size_t targets);

/* Samples in the kernels' precision, one row each. Rows are the tensor's own memory where it is
 * contiguous and of that precision already, else a converted copy. */
typedef struct {
    mgd_tensor *x, *y; /* (N × F), (N × K), owned */
    size_t samples, features, targets;
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

/* mgd_net_forward with parameters θ (P) of the caller's. */
mgd_status mgd_net_forward_at(mgd_context *ctx, const mgd_net *net, const void *theta,
                              const mgd_tensor *x, mgd_tensor **y);

/* Sums over all samples, in order, in tiles of lanes: cost and hits of θ (P), shared by the lanes.
 * `pool` may be NULL. Polls the interrupt flag. */
mgd_status mgd_net_evaluate(mgd_context *ctx, const mgd_net *net, mgd_pool *pool, const void *theta,
                            const mgd_samples *samples, const mgd_cost *cost, double *mean_cost,
                            double *accuracy);

/* Σ_s weight[s]·∂C_s/∂θ over the samples, added up in order, and Σ_s weight[s]·C_s; samples of
 * weight 0 cost nothing. gradient (P) and *value are set, not added to. */
mgd_status mgd_net_backward(mgd_context *ctx, const mgd_net *net, const void *theta,
                            const mgd_samples *samples, const mgd_cost *cost, const double *weight,
                            double *gradient, double *value);

#endif
