/* A perturbation code made ready: its row's part, zeros, and what differs between parameters. */

#include "code.h"
#include "../base/number.h"

#include <string.h>

/* ---- zeros ----------------------------------------------------------------------------------- */

static bool reads(const mgd_code_type *type, const char *option) {
    const char *const *name = type->reads;
    while (*name && strcmp(*name, option) != 0)
        name++;
    return *name;
}

static mgd_status open_sparsity(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    if (train->sparsity > 0 && !reads(code->type, "sparsity"))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "perturbation: this code has no sparse variant");
    code->zero_below = (uint32_t)(train->sparsity * 0x1p31);
    code->mean_square *= 1 - (double)code->zero_below * 0x1p-31;
    return MGD_OK;
}

/* ---- gains ----------------------------------------------------------------------------------- */

/* Factors of amplitudes that rules give, 0 where nothing is perturbed. */
static void take_rules(const mgd_train *train, size_t count, double *r) {
    for (size_t i = 0; i < train->num_rules; i++) {
        const mgd_rule *rule = &train->rules[i];
        for (size_t k = 0; k < rule->parameters.count && rule->parameters.first + k < count; k++)
            r[rule->parameters.first + k] *= rule->still ? 0 : rule->amplitude;
    }
}

/* `values` (count), or ones where there is no tensor; all above 0 */
static mgd_status take_positive(mgd_context *ctx, const char *what, const mgd_tensor *t,
                                size_t count, double *values) {
    for (size_t i = 0; i < count; i++)
        values[i] = 1;
    if (t)
        MGD_TRY(mgd_code_take_values(ctx, what, t, count, sizeof(double), values));
    for (size_t i = 0; i < count; i++)
        if (!(values[i] > 0))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: value %zu is %s: expected more than 0",
                            what, i + 1, MGD_NUMBER(values[i]));
    return MGD_OK;
}

static bool all_equal(const double *values, size_t count) {
    for (size_t i = 1; i < count; i++)
        if (values[i] != values[0])
            return false;
    return true;
}

/* Keeps factors that are not all 1. */
static double *keep_gain(double *gain, size_t count) {
    if (!(all_equal(gain, count) && gain[0] == 1))
        return gain;
    mgd_free(gain);
    return NULL;
}

/* Where r_i are the relative amplitudes and q_i the mean squares, θ̃_i/a = r_i·s_i, and what is
 * demodulated with is s_i/(r_i·q_i), or θ̃_i/a itself by the published convention; nothing where r_i
 * is 0. */
static void set_gains(const mgd_train *train, mgd_code *code, double *r, double *q) {
    size_t n = code->parameters;
    bool published = train->convention == MGD_CONVENTION_PUBLISHED;
    if (all_equal(q, n)) { /* no factor, then: a number for all */
        code->mean_square *= q[0];
        for (size_t i = n; i-- > 0;)
            q[i] = 1;
    }
    code->square_sum = 0;
    for (size_t i = 0; i < n; i++) {
        code->square_sum += r[i] * r[i] * q[i] * code->mean_square;
        q[i] = published || r[i] == 0 ? r[i] : 1 / (r[i] * q[i]);
    }
    code->spread = train->amplitude_spread;
    code->divide[MGD_USE_DEMODULATE] = !published;
    code->gain[MGD_USE_PERTURB] = keep_gain(r, n);
    code->gain[MGD_USE_DEMODULATE] = keep_gain(q, n);
    code->uneven =
        code->gain[MGD_USE_PERTURB] || code->gain[MGD_USE_DEMODULATE] || code->spread > 0;
}

static mgd_status open_gains(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    size_t n = code->parameters;
    code->square_sum = code->mean_square * (double)n;
    if (!train->amplitudes && !train->energy && train->amplitude_spread == 0 &&
        train->num_rules == 0)
        return MGD_OK;
    void *r, *q = NULL;
    MGD_TRY(mgd_allocate(ctx, "amplitudes", n, sizeof(double), &r));
    mgd_status status = mgd_allocate(ctx, "energies", n, sizeof(double), &q);
    if (status == MGD_OK)
        status = take_positive(ctx, "perturbation: amplitudes", train->amplitudes, n, r);
    if (status == MGD_OK)
        status = take_positive(ctx, "perturbation: energy", train->energy, n, q);
    if (status == MGD_OK) {
        take_rules(train, n, r);
        set_gains(train, code, r, q);
        return MGD_OK;
    }
    mgd_free(r);
    mgd_free(q);
    return status;
}

/* ---- a code ---------------------------------------------------------------------------------- */

static uint64_t common_divisor(uint64_t a, uint64_t b) {
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Of nodes sample b takes the b-th slot of a stride. No two share one where stride ≥ B; and where
 * stride and the period of the code have no common divisor, each place in the batch sees the whole
 * period in as many steps as it is long. A stride of B itself would show place b of an even batch
 * half of a Walsh code at most. */
static uint64_t stride_of(const mgd_train *train, uint64_t cycle) {
    if (train->perturb != MGD_PERTURB_NODES)
        return 1;
    uint64_t stride = train->batch;
    while (cycle > 1 && common_divisor(stride, cycle) > 1)
        stride++;
    return stride;
}

static mgd_status prepare(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    const mgd_code_type *type = code->type;
    if (type->open)
        MGD_TRY(type->open(ctx, train, code));
    MGD_TRY(open_sparsity(ctx, train, code));
    MGD_TRY(open_gains(ctx, train, code));
    code->cycle = code->cycle > 0 ? code->cycle : code->period;
    code->stride = stride_of(train, code->cycle);
    code->own = (type->own && !code->shared) || code->zero_below || code->spread > 0;
    code->drawn = type->drawn || code->zero_below || code->uneven;
    code->masked = code->zero_below && !type->zeroing;
    return MGD_OK;
}

mgd_status mgd_code_open(mgd_context *ctx, const mgd_train *train, size_t parameters,
                         mgd_dtype dtype, mgd_code *out) {
    mgd_code code = {.kind = train->code,
                     .type = mgd_code_of(train->code),
                     .parameters = parameters,
                     .mean_square = 1,
                     .seed = train->seed,
                     .real = mgd_dtype_size(dtype)};
    mgd_status status = prepare(ctx, train, &code);
    if (status != MGD_OK)
        mgd_code_close(&code);
    else
        *out = code;
    return status;
}

void mgd_code_close(mgd_code *code) {
    mgd_free(code->state);
    mgd_free(code->rows);
    mgd_free(code->gain[MGD_USE_PERTURB]);
    mgd_free(code->gain[MGD_USE_DEMODULATE]);
    *code = (mgd_code){0};
}

mgd_status mgd_code_fetch(mgd_context *ctx, mgd_code *code, uint64_t first, uint64_t last) {
    if (!code->rows)
        return MGD_OK;
    if (code->next < first || code->next > first + code->kept)
        code->next = first;
    for (; code->next <= last; code->next++)
        MGD_TRY(code->type->fetch(ctx, code, code->next));
    return MGD_OK;
}
