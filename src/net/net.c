/* Networks: construction, parameter layout, initial values. */

#include "net.h"

#include <float.h>
#include <math.h>
#include <string.h>

extern const mgd_net_kernels mgd_net_kernels_portable_f32, mgd_net_kernels_portable_f64;
#if defined(MGD_HAVE_X86_KERNELS)
extern const mgd_net_kernels mgd_net_kernels_avx2_f32, mgd_net_kernels_avx2_f64;
extern const mgd_net_kernels mgd_net_kernels_avx512_f32, mgd_net_kernels_avx512_f64;
#endif

const mgd_net_kernels *mgd_net_kernels_get(mgd_isa isa, mgd_dtype dtype) {
    static const mgd_net_kernels *const table[MGD_ISA_COUNT][2] = {
        [MGD_ISA_PORTABLE] = {&mgd_net_kernels_portable_f64, &mgd_net_kernels_portable_f32},
#if defined(MGD_HAVE_X86_KERNELS)
        [MGD_ISA_AVX2] = {&mgd_net_kernels_avx2_f64, &mgd_net_kernels_avx2_f32},
        [MGD_ISA_AVX512] = {&mgd_net_kernels_avx512_f64, &mgd_net_kernels_avx512_f32},
#endif
    };
    return table[isa][dtype == MGD_F32];
}

const char *mgd_layer_name(mgd_layer_kind kind) {
    static const char *const names[MGD_LAYER_COUNT] = {
        "dense",     "identity", "sigmoid", "tanh", "relu",   "softplus", "conv2d", "maxpool2d",
        "avgpool2d", "affine",   "reshape", "add",  "concat", "mzi_mesh", "elman",  "ssm"};
    return (unsigned)kind < MGD_LAYER_COUNT ? names[kind] : "unknown";
}

#define START_PARTS (UINT64_C(1) << 32) /* draws for layers that know what to begin with */

static mgd_status check_input(mgd_context *ctx, size_t ndim, const size_t *shape, mgd_extent *out) {
    mgd_extent input = {.ndim = ndim, .features = 1};
    for (size_t i = 0; i < ndim; i++) {
        input.size[i] = shape[i];
        if (shape[i] < 1 || __builtin_mul_overflow(input.features, shape[i], &input.features) ||
            input.features >= UINT32_MAX)
            return mgd_fail(ctx, MGD_ERR_SHAPE,
                            "network: input dimension %zu is %zu: expected at least 1, and fewer "
                            "than 2^32 inputs in all",
                            i + 1, shape[i]);
    }
    *out = input;
    return MGD_OK;
}

static mgd_status build(mgd_context *ctx, mgd_net *net, size_t input_ndim,
                        const size_t *input_shape, size_t num_layers, const mgd_layer *layers) {
    MGD_TRY(check_input(ctx, input_ndim, input_shape, &net->input));
    net->inputs = net->input.features;
    MGD_TRY(mgd_graph_build(ctx, net, num_layers, layers));
    MGD_TRY(mgd_plan_open(ctx, net, MGD_PLAN_FORWARD, &net->plan));
    MGD_TRY(mgd_plan_open(ctx, net, MGD_PLAN_REFERENCE, &net->reference));
    return mgd_allocate(ctx, "network parameters", net->num_parameters, mgd_dtype_size(net->dtype),
                        &net->theta);
}

mgd_status mgd_net_new(mgd_context *ctx, mgd_dtype dtype, size_t input_ndim,
                       const size_t *input_shape, size_t num_layers, const mgd_layer *layers,
                       mgd_net **out) {
    if (dtype != MGD_F32 && dtype != MGD_F64)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "network: dtype must be f32 or f64, got %s",
                        mgd_dtype_name(dtype));
    if (input_ndim < 1 || input_ndim >= MGD_MAX_DIMS || num_layers < 1)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "network: expected an input of 1 to %d dimensions and at least one layer, "
                        "got %zu and %zu",
                        MGD_MAX_DIMS - 1, input_ndim, num_layers);
    if (!input_shape || !layers)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "network: expected a shape and layers, got NULL");
    mgd_isa isa;
    MGD_TRY(mgd_isa_select(ctx, &isa));
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "network", 1, sizeof(mgd_net), &memory));
    mgd_net *net = memory;
    net->dtype = dtype;
    net->kernels = mgd_net_kernels_get(isa, dtype);
    mgd_status status = build(ctx, net, input_ndim, input_shape, num_layers, layers);
    if (status != MGD_OK) {
        mgd_net_free(net);
        return status;
    }
    *out = net;
    return MGD_OK;
}

