/* A learning circuit in Verilog as a chip that integrates: the chip, and its session, which teaches
 * it step by step. What is measured but not taught is the network's: an ideal session's. */

#include "../circuit/circuit.h"
#include "description.h"
#include "rtl_state.h"

#include <math.h>
#include <string.h>

#define BLOCK_STEPS 4 /* asked for together, for which Ctrl-C waits */
#define SPARE 16      /* orders of a message besides those that write the weights */
#define ID 0x4D474431 /* "MGD1" */

typedef struct {
    mgd_session session;
    mgd_rtl *rtl;
    mgd_session *ideal;
    size_t batch;
    bool shows;          /* rtl->words are what the circuit shows for the plus of its next step */
    void *theta;         /* (P) that is evaluated */
    mgd_request request; /* of one point, … */
    mgd_point point;
    double cost; /* … and its answer */
} rtl_session;

/* ---- weights --------------------------------------------------------------------------------- */

static int32_t weight_of(const mgd_rtl *rtl, double theta) {
    return (int32_t)mgd_circuit_weight(theta, rtl->spec.lsb, rtl->about.weight_bits);
}

/* θ of words that the circuit shows. */
static void theta_of(const mgd_rtl *rtl, const int32_t *words, void *theta) {
    for (size_t i = 0; i < rtl->about.synapses; i++)
        mgd_real_set(rtl->chip.dtype, theta, i, words[i] * rtl->spec.lsb);
}

static void quantise(const mgd_rtl *rtl, void *theta) {
    for (size_t i = 0; i < rtl->about.synapses; i++)
        mgd_real_set(rtl->chip.dtype, theta, i,
                     weight_of(rtl, mgd_real_at(rtl->chip.dtype, theta, i)) * rtl->spec.lsb);
}

/* What the circuit is sent for a cost. */
static uint32_t code_of(const mgd_rtl *rtl, double cost) {
    return (uint32_t)mgd_circuit_code(cost, rtl->spec.cost_range, rtl->about.cost_bits);
}

/* ---- a lesson -------------------------------------------------------------------------------- */

static void show(mgd_rtl *rtl, uint32_t phase) {
    mgd_rtl_write(rtl, MGD_RTL_PHASE, phase);
    mgd_rtl_read(rtl, MGD_RTL_WEIGHTS, rtl->about.synapses);
}

/* The circuit begins anew, with these weights; it has to show that it holds them. */
static mgd_status write_weights(mgd_context *ctx, rtl_session *s, const void *theta) {
    mgd_rtl *rtl = s->rtl;
    mgd_dtype dtype = rtl->chip.dtype;
    if (rtl->lost)
        MGD_TRY(mgd_rtl_reopen(ctx, rtl));
    for (size_t i = 0; i < rtl->about.synapses; i++)
        if (isnan(mgd_real_at(dtype, theta, i)))
            return mgd_fail(ctx, MGD_ERR_NONFINITE, "%s: parameter %zu is nan", rtl->name, i + 1);
    mgd_rtl_reset(rtl);
    mgd_rtl_wait(rtl);
    mgd_rtl_write(rtl, MGD_RTL_PHASE, 0);
    for (size_t i = 0; i < rtl->about.synapses; i++)
        mgd_rtl_write(rtl, (uint16_t)(MGD_RTL_WEIGHTS + i),
                      (uint32_t)weight_of(rtl, mgd_real_at(dtype, theta, i)));
    show(rtl, 0);
    MGD_TRY(mgd_rtl_exchange(ctx, rtl));
    for (size_t i = 0; i < rtl->about.synapses; i++) {
        int32_t weight = weight_of(rtl, mgd_real_at(dtype, theta, i));
        if (rtl->words[i] != weight)
            return mgd_fail(ctx, MGD_ERR_FORMAT,
                            "%s: register 0x%04X was written %d and shows %d: expected the same",
                            rtl->name, (unsigned)(MGD_RTL_WEIGHTS + i), weight, rtl->words[i]);
    }
    rtl->user = s;
    s->shows = false;
    return MGD_OK;
}

/* The mean cost of the batch, of what the circuit shows. */
static mgd_status evaluate_shown(mgd_context *ctx, rtl_session *s, double *cost) {
    mgd_status status;
    theta_of(s->rtl, s->rtl->words, s->theta);
    do
        status = s->ideal->measure(ctx, s->ideal, &s->request);
    while (status != MGD_OK && mgd_rtl_hold(s->rtl, status));
    *cost = s->cost;
    return status;
}

/* One step, at whose end the circuit shows the plus of the next one. A cost that is not finite is
 * not sent. */
