/* Node perturbation: the code runs over the M pre-activations instead of the P parameters, and
 * every sample of a batch has a perturbation and a cost of its own.
 *
 *   C̃_b = C_b(z + ξ_b) − C_b(z);  e_bj = C̃_b·ξ_bj/⟨ξ_j²⟩;
 *   G_ji = mean over batch and window of e_bj·x_bi,  x_i the input that the neuron j weighs by
 * θ_ji.
 *
 * The chip forms the products where the neurons are, and returns their sum over the batch. All
 * else, from G on, is as with parameters. Source: Oripov et al., APL Machine Learning (2025).
 *
 * Layers whose rule says so are perturbed by their parameters at the same time. A batch shares θ̃,
 * so these hear the batch's C̃; their pattern stands behind that of the nodes, in the slot of the
 * first sample.
 */

#include "engines.h"

#include <math.h>
#include <string.h>

typedef struct {
    const mgd_unit_source *unit; /* whose parameters this step is about */
    double *gradient;            /* (P) a step's share of G, … */
    double magnitude;            /* … and mean |C̃_b| of its samples */
    char *theta[2]; /* (P) θ ± θ̃ of layers that are perturbed by parameters; NULL: none are */
} scratch;

/* ---- patterns -------------------------------------------------------------------------------- */

/* The words of each lane's slot side by side. */
static void sign_steps(const mgd_unit_source *u, mgd_worker *w, uint64_t slot, size_t used,
                       size_t width, uint32_t *out) {
    const mgd_run *run = u->run;
    for (size_t lane = 0; lane < width; lane++) {
        mgd_pattern own = mgd_code_signs(&run->code, &w->patterns.code, run->kernels->random,
                                         u->replica, slot + (lane < used ? lane : used - 1), 1);
        for (size_t node = 0; node < run->rules.nodes; node += 32)
            out[node / 32 * width + lane] = mgd_code_bits(own.words, own.bit + node);
    }
}

/* The rows of each lane's slot, a part at a time. */
static void value_steps(const mgd_unit_source *u, mgd_worker *w, uint64_t slot, size_t used,
                        size_t width, mgd_use use, char *out) {
    const mgd_run *run = u->run;
    const mgd_pattern signs = {.kind = MGD_PATTERN_SIGNS};
    for (size_t lane = 0; lane < width; lane++)
        for (size_t first = 0, n; first < run->rules.nodes; first += n) {
            n = run->rules.nodes - first < MGD_PATTERN_ROW ? run->rules.nodes - first
                                                           : MGD_PATTERN_ROW;
            run->kernels->code->row(&run->code, &signs, use, *u->replica,
                                    slot + (lane < used ? lane : used - 1), first, n,
                                    w->patterns.values);
            for (size_t i = 0; i < n; i++)
                memcpy(out + ((first + i) * width + lane) * run->real,
                       w->patterns.values + i * run->real, run->real);
        }
}

static bool steps_of(const void *self, size_t worker, const mgd_point *point, size_t first,
                     size_t used, size_t width, bool demodulate, void *out) {
    const scratch *own = self;
    const mgd_unit_source *u = own->unit;
    mgd_worker *w = &u->run->workers[worker];
    uint64_t slot = point->slot * u->run->code.stride + first; /* sample b takes the b-th */
    bool signs = mgd_code_is_signs(&u->run->code);
    if (signs)
        sign_steps(u, w, slot, used, width, out);
    else
        value_steps(u, w, slot, used, width, demodulate ? MGD_USE_DEMODULATE : MGD_USE_PERTURB,
                    out);
    return signs;
}

/* ---- parameters beside nodes ----------------------------------------------------------------- */

/* Some parameters in a row that are perturbed by themselves, and where their pattern begins. */
typedef struct {
    size_t first, count, at;
    const mgd_rule *rule;
} single;

/* The span with number *i or one behind it that is perturbed so; false: there is none. */
static bool next_single(const mgd_run *run, size_t *i, single *s) {
    const mgd_spans *spans = &run->rules.spans;
    s->at += s->count;
    for (; *i < spans->count; (*i)++) {
        const mgd_rule *r = &run->rules.rule[spans->span[*i].value];
        if (!mgd_rule_perturbs(r, MGD_PERTURB_PARAMETERS))
            continue;
        s->rule = r;
        s->first = *i > 0 ? spans->span[*i - 1].end : 0;
        s->count = spans->span[(*i)++].end - s->first;
        return true;
    }
    return false;
}

/* What is done with a part of them, n from `first` on, and their pattern s. */
typedef void part_function(const mgd_run *run, scratch *own, const single *part, const void *s,
                           double factor);

static void for_singles(const mgd_unit_source *u, mgd_worker *w, uint64_t slot, double factor,
                        part_function *act) {
    scratch *own = w->own;
    single all = {.at = u->run->rules.nodes};
    for (size_t i = 0; next_single(u->run, &i, &all);)
        for (size_t k = 0, n; k < all.count; k += n) {
            n = all.count - k < MGD_PATTERN_ROW ? all.count - k : MGD_PATTERN_ROW;
            const single part = {all.first + k, n, all.at + k, all.rule};
            const mgd_pattern s = mgd_unit_pattern(u, w, MGD_USE_PERTURB, slot, part.at, n);
            act(u->run, own, &part, s.values, factor);
        }
}

