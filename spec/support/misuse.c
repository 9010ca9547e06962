/* misuse.c: the C API called as it should not be. Each case says what it does and what came of it,
 * "ok NAME" or "not ok NAME: …"; spec/c_api_spec.lua reads that. It runs under the sanitizers, too,
 * which is where a missing check is seen.
 */

#include "mgd.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static mgd_context ctx;
static int failures;

static void report(const char *name, bool good, const char *why) {
    failures += !good;
    printf("%s %s%s%s\n", good ? "ok" : "not ok", name, good ? "" : ": ", good ? "" : why);
    fflush(stdout);
}

/* The call fails with `code` and a message. */
static void fails(const char *name, mgd_status code, mgd_status got) {
    char why[MGD_MESSAGE_SIZE + 64];
    snprintf(why, sizeof why, "status %d, expected %d, '%s'", (int)got, (int)code, ctx.message);
    report(name, got == code && ctx.message[0] != '\0', why);
    ctx = (mgd_context){0};
}

static void argument(const char *name, mgd_status got) {
    fails(name, MGD_ERR_ARGUMENT, got);
}

static void is(const char *name, bool good) {
    report(name, good, "it does not hold");
}

static void must(mgd_status status) {
    if (status != MGD_OK)
        report("preparing", false, ctx.message);
}

/* ---- what is used ---------------------------------------------------------------------------- */

static mgd_net *net;
static mgd_chip *chip;
static mgd_tensor *x, *y, *t;

static void open_all(void) {
    const mgd_layer layers[] = {{.kind = MGD_LAYER_DENSE, .outputs = 1}};
    must(mgd_net_new(&ctx, MGD_F32, 1, (size_t[]){2}, 1, layers, &net));
    must(mgd_chip_ideal(&ctx, net, &chip));
    must(mgd_data_parity(&ctx, 2, &x, &y));
    must(mgd_tensor_new(&ctx, MGD_F64, 2, (size_t[]){3, 4}, &t));
}

static void close_all(void) {
    mgd_chip_free(chip);
    mgd_net_free(net);
    mgd_tensor_free(x);
    mgd_tensor_free(y);
    mgd_tensor_free(t);
    is("nothing is left behind", mgd_memory_stats().live_blocks == 0);
}

/* ---- tensors --------------------------------------------------------------------------------- */

static void tensors(void) {
    mgd_tensor *out = NULL;
    double value;
    argument("tensor of an unknown dtype", mgd_tensor_new(&ctx, (mgd_dtype)4, 0, NULL, &out));
    argument("conversion to one", mgd_tensor_convert(&ctx, t, (mgd_dtype)-1, &out));
    argument("unknown operation", mgd_tensor_binary(&ctx, MGD_BINARY_COUNT, t, t, &out));
    argument("unknown operation with a number",
             mgd_tensor_binary_number(&ctx, (mgd_binary)-1, t, 1, false, &out));
    argument("unknown function", mgd_tensor_unary(&ctx, MGD_UNARY_COUNT, t, &out));
    argument("unknown operation in place", mgd_tensor_update(&ctx, (mgd_binary)99, t, t));
    argument("the same with a number", mgd_tensor_update_number(&ctx, (mgd_binary)99, t, 1));
    argument("unknown function in place", mgd_tensor_apply(&ctx, (mgd_unary)99, t));
    argument("unknown reduction", mgd_tensor_reduce(&ctx, MGD_REDUCTION_COUNT, t, 0, &value));
    argument("unknown reduction along an axis",
             mgd_tensor_reduce_axis(&ctx, (mgd_reduction)-1, t, 0, 0, &out));
    argument("axis beyond the last", mgd_tensor_reduce_axis(&ctx, MGD_SUM, t, 2, 0, &out));
    argument("index beyond the last", mgd_tensor_select(&ctx, t, 1, 4, &out));
    argument("slice beyond the last", mgd_tensor_slice(&ctx, t, 0, 2, 2, 1, &out));
    argument("slice without an end", mgd_tensor_slice(&ctx, t, 0, 0, SIZE_MAX, 1, &out));
    fails("too many dimensions", MGD_ERR_SHAPE, mgd_tensor_new(&ctx, MGD_F32, 9, NULL, &out));
    fails("too large to address", MGD_ERR_SHAPE,
          mgd_tensor_new(&ctx, MGD_F32, 2, (size_t[]){SIZE_MAX, 2}, &out));
    fails("too large for any machine", MGD_ERR_MEMORY,
          mgd_tensor_new(&ctx, MGD_F32, 1, (size_t[]){(size_t)1 << 55}, &out));
    is("names of what is unknown",
       strcmp(mgd_dtype_name((mgd_dtype)7), "unknown") == 0 && mgd_dtype_size((mgd_dtype)7) == 0 &&
           strcmp(mgd_binary_name((mgd_binary)99), "unknown") == 0 &&
           strcmp(mgd_unary_name((mgd_unary)99), "unknown") == 0 &&
           strcmp(mgd_reduction_name((mgd_reduction)99), "unknown") == 0 &&
           strcmp(mgd_layer_name((mgd_layer_kind)99), "unknown") == 0);
    is("dtype of an unknown operation",
       mgd_binary_dtype((mgd_binary)99, MGD_F32, MGD_F32) == MGD_F32);
    is("no context at all", mgd_tensor_select(NULL, t, 9, 0, &out) == MGD_ERR_ARGUMENT);
}

