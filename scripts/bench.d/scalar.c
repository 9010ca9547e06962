/* Written the way one writes it from the paper: see scalar.h. SCALAR_NAME names the function. */

#include "scalar.h"

#include <math.h>

static float cost_of(const scalar_run *run, const float *theta, const float *x,
                     const float *target) {
    float values[2][SCALAR_MAX_WIDTH];
    const float *in = x;
    for (int layer = 0; layer < run->layers; layer++) {
        int inputs = run->sizes[layer], outputs = run->sizes[layer + 1];
        const float *bias = theta + inputs * outputs;
        float *out = values[layer % 2];
        for (int o = 0; o < outputs; o++) {
            float sum = bias[o];
            for (int i = 0; i < inputs; i++)
                sum += theta[o * inputs + i] * in[i];
            out[o] = 1.0f / (1.0f + expf(-sum));
        }
        theta = bias + outputs;
        in = out;
    }
    int outputs = run->sizes[run->layers];
    float sum = 0;
    for (int o = 0; o < outputs; o++)
        sum += (in[o] - target[o]) * (in[o] - target[o]);
    return sum / (float)outputs;
}

void SCALAR_NAME(scalar_run *run, uint64_t steps) {
    int parameters = run->parameters;
    float a = run->amplitude;
    for (uint64_t n = 0; n < steps; n++) {
        /* XOR in order; of a large set a sample at random: the high bits, scaled */
        uint64_t sample = run->samples <= SCALAR_IN_ORDER
                              ? n % run->samples
                              : ((next_random(run->random) >> 32) * run->samples) >> 32;
        const float *x = run->x + sample * (uint64_t)run->sizes[0];
        const float *y = run->y + sample * (uint64_t)run->sizes[run->layers];

        float baseline = cost_of(run, run->theta, x, y);

        uint64_t bits = 0;
        for (int i = 0; i < parameters; i++) {
            if (i % 64 == 0)
                bits = next_random(run->random);
            run->noise[i] = (float)(bits & 1) * (2 * a) - a; /* no branch to mispredict */
            bits >>= 1;
            run->moved[i] = run->theta[i] + run->noise[i];
        }
        float change = cost_of(run, run->moved, x, y) - baseline;

        float rate = run->eta * change / (a * a);
        for (int i = 0; i < parameters; i++)
            run->theta[i] -= rate * run->noise[i];
    }
}

#if defined(SCALAR_START)
void scalar_start(scalar_run *run, uint64_t seed) {
    for (int i = 0; i < 4; i++) { /* splitmix64 */
        uint64_t z = seed += 0x9e3779b97f4a7c15u;
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
        z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        run->random[i] = z ^ (z >> 31);
    }
    for (int i = 0; i < run->parameters; i++)
        run->theta[i] = (float)(next_random(run->random) >> 40) * 0x1p-24f - 0.5f;
}
#endif
