/* Sines: numerically controlled oscillators, whose phases are 64-bit fractions of a cycle that
 * wrap.
 */

#include "code_sine.h"
#include "kernels_code.h"

DEFINE_FUNCTION(sinpi_vec, sinpi, u05)

static void row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out) {
    const mgd_oscillator *oscillator = (const mgd_oscillator *)code->state + first;
    for (size_t i = 0; i < n; i += VEC_LANES) {
        vec turn = splat(0); /* in half cycles, [−1, 1) */
        for (size_t lane = 0; lane < VEC_LANES && i + lane < n; lane++) {
            const mgd_oscillator *o = &oscillator[i + lane];
            uint64_t phase = o->frequency * at->slot + o->phase;
            turn[lane] = (real)((double)(int64_t)phase * 0x1p-63);
        }
        vec s = sinpi_vec(turn);
        memcpy((real *)out + i, &s, (n - i < VEC_LANES ? n - i : VEC_LANES) * sizeof(real));
    }
}

const mgd_pattern_kernels CODE_KERNEL(sine) = {.row = row};