static void perturb_part(const mgd_run *run, scratch *own, const single *part, const void *s,
                         double amplitude) {
    size_t at = part->first * run->real;
    for (int side = 0; side < 2; side++) {
        double sign = side == 0 ? 1 : run->train.baseline == MGD_BASELINE_TWO_SIDED ? -1 : 0;
        run->kernels->perturb_row(own->theta[side] + at, s,
                                  sign * amplitude * part->rule->amplitude, part->count,
                                  own->theta[side] + at);
    }
}

/* The step's share of G, once its C̃ is known: signal·s. */
static void demodulate_part(const mgd_run *run, scratch *own, const single *part, const void *s,
                            double signal) {
    double f = part->rule->amplitude;
    signal *= run->train.convention == MGD_CONVENTION_PUBLISHED ? f : 1 / f;
    for (size_t i = 0; i < part->count; i++)
        own->gradient[part->first + i] = signal * mgd_run_real(run, s, i);
}

/* ---- a step ---------------------------------------------------------------------------------- */

static mgd_status check(mgd_context *ctx, const mgd_train *t, const mgd_chip *chip) {
    if (chip->num_groups == 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: perturb = \"nodes\" needs a chip whose neurons can be perturbed: "
                        "%s; expected perturb = \"parameters\"",
                        chip->no_nodes);
    if (t->amplitudes || t->amplitude_spread > 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: perturb = \"nodes\" needs even amplitudes within a layer: expected "
                        "no amplitudes and amplitude_spread, but layers with an amplitude of their "
                        "own");
    if (t->engine != MGD_ENGINE_DISCRETE || t->integrator != MGD_INTEGRATOR_EULER ||
        t->settle > 0 || t->clamp > 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: perturb = \"nodes\" goes with the discrete engine, without settle "
                        "and clamp");
    if (t->cost.kind == MGD_COST_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: perturb = \"nodes\" needs the cost of every sample, and a function "
                        "has one for the batch: expected mse, cross_entropy or l2");
    return MGD_OK;
}

static mgd_status measure(mgd_context *ctx, mgd_run *run, mgd_worker *w, mgd_request *request,
                          uint64_t first, size_t steps) {
    scratch *own = w->own;
    const double scale = mgd_step_scale(run, first);
    own->unit = request->source.self;
    request->num_points = mgd_step_points(run, w, request->unit, first, steps);
    const double amplitude = mgd_run_amplitude(run, request->points->slot);
    const void *theta[2] = {request->source.theta, request->source.theta};
    for (size_t side = 0; side < 2 && own->theta[0]; side++)
        theta[side] = memcpy(own->theta[side], request->source.theta, run->parameters * run->real);
    for_singles(own->unit, w, request->points->slot * run->code.stride, amplitude, perturb_part);
    const mgd_node_step step = {.baseline = run->train.baseline,
                                .amplitude = amplitude,
                                .theta = {theta[0], theta[1]},
                                .scale = scale / (double)run->train.batch,
                                .uneven = run->code.uneven,
                                .steps = steps_of,
                                .self = own,
                                .gradient = own->gradient,
                                .magnitude = &own->magnitude};
    MGD_TRY(run->session->measure_nodes(ctx, run->session, request, &step));
    if (!(own->magnitude * scale < MGD_HUGE_SIGNAL)) /* of one sample, if not of all */
        run->state.careful[request->unit] = 1;
    mgd_step_demodulate(run, w, request->unit, first, steps);
    for_singles(own->unit, w, request->points->slot * run->code.stride,
                run->state.c_tilde[request->unit] * scale, demodulate_part);
    return MGD_OK;
}

static void integrate(mgd_run *run, mgd_worker *w, size_t unit, uint64_t first, size_t steps,
                      bool write) {
    const scratch *own = w->own;
    void *g = run->state.gradient + unit * mgd_run_unit_bytes(run);
    (void)steps, (void)write;        /* one; never */
    if (run->state.alive[unit] == 0) /* its cost was not finite */
        return;
    if (mgd_timer_begins(&run->clock.windows, first))
        memset(g, 0, run->parameters * run->real);
    for (size_t i = 0; i < run->parameters && run->real == sizeof(float); i++)
        ((float *)g)[i] += (float)own->gradient[i];
    for (size_t i = 0; i < run->parameters && run->real == sizeof(double); i++)
        ((double *)g)[i] += own->gradient[i];
    /* what tells a signal from rounding is C̃ of a sample; the batch's may cancel */
    run->state.sum_tilde[unit] += own->magnitude - fabs(run->state.c_tilde[unit]);
}

/* ---- the engine ------------------------------------------------------------------------------ */

static mgd_status open_own(mgd_context *ctx, const mgd_run *run, void **out) {
    MGD_TRY(mgd_allocate(ctx, "node perturbation", 1, sizeof(scratch), out));
    scratch *own = *out;
    size_t moved = run->rules.singles > 0 ? run->parameters : 0;
    if (mgd_take(&own->gradient, run->parameters, sizeof(double)) &&
        (moved == 0 || (mgd_take(&own->theta[0], moved, run->real) &&
                        mgd_take(&own->theta[1], moved, run->real))))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: the gradient by %zu parameters",
                    run->parameters);
}

static void close_own(void *memory) {
    scratch *own = memory;
    if (!own)
        return;
    mgd_free(own->gradient);
    mgd_free(own->theta[0]);
    mgd_free(own->theta[1]);
    mgd_free(own);
}

const mgd_engine_type mgd_engine_nodes = {
    .windows = true,
    .by_step = true,
    .nodes = true,
    .check = check,
    .open = open_own,
    .close = close_own,
    .measure = measure,
    .integrate = integrate,
    .write = mgd_step_write,
};
