/* l_tensor_take.c: tensors as arguments, and lists of numbers where one is wanted. */

#include "l_tensor.h"

mgd_tensor *l_take_tensor(lua_State *L, int index) {
    mgd_tensor *t = l_test_tensor(L, index);
    if (t || lua_type(L, index) != LUA_TTABLE)
        return t;
    if (lua_getmetatable(L, index)) { /* an object of some kind */
        lua_pop(L, 1);
        return NULL;
    }
    t = l_tensor_push_nested(L, index, MGD_F64);
    lua_replace(L, index);
    return t;
}

mgd_tensor *l_tensor_self(lua_State *L, const char *name, const char *suffix) {
    mgd_tensor *t = l_test_tensor(L, 1);
    if (!t)
        l_error(L, "%s%s: expected a tensor, got %s: call it with a colon, tensor:%s%s(…)", name,
                suffix, luaL_typename(L, 1), name, suffix);
    return t;
}

mgd_tensor *l_check_tensor(lua_State *L, int index, const char *what) {
    mgd_tensor *t = l_take_tensor(L, index);
    if (!t)
        l_error(L, "%s: expected a tensor, got %s", what, luaL_typename(L, index));
    return t;
}

mgd_tensor *l_hold_tensor(lua_State *L, int index, const char *what) {
    mgd_context ctx = {0};
    const mgd_tensor *t = l_check_tensor(L, index, what);
    mgd_tensor **view = l_push_tensor_box(L);
    l_check(L, mgd_tensor_view(&ctx, t, view), &ctx);
    return *view;
}