static mgd_status step(mgd_context *ctx, rtl_session *s, double cost[2]) {
    mgd_rtl *rtl = s->rtl;
    MGD_TRY(evaluate_shown(ctx, s, &cost[0]));
    if (!isfinite(cost[0]))
        return MGD_OK;
    mgd_rtl_write(rtl, MGD_RTL_COST, code_of(rtl, cost[0]));
    show(rtl, 2);
    MGD_TRY(mgd_rtl_exchange(ctx, rtl));
    MGD_TRY(evaluate_shown(ctx, s, &cost[1]));
    if (!isfinite(cost[1]))
        return MGD_OK;
    mgd_rtl_write(rtl, MGD_RTL_COST, code_of(rtl, cost[1]));
    mgd_rtl_write(rtl, MGD_RTL_STEP, 1);
    mgd_rtl_wait(rtl);
    show(rtl, 1);
    return mgd_rtl_exchange(ctx, rtl);
}

static mgd_status take_steps(mgd_context *ctx, rtl_session *s, mgd_lesson *lesson) {
    mgd_rtl *rtl = s->rtl;
    if (rtl->user != s)
        MGD_TRY(write_weights(ctx, s, lesson->theta));
    if (!s->shows) {
        show(rtl, 1);
        MGD_TRY(mgd_rtl_exchange(ctx, rtl));
        s->shows = true;
    }
    s->request.replica = &lesson->replica;
    for (size_t k = 0; k < lesson->steps; k++) {
        double cost[2] = {0, 0};
        s->point = (mgd_point){.step = lesson->step + k,
                               .slot = lesson->step + k,
                               .samples = lesson->samples + k * s->batch,
                               .ticks = 2,
                               .moved = true};
        MGD_TRY(step(ctx, s, cost));
        lesson->c_tilde = (cost[0] - cost[1]) / 2;
        lesson->cost = isfinite(cost[1]) ? cost[0] : cost[1];
        if (!isfinite(lesson->cost))
            break;
    }
    lesson->evaluations = 2.0 * (double)s->batch * (double)lesson->steps;
    return MGD_OK;
}

static mgd_status teach(mgd_context *ctx, mgd_session *session, mgd_lesson *lesson) {
    rtl_session *s = (rtl_session *)session;
    mgd_status status = take_steps(ctx, s, lesson);
    if (status != MGD_OK)
        s->rtl->user = NULL; /* it may be in the middle of a step */
    mgd_rtl_let_go(s->rtl);
    return status;
}

/* Of a circuit that has not been taught, or by another run since, θ is what the run knows. */
static mgd_status read_theta(mgd_context *ctx, mgd_session *session, size_t unit, void *theta) {
    rtl_session *s = (rtl_session *)session;
    mgd_rtl *rtl = s->rtl;
    (void)unit;
    if (rtl->user != s)
        return MGD_OK;
    show(rtl, 0);
    s->shows = false;
    mgd_status status = mgd_rtl_exchange(ctx, rtl);
    mgd_rtl_let_go(rtl);
    if (status == MGD_OK)
        theta_of(rtl, rtl->words, theta);
    return status;
}

static void hold(const mgd_session *session, void *theta) {
    quantise(((const rtl_session *)session)->rtl, theta);
}

static void begin(mgd_session *session, uint64_t step) {
    rtl_session *s = (rtl_session *)session;
    (void)step;
    if (s->rtl->user == s)
        s->rtl->user = NULL;
}

/* ---- what the network says ------------------------------------------------------------------- */

static mgd_status evaluate(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_tensor *x, const mgd_tensor *y,
                           double *cost, double *accuracy) {
    mgd_session *ideal = ((rtl_session *)session)->ideal;
    return ideal->evaluate(ctx, ideal, pool, view, x, y, cost, accuracy);
}

static mgd_status predict(mgd_context *ctx, mgd_session *session, const mgd_view *view,
                          const mgd_tensor *x, uint64_t draw, mgd_tensor **y) {
    mgd_session *ideal = ((rtl_session *)session)->ideal;
    return ideal->predict(ctx, ideal, view, x, draw, y);
}

static mgd_status gradient(mgd_context *ctx, mgd_session *session, mgd_pool *pool,
                           const mgd_view *view, const mgd_weighted *samples, double *out,
                           double *cost) {
    mgd_session *ideal = ((rtl_session *)session)->ideal;
    return ideal->gradient(ctx, ideal, pool, view, samples, out, cost);
}

static mgd_status saturated(mgd_context *ctx, mgd_session *session, size_t unit, uint64_t step_,
                            const void *theta, const mgd_tensor *x, const mgd_tensor *y,
                            double *share, size_t *units) {
    mgd_session *ideal = ((rtl_session *)session)->ideal;
    return ideal->saturated(ctx, ideal, unit, step_, theta, x, y, share, units);
}

/* ---- sessions -------------------------------------------------------------------------------- */

