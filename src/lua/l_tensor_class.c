/* l_tensor_class.c: the class of tensors: conversion, files, and what the other l_tensor_*.c add.
 */

#include "l_tensor.h"

static int tensor_gc(lua_State *L) {
    mgd_tensor **box = luaL_checkudata(L, 1, L_TENSOR);
    mgd_tensor *t = *box;
    *box = NULL;
    mgd_tensor_free(t);
    return 0;
}

/* ---- conversion and files -------------------------------------------------------------------- */

static int push_converted(lua_State *L, const mgd_tensor *t, mgd_dtype dtype) {
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_convert(&ctx, t, dtype, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* t:clone() → a contiguous copy with storage of its own. */
static int tensor_clone(lua_State *L) {
    const mgd_tensor *t = l_tensor_self(L, "clone", "");
    return push_converted(L, t, mgd_tensor_dtype(t));
}

/* t:to(dtype) → a copy of that type; integer types round to nearest even. */
static int tensor_to(lua_State *L) {
    const mgd_tensor *t = l_tensor_self(L, "to", "");
    return push_converted(L, t, l_tensor_dtype(L, 2, "to"));
}

/* t:save(path): writes a NumPy file; an existing one is replaced at once or not at all. */
static int tensor_save(lua_State *L) {
    const mgd_tensor *t = l_tensor_self(L, "save", "");
    const char *path = l_tensor_path(L, 2, "save");
    mgd_context ctx = {0};
    l_check(L, mgd_tensor_save(&ctx, t, path), &ctx);
    return 0;
}

/* load(path) → the tensor in a NumPy file. */
static int tensor_load(lua_State *L) {
    const char *path = l_tensor_path(L, 1, "mgd.load");
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_load(&ctx, path, out), &ctx);
    l_tensor_filled(L, *out);
    return 1;
}

/* is_tensor(v) → boolean, for anything. */
static int tensor_is_tensor(lua_State *L) {
    lua_pushboolean(L, l_test_tensor(L, 1) != NULL);
    return 1;
}

/* ---- registration ---------------------------------------------------------------------------- */

static const luaL_Reg methods[] = {
    {"__gc", tensor_gc},     {"__tostring", l_tensor_tostring},
    {"clone", tensor_clone}, {"to", tensor_to},
    {"save", tensor_save},   {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"load", tensor_load},
    {"is_tensor", tensor_is_tensor},
    {NULL, NULL},
};

void l_open_tensor(lua_State *L) {
    l_new_type(L, L_TENSOR, methods);
    l_tensor_add_indexing(L);
    l_tensor_add_math(L);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    l_tensor_add_constructors(L);
    lua_setfield(L, -2, "tensor");
}
