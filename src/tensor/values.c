/* values.c: conversion, copying, single elements, and the constructors that compute their values.
 */

#include "../base/number.h"
#include "tensor.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- conversion and copying ------------------------------------------------------------------ */

#define PIECE ((size_t)1 << 20) /* elements written between two looks for an interrupt */

/* Writes `source`, which broadcasts to the shape of `t` and does not overlap it, into `t`. Answers
 * interrupts in large tensors where `t` is `fresh`: others are never left half done. */
static mgd_status write_values(mgd_context *ctx, const char *what, mgd_store_mode mode, bool fresh,
                               mgd_tensor *t, const mgd_tensor *source) {
    size_t since = 0;
    ptrdiff_t size = (ptrdiff_t)mgd_dtype_size(t->dtype);
    mgd_walk walk;
    mgd_walk_begin(&walk, t->ndim, t->shape, 2, (const mgd_tensor *const[]){t, source});
    for (; walk.rows > 0; mgd_walk_next(&walk)) {
        bool same = t->dtype == source->dtype && walk.step[0] == size && walk.step[1] == size;
        size_t most = same ? PIECE : MGD_BLOCK;
        for (size_t done = 0, n; done < walk.length; done += n) {
            n = walk.length - done < most ? walk.length - done : most;
            double buffer[MGD_BLOCK];
            const char *from = walk.row[1] + (ptrdiff_t)done * walk.step[1];
            char *to = walk.row[0] + (ptrdiff_t)done * walk.step[0];
            since += n;
            if (fresh && since > PIECE) {
                since = 0;
                MGD_TRY(mgd_interrupt_answer(ctx));
            }
            if (same) {
                memcpy(to, from, n * (size_t)size);
                continue;
            }
            const double *values = mgd_block_load(source->dtype, from, walk.step[1], n, buffer);
            MGD_TRY(mgd_block_store(ctx, what, mode, t->dtype, to, walk.step[0], n, values));
        }
    }
    return MGD_OK;
}

/* A fresh contiguous tensor of type `dtype` with the values of `t`. */
static mgd_status fresh_copy(mgd_context *ctx, const char *what, mgd_store_mode mode,
                             const mgd_tensor *t, mgd_dtype dtype, mgd_tensor **out) {
    mgd_tensor *copy;
    MGD_TRY(mgd_tensor_new(ctx, dtype, t->ndim, t->shape, &copy));
    mgd_status status = write_values(ctx, what, mode, true, copy, t);
    if (status != MGD_OK) {
        mgd_tensor_free(copy);
        return status;
    }
    *out = copy;
    return MGD_OK;
}

mgd_status mgd_tensor_convert(mgd_context *ctx, const mgd_tensor *t, mgd_dtype dtype,
                              mgd_tensor **out) {
    MGD_OPERATION;
    return fresh_copy(ctx, "to", MGD_STORE_ROUND, t, dtype, out);
}

mgd_status mgd_tensor_copy(mgd_context *ctx, mgd_tensor *t, const mgd_tensor *source) {
    MGD_OPERATION;
    if (!mgd_shape_broadcasts(source, t->ndim, t->shape)) {
        char from[MGD_SHAPE_TEXT], to[MGD_SHAPE_TEXT];
        return mgd_fail(ctx, MGD_ERR_SHAPE, "copy: shape %s cannot be written into shape %s",
                        mgd_shape_format(from, sizeof from, source->ndim, source->shape),
                        mgd_shape_format(to, sizeof to, t->ndim, t->shape));
    }
    bool may_fail = mgd_dtype_is_integer(t->dtype) && source->dtype != t->dtype;
    if (!may_fail && !mgd_tensor_overlaps(t, source))
        return write_values(ctx, "copy", MGD_STORE_EXACT, false, t, source);
    /* Convert aside first: `t` stays as it is on failure, and an overlap does no harm. */
    mgd_tensor *aside;
    MGD_TRY(fresh_copy(ctx, "copy", MGD_STORE_EXACT, source, t->dtype, &aside));
    mgd_status status = write_values(ctx, "copy", MGD_STORE_EXACT, false, t, aside);
    mgd_tensor_free(aside);
    return status;
}

