/* l_chip.c: ideal chips and chips written in Lua. */

#include "l_train.h"
#include "l_wire.h"

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

enum { EVALUATE = 1, PRODUCTS }; /* where functions of a chip in Lua lie in its user value */

static mgd_status evaluate(void *user, mgd_context *ctx, const mgd_tensor *theta,
                           const mgd_tensor *x, mgd_tensor **y) {
    const l_chip *box = user;
    return l_call_back(&box->evaluate, ctx, "chip: evaluate", theta, x, NULL, y, NULL);
}

static mgd_status move_nodes(void *user, mgd_context *ctx, const mgd_tensor *theta,
                             const mgd_tensor *x, const mgd_tensor *xi, mgd_tensor **y) {
    const l_chip *box = user;
    return l_call_back(&box->evaluate, ctx, "chip: evaluate", theta, x, xi, y, NULL);
}

static mgd_status products(void *user, mgd_context *ctx, const mgd_tensor *theta,
                           const mgd_tensor *x, const mgd_tensor *e, mgd_tensor **out) {
    const l_chip *box = user;
    l_callback own = box->evaluate;
    if (!own.L || !lua_checkstack(own.L, 1))
        return l_fail(ctx, "chip: products", "it cannot be called from here");
    lua_rawgeti(own.L, own.function - 1, PRODUCTS); /* of what the chip keeps */
    own.function = lua_gettop(own.L);
    mgd_status status = l_call_back(&own, ctx, "chip: products", theta, x, e, out, NULL);
    lua_pop(own.L, 1);
    return status;
}

/* external(P, function, theta or nil[, M, products]) → chip */
static int chip_external(lua_State *L) {
    mgd_context ctx = {0};
    size_t count = (size_t)l_integer(L, 1, "mgd.chip: parameters", 1, UINT32_MAX - 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    const mgd_tensor *theta =
        lua_isnoneornil(L, 3) ? NULL : l_check_tensor(L, 3, "mgd.chip: theta");
    size_t nodes =
        lua_isnoneornil(L, 4) ? 0 : (size_t)l_integer(L, 4, "mgd.chip: nodes", 1, UINT32_MAX - 1);
    l_chip *box = l_push_box(L, sizeof *box, L_CHIP);
    lua_createtable(L, 2, 0);
    lua_pushvalue(L, 2);
    lua_rawseti(L, -2, EVALUATE);
    if (!lua_isnone(L, 5)) {
        lua_pushvalue(L, 5);
        lua_rawseti(L, -2, PRODUCTS);
    }
    l_set_user_value(L, -2);
    l_check(L, mgd_chip_external(&ctx, count, theta, evaluate, box, &box->chip), &ctx);
    if (nodes > 0)
        l_check(L, mgd_chip_external_nodes(&ctx, box->chip, nodes, move_nodes, products), &ctx);
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
        l_enter_wires(L, box->wires, 2);
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
