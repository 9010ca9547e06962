/* npy.c: tensors from and to NumPy files. */

#include "npy.h"

#include "../base/file.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK ((size_t)1 << 20) /* bytes between two looks at the interrupt flag */

/* ---- elements that are not ours -------------------------------------------------------------- */

/* The bits of one element, assembled by value and so independent of this machine's byte order. */
static uint64_t element_bits(const mgd_npy_header *h, const unsigned char *bytes) {
    uint64_t bits = 0;
    for (size_t i = 0; i < h->item; i++)
        bits |= (uint64_t)bytes[h->big ? h->item - 1 - i : i] << 8 * i;
    return bits;
}

/* IEEE 754 binary16: 1 sign bit, 5 of exponent, 10 of fraction. */
static double half_value(uint64_t bits) {
    int exponent = (int)(bits >> 10 & 31);
    double fraction = (double)(bits & 1023), value;
    if (exponent == 31)
        value = fraction == 0 ? INFINITY : NAN;
    else if (exponent == 0)
        value = ldexp(fraction, -24);
    else
        value = ldexp(fraction + 1024, exponent - 25);
    return bits >> 15 ? -value : value;
}

/* One element as a double; false when that is not exact (integers beyond 2^53). */
static bool decode(const mgd_npy_header *h, const unsigned char *bytes, double *out) {
    uint64_t bits = element_bits(h, bytes);
    switch (h->kind) {
    case 'f':
        *out = half_value(bits);
        return true; /* f4 and f8 are never decoded */
    case 'b':
        *out = bits != 0;
        return true;
    case 'u':
        *out = (double)bits;
        return *out < 0x1p64 && (uint64_t)*out == bits;
    default: {
        unsigned unused = 64 - 8 * (unsigned)h->item;
        int64_t value = (int64_t)(bits << unused) >> unused; /* sign extension */
        *out = (double)value;
        return *out < 0x1p63 && (int64_t)*out == value;
    }
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct {
    mgd_context *ctx;
    const char *path;
    FILE *file;
    size_t bytes; /* of the whole file */
} source;

static mgd_status read_bytes(const source *s, void *to, size_t n) {
    if (fread(to, 1, n, s->file) == n)
        return MGD_OK;
    return mgd_fail(s->ctx, MGD_ERR_IO, "cannot read " MGD_NPY_PATH ": %s", s->path,
                    ferror(s->file) ? strerror(errno) : "the file ends too early");
}

/* What a file that is no NPY file seems to be, by its first bytes. */
static const char *kind_of(const unsigned char *first) {
    if (memcmp(first, "PK\3\4", 4) == 0 || memcmp(first, "PK\5\6", 4) == 0)
        return "it is a ZIP of arrays, NPZ: unzip it and load the .npy files that it holds";
    if (memcmp(first, "\x1f\x8b", 2) == 0)
        return "it is gzipped: gunzip it first";
    return "wrong first bytes";
}

/* Magic, version, and the dictionary; `offset` receives where the data begin. */
static mgd_status read_header(const source *s, mgd_npy_header *h, size_t *offset) {
    unsigned char fixed[12];
    if (s->bytes < 10)
        return mgd_fail(s->ctx, MGD_ERR_FORMAT,
                        "cannot read " MGD_NPY_PATH ": %zu bytes are too few for an NPY file",
                        s->path, s->bytes);
    MGD_TRY(read_bytes(s, fixed, 8));
    if (memcmp(fixed, "\x93NUMPY", 6) != 0)
        return mgd_fail(s->ctx, MGD_ERR_FORMAT,
                        "cannot read " MGD_NPY_PATH ": not an NPY file (%s)", s->path,
                        kind_of(fixed));
    if (fixed[6] < 1 || fixed[6] > 3 || fixed[7] != 0)
        return mgd_fail(s->ctx, MGD_ERR_FORMAT,
                        "cannot read " MGD_NPY_PATH ": NPY version %d.%d; 1.0, 2.0 and 3.0 are "
                        "understood",
                        s->path, fixed[6], fixed[7]);
    size_t width = fixed[6] == 1 ? 2 : 4, length = 0;
    MGD_TRY(read_bytes(s, fixed + 8, width));
    for (size_t i = 0; i < width; i++)
        length |= (size_t)fixed[8 + i] << 8 * i;
    *offset = 8 + width + length;
    if (*offset > s->bytes)
        return mgd_fail(s->ctx, MGD_ERR_FORMAT,
                        "cannot read " MGD_NPY_PATH ": truncated: a header of %zu bytes in a file "
                        "of %zu",
                        s->path, length, s->bytes);
    void *text;
    MGD_TRY(mgd_allocate(s->ctx, "an NPY header", 1, length, &text));
    mgd_status status = read_bytes(s, text, length);
    if (status == MGD_OK)
        status = mgd_npy_parse(s->ctx, s->path, text, length, h);
    mgd_free(text);
    return status;
}

/* Before anything is allocated, the file must hold exactly what its header promises. */
static mgd_status check_length(const source *s, const mgd_npy_header *h, size_t offset) {
    size_t count;
    MGD_TRY(mgd_shape_size(s->ctx, s->path, MGD_F64, h->ndim, h->shape, &count));
    size_t promised = count * h->item, held = s->bytes - offset;
    if (promised == held)
        return MGD_OK;
    char shape[MGD_SHAPE_TEXT];
    return mgd_fail(s->ctx, MGD_ERR_FORMAT,
                    "cannot read " MGD_NPY_PATH ": %s: shape %s of %c%zu takes %zu bytes of data, "
                    "the file holds %zu",
                    s->path, held < promised ? "truncated" : "trailing bytes",
                    mgd_shape_format(shape, sizeof shape, h->ndim, h->shape), h->kind, h->item,
                    promised, held);
}

/* Straight into the storage; then the bytes are turned round if they must be. */
static mgd_status read_native(const source *s, const mgd_npy_header *h, mgd_tensor *t) {
    size_t bytes = t->size * h->item;
    for (size_t done = 0; done < bytes; done += CHUNK) {
        MGD_TRY(read_bytes(s, t->data + done, bytes - done < CHUNK ? bytes - done : CHUNK));
        MGD_TRY(mgd_interrupt_answer(s->ctx));
    }
    unsigned char *element = (unsigned char *)t->data;
    for (size_t i = 0; i < t->size && h->item > 1; i++, element += h->item) {
        uint64_t bits = element_bits(h, element);
        uint32_t low = (uint32_t)bits;
        if (h->item == 8)
            memcpy(element, &bits, 8);
        else
            memcpy(element, &low, 4);
    }
    return MGD_OK;
}

/* Element by element through double. `fits` becomes false when a value does not fit i32. */
static mgd_status read_converted(const source *s, const mgd_npy_header *h, mgd_tensor *t,
                                 bool *fits) {
    size_t size = mgd_dtype_size(t->dtype);
    for (size_t start = 0; start < t->size; start += MGD_BLOCK) {
        size_t n = t->size - start < MGD_BLOCK ? t->size - start : MGD_BLOCK;
        unsigned char bytes[MGD_BLOCK * 8];
        double values[MGD_BLOCK];
        MGD_TRY(read_bytes(s, bytes, n * h->item));
        for (size_t i = 0; i < n; i++) {
            if (!decode(h, bytes + i * h->item, &values[i]))
                return mgd_fail(s->ctx, MGD_ERR_FORMAT,
                                "cannot read " MGD_NPY_PATH ": the integer %.0f (or a near one) at "
                                "position %zu fits neither i32 nor, exactly, f64",
                                s->path, values[i], start + i);
            *fits = *fits && values[i] >= INT32_MIN && values[i] <= INT32_MAX;
        }
        MGD_TRY(mgd_block_store(s->ctx, "load", MGD_STORE_EXACT, t->dtype, t->data + start * size,
                                (ptrdiff_t)size, n, values));
        MGD_TRY(mgd_interrupt_answer(s->ctx));
    }
    return MGD_OK;
}

/* Whether the file's elements are laid out as ours, and the type to read them into: for integers
 * that may not fit i32, f64 until all of them are seen. */
static bool native_dtype(const mgd_npy_header *h, mgd_dtype *dtype) {
    switch (h->kind) {
    case 'f':
        *dtype = h->item == 8 ? MGD_F64 : MGD_F32;
        return h->item >= 4;
    case 'b':
        *dtype = MGD_U8;
        return false;
    case 'u':
        *dtype = h->item == 1 ? MGD_U8 : h->item == 2 ? MGD_I32 : MGD_F64;
        return h->item == 1;
    default:
        *dtype = h->item <= 4 ? MGD_I32 : MGD_F64;
        return h->item == 4;
    }
}

/* Replaces *t by its conversion. */
static mgd_status reconvert(mgd_context *ctx, mgd_tensor **t, mgd_dtype dtype) {
    mgd_tensor *converted;
    MGD_TRY(mgd_tensor_convert(ctx, *t, dtype, &converted));
    mgd_tensor_free(*t);
    *t = converted;
    return MGD_OK;
}

/* Fortran order is C order of the reversed shape. */
static mgd_status make_row_major(mgd_context *ctx, mgd_tensor **t) {
    mgd_tensor *view;
    MGD_TRY(mgd_tensor_transpose(ctx, *t, NULL, &view));
    mgd_tensor_free(*t);
    *t = view;
    return reconvert(ctx, t, view->dtype);
}

static mgd_status read_data(const source *s, const mgd_npy_header *h, mgd_tensor **t) {
    mgd_dtype dtype;
    bool native = native_dtype(h, &dtype), fits = true;
    size_t shape[MGD_MAX_DIMS];
    for (size_t i = 0; i < h->ndim; i++)
        shape[i] = h->shape[h->fortran ? h->ndim - 1 - i : i];
    MGD_TRY(mgd_tensor_new(s->ctx, dtype, h->ndim, shape, t));
    MGD_TRY(native ? read_native(s, h, *t) : read_converted(s, h, *t, &fits));
    if (dtype == MGD_F64 && h->kind != 'f' && fits)
        MGD_TRY(reconvert(s->ctx, t, MGD_I32));
    return h->fortran ? make_row_major(s->ctx, t) : MGD_OK;
}

static mgd_status read_file(source *s, mgd_tensor **out) {
    struct stat info;
    if (fstat(fileno(s->file), &info) != 0 || !S_ISREG(info.st_mode))
        return mgd_fail(s->ctx, MGD_ERR_IO, "cannot read " MGD_NPY_PATH ": not a regular file",
                        s->path);
    s->bytes = (size_t)info.st_size;
    mgd_npy_header h;
    size_t offset = 0;
    MGD_TRY(read_header(s, &h, &offset));
    MGD_TRY(check_length(s, &h, offset));
    mgd_tensor *t = NULL;
    mgd_status status = read_data(s, &h, &t);
    if (status != MGD_OK) {
        mgd_tensor_free(t);
        return status;
    }
    *out = t;
    return MGD_OK;
}

mgd_status mgd_tensor_load(mgd_context *ctx, const char *path, mgd_tensor **out) {
    MGD_OPERATION;
    source s = {.ctx = ctx, .path = path, .file = fopen(path, "rb")};
    if (!s.file)
        return mgd_fail(ctx, MGD_ERR_IO, "cannot read " MGD_NPY_PATH ": %s", path, strerror(errno));
    mgd_status status = read_file(&s, out);
    fclose(s.file);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

mgd_status mgd_tensor_save(mgd_context *ctx, const mgd_tensor *t, const char *path) {
    MGD_OPERATION;
    if (!mgd_tensor_contiguous(t)) {
        mgd_tensor *copy;
        MGD_TRY(mgd_tensor_convert(ctx, t, t->dtype, &copy));
        mgd_status status = mgd_tensor_save(ctx, copy, path);
        mgd_tensor_free(copy);
        return status;
    }
    char header[MGD_NPY_HEADER_SIZE];
    size_t length = mgd_npy_format(t, header);
    mgd_writer writer;
    MGD_TRY(mgd_writer_open(ctx, path, true, &writer));
    mgd_status status = mgd_writer_put(&writer, header, length);
    if (status == MGD_OK)
        status = mgd_writer_put(&writer, t->data, t->size * mgd_dtype_size(t->dtype));
    return mgd_writer_close(&writer, status);
}
