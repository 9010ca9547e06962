/* l_tensor_new.c: the constructors, core.tensor.zeros and so on. */

#include "l_tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Pushes a zero-filled tensor. */
static mgd_tensor *push_new(lua_State *L, mgd_dtype dtype, size_t ndim, const size_t *shape) {
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_new(&ctx, dtype, ndim, shape, out), &ctx);
    l_tensor_filled(L, *out);
    return *out;
}

/* ---- filled tensors -------------------------------------------------------------------------- */

static int push_full(lua_State *L, const char *what, double value, int options_index) {
    size_t shape[MGD_MAX_DIMS];
    size_t ndim = l_tensor_shape(L, 1, what, 0, shape);
    l_options options = l_tensor_options(L, options_index, what, L_OPT_DTYPE);
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_full(&ctx, options.dtype, ndim, shape, value, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* zeros(shape, {dtype}) */
static int tensor_zeros(lua_State *L) {
    return push_full(L, "mgd.zeros", 0, 2);
}

/* ones(shape, {dtype}) */
static int tensor_ones(lua_State *L) {
    return push_full(L, "mgd.ones", 1, 2);
}

/* full(shape, value, {dtype}) */
static int tensor_full(lua_State *L) {
    return push_full(L, "mgd.full", l_tensor_number(L, 2, "mgd.full: value"), 3);
}

/* eye(n, {dtype}) → the identity matrix (n, n). */
static int tensor_eye(lua_State *L) {
    size_t n = (size_t)l_integer(L, 1, "mgd.eye: n", 0, INT32_MAX);
    l_options options = l_tensor_options(L, 2, "mgd.eye", L_OPT_DTYPE);
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_eye(&ctx, options.dtype, n, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* ---- progressions ---------------------------------------------------------------------------- */

/* arange(n) → 0, 1, …, n − 1; arange(first, limit, [step]) → first, first + step, … short of
 * `limit`; {dtype} last. The values are numbers, not indices, and so begin at 0, as in NumPy. */
static int tensor_arange(lua_State *L) {
    int arguments = 0;
    while (arguments < 3 && lua_type(L, arguments + 1) == LUA_TNUMBER)
        arguments++;
    if (arguments == 0)
        return l_error(L, "mgd.arange: expected a number, got %s", luaL_typename(L, 1));
    l_options options = l_tensor_options(L, arguments + 1, "mgd.arange", L_OPT_DTYPE);
    double first = arguments > 1 ? lua_tonumber(L, 1) : 0;
    double limit = lua_tonumber(L, arguments > 1 ? 2 : 1);
    double step = arguments > 2 ? lua_tonumber(L, 3) : 1;
    double count = ceil((limit - first) / step);
    if (step == 0 || !(fabs(count) <= 0x1p53))
        return l_error(L, "mgd.arange: cannot count from %s to %s in steps of %s",
                       MGD_NUMBER(first), MGD_NUMBER(limit), MGD_NUMBER(step));
    size_t n = count > 0 ? (size_t)count : 0;
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_arange(&ctx, options.dtype, first, step, n, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* linspace(first, last, n, {dtype}) → n values, both ends included. */
static int tensor_linspace(lua_State *L) {
    double first = l_tensor_number(L, 1, "mgd.linspace: first");
    double last = l_tensor_number(L, 2, "mgd.linspace: last");
    size_t n = (size_t)l_integer(L, 3, "mgd.linspace: n", 0, INT64_C(1) << 53);
    l_options options = l_tensor_options(L, 4, "mgd.linspace", L_OPT_DTYPE);
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_linspace(&ctx, options.dtype, first, last, n, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* ---- random tensors -------------------------------------------------------------------------- */

typedef mgd_status draw(mgd_context *ctx, mgd_dtype dtype, size_t ndim, const size_t *shape,
                        uint64_t seed, mgd_tensor **out);

static int push_random(lua_State *L, const char *what, draw *make) {
    size_t shape[MGD_MAX_DIMS];
    size_t ndim = l_tensor_shape(L, 1, what, 0, shape);
    l_options options = l_tensor_options(L, 2, what, L_OPT_DTYPE | L_OPT_SEED);
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, make(&ctx, options.dtype, ndim, shape, options.seed, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* rand(shape, {seed = 1, dtype}) → uniform on the open interval (0, 1). There is no hidden state:
 * the same call gives the same tensor. */
static int tensor_rand(lua_State *L) {
    return push_random(L, "mgd.rand", mgd_tensor_rand);
}

/* randn(shape, {seed = 1, dtype}) → standard normal. */
static int tensor_randn(lua_State *L) {
    return push_random(L, "mgd.randn", mgd_tensor_randn);
}

/* ---- from a function ------------------------------------------------------------------------- */

/* Moves `index` on by one in row-major order. */
static void advance(const mgd_tensor *t, size_t *index) {
    for (size_t axis = mgd_tensor_ndim(t); axis-- > 0; index[axis] = 0)
        if (++index[axis] < mgd_tensor_shape(t)[axis])
            return;
}

/* from(shape, f, {dtype}) → the tensor of f(i, j, …), called in row-major order. */
static int tensor_from(lua_State *L) {
    size_t shape[MGD_MAX_DIMS];
    size_t ndim = l_tensor_shape(L, 1, "mgd.from", 0, shape);
    if (!lua_isfunction(L, 2))
        return l_error(L, "mgd.from: expected a function f(i, j, …), got %s", luaL_typename(L, 2));
    l_options options = l_tensor_options(L, 3, "mgd.from", L_OPT_DTYPE);
    mgd_tensor *t = push_new(L, options.dtype, ndim, shape);
    mgd_context ctx = {0};
    size_t index[MGD_MAX_DIMS] = {0};
    for (size_t left = mgd_tensor_size(t); left > 0; left--, advance(t, index)) {
        lua_pushvalue(L, 2);
        for (size_t axis = 0; axis < ndim; axis++)
            lua_pushinteger(L, (lua_Integer)index[axis] + 1);
        lua_call(L, (int)ndim, 1);
        double value = l_tensor_number(L, -1, "mgd.from: result of the function");
        l_check(L, mgd_tensor_set(&ctx, t, index, value), &ctx);
        lua_pop(L, 1);
    }
    return 1;
}

/* ---- from nested tables ---------------------------------------------------------------------- */

/* Writes "[2][3]" for the first `n` entries of `index`. */
static const char *format_place(char *buffer, size_t capacity, size_t n, const size_t *index) {
    size_t used = 0;
    buffer[0] = '\0';
    for (size_t i = 0; i < n && used < capacity; i++)
        used += (size_t)snprintf(buffer + used, capacity - used, "[%zu]", index[i] + 1);
    return buffer;
}

/* The shape that the first entries of the nested table at `index` announce. */
static size_t announced_shape(lua_State *L, int index, size_t shape[MGD_MAX_DIMS]) {
    size_t ndim = 0;
    lua_pushvalue(L, index);
    while (lua_type(L, -1) == LUA_TTABLE && ndim < MGD_MAX_DIMS) {
        shape[ndim++] = l_tensor_list(L, -1, "mgd.tensor");
        lua_rawgeti(L, -1, 1);
        lua_remove(L, -2);
    }
    if (lua_type(L, -1) == LUA_TTABLE)
        l_error(L, "mgd.tensor: tables nested more than %d deep", MGD_MAX_DIMS);
    lua_pop(L, 1);
    return ndim;
}

/* Fills `t` below `index[0 … axis − 1]` from the value on top of the stack. */
static void fill_nested(lua_State *L, mgd_tensor *t, size_t *index, size_t axis) {
    char place[MGD_MAX_DIMS * 22 + 1];
    mgd_context ctx = {0};
    if (axis == mgd_tensor_ndim(t)) {
        if (lua_type(L, -1) != LUA_TNUMBER)
            l_error(L, "mgd.tensor: %s: expected a number, got %s",
                    format_place(place, sizeof place, axis, index), luaL_typename(L, -1));
        l_check(L, mgd_tensor_set(&ctx, t, index, lua_tonumber(L, -1)), &ctx);
        return;
    }
    size_t size = mgd_tensor_shape(t)[axis];
    if (lua_type(L, -1) != LUA_TTABLE)
        l_error(L, "mgd.tensor: %s: expected a table of %d entries, got %s",
                format_place(place, sizeof place, axis, index), (int)size, luaL_typename(L, -1));
    size_t entries = l_tensor_list(L, -1, "mgd.tensor");
    if (entries != size)
        l_error(L, "mgd.tensor: ragged table: %s has %d entries where the first of its kind has %d",
                format_place(place, sizeof place, axis, index), (int)entries, (int)size);
    for (size_t i = 0; i < size; i++) {
        if ((i + 1) % (axis + 1 < mgd_tensor_ndim(t) ? L_ROWS : L_PIECE) == 0)
            l_answer(L);
        index[axis] = i;
        lua_rawgeti(L, -1, (int)i + 1);
        fill_nested(L, t, index, axis + 1);
        lua_pop(L, 1);
    }
}

mgd_tensor *l_tensor_push_nested(lua_State *L, int index, mgd_dtype dtype) {
    luaL_checkstack(L, MGD_MAX_DIMS + 8, "nested tables");
    size_t shape[MGD_MAX_DIMS], place[MGD_MAX_DIMS];
    size_t ndim = announced_shape(L, index, shape);
    mgd_tensor *t = push_new(L, dtype, ndim, shape);
    lua_pushvalue(L, index);
    fill_nested(L, t, place, 0);
    lua_pop(L, 1);
    return t;
}

/* tensor(nested table | number | tensor, {dtype}) → a new tensor; {} is a vector of no elements. */
static int tensor_new(lua_State *L) {
    l_options options = l_tensor_options(L, 2, "mgd.tensor", L_OPT_DTYPE);
    lua_settop(L, 2);
    const mgd_tensor *source = l_test_tensor(L, 1);
    if (source) {
        mgd_dtype dtype = options.has_dtype ? options.dtype : mgd_tensor_dtype(source);
        mgd_tensor *t = push_new(L, dtype, mgd_tensor_ndim(source), mgd_tensor_shape(source));
        mgd_context ctx = {0};
        l_check(L, mgd_tensor_copy(&ctx, t, source), &ctx);
        return 1;
    }
    int type = lua_type(L, 1);
    if (type != LUA_TTABLE && type != LUA_TNUMBER)
        return l_error(L, "mgd.tensor: expected nested tables, a number or a tensor, got %s",
                       luaL_typename(L, 1));
    l_tensor_push_nested(L, 1, options.dtype);
    return 1;
}

/* ---- registration ---------------------------------------------------------------------------- */

static const luaL_Reg functions[] = {
    {"tensor", tensor_new},
    {"zeros", tensor_zeros},
    {"ones", tensor_ones},
    {"full", tensor_full},
    {"eye", tensor_eye},
    {"arange", tensor_arange},
    {"linspace", tensor_linspace},
    {"rand", tensor_rand},
    {"randn", tensor_randn},
    {"from", tensor_from},
    {NULL, NULL},
};

void l_tensor_add_constructors(lua_State *L) {
    luaL_setfuncs(L, functions, 0);
}
