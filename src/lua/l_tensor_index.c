/* l_tensor_index.c: t.shape, t[2][3], t[{{1, 2}, 3}], assignment, and the views that methods make.
 *
 * An index key is an integer, or a list with an integer or a range per dimension, from the first
 * dimension on; what the list leaves out is kept whole. A range is {first, last} or
 * {first, last, step}, both ends included; {first} is {first, first} and {} is everything. All
 * count from 1, or from −1 at the end backwards.
 */

#include "l_tensor.h"

#include <math.h>
#include <string.h>

/* ---- positions ------------------------------------------------------------------------------- */

/* The number at `index` as a position from 0 along a dimension of `size` entries, which messages
 * call number `dimension`. */
static size_t position(lua_State *L, int index, size_t size, size_t dimension) {
    double at = lua_tonumber(L, index), last = (double)size;
    if (at != floor(at))
        l_error(L, "index %s is not an integer", MGD_NUMBER(at));
    if (size == 0)
        l_error(L, "index %s along dimension %d, which is empty", MGD_NUMBER(at), (int)dimension);
    if (at == 0 || fabs(at) > last)
        l_error(L,
                "index %s is out of range along dimension %d of size %.0f (1 to %.0f, or -%.0f "
                "to -1)",
                MGD_NUMBER(at), (int)dimension, last, last, last);
    return (size_t)(at > 0 ? at - 1 : at + last);
}

/* Entry k of the range at the top of the stack, as a position; `absent` when there is none. */
static size_t range_end(lua_State *L, int k, size_t size, size_t dimension, size_t absent) {
    lua_rawgeti(L, -1, k);
    size_t at = absent;
    if (lua_type(L, -1) == LUA_TNUMBER)
        at = position(L, -1, size, dimension);
    else if (!lua_isnil(L, -1))
        l_error(L, "a range is {first, last} or {first, last, step}, got a %s in it",
                luaL_typename(L, -1));
    lua_pop(L, 1);
    return at;
}

static ptrdiff_t range_step(lua_State *L) {
    lua_rawgeti(L, -1, 3);
    int64_t step = lua_isnil(L, -1) ? 1 : l_integer(L, -1, "step of a range", INT32_MIN, INT32_MAX);
    lua_pop(L, 1);
    if (step == 0)
        l_error(L, "the step of a range must not be 0");
    return (ptrdiff_t)step;
}

/* Replaces *view by its slice along `axis` that the range at the top of the stack names. */
static void apply_range(lua_State *L, mgd_tensor **view, size_t axis, size_t dimension) {
    size_t size = mgd_tensor_shape(*view)[axis];
    size_t entries = l_tensor_list(L, lua_gettop(L), "range");
    if (entries > 3)
        l_error(L, "a range is {first, last} or {first, last, step}, got %d entries", (int)entries);
    if (entries == 0)
        return;
    ptrdiff_t step = range_step(L);
    size_t first = range_end(L, 1, size, dimension, 0);
    size_t last = range_end(L, 2, size, dimension, first);
    if (step > 0 ? first > last : first < last)
        l_error(L, "the range from %d to %d in steps of %d along dimension %d of size %d is empty",
                (int)first + 1, (int)last + 1, (int)step, (int)dimension, (int)size);
    size_t span = step > 0 ? last - first : first - last;
    size_t count = span / (size_t)(step > 0 ? step : -step) + 1;
    mgd_context ctx = {0};
    mgd_tensor *slice = NULL;
    l_check(L, mgd_tensor_slice(&ctx, *view, axis, first, count, step, &slice), &ctx);
    mgd_tensor_free(*view);
    *view = slice;
}

/* ---- keys ------------------------------------------------------------------------------------ */

/* When the key at `index` names a single element of `t`: true, and its place in `at`. */
static bool element_key(lua_State *L, int index, const mgd_tensor *t, size_t at[MGD_MAX_DIMS]) {
    size_t ndim = mgd_tensor_ndim(t);
    if (lua_type(L, index) == LUA_TNUMBER) {
        if (ndim == 0)
            l_error(L, "a scalar has no entries; t:item() is its value");
        at[0] = position(L, index, mgd_tensor_shape(t)[0], 1);
        return ndim == 1;
    }
    size_t entries = l_tensor_list(L, index, "index");
    if (entries > ndim)
        l_error(L, "%d indices for a tensor of %d dimension%s", (int)entries, (int)ndim,
                ndim == 1 ? "" : "s");
    if (entries < ndim)
        return false;
    for (size_t i = 0; i < ndim; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        bool integer = lua_type(L, -1) == LUA_TNUMBER;
        if (integer)
            at[i] = position(L, -1, mgd_tensor_shape(t)[i], i + 1);
        lua_pop(L, 1);
        if (!integer)
            return false;
    }
    return true;
}

