/* Reading a recording. Whatever the bytes are, memory stays in proportion to the file: each size is
 * compared with what is left of a chunk before anything is taken. The first chunk that is not whole
 * or makes no sense ends the recording.
 */

#include "recorded.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define PATH_IN_MESSAGE "%.200s"
#define PIECE ((size_t)1 << 20) /* bytes between two looks at the interrupt flag */

/* ---- bytes ----------------------------------------------------------------------------------- */

typedef struct {
    const unsigned char *at, *end;
    bool short_of; /* more was asked for than there is */
} bytes;

static const unsigned char *take(bytes *b, uint64_t count) {
    if (b->short_of || count > (uint64_t)(b->end - b->at)) {
        b->short_of = true;
        return NULL;
    }
    const unsigned char *at = b->at;
    b->at += count;
    return at;
}

static uint32_t load_u32(const unsigned char *at) {
    uint32_t value;
    memcpy(&value, at, sizeof value);
    return le32toh(value);
}

static uint64_t load_u64(const unsigned char *at) {
    uint64_t value;
    memcpy(&value, at, sizeof value);
    return le64toh(value);
}

static double load_f64(const unsigned char *at) {
    uint64_t bits = load_u64(at);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint64_t take_u64(bytes *b) {
    const unsigned char *at = take(b, 8);
    return at ? load_u64(at) : 0;
}

static double take_f64(bytes *b) {
    const unsigned char *at = take(b, 8);
    return at ? load_f64(at) : 0;
}

static uint64_t take_number(bytes *b) {
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const unsigned char *at = take(b, 1);
        if (!at)
            return 0;
        value |= (uint64_t)(*at & 0x7f) << shift;
        if (!(*at & 0x80))
            return value;
    }
    b->short_of = true;
    return 0;
}

/* `count` reals of θ, as they lie in memory. */
static void load_reals(const unsigned char *at, mgd_dtype dtype, size_t count, void *out) {
    for (size_t i = 0; i < count && dtype == MGD_F32; i++)
        ((uint32_t *)out)[i] = load_u32(at + 4 * i);
    for (size_t i = 0; i < count && dtype != MGD_F32; i++)
        ((uint64_t *)out)[i] = load_u64(at + 8 * i);
}

/* ---- the head -------------------------------------------------------------------------------- */

static mgd_status cannot_read(mgd_context *ctx, const char *path, const char *why) {
    return mgd_fail(ctx, MGD_ERR_FORMAT, "cannot read " PATH_IN_MESSAGE ": %s", path, why);
}

static bool is_seconds(double value) {
    return isfinite(value) && value >= 0;
}

/* The numbers of the head; false where they cannot be. */
static bool read_fixed(bytes *b, mgd_recording_head *h) {
    const unsigned char *flags = take(b, 2);
    h->dtype = flags && flags[0] == 0 ? MGD_F32 : MGD_F64;
    h->keeps_theta = flags && flags[1] == 1;
    h->parameters = take_u64(b);
    h->replicas = take_u64(b);
    h->signals = take_u64(b);
    h->begin = take_u64(b);
    h->resolution = take_f64(b);
    h->age = take_f64(b);
    h->theta_rows = take_u64(b);
    h->text_length = take_u64(b);
    return !b->short_of && flags[0] <= 1 && flags[1] <= 1 && h->parameters >= 1 &&
           h->parameters < UINT32_MAX && h->replicas >= 1 && h->signals >= 1 &&
           h->signals < UINT32_MAX && h->begin <= UINT64_C(1) << 53 &&
           (h->theta_rows == 1 || h->theta_rows == h->replicas) && is_seconds(h->age) &&
           h->resolution > 0 && h->resolution < 1;
}