/* ---- networks -------------------------------------------------------------------------------- */

static mgd_status network(mgd_layer layer, size_t ndim, const size_t *shape) {
    mgd_net *out = NULL;
    mgd_status status = mgd_net_new(&ctx, MGD_F32, ndim, shape, 1, &layer, &out);
    mgd_net_free(out);
    return status;
}

static void networks(void) {
    const size_t one[] = {4}, image[] = {1, 4, 4};
    mgd_net *out = NULL;
    mgd_tensor *g = NULL;
    double seconds[8];
    size_t lanes;
    argument("network of integers", mgd_net_new(&ctx, MGD_I32, 1, one, 1, &(mgd_layer){0}, &out));
    argument("network without a shape",
             mgd_net_new(&ctx, MGD_F32, 1, NULL, 1, &(mgd_layer){0}, &out));
    argument("network without layers", mgd_net_new(&ctx, MGD_F32, 1, one, 1, NULL, &out));
    argument("unknown layer",
             network((mgd_layer){.kind = (mgd_layer_kind)MGD_LAYER_COUNT}, 1, one));
    argument("layer without sources",
             network((mgd_layer){.kind = MGD_LAYER_ADD, .num_sources = 2}, 1, one));
    argument("unknown detection", network((mgd_layer){.kind = MGD_LAYER_MZI_MESH,
                                                      .modes = 4,
                                                      .outputs = 4,
                                                      .detect = (mgd_detect)5},
                                          1, one));
    argument("unknown cell",
             network((mgd_layer){.kind = MGD_LAYER_ELMAN, .outputs = 2, .cell = (mgd_layer_kind)77},
                     1, one));
    is("no outputs", network((mgd_layer){.kind = MGD_LAYER_DENSE}, 1, one) != MGD_OK);
    is("a kernel of nothing",
       network((mgd_layer){.kind = MGD_LAYER_CONV2D, .outputs = 2}, 3, image) != MGD_OK);
    is("outputs without end",
       network((mgd_layer){.kind = MGD_LAYER_DENSE, .outputs = SIZE_MAX}, 1, one) != MGD_OK);
    is("an entry beyond the plan's last", mgd_net_plan_entry(net, 99).parameters == 0);
    argument("timing of nothing", mgd_net_plan_time(&ctx, net, 0, false, 1, seconds, &lanes));
    argument("timing without end",
             mgd_net_plan_time(&ctx, net, SIZE_MAX, false, 1, seconds, &lanes));
    argument("unknown scheme",
             mgd_net_init(&ctx, net, &(mgd_init){.scheme = (mgd_init_scheme)7, .replica = 1}));
    argument("replica 0", mgd_net_init(&ctx, net, &(mgd_init){.scheme = MGD_INIT_ZEROS}));
    argument("unknown cost",
             mgd_net_gradient(&ctx, net, x, y, &(mgd_cost){.kind = (mgd_cost_kind)4}, &g, NULL));
    argument("cost without its function",
             mgd_net_gradient(&ctx, net, x, y, &(mgd_cost){.kind = MGD_COST_FUNCTION}, &g, NULL));
    is("inputs of another shape", mgd_net_forward(&ctx, net, t, &g) == MGD_ERR_SHAPE);
}

