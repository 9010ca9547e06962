/* Making a run: options checked, memory taken, θ drawn; and freeing it. All else in this folder
 * lies below. */

#include "../base/number.h"
#include "engines.h"
#include "options.h"
#include "record.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- options --------------------------------------------------------------------------------- */

/* A count of at least 1 that has to stay below `bound`. */
static mgd_status need_below(mgd_context *ctx, const char *name, double value, double bound) {
    if (value < bound)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: %s must be in [1, %s), got %s", name,
                    MGD_NUMBER(bound), MGD_NUMBER(value));
}

/* Steps that do not count must leave some that do, and be known beforehand. */
static mgd_status check_settle(mgd_context *ctx, const mgd_train *t) {
    if (t->settle == 0)
        return MGD_OK;
    if (!mgd_schedule_constant(&t->tau_x) || !mgd_schedule_constant(&t->tau_theta))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: settle goes with a constant tau_x and a constant tau_theta");
    double least = fmin(t->tau_x.value, t->tau_theta.value);
    if ((double)t->settle < least)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "train: settle = %llu leaves no step to integrate: expected less than tau_x = "
                    "%s and tau_theta = %s",
                    (unsigned long long)t->settle, MGD_NUMBER(t->tau_x.value),
                    MGD_NUMBER(t->tau_theta.value));
}

/* What no engine but some can do with a chip. */
static mgd_status check_chip(mgd_context *ctx, const mgd_engine_type *engine,
                             const mgd_chip *chip) {
    if (chip->integrates && !engine->teaches)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: engine: the chip integrates and writes by itself: expected the "
                        "engine chip");
    if (chip->real && engine->gradients)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: engine: there is no way back through an instrument: expected "
                        "discrete or analog, got %s",
                        engine->name);
    return MGD_OK;
}

/* One value for each replica, from `least` to `most`. */
static mgd_status check_each(mgd_context *ctx, const char *name, const mgd_tensor *values,
                             size_t replicas, double least, double most) {
    if (!values)
        return MGD_OK;
    if (mgd_tensor_dtype(values) != MGD_F64 || mgd_tensor_size(values) != replicas ||
        !mgd_tensor_contiguous(values))
        return mgd_fail(ctx, MGD_ERR_SHAPE, "train: %s: expected a value for each of %zu replicas",
                        name, replicas);
    const double *value = mgd_tensor_data(values);
    for (size_t r = 0; r < replicas; r++)
        if (!(value[r] >= least && value[r] <= most))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "train: %s of replica %zu must be in [%s, %s], got %s", name, r + 1,
                            MGD_NUMBER(least), MGD_NUMBER(most), MGD_NUMBER(value[r]));
    return MGD_OK;
}

/* And makes numbers of steps whole. */
static mgd_status check_train(mgd_context *ctx, mgd_train *t) {
    if (!t->x || !t->y)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: %s is missing: expected a tensor",
                        t->x ? "y" : "x");
    if (mgd_tensor_ndim(t->x) < 1 || mgd_tensor_shape(t->x)[0] < 1)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "train: x holds no samples: expected (N, …)");
    MGD_TRY(mgd_options_check(ctx, t));
    mgd_schedule_round(&t->tau_p);
    mgd_schedule_round(&t->tau_x);
    MGD_TRY(need_below(ctx, "batch", (double)t->batch, 0x1p32));
    MGD_TRY(need_below(ctx, "replica", (double)t->replica + (double)t->replicas, 0x1p47));
    MGD_TRY(check_each(ctx, "number", t->numbers, t->replicas, 1, 0x1p47));
    MGD_TRY(check_each(ctx, "eta", t->eta_factors, t->replicas, 0, DBL_MAX));
    if ((unsigned)t->cost.kind > MGD_COST_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: unknown cost %d", (int)t->cost.kind);
    if (t->cost.kind == MGD_COST_FUNCTION && !t->cost.function)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "cost: function: expected one, got NULL");
    return MGD_OK;
}

