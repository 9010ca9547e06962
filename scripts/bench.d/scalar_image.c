/* Written the way one writes it from the paper, for images: see scalar.h. IMAGE_NAME names the
 * function. */

#include "scalar.h"

#include <math.h>

/* out (outputs × side − 2 × side − 2) = relu(3×3 convolution of in) */
static void convolve(const float *theta, const float *in, int inputs, int outputs, int side,
                     float *out) {
    int inner = side - 2;
    const float *bias = theta + outputs * inputs * 9;
    for (int o = 0; o < outputs; o++)
        for (int row = 0; row < inner; row++)
            for (int column = 0; column < inner; column++) {
                float sum = bias[o];
                for (int c = 0; c < inputs; c++)
                    for (int i = 0; i < 3; i++)
                        for (int j = 0; j < 3; j++)
                            sum += theta[((o * inputs + c) * 3 + i) * 3 + j] *
                                   in[(c * side + row + i) * side + column + j];
                out[(o * inner + row) * inner + column] = sum > 0 ? sum : 0;
            }
}

/* out (channels × side / 2 × side / 2) = largest of each 2×2 */
static void pool(const float *in, int channels, int side, float *out) {
    int half = side / 2;
    for (int c = 0; c < channels; c++)
        for (int row = 0; row < half; row++)
            for (int column = 0; column < half; column++) {
                const float *at = in + (c * side + 2 * row) * side + 2 * column;
                float top = at[0] > at[1] ? at[0] : at[1];
                float low = at[side] > at[side + 1] ? at[side] : at[side + 1];
                out[(c * half + row) * half + column] = top > low ? top : low;
            }
}

static void multiply(const float *theta, const float *in, int inputs, int outputs, int relu,
                     float *out) {
    const float *bias = theta + inputs * outputs;
    for (int o = 0; o < outputs; o++) {
        float sum = bias[o];
        for (int i = 0; i < inputs; i++)
            sum += theta[o * inputs + i] * in[i];
        out[o] = relu && sum < 0 ? 0 : sum;
    }
}

/* Cross-entropy of one image. */
static double cost_of(const image_run *run, const float *theta, const float *x, const float *y) {
    const float *in = x;
    int inputs = run->channels[0], side = run->side;
    for (int layer = 1; layer <= run->convs; layer++) {
        int outputs = run->channels[layer];
        convolve(theta, in, inputs, outputs, side, run->values[0]);
        pool(run->values[0], outputs, side - 2, run->values[1 + layer % 2]);
        theta += outputs * (inputs * 9 + 1);
        in = run->values[1 + layer % 2];
        inputs = outputs;
        side = (side - 2) / 2;
    }
    inputs *= side * side;
    for (int layer = 0; layer < run->denses; layer++) {
        float *out = run->values[layer % 2 ? 2 : 0];
        multiply(theta, in, inputs, run->widths[layer], layer + 1 < run->denses, out);
        theta += run->widths[layer] * (inputs + 1);
        inputs = run->widths[layer];
        in = out;
    }
    float top = in[0];
    for (int o = 1; o < inputs; o++)
        top = in[o] > top ? in[o] : top;
    float sum = 0, right = 0;
    for (int o = 0; o < inputs; o++) {
        sum += expf(in[o] - top);
        right += y[o] * in[o];
    }
    return top + logf(sum) - right;
}

static double cost_of_batch(const image_run *run, const float *theta) {
    double sum = 0;
    for (int b = 0; b < run->batch; b++)
        sum += cost_of(run, theta, run->x + run->index[b] * run->features,
                       run->y + run->index[b] * 10);
    return sum / run->batch;
}

static void update(image_run *run, float signal) {
    float c1 = 1 / (1 - powf(0.9f, (float)run->step)), c2 = 1 / (1 - powf(0.999f, (float)run->step));
    for (int i = 0; i < run->parameters; i++) {
        float g = signal * run->noise[i];
        if (!run->two_sided) {
            run->theta[i] -= run->eta * g;
            continue;
        }
        run->first[i] = 0.9f * run->first[i] + 0.1f * g;
        run->second[i] = 0.999f * run->second[i] + 0.001f * g * g;
        run->theta[i] -= run->eta * c1 * run->first[i] / (sqrtf(c2 * run->second[i]) + 1e-8f);
    }
}

void IMAGE_NAME(image_run *run, uint64_t steps) {
    float a = run->amplitude;
    for (uint64_t n = 0; n < steps; n++) {
        for (int b = 0; b < run->batch; b++)
            run->index[b] = ((next_random(run->random) >> 32) * run->samples) >> 32;
        uint64_t bits = 0;
        for (int i = 0; i < run->parameters; i++) {
            if (i % 64 == 0)
                bits = next_random(run->random);
            run->noise[i] = (float)(bits & 1) * (2 * a) - a;
            bits >>= 1;
            run->moved[i] = run->theta[i] + run->noise[i];
        }
        double above = cost_of_batch(run, run->moved), below;
        for (int i = 0; i < run->parameters; i++)
            run->moved[i] = run->theta[i] - run->noise[i];
        below = cost_of_batch(run, run->two_sided ? run->moved : run->theta);
        run->step++;
        update(run, (float)((above - below) * (run->two_sided ? 0.5 : 1)) / (a * a));
    }
}
