/* The plan of a network: its vertices as a flat list of kernel calls, activations and pools fused
 * into the call before them, and a place for every value in one arena.
 *
 * Invariant: a place is free when the last op that reads its value has run, and never before; the
 * input keeps its place throughout, so that several passes can share what was gathered.
 */

#include "layer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CACHE_BYTES 262144 /* of the arena: a part of the second-level cache */
#define MAX_TILES 8

/* ---- fusing ---------------------------------------------------------------------------------- */

/* The one vertex that takes value v and nothing else does; NULL when it has several readers or is
 * the output. */
static const mgd_vertex *only_reader(const mgd_net *net, size_t v) {
    const mgd_vertex *reader = NULL;
    if (v == net->num_vertices)
        return NULL;
    for (size_t i = v; i < net->num_vertices; i++)
        for (size_t k = 0; k < net->vertices[i].num_sources; k++)
            if (net->vertices[i].source[k] == v) {
                if (reader)
                    return NULL;
                reader = &net->vertices[i];
            }
    return reader;
}

/* Windows of 2×2 side by side over the image that a convolution gives. */
static bool pools_pairs(const mgd_op *op, const mgd_vertex *pool) {
    if (op->vertex.kind != MGD_LAYER_CONV2D || op->pool != MGD_LAYER_IDENTITY ||
        (pool->kind != MGD_LAYER_MAXPOOL2D && pool->kind != MGD_LAYER_AVGPOOL2D))
        return false;
    for (size_t side = 0; side < 2; side++)
        if (pool->kernel[side] != 2 || pool->stride[side] != 2 || pool->padding[side] != 0)
            return false;
    if (pool->steps != op->vertex.steps)
        return false;
    for (size_t i = 0; i < 3; i++) /* a reshape may stand between them */
        if (pool->in.size[i] != op->out.size[i])
            return false;
    return op->activation == MGD_LAYER_IDENTITY || op->activation == MGD_LAYER_RELU;
}

/* Whether `next` can join the op. relu and the largest of a window can be swapped. */
static bool joins(const mgd_op *op, const mgd_vertex *next, mgd_plan_kind kind) {
    if (kind == MGD_PLAN_BARE || kind == MGD_PLAN_BARE_NODES ||
        mgd_layer_is_recurrent(op->vertex.kind)) /* states must stay as they are */
        return false;
    if (mgd_layer_is_activation(next->kind)) {
        bool first =
            !mgd_layer_is_activation(op->vertex.kind) && op->activation == MGD_LAYER_IDENTITY;
        return first && (op->pool == MGD_LAYER_IDENTITY ||
                         (op->pool == MGD_LAYER_MAXPOOL2D && next->kind == MGD_LAYER_RELU));
    }
    return kind != MGD_PLAN_REFERENCE && pools_pairs(op, next);
}

/* The op that begins with vertex i, and those that join it are done; *last is the value it gives.
 */
static mgd_op fuse(const mgd_net *net, size_t i, mgd_plan_kind kind, bool *done, size_t *last) {
    mgd_op op = {.vertex = net->vertices[i],
                 .activation = MGD_LAYER_IDENTITY,
                 .pool = MGD_LAYER_IDENTITY,
                 .out = net->vertices[i].out,
                 .kept = kind == MGD_PLAN_REFERENCE || net->vertices[i].length < 2
                             ? net->vertices[i].length
                             : 2};
    *last = i + 1;
    const mgd_vertex *next;
    while ((next = only_reader(net, *last)) && joins(&op, next, kind)) {
        if (mgd_layer_is_activation(
                next->kind)) { /* of the same values, whatever their shape now is */
            op.activation = next->kind;
        } else {
            op.pool = next->kind;
            op.out = next->out;
        }
        done[next - net->vertices] = true;
        *last = (size_t)(next - net->vertices) + 1;
    }
    return op;
}

/* ---- placing --------------------------------------------------------------------------------- */

/* A value in the arena, or on its way there. */
typedef struct {
    size_t place, features; /* with what its op needs to work */
    size_t last;            /* index of the last op that reads it; SIZE_MAX: kept */
    bool placed;
} resident;

static size_t lowest_gap(const resident *values, size_t count, size_t features) {
    size_t place = 0;
    bool moved = true;
    while (moved) {
        moved = false;
        for (size_t v = 0; v < count; v++)
            if (values[v].placed && values[v].place < place + features &&
                place < values[v].place + values[v].features) {
                place = values[v].place + values[v].features;
                moved = true;
            }
    }
    return place;
}