/* ---- making ---------------------------------------------------------------------------------- */

static mgd_status allocate_state(mgd_context *ctx, mgd_run *run) {
    if (!mgd_state_take(run))
        return mgd_fail(ctx, MGD_ERR_MEMORY,
                        "out of memory: %zu replicas of %zu parameters (%.0f bytes for each array "
                        "like θ)",
                        run->train.replicas, run->parameters,
                        (double)run->layout.units * (double)mgd_run_unit_bytes(run));
    run->layout.live_units = run->layout.units;
    return MGD_OK;
}

static mgd_status open_workers(mgd_context *ctx, mgd_run *run) {
    const mgd_layout *l = &run->layout;
    if (!mgd_take(&run->orders, l->units, sizeof(mgd_order_cache)) ||
        !mgd_take(&run->workers, l->workers, sizeof(mgd_worker)))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu units and %zu threads", l->units,
                        l->workers);
    for (size_t i = 0; i < l->workers; i++)
        MGD_TRY(mgd_worker_open(ctx, run, i < l->requesters, &run->workers[i]));
    for (size_t i = 0; i < l->units; i++)
        MGD_TRY(mgd_order_open(ctx, &run->order, l->lanes, &run->orders[i]));
    return MGD_OK;
}

/* Who sits where at first, and what each replica has of its own by the options. */
static void fill_seats(mgd_run *run) {
    mgd_train *t = &run->train;
    mgd_state *state = &run->state;
    const double *numbers = t->numbers ? mgd_tensor_data(t->numbers) : NULL;
    const double *factors = t->eta_factors ? mgd_tensor_data(t->eta_factors) : NULL;
    double most = factors ? 0 : 1;
    for (size_t seat = 0; seat < mgd_run_seats(run); seat++) {
        bool taken = seat < t->replicas;
        size_t r = taken ? seat : t->replicas - 1;
        if (taken)
            state->seat[r] = seat;
        state->alive[seat] = taken;
        state->owner[seat] = r;
        state->number[seat] = numbers ? (uint64_t)numbers[r] : t->replica + r;
        state->rate[seat] = factors ? factors[r] : 1;
        most = fmax(most, fabs(state->rate[seat]));
    }
    run->now.huge_eta = MGD_HUGE_SIGNAL / (most * mgd_rules_largest_eta(run));
    t->numbers = t->eta_factors = NULL;
}

/* θ of every replica: drawn for it, or the chip's own. */
static mgd_status fill_theta(mgd_context *ctx, mgd_run *run) {
    const mgd_train *t = &run->train;
    void *row;
    MGD_TRY(mgd_allocate(ctx, "parameters", run->parameters, run->real, &row));
    mgd_status status = MGD_OK;
    for (size_t seat = 0; seat < mgd_run_seats(run) && status == MGD_OK; seat++) {
        if (t->init) {
            mgd_init init = *t->init;
            init.seed = t->seed;
            init.replica = run->state.number[seat];
            status = run->chip->draw(ctx, run->chip, &init, row);
        } else if (seat == 0) {
            run->chip->theta(run->chip, row);
        }
        if (status == MGD_OK)
            status = mgd_run_seat_set(ctx, run, run->state.theta, seat, row);
    }
    mgd_free(row);
    if (status == MGD_OK && run->engine->hold)
        status = run->engine->hold(ctx, run);
    return status;
}

static mgd_status open_session(mgd_context *ctx, mgd_run *run) {
    const mgd_train *t = &run->train;
    mgd_task_spec task = {.train = t,
                          .x = t->x,
                          .y = t->y,
                          .cost = t->cost,
                          .batch = t->batch,
                          .width = run->layout.in_lanes ? run->layout.lanes : 0,
                          .max_points = run->layout.max_points,
                          .gradients = run->engine->gradients,
                          .workers = run->layout.workers,
                          .requesters = run->layout.requesters,
                          .units = run->layout.units,
                          .replicas = t->replicas,
                          .numbers = run->state.number,
                          .seed = t->seed,
                          .dt = t->dt,
                          .nodes = run->engine->nodes ? run->rules.uses : NULL,
                          .signals = run->signals.count,
                          .outputs = run->signals.outputs};
    return run->chip->open(ctx, run->chip, &task, &run->session);
}

