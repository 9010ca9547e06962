/* A network cut in two at a value that alone crosses the cut: what lies below it, and what lies
 * above, both with the whole network's θ. */

#include "net.h"

#include <string.h>

static mgd_extent flat(size_t features) {
    return (mgd_extent){.ndim = 1, .size = {features}, .features = features};
}

/* Of a value but the input. */
static size_t features_of(const mgd_net *net, size_t value) {
    const mgd_vertex *vertex = &net->vertices[value - 1];
    return vertex->out.features * vertex->steps;
}

/* Vertices first … last − 1; `first` is the value that they begin with, too. */
static mgd_status part(mgd_context *ctx, const mgd_net *net, size_t first, size_t last,
                       mgd_net **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "network", 1, sizeof(mgd_net), &memory));
    mgd_net *own = memory;
    own->dtype = net->dtype;
    own->kernels = net->kernels;
    own->num_parameters = net->num_parameters;
    own->input = first == 0 ? net->input : flat(features_of(net, first));
    own->inputs = own->input.features;
    own->output = last == net->num_vertices ? net->output : flat(features_of(net, last));
    own->outputs = own->output.features;
    mgd_status status = mgd_allocate(ctx, "network", last - first, sizeof(mgd_vertex), &memory);
    if (status == MGD_OK) {
        own->vertices = memory;
        own->num_vertices = last - first;
        memcpy(own->vertices, net->vertices + first, own->num_vertices * sizeof(mgd_vertex));
        for (size_t i = 0; i < own->num_vertices; i++)
            for (size_t k = 0; k < own->vertices[i].num_sources; k++)
                own->vertices[i].source[k] -= first;
        status = mgd_plan_open(ctx, own, MGD_PLAN_FORWARD, &own->plan);
    }
    if (status == MGD_OK)
        status = mgd_plan_open(ctx, own, MGD_PLAN_REFERENCE, &own->reference);
    if (status == MGD_OK)
        *out = own;
    else
        mgd_net_free(own);
    return status;
}

/* Whether vertices from `cut` on read nothing of those before but what the last of these gives. */
static bool can_cut(const mgd_net *net, size_t cut) {
    for (size_t i = cut; i < net->num_vertices; i++)
        for (size_t k = 0; k < net->vertices[i].num_sources; k++)
            if (net->vertices[i].source[k] < cut)
                return false;
    return true;
}

size_t mgd_net_find_cut(const mgd_net *net, size_t still) {
    size_t cut = still < net->num_vertices ? still : net->num_vertices - 1;
    while (cut > 0 && !can_cut(net, cut))
        cut--;
    return cut;
}

mgd_status mgd_net_cut(mgd_context *ctx, const mgd_net *net, size_t cut, mgd_net **below,
                       mgd_net **above) {
    mgd_net *lower;
    MGD_TRY(part(ctx, net, 0, cut, &lower));
    mgd_status status = part(ctx, net, cut, net->num_vertices, above);
    if (status == MGD_OK)
        *below = lower;
    else
        mgd_net_free(lower);
    return status;
}
