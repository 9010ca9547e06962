/* IDX files, plain or gzipped (the format of MNIST and Fashion-MNIST: http://yann.lecun.com/exdb/
 * mnist/): two zero bytes, a type, the number of dimensions, each dimension as 32 bits, then the
 * values row-major; everything big-endian.
 *
 * A file is accepted only as a whole: nothing may be missing, and nothing may follow. The gzip
 * checksum is verified, since reading goes on to the end of the stream.
 */

#include "data.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define ZLIB_CONST
#include <zlib.h>

#define IDX_MAX_DIMS 4
#define INPUT_SIZE 65536
#define DEFLATE_RATIO 1032 /* no deflate stream expands more (zlib, "Technical Details") */

/* A file as a stream of uncompressed bytes. `next`, `left`: what is buffered of the file. */
typedef struct {
    mgd_context *ctx;
    const char *path; /* for messages */
    FILE *file;
    bool gzip;
    bool inflating; /* `z` is initialised */
    bool ended;     /* at the end of a gzip member */
    uint64_t given; /* bytes handed out */
    z_stream z;
    const unsigned char *next;
    size_t left;
    unsigned char input[INPUT_SIZE];
} reader;

typedef struct {
    mgd_dtype dtype; /* of the tensor */
    size_t width;    /* bytes of an element in the file; smaller than dtype's where it is widened */
    size_t ndim;
    size_t shape[IDX_MAX_DIMS];
    size_t bytes; /* of all elements in the file */
} idx_header;

static void *zlib_allocate(void *opaque, uInt count, uInt size) {
    (void)opaque;
    return mgd_calloc(count, size);
}

static void zlib_free(void *opaque, void *pointer) {
    (void)opaque;
    mgd_free(pointer);
}

/* Buffers the next piece of the file; leaves nothing buffered at its end. */
static mgd_status fill(reader *r) {
    errno = 0;
    r->next = r->input;
    r->left = fread(r->input, 1, sizeof r->input, r->file);
    if (r->left == 0 && ferror(r->file))
        return mgd_fail(r->ctx, MGD_ERR_IO, "%s: %s", r->path, strerror(errno));
    return MGD_OK;
}

static mgd_status copy_some(reader *r, unsigned char *out, size_t wanted, size_t *got) {
    while (*got < wanted) {
        if (r->left == 0)
            MGD_TRY(fill(r));
        if (r->left == 0)
            return MGD_OK;
        size_t n = wanted - *got < r->left ? wanted - *got : r->left;
        memcpy(out + *got, r->next, n);
        r->next += n;
        r->left -= n;
        *got += n;
    }
    return MGD_OK;
}

static mgd_status inflate_some(reader *r, unsigned char *out, size_t wanted, size_t *got) {
    while (*got < wanted) {
        if (r->left == 0)
            MGD_TRY(fill(r));
        unsigned long long given = r->given + *got;
        if (r->left == 0 && r->ended)
            return MGD_OK;
        if (r->left == 0)
            return mgd_fail(r->ctx, MGD_ERR_FORMAT,
                            "%s: gzip data cut short after %llu uncompressed bytes", r->path,
                            given);
        if (r->ended)
            inflateReset(&r->z);
        r->z.next_in = r->next;
        r->z.avail_in = (uInt)r->left;
        r->z.next_out = out + *got;
        r->z.avail_out = (uInt)(wanted - *got);
        int status = inflate(&r->z, Z_NO_FLUSH);
        r->next = r->z.next_in;
        r->left = r->z.avail_in;
        *got = wanted - r->z.avail_out;
        r->ended = status == Z_STREAM_END;
        if (status == Z_MEM_ERROR)
            return mgd_fail(r->ctx, MGD_ERR_MEMORY, "out of memory: inflating %s", r->path);
        if (status != Z_OK && status != Z_STREAM_END && status != Z_BUF_ERROR)
            return mgd_fail(r->ctx, MGD_ERR_FORMAT,
                            "%s: corrupt gzip data after %llu uncompressed bytes (%s)", r->path,
                            given, r->z.msg ? r->z.msg : "it asks for a dictionary");
    }
    return MGD_OK;
}

