/* reduce.c: sums, means, extremes and comparisons.
 *
 * Elements arrive in row-major order in blocks of LEAF doubles. A block is summed in eight
 * interleaved partial sums, and the sums of blocks are added pairwise, as carries run in a binary
 * counter. So the tree, and with it every bit of a sum, depends on the number of elements alone,
 * and the error grows as the logarithm of that number.
 */

#include "tensor.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { LEAF = 128, LANES = 8 };

static const char *const names[MGD_REDUCTION_COUNT] = {
    [MGD_SUM] = "sum", [MGD_MEAN] = "mean",     [MGD_VAR] = "var",
    [MGD_STD] = "std", [MGD_NORM] = "norm",     [MGD_MIN] = "min",
    [MGD_MAX] = "max", [MGD_ARGMIN] = "argmin", [MGD_ARGMAX] = "argmax"};

const char *mgd_reduction_name(mgd_reduction op) {
    return (unsigned)op < MGD_REDUCTION_COUNT ? names[op] : "unknown";
}

static mgd_status check_reduction(mgd_context *ctx, mgd_reduction op) {
    if ((unsigned)op < MGD_REDUCTION_COUNT)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "tensor: unknown reduction %d", (int)op);
}

/* ---- the tree -------------------------------------------------------------------------------- */

typedef struct {
    uint64_t blocks;
    double partial[64]; /* [i]: the sum of 2^i blocks, where bit i of `blocks` is set */
} tree;

