/* Measuring: what a request asks for, checked; the points that it stands for; costs or outputs at
 * them. */

#include "served.h"

#include <string.h>

#define MOST_BATCH (1u << 20)

/* ---- what is asked --------------------------------------------------------------------------- */

typedef enum { AT_THETA, OUTPUTS, GIVEN, CODE } asked;

typedef struct {
    const mgd_ask *ask;
    asked what;
    mgd_code_kind code; /* MGD_CODE_FUNCTION: none of the engine's */
    bool outputs;       /* are returned, and not costs */
    size_t each;        /* measurements of a step */
    size_t points;      /* in all */
    uint64_t replica;
} measurement;

static mgd_verdict find_code(mgd_context *ctx, const mgd_served *s, measurement *m) {
    const char *name = m->ask->code;
    m->code = MGD_CODE_FUNCTION;
    m->what = strcmp(name, "none") == 0      ? AT_THETA
              : strcmp(name, "outputs") == 0 ? OUTPUTS
              : strcmp(name, "given") == 0   ? GIVEN
                                             : CODE;
    if (m->what == GIVEN && !s->has_given)
        return mgd_verdict_fail(ctx, MGD_RANGE, "code given: no θ̃ has been given");
    if (m->what != CODE)
        return MGD_DONE;
    for (unsigned code = 0; s->spec.perturbs && mgd_code_name(code); code++)
        if (mgd_points_knows((mgd_code_kind)code) && strcmp(name, mgd_code_name(code)) == 0)
            m->code = (mgd_code_kind)code;
    if (m->code == MGD_CODE_FUNCTION)
        return mgd_verdict_fail(ctx, MGD_RANGE, "code %s is none of this chip's", name);
    return MGD_DONE;
}

static mgd_verdict check_samples(mgd_context *ctx, const mgd_served *s, const measurement *m) {
    const mgd_ask *ask = m->ask;
    for (size_t i = 0; i < ask->batches * ask->batch; i++) {
        uint32_t sample = ask->samples[i];
        if (sample >= s->data.count)
            return mgd_verdict_fail(ctx, MGD_RANGE, "sample %lu: there are %zu samples",
                                    (unsigned long)sample, s->data.count);
        if (!m->outputs && s->data.target && !s->data.target[sample])
            return mgd_verdict_fail(ctx, MGD_RANGE, "sample %lu has no target",
                                    (unsigned long)sample);
    }
    return MGD_DONE;
}

/* An answer is no longer than a message may be, in blocks. */
static mgd_verdict check_size(mgd_context *ctx, const mgd_served *s, measurement *m) {
    const mgd_ask *ask = m->ask;
    bool both = ask->signs == MGD_SIGNS_BASE || ask->signs == MGD_SIGNS_BOTH;
    m->each = both && m->what != OUTPUTS ? 2 : 1;
    uint64_t most = s->spec.message / sizeof(double) / m->each;
    if (m->outputs)
        most /= ask->batch * s->outputs;
    if (ask->steps > most)
        return mgd_verdict_fail(ctx, MGD_RANGE, "%llu steps: expected at most %llu at once",
                                (unsigned long long)ask->steps, (unsigned long long)most);
    m->points = (size_t)ask->steps * m->each;
    return MGD_DONE;
}

static mgd_verdict check(mgd_context *ctx, const mgd_served *s, measurement *m) {
    const mgd_ask *ask = m->ask;
    MGD_DO(find_code(ctx, s, m));
    m->outputs = m->what == OUTPUTS || !s->spec.costs;
    m->replica = ask->replica > 0 ? ask->replica : 1;
    if (ask->replica > MGD_MOST_REPLICA)
        return mgd_verdict_fail(ctx, MGD_RANGE, "replica is too large");
    if (ask->steps > MGD_MOST_STEP || ask->slot > MGD_MOST_STEP - ask->steps ||
        ask->step > MGD_MOST_STEP - ask->steps)
        return mgd_verdict_fail(ctx, MGD_RANGE, "slot, step and n must stay below 2^53");
    if (ask->batch > MOST_BATCH)
        return mgd_verdict_fail(ctx, MGD_RANGE, "a batch of %zu: expected at most %u", ask->batch,
                                MOST_BATCH);
    MGD_DO(check_size(ctx, s, m));
    return check_samples(ctx, s, m);
}

/* ---- points ---------------------------------------------------------------------------------- */