/* ---- hardware models ------------------------------------------------------------------------- */

static mgd_status apply(size_t count, const mgd_hw_model *models) {
    const mgd_hw_conditions conditions = {.step = 1, .seed = 1, .replica = 1};
    mgd_tensor *out = NULL;
    mgd_status status = mgd_hw_apply(&ctx, count, models, &conditions, t, &out);
    mgd_tensor_free(out);
    return status;
}

static mgd_status write(mgd_hw_update update) {
    const mgd_hw_conditions conditions = {.step = 1, .seed = 1, .replica = 1};
    mgd_tensor *out = NULL, *start = NULL;
    must(mgd_tensor_new(&ctx, MGD_F64, 1, (size_t[]){4}, &start));
    mgd_status status = mgd_hw_write(&ctx, &update, &conditions, start, t, &out);
    mgd_tensor_free(start);
    mgd_tensor_free(out);
    return status;
}

static void models(void) {
    const double falling[] = {1, 0}, rising[] = {0, 1, 2};
    const mgd_hw_model good = {.kind = MGD_HW_AFFINE, .gain = 2, .scale = 1, .poles = 1};
    mgd_hw_model m = good, two[2] = {good, good};
    is("a model", apply(1, &m) == MGD_OK);
    argument("models that are NULL", apply(1, NULL));
    m.kind = (mgd_hw_kind)MGD_HW_KIND_COUNT;
    argument("unknown model", apply(1, &m));
    m = good, m.place = (mgd_hw_place)MGD_HW_PLACE_COUNT;
    argument("unknown place", apply(1, &m));
    m = good, m.noise = (mgd_hw_noise)99;
    argument("unknown noise", apply(1, &m));
    m = good, m.gain = NAN;
    argument("a gain of nan", apply(1, &m));
    m = good, m.kind = MGD_HW_FUNCTION;
    argument("model without its function", apply(1, &m));
    m = good, m.kind = MGD_HW_LEVELS, m.table_size = 3;
    argument("levels that are NULL", apply(1, &m));
    m.table = falling, m.table_size = 2;
    argument("levels that fall", apply(1, &m));
    m = good, m.kind = MGD_HW_LOW_PASS, m.tau = 1, m.poles = 99;
    argument("more poles than there can be", apply(1, &m));
    m = good, m.kind = MGD_HW_DELAY, m.tau = 1e300;
    argument("a delay without end", apply(1, &m));
    m = good, memset(m.stream, 'x', sizeof m.stream);
    argument("a stream whose name has no end", apply(1, &m));
    m = good, m.place = MGD_HW_AT_PRODUCT;
    argument("a gain at the products", apply(1, &m));
    two[1].place = MGD_HW_AT_COST;
    argument("models of two places", apply(2, two));
    two[0].place = MGD_HW_AT_WEIGHT, two[1].place = MGD_HW_AT_DRIVE;
    is("models of two places of a parameter", apply(2, two) == MGD_OK);

    const mgd_hw_update constant = {.law = MGD_HW_LAW_CONSTANT,
                                    .dw_min = .1,
                                    .w_min = -1,
                                    .w_max = 1,
                                    .max_pulses = 5,
                                    .stream = "u"};
    mgd_hw_update u = constant;
    is("an update", write(u) == MGD_OK);
    u.law = (mgd_hw_law_kind)99;
    argument("unknown law", write(u));
    u = constant, u.law = MGD_HW_LAW_TABLE, u.up_size = u.down_size = 4;
    argument("curves that are NULL", write(u));
    u.up = u.down = rising, u.up_size = u.down_size = 3;
    argument("a curve that does not fall", write(u));
    u = constant, u.max_pulses = SIZE_MAX;
    argument("pulses without end", write(u));
    u.max_pulses = 0;
    argument("no pulses", write(u));
    u = constant, u.dw_min = 0;
    argument("steps of nothing", write(u));
    u.dw_min = NAN;
    argument("steps of nan", write(u));
    u.dw_min = 1e-300;
    is("steps of next to nothing", write(u) == MGD_OK);
    u = constant, u.w_min = 2;
    argument("bounds that are crossed", write(u));
    u = constant, u.law = MGD_HW_LAW_LTP_LTD;
    argument("no levels", write(u));
    is("names beyond the last", strcmp(mgd_hw_parameter_name(13), "unknown") == 0 &&
                                    strcmp(mgd_hw_law_name((mgd_hw_law_kind)42), "unknown") == 0 &&
                                    !mgd_hw_parameter_used((mgd_hw_law_kind)42, 0) &&
                                    !mgd_hw_parameter_used(MGD_HW_LAW_CONSTANT, SIZE_MAX));
    mgd_hw_law law = {.kind = (mgd_hw_law_kind)42};
    mgd_hw_parameter_set(&law, 99, 1);
    is("numbers beyond the last", isnan(mgd_hw_parameter_get(&law, 99)));
    is("a pulse of an unknown law", mgd_hw_law_step(&law, 0, 1) == 0);
}

