/* Writing a recording. Threads append records to one buffer, which is written as a chunk once it is
 * full, or a second old. Where it cannot be written the file is cut behind its last whole chunk and
 * the recording is over. */

#include "recording.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define PATH_IN_MESSAGE "%.200s"
#define FULL ((size_t)1 << 16) /* bytes of a chunk, from which on it is written */
#define OLD 1.0                /* seconds after which it is, too; … */
#define SLOW 0.1               /* … or when the record before is older than this */
#define VARINT 10              /* bytes of a number, at most */

struct mgd_recorder {
    char *path;
    int file; /* −1: not open, or over */
    mgd_dtype dtype;
    bool keeps_theta;
    size_t parameters, replicas, signals;
    pthread_mutex_t lock; /* of all below */
    unsigned char *chunk; /* room for its head, then records */
    size_t used, room;
    uint32_t *witness; /* (width) of a step */
    size_t width;
    uint64_t length;          /* of the file's whole chunks */
    double written, appended; /* when that was last done */
    char news[MGD_MESSAGE_SIZE];
    atomic_bool has_news;
};

/* Seconds, to a few milliseconds and in no time. */
static double coarse_clock(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* ---- bytes ----------------------------------------------------------------------------------- */

static unsigned char *put_u32(unsigned char *to, uint32_t value) {
    value = htole32(value);
    memcpy(to, &value, sizeof value);
    return to + sizeof value;
}

static unsigned char *put_u64(unsigned char *to, uint64_t value) {
    value = htole64(value);
    memcpy(to, &value, sizeof value);
    return to + sizeof value;
}

static unsigned char *put_f64(unsigned char *to, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put_u64(to, bits);
}

static unsigned char *put_number(unsigned char *to, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        *to++ = (unsigned char)(value | 0x80);
    *to++ = (unsigned char)value;
    return to;
}

/* A real of θ as it lies in memory. */
static unsigned char *put_real(unsigned char *to, const void *theta, mgd_dtype dtype, size_t i) {
    return dtype == MGD_F32 ? put_u32(to, ((const uint32_t *)theta)[i])
                            : put_u64(to, ((const uint64_t *)theta)[i]);
}

/* ---- the file -------------------------------------------------------------------------------- */

/* write(2), of a file that may have a limit of size: the signal that comes of that would end the
 * process. */
static ssize_t write_some(int file, const void *bytes, size_t count) {
    const struct timespec now = {0};
    sigset_t limit, before;
    sigemptyset(&limit);
    sigaddset(&limit, SIGXFSZ);
    pthread_sigmask(SIG_BLOCK, &limit, &before);
    ssize_t n = write(file, bytes, count);
    int error = errno;
    if (n < 0 && error == EFBIG && !sigismember(&before, SIGXFSZ))
        sigtimedwait(&limit, NULL, &now);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return n;
}

static bool write_all(int file, const unsigned char *bytes, size_t count) {
    while (count > 0) {
        ssize_t n = write_some(file, bytes, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        count -= (size_t)n;
    }
    return true;
}

/* The recording is over. */
static void end(mgd_recorder *r, const char *why) {
    close(r->file);
    r->file = -1;
    snprintf(r->news, sizeof r->news,
             "the recording " PATH_IN_MESSAGE " ends here: %s; the run goes on without it", r->path,
             why);
    atomic_store(&r->has_news, true);
}

/* And the file ends with its last whole chunk. */
static void give_up(mgd_recorder *r, const char *why) {
    if (ftruncate(r->file, (off_t)r->length) != 0)
        errno = 0; /* a piece of a chunk stays, which is no harm */
    end(r, why);
}

/* Writes the chunk, whose contents are there, and begins an empty one. */
static void write_chunk(mgd_recorder *r) {
    const size_t contents = r->used - MGD_RECORDING_CHUNK;
    put_u64(r->chunk, contents);
    put_u32(r->chunk + 8, (uint32_t)crc32_z(0, r->chunk + MGD_RECORDING_CHUNK, (z_size_t)contents));
    if (write_all(r->file, r->chunk, r->used))
        r->length += r->used;
    else
        give_up(r, strerror(errno));
    r->used = MGD_RECORDING_CHUNK;
    r->written = coarse_clock();
}

/* Room for a record of at most `bytes`; NULL, and it is over, where there is none. */
static unsigned char *reserve(mgd_recorder *r, size_t bytes) {
    if (r->room - r->used < bytes) {
        size_t room = 2 * r->used + bytes;
        unsigned char *larger = mgd_calloc(room, 1);
        if (!larger) {
            give_up(r, "out of memory");
            return NULL;
        }
        memcpy(larger, r->chunk, r->used);
        mgd_free(r->chunk);
        r->chunk = larger;
        r->room = room;
    }
    return r->chunk + r->used;
}

/* The record ends before `behind`. */
static void finish(mgd_recorder *r, const unsigned char *behind) {
    double now = coarse_clock();
    r->used = (size_t)(behind - r->chunk);
    if (r->used >= FULL || now - r->written >= OLD || now - r->appended >= SLOW)
        write_chunk(r);
    r->appended = now;
}

/* ---- opening --------------------------------------------------------------------------------- */

static mgd_status cannot(mgd_context *ctx, const mgd_recorder *r, const char *why) {
    return mgd_fail(ctx, MGD_ERR_IO, "record: cannot write " PATH_IN_MESSAGE ": %s", r->path, why);
}

/* What is at the path already must be a recording, or empty. */
static mgd_status check_kind(mgd_context *ctx, const mgd_recorder *r, int file) {
    char magic[MGD_RECORDING_MAGIC_SIZE];
    struct stat info;
    if (fstat(file, &info) != 0)
        return cannot(ctx, r, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cannot(ctx, r,
                      S_ISDIR(info.st_mode) ? "it is a folder" : "it is not a regular file");
    if (info.st_size == 0 || (pread(file, magic, sizeof magic, 0) == sizeof magic &&
                              memcmp(magic, MGD_RECORDING_MAGIC, sizeof magic) == 0))
        return MGD_OK;
    return cannot(ctx, r, "it is there already and is no recording: expected another path");
}

mgd_status mgd_recorder_new(mgd_context *ctx, const char *path, mgd_recorder **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "recording", 1, sizeof(mgd_recorder), &memory));
    mgd_recorder *r = memory;
    r->file = -1;
    r->room = 2 * FULL;
    pthread_mutex_init(&r->lock, NULL);
    mgd_status status = MGD_OK;
    if (!mgd_take(&r->path, strlen(path) + 1, 1) || !mgd_take(&r->chunk, r->room, 1))
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a recording");
    if (status == MGD_OK) {
        memcpy(r->path, path, strlen(path) + 1);
        int file = open(path, O_RDWR | O_CLOEXEC | O_NONBLOCK);
        if (file >= 0) {
            status = check_kind(ctx, r, file);
            close(file);
        } else if (errno != ENOENT) {
            status = cannot(ctx, r, strerror(errno));
        }
    }
    if (status == MGD_OK) {
        *out = r;
        return MGD_OK;
    }
    mgd_recorder_free(r);
    return status;
}

/* An open file at the path, which is a recording or empty, and which nobody else writes. */
static mgd_status lock_file(mgd_context *ctx, const mgd_recorder *r, int *out) {
    int file = open(r->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_APPEND, 0666);
    if (file < 0)
        return cannot(ctx, r, strerror(errno));
    mgd_status status = check_kind(ctx, r, file);
    if (status == MGD_OK && flock(file, LOCK_EX | LOCK_NB) != 0)
        status = cannot(ctx, r, "another run is writing it");
    if (status != MGD_OK)
        close(file);
    else
        *out = file;
    return status;
}

/* Opens the file for this recorder alone. Where it is to be another one, the run of the old one,
 * which may go on some time, is not to write into it. */
static mgd_status open_file(mgd_context *ctx, mgd_recorder *r, const mgd_recording_head *head,
                            bool fresh) {
    char target[PATH_MAX];
    int old;
    r->dtype = head->dtype;
    r->keeps_theta = head->keeps_theta;
    r->parameters = head->parameters;
    r->replicas = head->replicas;
    r->signals = head->signals;
    r->used = MGD_RECORDING_CHUNK;
    MGD_TRY(lock_file(ctx, r, &old));
    r->file = old;
    if (fresh && realpath(r->path, target) && unlink(target) == 0) {
        r->file = -1;
        mgd_status status = lock_file(ctx, r, &r->file);
        close(old);
        MGD_TRY(status);
    }
    r->written = r->appended = coarse_clock();
    return MGD_OK;
}

static unsigned char *put_head(unsigned char *at, const mgd_recording_head *head) {
    at = put_u32(at, MGD_RECORDING_VERSION);
    *at++ = head->dtype == MGD_F64;
    *at++ = head->keeps_theta;
    at = put_u64(at, head->parameters);
    at = put_u64(at, head->replicas);
    at = put_u64(at, head->signals);
    at = put_u64(at, head->begin);
    at = put_f64(at, head->resolution);
    at = put_f64(at, head->age);
    at = put_u64(at, head->theta_rows);
    at = put_u64(at, head->text_length);
    memcpy(at, head->text, head->text_length);
    at += head->text_length;
    for (size_t i = 0; i < head->replicas; i++)
        at = put_u64(at, head->numbers[i]);
    for (size_t i = 0; i < head->theta_rows * head->parameters; i++)
        at = put_real(at, head->theta, head->dtype, i);
    return at;
}

mgd_status mgd_recorder_begin(mgd_context *ctx, mgd_recorder *r, const mgd_recording_head *head) {
    MGD_TRY(open_file(ctx, r, head, true));
    const size_t bytes = MGD_RECORDING_HEAD + head->text_length + 8 * head->replicas +
                         head->theta_rows * head->parameters * mgd_dtype_size(head->dtype);
    r->length = 0;
    if (ftruncate(r->file, 0) != 0 ||
        !write_all(r->file, (const unsigned char *)MGD_RECORDING_MAGIC, MGD_RECORDING_MAGIC_SIZE)) {
        give_up(r, strerror(errno));
        return MGD_OK;
    }
    r->length = MGD_RECORDING_MAGIC_SIZE;
    unsigned char *at = reserve(r, bytes);
    if (at) {
        r->used = (size_t)(put_head(at, head) - r->chunk);
        write_chunk(r);
    }
    return MGD_OK;
}

mgd_status mgd_recorder_resume(mgd_context *ctx, mgd_recorder *r, const mgd_recording_head *head) {
    mgd_recording *before;
    MGD_TRY(mgd_recording_read(ctx, r->path, &before));
    const mgd_recording_head *old = mgd_recording_head_of(before);
    uint64_t end = mgd_recording_end(before), length = mgd_recording_length(before);
    bool same = old->dtype == head->dtype && old->keeps_theta == head->keeps_theta &&
                old->parameters == head->parameters && old->replicas == head->replicas &&
                old->signals == head->signals && old->begin <= head->begin;
    mgd_recording_free(before);
    if (!same)
        return cannot(ctx, r, "it is the recording of another run: expected another path");
    if (end < head->begin)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "record: " PATH_IN_MESSAGE " ends at step %llu and the run goes on at step "
                        "%llu: expected a recording that reaches it, or another path",
                        r->path, (unsigned long long)end, (unsigned long long)head->begin);
    MGD_TRY(open_file(ctx, r, head, false));
    r->length = length;
    if (ftruncate(r->file, (off_t)length) != 0) {
        give_up(r, strerror(errno));
        return MGD_OK;
    }
    unsigned char *at = reserve(r, 1 + VARINT);
    if (at) {
        *at++ = MGD_RECORD_RESUMED;
        finish(r, put_number(at, head->begin));
    }
    return MGD_OK;
}

