/* l_instrument.c: core.instrument, chips at the end of a wire. Options arrive checked by
 * lua/mgd/hardware/instrument.lua.
 */

#include "../chip/instrument.h" /* internal: instruments are not part of mgd.h */
#include "l_train.h"
#include "l_wire.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define L_LOG "mgd.instrument.log"

/* ---- reading options ------------------------------------------------------------------------- */

/* A text that the table keeps alive; NULL: none. */
static const char *text_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    const char *text = lua_tostring(L, -1);
    lua_pop(L, 1);
    return text;
}

/* A list of texts as a vector with NULL at its end, in a userdata that is kept at `anchor`. */
static const char *const *words_field(lua_State *L, int index, const char *name, int anchor) {
    lua_getfield(L, index, name);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return NULL;
    }
    int list = lua_gettop(L);
    size_t count = lua_rawlen(L, list);
    const char **vector = lua_newuserdata(L, (count + 1) * sizeof *vector);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (int)i + 1);
        vector[i] = lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    vector[count] = NULL;
    lua_rawseti(L, anchor, (int)lua_rawlen(L, anchor) + 1);
    lua_pop(L, 1);
    return vector;
}

static const char *guard_name(unsigned value) {
    static const char *const names[] = {"never", "needed", "always", NULL};
    return names[value];
}

static const char *action_name(unsigned value) {
    static const char *const names[] = {"stop", "pause", "rebaseline", NULL};
    return names[value];
}

/* ---- functions as wires ---------------------------------------------------------------------- */

/* The functions of the place on top of the stack, as a wire that is kept in the list at `wires`;
 * NULL where it has none. */
static const mgd_wire_calls *functions_field(lua_State *L, int wires) {
    lua_getfield(L, -1, "functions");
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        return NULL;
    }
    l_wire *box = l_push_box(L, sizeof *box, L_WIRE);
    lua_insert(L, -2);
    l_set_user_value(L, -2);
    l_wire_calls(box);
    lua_rawseti(L, wires, (int)lua_rawlen(L, wires) + 1);
    return &box->calls;
}

/* What all chips of the instrument share, and where number k of them is. */
static void read_port(lua_State *L, int index, int anchor, int k, FILE *log, mgd_port_spec *out) {
    lua_getfield(L, index, "places");
    lua_rawgeti(L, -1, k);
    int place = lua_gettop(L);
    lua_rawgeti(L, anchor, L_WIRES);
    lua_pushvalue(L, place);
    const mgd_wire_calls *calls = functions_field(L, lua_gettop(L) - 1);
    lua_pop(L, 2);
    *out = (mgd_port_spec){.wire = l_wire_settings(L, index),
                           .dialect = text_field(L, index, "dialect"),
                           .terminator = text_field(L, index, "terminator"),
                           .describe = text_field(L, index, "describe"),
                           .timeout = l_number_field(L, index, "timeout", 10),
                           .wait = l_number_field(L, index, "wait", 0),
                           .retries = (unsigned)l_count_field(L, index, "retries", 5, 1000),
                           .dry_run = l_flag_field(L, index, "dry_run"),
                           .log = log};
    out->wire.calls = calls;
    out->wire.address = text_field(L, place, "address");
    out->wire.words = words_field(L, place, "words", anchor);
    out->wire.environment = words_field(L, index, "environment", anchor);
    lua_pop(L, 2);
}

/* Rows (n, 3) of low, high, 1 where logarithmic. */
static const mgd_span_of_unit *read_ranges(lua_State *L, int index, int anchor, size_t *count) {
    const mgd_tensor *rows = l_tensor_field(L, index, "ranges");
    *count = rows ? mgd_tensor_shape(rows)[0] : 0;
    if (!rows)
        return NULL;
    mgd_span_of_unit *out = lua_newuserdata(L, *count * sizeof *out);
    for (size_t i = 0; i < *count; i++) {
        size_t at[MGD_MAX_DIMS] = {i};
        out[i].low = mgd_tensor_get(rows, at);
        at[1] = 1;
        out[i].high = mgd_tensor_get(rows, at);
        at[1] = 2;
        out[i].logarithmic = mgd_tensor_get(rows, at) != 0;
    }
    lua_rawseti(L, anchor, (int)lua_rawlen(L, anchor) + 1);
    return out;
}

