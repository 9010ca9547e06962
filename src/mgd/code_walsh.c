/* walsh (CDMA): rows of a Hadamard matrix, signs that are orthogonal over a period. */

#include "code.h"

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    (void)ctx;
    code->period = mgd_power_of_two_from((uint64_t)code->parameters + 1);
    code->alternate = train->alternate;
    return MGD_OK;
}

static const char *const reads[] = {"alternate", NULL};
const mgd_code_type mgd_code_walsh = {.name = "walsh", .reads = reads, .open = open};
