/* tensor.c: storage, headers and views. See tensor.h for the representation. */

#include "tensor.h"

#include <assert.h>
#include <string.h>

/* ---- types and shapes ------------------------------------------------------------------------ */

static const struct {
    const char *name;
    size_t size;
} dtypes[MGD_DTYPE_COUNT] = {
    [MGD_F64] = {"f64", 8}, [MGD_F32] = {"f32", 4}, [MGD_I32] = {"i32", 4}, [MGD_U8] = {"u8", 1}};

static bool is_dtype(mgd_dtype dtype) {
    return (unsigned)dtype < MGD_DTYPE_COUNT;
}

size_t mgd_dtype_size(mgd_dtype dtype) {
    return is_dtype(dtype) ? dtypes[dtype].size : 0;
}

const char *mgd_dtype_name(mgd_dtype dtype) {
    return is_dtype(dtype) ? dtypes[dtype].name : "unknown";
}

bool mgd_dtype_parse(const char *name, mgd_dtype *out) {
    for (int i = 0; i < MGD_DTYPE_COUNT; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *out = (mgd_dtype)i;
            return true;
        }
    return false;
}

bool mgd_dtype_is_integer(mgd_dtype dtype) {
    return dtype == MGD_I32 || dtype == MGD_U8;
}

mgd_status mgd_shape_size(mgd_context *ctx, const char *what, mgd_dtype dtype, size_t ndim,
                          const size_t *shape, size_t *out) {
    if (!is_dtype(dtype))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: unknown dtype %d", what, (int)dtype);
    if (ndim > MGD_MAX_DIMS)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "%s: %zu dimensions, at most %d are supported", what,
                        ndim, MGD_MAX_DIMS);
    /* Dimensions of 0 count as 1 in the check: strides are products of the others. */
    size_t size = 1, bytes = dtypes[dtype].size;
    for (size_t i = 0; i < ndim; i++) {
        size *= shape[i];
        if (__builtin_mul_overflow(bytes, shape[i] ? shape[i] : 1, &bytes) || bytes > PTRDIFF_MAX) {
            char text[MGD_SHAPE_TEXT];
            return mgd_fail(ctx, MGD_ERR_SHAPE, "%s: shape %s is too large to address", what,
                            mgd_shape_format(text, sizeof text, ndim, shape));
        }
    }
    *out = size;
    return MGD_OK;
}

bool mgd_shape_equal(const mgd_tensor *a, const mgd_tensor *b) {
    return a->ndim == b->ndim && memcmp(a->shape, b->shape, a->ndim * sizeof *a->shape) == 0;
}

bool mgd_shape_broadcasts(const mgd_tensor *from, size_t ndim, const size_t *shape) {
    if (from->ndim > ndim)
        return false;
    const size_t *tail = shape + (ndim - from->ndim);
    for (size_t i = 0; i < from->ndim; i++)
        if (from->shape[i] != 1 && from->shape[i] != tail[i])
            return false;
    return true;
}

/* ---- storage and headers --------------------------------------------------------------------- */

static void set_row_major(mgd_tensor *t) {
    ptrdiff_t stride = 1;
    for (size_t i = t->ndim; i-- > 0;) {
        t->strides[i] = stride;
        stride *= (ptrdiff_t)(t->shape[i] ? t->shape[i] : 1);
    }
}

mgd_status mgd_tensor_new(mgd_context *ctx, mgd_dtype dtype, size_t ndim, const size_t *shape,
                          mgd_tensor **out) {
    size_t size;
    MGD_TRY(mgd_shape_size(ctx, "tensor", dtype, ndim, shape, &size));
    size_t bytes = size * dtypes[dtype].size;
    void *storage, *header;
    MGD_TRY(mgd_allocate(ctx, "a tensor", 1, MGD_ALIGNMENT + bytes, &storage));
    mgd_status status = mgd_allocate(ctx, "a tensor header", 1, sizeof(mgd_tensor), &header);
    if (status != MGD_OK) {
        mgd_free(storage);
        return status;
    }
    *(mgd_storage *)storage = (mgd_storage){1, bytes};
    mgd_tensor *t = header;
    t->dtype = dtype;
    t->ndim = ndim;
    t->size = size;
    if (ndim > 0)
        memcpy(t->shape, shape, ndim * sizeof *shape);
    set_row_major(t);
    t->data = (char *)storage + MGD_ALIGNMENT;
    t->storage = storage;
    *out = t;
    return MGD_OK;
}