/* Rows (n, 5) of an mgd_limit. */
static const mgd_limit *read_limits(lua_State *L, int index, int anchor, size_t *count) {
    const mgd_tensor *rows = l_tensor_field(L, index, "limits");
    *count = rows ? mgd_tensor_shape(rows)[0] : 0;
    if (!rows)
        return NULL;
    mgd_limit *out = lua_newuserdata(L, *count * sizeof *out);
    for (size_t i = 0; i < *count; i++) {
        double *fields[] = {&out[i].low, &out[i].high, &out[i].slew, &out[i].avoid_low,
                            &out[i].avoid_high};
        for (size_t j = 0; j < sizeof fields / sizeof *fields; j++)
            *fields[j] = mgd_tensor_get(rows, (const size_t[MGD_MAX_DIMS]){i, j});
    }
    lua_rawseti(L, anchor, (int)lua_rawlen(L, anchor) + 1);
    return out;
}

/* ---- logs ------------------------------------------------------------------------------------ */

static int log_close(lua_State *L) {
    FILE **box = luaL_checkudata(L, 1, L_LOG);
    if (*box)
        fclose(*box);
    *box = NULL;
    return 0;
}

/* The file of the option `log`, opened; it is left on the stack. */
static FILE *push_log(lua_State *L, int index) {
    const char *path = text_field(L, index, "log");
    FILE **box = l_push_box(L, sizeof *box, L_LOG);
    if (!path)
        return NULL;
    *box = fopen(path, "ae");
    if (!*box)
        l_error(L, "mgd.chip: log: %s: %s", path, strerror(errno));
    setvbuf(*box, NULL, _IOLBF, 0);
    return *box;
}

/* ---- functions ------------------------------------------------------------------------------- */

/* open(options) → chip. Finalisers run in the opposite order of making: the log is closed last. */
static int instrument_open(lua_State *L) {
    mgd_context ctx = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_newtable(L); /* 2: what the chip keeps alive */
    lua_pushvalue(L, 1);
    lua_rawseti(L, 2, 2);
    FILE *log = push_log(L, 1);
    lua_rawseti(L, 2, 3);
    lua_getfield(L, 1, "places");
    size_t count = lua_rawlen(L, -1);
    lua_pop(L, 1);
    mgd_port_spec *ports = lua_newuserdata(L, count * sizeof *ports);
    lua_rawseti(L, 2, 4);
    lua_newtable(L);
    lua_rawseti(L, 2, L_WIRES);
    for (size_t k = 0; k < count; k++)
        read_port(L, 1, 2, (int)k + 1, log, &ports[k]);
    mgd_instrument_spec spec = {.num_ports = count,
                                .ports = ports,
                                .patience = l_number_field(L, 1, "patience", 10),
                                .average = (size_t)l_count_field(L, 1, "average", 1, 1e9),
                                .skip = l_flag_field(L, 1, "skip"),
                                .theta = l_tensor_field(L, 1, "theta"),
                                .safe = l_tensor_field(L, 1, "safe"),
                                .ramp = l_number_field(L, 1, "ramp", 0),
                                .temporary = text_field(L, 1, "temporary"),
                                .guard = l_choice_field(L, 1, "guard", guard_name, MGD_GUARD_NEVER),
                                .watch = l_count_field(L, 1, "watch", 0, 0x1p53),
                                .tolerance = l_number_field(L, 1, "tolerance", 0),
                                .action =
                                    l_choice_field(L, 1, "action", action_name, MGD_DRIFT_STOP)};
    spec.ranges = read_ranges(L, 1, 2, &spec.num_ranges);
    spec.limits = read_limits(L, 1, 2, &spec.num_limits);
    l_chip *box = l_push_box(L, sizeof *box, L_CHIP);
    int made = lua_gettop(L);
    lua_pushvalue(L, 2);
    l_set_user_value(L, -2);
    lua_rawgeti(L, 2, L_WIRES);
    box->wires = (int)lua_rawlen(L, -1);
    l_enter_wires(L, box->wires, 2);
    mgd_status status = mgd_chip_instrument(&ctx, &spec, &box->chip);
    l_leave_wires(L, box->wires, 2);
    l_check(L, status, &ctx);
    lua_pushvalue(L, made);
    return 1;
}