static void fits(void) {
    const bool free[MGD_HW_PARAMETERS] = {true};
    mgd_hw_fit fit;
    mgd_hw_law law = {.kind = (mgd_hw_law_kind)42};
    mgd_hw_curve curve = {.direction = 1, .count = 5};
    argument("fit of an unknown law",
             mgd_hw_fit_device(&ctx, "fit", &law, free, 1, &curve, NAN, 10, &fit));
    law.kind = MGD_HW_LAW_CONSTANT;
    argument("fit of curves that are NULL",
             mgd_hw_fit_device(&ctx, "fit", &law, free, 2, NULL, NAN, 10, &fit));
    argument("fit of weights that are NULL",
             mgd_hw_fit_device(&ctx, "fit", &law, free, 1, &curve, NAN, 10, &fit));
}

/* ---- chips and runs -------------------------------------------------------------------------- */

/* y = x₁·θ₁ + x₂·θ₂ + ξ, of one node. */
static double weighted(const mgd_tensor *theta, const mgd_tensor *samples, size_t b) {
    return mgd_tensor_get(samples, (size_t[]){b, 0}) * mgd_tensor_get(theta, (size_t[]){0}) +
           mgd_tensor_get(samples, (size_t[]){b, 1}) * mgd_tensor_get(theta, (size_t[]){1});
}

static mgd_status one_node(void *user, mgd_context *c, const mgd_tensor *theta,
                           const mgd_tensor *samples, const mgd_tensor *xi, mgd_tensor **out) {
    size_t batch = mgd_tensor_shape(samples)[0];
    (void)user;
    mgd_status status = mgd_tensor_new(c, MGD_F64, 2, (size_t[]){batch, 1}, out);
    for (size_t b = 0; b < batch && status == MGD_OK; b++)
        mgd_tensor_set(c, *out, (size_t[]){b, 0},
                       weighted(theta, samples, b) +
                           (xi ? mgd_tensor_get(xi, (size_t[]){b, 0}) : 0));
    return status;
}