/* Pushes the view of `t` that the key at `index` names. */
static mgd_tensor *push_key_view(lua_State *L, int index, const mgd_tensor *t) {
    mgd_context ctx = {0};
    mgd_tensor **view = l_push_tensor_box(L);
    if (lua_type(L, index) == LUA_TNUMBER) {
        size_t at = position(L, index, mgd_tensor_shape(t)[0], 1);
        l_check(L, mgd_tensor_select(&ctx, t, 0, at, view), &ctx);
        return *view;
    }
    l_check(L, mgd_tensor_view(&ctx, t, view), &ctx);
    size_t entries = lua_rawlen(L, index), axis = 0;
    for (size_t i = 0; i < entries; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        if (lua_type(L, -1) == LUA_TNUMBER) {
            mgd_tensor *selected = NULL;
            size_t at = position(L, -1, mgd_tensor_shape(*view)[axis], i + 1);
            l_check(L, mgd_tensor_select(&ctx, *view, axis, at, &selected), &ctx);
            mgd_tensor_free(*view);
            *view = selected;
        } else if (lua_type(L, -1) == LUA_TTABLE) {
            apply_range(L, view, axis++, i + 1);
        } else {
            l_error(L, "index %d must be an integer or a range such as {1, 3}, got %s", (int)i + 1,
                    luaL_typename(L, -1));
        }
        lua_pop(L, 1);
    }
    return *view;
}

