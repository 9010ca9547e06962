/* Several cost signals: parameters that hear the share of some outputs in the cost, each share
 * demodulated by itself.
 *
 *   C = Σ_o C_o, C_o the share of output o;  C̃_s over the outputs of signal s;
 *   e_i = C̃_s·θ̃_i/⟨θ̃_i²⟩
 *
 * with s the signal that parameter i hears. Where θ_i acts through these outputs alone, ∂C_s/∂θ_i
 * is ∂C/∂θ_i, and what all other outputs would add to C̃ is noise that it does not hear. Signal 0
 * is the whole cost, which every parameter hears that is not listed.
 */

#include "engines.h"

#include <string.h>

/* ---- options --------------------------------------------------------------------------------- */

static bool outside(mgd_range range, size_t end) {
    return range.count == 0 || range.first >= end || range.count > end - range.first;
}

static mgd_status check_signals(mgd_context *ctx, const mgd_train *t, size_t parameters) {
    size_t ndim = mgd_tensor_ndim(t->y), outputs = mgd_tensor_shape(t->y)[ndim - 1], end = 0;
    for (size_t i = 0; i < t->num_signals; i++) {
        mgd_range p = t->signals[i].parameters, o = t->signals[i].outputs;
        if (outside(o, outputs))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "train: signals: outputs %zu to %zu: expected some of 1 to %zu",
                            o.first + 1, o.first + o.count, outputs);
        if (outside(p, parameters))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "train: signals: parameters %zu to %zu: expected some of 1 to %zu",
                            p.first + 1, p.first + p.count, parameters);
        if (p.first < end)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "train: signals: parameter %zu hears two: expected one for each",
                            p.first + 1);
        end = p.first + p.count;
    }
    return MGD_OK;
}

mgd_status mgd_signals_check(mgd_context *ctx, const mgd_run *run) {
    const mgd_train *t = &run->train;
    if (t->num_signals == 0)
        return MGD_OK;
    if (!t->signals)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: expected %zu signals, got NULL",
                        t->num_signals);
    if (t->cost.kind != MGD_COST_MSE)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: signals need a cost that is a sum over outputs: expected mse");
    if (!run->engine->signals)
        return mgd_fail(
            ctx, MGD_ERR_ARGUMENT,
            "train: signals go with perturb = \"parameters\" and the discrete engine or "
            "the analog one by filters");
    return check_signals(ctx, t, run->parameters);
}

/* ---- spans ---------------------------------------------------------------------------------- */

/* The signal of these outputs, a new one if need be. */
static size_t signal_with(mgd_run *run, mgd_range outputs) {
    for (size_t s = 0; s + 1 < run->signals.count; s++)
        if (run->signals.outputs[s].first == outputs.first &&
            run->signals.outputs[s].count == outputs.count)
            return s + 1;
    run->signals.outputs[run->signals.count - 1] = outputs;
    return run->signals.count++;
}

mgd_status mgd_signals_open(mgd_context *ctx, mgd_run *run) {
    const mgd_train *t = &run->train;
    size_t end = 0;
    run->signals.count = 1;
    if (!mgd_take(&run->signals.spans.span, 2 * t->num_signals + 1, sizeof(mgd_span)) ||
        !mgd_take(&run->signals.outputs, t->num_signals, sizeof *run->signals.outputs))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu signals", t->num_signals);
    for (size_t i = 0; i < t->num_signals; i++) {
        mgd_range own = t->signals[i].parameters;
        if (own.first > end)
            mgd_spans_add(&run->signals.spans, own.first, 0);
        end = own.first + own.count;
        mgd_spans_add(&run->signals.spans, end, signal_with(run, t->signals[i].outputs));
    }
    if (end < run->parameters)
        mgd_spans_add(&run->signals.spans, run->parameters, 0);
    return MGD_OK;
}

void mgd_signals_close(mgd_run *run) {
    mgd_free(run->signals.outputs);
    mgd_free(run->signals.spans.span);
}

/* ---- who hears what -------------------------------------------------------------------------- */

static const char *signal_of(const mgd_run *run, const mgd_worker *w, size_t signal, size_t j) {
    return w->block.signal + (signal * run->layout.block_steps + j) * run->layout.width * run->real;
}

const void *mgd_signals_of(const mgd_run *run, mgd_worker *w, const mgd_stretch *s, size_t from,
                           size_t j) {
    const mgd_span *spans = run->signals.spans.span;
    if (!s->mixed)
        return signal_of(run, w, s->value, j);
    for (size_t i = 0, span = s->span; i < s->count; i++) {
        span += spans[span].end == from + i;
        memcpy(w->block.mixed + i * run->real, signal_of(run, w, spans[span].value, j), run->real);
    }
    return w->block.mixed;
}