static mgd_status at_rest(void *user, mgd_context *c, const mgd_tensor *theta,
                          const mgd_tensor *samples, mgd_tensor **out) {
    return one_node(user, c, theta, samples, NULL, out);
}

static mgd_status its_products(void *user, mgd_context *c, const mgd_tensor *theta,
                               const mgd_tensor *samples, const mgd_tensor *e, mgd_tensor **out) {
    (void)user, (void)theta;
    mgd_status status = mgd_tensor_new(c, MGD_F64, 1, (size_t[]){2}, out);
    for (size_t i = 0; i < 2 && status == MGD_OK; i++) {
        double sum = 0;
        for (size_t b = 0; b < mgd_tensor_shape(samples)[0]; b++)
            sum += mgd_tensor_get(e, (size_t[]){b, 0}) * mgd_tensor_get(samples, (size_t[]){b, i});
        mgd_tensor_set(c, *out, &i, sum);
    }
    return status;
}

/* Node perturbation of a chip of the caller's finds the least squares of x₁. */
static void nodes(void) {
    mgd_chip *own = NULL;
    mgd_run *run = NULL;
    mgd_tensor *target = NULL, *theta = NULL;
    argument("nodes of another chip",
             mgd_chip_external_nodes(&ctx, chip, 1, one_node, its_products));
    must(mgd_chip_external(&ctx, 2, NULL, at_rest, NULL, &own));
    argument("no nodes", mgd_chip_external_nodes(&ctx, own, 0, one_node, its_products));
    argument("nodes that do not move", mgd_chip_external_nodes(&ctx, own, 1, NULL, its_products));
    argument("nodes without products", mgd_chip_external_nodes(&ctx, own, 1, one_node, NULL));
    is("a chip without nodes", mgd_chip_num_nodes(own) == 0);
    must(mgd_chip_external_nodes(&ctx, own, 1, one_node, its_products));
    is("a chip with nodes", mgd_chip_num_nodes(own) == 1);
    must(mgd_tensor_slice(&ctx, x, 1, 0, 1, 1, &target));
    mgd_train train = mgd_train_defaults();
    train.x = x;
    train.y = target;
    train.batch = 4;
    train.perturb = MGD_PERTURB_NODES;
    train.eta = (mgd_schedule){.kind = MGD_SCHEDULE_CONSTANT, .value = 0.1};
    must(mgd_run_new(&ctx, own, &train, &run));
    must(mgd_run_advance(&ctx, run, 500));
    must(mgd_run_theta(&ctx, run, &theta));
    is("what its nodes learn", fabs(mgd_tensor_get(theta, (size_t[]){0}) - 1) < 0.02 &&
                                   fabs(mgd_tensor_get(theta, (size_t[]){1})) < 0.02);
    mgd_tensor_free(theta);
    mgd_tensor_free(target);
    mgd_run_free(run);
    mgd_chip_free(own);
}

static void chips(void) {
    mgd_chip *out = NULL;
    nodes();
    argument("chip without its function", mgd_chip_external(&ctx, 2, NULL, NULL, NULL, &out));
    argument("simulated chip of models that are NULL",
             mgd_chip_simulated(&ctx, net, &(mgd_chip_spec){.num_models = 3}, &out));
    argument(
        "simulated chip of an unknown law",
        mgd_chip_simulated(&ctx, net,
                           &(mgd_chip_spec){.update = &(mgd_hw_update){.law = (mgd_hw_law_kind)9,
                                                                       .max_pulses = 1}},
                           &out));
    mgd_chip_advance(chip, NAN);
    mgd_chip_advance(chip, -1);
    is("time that does not pass", mgd_chip_age(chip) == 0);
}

static mgd_train options(void) {
    mgd_train train = mgd_train_defaults();
    train.x = x;
    train.y = y;
    train.threads = 1;
    return train;
}

static mgd_status make(mgd_train train) {
    mgd_run *run = NULL;
    mgd_status status = mgd_run_new(&ctx, chip, &train, &run);
    mgd_run_free(run);
    return status;
}