/* Of a run and of each of its stages. */
static void start_amplitude(mgd_run *run) {
    const mgd_train *t = &run->train;
    run->now.per_amplitude = t->norm ? 1 / sqrt(run->code.square_sum) : 1;
    run->now.amplitude =
        t->norm ? t->amplitude.value / sqrt(run->code.square_sum) : t->amplitude.value;
    run->now.eta = t->eta.value;
    run->now.steady = mgd_schedule_constant(&t->amplitude) && t->settle == 0 &&
                      (mgd_schedule_constant(&t->tau_theta) || run->engine->filters);
    double sum = run->now.amplitude * run->code.square_sum;
    double mean = run->now.amplitude * run->code.mean_square * (double)run->clock.windows.tau;
    run->now.scale = 1 / (t->convention == MGD_CONVENTION_PUBLISHED ? sum : mean);
}

/* Time constants and the amplitude as they are at the first step; those that change are asked then.
 */
static void start_schedules(mgd_run *run) {
    const mgd_train *t = &run->train;
    const mgd_schedule *tau[] = {&t->tau_p, &t->tau_theta, &t->tau_x};
    mgd_timer *timers[] = {&run->clock.slots, &run->clock.windows, &run->clock.shows};
    for (size_t i = 0; i < 3; i++) {
        timers[i]->tau = mgd_schedule_constant(tau[i]) ? (uint64_t)tau[i]->value : 1;
        if (tau[i] == &t->tau_theta && !run->engine->windows)
            timers[i]->tau = 1; /* θ is written at every step */
        if (tau[i] == &t->tau_theta && run->engine->teaches)
            timers[i]->tau = UINT64_C(1) << 53;
    }
    run->now.tau_theta = t->tau_theta.value;
    start_amplitude(run);
}

/* Over the parameters, whose amplitudes follow their rules; or over the nodes that are perturbed
 * and the parameters beside them, which the chip and the engine move by their factors. */
static mgd_status open_code(mgd_context *ctx, mgd_run *run) {
    mgd_train t = run->train;
    t.num_matrices = run->chip->num_matrices;
    t.matrices = run->chip->matrices;
    if (!run->engine->nodes)
        return mgd_code_open(ctx, &t, run->parameters, run->chip->dtype, &run->code);
    t.num_rules = 0;
    if (run->rules.nodes > 0 && run->rules.singles > 0 && !mgd_code_of(t.code)->own)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: layers: nodes and parameters that are perturbed at the same time "
                        "need a code that draws its patterns, such as random or gaussian: those of "
                        "%s are orthogonal within a slot, and each sample has its own",
                        mgd_code_name(t.code) ? mgd_code_name(t.code) : "a function");
    MGD_TRY(mgd_code_open(ctx, &t, run->rules.nodes + run->rules.singles, run->chip->dtype,
                          &run->code));
    if (t.code != MGD_CODE_FUNCTION) {
        run->code.square_sum = run->code.mean_square * mgd_rules_squares(run);
        return MGD_OK;
    }
    if (mgd_rules_squares(run) == (double)run->code.parameters) /* energies are the code's own */
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "train: layers: amplitudes of layers do not go with nodes that a function "
                    "perturbs: expected it to give each node its own");
}

/* What is made anew for each stage: how layers learn, and the code. */
static mgd_status open_stage(mgd_context *ctx, mgd_run *run) {
    MGD_TRY(mgd_rules_check(ctx, run));
    MGD_TRY(mgd_rules_open(ctx, run));
    return open_code(ctx, run);
}