/* `values` has room for LEAF doubles; those beyond n are overwritten. */
static void tree_add(tree *t, double *values, size_t n) {
    double lane[LANES] = {0};
    size_t padded = (n + LANES - 1) / LANES * LANES;
    for (size_t i = n; i < padded; i++)
        values[i] = 0;
    for (size_t i = 0; i < padded; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            lane[k] += values[i + k];
    double sum =
        ((lane[0] + lane[1]) + (lane[2] + lane[3])) + ((lane[4] + lane[5]) + (lane[6] + lane[7]));
    size_t level = 0;
    for (; t->blocks >> level & 1; level++)
        sum = t->partial[level] + sum;
    t->partial[level] = sum;
    t->blocks++;
}

static double tree_total(const tree *t) {
    double sum = 0;
    for (size_t level = 0; t->blocks >> level; level++)
        if (t->blocks >> level & 1)
            sum = t->partial[level] + sum;
    return sum;
}

/* What is summed of an element x: x·scale − origin − centre, or its square. */
typedef struct {
    bool squared;
    double scale, origin, centre;
} term;

static const term plain = {false, 1, 0, 0};

static mgd_status sum_elements(mgd_context *ctx, const mgd_tensor *t, term of, double *out) {
    bool as_it_is = !of.squared && of.scale == 1 && of.origin == 0 && of.centre == 0;
    tree sums;
    sums.blocks = 0;
    mgd_reader reader;
    mgd_reader_begin(&reader, t);
    double values[LEAF];
    for (size_t n; (n = mgd_reader_next(&reader, values, LEAF)) > 0;) {
        for (size_t i = 0; i < n && !as_it_is; i++) {
            double value = values[i] * of.scale - of.origin - of.centre;
            values[i] = of.squared ? value * value : value;
        }
        tree_add(&sums, values, n);
        MGD_TRY(mgd_interrupt_answer(ctx));
    }
    *out = tree_total(&sums);
    return MGD_OK;
}

/* ---- one number from one tensor -------------------------------------------------------------- */

static mgd_status extreme(mgd_context *ctx, const mgd_tensor *t, bool largest, double *value,
                          double *position) {
    mgd_reader reader;
    mgd_reader_begin(&reader, t);
    double values[LEAF], best = 0;
    size_t start = 0, at = 0;
    for (size_t n; (n = mgd_reader_next(&reader, values, LEAF)) > 0; start += n) {
        if (start == 0)
            best = values[0];
        for (size_t i = 0; i < n && !isnan(best); i++) {
            bool better = largest ? values[i] > best : values[i] < best;
            if (better || isnan(values[i])) {
                best = values[i];
                at = start + i;
            }
        }
        MGD_TRY(mgd_interrupt_answer(ctx));
    }
    *value = best;
    *position = (double)at;
    return MGD_OK;
}

static mgd_status mean(mgd_context *ctx, const mgd_tensor *t, double *out) {
    double sum;
    MGD_TRY(sum_elements(ctx, t, plain, &sum));
    *out = sum / (double)t->size;
    if (isfinite(sum))
        return MGD_OK;
    /* The sum overflowed, or there are elements that are not finite, which scaling does not mend.
     */
    MGD_TRY(sum_elements(ctx, t, (term){false, 0x1p-64, 0, 0}, &sum));
    *out = sum / (double)t->size * 0x1p64;
    return MGD_OK;
}

/* Squares of deviations below it feel the rounding of the mean. */
#define CLOSE 0x1p-32 /* of the mean */

/* Σ (x − mean)² = squares·4^exponent, where the plain sum cannot tell it: 0 for elements that are
 * all equal, else by differences from the least, which are exact where elements are close. */
static mgd_status careful_squares(mgd_context *ctx, const mgd_tensor *t, double *squares,
                                  int *exponent) {
    double least, most, position, sum;
    MGD_TRY(extreme(ctx, t, false, &least, &position));
    MGD_TRY(extreme(ctx, t, true, &most, &position));
    if (!isfinite(least) || !isfinite(most))
        return MGD_OK;
    *squares = 0;
    if (least == most)
        return MGD_OK;
    double span = most - least;
    *exponent = isinf(span) ? 1023 : ilogb(span);
    if (*exponent < -1022) /* 2^−exponent would overflow */
        *exponent = -1022;
    double scale = ldexp(1, -*exponent);
    MGD_TRY(sum_elements(ctx, t, (term){false, scale, least * scale, 0}, &sum));
    double centre = sum / (double)t->size;
    return sum_elements(ctx, t, (term){true, scale, least * scale, centre}, squares);
}

/* The variance is value·4^exponent. */
static mgd_status variance(mgd_context *ctx, const char *name, const mgd_tensor *t, size_t ddof,
                           double *value, int *exponent) {
    if (t->size <= ddof)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: %zu elements leave no degree of freedom with ddof = %zu", name,
                        t->size, ddof);
    double centre, squares;
    *exponent = 0;
    MGD_TRY(mean(ctx, t, &centre));
    MGD_TRY(sum_elements(ctx, t, (term){true, 1, centre, 0}, &squares));
    double rounding = (double)t->size * (centre * CLOSE) * (centre * CLOSE);
    if (!(squares > rounding && squares >= DBL_MIN / DBL_EPSILON && isfinite(squares)))
        MGD_TRY(careful_squares(ctx, t, &squares, exponent));
    *value = squares / (double)(t->size - ddof);
    return MGD_OK;
}

static mgd_status norm(mgd_context *ctx, const mgd_tensor *t, double *out) {
    double squares;
    MGD_TRY(sum_elements(ctx, t, (term){true, 1, 0, 0}, &squares));
    *out = sqrt(squares);
    if (t->size == 0 || isnan(squares) || (squares >= DBL_MIN / DBL_EPSILON && isfinite(squares)))
        return MGD_OK;
    /* The squares overflowed or lost digits: scale by the power of 2 of the largest element. */
    double least, most, position;
    MGD_TRY(extreme(ctx, t, false, &least, &position));
    MGD_TRY(extreme(ctx, t, true, &most, &position));
    double largest = fmax(-least, most);
    if (largest == 0 || isinf(largest))
        return MGD_OK;
    int exponent = ilogb(largest);
    if (exponent < -1022) /* 2^−exponent would overflow */
        exponent = -1022;
    MGD_TRY(sum_elements(ctx, t, (term){true, ldexp(1, -exponent), 0, 0}, &squares));
    *out = ldexp(sqrt(squares), exponent);
    return MGD_OK;
}

