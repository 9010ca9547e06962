/* Weights that read with noise, which is white: every product has its own draw, for each sample
 * that is shown and each place where a weight is used for it.
 *
 * In layers that are sums of products not the terms are drawn but the sums: normal terms σ(w)·x·z
 * add up to √(Σ σ(w)²·x²)·z. That variance is what the layer itself makes of squared inputs, with
 * σ(w)² as weights. Uniform terms are drawn as they are where each weight is used once, and as
 * their sum elsewhere, which is close to normal. Other layers get weights drawn for each sample,
 * which they then keep through its steps.
 */

#include "simulated.h"

#include <string.h>

typedef enum {
    ALIKE, /* sums of products that all have the same σ */
    SUMS,  /* sums of products */
    TERMS, /* each weight */
} drawn;

static drawn drawn_for(const mgd_op *op, const mgd_hw_model *m) {
    const bool once = op->vertex.kind == MGD_LAYER_DENSE && op->vertex.steps == 1;
    if (!mgd_layer_is_linear(op->vertex.kind) || (once && m->uniform))
        return TERMS;
    return once && m->noise == MGD_HW_NOISE_ADDITIVE ? ALIKE : SUMS;
}

static size_t parameters_bytes(const simulated *s) {
    return s->rows * s->row_width * s->real;
}

bool mgd_simulated_reading_take(const simulated *s, worker *w) {
    const mgd_hw_chain *noise = &s->parts.read.chain;
    size_t most = 0;
    bool sums = false;
    for (size_t i = 0; i < s->plan->num_ops; i++)
        for (size_t k = 0; k < noise->num_ops; k++) {
            const mgd_op *op = &s->plan->ops[i];
            const drawn how = drawn_for(op, &noise->ops[k].model);
            if (op->vertex.count == 0)
                continue;
            sums = sums || how == SUMS;
            most = how == TERMS && op->vertex.count > most ? op->vertex.count : most;
        }
    const size_t row = s->width * s->real;
    return (!sums || mgd_take(&w->squares, s->plan->arena, row)) &&
           (most == 0 || mgd_take(&w->noisy, most, row)) &&
           ((!sums && most == 0) || mgd_take(&w->variance, noise->num_ops, parameters_bytes(s)));
}

multipliers mgd_simulated_multipliers(const simulated *s, worker *w, const mgd_hw_frame *f,
                                      const void *stored, const void *theta) {
    const mgd_hw_chain *noise = &s->parts.read.chain;
    mgd_hw_frame at = *f;
    at.stored = stored;
    for (size_t k = 0; w->variance && k < noise->num_ops; k++)
        s->hw->variance(&noise->ops[k], &at, theta, w->variance + k * parameters_bytes(s));
    return (multipliers){theta, w->variance};
}

/* The parameters of an op, or their variances. */
static const char *of_op(const simulated *s, const mgd_op *op, const char *values) {
    return values + op->vertex.first * s->real * (s->replicas ? s->width : 1);
}

/* The op by weights that are drawn anew for each lane. */
static void multiply_drawn(const simulated *s, worker *w, const mgd_hw_frame *f,
                           const multipliers *weights, size_t i) {
    const mgd_op *op = &s->plan->ops[i];
    const mgd_hw_chain *noise = &s->parts.product[i].chain;
    const char *theta = of_op(s, op, weights->theta);
    if (s->replicas)
        memcpy(w->noisy, theta, op->vertex.count * s->width * s->real);
    else
        s->net->kernels->spread(theta, op->vertex.count, w->noisy, s->width);
    for (size_t k = 0; k < noise->num_ops; k++) {
        const mgd_hw_model *m = &noise->ops[k].model;
        const char *variance = weights->variance + k * parameters_bytes(s);
        if (drawn_for(op, m) == TERMS)
            s->hw->scatter(&noise->ops[k], f, of_op(s, op, variance), !s->replicas, m->uniform,
                           w->noisy);
    }
    mgd_op_forward(s->net, op, true, w->noisy, w->arena, s->width);
}

/* What noise k adds to the sums of the op. */
static void add_to_sums(const simulated *s, worker *w, const mgd_hw_frame *f,
                        const multipliers *weights, size_t i, size_t k) {
    const mgd_op *op = &s->plan->ops[i];
    const char *variance = of_op(s, op, weights->variance + k * parameters_bytes(s));
    const size_t inputs = op->vertex.in.features * op->vertex.steps;
    s->hw->square(mgd_net_place(s->net, w->arena, op->x[0], s->width), inputs * s->width,
                  mgd_net_place(s->net, w->squares, op->x[0], s->width));
    mgd_op_forward(s->net, op, s->replicas, variance, w->squares, s->width);
    s->hw->scatter(&s->parts.product[i].chain.ops[k], f,
                   mgd_net_place(s->net, w->squares, op->y, s->width), false, false,
                   mgd_net_place(s->net, w->arena, op->y, s->width));
}

void mgd_simulated_multiply(const simulated *s, worker *w, const mgd_hw_frame *f,
                            const uint32_t *sample, const multipliers *weights, size_t i) {
    const mgd_op *op = &s->plan->ops[i];
    const mgd_hw_chain *noise = &s->parts.product[i].chain;
    mgd_hw_frame sums = mgd_simulated_features(s, f, mgd_op_features(op), f->copy, sample);
    mgd_hw_frame terms = mgd_simulated_features(s, f, op->vertex.count, f->copy, sample);
    bool each = false;
    for (size_t k = 0; k < noise->num_ops; k++)
        each = each || drawn_for(op, &noise->ops[k].model) == TERMS;
    if (each)
        multiply_drawn(s, w, &terms, weights, i);
    else
        mgd_op_forward(s->net, op, s->replicas, of_op(s, op, weights->theta), w->arena, s->width);
    for (size_t k = 0; k < noise->num_ops; k++)
        switch (drawn_for(op, &noise->ops[k].model)) {
        case ALIKE:
            s->hw->product(
                &noise->ops[k], &sums, mgd_net_place(s->net, w->arena, op->x[0], s->width),
                op->vertex.in.features, mgd_net_place(s->net, w->arena, op->y, s->width));
            break;
        case SUMS:
            add_to_sums(s, w, &sums, weights, i, k);
            break;
        case TERMS:
            break;
        }
}
