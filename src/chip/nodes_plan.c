/* What is done at each op while nodes are perturbed. */

#include "nodes_plan.h"

/* ---- gates ----------------------------------------------------------------------------------- */

static bool reads(const mgd_op *op, size_t place) {
    for (size_t k = 0; k < op->vertex.num_sources; k++)
        if (op->x[k] == place)
            return true;
    return false;
}

/* The op that alone reads what this one gives; NULL: there is none. Places are not used twice in
 * these plans. */
static const mgd_op *only_reader(const mgd_plan *plan, const mgd_op *op) {
    const mgd_op *reader = NULL;
    for (size_t i = 0; i < plan->num_ops; i++)
        if (reads(&plan->ops[i], op->y)) {
            if (reader)
                return NULL;
            reader = &plan->ops[i];
        }
    return reader;
}

/* Activations and pools may be fused into ops, or stand by themselves. `marked`: nodes that kernels
 * mark in the ops before; returns how many there are now. */
static size_t find_gates(const mgd_plan *plan, size_t marked, mgd_node_op *out) {
    const mgd_op *op = out->op, *reader = only_reader(plan, op);
    mgd_layer_kind activation = op->activation;
    if (op->pool == MGD_LAYER_MAXPOOL2D ||
        (op->pool == MGD_LAYER_AVGPOOL2D && op->activation == MGD_LAYER_RELU)) {
        out->marks = marked;
        return marked + mgd_op_nodes(op);
    }
    if (op->pool != MGD_LAYER_IDENTITY) /* every pixel counts */
        return marked;
    if (activation == MGD_LAYER_IDENTITY && reader &&
        mgd_layer_is_activation(reader->vertex.kind)) {
        activation = reader->vertex.kind;
        out->says = reader;
        reader = only_reader(plan, reader);
    }
    out->bounded = mgd_layer_bounds(activation, &out->low, &out->high);
    out->pool = reader && reader->vertex.kind == MGD_LAYER_MAXPOOL2D ? reader : NULL;
    if (!out->bounded && out->pool && out->pool->activation == MGD_LAYER_RELU) /* of the winner */
        out->bounded = mgd_layer_bounds(MGD_LAYER_RELU, &out->low, &out->high);
    return marked;
}

/* The same of a vertex in the graph. */
static bool gates_of(const mgd_net *net, size_t vertex) {
    double low, high;
    for (size_t i = vertex + 1; i < net->num_vertices; i++) {
        const mgd_vertex *next = &net->vertices[i];
        bool follows = next->num_sources == 1 && next->source[0] == vertex + 1;
        if (follows &&
            (next->kind == MGD_LAYER_MAXPOOL2D || mgd_layer_bounds(next->kind, &low, &high)))
            return true;
    }
    return false;
}

/* ---- groups ---------------------------------------------------------------------------------- */

size_t mgd_nodes_groups(const mgd_net *net, mgd_node_group *out) {
    size_t count = 0;
    for (size_t i = 0; i < net->num_vertices; i++) {
        const mgd_vertex *vertex = &net->vertices[i];
        const mgd_op op = {.vertex = *vertex,
                           .activation = MGD_LAYER_IDENTITY,
                           .pool = MGD_LAYER_IDENTITY,
                           .out = vertex->out};
        size_t nodes = mgd_op_nodes(&op);
        if (nodes > 0)
            out[count++] =
                (mgd_node_group){{vertex->first, vertex->count}, nodes, gates_of(net, i)};
    }
    return count;
}

/* What is done with the nodes of an op, and where they begin in the pattern. */
static void find_use(mgd_node_op *at, const mgd_task_spec *task, size_t num_groups,
                     const mgd_node_group *groups) {
    size_t first = 0;
    for (size_t i = 0; i < num_groups && at->op->vertex.count > 0; i++) {
        if (groups[i].parameters.first == at->op->vertex.first) {
            at->use = task->nodes[i];
            at->first = first;
            return;
        }
        first += task->nodes[i].factor > 0 ? groups[i].nodes : 0;
    }
}