static mgd_status prepare(mgd_context *ctx, mgd_run *run) {
    mgd_train *t = &run->train;
    mgd_isa isa;
    MGD_TRY(mgd_isa_select(ctx, &isa));
    run->kernels = mgd_engine_kernels_get(isa, run->chip->dtype);
    if (t->engine == MGD_ENGINE_CIRCUIT)
        run->circuit = mgd_circuit_kernels_get(isa, run->chip->dtype);
    run->real = mgd_dtype_size(run->chip->dtype);
    run->parameters = run->chip->num_parameters;
    size_t threads = t->threads;
    if (threads == 0)
        MGD_TRY(mgd_threads_default(ctx, &threads));
    MGD_TRY(mgd_pool_new(ctx, threads, &run->pool));
    MGD_TRY(mgd_signals_check(ctx, run));
    MGD_TRY(mgd_signals_open(ctx, run));
    MGD_TRY(open_stage(ctx, run));
    start_schedules(run);
    run->clock.rested = run->chip->rested;
    mgd_run_choose_layout(run);
    MGD_TRY(allocate_state(ctx, run));
    fill_seats(run);
    MGD_TRY(open_session(ctx, run));
    run->order = (mgd_order){t->shuffle, t->seed, mgd_tensor_shape(t->x)[0]};
    MGD_TRY(open_workers(ctx, run));
    MGD_TRY(mgd_divergence_open(ctx, run));
    return fill_theta(ctx, run);
}

mgd_status mgd_run_new(mgd_context *ctx, mgd_chip *chip, const mgd_train *given, mgd_run **out) {
    MGD_OPERATION;
    if (!chip || !given)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: expected a chip and options, got NULL");
    mgd_train whole = *given, *train = &whole;
    MGD_TRY(check_train(ctx, train));
    const mgd_engine_type *engine = mgd_engine_of(train);
    if (!engine->filters) /* whose low-pass takes any time */
        mgd_schedule_round(&train->tau_theta);
    MGD_TRY(check_chip(ctx, engine, chip));
    if (engine->teaches && train->average.kind != MGD_AVERAGE_NONE)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "average: the chip writes θ by itself, unseen: expected none");
    if (engine->check)
        MGD_TRY(engine->check(ctx, train, chip));
    MGD_TRY(check_settle(ctx, train));
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "run", 1, sizeof(mgd_run), &memory));
    mgd_run *run = memory;
    mgd_tensor *x = NULL, *y = NULL;
    mgd_status status = mgd_tensor_view(ctx, train->x, &x);
    if (status == MGD_OK)
        status = mgd_tensor_view(ctx, train->y, &y);
    run->chip = chip;
    run->engine = engine;
    run->train = *train;
    run->train.x = x;
    run->train.y = y;
    if (status == MGD_OK)
        status = prepare(ctx, run);
    run->train.init = NULL; /* drawn; the caller's structure may go, and so may these */
    run->train.amplitudes = run->train.energy = NULL;
    run->train.signals = NULL;
    run->train.rules = run->rules.rule ? run->rules.rule + 1 : NULL; /* the copies */
    if (status != MGD_OK) {
        mgd_run_free(run);
        return status;
    }
    *out = run;
    return MGD_OK;
}

/* ---- freeing --------------------------------------------------------------------------------- */

/* What a stage has of its own. */
static void close_stage(mgd_run *run) {
    for (size_t i = 0; run->workers && i < run->layout.workers; i++)
        mgd_worker_close(run, &run->workers[i]);
    for (size_t unit = 0; run->orders && unit < run->layout.units; unit++)
        mgd_order_close(&run->orders[unit]);
    if (run->session)
        run->session->close(run->session);
    mgd_code_close(&run->code);
    mgd_rules_close(run);
    mgd_free(run->orders);
    mgd_free(run->workers);
}

void mgd_run_free(mgd_run *run) {
    if (!run)
        return;
    close_stage(run);
    mgd_pool_free(run->pool);
    mgd_run_record_end(run);
    mgd_signals_close(run);
    mgd_state_free(run);
    mgd_tensor_free((mgd_tensor *)run->train.x);
    mgd_tensor_free((mgd_tensor *)run->train.y);
    mgd_free(run);
}