/* Reads up to `wanted` bytes; *got falls short of it only at the end of the file. */
static mgd_status read_bytes(reader *r, unsigned char *out, size_t wanted, size_t *got) {
    *got = 0;
    while (*got < wanted) {
        MGD_TRY(mgd_interrupt_answer(r->ctx));
        size_t piece = wanted - *got < MGD_DATA_CHUNK ? wanted - *got : MGD_DATA_CHUNK;
        size_t n = 0;
        if (r->gzip)
            MGD_TRY(inflate_some(r, out + *got, piece, &n));
        else
            MGD_TRY(copy_some(r, out + *got, piece, &n));
        *got += n;
        r->given += n;
        if (n < piece)
            break;
    }
    return MGD_OK;
}

static mgd_status open_reader(reader *r, const char *path) {
    r->path = mgd_data_path_tail(path);
    r->file = fopen(path, "rb");
    if (!r->file)
        return mgd_fail(r->ctx, MGD_ERR_IO, "%s: %s", r->path, strerror(errno));
    MGD_TRY(fill(r));
    if (r->left == 0)
        return mgd_fail(r->ctx, MGD_ERR_FORMAT, "%s: not an IDX file: it is empty", r->path);
    r->gzip = r->left >= 2 && r->next[0] == 0x1f && r->next[1] == 0x8b;
    if (!r->gzip)
        return MGD_OK;
    r->z.zalloc = zlib_allocate;
    r->z.zfree = zlib_free;
    if (inflateInit2(&r->z, 15 + 16) != Z_OK) /* 15: largest window; 16: gzip */
        return mgd_fail(r->ctx, MGD_ERR_MEMORY, "out of memory: inflating %s", r->path);
    r->inflating = true;
    return MGD_OK;
}

static void close_reader(reader *r) {
    if (r->inflating)
        inflateEnd(&r->z);
    if (r->file)
        fclose(r->file);
}

static size_t big_endian(const unsigned char *b) {
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | (size_t)b[3];
}

static mgd_status parse_type(reader *r, unsigned char code, idx_header *h) {
    static const struct {
        unsigned char code;
        mgd_dtype dtype;
        size_t width;
    } types[] = {
        {0x08, MGD_U8, 1},  {0x09, MGD_I32, 1}, {0x0B, MGD_I32, 2},
        {0x0C, MGD_I32, 4}, {0x0D, MGD_F32, 4}, {0x0E, MGD_F64, 8},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].code == code) {
            h->dtype = types[i].dtype;
            h->width = types[i].width;
            return MGD_OK;
        }
    return mgd_fail(r->ctx, MGD_ERR_FORMAT,
                    "%s: IDX has no type 0x%02x; it has 0x08 (u8), 0x09 (i8), 0x0b (i16), "
                    "0x0c (i32), 0x0d (f32) and 0x0e (f64)",
                    r->path, code);
}

/* Refuses a header that promises more than the file can hold, before memory is asked for. */
static mgd_status check_room(reader *r, const idx_header *h) {
    struct stat info;
    if (fstat(fileno(r->file), &info) != 0 || !S_ISREG(info.st_mode))
        return MGD_OK;
    size_t most = (size_t)info.st_size;
    if (r->gzip && __builtin_mul_overflow(most, (size_t)DEFLATE_RATIO, &most))
        return MGD_OK;
    if (h->bytes <= most)
        return MGD_OK;
    char shape[96];
    return mgd_fail(r->ctx, MGD_ERR_FORMAT,
                    "%s: cut short: the header promises %s (%zu bytes), which a file of %zu bytes "
                    "cannot hold",
                    r->path, mgd_shape_format(shape, sizeof shape, h->ndim, h->shape), h->bytes,
                    (size_t)info.st_size);
}

