/* host.c: runs chip.c on a computer.
 *
 *     cc -O2 -o chip chip.c host.c -lm
 *     chip                  on standard input and output: mgd.chip{instrument = "EXEC::./chip"}
 *     chip pty              on a pseudo-terminal, whose name it prints: "ASRL/dev/pts/3"
 *     chip /dev/ttyS0       on a serial port
 *     chip CODE SEED REPLICA PARAMETERS SLOTS     prints patterns, a slot in a line */
#define _XOPEN_SOURCE 700
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

/* Of chip.c. */
void chip_poll(void);
int chip_sign(int code, uint64_t seed, uint64_t replica, uint64_t slot, size_t i, size_t count);
extern const char *const chip_codes[];

static int in = 0, out = 1;
static uint8_t bytes[4096];
static size_t first, count;

int port_get(void) {
    return first < count ? bytes[first++] : -1;
}

void port_put(const void *from, size_t left) {
    const char *next = from;
    while (left > 0) {
        ssize_t n = write(out, next, left);
        if (n < 0 && errno != EINTR && errno != EAGAIN)
            exit(0); /* nobody reads any more */
        next += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
}

uint32_t port_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint32_t)((uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000);
}

/* In place of hardware a network of sigmoids. θ: per layer the weights (out × in), then biases. */
double port_measure(const double *p, const double *input) {
    enum { INPUTS = 2, HIDDEN = 2 };
    const double *biases = p + HIDDEN * INPUTS, *last = biases + HIDDEN;
    double y = last[HIDDEN];
    for (int h = 0; h < HIDDEN; h++) {
        double z = biases[h];
        for (int i = 0; i < INPUTS; i++)
            z += p[h * INPUTS + i] * input[i];
        y += last[h] * (1 / (1 + exp(-z)));
    }
    return 1 / (1 + exp(-y));
}

void port_safe(double *theta) {
    memset(theta, 0, 9 * sizeof *theta);
}

/* Bytes go through as they are. */
static int open_raw(const char *path) {
    struct termios settings;
    int file = open(path, O_RDWR | O_NOCTTY);
    if (file < 0 || tcgetattr(file, &settings) != 0) {
        perror(path);
        exit(1);
    }
    settings.c_iflag = settings.c_oflag = settings.c_lflag = 0;
    settings.c_cflag |= CS8 | CREAD | CLOCAL;
    settings.c_cc[VMIN] = 1;
    tcsetattr(file, TCSANOW, &settings);
    return file;
}

/* The other end stays open here, too: clients may come and go. */
static void open_terminal(void) {
    in = out = posix_openpt(O_RDWR | O_NOCTTY);
    if (in < 0 || grantpt(in) != 0 || unlockpt(in) != 0) {
        perror("pty");
        exit(1);
    }
    open_raw(ptsname(in));
    puts(ptsname(in));
    fflush(stdout);
}

static int print_patterns(char **words) {
    size_t parameters = strtoull(words[4], NULL, 10), slots = strtoull(words[5], NULL, 10);
    uint64_t seed = strtoull(words[2], NULL, 10), replica = strtoull(words[3], NULL, 10);
    int code = 0;
    while (chip_codes[code] && strcmp(words[1], chip_codes[code]) != 0)
        code++;
    if (!chip_codes[code] || parameters < 1)
        return 1;
    for (size_t slot = 0; slot < slots; slot++) {
        for (size_t i = 0; i < parameters; i++)
            putchar("-0+"[chip_sign(code, seed, replica, slot, i, parameters) + 1]);
        putchar('\n');
    }
    return 0;
}

int main(int words, char **word) {
    if (words == 6)
        return print_patterns(word);
    if (words == 2 && strcmp(word[1], "pty") == 0)
        open_terminal();
    else if (words == 2)
        in = out = open_raw(word[1]);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        struct pollfd ready = {.fd = in, .events = POLLIN};
        if (poll(&ready, 1, 10) > 0) {
            ssize_t n = read(in, bytes, sizeof bytes);
            if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
                return 0;
            first = 0;
            count = n > 0 ? (size_t)n : 0;
        }
        chip_poll();
    }
}
