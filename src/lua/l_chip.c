/* l_chip.c: ideal chips, chips written in Lua, and how the library calls a Lua function. */

#include "../base/base.h" /* internal: how many interrupts were answered */
#include "l_train.h"

#include <stdio.h>
#include <string.h>

/* ---- calling back ---------------------------------------------------------------------------- */

typedef struct {
    const mgd_tensor *a, *b;
    mgd_tensor **tensor;
    double *number;
} call;

static void push_copy(lua_State *L, const mgd_tensor *t) {
    mgd_context ctx = {0};
    mgd_tensor **box = l_push_tensor_box(L);
    l_check(L, mgd_tensor_convert(&ctx, t, mgd_tensor_dtype(t), box), &ctx);
    l_tensor_filled(L, *box);
}

/* Runs in protected mode: (function, call) */
static int protected_call(lua_State *L) {
    const call *c = lua_touserdata(L, 2);
    lua_settop(L, 1);
    push_copy(L, c->a);
    push_copy(L, c->b);
    lua_call(L, 2, 1);
    if (c->number && lua_type(L, -1) == LUA_TNUMBER) {
        *c->number = lua_tonumber(L, -1);
        return 0;
    }
    mgd_tensor *result = l_take_tensor(L, lua_gettop(L));
    if (c->number) { /* of one element, it is a number */
        if (!result || mgd_tensor_size(result) != 1)
            return luaL_error(L, "it returned a %s: expected a number",
                              result ? "tensor" : luaL_typename(L, -1));
        *c->number = mgd_tensor_get(result, (const size_t[MGD_MAX_DIMS]){0});
        return 0;
    }
    if (!result)
        return luaL_error(L, "it returned a %s: expected a tensor (B, O)", luaL_typename(L, -1));
    mgd_context ctx = {0};
    if (mgd_tensor_view(&ctx, result, c->tensor) != MGD_OK)
        return luaL_error(L, "%s", ctx.message);
    return 0;
}

mgd_status l_fail(mgd_context *ctx, const char *what, const char *why) {
    ctx->status = MGD_ERR_CALLBACK;
    snprintf(ctx->message, sizeof ctx->message, "%s: %s", what, why);
    return MGD_ERR_CALLBACK;
}

mgd_status l_protected(lua_State *L, int arguments, int results, mgd_context *ctx,
                       const char *what) {
    unsigned answered = mgd_interrupt_count();
    if (lua_pcall(L, arguments, results, 0) == LUA_OK)
        return MGD_OK;
    const char *message = lua_tostring(L, -1);
    if (mgd_interrupt_count() != answered) { /* Ctrl-C was answered in it: no fault of its own */
        ctx->status = MGD_ERR_INTERRUPT;
        snprintf(ctx->message, sizeof ctx->message, "%s", message ? message : "interrupted");
        return MGD_ERR_INTERRUPT;
    }
    if (message && strstr(message, "attempt to yield"))
        message = "it yielded: expected it to return its result";
    return l_fail(ctx, what, message ? message : "it raised an error object");
}

mgd_status l_call_back(const l_callback *callback, mgd_context *ctx, const char *what,
                       const mgd_tensor *a, const mgd_tensor *b, mgd_tensor **tensor,
                       double *number) {
    lua_State *L = callback->L;
    call c = {a, b, tensor, number};
    if (!L || !lua_checkstack(L, 8))
        return l_fail(ctx, what, "it cannot be called from here");
    int top = lua_gettop(L);
    lua_pushcfunction(L, protected_call);
    lua_pushvalue(L, callback->function);
    lua_pushlightuserdata(L, &c);
    mgd_status status = l_protected(L, 2, 0, ctx, what);
    lua_settop(L, top);
    return status;
}

/* ---- chips ----------------------------------------------------------------------------------- */

l_chip *l_check_chip(lua_State *L, int index) {
    l_chip *box = luaL_checkudata(L, index, L_CHIP);
    if (!box->chip)
        l_error(L, "chip: already freed");
    return box;
}

void l_chip_serves(l_chip *chip, l_net *net) {
    chip->net = net;
    net->users++;
}

/* ideal(network) → chip; keeps the network alive */
static int chip_ideal(lua_State *L) {
    mgd_context ctx = {0};
    l_net *net = l_check_net_box(L, 1);
    l_chip *box = l_push_box(L, sizeof *box, L_CHIP);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    l_set_user_value(L, -2);
    l_check(L, mgd_chip_ideal(&ctx, net->net, &box->chip), &ctx);
    l_chip_serves(box, net);
    return 1;
}

static mgd_status evaluate(void *user, mgd_context *ctx, const mgd_tensor *theta,
                           const mgd_tensor *x, mgd_tensor **y) {
    const l_chip *box = user;
    return l_call_back(&box->evaluate, ctx, "chip: evaluate", theta, x, y, NULL);
}

/* external(P, function[, theta]) → chip */
static int chip_external(lua_State *L) {
    mgd_context ctx = {0};
    size_t count = (size_t)l_integer(L, 1, "mgd.chip: parameters", 1, UINT32_MAX - 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    const mgd_tensor *theta =
        lua_isnoneornil(L, 3) ? NULL : l_check_tensor(L, 3, "mgd.chip: theta");
    l_chip *box = l_push_box(L, sizeof *box, L_CHIP);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, 1);
    l_set_user_value(L, -2);
    l_check(L, mgd_chip_external(&ctx, count, theta, evaluate, box, &box->chip), &ctx);
    return 1;
}

/* advance(seconds): at rest */
static int chip_advance(lua_State *L) {
    mgd_chip_advance(l_check_chip(L, 1)->chip, luaL_checknumber(L, 2));
    return 0;
}

/* age() → seconds */
static int chip_age(lua_State *L) {
    lua_pushnumber(L, mgd_chip_age(l_check_chip(L, 1)->chip));
    return 1;
}

/* num_nodes() → M, 0 where the chip shows none */
static int chip_num_nodes(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)mgd_chip_num_nodes(l_check_chip(L, 1)->chip));
    return 1;
}

static int chip_gc(lua_State *L) {
    l_chip *box = luaL_checkudata(L, 1, L_CHIP);
    if (box->users > 0)
        l_error(L, "chip: a run uses it");
    if (box->wires > 0) { /* it says its last words by functions */
        lua_settop(L, 1);
        l_get_user_value(L, 1);
        l_enter_instrument(L, box, 2);
    }
    mgd_chip_free(box->chip);
    if (box->net)
        box->net->users--;
    box->chip = NULL;
    box->net = NULL;
    return 0;
}

static const luaL_Reg methods[] = {
    {"advance", chip_advance}, {"age", chip_age}, {"num_nodes", chip_num_nodes},
    {"__gc", chip_gc},         {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"ideal", chip_ideal},
    {"external", chip_external},
    {NULL, NULL},
};

void l_open_chip(lua_State *L) {
    l_new_type(L, L_CHIP, methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "chip");
}