/* ---- what moves ------------------------------------------------------------------------------ */

/* Whether some rule perturbs parameters of the op by themselves. */
static bool moves_itself(const mgd_op *op, const mgd_train *train) {
    size_t first = op->vertex.first, last = first + op->vertex.count;
    for (size_t i = 0; i < train->num_rules; i++) {
        const mgd_rule *r = &train->rules[i];
        bool overlaps =
            r->parameters.first < last && first < r->parameters.first + r->parameters.count;
        if (overlaps && mgd_rule_perturbs(r, MGD_PERTURB_PARAMETERS))
            return true;
    }
    return false;
}

/* The op that gives what lies at a place; NULL: it is the input. */
static const mgd_node_op *giver(const mgd_node_op *ops, size_t count, size_t place) {
    for (size_t i = 0; i < count; i++)
        if (ops[i].op->y == place)
            return &ops[i];
    return NULL;
}

static bool has_moved(const mgd_node_op *ops, size_t count, size_t place) {
    const mgd_node_op *from = giver(ops, count, place);
    return from && from->course != MGD_OP_ONCE;
}

/* Of the op behind `count` others. */
static void choose_course(mgd_node_op *ops, size_t count, bool moves) {
    mgd_node_op *at = &ops[count];
    bool moved[2] = {false, false}, any = false;
    for (size_t k = 0; k < at->op->vertex.num_sources; k++) {
        moved[k] = has_moved(ops, count, at->op->x[k]);
        any = any || moved[k];
    }
    if (!any && !moves)
        at->course = at->use.factor > 0 ? MGD_OP_SPLIT : MGD_OP_ONCE;
    else
        at->course = MGD_OP_TWICE;
    for (size_t k = 0; k < at->op->vertex.num_sources; k++)
        at->copies[k] = at->course == MGD_OP_TWICE && !moved[k];
}

/* Whether what the op reads has to be averaged, by it as the first that asks. */
static bool settles(const mgd_node_op *ops, size_t count) {
    size_t place = ops[count].op->x[0];
    for (size_t i = 0; i < count; i++)
        if (ops[i].use.factor > 0 && ops[i].op->x[0] == place)
            return false;
    return has_moved(ops, count, place);
}

size_t mgd_nodes_plan(const mgd_plan *plan, const mgd_task_spec *task, size_t num_groups,
                      const mgd_node_group *groups, mgd_node_op *out) {
    size_t marked = 0;
    for (size_t i = 0; i < plan->num_ops; i++) {
        mgd_node_op *at = &out[i];
        *at = (mgd_node_op){.op = &plan->ops[i], .says = &plan->ops[i], .marks = SIZE_MAX};
        find_use(at, task, num_groups, groups);
        choose_course(out, i, moves_itself(at->op, task->train));
        if (at->use.factor == 0)
            continue;
        at->settles = settles(out, i);
        if (task->train->gate)
            marked = find_gates(plan, marked, at);
    }
    return marked;
}

size_t mgd_nodes_count(const mgd_task_spec *task, size_t num_groups, const mgd_node_group *groups) {
    size_t count = 0;
    for (size_t i = 0; i < num_groups; i++)
        count += task->nodes[i].factor > 0 ? groups[i].nodes : 0;
    return count;
}

mgd_range mgd_nodes_learning(const mgd_node_op *ops, size_t num_ops) {
    size_t first = SIZE_MAX, last = 0;
    for (size_t i = 0; i < num_ops; i++) {
        const mgd_vertex *vertex = &ops[i].op->vertex;
        if (ops[i].use.factor == 0)
            continue;
        first = vertex->first < first ? vertex->first : first;
        last = vertex->first + vertex->count > last ? vertex->first + vertex->count : last;
    }
    return last > 0 ? (mgd_range){first, last - first} : (mgd_range){0, 0};
}