static void push_shape(lua_State *L, const mgd_tensor *t) {
    size_t ndim = mgd_tensor_ndim(t);
    lua_createtable(L, (int)ndim, 0);
    for (size_t i = 0; i < ndim; i++) {
        lua_pushinteger(L, (lua_Integer)mgd_tensor_shape(t)[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

/* t.shape, t.dtype, t.ndim, t.size, else a method, else what l_new_type says of unknown names. */
static int push_field(lua_State *L, const mgd_tensor *t) {
    const char *name = lua_tostring(L, 2);
    if (strcmp(name, "shape") == 0) {
        push_shape(L, t);
    } else if (strcmp(name, "dtype") == 0) {
        lua_pushstring(L, mgd_dtype_name(mgd_tensor_dtype(t)));
    } else if (strcmp(name, "ndim") == 0) {
        lua_pushinteger(L, (lua_Integer)mgd_tensor_ndim(t));
    } else if (strcmp(name, "size") == 0) {
        lua_pushinteger(L, (lua_Integer)mgd_tensor_size(t));
    } else {
        lua_getmetatable(L, 1);
        lua_pushvalue(L, 2);
        lua_rawget(L, 3);
        if (lua_isnil(L, -1)) {
            lua_pushvalue(L, 2);
            lua_gettable(L, 3);
        }
    }
    return 1;
}

static int tensor_index(lua_State *L) {
    const mgd_tensor *t = l_tensor_self(L, "index", "");
    lua_settop(L, 2);
    int type = lua_type(L, 2);
    if (type == LUA_TSTRING)
        return push_field(L, t);
    if (type != LUA_TNUMBER && type != LUA_TTABLE)
        return l_error(L, "a tensor is indexed by integers, lists or names, got %s",
                       luaL_typename(L, 2));
    size_t at[MGD_MAX_DIMS];
    if (element_key(L, 2, t, at))
        l_tensor_push_value(L, mgd_tensor_dtype(t), mgd_tensor_get(t, at));
    else
        push_key_view(L, 2, t);
    return 1;
}

static int tensor_newindex(lua_State *L) {
    mgd_tensor *t = l_check_tensor(L, 1, "assignment");
    lua_settop(L, 3);
    int type = lua_type(L, 2);
    if (type == LUA_TSTRING)
        return l_error(L, "field '%s' of a tensor cannot be assigned", lua_tostring(L, 2));
    if (type != LUA_TNUMBER && type != LUA_TTABLE)
        return l_error(L, "a tensor is indexed by integers or lists, got %s", luaL_typename(L, 2));
    bool number = lua_type(L, 3) == LUA_TNUMBER;
    const mgd_tensor *source = l_take_tensor(L, 3);
    if (!number && !source)
        return l_error(L, "assignment: expected a number, a tensor or a list, got %s",
                       luaL_typename(L, 3));
    mgd_context ctx = {0};
    size_t at[MGD_MAX_DIMS];
    if (element_key(L, 2, t, at) && number) {
        l_check(L, mgd_tensor_set(&ctx, t, at, lua_tonumber(L, 3)), &ctx);
        return 0;
    }
    mgd_tensor *view = push_key_view(L, 2, t);
    if (number)
        l_check(L, mgd_tensor_fill(&ctx, view, lua_tonumber(L, 3)), &ctx);
    else
        l_check(L, mgd_tensor_copy(&ctx, view, source), &ctx);
    return 0;
}

/* #t → the size of the first dimension. */
static int tensor_len(lua_State *L) {
    const mgd_tensor *t = l_check_tensor(L, 1, "#");
    if (mgd_tensor_ndim(t) == 0)
        return l_error(L, "a scalar has no length");
    lua_pushinteger(L, (lua_Integer)mgd_tensor_shape(t)[0]);
    return 1;
}

/* ---- methods --------------------------------------------------------------------------------- */

/* t:reshape{3, -1} → a view when t is contiguous, else a copy. */
static int tensor_reshape(lua_State *L) {
    const mgd_tensor *t = l_tensor_self(L, "reshape", "");
    size_t shape[MGD_MAX_DIMS];
    size_t ndim = l_tensor_shape(L, 2, "reshape", -1, shape);
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_reshape(&ctx, t, ndim, shape, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* t:transpose() → a view with all dimensions reversed; t:transpose(a, b): with two exchanged. */
static int tensor_transpose(lua_State *L) {
    const mgd_tensor *t = l_tensor_self(L, "transpose", "");
    lua_settop(L, 3);
    size_t axes[MGD_MAX_DIMS];
    bool exchange = !lua_isnil(L, 2) || !lua_isnil(L, 3);
    if (exchange) {
        size_t a = l_tensor_axis(L, 2, "transpose", t), b = l_tensor_axis(L, 3, "transpose", t);
        for (size_t i = 0; i < MGD_MAX_DIMS; i++)
            axes[i] = i == a ? b : i == b ? a : i;
    }
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_transpose(&ctx, t, exchange ? axes : NULL, out), &ctx);
    return 1;
}

/* Pushes the elements below `index[0 … axis − 1]` as nested tables. */
static void push_nested(lua_State *L, const mgd_tensor *t, size_t *index, size_t axis) {
    if (axis == mgd_tensor_ndim(t)) {
        l_tensor_push_value(L, mgd_tensor_dtype(t), mgd_tensor_get(t, index));
        return;
    }
    size_t size = mgd_tensor_shape(t)[axis];
    lua_createtable(L, size <= INT32_MAX ? (int)size : 0, 0);
    for (size_t i = 0; i < size; i++) {
        if ((i + 1) % (axis + 1 < mgd_tensor_ndim(t) ? L_ROWS : L_PIECE) == 0)
            l_answer(L);
        index[axis] = i;
        push_nested(L, t, index, axis + 1);
        lua_rawseti(L, -2, (int)i + 1);
    }
}

/* t:totable() → nested tables of numbers; a number for a scalar. */
static int tensor_totable(lua_State *L) {
    const mgd_tensor *t = l_tensor_self(L, "totable", "");
    size_t index[MGD_MAX_DIMS];
    luaL_checkstack(L, MGD_MAX_DIMS + 2, "nested tables");
    push_nested(L, t, index, 0);
    return 1;
}

/* t:item() → the value of a tensor of one element. */
static int tensor_item(lua_State *L) {
    const mgd_tensor *t = l_tensor_self(L, "item", "");
    if (mgd_tensor_size(t) != 1)
        return l_error(L, "item: a tensor of one element has one, this one has %d",
                       (int)mgd_tensor_size(t));
    const size_t index[MGD_MAX_DIMS] = {0};
    l_tensor_push_value(L, mgd_tensor_dtype(t), mgd_tensor_get(t, index));
    return 1;
}

static const luaL_Reg methods[] = {
    {"__index", tensor_index},       {"__newindex", tensor_newindex},
    {"__len", tensor_len},           {"reshape", tensor_reshape},
    {"transpose", tensor_transpose}, {"totable", tensor_totable},
    {"item", tensor_item},           {NULL, NULL},
};

void l_tensor_add_indexing(lua_State *L) {
    static const char *const fields[] = {"shape", "dtype", "ndim", "size"}; /* to be suggested */
    luaL_setfuncs(L, methods, 0);
    lua_newtable(L);
    for (int i = 0; i < 4; i++) {
        lua_pushstring(L, fields[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "__fields");
}
