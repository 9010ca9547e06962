/* CIFAR-10 in its binary version (https://www.cs.toronto.edu/~kriz/cifar.html): a file is a
 * sequence of records of 3073 bytes, a label from 0 to 9, then the image: 32 rows of 32 red values,
 * the same of green, the same of blue. There is no header; only the size tells whether a file is
 * whole.
 *
 * All files are measured first, then read straight into the two tensors that come out, through one
 * buffer. A file that changes in between is refused.
 */

#include "data.h"

#include <errno.h>
#include <stdio.h>
#include <string.h> /* strerror */
#include <sys/stat.h>

#define CLASSES 10
#define PIXELS ((size_t)3 * 32 * 32)
#define RECORD (1 + PIXELS)
#define BLOCK ((size_t)64) /* records read at once, between two polls for an interrupt */

typedef struct {
    mgd_context *ctx;
    mgd_tensor *x; /* (N, 3, 32, 32) */
    mgd_tensor *y; /* (N, 10) */
    size_t done;   /* samples of them that are filled */
    unsigned char records[BLOCK * RECORD];
} reader;

/* The number of records in an open file, by its size. */
static mgd_status count_records(mgd_context *ctx, const char *name, FILE *file, size_t *count) {
    struct stat info;
    if (fstat(fileno(file), &info) != 0)
        return mgd_fail(ctx, MGD_ERR_IO, "%s: %s", name, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return mgd_fail(ctx, MGD_ERR_IO, "%s: %s", name,
                        S_ISDIR(info.st_mode) ? strerror(EISDIR) : "not a regular file");
    size_t size = (size_t)info.st_size;
    if (size == 0)
        return mgd_fail(ctx, MGD_ERR_FORMAT, "%s: not a CIFAR-10 file: it is empty", name);
    *count = size / RECORD;
    if (size % RECORD != 0)
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "%s: cut short, or not a CIFAR-10 file: its %zu bytes are %zu records of "
                        "%zu bytes and %zu bytes left over",
                        name, size, *count, RECORD, size % RECORD);
    return MGD_OK;
}

static mgd_status open_file(mgd_context *ctx, const char *path, FILE **file, size_t *count) {
    const char *name = mgd_data_path_tail(path);
    FILE *opened = fopen(path, "rb");
    if (!opened)
        return mgd_fail(ctx, MGD_ERR_IO, "%s: %s", name, strerror(errno));
    mgd_status status = count_records(ctx, name, opened, count);
    if (status == MGD_OK)
        *file = opened;
    else
        fclose(opened);
    return status;
}

static mgd_status measure(mgd_context *ctx, size_t files, const char *const *paths, size_t *total) {
    *total = 0;
    for (size_t i = 0; i < files; i++) {
        FILE *file;
        size_t count;
        MGD_TRY(open_file(ctx, paths[i], &file, &count));
        fclose(file);
        if (__builtin_add_overflow(*total, count, total))
            return mgd_fail(ctx, MGD_ERR_FORMAT, "%s: more records than can be counted",
                            mgd_data_path_tail(paths[i]));
    }
    return MGD_OK;
}

static mgd_status fail_changed(const reader *r, const char *name) {
    return mgd_fail(r->ctx, MGD_ERR_FORMAT, "%s: changed while it was read", name);
}

/* Takes `n` records from the buffer; `first`: how many of this file came before, for messages. */
static mgd_status take_records(reader *r, const char *name, size_t first, size_t n) {
    for (size_t i = 0; i < n; i++) {
        const unsigned char *record = r->records + i * RECORD;
        if (record[0] >= CLASSES)
            return mgd_fail(r->ctx, MGD_ERR_FORMAT,
                            "%s: the label of record %zu is %d, which is not one of 0 to %d", name,
                            first + i + 1, record[0], CLASSES - 1);
        mgd_data_scale(record + 1, PIXELS, r->x, r->done * PIXELS);
        mgd_data_set_one(r->y, r->done * CLASSES + record[0]);
        r->done++;
    }
    return MGD_OK;
}

static mgd_status read_records(reader *r, const char *name, FILE *file, size_t count) {
    if (count > mgd_tensor_shape(r->x)[0] - r->done)
        return fail_changed(r, name);
    for (size_t first = 0; first < count;) {
        MGD_TRY(mgd_interrupt_answer(r->ctx));
        size_t n = count - first < BLOCK ? count - first : BLOCK;
        errno = 0;
        size_t got = fread(r->records, RECORD, n, file);
        if (got < n && ferror(file))
            return mgd_fail(r->ctx, MGD_ERR_IO, "%s: %s", name, strerror(errno));
        if (got < n)
            return fail_changed(r, name);
        MGD_TRY(take_records(r, name, first, n));
        first += n;
    }
    return MGD_OK;
}

static mgd_status read_files(reader *r, size_t files, const char *const *paths) {
    for (size_t i = 0; i < files; i++) {
        const char *name = mgd_data_path_tail(paths[i]);
        FILE *file;
        size_t count;
        MGD_TRY(open_file(r->ctx, paths[i], &file, &count));
        mgd_status status = read_records(r, name, file, count);
        if (status == MGD_OK && i + 1 == files && r->done < mgd_tensor_shape(r->x)[0])
            status = fail_changed(r, name);
        fclose(file);
        MGD_TRY(status);
    }
    return MGD_OK;
}

static mgd_status allocate(reader *r, size_t total, mgd_dtype dtype) {
    MGD_TRY(mgd_tensor_new(r->ctx, dtype, 4, (size_t[]){total, 3, 32, 32}, &r->x));
    return mgd_tensor_new(r->ctx, dtype, 2, (size_t[]){total, CLASSES}, &r->y);
}

mgd_status mgd_cifar10_read(mgd_context *ctx, size_t files, const char *const *paths,
                            mgd_dtype dtype, mgd_tensor **x, mgd_tensor **y) {
    MGD_OPERATION;
    size_t total;
    void *memory;
    MGD_TRY(mgd_data_check_float(ctx, "CIFAR-10", dtype));
    MGD_TRY(measure(ctx, files, paths, &total));
    if (total == 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "CIFAR-10: no file is given; it takes one or more");
    MGD_TRY(mgd_allocate(ctx, "reading CIFAR-10", 1, sizeof(reader), &memory));
    reader *r = memory;
    r->ctx = ctx;
    mgd_status status = allocate(r, total, dtype);
    if (status == MGD_OK)
        status = read_files(r, files, paths);
    if (status == MGD_OK) {
        *x = r->x;
        *y = r->y;
    } else {
        mgd_tensor_free(r->x);
        mgd_tensor_free(r->y);
    }
    mgd_free(r);
    return status;
}
