/* l_core.c: the helpers every binding shares. */

#include "../base/base.h" /* internal: interrupts */
#include "l_mgd.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LIBRARY_PREFIX "mgd.library_prefix" /* registry: "@/…/lua/mgd/" */
#define BYTE_DEBT "mgd.byte_debt"           /* registry: bytes not yet told to the collector */
#define UNKNOWN "mgd.unknown"               /* registry: function(what, name, methods, fields) */
#define BYTE_DEBT_STEP (1 << 20)

/* Pushes "file:line: " of the innermost Lua function outside the library, or "". */
static void push_where(lua_State *L) {
    lua_getfield(L, LUA_REGISTRYINDEX, LIBRARY_PREFIX);
    const char *prefix = lua_tostring(L, -1);
    lua_Debug ar;
    for (int level = 1; lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sl", &ar);
        if (ar.currentline <= 0)
            continue;
        if (prefix && strncmp(ar.source, prefix, strlen(prefix)) == 0)
            continue;
        lua_pop(L, 1);
        lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
        return;
    }
    lua_pop(L, 1);
    lua_pushliteral(L, "");
}

int l_error(lua_State *L, const char *format, ...) {
    char message[MGD_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    push_where(L);
    lua_pushstring(L, message);
    lua_concat(L, 2);
    return lua_error(L);
}

void l_check(lua_State *L, mgd_status status, const mgd_context *ctx) {
    if (status != MGD_OK)
        l_error(L, "%s", ctx->message);
}

void l_answer(lua_State *L) {
    mgd_context ctx = {0};
    l_check(L, mgd_interrupt_answer(&ctx), &ctx);
}

int64_t l_integer(lua_State *L, int index, const char *what, int64_t low, int64_t high) {
    if (lua_type(L, index) != LUA_TNUMBER)
        l_error(L, "%s: expected an integer, got %s", what, luaL_typename(L, index));
    double value = lua_tonumber(L, index);
    if (value != floor(value) || value < (double)low || value > (double)high)
        l_error(L, "%s: expected an integer from %lld to %lld, got %s", what, (long long)low,
                (long long)high, MGD_NUMBER(value));
    return (int64_t)value;
}

void l_byte_debt(lua_State *L, size_t bytes) {
    lua_getfield(L, LUA_REGISTRYINDEX, BYTE_DEBT);
    lua_Number debt = lua_tonumber(L, -1) + (lua_Number)bytes;
    lua_pop(L, 1);
    if (debt >= BYTE_DEBT_STEP) {
        int kilobytes = debt < 1e12 ? (int)(debt / 1024) : 1 << 29;
        lua_gc(L, LUA_GCSTEP, kilobytes);
        debt = 0;
    }
    lua_pushnumber(L, debt);
    lua_setfield(L, LUA_REGISTRYINDEX, BYTE_DEBT);
}

void *l_push_box(lua_State *L, size_t size, const char *type_name) {
    void *box = lua_newuserdatauv(L, size, 1);
    memset(box, 0, size);
    luaL_getmetatable(L, type_name);
    lua_setmetatable(L, -2);
    return box;
}

/* __index of the tables of methods, whose own entries are found without it: (methods, name). What
 * it calls raises, where `name` looks like one that somebody meant. */
static int unknown_name(lua_State *L) {
    lua_settop(L, 2);
    lua_getfield(L, LUA_REGISTRYINDEX, UNKNOWN);
    if (!lua_isfunction(L, -1))
        return 0;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 1);
    lua_pushliteral(L, "__fields");
    lua_rawget(L, 1);
    lua_call(L, 4, 0);
    return 0;
}

void l_new_type(lua_State *L, const char *type_name, const luaL_Reg *methods) {
    luaL_newmetatable(L, type_name);
    luaL_setfuncs(L, methods, 0);
    lua_createtable(L, 0, 1);
    const char *dot = strrchr(type_name, '.');
    lua_pushstring(L, dot ? dot + 1 : type_name);
    lua_pushcclosure(L, unknown_name, 1);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
    lua_pushliteral(L, "__index");
    lua_rawget(L, -2);
    if (lua_isnil(L, -1)) {
        lua_pushvalue(L, -2);
        lua_setfield(L, -3, "__index");
    }
    lua_pop(L, 1);
}

/* core.fail(message): raises `message` at the user's line; how the library's Lua files raise. */
static int core_fail(lua_State *L) {
    return l_error(L, "%s", luaL_checkstring(L, 1));
}

/* core.set_library(prefix): chunk names that start with `prefix` are the library's own. */
static int core_set_library(lua_State *L) {
    luaL_checkstring(L, 1);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, LIBRARY_PREFIX);
    return 0;
}

/* core.set_unknown(f): f(what, name, methods, fields or nil) is called where an object of the core
 * has no such name; lua/mgd/base/naming.lua says what could be meant. */
static int core_set_unknown(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, UNKNOWN);
    return 0;
}

/* core.set_show(f): f(value) → how an interactive session shows a function or a table without a
 * metatable, nil where it has nothing to say. The interpreter knows of this entry alone. */
static int core_set_show(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    lua_setfield(L, LUA_REGISTRYINDEX, "mgd.show");
    return 0;
}

static const luaL_Reg functions[] = {
    {"fail", core_fail},
    {"set_library", core_set_library},
    {"set_unknown", core_set_unknown},
    {"set_show", core_set_show},
    {NULL, NULL},
};

void l_open_core(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
