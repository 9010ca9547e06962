/* l_train.c: what can be said of training without a run: its options, and what codes and schedules
 * give. The options are those of the core's table, which lua/mgd extends to schemas. */

#include "l_train.h"
#include "../mgd/register.h" /* internal: what circuits need to know of shift registers */

#include <math.h>

/* ---- a table of options as mgd_train --------------------------------------------------------- */

/* A number, a table {kind =, value =, factor =, every =, to =, offset =}, or a function, which
 * l_run keeps. */
static void schedule_field(lua_State *L, int index, const char *name, mgd_schedule *schedule) {
    lua_getfield(L, index, name);
    int at = lua_gettop(L);
    if (lua_isnumber(L, at))
        *schedule = (mgd_schedule){.value = lua_tonumber(L, at)};
    else if (lua_isfunction(L, at))
        schedule->kind = MGD_SCHEDULE_FUNCTION;
    else if (lua_istable(L, at))
        *schedule = (mgd_schedule){.kind = (mgd_schedule_kind)l_choice_field(
                                       L, at, "kind", mgd_schedule_name, MGD_SCHEDULE_CONSTANT),
                                   .value = l_number_field(L, at, "value", 0),
                                   .factor = l_number_field(L, at, "factor", 1),
                                   .every = l_number_field(L, at, "every", 1),
                                   .to = l_number_field(L, at, "to", 0),
                                   .offset = l_number_field(L, at, "offset", 0),
                                   .from = (uint64_t)l_count_field(L, at, "from", 0, 0x1p53)};
    lua_pop(L, 1);
}

static void option_field(lua_State *L, int index, const mgd_option *o, mgd_train *train) {
    char *at = (char *)train + o->offset;
    const char *name = o->name;
    lua_getfield(L, index, name);
    bool given = !lua_isnil(L, -1);
    lua_pop(L, 1);
    if (!given)
        return;
    if (o->schedule) {
        schedule_field(L, index, name, (mgd_schedule *)at);
        return;
    }
    switch (o->type) {
    case MGD_OPTION_NUMBER:
        mgd_train_set(train, o, l_number_field(L, index, name, 0));
        return;
    case MGD_OPTION_INTEGER: {
        double most = o->size < sizeof(uint64_t) ? UINT32_MAX : 0x1p53;
        mgd_train_set(train, o, (double)l_count_field(L, index, name, 0, most));
        return;
    }
    case MGD_OPTION_SEED:
        mgd_train_set(train, o, (double)(int64_t)l_seed_field(L, index, name));
        return;
    case MGD_OPTION_FLAG:
        mgd_train_set(train, o, l_flag_field(L, index, name));
        return;
    case MGD_OPTION_CHOICE:
        mgd_train_set(train, o, l_choice_field(L, index, name, o->choice, 0));
        return;
    case MGD_OPTION_TENSOR:
        *(const mgd_tensor **)at = l_tensor_field(L, index, name);
        return;
    }
}

void l_train_options(lua_State *L, int index, mgd_train *train) {
    size_t count;
    const mgd_option *options = mgd_train_options(&count);
    for (size_t i = 0; i < count; i++)
        option_field(L, index, &options[i], train);
    train->norm = l_flag_field(L, index, "is_norm"); /* the amplitude is Δ of the whole vector */
}

/* ---- signals --------------------------------------------------------------------------------- */

/* {first, last}, from 1, in field `name` of the table on top. */
static mgd_range range_field(lua_State *L, const char *name) {
    lua_getfield(L, -1, name);
    int at = lua_gettop(L);
    luaL_checktype(L, at, LUA_TTABLE);
    lua_rawgeti(L, at, 1);
    lua_rawgeti(L, at, 2);
    lua_Integer first = luaL_checkinteger(L, -2), last = luaL_checkinteger(L, -1);
    lua_settop(L, at - 1);
    return (mgd_range){(size_t)first - 1, (size_t)(last - first) + 1};
}

void l_train_signals(lua_State *L, int index, mgd_train *train) {
    lua_getfield(L, index, "signals");
    if (!lua_istable(L, -1))
        return;
    int list = lua_gettop(L);
    size_t count = lua_rawlen(L, list);
    mgd_signal *signals = lua_newuserdatauv(L, (count + 1) * sizeof *signals, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (int)i + 1);
        signals[i] = (mgd_signal){range_field(L, "parameters"), range_field(L, "outputs")};
        lua_pop(L, 1);
    }
    train->num_signals = count;
    train->signals = signals;
}

/* ---- rules ----------------------------------------------------------------------------------- */

static const char *perturb_name(unsigned what) {
    static const char *const names[] = {"parameters", "nodes"};
    return what < 2 ? names[what] : NULL;
}