void mgd_recorder_pause(mgd_recorder *r) {
    pthread_mutex_lock(&r->lock);
    if (r->file >= 0 && r->used > MGD_RECORDING_CHUNK)
        write_chunk(r);
    if (r->file >= 0)
        flock(r->file, LOCK_UN);
    pthread_mutex_unlock(&r->lock);
}

void mgd_recorder_go_on(mgd_recorder *r) {
    struct stat info;
    pthread_mutex_lock(&r->lock);
    if (r->file >= 0 && flock(r->file, LOCK_EX | LOCK_NB) != 0)
        end(r, "another run is writing it");
    else if (r->file >= 0 && (fstat(r->file, &info) != 0 || info.st_nlink == 0))
        end(r, "it is another file by now");
    else if (r->file >= 0 && (uint64_t)info.st_size != r->length)
        end(r, "something else has changed it");
    pthread_mutex_unlock(&r->lock);
}

void mgd_recorder_free(mgd_recorder *r) {
    if (!r)
        return;
    mgd_recorder_pause(r);
    if (r->file >= 0)
        close(r->file);
    pthread_mutex_destroy(&r->lock);
    mgd_free(r->chunk);
    mgd_free(r->witness);
    mgd_free(r->path);
    mgd_free(r);
}

const char *mgd_recorder_news(mgd_recorder *r) {
    return atomic_exchange(&r->has_news, false) ? r->news : NULL;
}

