/* Status codes with an explicit context. */

#include "base.h"

#include <stdarg.h>
#include <stdio.h>

const char *mgd_version(void) {
    return MGD_VERSION;
}

mgd_status mgd_fail(mgd_context *ctx, mgd_status code, const char *format, ...) {
    if (!ctx)
        return code;
    ctx->status = code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ctx->message, sizeof ctx->message, format, arguments);
    va_end(arguments);
    return code;
}

const char *mgd_shape_format(char *buffer, size_t capacity, size_t ndim, const size_t *shape) {
    size_t used = 0;
    if (ndim == 0)
        snprintf(buffer, capacity, "scalar");
    for (size_t i = 0; i < ndim && used < capacity; i++)
        used += (size_t)snprintf(buffer + used, capacity - used, i ? "x%zu" : "%zu", shape[i]);
    return buffer;
}
