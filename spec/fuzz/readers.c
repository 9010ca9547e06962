/* A libFuzzer target for each reader of files; `make fuzz` builds one program of each READER and
 * runs it over spec/fuzz/corpus. Whatever the bytes are, a reader gives a tensor that can be read
 * throughout, or fails with a message; nothing stays allocated. */

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
