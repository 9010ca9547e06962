/* Waiting for descriptors, and what all of them need. */

#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

mgd_status mgd_wait(mgd_context *ctx, struct pollfd *fds, size_t count, double until, bool *ready) {
    for (;;) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        double left = until - mgd_clock();
        int ms = left >= MGD_SLICE ? (int)(1e3 * MGD_SLICE) : left > 0 ? (int)ceil(1e3 * left) : 0;
        int n = poll(fds, (nfds_t)count, ms);
        *ready = n > 0;
        if (*ready)
            return MGD_OK;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return mgd_fail(ctx, MGD_ERR_IO, "poll: %s", strerror(errno));
        if (n == 0 && !(left > 0))
            return MGD_OK;
    }
}

int mgd_descriptor_above(int fd) {
    if (fd < 0 || fd > 2)
        return fd;
    int higher = fcntl(fd, F_DUPFD_CLOEXEC, 3), reason = errno;
    close(fd);
    errno = reason;
    return higher;
}

bool mgd_descriptor_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}