void mgd_net_free(mgd_net *net) {
    if (!net)
        return;
    mgd_free(net->theta);
    mgd_plan_close(&net->plan);
    mgd_plan_close(&net->reference);
    mgd_free(net->nodes);
    mgd_free(net);
}

mgd_dtype mgd_net_dtype(const mgd_net *net) {
    return net->dtype;
}

size_t mgd_net_num_parameters(const mgd_net *net) {
    return net->num_parameters;
}

size_t mgd_net_inputs(const mgd_net *net) {
    return net->inputs;
}

size_t mgd_net_outputs(const mgd_net *net) {
    return net->outputs;
}

/* ---- parameters ------------------------------------------------------------------------------ */

mgd_status mgd_net_theta(mgd_context *ctx, const mgd_net *net, mgd_tensor **out) {
    mgd_tensor *theta;
    MGD_TRY(mgd_tensor_new(ctx, net->dtype, 1, &net->num_parameters, &theta));
    memcpy(mgd_tensor_data(theta), net->theta, net->num_parameters * mgd_dtype_size(net->dtype));
    *out = theta;
    return MGD_OK;
}

mgd_status mgd_net_set_theta(mgd_context *ctx, mgd_net *net, const mgd_tensor *theta) {
    char shape[128];
    if (mgd_tensor_ndim(theta) != 1 || mgd_tensor_size(theta) != net->num_parameters)
        return mgd_fail(
            ctx, MGD_ERR_SHAPE, "set_theta: expected shape %zu, got %s", net->num_parameters,
            mgd_shape_format(shape, sizeof shape, mgd_tensor_ndim(theta), mgd_tensor_shape(theta)));
    mgd_tensor *converted;
    MGD_TRY(mgd_tensor_convert(ctx, theta, net->dtype, &converted));
    memcpy(net->theta, mgd_tensor_data(converted),
           net->num_parameters * mgd_dtype_size(net->dtype));
    mgd_tensor_free(converted);
    return MGD_OK;
}

mgd_status mgd_init_check(mgd_context *ctx, const mgd_init *init) {
    if ((unsigned)init->scheme > MGD_INIT_HE_NORMAL)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "init: unknown scheme %d", (int)init->scheme);
    if (init->scheme == MGD_INIT_UNIFORM &&
        !(isfinite(init->low) && isfinite(init->high) && init->low <= init->high))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "init: low = %g and high = %g: expected finite numbers, low ≤ high",
                        init->low, init->high);
    if (init->scheme == MGD_INIT_NORMAL &&
        !(isfinite(init->mean) && isfinite(init->std) && init->std >= 0))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "init: mean = %g and std = %g: expected finite numbers, std ≥ 0",
                        init->mean, init->std);
    if (init->replica < 1)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "init: replica must be at least 1, got 0");
    return MGD_OK;
}

#define POLL_DRAWS ((size_t)1 << 17) /* between two looks for an interrupt */

/* `count` draws into out: uniform on centre ± half, or normal with mean centre and deviation half.
 * Each layer (`part`) has draws of its own, whatever the shapes of the others. */
static void draw(const mgd_init *init, uint64_t part, bool normal, double centre, double half,
                 size_t count, double *out) {
    for (size_t i = 0; i < count; i++) {
        double pair[2];
        if (i % POLL_DRAWS == POLL_DRAWS - 1 && mgd_interrupt_pending())
            return; /* answered by whoever draws */
        if (i % 2 == 0) {
            uint32_t index = (uint32_t)(i / 2);
            if (normal)
                mgd_random_normal2(init->seed, MGD_STREAM_INIT, init->replica, part, index, pair);
            else
                mgd_random_uniform2(init->seed, MGD_STREAM_INIT, init->replica, part, index, pair);
        }
        out[i] = normal ? centre + half * pair[i % 2] : centre + half * (2 * pair[i % 2] - 1);
    }
}

void mgd_init_flat(const mgd_init *init, size_t count, double *out) {
    if (init->scheme == MGD_INIT_UNIFORM)
        draw(init, 0, false, init->low / 2 + init->high / 2, init->high / 2 - init->low / 2, count,
             out);
    else if (init->scheme == MGD_INIT_NORMAL)
        draw(init, 0, true, init->mean, init->std, count, out);
    else
        memset(out, 0, count * sizeof *out);
}

/* Into out (count): weights by the scheme, the scales of affine 1, biases and shifts 0, phases
 * anywhere on the circle, since they know no fan-in. */
