/* l_program.c: core.process.find and run, the one way in which the library starts other programs.
 *
 * A program is found in the absolute folders of PATH, never in the present one, and is given such a
 * PATH itself. What it reads and writes are files without a name rather than pipes: nothing blocks,
 * no SIGPIPE comes where it ends early, and nothing is left behind, however either of the two ends.
 */

#include "../base/base.h"    /* internal: the interrupt flag, the clock */
#include "../base/program.h" /* internal: where programs are, and how one starts */
#include "l_mgd.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define L_PROGRAM "mgd.process.program"
#define SHORTEST 100000  /* ns between the first two looks at a program, doubled each time … */
#define LONGEST 10000000 /* … up to this */

extern char **environ;

enum { INPUT, OUTPUT, WORDS, FILES }; /* what the program has as 0, 1 and 2 */

typedef struct {
    pid_t pid; /* 0: none runs */
    bool opened;
    int file[FILES];
} l_program;

/* ---- where programs are ---------------------------------------------------------------------- */

/* Pushes PATH without what is relative to the present folder. */
static void push_safe_path(lua_State *L) {
    const char *rest = NULL, *folder;
    size_t span = 0;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (bool first = true; (folder = mgd_program_folder(&rest, &span)); first = false) {
        if (!first)
            luaL_addchar(&b, ':');
        luaL_addlstring(&b, folder, span);
    }
    luaL_pushresult(&b);
}

/* find(name) → its path, nil where there is no such program. A name with a slash is a path. */
static int process_find(lua_State *L) {
    char path[PATH_MAX];
    if (!mgd_program_find(luaL_checkstring(L, 1), path))
        return 0;
    lua_pushstring(L, path);
    return 1;
}

/* ---- what a program is given ----------------------------------------------------------------- */

/* A file without a name, above the three that every process has; −1 and errno. */
static int nameless_file(void) {
    int file;
#if defined(__linux__)
    file = memfd_create("mgd", MFD_CLOEXEC);
#else
    FILE *stream = tmpfile();
    file = stream ? fcntl(fileno(stream), F_DUPFD_CLOEXEC, 3) : -1;
    if (stream)
        fclose(stream);
#endif
    if (file < 0 || file > 2)
        return file;
    int higher = fcntl(file, F_DUPFD_CLOEXEC, 3);
    close(file);
    return higher;
}

static bool write_all(int file, const char *bytes, size_t n) {
    while (n > 0) {
        ssize_t done = write(file, bytes, n);
        if (done < 0 && errno != EINTR)
            return false;
        bytes += done > 0 ? done : 0;
        n -= done > 0 ? (size_t)done : 0;
    }
    return lseek(file, 0, SEEK_SET) == 0;
}

static bool open_files(l_program *p, const char *input, size_t length) {
    for (int i = 0; i < FILES; i++)
        p->file[i] = -1;
    p->opened = true;
    for (int i = 0; i < FILES; i++)
        if ((p->file[i] = nameless_file()) < 0)
            return false;
    return write_all(p->file[INPUT], input, length);
}

/* Pushes a userdata of the strings of the list at `list`, which hold for as long as that does, with
 * NULL at its end. */
static char **push_vector(lua_State *L, int list) {
    size_t count = lua_rawlen(L, list);
    char **vector = lua_newuserdata(L, (count + 1) * sizeof *vector);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            l_error(L, "run: word %d: expected a string, got %s", (int)i + 1, luaL_typename(L, -1));
        vector[i] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    vector[count] = NULL;
    return vector;
}

/* Whether the table at `changes` has an entry for the name that `entry`, "NAME=text", begins with.
 */
static bool is_changed(lua_State *L, int changes, const char *entry) {
    lua_pushlstring(L, entry, strcspn(entry, "="));
    lua_rawget(L, changes);
    bool changed = !lua_isnil(L, -1);
    lua_pop(L, 1);
    return changed;
}

/* Pushes a list: this process's environment with the changes of the table at `changes`, in which
 * false takes a name away. */
static void push_environment(lua_State *L, int changes) {
    lua_newtable(L);
    int list = lua_gettop(L), n = 0;
    for (char **entry = environ; entry && *entry; entry++)
        if (!is_changed(L, changes, *entry)) {
            lua_pushstring(L, *entry);
            lua_rawseti(L, list, ++n);
        }
    for (lua_pushnil(L); lua_next(L, changes); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING)
            continue;
        lua_pushfstring(L, "%s=%s", lua_tostring(L, -2), lua_tostring(L, -1));
        lua_rawseti(L, list, ++n);
    }
}

/* ---- its life -------------------------------------------------------------------------------- */

