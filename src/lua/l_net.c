/* l_net.c: networks and costs. lua/mgd/networks/nn.lua turns them into what users see. */

#include "l_mgd.h"
#include "l_train.h"

#include <math.h>
#include <string.h>

l_net *l_check_net_box(lua_State *L, int index) {
    l_net *box = luaL_checkudata(L, index, L_NET);
    if (!box->net)
        l_error(L, "network: already freed");
    return box;
}

mgd_net *l_check_net(lua_State *L, int index) {
    return l_check_net_box(L, index)->net;
}

void l_cost(lua_State *L, int index, mgd_cost *cost) {
    *cost = (mgd_cost){.kind = MGD_COST_FUNCTION};
    lua_getfield(L, index, "cost");
    if (!lua_isfunction(L, -1))
        cost->kind = (mgd_cost_kind)l_choice_field(L, index, "cost", mgd_cost_name, MGD_COST_MSE);
    lua_pop(L, 1);
    cost->label_smoothing = l_number_field(L, index, "label_smoothing", 0);
}

void l_init(lua_State *L, int index, mgd_init *init) {
    init->scheme =
        (mgd_init_scheme)l_choice_field(L, index, "scheme", mgd_init_name, MGD_INIT_ZEROS);
    init->low = l_number_field(L, index, "low", -1);
    init->high = l_number_field(L, index, "high", 1);
    init->mean = l_number_field(L, index, "mean", 0);
    init->std = l_number_field(L, index, "std", 1);
    init->seed = l_seed_field(L, index, "seed");
    init->replica = l_count_field(L, index, "replica", 1, 0x1p53);
}

/* The size_t at t[i] of the table at `index`. */
static size_t size_at(lua_State *L, int index, int i, const char *what) {
    lua_rawgeti(L, index, i);
    size_t value = (size_t)l_integer(L, lua_gettop(L), what, 0, UINT32_MAX);
    lua_pop(L, 1);
    return value;
}

/* The list of sizes in field `name` of the table on top of the stack into out, at most `most`;
 * returns how many they are. */
static size_t sizes_field(lua_State *L, const char *name, size_t most, size_t *out) {
    size_t count = 0;
    lua_getfield(L, -1, name);
    if (lua_istable(L, -1)) {
        count = lua_rawlen(L, -1);
        if (count > most)
            l_error(L, "network: %s has %d entries, expected at most %d", name, (int)count,
                    (int)most);
        for (size_t i = 0; i < count; i++)
            out[i] = size_at(L, lua_gettop(L), (int)i + 1, name);
    }
    lua_pop(L, 1);
    return count;
}

static const char *layer_name(unsigned kind) {
    return kind < MGD_LAYER_COUNT ? mgd_layer_name((mgd_layer_kind)kind) : NULL;
}

/* Entry i of the list at `index`; `sources` has room for its sources. The name belongs to Lua. */
static mgd_layer layer_at(lua_State *L, int index, int i, size_t most, size_t *sources) {
    mgd_layer layer = {.sources = sources};
    lua_rawgeti(L, index, i);
    layer.kind = (mgd_layer_kind)l_choice_field(L, -1, "kind", layer_name, MGD_LAYER_COUNT);
    double outputs = l_number_field(L, -1, "outputs", 0); /* what is too many is told by the core */
    layer.outputs = outputs >= 0 && outputs < 0x1p53 ? (size_t)outputs : SIZE_MAX;
    sizes_field(L, "kernel", 2, layer.kernel);
    sizes_field(L, "stride", 2, layer.stride);
    sizes_field(L, "padding", 2, layer.padding);
    layer.ndim = sizes_field(L, "shape", MGD_MAX_DIMS, layer.shape);
    double modes = l_number_field(L, -1, "modes", 0);
    layer.modes = modes >= 0 && modes < 0x1p53 ? (size_t)modes : SIZE_MAX;
    layer.detect =
        (mgd_detect)l_choice_field(L, -1, "detect", mgd_detect_name, MGD_DETECT_INTENSITY);
    layer.cell = (mgd_layer_kind)l_choice_field(L, -1, "cell", layer_name, MGD_LAYER_TANH);
    layer.every = l_flag_field(L, -1, "every");
    layer.drawn = l_flag_field(L, -1, "drawn");
    layer.each_step = l_flag_field(L, -1, "each_step");
    layer.step = l_number_field(L, -1, "step", 0);
    layer.num_sources = sizes_field(L, "sources", most, sources);
    lua_getfield(L, -1, "name");
    layer.name = lua_tostring(L, -1);
    lua_pop(L, 2);
    return layer;
}

/* Sources of all layers together: a concat has many, the others one or two. */
static size_t count_sources(lua_State *L, int index, size_t layers) {
    size_t count = 0;
    for (size_t i = 0; i < layers; i++) {
        lua_rawgeti(L, index, (int)i + 1);
        lua_getfield(L, -1, "sources");
        count += lua_istable(L, -1) ? lua_rawlen(L, -1) : 0;
        lua_pop(L, 2);
    }
    return count;
}

