/* Checkpoint files. All numbers are little-endian:
 *
 *     magic             8 bytes
 *     version           u32
 *     count of tensors  u32
 *     length of file    u64
 *     length of text    u64
 *     text
 *     for each tensor:
 *         dtype         4 bytes, "f64" and so on, filled up with zero bytes
 *         dimensions    u32
 *         length of name u32
 *         shape         u64 for each dimension
 *         name
 *         elements      row-major
 *     checksum          u32, CRC-32 of everything before it
 *
 * A file is read twice: once for its length and checksum, which tell every accident; then piece by
 * piece, with each size compared with what is left before any memory is taken, so that a forged
 * file cannot do harm either.
 */

#include "../base/file.h"
#include "../mgd.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>

#define VERSION 1
#define FIXED 32 /* bytes before the text */
#define ENTRY 12 /* bytes before the shape of a tensor */
#define CHECKSUM 4
#define MAX_NAME 255
#define CHUNK ((size_t)1 << 20) /* bytes between two looks at the interrupt flag */

/* Like PNG's: not text, and changed by any transfer that changes line ends. */
static const char magic[8] = {'\x8b', 'M', 'G', 'D', '\r', '\n', '\x1a', '\n'};

typedef struct {
    char *name;
    mgd_tensor *tensor;
} entry;

struct mgd_checkpoint {
    char *text;
    size_t text_length;
    size_t count; /* entries filled so far, while it is being read */
    entry *entries;
};

/* ---- bytes ----------------------------------------------------------------------------------- */

static void store(unsigned char *to, size_t bytes, uint64_t value) {
    for (size_t i = 0; i < bytes; i++)
        to[i] = (unsigned char)(value >> 8 * i);
}

static uint64_t fetch(const unsigned char *from, size_t bytes) {
    uint64_t value = 0;
    for (size_t i = 0; i < bytes; i++)
        value |= (uint64_t)from[i] << 8 * i;
    return value;
}

static uint32_t checksum(uint32_t sum, const void *bytes, size_t n) {
    for (size_t done = 0; done < n; done += CHUNK)
        sum = (uint32_t)crc32(sum, (const unsigned char *)bytes + done,
                              (uInt)(n - done < CHUNK ? n - done : CHUNK));
    return sum;
}

static bool is_big_endian(void) {
    const uint16_t one = 1;
    unsigned char first;
    memcpy(&first, &one, 1);
    return first == 0;
}

/* Turns every element of a contiguous tensor round. */
static void swap_bytes(mgd_tensor *t) {
    size_t item = mgd_dtype_size(mgd_tensor_dtype(t)), count = mgd_tensor_size(t);
    unsigned char *element = mgd_tensor_data(t);
    for (size_t i = 0; i < count; i++, element += item)
        for (size_t a = 0, b = item - 1; a < b; a++, b--) {
            unsigned char byte = element[a];
            element[a] = element[b];
            element[b] = byte;
        }
}

static size_t data_bytes(const mgd_tensor *t) {
    return mgd_tensor_size(t) * mgd_dtype_size(mgd_tensor_dtype(t));
}

/* ---- writing --------------------------------------------------------------------------------- */

typedef struct {
    mgd_writer writer;
    uint32_t sum;
} sink;

static mgd_status put(sink *s, const void *bytes, size_t n) {
    for (size_t done = 0; done < n; done += CHUNK) {
        const char *piece = (const char *)bytes + done;
        size_t length = n - done < CHUNK ? n - done : CHUNK;
        s->sum = checksum(s->sum, piece, length);
        MGD_TRY(mgd_writer_put(&s->writer, piece, length));
    }
    return MGD_OK;
}

static mgd_status check_names(mgd_context *ctx, size_t count, const char *const *names) {
    for (size_t i = 0; i < count; i++)
        if (strlen(names[i]) < 1 || strlen(names[i]) > MAX_NAME)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "checkpoint: tensor %zu has a name of %zu bytes: expected 1 to %d",
                            i + 1, strlen(names[i]), MAX_NAME);
    if (count > UINT32_MAX)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "checkpoint: %zu tensors are too many", count);
    return MGD_OK;
}

