/* tensor.c: storage and headers. See tensor.h for the representation. */

#include "tensor.h"

#include <assert.h>
#include <string.h>

/* ---- shapes ---------------------------------------------------------------------------------- */

mgd_status mgd_shape_size(mgd_context *ctx, const char *what, mgd_dtype dtype, size_t ndim,
                          const size_t *shape, size_t *out) {
    if (mgd_dtype_size(dtype) == 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: unknown dtype %d", what, (int)dtype);
    if (ndim > MGD_MAX_DIMS)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "%s: %zu dimensions, at most %d are supported", what,
                        ndim, MGD_MAX_DIMS);
    /* Dimensions of 0 count as 1 in the check: strides are products of the others. */
    size_t size = 1, bytes = mgd_dtype_size(dtype);
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

void mgd_tensor_set_row_major(mgd_tensor *t) {
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
    size_t bytes = size * mgd_dtype_size(dtype);
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
    mgd_tensor_set_row_major(t);
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
