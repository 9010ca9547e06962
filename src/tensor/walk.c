/* walk.c: row-by-row traversal, and the blocks of doubles that all arithmetic goes through. */

#include "../base/number.h"
#include "tensor.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* ---- walking --------------------------------------------------------------------------------- */

/* Stride in bytes of `t` along dimension `axis` of a broadcast shape of `ndim` dimensions. */
static ptrdiff_t broadcast_stride(const mgd_tensor *t, size_t ndim, size_t axis) {
    size_t missing = ndim - t->ndim;
    if (axis < missing || t->shape[axis - missing] == 1)
        return 0;
    return t->strides[axis - missing] * (ptrdiff_t)mgd_dtype_size(t->dtype);
}

/* Whether every operand crosses from one dimension, `outer` of the walk, into the next one of
 * `length` entries and these strides without a jump. */
static bool mergeable(const mgd_walk *walk, size_t outer, size_t length, const ptrdiff_t *strides) {
    for (size_t k = 0; k < walk->operands; k++)
        if (walk->strides[k][outer] != strides[k] * (ptrdiff_t)length)
            return false;
    return true;
}

void mgd_walk_begin(mgd_walk *walk, size_t ndim, const size_t *shape, size_t operands,
                    const mgd_tensor *const *tensors) {
    assert(operands <= MGD_WALK_OPERANDS);
    walk->operands = operands;
    walk->ndim = 0;
    size_t size = 1;
    for (size_t axis = 0; axis < ndim; axis++) {
        size *= shape[axis];
        if (shape[axis] == 1)
            continue;
        ptrdiff_t strides[MGD_WALK_OPERANDS] = {0};
        for (size_t k = 0; k < operands; k++)
            strides[k] = broadcast_stride(tensors[k], ndim, axis);
        bool merge = walk->ndim > 0 && mergeable(walk, walk->ndim - 1, shape[axis], strides);
        size_t at = merge ? walk->ndim - 1 : walk->ndim;
        walk->shape[at] = merge ? walk->shape[at] * shape[axis] : shape[axis];
        walk->index[at] = 0;
        walk->ndim = at + 1;
        for (size_t k = 0; k < operands; k++)
            walk->strides[k][at] = strides[k];
    }
    size_t last = walk->ndim ? walk->ndim - 1 : 0;
    walk->length = walk->ndim ? walk->shape[last] : 1;
    walk->rows = size ? size / walk->length : 0;
    for (size_t k = 0; k < operands; k++) {
        walk->row[k] = tensors[k]->data;
        walk->step[k] = walk->ndim ? walk->strides[k][last] : 0;
    }
}

void mgd_walk_next(mgd_walk *walk) {
    if (--walk->rows == 0)
        return;
    for (size_t axis = walk->ndim - 1; axis-- > 0;) {
        bool carry = ++walk->index[axis] == walk->shape[axis];
        ptrdiff_t entries = carry ? 1 - (ptrdiff_t)walk->shape[axis] : 1;
        for (size_t k = 0; k < walk->operands; k++)
            walk->row[k] += entries * walk->strides[k][axis];
        if (!carry)
            return;
        walk->index[axis] = 0;
    }
}

/* ---- blocks ---------------------------------------------------------------------------------- */

static void load_f64(const char *data, ptrdiff_t step, size_t n, double *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = *(const double *)(const void *)(data + (ptrdiff_t)i * step);
}

static void load_f32(const char *data, ptrdiff_t step, size_t n, double *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = (double)*(const float *)(const void *)(data + (ptrdiff_t)i * step);
}

static void load_i32(const char *data, ptrdiff_t step, size_t n, double *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = *(const int32_t *)(const void *)(data + (ptrdiff_t)i * step);
}

static void load_u8(const char *data, ptrdiff_t step, size_t n, double *out) {
    for (size_t i = 0; i < n; i++)
        out[i] = *(const uint8_t *)(data + (ptrdiff_t)i * step);
}

