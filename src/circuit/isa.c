/* The kernels by instruction set and precision. */

#include "circuit.h"

extern const mgd_circuit_kernels mgd_circuit_kernels_portable_f32, mgd_circuit_kernels_portable_f64;
#if defined(MGD_HAVE_X86_KERNELS)
extern const mgd_circuit_kernels mgd_circuit_kernels_avx2_f32, mgd_circuit_kernels_avx2_f64;
extern const mgd_circuit_kernels mgd_circuit_kernels_avx512_f32, mgd_circuit_kernels_avx512_f64;
#endif

const mgd_circuit_kernels *mgd_circuit_kernels_get(mgd_isa isa, mgd_dtype dtype) {
    static const mgd_circuit_kernels *const table[MGD_ISA_COUNT][2] = {
        [MGD_ISA_PORTABLE] = {&mgd_circuit_kernels_portable_f64, &mgd_circuit_kernels_portable_f32},
#if defined(MGD_HAVE_X86_KERNELS)
        [MGD_ISA_AVX2] = {&mgd_circuit_kernels_avx2_f64, &mgd_circuit_kernels_avx2_f32},
        [MGD_ISA_AVX512] = {&mgd_circuit_kernels_avx512_f64, &mgd_circuit_kernels_avx512_f32},
#endif
    };
    return table[isa][dtype == MGD_F32];
}
