/* Pipes that nobody reads any more. To block SIGPIPE around each write takes longer than the write;
 * so where it has its default action it gets a handler that does the same, but for what this file
 * writes. A program that handles or ignores the signal keeps its way.
 */

#include "transport.h"

#include <signal.h>
#include <unistd.h>

static _Thread_local volatile sig_atomic_t writes; /* the signal is the thread's that caused it */

static void on_pipe(int number) {
    if (writes)
        return;
    signal(number, SIG_DFL);
    raise(number);
}

void mgd_quieten(void) {
    struct sigaction present;
    if (sigaction(SIGPIPE, NULL, &present) != 0 || present.sa_handler != SIG_DFL)
        return;
    struct sigaction action = {.sa_handler = on_pipe};
    sigemptyset(&action.sa_mask);
    sigaction(SIGPIPE, &action, NULL);
}

ssize_t mgd_write_quietly(int fd, const void *bytes, size_t count) {
    writes = 1;
    ssize_t n = write(fd, bytes, count);
    writes = 0;
    return n;
}
