/* elementwise.c: unary and binary operations, out of place and in place.
 *
 * One function per operation works on blocks of doubles; everything else (types, broadcasting,
 * rounding, overlap) is the same for all of them.
 */

#include "tensor.h"

#include <math.h>
#include <string.h>

/* ---- the operations -------------------------------------------------------------------------- */

typedef void binary_kernel(const double *restrict a, const double *restrict b, double *restrict out,
                           size_t n);
typedef void unary_kernel(const double *restrict a, double *restrict out, size_t n);

static void add(const double *restrict a, const double *restrict b, double *restrict out,
                size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] + b[i];
}

static void sub(const double *restrict a, const double *restrict b, double *restrict out,
                size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] - b[i];
}

static void mul(const double *restrict a, const double *restrict b, double *restrict out,
                size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] * b[i];
}

static void divide(const double *restrict a, const double *restrict b, double *restrict out,
                   size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] / b[i];
}

/* Squares are common, and exact this way. */
static void power(const double *restrict a, const double *restrict b, double *restrict out,
                  size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = b[i] == 2 ? a[i] * a[i] : pow(a[i], b[i]);
}

static void minimum(const double *restrict a, const double *restrict b, double *restrict out,
                    size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] < b[i] || isnan(a[i]) ? a[i] : b[i];
}

static void maximum(const double *restrict a, const double *restrict b, double *restrict out,
                    size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] > b[i] || isnan(a[i]) ? a[i] : b[i];
}

static void negate(const double *restrict a, double *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = -a[i];
}

static void absolute(const double *restrict a, double *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = fabs(a[i]);
}

/* −1, 0, 1; NaN stays NaN. */
static void sign(const double *restrict a, double *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = isnan(a[i]) ? a[i] : (double)((a[i] > 0) - (a[i] < 0));
}

/* Evaluated where the exponential cannot overflow. */
static void sigmoid(const double *restrict a, double *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double e = exp(-fabs(a[i]));
        out[i] = (a[i] < 0 ? e : 1) / (1 + e);
    }
}

/* The functions of <math.h> that are used as they are. */
static void map(double (*f)(double), const double *restrict a, double *restrict out, size_t n) {
    for (size_t i = 0; i < n; i++)
        out[i] = f(a[i]);
}

static const struct {
    const char *name;
    binary_kernel *kernel;
    bool fractional; /* integers in, f64 out */
} binaries[MGD_BINARY_COUNT] = {
    [MGD_ADD] = {"add", add, false},
    [MGD_SUB] = {"sub", sub, false},
    [MGD_MUL] = {"mul", mul, false},
    [MGD_DIV] = {"div", divide, true},
    [MGD_POW] = {"pow", power, true},
    [MGD_MINIMUM] = {"minimum", minimum, false},
    [MGD_MAXIMUM] = {"maximum", maximum, false},
};

static const struct {
    const char *name;
    unary_kernel *kernel;       /* either a loop of our own … */
    double (*function)(double); /* … or a function for `map` */
    bool fractional;
} unaries[MGD_UNARY_COUNT] = {
    [MGD_NEG] = {"neg", negate, NULL, false},
    [MGD_ABS] = {"abs", absolute, NULL, false},
    [MGD_SIGN] = {"sign", sign, NULL, false},
    [MGD_FLOOR] = {"floor", NULL, floor, false},
    [MGD_EXP] = {"exp", NULL, exp, true},
    [MGD_LOG] = {"log", NULL, log, true},
    [MGD_SQRT] = {"sqrt", NULL, sqrt, true},
    [MGD_TANH] = {"tanh", NULL, tanh, true},
    [MGD_SIGMOID] = {"sigmoid", sigmoid, NULL, true},
    [MGD_SIN] = {"sin", NULL, sin, true},
    [MGD_COS] = {"cos", NULL, cos, true},
};

const char *mgd_binary_name(mgd_binary op) {
    return (unsigned)op < MGD_BINARY_COUNT ? binaries[op].name : "unknown";
}

const char *mgd_unary_name(mgd_unary op) {
    return (unsigned)op < MGD_UNARY_COUNT ? unaries[op].name : "unknown";
}

static mgd_status check_binary(mgd_context *ctx, mgd_binary op) {
    if ((unsigned)op < MGD_BINARY_COUNT)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "tensor: unknown operation %d", (int)op);
}

static mgd_status check_unary(mgd_context *ctx, mgd_unary op) {
    if ((unsigned)op < MGD_UNARY_COUNT)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "tensor: unknown function %d", (int)op);
}

