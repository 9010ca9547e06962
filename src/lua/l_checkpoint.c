/* l_checkpoint.c: checkpoint files. lua/mgd/runs/checkpoint.lua says what is in them. */

#include "l_tensor.h"

#define L_CHECKPOINT "mgd.checkpoint"

/* write(path, text, {name, …}, {tensor, …}) */
static int checkpoint_write(lua_State *L) {
    mgd_context ctx = {0};
    size_t text_length;
    const char *path = l_tensor_path(L, 1, "run:save");
    const char *text = luaL_checklstring(L, 2, &text_length);
    luaL_checktype(L, 3, LUA_TTABLE);
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 4);
    size_t count = lua_rawlen(L, 3);
    /* Both arrays point into what the tables hold. */
    const char **names = lua_newuserdatauv(L, (count + 1) * sizeof *names, 1);
    const mgd_tensor **tensors = lua_newuserdatauv(L, (count + 1) * sizeof *tensors, 1);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 3, (int)i + 1);
        lua_rawgeti(L, 4, (int)i + 1);
        luaL_checktype(L, -2, LUA_TSTRING);
        names[i] = lua_tostring(L, -2);
        tensors[i] = l_check_tensor(L, lua_gettop(L), "run:save: a tensor");
        lua_pop(L, 2);
    }
    l_check(L, mgd_checkpoint_write(&ctx, path, text, text_length, count, names, tensors), &ctx);
    return 0;
}

static int checkpoint_gc(lua_State *L) {
    mgd_checkpoint **box = luaL_checkudata(L, 1, L_CHECKPOINT);
    mgd_checkpoint_free(*box);
    *box = NULL;
    return 0;
}

/* Pushes {name, tensor}. */
static void push_entry(lua_State *L, const mgd_checkpoint *checkpoint, size_t i) {
    mgd_context ctx = {0};
    lua_createtable(L, 2, 0);
    lua_pushstring(L, mgd_checkpoint_name(checkpoint, i));
    lua_rawseti(L, -2, 1);
    mgd_tensor **t = l_push_tensor_box(L);
    l_check(L, mgd_tensor_view(&ctx, mgd_checkpoint_tensor(checkpoint, i), t), &ctx);
    l_tensor_filled(L, *t);
    lua_rawseti(L, -2, 2);
}

/* read(path) → text, {{name, tensor}, …} */
static int checkpoint_read(lua_State *L) {
    mgd_context ctx = {0};
    const char *path = l_tensor_path(L, 1, "mgd.resume");
    lua_settop(L, 1);
    mgd_checkpoint **box = l_push_box(L, sizeof(mgd_checkpoint *), L_CHECKPOINT);
    l_check(L, mgd_checkpoint_read(&ctx, path, box), &ctx);
    size_t length, count = mgd_checkpoint_count(*box);
    const char *text = mgd_checkpoint_text(*box, &length);
    lua_pushlstring(L, text, length);
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        push_entry(L, *box, i);
        lua_rawseti(L, -2, (int)i + 1);
    }
    mgd_checkpoint_free(*box);
    *box = NULL;
    return 2;
}

static const luaL_Reg methods[] = {
    {"__gc", checkpoint_gc},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"write", checkpoint_write},
    {"read", checkpoint_read},
    {NULL, NULL},
};

void l_open_checkpoint(lua_State *L) {
    l_new_type(L, L_CHECKPOINT, methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "checkpoint");
}