static mgd_status read_head(mgd_context *ctx, const char *path, bytes b, mgd_recording *r) {
    const char *damaged = "a damaged recording: its head makes no sense";
    mgd_recording_head *h = &r->head;
    const unsigned char *version = take(&b, 4);
    if (version && load_u32(version) != MGD_RECORDING_VERSION)
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "cannot read " PATH_IN_MESSAGE
                        ": a recording of version %lu; this program reads version %d",
                        path, (unsigned long)load_u32(version), MGD_RECORDING_VERSION);
    if (!read_fixed(&b, h))
        return cannot_read(ctx, path, damaged);
    const uint64_t left = (uint64_t)(b.end - b.at), real = mgd_dtype_size(h->dtype);
    uint64_t reals;
    if (__builtin_mul_overflow(h->theta_rows, h->parameters * real, &reals) || reals > left ||
        h->text_length > left - reals || h->replicas > left / 8 ||
        left - reals - h->text_length != 8 * h->replicas)
        return cannot_read(ctx, path, damaged);
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "a recording", h->text_length + 1, 1, &memory));
    h->text = r->text = memory;
    memcpy(r->text, take(&b, h->text_length), h->text_length);
    MGD_TRY(mgd_allocate(ctx, "a recording", h->replicas, sizeof(uint64_t), &memory));
    h->numbers = r->numbers = memory;
    for (size_t i = 0; i < h->replicas; i++)
        r->numbers[i] = take_u64(&b);
    MGD_TRY(mgd_allocate(ctx, "a recording", reals, 1, &memory));
    h->theta = r->theta = memory;
    load_reals(take(&b, reals), h->dtype, h->theta_rows * h->parameters, r->theta);
    MGD_TRY(mgd_allocate(ctx, "a recording", h->replicas, sizeof(mgd_recorded_replica), &memory));
    r->streams = memory;
    uint64_t *place = mgd_array_grow(&r->places, 1, sizeof *place);
    if (!place)
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a recording");
    r->places.count = 1; /* 0 */
    return MGD_OK;
}

/* ---- records --------------------------------------------------------------------------------- */

/* One step of all replicas of a record. */
static mgd_outcome read_step(mgd_recording *r, uint64_t step, size_t points, size_t replicas,
                             const uint64_t *owners, const unsigned char *witnesses,
                             const unsigned char *costs) {
    const size_t values = points * r->head.signals;
    for (size_t k = 0; k < replicas; k++) {
        uint32_t *witness;
        double *cost;
        mgd_outcome o = mgd_recording_slot(r, &r->streams[owners[k]], step, &witness, &cost);
        if (o != MGD_READ)
            return o;
        *witness = load_u32(witnesses + 4 * k);
        for (size_t v = 0; v < values; v++)
            cost[v] = load_f64(costs + 8 * (v * replicas + k));
    }
    return MGD_READ;
}

static bool read_owners(const mgd_recording *r, bytes *b, uint64_t count, uint64_t *owners) {
    uint64_t next = 0;
    for (uint64_t k = 0; k < count; k++) {
        uint64_t off = take_number(b);
        owners[k] = next + (off >> 1 ^ (0 - (off & 1)));
        next = owners[k] + 1;
        if (b->short_of || owners[k] >= r->head.replicas)
            return false;
    }
    return true;
}

static mgd_outcome read_costs(mgd_recording *r, bytes *b) {
    const uint64_t first = take_number(b), n = take_number(b), m = take_number(b);
    const uint64_t left = (uint64_t)(b->end - b->at);
    if (b->short_of || n < 1 || m < 1 || n > left || m > left)
        return MGD_READ_WRONG;
    uint64_t *owners = mgd_calloc(m, sizeof *owners), witnesses, costs = 0;
    if (!owners)
        return MGD_READ_NO_MEMORY;
    mgd_outcome o = read_owners(r, b, m, owners) ? MGD_READ : MGD_READ_WRONG;
    const unsigned char *points = take(b, n), *witness = NULL, *cost = NULL;
    bool fits = points && !__builtin_mul_overflow(n, 4 * m, &witnesses);
    for (uint64_t i = 0; fits && i < n; i++)
        costs += points[i];
    fits = fits && !__builtin_mul_overflow(costs, 8 * m, &costs) &&
           !__builtin_mul_overflow(costs, r->head.signals, &costs) &&
           (witness = take(b, witnesses)) && (cost = take(b, costs));
    if (o == MGD_READ)
        o = fits ? mgd_recording_note(r, first, n, points) : MGD_READ_WRONG;
    for (uint64_t i = 0; o == MGD_READ && i < n; i++) {
        o = read_step(r, first + i, points[i], m, owners, witness, cost);
        witness += 4 * m;
        cost += 8 * m * points[i] * r->head.signals;
    }
    mgd_free(owners);
    return o;
}