static void trains(void) {
    mgd_run *run = NULL;
    mgd_train o = options();
    is("a run", make(o) == MGD_OK);
    o.x = NULL;
    argument("run without x", make(o));
    o = options(), o.y = NULL;
    argument("run without y", make(o));
    argument("run without options", mgd_run_new(&ctx, chip, NULL, &run));
    argument("run without a chip", mgd_run_new(&ctx, NULL, &o, &run));
    o = options(), o.cost.kind = (mgd_cost_kind)9;
    argument("unknown cost", make(o));
    o = options(), o.cost.kind = MGD_COST_FUNCTION;
    argument("cost without its function", make(o));
    o = options(), o.code = (mgd_code_kind)9;
    argument("unknown code", make(o));
    o = options(), o.code = MGD_CODE_FUNCTION;
    argument("code without its function", make(o));
    o = options(), o.engine = (mgd_engine)5;
    argument("unknown engine", make(o));
    o = options(), o.engine = MGD_ENGINE_CHIP;
    argument("training by a chip that does not train", make(o));
    o = options(), o.integrator = (mgd_integrator)11;
    argument("unknown integrator", make(o));
    o = options(), o.optimizer = (mgd_optimizer)5;
    argument("unknown optimizer", make(o));
    o = options(), o.baseline = (mgd_baseline)-1;
    argument("unknown baseline", make(o));
    o = options(), o.convention = (mgd_convention)2;
    argument("unknown convention", make(o));
    o = options(), o.perturb = (mgd_perturb)2;
    argument("unknown perturb", make(o));
    o = options(), o.eta.kind = (mgd_schedule_kind)7;
    argument("unknown schedule", make(o));
    o = options(), o.eta.kind = MGD_SCHEDULE_FUNCTION;
    argument("schedule without its function", make(o));
    o = options(), o.num_signals = 2;
    argument("signals that are NULL", make(o));
    o = options(), o.eta.value = NAN;
    argument("eta of nan", make(o));
    o = options(), o.tau_theta.value = 1e300;
    argument("a window without end", make(o));
    o = options(), o.replicas = 0;
    argument("no replicas", make(o));
    o = options(), o.batch = SIZE_MAX;
    argument("a batch without end", make(o));
    o = options(), o.replica = UINT64_MAX;
    argument("a number beyond the last", make(o));
    o = options(), o.threads = 1 << 20;
    argument("threads without end", make(o));
    o = options(), o.average = (mgd_average){.kind = (mgd_average_kind)7, .decay = .5};
    argument("an unknown average", make(o));
    o = options(), o.average = (mgd_average){.kind = MGD_AVERAGE_EMA, .decay = 1};
    argument("an average that forgets nothing", make(o));
    o = options(), o.numbers = t;
    fails("numbers of another shape", MGD_ERR_SHAPE, make(o));
    mgd_init init = {.scheme = (mgd_init_scheme)99};
    o = options(), o.init = &init;
    argument("unknown scheme of a run", make(o));
    mgd_tensor *pattern = NULL;
    o = options(), o.code = (mgd_code_kind)42;
    argument("pattern of an unknown code", mgd_code_pattern(&ctx, &o, 4, 0, 1, &pattern));
}

static mgd_train circuit(void) {
    mgd_train train = options();
    train.engine = MGD_ENGINE_CIRCUIT;
    train.circuit.set = MGD_CIRCUIT_SIGN_SIGN;
    train.baseline = MGD_BASELINE_TWO_SIDED;
    train.code = MGD_CODE_LFSR;
    train.amplitude.value = 32 * train.circuit.lsb;
    return train;
}