const double *mgd_block_load(mgd_dtype dtype, const char *data, ptrdiff_t step, size_t n,
                             double *buffer) {
    switch (dtype) {
    case MGD_F64:
        if (step == sizeof(double))
            return (const double *)(const void *)data;
        load_f64(data, step, n, buffer);
        break;
    case MGD_F32:
        load_f32(data, step, n, buffer);
        break;
    case MGD_I32:
        load_i32(data, step, n, buffer);
        break;
    case MGD_U8:
        load_u8(data, step, n, buffer);
        break;
    }
    return buffer;
}

/* The integer that `value` becomes, or a failure that names it. */
static mgd_status to_integer(mgd_context *ctx, const char *what, mgd_store_mode mode,
                             mgd_dtype dtype, double value, int32_t *out) {
    double low = dtype == MGD_U8 ? 0 : INT32_MIN, high = dtype == MGD_U8 ? UINT8_MAX : INT32_MAX;
    bool inside = value >= low && value <= high; /* false for NaN */
    if (inside && (double)(int32_t)value == value) {
        *out = (int32_t)value;
        return MGD_OK;
    }
    double rounded = nearbyint(value);
    if (!(rounded >= low && rounded <= high))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: %s does not fit %s (%.0f to %.0f)", what,
                        MGD_NUMBER(value), mgd_dtype_name(dtype), low, high);
    if (mode == MGD_STORE_EXACT)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: %s is not an integer, as %s wants; round it, or convert the tensor "
                        "with t:to \"f64\"",
                        what, MGD_NUMBER(value), mgd_dtype_name(dtype));
    *out = (int32_t)rounded;
    return MGD_OK;
}

static mgd_status store_integers(mgd_context *ctx, const char *what, mgd_store_mode mode,
                                 mgd_dtype dtype, char *data, ptrdiff_t step, size_t n,
                                 const double *values) {
    for (size_t i = 0; i < n; i++, data += step) {
        int32_t integer = 0;
        MGD_TRY(to_integer(ctx, what, mode, dtype, values[i], &integer));
        if (dtype == MGD_I32)
            *(int32_t *)(void *)data = integer;
        else
            *(uint8_t *)data = (uint8_t)integer;
    }
    return MGD_OK;
}

mgd_status mgd_block_store(mgd_context *ctx, const char *what, mgd_store_mode mode, mgd_dtype dtype,
                           char *data, ptrdiff_t step, size_t n, const double *values) {
    switch (dtype) {
    case MGD_F64:
        for (size_t i = 0; i < n; i++)
            *(double *)(void *)(data + (ptrdiff_t)i * step) = values[i];
        break;
    case MGD_F32:
        for (size_t i = 0; i < n; i++)
            *(float *)(void *)(data + (ptrdiff_t)i * step) = (float)values[i];
        break;
    case MGD_I32:
    case MGD_U8:
        return store_integers(ctx, what, mode, dtype, data, step, n, values);
    }
    return MGD_OK;
}

/* ---- reading --------------------------------------------------------------------------------- */

void mgd_reader_begin(mgd_reader *reader, const mgd_tensor *t) {
    reader->dtype = t->dtype;
    reader->used = 0;
    mgd_walk_begin(&reader->walk, t->ndim, t->shape, 1, (const mgd_tensor *const[]){t});
}

size_t mgd_reader_next(mgd_reader *reader, double *buffer, size_t capacity) {
    mgd_walk *walk = &reader->walk;
    size_t filled = 0;
    while (filled < capacity && walk->rows > 0) {
        size_t left = walk->length - reader->used;
        size_t n = left < capacity - filled ? left : capacity - filled;
        const char *from = walk->row[0] + (ptrdiff_t)reader->used * walk->step[0];
        const double *values =
            mgd_block_load(reader->dtype, from, walk->step[0], n, buffer + filled);
        if (values != buffer + filled)
            memcpy(buffer + filled, values, n * sizeof *values);
        filled += n;
        reader->used += n;
        if (reader->used == walk->length) {
            reader->used = 0;
            mgd_walk_next(walk);
        }
    }
    return filled;
}