/* ---- types of results ------------------------------------------------------------------------ */

mgd_dtype mgd_dtype_promote(mgd_dtype a, mgd_dtype b) {
    if (a == b || b == MGD_U8)
        return a;
    if (a == MGD_U8)
        return b;
    return MGD_F64; /* any two of i32, f32, f64 */
}

mgd_dtype mgd_binary_dtype(mgd_binary op, mgd_dtype a, mgd_dtype b) {
    mgd_dtype dtype = mgd_dtype_promote(a, b);
    bool fractional = (unsigned)op < MGD_BINARY_COUNT && binaries[op].fractional;
    return fractional && mgd_dtype_is_integer(dtype) ? MGD_F64 : dtype;
}

static mgd_dtype binary_number_dtype(mgd_binary op, mgd_dtype dtype, double value) {
    bool whole = isfinite(value) && value == floor(value);
    return mgd_dtype_is_integer(dtype) && (binaries[op].fractional || !whole) ? MGD_F64 : dtype;
}

/* The shape of a op b, or a failure. */
static mgd_status broadcast_shape(mgd_context *ctx, mgd_binary op, const mgd_tensor *a,
                                  const mgd_tensor *b, size_t *ndim, size_t *shape) {
    *ndim = a->ndim > b->ndim ? a->ndim : b->ndim;
    for (size_t i = 1; i <= *ndim; i++) { /* from the last dimension on */
        size_t m = i <= a->ndim ? a->shape[a->ndim - i] : 1;
        size_t n = i <= b->ndim ? b->shape[b->ndim - i] : 1;
        if (m != n && m != 1 && n != 1) {
            char left[MGD_SHAPE_TEXT], right[MGD_SHAPE_TEXT];
            return mgd_fail(
                ctx, MGD_ERR_SHAPE, "%s: shapes %s and %s do not go together: %zu against %zu",
                binaries[op].name, mgd_shape_format(left, sizeof left, a->ndim, a->shape),
                mgd_shape_format(right, sizeof right, b->ndim, b->shape), m, n);
        }
        shape[*ndim - i] = m == 1 ? n : m;
    }
    return MGD_OK;
}

/* ---- block by block -------------------------------------------------------------------------- */

/* An operation with its operands on the way to its result. */
typedef struct {
    const char *name;
    binary_kernel *binary; /* one of these three */
    unary_kernel *unary;
    double (*function)(double);
    const mgd_tensor *a, *b; /* b: binary only */
    bool interruptible;
} job;

/* One block of a row; walk->row[0] is that of the result. */
static mgd_status run_block(mgd_context *ctx, const job *j, mgd_tensor *out, const mgd_walk *walk,
                            size_t done, size_t n) {
    double a_buffer[MGD_BLOCK], b_buffer[MGD_BLOCK], values[MGD_BLOCK];
    ptrdiff_t at = (ptrdiff_t)done;
    const double *a =
        mgd_block_load(j->a->dtype, walk->row[1] + at * walk->step[1], walk->step[1], n, a_buffer);
    if (j->binary) {
        const double *b = mgd_block_load(j->b->dtype, walk->row[2] + at * walk->step[2],
                                         walk->step[2], n, b_buffer);
        j->binary(a, b, values, n);
    } else if (j->unary) {
        j->unary(a, values, n);
    } else {
        map(j->function, a, values, n);
    }
    return mgd_block_store(ctx, j->name, MGD_STORE_EXACT, out->dtype,
                           walk->row[0] + at * walk->step[0], walk->step[0], n, values);
}

static mgd_status run_job(mgd_context *ctx, const job *j, mgd_tensor *out) {
    const mgd_tensor *tensors[MGD_WALK_OPERANDS] = {out, j->a, j->b};
    mgd_walk walk;
    mgd_walk_begin(&walk, out->ndim, out->shape, j->b ? 3 : 2, tensors);
    for (; walk.rows > 0; mgd_walk_next(&walk))
        for (size_t done = 0; done < walk.length; done += MGD_BLOCK) {
            size_t n = walk.length - done < MGD_BLOCK ? walk.length - done : MGD_BLOCK;
            MGD_TRY(run_block(ctx, j, out, &walk, done, n));
            if (j->interruptible)
                MGD_TRY(mgd_interrupt_answer(ctx));
        }
    return MGD_OK;
}

