/* A libFuzzer target for each reader of files; `make fuzz` builds one program of each READER and
 * runs it over spec/fuzz/corpus. Whatever the bytes are, a reader gives a tensor that can be read
 * throughout, or fails with a message; nothing stays allocated. */

#include "chip/recording.h"
#include "mgd.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

/* Reads every element. */
static void visit(const mgd_tensor *t) {
    mgd_context ctx = {0};
    double sum;
    if (mgd_tensor_reduce(&ctx, MGD_SUM, t, 0, &sum) != MGD_OK)
        abort();
}

/* Memory for a copy of the bytes that a reader's target may change. */
static unsigned char *copy(const uint8_t *bytes, size_t size) {
    unsigned char *out = malloc(size ? size : 1);
    if (!out)
        abort();
    memcpy(out, bytes, size);
    return out;
}

static mgd_status read_npy(mgd_context *ctx, const char *path) {
    mgd_tensor *t = NULL;
    mgd_status status = mgd_tensor_load(ctx, path, &t);
    if (status == MGD_OK)
        visit(t);
    mgd_tensor_free(t);
    return status;
}

static mgd_status read_idx(mgd_context *ctx, const char *path) {
    mgd_tensor *t = NULL;
    mgd_status status = mgd_idx_read(ctx, path, &t);
    if (status == MGD_OK)
        visit(t);
    mgd_tensor_free(t);
    return status;
}

static mgd_status read_cifar(mgd_context *ctx, const char *path) {
    mgd_tensor *x = NULL, *y = NULL;
    mgd_status status = mgd_cifar10_read(ctx, 1, &path, MGD_F32, &x, &y);
    if (status == MGD_OK) {
        visit(x);
        visit(y);
    }
    mgd_tensor_free(x);
    mgd_tensor_free(y);
    return status;
}

static mgd_status read_checkpoint(mgd_context *ctx, const char *path) {
    mgd_checkpoint *checkpoint = NULL;
    mgd_status status = mgd_checkpoint_read(ctx, path, &checkpoint);
    if (status == MGD_OK) {
        size_t length;
        const char *text = mgd_checkpoint_text(checkpoint, &length);
        free(copy((const uint8_t *)text, length));
        for (size_t i = 0; i < mgd_checkpoint_count(checkpoint); i++) {
            (void)strlen(mgd_checkpoint_name(checkpoint, i));
            visit(mgd_checkpoint_tensor(checkpoint, i));
        }
    }
    mgd_checkpoint_free(checkpoint);
    return status;
}

static volatile double seen; /* keeps what is read from being left out */

static void see(const double *values, size_t count) {
    for (size_t i = 0; i < count; i++)
        seen += values[i];
}

/* All that a replica has recorded of a step. */
static void visit_step(const mgd_recording *r, size_t replica, uint64_t step) {
    const size_t signals = mgd_recording_head_of(r)->signals;
    mgd_recorded_steps s;
    for (int rested = 0; rested < 2; rested++) {
        const mgd_recorded_change *c = mgd_recording_change(r, replica, step, rested);
        for (size_t k = 0; c && k < c->count; k++)
            if (c->index[k] >= mgd_recording_head_of(r)->parameters)
                abort();
    }
    if (mgd_recording_steps(r, replica, step, &s) != MGD_RECORDED)
        return;
    const uint64_t place = mgd_recording_place(r, step) - mgd_recording_place(r, s.first);
    const uint64_t end = mgd_recording_place(r, step + 1) - mgd_recording_place(r, s.first);
    seen += s.witness[step - s.first];
    see(s.cost + place * signals, (size_t)(end - place) * signals);
}

static mgd_status read_recording(mgd_context *ctx, const char *path) {
    mgd_recording *r = NULL;
    mgd_status status = mgd_recording_read(ctx, path, &r);
    if (status == MGD_OK) {
        const mgd_recording_head *head = mgd_recording_head_of(r);
        size_t rows, steps = 0;
        const mgd_recorded_row *row = mgd_recording_rows(r, &rows);
        for (; mgd_recording_has(r, head->begin, steps + 1); steps++)
            for (size_t i = 0; i < head->replicas; i++)
                visit_step(r, i, head->begin + steps);
        for (size_t i = 0; i < rows; i++)
            for (size_t k = 0; k < row[i].count; k++) {
                see(row[i].values + k * head->replicas, head->replicas);
                seen += (double)strlen(row[i].names[k]);
            }
        if (mgd_recording_end(r) > head->begin + steps || mgd_recording_length(r) == 0)
            abort();
    }
    mgd_recording_free(r);
    return status;
}

/* Makes the checksum of each chunk of a recording right. */
static void seal_chunks(unsigned char *bytes, size_t size) {
    for (size_t at = MGD_RECORDING_MAGIC_SIZE; at + MGD_RECORDING_CHUNK <= size;) {
        uint64_t length = 0, left = size - at - MGD_RECORDING_CHUNK;
        for (size_t i = 8; i > 0; i--)
            length = length << 8 | bytes[at + i - 1];
        if (length > left)
            return;
        uint32_t sum = (uint32_t)crc32(0, bytes + at + MGD_RECORDING_CHUNK, (uInt)length);
        for (size_t i = 0; i < 4; i++)
            bytes[at + 8 + i] = (unsigned char)(sum >> 8 * i);
        at += MGD_RECORDING_CHUNK + length;
    }
}

/* Makes the length and the checksum of a checkpoint right, or no change would get past them. */
static void seal(unsigned char *bytes, size_t size) {
    if (size < 36)
        return;
    for (size_t i = 0; i < 8; i++)
        bytes[16 + i] = (unsigned char)((uint64_t)size >> 8 * i);
    uint32_t sum = (uint32_t)crc32(0, bytes, (uInt)(size - 4));
    for (size_t i = 0; i < 4; i++)
        bytes[size - 4 + i] = (unsigned char)(sum >> 8 * i);
}

static const struct {
    const char *name;
    mgd_status (*read)(mgd_context *ctx, const char *path);
    void (*prepare)(unsigned char *bytes, size_t size);
} readers[] = {
    {"npy", read_npy, NULL},
    {"idx", read_idx, NULL},
    {"cifar", read_cifar, NULL},
    {"checkpoint", read_checkpoint, seal},
    {"recording", read_recording, seal_chunks},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t r = 0;
    while (strcmp(readers[r].name, READER) != 0)
        r++;
    unsigned char *bytes = copy(data, size);
    if (readers[r].prepare)
        readers[r].prepare(bytes, size);
    int file = memfd_create("input", 0);
    if (file < 0 || write(file, bytes, size) != (ssize_t)size)
        abort();
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    mgd_context ctx = {0};
    mgd_status status = readers[r].read(&ctx, path);
    if (status != MGD_OK && !ctx.message[0]) {
        fprintf(stderr, "status %d without a message\n", (int)status);
        abort();
    }
    if (mgd_memory_stats().live_blocks != 0) {
        fprintf(stderr, "%zu blocks stay allocated\n", mgd_memory_stats().live_blocks);
        abort();
    }
    close(file);
    free(bytes);
    return 0;
}
