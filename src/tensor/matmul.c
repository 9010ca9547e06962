/* matmul.c: matrix products.
 *
 * Both operands are packed, and so converted to the type of the arithmetic and padded with zeros:
 * A into strips of STRIP rows, B one panel of columns at a time, k outermost in both. A tile
 * of the result, STRIP × panel_columns sums in registers, is then one pass over two contiguous
 * arrays. Every element is a plain sum over k = 0, 1, …, K − 1: its bits depend neither on its
 * place nor on the width of the machine's vectors. Letters: C (M, N) = A (M, K) · B (K, N).
 */

#include "tensor.h"

#include <string.h>

enum { STRIP = 4, PANEL_BYTES = 32, PANEL_MAX = PANEL_BYTES / sizeof(float) };

/* Two of these make a row of a tile. Every machine that matters has 16-byte vectors, and a tile of
 * them fits its registers. */
typedef double half_f64 __attribute__((vector_size(PANEL_BYTES / 2)));
typedef float half_f32 __attribute__((vector_size(PANEL_BYTES / 2)));

/* c[i][j] = Σ_k a[k][i] b[k][j] */
static void tile_f64(size_t depth, const double *a, const double *b, double *c) {
    half_f64 sum[STRIP][2] = {{{0}}};
    for (size_t k = 0; k < depth; k++, a += STRIP, b += PANEL_BYTES / sizeof *b) {
        const half_f64 *halves = (const half_f64 *)(const void *)b;
        for (size_t i = 0; i < STRIP; i++) {
            sum[i][0] += a[i] * halves[0];
            sum[i][1] += a[i] * halves[1];
        }
    }
    memcpy(c, sum, sizeof sum);
}

static void tile_f32(size_t depth, const float *a, const float *b, float *c) {
    half_f32 sum[STRIP][2] = {{{0}}};
    for (size_t k = 0; k < depth; k++, a += STRIP, b += PANEL_BYTES / sizeof *b) {
        const half_f32 *halves = (const half_f32 *)(const void *)b;
        for (size_t i = 0; i < STRIP; i++) {
            sum[i][0] += a[i] * halves[0];
            sum[i][1] += a[i] * halves[1];
        }
    }
    memcpy(c, sum, sizeof sum);
}

/* A matrix as the packing sees it. */
typedef struct {
    const mgd_tensor *t;
    size_t rows, columns;
    ptrdiff_t row_stride, column_stride; /* bytes */
} matrix;

typedef struct {
    mgd_dtype arithmetic; /* f32 or f64 */
    size_t panel_columns; /* PANEL_BYTES of them */
    size_t depth;         /* K */
    matrix a, b;
    char *strips; /* ceil(M / STRIP) × K × STRIP */
    char *panel;  /* K × panel_columns */
    mgd_tensor *out;
    ptrdiff_t row_stride, column_stride; /* of the result, bytes */
} product;

/* Writes `n` elements of `m`, from (row, column) on and `step` bytes apart, to every `stride`-th
 * place of `to`, in the type of the arithmetic. */
static void pack(const product *p, const matrix *m, size_t row, size_t column, ptrdiff_t step,
                 size_t n, char *to, size_t stride) {
    const char *from =
        m->t->data + (ptrdiff_t)row * m->row_stride + (ptrdiff_t)column * m->column_stride;
    for (size_t done = 0; done < n; done += MGD_BLOCK) {
        size_t count = n - done < MGD_BLOCK ? n - done : MGD_BLOCK;
        double buffer[MGD_BLOCK];
        const double *values =
            mgd_block_load(m->t->dtype, from + (ptrdiff_t)done * step, step, count, buffer);
        for (size_t i = 0; i < count; i++)
            if (p->arithmetic == MGD_F32)
                ((float *)(void *)to)[(done + i) * stride] = (float)values[i];
            else
                ((double *)(void *)to)[(done + i) * stride] = values[i];
    }
}

static mgd_status pack_strips(mgd_context *ctx, const product *p) {
    size_t size = mgd_dtype_size(p->arithmetic);
    for (size_t i = 0; i < p->a.rows; i++) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        size_t place = i / STRIP * p->depth * STRIP + i % STRIP;
        pack(p, &p->a, i, 0, p->a.column_stride, p->depth, p->strips + place * size, STRIP);
    }
    return MGD_OK;
}

/* Columns beyond N keep what an earlier panel left there; their sums are thrown away. */
static void pack_panel(const product *p, size_t first) {
    size_t size = mgd_dtype_size(p->arithmetic);
    for (size_t j = first; j < p->b.columns && j < first + p->panel_columns; j++)
        pack(p, &p->b, 0, j, p->b.row_stride, p->depth, p->panel + (j - first) * size,
             p->panel_columns);
}

/* Stores the part of a tile that lies inside C. */
static mgd_status store_tile(mgd_context *ctx, const product *p, size_t row, size_t column,
                             const double *c) {
    size_t rows = p->a.rows - row < STRIP ? p->a.rows - row : STRIP;
    size_t columns =
        p->b.columns - column < p->panel_columns ? p->b.columns - column : p->panel_columns;
    for (size_t i = 0; i < rows; i++) {
        char *to = p->out->data + (ptrdiff_t)(row + i) * p->row_stride +
                   (ptrdiff_t)column * p->column_stride;
        MGD_TRY(mgd_block_store(ctx, "matmul", MGD_STORE_EXACT, p->out->dtype, to, p->column_stride,
                                columns, c + i * p->panel_columns));
    }
    return MGD_OK;
}

