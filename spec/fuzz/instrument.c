/* A libFuzzer target for the host's side of instruments: whatever a chip says of itself and
 * answers, in whatever pieces, the run goes on or ends with a message, θ stays finite, and nothing
 * stays allocated. `make fuzz` runs it over spec/fuzz/corpus/instrument.
 *
 * An input is the dialect, L, F or S, and what the chip says, with bytes 1 between: its identity,
 * its description, then the answers to all other requests; behind the last it behaves. With l, f or
 * s there are two such chips, whose failures cost steps: a pool, where they say that they are
 * stateless. */

#include "chip/instrument.h"
#include "mgd.h"

#include <math.h>
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

/* What every chip here is like, whatever it says: small, and quick to be done with. */
#define DESCRIBED "parameters=2 inputs=2 outputs=1 targets=1 message=4096 samples=4 latency=0"

static const char DIALECTS[] = "LFSlfs";

typedef struct {
    const char *bytes;
    size_t count;
} words;

typedef struct {
    char dialect;
    words identity, description, rest; /* what is left of the input */
    mgd_text out;                      /* what the host has not read yet, from byte `at` on */
    size_t at;
} speaker;

/* Up to the next byte 1. */
static words cut(words *rest) {
    const char *end = memchr(rest->bytes, 1, rest->count);
    words first = {rest->bytes, end ? (size_t)(end - rest->bytes) : rest->count};
    size_t used = first.count + (end != NULL);
    rest->bytes += used;
    rest->count -= used;
    return first;
}

static bool begins(words text, const char *with) {
    return text.count >= strlen(with) && memcmp(text.bytes, with, strlen(with)) == 0;
}

static words behaved(const speaker *s, words request) {
    bool scpi = s->dialect == 'S', reads = begins(request, "PAR:WRIT?") || request.count == 5;
    bool runs = begins(request, "RUN") || begins(request, "COST?") || begins(request, "OUTP");
    const char *text = reads  ? scpi ? "0,0;0,\"No error\"\n" : "OK 0,0\n"
                       : runs ? scpi ? "0.5;0,\"No error\"\n" : "OK 0.5\n"
                       : scpi ? "0,\"No error\"\n"
                              : "OK\n";
    return (words){text, strlen(text) - (s->dialect == 'F')};
}

static words answer(speaker *s, words request) {
    if (begins(request, "ID") || begins(request, "*IDN?"))
        return s->identity;
    if (begins(request, "DESC") || begins(request, "CHIP:DESC?"))
        return s->description;
    return s->rest.count > 0 ? cut(&s->rest) : behaved(s, request);
}

/* A frame of the host, and the answer as one. */
static void answer_frame(speaker *s, const char *bytes, size_t count) {
    char frame[8192], *message;
    uint8_t sequence;
    size_t length;
    CHECK(count < sizeof frame);
    memcpy(frame, bytes, count);
    CHECK(mgd_frame_read(frame, count, &sequence, &message, &length));
    words said = answer(s, (words){message, length});
    void *own = malloc(mgd_frame_room(said.count));
    CHECK(own != NULL);
    mgd_text_add(&s->out, own, mgd_frame_write(sequence, said.bytes, said.count, own));
    free(own);
}

/* The host's messages end with a line feed, its frames with a zero. */
static mgd_status hear(void *user, mgd_context *ctx, const void *bytes, size_t count) {
    speaker *s = user;
    const char *next = bytes, *end = next + count;
    (void)ctx;
    while (next < end) {
        const char *stop = memchr(next, s->dialect == 'F' ? '\0' : '\n', (size_t)(end - next));
        CHECK(stop != NULL || s->dialect != 'F');
        size_t length = (size_t)((stop ? stop : end) - next);
        words request = {next, length};
        if (s->dialect == 'F' && length > 0)
            answer_frame(s, next, length);
        if (s->dialect != 'F' && !begins(request, "*CLS")) {
            words said = answer(s, request);
            mgd_text_add(&s->out, said.bytes, said.count);
        }
        next += length + 1;
    }
    return MGD_OK;
}

/* Pieces of 7 bytes, so that all ends are met; where it is waited for in vain the chip
 * is gone. */