static const char *keep_name(unsigned keep) {
    static const char *const names[] = {"fitting", "always", "never"};
    return keep < 3 ? names[keep] : NULL;
}

void l_train_rules(lua_State *L, int index, mgd_train *train) {
    train->keep = (mgd_keep)l_choice_field(L, index, "keep", keep_name, (unsigned)MGD_KEEP_FITTING);
    lua_getfield(L, index, "rules");
    if (!lua_istable(L, -1))
        return;
    int list = lua_gettop(L);
    size_t count = lua_rawlen(L, list);
    mgd_rule *rules = lua_newuserdatauv(L, (count + 1) * sizeof *rules, 0);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, list, (int)i + 1);
        int at = lua_gettop(L);
        rules[i] =
            (mgd_rule){.parameters = {(size_t)l_count_field(L, at, "first", 0, 0x1p53),
                                      (size_t)l_count_field(L, at, "count", 0, 0x1p53)},
                       .still = l_flag_field(L, at, "still"),
                       .perturb = (mgd_perturb)l_choice_field(L, at, "perturb", perturb_name, 0),
                       .amplitude = l_number_field(L, at, "amplitude", 1),
                       .eta = l_number_field(L, at, "eta", 1),
                       .weight_decay = l_number_field(L, at, "weight_decay", 0)};
        lua_settop(L, at - 1);
    }
    train->num_rules = count;
    train->rules = rules;
}

/* ---- the options as entries of schemas ------------------------------------------------------- */

/* Pushes a number; an integer where it is whole. */
static void push_number(lua_State *L, double value) {
    if (value == floor(value) && fabs(value) <= 0x1p53)
        lua_pushinteger(L, (lua_Integer)value);
    else
        lua_pushnumber(L, value);
}

/* Into field `name` of the entry on top; infinities bound nothing. */
static void set_bound(lua_State *L, const char *name, double value) {
    if (!isfinite(value))
        return;
    push_number(L, value);
    lua_setfield(L, -2, name);
}

static void set_text(lua_State *L, const char *name, const char *text) {
    lua_pushstring(L, text); /* nil when NULL */
    lua_setfield(L, -2, name);
}

static const char *type_name(mgd_option_type type) {
    static const char *const names[] = {
        [MGD_OPTION_NUMBER] = "number", [MGD_OPTION_INTEGER] = "integer",
        [MGD_OPTION_SEED] = "integer",  [MGD_OPTION_FLAG] = "boolean",
        [MGD_OPTION_CHOICE] = "string", [MGD_OPTION_TENSOR] = "tensor",
    };
    return names[type];
}

static void set_type(lua_State *L, const mgd_option *o) {
    if (o->schedule) {
        lua_createtable(L, 2, 0);
        lua_pushstring(L, type_name(o->type));
        lua_rawseti(L, -2, 1);
        lua_pushliteral(L, "schedule");
        lua_rawseti(L, -2, 2);
    } else {
        lua_pushstring(L, type_name(o->type));
    }
    lua_setfield(L, -2, "type");
}

static void set_range(lua_State *L, const mgd_option *o) {
    if (o->type == MGD_OPTION_SEED) { /* what a double holds exactly */
        set_bound(L, "min", -0x1p53);
        set_bound(L, "max", 0x1p53);
    } else if (o->type == MGD_OPTION_NUMBER || o->type == MGD_OPTION_INTEGER) {
        set_bound(L, o->open_low ? "above" : "min", o->low);
        set_bound(L, o->open_high ? "below" : "max", o->high);
    }
}

static void set_default(lua_State *L, const mgd_option *o) {
    if (o->type == MGD_OPTION_TENSOR || o->may_lack)
        return;
    if (o->type == MGD_OPTION_CHOICE)
        lua_pushstring(L, o->choice((unsigned)o->otherwise));
    else if (o->type == MGD_OPTION_FLAG)
        lua_pushboolean(L, o->otherwise != 0);
    else
        push_number(L, o->otherwise);
    lua_setfield(L, -2, "default");
}

/* options() → entries of schemas by name: {name, type =, unit =, min = | above =, max = | below =,
 * choices =, default =, doc =} */
static int train_options(lua_State *L) {
    size_t count;
    const mgd_option *options = mgd_train_options(&count);
    lua_createtable(L, 0, (int)count);
    for (size_t i = 0; i < count; i++) {
        const mgd_option *o = &options[i];
        lua_createtable(L, 1, 8);
        lua_pushstring(L, o->name);
        lua_rawseti(L, -2, 1);
        set_type(L, o);
        set_range(L, o);
        if (o->type == MGD_OPTION_CHOICE) {
            l_push_names(L, o->choice);
            lua_setfield(L, -2, "choices");
        }
        set_default(L, o);
        set_text(L, "unit", o->unit);
        set_text(L, "doc", o->doc);
        lua_setfield(L, -2, o->name);
    }
    return 1;
}