/* What the ideal session evaluates is s->theta, in each of its lanes. */
static void points(const void *self, size_t worker, const mgd_point *list, size_t used,
                   size_t width, size_t first, size_t count, void *out) {
    const rtl_session *s = self;
    size_t real = mgd_dtype_size(s->rtl->chip.dtype);
    (void)worker, (void)list, (void)used;
    for (size_t i = 0; i < count; i++)
        for (size_t lane = 0; lane < width; lane++)
            memcpy((char *)out + (i * width + lane) * real, (char *)s->theta + (first + i) * real,
                   real);
}

static void close_session(mgd_session *session) {
    rtl_session *s = (rtl_session *)session;
    if (s->ideal)
        s->ideal->close(s->ideal);
    begin(session, 0);
    mgd_free(s->theta);
    mgd_free(s);
}

static mgd_status check_task(mgd_context *ctx, const mgd_task_spec *task) {
    if (task->replicas > 1)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "replicas: this is one chip, with a state of its own: expected 1, got %zu",
                        task->replicas);
    if (task->signals > 1)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "signals: the chip takes one cost, not that of its outputs: expected none");
    return MGD_OK;
}

static mgd_status open_ideal(mgd_context *ctx, rtl_session *s, const mgd_task_spec *task) {
    mgd_task_spec own = *task;
    own.max_points = 1;
    s->request = (mgd_request){.num_points = 1,
                               .points = &s->point,
                               .source = {.self = s, .theta = s->theta, .points = points},
                               .cost = &s->cost};
    return s->rtl->ideal->open(ctx, s->rtl->ideal, &own, &s->ideal);
}

static mgd_status open_session(mgd_context *ctx, mgd_chip *chip, const mgd_task_spec *task,
                               mgd_session **out) {
    void *memory;
    MGD_TRY(check_task(ctx, task));
    MGD_TRY(mgd_allocate(ctx, "chip session", 1, sizeof(rtl_session), &memory));
    rtl_session *s = memory;
    s->session = (mgd_session){.evaluate = evaluate,
                               .predict = predict,
                               .gradient = gradient,
                               .teach = teach,
                               .read = read_theta,
                               .begin = begin,
                               .hold = hold,
                               .close = close_session};
    s->rtl = (mgd_rtl *)chip;
    s->batch = task->batch;
    mgd_status status = mgd_allocate(ctx, "parameters", chip->num_parameters,
                                     mgd_dtype_size(chip->dtype), &s->theta);
    if (status == MGD_OK)
        status = open_ideal(ctx, s, task);
    if (status != MGD_OK) {
        close_session(&s->session);
        return status;
    }
    s->session.saturated = s->ideal->saturated ? saturated : NULL;
    *out = &s->session;
    return MGD_OK;
}

/* ---- the chip -------------------------------------------------------------------------------- */

static void theta(const mgd_chip *chip, void *out) {
    const mgd_rtl *rtl = (const mgd_rtl *)chip;
    rtl->ideal->theta(rtl->ideal, out);
    quantise(rtl, out);
}

static mgd_status draw(mgd_context *ctx, const mgd_chip *chip, const mgd_init *init, void *out) {
    const mgd_rtl *rtl = (const mgd_rtl *)chip;
    MGD_TRY(rtl->ideal->draw(ctx, rtl->ideal, init, out));
    quantise(rtl, out);
    return MGD_OK;
}

static void free_chip(mgd_chip *chip) {
    mgd_rtl *rtl = (mgd_rtl *)chip;
    mgd_wire_close(rtl->wire);
    mgd_chip_free(rtl->ideal);
    mgd_free(rtl->message);
    mgd_free(rtl->words);
    mgd_free(rtl->name);
    mgd_free(rtl);
}

static mgd_status check_fixed(mgd_context *ctx, const mgd_rtl *rtl, const uint32_t *fixed) {
    static const struct {
        int address;
        const char *name;
        uint32_t least, most;
    } rows[] = {{MGD_RTL_WEIGHT_BITS, "WEIGHT_BITS", 2, 31},
                {MGD_RTL_COST_BITS, "COST_BITS", 1, 32},
                {MGD_RTL_AMPLITUDE, "AMPLITUDE", 1, INT32_MAX}};
    if (fixed[MGD_RTL_ID] != ID)
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "%s: register 0x0000 (ID) reads 0x%08X: expected 0x%08X, the identity of a "
                        "learning circuit",
                        rtl->name, fixed[MGD_RTL_ID], ID);
    if (fixed[MGD_RTL_SYNAPSES] != rtl->chip.num_parameters)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "%s: it has %u synapses (register 0x%04X): expected %zu, the parameters of "
                        "the network",
                        rtl->name, fixed[MGD_RTL_SYNAPSES], MGD_RTL_SYNAPSES,
                        rtl->chip.num_parameters);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (fixed[rows[i].address] < rows[i].least || fixed[rows[i].address] > rows[i].most)
            return mgd_fail(ctx, MGD_ERR_FORMAT,
                            "%s: register 0x%04X (%s) reads %u: expected from %u to %u", rtl->name,
                            rows[i].address, rows[i].name, fixed[rows[i].address], rows[i].least,
                            rows[i].most);
    /* what is shown has one bit more */
    const unsigned exact = mgd_circuit_exact_bits(rtl->chip.dtype) - 1;
    if (fixed[MGD_RTL_WEIGHT_BITS] > exact)
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "%s: register 0x%04X (WEIGHT_BITS) reads %u, and a network of %s holds no "
                        "more than %u: expected a network of dtype f64",
                        rtl->name, MGD_RTL_WEIGHT_BITS, fixed[MGD_RTL_WEIGHT_BITS],
                        mgd_dtype_name(rtl->chip.dtype), exact);
    return MGD_OK;
}

