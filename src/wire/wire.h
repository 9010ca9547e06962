/* wire: transports. Bytes go out and come in; nothing here knows a chip.
 *
 * A wire is opened by an address as VISA writes them:
 *   TCPIP::host::port::SOCKET   a connection, with TCP_NODELAY
 *   ASRL/dev/ttyUSB0            a serial port or a pseudo-terminal
 *   EXEC::command word …        a child process, on its standard input and output, without a shell
 * or it is made of functions of the caller's.
 *
 * What comes in is kept in a buffer that grows up to a limit. Reading waits until there is enough,
 * until a deadline (mgd_clock) or until Ctrl-C; what had come by then stays in the buffer. Writing
 * takes in what comes meanwhile, so that neither side waits for the other for ever.
 */
#ifndef MGD_WIRE_H
#define MGD_WIRE_H

#include "../base/base.h"

typedef struct mgd_wire mgd_wire;

/* Why the last operation on a wire failed, beside its message. */
typedef enum {
    MGD_FAULT_NONE,
    MGD_FAULT_LATE,   /* nothing, or not enough, came until the deadline */
    MGD_FAULT_CLOSED, /* the other side closed it, reset it or ended */
    MGD_FAULT_LIMIT,  /* more came than is allowed */
} mgd_fault;

typedef enum { MGD_PARITY_NONE, MGD_PARITY_EVEN, MGD_PARITY_ODD } mgd_parity;
typedef enum { MGD_FLOW_NONE, MGD_FLOW_HARDWARE, MGD_FLOW_SOFTWARE } mgd_flow;

/* Bytes by functions of the caller's; each returns a status and says why in ctx: MGD_ERR_IO, that
 * the other side is gone. `read` puts at most `most` bytes into `bytes`, waits no longer than
 * `seconds` and sets *count, 0 when none came. `open` and `close` may be NULL; a wire that is
 * reopened calls close, then open. */
typedef struct {
    mgd_status (*open)(void *user, mgd_context *ctx);
    mgd_status (*write)(void *user, mgd_context *ctx, const void *bytes, size_t count);
    mgd_status (*read)(void *user, mgd_context *ctx, void *bytes, size_t most, double seconds,
                       size_t *count);
    void (*close)(void *user);
    void *user;
} mgd_wire_calls;

typedef struct {
    const char *address;         /* or … */
    const char *const *words;    /* … {"EXEC", program, word, …, NULL}, beside which the address
                                  * is no more than its name in messages; or … */
    const mgd_wire_calls *calls; /* … these */
    const char *const *environment; /* EXEC: besides this process's, "NAME=text" …, NULL */
    double timeout;                 /* seconds to open it; 0: 5 */
    size_t limit;                   /* bytes that may wait to be read, at most; 0: 64 MiB */
    unsigned baud;                  /* ASRL; 0: 115200 */
    unsigned stop_bits;             /* ASRL: 1 or 2; 0: 1 */
    mgd_parity parity;
    mgd_flow flow;
} mgd_wire_spec;

/* Copies what the specification points to, so that the wire can be opened again. */
mgd_status mgd_wire_open(mgd_context *ctx, const mgd_wire_spec *spec, mgd_wire **out);
/* Closes what is left and opens it anew; what had come is dropped. A child is ended and started
 * again. Where that fails the wire stays closed, and can be reopened later. */
mgd_status mgd_wire_reopen(mgd_context *ctx, mgd_wire *wire);
/* Asks a child, and all that it started, to end whatever they are at (SIGTERM). */
void mgd_wire_terminate(mgd_wire *wire);
/* A child gets a moment to end by itself once its input is closed, then is killed with all that it
 * started. */
void mgd_wire_close(mgd_wire *wire);

const char *mgd_wire_address(const mgd_wire *wire); /* as given; "functions" of the caller's */
const char *mgd_wire_kind(const mgd_wire *wire);    /* "TCPIP", "ASRL" or "EXEC"; else "" */
mgd_fault mgd_wire_fault(const mgd_wire *wire);
/* Whether a child that closed it had ended by itself, with status 0. */
bool mgd_wire_ended(const mgd_wire *wire);
/* The descriptors that it reads from and writes to; −1 where it has none. */
void mgd_wire_descriptors(const mgd_wire *wire, int *in, int *out);