/* Kernels that read and write element by element may write where they read, if that lies alike. */
static bool works_in_place(const mgd_op *op) {
    return mgd_layer_of(op->vertex.kind)->featurewise &&
           op->vertex.in.features == op->vertex.out.features;
}

static void place_op(mgd_plan *plan, size_t index, size_t given, resident *values, size_t count) {
    mgd_op *op = &plan->ops[index];
    for (size_t k = 0; k < op->vertex.num_sources; k++)
        op->x[k] = values[op->vertex.source[k]].place;
    resident *y = &values[given], *x = &values[op->vertex.source[0]];
    if (works_in_place(op) && x->last == index)
        y->place = x->place;
    else
        y->place = lowest_gap(values, count, y->features);
    y->placed = true;
    op->y = y->place;
    if (plan->arena < y->place + y->features)
        plan->arena = y->place + y->features;
    for (size_t v = 0; v < count; v++)
        if (values[v].placed && values[v].last == index)
            values[v].placed = false;
    y->placed = true;
}

/* ---- the plan -------------------------------------------------------------------------------- */

/* Features of what the op gives, and of states that lie behind it while it works. */
static size_t room_of(const mgd_op *op) {
    bool behind = mgd_layer_is_recurrent(op->vertex.kind) && !op->vertex.every;
    return mgd_op_features(op) + (behind ? (op->kept - 1) * mgd_vertex_states(&op->vertex) : 0);
}

/* given[i]: the value that op i gives. */
static void list_ops(const mgd_net *net, mgd_plan_kind kind, mgd_plan *plan, size_t *given,
                     bool *done) {
    for (size_t i = 0; i < net->num_vertices; i++)
        if (!done[i]) {
            plan->ops[plan->num_ops] = fuse(net, i, kind, done, &given[plan->num_ops]);
            plan->num_ops++;
        }
}

static void place_values(const mgd_net *net, mgd_plan_kind kind, mgd_plan *plan,
                         const size_t *given, resident *values) {
    size_t count = net->num_vertices + 1;
    for (size_t i = 0; i < plan->num_ops; i++) {
        values[given[i]].features = room_of(&plan->ops[i]);
        for (size_t k = 0; k < plan->ops[i].vertex.num_sources; k++)
            values[plan->ops[i].vertex.source[k]].last = i;
    }
    for (size_t v = 0; v < count; v++)
        if (kind == MGD_PLAN_REFERENCE || kind == MGD_PLAN_NODES || kind == MGD_PLAN_BARE_NODES ||
            v == 0 || v == net->num_vertices)
            values[v].last = SIZE_MAX;
    values[0].features = plan->arena = net->input.features;
    values[0].placed = true;
    for (size_t i = 0; i < plan->num_ops; i++) {
        place_op(plan, i, given[i], values, count);
        if (kind != MGD_PLAN_REFERENCE)
            values[given[i]].features = mgd_op_features(&plan->ops[i]);
    }
    plan->output = values[net->num_vertices].place;
}

mgd_status mgd_plan_open(mgd_context *ctx, const mgd_net *net, mgd_plan_kind kind, mgd_plan *out) {
    mgd_plan plan = {0};
    size_t vertices = net->num_vertices;
    size_t *given = NULL;
    bool *done = NULL;
    resident *values = NULL;
    mgd_status status = MGD_OK;
    if (mgd_take(&plan.ops, vertices, sizeof(mgd_op)) &&
        mgd_take(&given, vertices, sizeof *given) && mgd_take(&done, vertices, sizeof *done) &&
        mgd_take(&values, vertices + 1, sizeof *values)) {
        list_ops(net, kind, &plan, given, done);
        place_values(net, kind, &plan, given, values);
        *out = plan;
    } else {
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: the plan of %zu layers", vertices);
        mgd_plan_close(&plan);
    }
    mgd_free(given);
    mgd_free(done);
    mgd_free(values);
    return status;
}

void mgd_plan_close(mgd_plan *plan) {
    mgd_free(plan->ops);
    *plan = (mgd_plan){0};
}

size_t mgd_net_tiles(const mgd_net *net, size_t most) {
    size_t tile = net->plan.arena * net->kernels->lanes * mgd_dtype_size(net->dtype);
    size_t fitting = CACHE_BYTES / tile;
    size_t tiles = fitting < MAX_TILES ? fitting : MAX_TILES;
    tiles = tiles < most ? tiles : most;
    return tiles > 0 ? tiles : 1;
}

