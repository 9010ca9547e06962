/* child.c: a process that is asked line by line over a pair of sockets, its input and output. */

#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#define MAX_WORDS 16

extern char **environ;

typedef struct {
    FILE *answers; /* NULL: closed */
    pid_t process;
} child;

static void child_end(child *c) {
    if (!c->answers)
        return;
    fclose(c->answers);
    c->answers = NULL;
    kill(c->process, SIGTERM); /* it may be at work for long */
    waitpid(c->process, NULL, 0);
}

static int child_close(lua_State *L) {
    child_end(luaL_checkudata(L, 1, "bench.child"));
    return 0;
}

static int fail(lua_State *L, const char *why) {
    lua_pushnil(L);
    lua_pushstring(L, why);
    return 2;
}

static int child_request(lua_State *L) {
    child *c = luaL_checkudata(L, 1, "bench.child");
    size_t length;
    luaL_checkstring(L, 2);
    lua_settop(L, 2);
    lua_pushliteral(L, "\n");
    lua_concat(L, 2);
    const char *line = lua_tolstring(L, 2, &length);
    char answer[512];
    if (!c->answers)
        return fail(L, "closed");
    if (send(fileno(c->answers), line, length, MSG_NOSIGNAL) != (ssize_t)length ||
        !fgets(answer, sizeof answer, c->answers)) {
        child_end(c);
        return fail(L, "ended without an answer");
    }
    lua_pushlstring(L, answer, strcspn(answer, "\n"));
    return 1;
}

/* Starts words[0] with the socket as input and output → 0 or what errno says. */
static int spawn(pid_t *process, char **words, int socket) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, socket, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, socket, STDOUT_FILENO);
    int error = posix_spawnp(process, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int child_start(lua_State *L) {
    char *words[MAX_WORDS] = {0};
    int n = lua_gettop(L), ends[2];
    luaL_argcheck(L, n >= 1 && n < MAX_WORDS, 1, "too many arguments");
    for (int i = 0; i < n; i++)
        words[i] = (char *)luaL_checkstring(L, i + 1);
    child *c = lua_newuserdatauv(L, sizeof *c, 0);
    c->answers = NULL;
    luaL_setmetatable(L, "bench.child");
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
        return fail(L, strerror(errno));
    fcntl(ends[0], F_SETFD, FD_CLOEXEC); /* no child keeps another one's socket */
    fcntl(ends[1], F_SETFD, FD_CLOEXEC);
    int error = spawn(&c->process, words, ends[1]);
    close(ends[1]);
    if (error) {
        close(ends[0]);
        return fail(L, strerror(error));
    }
    c->answers = fdopen(ends[0], "r");
    return 1;
}

void child_register(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"request", child_request},
        {"close", child_close},
        {"__close", child_close},
        {"__gc", child_close},

        {NULL, NULL},
    };
    luaL_newmetatable(L, "bench.child");
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
