/* l_recording.c: recordings of runs, and chips that answer as recorded. What the text in their head
 * says is lua/mgd/runs/recording.lua's. */

#include "../chip/recording.h" /* internal: files of recordings are no part of the C API */
#include "../mgd/record.h"     /* internal: nor is a run that is recorded */
#include "l_train.h"

#include <string.h>

#define L_RECORDING "mgd.recording"

/* ---- writing --------------------------------------------------------------------------------- */

/* record(run, path) */
static int recording_record(lua_State *L) {
    mgd_context ctx = {0};
    mgd_run *run = l_check_run(L, 1);
    l_check(L, mgd_run_record(&ctx, run, luaL_checkstring(L, 2)), &ctx);
    return 0;
}

/* begin(run, text, resumes, keeps_theta) */
static int recording_begin(lua_State *L) {
    mgd_context ctx = {0};
    size_t length;
    mgd_run *run = l_check_run(L, 1);
    const char *text = luaL_checklstring(L, 2, &length);
    l_check(L,
            mgd_run_record_begin(&ctx, run, text, length, lua_toboolean(L, 3), lua_toboolean(L, 4)),
            &ctx);
    return 0;
}

/* pause(run) */
static int recording_pause(lua_State *L) {
    mgd_run_record_pause(l_check_run(L, 1));
    return 0;
}

/* finish(run): it is recorded no more */
static int recording_finish(lua_State *L) {
    mgd_run_record_end(l_check_run(L, 1));
    return 0;
}

/* news(run) → why the recording has ended, once */
static int recording_news(lua_State *L) {
    lua_pushstring(L, mgd_run_record_news(l_check_run(L, 1))); /* nil when NULL */
    return 1;
}

/* row(run, {name, …}, {name = {value of each replica}}) */
static int recording_row(lua_State *L) {
    mgd_run *run = l_check_run(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    size_t count = lua_rawlen(L, 2), replicas = mgd_run_replicas(run);
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 0);
    double *values = lua_newuserdatauv(L, (count * replicas + 1) * sizeof *values, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (int)i + 1);
        luaL_checktype(L, -1, LUA_TSTRING);
        names[i] = lua_tostring(L, -1); /* the list keeps it */
        lua_gettable(L, 3);
        luaL_checktype(L, -1, LUA_TTABLE);
        for (size_t r = 0; r < replicas; r++) {
            lua_rawgeti(L, -1, (int)r + 1);
            values[i * replicas + r] = luaL_checknumber(L, -1);
            lua_pop(L, 1);
        }
        lua_pop(L, 1);
    }
    mgd_run_record_row(run, count, names, values);
    return 0;
}

/* ---- reading --------------------------------------------------------------------------------- */

static mgd_recording *check_recording(lua_State *L, int index) {
    mgd_recording **box = luaL_checkudata(L, index, L_RECORDING);
    if (!*box)
        l_error(L, "recording: already freed");
    return *box;
}

/* read(path) → recording */
static int recording_read(lua_State *L) {
    mgd_context ctx = {0};
    const char *path = luaL_checkstring(L, 1);
    mgd_recording **box = l_push_box(L, sizeof *box, L_RECORDING);
    size_t before = mgd_memory_stats().live_bytes;
    l_check(L, mgd_recording_read(&ctx, path, box), &ctx);
    l_byte_debt(L, mgd_memory_stats().live_bytes - before);
    return 1;
}

static int recording_gc(lua_State *L) {
    mgd_recording **box = luaL_checkudata(L, 1, L_RECORDING);
    mgd_recording_free(*box);
    *box = NULL;
    return 0;
}

/* head() → {text =, parameters =, replicas =, first =, last =, cut =, dtype =}: it holds the steps
 * from `first` to before `last` */
static int recording_head(lua_State *L) {
    const mgd_recording *r = check_recording(L, 1);
    const mgd_recording_head *h = mgd_recording_head_of(r);
    lua_createtable(L, 0, 7);
    lua_pushlstring(L, h->text, h->text_length);
    lua_setfield(L, -2, "text");
    lua_pushstring(L, mgd_dtype_name(h->dtype));
    lua_setfield(L, -2, "dtype");
    lua_pushinteger(L, (lua_Integer)h->parameters);
    lua_setfield(L, -2, "parameters");
    lua_pushinteger(L, (lua_Integer)h->replicas);
    lua_setfield(L, -2, "replicas");
    lua_pushinteger(L, (lua_Integer)h->begin);
    lua_setfield(L, -2, "first");
    lua_pushinteger(L, (lua_Integer)mgd_recording_end(r));
    lua_setfield(L, -2, "last");
    lua_pushboolean(L, mgd_recording_was_cut(r));
    lua_setfield(L, -2, "cut");
    return 1;
}