mgd_status mgd_tensor_fill(mgd_context *ctx, mgd_tensor *t, double value) {
    if (t->size == 0)
        return MGD_OK;
    /* Only the first element can fail, and then nothing is written. */
    mgd_tensor number = mgd_tensor_borrow_number(&value);
    return write_values(ctx, "fill", MGD_STORE_EXACT, false, t, &number);
}

/* ---- single elements ------------------------------------------------------------------------- */

static char *element(const mgd_tensor *t, const size_t *index) {
    ptrdiff_t offset = 0;
    for (size_t i = 0; i < t->ndim; i++) {
        assert(index[i] < t->shape[i]);
        offset += (ptrdiff_t)index[i] * t->strides[i];
    }
    return t->data + offset * (ptrdiff_t)mgd_dtype_size(t->dtype);
}

double mgd_tensor_get(const mgd_tensor *t, const size_t *index) {
    double buffer;
    return *mgd_block_load(t->dtype, element(t, index), 0, 1, &buffer);
}

mgd_status mgd_tensor_set(mgd_context *ctx, mgd_tensor *t, const size_t *index, double value) {
    return mgd_block_store(ctx, "element", MGD_STORE_EXACT, t->dtype, element(t, index), 0, 1,
                           &value);
}

/* ---- constructors ---------------------------------------------------------------------------- */

/* Values of the elements [start, start + n) of a fresh tensor. */
typedef void generator(const void *plan, size_t start, size_t n, double *values);

static mgd_status generate(mgd_context *ctx, const char *what, mgd_dtype dtype, size_t ndim,
                           const size_t *shape, generator *values_of, const void *plan,
                           mgd_tensor **out) {
    mgd_tensor *t;
    MGD_TRY(mgd_tensor_new(ctx, dtype, ndim, shape, &t));
    ptrdiff_t size = (ptrdiff_t)mgd_dtype_size(dtype);
    mgd_status status = MGD_OK;
    for (size_t start = 0; start < t->size && status == MGD_OK; start += MGD_BLOCK) {
        double values[MGD_BLOCK];
        size_t n = t->size - start < MGD_BLOCK ? t->size - start : MGD_BLOCK;
        values_of(plan, start, n, values);
        char *to = t->data + (ptrdiff_t)start * size;
        status = mgd_block_store(ctx, what, MGD_STORE_EXACT, dtype, to, size, n, values);
        if (status == MGD_OK)
            status = mgd_interrupt_answer(ctx);
    }
    if (status != MGD_OK) {
        mgd_tensor_free(t);
        return status;
    }
    *out = t;
    return MGD_OK;
}

static void full_values(const void *plan, size_t start, size_t n, double *values) {
    (void)start;
    for (size_t i = 0; i < n; i++)
        values[i] = *(const double *)plan;
}

mgd_status mgd_tensor_full(mgd_context *ctx, mgd_dtype dtype, size_t ndim, const size_t *shape,
                           double value, mgd_tensor **out) {
    MGD_OPERATION;
    if (value == 0 && !signbit(value)) /* as fresh memory is, which so is not touched */
        return mgd_tensor_new(ctx, dtype, ndim, shape, out);
    return generate(ctx, "full", dtype, ndim, shape, full_values, &value, out);
}

typedef struct {
    double first, last, step;
    size_t n;
} progression;

static void arange_values(const void *plan, size_t start, size_t n, double *values) {
    const progression *p = plan;
    for (size_t i = 0; i < n; i++)
        values[i] = p->first + (double)(start + i) * p->step;
}

mgd_status mgd_tensor_arange(mgd_context *ctx, mgd_dtype dtype, double first, double step, size_t n,
                             mgd_tensor **out) {
    MGD_OPERATION;
    progression plan = {.first = first, .step = step};
    return generate(ctx, "arange", dtype, 1, &n, arange_values, &plan, out);
}

