/* gaussian: standard normals, drawn anew in each slot. */

#include "code.h"

static const char *const reads[] = {"sparsity", NULL};
const mgd_code_type mgd_code_gaussian = {
    .name = "gaussian", .reads = reads, .own = true, .drawn = true};
