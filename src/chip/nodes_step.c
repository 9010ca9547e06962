/* A step of node perturbation. */

#include "nodes_step.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#define CACHE_BYTES 1048576 /* of what a chunk keeps, and … */
#define MAX_TILES 8         /* … the most tiles of lanes in one, … */
#define LEAST_CHUNKS 2      /* … and the fewest chunks of a batch that has so many tiles */
#define PARTS 16            /* of a batch, at most: what threads share */

/* ---- evaluations ----------------------------------------------------------------------------- */

mgd_node_evaluations mgd_nodes_evaluations(const mgd_request *r, const mgd_node_step *step) {
    mgd_node_evaluations e = {.step = step, .count = 2, .theta = {step->theta[0], step->theta[1]}};
    for (size_t p = 0; p < r->num_points; p++)
        if (r->points[p].sign > 0)
            e.point = &r->points[p];
    switch (step->baseline) {
    case MGD_BASELINE_MEASURED:
        e.theta[0] = step->theta[1];
        e.theta[1] = step->theta[0];
        e.amplitude[1] = step->amplitude;
        e.weight[0] = -1;
        e.weight[1] = 1;
        break;
    case MGD_BASELINE_TWO_SIDED:
        e.amplitude[0] = step->amplitude;
        e.amplitude[1] = -step->amplitude;
        e.weight[0] = 0.5;
        e.weight[1] = -0.5;
        break;
    case MGD_BASELINE_NONE:
        e.count = 1;
        e.amplitude[0] = step->amplitude;
        e.weight[0] = 1;
        break;
    }
    return e;
}

void mgd_nodes_signal(const mgd_node_evaluations *e, double *const cost[2], double weight,
                      mgd_dtype dtype, size_t used, size_t width, void *signal) {
    for (size_t lane = 0; lane < width; lane++) {
        double own = lane < used ? mgd_nodes_tilde(e, cost, lane) * e->step->scale * weight : 0;
        if (dtype == MGD_F32)
            ((float *)signal)[lane] = (float)own;
        else
            ((double *)signal)[lane] = own;
    }
}

/* Samples are added up in order. */
static double mean_cost(const double *cost, size_t batch) {
    double sum = cost[0];
    for (size_t b = 1; b < batch; b++)
        sum += cost[b];
    return sum / (double)batch;
}

void mgd_nodes_report(const mgd_node_evaluations *e, double *const cost[2], size_t batch,
                      const mgd_request *r) {
    for (size_t p = 0; p < r->num_points; p++) {
        double amplitude = r->points[p].sign * e->step->amplitude;
        r->cost[p] = mean_cost(cost[amplitude != e->amplitude[0]], batch);
    }
    double sum = 0;
    for (size_t b = 0; b < batch; b++)
        sum += fabs(mgd_nodes_tilde(e, cost, b));
    *e->step->magnitude = sum / (double)batch;
}

/* ---- chunks ---------------------------------------------------------------------------------- */

/* Tiles of a chunk: the more, the fewer sums across lanes, as long as they stay in the cache and
 * two threads have chunks to share. */
mgd_node_chunks mgd_nodes_chunks(const mgd_net *net, size_t arena, size_t batch) {
    size_t lanes = net->kernels->lanes, tiles = (batch + lanes - 1) / lanes;
    size_t fitting = CACHE_BYTES / (2 * arena * lanes * mgd_dtype_size(net->dtype));
    size_t most = fitting < MAX_TILES ? fitting : MAX_TILES;
    most = most < tiles / LEAST_CHUNKS ? most : tiles / LEAST_CHUNKS;
    most = most < 1 ? 1 : most;
    mgd_node_chunks chunks = {.batch = batch, .width = most * lanes};
    chunks.count = (batch + chunks.width - 1) / chunks.width;
    chunks.parts = chunks.count < PARTS ? chunks.count : PARTS;
    return chunks;
}

typedef struct {
    const mgd_node_chunks *chunks;
    mgd_node_chunk *measure;
    void *arg;
    size_t count;
    double *room;
    atomic_bool incomplete;
} job;

/* One part, its gradient into `gradient`. */
static void measure_part(job *j, size_t worker, size_t part, double *gradient) {
    const mgd_node_chunks *c = j->chunks;
    memset(gradient, 0, j->count * sizeof *gradient);
    for (size_t chunk = part * c->count / c->parts; chunk < (part + 1) * c->count / c->parts;
         chunk++)
        if (mgd_interrupt_pending() || !j->measure(j->arg, worker, chunk, gradient)) {
            atomic_store(&j->incomplete, true);
            return;
        }
}

static void part_task(void *arg, size_t part, size_t worker) {
    job *j = arg;
    measure_part(j, worker, part, j->room + part * j->count);
}

static void add(double *sum, const double *part, size_t count) {
    for (size_t i = 0; i < count; i++)
        sum[i] += part[i];
}

bool mgd_nodes_sum(const mgd_node_chunks *chunks, mgd_pool *pool, size_t worker,
                   mgd_node_chunk *measure, void *arg, size_t count, double *room, double *sum) {
    job j = {.chunks = chunks, .measure = measure, .arg = arg, .count = count, .room = room};
    if (pool)
        mgd_pool_run(pool, part_task, &j, chunks->parts);
    for (size_t part = 0; part < chunks->parts && !atomic_load(&j.incomplete); part++) {
        double *own = pool ? room + part * count : room;
        if (!pool)
            measure_part(&j, worker, part, own);
        if (part == 0)
            memcpy(sum, own, count * sizeof *own);
        else
            add(sum, own, count);
    }
    return !atomic_load(&j.incomplete);
}
