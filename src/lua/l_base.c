/* l_base.c: versions, memory counts, interrupts, the clock, random streams for specs. */

#include "../base/base.h" /* internal: interrupts, Philox known-answer test, ISA names */
#include "l_mgd.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sha2.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#define HASH_BYTES ((size_t)1 << 20) /* between two looks for an interrupt */

static int base_version(lua_State *L) {
    lua_pushstring(L, mgd_version());
    return 1;
}

static int base_memory(lua_State *L) {
    mgd_memory stats = mgd_memory_stats();
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)stats.live_blocks);
    lua_setfield(L, -2, "live_blocks");
    lua_pushinteger(L, (lua_Integer)stats.live_bytes);
    lua_setfield(L, -2, "live_bytes");
    lua_pushinteger(L, (lua_Integer)stats.total_blocks);
    lua_setfield(L, -2, "total_blocks");
    return 1;
}

static int base_fail_from(lua_State *L) {
    mgd_memory_fail_from((uint64_t)l_integer(L, 1, "fail_from: n", 0, INT64_C(1) << 52));
    return 0;
}

static int base_clock(lua_State *L) {
    lua_pushnumber(L, mgd_clock());
    return 1;
}

/* sleep(seconds): at most a second; Ctrl-C ends it early. */
static int base_sleep(lua_State *L) {
    double seconds = fmin(fmax(luaL_checknumber(L, 1), 0), 1);
    long nanoseconds = (long)(seconds * 1e9);
    nanosleep(
        &(struct timespec){.tv_sec = nanoseconds / 1000000000, .tv_nsec = nanoseconds % 1000000000},
        NULL);
    return 0;
}

static int base_interrupt(lua_State *L) {
    (void)L;
    mgd_interrupt_request();
    return 0;
}

/* interrupts() → how many requests to stop have been answered: what fails while this grows was
 * interrupted. */
static int base_interrupts(lua_State *L) {
    lua_pushnumber(L, mgd_interrupt_count());
    return 1;
}

/* random_words(seed, stream, replica, step, index) → four 32-bit words. */
static int base_random_words(lua_State *L) {
    const int64_t most = INT64_C(1) << 53;
    uint64_t seed = (uint64_t)l_integer(L, 1, "random_words: seed", -most, most);
    int64_t stream = l_integer(L, 2, "random_words: stream", 0, 255);
    uint64_t replica =
        (uint64_t)l_integer(L, 3, "random_words: replica", 0, (INT64_C(1) << 48) - 1);
    uint64_t step = (uint64_t)l_integer(L, 4, "random_words: step", 0, (INT64_C(1) << 40) - 1);
    uint32_t index = (uint32_t)l_integer(L, 5, "random_words: index", 0, UINT32_MAX);
    uint32_t words[4];
    mgd_random_words(seed, (mgd_stream)stream, replica, step, index, words);
    for (int i = 0; i < 4; i++)
        lua_pushnumber(L, words[i]);
    return 4;
}

/* philox(c0, c1, c2, c3, k0, k1) → four 32-bit words: of any counter and key, through the very
 * function that serves every stream. */
static int base_philox(lua_State *L) {
    uint64_t c[6];
    for (int i = 0; i < 6; i++)
        c[i] = (uint64_t)l_integer(L, i + 1, "philox: counter and key", 0, UINT32_MAX);
    uint32_t words[4];
    mgd_random_words(c[5] << 32 | c[4], (mgd_stream)(c[3] >> 24),
                     (c[3] & 0xffffff) << 24 | c[2] >> 8, (c[2] & 0xff) << 32 | c[1],
                     (uint32_t)c[0], words);
    for (int i = 0; i < 4; i++)
        lua_pushnumber(L, words[i]);
    return 4;
}

/* isa() → the name in force, {names available}. */
static int base_isa(lua_State *L) {
    mgd_context ctx = {0};
    mgd_isa isa;
    l_check(L, mgd_isa_select(&ctx, &isa), &ctx);
    lua_pushstring(L, mgd_isa_name(isa));
    lua_newtable(L);
    int n = 0;
    for (int i = 0; i < MGD_ISA_COUNT; i++)
        if (mgd_isa_available((mgd_isa)i)) {
            lua_pushstring(L, mgd_isa_name((mgd_isa)i));
            lua_rawseti(L, -2, ++n);
        }
    return 2;
}

/* compiler() → what built the library, "gcc 12.2.0" */
static int base_compiler(lua_State *L) {
#if defined(__clang__)
    lua_pushliteral(L, "clang " __clang_version__);
#elif defined(__GNUC__)
    lua_pushliteral(L, "gcc " __VERSION__);
#else
    lua_pushliteral(L, "unknown");
#endif
    return 1;
}

/* host() → the name of this machine, its system */
static int base_host(lua_State *L) {
    struct utsname u;
    if (uname(&u) != 0) {
        lua_pushliteral(L, "unknown");
        lua_pushliteral(L, "unknown");
        return 2;
    }
    lua_pushstring(L, u.nodename);
    lua_pushfstring(L, "%s %s %s", u.sysname, u.release, u.machine);
    return 2;
}

