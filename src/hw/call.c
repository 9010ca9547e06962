/* Models that the user wrote: values of a frame as a tensor, one row for each lane, and back. */

#include "../base/number.h"
#include "model.h"

#include <math.h>
#include <stdio.h>

/* One call, as its draws see it. */
typedef struct {
    const mgd_hw_chain *chain;
    const mgd_hw_op *op;
    const mgd_hw_frame *frame;
    size_t lanes, sites;
} call;

static double value_at(const call *c, const void *values, size_t lane, size_t site) {
    size_t at = c->frame->row ? site : site * c->frame->width + lane;
    return c->chain->dtype == MGD_F32 ? (double)((const float *)values)[at]
                                      : ((const double *)values)[at];
}

static mgd_status to_tensor(mgd_context *ctx, const call *c, const void *values, mgd_tensor **out) {
    size_t shape[2] = {c->lanes, c->sites};
    MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, shape, out));
    double *to = mgd_tensor_data(*out);
    for (size_t lane = 0; lane < c->lanes; lane++)
        for (size_t site = 0; site < c->sites; site++)
            *to++ = value_at(c, values, lane, site);
    return MGD_OK;
}

static void from_tensor(const call *c, const double *from, void *values) {
    for (size_t lane = 0; lane < c->lanes; lane++)
        for (size_t site = 0; site < c->sites; site++) {
            size_t at = c->frame->row ? site : site * c->frame->width + lane;
            if (c->chain->dtype == MGD_F32)
                ((float *)values)[at] = (float)*from++;
            else
                ((double *)values)[at] = *from++;
        }
}

static mgd_status draw(mgd_context *ctx, const void *event, bool uniform, uint64_t k,
                       mgd_tensor **out) {
    const call *c = event;
    void *memory;
    if (c->frame->still && !c->frame->noisy) { /* probes see what is in the middle */
        size_t shape[2] = {c->lanes, c->sites};
        MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, shape, out));
        return mgd_tensor_fill(ctx, *out, uniform ? 0.5 : 0);
    }
    MGD_TRY(mgd_allocate(ctx, "random values", c->frame->rows * c->frame->width, sizeof(double),
                         &memory));
    char name[32];
    snprintf(name, sizeof name, "draw %llu", (unsigned long long)k);
    c->chain->kernels->noise(mgd_random_key(c->op->noise_seed, name), uniform, c->frame, memory);
    mgd_status status = to_tensor(ctx, c, memory, out);
    mgd_free(memory);
    return status;
}

static mgd_status check(mgd_context *ctx, const call *c, const mgd_tensor *t) {
    char shape[96];
    const size_t *size = mgd_tensor_shape(t);
    if (mgd_tensor_ndim(t) != 2 || size[0] != c->lanes || size[1] != c->sites)
        return mgd_fail(
            ctx, MGD_ERR_SHAPE, "%s: it returned a tensor %s: expected %zux%zu, as it got",
            c->op->model.stream, mgd_shape_format(shape, sizeof shape, mgd_tensor_ndim(t), size),
            c->lanes, c->sites);
    const double *values = mgd_tensor_data(t);
    for (size_t i = 0; i < c->lanes * c->sites; i++)
        if (!isfinite(values[i]))
            return mgd_fail(ctx, MGD_ERR_NONFINITE,
                            "%s: it returned %s for value %zu of row %zu: expected a finite number",
                            c->op->model.stream, MGD_NUMBER(values[i]), i % c->sites + 1,
                            i / c->sites + 1);
    return MGD_OK;
}

/* The replica of each lane; a frame of samples has one for all. */
static mgd_status replicas(mgd_context *ctx, const call *c, uint64_t **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "numbers of replicas", c->lanes, sizeof(uint64_t), &memory));
    *out = memory;
    for (size_t lane = 0; lane < c->lanes; lane++)
        (*out)[lane] = c->frame->replica[c->frame->row || c->frame->shared ? 0 : lane];
    return MGD_OK;
}

mgd_status mgd_hw_call(mgd_context *ctx, const mgd_hw_chain *chain, const mgd_hw_op *op,
                       const mgd_hw_frame *f, void *values) {
    size_t lanes = f->row ? 1 : op->model.memory && f->used > 0 ? f->used : f->width;
    call c = {chain, op, f, lanes, f->sites};
    double seconds = f->step / MGD_HW_TICKS;
    uint64_t *replica;
    MGD_TRY(replicas(ctx, &c, &replica));
    mgd_hw_event event = {.replica = replica,
                          .lanes = c.lanes,
                          .sites = c.sites,
                          .step = f->noisy ? f->at_step : f->tick / MGD_HW_TICKS,
                          .time = f->time,
                          .dt = seconds * (double)f->ticks,
                          .still = f->still,
                          .draw = draw,
                          .device = f->device,
                          .chain = chain->number,
                          .event = &c};
    mgd_tensor *given = NULL, *made = NULL, *result = NULL;
    mgd_status status = to_tensor(ctx, &c, values, &given);
    if (status == MGD_OK)
        status = op->model.function(op->model.user, ctx, given, &event, &made);
    if (status == MGD_OK)
        status = mgd_tensor_convert(ctx, made, MGD_F64, &result);
    if (status == MGD_OK)
        status = check(ctx, &c, result);
    if (status == MGD_OK)
        from_tensor(&c, mgd_tensor_data(result), values);
    mgd_tensor_free(given);
    mgd_tensor_free(made);
    mgd_tensor_free(result);
    mgd_free(replica);
    return status;
}

static const char *fault_of_function(const mgd_hw_model *m) {
    return m->function ? NULL : "function: expected one, got NULL";
}

const mgd_hw_type mgd_hw_type_function = {
    .name = "function",
    .fault = fault_of_function,
};
