/* The guard of a chip without a watchdog: a child of this process that holds its connections, too,
 * and waits. Where this process dies without a word, killed or crashed, the guard's line to it
 * closes, and it takes the chip to its safe state, from the values that both see in shared memory.
 */

#include "device.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Returns when nobody holds the other end any more; true where it was let go instead. */
static bool let_go(int line) {
    char byte;
    ssize_t n;
    do
        n = read(line, &byte, 1);
    while (n < 0 && errno == EINTR);
    return n == 1;
}

/* What had been sent may end in the middle of a message: a connection that begins anew has nothing
 * of it; a serial line is told that the line is over. */
static mgd_status take_over(mgd_context *ctx, mgd_device *device) {
    enum { PATIENCE = 10 }; /* s */
    if (mgd_port_is(device->port, "ASRL"))
        MGD_TRY(mgd_port_tell(ctx, device->port, "\n", 1));
    MGD_TRY(mgd_device_recover(ctx, device, mgd_clock() + PATIENCE));
    return mgd_device_safe(ctx, device);
}

static void keep(mgd_device *device, int line) {
    mgd_context ctx = {0};
    static const int deaf[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGPIPE, SIGTSTP, SIGALRM};
    for (size_t i = 0; i < sizeof deaf / sizeof *deaf; i++)
        signal(deaf[i], SIG_IGN);
    setsid();
    int nowhere = open("/dev/null", O_RDWR);
    if (nowhere >= 0) { /* whoever waits for the end of the host's output need not wait for this */
        dup2(nowhere, STDIN_FILENO);
        dup2(nowhere, STDOUT_FILENO);
    }
    mgd_interrupt_clear();
    if (let_go(line) || !device->state->driven)
        _exit(0);
    mgd_status status = take_over(&ctx, device);
    fprintf(stderr, "mgd: the program that drove %s is gone: %s%s\n",
            mgd_port_address(device->port),
            status == MGD_OK ? "the chip is in its safe state"
                             : "the chip could not be brought to its safe state: ",
            status == MGD_OK ? "" : ctx.message);
    _exit(status == MGD_OK ? 0 : 1);
}

mgd_status mgd_guard_start(mgd_context *ctx, mgd_device *device) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
        return mgd_fail(ctx, MGD_ERR_IO, "a guard could not be started: %s", strerror(errno));
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        keep(device, ends[0]);
    }
    close(ends[0]);
    if (pid < 0) {
        close(ends[1]);
        return mgd_fail(ctx, MGD_ERR_IO, "a guard could not be started: %s", strerror(errno));
    }
    device->guard = ends[1];
    device->guard_pid = (int)pid;
    return MGD_OK;
}

void mgd_guard_stop(mgd_device *device) {
    if (device->guard < 0)
        return;
    send(device->guard, "", 1, MSG_NOSIGNAL); /* one that is gone holds nothing */
    close(device->guard);
    device->guard = -1;
    int status;
    while (waitpid(device->guard_pid, &status, 0) < 0 && errno == EINTR)
        continue;
}