/* new(dtype, {input shape}, {{kind =, sources =, …}, …}) → network; see mgd_layer for the fields */
static int net_new(lua_State *L) {
    mgd_dtype dtype = strcmp(luaL_checkstring(L, 1), "f64") == 0 ? MGD_F64 : MGD_F32;
    size_t ndim = lua_rawlen(L, 2), count = lua_rawlen(L, 3), shape[MGD_MAX_DIMS];
    if (ndim >= MGD_MAX_DIMS)
        l_error(L, "network: input has %d dimensions, expected fewer than %d", (int)ndim,
                MGD_MAX_DIMS);
    for (size_t i = 0; i < ndim; i++)
        shape[i] = size_at(L, 2, (int)i + 1, "network: input");
    size_t left = count_sources(L, 3, count);
    l_net *box = l_push_box(L, sizeof *box, L_NET);
    mgd_layer *layers = lua_newuserdatauv(L, (count + 1) * sizeof *layers, 1);
    size_t *sources = lua_newuserdatauv(L, (left + 1) * sizeof *sources, 1);
    for (size_t i = 0; i < count; i++) {
        layers[i] = layer_at(L, 3, (int)i + 1, left, sources);
        sources += layers[i].num_sources;
        left -= layers[i].num_sources;
    }
    mgd_context ctx = {0};
    l_check(L, mgd_net_new(&ctx, dtype, ndim, shape, count, layers, &box->net), &ctx);
    l_byte_debt(L, mgd_net_num_parameters(box->net) * mgd_dtype_size(dtype));
    lua_pop(L, 2);
    return 1;
}

/* plan() → {{kernel =, shape =, first =, parameters =, flop =, bytes =, offset =}, …, arena =
 * bytes} */
