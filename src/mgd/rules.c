/* How layers learn: which stand still, which are perturbed by their nodes and which by themselves,
 * and what is their own of amplitude, η and weight decay.
 *
 * A parameter that stands still is neither perturbed nor written. One with the factor f of the
 * amplitude is perturbed by θ̃ = f·a·s, or its nodes by ξ = f·a·s, and hears e = C̃·s/(f·a·⟨s²⟩); by
 * the published convention e = C̃·f·s/(a·Σ f²·⟨s²⟩).
 */

#include "../base/number.h"
#include "engines.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- options --------------------------------------------------------------------------------- */

static bool in_range(double value) {
    return value >= 0 && value <= DBL_MAX;
}

static mgd_status check_rule(mgd_context *ctx, const mgd_run *run, size_t i, size_t end) {
    const mgd_rule *r = &run->train.rules[i];
    size_t first = r->parameters.first, count = r->parameters.count;
    if (count == 0 || first >= run->parameters || count > run->parameters - first || first < end)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: layers: parameters %zu to %zu: expected some of 1 to %zu, in order "
                        "and none twice",
                        first + 1, first + count, run->parameters);
    if (!in_range(r->amplitude) || !in_range(r->eta) || !in_range(r->weight_decay))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: layers: parameters %zu to %zu have the factors %s of amplitude and "
                        "%s of eta, and weight_decay %s: expected finite numbers of at least 0",
                        first + 1, first + count, MGD_NUMBER(r->amplitude), MGD_NUMBER(r->eta),
                        MGD_NUMBER(r->weight_decay));
    return MGD_OK;
}

mgd_status mgd_rules_check(mgd_context *ctx, const mgd_run *run) {
    const mgd_train *t = &run->train;
    size_t end = 0;
    if (t->num_rules > 0 && !t->rules)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: expected %zu rules, got NULL", t->num_rules);
    if (t->num_rules > 0 && (run->engine->filters || run->engine->teaches))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: learn and layers go with the engines discrete and backprop");
    for (size_t i = 0; i < t->num_rules; i++) {
        MGD_TRY(check_rule(ctx, run, i, end));
        end = t->rules[i].parameters.first + t->rules[i].parameters.count;
    }
    return MGD_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

static void cover(mgd_run *run) {
    const mgd_train *t = &run->train;
    mgd_rules *rules = &run->rules;
    size_t end = 0;
    rules->rule[0] = (mgd_rule){{0, run->parameters}, false, t->perturb, 1, 1, t->weight_decay};
    rules->count = 1;
    for (size_t i = 0; i < t->num_rules; i++) {
        mgd_range own = t->rules[i].parameters;
        if (own.first > end)
            mgd_spans_add(&rules->spans, own.first, 0);
        end = own.first + own.count;
        rules->rule[rules->count] = t->rules[i];
        mgd_spans_add(&rules->spans, end, rules->count++);
    }
    if (end < run->parameters)
        mgd_spans_add(&rules->spans, run->parameters, 0);
}

const mgd_rule *mgd_rules_of(const mgd_run *run, size_t parameter) {
    const mgd_span *span = run->rules.spans.span;
    while (span->end <= parameter)
        span++;
    return &run->rules.rule[span->value];
}

void mgd_rules_mask(const mgd_run *run, double *slope) {
    const mgd_spans *spans = &run->rules.spans;
    for (size_t i = 0, first = 0; i < spans->count; first = spans->span[i++].end)
        if (run->rules.rule[spans->span[i].value].still)
            memset(slope + first, 0, (spans->span[i].end - first) * sizeof *slope);
}

/* Nodes of groups whose rule says so. */
static void use_groups(mgd_run *run) {
    bool published = run->train.convention == MGD_CONVENTION_PUBLISHED;
    for (size_t i = 0; i < run->chip->num_groups; i++) {
        const mgd_node_group *group = &run->chip->groups[i];
        const mgd_rule *r = mgd_rules_of(run, group->parameters.first);
        if (!mgd_rule_perturbs(r, MGD_PERTURB_NODES))
            continue;
        run->rules.uses[i] =
            (mgd_node_use){r->amplitude, published ? r->amplitude : 1 / r->amplitude};
        run->rules.nodes += group->nodes;
    }
}

/* The chip's group that a parameter belongs to; NULL: it has no nodes. */
static const mgd_node_group *group_with(const mgd_chip *chip, size_t parameter) {
    for (size_t i = 0; i < chip->num_groups; i++) {
        mgd_range own = chip->groups[i].parameters;
        if (parameter >= own.first && parameter < own.first + own.count)
            return &chip->groups[i];
    }
    return NULL;
}

/* Every parameter that is perturbed by nodes has some, of a layer that learns as a whole. */
static mgd_status check_nodes(mgd_context *ctx, const mgd_run *run) {
    bool gates = false;
    for (size_t at = 0; at < run->parameters;) {
        const mgd_rule *r = mgd_rules_of(run, at);
        const mgd_node_group *group = group_with(run->chip, at);
        bool by_nodes = mgd_rule_perturbs(r, MGD_PERTURB_NODES);
        size_t last = group ? group->parameters.first + group->parameters.count : at + 1;
        if (by_nodes && !group)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "train: perturb = \"nodes\": parameter %zu has no nodes of its own, as "
                            "those of dense and conv2d layers have that are not along a sequence: "
                            "expected its layer to stand still, or perturb = \"parameters\" for it",
                            at + 1);
        for (size_t i = at; i < last && group; i++)
            if (mgd_rules_of(run, i) != r)
                return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                                "train: layers: parameters %zu and %zu share nodes and have "
                                "different rules: expected one for the layer",
                                at + 1, i + 1);
        gates = gates || (by_nodes && group->gates);
        at = last;
    }
    if (run->train.gate && !gates)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: gate: no layer that is perturbed by its nodes has a gate: expected "
                        "relu, softplus, sigmoid, tanh or a max-pool behind one, or gate = false");
    return MGD_OK;
}

