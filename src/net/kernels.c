/* Lane kernels of networks: activations, sums and concatenations, samples into lanes, and the table
 * of all; compiled once per instruction set and precision (see base/simd.h for what keeps the bits
 * the same).
 */

#include "kernels.h"

DEFINE_FUNCTION(tanh_vec, tanh, u35)
DEFINE_FUNCTION(log1p_vec, log1p, u10)

/* ---- activations ----------------------------------------------------------------------------- */

#define EACH_VEC(p, n) for (real *p##_end = (p) + (n); (p) < p##_end; (p) += VEC_LANES)

void NET_KERNEL(activate)(mgd_layer_kind kind, real *y, size_t n) {
    const vec zero = splat(0);
    switch (kind) {
    case MGD_LAYER_SIGMOID:
        EACH_VEC(y, n)
        store(y, sigmoid_vec(load(y)));
        break;
    case MGD_LAYER_TANH:
        EACH_VEC(y, n)
        store(y, tanh_vec(load(y)));
        break;
    case MGD_LAYER_RELU:
        EACH_VEC(y, n)
        store(y, relu_vec(load(y)));
        break;
    case MGD_LAYER_SOFTPLUS: /* max(x, 0) + log1p(e^−|x|) never overflows */
        EACH_VEC(y, n) {
            vec x = load(y);
            store(y, pick(x < zero, zero, x) + log1p_vec(exp_vec(-vec_abs(x))));
        }
        break;
    default: /* identity */
        break;
    }
}

void NET_KERNEL(activate_backward)(mgd_layer_kind kind, const real *y, real *delta, size_t n) {
    const vec zero = splat(0), one = splat(1);
    switch (kind) {
    case MGD_LAYER_SIGMOID:
        for (size_t i = 0; i < n; i += VEC_LANES)
            store(delta + i, load(delta + i) * load(y + i) * (one - load(y + i)));
        break;
    case MGD_LAYER_TANH:
        for (size_t i = 0; i < n; i += VEC_LANES)
            store(delta + i, load(delta + i) * (one - load(y + i) * load(y + i)));
        break;
    case MGD_LAYER_RELU:
        for (size_t i = 0; i < n; i += VEC_LANES)
            store(delta + i, pick(load(y + i) > zero, load(delta + i), zero));
        break;
    case MGD_LAYER_SOFTPLUS: /* sigmoid(x) = 1 − e^−y */
        for (size_t i = 0; i < n; i += VEC_LANES)
            store(delta + i, load(delta + i) * (one - exp_vec(-load(y + i))));
        break;
    default: /* identity */
        break;
    }
}

/* ---- ops without parameters --------------------------------------------------------------------
 */

/* An activation that no op before it took in. */
static void activation(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    real *y = (real *)arena + op->y * width, *x = (real *)arena + op->x[0] * width;
    size_t n = op->out.features * width;
    if (x != y)
        memcpy(y, x, n * sizeof(real));
    NET_KERNEL(activate)(op->node.kind, y, n);
}

static void add_to(real *sum, const real *x, size_t n) {
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(sum + i, load(sum + i) + load(x + i));
}

static void activation_backward(const mgd_op *op, const void *theta, const void *arena,
                                void *deltas, double *gradient, size_t width) {
    (void)theta, (void)gradient;
    size_t n = op->out.features * width;
    real *delta = (real *)deltas + op->y * width;
    NET_KERNEL(activate_backward)(op->node.kind, (const real *)arena + op->y * width, delta, n);
    add_to((real *)deltas + op->x[0] * width, delta, n);
}

static void add(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    const real *a = (const real *)arena + op->x[0] * width;
    const real *b = (const real *)arena + op->x[1] * width;
    real *y = (real *)arena + op->y * width;
    size_t n = op->out.features * width;
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(y + i, load(a + i) + load(b + i));
    NET_KERNEL(activate)(op->activation, y, n);
}