bool mgd_recorder_has_news(const mgd_recorder *r) {
    return atomic_load(&r->has_news);
}

/* ---- records --------------------------------------------------------------------------------- */

static size_t count_living(const double *alive, size_t width) {
    size_t count = 0;
    for (size_t lane = 0; lane < width; lane++)
        count += alive[lane] != 0;
    return count;
}

/* The living replicas: how many, then each by its distance from the one before and 1. */
static unsigned char *put_owners(unsigned char *at, size_t width, const uint64_t *owner,
                                 const double *alive, size_t living) {
    uint64_t next = 0;
    at = put_number(at, living);
    for (size_t lane = 0; lane < width; lane++) {
        if (alive[lane] == 0)
            continue;
        int64_t off = (int64_t)(owner[lane] - next);
        at = put_number(at, (uint64_t)off << 1 ^ (off < 0 ? UINT64_MAX : 0));
        next = owner[lane] + 1;
    }
    return at;
}

static unsigned char *put_witnesses(const mgd_recorder *r, unsigned char *at,
                                    const mgd_request *request, size_t width, const double *alive) {
    uint32_t *witness = r->witness;
    for (size_t p = 0; p < request->num_points; p += mgd_points_of_step(request, p)) {
        mgd_witness(&request->points[p], request->source.theta, r->dtype, r->parameters, width,
                    witness);
        for (size_t lane = 0; lane < width; lane++)
            if (alive[lane] != 0)
                at = put_u32(at, witness[lane]);
    }
    return at;
}

