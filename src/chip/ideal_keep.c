/* Outputs of layers that stand still, kept for each training sample: they depend on nothing but the
 * sample. The rest of the network then begins with them.
 */

#include "ideal.h"

#include <string.h>

/* Vertices that stand still, from the first one on. */
static size_t count_still(const mgd_net *net, const mgd_task_spec *task) {
    size_t still = 0;
    while (still < net->num_vertices &&
           mgd_task_stands_still(task, net->vertices[still].first, net->vertices[still].count))
        still++;
    return still;
}

static bool has_parameters(const mgd_net *net) {
    for (size_t i = 0; i < net->num_vertices; i++)
        if (net->vertices[i].count > 0)
            return true;
    return false;
}

/* Why nothing is kept, or NULL and the cut. */
static const char *find_cut(const mgd_net *net, const mgd_task_spec *task, size_t *cut) {
    *cut = mgd_net_find_cut(net, count_still(net, task));
    if (task->train->num_rules == 0 || *cut == 0)
        return "no layers stand still below those that learn";
    if (task->train->keep == MGD_KEEP_NEVER)
        return "keep is off";
    if (task->replicas > 1)
        return "each replica has layers of its own";
    return NULL;
}

static mgd_status take_room(mgd_context *ctx, ideal_session *s, bool always) {
    size_t shape[2] = {s->given.samples, s->above->inputs};
    double bytes = (double)shape[0] * (double)shape[1] * (double)s->real;
    if (bytes <= mgd_memory_limit() / 4 || always) {
        mgd_status status = mgd_tensor_new(ctx, s->all->dtype, 2, shape, &s->samples.x);
        if (status != MGD_ERR_MEMORY || !always)
            return status;
        return mgd_fail(ctx, MGD_ERR_MEMORY,
                        "train: keep: %zu values of each of %zu samples take %.0f bytes, which "
                        "this machine does not have: expected keep = false, or fewer samples",
                        shape[1], shape[0], bytes);
    }
    s->session.not_kept = "their outputs would take more than a quarter of the machine's memory";
    return MGD_OK;
}

mgd_status mgd_ideal_keep_open(mgd_context *ctx, ideal_session *s, const mgd_task_spec *task) {
    size_t cut;
    s->session.not_kept = find_cut(s->all, task, &cut);
    if (s->session.not_kept)
        return MGD_OK;
    MGD_TRY(mgd_net_cut(ctx, s->all, cut, &s->below, &s->above));
    if (!has_parameters(s->below)) {
        s->session.not_kept = "no layers stand still below those that learn";
        return MGD_OK;
    }
    s->given = s->samples;
    s->samples.x = NULL;
    MGD_TRY(take_room(ctx, s, task->train->keep == MGD_KEEP_ALWAYS));
    if (!s->samples.x) {
        s->samples = s->given;
        s->given = (mgd_samples){0};
        return MGD_OK;
    }
    s->samples.features = s->above->inputs;
    s->session.kept = s->above->inputs;
    s->session.keep = mgd_ideal_keep;
    s->net = s->above;
    return MGD_OK;
}

void mgd_ideal_keep_close(ideal_session *s) {
    if (s->given.x) { /* whose y they share */
        mgd_tensor_free(s->samples.x);
        s->samples = s->given;
    }
    mgd_net_free(s->below);
    mgd_net_free(s->above);
}

mgd_status mgd_ideal_keep(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                          const void *theta) {
    const ideal_session *s = (const ideal_session *)session;
    return mgd_net_outputs_at(ctx, s->below, pool, theta, &s->given, mgd_tensor_data(s->samples.x));
}
