/* spice.c: what operating points cost without us. */

#include "spice.h"

#include "../../src/mgd.h"

#include <dlfcn.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libngspice.so.0"
#define MAX_LINES 1000
#define SWEEP_EVERY 50 /* operating points, after which the parser's leavings are freed */

typedef struct {
    char *name;
    int type;
    short flags;
    double *real;
    void *complex;
    int length;
} vector_info;

static struct {
    int (*init)(void *print, void *status, void *end, void *data, void *begin, void *thread,
                void *user);
    int (*circuit)(char **lines);
    int (*command)(char *text);
    vector_info *(*vector)(char *name);
    char name[64];
    size_t points;
} spice;

static int print(char *text, int library, void *user) {
    (void)text;
    (void)library;
    (void)user;
    return 0;
}

static int end(int status, bool now, bool quit, int library, void *user) {
    (void)now;
    (void)quit;
    (void)library;
    (void)user;
    exit(status);
}

static bool open_library(void) {
    void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL);
    const struct {
        const char *name;
        void *slot;
    } functions[] = {{"ngSpice_Init", &spice.init},
                     {"ngSpice_Circ", &spice.circuit},
                     {"ngSpice_Command", &spice.command},
                     {"ngGet_Vec_Info", &spice.vector}};
    for (size_t i = 0; library && i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(library, functions[i].name);
        if (!found)
            return false;
        memcpy(functions[i].slot, &found, sizeof found);
    }
    return library && spice.init(print, NULL, end, NULL, NULL, NULL, NULL) == 0;
}

int spice_here(lua_State *L) {
    void *library = dlopen(LIBRARY, RTLD_LAZY | RTLD_LOCAL);
    lua_pushboolean(L, library != NULL);
    if (library)
        dlclose(library);
    return 1;
}

int spice_load(lua_State *L) {
    char *lines[MAX_LINES + 2], *text = strdup(luaL_checkstring(L, 1));
    size_t count = 0;
    strncpy(spice.name, luaL_checkstring(L, 2), sizeof spice.name - 1);
    for (char *line = strtok(text, "\n"); line && count < MAX_LINES; line = strtok(NULL, "\n"))
        lines[count++] = line;
    lines[count++] = (char *)".end";
    lines[count] = NULL;
    bool good = spice.command || open_library();
    if (good) {
        spice.command((char *)"remcirc");
        spice.circuit(lines);
    }
    free(text);
    return good ? 0 : luaL_error(L, "no " LIBRARY " here");
}

/* One command; false where an operating point has no such vector. */
static bool run(const char *command) {
    spice.command((char *)command);
    if (strcmp(command, "op") != 0)
        return true;
    const vector_info *vector = spice.vector(spice.name);
    bool good = vector && vector->length == 1;
    spice.command((char *)"destroy all");
    if (++spice.points % SWEEP_EVERY == 0)
        spice.command(NULL);
    return good;
}

int spice_time(lua_State *L) {
    lua_Integer rounds = luaL_checkinteger(L, 1);
    size_t count = lua_rawlen(L, 2);
    const char **commands = lua_newuserdatauv(L, (count + 1) * sizeof *commands, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i + 1);
        commands[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1); /* the list keeps it */
    }
    double begin = mgd_clock();
    bool good = true;
    for (lua_Integer n = 0; n < rounds; n++)
        for (size_t i = 0; i < count; i++)
            good = run(commands[i]) && good;
    if (!good)
        return luaL_error(L, "an operating point failed");
    lua_pushnumber(L, mgd_clock() - begin);
    return 1;
}
