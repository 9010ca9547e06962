/* l_callback.c: how the library calls a Lua function. */

#include "../base/base.h" /* internal: how many interrupts were answered */
#include "l_train.h"

#include <stdio.h>
#include <string.h>

typedef struct {
    const mgd_tensor *a, *b, *c; /* c may be NULL */
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
    if (c->c)
        push_copy(L, c->c);
    lua_call(L, lua_gettop(L) - 1, 1);
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
        return luaL_error(L, "it returned a %s: expected a tensor%s", luaL_typename(L, -1),
                          c->c ? "" : " (B, O)");
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
                       const mgd_tensor *a, const mgd_tensor *b, const mgd_tensor *c,
                       mgd_tensor **tensor, double *number) {
    lua_State *L = callback->L;
    call all = {a, b, c, tensor, number};
    if (!L || !lua_checkstack(L, 8))
        return l_fail(ctx, what, "it cannot be called from here");
    int top = lua_gettop(L);
    lua_pushcfunction(L, protected_call);
    lua_pushvalue(L, callback->function);
    lua_pushlightuserdata(L, &all);
    mgd_status status = l_protected(L, 2, 0, ctx, what);
    lua_settop(L, top);
    return status;
}
