/* Making a run: options checked, memory taken, θ drawn; and freeing it. All else in this folder
 * lies below. */

#include "../base/number.h"
#include "step.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

mgd_train mgd_train_defaults(void) {
    return (mgd_train){.cost = {.kind = MGD_COST_MSE},
                       .batch = 1,
                       .shuffle = true,
                       .code = MGD_CODE_RANDOM,
                       .length = 16,
                       .amplitude = {.value = 0.01},
                       .tau_p = {.value = 1},
                       .tau_theta = {.value = 1},
                       .tau_x = {.value = 1},
                       .tau_hp = 10,
                       .tolerance = 1e-8,
                       .dt = 1,
                       .eta = {.value = 0.1},
                       .momentum = 0.9,
                       .beta1 = 0.9,
                       .beta2 = 0.999,
                       .epsilon = 1e-8,
                       .replicas = 1,
                       .replica = 1,
                       .seed = 1};
}

/* ---- options --------------------------------------------------------------------------------- */

static mgd_status need_positive(mgd_context *ctx, const char *name, uint64_t value) {
    if (value >= 1)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: %s must be at least 1, got %llu", name,
                    (unsigned long long)value);
}

/* `low` ≤ value < `high`, NaN refused */
static mgd_status need_range(mgd_context *ctx, const char *name, double value, double low,
                             double high) {
    if (value >= low && value < high)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: %s must be in [%s, %s), got %s", name,
                    MGD_NUMBER(low), MGD_NUMBER(high), MGD_NUMBER(value));
}

/* What the analog engine asks for. */
static mgd_status check_analog(mgd_context *ctx, const mgd_train *t) {
    if (!(t->tau_hp > 1 && t->tau_hp <= DBL_MAX))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: tau_hp = %s steps: the high-pass needs more than one, the time dt "
                        "of a step",
                        MGD_NUMBER(t->tau_hp));
    if (mgd_schedule_constant(&t->tau_x) && t->tau_x.value == 1 &&
        t->batch != mgd_tensor_shape(t->x)[0])
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: tau_x = 1 with the analog engine: every step would be a change of "
                        "sample, which its high-pass does not see; expected at least 2, or a batch "
                        "of the whole set");
    if (mgd_schedule_constant(&t->tau_x) && mgd_schedule_constant(&t->tau_p) &&
        fmod(t->tau_p.value, t->tau_x.value) == 0 && t->batch != mgd_tensor_shape(t->x)[0])
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: tau_p = %s is a multiple of tau_x = %s with the analog engine: "
                        "patterns would change together with samples alone, where its high-pass "
                        "sees nothing; expected a shorter tau_p",
                        MGD_NUMBER(t->tau_p.value), MGD_NUMBER(t->tau_x.value));
    if (t->clip > 0 || t->clip_norm > 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: the analog engine's G is a low-pass, which has no limits: expected "
                        "neither clip nor clip_norm");
    if (t->baseline != MGD_BASELINE_NONE || t->settle > 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: the analog engine measures no baseline and waits for nothing: "
                        "expected neither baseline nor settle");
    return MGD_OK;
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

