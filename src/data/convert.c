/* What every data set needs on its way in: pixels to [0, 1], labels to one-hot rows, a search for
 * values that are not finite, a fingerprint. */

#include "../base/number.h"
#include "data.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *mgd_data_path_tail(const char *path) {
    const size_t most = 240; /* leaves room for the message after it */
    size_t length = strlen(path);
    if (length <= most)
        return path;
    path += length - most;
    while (((unsigned char)*path & 0xC0) == 0x80) /* within a UTF-8 character */
        path++;
    return path;
}

const char *mgd_data_position(char *buffer, size_t capacity, const mgd_tensor *t, size_t index) {
    size_t ndim = mgd_tensor_ndim(t), place[MGD_MAX_DIMS] = {0};
    for (size_t i = ndim; i-- > 0;) {
        size_t n = mgd_tensor_shape(t)[i];
        place[i] = index % n + 1;
        index /= n;
    }
    size_t used = (size_t)snprintf(buffer, capacity, "[");
    for (size_t i = 0; i < ndim && used < capacity; i++)
        used += (size_t)snprintf(buffer + used, capacity - used, i ? ", %zu" : "%zu", place[i]);
    if (used < capacity)
        snprintf(buffer + used, capacity - used, "]");
    return buffer;
}

/* `t` itself when it is contiguous, a contiguous copy in *copy (to be freed) otherwise. */
static mgd_status contiguous(mgd_context *ctx, const mgd_tensor *t, mgd_tensor **copy,
                             const mgd_tensor **out) {
    *copy = NULL;
    *out = t;
    if (mgd_tensor_contiguous(t))
        return MGD_OK;
    MGD_TRY(mgd_tensor_convert(ctx, t, mgd_tensor_dtype(t), copy));
    *out = *copy;
    return MGD_OK;
}

mgd_status mgd_data_check_float(mgd_context *ctx, const char *what, mgd_dtype dtype) {
    if (dtype == MGD_F32 || dtype == MGD_F64)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: dtype must be f32 or f64, got %s", what,
                    mgd_dtype_name(dtype));
}

/* ---- pixels ---------------------------------------------------------------------------------- */

void mgd_data_scale(const unsigned char *pixels, size_t n, mgd_tensor *out, size_t first) {
    if (mgd_tensor_dtype(out) == MGD_F32) {
        float *singles = (float *)mgd_tensor_data(out) + first;
        for (size_t i = 0; i < n; i++)
            singles[i] = (float)pixels[i] / 255.0f;
    } else {
        double *doubles = (double *)mgd_tensor_data(out) + first;
        for (size_t i = 0; i < n; i++)
            doubles[i] = pixels[i] / 255.0;
    }
}

static mgd_status scale_pixels(mgd_context *ctx, const unsigned char *in, size_t size,
                               mgd_tensor *out) {
    for (size_t start = 0; start < size; start += MGD_DATA_CHUNK) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        size_t n = size - start < MGD_DATA_CHUNK ? size - start : MGD_DATA_CHUNK;
        mgd_data_scale(in + start, n, out, start);
    }
    return MGD_OK;
}

mgd_status mgd_data_unit(mgd_context *ctx, const mgd_tensor *t, mgd_dtype dtype, mgd_tensor **out) {
    MGD_OPERATION;
    MGD_TRY(mgd_data_check_float(ctx, "pixels", dtype));
    if (mgd_tensor_dtype(t) != MGD_U8)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "pixels: expected a u8 tensor, got %s",
                        mgd_dtype_name(mgd_tensor_dtype(t)));
    mgd_tensor *copy, *scaled;
    const mgd_tensor *in;
    MGD_TRY(contiguous(ctx, t, &copy, &in));
    mgd_status status =
        mgd_tensor_new(ctx, dtype, mgd_tensor_ndim(in), mgd_tensor_shape(in), &scaled);
    if (status == MGD_OK) {
        status = scale_pixels(ctx, mgd_tensor_data(in), mgd_tensor_size(in), scaled);
        if (status == MGD_OK)
            *out = scaled;
        else
            mgd_tensor_free(scaled);
    }
    mgd_tensor_free(copy);
    return status;
}

/* ---- labels ---------------------------------------------------------------------------------- */

static double label_at(const mgd_tensor *t, size_t i) {
    const void *data = mgd_tensor_data(t);
    ptrdiff_t at = (ptrdiff_t)i * mgd_tensor_strides(t)[0];
    switch (mgd_tensor_dtype(t)) {
    case MGD_F64:
        return ((const double *)data)[at];
    case MGD_F32:
        return (double)((const float *)data)[at];
    case MGD_I32:
        return ((const int32_t *)data)[at];
    default:
        return ((const uint8_t *)data)[at];
    }
}

void mgd_data_set_one(mgd_tensor *out, size_t index) {
    if (mgd_tensor_dtype(out) == MGD_F32)
        ((float *)mgd_tensor_data(out))[index] = 1;
    else
        ((double *)mgd_tensor_data(out))[index] = 1;
}