static mgd_status multiply(mgd_context *ctx, const product *p) {
    size_t size = mgd_dtype_size(p->arithmetic);
    MGD_TRY(pack_strips(ctx, p));
    for (size_t column = 0; column < p->b.columns; column += p->panel_columns) {
        pack_panel(p, column);
        for (size_t row = 0; row < p->a.rows; row += STRIP) {
            const char *strip = p->strips + row * p->depth * size;
            double c[STRIP * PANEL_MAX];
            if (p->arithmetic == MGD_F32) {
                float single[STRIP * PANEL_MAX];
                tile_f32(p->depth, (const float *)(const void *)strip,
                         (const float *)(void *)p->panel, single);
                for (size_t i = 0; i < STRIP * PANEL_MAX; i++)
                    c[i] = (double)single[i];
            } else {
                tile_f64(p->depth, (const double *)(const void *)strip,
                         (const double *)(void *)p->panel, c);
            }
            MGD_TRY(store_tile(ctx, p, row, column, c));
            MGD_TRY(mgd_interrupt_answer(ctx));
        }
    }
    return MGD_OK;
}

/* ---- shapes and memory ----------------------------------------------------------------------- */

static matrix as_matrix(const mgd_tensor *t, bool left) {
    ptrdiff_t size = (ptrdiff_t)mgd_dtype_size(t->dtype);
    if (t->ndim == 2)
        return (matrix){t, t->shape[0], t->shape[1], t->strides[0] * size, t->strides[1] * size};
    if (left) /* a vector is one row on the left, one column on the right */
        return (matrix){t, 1, t->shape[0], 0, t->strides[0] * size};
    return (matrix){t, t->shape[0], 1, t->strides[0] * size, 0};
}

static mgd_status check_shapes(mgd_context *ctx, const mgd_tensor *a, const mgd_tensor *b) {
    char left[MGD_SHAPE_TEXT], right[MGD_SHAPE_TEXT];
    mgd_shape_format(left, sizeof left, a->ndim, a->shape);
    mgd_shape_format(right, sizeof right, b->ndim, b->shape);
    bool supported =
        a->ndim >= 1 && a->ndim <= 2 && b->ndim >= 1 && b->ndim <= 2 && a->ndim + b->ndim > 2;
    if (!supported)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "matmul: two matrices or a matrix and a vector, got shapes %s and %s%s",
                        left, right,
                        a->ndim == 1 && b->ndim == 1 ? " (for two vectors: t:dot(u))" : "");
    size_t columns = a->shape[a->ndim - 1], rows = b->shape[0];
    if (columns != rows)
        return mgd_fail(ctx, MGD_ERR_SHAPE,
                        "matmul: shapes %s and %s do not go together: %zu %s against %zu %s", left,
                        right, columns, a->ndim == 2 ? "columns" : "elements", rows,
                        b->ndim == 2 ? "rows" : "elements");
    return MGD_OK;
}

static mgd_status allocate_packs(mgd_context *ctx, product *p) {
    size_t size = mgd_dtype_size(p->arithmetic);
    size_t rows = (p->a.rows + STRIP - 1) / STRIP * STRIP;
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "matmul", (rows * size + PANEL_BYTES), p->depth, &memory));
    p->panel = memory;
    p->strips = p->panel + p->depth * PANEL_BYTES;
    return MGD_OK;
}

mgd_status mgd_tensor_matmul(mgd_context *ctx, const mgd_tensor *a, const mgd_tensor *b,
                             mgd_tensor **out) {
    MGD_OPERATION;
    MGD_TRY(check_shapes(ctx, a, b));
    mgd_dtype dtype = mgd_dtype_promote(a->dtype, b->dtype);
    product p = {.arithmetic = dtype == MGD_F32 ? MGD_F32 : MGD_F64,
                 .depth = a->shape[a->ndim - 1],
                 .a = as_matrix(a, true),
                 .b = as_matrix(b, false)};
    p.panel_columns = PANEL_BYTES / mgd_dtype_size(p.arithmetic);
    size_t shape[2], ndim = 0;
    if (a->ndim == 2)
        shape[ndim++] = p.a.rows;
    if (b->ndim == 2)
        shape[ndim++] = p.b.columns;
    MGD_TRY(mgd_tensor_new(ctx, dtype, ndim, shape, &p.out));
    p.column_stride = (ptrdiff_t)mgd_dtype_size(dtype);
    p.row_stride = (ptrdiff_t)p.b.columns * p.column_stride;
    mgd_status status = MGD_OK;
    if (p.out->size > 0 && p.depth > 0) { /* an empty sum is 0 */
        status = allocate_packs(ctx, &p);
        if (status == MGD_OK)
            status = multiply(ctx, &p);
    }
    mgd_free(p.panel);
    if (status != MGD_OK) {
        mgd_tensor_free(p.out);
        return status;
    }
    *out = p.out;
    return MGD_OK;
}
