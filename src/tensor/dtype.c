/* dtype.c: the types of elements, a row each. */

#include "tensor.h"

#include <string.h>

static const struct {
    const char *name;
    size_t size;
} dtypes[MGD_DTYPE_COUNT] = {
    [MGD_F64] = {"f64", 8}, [MGD_F32] = {"f32", 4}, [MGD_I32] = {"i32", 4}, [MGD_U8] = {"u8", 1}};

static bool is_dtype(mgd_dtype dtype) {
    return (unsigned)dtype < MGD_DTYPE_COUNT;
}

size_t mgd_dtype_size(mgd_dtype dtype) {
    return is_dtype(dtype) ? dtypes[dtype].size : 0;
}

const char *mgd_dtype_name(mgd_dtype dtype) {
    return is_dtype(dtype) ? dtypes[dtype].name : "unknown";
}

bool mgd_dtype_parse(const char *name, mgd_dtype *out) {
    for (int i = 0; i < MGD_DTYPE_COUNT; i++)
        if (strcmp(name, dtypes[i].name) == 0) {
            *out = (mgd_dtype)i;
            return true;
        }
    return false;
}

bool mgd_dtype_is_integer(mgd_dtype dtype) {
    return dtype == MGD_I32 || dtype == MGD_U8;
}
