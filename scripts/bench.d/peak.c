/* What the machine can do at most: fused multiply-adds in f32, independent chains in registers, as
 * many as hide the latency; and reading, as sums of whole cache lines. Compiled with -march=native
 * -ffp-contract=fast, so that the vectors are the widest there are.
 */

#include "peak.h"

#if defined(__AVX512F__)
#define BYTES 64
#elif defined(__AVX__)
#define BYTES 32
#else
#define BYTES 16
#endif
#define CHAINS 12
#define ROUNDS 4096

typedef float vec __attribute__((vector_size(BYTES)));

double peak_flops(size_t times) {
    return (double)times * ROUNDS * CHAINS * (BYTES / sizeof(float)) * 2;
}

int peak_vector_bits(void) {
    return 8 * BYTES;
}

void peak_multiply(void *memory, size_t bytes, size_t times) {
    (void)memory, (void)bytes;
    vec sum[CHAINS], factor = {0}, term = {0};
    for (int i = 0; i < CHAINS; i++)
        sum[i] = factor + (float)i;
    factor += 0.5f;
    term += 1.0f;
    __asm__ volatile("" : "+m"(factor), "+m"(term)); /* unknown to the compiler */
    for (size_t n = 0; n < times; n++)
        for (int k = 0; k < ROUNDS; k++)
#pragma GCC unroll 12
            for (int i = 0; i < CHAINS; i++)
                sum[i] = sum[i] * factor + term;
    for (int i = 1; i < CHAINS; i++)
        sum[0] += sum[i];
    __asm__ volatile("" : : "m"(sum[0]));
}

#define LINES 8 /* at once, so that additions never wait */

void peak_read(void *memory, size_t bytes, size_t times) {
    typedef float line __attribute__((vector_size(64), aligned(4), may_alias));
    const line *from = memory;
    size_t lines = bytes / sizeof(line) / LINES * LINES;
    line sum[LINES] = {{0}};
    for (size_t n = 0; n < times; n++) {
        for (size_t k = 0; k < lines; k += LINES)
#pragma GCC unroll 8
            for (size_t i = 0; i < LINES; i++)
                sum[i] += from[k + i];
        __asm__ volatile("" : : : "memory"); /* reads it again */
    }
    __asm__ volatile("" : : "m"(sum));
}
