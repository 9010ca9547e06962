/* repl.c: the read-eval-print loop. An expression prints its values; a statement that is not
 * finished asks for more lines; Ctrl-C drops what was typed so far. */

#include "main.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_NAME "=stdin"

/* Pushes tostring(_G[name]); raises what a __tostring raises. */
static int get_prompt(lua_State *L) {
    lua_getglobal(L, lua_tostring(L, 1));
    luaL_tolstring(L, -1, NULL);
    return 1;
}

/* Pushes the prompt: _PROMPT or _PROMPT2 where they are set. */
static void push_prompt(lua_State *L, bool first) {
    const char *name = first ? "_PROMPT" : "_PROMPT2";
    if (lua_getglobal(L, name) != LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushcfunction(L, get_prompt);
        lua_pushstring(L, name);
        if (lua_pcall(L, 1, 1, 0) == LUA_OK)
            return;
    }
    lua_pop(L, 1);
    lua_pushstring(L, first ? "> " : ">> ");
}

/* Pushes one line of input. */
static line_status push_line(lua_State *L, bool first) {
    char *text = NULL;
    push_prompt(L, first);
    line_status status = lines_read(lua_tostring(L, -1), &text);
    lua_pop(L, 1);
    if (status == LINE_READ) {
        lua_pushstring(L, text);
        free(text);
    }
    return status;
}

/* Pushes the chunk, or a syntax error, for "PREFIX TEXT" with the text at index 1. */
static int compile(lua_State *L, const char *prefix) {
    lua_pushfstring(L, "%s%s", prefix, lua_tostring(L, 1));
    size_t length;
    const char *text = lua_tolstring(L, -1, &length);
    int status = luaL_loadbufferx(L, text, length, CHUNK_NAME, "t");
    lua_remove(L, -2);
    return status;
}

/* Whether the syntax error on top of the stack says that the text ended too early. */
static bool is_incomplete(lua_State *L, int status) {
    static const char mark[] = "<eof>";
    size_t length;
    const char *message = lua_tolstring(L, -1, &length);
    return status == LUA_ERRSYNTAX && length >= sizeof mark - 1 &&
           strcmp(message + length - (sizeof mark - 1), mark) == 0;
}

/* Pushes the chunk for the text at index 1, an expression if it can be one and else a statement,
 * or the syntax error of the statement. */
static int compile_either(lua_State *L, bool *incomplete) {
    int status = compile(L, "return ");
    *incomplete = is_incomplete(L, status);
    if (status == LUA_OK)
        return status;
    lua_pop(L, 1);
    status = compile(L, "");
    *incomplete = status != LUA_OK && (*incomplete || is_incomplete(L, status));
    return status;
}

/* Reads lines until they make a chunk, an error or an end. With LINE_READ, leaves just the chunk
 * (or the message) on the stack and its status in `status`. */
static line_status read_statement(lua_State *L, int *status) {
    lua_settop(L, 0);
    line_status read = push_line(L, true);
    if (read != LINE_READ)
        return read;
    const char *line = lua_tostring(L, 1);
    if (line[0] == '=') { /* "=x" for "return x", as in older Lua */
        lua_pushfstring(L, "return %s", line + 1 + strspn(line + 1, " "));
        lua_replace(L, 1);
    }
    bool incomplete;
    while (*status = compile_either(L, &incomplete), incomplete) {
        read = push_line(L, false);
        if (read == LINE_INTERRUPTED)
            return read;
        if (read == LINE_END) /* report what is incomplete */
            break;
        lua_remove(L, 2); /* the message; now text, line */
        lua_pushliteral(L, "\n");
        lua_insert(L, -2);
        lua_concat(L, 3);
    }
    lines_remember(lua_tostring(L, 1));
    lua_replace(L, 1);
    lua_settop(L, 1);
    return LINE_READ;
}

/* Replaces a function, or a table without a metatable, by the text that a library has for it, where
 * one left a function for that in the registry. */
static void show_result(lua_State *L, int index) {
    bool dressed = lua_getmetatable(L, index);
    if (dressed)
        lua_pop(L, 1);
    if (dressed || (!lua_istable(L, index) && !lua_isfunction(L, index)))
        return;
    if (lua_getfield(L, LUA_REGISTRYINDEX, "mgd.show") == LUA_TFUNCTION) {
        lua_pushvalue(L, index);
        if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING) {
            lua_replace(L, index);
            return;
        }
    }
    lua_pop(L, 1);
}

/* Prints all values on the stack through the global `print`. */
static void print_results(lua_State *L) {
    int count = lua_gettop(L);
    if (count == 0)
        return;
    luaL_checkstack(L, LUA_MINSTACK, "too many results to print");
    for (int i = 1; i <= count; i++)
        show_result(L, i);
    lua_getglobal(L, "print");
    lua_insert(L, 1);
    if (main_call(L, count, 0) != LUA_OK) {
        lua_pushfstring(L, "error calling 'print' (%s)", lua_tostring(L, -1));
        main_report(L, NULL);
    }
}

void repl_run(lua_State *L) {
    lines_open();
    interrupt_watch(L);
    interrupt_unwatch(); /* at the prompt: signals are taken, nothing runs */
    while (!interrupt_ends()) {
        int status = LUA_OK;
        line_status read = read_statement(L, &status);
        if (read == LINE_END)
            break;
        if (read == LINE_INTERRUPTED)
            continue;
        if (status == LUA_OK)
            status = main_call(L, 0, LUA_MULTRET);
        if (status == LUA_OK)
            print_results(L);
        else
            main_report(L, NULL);
    }
    lines_close();
    lua_settop(L, 0);
    putchar('\n');
    fflush(stdout);
}