/* To the next step of the op. */
static void next_step(mgd_op *op) {
    op->x[0] += op->vertex.in.features;
    op->x[1] += op->vertex.other.features;
    op->y += op->out.features;
}

void mgd_op_forward(const mgd_net *net, const mgd_op *op, bool private, const void *theta,
                    void *arena, size_t width) {
    mgd_forward_kernel *kernel = net->kernels->layer[op->vertex.kind]->forward[private];
    kernel(op, theta, arena, width);
    if (op->vertex.steps == 1)
        return;
    mgd_op at = *op;
    for (size_t t = 1; t < op->vertex.steps; t++) {
        next_step(&at);
        kernel(&at, theta, arena, width);
    }
}

void mgd_op_backward(const mgd_net *net, const mgd_op *op, const void *theta, const void *arena,
                     void *deltas, double *gradient, size_t width) {
    mgd_op at = *op;
    for (size_t t = 0; t < op->vertex.steps; t++) {
        net->kernels->layer[op->vertex.kind]->backward(&at, theta, arena, deltas, gradient, width);
        next_step(&at);
    }
}

void mgd_plan_forward(const mgd_net *net, const mgd_plan *plan, const void *theta, void *arena,
                      size_t width) {
    size_t real = mgd_dtype_size(net->dtype);
    for (size_t i = 0; i < plan->num_ops; i++) {
        const mgd_op *op = &plan->ops[i];
        mgd_op_forward(net, op, false, (const char *)theta + op->vertex.first * real, arena, width);
    }
}

/* ---- looking at it --------------------------------------------------------------------------- */

/* Of one step, with what has joined: a number for each feature that it acts on. */
static double step_flop(const mgd_op *op) {
    const mgd_layer_type *type = mgd_layer_of(op->vertex.kind);
    double outputs = (double)op->out.features, pooled = op->pool == MGD_LAYER_IDENTITY ? 1 : 4;
    double flop = op->activation == MGD_LAYER_IDENTITY ? 0 : outputs * pooled;
    flop += op->pool == MGD_LAYER_IDENTITY ? 0 : outputs * pooled;
    return flop + (type->flop ? type->flop(op) : 0);
}

size_t mgd_op_nodes(const mgd_op *op) {
    const mgd_layer_type *type = mgd_layer_of(op->vertex.kind);
    if (op->vertex.steps > 1) /* one neuron would be perturbed at every step */
        return 0;
    return type->nodes ? type->nodes(op) : 0;
}

double mgd_op_flop(const mgd_op *op) {
    return step_flop(op) * (double)op->vertex.steps;
}

/* "conv2d 3×3 + relu + maxpool2d 2×2", "ssm, 28 steps" */
static void kernel_name(const mgd_op *op, char *buffer, size_t capacity) {
    const mgd_vertex *n = &op->vertex;
    const mgd_layer_type *type = mgd_layer_of(n->kind);
    char detail[32] = "", then[2][32] = {"", ""}, along[32] = "";
    size_t steps = type->recurrent ? n->length : n->steps;
    if (type->detail)
        type->detail(n, detail, sizeof detail);
    if (op->activation != MGD_LAYER_IDENTITY)
        snprintf(then[0], sizeof then[0], " + %s", mgd_layer_name(op->activation));
    if (op->pool != MGD_LAYER_IDENTITY)
        snprintf(then[1], sizeof then[1], " + %s 2×2", mgd_layer_name(op->pool));
    if (steps > 1)
        snprintf(along, sizeof along, ", %zu steps", steps);
    int length =
        snprintf(buffer, capacity, "%s%s%s%s%s", type->name, detail, then[0], then[1], along);
    assert(length > 0 && (size_t)length < capacity);
    (void)length;
}

size_t mgd_net_plan_size(const mgd_net *net) {
    return net->plan.num_ops;
}

size_t mgd_net_plan_arena(const mgd_net *net) {
    return net->plan.arena;
}