static void draw_node(const mgd_init *init, uint64_t part, const mgd_node *node, double *out) {
    if (node->kind == MGD_LAYER_MZI_MESH) {
        draw(init, part, false, 0, acos(-1), node->count, out);
        return;
    }
    size_t outputs = node->kind == MGD_LAYER_DENSE  ? node->out.features
                     : mgd_is_recurrent(node->kind) ? mgd_node_states(node)
                                                    : node->out.size[0];
    size_t weights = node->count - (node->kind == MGD_LAYER_SSM ? 0 : outputs);
    size_t area = node->kind == MGD_LAYER_CONV2D ? node->kernel[0] * node->kernel[1] : 1;
    double in = (double)weights / (double)outputs, both = in + (double)(outputs * area);
    memset(out, 0, node->count * sizeof *out);
    if (node->kind == MGD_LAYER_AFFINE) {
        for (size_t i = 0; i < weights; i++)
            out[i] = 1;
        return;
    }
    switch (init->scheme) {
    case MGD_INIT_GLOROT_UNIFORM:
        draw(init, part, false, 0, sqrt(6 / both), weights, out);
        break;
    case MGD_INIT_GLOROT_NORMAL:
        draw(init, part, true, 0, sqrt(2 / both), weights, out);
        break;
    case MGD_INIT_HE_UNIFORM:
        draw(init, part, false, 0, sqrt(6 / in), weights, out);
        break;
    case MGD_INIT_HE_NORMAL:
        draw(init, part, true, 0, sqrt(2 / in), weights, out);
        break;
    default:
        break;
    }
}

/* State-space layers that are not drawn as weights know what to begin with, whatever the scheme. B
 * of one feature is HiPPO's b; of F features b times draws of variance 1/F, so that each state
 * listens to a mixture of its own. */
static void start_states(const mgd_init *init, uint64_t part, const mgd_node *node, double *weight,
                         double *out) {
    size_t states = mgd_node_states(node), inputs = node->in.features / node->length;
    weight[0] = 1;
    if (inputs > 1)
        draw(init, START_PARTS + part, true, 0, sqrt(1 / (double)inputs), states * inputs, weight);
    else
        for (size_t n = 1; n < states; n++)
            weight[n] = 1;
    mgd_hippo_legs(states, inputs, node->step, weight, out);
}

static void draw_nodes(const mgd_net *net, const mgd_init *init, double *weight, double *values) {
    bool flat = init->scheme <= MGD_INIT_NORMAL;
    if (flat)
        mgd_init_flat(init, net->num_parameters, values);
    for (size_t i = 0, part = 0; i < net->num_nodes; i++) {
        const mgd_node *node = &net->nodes[i];
        if (node->count == 0)
            continue;
        if (node->kind == MGD_LAYER_SSM && !node->drawn)
            start_states(init, part, node, weight, values + node->first);
        else if (!flat)
            draw_node(init, part, node, values + node->first);
        part++; /* counts the layers that have parameters */
    }
}

static mgd_status check_drawn(mgd_context *ctx, const mgd_net *net, const double *values) {
    double most = net->dtype == MGD_F32 ? FLT_MAX : DBL_MAX;
    for (size_t i = 0; i < net->num_parameters; i++)
        if (!(fabs(values[i]) <= most))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "init: parameter %zu is drawn as %g, beyond what %s holds", i + 1,
                            values[i], mgd_dtype_name(net->dtype));
    return MGD_OK;
}

mgd_status mgd_net_draw(mgd_context *ctx, const mgd_net *net, const mgd_init *init, void *out) {
    MGD_TRY(mgd_init_check(ctx, init));
    void *memory;
    MGD_TRY(
        mgd_allocate(ctx, "initial parameters", net->num_parameters, 2 * sizeof(double), &memory));
    double *values = memory;
    draw_nodes(net, init, values + net->num_parameters, values);
    mgd_status status = net->num_parameters >= POLL_DRAWS ? mgd_interrupt_answer(ctx) : MGD_OK;
    if (status == MGD_OK)
        status = check_drawn(ctx, net, values);
    for (size_t i = 0; i < net->num_parameters && status == MGD_OK; i++)
        if (net->dtype == MGD_F32)
            ((float *)out)[i] = (float)values[i];
        else
            ((double *)out)[i] = values[i];
    mgd_free(values);
    return status;
}

mgd_status mgd_net_init(mgd_context *ctx, mgd_net *net, const mgd_init *init) {
    MGD_OPERATION;
    return mgd_net_draw(ctx, net, init, net->theta);
}