/* Values one after the other, of `first` and the rest of the features. */
static void concat(const mgd_op *op, const void *theta, void *arena, size_t width) {
    (void)theta;
    real *values = arena, *y = values + op->y * width;
    size_t first = op->node.in.features * width, n = op->out.features * width;
    memcpy(y, values + op->x[0] * width, first * sizeof(real));
    memcpy(y + first, values + op->x[1] * width, (n - first) * sizeof(real));
    NET_KERNEL(activate)(op->activation, y, n);
}

static void join_backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                          double *gradient, size_t width) {
    (void)theta, (void)gradient;
    real *delta = (real *)deltas + op->y * width;
    size_t first = op->node.in.features * width, n = op->out.features * width;
    bool sum = op->node.kind == MGD_LAYER_ADD;
    NET_KERNEL(activate_backward)(op->activation, (const real *)arena + op->y * width, delta, n);
    add_to((real *)deltas + op->x[0] * width, delta, first);
    add_to((real *)deltas + op->x[1] * width, sum ? delta : delta + first, sum ? n : n - first);
}

/* ---- samples into lanes ---------------------------------------------------------------------- */

#define FEW_FEATURES 3

/* VEC_LANES lanes with a row each: blocks of features are loaded as rows and transposed. */
static void gather_rows(const real *const row[], size_t features, real *out, size_t width) {
    size_t f = 0;
    for (; f + VEC_LANES <= features; f += VEC_LANES) {
        vec block[VEC_LANES];
        for (size_t k = 0; k < VEC_LANES; k++)
            block[k] = load(row[k] + f);
        transpose(block);
        for (size_t k = 0; k < VEC_LANES; k++)
            store(out + (f + k) * width, block[k]);
    }
#if defined(MGD_KERNEL_AVX512) /* a few features left over are worth a block of their own */
    if (features - f >= FEW_FEATURES) {
        vec block[VEC_LANES];
        for (size_t k = 0; k < VEC_LANES; k++)
            block[k] = load_first(row[k] + f, features - f);
        transpose(block);
        for (size_t k = 0; f + k < features; k++)
            store(out + (f + k) * width, block[k]);
        f = features;
    }
#endif
    for (; f < features; f++)
        for (size_t k = 0; k < VEC_LANES; k++)
            out[f * width + k] = row[k][f];
}

static void spread(const void *row, size_t features, void *lanes, size_t width) {
    for (size_t f = 0; f < features; f++)
        for (size_t lane = 0; lane < width; lane += VEC_LANES)
            store((real *)lanes + f * width + lane, splat(((const real *)row)[f]));
}

static void gather(const void *rows, size_t features, const uint32_t *index, void *lanes,
                   size_t width) {
    uint32_t differ = 0;
    for (size_t lane = 0; lane < width; lane++)
        differ |= index[lane] ^ index[0];
    if (!differ) {
        spread((const real *)rows + (size_t)index[0] * features, features, lanes, width);
        return;
    }
    for (size_t lane = 0; lane < width; lane += VEC_LANES) {
        const real *row[VEC_LANES];
        for (size_t k = 0; k < VEC_LANES; k++)
            row[k] = (const real *)rows + (size_t)index[lane + k] * features;
        gather_rows(row, features, (real *)lanes + lane, width);
    }
}

/* ---- nodes --------------------------------------------------------------------------------
 */

INLINE void deltas_of(const mgd_op *op, const mgd_node_steps *steps, const int kind,
                      const real *signal, real *delta, size_t width) {
    const size_t outputs = op->node.kind == MGD_LAYER_DENSE ? op->out.features : op->out.size[0];
    const size_t pixels = mgd_op_nodes(op) / outputs;
    for (size_t lane = 0; lane < width; lane += VEC_LANES) {
        const vec factor = load(signal + lane);
        for (size_t pixel = 0; pixel < pixels; pixel++)
            for (size_t o = 0, n; o < outputs; o += n) {
                n = outputs - o < 4 ? 1 : 4;
                const node_row row =
                    nodes_from(steps, kind, pixel * outputs + o, lane, width, (int)n);
                real *to = delta + (o * pixels + pixel) * width + lane;
                for (int i = 0; i < (int)n; i++)
                    store(to + (size_t)i * pixels * width, node_times(&row, kind, i, factor));
            }
    }
}