mgd_plan_entry mgd_net_plan_entry(const mgd_net *net, size_t i) {
    if (i >= net->plan.num_ops)
        return (mgd_plan_entry){.kernel = "none"};
    const mgd_op *op = &net->plan.ops[i];
    const mgd_layer_type *type = mgd_layer_of(op->vertex.kind);
    bool sequence = op->vertex.steps > 1; /* of steps, and not of a single one */
    mgd_plan_entry entry = {.ndim = op->out.ndim + sequence,
                            .first = op->vertex.first,
                            .parameters = op->vertex.count,
                            .flop = mgd_op_flop(op),
                            .activations = op->vertex.in.features + op->out.features,
                            .shape = {op->vertex.steps},
                            .offset = op->y};
    if (type->traffic)
        entry.activations = type->traffic(op);
    entry.activations *= op->vertex.steps;
    memcpy(entry.shape + sequence, op->out.size, op->out.ndim * sizeof *entry.shape);
    kernel_name(op, entry.kernel, sizeof entry.kernel);
    return entry;
}

/* The i-th op that has parameters; NULL beyond the last. */
static const mgd_op *part_at(const mgd_net *net, size_t i) {
    for (size_t k = 0; k < net->plan.num_ops; k++)
        if (net->plan.ops[k].vertex.count > 0 && i-- == 0)
            return &net->plan.ops[k];
    return NULL;
}

size_t mgd_net_num_parts(const mgd_net *net) {
    size_t count = 0;
    while (part_at(net, count))
        count++;
    return count;
}

mgd_part_entry mgd_net_part(const mgd_net *net, size_t i) {
    const mgd_op *op = part_at(net, i);
    if (!op)
        return (mgd_part_entry){.kind = MGD_LAYER_IDENTITY};
    size_t nodes = mgd_op_nodes(op);
    return (mgd_part_entry){.kind = op->vertex.kind,
                            .layer = op->vertex.layer,
                            .first = op->vertex.first,
                            .parameters = op->vertex.count,
                            .nodes = nodes,
                            .dead = nodes > 0 ? op->vertex.whole - nodes : 0};
}

size_t mgd_net_matrices(const mgd_net *net, mgd_matrix *out) {
    size_t count = 0;
    for (size_t i = 0; i < net->num_vertices; i++) {
        const mgd_vertex *vertex = &net->vertices[i];
        const mgd_layer_type *type = mgd_layer_of(vertex->kind);
        mgd_matrix own[MGD_LAYER_MATRICES];
        size_t n = type->matrices ? type->matrices(vertex, own) : 0;
        for (size_t k = 0; k < n && out; k++) {
            out[count + k] = own[k];
            out[count + k].first += vertex->first;
        }
        count += n;
    }
    return count;
}

/* ---- timing it ------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Small values everywhere: subnormal and special ones would take other times. */
static void fill_small(mgd_dtype dtype, void *values, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double value = (double)(i * 2654435761u % 1024) / 8192 - 0.0625;
        if (dtype == MGD_F32)
            ((float *)values)[i] = (float)value;
        else
            ((double *)values)[i] = value;
    }
}

mgd_status mgd_net_plan_time(mgd_context *ctx, const mgd_net *net, size_t tiles,
                             bool private_parameters, size_t rounds, double *seconds,
                             size_t *lanes) {
    MGD_OPERATION;
    const mgd_plan *plan = &net->plan;
    size_t width = tiles * net->kernels->lanes, real = mgd_dtype_size(net->dtype);
    size_t each = private_parameters ? width : 1;
    char *arena = NULL, *theta = NULL;
    double *times = NULL;
    mgd_status status = MGD_OK;
    if (tiles < 1 || rounds < 1 || tiles > UINT32_MAX || rounds > UINT32_MAX)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "plan: tiles and rounds must be at least 1, and less than 2^32");
    if (!mgd_take(&arena, plan->arena, width * real) ||
        !mgd_take(&theta, net->num_parameters, each * real) ||
        !mgd_take(&times, plan->num_ops, rounds * sizeof(double)))
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu lanes of %zu features", width,
                          plan->arena);
    if (status == MGD_OK) {
        fill_small(net->dtype, arena, plan->arena * width);
        fill_small(net->dtype, theta, net->num_parameters * each);
        for (size_t round = 0; round < rounds; round++)
            for (size_t i = 0; i < plan->num_ops; i++) {
                const mgd_op *op = &plan->ops[i];
                double begin = mgd_clock();
                mgd_op_forward(net, op, private_parameters, theta + op->vertex.first * each * real,
                               arena, width);
                times[i * rounds + round] = mgd_clock() - begin;
            }
        for (size_t i = 0; i < plan->num_ops; i++) {
            qsort(times + i * rounds, rounds, sizeof(double), compare);
            seconds[i] = times[i * rounds + rounds / 2];
        }
        *lanes = width;
    }
    mgd_free(arena);
    mgd_free(theta);
    mgd_free(times);
    return status;
}