/* Lists the measurements in the order of time. */
static mgd_verdict list_points(mgd_context *ctx, mgd_served *s, const measurement *m,
                               mgd_point **out) {
    static const int signs[][2] = {
        [MGD_SIGNS_PLUS] = {1, 0}, [MGD_SIGNS_FIRST] = {1, 0}, [MGD_SIGNS_SECOND] = {1, 0},
        [MGD_SIGNS_BASE] = {0, 1}, [MGD_SIGNS_BOTH] = {1, -1}, [MGD_SIGNS_ZERO] = {0, 0}};
    const mgd_ask *ask = m->ask;
    bool second = ask->signs == MGD_SIGNS_SECOND, half = second || ask->signs == MGD_SIGNS_FIRST;
    s->points.count = 0;
    mgd_point *point = mgd_bytes_room(&s->points, m->points * sizeof *point);
    if (!point) {
        s->points.failed = false;
        return mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: %zu measurements", m->points);
    }
    *out = point;
    for (uint64_t k = 0; k < ask->steps; k++)
        for (size_t i = 0; i < m->each; i++)
            *point++ = (mgd_point){
                .step = ask->step + k,
                .slot = ask->slot + k,
                .sign = m->what == AT_THETA || m->what == OUTPUTS ? 0 : signs[ask->signs][i],
                .samples = ask->samples + (ask->batches > 1 ? k : 0) * ask->batch,
                .tick = (unsigned)i + second,
                .ticks = m->each > 1 || half ? 1 : 2,
                .amplitude = ask->amplitude,
                .moved = i == 0}; /* for all that is known here */
    return MGD_DONE;
}

/* θ + sign·θ̃, of the θ̃ that was given. */
static void add_given(const mgd_served *s, int sign, void *out) {
    const void *theta = s->theta, *given = s->given;
    for (size_t i = 0; i < s->spec.num_parameters; i++)
        if (s->real == sizeof(float))
            ((float *)out)[i] = ((const float *)theta)[i] + (float)sign * ((const float *)given)[i];
        else
            ((double *)out)[i] = ((const double *)theta)[i] + sign * ((const double *)given)[i];
}

/* θ of a point, by whichever θ̃ is asked for. */
static void theta_of(mgd_served *s, const measurement *m, mgd_points *points,
                     const mgd_point *point, void *out) {
    if (m->what == GIVEN)
        add_given(s, point->sign, out);
    else
        mgd_points_perturbed(points, m->ask->amplitude, point, out);
}

static mgd_verdict make_row(mgd_context *ctx, mgd_served *s) {
    s->row.count = 0;
    if (mgd_bytes_room(&s->row,
                       mgd_served_theta_bytes(s) + MGD_ALIGNMENT)) /* kernels store whole vectors */
        return MGD_DONE;
    s->row.failed = false;
    return mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: parameters");
}

/* θ̃ is no pattern of the engine's: each point has a θ of its own. */
static mgd_verdict measure_given(mgd_context *ctx, mgd_served *s, const measurement *m,
                                 mgd_served_session *k, const mgd_point *point, double *cost) {
    MGD_DO(make_row(ctx, s));
    mgd_verdict verdict = MGD_DONE;
    for (size_t p = 0; p < m->points && verdict == MGD_DONE; p++) {
        mgd_point still = point[p];
        still.sign = 0;
        theta_of(s, m, k->points, &point[p], s->row.data);
        mgd_points_place(k->points, s->row.data);
        verdict = mgd_verdict_of(mgd_points_measure(ctx, k->points, 1, 1, &still, &cost[p]));
    }
    mgd_points_place(k->points, s->theta);
    return verdict;
}

static mgd_verdict measure_costs(mgd_context *ctx, mgd_served *s, const measurement *m,
                                 mgd_served_session *k, const mgd_point *point) {
    double *cost = mgd_bytes_room(&s->values, m->points * sizeof *cost);
    if (!cost) {
        s->values.failed = false;
        return mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: %zu costs", m->points);
    }
    s->dtype = MGD_F64;
    s->count = m->points;
    if (m->what != AT_THETA || !s->spec.perturbs)
        s->present = k;
    if (m->what == GIVEN)
        return measure_given(ctx, s, m, k, point, cost);
    return mgd_verdict_of(
        mgd_points_measure(ctx, k->points, m->ask->amplitude, m->points, point, cost));
}

/* ---- outputs --------------------------------------------------------------------------------- */

