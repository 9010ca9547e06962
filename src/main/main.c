/* main.c: mgd-lua, an interpreter with the options and the behaviour of `lua` 5.4.
 *
 * Where it differs, on purpose: scripts, -e and LUA_INIT are text (bytecode is refused, because
 * a damaged one can crash the interpreter); modules are also found beside the executable; `mgd` is
 * a global in interactive sessions; Ctrl-C reaches coroutines and the loops of the runtime, and
 * a script that it stops exits with status 130; SIGTERM and SIGHUP end the process when the script
 * has unwound and finalisers have run; --help and --version exist. The collector is left
 * in its incremental mode, where the steps that the runtime asks for big buffers take effect.
 */

#include "main.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STATUS_INTERRUPTED 130 /* 128 + SIGINT, as shells report it */
#define INIT_VARIABLE "LUA_INIT"
#define INIT_VARIABLE_VERSIONED INIT_VARIABLE "_" LUA_VERSION_MAJOR "_" LUA_VERSION_MINOR

typedef struct {
    int argc;
    char **argv;
    const char *name; /* for messages */
    int script;       /* index of the script in argv; argc when there is none */
    bool interactive; /* -i */
    bool version;     /* -v or -i */
    bool execute;     /* -e */
    bool ignore_environment;
    int status; /* out: of the process */
} command;

/* ---- messages -------------------------------------------------------------------------------- */

static void print_usage(FILE *out, const char *name) {
    fprintf(out,
            "usage: %s [options] [script [args]]\n"
            "Available options are:\n"
            "  -e stat    execute string 'stat'\n"
            "  -i         enter interactive mode after executing 'script'\n"
            "  -l mod     require library 'mod' into global 'mod'\n"
            "  -l g=mod   require library 'mod' into global 'g'\n"
            "  -v         show version information\n"
            "  -E         ignore environment variables\n"
            "  -W         turn warnings on\n"
            "  --         stop handling options\n"
            "  -          stop handling options and execute stdin\n"
            "  --help     show this text\n"
            "  --version  show version information and leave\n",
            name);
}

static void print_version(void) {
    printf("mgd-lua %s  %s\n", MGD_LUA_VERSION, LUA_COPYRIGHT);
    fflush(stdout);
}

/* Reports the error when `status` says that there is one. */
static bool succeeded(lua_State *L, const command *c, int status) {
    if (status != LUA_OK)
        main_report(L, c->name);
    return status == LUA_OK;
}

/* ---- options --------------------------------------------------------------------------------- */

/* Fills `c`; false, with the message printed, when an option is unknown or lacks its argument. */
static bool read_options(command *c) {
    for (int i = 1; i < c->argc; i++) {
        const char *option = c->argv[i];
        c->script = i;
        if (option[0] != '-' || option[1] == '\0')
            return true;
        if (strcmp(option, "--") == 0) {
            c->script = i + 1;
            return true;
        }
        bool takes_argument = option[1] == 'e' || option[1] == 'l';
        if (!strchr("eilvEW", option[1]) || (!takes_argument && option[2] != '\0')) {
            fprintf(stderr, "%s: unrecognized option '%s'\n", c->name, option);
            print_usage(stderr, c->name);
            return false;
        }
        if (takes_argument && option[2] == '\0') {
            i++;
            if (i >= c->argc || c->argv[i][0] == '-') {
                fprintf(stderr, "%s: '%s' needs argument\n", c->name, option);
                print_usage(stderr, c->name);
                return false;
            }
        }
        c->interactive |= option[1] == 'i';
        c->version |= option[1] == 'v' || option[1] == 'i';
        c->execute |= option[1] == 'e';
        c->ignore_environment |= option[1] == 'E';
    }
    c->script = c->argc;
    return true;
}

/* The first --help or --version among the options, or NULL. */
static const char *long_option(int argc, char **argv) {
    for (int i = 1; i < argc && argv[i][0] == '-' && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "--version") == 0)
            return argv[i];
        if (strcmp(argv[i], "-e") == 0 || strcmp(argv[i], "-l") == 0)
            i++;
    }
    return NULL;
}

/* ---- running --------------------------------------------------------------------------------- */

/* The global `arg`: the script at 0, its arguments from 1, what stands before it below 0. */
static void set_arg(lua_State *L, const command *c) {
    int origin = c->script < c->argc ? c->script : 0;
    lua_createtable(L, c->argc - origin, origin + 1);
    for (int i = 0; i < c->argc; i++) {
        lua_pushstring(L, c->argv[i]);
        lua_rawseti(L, -2, i - origin);
    }
    lua_setglobal(L, "arg");
}

static bool run_text(lua_State *L, const command *c, const char *text, const char *chunk_name) {
    int status = luaL_loadbufferx(L, text, strlen(text), chunk_name, "t");
    if (status == LUA_OK)
        status = main_call(L, 0, 0);
    return succeeded(L, c, status);
}

/* A NULL `path` is stdin. */
static bool run_file(lua_State *L, const command *c, const char *path) {
    int status = luaL_loadfilex(L, path, "t");
    if (status == LUA_OK)
        status = main_call(L, 0, 0);
    return succeeded(L, c, status);
}