/* path() → the file that this module, or the program around it, was loaded from; nil where the
 * system cannot tell */
static int base_path(lua_State *L) {
    static const char here; /* in that file */
    Dl_info info;
    char *path = dladdr(&here, &info) ? realpath(info.dli_fname, NULL) : NULL;
    lua_pushstring(L, path); /* nil for NULL */
    free(path);
    return 1;
}

static int base_threads(lua_State *L) {
    mgd_context ctx = {0};
    size_t threads;
    l_check(L, mgd_threads_default(&ctx, &threads), &ctx);
    lua_pushinteger(L, (lua_Integer)threads);
    return 1;
}

/* isatty(descriptor) */
static int base_isatty(lua_State *L) {
    lua_pushboolean(L, isatty((int)l_integer(L, 1, "isatty: descriptor", 0, 1 << 16)));
    return 1;
}

/* terminal_columns() → how wide the terminal is to which stdout goes; nil where it is none. */
static int base_terminal_columns(lua_State *L) {
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return 0;
    lua_pushinteger(L, size.ws_col);
    return 1;
}

/* sha256(text) → 64 hexadecimal digits */
static int base_sha256(lua_State *L) {
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    char digest[SHA256_DIGEST_STRING_LENGTH];
    mgd_context ctx = {0};
    SHA2_CTX hash;
    SHA256Init(&hash);
    for (size_t done = 0; done < length; done += HASH_BYTES) {
        size_t rest = length - done;
        SHA256Update(&hash, (const uint8_t *)text + done, rest < HASH_BYTES ? rest : HASH_BYTES);
        l_check(L, mgd_interrupt_answer(&ctx), &ctx);
    }
    lua_pushstring(L, SHA256End(&hash, digest));
    return 1;
}

/* `digest` of what is left to read from `file`; errno tells of failures of the file. */
static mgd_status hash_file(mgd_context *ctx, int file, char digest[SHA256_DIGEST_STRING_LENGTH]) {
    static _Thread_local uint8_t piece[1 << 16];
    SHA2_CTX hash;
    SHA256Init(&hash);
    for (;;) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        ssize_t n = read(file, piece, sizeof piece);
        if (n < 0 && errno != EINTR)
            return mgd_fail(ctx, MGD_ERR_IO, "%s", strerror(errno));
        if (n == 0)
            break;
        if (n > 0)
            SHA256Update(&hash, piece, (size_t)n);
    }
    SHA256End(&hash, digest);
    return MGD_OK;
}

/* sha256_file(path) → 64 hexadecimal digits; or nil and why it cannot be read */
static int base_sha256_file(lua_State *L) {
    char digest[SHA256_DIGEST_STRING_LENGTH];
    mgd_context ctx = {0};
    int file = open(luaL_checkstring(L, 1), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        lua_pushnil(L);
        lua_pushstring(L, strerror(errno));
        return 2;
    }
    mgd_status status = hash_file(&ctx, file, digest);
    close(file);
    if (status == MGD_ERR_IO) {
        lua_pushnil(L);
        lua_pushstring(L, ctx.message);
        return 2;
    }
    l_check(L, status, &ctx);
    lua_pushstring(L, digest);
    return 1;
}

/* crc32(bytes) → the checksum of ZIP */
static int base_crc32(lua_State *L) {
    size_t length;
    const char *bytes = luaL_checklstring(L, 1, &length);
    mgd_context ctx = {0};
    uLong sum = 0;
    for (size_t done = 0; done < length; done += HASH_BYTES) {
        size_t rest = length - done;
        sum = crc32_z(sum, (const Bytef *)bytes + done, rest < HASH_BYTES ? rest : HASH_BYTES);
        l_check(L, mgd_interrupt_answer(&ctx), &ctx);
    }
    lua_pushinteger(L, (lua_Integer)sum);
    return 1;
}

static const luaL_Reg functions[] = {
    {"version", base_version},
    {"memory", base_memory},
    {"fail_from", base_fail_from},
    {"clock", base_clock},
    {"sleep", base_sleep},
    {"interrupt", base_interrupt},
    {"interrupts", base_interrupts},
    {"random_words", base_random_words},
    {"philox", base_philox},
    {"isa", base_isa},
    {"compiler", base_compiler},
    {"host", base_host},
    {"path", base_path},
    {"threads", base_threads},
    {"isatty", base_isatty},
    {"terminal_columns", base_terminal_columns},
    {"crc32", base_crc32},
    {"sha256", base_sha256},
    {"sha256_file", base_sha256_file},
    {NULL, NULL},
};

void l_open_base(lua_State *L) {
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "base");
    /* The interpreter knows nothing of mgd.h: this is how its signal handler asks. */
    static const struct {
        void (*request)(void);
        bool (*pending)(void);
        void (*clear)(void);
    } calls = {mgd_interrupt_request, mgd_interrupt_pending, mgd_interrupt_clear};
    lua_pushlightuserdata(L, (void *)(uintptr_t)&calls);
    lua_setfield(L, LUA_REGISTRYINDEX, "mgd.interrupts");
}
