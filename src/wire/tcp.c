/* Connections: TCPIP::host::port::SOCKET. */

#include "transport.h"

#include <errno.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define DIGITS "0123456789"

/* [board]::host::port::SOCKET */
static bool read_address(char *text, char **words) {
    char *part[4];
    if (mgd_words_cut(text, part, 4) != 4 || part[0][strspn(part[0], DIGITS)] != '\0' ||
        strcasecmp(part[3], "SOCKET") != 0)
        return false;
    size_t length = strlen(part[1]);
    bool bracket = length > 1 && part[1][0] == '[' && part[1][length - 1] == ']';
    if (bracket)
        part[1][length - 1] = '\0';
    words[1] = part[1] + bracket;
    words[2] = part[2];
    return *words[1] && *words[2];
}

static void write_address(char *const *words, char *text, size_t room) {
    bool bracket = strchr(words[1], ':') != NULL;
    snprintf(text, room, bracket ? "TCPIP::[%s]::%s::SOCKET" : "TCPIP::%s::%s::SOCKET", words[1],
             words[2]);
}

/* *reason: 0 or why there is no connection. */
static mgd_status finish(mgd_context *ctx, int fd, double until, int *reason) {
    struct pollfd watched = {.fd = fd, .events = POLLOUT};
    socklen_t size = sizeof *reason;
    bool ready;
    MGD_TRY(mgd_wait(ctx, &watched, 1, until, &ready));
    *reason = ETIMEDOUT;
    if (ready && getsockopt(fd, SOL_SOCKET, SO_ERROR, reason, &size) != 0)
        *reason = errno;
    return MGD_OK;
}

/* *fd: −1 where there is no connection for *reason. */
static mgd_status connect_to(mgd_context *ctx, const struct addrinfo *a, double until, int *out,
                             int *reason) {
    *out = -1;
    int fd = mgd_descriptor_above(
        socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol));
    *reason = errno;
    if (fd < 0)
        return MGD_OK;
    *reason = connect(fd, a->ai_addr, a->ai_addrlen) == 0 ? 0 : errno;
    mgd_status status = MGD_OK;
    if (*reason == EINPROGRESS || *reason == EINTR)
        status = finish(ctx, fd, until, reason);
    if (status == MGD_OK && *reason == 0 && !mgd_connection_tune(fd))
        *reason = errno;
    if (status != MGD_OK || *reason != 0)
        close(fd);
    else
        *out = fd;
    return status;
}

/* The addresses of a host share the time that is left. */
static mgd_status connect_any(mgd_context *ctx, const struct addrinfo *list, double until, int *out,
                              int *reason) {
    size_t left = 0;
    for (const struct addrinfo *a = list; a; a = a->ai_next)
        left++;
    *out = -1;
    for (const struct addrinfo *a = list; a && *out < 0; a = a->ai_next, left--) {
        double now = mgd_clock();
        MGD_TRY(connect_to(ctx, a, now + (until - now) / (double)left, out, reason));
    }
    return MGD_OK;
}

static mgd_status check_port(mgd_context *ctx, const mgd_wire *w) {
    const char *port = w->words[2];
    long number = strtol(port, NULL, 10);
    if (port[strspn(port, DIGITS)] != '\0' || number < 1 || number > 65535)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "address \"" MGD_ADDRESS "\": expected a port from 1 to 65535, got %.20s",
                        w->address, port);
    return MGD_OK;
}

static mgd_status open_connection(mgd_context *ctx, mgd_wire *w, double until) {
    struct addrinfo *list;
    int fd, reason = 0;
    double wait = until - mgd_clock();
    MGD_TRY(check_port(ctx, w));
    MGD_TRY(mgd_resolve(ctx, w->words[1], w->words[2], until, &list));
    mgd_status status = connect_any(ctx, list, until, &fd, &reason);
    freeaddrinfo(list);
    MGD_TRY(status);
    if (fd < 0) {
        w->fault = reason == ETIMEDOUT ? MGD_FAULT_LATE : MGD_FAULT_CLOSED;
        if (reason == ETIMEDOUT)
            return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": no connection within %.4g s",
                            w->address, MGD_ROUNDED(wait));
        return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": no connection: %s", w->address,
                        strerror(reason));
    }
    w->in = w->out = fd;
    w->socket = true;
    return MGD_OK;
}

const mgd_transport mgd_transport_tcp = {
    .name = "TCPIP",
    .usage = "TCPIP::host::port::SOCKET",
    .least = 3,
    .most = 3,
    .read = read_address,
    .write = write_address,
    .open = open_connection,
};
