/* l_process.c: core.process, what a sweep needs of the system: children of this process and locks
 * that end with whoever holds them. l_program.c adds other programs to it.
 *
 * A child goes on where its parent was, with all that the parent had; it must leave through
 * leave(), which runs no finaliser of what is the parent's as well.
 */

#include "../base/base.h" /* internal: the interrupt flag, the clock */
#include "l_mgd.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

#define L_LOCK "mgd.process.lock"
#define POLL 5000000 /* ns between two looks at the children */

/* Where the parent ends, by whatever, so does the child. */
static void follow(pid_t parent) {
#if defined(__linux__)
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
#else
    (void)parent;
#endif
}

static const int ends[] = {SIGTERM, SIGHUP};
enum { ENDS = sizeof ends / sizeof *ends };

/* Signals that end a process end a child at once, whatever its parent, which unwinds and leaves
 * hardware safe, does at them. What is ignored stays so. */
static void end_at_once(void) {
    struct sigaction action;
    for (size_t i = 0; i < ENDS; i++)
        if (sigaction(ends[i], NULL, &action) == 0 && action.sa_handler != SIG_IGN)
            signal(ends[i], SIG_DFL);
}

/* fork() → 0 in the child, its number in the parent */
static int process_fork(lua_State *L) {
    pid_t parent = getpid();
    sigset_t held, before; /* until the child has its own way with them */
    sigemptyset(&held);
    for (size_t i = 0; i < ENDS; i++)
        sigaddset(&held, ends[i]);
    fflush(NULL);
    pthread_sigmask(SIG_BLOCK, &held, &before);
    pid_t pid = fork();
    int reason = errno;
    if (pid == 0) {
        follow(parent);
        end_at_once();
        mgd_interrupt_clear();
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid < 0)
        return l_error(L, "a process could not be started: %s", strerror(reason));
    lua_pushinteger(L, pid);
    return 1;
}

/* leave(status): the end of a child */
static int process_leave(lua_State *L) {
    int status = (int)luaL_checkinteger(L, 1);
    fflush(NULL);
    _exit(status);
}

/* One process: 0 and less would mean many to the system. */
static pid_t check_pid(lua_State *L, int index, const char *name) {
    return (pid_t)l_integer(L, index, name, 1, INT32_MAX);
}

enum { RUNS, ENDED, FORGOTTEN };

/* What became of a child. The system forgets it at once where SIGCHLD is ignored, as some that
 * start programs leave it. */
static int look(pid_t pid, int *status) {
    pid_t answer;
    do
        answer = waitpid(pid, status, WNOHANG);
    while (answer < 0 && errno == EINTR);
    return answer == pid ? ENDED : answer < 0 ? FORGOTTEN : RUNS;
}

/* The first child of the list that has ended, and how; 0 where none has. */
static pid_t first_ended(lua_State *L, int list, int *how, int *status) {
    size_t count = lua_rawlen(L, list);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, list, (int)i);
        pid_t pid = check_pid(L, -1, "wait: a child");
        lua_pop(L, 1);
        *how = look(pid, status);
        if (*how != RUNS)
            return pid;
    }
    return 0;
}

/* wait({pid, …}, seconds) → pid, exit status | nil, signal | nil of a child that has ended, its pid
 * alone where nobody knows how; nothing where none ends so soon */
static int process_wait(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    double until = mgd_clock() + luaL_checknumber(L, 2);
    int how = RUNS, status = 0;
    pid_t pid;
    while (!(pid = first_ended(L, 1, &how, &status))) {
        mgd_context ctx = {0};
        l_check(L, mgd_interrupt_answer(&ctx), &ctx);
        if (mgd_clock() >= until)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = POLL}, NULL);
    }
    lua_pushinteger(L, pid);
    if (how == ENDED && WIFEXITED(status))
        lua_pushinteger(L, WEXITSTATUS(status));
    else
        lua_pushnil(L);
    if (how == ENDED && WIFSIGNALED(status))
        lua_pushinteger(L, WTERMSIG(status));
    else
        lua_pushnil(L);
    return 3;
}

/* kill(pid, "int" | "term" | "kill") → whether there was such a process */
static int process_kill(lua_State *L) {
    static const struct {
        const char *name;
        int number;
    } signals[] = {{"int", SIGINT}, {"term", SIGTERM}, {"kill", SIGKILL}};
    enum { COUNT = sizeof signals / sizeof *signals };
    pid_t pid = check_pid(L, 1, "kill: pid");
    const char *name = luaL_optstring(L, 2, "term");
    size_t i = 0;
    while (i < COUNT && strcmp(signals[i].name, name) != 0)
        i++;
    if (i == COUNT)
        return luaL_argerror(L, 2, lua_pushfstring(L, "invalid option '%s'", name));
    lua_pushboolean(L, kill(pid, signals[i].number) == 0);
    return 1;
}

static int process_pid(lua_State *L) {
    lua_pushinteger(L, getpid());
    return 1;
}

static int no_lock(lua_State *L, const char *path, int reason) {
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", path, strerror(reason));
    return 2;
}

/* lock(path) → a lock on that file, made where there is none; nil where another process has it, nil
 * and the system's words where there can be none. It ends with release() or with the process, and
 * with all children made while it was held. */
static int process_lock(lua_State *L) {
    const char *path = luaL_checkstring(L, 1);
    int *box = l_push_box(L, sizeof *box, L_LOCK);
    *box = -1;
    int file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0)
        return no_lock(L, path, errno);
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        int reason = errno;
        close(file);
        if (reason != EWOULDBLOCK)
            return no_lock(L, path, reason);
        lua_pushnil(L);
        return 1;
    }
    *box = file;
    return 1;
}

static int lock_release(lua_State *L) {
    int *box = luaL_checkudata(L, 1, L_LOCK);
    if (*box >= 0)
        close(*box);
    *box = -1;
    return 0;
}

static const luaL_Reg lock_methods[] = {
    {"release", lock_release},
    {"__gc", lock_release},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"fork", process_fork}, {"kill", process_kill}, {"leave", process_leave},
    {"lock", process_lock}, {"pid", process_pid},   {"wait", process_wait},
    {NULL, NULL},
};

void l_open_process(lua_State *L) {
    l_new_type(L, L_LOCK, lock_methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    l_add_programs(L);
    lua_setfield(L, -2, "process");
}
