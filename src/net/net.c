/* Networks: construction, parameter layout, initial values. */

#include "../base/number.h"
#include "layer.h"

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
    net->inputs = net->read = net->input.features;
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
    mgd_free(net->vertices);
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

size_t mgd_net_inputs_read(const mgd_net *net) {
    return net->read;
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

const char *mgd_init_name(unsigned scheme) {
    static const char *const names[] = {
        [MGD_INIT_ZEROS] = "zeros",
        [MGD_INIT_UNIFORM] = "uniform",
        [MGD_INIT_NORMAL] = "normal",
        [MGD_INIT_GLOROT_UNIFORM] = "glorot_uniform",
        [MGD_INIT_GLOROT_NORMAL] = "glorot_normal",
        [MGD_INIT_HE_UNIFORM] = "he_uniform",
        [MGD_INIT_HE_NORMAL] = "he_normal",
    };
    return scheme < sizeof names / sizeof *names ? names[scheme] : NULL;
}

mgd_status mgd_init_check(mgd_context *ctx, const mgd_init *init) {
    if (!mgd_init_name((unsigned)init->scheme))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "init: unknown scheme %d", (int)init->scheme);
    if (init->scheme == MGD_INIT_UNIFORM &&
        !(isfinite(init->low) && isfinite(init->high) && init->low <= init->high))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "init: low = %s and high = %s: expected finite numbers, low ≤ high",
                        MGD_NUMBER(init->low), MGD_NUMBER(init->high));
    if (init->scheme == MGD_INIT_NORMAL &&
        !(isfinite(init->mean) && isfinite(init->std) && init->std >= 0))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "init: mean = %s and std = %s: expected finite numbers, std ≥ 0",
                        MGD_NUMBER(init->mean), MGD_NUMBER(init->std));
    if (init->replica < 1)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "init: replica must be at least 1, got 0");
    return MGD_OK;
}

void mgd_init_flat(const mgd_init *init, size_t count, double *out) {
    if (init->scheme == MGD_INIT_UNIFORM)
        mgd_init_draw(init, 0, false, init->low / 2 + init->high / 2,
                      init->high / 2 - init->low / 2, count, out);
    else if (init->scheme == MGD_INIT_NORMAL)
        mgd_init_draw(init, 0, true, init->mean, init->std, count, out);
    else
        memset(out, 0, count * sizeof *out);
}

static void draw_nodes(const mgd_net *net, const mgd_init *init, double *scratch, double *values) {
    bool flat = init->scheme <= MGD_INIT_NORMAL;
    if (flat)
        mgd_init_flat(init, net->num_parameters, values);
    for (size_t i = 0, part = 0; i < net->num_vertices; i++) {
        const mgd_vertex *vertex = &net->vertices[i];
        if (vertex->count == 0)
            continue;
        const mgd_layer_type *type = mgd_layer_of(vertex->kind);
        if (type->start && !vertex->drawn)
            type->start(init, part, vertex, scratch, values + vertex->first);
        else if (!flat)
            type->draw(init, part, vertex, values + vertex->first);
        part++; /* counts the layers that have parameters */
    }
}

static mgd_status check_drawn(mgd_context *ctx, const mgd_net *net, const double *values) {
    double most = net->dtype == MGD_F32 ? FLT_MAX : DBL_MAX;
    for (size_t i = 0; i < net->num_parameters; i++)
        if (!(fabs(values[i]) <= most))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "init: parameter %zu is drawn as %s, beyond what %s holds", i + 1,
                            MGD_NUMBER(values[i]), mgd_dtype_name(net->dtype));
    return MGD_OK;
}

mgd_status mgd_net_draw(mgd_context *ctx, const mgd_net *net, const mgd_init *init, void *out) {
    MGD_TRY(mgd_init_check(ctx, init));
    void *memory;
    MGD_TRY(
        mgd_allocate(ctx, "initial parameters", net->num_parameters, 2 * sizeof(double), &memory));
    double *values = memory;
    draw_nodes(net, init, values + net->num_parameters, values);
    bool many = net->num_parameters >= MGD_POLL_DRAWS;
    mgd_status status = many ? mgd_interrupt_answer(ctx) : MGD_OK;
    if (status == MGD_OK)
        status = check_drawn(ctx, net, values);
    if (status == MGD_OK && many)
        status = mgd_interrupt_answer(ctx);
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
