/* l_run.c: training runs. lua/mgd/runs/settings.lua checks the options, run.lua drives the loop of
 * probes. */

#include "l_train.h"
#include "l_wire.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* A value that may be a Lua function of the step. */
typedef struct {
    const char *name; /* of the option */
    l_callback callback;
} l_schedule;

/* The options that may be one. */
static const struct {
    const char *name;
    size_t offset; /* in mgd_train */
} scheduled[] = {
    {"tau_p", offsetof(mgd_train, tau_p)},         {"tau_theta", offsetof(mgd_train, tau_theta)},
    {"tau_x", offsetof(mgd_train, tau_x)},         {"eta", offsetof(mgd_train, eta)},
    {"amplitude", offsetof(mgd_train, amplitude)},
};
enum { SCHEDULES = sizeof scheduled / sizeof *scheduled };

/* The box's user value is a table {chip =, cost =, eta = …}: what the run needs kept alive, the
 * functions by the names of their options, and the code's as `pattern`. */
typedef struct {
    mgd_run *run;
    l_chip *chip;
    int chip_kept; /* stack index of the chip's user value, while the library works */
    l_callback cost, pattern;
    l_schedule schedules[SCHEDULES];
    int busy; /* the library works on it: a callback must not enter again */
} l_run;

/* The run of a call that may change or free it. */
static l_run *check_idle(lua_State *L) {
    l_run *box = luaL_checkudata(L, 1, L_RUN);
    if (box->busy)
        l_error(L, "run: it is running already: a function that it calls must not use it");
    return box;
}

static l_run *check_run(lua_State *L) {
    l_run *box = check_idle(L);
    if (!box->run)
        l_error(L, "run: already freed");
    return box;
}

