/* tensor: what the files of this folder share. No other folder includes this.
 *
 * A tensor is a header over a storage. The header holds shape and strides (in elements, any sign, 0
 * only in the operands that a walk broadcasts) and points at the first element; the storage counts
 * the headers that hold it. Invariant: every element that a header can reach lies in its storage,
 * and no two index tuples reach the same one.
 *
 * All arithmetic goes through blocks of doubles: load a block, compute, store it with one rounding
 * and a range check. f64 rows that are contiguous are used in place.
 */
#ifndef MGD_TENSOR_H
#define MGD_TENSOR_H

#include "../base/base.h"

typedef struct {
    size_t references; /* not atomic: the headers of one storage stay on one thread */
    size_t bytes;
} mgd_storage; /* the elements follow, MGD_ALIGNMENT bytes after the start */

struct mgd_tensor {
    mgd_dtype dtype;
    size_t ndim;
    size_t size; /* product of the shape */
    size_t shape[MGD_MAX_DIMS];
    ptrdiff_t strides[MGD_MAX_DIMS]; /* elements */
    char *data;                      /* the first element */
    mgd_storage *storage;            /* NULL: a header on the C stack over borrowed memory */
};

/* ---- shapes ---- */

#define MGD_SHAPE_TEXT 192 /* MGD_MAX_DIMS numbers of 20 digits and the crosses between them */

/* Product of the shape, or a failure "WHAT: …" when a tensor of that shape cannot be addressed. */
mgd_status mgd_shape_size(mgd_context *ctx, const char *what, mgd_dtype dtype, size_t ndim,
                          const size_t *shape, size_t *out);
bool mgd_shape_equal(const mgd_tensor *a, const mgd_tensor *b);
bool mgd_shape_broadcasts(const mgd_tensor *from, size_t ndim, const size_t *shape);

bool mgd_dtype_is_integer(mgd_dtype dtype);
/* The smaller type that holds every value of both; see mgd_binary_dtype. */
mgd_dtype mgd_dtype_promote(mgd_dtype a, mgd_dtype b);

/* Strides for the shape, the last dimension innermost. */
void mgd_tensor_set_row_major(mgd_tensor *t);

/* A scalar header on the C stack over the double that `value` points at. */
mgd_tensor mgd_tensor_borrow_number(double *value);

/* Whether two headers can reach a common byte; whether they are one and the same view. */
bool mgd_tensor_overlaps(const mgd_tensor *a, const mgd_tensor *b);
bool mgd_tensor_same_view(const mgd_tensor *a, const mgd_tensor *b);

/* ---- walking ---- */

#define MGD_WALK_OPERANDS 3

/* Visits tensors of one shape (after broadcasting) together, row by row in row-major order.
 * Neighbouring dimensions that every operand can cross with one stride are merged first, so that
 * contiguous tensors are a single row. */
typedef struct {
    size_t operands;
    size_t ndim; /* after merging; the last dimension is the row */
    size_t shape[MGD_MAX_DIMS];
    size_t index[MGD_MAX_DIMS];
    ptrdiff_t strides[MGD_WALK_OPERANDS][MGD_MAX_DIMS]; /* bytes */
    size_t rows;                                        /* left, this one included */
    size_t length;                                      /* elements in a row, at least 1 */
    char *row[MGD_WALK_OPERANDS];
    ptrdiff_t step[MGD_WALK_OPERANDS]; /* bytes between elements of a row */
} mgd_walk;

/* Every tensor must broadcast to `shape`. The walk is over when `rows` is 0. */
void mgd_walk_begin(mgd_walk *walk, size_t ndim, const size_t *shape, size_t operands,
                    const mgd_tensor *const *tensors);
void mgd_walk_next(mgd_walk *walk);

/* ---- blocks ---- */

#define MGD_BLOCK 512 /* doubles: three blocks fit the first-level cache with room to spare */

/* n elements, `step` bytes apart, as doubles: `buffer` filled, or the elements themselves when they
 * are contiguous doubles already. */
const double *mgd_block_load(mgd_dtype dtype, const char *data, ptrdiff_t step, size_t n,
                             double *buffer);

typedef enum {
    MGD_STORE_EXACT, /* integer types refuse fractions */
    MGD_STORE_ROUND, /* integer types round to nearest even */
} mgd_store_mode;

/* The reverse. Fails, with elements before the culprit written, on the first value that does not
 * fit an integer type; never fails for f64 and f32. */
mgd_status mgd_block_store(mgd_context *ctx, const char *what, mgd_store_mode mode, mgd_dtype dtype,
                           char *data, ptrdiff_t step, size_t n, const double *values);

/* Yields the elements of one tensor in row-major order, as doubles. */
typedef struct {
    mgd_dtype dtype;
    mgd_walk walk;
    size_t used; /* elements of the present row already given */
} mgd_reader;

void mgd_reader_begin(mgd_reader *reader, const mgd_tensor *t);
/* Fills `buffer` with up to `capacity` elements; returns how many: 0 at the end. */
size_t mgd_reader_next(mgd_reader *reader, double *buffer, size_t capacity);

#endif
