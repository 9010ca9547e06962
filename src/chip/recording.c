/* Reading a recording. Whatever the bytes are, memory stays in proportion to the file: each size is
 * compared with what is left of a chunk before anything is taken. The first chunk that is not whole
 * or makes no sense ends the recording.
 *
 * Costs lie by replica, each in *stretches* of steps that follow each other: one, unless the
 * replica stood still for a while. How many points a step has is the same for all.
 */

#include "recording.h"

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

/* An array that grows. */
typedef struct {
    void *at;
    size_t count, room;
} array;

typedef struct {
    uint64_t first;
    array costs;     /* doubles: of each step (its points × S) */
    array witnesses; /* u32: one of each step */
} stretch;

typedef struct {
    uint64_t step;
    mgd_theta_event event;
    void *theta; /* (P); NULL where it failed */
} theta_event;

/* A replica stands still from a step on, or goes on there. */
typedef struct {
    uint64_t step;
    bool stops;
} halt;

typedef struct {
    array stretches, halts, thetas; /* of stretch, halt, theta_event */
} stream;

struct mgd_recording {
    mgd_recording_head head;
    char *text;
    uint64_t *numbers;
    char *theta;
    stream *streams; /* (R) */
    array places;    /* u64: points of all steps before each; one more than steps */
    array rows;      /* of mgd_recorded_row */
    uint64_t length; /* of all whole chunks */
    bool cut;
};

/* ---- arrays ---------------------------------------------------------------------------------- */

/* Room for `more` elements behind those there are; where they begin, or NULL. */
static void *grow(array *a, size_t more, size_t size) {
    if (a->room - a->count < more) {
        size_t room = 2 * a->count + more;
        void *larger = mgd_calloc(room, size);
        if (!larger)
            return NULL;
        if (a->count > 0)
            memcpy(larger, a->at, a->count * size);
        mgd_free(a->at);
        a->at = larger;
        a->room = room;
    }
    return (char *)a->at + a->count * size;
}

static bool push(array *a, const void *element, size_t size) {
    void *to = grow(a, 1, size);
    if (!to)
        return false;
    memcpy(to, element, size);
    a->count++;
    return true;
}

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
    MGD_TRY(mgd_allocate(ctx, "a recording", h->replicas, sizeof(stream), &memory));
    r->streams = memory;
    uint64_t *place = grow(&r->places, 1, sizeof *place);
    if (!place)
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a recording");
    r->places.count = 1; /* 0 */
    return MGD_OK;
}

/* ---- records --------------------------------------------------------------------------------- */

static const uint64_t *places_of(const mgd_recording *r) {
    return r->places.at;
}

static uint64_t end_of(const mgd_recording *r) {
    return r->head.begin + r->places.count - 1;
}

static uint64_t end_of_stretch(const stretch *s) {
    return s->first + s->witnesses.count;
}

/* How a record was read. */
typedef enum { READ, WRONG, NO_MEMORY } outcome;

/* Points of steps first … first + n − 1, of all replicas. */
static outcome note_points(mgd_recording *r, uint64_t first, uint64_t n,
                           const unsigned char *points) {
    if (first < r->head.begin || first > end_of(r))
        return WRONG;
    for (uint64_t i = 0; i < n; i++) {
        uint64_t at = first - r->head.begin + i, *place;
        if (points[i] == 0)
            return WRONG;
        if (at + 1 < r->places.count) {
            if (places_of(r)[at + 1] - places_of(r)[at] != points[i])
                return WRONG;
            continue;
        }
        place = grow(&r->places, 1, sizeof *place);
        if (!place)
            return NO_MEMORY;
        *place = places_of(r)[at] + points[i];
        r->places.count++;
    }
    return READ;
}