static mgd_status read_fixed(mgd_context *ctx, mgd_rtl *rtl) {
    uint32_t fixed[MGD_RTL_FIXED];
    mgd_rtl_reset(rtl);
    mgd_rtl_wait(rtl);
    mgd_rtl_read(rtl, MGD_RTL_ID, MGD_RTL_FIXED);
    MGD_TRY(mgd_rtl_exchange(ctx, rtl));
    memcpy(fixed, rtl->words, sizeof fixed);
    MGD_TRY(check_fixed(ctx, rtl, fixed));
    rtl->about = (mgd_rtl_about){.synapses = fixed[MGD_RTL_SYNAPSES],
                                 .weight_bits = fixed[MGD_RTL_WEIGHT_BITS],
                                 .cost_bits = fixed[MGD_RTL_COST_BITS],
                                 .amplitude = fixed[MGD_RTL_AMPLITUDE]};
    return MGD_OK;
}

static void describe(mgd_rtl *rtl) {
    const mgd_chip *ideal = rtl->ideal;
    rtl->chip = (mgd_chip){.dtype = ideal->dtype,
                           .num_parameters = ideal->num_parameters,
                           .no_nodes = "this one perturbs by itself",
                           .caller_only = true,
                           .integrates = true,
                           .seats = 1,
                           .steps = BLOCK_STEPS,
                           .resolution = ideal->resolution,
                           .open = open_session,
                           .theta = theta,
                           .draw = draw,
                           .free = free_chip};
}

static mgd_status open(mgd_context *ctx, mgd_rtl *rtl, mgd_net *net) {
    void *memory;
    size_t name = strlen(rtl->spec.name) + 1;
    MGD_TRY(mgd_chip_ideal(ctx, net, &rtl->ideal));
    describe(rtl);
    if (rtl->chip.num_parameters > MGD_RTL_MOST)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "net: %zu parameters: expected at most %d, for which there are registers",
                        rtl->chip.num_parameters, MGD_RTL_MOST);
    rtl->room = rtl->chip.num_parameters + SPARE;
    MGD_TRY(mgd_allocate(ctx, "chip", name, 1, &memory));
    rtl->name = memcpy(memory, rtl->spec.name, name);
    if (!mgd_take(&rtl->message, sizeof rtl->message->count + rtl->room * sizeof(mgd_rtl_order),
                  1) ||
        !mgd_take(&rtl->words, rtl->room, sizeof *rtl->words))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a chip of %zu synapses",
                        rtl->chip.num_parameters);
    MGD_TRY(mgd_rtl_open(ctx, rtl));
    return read_fixed(ctx, rtl);
}

mgd_status mgd_chip_rtl(mgd_context *ctx, mgd_net *net, const mgd_rtl_spec *spec, mgd_chip **out) {
    void *memory;
    MGD_OPERATION;
    MGD_TRY(mgd_allocate(ctx, "chip", 1, sizeof(mgd_rtl), &memory));
    mgd_rtl *rtl = memory;
    rtl->spec = *spec;
    rtl->chip.free = free_chip;
    mgd_status status = open(ctx, rtl, net);
    mgd_rtl_let_go(rtl);
    rtl->spec.program = rtl->spec.name = NULL; /* the caller's */
    if (status != MGD_OK) {
        free_chip(&rtl->chip);
        return status;
    }
    *out = &rtl->chip;
    return MGD_OK;
}

mgd_rtl_about mgd_rtl_about_of(const mgd_chip *chip) {
    return ((const mgd_rtl *)chip)->about;
}

void mgd_rtl_close(mgd_chip *chip) {
    mgd_rtl *rtl = (mgd_rtl *)chip;
    mgd_wire_close(rtl->wire);
    rtl->wire = NULL;
    rtl->user = NULL;
    rtl->lost = true;
}

bool mgd_rtl_goes_on(const mgd_chip *chip) {
    return ((const mgd_rtl *)chip)->user != NULL;
}