static unsigned char *put_costs(const mgd_recorder *r, unsigned char *at,
                                const mgd_request *request, size_t width, const double *alive,
                                bool all) {
    for (size_t p = 0; p < request->num_points; p++)
        for (size_t signal = 0; signal < r->signals; signal++) {
            const double *cost = mgd_request_cost(request, signal, p, width);
            for (size_t lane = 0; lane < width && all; lane++)
                put_f64(at + 8 * lane, cost[lane]);
            at += all ? 8 * width : 0;
            for (size_t lane = 0; lane < width && !all; lane++)
                if (alive[lane] != 0)
                    at = put_f64(at, cost[lane]);
        }
    return at;
}

/* Room for the witnesses of a step; false: there is none. */
static bool take_witness(mgd_recorder *r, size_t width) {
    if (r->width >= width)
        return true;
    mgd_free(r->witness);
    r->width = mgd_take(&r->witness, width, sizeof *r->witness) ? width : 0;
    if (r->width == 0)
        give_up(r, "out of memory");
    return r->width > 0;
}

void mgd_recorder_costs(mgd_recorder *r, const mgd_request *request, size_t width,
                        const uint64_t *owner, const double *alive) {
    const size_t points = request->num_points, living = count_living(alive, width);
    pthread_mutex_lock(&r->lock);
    unsigned char *at = NULL, *steps;
    if (r->file >= 0 && living > 0 && take_witness(r, width))
        at = reserve(r, 1 + 3 * VARINT + points +
                            living * (VARINT + 4 * points + 8 * points * r->signals));
    if (at) {
        const uint64_t first = request->points[0].step;
        *at++ = MGD_RECORD_COSTS;
        at = put_number(at, first);
        at = put_number(at, request->points[points - 1].step - first + 1);
        steps = put_owners(at, width, owner, alive, living);
        for (size_t p = 0; p < points; p += mgd_points_of_step(request, p))
            *steps++ = (unsigned char)mgd_points_of_step(request, p);
        at = put_witnesses(r, steps, request, width, alive);
        finish(r, put_costs(r, at, request, width, alive, living == width));
    }
    pthread_mutex_unlock(&r->lock);
}

