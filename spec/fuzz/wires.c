/* A libFuzzer target for each thing that is read off a wire or out of an address; `make fuzz`
 * builds one program of each READER and runs it over spec/fuzz/corpus. Whatever the bytes are, they
 * are taken apart or refused; what was taken apart can be put together again. */

#include "wire/transport.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* A copy that ends where its memory does, so that reading beyond is noticed. */
static void *copy(const void *bytes, size_t size) {
    void *out = malloc(size ? size : 1);
    CHECK(out != NULL);
    memcpy(out, bytes, size);
    return out;
}

/* What a head is must not change once it is known, however much follows. */
static void read_block(const uint8_t *data, size_t size) {
    size_t known = 0, bytes = 0;
    for (size_t count = 0; count <= size && count <= 2 * MGD_BLOCK_HEAD; count++) {
        char *text = copy(data, count);
        size_t length = mgd_block_read(text, count, 1 << 20, &bytes);
        CHECK(known == 0 || length == known);
        CHECK(length == 0 || length == SIZE_MAX || (length <= count && bytes <= 1 << 20));
        known = length;
        free(text);
    }
    if (known > 0 && known < SIZE_MAX) {
        char head[MGD_BLOCK_HEAD];
        size_t again = 0, length = mgd_block_head(bytes, head);
        CHECK(mgd_block_read(head, length, SIZE_MAX - 1, &again) == length && again == bytes);
    }
}

static void read_frame(const uint8_t *data, size_t size) {
    uint8_t sequence = size > 0 ? data[0] : 0, got = 0;
    char *message, *frame = copy(data, size);
    size_t length;
    if (mgd_frame_read(frame, size, &got, &message, &length))
        CHECK(message > frame && message + length <= frame + size);
    free(frame);
    frame = malloc(mgd_frame_room(size));
    CHECK(frame != NULL);
    size_t count = mgd_frame_write(sequence, data, size, frame);
    CHECK(count <= mgd_frame_room(size) && memchr(frame, 0, count) == frame + count - 1);
    CHECK(mgd_frame_read(frame, count - 1, &got, &message, &length));
    CHECK(got == sequence && length == size && memcmp(message, data, size) == 0);
    free(frame);
}

static void read_address(const uint8_t *data, size_t size) {
    mgd_context ctx = {0};
    char *text = malloc(size + 1), *address, **words, **again;
    CHECK(text != NULL);
    memcpy(text, data, size);
    text[size] = '\0';
    mgd_status status = mgd_address_read(&ctx, text, &words);
    CHECK(status == MGD_OK || ctx.message[0]);
    if (status == MGD_OK) {
        const mgd_transport *kind;
        CHECK(mgd_address_kind(&ctx, words, &kind) == MGD_OK);
        CHECK(mgd_address_write(&ctx, words, &address) == MGD_OK);
        if (kind != &mgd_transport_child) { /* whose words are written for people */
            CHECK(mgd_address_read(&ctx, address, &again) == MGD_OK);
            for (size_t i = 0; words[i] || again[i]; i++)
                CHECK(words[i] && again[i] && strcmp(words[i], again[i]) == 0);
            mgd_free(again);
        }
        mgd_free(address);
        mgd_free(words);
    }
    free(text);
}

/* ---- a wire ---------------------------------------------------------------------------------- */

typedef struct {
    const uint8_t *next;
    size_t left;
} source;

static mgd_status ignore(void *user, mgd_context *ctx, const void *bytes, size_t count) {
    (void)user, (void)ctx, (void)bytes, (void)count;
    return MGD_OK;
}

/* Pieces as long as their first byte says. */
static mgd_status give(void *user, mgd_context *ctx, void *bytes, size_t most, double seconds,
                       size_t *count) {
    source *s = user;
    (void)seconds;
    if (s->left == 0)
        return mgd_fail(ctx, MGD_ERR_IO, "the end");
    size_t piece = s->next[0] + (size_t)1;
    *count = piece < s->left ? piece : s->left;
    *count = *count < most ? *count : most;
    memcpy(bytes, s->next, *count);
    s->next += *count;
    s->left -= *count;
    return MGD_OK;
}

/* What is taken is what was sent, whatever it is asked for. */
static void read_wire(const uint8_t *data, size_t size) {
    mgd_context ctx = {0};
    source s = {data, size};
    mgd_wire_calls calls = {.write = ignore, .read = give, .user = &s};
    mgd_wire *wire;
    const uint8_t *next = data;
    CHECK(mgd_wire_open(&ctx, &(mgd_wire_spec){.calls = &calls, .limit = 512}, &wire) == MGD_OK);
    for (mgd_status status = MGD_OK; status == MGD_OK && next < data + size;) {
        const char *bytes = NULL;
        size_t count = *next % 64;
        char end = (char)*next;
        if (end & 1) {
            status = mgd_wire_take(&ctx, wire, count, 0, &bytes);
        } else if (end & 2) {
            status = mgd_wire_take_until(&ctx, wire, end, 0, &bytes, &count);
            CHECK(status != MGD_OK || next[count] == (uint8_t)end);
        } else {
            status = mgd_wire_take_some(&ctx, wire, 0, &bytes, &count);
        }
        CHECK(status == MGD_OK || (ctx.message[0] && mgd_wire_fault(wire) != MGD_FAULT_NONE));
        if (status != MGD_OK)
            break;
        CHECK(memcmp(bytes, next, count) == 0);
        next += count + (!(end & 1) && end & 2);
        if (end & 1 && count == 0)
            break;
    }
    mgd_wire_close(wire);
}

static const struct {
    const char *name;
    void (*read)(const uint8_t *data, size_t size);
} readers[] = {
    {"block", read_block},
    {"frame", read_frame},
    {"address", read_address},
    {"wire", read_wire},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    size_t r = 0;
    while (strcmp(readers[r].name, READER) != 0)
        r++;
    readers[r].read(data, size);
    CHECK(mgd_memory_stats().live_blocks == 0);
    return 0;
}
