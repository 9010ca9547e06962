/* l_wire.c: core.wire, bytes out and in; lua/mgd/hardware/link.lua is what users see of it.
 *
 * What the outside does wrong is a result, not an error: methods return nil, "late", "closed" or
 * "limit", and a message. Times are in seconds.
 */

#include "../base/base.h" /* internal: the clock */
#include "l_train.h"
#include "l_wire.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define LONGEST 1e9 /* seconds; for ever, to a wire */

l_wire *l_check_wire(lua_State *L, int index) {
    l_wire *box = luaL_checkudata(L, index, L_WIRE);
    if (!box->wire)
        l_error(L, "wire: it is closed");
    if (box->L)
        l_error(L, "wire: its own functions use it");
    return box;
}

/* ---- functions of the user's ----------------------------------------------------------------- */

l_wire l_enter_wire(lua_State *L, int index) {
    l_wire *box = luaL_checkudata(L, index, L_WIRE), outer = *box;
    luaL_checkstack(L, 8, NULL);
    l_get_user_value(L, index);
    box->L = L;
    box->functions = lua_gettop(L);
    return outer;
}

void l_leave_wire(l_wire *box, const l_wire *outer) {
    box->L = outer->L;
    box->functions = outer->functions;
}

void l_enter_wires(lua_State *L, int count, int kept) {
    luaL_checkstack(L, 4 * count + 8, "chip");
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, kept, L_WIRES);
        lua_rawgeti(L, -1, i);
        l_enter_wire(L, lua_gettop(L));
    }
}

void l_leave_wires(lua_State *L, int count, int kept) {
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, kept, L_WIRES);
        lua_rawgeti(L, -1, i);
        l_wire *box = lua_touserdata(L, -1);
        box->L = NULL;
        lua_pop(L, 2);
    }
}

/* Pushes a function; false where there is none, or nobody who could call it. */
static bool push_function(const l_wire *box, const char *name) {
    if (!box->L || !lua_checkstack(box->L, 8))
        return false;
    lua_getfield(box->L, box->functions, name);
    if (lua_isfunction(box->L, -1))
        return true;
    lua_pop(box->L, 1);
    return false;
}

static mgd_status call_write(void *user, mgd_context *ctx, const void *bytes, size_t count) {
    l_wire *box = user;
    if (!push_function(box, "write"))
        return l_fail(ctx, "write", "it cannot be called from here");
    lua_pushlstring(box->L, bytes, count);
    mgd_status status = l_protected(box->L, 1, 0, ctx, "write");
    lua_settop(box->L, box->functions);
    return status;
}

/* What read(most, seconds) returned, on top of the stack: bytes, or nil where the other side is
 * gone. */
static mgd_status take_result(lua_State *L, mgd_context *ctx, char *bytes, size_t most,
                              size_t *count) {
    if (lua_isnil(L, -1))
        return mgd_fail(ctx, MGD_ERR_IO, "functions: the other side closed it");
    if (lua_type(L, -1) != LUA_TSTRING)
        return l_fail(ctx, "read", "expected it to return a string, or nil at the end");
    const char *text = lua_tolstring(L, -1, count);
    if (*count > most)
        return l_fail(ctx, "read", "it returned more bytes than it was asked for");
    memcpy(bytes, text, *count);
    return MGD_OK;
}

static mgd_status call_read(void *user, mgd_context *ctx, void *bytes, size_t most, double seconds,
                            size_t *count) {
    l_wire *box = user;
    if (!push_function(box, "read"))
        return l_fail(ctx, "read", "it cannot be called from here");
    lua_pushnumber(box->L, (lua_Number)most);
    lua_pushnumber(box->L, seconds);
    mgd_status status = l_protected(box->L, 2, 1, ctx, "read");
    if (status == MGD_OK)
        status = take_result(box->L, ctx, bytes, most, count);
    lua_settop(box->L, box->functions);
    return status;
}

static mgd_status call_open(void *user, mgd_context *ctx) {
    l_wire *box = user;
    if (!push_function(box, "open"))
        return MGD_OK;
    mgd_status status = l_protected(box->L, 0, 0, ctx, "open");
    lua_settop(box->L, box->functions);
    return status;
}

static void call_close(void *user) {
    l_wire *box = user;
    if (!push_function(box, "close"))
        return;
    if (lua_pcall(box->L, 0, 0, 0) != LUA_OK)
        lua_pop(box->L, 1);
}

void l_wire_calls(l_wire *box) {
    box->calls = (mgd_wire_calls){call_open, call_write, call_read, call_close, box};
}

/* ---- opening --------------------------------------------------------------------------------- */

static const char *parity_name(unsigned parity) {
    static const char *const names[] = {"none", "even", "odd"};
    return parity < sizeof names / sizeof *names ? names[parity] : NULL;
}

static const char *flow_name(unsigned flow) {
    static const char *const names[] = {"none", "hardware", "software"};
    return flow < sizeof names / sizeof *names ? names[flow] : NULL;
}

