/* l_rtl.c: core.rtl, learning circuits in Verilog as chips. */

#include "../chip/rtl.h" /* internal: what mgd.chip{verilog = …} opens */
#include "l_train.h"

static void set_count(lua_State *L, const char *name, uint32_t value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static const char *text_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    return luaL_checkstring(L, -1); /* stays on the stack, which keeps it */
}

/* open(network, {program =, name =, lsb =, cost_range =, timeout =}) → chip, {synapses =,
 * weight_bits =, cost_bits =, amplitude =}; the chip keeps the network alive */
static int rtl_open(lua_State *L) {
    mgd_context ctx = {0};
    l_net *net = l_check_net_box(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    mgd_rtl_spec spec = {.program = text_field(L, 2, "program"),
                         .name = text_field(L, 2, "name"),
                         .lsb = l_number_field(L, 2, "lsb", 1),
                         .cost_range = l_number_field(L, 2, "cost_range", 1),
                         .timeout = l_number_field(L, 2, "timeout", 1)};
    l_chip *box = l_push_box(L, sizeof *box, L_CHIP);
    lua_createtable(L, 1, 0);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, 1);
    l_set_user_value(L, -2);
    l_check(L, mgd_chip_rtl(&ctx, net->net, &spec, &box->chip), &ctx);
    l_chip_serves(box, net);
    mgd_rtl_about about = mgd_rtl_about_of(box->chip);
    lua_createtable(L, 0, 4);
    set_count(L, "synapses", about.synapses);
    set_count(L, "weight_bits", about.weight_bits);
    set_count(L, "cost_bits", about.cost_bits);
    set_count(L, "amplitude", about.amplitude);
    return 2;
}

/* close(chip): its program ends */
static int rtl_close(lua_State *L) {
    mgd_rtl_close(l_check_chip(L, 1)->chip);
    return 0;
}

/* goes_on(chip) → whether the circuit is as a run has left it */
static int rtl_goes_on(lua_State *L) {
    lua_pushboolean(L, mgd_rtl_goes_on(l_check_chip(L, 1)->chip));
    return 1;
}

static const luaL_Reg functions[] = {
    {"open", rtl_open}, {"goes_on", rtl_goes_on}, {"close", rtl_close}, {NULL, NULL}};

void l_open_rtl(lua_State *L) {
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "rtl");
}
