/* call.c: calling Lua, and reporting what went wrong. */

#include "main.h"

#include <lauxlib.h>
#include <stdio.h>

void main_report(lua_State *L, const char *name) {
    const char *message = lua_tostring(L, -1);
    if (name)
        fprintf(stderr, "%s: ", name);
    fprintf(stderr, "%s\n", message ? message : "(error without a message)");
    fflush(stderr);
    lua_pop(L, 1);
}

/* The message handler: a traceback for strings, __tostring for objects that have it. */
static int add_traceback(lua_State *L) {
    const char *message = lua_tostring(L, 1);
    if (!message) {
        if (luaL_callmeta(L, 1, "__tostring") && lua_type(L, -1) == LUA_TSTRING)
            return 1;
        message = lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, 1));
    }
    luaL_traceback(L, L, message, 1);
    return 1;
}

int main_call(lua_State *L, int arguments, int results) {
    int base = lua_gettop(L) - arguments;
    lua_pushcfunction(L, add_traceback);
    lua_insert(L, base);
    interrupt_watch(L);
    int status = lua_pcall(L, arguments, results, base);
    interrupt_unwatch();
    lua_remove(L, base);
    return status;
}