static mgd_status put_fixed(sink *s, size_t text_length, size_t count, const char *const *names,
                            const mgd_tensor *const *tensors) {
    uint64_t length = FIXED + text_length + CHECKSUM;
    for (size_t i = 0; i < count; i++)
        length +=
            ENTRY + 8 * mgd_tensor_ndim(tensors[i]) + strlen(names[i]) + data_bytes(tensors[i]);
    unsigned char fixed[FIXED];
    memcpy(fixed, magic, sizeof magic);
    store(fixed + 8, 4, VERSION);
    store(fixed + 12, 4, count);
    store(fixed + 16, 8, length);
    store(fixed + 24, 8, text_length);
    return put(s, fixed, sizeof fixed);
}

/* The elements of `t`, through a copy where they do not lie in the file's order. */
static mgd_status put_elements(sink *s, const mgd_tensor *t) {
    if (mgd_tensor_contiguous(t) && !is_big_endian())
        return put(s, mgd_tensor_data(t), data_bytes(t));
    mgd_tensor *copy;
    MGD_TRY(mgd_tensor_convert(s->writer.ctx, t, mgd_tensor_dtype(t), &copy));
    if (is_big_endian())
        swap_bytes(copy);
    mgd_status status = put(s, mgd_tensor_data(copy), data_bytes(copy));
    mgd_tensor_free(copy);
    return status;
}

static mgd_status put_tensor(sink *s, const char *name, const mgd_tensor *t) {
    unsigned char head[ENTRY + 8 * MGD_MAX_DIMS] = {0};
    size_t ndim = mgd_tensor_ndim(t), name_length = strlen(name);
    const char *dtype = mgd_dtype_name(mgd_tensor_dtype(t));
    memcpy(head, dtype, strlen(dtype)); /* at most 3 bytes */
    store(head + 4, 4, ndim);
    store(head + 8, 4, name_length);
    for (size_t i = 0; i < ndim; i++)
        store(head + ENTRY + 8 * i, 8, mgd_tensor_shape(t)[i]);
    MGD_TRY(put(s, head, ENTRY + 8 * ndim));
    MGD_TRY(put(s, name, name_length));
    return put_elements(s, t);
}

static mgd_status put_all(sink *s, const char *text, size_t text_length, size_t count,
                          const char *const *names, const mgd_tensor *const *tensors) {
    MGD_TRY(put_fixed(s, text_length, count, names, tensors));
    MGD_TRY(put(s, text, text_length));
    for (size_t i = 0; i < count; i++)
        MGD_TRY(put_tensor(s, names[i], tensors[i]));
    unsigned char sum[CHECKSUM];
    store(sum, sizeof sum, s->sum);
    return mgd_writer_put(&s->writer, sum, sizeof sum);
}

mgd_status mgd_checkpoint_write(mgd_context *ctx, const char *path, const char *text,
                                size_t text_length, size_t count, const char *const *names,
                                const mgd_tensor *const *tensors) {
    MGD_OPERATION;
    MGD_TRY(check_names(ctx, count, names));
    sink s = {.sum = 0};
    MGD_TRY(mgd_writer_open(ctx, path, true, &s.writer));
    mgd_status status = put_all(&s, text, text_length, count, names, tensors);
    return mgd_writer_close(&s.writer, status);
}

/* ---- reading --------------------------------------------------------------------------------- */

typedef struct {
    mgd_context *ctx;
    const char *path;
    FILE *file;
    uint64_t left; /* bytes that may still be read, up to the checksum */
} source;

static mgd_status cannot_read(const source *s, const char *why) {
    return mgd_fail(s->ctx, MGD_ERR_FORMAT, "cannot read " MGD_FILE_PATH ": %s", s->path, why);
}

static mgd_status get_bytes(source *s, void *to, size_t n) {
    if (n > s->left)
        return cannot_read(s, "a damaged checkpoint: its sizes exceed its length");
    s->left -= n;
    for (size_t done = 0; done < n; done += CHUNK) {
        size_t piece = n - done < CHUNK ? n - done : CHUNK;
        if (fread((char *)to + done, 1, piece, s->file) != piece)
            return mgd_fail(s->ctx, MGD_ERR_IO, "cannot read " MGD_FILE_PATH ": %s", s->path,
                            ferror(s->file) ? strerror(errno) : "the file ends too early");
        MGD_TRY(mgd_interrupt_answer(s->ctx));
    }
    return MGD_OK;
}