static mgd_status check_perturbed(mgd_context *ctx, const mgd_run *run) {
    bool learns = false, perturbed = false;
    for (size_t i = 0; i < run->rules.spans.count; i++) {
        const mgd_rule *r = &run->rules.rule[run->rules.spans.span[i].value];
        learns = learns || !r->still;
        perturbed = perturbed || mgd_rule_perturbs(r, r->perturb);
    }
    if (!learns)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: learn: all layers stand still: expected at least one that learns");
    if (!perturbed && !run->engine->gradients)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: layers: nothing is perturbed: expected an amplitude above 0 for at "
                        "least one layer that learns");
    return MGD_OK;
}

mgd_status mgd_rules_open(mgd_context *ctx, mgd_run *run) {
    const mgd_train *t = &run->train;
    mgd_rules *rules = &run->rules;
    if (!mgd_take(&rules->rule, t->num_rules + 1, sizeof(mgd_rule)) ||
        !mgd_take(&rules->spans.span, 2 * t->num_rules + 1, sizeof(mgd_span)) ||
        !mgd_take(&rules->uses, run->chip->num_groups + 1, sizeof(mgd_node_use)))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu rules", t->num_rules);
    cover(run);
    MGD_TRY(check_perturbed(ctx, run));
    if (!run->engine->nodes)
        return MGD_OK;
    MGD_TRY(check_nodes(ctx, run));
    use_groups(run);
    for (size_t i = 0, first = 0; i < rules->spans.count; i++) {
        const mgd_rule *r = &rules->rule[rules->spans.span[i].value];
        if (mgd_rule_perturbs(r, MGD_PERTURB_PARAMETERS))
            rules->singles += rules->spans.span[i].end - first;
        first = rules->spans.span[i].end;
    }
    return MGD_OK;
}

double mgd_rules_largest_eta(const mgd_run *run) {
    double most = 0;
    for (size_t i = 0; i < run->rules.spans.count; i++) {
        const mgd_rule *r = &run->rules.rule[run->rules.spans.span[i].value];
        most = fmax(most, r->still ? 0 : r->eta);
    }
    return most;
}

double mgd_rules_squares(const mgd_run *run) {
    const mgd_rules *rules = &run->rules;
    double sum = 0;
    for (size_t i = 0; i < run->chip->num_groups; i++)
        sum += rules->uses[i].factor * rules->uses[i].factor * (double)run->chip->groups[i].nodes;
    for (size_t i = 0, first = 0; i < rules->spans.count; first = rules->spans.span[i++].end) {
        const mgd_rule *r = &rules->rule[rules->spans.span[i].value];
        if (mgd_rule_perturbs(r, MGD_PERTURB_PARAMETERS))
            sum += r->amplitude * r->amplitude * (double)(rules->spans.span[i].end - first);
    }
    return sum;
}

void mgd_rules_close(mgd_run *run) {
    mgd_free(run->rules.rule);
    mgd_free(run->rules.spans.span);
    mgd_free(run->rules.uses);
    run->rules = (mgd_rules){0};
}

/* ---- what is kept ---------------------------------------------------------------------------- */

mgd_status mgd_run_keep(mgd_context *ctx, mgd_run *run) {
    void *row;
    if (run->kept || !run->session->keep)
        return MGD_OK;
    MGD_TRY(mgd_allocate(ctx, "parameters", run->parameters, run->real, &row));
    mgd_run_row_get(run, run->state.theta, 0, row);
    mgd_status status = run->session->keep(ctx, run->session, run->pool, row);
    mgd_free(row);
    run->kept = status == MGD_OK;
    return status;
}

const char *mgd_run_kept(const mgd_run *run, size_t *values, double *bytes) {
    *values = run->session->kept;
    *bytes = (double)run->session->kept * (double)run->order.samples * (double)run->real;
    if (*values == 0 && !run->session->not_kept)
        return "the chip evaluates all of it";
    return run->session->not_kept;
}
