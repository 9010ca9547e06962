/* brownian: s_k = (ξ_k + ξ_{k−1} + … + ξ_{k−L+1})/√L of fair signs ξ: a walk that takes each step
 * back L slots later. So it is stationary with mean 0 and mean square 1, never leaves ±√L, moves by
 * 0 or ±2/√L, and forgets in L slots: ⟨s_k·s_{k+d}⟩ = 1 − d/L. */

#include "code_brownian.h"
#include "code.h"

#include <math.h>

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    MGD_TRY(mgd_allocate(ctx, "walk", 1, sizeof(mgd_walk), &code->state));
    *(mgd_walk *)code->state = (mgd_walk){train->length, 1 / sqrt((double)train->length)};
    return MGD_OK;
}

static const char *const reads[] = {"length", "sparsity", NULL};
const mgd_code_type mgd_code_brownian = {
    .name = "brownian", .reads = reads, .own = true, .drawn = true, .open = open};
