/* views.c: other headers over the same storage: parts, other axes, other shapes. */

#include "tensor.h"

#include <string.h>

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
    mgd_tensor_set_row_major(result);
    *out = result;
    return MGD_OK;
}
