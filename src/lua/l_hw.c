/* l_hw.c: models of hardware as tables from Lua to C, simulated chips made of them, and models
 * tried out by themselves. lua/mgd/hw.lua checks and compiles; here tables are only read.
 */

#include "l_train.h"

#include <stdio.h>
#include <string.h>

/* ---- fields ---------------------------------------------------------------------------------- */

typedef struct {
    const char *name;
    size_t offset;
} field;

#define MODEL(name)                                                                                \
    { #name, offsetof(mgd_hw_model, name) }
static const field model_fields[] = {
    MODEL(gain),
    MODEL(gain_spread),
    MODEL(offset),
    MODEL(offset_spread),
    MODEL(low),
    MODEL(high),
    MODEL(step),
    MODEL(strength),
    MODEL(strength_spread),
    MODEL(scale),
    MODEL(sigma),
    MODEL(tau),
    MODEL(tau_spread),
    MODEL(frequency),
    MODEL(damping),
    MODEL(f_low),
    MODEL(f_high),
    MODEL(t0),
    MODEL(nu),
    MODEL(nu_spread),
};

#define UPDATE(name)                                                                               \
    { #name, offsetof(mgd_hw_update, name) }
static const field update_fields[] = {
    UPDATE(resolution),
    UPDATE(threshold),
    UPDATE(interval),
    UPDATE(endurance),
    UPDATE(endurance_spread),
    UPDATE(sigma),
    UPDATE(proportional),
    UPDATE(dw_min),
    UPDATE(dw_min_d2d),
    UPDATE(c2c),
    UPDATE(up_down),
    UPDATE(up_down_d2d),
    UPDATE(w_min),
    UPDATE(w_max),
    UPDATE(w_min_d2d),
    UPDATE(w_max_d2d),
    UPDATE(gamma_up),
    UPDATE(gamma_down),
    UPDATE(gamma_d2d),
    UPDATE(amplitude_up),
    UPDATE(amplitude_down),
    UPDATE(a),
    UPDATE(b),
    UPDATE(levels),
    UPDATE(nonlinearity_up),
    UPDATE(nonlinearity_down),
};

/* Numbers of the table at `index` into the structure; those it lacks stay as they are. */
static void read_fields(lua_State *L, int index, const field *fields, size_t count, void *out) {
    for (size_t i = 0; i < count; i++) {
        double *to = (double *)(void *)((char *)out + fields[i].offset);
        *to = l_number_field(L, index, fields[i].name, *to);
    }
}

static bool flag(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static int choice(lua_State *L, int index, const char *name, const char *otherwise,
                  const char *const *names) {
    lua_getfield(L, index, name);
    int value = luaL_checkoption(L, -1, otherwise, names);
    lua_pop(L, 1);
    return value;
}

static void text(lua_State *L, int index, const char *name, char *out, size_t capacity) {
    lua_getfield(L, index, name);
    const char *value = lua_tostring(L, -1);
    snprintf(out, capacity, "%s", value ? value : "");
    lua_pop(L, 1);
}

/* Numbers of a list into `out`, at most `most`. */
static void numbers(lua_State *L, int index, const char *name, double *out, size_t most) {
    lua_getfield(L, index, name);
    for (size_t i = 0; lua_istable(L, -1) && i < most; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        out[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* A list as an array that the collector frees: it is put into the table at `anchor`. */
static const double *list(lua_State *L, int index, const char *name, int anchor, size_t *size) {
    *size = 0;
    lua_getfield(L, index, name);
    if (!lua_istable(L, -1)) {
        lua_pop(L, 1);
        return NULL;
    }
    *size = lua_rawlen(L, -1);
    lua_pop(L, 1);
    double *array = lua_newuserdatauv(L, (*size + 1) * sizeof(double), 1);
    numbers(L, index, name, array, *size);
    lua_rawseti(L, anchor, (int)lua_rawlen(L, anchor) + 1);
    return array;
}

/* ---- functions of the user's ----------------------------------------------------------------- */

/* The event that functions are called for, NULL outside of calls. What they draw by may outlive its
 * call, and knows its number. */
typedef struct {
    const mgd_hw_event *event;
    lua_Integer number, calls;
} hw_current;

/* Where a function lies: entry `slot` of the table below the callback's function on its stack; the
 * current event is the entry behind it. */
typedef struct {
    const l_callback *callback;
    hw_current *current;
    int slot;
    char name[64];
} hw_function;

typedef struct {
    const mgd_tensor *values;
    const mgd_hw_event *event;
    lua_Integer number;
    mgd_tensor **out;
} hw_call;

/* rand(k), randn(k): upvalues current event, number of theirs, and which */
static int event_draw(lua_State *L) {
    mgd_context ctx = {0};
    const hw_current *current = lua_touserdata(L, lua_upvalueindex(1));
    const mgd_hw_event *event = current->event;
    bool uniform = lua_toboolean(L, lua_upvalueindex(3));
    if (!event || current->number != lua_tointeger(L, lua_upvalueindex(2)))
        l_error(L, "ctx.%s: the call that it belongs to is over", uniform ? "rand" : "randn");
    int64_t k = lua_isnoneornil(L, 1) ? 1 : l_integer(L, 1, "ctx: number of the draw", 1, 1 << 20);
    mgd_tensor **box = l_push_tensor_box(L);
    l_check(L, event->draw(&ctx, event->event, uniform, (uint64_t)k, box), &ctx);
    l_tensor_filled(L, *box);
    return 1;
}

/* The current event is at stack index `current`. */
static void push_event(lua_State *L, int current, const hw_call *c) {
    lua_createtable(L, 0, 12);
    lua_pushinteger(L, (lua_Integer)c->event->step);
    lua_setfield(L, -2, "step");
    lua_pushnumber(L, c->event->time);
    lua_setfield(L, -2, "time");
    lua_pushnumber(L, c->event->dt);
    lua_setfield(L, -2, "dt");
    lua_pushboolean(L, c->event->still);
    lua_setfield(L, -2, "still");
    lua_createtable(L, (int)c->event->lanes, 0);
    for (size_t i = 0; i < c->event->lanes; i++) {
        lua_pushinteger(L, (lua_Integer)c->event->replica[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_setfield(L, -2, "replicas");
    lua_pushinteger(L, (lua_Integer)c->event->lanes);
    lua_setfield(L, -2, "lanes");
    for (int uniform = 0; uniform < 2; uniform++) {
        lua_pushvalue(L, current);
        lua_pushinteger(L, c->number);
        lua_pushboolean(L, uniform);
        lua_pushcclosure(L, event_draw, 3);
        lua_setfield(L, -2, uniform ? "rand" : "randn");
    }
}

/* Runs in protected mode: (current event, function, call, memory, place, replica) */
static int protected_call(lua_State *L) {
    const hw_call *c = lua_touserdata(L, 3);
    mgd_context ctx = {0};
    lua_pushvalue(L, 2);
    mgd_tensor **box = l_push_tensor_box(L);
    l_check(L, mgd_tensor_convert(&ctx, c->values, MGD_F64, box), &ctx);
    l_tensor_filled(L, *box);
    push_event(L, 1, c);
    for (int i = 4; i <= 6; i++)
        lua_pushvalue(L, i);
    lua_call(L, 5, 1);
    mgd_tensor *result = l_take_tensor(L, lua_gettop(L));
    if (!result)
        return luaL_error(L, "it returned a %s: expected a tensor", luaL_typename(L, -1));
    if (mgd_tensor_view(&ctx, result, c->out) != MGD_OK)
        return luaL_error(L, "%s", ctx.message);
    return 0;
}

/* The call's memory at the end of the stack: by Lua, which knows it by place and replica. */
static void push_memory(lua_State *L, const hw_function *f, const mgd_hw_event *event) {
    lua_pushvalue(L, f->callback->memory);
    lua_pushinteger(L, (lua_Integer)event->chain);
    lua_pushinteger(L, (lua_Integer)event->device + 1);
}

static mgd_status call_function(void *user, mgd_context *ctx, const mgd_tensor *values,
                                const mgd_hw_event *event, mgd_tensor **out) {
    const hw_function *f = user;
    lua_State *L = f->callback->L;
    hw_call c = {values, event, ++f->current->calls, out};
    if (!L || !lua_checkstack(L, 12))
        return l_fail(ctx, f->name, "it cannot be called from here");
    int top = lua_gettop(L);
    const hw_current outer = *f->current; /* a function may train on its own chip */
    f->current->event = event;
    f->current->number = c.number;
    lua_pushcfunction(L, protected_call);
    lua_rawgeti(L, f->callback->function - 1, f->slot + 1);
    lua_rawgeti(L, f->callback->function - 1, f->slot);
    lua_pushlightuserdata(L, &c);
    push_memory(L, f, event);
    mgd_status status = l_protected(L, 6, 0, ctx, f->name);
    f->current->event = outer.event;
    f->current->number = outer.number;
    lua_settop(L, top);
    return status;
}

/* Has what a replica remembers put aside, or back. */
static mgd_status keep_memory(void *user, mgd_context *ctx, size_t device, bool undo) {
    const hw_function *f = user;
    lua_State *L = f->callback->L;
    if (!L || !lua_checkstack(L, 8))
        return l_fail(ctx, f->name, "it cannot be called from here");
    int top = lua_gettop(L);
    lua_getfield(L, f->callback->memory, undo ? "undo" : "keep");
    lua_pushvalue(L, f->callback->memory);
    lua_pushinteger(L, (lua_Integer)device + 1);
    mgd_status status = l_protected(L, 2, 0, ctx, f->name);
    lua_settop(L, top);
    return status;
}

/* ---- models ---------------------------------------------------------------------------------- */

static void read_mapping(lua_State *L, int index, mgd_hw_mapping *out) {
    *out = (mgd_hw_mapping){.differential = true, .g_max = 1, .per_weight = 1, .averaging = 1};
    lua_getfield(L, index, "mapping");
    int m = lua_gettop(L);
    if (lua_istable(L, m)) {
        out->differential = flag(L, m, "differential");
        out->g_min = l_number_field(L, m, "g_min", 0);
        out->g_max = l_number_field(L, m, "g_max", 1);
        out->w_min = l_number_field(L, m, "w_min", 0);
        out->per_weight = l_number_field(L, m, "per_weight", 1);
        out->averaging = l_number_field(L, m, "averaging", 1);
    }
    lua_pop(L, 1);
}

/* Reads the table at `index`; tables and functions are kept alive by the table at `anchor`. */
static void read_model(lua_State *L, int index, int anchor, const l_callback *callback,
                       mgd_hw_model *m) {
    static const char *const kinds[] = {"affine",    "shift",    "asymmetry", "quantise", "levels",
                                        "clamp",     "compress", "saturate",  "noise",    "flicker",
                                        "drift",     "leak",     "diffusion", "stuck",    "ir_drop",
                                        "crosstalk", "low_pass", "high_pass", "ringing",  "delay",
                                        "slew",      "function", NULL};
    static const char *const places[] = {
        "input", "neuron", "activation", "output",  "cost", "perturbation", "memory", "weight",
        "drive", "change", "write",      "product", NULL};
    static const char *const laws[] = {"additive", "proportional", "inverse",  "polynomial",
                                       "linear",   "exponential",  "pcm_read", NULL};
    *m = (mgd_hw_model){.gain = 1, .scale = 1, .poles = 1};
    m->kind = (mgd_hw_kind)choice(L, index, "kind", NULL, kinds);
    m->place = (mgd_hw_place)choice(L, index, "place", NULL, places);
    m->noise = (mgd_hw_noise)choice(L, index, "noise", "additive", laws);
    text(L, index, "stream", m->stream, sizeof m->stream);
    read_fields(L, index, model_fields, sizeof model_fields / sizeof *model_fields, m);
    m->stochastic = flag(L, index, "stochastic");
    m->uniform = flag(L, index, "uniform");
    m->pcm_nu = flag(L, index, "pcm_nu");
    m->management = (int)l_count_field(L, index, "management", 0, INT32_MAX);
    m->compensation = (int)l_count_field(L, index, "compensation", 0, INT32_MAX);
    m->poles = (size_t)l_count_field(L, index, "poles", 1, UINT32_MAX);
    numbers(L, index, "c", m->c, 3);
    numbers(L, index, "fraction", m->fraction, 3);
    read_mapping(L, index, &m->mapping);
    m->table = list(L, index, "table", anchor, &m->table_size);
    if (m->kind == MGD_HW_DRIFT)
        m->table_size /= 3;
    if (m->kind == MGD_HW_FUNCTION) {
        lua_getfield(L, index, "call");
        luaL_checktype(L, -1, LUA_TFUNCTION);
        int slot = (int)lua_rawlen(L, anchor) + 1;
        lua_rawseti(L, anchor, slot);
        hw_current *current = lua_newuserdatauv(L, sizeof *current, 1);
        *current = (hw_current){0};
        lua_rawseti(L, anchor, slot + 1);
        hw_function *f = lua_newuserdatauv(L, sizeof *f, 1);
        *f = (hw_function){callback, current, slot, ""};
        text(L, index, "name", f->name, sizeof f->name);
        lua_rawseti(L, anchor, slot + 2);
        m->function = call_function;
        m->memory = flag(L, index, "memory");
        m->keep = keep_memory;
        m->user = f;
    }
}

/* The list at `index` as an array that the table at `anchor` keeps. */
static mgd_hw_model *read_models(lua_State *L, int index, int anchor, const l_callback *callback,
                                 size_t *count) {
    luaL_checktype(L, index, LUA_TTABLE);
    *count = lua_rawlen(L, index);
    mgd_hw_model *models = lua_newuserdatauv(L, (*count + 1) * sizeof *models, 1);
    lua_rawseti(L, anchor, (int)lua_rawlen(L, anchor) + 1);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        read_model(L, lua_gettop(L), anchor, callback, &models[i]);
        lua_pop(L, 1);
    }
    return models;
}

static void read_update(lua_State *L, int index, int anchor, mgd_hw_update *u) {
    static const char *const laws[] = {"constant", "linear", "soft_bounds", "exponential", "power",
                                       "ltp_ltd",  "table",  "ideal",       NULL};
    *u = (mgd_hw_update){.max_pulses = 31};
    u->law = (mgd_hw_law_kind)choice(L, index, "law", NULL, laws);
    text(L, index, "stream", u->stream, sizeof u->stream);
    read_fields(L, index, update_fields, sizeof update_fields / sizeof *update_fields, u);
    u->accumulate = flag(L, index, "accumulate");
    u->stochastic = flag(L, index, "stochastic");
    u->max_pulses = (size_t)l_count_field(L, index, "max_pulses", 31, UINT32_MAX);
    u->up = list(L, index, "up", anchor, &u->up_size);
    u->down = list(L, index, "down", anchor, &u->down_size);
}

static void read_conditions(lua_State *L, int index, mgd_hw_conditions *c) {
    c->step = l_number_field(L, index, "dt", 1);
    c->held = l_number_field(L, index, "held", 0);
    c->seed = l_seed_field(L, index, "seed");
    c->replica = l_count_field(L, index, "replica", 1, 0x1p53);
    c->still = flag(L, index, "still");
}

/* A tensor as rows in time, and the result in the shape that it had. */
static mgd_status as_rows(mgd_context *ctx, const mgd_tensor *t, mgd_tensor **out) {
    if (mgd_tensor_ndim(t) == 2)
        return mgd_tensor_view(ctx, t, out);
    return mgd_tensor_reshape(ctx, t, 2, (size_t[]){1, mgd_tensor_size(t)}, out);
}

static void reshape_back(lua_State *L, mgd_tensor **box, const mgd_tensor *like) {
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_reshape(&ctx, *box, mgd_tensor_ndim(like), mgd_tensor_shape(like), out),
            &ctx);
    l_tensor_filled(L, *out);
}

/* apply(models, conditions, values, memory) → values */
static int hw_apply(lua_State *L) {
    mgd_context ctx = {0};
    mgd_hw_conditions conditions;
    size_t count;
    read_conditions(L, 2, &conditions);
    lua_settop(L, 4);
    const mgd_tensor *values = l_hold_tensor(L, 3, "hw: values");
    lua_newtable(L);
    lua_pushnil(L);
    l_callback callback = {L, 7, 4}; /* functions lie in the table below */
    mgd_hw_model *models = read_models(L, 1, 6, &callback, &count);
    mgd_tensor **rows = l_push_tensor_box(L);
    l_check(L, as_rows(&ctx, values, rows), &ctx);
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_hw_apply(&ctx, count, models, &conditions, *rows, out), &ctx);
    reshape_back(L, out, values);
    return 1;
}

/* write(update, conditions, start, changes) → weights */
static int hw_write(lua_State *L) {
    mgd_context ctx = {0};
    mgd_hw_conditions conditions;
    mgd_hw_update update;
    read_conditions(L, 2, &conditions);
    const mgd_tensor *start = l_check_tensor(L, 3, "hw: weights");
    const mgd_tensor *changes = l_check_tensor(L, 4, "hw: changes");
    lua_settop(L, 4);
    lua_newtable(L);
    read_update(L, 1, 5, &update);
    mgd_tensor **first = l_push_tensor_box(L);
    l_check(L, as_rows(&ctx, start, first), &ctx);
    mgd_tensor **rows = l_push_tensor_box(L);
    l_check(L, as_rows(&ctx, changes, rows), &ctx);
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_hw_write(&ctx, &update, &conditions, *first, *rows, out), &ctx);
    reshape_back(L, out, changes);
    return 1;
}

/* chip(network, models, update or nil, seed) → chip; keeps the network and functions alive */
static int hw_chip(lua_State *L) {
    mgd_context ctx = {0};
    l_net *net = l_check_net_box(L, 1);
    mgd_hw_update update;
    mgd_chip_spec spec = {
        .seed = (uint64_t)l_integer(L, 4, "chip: seed", -(INT64_C(1) << 53), INT64_C(1) << 53)};
    lua_settop(L, 4);
    l_chip *box = l_push_box(L, sizeof *box, L_CHIP);
    lua_newtable(L);
    lua_pushvalue(L, 1);
    lua_rawseti(L, 6, 1);
    spec.models = read_models(L, 2, 6, &box->evaluate, &spec.num_models);
    if (lua_istable(L, 3)) {
        read_update(L, 3, 6, &update);
        spec.update = &update;
    }
    l_set_user_value(L, 5);
    l_check(L, mgd_chip_simulated(&ctx, net->net, &spec, &box->chip), &ctx);
    l_chip_serves(box, net);
    return 1;
}

static const luaL_Reg functions[] = {
    {"apply", hw_apply},
    {"write", hw_write},
    {"chip", hw_chip},
    {NULL, NULL},
};

void l_open_hw(lua_State *L) {
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "hw");
}