static int net_plan(lua_State *L) {
    mgd_net *net = l_check_net(L, 1);
    size_t count = mgd_net_plan_size(net), real = mgd_dtype_size(mgd_net_dtype(net));
    lua_createtable(L, (int)count, 1);
    for (size_t i = 0; i < count; i++) {
        mgd_plan_entry entry = mgd_net_plan_entry(net, i);
        lua_newtable(L);
        lua_pushstring(L, entry.kernel);
        lua_setfield(L, -2, "kernel");
        lua_createtable(L, (int)entry.ndim, 0);
        for (size_t k = 0; k < entry.ndim; k++) {
            lua_pushinteger(L, (lua_Integer)entry.shape[k]);
            lua_rawseti(L, -2, (int)k + 1);
        }
        lua_setfield(L, -2, "shape");
        lua_pushinteger(L, (lua_Integer)entry.parameters);
        lua_setfield(L, -2, "parameters");
        lua_pushinteger(L, (lua_Integer)entry.first + 1);
        lua_setfield(L, -2, "first");
        lua_pushnumber(L, entry.flop);
        lua_setfield(L, -2, "flop");
        lua_pushinteger(L, (lua_Integer)(entry.activations * real));
        lua_setfield(L, -2, "bytes");
        lua_pushinteger(L, (lua_Integer)(entry.offset * real));
        lua_setfield(L, -2, "offset");
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_pushinteger(L, (lua_Integer)(mgd_net_plan_arena(net) * real));
    lua_setfield(L, -2, "arena");
    return 1;
}

/* parts() → {{layer = (which of the list that `new` got), first =, parameters =, nodes =, dead =},
 * …}, in the order of θ */
static int net_parts(lua_State *L) {
    mgd_net *net = l_check_net(L, 1);
    size_t count = mgd_net_num_parts(net);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        mgd_part_entry part = mgd_net_part(net, i);
        lua_createtable(L, 0, 5);
        lua_pushinteger(L, (lua_Integer)part.layer + 1);
        lua_setfield(L, -2, "layer");
        lua_pushinteger(L, (lua_Integer)part.first + 1);
        lua_setfield(L, -2, "first");
        lua_pushinteger(L, (lua_Integer)part.parameters);
        lua_setfield(L, -2, "parameters");
        lua_pushinteger(L, (lua_Integer)part.nodes);
        lua_setfield(L, -2, "nodes");
        lua_pushinteger(L, (lua_Integer)part.dead);
        lua_setfield(L, -2, "dead");
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* matrices() → {{first =, rows =, columns =, place = "first" | "beside" | "biases"}, …}, in the
 * order of θ */
static int net_matrices(lua_State *L) {
    static const char *const places[] = {[MGD_MATRIX_FIRST] = "first",
                                         [MGD_MATRIX_BESIDE] = "beside",
                                         [MGD_MATRIX_BIASES] = "biases"};
    const mgd_net *net = l_check_net(L, 1);
    size_t count = mgd_net_matrices(net, NULL);
    mgd_matrix *matrices = lua_newuserdatauv(L, (count + 1) * sizeof *matrices, 0);
    mgd_net_matrices(net, matrices);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_createtable(L, 0, 4);
        lua_pushinteger(L, (lua_Integer)matrices[i].first + 1);
        lua_setfield(L, -2, "first");
        lua_pushinteger(L, (lua_Integer)matrices[i].rows);
        lua_setfield(L, -2, "rows");
        lua_pushinteger(L, (lua_Integer)matrices[i].columns);
        lua_setfield(L, -2, "columns");
        lua_pushstring(L, places[matrices[i].place]);
        lua_setfield(L, -2, "place");
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* plan_time({tiles =, private =, rounds =}) → {seconds of each call}, samples */
static int net_plan_time(lua_State *L) {
    mgd_context ctx = {0};
    mgd_net *net = l_check_net(L, 1);
    size_t count = mgd_net_plan_size(net), lanes;
    lua_getfield(L, 2, "private");
    bool private = lua_toboolean(L, -1);
    size_t tiles = (size_t)l_count_field(L, 2, "tiles", 1, UINT32_MAX);
    size_t rounds = (size_t)l_count_field(L, 2, "rounds", 1, UINT32_MAX);
    double *seconds = lua_newuserdatauv(L, count * sizeof *seconds, 1);
    l_check(L, mgd_net_plan_time(&ctx, net, tiles, private, rounds, seconds, &lanes), &ctx);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushnumber(L, seconds[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    lua_pushinteger(L, (lua_Integer)lanes);
    return 2;
}

static int net_gc(lua_State *L) {
    l_net *box = luaL_checkudata(L, 1, L_NET);
    if (box->users > 0)
        l_error(L, "network: a chip uses it");
    mgd_net_free(box->net);
    box->net = NULL;
    return 0;
}

/* sizes() → P, inputs, outputs, inputs that are read */
static int net_sizes(lua_State *L) {
    mgd_net *net = l_check_net(L, 1);
    lua_pushinteger(L, (lua_Integer)mgd_net_num_parameters(net));
    lua_pushinteger(L, (lua_Integer)mgd_net_inputs(net));
    lua_pushinteger(L, (lua_Integer)mgd_net_outputs(net));
    lua_pushinteger(L, (lua_Integer)mgd_net_inputs_read(net));
    return 4;
}

static int net_theta(lua_State *L) {
    mgd_context ctx = {0};
    mgd_net *net = l_check_net(L, 1);
    mgd_tensor **box = l_push_tensor_box(L);
    l_check(L, mgd_net_theta(&ctx, net, box), &ctx);
    l_tensor_filled(L, *box);
    return 1;
}

static int net_set_theta(lua_State *L) {
    mgd_context ctx = {0};
    mgd_net *net = l_check_net(L, 1);
    l_check(L, mgd_net_set_theta(&ctx, net, l_check_tensor(L, 2, "set_theta")), &ctx);
    return 0;
}

/* init(options table, checked in Lua) */
static int net_init(lua_State *L) {
    mgd_context ctx = {0};
    mgd_net *net = l_check_net(L, 1);
    mgd_init init;
    l_init(L, 2, &init);
    l_check(L, mgd_net_init(&ctx, net, &init), &ctx);
    return 0;
}

static int net_centre(lua_State *L) {
    mgd_context ctx = {0};
    mgd_net *net = l_check_net(L, 1);
    l_check(L, mgd_net_centre(&ctx, net, l_check_tensor(L, 2, "centre: x")), &ctx);
    return 0;
}

static int net_forward(lua_State *L) {
    mgd_context ctx = {0};
    mgd_net *net = l_check_net(L, 1);
    mgd_tensor *x = l_check_tensor(L, 2, "forward: x");
    mgd_tensor **box = l_push_tensor_box(L);
    l_check(L, mgd_net_forward(&ctx, net, x, box), &ctx);
    l_tensor_filled(L, *box);
    return 1;
}

/* gradient(x, y, {cost =, label_smoothing =}) → g (P), cost */
static int net_gradient(lua_State *L) {
    mgd_context ctx = {0};
    mgd_net *net = l_check_net(L, 1);
    mgd_tensor *x = l_check_tensor(L, 2, "gradient: x");
    mgd_tensor *y = l_check_tensor(L, 3, "gradient: y");
    mgd_cost cost;
    double value;
    l_cost(L, 4, &cost);
    mgd_tensor **box = l_push_tensor_box(L);
    l_check(L, mgd_net_gradient(&ctx, net, x, y, &cost, box, &value), &ctx);
    l_tensor_filled(L, *box);
    lua_pushnumber(L, value);
    return 2;
}

static const luaL_Reg methods[] = {
    {"__gc", net_gc},
    {"sizes", net_sizes},
    {"theta", net_theta},
    {"set_theta", net_set_theta},
    {"init", net_init},
    {"centre", net_centre},
    {"forward", net_forward},
    {"gradient", net_gradient},
    {"plan", net_plan},
    {"parts", net_parts},
    {"matrices", net_matrices},
    {"plan_time", net_plan_time},

    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", net_new},
    {NULL, NULL},
};

void l_open_net(lua_State *L) {
    l_new_type(L, L_NET, methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    l_push_names(L, mgd_cost_name);
    lua_setfield(L, -2, "costs");
    l_push_names(L, mgd_init_name);
    lua_setfield(L, -2, "schemes");
    lua_setfield(L, -2, "net");
}