static mgd_status check_schedules(mgd_context *ctx, const mgd_train *t) {
    bool analog = t->engine == MGD_ENGINE_ANALOG;
    MGD_TRY(mgd_schedule_check(ctx, "train: tau_p", &t->tau_p, MGD_VALUE_STEPS));
    MGD_TRY(mgd_schedule_check(ctx, "train: tau_x", &t->tau_x, MGD_VALUE_STEPS));
    MGD_TRY(mgd_schedule_check(ctx, "train: tau_theta", &t->tau_theta,
                               analog ? MGD_VALUE_POSITIVE : MGD_VALUE_STEPS));
    MGD_TRY(mgd_schedule_check(ctx, t->norm ? "perturbation: norm" : "perturbation: amplitude",
                               &t->amplitude, MGD_VALUE_POSITIVE));
    return mgd_schedule_check(ctx, "train: eta", &t->eta, MGD_VALUE_ANY);
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
    MGD_TRY(check_schedules(ctx, t));
    mgd_schedule_round(&t->tau_p);
    mgd_schedule_round(&t->tau_x);
    if (t->engine != MGD_ENGINE_ANALOG) /* whose low-pass takes any time */
        mgd_schedule_round(&t->tau_theta);
    MGD_TRY(need_positive(ctx, "batch", t->batch));
    MGD_TRY(need_positive(ctx, "replicas", t->replicas));
    MGD_TRY(need_positive(ctx, "replica", t->replica));
    MGD_TRY(need_range(ctx, "batch", (double)t->batch, 1, 0x1p32));
    MGD_TRY(need_range(ctx, "replica", (double)t->replica + (double)t->replicas, 1, 0x1p47));
    MGD_TRY(check_each(ctx, "number", t->numbers, t->replicas, 1, 0x1p47));
    MGD_TRY(check_each(ctx, "eta", t->eta_factors, t->replicas, 0, DBL_MAX));
    MGD_TRY(need_range(ctx, "momentum", t->momentum, 0, 1));
    MGD_TRY(need_range(ctx, "beta1", t->beta1, 0, 1));
    MGD_TRY(need_range(ctx, "beta2", t->beta2, 0, 1));
    MGD_TRY(need_range(ctx, "epsilon", t->epsilon, DBL_MIN, INFINITY));
    MGD_TRY(need_range(ctx, "dt", t->dt, DBL_MIN, INFINITY));
    MGD_TRY(need_range(ctx, "clamp", t->clamp, 0, INFINITY));
    MGD_TRY(need_range(ctx, "clip", t->clip, 0, INFINITY));
    MGD_TRY(need_range(ctx, "clip_norm", t->clip_norm, 0, INFINITY));
    MGD_TRY(need_range(ctx, "threshold", t->threshold, 0, INFINITY));
    MGD_TRY(need_range(ctx, "weight_decay", t->weight_decay, 0, INFINITY));
    if ((unsigned)t->integrator > MGD_INTEGRATOR_MSBDF || (unsigned)t->code > MGD_CODE_FUNCTION ||
        (unsigned)t->cost.kind > MGD_COST_FUNCTION)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: unknown integrator, code or cost");
    if (t->cost.kind == MGD_COST_FUNCTION && !t->cost.function)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "cost: function: expected one, got NULL");
    if ((unsigned)t->engine > MGD_ENGINE_BACKPROP || (unsigned)t->baseline > MGD_BASELINE_NONE ||
        (unsigned)t->convention > MGD_CONVENTION_PUBLISHED ||
        (unsigned)t->optimizer > MGD_OPTIMIZER_SIGN || (unsigned)t->perturb > MGD_PERTURB_NODES)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "train: unknown engine, perturb, baseline, convention or optimizer");
    if (t->engine == MGD_ENGINE_ANALOG)
        MGD_TRY(check_analog(ctx, t));
    return check_settle(ctx, t);
}

/* ---- making ---------------------------------------------------------------------------------- */

/* What every thread needs that forms patterns. */
static mgd_status open_patterns(mgd_context *ctx, const mgd_run *run, mgd_worker *w) {
    size_t pattern = MGD_PATTERN_ROWS * run->width;
    pattern = (pattern > MGD_PATTERN_ROW ? pattern : MGD_PATTERN_ROW) + run->kernels->lanes;
    MGD_TRY(mgd_code_cache_open(ctx, &run->code, run->block_steps, run->lanes, &w->code));
    if (mgd_take(&w->pattern, pattern, run->real) &&
        mgd_take(&w->factor, run->kernels->lanes, run->real))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: patterns of %zu parameters",
                    run->parameters);
}

/* And what those need that ask the chip for blocks of steps. */
static mgd_status open_requester(mgd_context *ctx, const mgd_run *run, mgd_worker *w) {
    size_t lanes = run->lanes, batches = run->block_steps * run->train.batch;
    bool exact = run->train.engine == MGD_ENGINE_BACKPROP;
    if (mgd_take(&w->points, run->max_points, sizeof(mgd_point)) &&
        mgd_take(&w->places, run->block_steps, sizeof *w->places) &&
        mgd_take(&w->cost, run->channels * run->max_points * lanes, sizeof(double)) &&
        mgd_take(&w->against, lanes, sizeof(double)) &&
        mgd_take(&w->samples, batches, lanes * sizeof(uint32_t)) &&
        mgd_take(&w->ahead, MGD_AHEAD * run->train.batch, lanes * sizeof(uint32_t)) &&
        mgd_take(&w->before, 1, mgd_run_unit_bytes(run)) &&
        mgd_take(&w->signal, run->channels * run->block_steps * run->width, run->real) &&
        mgd_take(&w->mixed, run->width, run->real) && mgd_take(&w->eta, run->width, run->real) &&
        mgd_take(&w->lives, run->width, run->real) && mgd_take(&w->decay, run->width, run->real) &&
        (run->nodes == 0 || mgd_take(&w->node_gradient, run->parameters, sizeof(double))) &&
        (!exact || (mgd_take(&w->weight, run->train.batch, sizeof(double)) &&
                    mgd_take(&w->slope, run->parameters, sizeof(double)))))
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_MEMORY,
                    "out of memory: the samples of a batch of %zu, shown up to %zu at once, need "
                    "%.0f bytes for each thread",
                    run->train.batch, run->block_steps,
                    (double)(batches + MGD_AHEAD * run->train.batch) * (double)lanes *
                        sizeof(uint32_t));
}