/* Waits for the end, which is noted in `p`. */
static pid_t reap(l_program *p, int *status, int options) {
    pid_t answer = mgd_program_reap(p->pid, status, options);
    if (answer != 0)
        p->pid = 0;
    return answer;
}

/* Ends it, with all that it has started. */
static void end(l_program *p) {
    int status;
    if (!p->pid)
        return;
    kill(-p->pid, SIGKILL);
    kill(p->pid, SIGKILL);
    reap(p, &status, 0);
}

static int program_close(lua_State *L) {
    l_program *p = luaL_checkudata(L, 1, L_PROGRAM);
    end(p);
    for (int i = 0; i < FILES && p->opened; i++)
        if (p->file[i] >= 0)
            close(p->file[i]);
    p->opened = false;
    return 0;
}

/* Sets how it ended in the table on top of the stack: `status`, or `signal` and `signal_name`, or
 * `late`; none where SIGCHLD is ignored, so that the system does not say. */
static void wait_until(lua_State *L, l_program *p, double until) {
    int status = 0;
    pid_t answer;
    long pause = SHORTEST;
    while ((answer = reap(p, &status, WNOHANG)) == 0) {
        mgd_context ctx = {0};
        mgd_status interrupted = mgd_interrupt_answer(&ctx);
        if (interrupted != MGD_OK || mgd_clock() >= until)
            end(p);
        l_check(L, interrupted, &ctx);
        if (!p->pid) {
            lua_pushboolean(L, 1);
            lua_setfield(L, -2, "late");
            return;
        }
        nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
        pause = pause < LONGEST ? 2 * pause : LONGEST;
    }
    if (answer > 0 && WIFEXITED(status)) {
        lua_pushinteger(L, WEXITSTATUS(status));
        lua_setfield(L, -2, "status");
    } else if (answer > 0 && WIFSIGNALED(status)) {
        lua_pushinteger(L, WTERMSIG(status));
        lua_setfield(L, -2, "signal");
        lua_pushstring(L, strsignal(WTERMSIG(status)));
        lua_setfield(L, -2, "signal_name");
    }
}

/* Sets field `name` of the table on top of the stack to what the file holds. */
static void set_content(lua_State *L, int file, const char *name) {
    char piece[1 << 14];
    luaL_Buffer b;
    off_t at = 0;
    luaL_buffinit(L, &b);
    for (ssize_t n; (n = pread(file, piece, sizeof piece, at)) > 0; at += n)
        luaL_addlstring(&b, piece, (size_t)n);
    luaL_pushresult(&b);
    lua_setfield(L, -2, name);
}

static int not_started(lua_State *L, int error) {
    lua_pushnil(L);
    lua_pushstring(L, strerror(error));
    return 2;
}

/* run({program, word, …}, input, environment, seconds) → {status =, signal =, signal_name =, late
 * =, out =, words =} of a program that has ended, by itself or as its time was over; nil and why
 * where it could not be started. `environment` is a table of changes. Ctrl-C ends it. */
static int process_run(lua_State *L) {
    size_t length;
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *input = luaL_optlstring(L, 2, "", &length);
    luaL_checktype(L, 3, LUA_TTABLE);
    double until = mgd_clock() + luaL_checknumber(L, 4);
    lua_settop(L, 4);
    l_program *p = l_push_box(L, sizeof *p, L_PROGRAM);
    char **words = push_vector(L, 1);
    push_safe_path(L);
    lua_setfield(L, 3, "PATH");
    push_environment(L, 3);
    char **environment = push_vector(L, lua_gettop(L));
    char path[PATH_MAX];
    if (!words[0] || !mgd_program_find(words[0], path))
        return not_started(L, ENOENT);
    int error = open_files(p, input, length)
                    ? mgd_program_start(path, words, environment, p->file, &p->pid)
                    : errno;
    if (error) {
        p->pid = 0;
        return not_started(L, error);
    }
    lua_newtable(L);
    wait_until(L, p, until);
    set_content(L, p->file[OUTPUT], "out");
    set_content(L, p->file[WORDS], "words");
    lua_pushcfunction(L, program_close);
    lua_pushvalue(L, 5);
    lua_call(L, 1, 0);
    return 1;
}

static const luaL_Reg functions[] = {{"find", process_find}, {"run", process_run}, {NULL, NULL}};

static const luaL_Reg program_methods[] = {{"__gc", program_close}, {NULL, NULL}};

void l_add_programs(lua_State *L) {
    l_new_type(L, L_PROGRAM, program_methods);
    lua_pop(L, 1);
    luaL_setfuncs(L, functions, 0);
}