/* Where the witness and the costs of a step of a replica go. */
static outcome slot_of(mgd_recording *r, stream *of, uint64_t step, uint32_t **witness,
                       double **cost) {
    const uint64_t *place = places_of(r), begin = r->head.begin;
    const size_t values = (size_t)(place[step - begin + 1] - place[step - begin]) * r->head.signals;
    stretch *all = of->stretches.at, *s = NULL;
    for (size_t i = of->stretches.count; i > 0 && !s; i--)
        if (step >= all[i - 1].first)
            s = &all[i - 1];
    if (!s && of->stretches.count > 0)
        return WRONG; /* never before the first one */
    if (!s || (step > end_of_stretch(s) && s == &all[of->stretches.count - 1])) {
        const stretch fresh = {.first = step};
        if (!push(&of->stretches, &fresh, sizeof fresh))
            return NO_MEMORY;
        s = (stretch *)of->stretches.at + of->stretches.count - 1;
    }
    if (step > end_of_stretch(s))
        return WRONG;
    const size_t at = (size_t)(place[step - begin] - place[s->first - begin]) * r->head.signals;
    if (step == end_of_stretch(s)) {
        if (!grow(&s->witnesses, 1, sizeof **witness) || !grow(&s->costs, values, sizeof **cost))
            return NO_MEMORY;
        s->witnesses.count++;
        s->costs.count += values;
    }
    *witness = (uint32_t *)s->witnesses.at + (step - s->first);
    *cost = (double *)s->costs.at + at;
    return READ;
}

