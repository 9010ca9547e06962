/* native.c: the part of the bench that must be C: clocks around C calls, the scalar loop, what the
 * machine can do at most, child processes. A Lua module that takes the library from mgd/core.so, so
 * that there is one copy of it and the engine under test is the one that scripts use.
 */

#include "../../src/mgd.h"
#include "child.h"
#include "peak.h"
#include "pong.h"
#include "spice.h"
#include "scalar.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_THREADS 256

extern char **environ;

/* ---- the engine ------------------------------------------------------------------------------ */

static double processor_time(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* processor_time() → seconds that this process has had */
static int native_processor_time(lua_State *L) {
    lua_pushnumber(L, processor_time());
    return 1;
}

/* advance(run.core, steps) → seconds, seconds of the processor. The box of a run begins with the
 * mgd_run (see l_run.c); the options of the runs here hold no Lua functions, so nothing else of the
 * box is needed. */
static int native_advance(lua_State *L) {
    mgd_context ctx = {0};
    mgd_run *run = *(mgd_run **)luaL_checkudata(L, 1, "mgd.run");
    uint64_t steps = (uint64_t)luaL_checkinteger(L, 2);
    double begin = mgd_clock(), begin_processor = processor_time();
    mgd_status status = mgd_run_advance(&ctx, run, steps);
    double processor = processor_time() - begin_processor, seconds = mgd_clock() - begin;
    if (status != MGD_OK)
        return luaL_error(L, "%s", ctx.message);
    lua_pushnumber(L, seconds);
    lua_pushnumber(L, processor);
    return 2;
}

/* ---- the scalar loop ------------------------------------------------------------------------- */

static const mgd_tensor *check_f32(lua_State *L, int index) {
    const mgd_tensor *t = *(mgd_tensor **)luaL_checkudata(L, index, "mgd.tensor");
    luaL_argcheck(L, mgd_tensor_dtype(t) == MGD_F32 && mgd_tensor_contiguous(t), index,
                  "expected a contiguous tensor of f32");
    return t;
}

/* scalar({2, 2, 1}, x, y, amplitude, eta) → run; the user value keeps x and y */
static int native_scalar(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    const mgd_tensor *x = check_f32(L, 2), *y = check_f32(L, 3);
    scalar_run *run = lua_newuserdatauv(L, sizeof *run, 2);
    luaL_setmetatable(L, "bench.scalar");
    memset(run, 0, sizeof *run);
    for (int i = 2; i <= 3; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i - 1);
    }
    run->layers = (int)lua_rawlen(L, 1) - 1;
    luaL_argcheck(L, run->layers >= 1 && run->layers <= SCALAR_MAX_LAYERS, 1, "too many layers");
    for (int i = 0; i <= run->layers; i++) {
        lua_rawgeti(L, 1, i + 1);
        run->sizes[i] = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
        luaL_argcheck(L, run->sizes[i] >= 1 && run->sizes[i] <= SCALAR_MAX_WIDTH, 1, "too wide");
        run->parameters += i > 0 ? (run->sizes[i - 1] + 1) * run->sizes[i] : 0;
    }
    luaL_argcheck(L, run->parameters <= SCALAR_MAX_PARAMETERS, 1, "too many parameters");
    run->samples = mgd_tensor_shape(x)[0];
    run->x = mgd_tensor_data(x);
    run->y = mgd_tensor_data(y);
    run->amplitude = (float)luaL_checknumber(L, 4);
    run->eta = (float)luaL_checknumber(L, 5);
    scalar_start(run, 1);
    return 1;
}

