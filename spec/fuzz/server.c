/* A libFuzzer target for the chip server: whatever bytes come, in whatever pieces, it answers,
 * keeps within its limits and is there for the next message; nothing stays allocated. `make fuzz`
 * runs it over spec/fuzz/corpus/server. */

#include "mgd.h"
#include "serve/serve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MESSAGE 2048 /* bytes of the longest message */

/* Small, and not written twice the same: 2 parameters, of which y = θ₁·x + θ₂. */
static mgd_status evaluate(void *user, mgd_context *ctx, const mgd_tensor *theta,
                           const mgd_tensor *x, mgd_tensor **y) {
    (void)user;
    size_t n = mgd_tensor_shape(x)[0], shape[2] = {n, 1};
    if (mgd_tensor_new(ctx, MGD_F64, 2, shape, y) != MGD_OK)
        return ctx->status;
    const double *t = mgd_tensor_data(theta), *from = mgd_tensor_data(x);
    double *to = mgd_tensor_data(*y);
    for (size_t i = 0; i < n; i++)
        to[i] = t[0] * from[i] + t[1];
    return MGD_OK;
}

static void check(mgd_status status, const mgd_context *ctx) {
    if (status == MGD_OK)
        return;
    fprintf(stderr, "status %d: %s\n", (int)status, ctx->message);
    abort();
}

/* Hands over a piece, and takes all that is answered. */
static void take(mgd_server *server, const void *bytes, size_t count) {
    mgd_context ctx = {0};
    size_t answers = 1;
    check(mgd_server_take(&ctx, server, bytes, count), &ctx);
    for (;;) {
        const char *text = mgd_server_answers(server, &answers);
        if (answers == 0)
            return;
        free(memcpy(malloc(answers), text, answers));
        check(mgd_server_take(&ctx, server, NULL, 0), &ctx);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first byte says how long the pieces are, 0: all at once. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    mgd_context ctx = {0};
    mgd_chip *chip;
    mgd_server *server;
    check(mgd_chip_external(&ctx, 2, NULL, evaluate, NULL, &chip), &ctx);
    mgd_server_spec spec = {.chip = chip,
                            .num_parameters = 2,
                            .ndim_x = 1,
                            .ndim_y = 1,
                            .shape_x = {1},
                            .shape_y = {1},
                            .outputs = 1,
                            .costs = true,
                            .perturbs = true,
                            .dt = 1,
                            .threads = 1,
                            .samples = 64,
                            .message = MESSAGE,
                            .identity = "a,b,c,d",
                            .more = ""};
    check(mgd_server_new(&ctx, &spec, &server), &ctx);
    mgd_server_meet(server);
    size_t piece = size > 0 && data[0] > 0 ? data[0] : size;
    for (size_t at = 1; at < size; at += piece)
        take(server, data + at, size - at < piece ? size - at : piece);
    mgd_server_cut(server);
    mgd_server_meet(server);
    take(server, "ID\n", 3);
    mgd_server_free(server);
    mgd_chip_free(chip);
    if (mgd_memory_stats().live_blocks != 0) {
        fprintf(stderr, "%zu blocks stay allocated\n", mgd_memory_stats().live_blocks);
        abort();
    }
    return 0;
}
