/* data: readers and generators of data sets. The public functions are declared in mgd.h, section
 * "data"; this header is what they share. Uses base and tensor, knows no network and no Lua.
 */
#ifndef MGD_DATA_H
#define MGD_DATA_H

#include "../base/base.h"

/* Elements or bytes between two polls for an interrupt. */
#define MGD_DATA_CHUNK ((size_t)1 << 20)

/* The end of a path that is too long for a message, at a character boundary. */
const char *mgd_data_path_tail(const char *path);

/* Writes the 1-based position of element `index` (row-major), "[3, 2]"; returns `buffer`. */
const char *mgd_data_position(char *buffer, size_t capacity, const mgd_tensor *t, size_t index);

/* Fails, naming `what`, unless `dtype` is f32 or f64, which the next two take for granted. */
mgd_status mgd_data_check_float(mgd_context *ctx, const char *what, mgd_dtype dtype);

/* Writes n pixels as value / 255 to elements `first` … of `out`, which is contiguous. */
void mgd_data_scale(const unsigned char *pixels, size_t n, mgd_tensor *out, size_t first);

/* Writes 1 to element `index` of `out`, which is contiguous. */
void mgd_data_set_one(mgd_tensor *out, size_t index);

#endif