static mgd_outcome fill_change(const mgd_recording *r, bytes *b, mgd_recorded_change *c) {
    const size_t real = mgd_dtype_size(r->head.dtype);
    uint64_t next = 0;
    c->index = mgd_calloc(c->count + 1, sizeof *c->index);
    c->value = mgd_calloc(c->count + 1, real);
    if (!c->index || !c->value)
        return MGD_READ_NO_MEMORY;
    for (size_t k = 0; k < c->count; k++) {
        const uint64_t skipped = take_number(b);
        const unsigned char *value = take(b, real);
        if (!value || skipped >= r->head.parameters - next)
            return MGD_READ_WRONG;
        c->index[k] = (uint32_t)(next + skipped);
        load_reals(value, r->head.dtype, 1, (char *)c->value + k * real);
        next += skipped + 1;
    }
    return MGD_READ;
}

static mgd_outcome read_theta(mgd_recording *r, bytes *b) {
    mgd_recorded_change c = {.step = take_number(b)};
    const uint64_t replica = take_number(b);
    const unsigned char *event = take(b, 1);
    c.count = take_number(b);
    if (b->short_of || *event > MGD_THETA_FAILED || replica >= r->head.replicas ||
        c.count > (uint64_t)(b->end - b->at) || c.count > r->head.parameters)
        return MGD_READ_WRONG;
    c.event = (mgd_theta_event)*event;
    mgd_outcome o = fill_change(r, b, &c);
    if (o == MGD_READ && !mgd_array_push(&r->streams[replica].changes, &c, sizeof c))
        o = MGD_READ_NO_MEMORY;
    if (o != MGD_READ)
        mgd_recorded_change_free(&c);
    return o;
}

static mgd_outcome read_halt(mgd_recording *r, bytes *b, bool stops) {
    const mgd_recorded_halt h = {take_number(b), stops};
    const uint64_t replica = take_number(b);
    if (b->short_of || replica >= r->head.replicas)
        return MGD_READ_WRONG;
    return mgd_array_push(&r->streams[replica].halts, &h, sizeof h) ? MGD_READ : MGD_READ_NO_MEMORY;
}

static mgd_outcome read_stop(mgd_recording *r, bytes *b) {
    return read_halt(r, b, true);
}

static mgd_outcome read_go_on(mgd_recording *r, bytes *b) {
    return read_halt(r, b, false);
}

static mgd_outcome fill_row(const mgd_recording *r, bytes *b, mgd_recorded_row *row) {
    const size_t replicas = r->head.replicas;
    row->names = mgd_calloc(row->count, sizeof *row->names);
    row->values = mgd_calloc(row->count * replicas, sizeof *row->values);
    if (!row->names || !row->values)
        return MGD_READ_NO_MEMORY;
    for (size_t i = 0; i < row->count; i++) {
        const uint64_t length = take_number(b);
        const unsigned char *name = take(b, length), *values = take(b, 8 * (uint64_t)replicas);
        if (!values || length > 64)
            return MGD_READ_WRONG;
        row->names[i] = mgd_calloc(length + 1, 1);
        if (!row->names[i])
            return MGD_READ_NO_MEMORY;
        memcpy(row->names[i], name, length);
        for (size_t k = 0; k < replicas; k++)
            row->values[i * replicas + k] = load_f64(values + 8 * k);
    }
    return MGD_READ;
}

static mgd_outcome read_row(mgd_recording *r, bytes *b) {
    mgd_recorded_row row = {.step = take_number(b), .count = take_number(b)};
    if (b->short_of || row.count < 1 ||
        row.count > (uint64_t)(b->end - b->at) / (8 * r->head.replicas + 1))
        return MGD_READ_WRONG;
    mgd_outcome o = fill_row(r, b, &row);
    if (o == MGD_READ && !mgd_array_push(&r->rows, &row, sizeof row))
        o = MGD_READ_NO_MEMORY;
    if (o != MGD_READ)
        mgd_recorded_row_free(&row);
    return o;
}