/* Everything but the checksum goes through it. */
static mgd_status check_sum(source *s, uint64_t length) {
    void *buffer;
    MGD_TRY(mgd_allocate(s->ctx, "reading a checkpoint", 1, CHUNK, &buffer));
    unsigned char stored[CHECKSUM];
    uint32_t sum = 0;
    mgd_status status = MGD_OK;
    rewind(s->file);
    s->left = length;
    while (s->left > CHECKSUM && status == MGD_OK) {
        uint64_t rest = s->left - CHECKSUM;
        size_t piece = rest < CHUNK ? (size_t)rest : CHUNK;
        status = get_bytes(s, buffer, piece);
        sum = checksum(sum, buffer, piece);
    }
    if (status == MGD_OK)
        status = get_bytes(s, stored, sizeof stored);
    mgd_free(buffer);
    if (status == MGD_OK && fetch(stored, sizeof stored) != sum)
        return cannot_read(s, "a damaged checkpoint: its checksum does not match its contents");
    return status;
}

/* Is it a checkpoint, one of ours, of the right length and unchanged? Leaves the file behind its
 * fixed part, which is in `fixed`. */
static mgd_status check_file(source *s, unsigned char fixed[FIXED]) {
    struct stat info;
    if (fstat(fileno(s->file), &info) != 0 || !S_ISREG(info.st_mode))
        return cannot_read(s, "not a regular file");
    uint64_t held = (uint64_t)info.st_size;
    s->left = held;
    size_t begin = held < FIXED ? (size_t)held : FIXED;
    MGD_TRY(get_bytes(s, fixed, begin));
    if (begin == 0)
        return cannot_read(s, "the file is empty");
    if (memcmp(fixed, magic, begin < sizeof magic ? begin : sizeof magic) != 0)
        return cannot_read(s, "not a checkpoint (wrong first bytes)");
    if (begin < FIXED)
        return cannot_read(s, "a truncated checkpoint: it ends within its first bytes");
    uint64_t version = fetch(fixed + 8, 4), length = fetch(fixed + 16, 8);
    if (version != VERSION)
        return mgd_fail(s->ctx, MGD_ERR_FORMAT,
                        "cannot read " MGD_FILE_PATH
                        ": a checkpoint of version %llu; this program reads version %d",
                        s->path, (unsigned long long)version, VERSION);
    if (length != held || length < FIXED + CHECKSUM)
        return mgd_fail(s->ctx, MGD_ERR_FORMAT,
                        "cannot read " MGD_FILE_PATH
                        ": a %s checkpoint: %llu bytes were written, the file holds %llu",
                        s->path, held < length ? "truncated" : "damaged",
                        (unsigned long long)length, (unsigned long long)held);
    MGD_TRY(check_sum(s, length));
    rewind(s->file);
    s->left = length - CHECKSUM;
    return get_bytes(s, fixed, FIXED);
}

/* `length` bytes, which must be left, and a zero byte behind them. */
static mgd_status get_text(source *s, const char *what, uint64_t length, char **out) {
    if (length > s->left)
        return cannot_read(s, "a damaged checkpoint: its sizes exceed its length");
    void *text;
    MGD_TRY(mgd_allocate(s->ctx, what, 1, (size_t)length + 1, &text));
    *out = text;
    return get_bytes(s, text, (size_t)length);
}

/* Whether elements of this shape can be what is left. */
static bool fits(const source *s, mgd_dtype dtype, size_t ndim, const size_t *shape) {
    uint64_t bytes = mgd_dtype_size(dtype);
    bool empty = false, overflow = false;
    for (size_t i = 0; i < ndim; i++) {
        empty = empty || shape[i] == 0;
        overflow = overflow || __builtin_mul_overflow(bytes, (uint64_t)shape[i], &bytes);
    }
    return empty || (!overflow && bytes <= s->left);
}

