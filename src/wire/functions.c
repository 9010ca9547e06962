/* Bytes by functions of the caller's. */

#include "transport.h"

static mgd_status open_functions(mgd_context *ctx, mgd_wire *w, double until) {
    (void)until;
    return w->calls.open ? w->calls.open(w->calls.user, ctx) : MGD_OK;
}

static void close_functions(mgd_wire *w) {
    if (w->calls.close)
        w->calls.close(w->calls.user);
}

static mgd_status send_bytes(mgd_context *ctx, mgd_wire *w, const void *bytes, size_t count) {
    return w->calls.write(w->calls.user, ctx, bytes, count);
}

static mgd_status receive_bytes(mgd_context *ctx, mgd_wire *w, void *bytes, size_t most,
                                double seconds, size_t *got) {
    return w->calls.read(w->calls.user, ctx, bytes, most, seconds, got);
}

const mgd_transport mgd_transport_functions = {
    .open = open_functions,
    .close = close_functions,
    .send = send_bytes,
    .receive = receive_bytes,
};
