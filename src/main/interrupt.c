/* interrupt.c: Ctrl-C, for Lua code, for coroutines and for the C loops of the runtime; and the
 * signals that end a process, SIGTERM and SIGHUP.
 *
 * A signal handler may do two things here: set a flag and set a debug hook (lua_sethook allows
 * it). The hook raises "interrupted!" before the next instruction, but only in the coroutine that
 * it is set on, and Lua has no way to ask a handler's question: which coroutine runs? So
 * coroutine.resume and coroutine.wrap are replaced by versions that keep `self.running` up to
 * date, hand a hook on that came too late for the coroutine that it was set on, and interrupt the
 * resumer in turn when a coroutine died of the interrupt.
 *
 * Requests are this file's own until the runtime is loaded, and the runtime's from then on: its
 * loops see them, and fail with "interrupted". Whoever clears one has answered: a hook that finds
 * it cleared does nothing.
 *
 * The first Ctrl-C asks, and restores the default action, as in `lua`: a second one ends the
 * process, whatever the first was caught by. The next line of a session begins anew.
 *
 * SIGTERM and SIGHUP ask as Ctrl-C does, but not to go on afterwards: when all has unwound and the
 * state is closed, so that hardware is safe and files are whole, the process dies of that very
 * signal. Whatever catches the error lives for a second; then each instruction of Lua raises it
 * anew, but for those of finalisers, where Lua calls no hook.
 */

#include "main.h"

#include <errno.h>
#include <lauxlib.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#define RUNTIME "mgd.core"
#define RUNTIME_CALLS "mgd.interrupts" /* registry: set by the runtime when it is loaded */

/* How to ask, whether somebody has, and how to answer; safe in a signal handler. The runtime's have
 * these types, too. */
typedef struct {
    void (*request)(void);
    bool (*pending)(void);
    void (*clear)(void);
} interrupt_calls;

static volatile sig_atomic_t asked;

static void own_request(void) {
    asked = 1;
}

static bool own_pending(void) {
    return asked != 0;
}

static void own_clear(void) {
    asked = 0;
}

static const interrupt_calls own_calls = {own_request, own_pending, own_clear};

/* A signal handler has no argument for context: the one static of the interpreter that refers to
 * a state, and only while that state runs. */
static struct {
    lua_State *volatile running; /* NULL: at the prompt, or before and after everything */
    const interrupt_calls *volatile calls;
    volatile sig_atomic_t happened;
    lua_State *died; /* the coroutine in which the error was raised, until its resumer knows */
    pthread_t thread;
    bool ignored;                  /* the process was started with SIGINT ignored: so it stays */
    volatile sig_atomic_t ending;  /* the signal that the process is to die of; 0 */
    volatile sig_atomic_t insists; /* it was asked again */
} self = {.calls = &own_calls};

#define PATIENCE 1 /* seconds, the least of alarm() */

static void on_signal(int number);
static void on_alarm(int number);

static void set_signal(int number, void (*action)(int)) {
    struct sigaction sa = {.sa_handler = action};
    sigemptyset(&sa.sa_mask);
    sigaction(number, &sa, NULL);
}

static bool is_ignored(int number) {
    struct sigaction present;
    return sigaction(number, NULL, &present) == 0 && present.sa_handler == SIG_IGN;
}

/* Of Ctrl-C. */
static void set_action(void (*action)(int)) {
    if (!self.ignored)
        set_signal(SIGINT, action);
}

/* ---- the hook -------------------------------------------------------------------------------- */

static void on_hook(lua_State *L, lua_Debug *ar) {
    (void)ar;
    if (!self.insists) {
        lua_sethook(L, NULL, 0, 0);
        if (!self.calls->pending())
            return;
    }
    self.calls->clear();
    self.died = L;
    luaL_where(L, 0); /* of the code that runs; of its caller where that is a C function */
    if (lua_rawlen(L, -1) == 0)
        luaL_where(L, 1);
    lua_pushliteral(L, "interrupted!");
    lua_concat(L, 2);
    lua_error(L);
}

/* One that stays must not stop message handlers, which are C functions: it counts instructions. */
static void set_hook(lua_State *L) {
    int calls = self.insists ? 0 : LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE;
    lua_sethook(L, on_hook, calls | LUA_MASKCOUNT, 1);
}

/* ---- the handlers ---------------------------------------------------------------------------- */

/* Whether another thread, a worker of the runtime, got what is for this one. */
static bool is_passed_on(int number) {
    if (pthread_equal(pthread_self(), self.thread))
        return false;
    pthread_kill(self.thread, number);
    return true;
}

static void on_signal(int number) {
    if (is_passed_on(number))
        return;
    int saved = errno;
    lua_State *L = self.running;
    self.calls->request();
    self.happened = 1;
    if (L) {
        set_action(SIG_DFL);
        set_hook(L);
    }
    errno = saved;
}

/* Asks what runs to end, now and whenever PATIENCE has passed since. */
static void ask_to_end(void) {
    int saved = errno;
    lua_State *L = self.running;
    self.calls->request();
    if (L)
        set_hook(L);
    set_signal(SIGALRM, on_alarm);
    alarm(PATIENCE);
    errno = saved;
}

static void on_alarm(int number) {
    if (is_passed_on(number))
        return;
    self.insists = 1;
    ask_to_end();
}

static void on_end(int number) {
    if (is_passed_on(number))
        return;
    bool first = self.ending == 0;
    self.ending = number;
    if (first)
        ask_to_end();
}

/* ---- coroutines ------------------------------------------------------------------------------ */