/* ---- codes and schedules --------------------------------------------------------------------- */

/* schedule(table, step) → the value at that step */
static int schedule_at(lua_State *L) {
    mgd_schedule schedule = {.value = 0};
    luaL_checktype(L, 1, LUA_TTABLE);
    schedule_field(L, 1, "schedule", &schedule);
    uint64_t step = (uint64_t)l_integer(L, 2, "schedule: step", 0, INT64_C(1) << 53);
    lua_pushnumber(L, mgd_schedule_at(&schedule, step));
    return 1;
}

/* codes() → {{name, reads = {option = true, …}}, …} */
static int train_codes(lua_State *L) {
    lua_newtable(L);
    for (unsigned kind = 0; mgd_code_name(kind); kind++) {
        lua_newtable(L);
        lua_pushstring(L, mgd_code_name(kind));
        lua_rawseti(L, -2, 1);
        lua_newtable(L);
        for (const char *const *option = mgd_code_reads(kind); *option; option++) {
            lua_pushboolean(L, true);
            lua_setfield(L, -2, *option);
        }
        lua_setfield(L, -2, "reads");
        lua_rawseti(L, -2, (int)kind + 1);
    }
    return 1;
}

/* Those of the network in field `net`, for a code that asks for them; they stay on the stack. */
static void set_matrices(lua_State *L, int index, mgd_train *train) {
    lua_getfield(L, index, "net");
    if (lua_isnil(L, -1))
        return;
    const mgd_net *net = l_check_net(L, -1);
    size_t count = mgd_net_matrices(net, NULL);
    mgd_matrix *matrices = lua_newuserdatauv(L, (count + 1) * sizeof *matrices, 0);
    train->num_matrices = mgd_net_matrices(net, matrices);
    train->matrices = matrices;
}

/* (P, options, …) of a code */
static size_t check_code(lua_State *L, mgd_train *train) {
    *train = mgd_train_defaults();
    l_train_options(L, 2, train);
    set_matrices(L, 2, train);
    return (size_t)l_integer(L, 1, "codes: parameters", 1, UINT32_MAX - 1);
}

/* figures(P, options) → the period in slots, 0 where there is none; ⟨s²⟩ of a parameter */
static int code_figures(lua_State *L) {
    mgd_context ctx = {0};
    mgd_train train;
    size_t parameters = check_code(L, &train);
    uint64_t period;
    double mean_square;
    l_check(L, mgd_code_figures(&ctx, &train, parameters, &period, &mean_square), &ctx);
    lua_pushinteger(L, (lua_Integer)period);
    lua_pushnumber(L, mean_square);
    return 2;
}

/* pattern(P, options, first slot, slots) → (slots, P) unit patterns, f64 */
static int code_pattern(lua_State *L) {
    mgd_context ctx = {0};
    mgd_train train;
    size_t parameters = check_code(L, &train);
    uint64_t first = (uint64_t)l_integer(L, 3, "codes: first", 0, INT64_C(1) << 40);
    size_t slots = (size_t)l_integer(L, 4, "codes: slots", 1, INT32_MAX);
    mgd_tensor **t = l_push_tensor_box(L);
    l_check(L, mgd_code_pattern(&ctx, &train, parameters, first, slots, t), &ctx);
    l_tensor_filled(L, *t);
    return 1;
}

/* ---- shift registers ------------------------------------------------------------------------- */

/* register_taps(bits) → list of the taps t, the longest first */
static int register_taps(lua_State *L) {
    unsigned bits = (unsigned)l_integer(L, 1, "register: bits", 2, MGD_REGISTER_MAX);
    uint32_t taps = mgd_register_taps(bits);
    lua_newtable(L);
    for (unsigned t = bits, count = 0; t >= 1; t--)
        if (taps >> (t - 1) & 1) {
            lua_pushinteger(L, t);
            lua_rawseti(L, -2, (int)++count);
        }
    return 1;
}

/* register_bits(phases) → the fewest bits with so many phases; the bits that are ample for them */
static int register_bits(lua_State *L) {
    double phases = (double)l_integer(L, 1, "register: phases", 1, UINT32_MAX);
    lua_pushinteger(L, mgd_register_bits(phases));
    lua_pushinteger(L, mgd_register_ample(phases));
    return 2;
}

static const luaL_Reg functions[] = {
    {"options", train_options},
    {"register_taps", register_taps},
    {"register_bits", register_bits},
    {"codes", train_codes},
    {"figures", code_figures},
    {"pattern", code_pattern},
    {"schedule", schedule_at},

    {NULL, NULL},
};

void l_open_train(lua_State *L) {
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "train");
}
