/* Waiting for descriptors, and what all of them need. */

#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#define AWAKE 1e-4 /* seconds */

/* Looks for some time before anything sleeps, and lets others run meanwhile: a process that sleeps
 * on another processor takes as long to wake (50 µs on a virtual machine) as a short answer to
 * come. */
static int look(struct pollfd *fds, size_t count, double until) {
    double begin = mgd_clock(), end = until < begin + AWAKE ? until : begin + AWAKE;
    int n;
    while ((n = poll(fds, (nfds_t)count, 0)) == 0 && mgd_clock() < end)
        sched_yield();
    return n;
}

mgd_status mgd_wait(mgd_context *ctx, struct pollfd *fds, size_t count, double until, bool *ready) {
    MGD_TRY(mgd_interrupt_answer(ctx));
    *ready = look(fds, count, until) > 0;
    while (!*ready) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        double left = until - mgd_clock();
        int ms = left >= MGD_SLICE ? (int)(1e3 * MGD_SLICE) : left > 0 ? (int)ceil(1e3 * left) : 0;
        int n = poll(fds, (nfds_t)count, ms);
        *ready = n > 0;
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            return mgd_fail(ctx, MGD_ERR_IO, "poll: %s", strerror(errno));
        if (n == 0 && !(left > 0))
            break;
    }
    return MGD_OK;
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