/* Field `name` of the table at 1 as a list of at most `most` integers; returns how many. */
static int list_field(lua_State *L, const char *name, int most, int *out) {
    lua_getfield(L, 1, name);
    int n = (int)lua_rawlen(L, -1);
    luaL_argcheck(L, n <= most, 1, "too many layers");
    for (int i = 0; i < n; i++) {
        lua_rawgeti(L, -1, i + 1);
        out[i] = (int)lua_tointeger(L, -1);
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return n;
}

static int integer_field(lua_State *L, const char *name) {
    lua_getfield(L, 1, name);
    int value = (int)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return value;
}

/* Counts parameters and the largest layer. */
static size_t measure_image(image_run *run) {
    int side = run->side, inputs = run->channels[0];
    size_t largest = 64;
    for (int i = 1; i <= run->convs; i++) {
        size_t values = (size_t)run->channels[i] * (size_t)((side - 2) * (side - 2));
        largest = values > largest ? values : largest;
        run->parameters += run->channels[i] * (inputs * 9 + 1);
        inputs = run->channels[i];
        side = (side - 2) / 2;
    }
    inputs *= side * side;
    for (int i = 0; i < run->denses; i++) {
        run->parameters += run->widths[i] * (inputs + 1);
        inputs = run->widths[i];
        largest = (size_t)inputs > largest ? (size_t)inputs : largest;
    }
    return largest;
}

/* image({side =, channels = {…}, widths = {…}, batch =, two_sided =}, x, y, θ, amplitude, eta) → run;
 * θ (P) is where it starts */
static int native_image(lua_State *L) {
    const mgd_tensor *x = check_f32(L, 2), *y = check_f32(L, 3), *theta = check_f32(L, 4);
    image_run set = {.side = integer_field(L, "side"),
                     .batch = integer_field(L, "batch"),
                     .two_sided = integer_field(L, "two_sided"),
                     .samples = mgd_tensor_shape(x)[0],
                     .x = mgd_tensor_data(x),
                     .y = mgd_tensor_data(y),
                     .amplitude = (float)luaL_checknumber(L, 5),
                     .eta = (float)luaL_checknumber(L, 6),
                     .random = {1, 2, 3, 4}};
    set.convs = list_field(L, "channels", IMAGE_MAX_LAYERS + 1, set.channels) - 1;
    set.denses = list_field(L, "widths", IMAGE_MAX_LAYERS, set.widths);
    set.features = mgd_tensor_size(x) / set.samples;
    size_t largest = measure_image(&set), parameters = (size_t)set.parameters;
    luaL_argcheck(L, parameters == mgd_tensor_size(theta), 4, "expected (P) values");
    size_t floats = 5 * parameters + 3 * largest;
    image_run *run = lua_newuserdatauv(
        L, sizeof *run + (size_t)set.batch * sizeof(uint64_t) + floats * sizeof(float), 2);
    luaL_setmetatable(L, "bench.image");
    set.index = (uint64_t *)(run + 1);
    float *at = (float *)(set.index + set.batch), **arrays[] = {&set.theta, &set.noise, &set.moved,
                                                                &set.first, &set.second};
    memset(at, 0, floats * sizeof(float));
    for (int i = 0; i < 5; i++, at += parameters)
        *arrays[i] = at;
    for (int i = 0; i < 3; i++, at += largest)
        set.values[i] = at;
    memcpy(set.theta, mgd_tensor_data(theta), parameters * sizeof(float));
    *run = set;
    for (int i = 2; i <= 3; i++) {
        lua_pushvalue(L, i);
        lua_setiuservalue(L, -2, i - 1);
    }
    return 1;
}

static int image_timed(lua_State *L, image_steps *work) {
    image_run *run = luaL_checkudata(L, 1, "bench.image");
    uint64_t steps = (uint64_t)luaL_checkinteger(L, 2);
    double begin = mgd_clock();
    work(run, steps);
    lua_pushnumber(L, mgd_clock() - begin);
    return 1;
}

static int image_run_o2(lua_State *L) {
    return image_timed(L, image_o2);
}

static int image_run_native(lua_State *L) {
    return image_timed(L, image_native);
}

/* run:o2(steps), run:native(steps) → seconds */
static int scalar_timed(lua_State *L, scalar_steps *work) {
    scalar_run *run = luaL_checkudata(L, 1, "bench.scalar");
    uint64_t steps = (uint64_t)luaL_checkinteger(L, 2);
    double begin = mgd_clock();
    work(run, steps);
    lua_pushnumber(L, mgd_clock() - begin);
    return 1;
}

static int scalar_run_o2(lua_State *L) {
    return scalar_timed(L, scalar_o2);
}

static int scalar_run_native(lua_State *L) {
    return scalar_timed(L, scalar_native);
}

/* run:theta() → {numbers}: so that one can see that it learns */
static int scalar_theta(lua_State *L) {
    const scalar_run *run = luaL_checkudata(L, 1, "bench.scalar");
    lua_createtable(L, run->parameters, 0);
    for (int i = 0; i < run->parameters; i++) {
        lua_pushnumber(L, (lua_Number)run->theta[i]);
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

/* ---- the machine ----------------------------------------------------------------------------- */

/* A share of the work of several threads: so many times. */
typedef struct {
    void (*work)(void *memory, size_t bytes, size_t times);
    void *memory;
    size_t bytes, times;
} share;

static void *work_on(void *argument) {
    const share *s = argument;
    s->work(s->memory, s->bytes, s->times);
    return NULL;
}

/* Does the shares at once, the first one itself → seconds. */
static double in_threads(lua_State *L, share *shares, int threads) {
    pthread_t thread[MAX_THREADS];
    double begin = mgd_clock();
    int started = 1;
    while (started < threads && !pthread_create(&thread[started], NULL, work_on, &shares[started]))
        started++;
    work_on(&shares[0]);
    for (int i = 1; i < started; i++)
        pthread_join(thread[i], NULL);
    if (started < threads)
        luaL_error(L, "cannot start %d threads", threads);
    return mgd_clock() - begin;
}

static int check_threads(lua_State *L, int index) {
    lua_Integer threads = luaL_checkinteger(L, index);
    luaL_argcheck(L, threads >= 1 && threads <= MAX_THREADS, index, "too many threads");
    return (int)threads;
}

/* peak(threads, times) → seconds, floating-point operations */
static int native_peak(lua_State *L) {
    int threads = check_threads(L, 1);
    size_t times = (size_t)luaL_checkinteger(L, 2);
    share shares[MAX_THREADS];
    for (int i = 0; i < threads; i++)
        shares[i] = (share){peak_multiply, NULL, 0, times};
    lua_pushnumber(L, in_threads(L, shares, threads));
    lua_pushnumber(L, peak_flops(times) * threads);
    return 2;
}

/* buffer(bytes) → memory whose pages are there */
static int native_buffer(lua_State *L) {
    size_t bytes = (size_t)luaL_checkinteger(L, 1);
    memset(lua_newuserdatauv(L, bytes, 0), 1, bytes);
    return 1;
}

/* read(buffer, threads, times) → seconds; each thread reads a part of its own */
static int native_read(lua_State *L) {
    luaL_checktype(L, 1, LUA_TUSERDATA);
    char *buffer = lua_touserdata(L, 1);
    int threads = check_threads(L, 2);
    size_t times = (size_t)luaL_checkinteger(L, 3), part = lua_rawlen(L, 1) / (size_t)threads;
    share shares[MAX_THREADS];
    for (int i = 0; i < threads; i++)
        shares[i] = (share){peak_read, buffer + (size_t)i * part, part, times};
    lua_pushnumber(L, in_threads(L, shares, threads));
    return 1;
}

/* Runs a program found on PATH, its output thrown away: spawn(program, argument, …) → seconds, or
 * nil when it cannot be started or fails. */
static int native_spawn(lua_State *L) {
    char *words[16] = {0};
    int n = lua_gettop(L), status;
    luaL_argcheck(L, n >= 1 && n < 16, 1, "too many arguments");
    for (int i = 0; i < n; i++)
        words[i] = (char *)luaL_checkstring(L, i + 1);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 2, "/dev/null", O_WRONLY, 0);
    pid_t child;
    double begin = mgd_clock();
    int error = posix_spawnp(&child, words[0], &actions, NULL, words, environ);
    posix_spawn_file_actions_destroy(&actions);
    if (error || waitpid(child, &status, 0) != child || status != 0)
        return 0;
    lua_pushnumber(L, mgd_clock() - begin);
    return 1;
}

static int native_machine(lua_State *L) {
    lua_newtable(L);
    lua_pushinteger(L, (lua_Integer)sysconf(_SC_NPROCESSORS_ONLN));
    lua_setfield(L, -2, "cores");
    lua_pushinteger(L, peak_vector_bits());
    lua_setfield(L, -2, "vector_bits");
#if defined(__clang__)
    lua_pushliteral(L, "clang " __clang_version__);
#else
    lua_pushliteral(L, "gcc " __VERSION__);
#endif
    lua_setfield(L, -2, "compiler");
    return 1;
}

int luaopen_bench_native(lua_State *L);
int luaopen_bench_native(lua_State *L) {
    static const luaL_Reg scalar_methods[] = {
        {"o2", scalar_run_o2},
        {"native", scalar_run_native},
        {"theta", scalar_theta},

        {NULL, NULL},
    };
    static const luaL_Reg functions[] = {
        {"advance", native_advance},
        {"processor_time", native_processor_time},
        {"scalar", native_scalar},
        {"image", native_image},
        {"peak", native_peak},
        {"buffer", native_buffer},
        {"read", native_read},
        {"child", child_start},
        {"spawn", native_spawn},
        {"tcp_pong", pong_tcp},
        {"pipe_pong", pong_pipe},
        {"spice_here", spice_here},
        {"spice", spice_load},
        {"spice_time", spice_time},
        {"machine", native_machine},

        {NULL, NULL},
    };
    child_register(L);
    pong_register(L);
    static const luaL_Reg image_methods[] = {
        {"o2", image_run_o2},
        {"native", image_run_native},

        {NULL, NULL},
    };
    luaL_newmetatable(L, "bench.image");
    luaL_newlib(L, image_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newmetatable(L, "bench.scalar");
    luaL_newlib(L, scalar_methods);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