mgd_status mgd_tensor_view(mgd_context *ctx, const mgd_tensor *t, mgd_tensor **out) {
    assert(t->storage);
    void *header;
    MGD_TRY(mgd_allocate(ctx, "a tensor header", 1, sizeof(mgd_tensor), &header));
    mgd_tensor *view = header;
    *view = *t;
    view->storage->references++;
    *out = view;
    return MGD_OK;
}

void mgd_tensor_free(mgd_tensor *t) {
    if (!t)
        return;
    if (--t->storage->references == 0)
        mgd_free(t->storage);
    mgd_free(t);
}

mgd_tensor mgd_tensor_borrow_number(double *value) {
    return (mgd_tensor){.dtype = MGD_F64, .size = 1, .data = (char *)value};
}

mgd_dtype mgd_tensor_dtype(const mgd_tensor *t) {
    return t->dtype;
}

size_t mgd_tensor_ndim(const mgd_tensor *t) {
    return t->ndim;
}

size_t mgd_tensor_size(const mgd_tensor *t) {
    return t->size;
}

const size_t *mgd_tensor_shape(const mgd_tensor *t) {
    return t->shape;
}

const ptrdiff_t *mgd_tensor_strides(const mgd_tensor *t) {
    return t->strides;
}

void *mgd_tensor_data(const mgd_tensor *t) {
    return t->data;
}

bool mgd_tensor_contiguous(const mgd_tensor *t) {
    size_t expected = 1;
    for (size_t i = t->ndim; i-- > 0;) {
        if (t->shape[i] != 1 && t->strides[i] != (ptrdiff_t)expected)
            return t->size == 0;
        expected *= t->shape[i];
    }
    return true;
}

bool mgd_tensor_shared(const mgd_tensor *t) {
    return t->storage->references > 1;
}

size_t mgd_tensor_storage_bytes(const mgd_tensor *t) {
    return t->storage->bytes;
}

/* ---- overlap --------------------------------------------------------------------------------- */

/* The bytes [low, high) between which every element of `t` lies. */
static void extent(const mgd_tensor *t, const char **low, const char **high) {
    ptrdiff_t least = 0, most = 0;
    for (size_t i = 0; i < t->ndim; i++) {
        ptrdiff_t reach = t->strides[i] * (ptrdiff_t)(t->shape[i] - 1);
        *(reach < 0 ? &least : &most) += reach;
    }
    ptrdiff_t size = (ptrdiff_t)mgd_dtype_size(t->dtype);
    *low = t->data + least * size;
    *high = t->data + (most + 1) * size;
}

bool mgd_tensor_overlaps(const mgd_tensor *a, const mgd_tensor *b) {
    if (a->storage != b->storage || a->size == 0 || b->size == 0)
        return false;
    const char *a_low, *a_high, *b_low, *b_high;
    extent(a, &a_low, &a_high);
    extent(b, &b_low, &b_high);
    return a_low < b_high && b_low < a_high;
}

bool mgd_tensor_same_view(const mgd_tensor *a, const mgd_tensor *b) {
    return a->data == b->data && a->dtype == b->dtype && mgd_shape_equal(a, b) &&
           memcmp(a->strides, b->strides, a->ndim * sizeof *a->strides) == 0;
}

/* ---- views ----------------------------------------------------------------------------------- */

static mgd_status check_axis(mgd_context *ctx, const char *what, const mgd_tensor *t, size_t axis) {
    if (axis < t->ndim)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: axis %zu of a tensor of %zu dimensions", what, axis,
                    t->ndim);
}

mgd_status mgd_tensor_select(mgd_context *ctx, const mgd_tensor *t, size_t axis, size_t index,
                             mgd_tensor **out) {
    MGD_TRY(check_axis(ctx, "select", t, axis));
    if (index >= t->shape[axis])
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "select: index %zu along a dimension of size %zu",
                        index, t->shape[axis]);
    mgd_tensor *view;
    MGD_TRY(mgd_tensor_view(ctx, t, &view));
    view->data += (ptrdiff_t)index * t->strides[axis] * (ptrdiff_t)mgd_dtype_size(t->dtype);
    view->ndim--;
    view->size /= t->shape[axis];
    for (size_t i = axis; i < view->ndim; i++) {
        view->shape[i] = view->shape[i + 1];
        view->strides[i] = view->strides[i + 1];
    }
    *out = view;
    return MGD_OK;
}