static void close_worker(mgd_worker *w) {
    mgd_free(w->points);
    mgd_free(w->places);
    mgd_free(w->cost);
    mgd_free(w->against);
    mgd_free(w->samples);
    mgd_free(w->ahead);
    mgd_free(w->before);
    mgd_free(w->signal);
    mgd_free(w->mixed);
    mgd_free(w->eta);
    mgd_free(w->lives);
    mgd_free(w->decay);
    mgd_ode_close(w->ode);
    mgd_free(w->weight);
    mgd_free(w->node_gradient);
    mgd_free(w->slope);
    mgd_free(w->pattern);
    mgd_free(w->factor);
    mgd_code_cache_close(&w->code);
}

static mgd_status allocate_state(mgd_context *ctx, mgd_run *run) {
    const mgd_train *t = &run->train;
    size_t unit = mgd_run_unit_bytes(run), all = run->units * run->lanes;
    size_t costs = run->channels * all;
    bool second = t->optimizer == MGD_OPTIMIZER_ADAM;
    bool first =
        second || t->optimizer == MGD_OPTIMIZER_MOMENTUM || t->optimizer == MGD_OPTIMIZER_NESTEROV;
    if (!(mgd_take(&run->theta, run->units, unit) && mgd_take(&run->gradient, run->units, unit) &&
          (!first || mgd_take(&run->first_moment, run->units, unit)) &&
          (!second || mgd_take(&run->second_moment, run->units, unit)) &&
          mgd_take(&run->c0, costs, sizeof(double)) && mgd_take(&run->c, costs, sizeof(double)) &&
          mgd_take(&run->c_tilde, costs, sizeof(double)) &&
          mgd_take(&run->alive, all, sizeof(double)) &&
          mgd_take(&run->stopped, all, sizeof(double)) &&
          mgd_take(&run->fatal, all, sizeof(double)) && mgd_take(&run->finite, all, 1) &&
          mgd_take(&run->reference, all, sizeof(double)) &&
          mgd_take(&run->limit, costs, sizeof(double)) &&
          mgd_take(&run->diverged, all, sizeof(double)) && mgd_take(&run->news, run->units, 1) &&
          mgd_take(&run->window_first, all, sizeof(double)) &&
          mgd_take(&run->window_end, all, sizeof(double)) &&
          mgd_take(&run->asked_of, all, sizeof(double)) &&
          mgd_take(&run->written_of, all, sizeof(double)) &&
          mgd_take(&run->careful, run->units, 1) &&
          mgd_take(&run->sums, 2 * costs, sizeof(double)) &&
          mgd_take(&run->cache, run->units, sizeof(mgd_order_cache)) &&
          mgd_take(&run->done, run->units, sizeof(uint64_t)) &&
          mgd_take(&run->workers, run->num_workers, sizeof(mgd_worker))))
        return mgd_fail(ctx, MGD_ERR_MEMORY,
                        "out of memory: %zu replicas of %zu parameters (%.0f bytes for each array "
                        "like θ)",
                        t->replicas, run->parameters, (double)run->units * (double)unit);
    for (size_t i = 0; i < run->num_workers; i++)
        MGD_TRY(open_patterns(ctx, run, &run->workers[i]));
    for (size_t i = 0; i < run->requesters; i++) {
        MGD_TRY(open_requester(ctx, run, &run->workers[i]));
        if (t->integrator != MGD_INTEGRATOR_EULER)
            MGD_TRY(mgd_ode_open(ctx, run, &run->workers[i].ode));
    }
    for (size_t i = 0; i < run->units; i++)
        MGD_TRY(mgd_order_open(ctx, &run->order, run->lanes, &run->cache[i]));
    for (size_t slot = 0; slot < all; slot++) {
        run->alive[slot] = slot < t->replicas;
        run->stopped[slot] = NAN;
        run->finite[slot] = 1;
    }
    run->live_units = run->units;
    memset(run->careful, 1, run->units); /* a resumed window holds what is not known */
    return MGD_OK;
}