static bool run_init(lua_State *L, const command *c) {
    const char *name = INIT_VARIABLE_VERSIONED;
    const char *init = getenv(name);
    if (!init) {
        name = INIT_VARIABLE;
        init = getenv(name);
    }
    if (!init)
        return true;
    if (init[0] == '@')
        return run_file(L, c, init + 1);
    lua_pushfstring(L, "=%s", name);
    bool good = run_text(L, c, init, lua_tostring(L, -1));
    lua_pop(L, 1);
    return good;
}

/* Sets global `name` (of `length` bytes) to require(module). */
static bool require_as(lua_State *L, const command *c, const char *name, size_t length,
                       const char *module) {
    lua_getglobal(L, "require");
    lua_pushstring(L, module);
    if (!succeeded(L, c, main_call(L, 1, 1)))
        return false;
    lua_pushglobaltable(L);
    lua_pushlstring(L, name, length);
    lua_pushvalue(L, -3);
    lua_settable(L, -3);
    lua_pop(L, 2);
    return true;
}

/* -l mod, -l mod-version (the suffix is not part of the global's name), -l global=mod */
static bool run_library(lua_State *L, const command *c, const char *text) {
    const char *equals = strchr(text, '=');
    if (equals)
        return require_as(L, c, text, (size_t)(equals - text), equals + 1);
    return require_as(L, c, text, strcspn(text, "-"), text);
}

/* -e, -l and -W, in the order given; stops at the first that fails. */
static bool run_options(lua_State *L, const command *c) {
    for (int i = 1; i < c->script; i++) {
        char option = c->argv[i][1];
        if (option == 'W')
            lua_warning(L, "@on", 0);
        if (option != 'e' && option != 'l')
            continue;
        const char *text = c->argv[i] + 2;
        if (*text == '\0')
            text = c->argv[++i];
        if (!(option == 'e' ? run_text(L, c, text, "=(command line)") : run_library(L, c, text)))
            return false;
    }
    return true;
}

/* Runs the script with the arguments that the global `arg` holds by now. */
static bool run_script(lua_State *L, const command *c) {
    const char *path = c->argv[c->script];
    if (strcmp(path, "-") == 0 && strcmp(c->argv[c->script - 1], "--") != 0)
        path = NULL;
    int status = luaL_loadfilex(L, path, "t");
    if (status != LUA_OK)
        return succeeded(L, c, status);
    if (lua_getglobal(L, "arg") != LUA_TTABLE)
        luaL_error(L, "'arg' is not a table");
    int arguments = (int)luaL_len(L, -1);
    luaL_checkstack(L, arguments + 3, "too many arguments to script");
    for (int i = 1; i <= arguments; i++)
        lua_rawgeti(L, -i, i);
    lua_remove(L, -arguments - 1);
    return succeeded(L, c, main_call(L, arguments, LUA_MULTRET));
}

/* A session starts all the same where the library cannot be loaded. */
static void preload_library(lua_State *L, const command *c) {
    require_as(L, c, "mgd", 3, "mgd");
}

/* Everything that needs a state, in protected mode. */
static int run_command(lua_State *L) {
    command *c = lua_touserdata(L, 1);
    bool has_script = c->script < c->argc;
    bool session =
        c->interactive || (!has_script && !c->execute && !c->version && isatty(STDIN_FILENO));
    luaL_checkversion(L);
    if (c->ignore_environment) {
        lua_pushboolean(L, 1);
        lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV"); /* read by luaL_openlibs */
    }
    luaL_openlibs(L);
    paths_open(L, c->argv[0], c->ignore_environment);
    interrupt_open(L);
    set_arg(L, c);
    c->status = EXIT_FAILURE;
    if (c->version || (session && !has_script))
        print_version();
    if (!c->ignore_environment && !run_init(L, c))
        return 0;
    if (session)
        preload_library(L, c);
    if (!run_options(L, c) || (has_script && !run_script(L, c)))
        return 0;
    if (session)
        repl_run(L);
    else if (!has_script && !c->execute && !c->version && !run_file(L, c, NULL))
        return 0;
    c->status = EXIT_SUCCESS;
    return 0;
}

int main(int argc, char **argv) {
    char *nameless[] = {"mgd-lua", NULL};
    command c = {.argc = argc, .argv = argv, .script = argc, .status = EXIT_FAILURE};
    if (argc == 0 || !argv[0] || !argv[0][0]) {
        c.argc = 1;
        c.argv = nameless;
    }
    c.name = c.argv[0];
    const char *asked = long_option(c.argc, c.argv);
    if (asked) {
        if (strcmp(asked, "--help") == 0)
            print_usage(stdout, c.name);
        else
            print_version();
        return EXIT_SUCCESS;
    }
    if (!read_options(&c))
        return EXIT_FAILURE;
    lua_State *L = luaL_newstate();
    if (!L) {
        fprintf(stderr, "%s: cannot create a state: not enough memory\n", c.name);
        return EXIT_FAILURE;
    }
    lua_pushcfunction(L, run_command);
    lua_pushlightuserdata(L, &c);
    if (!succeeded(L, &c, lua_pcall(L, 1, 0, 0)))
        c.status = EXIT_FAILURE;
    if (c.status != EXIT_SUCCESS && interrupt_happened())
        c.status = STATUS_INTERRUPTED;
    interrupt_close();
    lua_close(L);
    interrupt_end();
    return c.status;
}