static void circuits(void) {
    mgd_train o = circuit();
    is("a run by a circuit", make(o) == MGD_OK);
    o.circuit.set = MGD_CIRCUIT_NONE;
    argument("no circuit", make(o));
    o.circuit.set = (mgd_circuit_set)3;
    argument("unknown circuit", make(o));
    o = circuit(), o.circuit.weight_bits = 65;
    argument("registers that are too wide", make(o));
    o = circuit(), o.circuit.counter_bits = 0;
    argument("a counter without bits", make(o));
    o = circuit(), o.circuit.lsb = 0.3;
    argument("an LSB that is no power of 2", make(o));
    o = circuit(), o.circuit.cost_range = NAN;
    argument("costs up to nan", make(o));
    o = circuit(), o.circuit.set = MGD_CIRCUIT_ACCUMULATOR, o.circuit.shift = 13;
    argument("an accumulator of which nothing is written", make(o));
    o = circuit(), o.amplitude.value = 0.3 * o.circuit.lsb;
    argument("an amplitude between two LSB", make(o));
    o = circuit(), o.code = MGD_CODE_RANDOM;
    argument("signs that no circuit has", make(o));
    o = circuit(), o.baseline = MGD_BASELINE_MEASURED;
    argument("one cost in a step", make(o));
    o = circuit(), o.weight_decay = 1e-3;
    argument("weights that decay by themselves", make(o));
}

static void runs(void) {
    mgd_run *run = NULL;
    mgd_tensor *state = NULL;
    mgd_train o = options();
    bool finite;
    must(mgd_run_new(&ctx, chip, &o, &run));
    must(mgd_run_advance(&ctx, run, 5));
    argument("steps without end", mgd_run_advance(&ctx, run, UINT64_MAX));
    is("they were not done", mgd_run_steps_done(run) == 5);
    mgd_run_stop(run, 1);
    is("a replica beyond the last runs on", mgd_run_stopped(run, 99, &finite) == UINT64_MAX);
    argument("an average that is not kept", mgd_run_show_average(&ctx, run, true));
    argument("no theta to set", mgd_run_set_theta(&ctx, run, NULL));
    mgd_tensor *theta = NULL;
    must(mgd_tensor_new(&ctx, MGD_F64, 1, (size_t[]){77}, &theta));
    fails("theta of another shape", MGD_ERR_SHAPE, mgd_run_set_theta(&ctx, run, theta));
    mgd_tensor_free(theta);
    size_t count = mgd_run_state_count(run);
    is("no name beyond the last", mgd_run_state_name(run, count) == NULL);
    argument("state beyond the last", mgd_run_state_get(&ctx, run, count, &state));
    mgd_run_free(run);
}

/* ---- states ---------------------------------------------------------------------------------- */

/* States of a simulated chip with each number replaced in turn. */
static void states(void) {
    const mgd_hw_update update = {.law = MGD_HW_LAW_SOFT_BOUNDS,
                                  .dw_min = .1,
                                  .w_min = -1,
                                  .w_max = 1,
                                  .max_pulses = 5,
                                  .endurance = 100,
                                  .stream = "u"};
    const mgd_chip_spec spec = {.update = &update, .seed = 1};
    const double strange[] = {NAN, 1e300, -1e300, -2, 0.5, INFINITY};
    mgd_chip *simulated = NULL;
    mgd_run *run = NULL;
    mgd_train o = options();
    mgd_tensor *state[8] = {0};
    must(mgd_chip_simulated(&ctx, net, &spec, &simulated));
    must(mgd_run_new(&ctx, simulated, &o, &run));
    must(mgd_run_advance(&ctx, run, 5));
    size_t count = mgd_run_state_count(run);
    for (size_t i = 0; i < count; i++)
        must(mgd_run_state_get(&ctx, run, i, &state[i]));
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; mgd_tensor_dtype(state[i]) == MGD_F64 && at < mgd_tensor_size(state[i]);
             at++)
            for (size_t k = 0; k < sizeof strange / sizeof *strange; k++) {
                double *value = (double *)mgd_tensor_data(state[i]) + at, kept = *value;
                *value = strange[k];
                if (mgd_run_state_set(&ctx, run, state) == MGD_OK)
                    mgd_run_advance(&ctx, run, 1); /* whatever comes of it, it comes to an end */
                *value = kept;
            }
    ctx = (mgd_context){0};
    is("the state that was", mgd_run_state_set(&ctx, run, state) == MGD_OK);
    for (size_t i = 0; i < count; i++)
        mgd_tensor_free(state[i]);
    mgd_run_free(run);
    mgd_chip_free(simulated);
}

