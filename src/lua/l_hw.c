/* l_hw.c: models of hardware as tables from Lua to C, simulated chips made of them, and models
 * tried out by themselves. lua/mgd/hardware/hw.lua checks and compiles; here tables are only read.
 */

#include "l_train.h"

#include <stdio.h>
#include <string.h>

/* ---- fields ---------------------------------------------------------------------------------- */

static const char *kind_name(unsigned kind) {
    return kind < MGD_HW_KIND_COUNT ? mgd_hw_kind_name((mgd_hw_kind)kind) : NULL;
}

static const char *place_name(unsigned place) {
    return place < MGD_HW_PLACE_COUNT ? mgd_hw_place_name((mgd_hw_place)place) : NULL;
}

static const char *noise_name(unsigned noise) {
    return noise < MGD_HW_NOISE_COUNT ? mgd_hw_noise_name((mgd_hw_noise)noise) : NULL;
}

static const char *law_name(unsigned law) {
    return law < MGD_HW_LAW_COUNT ? mgd_hw_law_name((mgd_hw_law_kind)law) : NULL;
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

/* The field that the table at `index` has at `name`; what it lacks stays as it is. */
static void read_field(lua_State *L, int index, const char *name, const mgd_hw_field *field,
                       void *out) {
    void *to = (char *)out + field->offset;
    const char *dot = strchr(name, '.');
    if (dot) { /* in a table of its own */
        lua_pushlstring(L, name, (size_t)(dot - name));
        lua_rawget(L, index);
        if (lua_istable(L, -1))
            read_field(L, lua_gettop(L), dot + 1, field, out);
        lua_pop(L, 1);
    } else if (field->type == MGD_HW_FLAG)
        *(bool *)to = l_flag_field(L, index, name);
    else if (field->type == MGD_HW_SIZE)
        *(size_t *)to = (size_t)l_count_field(L, index, name, *(size_t *)to, UINT32_MAX);
    else if (field->count > 1)
        numbers(L, index, name, to, field->count);
    else
        *(double *)to = l_number_field(L, index, name, *(double *)to);
}

static void read_fields(lua_State *L, int index, const mgd_hw_field *fields, size_t count,
                        void *out) {
    for (size_t i = 0; i < count; i++)
        read_field(L, index, fields[i].name, &fields[i], out);
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

/* Reads the table at `index`; tables and functions are kept alive by the table at `anchor`. */
static void read_model(lua_State *L, int index, int anchor, const l_callback *callback,
                       mgd_hw_model *m) {
    size_t count;
    const mgd_hw_field *fields = mgd_hw_model_fields(&count);
    *m = (mgd_hw_model){
        .gain = 1,
        .scale = 1,
        .poles = 1,
        .mapping = {.differential = true, .g_max = 1, .per_weight = 1, .averaging = 1}};
    m->kind = (mgd_hw_kind)l_choice_field(L, index, "kind", kind_name, MGD_HW_KIND_COUNT);
    m->place = (mgd_hw_place)l_choice_field(L, index, "place", place_name, MGD_HW_PLACE_COUNT);
    m->noise = (mgd_hw_noise)l_choice_field(L, index, "noise", noise_name, MGD_HW_NOISE_ADDITIVE);
    text(L, index, "stream", m->stream, sizeof m->stream);
    read_fields(L, index, fields, count, m);
    m->table = list(L, index, "table", anchor, &m->table_size);
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
        m->memory = l_flag_field(L, index, "memory");
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
    size_t numbers, count;
    const mgd_hw_field *of_law = mgd_hw_law_fields(&numbers);
    const mgd_hw_field *fields = mgd_hw_update_fields(&count);
    *u = (mgd_hw_update){.max_pulses = 31};
    u->law = (mgd_hw_law_kind)l_choice_field(L, index, "law", law_name, MGD_HW_LAW_COUNT);
    text(L, index, "stream", u->stream, sizeof u->stream);
    read_fields(L, index, of_law, numbers, &u->as_law);
    read_fields(L, index, fields, count, u);
    u->up = list(L, index, "up", anchor, &u->up_size);
    u->down = list(L, index, "down", anchor, &u->down_size);
}

static void read_conditions(lua_State *L, int index, mgd_hw_conditions *c) {
    c->step = l_number_field(L, index, "dt", 1);
    c->held = l_number_field(L, index, "held", 0);
    c->seed = l_seed_field(L, index, "seed");
    c->replica = l_count_field(L, index, "replica", 1, 0x1p53);
    c->still = l_flag_field(L, index, "still");
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

/* chip(network, models, update or nil, seed, substeps) → chip; keeps network and functions alive */
static int hw_chip(lua_State *L) {
    mgd_context ctx = {0};
    l_net *net = l_check_net_box(L, 1);
    mgd_hw_update update;
    mgd_chip_spec spec = {
        .seed = (uint64_t)l_integer(L, 4, "chip: seed", -(INT64_C(1) << 53), INT64_C(1) << 53),
        .substeps = (size_t)l_integer(L, 5, "chip: substeps", 1, 1000)};
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
