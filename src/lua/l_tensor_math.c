/* l_tensor_math.c: operators, elementwise methods, products, reductions, comparison.
 *
 * Each family is one C function; the operation is its first upvalue. So a new operation of
 * mgd_unary, mgd_binary or mgd_reduction appears in Lua by itself.
 */

#include "l_tensor.h"

static int operation(lua_State *L) {
    return (int)lua_tointeger(L, lua_upvalueindex(1));
}

/* ---- elementwise ----------------------------------------------------------------------------- */

/* The number, tensor or list at `index`: NULL for a number, which is written to `value`. */
static mgd_tensor *operand(lua_State *L, int index, const char *what, double *value) {
    mgd_tensor *t = l_take_tensor(L, index);
    if (t)
        return t;
    if (lua_type(L, index) != LUA_TNUMBER)
        l_error(L, "%s: expected a tensor or a number, got %s", what, luaL_typename(L, index));
    *value = lua_tonumber(L, index);
    return NULL;
}

/* a op b, where either may be a number; both the operators and the methods t:add(u), … */
static int tensor_binary(lua_State *L) {
    mgd_binary op = (mgd_binary)operation(L);
    const char *name = mgd_binary_name(op);
    double x = 0, y = 0;
    if (lua_gettop(L) < 2) /* t.add(u), where t:add(u) was meant; or t:add() */
        return l_error(L, "%s: expected two operands; call it with a colon, tensor:%s(…)", name,
                       name);
    const mgd_tensor *a = operand(L, 1, name, &x), *b = operand(L, 2, name, &y);
    if (!a && !b)
        return l_error(L, "%s: expected a tensor, got two numbers", name);
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    if (a && b)
        l_check(L, mgd_tensor_binary(&ctx, op, a, b, out), &ctx);
    else
        l_check(L, mgd_tensor_binary_number(&ctx, op, a ? a : b, a ? y : x, !a, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* t:add_(b), …: in place; returns t. */
static int tensor_update(lua_State *L) {
    mgd_binary op = (mgd_binary)operation(L);
    const char *name = mgd_binary_name(op);
    mgd_tensor *t = l_tensor_self(L, name, "_");
    double value = 0;
    const mgd_tensor *b = operand(L, 2, name, &value);
    mgd_context ctx = {0};
    if (b)
        l_check(L, mgd_tensor_update(&ctx, op, t, b), &ctx);
    else
        l_check(L, mgd_tensor_update_number(&ctx, op, t, value), &ctx);
    lua_settop(L, 1);
    return 1;
}

/* -t and t:exp(), … */
static int tensor_unary(lua_State *L) {
    mgd_unary op = (mgd_unary)operation(L);
    const mgd_tensor *t = l_tensor_self(L, mgd_unary_name(op), "");
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_unary(&ctx, op, t, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* t:exp_(), …: in place; returns t. */
static int tensor_apply(lua_State *L) {
    mgd_unary op = (mgd_unary)operation(L);
    mgd_tensor *t = l_tensor_self(L, mgd_unary_name(op), "_");
    mgd_context ctx = {0};
    l_check(L, mgd_tensor_apply(&ctx, op, t), &ctx);
    lua_settop(L, 1);
    return 1;
}

/* t:fill_(number) → t. */
static int tensor_fill(lua_State *L) {
    mgd_tensor *t = l_tensor_self(L, "fill_", "");
    mgd_context ctx = {0};
    l_check(L, mgd_tensor_fill(&ctx, t, l_tensor_number(L, 2, "fill_")), &ctx);
    lua_settop(L, 1);
    return 1;
}

/* t:copy_(u) → t, with the values of u, a tensor that broadcasts to t or a number. */
static int tensor_copy(lua_State *L) {
    mgd_tensor *t = l_tensor_self(L, "copy_", "");
    double value = 0;
    const mgd_tensor *source = operand(L, 2, "copy_", &value);
    mgd_context ctx = {0};
    if (source)
        l_check(L, mgd_tensor_copy(&ctx, t, source), &ctx);
    else
        l_check(L, mgd_tensor_fill(&ctx, t, value), &ctx);
    lua_settop(L, 1);
    return 1;
}

/* Reads low and high at 2 and 3. */
static void check_bounds(lua_State *L, const char *what, double *low, double *high) {
    *low = l_tensor_number(L, 2, what);
    *high = l_tensor_number(L, 3, what);
    if (!(*low <= *high))
        l_error(L, "%s: low (%s) must not exceed high (%s)", what, MGD_NUMBER(*low),
                MGD_NUMBER(*high));
}

/* t:clamp(low, high) → every element moved into [low, high]; NaN stays. */
static int tensor_clamp(lua_State *L) {
    const mgd_tensor *t = l_tensor_self(L, "clamp", "");
    double low, high;
    check_bounds(L, "clamp", &low, &high);
    mgd_context ctx = {0};
    mgd_tensor **raised = l_push_tensor_box(L);
    l_check(L, mgd_tensor_binary_number(&ctx, MGD_MAXIMUM, t, low, false, raised), &ctx);
    l_tensor_filled(L, *raised);
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_binary_number(&ctx, MGD_MINIMUM, *raised, high, false, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* ---- products -------------------------------------------------------------------------------- */

static int tensor_matmul(lua_State *L) {
    const mgd_tensor *a = l_tensor_self(L, "matmul", ""), *b = l_check_tensor(L, 2, "matmul");
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_matmul(&ctx, a, b, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* t:dot(u) → a number. */
static int tensor_dot(lua_State *L) {
    const mgd_tensor *a = l_tensor_self(L, "dot", ""), *b = l_check_tensor(L, 2, "dot");
    mgd_context ctx = {0};
    double value = 0;
    l_check(L, mgd_tensor_dot(&ctx, a, b, &value), &ctx);
    lua_pushnumber(L, value);
    return 1;
}

/* ---- reductions ------------------------------------------------------------------------------ */

static int reduce_all(lua_State *L, mgd_reduction op, const mgd_tensor *t, size_t ddof) {
    mgd_context ctx = {0};
    double value = 0;
    l_check(L, mgd_tensor_reduce(&ctx, op, t, ddof, &value), &ctx);
    if (op == MGD_ARGMIN || op == MGD_ARGMAX)
        l_tensor_push_value(L, MGD_I32, value + 1);
    else if (op == MGD_SUM || op == MGD_MIN || op == MGD_MAX)
        l_tensor_push_value(L, mgd_tensor_dtype(t), value);
    else
        lua_pushnumber(L, value);
    return 1;
}

static int reduce_axis(lua_State *L, mgd_reduction op, const mgd_tensor *t, size_t axis,
                       size_t ddof) {
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_reduce_axis(&ctx, op, t, axis, ddof, out), &ctx);
    if (op == MGD_ARGMIN || op == MGD_ARGMAX) /* positions from 1 */
        l_check(L, mgd_tensor_update_number(&ctx, MGD_ADD, *out, 1), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* t:sum() → a number; t:sum(axis) → a tensor without that axis. var and std take {ddof = …} last;
 * argmin and argmax give positions from 1, in row-major order when there is no axis. */
static int tensor_reduce(lua_State *L) {
    mgd_reduction op = (mgd_reduction)operation(L);
    const char *name = mgd_reduction_name(op);
    const mgd_tensor *t = l_tensor_self(L, name, "");
    lua_settop(L, 3);
    if (lua_istable(L, 2) && lua_isnil(L, 3)) { /* t:var{ddof = 1} */
        lua_pushnil(L);
        lua_insert(L, 2);
    }
    unsigned allowed = op == MGD_VAR || op == MGD_STD ? L_OPT_DDOF : 0;
    l_options options = l_tensor_options(L, 3, name, allowed);
    if (lua_isnil(L, 2))
        return reduce_all(L, op, t, options.ddof);
    return reduce_axis(L, op, t, l_tensor_axis(L, 2, name, t), options.ddof);
}

/* t:allclose(u, {rtol = 1e-6, atol = 0}) → |t − u| ≤ atol + rtol |u| everywhere; u may be a number,
 * and tensors of different shapes are not close. */
static int tensor_allclose(lua_State *L) {
    const mgd_tensor *a = l_tensor_self(L, "allclose", "");
    double value = 0;
    const mgd_tensor *b = operand(L, 2, "allclose", &value);
    l_options o = l_tensor_options(L, 3, "allclose", L_OPT_RTOL | L_OPT_ATOL);
    mgd_context ctx = {0};
    bool close = false;
    if (b)
        l_check(L, mgd_tensor_allclose(&ctx, a, b, o.rtol, o.atol, &close), &ctx);
    else
        l_check(L, mgd_tensor_allclose_number(&ctx, a, value, o.rtol, o.atol, &close), &ctx);
    lua_pushboolean(L, close);
    return 1;
}

/* ---- registration ---------------------------------------------------------------------------- */

/* metatable[name .. suffix] = function with the upvalue `op`; the metatable is on top. */
static void add_operation(lua_State *L, const char *name, const char *suffix, int op,
                          lua_CFunction function) {
    lua_pushfstring(L, "%s%s", name, suffix);
    lua_pushinteger(L, op);
    lua_pushcclosure(L, function, 1);
    lua_rawset(L, -3);
}

static const luaL_Reg methods[] = {
    {"fill_", tensor_fill},
    {"copy_", tensor_copy},
    {"clamp", tensor_clamp},
    {"matmul", tensor_matmul},
    {"dot", tensor_dot},
    {"allclose", tensor_allclose},
    {NULL, NULL},
};

void l_tensor_add_math(lua_State *L) {
    luaL_setfuncs(L, methods, 0);
    for (int op = 0; op < MGD_BINARY_COUNT; op++) {
        add_operation(L, mgd_binary_name((mgd_binary)op), "", op, tensor_binary);
        add_operation(L, mgd_binary_name((mgd_binary)op), "_", op, tensor_update);
    }
    for (int op = 0; op < MGD_UNARY_COUNT; op++) {
        add_operation(L, mgd_unary_name((mgd_unary)op), "", op, tensor_unary);
        add_operation(L, mgd_unary_name((mgd_unary)op), "_", op, tensor_apply);
    }
    for (int op = 0; op < MGD_REDUCTION_COUNT; op++)
        add_operation(L, mgd_reduction_name((mgd_reduction)op), "", op, tensor_reduce);
    add_operation(L, "__add", "", MGD_ADD, tensor_binary);
    add_operation(L, "__sub", "", MGD_SUB, tensor_binary);
    add_operation(L, "__mul", "", MGD_MUL, tensor_binary);
    add_operation(L, "__div", "", MGD_DIV, tensor_binary);
    add_operation(L, "__pow", "", MGD_POW, tensor_binary);
    add_operation(L, "__unm", "", MGD_NEG, tensor_unary);
}
