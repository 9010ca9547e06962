/* l_fields.c: fields of tables that the schemas of lua/mgd have checked, as what C takes. */

#include "l_mgd.h"
#include "l_train.h"

#include <math.h>
#include <string.h>

double l_number_field(lua_State *L, int index, const char *name, double otherwise) {
    lua_getfield(L, index, name);
    double value = lua_isnil(L, -1) ? otherwise : lua_tonumber(L, -1);
    lua_pop(L, 1);
    return value;
}

static double whole_field(lua_State *L, int index, const char *name, double otherwise, double least,
                          double most) {
    double value = l_number_field(L, index, name, otherwise);
    if (!(value >= least && value <= most && value == floor(value)))
        l_error(L, "%s: expected an integer from %s to %s, got %s", name, MGD_NUMBER(least),
                MGD_NUMBER(most), MGD_NUMBER(value));
    return value;
}

uint64_t l_count_field(lua_State *L, int index, const char *name, double otherwise, double most) {
    return (uint64_t)whole_field(L, index, name, otherwise, 0, most);
}

uint64_t l_seed_field(lua_State *L, int index, const char *name) {
    return (uint64_t)(int64_t)whole_field(L, index, name, 1, -0x1p53, 0x1p53);
}

bool l_flag_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

unsigned l_choice_field(lua_State *L, int index, const char *name, l_namer *name_of,
                        unsigned otherwise) {
    unsigned value = otherwise;
    lua_getfield(L, index, name);
    if (!lua_isnil(L, -1)) {
        const char *given = luaL_checkstring(L, -1), *known;
        for (value = 0; (known = name_of(value)) && strcmp(known, given) != 0;)
            value++;
        if (!known)
            l_error(L, "%s: '%s' is unknown", name, given);
    }
    lua_pop(L, 1);
    return value;
}

void l_push_names(lua_State *L, l_namer *name_of) {
    lua_newtable(L);
    for (unsigned value = 0; name_of(value); value++) {
        lua_pushstring(L, name_of(value));
        lua_rawseti(L, -2, (int)value + 1);
    }
}

const mgd_tensor *l_tensor_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    const mgd_tensor *t = l_test_tensor(L, lua_gettop(L));
    lua_pop(L, 1);
    return t;
}
