/* Which instruction set the lane kernels run with. */

#include "base.h"

#include <stdlib.h>
#include <string.h>

static const char *const names[MGD_ISA_COUNT] = {"portable", "avx2", "avx512"};

const char *mgd_isa_name(mgd_isa isa) {
    return names[isa];
}

bool mgd_isa_available(mgd_isa isa) {
#if defined(MGD_HAVE_X86_KERNELS)
    /* Portable kernels too need fused multiply-add in hardware on x86: SLEEF's bit-stable
     * functions do, and fma() in software would be two hundred times slower. */
    bool fma = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    if (isa == MGD_ISA_AVX512)
        return fma && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl");
    return fma;
#else
    return isa == MGD_ISA_PORTABLE;
#endif
}

mgd_status mgd_isa_select(mgd_context *ctx, mgd_isa *out) {
    const char *wanted = getenv("MGD_ISA");
    for (int isa = MGD_ISA_COUNT - 1; isa >= 0; isa--) {
        if (wanted && *wanted && strcmp(wanted, names[isa]) != 0)
            continue;
        if (mgd_isa_available((mgd_isa)isa)) {
            *out = (mgd_isa)isa;
            return MGD_OK;
        }
    }
    if (wanted && *wanted)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "MGD_ISA=%s is not available on this machine: expected avx512, avx2 or "
                        "portable, as far as the processor has them, or nothing",
                        wanted);
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "this processor has no AVX2 and FMA, which mgd-lua needs on x86-64");
}
