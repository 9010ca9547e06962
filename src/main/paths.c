/* paths.c: where this executable's own modules are.
 *
 * In a build tree the executable lies beside mgd/core.so, and lua/ is one level up, or up
 * to three (builds inside of the first, such as build/sanitize and build/clang/sanitize). Installed
 * as PREFIX/bin/mgd-lua, the modules are in PREFIX/share/lua/5.4 and PREFIX/lib/lua/5.4, as for
 * stock Lua.
 */

#include "main.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define VERSION_DIR LUA_VERSION_MAJOR "." LUA_VERSION_MINOR
#define VERSION_SUFFIX "_" LUA_VERSION_MAJOR "_" LUA_VERSION_MINOR

/* The absolute path of the running program, found through the system, else as the shell found it;
 * "" when neither tells. */
static void find_program(const char *program, char path[PATH_MAX]) {
    path[0] = '\0';
    ssize_t length = readlink("/proc/self/exe", path, PATH_MAX - 1);
    if (length > 0) {
        path[length] = '\0';
        return;
    }
    path[0] = '\0';
    if (strchr(program, '/')) {
        if (!realpath(program, path))
            path[0] = '\0';
        return;
    }
    const char *directories = getenv("PATH");
    while (directories && *directories) {
        char candidate[PATH_MAX];
        size_t span = strcspn(directories, ":");
        int n = snprintf(candidate, sizeof candidate, "%.*s/%s", (int)span, directories, program);
        if (n > 0 && (size_t)n < sizeof candidate && access(candidate, X_OK) == 0 &&
            realpath(candidate, path))
            return;
        path[0] = '\0';
        directories += span + (directories[span] == ':');
    }
}

/* Cuts the last component off; false when there is none left. */
static bool to_parent(char *path) {
    char *slash = strrchr(path, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

static bool exists(lua_State *L, const char *directory, const char *name) {
    lua_pushfstring(L, "%s/%s", directory, name);
    bool found = access(lua_tostring(L, -1), R_OK) == 0;
    lua_pop(L, 1);
    return found;
}

/* package[field]: the templates on top of the stack (popped) go before the default ones, and after
 * those that the environment variable named. */
static void add_templates(lua_State *L, const char *field, const char *variable,
                          const char *versioned, bool ignore_environment) {
    const char *templates = lua_tostring(L, -1);
    lua_getglobal(L, "package");
    lua_getfield(L, -1, field);
    const char *present = lua_tostring(L, -1);
    const char *wanted = NULL;
    if (!ignore_environment && !(wanted = getenv(versioned)))
        wanted = getenv(variable);
    if (!present || strstr(present, templates)) {
        lua_pop(L, 3);
        return;
    }
    const char *defaults = wanted ? strstr(wanted, ";;") : present;
    if (!defaults) /* the user's list and no defaults: ours come last */
        lua_pushfstring(L, "%s;%s", present, templates);
    else if (!wanted || defaults == wanted)
        lua_pushfstring(L, "%s;%s", templates, present);
    else {
        lua_pushlstring(L, present, (size_t)(defaults - wanted));
        lua_pushfstring(L, "%s;%s%s", lua_tostring(L, -1), templates,
                        present + (defaults - wanted));
        lua_remove(L, -2);
    }
    lua_setfield(L, -3, field);
    lua_pop(L, 3);
}

/* The library's modules come from `lua_directory`, whatever LUA_PATH names and whatever lies in the
 * present folder. Without that file nothing is said: `require "mgd"` will say what is missing. */
static void add_searcher(lua_State *L, const char *lua_directory) {
    lua_pushfstring(L, "%s/mgd/searcher.lua", lua_directory);
    if (luaL_loadfilex(L, lua_tostring(L, -1), "t") != LUA_OK || lua_pcall(L, 0, 0, 0) != LUA_OK)
        lua_pop(L, 1);
    lua_pop(L, 1);
}

static void add_both(lua_State *L, const char *lua_directory, const char *c_directory,
                     bool ignore_environment) {
    lua_pushfstring(L, "%s/?.lua;%s/?/init.lua", lua_directory, lua_directory);
    add_templates(L, "path", "LUA_PATH", "LUA_PATH" VERSION_SUFFIX, ignore_environment);
    lua_pushfstring(L, "%s/?.so", c_directory);
    add_templates(L, "cpath", "LUA_CPATH", "LUA_CPATH" VERSION_SUFFIX, ignore_environment);
    add_searcher(L, lua_directory);
}

void paths_open(lua_State *L, const char *program, bool ignore_environment) {
    char directory[PATH_MAX], parent[PATH_MAX];
    find_program(program, directory);
    if (!to_parent(directory))
        return;
    strcpy(parent, directory);
    if (exists(L, directory, "mgd/core.so")) {
        for (int level = 0; level < 3 && to_parent(parent); level++)
            if (exists(L, parent, "lua/mgd/init.lua")) {
                lua_pushfstring(L, "%s/lua", parent);
                add_both(L, lua_tostring(L, -1), directory, ignore_environment);
                lua_pop(L, 1);
                return;
            }
    } else if (to_parent(parent) && exists(L, parent, "share/lua/" VERSION_DIR "/mgd/init.lua")) {
        lua_pushfstring(L, "%s/share/lua/" VERSION_DIR, parent);
        lua_pushfstring(L, "%s/lib/lua/" VERSION_DIR, parent);
        add_both(L, lua_tostring(L, -2), lua_tostring(L, -1), ignore_environment);
        lua_pop(L, 2);
    }
}
