/* scalar.h: the published algorithm in plain scalar C, which the bench measures ours against.
 *
 * Dense layers with sigmoids, mse, batch 1, random ±a code, τ_p = τ_x = τ_θ = 1, measured baseline,
 * sgd, f32. scalar.c is compiled twice: as scalar_o2 (-O2) and as scalar_native (-O3
 * -march=native), both without -ffast-math.
 */
#ifndef BENCH_SCALAR_H
#define BENCH_SCALAR_H

#include <stddef.h>
#include <stdint.h>

static inline uint64_t rotate(uint64_t x, int k) {
    return (x << k) | (x >> (64 - k));
}

/* xoshiro256++ (Blackman and Vigna, public domain) */
static inline uint64_t next_random(uint64_t s[4]) {
    uint64_t result = rotate(s[0] + s[3], 23) + s[0], t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate(s[3], 45);
    return result;
}

#define SCALAR_MAX_LAYERS 4
#define SCALAR_MAX_WIDTH 64
#define SCALAR_MAX_PARAMETERS 1024
#define SCALAR_IN_ORDER 16 /* sets of so few samples are shown in order, by us too */

typedef struct {
    int layers;
    int sizes[SCALAR_MAX_LAYERS + 1]; /* inputs, then the outputs of each layer */
    int parameters;
    float theta[SCALAR_MAX_PARAMETERS]; /* per layer the weights (out × in), then the biases */
    float noise[SCALAR_MAX_PARAMETERS];
    float moved[SCALAR_MAX_PARAMETERS];
    const float *x, *y; /* (N × I), (N × K) */
    uint64_t samples;
    float amplitude, eta;
    uint64_t random[4];
} scalar_run;

typedef void scalar_steps(scalar_run *run, uint64_t steps);
scalar_steps scalar_o2, scalar_native;

/* Drawn once per run: the state of the generator and θ, uniform in ±½. */
void scalar_start(scalar_run *run, uint64_t seed);

/* The same for images, relu and cross-entropy, batches drawn at random: convolutions of 3×3, each with
 * relu and a 2×2 pool, then dense layers. Either measured baseline and sgd, or two-sided and adam. */
#define IMAGE_MAX_LAYERS 4

typedef struct {
    int side, convs, channels[IMAGE_MAX_LAYERS + 1]; /* channels[0]: of the image */
    int denses, widths[IMAGE_MAX_LAYERS];            /* the last: 10 */
    int parameters, batch, two_sided;
    uint64_t features, samples, step;
    float *theta, *noise, *moved, *first, *second; /* (P) */
    float *values[3];                              /* of a layer, largest */
    uint64_t *index;                               /* (batch) */
    const float *x, *y;
    float amplitude, eta;
    uint64_t random[4];
} image_run;

typedef void image_steps(image_run *run, uint64_t steps);
image_steps image_o2, image_native;

#endif