mgd_status mgd_tensor_slice(mgd_context *ctx, const mgd_tensor *t, size_t axis, size_t start,
                            size_t count, ptrdiff_t step, mgd_tensor **out) {
    MGD_TRY(check_axis(ctx, "slice", t, axis));
    size_t length = t->shape[axis];
    size_t room = start >= length ? 0 : step < 0 ? start : length - 1 - start;
    size_t pace = step < 0 ? -(size_t)step : (size_t)step;
    if (step == 0 || (count > 0 && start >= length) || (count > 1 && (count - 1) > room / pace))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "slice: %zu entries from %zu in steps of %td along a dimension of size %zu",
                        count, start, step, length);
    mgd_tensor *view;
    MGD_TRY(mgd_tensor_view(ctx, t, &view));
    if (count > 0)
        view->data += (ptrdiff_t)start * t->strides[axis] * (ptrdiff_t)mgd_dtype_size(t->dtype);
    view->shape[axis] = count;
    /* With fewer than two entries no step is ever taken, and a huge one would overflow. */
    view->strides[axis] *= count > 1 ? step : 1;
    view->size = 1;
    for (size_t i = 0; i < view->ndim; i++)
        view->size *= view->shape[i];
    *out = view;
    return MGD_OK;
}

mgd_status mgd_tensor_transpose(mgd_context *ctx, const mgd_tensor *t, const size_t *axes,
                                mgd_tensor **out) {
    bool seen[MGD_MAX_DIMS] = {false};
    for (size_t i = 0; axes && i < t->ndim; i++) {
        MGD_TRY(check_axis(ctx, "transpose", t, axes[i]));
        if (seen[axes[i]])
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "transpose: axis %zu is named twice", axes[i]);
        seen[axes[i]] = true;
    }
    mgd_tensor *view;
    MGD_TRY(mgd_tensor_view(ctx, t, &view));
    for (size_t i = 0; i < t->ndim; i++) {
        size_t from = axes ? axes[i] : t->ndim - 1 - i;
        view->shape[i] = t->shape[from];
        view->strides[i] = t->strides[from];
    }
    *out = view;
    return MGD_OK;
}

/* `shape` with its MGD_INFER entry, if any, worked out for `t`. */
static mgd_status resolve_shape(mgd_context *ctx, const mgd_tensor *t, size_t ndim,
                                const size_t *shape, size_t *resolved) {
    if (ndim > MGD_MAX_DIMS)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "reshape: %zu dimensions, at most %d are supported",
                        ndim, MGD_MAX_DIMS);
    size_t unknown = ndim;
    for (size_t i = 0; i < ndim; i++) {
        resolved[i] = shape[i];
        if (shape[i] != MGD_INFER)
            continue;
        if (unknown < ndim)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "reshape: at most one dimension may be -1");
        unknown = i;
        resolved[i] = 1;
    }
    size_t size;
    MGD_TRY(mgd_shape_size(ctx, "reshape", t->dtype, ndim, resolved, &size));
    bool fits = size == t->size;
    if (unknown < ndim) {
        fits = size > 0 && t->size % size == 0;
        resolved[unknown] = fits ? t->size / size : MGD_INFER;
    }
    if (fits)
        return MGD_OK;
    char from[MGD_SHAPE_TEXT], to[MGD_SHAPE_TEXT];
    mgd_shape_format(from, sizeof from, t->ndim, t->shape);
    if (unknown < ndim)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "reshape: %zu elements (shape %s) do not divide by the %zu of the other "
                        "dimensions",
                        t->size, from, size);
    return mgd_fail(ctx, MGD_ERR_SHAPE, "reshape: shape %s holds %zu elements, shape %s holds %zu",
                    from, t->size, mgd_shape_format(to, sizeof to, ndim, resolved), size);
}

mgd_status mgd_tensor_reshape(mgd_context *ctx, const mgd_tensor *t, size_t ndim,
                              const size_t *shape, mgd_tensor **out) {
    MGD_OPERATION;
    size_t resolved[MGD_MAX_DIMS] = {0};
    MGD_TRY(resolve_shape(ctx, t, ndim, shape, resolved));
    mgd_tensor *result;
    if (mgd_tensor_contiguous(t))
        MGD_TRY(mgd_tensor_view(ctx, t, &result));
    else
        MGD_TRY(mgd_tensor_convert(ctx, t, t->dtype, &result));
    result->ndim = ndim;
    memcpy(result->shape, resolved, ndim * sizeof *resolved);
    set_row_major(result);
    *out = result;
    return MGD_OK;
}