static mgd_instrument *check(lua_State *L) {
    return mgd_instrument_of(l_check_chip(L, 1)->chip);
}

/* Calls f with the instrument at 1, whose functions may be called meanwhile. */
static void call(lua_State *L, mgd_status (*f)(mgd_context *ctx, mgd_instrument *instrument)) {
    mgd_context ctx = {0};
    l_chip *box = l_check_chip(L, 1);
    lua_settop(L, 1);
    l_get_user_value(L, 1);
    l_enter_wires(L, box->wires, 2);
    mgd_status status = f(&ctx, mgd_instrument_of(box->chip));
    l_leave_wires(L, box->wires, 2);
    l_check(L, status, &ctx);
}

/* safe(chip) */
static int instrument_safe(lua_State *L) {
    call(L, mgd_instrument_safe);
    return 0;
}

/* shut(chip) */
static int instrument_shut(lua_State *L) {
    call(L, mgd_instrument_shut);
    return 0;
}

static mgd_port *check_port(lua_State *L, int index) {
    mgd_port *port = mgd_instrument_port(check(L), (size_t)luaL_checkinteger(L, index) - 1);
    if (!port)
        l_error(L, "chip: there is no chip %d", (int)lua_tointeger(L, index));
    return port;
}

/* query(chip, k, text) → answer */
static int instrument_query(lua_State *L) {
    mgd_context ctx = {0};
    size_t count, k = (size_t)luaL_checkinteger(L, 2) - 1;
    l_chip *box = l_check_chip(L, 1);
    const char *text = luaL_checklstring(L, 3, &count), *answer;
    check_port(L, 2);
    lua_settop(L, 3);
    l_get_user_value(L, 1);
    l_enter_wires(L, box->wires, 4);
    mgd_status status =
        mgd_instrument_query(&ctx, mgd_instrument_of(box->chip), k, text, count, &answer, &count);
    l_leave_wires(L, box->wires, 4);
    l_check(L, status, &ctx);
    lua_pushlstring(L, answer, count);
    return 1;
}