static mgd_status get_tensor(source *s, entry *e) {
    unsigned char head[ENTRY], dimension[8];
    MGD_TRY(get_bytes(s, head, sizeof head));
    mgd_dtype dtype;
    size_t ndim = (size_t)fetch(head + 4, 4), shape[MGD_MAX_DIMS];
    uint64_t name_length = fetch(head + 8, 4);
    if (head[3] != 0 || !mgd_dtype_parse((const char *)head, &dtype))
        return cannot_read(s, "a damaged checkpoint: a tensor of unknown type");
    if (ndim > MGD_MAX_DIMS || name_length < 1 || name_length > MAX_NAME)
        return cannot_read(s, "a damaged checkpoint: a tensor of impossible shape or name");
    for (size_t i = 0; i < ndim; i++) {
        MGD_TRY(get_bytes(s, dimension, sizeof dimension));
        shape[i] = (size_t)fetch(dimension, sizeof dimension);
    }
    MGD_TRY(get_text(s, "a name", name_length, &e->name));
    if (!fits(s, dtype, ndim, shape))
        return cannot_read(s, "a damaged checkpoint: a tensor larger than the file");
    MGD_TRY(mgd_tensor_new(s->ctx, dtype, ndim, shape, &e->tensor));
    MGD_TRY(get_bytes(s, mgd_tensor_data(e->tensor), data_bytes(e->tensor)));
    if (is_big_endian())
        swap_bytes(e->tensor);
    return MGD_OK;
}

static mgd_status get_all(source *s, mgd_checkpoint *c) {
    unsigned char fixed[FIXED];
    MGD_TRY(check_file(s, fixed));
    uint64_t count = fetch(fixed + 12, 4);
    if (count > s->left / ENTRY)
        return cannot_read(s, "a damaged checkpoint: more tensors than it has room for");
    c->text_length = (size_t)fetch(fixed + 24, 8);
    MGD_TRY(get_text(s, "the text of a checkpoint", fetch(fixed + 24, 8), &c->text));
    void *entries;
    MGD_TRY(mgd_allocate(s->ctx, "reading a checkpoint", (size_t)count, sizeof(entry), &entries));
    c->entries = entries;
    while (c->count < count) {
        c->count++; /* freed with the rest even when it fails half way */
        MGD_TRY(get_tensor(s, &c->entries[c->count - 1]));
    }
    return s->left == 0 ? MGD_OK : cannot_read(s, "a damaged checkpoint: bytes are left over");
}

mgd_status mgd_checkpoint_read(mgd_context *ctx, const char *path, mgd_checkpoint **out) {
    MGD_OPERATION;
    source s = {.ctx = ctx, .path = path, .file = fopen(path, "rb")};
    if (!s.file)
        return mgd_fail(ctx, MGD_ERR_IO, "cannot read " MGD_FILE_PATH ": %s", path,
                        strerror(errno));
    void *memory = NULL;
    mgd_status status = mgd_allocate(ctx, "a checkpoint", 1, sizeof(mgd_checkpoint), &memory);
    if (status == MGD_OK)
        status = get_all(&s, memory);
    fclose(s.file);
    if (status != MGD_OK) {
        mgd_checkpoint_free(memory);
        return status;
    }
    *out = memory;
    return MGD_OK;
}

/* ---- looking --------------------------------------------------------------------------------- */

void mgd_checkpoint_free(mgd_checkpoint *checkpoint) {
    if (!checkpoint)
        return;
    for (size_t i = 0; i < checkpoint->count; i++) {
        mgd_free(checkpoint->entries[i].name);
        mgd_tensor_free(checkpoint->entries[i].tensor);
    }
    mgd_free(checkpoint->entries);
    mgd_free(checkpoint->text);
    mgd_free(checkpoint);
}

const char *mgd_checkpoint_text(const mgd_checkpoint *checkpoint, size_t *length) {
    *length = checkpoint->text_length;
    return checkpoint->text;
}

size_t mgd_checkpoint_count(const mgd_checkpoint *checkpoint) {
    return checkpoint->count;
}

const char *mgd_checkpoint_name(const mgd_checkpoint *checkpoint, size_t i) {
    return i < checkpoint->count ? checkpoint->entries[i].name : NULL;
}

const mgd_tensor *mgd_checkpoint_tensor(const mgd_checkpoint *checkpoint, size_t i) {
    return i < checkpoint->count ? checkpoint->entries[i].tensor : NULL;
}