/* The samples of one batch, (B, …). */
static mgd_status gather(mgd_context *ctx, const mgd_served *s, const uint32_t *samples,
                         size_t batch, mgd_tensor **out) {
    size_t shape[MGD_MAX_DIMS + 1] = {batch}, row = s->inputs * s->real;
    memcpy(shape + 1, s->spec.shape_x, s->spec.ndim_x * sizeof *shape);
    MGD_TRY(mgd_tensor_new(ctx, s->spec.chip->dtype, s->spec.ndim_x + 1, shape, out));
    const char *from = mgd_tensor_data(s->data.x);
    char *to = mgd_tensor_data(*out);
    for (size_t b = 0; b < batch; b++)
        memcpy(to + b * row, from + samples[b] * row, row);
    return MGD_OK;
}

/* The outputs of one measurement behind those that are there. */
static mgd_status predict(mgd_context *ctx, mgd_served *s, const measurement *m,
                          mgd_served_session *k, const mgd_point *point) {
    mgd_tensor *x = NULL, *y = NULL;
    mgd_status status = gather(ctx, s, point->samples, m->ask->batch, &x);
    if (status == MGD_OK)
        status = mgd_points_predict(ctx, k->points, point->step, s->row.data, x, &y);
    mgd_tensor_free(x);
    if (status != MGD_OK)
        return status;
    if (mgd_tensor_size(y) != m->ask->batch * s->outputs)
        status = mgd_fail(ctx, MGD_ERR_SHAPE, "the chip returned %zu outputs of a sample, not %zu",
                          mgd_tensor_size(y) / m->ask->batch, s->outputs);
    else
        mgd_bytes_put(&s->values, mgd_tensor_data(y), mgd_tensor_size(y) * s->real);
    mgd_tensor_free(y);
    return status;
}

static mgd_verdict measure_outputs(mgd_context *ctx, mgd_served *s, const measurement *m,
                                   mgd_served_session *k, const mgd_point *point) {
    MGD_DO(make_row(ctx, s));
    s->dtype = s->spec.chip->dtype;
    for (size_t p = 0; p < m->points; p++) {
        theta_of(s, m, k->points, &point[p], s->row.data);
        MGD_DO(mgd_verdict_of(predict(ctx, s, m, k, &point[p])));
        MGD_DO(mgd_verdict_of(mgd_interrupt_answer(ctx)));
    }
    if (s->values.failed) {
        s->values.failed = false;
        return mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: outputs");
    }
    s->count = s->values.count / s->real;
    return MGD_DONE;
}

/* ---- without sessions ------------------------------------------------------------------------ */

static mgd_verdict measure_alone(mgd_context *ctx, mgd_served *s, const measurement *m,
                                 const mgd_point *point) {
    size_t each = m->ask->batch * s->outputs;
    char *out = mgd_bytes_room(&s->values, m->points * each * s->real);
    if (!out) {
        s->values.failed = false;
        return mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: %zu measurements", m->points);
    }
    MGD_DO(make_row(ctx, s));
    s->dtype = s->spec.chip->dtype;
    for (size_t p = 0; p < m->points; p++) {
        mgd_measurement one = {.noiseless = m->what == OUTPUTS,
                               .seed = m->ask->seed,
                               .replica = m->ask->replica,
                               .step = point[p].step,
                               .tick = point[p].tick,
                               .count = m->ask->batch,
                               .samples = point[p].samples,
                               .theta = m->what == GIVEN ? s->row.data : s->theta,
                               .x = mgd_tensor_data(s->data.x)};
        if (m->what == GIVEN)
            add_given(s, point[p].sign, s->row.data);
        MGD_DO(mgd_verdict_of(s->spec.measure(s->spec.user, ctx, &one, out + p * each * s->real)));
        MGD_DO(mgd_verdict_of(mgd_interrupt_answer(ctx)));
    }
    s->count = m->points * each;
    return MGD_DONE;
}

mgd_verdict mgd_served_run(mgd_context *ctx, mgd_served *s, const mgd_ask *ask) {
    measurement m = {.ask = ask};
    mgd_point *points = NULL;
    mgd_served_session *k = NULL;
    MGD_DO(check(ctx, s, &m));
    MGD_DO(list_points(ctx, s, &m, &points));
    s->values.count = 0;
    s->count = 0;
    if (s->spec.measure)
        return measure_alone(ctx, s, &m, points);
    /* outputs are of no batch, and settled ones of no seed: they are the devices' alone */
    mgd_wanted want = {.code = m.code,
                       .any_seed = m.what == OUTPUTS,
                       .seed = ask->seed,
                       .replica = m.replica,
                       .batch = m.outputs ? 0 : ask->batch};
    MGD_DO(mgd_verdict_of(mgd_served_session_open(ctx, s, &want, &k)));
    return m.outputs ? measure_outputs(ctx, s, &m, k, points)
                     : measure_costs(ctx, s, &m, k, points);
}