/* Who stands where at first, and what each replica has of its own by the options. */
static mgd_status number_slots(mgd_context *ctx, mgd_run *run) {
    mgd_train *t = &run->train;
    size_t all = run->units * run->lanes;
    if (!(mgd_take(&run->slot, t->replicas, sizeof(size_t)) &&
          mgd_take(&run->owner, all, sizeof(size_t)) &&
          mgd_take(&run->number, all, sizeof(uint64_t)) &&
          mgd_take(&run->rate, all, sizeof(double))))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu replicas", t->replicas);
    const double *numbers = t->numbers ? mgd_tensor_data(t->numbers) : NULL;
    const double *factors = t->eta_factors ? mgd_tensor_data(t->eta_factors) : NULL;
    double most = factors ? 0 : 1;
    for (size_t slot = 0; slot < all; slot++) {
        size_t r = slot < t->replicas ? slot : t->replicas - 1;
        run->slot[r] = slot < t->replicas ? slot : run->slot[r];
        run->owner[slot] = r;
        run->number[slot] = numbers ? (uint64_t)numbers[r] : t->replica + r;
        run->rate[slot] = factors ? factors[r] : 1;
        most = fmax(most, fabs(run->rate[slot]));
    }
    run->huge_eta = MGD_HUGE_SIGNAL / most;
    t->numbers = t->eta_factors = NULL;
    return MGD_OK;
}

/* θ of every replica: drawn for it, or the chip's own. */
static mgd_status fill_theta(mgd_context *ctx, mgd_run *run) {
    const mgd_train *t = &run->train;
    void *row;
    MGD_TRY(mgd_allocate(ctx, "parameters", run->parameters, run->real, &row));
    mgd_status status = MGD_OK;
    for (size_t slot = 0; slot < run->units * run->lanes && status == MGD_OK; slot++) {
        if (t->init) {
            mgd_init init = *t->init;
            init.seed = t->seed;
            init.replica = run->number[slot];
            status = run->chip->draw(ctx, run->chip, &init, row);
        } else if (slot == 0) {
            run->chip->theta(run->chip, row);
        }
        if (status == MGD_OK)
            status = mgd_run_slot_set(ctx, run, run->theta, slot, row);
    }
    mgd_free(row);
    return status;
}

static mgd_status open_session(mgd_context *ctx, mgd_run *run) {
    const mgd_train *t = &run->train;
    mgd_task_spec task = {.x = t->x,
                          .y = t->y,
                          .cost = t->cost,
                          .batch = t->batch,
                          .width = run->in_lanes ? run->lanes : 0,
                          .max_points = run->max_points,
                          .gradients = t->engine == MGD_ENGINE_BACKPROP,
                          .workers = run->num_workers,
                          .requesters = run->requesters,
                          .units = run->units,
                          .replicas = t->replicas,
                          .numbers = run->number,
                          .seed = t->seed,
                          .dt = t->dt,
                          .nodes = run->nodes > 0,
                          .num_shares = run->channels - 1,
                          .shares = run->shares};
    return run->chip->open(ctx, run->chip, &task, &run->session);
}

/* Amplitudes, and time constants as they are at the first step; those that change are asked then.
 */
static void start_schedules(mgd_run *run) {
    const mgd_train *t = &run->train;
    const mgd_schedule *tau[] = {&t->tau_p, &t->tau_theta, &t->tau_x};
    mgd_timer *timers[] = {&run->slots, &run->windows, &run->shows};
    for (size_t i = 0; i < 3; i++) {
        timers[i]->tau = mgd_schedule_constant(tau[i]) ? (uint64_t)tau[i]->value : 1;
        if (tau[i] == &t->tau_theta && t->engine != MGD_ENGINE_DISCRETE)
            timers[i]->tau = 1; /* θ is written at every step */
    }
    run->tau_theta = t->tau_theta.value;
    run->per_amplitude = t->norm ? 1 / sqrt(run->code.square_sum) : 1;
    run->amplitude = t->norm ? t->amplitude.value / sqrt(run->code.square_sum) : t->amplitude.value;
    run->eta = t->eta.value;
    run->steady = mgd_schedule_constant(&t->amplitude) && t->settle == 0 &&
                  (mgd_schedule_constant(&t->tau_theta) || t->engine == MGD_ENGINE_ANALOG);
    double sum = run->amplitude * run->code.square_sum;
    double mean = run->amplitude * run->code.mean_square * (double)run->windows.tau;
    run->scale = 1 / (t->convention == MGD_CONVENTION_PUBLISHED ? sum : mean);
}

