/* Where the nodes of a simulated chip are, and how they move in a pass: what is refused, the plan
 * of a session, ξ in the sums, and marks of units that pass on something.
 */

#include "simulated_nodes.h"

/* ---- within a pass --------------------------------------------------------------------------- */

static void fill(const simulated *s, void *lanes, double value) {
    for (size_t lane = 0; lane < s->width; lane++)
        simulated_real_set(s, lanes, lane, value);
}

void mgd_simulated_move_nodes(const simulated *s, worker *w, size_t i) {
    const struct node_moves *m = w->moved;
    const mgd_node_op *at = &s->nodes->ops[i];
    mgd_node_steps steps = m->steps;
    if (at->use.factor == 0 || m->amplitude == 0)
        return;
    steps.first = at->first;
    fill(s, m->factor, m->amplitude * at->use.factor);
    s->net->kernels->node_deltas(at->op, &steps, m->factor, m->delta, s->width);
    s->hw->add(mgd_net_place(s->net, w->arena, at->op->y, s->width), m->delta,
               mgd_op_nodes(at->op) * s->width);
}

void mgd_simulated_mark_open(const simulated *s, worker *w, size_t i) {
    const simulated_nodes *n = s->nodes;
    if (n->gate[i] == SIZE_MAX)
        return;
    const mgd_node_op *at = n->marks[i];
    s->net->kernels->mark_open(mgd_net_place(s->net, w->arena, at->says->y, s->width), at->low,
                               at->high, w->moved->open + n->gate[i] * s->width * s->real,
                               mgd_op_nodes(at->op) * s->width);
}

/* ---- the plan -------------------------------------------------------------------------------- */

static bool has_models(const mgd_chip_spec *spec, mgd_hw_place place) {
    for (size_t i = 0; i < spec->num_models; i++)
        if (spec->models[i].place == place && !mgd_hw_is_neutral(&spec->models[i]))
            return true;
    return false;
}

/* Whether some parameters are perturbed by themselves. */
static bool moves_parameters(const mgd_train *t) {
    for (size_t i = 0; i < t->num_rules; i++)
        if (mgd_rule_perturbs(&t->rules[i], MGD_PERTURB_PARAMETERS))
            return true;
    return false;
}

static mgd_status check(mgd_context *ctx, const simulated *s, const mgd_task_spec *task) {
    const mgd_chip_spec *spec = &s->chip->spec;
    if (has_models(spec, MGD_HW_AT_PERTURBATION) && !moves_parameters(task->train))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: perturb = \"nodes\": the chip's models of perturbation act on the "
                        "lines of θ̃, and no parameter is perturbed: expected a chip without them, "
                        "or a layer with perturb = \"parameters\"");
    if (s->substeps > 1)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: perturb = \"nodes\": the chip's clock has %zu substeps, and ξ and "
                        "what a neuron reads are held through a tick: expected substeps = 1",
                        s->substeps);
    return MGD_OK;
}

/* Which ops say of which nodes whether they pass on something; what each reads is averaged once. */
static void look_at_ops(simulated_nodes *n) {
    for (size_t i = 0; i < n->plan.num_ops; i++)
        n->gate[i] = SIZE_MAX;
    for (size_t i = 0; i < n->plan.num_ops; i++) {
        mgd_node_op *at = &n->ops[i];
        const size_t nodes = mgd_op_nodes(at->op);
        n->largest = nodes > n->largest ? nodes : n->largest;
        at->settles = true;
        for (size_t k = 0; k < i; k++)
            at->settles =
                at->settles && (n->ops[k].use.factor == 0 || n->ops[k].op->x[0] != at->op->x[0]);
        if (at->use.factor == 0 || !at->bounded)
            continue;
        n->gate[at->says - n->plan.ops] = n->gates;
        n->marks[at->says - n->plan.ops] = at;
        n->gates += nodes;
    }
}

mgd_status mgd_simulated_nodes_plan(mgd_context *ctx, simulated *s, const mgd_task_spec *task) {
    const mgd_chip *chip = &s->chip->chip;
    void *memory;
    MGD_TRY(check(ctx, s, task));
    MGD_TRY(mgd_allocate(ctx, "node perturbation", 1, sizeof(simulated_nodes), &memory));
    simulated_nodes *n = s->nodes = memory;
    MGD_TRY(mgd_plan_open(ctx, s->net, MGD_PLAN_BARE_NODES, &n->plan));
    if (!mgd_take(&n->ops, n->plan.num_ops, sizeof *n->ops) ||
        !mgd_take(&n->gate, n->plan.num_ops, sizeof *n->gate) ||
        !mgd_take(&n->marks, n->plan.num_ops, sizeof *n->marks))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: the plan of %zu layers",
                        n->plan.num_ops);
    mgd_nodes_plan(&n->plan, task, chip->num_groups, chip->groups, n->ops);
    look_at_ops(n);
    n->count = mgd_nodes_count(task, chip->num_groups, chip->groups);
    n->learning = mgd_nodes_learning(n->ops, n->plan.num_ops);
    n->shared = task->requesters < task->workers;
    s->plan = &n->plan;
    return MGD_OK;
}

void mgd_simulated_nodes_arrange(simulated *s, const mgd_task_spec *task) {
    simulated_nodes *n = s->nodes;
    const size_t lanes = s->net->kernels->lanes;
    n->chunks = mgd_nodes_chunks(s->net, n->plan.arena, task->batch);
    if (s->remembers) /* models of the user's get all samples at once */
        n->chunks = (mgd_node_chunks){.batch = task->batch,
                                      .width = (task->batch + lanes - 1) / lanes * lanes,
                                      .count = 1,
                                      .parts = 1};
    s->width = n->chunks.width;
    s->chunks = n->chunks.count;
}