/* All of it, in one system call where the system takes it at once. `until`: mgd_clock. What fails,
 * or Ctrl-C, may leave a part of it sent. */
mgd_status mgd_wire_write(mgd_context *ctx, mgd_wire *wire, const void *bytes, size_t count,
                          double until);
/* The next `count` bytes, good until the next call on this wire. */
mgd_status mgd_wire_take(mgd_context *ctx, mgd_wire *wire, size_t count, double until,
                         const char **bytes);
/* Up to and without the next `end` byte, which is consumed. *count: of the bytes before it. */
mgd_status mgd_wire_take_until(mgd_context *ctx, mgd_wire *wire, char end, double until,
                               const char **bytes, size_t *count);
/* Whatever has come or comes within `seconds`, possibly nothing. */
mgd_status mgd_wire_take_some(mgd_context *ctx, mgd_wire *wire, double seconds, const char **bytes,
                              size_t *count);
/* What has come and was not taken; nothing is read for it. */
const char *mgd_wire_waiting(const mgd_wire *wire, size_t *count);
/* Drops what has come, and what comes until it has been silent for `seconds`; MGD_FAULT_LATE after
 * 20 times as long, or a second where that is more, without such a silence. */
mgd_status mgd_wire_drain(mgd_context *ctx, mgd_wire *wire, double seconds);

/* ---- the other side: for servers ------------------------------------------------------------- */

/* Waits for clients at "127.0.0.1:5025" (port 0: any free one), "pty" (a pseudo-terminal) or "-"
 * (standard input and output, which are taken from the rest of the program until it is closed: what
 * that prints goes to standard error). */
typedef struct mgd_listener mgd_listener;
mgd_status mgd_listener_open(mgd_context *ctx, const char *address, mgd_listener **out);
/* Where it listens: "127.0.0.1:40123", "/dev/pts/3", "-". */
const char *mgd_listener_address(const mgd_listener *listener);
/* The next client, or NULL when none came until the deadline. A pseudo-terminal is a cable, not a
 * connection: it has a client when the first byte has come, which never closes it. "-" has one
 * client; to ask for another fails with MGD_ERR_IO. A client's wire cannot be opened again. */
mgd_status mgd_listener_accept(mgd_context *ctx, mgd_listener *listener, double until, size_t limit,
                               mgd_wire **out);
/* Sends `bytes` to clients that wait at a port, and closes them; does not wait. */
void mgd_listener_refuse(mgd_listener *listener, const void *bytes, size_t count);
void mgd_listener_close(mgd_listener *listener);

/* ---- blocks and frames ----------------------------------------------------------------------- */

#define MGD_BLOCK_HEAD 11 /* bytes of the longest head: "#9" and nine digits */

/* Writes the head of a definite block of `bytes` (IEEE 488.2, 8.7.9); returns its length. */
size_t mgd_block_head(size_t bytes, char head[MGD_BLOCK_HEAD]);
/* Reads a head from the first `count` bytes: its length, and in *bytes that of the block; 0 when
 * more bytes are needed to tell; SIZE_MAX when it is none, or longer than `most`. */
size_t mgd_block_read(const char *text, size_t count, size_t most, size_t *bytes);

/* CRC-16/CCITT-FALSE: of "123456789" it is 0x29B1. */
uint16_t mgd_crc16(const void *bytes, size_t count);
/* Room that a frame of a message takes: COBS, sequence, CRC, the zero at its end. */
size_t mgd_frame_room(size_t count);
/* Writes sequence, message and CRC as a frame with its zero; returns its length. */
size_t mgd_frame_write(uint8_t sequence, const void *message, size_t count, void *out);
/* Takes a frame of `count` bytes, without its zero, apart in place: the message's place and length.
 * False: not a whole one. */
bool mgd_frame_read(void *frame, size_t count, uint8_t *sequence, char **message, size_t *length);

#endif
