/* Waiting for clients: at a port, at a pseudo-terminal, on standard input and output. */

#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define LOOKING_UP 5.0 /* seconds */
#define BACKLOG 8

typedef enum { PORT, PSEUDO_TERMINAL, STANDARD } kind;

struct mgd_listener {
    kind kind;
    int fd;      /* the socket; the controlling side of the pseudo-terminal; standard input */
    int other;   /* the terminal itself, held open so that its settings stay; standard output */
    bool served; /* standard input and output had their client */
    pid_t opener;
    char address[NI_MAXHOST + NI_MAXSERV + 4];
};

static mgd_status fail(mgd_context *ctx, const char *address, const char *why) {
    return mgd_fail(ctx, MGD_ERR_IO, "listen at \"" MGD_ADDRESS "\": %s", address, why);
}

/* ---- a port ---------------------------------------------------------------------------------- */

/* "host:port", with [] around an address of IPv6. False where it is neither. */
static bool cut_address(char *text, char **host, char **port) {
    char *colon = strrchr(text, ':');
    if (!colon || colon == text || colon[1] == '\0' ||
        colon[1 + strspn(colon + 1, "0123456789")] != '\0')
        return false;
    *colon = '\0';
    *host = text;
    *port = colon + 1;
    if (text[0] == '[' && colon[-1] == ']') {
        colon[-1] = '\0';
        *host = text + 1;
    }
    return **host && strtol(*port, NULL, 10) <= 65535;
}

/* "127.0.0.1:5025" of a socket's own address or, for `peer`, of the other side's. */
static void write_address(int fd, bool peer, char *text, size_t room) {
    struct sockaddr_storage a;
    socklen_t size = sizeof a;
    char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";
    int error = peer ? getpeername(fd, (struct sockaddr *)&a, &size)
                     : getsockname(fd, (struct sockaddr *)&a, &size);
    if (error == 0)
        getnameinfo((struct sockaddr *)&a, size, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(text, room, strchr(host, ':') ? "[%s]:%s" : "%s:%s", host, port);
}

static int listen_at(const struct addrinfo *a) {
    int fd = mgd_descriptor_above(
        socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol));
    if (fd < 0)
        return -1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
    if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}

static mgd_status open_port(mgd_context *ctx, const char *address, mgd_listener *l) {
    char text[sizeof l->address], *host, *port;
    struct addrinfo *list;
    if (snprintf(text, sizeof text, "%s", address) >= (int)sizeof text ||
        !cut_address(text, &host, &port))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "listen at \"" MGD_ADDRESS
                        "\": expected \"host:port\", such as \"127.0.0.1:5025\", \"pty\" or \"-\"",
                        address);
    MGD_TRY(mgd_resolve(ctx, host, port, mgd_clock() + LOOKING_UP, &list));
    l->fd = listen_at(list);
    int reason = errno;
    freeaddrinfo(list);
    if (l->fd < 0)
        return fail(ctx, address, strerror(reason));
    write_address(l->fd, false, l->address, sizeof l->address);
    return MGD_OK;
}

