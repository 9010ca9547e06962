/* What is told of an instrument as it is used, and how one that was lost comes back. */

#include "instrument_state.h"

#include <stdarg.h>
#include <stdio.h>

void mgd_instrument_tell(const char *format, ...) {
    va_list list;
    va_start(list, format);
    fputs("mgd: warning: ", stderr);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
}

mgd_status mgd_instrument_recover(mgd_context *ctx, mgd_device *device, double until,
                                  const char *why) {
    bool guarded = device->guard >= 0;
    mgd_guard_stop(device); /* it holds the old connection */
    MGD_TRY(mgd_device_recover(ctx, device, until));
    if (guarded)
        MGD_TRY(mgd_guard_start(ctx, device));
    if (why)
        mgd_instrument_tell("%s; %s again", why,
                            mgd_port_is(device->port, "EXEC") ? "it was started"
                                                              : "the connection was opened");
    return MGD_OK;
}