static lua_State *check_coroutine(lua_State *L) {
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "thread");
    return co;
}

/* Resumes `co` with the `arguments` values on top of L; afterwards either its results (≥ 0 of
 * them) or, for −1, one error value are on top of L. Where `co` died of an interrupt, L is to die
 * of it too: of this error when it `raises` errors, or else of another interrupt. */
static int resume(lua_State *L, lua_State *co, int arguments, bool raises) {
    if (!lua_checkstack(co, arguments)) {
        lua_pushliteral(L, "too many arguments to resume");
        return -1;
    }
    lua_xmove(L, co, arguments);
    lua_State *resumer = self.running ? L : NULL;
    self.running = resumer ? co : NULL;
    if (resumer && (self.calls->pending() || self.insists))
        set_hook(co);
    int results = 0;
    int status = lua_resume(co, L, arguments, &results);
    self.running = resumer;
    bool failed = status != LUA_OK && status != LUA_YIELD;
    bool died = self.died == co && failed;
    if (self.died == co)
        self.died = died && raises ? L : NULL;
    if (died && !raises)
        self.calls->request();
    if (lua_gethook(co) == on_hook || (died && !raises)) {
        lua_sethook(co, NULL, 0, 0);
        set_hook(L);
    }
    if (failed) {
        lua_xmove(co, L, 1);
        return -1;
    }
    if (!lua_checkstack(L, results + 1)) {
        lua_pop(co, results);
        lua_pushliteral(L, "too many results to resume");
        return -1;
    }
    lua_xmove(co, L, results);
    return results;
}

static int coroutine_resume(lua_State *L) {
    lua_State *co = check_coroutine(L);
    int results = resume(L, co, lua_gettop(L) - 1, false);
    lua_pushboolean(L, results >= 0);
    if (results < 0) {
        lua_insert(L, -2);
        return 2;
    }
    lua_insert(L, -(results + 1));
    return results + 1;
}

static int close_coroutine(lua_State *L, lua_State *co) {
#if LUA_VERSION_RELEASE_NUM >= 50406
    return lua_closethread(co, L);
#else
    (void)L;
    return lua_resetthread(co);
#endif
}

static int call_wrapped(lua_State *L) {
    lua_State *co = lua_tothread(L, lua_upvalueindex(1));
    int results = resume(L, co, lua_gettop(L), true);
    if (results >= 0)
        return results;
    int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) { /* it failed, rather than resume: close it */
        status = close_coroutine(L, co);
        lua_xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int coroutine_wrap(lua_State *L) {
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    lua_pushcclosure(L, call_wrapped, 1);
    return 1;
}

/* ---- the runtime's requests --------------------------------------------------------------------
 */

/* package.preload["mgd.core"]: loads the module as `require` (upvalue 1) would without this entry,
 * then adopts its requests. */
static int load_runtime(lua_State *L) {
    lua_settop(L, 0);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_getfield(L, 1, RUNTIME); /* 2: this very function */
    lua_pushnil(L);
    lua_setfield(L, 1, RUNTIME);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushliteral(L, RUNTIME);
    int status = lua_pcall(L, 1, 1, 0);
    lua_pushvalue(L, 2);
    lua_setfield(L, 1, RUNTIME);
    if (status != LUA_OK)
        return lua_error(L);
    if (lua_getfield(L, LUA_REGISTRYINDEX, RUNTIME_CALLS) == LUA_TLIGHTUSERDATA) {
        const interrupt_calls *calls = lua_touserdata(L, -1);
        calls->pending(); /* takes what memory this thread needs for it, before a handler asks */
        self.calls = calls;
    }
    lua_pop(L, 1);
    return 1;
}

/* ---- interface ------------------------------------------------------------------------------- */

void interrupt_open(lua_State *L) {
    static const luaL_Reg functions[] = {
        {"resume", coroutine_resume},
        {"wrap", coroutine_wrap},
        {NULL, NULL},
    };
    static const int ends[] = {SIGTERM, SIGHUP};
    self.thread = pthread_self();
    self.ignored = is_ignored(SIGINT);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (!is_ignored(ends[i]))
            set_signal(ends[i], on_end);
    lua_getglobal(L, "coroutine");
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
    luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
    lua_getglobal(L, "require");
    lua_pushcclosure(L, load_runtime, 1);
    lua_setfield(L, -2, RUNTIME);
    lua_pop(L, 1);
}

void interrupt_close(void) {
    set_action(SIG_DFL);
    self.running = NULL;
    if (self.ending)
        set_signal(SIGALRM, SIG_IGN);
    self.calls->clear(); /* finalisers are to work */
    self.calls = &own_calls;
}

void interrupt_end(void) {
    if (!self.ending)
        return;
    fflush(NULL);
    set_signal(self.ending, SIG_DFL);
    raise(self.ending);
}

bool interrupt_ends(void) {
    return self.ending != 0;
}

void interrupt_watch(lua_State *L) {
    self.calls->clear();
    self.happened = 0;
    self.died = NULL;
    self.running = L;
    set_action(on_signal);
    if (self.ending)
        ask_to_end();
}

void interrupt_unwatch(void) {
    lua_State *L = self.running;
    self.running = NULL;
    if (L && lua_gethook(L) == on_hook)
        lua_sethook(L, NULL, 0, 0);
    self.calls->clear();
    set_action(on_signal); /* a prompt takes signals, too */
}

bool interrupt_take(void) {
    bool taken = self.calls->pending();
    self.calls->clear();
    return taken || self.ending;
}

bool interrupt_happened(void) {
    return self.happened != 0;
}
