/* l_tensor.c: the tensor box, and the arguments of what is done with it: what the other
 * l_tensor_*.c use. l_tensor_class.c puts them together.
 */

#include "l_tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SEED_MAX (INT64_C(1) << 53) /* every integer up to here is a double: LuaJIT's numbers */

/* ---- the box --------------------------------------------------------------------------------- */

mgd_tensor **l_push_tensor_box(lua_State *L) {
    return l_push_box(L, sizeof(mgd_tensor *), L_TENSOR);
}

/* Only fresh storage is a new debt; a view costs a header. */
void l_tensor_filled(lua_State *L, const mgd_tensor *t) {
    if (!mgd_tensor_shared(t))
        l_byte_debt(L, mgd_tensor_storage_bytes(t));
}

mgd_tensor *l_test_tensor(lua_State *L, int index) {
    mgd_tensor **box = luaL_testudata(L, index, L_TENSOR);
    return box ? *box : NULL;
}

/* ---- arguments ------------------------------------------------------------------------------- */

double l_tensor_number(lua_State *L, int index, const char *what) {
    if (lua_type(L, index) != LUA_TNUMBER)
        l_error(L, "%s: expected a number, got %s", what, luaL_typename(L, index));
    return lua_tonumber(L, index);
}

const char *l_tensor_path(lua_State *L, int index, const char *what) {
    if (lua_type(L, index) != LUA_TSTRING)
        l_error(L, "%s: the path must be a string, got %s", what, luaL_typename(L, index));
    size_t length;
    const char *path = lua_tolstring(L, index, &length);
    if (strlen(path) != length)
        l_error(L, "%s: the path holds a zero byte", what);
    return path;
}

void l_tensor_push_value(lua_State *L, mgd_dtype dtype, double value) {
    bool integer = dtype == MGD_I32 || dtype == MGD_U8;
    if (integer && fabs(value) <= 0x1p53)
        lua_pushinteger(L, (lua_Integer)value);
    else
        lua_pushnumber(L, value);
}

/* Raises an error that names the first entry of the list at `index` that is nil. */
static void fail_hole(lua_State *L, int index, const char *what, lua_Number last) {
    int hole = 1;
    for (lua_rawgeti(L, index, hole); !lua_isnil(L, -1); lua_rawgeti(L, index, hole)) {
        lua_pop(L, 1);
        hole++;
    }
    l_error(L, "%s: a list with holes: element %d is nil, element %s is not", what, hole,
            MGD_NUMBER(last));
}

/* Raises an error where the key at -2 is no place in a list, and gives it where it is one. */
static lua_Number list_key(lua_State *L, const char *what) {
    lua_Number key = lua_type(L, -2) == LUA_TNUMBER ? lua_tonumber(L, -2) : 0;
    if (key >= 1 && key == floor(key))
        return key;
    if (lua_type(L, -2) == LUA_TSTRING)
        l_error(L, "%s: '%s' among the entries of a list; options go into a table of their own",
                what, lua_tostring(L, -2));
    if (lua_type(L, -2) == LUA_TNUMBER)
        l_error(L, "%s: [%s] among the entries of a list, which begins at 1", what,
                MGD_NUMBER(lua_tonumber(L, -2)));
    l_error(L, "%s: a %s among the keys of a list", what, luaL_typename(L, -2));
    return 0;
}

size_t l_tensor_list(lua_State *L, int index, const char *what) {
    size_t entries = 0;
    lua_Number last = 0;
    index = index < 0 ? lua_gettop(L) + index + 1 : index;
    lua_pushnil(L);
    for (; lua_next(L, index); lua_pop(L, 1), entries++) {
        lua_Number key = list_key(L, what);
        last = key > last ? key : last;
    }
    if ((lua_Number)entries != last)
        fail_hole(L, index, what, last);
    return entries;
}

size_t l_tensor_shape(lua_State *L, int index, const char *what, int low,
                      size_t shape[MGD_MAX_DIMS]) {
    if (lua_type(L, index) != LUA_TTABLE)
        l_error(L, "%s: the shape must be a table such as {2, 3}, got %s", what,
                luaL_typename(L, index));
    size_t ndim = l_tensor_list(L, index, what);
    if (ndim > MGD_MAX_DIMS)
        l_error(L, "%s: %d dimensions, at most %d are supported", what, (int)ndim, MGD_MAX_DIMS);
    for (size_t i = 0; i < ndim; i++) {
        char place[64];
        snprintf(place, sizeof place, "%s: dimension %zu", what, i + 1);
        lua_rawgeti(L, index, (int)i + 1);
        shape[i] = (size_t)l_integer(L, -1, place, low, SEED_MAX);
        lua_pop(L, 1);
    }
    return ndim;
}