static mgd_status write_rows(mgd_context *ctx, const char *what, const mgd_tensor *labels, int base,
                             size_t classes, mgd_tensor *out) {
    size_t n = mgd_tensor_size(labels), since = 0;
    for (size_t i = 0; i < n; i++) {
        since += classes;
        if (since > MGD_DATA_CHUNK) { /* elements, whose memory the 1 is the first to touch */
            since = 0;
            MGD_TRY(mgd_interrupt_answer(ctx));
        }
        double label = label_at(labels, i) - base;
        if (!(label >= 0 && label < (double)classes && label == floor(label)))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "%s: label %s at [%zu] is not one of the integers %d to %lld",
                            mgd_data_path_tail(what), MGD_NUMBER(label + base), i + 1, base,
                            (long long)classes - 1 + base);
        mgd_data_set_one(out, i * classes + (size_t)label); /* (N, K) */
    }
    return MGD_OK;
}

mgd_status mgd_data_one_hot(mgd_context *ctx, const char *what, const mgd_tensor *labels, int base,
                            size_t classes, mgd_dtype dtype, mgd_tensor **out) {
    MGD_OPERATION;
    MGD_TRY(mgd_data_check_float(ctx, what, dtype));
    char shape[192];
    if (mgd_tensor_ndim(labels) != 1)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "%s: labels must have one dimension, got shape %s",
                        what,
                        mgd_shape_format(shape, sizeof shape, mgd_tensor_ndim(labels),
                                         mgd_tensor_shape(labels)));
    mgd_tensor *rows;
    MGD_TRY(mgd_tensor_new(ctx, dtype, 2, (size_t[]){mgd_tensor_size(labels), classes}, &rows));
    mgd_status status = write_rows(ctx, what, labels, base, classes, rows);
    if (status == MGD_OK)
        *out = rows;
    else
        mgd_tensor_free(rows);
    return status;
}

/* ---- finite ---------------------------------------------------------------------------------- */

/* Index of the first value from `first` to `end` that is NaN or infinite; `end` when there is none.
 */
static size_t first_nonfinite(const mgd_tensor *t, size_t first, size_t end) {
    const float *singles = mgd_tensor_data(t);
    const double *doubles = mgd_tensor_data(t);
    if (mgd_tensor_dtype(t) == MGD_F32) {
        for (size_t i = first; i < end; i++)
            if (!isfinite(singles[i]))
                return i;
    } else if (mgd_tensor_dtype(t) == MGD_F64) {
        for (size_t i = first; i < end; i++)
            if (!isfinite(doubles[i]))
                return i;
    }
    return end;
}

mgd_status mgd_data_check_finite(mgd_context *ctx, const char *what, const mgd_tensor *t) {
    MGD_OPERATION;
    mgd_tensor *copy;
    const mgd_tensor *in;
    MGD_TRY(contiguous(ctx, t, &copy, &in));
    mgd_status status = MGD_OK;
    size_t i = 0, end = 0, size = mgd_tensor_size(in);
    while (i == end && end < size && status == MGD_OK) {
        end = size - end < MGD_DATA_CHUNK ? size : end + MGD_DATA_CHUNK;
        i = first_nonfinite(in, i, end);
        status = mgd_interrupt_answer(ctx);
    }
    if (i < end && status == MGD_OK) {
        double value = mgd_tensor_dtype(in) == MGD_F32 ? (double)((float *)mgd_tensor_data(in))[i]
                                                       : ((double *)mgd_tensor_data(in))[i];
        char place[256];
        status = mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s is %s at %s: every value must be finite", what,
                          isnan(value) ? "NaN" : "infinite",
                          mgd_data_position(place, sizeof place, in, i));
    }
    mgd_tensor_free(copy);
    return status;
}

/* ---- fingerprint ----------------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t word) {
    hash = (hash ^ word) * UINT64_C(0x9E3779B97F4A7C15);
    return hash ^ hash >> 29;
}

static uint64_t mix_bytes(uint64_t hash, const unsigned char *data, size_t bytes) {
    for (size_t n; bytes > 0; data += n, bytes -= n) {
        uint64_t word = 0;
        n = bytes < sizeof word ? bytes : sizeof word;
        memcpy(&word, data, n);
        hash = mix(hash, word);
    }
    return hash;
}

mgd_status mgd_data_hash(mgd_context *ctx, const mgd_tensor *t, uint64_t *hash) {
    MGD_OPERATION;
    mgd_tensor *copy;
    const mgd_tensor *in;
    MGD_TRY(contiguous(ctx, t, &copy, &in));
    uint64_t h = mix(mix(*hash, (uint64_t)mgd_tensor_dtype(in)), mgd_tensor_ndim(in));
    for (size_t i = 0; i < mgd_tensor_ndim(in); i++)
        h = mix(h, mgd_tensor_shape(in)[i]);
    const unsigned char *data = mgd_tensor_data(in);
    size_t bytes = mgd_tensor_size(in) * mgd_dtype_size(mgd_tensor_dtype(in));
    mgd_status status = MGD_OK;
    for (size_t done = 0; done < bytes && status == MGD_OK; done += MGD_DATA_CHUNK) {
        size_t rest = bytes - done;
        h = mix_bytes(h, data + done, rest < MGD_DATA_CHUNK ? rest : MGD_DATA_CHUNK);
        status = mgd_interrupt_answer(ctx);
    }
    mgd_tensor_free(copy);
    if (status == MGD_OK)
        *hash = h;
    return status;
}