static mgd_status prepare(mgd_context *ctx, mgd_run *run) {
    mgd_train *t = &run->train;
    mgd_isa isa;
    MGD_TRY(mgd_isa_select(ctx, &isa));
    run->kernels = mgd_engine_kernels_get(isa, run->chip->dtype);
    run->real = mgd_dtype_size(run->chip->dtype);
    run->parameters = run->chip->num_parameters;
    size_t threads = t->threads;
    if (threads == 0)
        MGD_TRY(mgd_threads_default(ctx, &threads));
    MGD_TRY(mgd_pool_new(ctx, threads, &run->pool));
    MGD_TRY(mgd_nodes_check(ctx, run->chip, t));
    MGD_TRY(mgd_signals_check(ctx, t, run->parameters));
    MGD_TRY(mgd_signals_open(ctx, run));
    run->nodes = t->perturb == MGD_PERTURB_NODES ? run->chip->num_nodes : 0;
    MGD_TRY(mgd_code_open(ctx, t, run->nodes > 0 ? run->nodes : run->parameters, run->chip->dtype,
                          &run->code));
    start_schedules(run);
    run->rested = run->chip->rested;
    mgd_nodes_prepare(run);
    mgd_run_choose_layout(run);
    MGD_TRY(number_slots(ctx, run));
    MGD_TRY(open_session(ctx, run));
    run->order = (mgd_order){t->shuffle, t->seed, mgd_tensor_shape(t->x)[0]};
    MGD_TRY(allocate_state(ctx, run));
    MGD_TRY(mgd_divergence_open(ctx, run));
    return fill_theta(ctx, run);
}

mgd_status mgd_run_new(mgd_context *ctx, mgd_chip *chip, const mgd_train *given, mgd_run **out) {
    MGD_OPERATION;
    if (!chip || !given)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "train: expected a chip and options, got NULL");
    mgd_train whole = *given, *train = &whole;
    MGD_TRY(check_train(ctx, train));
    MGD_TRY(mgd_ode_check(ctx, train, chip));
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "run", 1, sizeof(mgd_run), &memory));
    mgd_run *run = memory;
    mgd_tensor *x = NULL, *y = NULL;
    mgd_status status = mgd_tensor_view(ctx, train->x, &x);
    if (status == MGD_OK)
        status = mgd_tensor_view(ctx, train->y, &y);
    run->chip = chip;
    run->train = *train;
    run->train.x = x;
    run->train.y = y;
    if (status == MGD_OK)
        status = prepare(ctx, run);
    run->train.init = NULL; /* drawn; the caller's structure may go, and so may these */
    run->train.amplitudes = run->train.energy = NULL;
    run->train.listeners = NULL;
    if (status != MGD_OK) {
        mgd_run_free(run);
        return status;
    }
    *out = run;
    return MGD_OK;
}

void mgd_run_free(mgd_run *run) {
    if (!run)
        return;
    for (size_t i = 0; run->workers && i < run->num_workers; i++)
        close_worker(&run->workers[i]);
    for (size_t unit = 0; run->cache && unit < run->units; unit++)
        mgd_order_close(&run->cache[unit]);
    if (run->session)
        run->session->close(run->session);
    mgd_code_close(&run->code);
    mgd_pool_free(run->pool);
    void *blocks[] = {
        run->theta,           run->gradient,     run->first_moment, run->second_moment,
        run->window_gradient, run->window_theta, run->slot,         run->number,
        run->owner,           run->rate,         run->c0,           run->c,
        run->c_tilde,         run->alive,        run->stopped,      run->finite,
        run->careful,         run->fatal,        run->window_first, run->window_end,
        run->asked_of,        run->written_of,   run->sums,         run->cache,
        run->shares,          run->ears,         run->done,         run->workers,
        run->reference,       run->limit,        run->diverged,     run->news};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mgd_free(blocks[i]);
    mgd_tensor_free((mgd_tensor *)run->train.x);
    mgd_tensor_free((mgd_tensor *)run->train.y);
    mgd_free(run);
}
