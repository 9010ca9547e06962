/* HiPPO-LegS (Gu, Dao, Ermon, Rudra, Ré: HiPPO: recurrent memory with optimal polynomial
 * projections, NeurIPS 2020): a state that keeps its input's past as coefficients of Legendre
 * polynomials. As a system that does not change with time (Gu, Goel, Ré: S4, ICLR 2022), with q_n =
 * √(2n + 1), n from 0,
 *
 *     ds/dt = A·s + b·u,   A[n][k] = −q_n·q_k for k < n, −(n + 1) for k = n, 0 else,   b[n] = q_n.
 *
 * The bilinear rule with step Δ makes of it s ← Ā·s + b̄·u, Ā = (1 − Δ/2·A)^−1·(1 + Δ/2·A), b̄ = (1 −
 * Δ/2·A)^−1·Δ·b. A + Aᵀ = −1 − q·qᵀ, so that Ā makes every vector shorter, for every Δ > 0.
 */

#include "net.h"

#include <math.h>

static double q(size_t n) {
    return sqrt(2 * (double)n + 1);
}

/* x ← (1 − Δ/2·A)^−1·x, row by row, because A is lower triangular; entries lie `stride` apart. */
static void solve(size_t states, double half, double *x, size_t stride) {
    double sum = 0; /* Σ q_k·x_k over the rows above */
    for (size_t n = 0; n < states; n++) {
        double *at = x + n * stride;
        *at = (*at - half * q(n) * sum) / (1 + half * (double)(n + 1));
        sum += q(n) * *at;
    }
}

void mgd_hippo_legs(size_t states, size_t inputs, double step, const double *weight, double *out) {
    const double half = step / 2;
    double *b = out, *a = out + states * inputs;
    for (size_t n = 0; n < states; n++)
        for (size_t i = 0; i < inputs; i++)
            b[n * inputs + i] = step * q(n) * weight[n * inputs + i];
    for (size_t n = 0; n < states; n++)
        for (size_t k = 0; k < states; k++)
            a[n * states + k] = k < n    ? -half * q(n) * q(k)
                                : k == n ? 1 - half * (double)(n + 1)
                                         : 0;
    for (size_t i = 0; i < inputs; i++)
        solve(states, half, b + i, inputs);
    for (size_t k = 0; k < states; k++)
        solve(states, half, a + k, states);
}
