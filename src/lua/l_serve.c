/* l_serve.c: core.serve, the chip server. lua/mgd/hardware/serve.lua checks the options. */

#include "../serve/serve.h" /* internal: no part of the public API yet */
#include "l_train.h"

#include <string.h>

#define L_SERVER "mgd.server"

/* The box's user value is a table {chip =, identity =, cost =, memory =, log =}: what the server
 * needs kept alive, and its functions. Tensors and texts that it points to are there, too. */
typedef struct {
    mgd_server *server;
    mgd_listener *listener;
    mgd_work *work;
    l_chip *chip;
    l_callback cost, log;
    int busy;
} l_server;

static l_server *check_server(lua_State *L) {
    l_server *box = luaL_checkudata(L, 1, L_SERVER);
    if (!box->server)
        l_error(L, "server: already closed");
    if (box->busy)
        l_error(L, "server: it is at work: a function that it calls must not use it");
    return box;
}

/* ---- callbacks ------------------------------------------------------------------------------- */

static mgd_status cost_function(void *user, mgd_context *ctx, const mgd_tensor *y,
                                const mgd_tensor *target, double *cost) {
    const l_server *box = user;
    return l_call_back(&box->cost, ctx, "serve: cost", y, target, NULL, NULL, cost);
}

static mgd_status log_function(void *user, mgd_context *ctx, const char *text) {
    const l_server *box = user;
    lua_State *L = box->log.L;
    int top = lua_gettop(L);
    lua_pushvalue(L, box->log.function);
    lua_pushstring(L, text);
    mgd_status status = l_protected(L, 1, 0, ctx, "serve: log");
    lua_settop(L, top);
    return status;
}

/* Puts the functions on the stack, where the callbacks find them while the library works; `leave`
 * undoes it. */
static l_callback enter(lua_State *L, l_server *box, int kept) {
    l_callback outer = box->chip->evaluate;
    luaL_checkstack(L, 8, "serve");
    lua_getfield(L, kept, "log");
    box->log = (l_callback){L, lua_gettop(L), 0};
    lua_getfield(L, kept, "cost");
    box->cost = (l_callback){L, lua_gettop(L), 0};
    lua_getfield(L, kept, "chip");
    l_get_user_value(L, -1);
    lua_rawgeti(L, -1, 1);
    lua_getfield(L, kept, "memory");
    box->chip->evaluate = (l_callback){L, lua_gettop(L) - 1, lua_gettop(L)};
    box->busy = 1;
    return outer;
}

static void leave(l_server *box, l_callback outer) {
    box->chip->evaluate = outer;
    box->cost = box->log = (l_callback){NULL, 0, 0};
    box->busy = 0;
}

/* ---- making ---------------------------------------------------------------------------------- */

/* The numbers of a list; how many. */
static size_t read_shape(lua_State *L, int index, const char *name, size_t shape[MGD_MAX_DIMS]) {
    lua_getfield(L, index, name);
    luaL_checktype(L, -1, LUA_TTABLE);
    size_t count = lua_rawlen(L, -1);
    if (count < 1 || count > MGD_MAX_DIMS - 1)
        l_error(L, "serve: %s: expected 1 to %d dimensions", name, MGD_MAX_DIMS - 1);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (int)i + 1);
        shape[i] = (size_t)l_integer(L, lua_gettop(L), name, 1, UINT32_MAX);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return count;
}

static const char *text_field(lua_State *L, int index, const char *name) {
    lua_getfield(L, index, name);
    const char *text = luaL_checkstring(L, -1);
    lua_pop(L, 1); /* the table keeps it */
    return text;
}

static void read_spec(lua_State *L, int index, mgd_server_spec *spec) {
    spec->ndim_x = read_shape(L, index, "shape_x", spec->shape_x);
    spec->ndim_y = read_shape(L, index, "shape_y", spec->shape_y);
    spec->outputs = (size_t)l_count_field(L, index, "outputs", 0, UINT32_MAX);
    spec->x = l_tensor_field(L, index, "x");
    spec->y = l_tensor_field(L, index, "y");
    spec->safe = l_tensor_field(L, index, "safe");
    l_cost(L, index, &spec->cost);
    spec->costs = l_flag_field(L, index, "costs");
    spec->perturbs = l_flag_field(L, index, "perturbs");
    spec->stateless = l_flag_field(L, index, "stateless");
    spec->dt = l_number_field(L, index, "dt", 1);
    spec->threads = (size_t)l_count_field(L, index, "threads", 0, UINT32_MAX);
    spec->samples = (size_t)l_count_field(L, index, "samples", 1, UINT32_MAX);
    spec->message = (size_t)l_count_field(L, index, "message", 1, UINT32_MAX);
    spec->identity = text_field(L, index, "identity");
    spec->more = text_field(L, index, "more");
}

