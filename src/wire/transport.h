/* transport: what the files of this folder share. A kind of wire is one row and one file.
 *
 * Most kinds are two descriptors, which wire.c waits for, reads and writes in the same way: such a
 * row only opens them. They do not block; where that cannot be asked of one (`shared`: other
 * processes have it, too), pieces of it are written that the system takes at once. Connections are
 * sent to as much as they take within a few milliseconds, which is faster than to wait for each
 * piece of a long message.
 */
#ifndef MGD_WIRE_TRANSPORT_H
#define MGD_WIRE_TRANSPORT_H

#include "wire.h"

#include <poll.h>
#include <sys/types.h>

#define MGD_SLICE 0.02 /* seconds between two looks whether Ctrl-C asks */

#define MGD_ROUNDED(seconds) (rint(1e3 * (seconds)) / 1e3) /* for messages */

/* How messages print an address: room is left for the reason. */
#define MGD_ADDRESS "%.150s"

typedef struct {
    const char *name;   /* the first word of an address, in capitals; NULL: it has none */
    const char *usage;  /* what an address looks like */
    size_t least, most; /* words that it has, the first one included */
    /* Takes what follows the name in an address apart, in place: words[1], …; false where it is
     * wrong. There is room for a word of every second byte. */
    bool (*read)(char *text, char **words);
    /* Writes the address of such words. */
    void (*write)(char *const *words, char *text, size_t room);
    mgd_status (*open)(mgd_context *ctx, mgd_wire *w, double until);
    void (*close)(mgd_wire *w); /* of what is open, if anything is */

    /* NULL where there are descriptors. `receive` waits for `seconds` at most; *got is 0 when
     * nothing came. */
    mgd_status (*send)(mgd_context *ctx, mgd_wire *w, const void *bytes, size_t count);
    mgd_status (*receive)(mgd_context *ctx, mgd_wire *w, void *bytes, size_t most, double seconds,
                          size_t *got);
    /* Writes why the other side is gone, where that is known; may be NULL. */
    bool (*ending)(mgd_wire *w, char *text, size_t room);
} mgd_transport;

struct mgd_wire {
    const mgd_transport *kind;
    mgd_wire_spec spec; /* without what it pointed to, which is below */
    mgd_wire_calls calls;
    char *address; /* for messages */
    char **words;  /* {"TCPIP", host, port, NULL}; NULL of what is not opened by words */
    char **environment;
    mgd_fault fault;

    int in, out;  /* −1: none, or not open; may be the same */
    bool socket;  /* `out` is one: no SIGPIPE is raised */
    bool shared;  /* `out` blocks */
    pid_t opener; /* the process that opened it: a fork of that only closes its copies */
    pid_t child;  /* 0: none */
    bool ended;   /* it has, by itself and with status 0 */

    char *buffer; /* bytes from `begin` to `end` have come and were not taken */
    size_t begin, end, room;
};

extern const mgd_transport mgd_transport_tcp, mgd_transport_serial, mgd_transport_child,
    mgd_transport_functions, mgd_transport_client;

/* ---- kinds.c --------------------------------------------------------------------------------- */

/* Takes an address apart: {"TCPIP", host, port, NULL} of "TCPIP::host::port::SOCKET". */
mgd_status mgd_address_read(mgd_context *ctx, const char *text, char ***words);
/* The row that the first of the words names, once they are as many as it needs. */
mgd_status mgd_address_kind(mgd_context *ctx, char *const *words, const mgd_transport **out);
/* The address that words came from, or could have come from. */
mgd_status mgd_address_write(mgd_context *ctx, char *const *words, char **out);

/* ---- words.c --------------------------------------------------------------------------------- */

/* A copy of a list that ends with NULL, its texts included, in one block of memory. */
mgd_status mgd_words_copy(mgd_context *ctx, const char *const *words, char ***out);
/* Cuts `text` at "::", which brackets protect (an address of IPv6 has colons), into at most `most`
 * parts; how many there are, most + 1 where there are more. */
size_t mgd_words_cut(char *text, char **part, size_t most);

/* ---- wait.c ---------------------------------------------------------------------------------- */

/* Waits until one of the descriptors is ready (*ready) or until the deadline; answers Ctrl-C. */
mgd_status mgd_wait(mgd_context *ctx, struct pollfd *fds, size_t count, double until, bool *ready);
/* Moves a descriptor above the three that every process has; −1, with it closed, where it fails. */
int mgd_descriptor_above(int fd);
/* Sets O_NONBLOCK. */
bool mgd_descriptor_nonblocking(int fd);

/* ---- quiet.c --------------------------------------------------------------------------------- */

/* write(), but a pipe that nobody reads is EPIPE and no signal. mgd_quieten comes first, once. */
void mgd_quieten(void);
ssize_t mgd_write_quietly(int fd, const void *bytes, size_t count);

/* ---- connection.c ---------------------------------------------------------------------------- */

/* Makes a connection what this folder takes one for; false where the system does not. */
bool mgd_connection_tune(int fd);

/* ---- resolve.c ------------------------------------------------------------------------------- */

struct addrinfo;
/* The addresses of a host and a port, for freeaddrinfo. The name of a host is looked up in a thread
 * of its own, which is left to itself at the deadline. */
mgd_status mgd_resolve(mgd_context *ctx, const char *host, const char *port, double until,
                       struct addrinfo **out);

/* ---- wire.c, for listen.c -------------------------------------------------------------------- */

/* A wire around descriptors, which it owns but for `shared` ones. They are closed on failure. */
mgd_status mgd_wire_around(mgd_context *ctx, const char *address, int in, int out, bool shared,
                           size_t limit, mgd_wire **wire);

#endif