size_t l_tensor_axis(lua_State *L, int index, const char *what, const mgd_tensor *t) {
    if (lua_type(L, index) != LUA_TNUMBER)
        l_error(L, "%s: the axis must be a number, got %s", what, luaL_typename(L, index));
    double axis = lua_tonumber(L, index);
    int ndim = (int)mgd_tensor_ndim(t);
    if (ndim == 0)
        l_error(L, "%s: a scalar has no axis %s", what, MGD_NUMBER(axis));
    if (axis != floor(axis) || axis == 0 || fabs(axis) > ndim)
        l_error(L, "%s: axis %s of a tensor of %d dimension%s (1 to %d, or -%d to -1)", what,
                MGD_NUMBER(axis), ndim, ndim == 1 ? "" : "s", ndim, ndim);
    return (size_t)(axis > 0 ? axis - 1 : axis + ndim);
}

/* ---- options --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    unsigned flag;
} option_names[] = {{"dtype", L_OPT_DTYPE},
                    {"seed", L_OPT_SEED},
                    {"rtol", L_OPT_RTOL},
                    {"atol", L_OPT_ATOL},
                    {"ddof", L_OPT_DDOF}};
enum { OPTIONS = sizeof option_names / sizeof *option_names };

static unsigned find_option(lua_State *L, const char *what, const char *name, unsigned allowed) {
    for (size_t i = 0; i < OPTIONS; i++)
        if ((option_names[i].flag & allowed) && strcmp(name, option_names[i].name) == 0)
            return option_names[i].flag;
    luaL_Buffer known;
    luaL_buffinit(L, &known);
    const char *separator = "";
    for (size_t i = 0; i < OPTIONS; i++)
        if (option_names[i].flag & allowed) {
            luaL_addstring(&known, separator);
            luaL_addstring(&known, option_names[i].name);
            separator = ", ";
        }
    luaL_pushresult(&known);
    l_error(L, "%s: unknown option '%s' (there is: %s)", what, name, lua_tostring(L, -1));
    return 0;
}

mgd_dtype l_tensor_dtype(lua_State *L, int index, const char *what) {
    mgd_dtype dtype = MGD_F64;
    if (lua_type(L, index) != LUA_TSTRING)
        l_error(L, "%s: dtype must be a string, got %s", what, luaL_typename(L, index));
    if (!mgd_dtype_parse(lua_tostring(L, index), &dtype))
        l_error(L, "%s: unknown dtype '%s' (there is: f64, f32, i32, u8)", what,
                lua_tostring(L, index));
    return dtype;
}

static double check_tolerance(lua_State *L, const char *what, const char *name) {
    if (lua_type(L, -1) != LUA_TNUMBER || !(lua_tonumber(L, -1) >= 0))
        l_error(L, "%s: %s must be a number from 0 on", what, name);
    return lua_tonumber(L, -1);
}

l_options l_tensor_options(lua_State *L, int index, const char *what, unsigned allowed) {
    l_options options = {.dtype = MGD_F64, .seed = 1, .rtol = 1e-6};
    if (lua_isnoneornil(L, index))
        return options;
    if (lua_type(L, index) != LUA_TTABLE)
        l_error(L, "%s: options must be a table, got %s", what, luaL_typename(L, index));
    lua_pushvalue(L, index);
    lua_pushnil(L);
    while (lua_next(L, -2)) { /* options, name, value */
        if (lua_type(L, -2) != LUA_TSTRING)
            l_error(L, "%s: options have names, this table has an entry under a %s", what,
                    luaL_typename(L, -2));
        switch (find_option(L, what, lua_tostring(L, -2), allowed)) {
        case L_OPT_DTYPE:
            options.dtype = l_tensor_dtype(L, -1, what);
            options.has_dtype = true;
            break;
        case L_OPT_SEED:
            options.seed = (uint64_t)l_integer(L, -1, "seed", 0, SEED_MAX);
            break;
        case L_OPT_RTOL:
            options.rtol = check_tolerance(L, what, "rtol");
            break;
        case L_OPT_ATOL:
            options.atol = check_tolerance(L, what, "atol");
            break;
        default:
            options.ddof = (size_t)l_integer(L, -1, "ddof", 0, INT32_MAX);
            break;
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return options;
}
