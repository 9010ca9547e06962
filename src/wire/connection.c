/* Connections, of clients and of servers. */

#include "transport.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PACE 5000 /* µs for a message to go out before somebody looks at what comes in */

/* Each command goes out at once, and a dead line is noticed although nobody says anything. */
static const struct {
    int level, option, value;
} settings[] = {
    {IPPROTO_TCP, TCP_NODELAY, 1},    {SOL_SOCKET, SO_KEEPALIVE, 1},
#if defined(TCP_KEEPIDLE) && defined(TCP_KEEPINTVL) && defined(TCP_KEEPCNT)
    {IPPROTO_TCP, TCP_KEEPIDLE, 30}, /* seconds of silence */
    {IPPROTO_TCP, TCP_KEEPINTVL, 10}, {IPPROTO_TCP, TCP_KEEPCNT, 3},
#endif
};

bool mgd_connection_tune(int fd) {
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        setsockopt(fd, settings[i].level, settings[i].option, &settings[i].value,
                   sizeof settings[i].value);
    const struct timeval pace = {.tv_usec = PACE}, slice = {.tv_usec = (int)(1e6 * MGD_SLICE)};
    int flags = fcntl(fd, F_GETFL);
    return setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &pace, sizeof pace) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &slice, sizeof slice) == 0 && flags >= 0 &&
           fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0;
}