static void set_number(lua_State *L, const char *name, double value) {
    lua_pushnumber(L, value);
    lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, size_t value) {
    lua_pushinteger(L, (lua_Integer)value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *value) {
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static void set_flag(lua_State *L, const char *name, bool value) {
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* about(chip, k) → {address =, dialect =, terminator =, identity =, said =, and what it says as
 * values} */
static int instrument_about(lua_State *L) {
    const mgd_port *port = check_port(L, 2);
    const mgd_description *d = mgd_port_description(port);
    lua_newtable(L);
    set_text(L, "address", mgd_port_address(port));
    set_text(L, "dialect", mgd_port_dialect(port)->name);
    set_text(L, "terminator", mgd_port_terminator(port));
    set_text(L, "identity", mgd_port_identity(port));
    set_text(L, "said", mgd_port_said(port));
    set_text(L, "dtype", d->dtype == MGD_F32 ? "f32" : "f64");
    set_text(L, "codes", d->codes);
    set_text(L, "cost", d->cost);
    set_text(L, "unit", d->unit);
    set_count(L, "parameters", d->parameters);
    set_count(L, "inputs", d->inputs);
    set_count(L, "outputs", d->outputs);
    set_count(L, "targets", d->targets);
    set_count(L, "samples", d->samples);
    set_number(L, "latency", d->latency);
    set_flag(L, "blocks", d->blocks);
    set_flag(L, "perturbs", d->perturbs);
    set_flag(L, "costs", d->costs);
    set_flag(L, "integrates", d->integrates);
    set_flag(L, "writes", d->writes);
    set_flag(L, "stateless", d->stateless);
    set_flag(L, "reads", d->reads);
    set_flag(L, "watchdog", d->watchdog);
    set_flag(L, "fails", d->fails);
    set_flag(L, "noisy", d->noisy);
    return 1;
}

/* spent(chip, k) → {requests =, sent =, received = (bytes), seconds =, retries =, reconnections =,
 * drifts =, failures =}, the last two of all its chips together */
static int instrument_spent(lua_State *L) {
    mgd_port_times spent = mgd_port_spent(check_port(L, 2));
    lua_newtable(L);
    set_number(L, "requests", spent.requests);
    set_number(L, "sent", spent.sent);
    set_number(L, "received", spent.received);
    set_number(L, "seconds", spent.seconds);
    set_number(L, "retries", spent.retries);
    set_number(L, "reconnections", spent.reconnections);
    set_number(L, "drifts", mgd_instrument_drifts(check(L)));
    set_number(L, "failures", mgd_instrument_failures(check(L)));
    return 1;
}

/* coarse(chip, amplitude) → the number of a parameter, its step and what the amplitude is in its
 * unit, of the first whose resolution the amplitude stays below; nothing where there is none */
static int instrument_coarse(lua_State *L) {
    const mgd_instrument *instrument = check(L);
    const mgd_description *d = mgd_port_description(mgd_instrument_port(check(L), 0));
    double amplitude = luaL_checknumber(L, 2);
    for (size_t i = 0; i < d->parameters && d->num_resolutions > 0; i++) {
        const mgd_reach *reach = mgd_instrument_reach(instrument);
        double step = d->resolution[d->num_resolutions == 1 ? 0 : i];
        double change = fabs(mgd_reach_value(reach, i, amplitude) - mgd_reach_value(reach, i, 0));
        if (change >= step)
            continue;
        lua_pushinteger(L, (lua_Integer)i + 1);
        lua_pushnumber(L, step);
        lua_pushnumber(L, change);
        return 3;
    }
    return 0;
}

/* room(chip) → the largest amplitude in θ for which its ranges and limits have room */
static int instrument_room(lua_State *L) {
    lua_pushnumber(L, mgd_reach_room(mgd_instrument_reach(check(L))));
    return 1;
}

/* values(chip, θ) → the list of what the numbers of a list θ (P) are in the unit of each */
static int instrument_values(lua_State *L) {
    const mgd_reach *reach = mgd_instrument_reach(check(L));
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_createtable(L, (int)reach->parameters, 0);
    for (size_t i = 0; i < reach->parameters; i++) {
        lua_rawgeti(L, 2, (int)i + 1);
        lua_pushnumber(L, mgd_reach_value(reach, i, luaL_checknumber(L, -1)));
        lua_rawseti(L, 3, (int)i + 1);
        lua_pop(L, 1);
    }
    return 1;
}

static const luaL_Reg log_methods[] = {{"__gc", log_close}, {NULL, NULL}};

static const luaL_Reg functions[] = {
    {"open", instrument_open},     {"safe", instrument_safe},
    {"shut", instrument_shut},     {"query", instrument_query},
    {"about", instrument_about},   {"spent", instrument_spent},
    {"coarse", instrument_coarse}, {"room", instrument_room},
    {"values", instrument_values}, {NULL, NULL},
};

void l_open_instrument(lua_State *L) {
    l_new_type(L, L_LOG, log_methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "instrument");
}
