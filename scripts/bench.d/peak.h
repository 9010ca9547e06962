#ifndef BENCH_PEAK_H
#define BENCH_PEAK_H

#include <stddef.h>

void peak_work(size_t times);
double peak_flops(size_t times); /* how many that is */
int peak_vector_bits(void);

#endif
