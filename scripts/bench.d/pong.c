/* pong.c: bare round trips, as the peers of chips behind wires. */

#include "pong.h"

#include "../../src/mgd.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_WORDS 16
#define MAX_BYTES (1 << 26)

extern char **environ;

typedef struct {
    int in, out; /* the same for TCP; −1: closed */
    pid_t process;
    size_t asked, said;
    char *bytes; /* as many as the longer of the two */
} pong;

static bool write_all(int fd, const char *bytes, size_t count) {
    for (ssize_t n; count > 0; bytes += n, count -= (size_t)n)
        if ((n = write(fd, bytes, count)) <= 0)
            return false;
    return true;
}

static bool read_all(int fd, char *bytes, size_t count) {
    for (ssize_t n; count > 0; bytes += n, count -= (size_t)n)
        if ((n = read(fd, bytes, count)) <= 0)
            return false;
    return true;
}

static int pong_close(lua_State *L) {
    pong *p = luaL_checkudata(L, 1, "bench.pong");
    if (p->in >= 0)
        close(p->in);
    if (p->out >= 0 && p->out != p->in)
        close(p->out);
    if (p->process > 0) {
        kill(p->process, SIGKILL);
        waitpid(p->process, NULL, 0);
    }
    free(p->bytes);
    *p = (pong){.in = -1, .out = -1};
    return 0;
}

static int pong_time(lua_State *L) {
    pong *p = luaL_checkudata(L, 1, "bench.pong");
    lua_Integer rounds = luaL_checkinteger(L, 2);
    double begin = mgd_clock();
    for (lua_Integer i = 0; i < rounds; i++)
        if (p->in < 0 || !write_all(p->out, p->bytes, p->asked) ||
            !read_all(p->in, p->bytes, p->said)) {
            lua_pushnil(L);
            lua_pushliteral(L, "it has ended");
            return 2;
        }
    lua_pushnumber(L, mgd_clock() - begin);
    return 1;
}

static pong *push_pong(lua_State *L) {
    lua_Integer asked = luaL_checkinteger(L, 1), said = luaL_checkinteger(L, 2);
    luaL_argcheck(L, asked >= 1 && asked <= MAX_BYTES, 1, "so many bytes");
    luaL_argcheck(L, said >= 1 && said <= MAX_BYTES, 2, "so many bytes");
    pong *p = lua_newuserdatauv(L, sizeof *p, 0);
    *p = (pong){.in = -1, .out = -1, .asked = (size_t)asked, .said = (size_t)said};
    luaL_setmetatable(L, "bench.pong");
    p->bytes = calloc(1, (size_t)(asked > said ? asked : said));
    if (!p->bytes)
        luaL_error(L, "out of memory");
    return p;
}

static int fail(lua_State *L, int reason) {
    lua_pushnil(L);
    lua_pushstring(L, strerror(reason));
    return 2;
}

/* A socket that waits at a free port of the loopback, whose address is written to `a`. */
static int listen_somewhere(struct sockaddr_in *a) {
    socklen_t size = sizeof *a;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *a = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (fd >= 0 && bind(fd, (struct sockaddr *)a, size) == 0 && listen(fd, 1) == 0 &&
        getsockname(fd, (struct sockaddr *)a, &size) == 0)
        return fd;
    return -1;
}

static void answer(const pong *p, int listener) {
    int fd = accept(listener, NULL, NULL);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    while (read_all(fd, p->bytes, p->asked) && write_all(fd, p->bytes, p->said))
        continue;
}

int pong_tcp(lua_State *L) {
    pong *p = push_pong(L);
    struct sockaddr_in a;
    int listener = listen_somewhere(&a);
    if (listener < 0)
        return fail(L, errno);
    p->process = fork();
    if (p->process == 0) {
        answer(p, listener);
        _exit(0);
    }
    int reason = errno;
    close(listener);
    if (p->process < 0)
        return fail(L, reason);
    p->in = p->out = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (p->in < 0 || connect(p->in, (struct sockaddr *)&a, sizeof a) != 0)
        return fail(L, errno);
    setsockopt(p->in, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    return 1;
}

static int spawn(pid_t *process, char **words, int in, int out) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    int error = posix_spawnp(process, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

int pong_pipe(lua_State *L) {
    char *words[MAX_WORDS] = {0}, numbers[2][24];
    int n = lua_gettop(L) - 2, to[2], from[2];
    luaL_argcheck(L, n >= 1 && n + 2 < MAX_WORDS, 3, "too many or no words");
    for (int i = 0; i < n; i++)
        words[i] = (char *)luaL_checkstring(L, i + 3);
    pong *p = push_pong(L);
    snprintf(words[n] = numbers[0], sizeof numbers[0], "%zu", p->asked);
    snprintf(words[n + 1] = numbers[1], sizeof numbers[1], "%zu", p->said);
    if (pipe2(to, O_CLOEXEC) != 0)
        return fail(L, errno);
    p->out = to[1];
    if (pipe2(from, O_CLOEXEC) != 0) {
        close(to[0]);
        return fail(L, errno);
    }
    p->in = from[0];
    int reason = spawn(&p->process, words, to[0], from[1]);
    close(to[0]);
    close(from[1]);
    if (reason != 0) {
        p->process = 0;
        return fail(L, reason);
    }
    return 1;
}

void pong_register(lua_State *L) {
    static const luaL_Reg methods[] = {
        {"time", pong_time},
        {"close", pong_close},
        {"__gc", pong_close},

        {NULL, NULL},
    };
    luaL_newmetatable(L, "bench.pong");
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