/* new(chip, options) → server, of options that it keeps */
static int server_new(lua_State *L) {
    mgd_context ctx = {0};
    l_chip *chip = l_check_chip(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    mgd_server_spec spec = {.chip = chip->chip,
                            .num_parameters = mgd_chip_num_parameters(chip->chip)};
    read_spec(L, 2, &spec);
    l_server *box = l_push_box(L, sizeof *box, L_SERVER);
    box->chip = chip;
    lua_pushvalue(L, 1);
    lua_setfield(L, 2, "chip");
    lua_pushvalue(L, 2);
    l_set_user_value(L, 3);
    if (spec.cost.kind == MGD_COST_FUNCTION) {
        spec.cost.function = cost_function;
        spec.cost.user = box;
    }
    l_check(L, mgd_server_new(&ctx, &spec, &box->server), &ctx);
    chip->users++;
    return 1;
}

static int server_gc(lua_State *L) {
    l_server *box = luaL_checkudata(L, 1, L_SERVER);
    if (box->busy)
        return l_error(L, "server: it is at work: a function that it calls must not close it");
    mgd_work_close(box->work);
    box->work = NULL;
    mgd_listener_close(box->listener);
    box->listener = NULL;
    if (box->server)
        box->chip->users--;
    mgd_server_free(box->server);
    box->server = NULL;
    return 0;
}

/* ---- at work --------------------------------------------------------------------------------- */

/* listen(address, {requests =, clients =, seconds =, idle =, stall =}) → where it listens, once */
static int server_listen(lua_State *L) {
    mgd_context ctx = {0};
    l_server *box = check_server(L);
    luaL_checktype(L, 3, LUA_TTABLE);
    mgd_server_limits limits = {.requests = l_count_field(L, 3, "requests", 0, 0x1p53),
                                .clients = l_count_field(L, 3, "clients", 0, 0x1p53),
                                .seconds = l_number_field(L, 3, "seconds", 0),
                                .idle = l_number_field(L, 3, "idle", 0),
                                .stall = l_number_field(L, 3, "stall", 10),
                                .user = box};
    if (box->listener)
        return l_error(L, "server: it listens already");
    l_get_user_value(L, 1);
    lua_getfield(L, -1, "log");
    limits.log = lua_isnil(L, -1) ? NULL : log_function;
    l_check(L, mgd_listener_open(&ctx, luaL_checkstring(L, 2), &box->listener), &ctx);
    l_check(L, mgd_work_open(&ctx, box->server, box->listener, &limits, &box->work), &ctx);
    lua_pushstring(L, mgd_listener_address(box->listener));
    return 1;
}

/* work(seconds) → false while it goes on; or requests, errors, clients; or nil, and why */
static int server_work(lua_State *L) {
    mgd_context ctx = {0};
    bool over = false;
    l_server *box = check_server(L);
    double seconds = luaL_checknumber(L, 2);
    if (!box->work)
        return l_error(L, "server: it listens nowhere");
    lua_settop(L, 1);
    l_get_user_value(L, 1);
    l_callback outer = enter(L, box, 2);
    mgd_status status = mgd_work_some(&ctx, box->work, seconds, &over);
    leave(box, outer);
    if (status != MGD_OK) {
        lua_pushnil(L);
        lua_pushstring(L, ctx.message);
        return 2;
    }
    mgd_server_counts counts = mgd_server_counted(box->server);
    if (!over) {
        lua_pushboolean(L, 0);
        return 1;
    }
    lua_pushinteger(L, (lua_Integer)counts.requests);
    lua_pushinteger(L, (lua_Integer)counts.errors);
    lua_pushinteger(L, (lua_Integer)counts.clients);
    return 3;
}

/* take(bytes) → what it answers: a client in the script itself */
static int server_take(lua_State *L) {
    mgd_context ctx = {0};
    size_t count;
    l_server *box = check_server(L);
    const char *bytes = luaL_checklstring(L, 2, &count);
    lua_settop(L, 2);
    l_get_user_value(L, 1);
    l_callback outer = enter(L, box, 3);
    int top = lua_gettop(L);
    mgd_status status = mgd_server_take(&ctx, box->server, bytes, count);
    for (size_t size; status == MGD_OK;) {
        const char *answers = mgd_server_answers(box->server, &size);
        if (size == 0)
            break;
        if (!lua_checkstack(L, 4)) {
            status = MGD_ERR_MEMORY;
            break;
        }
        lua_pushlstring(L, answers, size);
        status = mgd_server_take(&ctx, box->server, NULL, 0);
    }
    leave(box, outer);
    l_check(L, status, &ctx);
    lua_concat(L, lua_gettop(L) - top);
    return 1;
}

static const luaL_Reg methods[] = {
    {"listen", server_listen}, {"work", server_work}, {"take", server_take},
    {"close", server_gc},      {"__gc", server_gc},   {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"new", server_new},
    {NULL, NULL},
};

void l_open_serve(lua_State *L) {
    l_new_type(L, L_SERVER, methods);
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "serve");
}
