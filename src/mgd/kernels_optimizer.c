/* Kernels of the optimizers. Replicas that do not run keep θ, for their η is 0, and their moments.
 */

#include "optimizers.h"
#include "schedule.h"
#include "stepped.h"

static void sgd(const mgd_optimizer_step *s) {
    real *theta = s->theta;
    const real *g = s->g, *eta = s->eta;
    for (size_t i = 0; i < s->count * s->width; i += s->width)
        for (size_t lane = 0; lane < s->width; lane += VEC_LANES)
            store(theta + i + lane,
                  stepped(load(theta + i + lane), load(eta + lane), load(g + i + lane)));
}

INLINE void follow(const bool nesterov, const mgd_optimizer_step *s) {
    real *theta = s->theta, *v = s->first;
    const real *g = s->g, *eta = s->eta, *lives = s->lives;
    const vec mu = splat((real)s->train->momentum);
    for (size_t lane = 0; lane < s->width; lane += VEC_LANES) {
        const vec rate = load(eta + lane);
        const vec_int moves = load(lives + lane) != splat(0);
        for (size_t at = lane; at < s->count * s->width; at += s->width) {
            vec before = load(v + at), slope = load(g + at);
            vec speed = fma_vec(mu, before, slope);
            store(v + at, pick(moves, speed, before));
            vec step = nesterov ? fma_vec(mu, speed, slope) : speed;
            store(theta + at, stepped(load(theta + at), rate, step));
        }
    }
}

static void momentum(const mgd_optimizer_step *s) {
    follow(false, s);
}

static void nesterov(const mgd_optimizer_step *s) {
    follow(true, s);
}

static void adam(const mgd_optimizer_step *s) {
    real *theta = s->theta, *m = s->first, *v = s->second;
    const real *g = s->g, *eta = s->eta, *lives = s->lives;
    const double beta1 = s->train->beta1, beta2 = s->train->beta2;
    const vec b1 = splat((real)beta1), a1 = splat((real)(1 - beta1));
    const vec b2 = splat((real)beta2), a2 = splat((real)(1 - beta2));
    const vec c1 = splat((real)(1 / (1 - mgd_power(beta1, s->time)))); /* both begin as 0 */
    const vec c2 = splat((real)(1 / (1 - mgd_power(beta2, s->time))));
    const vec epsilon = splat((real)s->train->epsilon);
    for (size_t lane = 0; lane < s->width; lane += VEC_LANES) {
        const vec rate = load(eta + lane);
        const vec_int moves = load(lives + lane) != splat(0);
        for (size_t at = lane; at < s->count * s->width; at += s->width) {
            vec slope = load(g + at), m_before = load(m + at), v_before = load(v + at);
            vec first = fma_vec(b1, m_before, a1 * slope);
            vec second = fma_vec(b2, v_before, a2 * slope * slope);
            store(m + at, pick(moves, first, m_before));
            store(v + at, pick(moves, second, v_before));
            vec step = c1 * first / (sqrt_vec(c2 * second) + epsilon);
            store(theta + at, stepped(load(theta + at), rate, step));
        }
    }
}

/* ±η by the sign of G, where |G| > threshold. */
static void sign(const mgd_optimizer_step *s) {
    real *theta = s->theta;
    const real *g = s->g, *eta = s->eta;
    const vec most = splat((real)s->train->threshold), one = splat(1);
    for (size_t i = 0; i < s->count * s->width; i += s->width)
        for (size_t lane = 0; lane < s->width; lane += VEC_LANES) {
            vec slope = load(g + i + lane);
            vec still = slope - slope; /* 0, or NaN */
            vec step = pick(slope > most, one, pick(slope < -most, -one, still));
            store(theta + i + lane, stepped(load(theta + i + lane), load(eta + lane), step));
        }
}

extern mgd_optimizer_kernel *const MGD_KERNEL_TABLE(optimizer)[];
mgd_optimizer_kernel *const MGD_KERNEL_TABLE(optimizer)[] = {
    [MGD_OPTIMIZER_SGD] = sgd,           [MGD_OPTIMIZER_MOMENTUM] = momentum,
    [MGD_OPTIMIZER_NESTEROV] = nesterov, [MGD_OPTIMIZER_ADAM] = adam,
    [MGD_OPTIMIZER_SIGN] = sign,
};