mgd_wire_spec l_wire_settings(lua_State *L, int index) {
    return (mgd_wire_spec){
        .timeout = l_number_field(L, index, "timeout", 0),
        .limit = (size_t)l_count_field(L, index, "limit", 0, 0x1p48),
        .baud = (unsigned)l_count_field(L, index, "baud", 0, UINT32_MAX),
        .stop_bits = (unsigned)l_count_field(L, index, "stop_bits", 0, 2),
        .parity = (mgd_parity)l_choice_field(L, index, "parity", parity_name, MGD_PARITY_NONE),
        .flow = (mgd_flow)l_choice_field(L, index, "flow", flow_name, MGD_FLOW_NONE),
    };
}

/* Pushes a userdata of the strings of the list at `list`, which keeps them, with NULL at its end.
 */
static const char *const *push_words(lua_State *L, int list) {
    size_t count = lua_rawlen(L, list);
    const char **words = lua_newuserdata(L, (count + 1) * sizeof *words);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (int)i + 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            l_error(L, "word %d: expected a string, got %s", (int)i + 1, luaL_typename(L, -1));
        words[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    words[count] = NULL;
    return words;
}

/* Where the bytes go, at `to`: an address, a list of words or a table of functions. What the
 * specification points to is left on the stack, or is the user value of the box at `to` − 1. */
static void read_target(lua_State *L, int to, l_wire *box, mgd_wire_spec *spec) {
    bool functions = lua_istable(L, to) && lua_rawlen(L, to) == 0;
    if (functions)
        lua_pushvalue(L, to);
    else
        lua_newtable(L);
    l_set_user_value(L, to - 1);
    if (functions) {
        l_wire_calls(box);
        spec->calls = &box->calls;
    } else if (lua_istable(L, to)) {
        spec->words = push_words(L, to);
    } else {
        spec->address = luaL_checkstring(L, to);
    }
}

static int fault_results(lua_State *L, mgd_fault fault, const mgd_context *ctx) {
    static const char *const names[] = {
        [MGD_FAULT_LATE] = "late", [MGD_FAULT_CLOSED] = "closed", [MGD_FAULT_LIMIT] = "limit"};
    lua_pushnil(L);
    lua_pushstring(L, fault == MGD_FAULT_NONE ? "closed" : names[fault]);
    lua_pushstring(L, ctx->message);
    return 3;
}

/* open{to =, timeout =, limit =, baud =, stop_bits =, parity =, flow =} → wire */
static int wire_open(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    l_wire *box = l_push_box(L, sizeof *box, L_WIRE);
    mgd_wire_spec spec = l_wire_settings(L, 1);
    lua_getfield(L, 1, "to");
    read_target(L, 3, box, &spec);
    mgd_context ctx = {0};
    l_wire outer = l_enter_wire(L, 2);
    mgd_status status = mgd_wire_open(&ctx, &spec, &box->wire);
    l_leave_wire(box, &outer);
    if (status == MGD_ERR_IO)
        return fault_results(L, MGD_FAULT_NONE, &ctx);
    l_check(L, status, &ctx);
    lua_pushvalue(L, 2);
    return 1;
}

/* ---- methods --------------------------------------------------------------------------------- */

static double until_of(lua_State *L, int index) {
    return mgd_clock() + fmin(luaL_checknumber(L, index), LONGEST);
}

/* The end of a call: 0 where all went well, else how many results say what did not. */
static int leave(lua_State *L, l_wire *box, const l_wire *outer, mgd_status status,
                 const mgd_context *ctx) {
    l_leave_wire(box, outer);
    if (status == MGD_ERR_IO)
        return fault_results(L, mgd_wire_fault(box->wire), ctx);
    l_check(L, status, ctx);
    return 0;
}

/* write(bytes, seconds) → true */
static int wire_write(lua_State *L) {
    size_t count;
    l_wire *box = l_check_wire(L, 1);
    const char *bytes = luaL_checklstring(L, 2, &count);
    double until = until_of(L, 3);
    l_wire outer = l_enter_wire(L, 1);
    mgd_context ctx = {0};
    mgd_status status = mgd_wire_write(&ctx, box->wire, bytes, count, until);
    int failed = leave(L, box, &outer, status, &ctx);
    if (!failed)
        lua_pushboolean(L, 1);
    return failed ? failed : 1;
}

/* take(count, seconds) → bytes */
static int wire_take(lua_State *L) {
    l_wire *box = l_check_wire(L, 1);
    size_t count = (size_t)l_integer(L, 2, "count", 0, INT64_C(1) << 48);
    double until = until_of(L, 3);
    l_wire outer = l_enter_wire(L, 1);
    const char *bytes = "";
    mgd_context ctx = {0};
    mgd_status status = mgd_wire_take(&ctx, box->wire, count, until, &bytes);
    int failed = leave(L, box, &outer, status, &ctx);
    if (!failed)
        lua_pushlstring(L, bytes, count);
    return failed ? failed : 1;
}

/* take_until(end, seconds) → bytes before the next `end`, a character, which is consumed */
static int wire_take_until(lua_State *L) {
    l_wire *box = l_check_wire(L, 1);
    const char *end = luaL_checkstring(L, 2);
    double until = until_of(L, 3);
    l_wire outer = l_enter_wire(L, 1);
    const char *bytes = "";
    size_t count = 0;
    mgd_context ctx = {0};
    mgd_status status = mgd_wire_take_until(&ctx, box->wire, *end, until, &bytes, &count);
    int failed = leave(L, box, &outer, status, &ctx);
    if (!failed)
        lua_pushlstring(L, bytes, count);
    return failed ? failed : 1;
}

/* take_some(seconds) → bytes that have come, or come within that time; "" where none do */
static int wire_take_some(lua_State *L) {
    l_wire *box = l_check_wire(L, 1);
    double seconds = fmin(luaL_checknumber(L, 2), LONGEST);
    l_wire outer = l_enter_wire(L, 1);
    const char *bytes = "";
    size_t count = 0;
    mgd_context ctx = {0};
    mgd_status status = mgd_wire_take_some(&ctx, box->wire, seconds, &bytes, &count);
    int failed = leave(L, box, &outer, status, &ctx);
    if (!failed)
        lua_pushlstring(L, bytes, count);
    return failed ? failed : 1;
}

/* Byte by byte, as long as it may become a head; *size is set where it is one. */
static mgd_status take_head(mgd_context *ctx, mgd_wire *wire, double until,
                            char head[MGD_BLOCK_HEAD], size_t *count, size_t *size) {
    const char *next;
    *count = 0;
    do {
        MGD_TRY(mgd_wire_take(ctx, wire, 1, until, &next));
        head[(*count)++] = *next;
    } while (mgd_block_read(head, *count, SIZE_MAX - 1, size) == 0);
    return MGD_OK;
}

/* take_block(seconds) → the bytes of a definite block; nil, "head" and what stands in place of its
 * head where it is none */
static int wire_take_block(lua_State *L) {
    l_wire *box = l_check_wire(L, 1);
    double until = until_of(L, 2);
    l_wire outer = l_enter_wire(L, 1);
    char head[MGD_BLOCK_HEAD];
    size_t count, size = SIZE_MAX;
    const char *bytes = "";
    mgd_context ctx = {0};
    mgd_status status = take_head(&ctx, box->wire, until, head, &count, &size);
    if (status == MGD_OK && size == SIZE_MAX) {
        l_leave_wire(box, &outer);
        lua_pushnil(L);
        lua_pushliteral(L, "head");
        lua_pushlstring(L, head, count);
        return 3;
    }
    if (status == MGD_OK)
        status = mgd_wire_take(&ctx, box->wire, size, until, &bytes);
    int failed = leave(L, box, &outer, status, &ctx);
    if (!failed)
        lua_pushlstring(L, bytes, size);
    return failed ? failed : 1;
}

/* drain(seconds) → true: what has come, and comes until there was silence for that time, is dropped
 */
static int wire_drain(lua_State *L) {
    l_wire *box = l_check_wire(L, 1);
    double seconds = luaL_checknumber(L, 2);
    l_wire outer = l_enter_wire(L, 1);
    mgd_context ctx = {0};
    mgd_status status = mgd_wire_drain(&ctx, box->wire, seconds);
    int failed = leave(L, box, &outer, status, &ctx);
    if (!failed)
        lua_pushboolean(L, 1);
    return failed ? failed : 1;
}

/* reopen() → true */
static int wire_reopen(lua_State *L) {
    l_wire *box = l_check_wire(L, 1);
    l_wire outer = l_enter_wire(L, 1);
    mgd_context ctx = {0};
    mgd_status status = mgd_wire_reopen(&ctx, box->wire);
    int failed = leave(L, box, &outer, status, &ctx);
    if (!failed)
        lua_pushboolean(L, 1);
    return failed ? failed : 1;
}

/* address() → as given; "functions" */
static int wire_address(lua_State *L) {
    lua_pushstring(L, mgd_wire_address(l_check_wire(L, 1)->wire));
    return 1;
}

static int wire_close(lua_State *L) {
    l_wire *box = luaL_checkudata(L, 1, L_WIRE);
    mgd_wire *wire = box->wire;
    if (!wire)
        return 0;
    l_check_wire(L, 1);
    l_wire outer = l_enter_wire(L, 1);
    box->wire = NULL;
    mgd_wire_close(wire);
    l_leave_wire(box, &outer);
    return 0;
}

static const luaL_Reg methods[] = {
    {"address", wire_address},
    {"close", wire_close},
    {"drain", wire_drain},
    {"reopen", wire_reopen},
    {"take", wire_take},
    {"take_block", wire_take_block},
    {"take_some", wire_take_some},
    {"take_until", wire_take_until},
    {"write", wire_write},
    {"__gc", wire_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {{"open", wire_open}, {NULL, NULL}};

void l_open_wire(lua_State *L) {
    l_new_type(L, L_WIRE, methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "wire");
}
