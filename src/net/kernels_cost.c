/* Costs of lanes and their slopes, in double, and right answers. One tile of lanes at a time, so
 * that the sums fit in registers.
 */

#include "kernels.h"

static void squared_distance(size_t outputs, size_t width, const real *y, const real *t,
                             double sum[LANES]) {
    for (size_t k = 0; k < LANES; k++)
        sum[k] = 0;
    for (size_t o = 0; o < outputs; o++)
        for (size_t k = 0; k < LANES; k++) {
            double d = (double)y[o * width + k] - (double)t[o * width + k];
            sum[k] += d * d;
        }
}

/* log Σ_o e^y per lane, safe against overflow; a NaN goes through */
static void log_sum_exp(size_t outputs, size_t width, const real *y, double result[LANES]) {
    double top[LANES], sum[LANES] = {0}, term[LANES];
    for (size_t k = 0; k < LANES; k++)
        top[k] = (double)y[k];
    for (size_t o = 1; o < outputs; o++)
        for (size_t k = 0; k < LANES; k++)
            top[k] = (double)y[o * width + k] > top[k] ? (double)y[o * width + k] : top[k];
    for (size_t o = 0; o < outputs; o++) {
        for (size_t k = 0; k < LANES; k++)
            term[k] = (double)y[o * width + k] - top[k];
        exp_doubles(term, LANES);
        for (size_t k = 0; k < LANES; k++)
            sum[k] += term[k];
    }
    for (size_t k = 0; k < LANES; k++)
        result[k] = top[k] + log_double(sum[k]);
}

/* ŷ' = (1 − s)·ŷ + s/K */
INLINE double smoothed(const mgd_cost *cost, size_t outputs, real target) {
    double s = cost->label_smoothing;
    return (1 - s) * (double)target + s / (double)outputs;
}

static void cost_tile(const mgd_cost *cost, size_t outputs, size_t width, const real *y,
                      const real *t, double *value) {
    if (cost->kind == MGD_COST_CROSS_ENTROPY) {
        double lse[LANES];
        log_sum_exp(outputs, width, y, lse);
        for (size_t k = 0; k < LANES; k++)
            value[k] = 0;
        for (size_t o = 0; o < outputs; o++)
            for (size_t k = 0; k < LANES; k++)
                value[k] +=
                    smoothed(cost, outputs, t[o * width + k]) * (lse[k] - (double)y[o * width + k]);
        return;
    }
    double sum[LANES];
    squared_distance(outputs, width, y, t, sum);
    for (size_t k = 0; k < LANES; k++)
        value[k] = cost->kind == MGD_COST_L2 ? sqrt(sum[k]) : sum[k] / (double)outputs;
}

void NET_KERNEL(cost_lanes)(const mgd_cost *cost, size_t steps, size_t outputs, size_t width,
                            const void *y, const void *target, double *value) {
    double more[LANES];
    for (size_t lane = 0; lane < width; lane += LANES) {
        const real *a = (const real *)y + lane, *t = (const real *)target + lane;
        cost_tile(cost, outputs, width, a, t, value + lane);
        for (size_t s = 1; s < steps; s++) {
            cost_tile(cost, outputs, width, a + s * outputs * width, t + s * outputs * width, more);
            for (size_t k = 0; k < LANES; k++)
                value[lane + k] += more[k];
        }
        for (size_t k = 0; k < LANES && steps > 1; k++)
            value[lane + k] /= (double)steps;
    }
}

static void cost_gradient_tile(const mgd_cost *cost, size_t outputs, size_t width, const real *y,
                               const real *t, const double *weight, real *delta) {
    if (cost->kind == MGD_COST_CROSS_ENTROPY) {
        double lse[LANES], total[LANES] = {0}, p[LANES];
        log_sum_exp(outputs, width, y, lse);
        for (size_t o = 0; o < outputs; o++)
            for (size_t k = 0; k < LANES; k++)
                total[k] += smoothed(cost, outputs, t[o * width + k]);
        for (size_t o = 0; o < outputs; o++) {
            for (size_t k = 0; k < LANES; k++)
                p[k] = (double)y[o * width + k] - lse[k];
            exp_doubles(p, LANES);
            for (size_t k = 0; k < LANES; k++)
                delta[o * width + k] =
                    (real)(weight[k] *
                           (p[k] * total[k] - smoothed(cost, outputs, t[o * width + k])));
        }
        return;
    }
    double sum[LANES], scale[LANES];
    squared_distance(outputs, width, y, t, sum);
    for (size_t k = 0; k < LANES; k++) /* the l2 cost has no slope at its minimum: 0 */
        scale[k] = cost->kind == MGD_COST_MSE ? 2 * weight[k] / (double)outputs
                   : sum[k] > 0               ? weight[k] / sqrt(sum[k])
                                              : 0;
    for (size_t o = 0; o < outputs; o++)
        for (size_t k = 0; k < LANES; k++)
            delta[o * width + k] =
                (real)(scale[k] * ((double)y[o * width + k] - (double)t[o * width + k]));
}

void NET_KERNEL(cost_gradient)(const mgd_cost *cost, size_t steps, size_t outputs, size_t width,
                               const void *y, const void *target, const double *weight,
                               void *delta) {
    double share[LANES];
    for (size_t lane = 0; lane < width; lane += LANES) {
        for (size_t k = 0; k < LANES; k++)
            share[k] = weight[lane + k] / (double)steps;
        for (size_t s = 0; s < steps; s++) {
            size_t at = s * outputs * width + lane;
            cost_gradient_tile(cost, outputs, width, (const real *)y + at,
                               (const real *)target + at, share, (real *)delta + at);
        }
    }
}

/* Index of the largest output of each lane; the first of equals. */
static void argmax_tile(size_t outputs, size_t width, const real *y, real_int best[LANES]) {
    real top[LANES];
    for (size_t k = 0; k < LANES; k++) {
        top[k] = y[k];
        best[k] = 0;
    }
    for (size_t o = 1; o < outputs; o++)
        for (size_t k = 0; k < LANES; k++) {
            bool larger = y[o * width + k] > top[k];
            best[k] = larger ? (real_int)o : best[k];
            top[k] = larger ? y[o * width + k] : top[k];
        }
}

/* 1 where the answer of a lane is right. */
static void hits_tile(size_t outputs, size_t width, const real *y, const real *t,
                      double hit[LANES]) {
    real_int best[LANES], wanted[LANES];
    if (outputs > 1) {
        argmax_tile(outputs, width, y, best);
        argmax_tile(outputs, width, t, wanted);
    } else {
        for (size_t k = 0; k < LANES; k++) {
            best[k] = y[k] > (real)0.5;
            wanted[k] = t[k] > (real)0.5;
        }
    }
    for (size_t k = 0; k < LANES; k++) /* an answer that is not a number is never right */
        hit[k] = best[k] == wanted[k] && y[k] == y[k];
}

void NET_KERNEL(hits)(size_t steps, size_t outputs, size_t width, const void *y, const void *target,
                      double *hit) {
    double more[LANES];
    for (size_t lane = 0; lane < width; lane += LANES) {
        const real *a = (const real *)y + lane, *t = (const real *)target + lane;
        hits_tile(outputs, width, a, t, hit + lane);
        for (size_t s = 1; s < steps; s++) {
            hits_tile(outputs, width, a + s * outputs * width, t + s * outputs * width, more);
            for (size_t k = 0; k < LANES; k++)
                hit[lane + k] += more[k];
        }
        for (size_t k = 0; k < LANES && steps > 1; k++)
            hit[lane + k] /= (double)steps;
    }
}