static void linspace_values(const void *plan, size_t start, size_t n, double *values) {
    const progression *p = plan;
    for (size_t i = 0; i < n; i++) {
        size_t at = start + i;
        /* Counting from the nearer end keeps both ends exact. */
        values[i] = at == 0 || at < p->n / 2 ? p->first + (double)at * p->step
                                             : p->last - (double)(p->n - 1 - at) * p->step;
    }
}

mgd_status mgd_tensor_linspace(mgd_context *ctx, mgd_dtype dtype, double first, double last,
                               size_t n, mgd_tensor **out) {
    MGD_OPERATION;
    if (!isfinite(first) || !isfinite(last))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "linspace: from %s to %s: expected finite ends",
                        MGD_NUMBER(first), MGD_NUMBER(last));
    double parts = n > 1 ? (double)(n - 1) : 1, step = (last - first) / parts;
    if (isinf(step)) /* no more than the difference */
        step = last / parts - first / parts;
    progression plan = {first, last, step, n};
    return generate(ctx, "linspace", dtype, 1, &n, linspace_values, &plan, out);
}

mgd_status mgd_tensor_eye(mgd_context *ctx, mgd_dtype dtype, size_t n, mgd_tensor **out) {
    mgd_tensor *t;
    MGD_TRY(mgd_tensor_new(ctx, dtype, 2, (const size_t[]){n, n}, &t));
    mgd_tensor diagonal = *t; /* borrowed: lives no longer than this call */
    diagonal.ndim = 1;
    diagonal.size = n;
    diagonal.strides[0] += diagonal.strides[1];
    mgd_status status = mgd_tensor_fill(ctx, &diagonal, 1);
    assert(status == MGD_OK); /* every type holds 1 */
    *out = t;
    return status;
}

/* ---- random tensors -------------------------------------------------------------------------- */

typedef struct {
    uint64_t seed;
    bool normal;
    bool single; /* round to f32 without reaching 1 */
} draw;

/* Counter e / 2 gives the elements e and e + 1; its low 32 bits are the index of the stream and the
 * rest its step. `start` is even, since blocks are. */
static void draw_values(const void *plan, size_t start, size_t n, double *values) {
    const draw *d = plan;
    for (size_t i = 0; i < n; i += 2) {
        uint64_t counter = (start + i) / 2;
        double pair[2];
        if (d->normal)
            mgd_random_normal2(d->seed, MGD_STREAM_TENSOR, 0, counter >> 32, (uint32_t)counter,
                               pair);
        else
            mgd_random_uniform2(d->seed, MGD_STREAM_TENSOR, 0, counter >> 32, (uint32_t)counter,
                                pair);
        for (size_t k = 0; k < 2 && i + k < n; k++)
            values[i + k] = pair[k];
    }
    /* The largest f32 below 1: uniform values stay inside the open interval. */
    for (size_t i = 0; i < n && d->single && !d->normal; i++)
        values[i] = fmin(values[i], 1 - 0x1p-24);
}

static mgd_status random_tensor(mgd_context *ctx, const char *what, bool normal, mgd_dtype dtype,
                                size_t ndim, const size_t *shape, uint64_t seed, mgd_tensor **out) {
    if (dtype != MGD_F64 && dtype != MGD_F32)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: dtype is f64 or f32, got %s", what,
                        mgd_dtype_name(dtype));
    draw plan = {seed, normal, dtype == MGD_F32};
    return generate(ctx, what, dtype, ndim, shape, draw_values, &plan, out);
}

mgd_status mgd_tensor_rand(mgd_context *ctx, mgd_dtype dtype, size_t ndim, const size_t *shape,
                           uint64_t seed, mgd_tensor **out) {
    MGD_OPERATION;
    return random_tensor(ctx, "rand", false, dtype, ndim, shape, seed, out);
}

mgd_status mgd_tensor_randn(mgd_context *ctx, mgd_dtype dtype, size_t ndim, const size_t *shape,
                            uint64_t seed, mgd_tensor **out) {
    MGD_OPERATION;
    return random_tensor(ctx, "randn", true, dtype, ndim, shape, seed, out);
}
