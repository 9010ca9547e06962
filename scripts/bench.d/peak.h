#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <stddef.h>

/* Both so many times; multiplications need no memory. */
void peak_multiply(void *memory, size_t bytes, size_t times);
void peak_read(void *memory, size_t bytes, size_t times);

double peak_flops(size_t times); /* of peak_multiply */
int peak_vector_bits(void);

#endif