static mgd_status run_fresh(mgd_context *ctx, job *j, mgd_dtype dtype, size_t ndim,
                            const size_t *shape, mgd_tensor **out) {
    mgd_tensor *result;
    MGD_TRY(mgd_tensor_new(ctx, dtype, ndim, shape, &result));
    j->interruptible = true;
    mgd_status status = run_job(ctx, j, result);
    if (status != MGD_OK) {
        mgd_tensor_free(result);
        return status;
    }
    *out = result;
    return MGD_OK;
}

/* `t` is the operand j->a. An integer result may turn out not to fit, and an overlapping operand
 * would be overwritten before it is read: both go through a tensor aside. */
static mgd_status run_in_place(mgd_context *ctx, job *j, mgd_tensor *t) {
    bool disturbs = j->b && mgd_tensor_overlaps(t, j->b) && !mgd_tensor_same_view(t, j->b);
    if (!mgd_dtype_is_integer(t->dtype) && !disturbs)
        return run_job(ctx, j, t);
    mgd_tensor *aside;
    MGD_TRY(run_fresh(ctx, j, t->dtype, t->ndim, t->shape, &aside));
    mgd_status status = mgd_tensor_copy(ctx, t, aside);
    mgd_tensor_free(aside);
    return status;
}

/* ---- public ---------------------------------------------------------------------------------- */

static job binary_job(mgd_binary op, const mgd_tensor *a, const mgd_tensor *b) {
    return (job){.name = binaries[op].name, .binary = binaries[op].kernel, .a = a, .b = b};
}

static job unary_job(mgd_unary op, const mgd_tensor *a) {
    return (job){.name = unaries[op].name,
                 .unary = unaries[op].kernel,
                 .function = unaries[op].function,
                 .a = a};
}

mgd_status mgd_tensor_binary(mgd_context *ctx, mgd_binary op, const mgd_tensor *a,
                             const mgd_tensor *b, mgd_tensor **out) {
    MGD_OPERATION;
    size_t ndim, shape[MGD_MAX_DIMS];
    MGD_TRY(check_binary(ctx, op));
    MGD_TRY(broadcast_shape(ctx, op, a, b, &ndim, shape));
    job j = binary_job(op, a, b);
    return run_fresh(ctx, &j, mgd_binary_dtype(op, a->dtype, b->dtype), ndim, shape, out);
}

mgd_status mgd_tensor_binary_number(mgd_context *ctx, mgd_binary op, const mgd_tensor *t,
                                    double value, bool number_first, mgd_tensor **out) {
    MGD_OPERATION;
    MGD_TRY(check_binary(ctx, op));
    mgd_tensor number = mgd_tensor_borrow_number(&value);
    job j = number_first ? binary_job(op, &number, t) : binary_job(op, t, &number);
    return run_fresh(ctx, &j, binary_number_dtype(op, t->dtype, value), t->ndim, t->shape, out);
}

mgd_status mgd_tensor_unary(mgd_context *ctx, mgd_unary op, const mgd_tensor *t, mgd_tensor **out) {
    MGD_OPERATION;
    MGD_TRY(check_unary(ctx, op));
    job j = unary_job(op, t);
    mgd_dtype dtype = unaries[op].fractional && mgd_dtype_is_integer(t->dtype) ? MGD_F64 : t->dtype;
    return run_fresh(ctx, &j, dtype, t->ndim, t->shape, out);
}

mgd_status mgd_tensor_update(mgd_context *ctx, mgd_binary op, mgd_tensor *t, const mgd_tensor *b) {
    MGD_TRY(check_binary(ctx, op));
    if (!mgd_shape_broadcasts(b, t->ndim, t->shape)) {
        char from[MGD_SHAPE_TEXT], to[MGD_SHAPE_TEXT];
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "%s_: shape %s does not broadcast to shape %s, which is updated in place",
                        binaries[op].name, mgd_shape_format(from, sizeof from, b->ndim, b->shape),
                        mgd_shape_format(to, sizeof to, t->ndim, t->shape));
    }
    job j = binary_job(op, t, b);
    return run_in_place(ctx, &j, t);
}

mgd_status mgd_tensor_update_number(mgd_context *ctx, mgd_binary op, mgd_tensor *t, double value) {
    MGD_TRY(check_binary(ctx, op));
    mgd_tensor number = mgd_tensor_borrow_number(&value);
    job j = binary_job(op, t, &number);
    return run_in_place(ctx, &j, t);
}

mgd_status mgd_tensor_apply(mgd_context *ctx, mgd_unary op, mgd_tensor *t) {
    MGD_TRY(check_unary(ctx, op));
    job j = unary_job(op, t);
    return run_in_place(ctx, &j, t);
}
