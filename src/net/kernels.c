/* Lane kernels of networks: samples into lanes, deltas of nodes, and the table of all; compiled
 * once per instruction set and precision (see base/simd.h for what keeps the bits the same).
 */

#include "kernels.h"

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
    const size_t outputs = op->vertex.kind == MGD_LAYER_DENSE ? op->out.features : op->out.size[0];
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

static void mark_open(const void *y, double low, double high, void *open, size_t n) {
    const vec least = splat((real)low), most = splat((real)high);
    for (size_t i = 0; i < n; i += VEC_LANES) {
        vec value = load((const real *)y + i);
        store((real *)open + i, pick((value > least) & (value < most), splat(1), splat(0)));
    }
}

static void mark_both(void *open, const void *also, size_t n) {
    for (size_t i = 0; i < n; i += VEC_LANES)
        store((real *)open + i, load((real *)open + i) * load((const real *)also + i));
}

static void mark_either(void *open, const void *also, size_t n) {
    for (size_t i = 0; i < n; i += VEC_LANES)
        store((real *)open + i, larger(load((real *)open + i), load((const real *)also + i)));
}

static void close_gates(const void *open, void *delta, size_t n) {
    for (size_t i = 0; i < n; i += VEC_LANES)
        store((real *)delta + i,
              pick(load((const real *)open + i) != splat(0), load((real *)delta + i), splat(0)));
}

static void average(void *a, const void *b, size_t n) {
    for (size_t i = 0; i < n; i += VEC_LANES)
        store((real *)a + i, (load((real *)a + i) + load((const real *)b + i)) * splat((real)0.5));
}

/* ---- tables ---------------------------------------------------------------------------------- */

extern const mgd_layer_kernels NET_KERNEL(dense), NET_KERNEL(activation), NET_KERNEL(conv2d),
    NET_KERNEL(maxpool2d), NET_KERNEL(avgpool2d), NET_KERNEL(affine), NET_KERNEL(add),
    NET_KERNEL(concat), NET_KERNEL(mzi_mesh), NET_KERNEL(recurrent), NET_KERNEL(centre);

static const mgd_layer_kernels *const layers[MGD_LAYER_COUNT] = {
    [MGD_LAYER_DENSE] = &NET_KERNEL(dense),         [MGD_LAYER_SIGMOID] = &NET_KERNEL(activation),
    [MGD_LAYER_TANH] = &NET_KERNEL(activation),     [MGD_LAYER_RELU] = &NET_KERNEL(activation),
    [MGD_LAYER_SOFTPLUS] = &NET_KERNEL(activation), [MGD_LAYER_CONV2D] = &NET_KERNEL(conv2d),
    [MGD_LAYER_MAXPOOL2D] = &NET_KERNEL(maxpool2d), [MGD_LAYER_AVGPOOL2D] = &NET_KERNEL(avgpool2d),
    [MGD_LAYER_AFFINE] = &NET_KERNEL(affine),       [MGD_LAYER_ADD] = &NET_KERNEL(add),
    [MGD_LAYER_CONCAT] = &NET_KERNEL(concat),       [MGD_LAYER_MZI_MESH] = &NET_KERNEL(mzi_mesh),
    [MGD_LAYER_ELMAN] = &NET_KERNEL(recurrent),     [MGD_LAYER_SSM] = &NET_KERNEL(recurrent),
    [MGD_LAYER_CENTRE] = &NET_KERNEL(centre),
};

extern const mgd_net_kernels MGD_KERNEL_TABLE(net);
const mgd_net_kernels MGD_KERNEL_TABLE(net) = {
    .lanes = LANES,
    .layer = layers,
    .dense_pair = NET_KERNEL(dense_pair),
    .node_deltas = node_deltas,
    .mark_open = mark_open,
    .mark_both = mark_both,
    .mark_either = mark_either,
    .close_gates = close_gates,
    .average = average,
    .spread = spread,
    .gather = gather,
    .cost = NET_KERNEL(cost_lanes),
    .cost_gradient = NET_KERNEL(cost_gradient),
    .hits = NET_KERNEL(hits),
};