static mgd_outcome read_resumed(mgd_recording *r, bytes *b) {
    const uint64_t step = take_number(b);
    if (b->short_of || step < r->head.begin)
        return MGD_READ_WRONG;
    mgd_recording_cut(r, step);
    return MGD_READ;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static mgd_outcome read_records(mgd_recording *r, bytes b) {
    static mgd_outcome (*const readers[])(mgd_recording *, bytes *) = {
        [MGD_RECORD_COSTS] = read_costs, [MGD_RECORD_THETA] = read_theta,
        [MGD_RECORD_STOP] = read_stop,   [MGD_RECORD_GO_ON] = read_go_on,
        [MGD_RECORD_ROW] = read_row,     [MGD_RECORD_RESUMED] = read_resumed,
    };
    mgd_outcome o = MGD_READ;
    while (o == MGD_READ && b.at < b.end) {
        size_t kind = *take(&b, 1);
        if (kind < MGD_RECORD_COSTS || kind > MGD_RECORD_RESUMED)
            return MGD_READ_WRONG;
        o = readers[kind](r, &b);
        if (b.short_of)
            o = o == MGD_READ_NO_MEMORY ? o : MGD_READ_WRONG;
    }
    return o;
}

/* `count` bytes of the file. */
static mgd_status read_bytes(mgd_context *ctx, const char *path, int file, void *to, size_t count) {
    for (size_t done = 0; done < count;) {
        size_t piece = count - done < PIECE ? count - done : PIECE;
        ssize_t n = read(file, (char *)to + done, piece);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return mgd_fail(ctx, MGD_ERR_IO, "cannot read " PATH_IN_MESSAGE ": %s", path,
                            n < 0 ? strerror(errno) : "the file ends too early");
        done += (size_t)n;
        MGD_TRY(mgd_interrupt_answer(ctx));
    }
    return MGD_OK;
}

/* The next chunk; *contents is NULL where there is none that is whole. `left` is what the file
 * still holds. */
static mgd_status read_chunk(mgd_context *ctx, const char *path, int file, uint64_t left,
                             unsigned char **contents, uint64_t *length) {
    unsigned char head[MGD_RECORDING_CHUNK];
    *contents = NULL;
    if (left < sizeof head)
        return MGD_OK;
    MGD_TRY(read_bytes(ctx, path, file, head, sizeof head));
    *length = load_u64(head);
    if (*length < 1 || *length > left - sizeof head)
        return MGD_OK;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "a recording", *length, 1, &memory));
    mgd_status status = read_bytes(ctx, path, file, memory, *length);
    if (status == MGD_OK && (uint32_t)crc32_z(0, memory, *length) == load_u32(head + 8))
        *contents = memory;
    else
        mgd_free(memory);
    return status;
}

static mgd_status read_chunks(mgd_context *ctx, const char *path, int file, uint64_t size,
                              mgd_recording *r) {
    for (mgd_outcome o = MGD_READ; o == MGD_READ && r->length < size;) {
        unsigned char *contents;
        uint64_t length;
        MGD_TRY(read_chunk(ctx, path, file, size - r->length, &contents, &length));
        if (!contents && r->head.text)
            break;
        if (!contents)
            return cannot_read(ctx, path, "a damaged recording: its head is not whole");
        const bytes b = {contents, contents + length, false};
        mgd_status status = MGD_OK;
        if (!r->head.text)
            status = read_head(ctx, path, b, r);
        else
            o = read_records(r, b);
        mgd_free(contents);
        MGD_TRY(status);
        if (o == MGD_READ_NO_MEMORY)
            return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a recording of %llu bytes",
                            (unsigned long long)size);
        if (o == MGD_READ)
            r->length += MGD_RECORDING_CHUNK + length;
    }
    r->cut = r->length < size;
    if (!r->head.text)
        return cannot_read(ctx, path, "a recording that ends before its head");
    return MGD_OK;
}

static mgd_status read_file(mgd_context *ctx, const char *path, int file, mgd_recording *r) {
    char magic[MGD_RECORDING_MAGIC_SIZE];
    struct stat info;
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode))
        return cannot_read(ctx, path, "not a regular file");
    if (info.st_size == 0)
        return cannot_read(ctx, path, "the file is empty");
    if ((size_t)info.st_size < sizeof magic)
        return cannot_read(ctx, path, "not a recording (too short)");
    MGD_TRY(read_bytes(ctx, path, file, magic, sizeof magic));
    if (memcmp(magic, MGD_RECORDING_MAGIC, sizeof magic) != 0)
        return cannot_read(ctx, path, "not a recording (wrong first bytes)");
    r->length = sizeof magic;
    return read_chunks(ctx, path, file, (uint64_t)info.st_size, r);
}

mgd_status mgd_recording_read(mgd_context *ctx, const char *path, mgd_recording **out) {
    MGD_OPERATION;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return mgd_fail(ctx, MGD_ERR_IO, "cannot read " PATH_IN_MESSAGE ": %s", path,
                        strerror(errno));
    void *memory = NULL;
    mgd_status status = mgd_allocate(ctx, "a recording", 1, sizeof(mgd_recording), &memory);
    if (status == MGD_OK)
        status = read_file(ctx, path, file, memory);
    close(file);
    if (status == MGD_OK)
        *out = memory;
    else
        mgd_recording_free(memory);
    return status;
}
