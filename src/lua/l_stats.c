/* l_stats.c: core.stats, what statistics take from GSL, and the resampling loop. Values are lists
 * of numbers; lua/mgd/stats/init.lua checks what users give.
 */

#include "../base/base.h" /* internal: streams of random numbers, Ctrl-C */
#include "l_tensor.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_errno.h>
#include <gsl/gsl_fit.h>
#include <gsl/gsl_qrng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics_double.h>
#include <math.h>
#include <string.h>

enum { HALTON_MOST = 1229 }; /* dimensions */

#define PIECE ((size_t)1 << 16) /* values handled between two looks for an interrupt */

/* A copy of the list at `index`, collected by Lua. */
static double *list_of(lua_State *L, int index, size_t *count) {
    luaL_checktype(L, index, LUA_TTABLE);
    *count = lua_rawlen(L, index);
    double *values = lua_newuserdatauv(L, (*count + 1) * sizeof *values, 0);
    mgd_context ctx = {0};
    for (size_t i = 0; i < *count; i++) {
        if (i % PIECE == PIECE - 1)
            l_check(L, mgd_interrupt_answer(&ctx), &ctx);
        lua_rawgeti(L, index, (int)i + 1);
        values[i] = lua_tonumber(L, -1);
        lua_pop(L, 1);
    }
    return values;
}

/* Type 7 of Hyndman and Fan, 1996, as in R and NumPy. GSL's would answer nan where it multiplies an
 * infinite neighbour with 0. */
static double quantile(const double *sorted, size_t n, double q) {
    double place = q * (double)(n - 1), part = place - floor(place);
    size_t below = (size_t)place;
    if (part == 0 || sorted[below] == sorted[below + 1])
        return sorted[below];
    return (1 - part) * sorted[below] + part * sorted[below + 1];
}

/* Merges the sorted values[0, middle) and values[middle, n) into `out`. */
static mgd_status merge(mgd_context *ctx, const double *values, size_t middle, size_t n,
                        double *out) {
    size_t a = 0, b = middle;
    for (size_t i = 0; i < n; i++) {
        if (i % PIECE == PIECE - 1)
            MGD_TRY(mgd_interrupt_answer(ctx));
        bool first = b == n || (a < middle && values[a] <= values[b]);
        out[i] = first ? values[a++] : values[b++];
    }
    return MGD_OK;
}

/* Sorts pieces, which fit the cache, and merges them. Returns the sorted values in *sorted, which
 * is `values` or `spare`. */
static mgd_status sort(mgd_context *ctx, double *values, double *spare, size_t n, double **sorted) {
    for (size_t first = 0; first < n; first += PIECE) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        gsl_sort(values + first, 1, n - first < PIECE ? n - first : PIECE);
    }
    for (size_t length = PIECE; length < n; length *= 2) {
        for (size_t first = 0; first < n; first += 2 * length) {
            size_t rest = n - first, most = rest < 2 * length ? rest : 2 * length;
            MGD_TRY(merge(ctx, values + first, length < most ? length : most, most, spare + first));
        }
        double *from = values;
        values = spare;
        spare = from;
    }
    *sorted = values;
    return MGD_OK;
}

