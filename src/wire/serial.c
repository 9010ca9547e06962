/* Serial ports and pseudo-terminals: ASRL/dev/ttyUSB0. */

#include "transport.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <termios.h>
#include <unistd.h>

#define USUAL_BAUD 115200

static const struct {
    unsigned baud;
    speed_t speed;
} speeds[] = {
    {300, B300},         {600, B600},         {1200, B1200},       {2400, B2400},
    {4800, B4800},       {9600, B9600},       {19200, B19200},     {38400, B38400},
    {57600, B57600},     {115200, B115200},   {230400, B230400},
#if defined(B460800) && defined(B921600)
    {460800, B460800},   {921600, B921600},
#endif
#if defined(B500000) && defined(B1000000) && defined(B4000000)
    {500000, B500000},   {1000000, B1000000}, {1500000, B1500000}, {2000000, B2000000},
    {3000000, B3000000}, {4000000, B4000000},
#endif
};

/* /dev/name, or with ::INSTR behind it, as PyVISA writes it */
static bool read_address(char *text, char **words) {
    char *part[2];
    size_t count = mgd_words_cut(text, part, 2);
    words[1] = text;
    return text[0] == '/' && (count == 1 || (count == 2 && strcasecmp(part[1], "INSTR") == 0));
}

static void write_address(char *const *words, char *text, size_t room) {
    snprintf(text, room, "ASRL%s", words[1]);
}

static mgd_status speed_of(mgd_context *ctx, const mgd_wire *w, speed_t *out) {
    unsigned baud = w->spec.baud ? w->spec.baud : USUAL_BAUD;
    for (size_t i = 0; i < sizeof speeds / sizeof *speeds; i++)
        if (speeds[i].baud == baud) {
            *out = speeds[i].speed;
            return MGD_OK;
        }
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    MGD_ADDRESS ": %u baud is no speed of a serial port here: 9600, 115200, …",
                    w->address, baud);
}

/* Bytes as they are; no signal by a hung-up line; and a device that is reset whenever the line is
 * let go (as boards on USB cables are) is not. */
static void set_modes(struct termios *t, const mgd_wire_spec *spec, speed_t speed) {
    cfmakeraw(t);
    t->c_cflag |= CLOCAL | CREAD;
    t->c_cflag &= ~(tcflag_t)(PARENB | PARODD | CSTOPB | CRTSCTS | HUPCL);
    t->c_iflag &= ~(tcflag_t)(IXON | IXOFF | IXANY);
    if (spec->parity != MGD_PARITY_NONE)
        t->c_cflag |= PARENB | (spec->parity == MGD_PARITY_ODD ? PARODD : 0);
    if (spec->stop_bits == 2)
        t->c_cflag |= CSTOPB;
    if (spec->flow == MGD_FLOW_HARDWARE)
        t->c_cflag |= CRTSCTS;
    if (spec->flow == MGD_FLOW_SOFTWARE)
        t->c_iflag |= IXON | IXOFF;
    t->c_cc[VMIN] = 1;
    t->c_cc[VTIME] = 0;
    cfsetispeed(t, speed);
    cfsetospeed(t, speed);
}

static bool is_pseudo(int fd) {
    char name[64] = "";
    return ttyname_r(fd, name, sizeof name) == 0 && strncmp(name, "/dev/pts/", 9) == 0;
}

/* The system sets what it can and says nothing of the rest; a pseudo-terminal has no use for it. */
static bool was_set(int fd, const struct termios *wanted) {
    const tcflag_t flags = CSIZE | PARENB | PARODD | CSTOPB | CRTSCTS;
    struct termios got;
    return is_pseudo(fd) || (tcgetattr(fd, &got) == 0 && cfgetospeed(&got) == cfgetospeed(wanted) &&
                             (got.c_cflag & flags) == (wanted->c_cflag & flags));
}

/* 0, or an error of the system. A port that another program has locked, as PySerial and this
 * library do, is busy. */
static int set_up(const mgd_wire *w, int fd, speed_t speed) {
    struct termios t;
    if (flock(fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK ? EBUSY : errno;
    if (tcgetattr(fd, &t) != 0)
        return errno;
    set_modes(&t, &w->spec, speed);
    if (tcsetattr(fd, TCSANOW, &t) != 0)
        return errno;
    tcflush(fd, TCIOFLUSH);
    return was_set(fd, &t) ? 0 : EINVAL;
}

static mgd_status open_port(mgd_context *ctx, mgd_wire *w, double until) {
    (void)until;
    speed_t speed = B0;
    MGD_TRY(speed_of(ctx, w, &speed));
    int fd = mgd_descriptor_above(open(w->words[1], O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    int reason = fd < 0 ? errno : set_up(w, fd, speed);
    if (fd >= 0 && reason != 0)
        close(fd);
    w->fault = reason == 0 ? MGD_FAULT_NONE : MGD_FAULT_CLOSED;
    const char *why = reason == EBUSY    ? "another program uses it"
                      : reason == ENOTTY ? "it is no serial port"
                      : reason == EINVAL ? "it does not take these settings"
                                         : strerror(reason);
    if (reason != 0)
        return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": %s", w->address, why);
    w->in = w->out = fd;
    return MGD_OK;
}

const mgd_transport mgd_transport_serial = {
    .name = "ASRL",
    .usage = "ASRL/dev/name",
    .least = 2,
    .most = 2,
    .read = read_address,
    .write = write_address,
    .open = open_port,
};