static mgd_status accept_connection(mgd_context *ctx, mgd_listener *l, size_t limit,
                                    mgd_wire **out) {
    char peer[sizeof l->address];
    int fd = mgd_descriptor_above(accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (fd < 0) /* it has gone away again, or descriptors are short, which may pass */
        return MGD_OK;
    if (!mgd_connection_tune(fd)) {
        close(fd);
        return MGD_OK;
    }
    write_address(fd, true, peer, sizeof peer);
    return mgd_wire_around(ctx, peer, fd, fd, false, limit, out);
}

/* ---- a pseudo-terminal ----------------------------------------------------------------------- */

/* Raw, as a client expects of a cable; the settings would be lost when nobody had it open. */
static bool open_terminal(mgd_listener *l) {
    struct termios t;
    l->other = mgd_descriptor_above(open(l->address, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (l->other < 0 || tcgetattr(l->other, &t) != 0)
        return false;
    cfmakeraw(&t);
    return tcsetattr(l->other, TCSANOW, &t) == 0;
}

static mgd_status open_pseudo_terminal(mgd_context *ctx, mgd_listener *l) {
    l->fd = mgd_descriptor_above(posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (l->fd < 0 || grantpt(l->fd) != 0 || unlockpt(l->fd) != 0 ||
        ptsname_r(l->fd, l->address, sizeof l->address) != 0 || !open_terminal(l) ||
        !mgd_descriptor_nonblocking(l->fd))
        return fail(ctx, "pty", strerror(errno));
    return MGD_OK;
}

/* ---- standard input and output --------------------------------------------------------------- */

/* They are taken away from the rest of the program: what it prints goes to standard error, and what
 * it reads is empty. */
static mgd_status open_standard(mgd_context *ctx, mgd_listener *l) {
    fflush(stdout);
    l->fd = fcntl(0, F_DUPFD_CLOEXEC, 3);
    l->other = fcntl(1, F_DUPFD_CLOEXEC, 3);
    int nothing = open("/dev/null", O_RDONLY | O_CLOEXEC);
    bool good =
        l->fd >= 0 && l->other >= 0 && nothing >= 0 && dup2(nothing, 0) >= 0 && dup2(2, 1) >= 0;
    int reason = errno;
    if (nothing > 2)
        close(nothing);
    snprintf(l->address, sizeof l->address, "-");
    return good ? MGD_OK : fail(ctx, "-", strerror(reason));
}

static void give_back_standard(mgd_listener *l) {
    fflush(stdout);
    if (l->fd >= 0)
        dup2(l->fd, 0);
    if (l->other >= 0)
        dup2(l->other, 1);
}

/* ---- interface ------------------------------------------------------------------------------- */

mgd_status mgd_listener_open(mgd_context *ctx, const char *address, mgd_listener **out) {
    void *block;
    MGD_TRY(mgd_allocate(ctx, "listener", 1, sizeof(mgd_listener), &block));
    mgd_listener *l = block;
    l->fd = l->other = -1;
    l->opener = getpid();
    mgd_status status;
    if (strcmp(address, "pty") == 0) {
        l->kind = PSEUDO_TERMINAL;
        status = open_pseudo_terminal(ctx, l);
    } else if (strcmp(address, "-") == 0) {
        l->kind = STANDARD;
        status = open_standard(ctx, l);
    } else {
        l->kind = PORT;
        status = open_port(ctx, address, l);
    }
    if (status == MGD_OK)
        *out = l;
    else
        mgd_listener_close(l);
    return status;
}

const char *mgd_listener_address(const mgd_listener *l) {
    return l->address;
}

mgd_status mgd_listener_accept(mgd_context *ctx, mgd_listener *l, double until, size_t limit,
                               mgd_wire **out) {
    struct pollfd watched = {.fd = l->fd, .events = POLLIN};
    *out = NULL;
    if (l->kind == STANDARD) {
        if (l->served)
            return fail(ctx, "-", "standard input has ended");
        l->served = true;
        return mgd_wire_around(ctx, "-", l->fd, l->other, true, limit, out);
    }
    for (bool ready = true; ready && !*out;) {
        MGD_TRY(mgd_wait(ctx, &watched, 1, until, &ready));
        if (!ready)
            break;
        if (l->kind == PORT) {
            MGD_TRY(accept_connection(ctx, l, limit, out));
            continue;
        }
        int fd = fcntl(l->fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0)
            return fail(ctx, l->address, strerror(errno));
        MGD_TRY(mgd_wire_around(ctx, l->address, fd, fd, false, limit, out));
    }
    return MGD_OK;
}

/* What a client has sent is read before it is let go: a connection with unread bytes is reset, and
 * the client might not see why. */
void mgd_listener_refuse(mgd_listener *l, const void *bytes, size_t count) {
    char unread[4096];
    if (l->kind != PORT)
        return;
    for (int fd; (fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0;) {
        send(fd, bytes, count, MSG_NOSIGNAL | MSG_DONTWAIT);
        shutdown(fd, SHUT_WR);
        recv(fd, unread, sizeof unread, MSG_DONTWAIT);
        close(fd);
    }
}

void mgd_listener_close(mgd_listener *l) {
    if (!l)
        return;
    if (l->kind == STANDARD && l->opener == getpid())
        give_back_standard(l);
    if (l->fd >= 0)
        close(l->fd);
    if (l->other >= 0)
        close(l->other);
    mgd_free(l);
}