/* quantiles(values, {q, …}) → list; there is at least one value */
static int stats_quantiles(lua_State *L) {
    size_t n, m;
    double *values = list_of(L, 1, &n);
    const double *q = list_of(L, 2, &m);
    double *spare = n > PIECE ? lua_newuserdatauv(L, n * sizeof *spare, 0) : NULL, *sorted = NULL;
    mgd_context ctx = {0};
    l_check(L, sort(&ctx, values, spare, n, &sorted), &ctx);
    lua_createtable(L, (int)m, 0);
    for (size_t i = 0; i < m; i++) {
        lua_pushnumber(L, quantile(sorted, n, q[i]));
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* A statistic of a sample, which it may put in order. */
static double statistic(const char *name, double *sample, size_t n) {
    return name[2] == 'a' /* me-a-n */ ? gsl_stats_mean(sample, 1, n)
                                       : gsl_stats_median(sample, 1, n);
}

/* Draws with replacement: word `i` of the stream picks value ⌊n·u⌋. */
static mgd_status resample(mgd_context *ctx, const double *values, size_t n, uint64_t seed,
                           uint64_t draw, double *sample) {
    uint32_t words[4] = {0};
    for (size_t i = 0; i < n; i++) {
        if (i % PIECE == PIECE - 1)
            MGD_TRY(mgd_interrupt_answer(ctx));
        if (i % 4 == 0)
            mgd_random_words(seed, MGD_STREAM_BOOTSTRAP, 0, draw, (uint32_t)(i / 4), words);
        sample[i] = values[(uint64_t)words[i % 4] * n >> 32];
    }
    return MGD_OK;
}

/* bootstrap(values, "mean" | "median", resamples, seed) → the statistic of each resample */
static int stats_bootstrap(lua_State *L) {
    size_t n;
    const double *values = list_of(L, 1, &n);
    const char *name = luaL_checkstring(L, 2);
    lua_Integer resamples = luaL_checkinteger(L, 3);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 4);
    double *sample = lua_newuserdatauv(L, (n + 1) * sizeof *sample, 0);
    lua_createtable(L, (int)resamples, 0);
    mgd_context ctx = {0};
    for (lua_Integer i = 0; i < resamples; i++) {
        l_check(L, mgd_interrupt_answer(&ctx), &ctx);
        l_check(L, resample(&ctx, values, n, seed, (uint64_t)i, sample), &ctx);
        lua_pushnumber(L, statistic(name, sample, n));
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* resample(values, draw, seed) → the list of one resample */
static int stats_resample(lua_State *L) {
    size_t n;
    const double *values = list_of(L, 1, &n);
    uint64_t draw = (uint64_t)luaL_checkinteger(L, 2), seed = (uint64_t)luaL_checkinteger(L, 3);
    double *sample = lua_newuserdatauv(L, (n + 1) * sizeof *sample, 0);
    mgd_context ctx = {0};
    l_check(L, resample(&ctx, values, n, seed, draw, sample), &ctx);
    lua_createtable(L, (int)n, 0);
    for (size_t i = 0; i < n; i++) {
        lua_pushnumber(L, sample[i]);
        lua_rawseti(L, -2, (int)i + 1);
    }
    return 1;
}

/* uniform(seed, point, dimension) → number in (0, 1) of the stream of random points */
static int stats_uniform(lua_State *L) {
    double out[2];
    mgd_random_uniform2((uint64_t)luaL_checkinteger(L, 1), MGD_STREAM_SWEEP, 0,
                        (uint64_t)luaL_checkinteger(L, 2), (uint32_t)luaL_checkinteger(L, 3), out);
    lua_pushnumber(L, out[0]);
    return 1;
}

/* line(x, y) → intercept, slope, their variances, residual sum of squares */
static int stats_line(lua_State *L) {
    size_t n, m;
    const double *x = list_of(L, 1, &n), *y = list_of(L, 2, &m);
    double c0, c1, cov00, cov01, cov11, sum;
    gsl_fit_linear(x, 1, y, 1, n, &c0, &c1, &cov00, &cov01, &cov11, &sum);
    lua_pushnumber(L, c0);
    lua_pushnumber(L, c1);
    lua_pushnumber(L, cov00);
    lua_pushnumber(L, cov11);
    lua_pushnumber(L, sum);
    return 5;
}

/* weighted_line(x, y, weights): the same, weights being 1/σ² of y; χ² in place of the residuals */
static int stats_weighted_line(lua_State *L) {
    size_t n, m, k;
    const double *x = list_of(L, 1, &n), *y = list_of(L, 2, &m), *w = list_of(L, 3, &k);
    double c0, c1, cov00, cov01, cov11, chi;
    gsl_fit_wlinear(x, 1, w, 1, y, 1, n, &c0, &c1, &cov00, &cov01, &cov11, &chi);
    lua_pushnumber(L, c0);
    lua_pushnumber(L, c1);
    lua_pushnumber(L, cov00);
    lua_pushnumber(L, cov11);
    lua_pushnumber(L, chi);
    return 5;
}

/* normal_quantile(p) */
static int stats_normal_quantile(lua_State *L) {
    lua_pushnumber(L, gsl_cdf_ugaussian_Pinv(luaL_checknumber(L, 1)));
    return 1;
}

/* t_quantile(p, degrees of freedom): Student's */
static int stats_t_quantile(lua_State *L) {
    lua_pushnumber(L, gsl_cdf_tdist_Pinv(luaL_checknumber(L, 1), luaL_checknumber(L, 2)));
    return 1;
}

/* Rows of n points, after `skip` that are left out; in blocks, to look for Ctrl-C between them. */
static mgd_status fill_points(mgd_context *ctx, gsl_qrng *sequence, size_t n, size_t skip,
                              double *rows, size_t d) {
    double unused[HALTON_MOST];
    for (size_t i = 0; i < skip + n; i++) {
        if (i % 65536 == 65535)
            MGD_TRY(mgd_interrupt_answer(ctx));
        gsl_qrng_get(sequence, i < skip ? unused : rows + (i - skip) * d);
    }
    return MGD_OK;
}

/* quasi("sobol" | "halton", n, d, skip) → tensor (n, d) of f64 */
static int stats_quasi(lua_State *L) {
    bool sobol = strcmp(luaL_checkstring(L, 1), "sobol") == 0;
    size_t n = (size_t)luaL_checkinteger(L, 2), d = (size_t)luaL_checkinteger(L, 3);
    size_t skip = (size_t)luaL_checkinteger(L, 4);
    mgd_context ctx = {0};
    mgd_tensor **out = l_push_tensor_box(L);
    l_check(L, mgd_tensor_new(&ctx, MGD_F64, 2, (size_t[]){n, d}, out), &ctx);
    l_tensor_filled(L, *out);
    /* no Lua from here to gsl_qrng_free */
    gsl_error_handler_t *handler = gsl_set_error_handler_off(); /* it would abort */
    gsl_qrng *sequence = gsl_qrng_alloc(sobol ? gsl_qrng_sobol : gsl_qrng_halton, (unsigned)d);
    gsl_set_error_handler(handler);
    if (!sequence)
        return l_error(L, "out of memory: a sequence in %d dimensions", (int)d);
    mgd_status status = fill_points(&ctx, sequence, n, skip, mgd_tensor_data(*out), d);
    gsl_qrng_free(sequence);
    l_check(L, status, &ctx);
    return 1;
}

static const luaL_Reg functions[] = {
    {"bootstrap", stats_bootstrap},
    {"line", stats_line},
    {"normal_quantile", stats_normal_quantile},
    {"quantiles", stats_quantiles},
    {"quasi", stats_quasi},
    {"resample", stats_resample},
    {"t_quantile", stats_t_quantile},
    {"uniform", stats_uniform},
    {"weighted_line", stats_weighted_line},
    {NULL, NULL},
};

void l_open_stats(lua_State *L) {
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "stats");
}
