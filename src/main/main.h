/* main.h: what the files of the interpreter share.
 *
 * This folder uses Lua alone: neither mgd.h nor the library is linked. The interpreter knows the
 * runtime as a module that `require` finds, and its requests to stop as a registry entry.
 */
#ifndef MGD_MAIN_H
#define MGD_MAIN_H

#include <lua.h>
#include <stdbool.h>

/* ---- call.c ---------------------------------------------------------------------------------- */

/* lua_pcall with a traceback, in which Ctrl-C raises "interrupted!". */
int main_call(lua_State *L, int arguments, int results);

/* Pops the message on top of the stack and writes it to stderr, after "NAME: " where `name` is
 * given. */
void main_report(lua_State *L, const char *name);

/* ---- paths.c --------------------------------------------------------------------------------- */

/* Adds the places that belong to this very executable (its build tree, or the prefix it was
 * installed in) to package.path and package.cpath: before the defaults, after whatever LUA_PATH
 * and LUA_CPATH name. The library's own Lua files come from there alone. */
void paths_open(lua_State *L, const char *program, bool ignore_environment);

/* ---- interrupt.c ----------------------------------------------------------------------------- */

void interrupt_open(lua_State *L);
/* Call before lua_close: after it nothing here refers to a state or to a loaded module. */
void interrupt_close(void);

/* From `watch` to `unwatch`, Ctrl-C raises an error in the coroutine of `L` that runs. */
void interrupt_watch(lua_State *L);
void interrupt_unwatch(void);

/* True once after a Ctrl-C that nothing has answered, and always where the process is to end: how a
 * prompt learns of it. */
bool interrupt_take(void);

/* Whether a signal has asked for the end of the process. */
bool interrupt_ends(void);

/* Call after lua_close: does not return where a signal has asked for the end. */
void interrupt_end(void);

/* Whether Ctrl-C was pressed since the last watch. */
bool interrupt_happened(void);

/* ---- lines.c --------------------------------------------------------------------------------- */

typedef enum { LINE_READ, LINE_END, LINE_INTERRUPTED } line_status;

void lines_open(void);
/* Shows `prompt` and reads one line, without its newline, that the caller frees. Edited and with
 * history on a terminal, plain elsewhere. */
line_status lines_read(const char *prompt, char **text);
/* Remembers a complete statement, which may span lines. */
void lines_remember(const char *statement);
void lines_close(void);

/* ---- repl.c ---------------------------------------------------------------------------------- */

/* Reads, evaluates and prints until the end of stdin. */
void repl_run(lua_State *L);

#endif