static mgd_status speak(void *user, mgd_context *ctx, void *bytes, size_t most, double seconds,
                        size_t *count) {
    speaker *s = user;
    size_t left = s->out.count - s->at, piece = left < 7 ? left : 7;
    if (left == 0 && seconds > 0)
        return mgd_fail(ctx, MGD_ERR_IO, "the end");
    *count = piece < most ? piece : most;
    if (*count > 0)
        memcpy(bytes, s->out.bytes + s->at, *count);
    s->at += *count;
    return MGD_OK;
}

static mgd_tensor *tensor(size_t columns, double value) {
    mgd_context ctx = {0};
    mgd_tensor *out;
    CHECK(mgd_tensor_new(&ctx, MGD_F64, 2, (const size_t[]){2, columns}, &out) == MGD_OK);
    for (size_t i = 0; i < 2 * columns; i++)
        ((double *)mgd_tensor_data(out))[i] = (double)i * value;
    return out;
}

static void check_theta(mgd_run *run) {
    mgd_context ctx = {0};
    mgd_tensor *theta, *wide;
    CHECK(mgd_run_theta(&ctx, run, &theta) == MGD_OK);
    CHECK(mgd_tensor_convert(&ctx, theta, MGD_F64, &wide) == MGD_OK);
    for (size_t i = 0; i < mgd_tensor_size(wide); i++)
        CHECK(isfinite(((const double *)mgd_tensor_data(wide))[i]));
    mgd_tensor_free(theta);
    mgd_tensor_free(wide);
}

static void train(mgd_chip *chip) {
    mgd_context ctx = {0};
    mgd_run *run = NULL;
    mgd_tensor *x = tensor(2, 0.5), *y = tensor(1, 1);
    mgd_train options = mgd_train_defaults();
    options.x = x;
    options.y = y;
    options.batch = 1;
    options.threads = 1;
    options.engine = chip->integrates ? MGD_ENGINE_CHIP : MGD_ENGINE_DISCRETE;
    mgd_status status = mgd_run_new(&ctx, chip, &options, &run);
    if (status == MGD_OK)
        status = mgd_run_advance(&ctx, run, 6);
    CHECK(status == MGD_OK || ctx.message[0]);
    if (run)
        check_theta(run);
    mgd_run_free(run);
    mgd_tensor_free(x);
    mgd_tensor_free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mgd_context ctx = {0};
    mgd_chip *chip;
    mgd_description described;
    const char *first = size > 0 && data[0] ? strchr(DIALECTS, data[0]) : NULL;
    bool two = first && first >= DIALECTS + 3;
    speaker s = {.dialect = first ? DIALECTS[(first - DIALECTS) % 3] : 'L'};
    s.rest = (words){(const char *)data + (size > 0), size - (size > 0)};
    s.identity = cut(&s.rest);
    s.description = cut(&s.rest);
    mgd_description_default(&described);
    mgd_status status =
        mgd_description_read(&ctx, s.description.bytes, s.description.count, &described);
    CHECK(status == MGD_OK || ctx.message[0]);
    mgd_description_close(&described);

    speaker both[2] = {s, s};
    mgd_wire_calls calls[2];
    mgd_port_spec ports[2];
    for (size_t k = 0; k < 2; k++) {
        calls[k] = (mgd_wire_calls){.write = hear, .read = speak, .user = &both[k]};
        ports[k] = (mgd_port_spec){.wire = {.calls = &calls[k], .limit = 4096},
                                   .dialect = s.dialect == 'L'   ? "lines"
                                              : s.dialect == 'F' ? "frames"
                                                                 : "scpi",
                                   .terminator = "\n",
                                   .describe = DESCRIBED,
                                   .timeout = 0.01};
    }
    mgd_instrument_spec spec = {.num_ports = two ? 2 : 1,
                                .ports = ports,
                                .average = 1,
                                .skip = two,
                                .guard = MGD_GUARD_NEVER};
    status = mgd_chip_instrument(&ctx, &spec, &chip);
    CHECK(status == MGD_OK || ctx.message[0]);
    if (status == MGD_OK) {
        train(chip);
        mgd_chip_free(chip);
    }
    mgd_free(both[0].out.bytes);
    mgd_free(both[1].out.bytes);
    CHECK(mgd_memory_stats().live_blocks == 0);
    return 0;
}
