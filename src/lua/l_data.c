/* l_data.c: core.data, what mgd.data is made of. Tensors between two steps live in C alone, so that
 * nothing big waits for the collector. */

#include "l_mgd.h"

#include <inttypes.h>
#include <stdio.h>

static const char *check_path(lua_State *L, int index, const char *what) {
    size_t length;
    if (lua_type(L, index) != LUA_TSTRING)
        l_error(L, "%s: the path must be a string, got %s", what, luaL_typename(L, index));
    const char *path = lua_tolstring(L, index, &length);
    for (size_t i = 0; i < length; i++)
        if (path[i] == '\0')
            l_error(L, "%s: the path holds a zero byte", what);
    return path;
}

/* The dtype named at `index`; f32 when absent. */
static mgd_dtype check_float(lua_State *L, int index, const char *what) {
    mgd_dtype dtype = MGD_F32;
    if (lua_isnoneornil(L, index))
        return dtype;
    const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tostring(L, index) : "?";
    if (!mgd_dtype_parse(name, &dtype) || (dtype != MGD_F32 && dtype != MGD_F64))
        l_error(L, "%s: dtype must be 'f32' or 'f64'", what);
    return dtype;
}

/* idx_read(path) → tensor as the file has it. */
static int data_idx_read(lua_State *L) {
    const char *path = check_path(L, 1, "mgd.data.read_idx");
    lua_settop(L, 1);
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_idx_read(&ctx, path, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* idx_images(path, dtype) → tensor of the same shape, pixels in [0, 1]. */
static int data_idx_images(lua_State *L) {
    const char *path = check_path(L, 1, "idx_images");
    mgd_dtype dtype = check_float(L, 2, "idx_images");
    lua_settop(L, 2);
    mgd_context ctx = {0};
    mgd_tensor *pixels = NULL;
    mgd_tensor **out = l_push_tensor_box(L);
    mgd_status status = mgd_idx_read(&ctx, path, &pixels);
    if (status == MGD_OK)
        status = mgd_data_unit(&ctx, pixels, dtype, out);
    mgd_tensor_free(pixels);
    l_check(L, status, &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* idx_labels(path, classes, dtype) → one-hot rows (N, classes) of labels 0 … classes − 1. */
static int data_idx_labels(lua_State *L) {
    const char *path = check_path(L, 1, "idx_labels");
    size_t classes = (size_t)l_integer(L, 2, "idx_labels: classes", 1, INT32_MAX);
    mgd_dtype dtype = check_float(L, 3, "idx_labels");
    lua_settop(L, 3);
    mgd_context ctx = {0};
    mgd_tensor *labels = NULL;
    mgd_tensor **out = l_push_tensor_box(L);
    mgd_status status = mgd_idx_read(&ctx, path, &labels);
    if (status == MGD_OK)
        status = mgd_data_one_hot(&ctx, path, labels, 0, classes, dtype, out);
    mgd_tensor_free(labels);
    l_check(L, status, &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* cifar10(dtype, path, …) → x (N, 3, 32, 32) in [0, 1], y (N, 10) one-hot: all files as one. */
static int data_cifar10(lua_State *L) {
    mgd_dtype dtype = check_float(L, 1, "mgd.data.cifar10");
    int files = lua_gettop(L) - 1;
    luaL_argcheck(L, files > 0, 2, "a path is expected");
    const char **paths = lua_newuserdatauv(L, (size_t)files * sizeof *paths, 0);
    for (int i = 0; i < files; i++) /* the strings stay on the stack */
        paths[i] = check_path(L, 2 + i, "mgd.data.cifar10");
    mgd_context ctx = {0};
    mgd_tensor **x = l_push_tensor_box(L);
    mgd_tensor **y = l_push_tensor_box(L);
    l_check(L, mgd_cifar10_read(&ctx, (size_t)files, paths, dtype, x, y), &ctx);
    l_tensor_filled(L, *x);
    l_tensor_filled(L, *y);
    return 2;
}

/* one_hot(what, labels, classes, dtype, base) → one-hot rows (N, classes) of labels from base on.
 */
static int data_one_hot(lua_State *L) {
    const char *what = luaL_checkstring(L, 1);
    mgd_tensor *labels = l_check_tensor(L, 2, what);
    size_t classes = (size_t)l_integer(L, 3, "one_hot: classes", 1, INT32_MAX);
    mgd_dtype dtype = check_float(L, 4, what);
    int base = (int)l_integer(L, 5, "one_hot: base", 0, 1);
    lua_settop(L, 4);
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_data_one_hot(&ctx, what, labels, base, classes, dtype, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* permutation(n, seed) → 1 … n in a random order, i32 */
static int data_permutation(lua_State *L) {
    mgd_context ctx = {0};
    size_t n = (size_t)l_integer(L, 1, "split: samples", 1, INT32_MAX);
    uint64_t seed = (uint64_t)(int64_t)luaL_checknumber(L, 2);
    lua_settop(L, 2);
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_data_permutation(&ctx, n, seed, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* rows(tensor, numbers) → these rows of it */
static int data_rows(lua_State *L) {
    mgd_context ctx = {0};
    const mgd_tensor *t = l_check_tensor(L, 1, "split");
    const mgd_tensor *index = l_check_tensor(L, 2, "split");
    lua_settop(L, 2);
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_data_rows(&ctx, t, index, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* check_finite(what, tensor): raises at the first value that is not. */
static int data_check_finite(lua_State *L) {
    const char *what = luaL_checkstring(L, 1);
    const mgd_tensor *t = l_check_tensor(L, 2, what);
    mgd_context ctx = {0};
    l_check(L, mgd_data_check_finite(&ctx, what, t), &ctx);
    return 0;
}

/* is_contiguous(tensor) → boolean */
static int data_is_contiguous(lua_State *L) {
    lua_pushboolean(L, mgd_tensor_contiguous(l_check_tensor(L, 1, "is_contiguous")));
    return 1;
}

/* hash(tensor, …) → 16 hexadecimal digits over dtypes, shapes and values. */
static int data_hash(lua_State *L) {
    mgd_context ctx = {0};
    uint64_t hash = 0;
    int n = lua_gettop(L);
    for (int i = 1; i <= n; i++)
        l_check(L, mgd_data_hash(&ctx, l_check_tensor(L, i, "fingerprint"), &hash), &ctx);
    char digits[17];
    snprintf(digits, sizeof digits, "%016" PRIx64, hash);
    lua_pushstring(L, digits);
    return 1;
}

/* parity(bits) → x (2^bits, bits), y (2^bits, 1) */
static int data_parity(lua_State *L) {
    size_t bits = (size_t)l_integer(L, 1, "mgd.data.parity: bits", 1, MGD_PARITY_MAX_BITS);
    lua_settop(L, 0);
    mgd_context ctx = {0};
    mgd_tensor **x = l_push_tensor_box(L);
    mgd_tensor **y = l_push_tensor_box(L);
    l_check(L, mgd_data_parity(&ctx, bits, x, y), &ctx);
    l_tensor_filled(L, *x);
    l_tensor_filled(L, *y);
    return 2;
}

/* nist7x7() → x (44136, 49), y (44136, 4) */
static int data_nist7x7(lua_State *L) {
    lua_settop(L, 0);
    mgd_context ctx = {0};
    mgd_tensor **x = l_push_tensor_box(L);
    mgd_tensor **y = l_push_tensor_box(L);
    l_check(L, mgd_data_nist7x7(&ctx, x, y), &ctx);
    l_tensor_filled(L, *x);
    l_tensor_filled(L, *y);
    return 2;
}

static const luaL_Reg functions[] = {
    {"idx_read", data_idx_read},
    {"idx_images", data_idx_images},
    {"idx_labels", data_idx_labels},
    {"cifar10", data_cifar10},
    {"one_hot", data_one_hot},
    {"permutation", data_permutation},
    {"rows", data_rows},
    {"check_finite", data_check_finite},
    {"is_contiguous", data_is_contiguous},
    {"hash", data_hash},
    {"parity", data_parity},
    {"nist7x7", data_nist7x7},
    {NULL, NULL},
};

void l_open_data(lua_State *L) {
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "data");
}
