/* l_fit.c: core.fit, what mgd.fit is made of: laws of update, and their fit to one device. */

#include "l_mgd.h"

#include <math.h>
#include <string.h>

/* The numbers of the list at `index`, in a userdata that is left on the stack. */
static double *push_numbers(lua_State *L, int index, size_t *count) {
    luaL_checktype(L, index, LUA_TTABLE);
    *count = lua_rawlen(L, index);
    double *numbers = lua_newuserdatauv(L, (*count + 1) * sizeof *numbers, 0);
    for (size_t i = 0; i < *count; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        numbers[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    return numbers;
}

static mgd_hw_law_kind check_kind(lua_State *L, int index) {
    const char *name = luaL_checkstring(L, index);
    for (int kind = 0; kind < MGD_HW_LAW_COUNT; kind++)
        if (strcmp(name, mgd_hw_law_name((mgd_hw_law_kind)kind)) == 0)
            return (mgd_hw_law_kind)kind;
    return (mgd_hw_law_kind)l_error(L, "no law of update is called '%s'", name);
}

/* The law named at `name` with the numbers of the table at `index`, NaN where it has none. A table
 * law's curves are left on the stack. */
static mgd_hw_law check_law(lua_State *L, int name, int index) {
    mgd_hw_law law = {.kind = check_kind(L, name)};
    luaL_checktype(L, index, LUA_TTABLE);
    for (size_t i = 0; i < MGD_HW_PARAMETERS; i++) {
        lua_getfield(L, index, mgd_hw_parameter_name(i));
        mgd_hw_parameter_set(&law, i, lua_isnumber(L, -1) ? lua_tonumber(L, -1) : NAN);
        lua_pop(L, 1);
    }
    if (law.kind == MGD_HW_LAW_TABLE) {
        lua_getfield(L, index, "up");
        law.up = push_numbers(L, lua_gettop(L), &law.up_size);
        lua_getfield(L, index, "down");
        law.down = push_numbers(L, lua_gettop(L), &law.down_size);
    }
    return law;
}

/* step(law, numbers, w, direction) → change of w by one pulse */
static int fit_step(lua_State *L) {
    double w = luaL_checknumber(L, 3), direction = luaL_checknumber(L, 4);
    mgd_hw_law law = check_law(L, 1, 2);
    lua_pushnumber(L, mgd_hw_law_step(&law, w, direction > 0 ? 1 : -1));
    return 1;
}

/* laws() → list of the names of laws that have pulses */
static int fit_laws(lua_State *L) {
    lua_newtable(L);
    for (int kind = 0, n = 0; kind < MGD_HW_LAW_COUNT; kind++)
        if (kind != MGD_HW_LAW_IDEAL) {
            lua_pushstring(L, mgd_hw_law_name((mgd_hw_law_kind)kind));
            lua_rawseti(L, -2, ++n);
        }
    return 1;
}

/* parameters(law) → list of the names of its numbers */
static int fit_parameters(lua_State *L) {
    mgd_hw_law_kind kind = check_kind(L, 1);
    lua_newtable(L);
    int n = 0;
    for (size_t i = 0; i < MGD_HW_PARAMETERS; i++)
        if (mgd_hw_parameter_used(kind, i)) {
            lua_pushstring(L, mgd_hw_parameter_name(i));
            lua_rawseti(L, -2, ++n);
        }
    return 1;
}

/* The curves of the list at `index`: {direction =, pulse = {…}, w = {…}}. Userdata on the stack
 * hold what they point to. */
static mgd_hw_curve *push_curves(lua_State *L, int index, size_t *count) {
    luaL_checktype(L, index, LUA_TTABLE);
    *count = lua_rawlen(L, index);
    luaL_checkstack(L, (int)*count * 3 + 8, "too many curves");
    mgd_hw_curve *curves = lua_newuserdatauv(L, (*count + 1) * sizeof *curves, 0);
    for (size_t c = 0; c < *count; c++) {
        size_t pulses;
        lua_rawgeti(L, index, (int)c + 1);
        int curve = lua_gettop(L);
        lua_getfield(L, curve, "direction");
        lua_getfield(L, curve, "pulse");
        lua_getfield(L, curve, "w");
        curves[c].direction = lua_tonumber(L, curve + 1) > 0 ? 1 : -1;
        curves[c].pulse = push_numbers(L, curve + 2, &pulses);
        curves[c].w = push_numbers(L, curve + 3, &curves[c].count);
        if (pulses != curves[c].count)
            l_error(L, "a curve has %d pulses and %d weights", (int)pulses, (int)curves[c].count);
        curves[c].fit = lua_newuserdatauv(L, (pulses + 1) * sizeof(double), 0);
        for (int slot = 3; slot >= 1; slot--) /* curve … fit → three userdata */
            lua_replace(L, curve + slot - 1);
        lua_settop(L, curve + 2);
    }
    return curves;
}

static void set_number(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

/* Pushes {parameters, errors, …}, of which both hold what the law uses. */
static void push_fit(lua_State *L, const mgd_hw_fit *fit) {
    lua_newtable(L);
    lua_newtable(L);
    lua_newtable(L);
    for (size_t i = 0; i < MGD_HW_PARAMETERS; i++)
        if (mgd_hw_parameter_used(fit->law.kind, i)) {
            const char *name = mgd_hw_parameter_name(i);
            lua_pushnumber(L, mgd_hw_parameter_get(&fit->law, i));
            lua_setfield(L, -3, name);
            set_number(L, name, fit->error[i]);
        }
    lua_setfield(L, -3, "errors");
    lua_setfield(L, -2, "parameters");
    set_number(L, "residual", fit->residual);
    set_number(L, "c2c_squared", fit->c2c_squared);
    set_number(L, "c2c_squared_error", fit->c2c_squared_error);
    set_number(L, "noise_squared", fit->noise_squared);
    set_number(L, "points", (double)fit->points);
    set_number(L, "iterations", (double)fit->iterations);
}

/* device(name, law, start, {free names}, curves, iterations, c2c²) → fit, with the fitted weights
 * of the curves as lists in fit.curves; c2c² where it is known */
static int fit_device(lua_State *L) {
    const char *name = luaL_checkstring(L, 1);
    size_t most = (size_t)l_integer(L, 6, "iterations", 1, INT32_MAX), count;
    double c2c = luaL_optnumber(L, 7, NAN);
    lua_settop(L, 6);
    mgd_hw_law start = check_law(L, 2, 3);
    bool free[MGD_HW_PARAMETERS];
    for (size_t i = 0; i < MGD_HW_PARAMETERS; i++) {
        lua_getfield(L, 4, mgd_hw_parameter_name(i));
        free[i] = lua_toboolean(L, -1);
        lua_pop(L, 1);
    }
    const mgd_hw_curve *curves = push_curves(L, 5, &count);
    mgd_context ctx = {0};
    mgd_hw_fit fit;
    l_check(L, mgd_hw_fit_device(&ctx, name, &start, free, count, curves, c2c, most, &fit), &ctx);
    push_fit(L, &fit);
    lua_newtable(L);
    for (size_t c = 0; c < count; c++) {
        lua_createtable(L, (int)curves[c].count, 0);
        for (size_t i = 0; i < curves[c].count; i++) {
            lua_pushnumber(L, curves[c].fit[i]);
            lua_rawseti(L, -2, (int)i + 1);
        }
        lua_rawseti(L, -2, (int)c + 1);
    }
    lua_setfield(L, -2, "curves");
    return 1;
}

static const luaL_Reg functions[] = {
    {"step", fit_step}, {"laws", fit_laws}, {"parameters", fit_parameters}, {"device", fit_device},

    {NULL, NULL},
};

void l_open_fit(lua_State *L) {
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "fit");
}
