/* A code by itself, to be looked at. */

#include "code.h"
#include "kernels.h"
#include "options.h"

#include <string.h>

mgd_status mgd_code_figures(mgd_context *ctx, const mgd_train *train, size_t parameters,
                            uint64_t *period, double *mean_square) {
    MGD_OPERATION;
    mgd_code code;
    MGD_TRY(mgd_options_check(ctx, train));
    MGD_TRY(mgd_code_open(ctx, train, parameters, MGD_F64, &code));
    *period = code.zero_below ? 0 : code.period * (code.alternate ? 2 : 1);
    *mean_square = code.mean_square;
    mgd_code_close(&code);
    return MGD_OK;
}

mgd_status mgd_code_pattern(mgd_context *ctx, const mgd_train *train, size_t parameters,
                            uint64_t first, size_t slots, mgd_tensor **out) {
    MGD_OPERATION;
    mgd_isa isa;
    mgd_code code;
    mgd_tensor *t = NULL;
    MGD_TRY(mgd_options_check(ctx, train));
    MGD_TRY(mgd_isa_select(ctx, &isa));
    const mgd_engine_kernels *kernels = mgd_engine_kernels_get(isa, MGD_F64);
    MGD_TRY(mgd_code_open(ctx, train, parameters, MGD_F64, &code));
    double *row = mgd_calloc(parameters + kernels->lanes, sizeof(double));
    mgd_status status = mgd_tensor_new(ctx, MGD_F64, 2, (size_t[]){slots, parameters}, &t);
    if (status == MGD_OK && !row)
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a pattern of %zu", parameters);
    mgd_code_cache cache = {0};
    if (status == MGD_OK)
        status = mgd_code_cache_open(ctx, &code, 1, 1, &cache);
    for (size_t k = 0; k < slots && status == MGD_OK; k++) {
        status = mgd_interrupt_answer(ctx);
        if (status == MGD_OK)
            status = mgd_code_fetch(ctx, &code, first + k, first + k);
        if (status != MGD_OK)
            break;
        mgd_pattern signs =
            mgd_code_signs(&code, &cache, kernels->random, &train->replica, first + k, 1);
        kernels->code->row(&code, &signs, MGD_USE_PERTURB, train->replica, first + k, 0, parameters,
                           row);
        memcpy((double *)mgd_tensor_data(t) + k * parameters, row, parameters * sizeof(double));
    }
    mgd_free(row);
    mgd_code_cache_close(&cache);
    mgd_code_close(&code);
    if (status == MGD_OK)
        *out = t;
    else
        mgd_tensor_free(t);
    return status;
}