/* ---- stages ---------------------------------------------------------------------------------- */

static mgd_status check_stage(mgd_context *ctx, const mgd_run *run, const mgd_train *t) {
    if (!mgd_timer_begins(&run->clock.windows, run->clock.step))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: stages: step %llu is within a window of %llu steps: expected a "
                        "stage to begin where θ is written",
                        (unsigned long long)run->clock.step,
                        (unsigned long long)run->clock.windows.tau);
    if (t->amplitude.kind == MGD_SCHEDULE_FUNCTION &&
        !mgd_timer_begins(&run->clock.slots, run->clock.step))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: stages: step %llu is within a slot of %llu steps, and an amplitude "
                        "that is a function is asked where one begins: expected a stage to begin "
                        "there",
                        (unsigned long long)run->clock.step,
                        (unsigned long long)run->clock.slots.tau);
    if (run->recording.recorder)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: stages: a recording has one set of options: expected one stage");
    MGD_TRY(mgd_schedule_check(ctx, "train: eta", &t->eta, MGD_VALUE_ANY));
    return mgd_schedule_check(ctx, "train: amplitude", &t->amplitude, MGD_VALUE_POSITIVE);
}

/* States of the chip's devices go over to the new session. */
static mgd_status take_over(mgd_context *ctx, const mgd_run *from, mgd_run *to) {
    void *states;
    if (from->session->num_states == 0)
        return MGD_OK;
    MGD_TRY(
        mgd_allocate(ctx, "states of devices", from->session->num_states, sizeof(double), &states));
    for (size_t seat = 0; seat < mgd_run_seats(from); seat++) {
        from->session->state_get(from->session, seat, states);
        to->session->state_set(to->session, seat, states);
    }
    mgd_free(states);
    return MGD_OK;
}

static mgd_status open_next(mgd_context *ctx, const mgd_run *before, mgd_run *run) {
    MGD_TRY(open_stage(ctx, run));
    start_amplitude(run);
    run->now.huge_eta *= mgd_rules_largest_eta(before) / mgd_rules_largest_eta(run);
    MGD_TRY(open_session(ctx, run));
    MGD_TRY(open_workers(ctx, run));
    return take_over(ctx, before, run);
}

/* Moments and G of what has learnt so far are of other gradients. */
static void begin_stage(mgd_run *run) {
    char *arrays[] = {run->state.gradient, run->state.first_moment, run->state.second_moment};
    for (size_t i = 0; i < 3; i++)
        if (arrays[i])
            memset(arrays[i], 0, run->layout.units * mgd_run_unit_bytes(run));
    run->clock.began_window = mgd_timer_index(&run->clock.windows, run->clock.step);
    run->kept = false;
    mgd_run_sum_anew(run);
}

mgd_status mgd_run_restage(mgd_context *ctx, mgd_run *run, const mgd_train *train) {
    MGD_OPERATION;
    MGD_TRY(check_stage(ctx, run, train));
    mgd_run_count(run);
    mgd_run before = *run; /* sessions may point at run->train, which stays where it is */
    run->rules = (mgd_rules){0};
    run->code = (mgd_code){0};
    run->session = NULL;
    run->orders = NULL;
    run->workers = NULL;
    run->train.num_rules = train->num_rules;
    run->train.rules = train->rules;
    run->train.gate = train->gate;
    run->train.keep = train->keep;
    run->train.amplitude = train->amplitude;
    run->train.eta = train->eta;
    run->train.weight_decay = train->weight_decay;
    mgd_status status = open_next(ctx, &before, run);
    if (status != MGD_OK) {
        close_stage(run);
        *run = before;
        return status;
    }
    close_stage(&before);
    run->train.rules = run->rules.rule + 1;
    begin_stage(run);
    return MGD_OK;
}
