/* npy: the header of NumPy's file format (numpy.lib.format), versions 1.0 to 3.0. */
#ifndef MGD_NPY_H
#define MGD_NPY_H

#include "tensor.h"

#define MGD_NPY_PATH "%.200s" /* how messages print a path: room is left for the reason */

typedef struct {
    char kind;   /* 'f', 'i', 'u' or 'b' */
    size_t item; /* bytes per element: 1, 2, 4 or 8, as the kind allows */
    bool big;    /* byte order */
    bool fortran;
    size_t ndim;
    size_t shape[MGD_MAX_DIMS];
} mgd_npy_header;

/* Parses the dictionary in the `length` bytes at `text`; `path` is for messages. Accepts what
 * NumPy's own writers have produced over the years: keys in any order, either kind of quote,
 * spaces anywhere, a trailing comma, and the L of Python 2's long integers. */
mgd_status mgd_npy_parse(mgd_context *ctx, const char *path, const char *text, size_t length,
                         mgd_npy_header *out);

/* Writes magic, version 1.0 and the dictionary for `t`, padded to a multiple of MGD_ALIGNMENT, to
 * `buffer`; returns the number of bytes. */
#define MGD_NPY_HEADER_SIZE 320
size_t mgd_npy_format(const mgd_tensor *t, char buffer[MGD_NPY_HEADER_SIZE]);

#endif