/* ---- data and checkpoints -------------------------------------------------------------------- */

static void files(const char *path) {
    mgd_tensor *out = NULL, *other = NULL;
    mgd_checkpoint *checkpoint = NULL;
    const char *name = "t";
    argument("one-hot rows of integers", mgd_data_one_hot(&ctx, "y", t, 0, 2, MGD_I32, &out));
    fails("no bits", MGD_ERR_ARGUMENT, mgd_data_parity(&ctx, 0, &out, &other));
    argument("too many bits", mgd_data_parity(&ctx, 21, &out, &other));
    argument("no files", mgd_cifar10_read(&ctx, 0, NULL, MGD_F32, &out, &other));
    must(mgd_checkpoint_write(&ctx, path, "text", 4, 1, &name, (const mgd_tensor *const[]){t}));
    must(mgd_checkpoint_read(&ctx, path, &checkpoint));
    is("nothing beyond the last",
       mgd_checkpoint_name(checkpoint, 1) == NULL && mgd_checkpoint_tensor(checkpoint, 1) == NULL);
    mgd_checkpoint_free(checkpoint);
}

/* ---- interrupts ------------------------------------------------------------------------------ */

#define THREADS 4
static mgd_status ended[THREADS];

static void *train_for_ever(void *arg) {
    mgd_context own = {0};
    mgd_train o = options();
    mgd_run *run = NULL;
    mgd_chip *ideal = NULL;
    mgd_status *status = arg;
    o.threads = 2;
    o.replicas = 64;
    *status = mgd_chip_ideal(&own, net, &ideal);
    if (*status == MGD_OK)
        *status = mgd_run_new(&own, ideal, &o, &run);
    if (*status == MGD_OK)
        *status = mgd_run_advance(&own, run, UINT64_C(1) << 50);
    mgd_run_free(run);
    mgd_chip_free(ideal);
    return NULL;
}

static void wait_a_little(void) {
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
}

static void interrupts(void) {
    pthread_t thread[THREADS];
    double sum;
    for (size_t i = 0; i < THREADS; i++)
        pthread_create(&thread[i], NULL, train_for_ever, &ended[i]);
    wait_a_little();
    mgd_interrupt_request();
    bool all = true;
    for (size_t i = 0; i < THREADS; i++) {
        pthread_join(thread[i], NULL);
        all = all && ended[i] == MGD_ERR_INTERRUPT;
    }
    is("one request stops every run", all);
    is("and nothing that begins afterwards",
       !mgd_interrupt_pending() && mgd_tensor_reduce(&ctx, MGD_SUM, t, 0, &sum) == MGD_OK);
    mgd_interrupt_request();
    is("a request while nothing runs waits", mgd_interrupt_pending());
    fails("for what runs next", MGD_ERR_INTERRUPT, mgd_tensor_reduce(&ctx, MGD_SUM, t, 0, &sum));
    is("and for that alone", mgd_tensor_reduce(&ctx, MGD_SUM, t, 0, &sum) == MGD_OK);
    mgd_interrupt_request();
    mgd_interrupt_clear();
    is("unless it is cleared", mgd_tensor_reduce(&ctx, MGD_SUM, t, 0, &sum) == MGD_OK);
}

int main(int argc, char **argv) {
    open_all();
    tensors();
    networks();
    models();
    fits();
    chips();
    trains();
    circuits();
    runs();
    states();
    files(argc > 1 ? argv[1] : "misuse.ckpt");
    interrupts();
    close_all();
    return failures > 0;
}