static void node_deltas(const mgd_op *op, const mgd_node_steps *steps, const void *signal,
                        void *delta, size_t width) {
    if (steps->words)
        deltas_of(op, steps, NODES_SIGNS, signal, delta, width);
    else
        deltas_of(op, steps, NODES_VALUES, signal, delta, width);
}

static void average(void *a, const void *b, size_t n) {
    for (size_t i = 0; i < n; i += VEC_LANES)
        store((real *)a + i, (load((real *)a + i) + load((const real *)b + i)) * splat((real)0.5));
}

#define BOTH(kernel)                                                                               \
    { kernel, kernel }

extern const mgd_net_kernels MGD_KERNEL_TABLE(net);
const mgd_net_kernels MGD_KERNEL_TABLE(net) = {
    .lanes = LANES,
    .forward =
        {
            [MGD_LAYER_DENSE] = {NET_KERNEL(dense_shared), NET_KERNEL(dense_private)},
            [MGD_LAYER_SIGMOID] = BOTH(activation),
            [MGD_LAYER_TANH] = BOTH(activation),
            [MGD_LAYER_RELU] = BOTH(activation),
            [MGD_LAYER_SOFTPLUS] = BOTH(activation),
            [MGD_LAYER_CONV2D] = {NET_KERNEL(conv_shared), NET_KERNEL(conv_private)},
            [MGD_LAYER_MAXPOOL2D] = BOTH(NET_KERNEL(maxpool)),
            [MGD_LAYER_AVGPOOL2D] = BOTH(NET_KERNEL(avgpool)),
            [MGD_LAYER_AFFINE] = {NET_KERNEL(affine_shared), NET_KERNEL(affine_private)},
            [MGD_LAYER_ADD] = BOTH(add),
            [MGD_LAYER_CONCAT] = BOTH(concat),
            [MGD_LAYER_MZI_MESH] = {NET_KERNEL(mesh_shared), NET_KERNEL(mesh_private)},
            [MGD_LAYER_ELMAN] = {NET_KERNEL(recurrent_shared), NET_KERNEL(recurrent_private)},
            [MGD_LAYER_SSM] = {NET_KERNEL(recurrent_shared), NET_KERNEL(recurrent_private)},
        },
    .backward =
        {
            [MGD_LAYER_DENSE] = NET_KERNEL(dense_backward),
            [MGD_LAYER_SIGMOID] = activation_backward,
            [MGD_LAYER_TANH] = activation_backward,
            [MGD_LAYER_RELU] = activation_backward,
            [MGD_LAYER_SOFTPLUS] = activation_backward,
            [MGD_LAYER_CONV2D] = NET_KERNEL(conv_backward),
            [MGD_LAYER_MAXPOOL2D] = NET_KERNEL(maxpool_backward),
            [MGD_LAYER_AVGPOOL2D] = NET_KERNEL(avgpool_backward),
            [MGD_LAYER_AFFINE] = NET_KERNEL(affine_backward),
            [MGD_LAYER_ADD] = join_backward,
            [MGD_LAYER_CONCAT] = join_backward,
            [MGD_LAYER_MZI_MESH] = NET_KERNEL(mesh_backward),
            [MGD_LAYER_ELMAN] = NET_KERNEL(recurrent_backward),
            [MGD_LAYER_SSM] = NET_KERNEL(recurrent_backward),
        },
    .dense_pair = NET_KERNEL(dense_pair),
    .nodes =
        {
            [MGD_LAYER_DENSE] = NET_KERNEL(dense_nodes),
            [MGD_LAYER_CONV2D] = NET_KERNEL(conv_nodes),
        },
    .weights =
        {
            [MGD_LAYER_DENSE] = NET_KERNEL(dense_weights),
            [MGD_LAYER_CONV2D] = NET_KERNEL(conv_weights),
        },
    .node_deltas = node_deltas,
    .average = average,
    .spread = spread,
    .gather = gather,
    .cost = NET_KERNEL(cost_lanes),
    .cost_gradient = NET_KERNEL(cost_gradient),
    .hits = NET_KERNEL(hits),
};