mgd_run *l_check_run(lua_State *L, int index) {
    const l_run *box = luaL_checkudata(L, index, L_RUN);
    if (box->busy || !box->run)
        l_error(L, "run: it is running already, or freed");
    return box->run;
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static mgd_status schedule_function(void *user, mgd_context *ctx, uint64_t step, double *value) {
    const l_schedule *schedule = user;
    lua_State *L = schedule->callback.L;
    int top = lua_gettop(L);
    char what[32], why[96];
    snprintf(what, sizeof what, "train: %s", schedule->name);
    lua_pushvalue(L, schedule->callback.function);
    lua_pushinteger(L, (lua_Integer)step);
    mgd_status status = l_protected(L, 1, 1, ctx, what);
    if (status == MGD_OK && lua_type(L, -1) != LUA_TNUMBER) {
        snprintf(why, sizeof why, "the function returned %s%s at step %llu: expected a number",
                 lua_isnil(L, -1) ? "" : "a ", luaL_typename(L, -1), (unsigned long long)step);
        status = l_fail(ctx, what, why);
    } else if (status == MGD_OK)
        *value = lua_tonumber(L, -1);
    lua_settop(L, top);
    return status;
}

static mgd_status cost_function(void *user, mgd_context *ctx, const mgd_tensor *y,
                                const mgd_tensor *target, double *cost) {
    const l_run *box = user;
    return l_call_back(&box->cost, ctx, "train: cost", y, target, NULL, NULL, cost);
}

typedef struct {
    uint64_t slot;
    double time;
    mgd_tensor **pattern;
} pattern_call;

/* Runs in protected mode: (function, call) */
static int protected_pattern(lua_State *L) {
    const pattern_call *c = lua_touserdata(L, 2);
    mgd_context ctx = {0};
    lua_settop(L, 1);
    lua_pushinteger(L, (lua_Integer)c->slot);
    lua_pushnumber(L, c->time);
    lua_call(L, 2, 1);
    mgd_tensor *t = l_take_tensor(L, lua_gettop(L));
    if (!t)
        return luaL_error(L, "it returned a %s: expected a tensor with a value for each parameter",
                          luaL_typename(L, -1));
    if (mgd_tensor_view(&ctx, t, c->pattern) != MGD_OK)
        return luaL_error(L, "%s", ctx.message);
    return 0;
}

static mgd_status pattern_function(void *user, mgd_context *ctx, uint64_t slot, double time,
                                   mgd_tensor **pattern) {
    const l_run *box = user;
    lua_State *L = box->pattern.L;
    pattern_call call = {slot, time, pattern};
    if (!L || !lua_checkstack(L, 8))
        return l_fail(ctx, "perturbation", "it cannot be called from here");
    int top = lua_gettop(L);
    lua_pushcfunction(L, protected_pattern);
    lua_pushvalue(L, box->pattern.function);
    lua_pushlightuserdata(L, &call);
    char what[64];
    snprintf(what, sizeof what, "perturbation: slot %llu", (unsigned long long)slot);
    mgd_status status = l_protected(L, 2, 0, ctx, what);
    lua_settop(L, top);
    return status;
}

/* Puts the Lua functions of the run on the stack, where the callbacks find them while the library
 * works; `leave` undoes it. The chip may serve another run at this moment, further up the stack. */
static l_callback enter(lua_State *L, l_run *box) {
    l_callback outer = box->chip->evaluate;
    luaL_checkstack(L, 16, "run");
    l_get_user_value(L, 1);
    int kept = lua_gettop(L);
    for (size_t i = 0; i < SCHEDULES; i++) {
        lua_getfield(L, kept, scheduled[i].name);
        box->schedules[i].callback = (l_callback){L, lua_gettop(L), 0};
    }
    lua_getfield(L, kept, "cost");
    box->cost = (l_callback){L, lua_gettop(L), 0};
    lua_getfield(L, kept, "pattern");
    box->pattern = (l_callback){L, lua_gettop(L), 0};
    lua_getfield(L, kept, "chip");
    l_get_user_value(L, -1);
    box->chip_kept = lua_gettop(L);
    l_enter_wires(L, box->chip->wires, box->chip_kept);
    lua_rawgeti(L, box->chip_kept, 1);
    lua_getfield(L, kept, "memory");
    box->chip->evaluate = (l_callback){L, lua_gettop(L) - 1, lua_gettop(L)};
    box->busy = 1;
    return outer;
}

static void leave(l_run *box, l_callback outer) {
    l_leave_wires(box->cost.L, box->chip->wires, box->chip_kept);
    box->chip->evaluate = outer;
    box->cost = box->pattern = (l_callback){NULL, 0, 0};
    for (size_t i = 0; i < SCHEDULES; i++)
        box->schedules[i].callback = (l_callback){NULL, 0, 0};
    box->busy = 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* Functions of the step among the options, into the table on top. */
static void keep_schedules(lua_State *L, int options, l_run *box, mgd_train *train) {
    int kept = lua_gettop(L);
    for (size_t i = 0; i < SCHEDULES; i++) {
        void *at = (char *)train + scheduled[i].offset;
        mgd_schedule *schedule = at;
        lua_getfield(L, options, scheduled[i].name);
        lua_setfield(L, kept, scheduled[i].name);
        box->schedules[i].name = scheduled[i].name;
        schedule->function = schedule_function;
        schedule->user = &box->schedules[i];
    }
}

/* Makes the table of what must live as long as the run, as the box's user value. */
static void keep_alive(lua_State *L, l_run *box, mgd_train *train) {
    lua_createtable(L, 0, 4 + SCHEDULES);
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "chip");
    lua_getfield(L, 2, "pattern");
    lua_setfield(L, -2, "pattern");
    if (train->code == MGD_CODE_FUNCTION) {
        train->code_function = pattern_function;
        train->code_user = box;
    }
    lua_getfield(L, 2, "cost");
    lua_setfield(L, -2, "cost");
    lua_getfield(L, 2, "memory");
    lua_setfield(L, -2, "memory");
    keep_schedules(L, 2, box, train);
    l_set_user_value(L, -2);
    if (train->cost.kind == MGD_COST_FUNCTION) {
        train->cost.function = cost_function;
        train->cost.user = box;
    }
}

/* new(chip, options, x, y) → run */
static int run_new(lua_State *L) {
    mgd_context ctx = {0};
    l_chip *chip = l_check_chip(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    mgd_train train = mgd_train_defaults();
    mgd_init init;
    train.x = l_check_tensor(L, 3, "mgd.train: data.x");
    train.y = l_check_tensor(L, 4, "mgd.train: data.y");
    l_cost(L, 2, &train.cost);
    l_train_options(L, 2, &train);
    train.numbers = l_tensor_field(L, 2, "numbers");
    train.eta_factors = l_tensor_field(L, 2, "eta_factors");
    lua_getfield(L, 2, "init");
    if (lua_istable(L, -1)) {
        l_init(L, lua_gettop(L), &init);
        train.init = &init;
    }
    lua_settop(L, 4);
    l_train_signals(L, 2, &train); /* this and the rules stay on the stack */
    l_train_rules(L, 2, &train);
    l_run *box = l_push_box(L, sizeof *box, L_RUN);
    box->chip = chip;
    keep_alive(L, box, &train);
    size_t before = mgd_memory_stats().live_bytes;
    l_check(L, mgd_run_new(&ctx, chip->chip, &train, &box->run), &ctx);
    chip->users++;
    l_byte_debt(L, mgd_memory_stats().live_bytes - before);
    return 1;
}

static int run_gc(lua_State *L) {
    l_run *box = check_idle(L);
    if (!box->run)
        return 0;
    mgd_run_free(box->run);
    box->run = NULL;
    box->chip->users--;
    return 0;
}

/* ---- running --------------------------------------------------------------------------------- */

/* watch(factor, ends) */
static int run_watch(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    l_check(L, mgd_run_watch(&ctx, box->run, luaL_checknumber(L, 2), lua_toboolean(L, 3)), &ctx);
    return 0;
}

/* diverged(r) → nil, or the step at which it did, the cost there, and what that is compared with */
static int run_diverged(lua_State *L) {
    l_run *box = check_run(L);
    int64_t r = l_integer(L, 2, "diverged: replica", 1, (int64_t)mgd_run_replicas(box->run));
    double cost, reference;
    uint64_t step = mgd_run_diverged(box->run, (size_t)r - 1, &cost, &reference);
    if (step == UINT64_MAX)
        return 0;
    lua_pushinteger(L, (lua_Integer)step);
    lua_pushnumber(L, cost);
    lua_pushnumber(L, reference);
    return 3;
}

/* advance(steps) → whether all went well; when not, the message and the kind of failure. Fewer
 * steps than that soon after a replica has diverged. */
static int run_advance(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    uint64_t steps = (uint64_t)l_integer(L, 2, "run: steps", 0, INT64_C(1) << 53);
    l_callback outer = enter(L, box);
    mgd_status status = mgd_run_advance(&ctx, box->run, steps);
    leave(box, outer);
    lua_pushboolean(L, status == MGD_OK);
    lua_pushstring(L, ctx.message);
    lua_pushstring(L, status == MGD_ERR_INTERRUPT   ? "interrupt"
                      : status == MGD_ERR_NONFINITE ? "nonfinite"
                                                    : "");
    return 3;
}

/* restage(options) */
static int run_restage(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    mgd_train train = mgd_train_defaults();
    lua_settop(L, 2);
    l_train_options(L, 2, &train);
    l_train_rules(L, 2, &train);
    l_get_user_value(L, 1);
    keep_schedules(L, 2, box, &train);
    l_callback outer = enter(L, box);
    mgd_status status = mgd_run_restage(&ctx, box->run, &train);
    leave(box, outer);
    l_check(L, status, &ctx);
    return 0;
}

/* kept() → values of a sample, bytes in all; or nil and why none */
static int run_kept(lua_State *L) {
    l_run *box = check_run(L);
    size_t values;
    double bytes;
    const char *reason = mgd_run_kept(box->run, &values, &bytes);
    if (reason || values == 0) {
        lua_pushnil(L);
        lua_pushstring(L, reason);
        return 2;
    }
    lua_pushinteger(L, (lua_Integer)values);
    lua_pushnumber(L, bytes);
    return 2;
}

/* Pushes a table of R numbers. */
static void push_values(lua_State *L, const l_run *box, const double *values) {
    lua_newtable(L);
    for (size_t r = 0; r < mgd_run_replicas(box->run); r++) {
        lua_pushnumber(L, values[r]);
        lua_rawseti(L, -2, (int)r + 1);
    }
}

/* An array of R numbers that the collector frees. */
static double *new_values(lua_State *L, const l_run *box) {
    return lua_newuserdatauv(L, (mgd_run_replicas(box->run) + 1) * sizeof(double), 1);
}

/* Entry r + 1 of the table at `index`, where there is one. */
static bool known_value(lua_State *L, int index, size_t r, double *value) {
    if (!lua_istable(L, index))
        return false;
    lua_rawgeti(L, index, (int)r + 1);
    bool known = lua_type(L, -1) == LUA_TNUMBER;
    if (known)
        *value = lua_tonumber(L, -1);
    lua_pop(L, 1);
    return known;
}

/* What follows looks at θ, or at its average where that is asked for: until `look_at_theta`. */
static void look(lua_State *L, const l_run *box, int index) {
    mgd_context ctx = {0};
    l_check(L, mgd_run_show_average(&ctx, box->run, lua_toboolean(L, index)), &ctx);
}

static void look_at_theta(const l_run *box) {
    mgd_run_show_average(&(mgd_context){0}, box->run, false);
}

/* evaluate(x, y[, {cost}, {accuracy}, average]) → {cost of each replica}, {accuracy of each
 * replica}; those that the tables have are taken from there */
static int run_evaluate(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    lua_settop(L, 6);
    mgd_tensor *x = l_hold_tensor(L, 2, "evaluate: x");
    mgd_tensor *y = l_hold_tensor(L, 3, "evaluate: y");
    double *cost = new_values(L, box), *accuracy = new_values(L, box);
    bool *known = lua_newuserdatauv(L, mgd_run_replicas(box->run) * sizeof(bool), 1);
    for (size_t r = 0; r < mgd_run_replicas(box->run); r++)
        known[r] = known_value(L, 4, r, &cost[r]) && known_value(L, 5, r, &accuracy[r]);
    look(L, box, 6);
    l_callback outer = enter(L, box);
    mgd_status status = mgd_run_evaluate(&ctx, box->run, x, y, known, cost, accuracy);
    leave(box, outer);
    look_at_theta(box);
    l_check(L, status, &ctx);
    push_values(L, box, cost);
    push_values(L, box, accuracy);
    return 2;
}

/* predict(x, draw[, average]) → outputs; draw 0: without noise */
static int run_predict(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    uint64_t draw = (uint64_t)l_integer(L, 3, "predict: draw", 0, INT64_C(1) << 37);
    lua_settop(L, 4);
    mgd_tensor *x = l_hold_tensor(L, 2, "run:predict: x");
    mgd_tensor **out = l_push_tensor_box(L);
    int at = lua_gettop(L);
    look(L, box, 4);
    l_callback outer = enter(L, box);
    mgd_status status = mgd_run_predict(&ctx, box->run, x, draw, out);
    leave(box, outer);
    look_at_theta(box);
    l_check(L, status, &ctx);
    l_tensor_filled(L, *out);
    lua_settop(L, at);
    return 1;
}

/* angle(whole_set[, errors]) → {degrees of each replica}, {signal-to-noise ratio of each}; where
 * errors are wanted, G − g (R, P) */
static int run_angle(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    lua_settop(L, 3);
    double *angle = new_values(L, box), *snr = new_values(L, box), *error = NULL;
    mgd_tensor **t = NULL;
    if (lua_toboolean(L, 3)) {
        size_t shape[2] = {mgd_run_replicas(box->run), mgd_chip_num_parameters(box->chip->chip)};
        t = l_push_tensor_box(L);
        l_check(L, mgd_tensor_new(&ctx, MGD_F64, 2, shape, t), &ctx);
        l_tensor_filled(L, *t);
        error = mgd_tensor_data(*t);
    }
    int at = lua_gettop(L);
    l_callback outer = enter(L, box);
    mgd_status status = mgd_run_angle(&ctx, box->run, lua_toboolean(L, 2), angle, snr, error);
    leave(box, outer);
    l_check(L, status, &ctx);
    push_values(L, box, angle);
    push_values(L, box, snr);
    if (!t)
        return 2;
    lua_pushvalue(L, at);
    return 3;
}

/* update_norm() → {norm of the last change of θ of each replica} */
static int run_update_norm(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    double *norm = new_values(L, box);
    l_check(L, mgd_run_update_norm(&ctx, box->run, norm), &ctx);
    push_values(L, box, norm);
    return 1;
}

/* saturated(x, y) → {share of units of each replica}, how many units there are */
static int run_saturated(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    lua_settop(L, 3);
    mgd_tensor *x = l_hold_tensor(L, 2, "saturated: x");
    mgd_tensor *y = l_hold_tensor(L, 3, "saturated: y");
    double *share = new_values(L, box);
    size_t units = 0;
    l_callback outer = enter(L, box);
    mgd_status status = mgd_run_saturated(&ctx, box->run, x, y, share, &units);
    leave(box, outer);
    l_check(L, status, &ctx);
    push_values(L, box, share);
    lua_pushinteger(L, (lua_Integer)units);
    return 2;
}

/* signal([mean]) → {C of each replica}, {C̃ of each}, {|C̃| in ulps of C of each}, over how many
 * steps */
static int run_signal(lua_State *L) {
    l_run *box = check_run(L);
    lua_settop(L, 2);
    double *c = new_values(L, box), *c_tilde = new_values(L, box), *ulps = new_values(L, box);
    uint64_t steps = mgd_run_signal(box->run, lua_toboolean(L, 2), c, c_tilde, ulps);
    push_values(L, box, c);
    push_values(L, box, c_tilde);
    push_values(L, box, ulps);
    lua_pushinteger(L, (lua_Integer)steps);
    return 4;
}

/* evaluations(n) of the first n steps */
static int run_evaluations(lua_State *L) {
    l_run *box = check_run(L);
    uint64_t n = (uint64_t)l_integer(L, 2, "evaluations: steps", 0, INT64_C(1) << 53);
    lua_pushnumber(L, mgd_run_evaluations(box->run, n));
    return 1;
}

/* counters() → {evaluations =, writes_mean =, writes_max =, pulses =, endurance_left =}: each a
 * list of R numbers */
static int run_counters(lua_State *L) {
    l_run *box = check_run(L);
    mgd_counters c;
    const struct {
        const char *name;
        double **values;
    } fields[] = {
        {"evaluations", &c.evaluations},       {"writes_mean", &c.writes_mean},
        {"writes_max", &c.writes_max},         {"pulses", &c.pulses},
        {"endurance_left", &c.endurance_left},
    };
    enum { COUNT = sizeof fields / sizeof *fields };
    for (size_t i = 0; i < COUNT; i++)
        *fields[i].values = new_values(L, box);
    mgd_run_counters(box->run, &c);
    lua_createtable(L, 0, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        push_values(L, box, *fields[i].values);
        lua_setfield(L, -2, fields[i].name);
    }
    return 1;
}

/* theta([average]) */
static int run_theta(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    lua_settop(L, 2);
    mgd_tensor **t = l_push_tensor_box(L);
    look(L, box, 2);
    mgd_status status = mgd_run_theta(&ctx, box->run, t);
    look_at_theta(box);
    l_check(L, status, &ctx);
    l_tensor_filled(L, *t);
    return 1;
}

/* set_theta(tensor) */
static int run_set_theta(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    const mgd_tensor *theta = l_check_tensor(L, 2, "run:set_theta");
    l_check(L, mgd_run_set_theta(&ctx, box->run, theta), &ctx);
    return 0;
}

static int run_gradient(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    mgd_tensor **t = l_push_tensor_box(L);
    l_check(L, mgd_run_gradient(&ctx, box->run, t), &ctx);
    l_tensor_filled(L, *t);
    return 1;
}

static int run_keep_gradient(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    l_check(L, mgd_run_keep_gradient(&ctx, box->run), &ctx);
    return 0;
}

static int run_steps_done(lua_State *L) {
    l_run *box = luaL_checkudata(L, 1, L_RUN);
    lua_pushinteger(L, box->run ? (lua_Integer)mgd_run_steps_done(box->run) : 0);
    return 1;
}

/* units() → how many there are, and how many of them are advanced */
static int run_units(lua_State *L) {
    l_run *box = check_run(L);
    size_t active, units = mgd_run_units(box->run, &active);
    lua_pushinteger(L, (lua_Integer)units);
    lua_pushinteger(L, (lua_Integer)active);
    return 2;
}

static int run_warning(lua_State *L) {
    l_run *box = check_run(L);
    lua_pushstring(L, mgd_run_warning(box->run)); /* nil when NULL */
    return 1;
}

/* stop(r): replica r, from 1, stops where it stands */
static int run_stop(lua_State *L) {
    l_run *box = check_run(L);
    int64_t r = l_integer(L, 2, "stop: replica", 1, (int64_t)mgd_run_replicas(box->run));
    mgd_run_stop(box->run, (size_t)r - 1);
    return 0;
}

/* go_on(): stopped replicas run again, but those whose cost was not finite */
static int run_go_on(lua_State *L) {
    mgd_run_go_on(check_run(L)->run);
    return 0;
}

/* stopped(r) → nil while it runs, or the step at which it stopped and whether its cost was finite
 */
static int run_stopped(lua_State *L) {
    l_run *box = check_run(L);
    int64_t r = l_integer(L, 2, "stopped: replica", 1, (int64_t)mgd_run_replicas(box->run));
    bool finite;
    uint64_t step = mgd_run_stopped(box->run, (size_t)r - 1, &finite);
    if (step == UINT64_MAX)
        return 0;
    lua_pushinteger(L, (lua_Integer)step);
    lua_pushboolean(L, finite);
    return 2;
}

/* stops() → a list: of each replica false while it runs, or the step at which it stopped */
static int run_stops(lua_State *L) {
    const l_run *box = check_run(L);
    size_t replicas = mgd_run_replicas(box->run);
    lua_createtable(L, (int)replicas, 0);
    for (size_t r = 0; r < replicas; r++) {
        bool finite;
        uint64_t step = mgd_run_stopped(box->run, r, &finite);
        if (step == UINT64_MAX)
            lua_pushboolean(L, false);
        else
            lua_pushinteger(L, (lua_Integer)step);
        lua_rawseti(L, -2, (int)r + 1);
    }
    return 1;
}

/* ---- state ----------------------------------------------------------------------------------- */

/* state() → {{name, tensor}, …} */
static int run_state(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    size_t count = mgd_run_state_count(box->run);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, mgd_run_state_name(box->run, i));
        lua_rawseti(L, -2, 1);
        mgd_tensor **t = l_push_tensor_box(L);
        l_check(L, mgd_run_state_get(&ctx, box->run, i, t), &ctx);
        l_tensor_filled(L, *t);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* set_state({tensor, …}) in the order of state() */
static int run_set_state(lua_State *L) {
    mgd_context ctx = {0};
    l_run *box = check_run(L);
    mgd_tensor *tensors[16];
    size_t count = mgd_run_state_count(box->run);
    luaL_checkstack(L, (int)count, "resume");
    if (count > sizeof tensors / sizeof *tensors)
        return l_error(L, "resume: %d tensors: too many", (int)count);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (int)i + 1);
        tensors[i] = l_check_tensor(L, lua_gettop(L), "resume: state");
    }
    l_check(L, mgd_run_state_set(&ctx, box->run, tensors), &ctx);
    return 0;
}

static const luaL_Reg methods[] = {
    {"__gc", run_gc},
    {"advance", run_advance},
    {"restage", run_restage},
    {"kept", run_kept},
    {"watch", run_watch},
    {"diverged", run_diverged},
    {"evaluate", run_evaluate},
    {"predict", run_predict},
    {"angle", run_angle},
    {"update_norm", run_update_norm},
    {"saturated", run_saturated},
    {"signal", run_signal},
    {"evaluations", run_evaluations},
    {"counters", run_counters},
    {"theta", run_theta},
    {"set_theta", run_set_theta},
    {"gradient", run_gradient},
    {"keep_gradient", run_keep_gradient},
    {"steps_done", run_steps_done},
    {"units", run_units},
    {"warning", run_warning},
    {"stop", run_stop},
    {"go_on", run_go_on},
    {"stopped", run_stopped},
    {"stops", run_stops},
    {"state", run_state},
    {"set_state", run_set_state},

    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", run_new},
    {NULL, NULL},
};

void l_open_run(lua_State *L) {
    l_new_type(L, L_RUN, methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "run");
}