/* theta() → of the first replica at the first step, (P) */
static int recording_theta(lua_State *L) {
    mgd_context ctx = {0};
    const mgd_recording_head *h = mgd_recording_head_of(check_recording(L, 1));
    mgd_tensor **t = l_push_tensor_box(L);
    l_check(L, mgd_tensor_new(&ctx, h->dtype, 1, &h->parameters, t), &ctx);
    memcpy(mgd_tensor_data(*t), h->theta, h->parameters * mgd_dtype_size(h->dtype));
    l_tensor_filled(L, *t);
    return 1;
}

/* num_rows() → how many rows of probes there are */
static int recording_num_rows(lua_State *L) {
    size_t count;
    mgd_recording_rows(check_recording(L, 1), &count);
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

/* row_of(i) → its step, {name = {value of each replica}} */
static int recording_row_of(lua_State *L) {
    size_t count, replicas = mgd_recording_head_of(check_recording(L, 1))->replicas;
    const mgd_recorded_row *rows = mgd_recording_rows(check_recording(L, 1), &count);
    const mgd_recorded_row *row = &rows[l_integer(L, 2, "recording: row", 1, (int64_t)count) - 1];
    lua_pushinteger(L, (lua_Integer)row->step);
    lua_createtable(L, 0, (int)row->count);
    for (size_t i = 0; i < row->count; i++) {
        lua_createtable(L, (int)replicas, 0);
        for (size_t r = 0; r < replicas; r++) {
            lua_pushnumber(L, row->values[i * replicas + r]);
            lua_rawseti(L, -2, (int)r + 1);
        }
        lua_setfield(L, -2, row->names[i]);
    }
    return 2;
}

/* costs(step, replica) → list of those that it measured at that step, in order; nil where there is
 * no such step of this replica */
static int recording_costs(lua_State *L) {
    const mgd_recording *r = check_recording(L, 1);
    const mgd_recording_head *h = mgd_recording_head_of(r);
    uint64_t step = (uint64_t)l_integer(L, 2, "recording: step", 0, INT64_MAX - 1);
    size_t replica = (size_t)l_integer(L, 3, "recording: replica", 1, (int64_t)h->replicas) - 1;
    mgd_recorded_steps steps;
    if (mgd_recording_steps(r, replica, step, &steps) != MGD_RECORDED)
        return 0;
    uint64_t place = mgd_recording_place(r, step);
    const double *cost = steps.cost + (place - mgd_recording_place(r, steps.first)) * h->signals;
    uint64_t count = (mgd_recording_place(r, step + 1) - place) * h->signals;
    lua_createtable(L, (int)count, 0);
    for (uint64_t i = 0; i < count; i++) {
        lua_pushnumber(L, cost[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* chip([model]) → a chip that answers as recorded; both live as long as it does */
static int recording_chip(lua_State *L) {
    mgd_context ctx = {0};
    const mgd_recording *recording = check_recording(L, 1);
    lua_settop(L, 2);
    l_chip *model = lua_isnil(L, 2) ? NULL : l_check_chip(L, 2);
    l_chip *box = l_push_box(L, sizeof *box, L_CHIP);
    lua_createtable(L, 0, 2); /* [1] is where functions lie that chips call: it has none */
    lua_pushvalue(L, 1);
    lua_setfield(L, -2, "recording");
    lua_pushvalue(L, 2);
    lua_setfield(L, -2, "model");
    l_set_user_value(L, -2);
    l_check(L, mgd_chip_replay(&ctx, recording, model ? model->chip : NULL, &box->chip), &ctx);
    return 1;
}

static const luaL_Reg methods[] = {
    {"__gc", recording_gc},       {"head", recording_head},
    {"theta", recording_theta},   {"num_rows", recording_num_rows},
    {"row_of", recording_row_of}, {"costs", recording_costs},
    {"chip", recording_chip},     {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"record", recording_record}, {"begin", recording_begin},
    {"pause", recording_pause},   {"finish", recording_finish},
    {"news", recording_news},     {"row", recording_row},
    {"read", recording_read},     {NULL, NULL},
};

void l_open_recording(lua_State *L) {
    l_new_type(L, L_RECORDING, methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "recording");
}
