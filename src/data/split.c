/* Samples in another order: a random one, and rows of a tensor by their numbers. */

#include "data.h"

#include <string.h>

/* Fisher and Yates: word i of the stream picks who goes to place n − 1 − i. */
mgd_status mgd_data_permutation(mgd_context *ctx, size_t n, uint64_t seed, mgd_tensor **out) {
    mgd_tensor *t;
    uint32_t words[4] = {0};
    if (n > INT32_MAX)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "data: %zu samples are too many to be shuffled", n);
    MGD_TRY(mgd_tensor_new(ctx, MGD_I32, 1, &n, &t));
    int32_t *place = mgd_tensor_data(t);
    for (size_t i = 0; i < n; i++)
        place[i] = (int32_t)i + 1;
    for (size_t i = 0; i + 1 < n; i++) {
        if (i % 4 == 0)
            mgd_random_words(seed, MGD_STREAM_SPLIT, 0, 0, (uint32_t)(i / 4), words);
        size_t last = n - 1 - i, at = (size_t)((uint64_t)words[i % 4] * (last + 1) >> 32);
        int32_t kept = place[at];
        place[at] = place[last];
        place[last] = kept;
    }
    *out = t;
    return MGD_OK;
}

static mgd_status copy_rows(mgd_context *ctx, const mgd_tensor *from, const mgd_tensor *index,
                            mgd_tensor *to) {
    size_t n = mgd_tensor_shape(from)[0], count = mgd_tensor_size(index);
    size_t row = mgd_tensor_size(from) / n * mgd_dtype_size(mgd_tensor_dtype(from));
    const int32_t *place = mgd_tensor_data(index);
    for (size_t i = 0; i < count; i++) {
        if (place[i] < 1 || (size_t)place[i] > n)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "data: sample %d of %zu", (int)place[i], n);
        memcpy((char *)mgd_tensor_data(to) + i * row,
               (const char *)mgd_tensor_data(from) + (size_t)(place[i] - 1) * row, row);
    }
    return MGD_OK;
}

mgd_status mgd_data_rows(mgd_context *ctx, const mgd_tensor *t, const mgd_tensor *index,
                         mgd_tensor **out) {
    size_t shape[MGD_MAX_DIMS], ndim = mgd_tensor_ndim(t);
    if (ndim < 1 || mgd_tensor_size(t) == 0 || !mgd_tensor_contiguous(t) ||
        mgd_tensor_dtype(index) != MGD_I32 || !mgd_tensor_contiguous(index))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "data: rows are taken of contiguous tensors by i32 numbers");
    memcpy(shape, mgd_tensor_shape(t), ndim * sizeof *shape);
    shape[0] = mgd_tensor_size(index);
    mgd_tensor *rows;
    MGD_TRY(mgd_tensor_new(ctx, mgd_tensor_dtype(t), ndim, shape, &rows));
    mgd_status status = copy_rows(ctx, t, index, rows);
    if (status == MGD_OK)
        *out = rows;
    else
        mgd_tensor_free(rows);
    return status;
}