mgd_status mgd_tensor_reduce(mgd_context *ctx, mgd_reduction op, const mgd_tensor *t, size_t ddof,
                             double *out) {
    MGD_OPERATION;
    MGD_TRY(check_reduction(ctx, op));
    if (t->size == 0 && op != MGD_SUM && op != MGD_NORM)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: a tensor without elements has none", names[op]);
    double value = 0, position = 0;
    int exponent;
    switch (op) {
    case MGD_SUM:
        MGD_TRY(sum_elements(ctx, t, plain, &value));
        break;
    case MGD_MEAN:
        MGD_TRY(mean(ctx, t, &value));
        break;
    case MGD_VAR:
        MGD_TRY(variance(ctx, names[op], t, ddof, &value, &exponent));
        value = ldexp(value, 2 * exponent);
        break;
    case MGD_STD:
        MGD_TRY(variance(ctx, names[op], t, ddof, &value, &exponent));
        value = ldexp(sqrt(value), exponent);
        break;
    case MGD_NORM:
        MGD_TRY(norm(ctx, t, &value));
        break;
    default: /* the extremes */
        MGD_TRY(extreme(ctx, t, op == MGD_MAX || op == MGD_ARGMAX, &value, &position));
        if (op == MGD_ARGMIN || op == MGD_ARGMAX)
            value = position;
    }
    *out = value;
    return MGD_OK;
}

/* ---- along an axis --------------------------------------------------------------------------- */

static mgd_dtype axis_dtype(mgd_reduction op, mgd_dtype dtype) {
    switch (op) {
    case MGD_MIN:
    case MGD_MAX:
        return dtype;
    case MGD_ARGMIN:
    case MGD_ARGMAX:
        return MGD_I32;
    default:
        return dtype == MGD_F32 ? MGD_F32 : MGD_F64;
    }
}

/* Reduces every line of `t` along `axis` into the element of `out` that it belongs to. `base` has
 * the shape of `out` and points at the first element of each line. */
static mgd_status reduce_lines(mgd_context *ctx, mgd_reduction op, const mgd_tensor *t, size_t axis,
                               size_t ddof, const mgd_tensor *base, mgd_tensor *out) {
    mgd_tensor line = {.dtype = t->dtype, .ndim = 1, .size = t->shape[axis]};
    line.shape[0] = t->shape[axis];
    line.strides[0] = t->strides[axis];
    mgd_walk walk;
    mgd_walk_begin(&walk, out->ndim, out->shape, 2, (const mgd_tensor *const[]){out, base});
    for (; walk.rows > 0; mgd_walk_next(&walk))
        for (size_t i = 0; i < walk.length; i++) {
            double value;
            line.data = walk.row[1] + (ptrdiff_t)i * walk.step[1];
            MGD_TRY(mgd_tensor_reduce(ctx, op, &line, ddof, &value));
            char *to = walk.row[0] + (ptrdiff_t)i * walk.step[0];
            MGD_TRY(mgd_block_store(ctx, names[op], MGD_STORE_EXACT, out->dtype, to, 0, 1, &value));
        }
    return MGD_OK;
}