/* One step of all replicas of a record. */
static outcome read_step(mgd_recording *r, uint64_t step, size_t points, size_t replicas,
                         const uint64_t *owners, const unsigned char *witnesses,
                         const unsigned char *costs) {
    const size_t values = points * r->head.signals;
    for (size_t k = 0; k < replicas; k++) {
        uint32_t *witness;
        double *cost;
        outcome o = slot_of(r, &r->streams[owners[k]], step, &witness, &cost);
        if (o != READ)
            return o;
        *witness = load_u32(witnesses + 4 * k);
        for (size_t v = 0; v < values; v++)
            cost[v] = load_f64(costs + 8 * (v * replicas + k));
    }
    return READ;
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

static outcome read_costs(mgd_recording *r, bytes *b) {
    const uint64_t first = take_number(b), n = take_number(b), m = take_number(b);
    const uint64_t left = (uint64_t)(b->end - b->at);
    if (b->short_of || n < 1 || m < 1 || n > left || m > left)
        return WRONG;
    uint64_t *owners = mgd_calloc(m, sizeof *owners), witnesses, costs = 0;
    if (!owners)
        return NO_MEMORY;
    outcome o = read_owners(r, b, m, owners) ? READ : WRONG;
    const unsigned char *points = take(b, n), *witness = NULL, *cost = NULL;
    bool fits = points && !__builtin_mul_overflow(n, 4 * m, &witnesses);
    for (uint64_t i = 0; fits && i < n; i++)
        costs += points[i];
    fits = fits && !__builtin_mul_overflow(costs, 8 * m, &costs) &&
           !__builtin_mul_overflow(costs, r->head.signals, &costs) &&
           (witness = take(b, witnesses)) && (cost = take(b, costs));
    if (o == READ)
        o = fits ? note_points(r, first, n, points) : WRONG;
    for (uint64_t i = 0; o == READ && i < n; i++) {
        o = read_step(r, first + i, points[i], m, owners, witness, cost);
        witness += 4 * m;
        cost += 8 * m * points[i] * r->head.signals;
    }
    mgd_free(owners);
    return o;
}

static outcome read_theta(mgd_recording *r, bytes *b) {
    const size_t size = r->head.parameters * mgd_dtype_size(r->head.dtype);
    theta_event e = {.step = take_number(b)};
    const uint64_t replica = take_number(b);
    const unsigned char *event = take(b, 1), *theta = NULL;
    if (!event || *event > MGD_THETA_FAILED || replica >= r->head.replicas)
        return WRONG;
    e.event = (mgd_theta_event)*event;
    if (e.event != MGD_THETA_FAILED && !(theta = take(b, size)))
        return WRONG;
    if (theta) {
        e.theta = mgd_calloc(size, 1);
        if (!e.theta)
            return NO_MEMORY;
        load_reals(theta, r->head.dtype, r->head.parameters, e.theta);
    }
    if (push(&r->streams[replica].thetas, &e, sizeof e))
        return READ;
    mgd_free(e.theta);
    return NO_MEMORY;
}

static outcome read_halt(mgd_recording *r, bytes *b, bool stops) {
    const halt h = {take_number(b), stops};
    const uint64_t replica = take_number(b);
    if (b->short_of || replica >= r->head.replicas)
        return WRONG;
    return push(&r->streams[replica].halts, &h, sizeof h) ? READ : NO_MEMORY;
}

static outcome read_stop(mgd_recording *r, bytes *b) {
    return read_halt(r, b, true);
}

static outcome read_go_on(mgd_recording *r, bytes *b) {
    return read_halt(r, b, false);
}

static void free_row(mgd_recorded_row *row) {
    for (size_t i = 0; row->names && i < row->count; i++)
        mgd_free(row->names[i]);
    mgd_free(row->names);
    mgd_free(row->values);
}

static outcome fill_row(const mgd_recording *r, bytes *b, mgd_recorded_row *row) {
    const size_t replicas = r->head.replicas;
    row->names = mgd_calloc(row->count, sizeof *row->names);
    row->values = mgd_calloc(row->count * replicas, sizeof *row->values);
    if (!row->names || !row->values)
        return NO_MEMORY;
    for (size_t i = 0; i < row->count; i++) {
        const uint64_t length = take_number(b);
        const unsigned char *name = take(b, length), *values = take(b, 8 * (uint64_t)replicas);
        if (!values || length > 64)
            return WRONG;
        row->names[i] = mgd_calloc(length + 1, 1);
        if (!row->names[i])
            return NO_MEMORY;
        memcpy(row->names[i], name, length);
        for (size_t k = 0; k < replicas; k++)
            row->values[i * replicas + k] = load_f64(values + 8 * k);
    }
    return READ;
}

static outcome read_row(mgd_recording *r, bytes *b) {
    mgd_recorded_row row = {.step = take_number(b), .count = take_number(b)};
    if (b->short_of || row.count < 1 ||
        row.count > (uint64_t)(b->end - b->at) / (8 * r->head.replicas + 1))
        return WRONG;
    outcome o = fill_row(r, b, &row);
    if (o == READ && !push(&r->rows, &row, sizeof row))
        o = NO_MEMORY;
    if (o != READ)
        free_row(&row);
    return o;
}

/* ---- a run that was resumed ------------------------------------------------------------------ */

static void close_stretch(stretch *s) {
    mgd_free(s->costs.at);
    mgd_free(s->witnesses.at);
}

/* Of one replica, nothing of `step` and later; it may have come to rest or stopped there. */
static void cut_stream(const mgd_recording *r, stream *of, uint64_t step) {
    const uint64_t *place = places_of(r), begin = r->head.begin;
    stretch *s = of->stretches.at;
    size_t *count = &of->stretches.count;
    for (; *count > 0 && s[*count - 1].first >= step; --*count)
        close_stretch(&s[*count - 1]);
    if (*count > 0 && end_of_stretch(&s[*count - 1]) > step) {
        stretch *last = &s[*count - 1];
        last->witnesses.count = (size_t)(step - last->first);
        last->costs.count =
            (size_t)(place[step - begin] - place[last->first - begin]) * r->head.signals;
    }
    while (of->halts.count > 0 && ((halt *)of->halts.at)[of->halts.count - 1].step > step)
        of->halts.count--;
    theta_event *e = of->thetas.at;
    for (; of->thetas.count > 0 && e[of->thetas.count - 1].step >= step; of->thetas.count--) {
        if (e[of->thetas.count - 1].event == MGD_THETA_RESTED &&
            e[of->thetas.count - 1].step == step)
            break;
        mgd_free(e[of->thetas.count - 1].theta);
    }
}

static outcome read_resumed(mgd_recording *r, bytes *b) {
    const uint64_t step = take_number(b);
    if (b->short_of || step < r->head.begin)
        return WRONG;
    if (step >= end_of(r))
        return READ;
    for (size_t i = 0; i < r->head.replicas; i++)
        cut_stream(r, &r->streams[i], step);
    r->places.count = (size_t)(step - r->head.begin) + 1;
    mgd_recorded_row *row = r->rows.at;
    for (; r->rows.count > 0 && row[r->rows.count - 1].step > step; r->rows.count--)
        free_row(&row[r->rows.count - 1]);
    return READ;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

static outcome read_records(mgd_recording *r, bytes b) {
    static outcome (*const readers[])(mgd_recording *, bytes *) = {
        [MGD_RECORD_COSTS] = read_costs, [MGD_RECORD_THETA] = read_theta,
        [MGD_RECORD_STOP] = read_stop,   [MGD_RECORD_GO_ON] = read_go_on,
        [MGD_RECORD_ROW] = read_row,     [MGD_RECORD_RESUMED] = read_resumed,
    };
    outcome o = READ;
    while (o == READ && b.at < b.end) {
        size_t kind = *take(&b, 1);
        if (kind < MGD_RECORD_COSTS || kind > MGD_RECORD_RESUMED)
            return WRONG;
        o = readers[kind](r, &b);
        if (b.short_of)
            o = o == NO_MEMORY ? o : WRONG;
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
    for (outcome o = READ; o == READ && r->length < size;) {
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
        if (o == NO_MEMORY)
            return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a recording of %llu bytes",
                            (unsigned long long)size);
        if (o == READ)
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

void mgd_recording_free(mgd_recording *r) {
    if (!r)
        return;
    for (size_t i = 0; r->streams && i < r->head.replicas; i++) {
        stream *s = &r->streams[i];
        for (size_t k = 0; k < s->stretches.count; k++)
            close_stretch((stretch *)s->stretches.at + k);
        for (size_t k = 0; k < s->thetas.count; k++)
            mgd_free(((theta_event *)s->thetas.at)[k].theta);
        mgd_free(s->stretches.at);
        mgd_free(s->halts.at);
        mgd_free(s->thetas.at);
    }
    for (size_t i = 0; i < r->rows.count; i++)
        free_row((mgd_recorded_row *)r->rows.at + i);
    mgd_free(r->rows.at);
    mgd_free(r->places.at);
    mgd_free(r->streams);
    mgd_free(r->theta);
    mgd_free(r->numbers);
    mgd_free(r->text);
    mgd_free(r);
}

/* ---- looking --------------------------------------------------------------------------------- */

const mgd_recording_head *mgd_recording_head_of(const mgd_recording *r) {
    return &r->head;
}

uint64_t mgd_recording_length(const mgd_recording *r) {
    return r->length;
}

bool mgd_recording_was_cut(const mgd_recording *r) {
    return r->cut;
}

const mgd_recorded_row *mgd_recording_rows(const mgd_recording *r, size_t *count) {
    *count = r->rows.count;
    return r->rows.at;
}

/* Whether a replica stood still at a step. */
static bool stood(const stream *of, uint64_t step) {
    const halt *h = of->halts.at;
    for (size_t i = of->halts.count; i > 0; i--)
        if (h[i - 1].step <= step)
            return h[i - 1].stops;
    return false;
}

static uint64_t end_of_stream(const mgd_recording *r, const stream *of) {
    const stretch *s = of->stretches.at;
    return of->stretches.count > 0 ? end_of_stretch(&s[of->stretches.count - 1]) : r->head.begin;
}

uint64_t mgd_recording_end(const mgd_recording *r) {
    uint64_t end = end_of(r);
    for (size_t i = 0; i < r->head.replicas; i++) {
        uint64_t own = end_of_stream(r, &r->streams[i]);
        if (own < end && !stood(&r->streams[i], own))
            end = own;
    }
    return end;
}

uint64_t mgd_recording_place(const mgd_recording *r, uint64_t step) {
    return places_of(r)[step - r->head.begin];
}

bool mgd_recording_has(const mgd_recording *r, uint64_t first, size_t steps) {
    return first >= r->head.begin && first <= end_of(r) && steps <= end_of(r) - first;
}

mgd_recorded mgd_recording_steps(const mgd_recording *r, size_t replica, uint64_t step,
                                 mgd_recorded_steps *out) {
    const stream *of = &r->streams[replica];
    const stretch *s = of->stretches.at;
    size_t low = 0, high = of->stretches.count; /* the first one that begins behind the step */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (s[middle].first <= step)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == 0 || step >= end_of_stretch(&s[low - 1]))
        return stood(of, step) ? MGD_RECORDED_STOPPED : MGD_RECORDED_NOT;
    s += low - 1;
    *out = (mgd_recorded_steps){s->first, end_of_stretch(s), s->costs.at, s->witnesses.at};
    return MGD_RECORDED;
}

bool mgd_recording_theta(const mgd_recording *r, size_t replica, uint64_t step, bool rested,
                         const void **theta) {
    const stream *of = &r->streams[replica];
    const theta_event *e = of->thetas.at;
    size_t low = 0, high = of->thetas.count; /* the first one behind the step */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (e[middle].step <= step)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low > 0 && e[low - 1].step == step; low--) /* the latest counts */
        if ((e[low - 1].event == MGD_THETA_RESTED) == rested) {
            *theta = e[low - 1].theta;
            return true;
        }
    return false;
}