static mgd_status read_header(reader *r, idx_header *h) {
    unsigned char b[4 * IDX_MAX_DIMS];
    size_t got;
    MGD_TRY(read_bytes(r, b, 4, &got));
    if (got < 4)
        return mgd_fail(r->ctx, MGD_ERR_FORMAT, "%s: not an IDX file: only %zu bytes long", r->path,
                        got);
    if (b[0] != 0 || b[1] != 0)
        return mgd_fail(r->ctx, MGD_ERR_FORMAT,
                        "%s: not an IDX file: it starts with the bytes %02x %02x %02x %02x; "
                        "00 00 08 03 would open a stack of images",
                        r->path, b[0], b[1], b[2], b[3]);
    MGD_TRY(parse_type(r, b[2], h));
    h->ndim = b[3];
    if (h->ndim < 1 || h->ndim > IDX_MAX_DIMS)
        return mgd_fail(r->ctx, MGD_ERR_FORMAT, "%s: %zu dimensions; 1 to %d can be read", r->path,
                        h->ndim, IDX_MAX_DIMS);
    MGD_TRY(read_bytes(r, b, 4 * h->ndim, &got));
    if (got < 4 * h->ndim)
        return mgd_fail(r->ctx, MGD_ERR_FORMAT, "%s: cut short within its header of %zu bytes",
                        r->path, 4 + 4 * h->ndim);
    h->bytes = h->width;
    for (size_t i = 0; i < h->ndim; i++) {
        h->shape[i] = big_endian(b + 4 * i);
        if (h->shape[i] == 0)
            return mgd_fail(r->ctx, MGD_ERR_FORMAT, "%s: dimension %zu is 0", r->path, i + 1);
        if (__builtin_mul_overflow(h->bytes, h->shape[i], &h->bytes))
            return mgd_fail(r->ctx, MGD_ERR_FORMAT,
                            "%s: the dimensions in its header overflow the address space", r->path);
    }
    return check_room(r, h);
}

static void swap_bytes(unsigned char *data, size_t bytes, size_t width) {
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    for (size_t i = 0; i + width <= bytes; i += width)
        for (size_t j = 0; j < width / 2; j++) {
            unsigned char b = data[i + j];
            data[i + j] = data[i + width - 1 - j];
            data[i + width - 1 - j] = b;
        }
#else
    (void)data, (void)bytes, (void)width;
#endif
}

/* Signed integers of `width` bytes, big-endian, to i32. They lie at the end of the tensor's memory
 * and are taken from its front on, so that none is overwritten before it has been read. */
static void widen(unsigned char *data, size_t count, size_t width) {
    const unsigned char *from = data + count * (4 - width);
    for (size_t i = 0; i < count; i++, from += width) {
        int32_t value = width == 1 ? (int8_t)from[0] : (int16_t)(from[0] << 8 | from[1]);
        memcpy(data + 4 * i, &value, 4);
    }
}

static mgd_status read_values(reader *r, const idx_header *h, mgd_tensor *t) {
    size_t got, more;
    unsigned char one, *data = mgd_tensor_data(t);
    char shape[96];
    size_t whole = mgd_tensor_size(t) * mgd_dtype_size(h->dtype);
    MGD_TRY(read_bytes(r, data + (whole - h->bytes), h->bytes, &got));
    mgd_shape_format(shape, sizeof shape, h->ndim, h->shape);
    if (got < h->bytes)
        return mgd_fail(r->ctx, MGD_ERR_FORMAT,
                        "%s: cut short: the header promises %s (%zu bytes), %zu are there", r->path,
                        shape, h->bytes, got);
    MGD_TRY(read_bytes(r, &one, 1, &more)); /* runs a gzip stream into its checksum */
    if (more > 0)
        return mgd_fail(r->ctx, MGD_ERR_FORMAT,
                        "%s: bytes follow the %zu that its header promises (%s)", r->path, h->bytes,
                        shape);
    if (h->bytes < whole)
        widen(data, mgd_tensor_size(t), h->width);
    else
        swap_bytes(data, h->bytes, h->width);
    return MGD_OK;
}

static mgd_status read_file(reader *r, const char *path, mgd_tensor **out) {
    idx_header h;
    mgd_tensor *t;
    MGD_TRY(open_reader(r, path));
    MGD_TRY(read_header(r, &h));
    MGD_TRY(mgd_tensor_new(r->ctx, h.dtype, h.ndim, h.shape, &t));
    mgd_status status = read_values(r, &h, t);
    if (status == MGD_OK)
        *out = t;
    else
        mgd_tensor_free(t);
    return status;
}

mgd_status mgd_idx_read(mgd_context *ctx, const char *path, mgd_tensor **out) {
    MGD_OPERATION;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "reading an IDX file", 1, sizeof(reader), &memory));
    reader *r = memory;
    r->ctx = ctx;
    mgd_status status = read_file(r, path, out);
    close_reader(r);
    mgd_free(r);
    return status;
}
