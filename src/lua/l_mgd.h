/* l_mgd.h: what the bindings share. Lua 5.4 and LuaJIT from the same source.
 *
 * Rules of this folder. Box first: push the userdata with a NULL payload and its metatable, then
 * fill it, so that no C memory is unanchored across a call that can raise. One site turns a status
 * into a Lua error: l_check. `__gc` is idempotent. State lives in userdata and the registry, never
 * in statics.
 */
#ifndef MGD_L_MGD_H
#define MGD_L_MGD_H

#include "../mgd.h"
#include "../base/number.h" /* internal: numbers in messages keep their value */

#include <lauxlib.h>
#include <lua.h>

#if LUA_VERSION_NUM < 502 /* LuaJIT */
#define lua_rawlen lua_objlen
#define LUA_OK 0
#if !defined(luaL_newlib) /* LuaJIT 2.1 brings luaL_setfuncs but not this */
#define luaL_newlib(L, list) (lua_newtable(L), luaL_setfuncs(L, list, 0))
#endif
#define lua_newuserdatauv(L, size, values) lua_newuserdata(L, size)
/* One Lua value per userdata, a table. */
#define l_set_user_value(L, index) lua_setfenv(L, index)
#define l_get_user_value(L, index) lua_getfenv(L, index)
#else
#define l_set_user_value(L, index) lua_setiuservalue(L, index, 1)
#define l_get_user_value(L, index) lua_getiuservalue(L, index, 1)
#endif

/* Raises "FILE:LINE: message" where FILE:LINE is the innermost caller outside of the library's own
 * Lua files: the line that the user wrote. */
int l_error(lua_State *L, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The one site: returns when `status` is MGD_OK, raises ctx->message otherwise. */
void l_check(lua_State *L, mgd_status status, const mgd_context *ctx);

/* For long loops of bindings, every so many rounds: raises where an interrupt is to be answered. */
#define L_PIECE 65536 /* elements, … */
#define L_ROWS 64     /* … and rows of them */
void l_answer(lua_State *L);

/* A number that must be an integer in [low, high]; `what` names it in the message, e.g.
 * "mgd.arange: n". Accepts floats with integer values. */
int64_t l_integer(lua_State *L, int index, const char *what, int64_t low, int64_t high);

/* Tells the collector that `bytes` of C memory were allocated (positive) for an object it owns:
 * past 1 MiB of debt it runs a step in proportion. */
void l_byte_debt(lua_State *L, size_t bytes);

/* Pushes a userdata of `size` zeroed bytes with the metatable `type_name` (made by l_new_type). */
void *l_push_box(lua_State *L, size_t size, const char *type_name);

/* Registers a metatable with `methods` and leaves it on the stack. Without an __index among them it
 * is the metatable itself. Names that are not there raise, with what could be meant. */
void l_new_type(lua_State *L, const char *type_name, const luaL_Reg *methods);

/* ---- tensors (l_tensor.c) ---- */
#define L_TENSOR "mgd.tensor"
/* Pushes an empty tensor box; the caller stores the tensor through the result at once, then calls
 * l_tensor_filled, which tells the collector. */
mgd_tensor **l_push_tensor_box(lua_State *L);
void l_tensor_filled(lua_State *L, const mgd_tensor *t);
/* The tensor at `index`, NULL when it is not one. */
mgd_tensor *l_test_tensor(lua_State *L, int index);
/* The same where a tensor is wanted: a list of numbers (nested for more dimensions) at `index`, an
 * absolute one, is replaced by the tensor that mgd.tensor makes of it, or is its error. */
mgd_tensor *l_take_tensor(lua_State *L, int index);
/* The same, or an error "WHAT: expected a tensor, got …". */
mgd_tensor *l_check_tensor(lua_State *L, int index, const char *what);
/* The same through a view that is left on the stack: for calls in which functions of the user's
 * run, which may do anything to the tensor itself. */
mgd_tensor *l_hold_tensor(lua_State *L, int index, const char *what);

/* Each fills the module table on top of the stack with its functions. */
void l_open_core(lua_State *L);
void l_open_base(lua_State *L);
void l_open_tensor(lua_State *L);
void l_open_net(lua_State *L);
void l_open_data(lua_State *L);
void l_open_hw(lua_State *L);
void l_open_chip(lua_State *L);
void l_open_instrument(lua_State *L);
void l_open_rtl(lua_State *L);
void l_open_run(lua_State *L);
void l_open_train(lua_State *L);
void l_open_recording(lua_State *L);
void l_open_checkpoint(lua_State *L);
void l_open_fit(lua_State *L);
void l_open_sqlite(lua_State *L);
void l_open_files(lua_State *L);
void l_open_process(lua_State *L);
void l_open_serve(lua_State *L);
void l_open_stats(lua_State *L);
void l_open_terminal(lua_State *L);
void l_open_wire(lua_State *L);

/* Adds find and run to the table on top of the stack (l_program.c). */
void l_add_programs(lua_State *L);

#endif