/* Whether parameter i is as it was asked to be. */
static bool is_as_asked(const mgd_recorder *r, const void *theta, const void *asked, size_t i) {
    const size_t real = mgd_dtype_size(r->dtype);
    return asked &&
           memcmp((const char *)theta + i * real, (const char *)asked + i * real, real) == 0;
}

void mgd_recorder_theta(mgd_recorder *r, uint64_t step, uint64_t replica, mgd_theta_event event,
                        const void *theta, const void *asked, size_t width, size_t lane) {
    size_t count = 0, before = 0;
    for (size_t i = 0; i < r->parameters && event != MGD_THETA_FAILED; i++)
        count += !is_as_asked(r, theta, asked, i * width + lane);
    if (!r->keeps_theta || (count == 0 && event == MGD_THETA_WRITTEN))
        return;
    pthread_mutex_lock(&r->lock);
    unsigned char *at = NULL;
    if (r->file >= 0)
        at = reserve(r, 2 + 3 * VARINT + count * (VARINT + mgd_dtype_size(r->dtype)));
    if (at) {
        *at++ = MGD_RECORD_THETA;
        at = put_number(put_number(at, step), replica);
        *at++ = (unsigned char)event;
        at = put_number(at, count);
        for (size_t i = 0; i < r->parameters && count > 0; i++) {
            if (is_as_asked(r, theta, asked, i * width + lane))
                continue;
            at = put_real(put_number(at, i - before), theta, r->dtype, i * width + lane);
            before = i + 1;
        }
        finish(r, at);
    }
    pthread_mutex_unlock(&r->lock);
}

void mgd_recorder_halt(mgd_recorder *r, uint64_t step, uint64_t replica, bool stops) {
    pthread_mutex_lock(&r->lock);
    unsigned char *at = r->file >= 0 ? reserve(r, 1 + 2 * VARINT) : NULL;
    if (at) {
        *at++ = stops ? MGD_RECORD_STOP : MGD_RECORD_GO_ON;
        finish(r, put_number(put_number(at, step), replica));
    }
    pthread_mutex_unlock(&r->lock);
}

void mgd_recorder_row(mgd_recorder *r, uint64_t step, size_t count, const char *const *names,
                      const double *values) {
    size_t bytes = 1 + 2 * VARINT;
    for (size_t i = 0; i < count; i++)
        bytes += VARINT + strlen(names[i]) + 8 * r->replicas;
    pthread_mutex_lock(&r->lock);
    unsigned char *at = r->file >= 0 ? reserve(r, bytes) : NULL;
    if (at) {
        *at++ = MGD_RECORD_ROW;
        at = put_number(put_number(at, step), count);
        for (size_t i = 0; i < count; i++) {
            size_t length = strlen(names[i]);
            at = put_number(at, length);
            memcpy(at, names[i], length);
            at += length;
            for (size_t k = 0; k < r->replicas; k++)
                at = put_f64(at, values[i * r->replicas + k]);
        }
        finish(r, at);
    }
    pthread_mutex_unlock(&r->lock);
}
