/* function: patterns that a function of the user's gives, once for all replicas, kept for as many
 * slots as a segment may take; of nodes, for whole steps. */

#include "code.h"

#include <stdio.h>

#define MAX_KEPT_SLOTS 32
#define MAX_KEPT_BYTES ((size_t)1 << 24)
#define TILE 16 /* reals, at most */

typedef struct {
    mgd_code_function *function; /* what gives the patterns, … */
    void *user;                  /* … called with this */
    double seconds;              /* of a slot */
} source;

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    if (!train->code_function || !train->energy)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: the code is a function, but it or its energy is missing");
    MGD_TRY(mgd_allocate(ctx, "patterns of a function", 1, sizeof(source), &code->state));
    const size_t least = train->perturb == MGD_PERTURB_NODES ? train->batch : 1; /* of one step */
    *(source *)code->state =
        (source){train->code_function, train->code_user,
                 (double)mgd_code_steps(&train->tau_p) * train->dt / (double)least};
    size_t fitting = MAX_KEPT_BYTES / (code->parameters * code->real) / least;
    fitting = fitting > MAX_KEPT_SLOTS ? MAX_KEPT_SLOTS : fitting < 1 ? 1 : fitting;
    code->kept = fitting * least;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "patterns of a function", code->kept * code->parameters + TILE,
                         code->real, &memory));
    code->rows = memory;
    return MGD_OK;
}

static mgd_status fetch(mgd_context *ctx, mgd_code *code, uint64_t slot) {
    const source *s = code->state;
    mgd_tensor *pattern = NULL;
    char what[64];
    MGD_TRY(s->function(s->user, ctx, slot, (double)slot * s->seconds, &pattern));
    snprintf(what, sizeof what, "perturbation: slot %llu", (unsigned long long)slot);
    mgd_status status = mgd_code_take_values(ctx, what, pattern, code->parameters, code->real,
                                             code->rows + (size_t)(slot % code->kept) *
                                                              code->parameters * code->real);
    mgd_tensor_free(pattern);
    return status;
}

static const char *const reads[] = {"energy", NULL};
const mgd_code_type mgd_code_of_function = {
    .name = "function", .reads = reads, .open = open, .fetch = fetch};