mgd_status mgd_tensor_reduce_axis(mgd_context *ctx, mgd_reduction op, const mgd_tensor *t,
                                  size_t axis, size_t ddof, mgd_tensor **out) {
    MGD_OPERATION;
    MGD_TRY(check_reduction(ctx, op));
    if (axis >= t->ndim)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: axis %zu of a tensor of %zu dimensions",
                        names[op], axis, t->ndim);
    mgd_tensor base = *t; /* borrowed: `t` with the axis removed */
    base.ndim--;
    for (size_t i = axis; i < base.ndim; i++) {
        base.shape[i] = base.shape[i + 1];
        base.strides[i] = base.strides[i + 1];
    }
    mgd_tensor *result;
    MGD_TRY(mgd_tensor_new(ctx, axis_dtype(op, t->dtype), base.ndim, base.shape, &result));
    mgd_status status = reduce_lines(ctx, op, t, axis, ddof, &base, result);
    if (status != MGD_OK) {
        mgd_tensor_free(result);
        return status;
    }
    *out = result;
    return MGD_OK;
}

/* ---- two tensors ----------------------------------------------------------------------------- */

mgd_status mgd_tensor_dot(mgd_context *ctx, const mgd_tensor *a, const mgd_tensor *b, double *out) {
    MGD_OPERATION;
    bool alike = a->ndim == b->ndim;
    for (size_t i = 0; i < a->ndim && alike; i++)
        alike = a->shape[i] == b->shape[i];
    if (!alike) {
        char left[MGD_SHAPE_TEXT], right[MGD_SHAPE_TEXT];
        return mgd_fail(ctx, MGD_ERR_SHAPE, "dot: expected two tensors of one shape, got %s and %s",
                        mgd_shape_format(left, sizeof left, a->ndim, a->shape),
                        mgd_shape_format(right, sizeof right, b->ndim, b->shape));
    }
    tree sums;
    sums.blocks = 0;
    mgd_reader first, second;
    mgd_reader_begin(&first, a);
    mgd_reader_begin(&second, b);
    double x[LEAF], y[LEAF];
    for (size_t n; (n = mgd_reader_next(&first, x, LEAF)) > 0;) {
        mgd_reader_next(&second, y, LEAF);
        for (size_t i = 0; i < n; i++)
            x[i] *= y[i];
        tree_add(&sums, x, n);
        MGD_TRY(mgd_interrupt_answer(ctx));
    }
    *out = tree_total(&sums);
    return MGD_OK;
}

static bool close_enough(double a, double b, double rtol, double atol) {
    if (isinf(a) || isinf(b))
        return a == b;
    return fabs(a - b) <= atol + rtol * fabs(b); /* false for NaN */
}

mgd_status mgd_tensor_allclose(mgd_context *ctx, const mgd_tensor *a, const mgd_tensor *b,
                               double rtol, double atol, bool *out) {
    MGD_OPERATION;
    bool close = b->ndim == 0 || mgd_shape_equal(a, b);
    if (!close) {
        *out = false;
        return MGD_OK;
    }
    mgd_walk walk;
    mgd_walk_begin(&walk, a->ndim, a->shape, 2, (const mgd_tensor *const[]){a, b});
    for (; walk.rows > 0 && close; mgd_walk_next(&walk))
        for (size_t done = 0; done < walk.length && close; done += LEAF) {
            size_t n = walk.length - done < LEAF ? walk.length - done : LEAF;
            double a_buffer[LEAF], b_buffer[LEAF];
            ptrdiff_t at = (ptrdiff_t)done;
            const double *x = mgd_block_load(a->dtype, walk.row[0] + at * walk.step[0],
                                             walk.step[0], n, a_buffer);
            const double *y = mgd_block_load(b->dtype, walk.row[1] + at * walk.step[1],
                                             walk.step[1], n, b_buffer);
            for (size_t i = 0; i < n && close; i++)
                close = close_enough(x[i], y[i], rtol, atol);
            MGD_TRY(mgd_interrupt_answer(ctx));
        }
    *out = close;
    return MGD_OK;
}

mgd_status mgd_tensor_allclose_number(mgd_context *ctx, const mgd_tensor *a, double value,
                                      double rtol, double atol, bool *out) {
    MGD_OPERATION;
    mgd_tensor number = mgd_tensor_borrow_number(&value);
    return mgd_tensor_allclose(ctx, a, &number, rtol, atol, out);
}
