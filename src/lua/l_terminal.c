/* l_terminal.c: core.terminal, the size of the user's terminal and what it says of itself. */

#include "l_mgd.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ANSWER 64 /* bytes of an answer, more than any has */

/* size() → rows, columns; nothing where there is no terminal, or it does not know */
static int terminal_size(lua_State *L) {
    struct winsize size;
    int file = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
    if (file < 0)
        return 0;
    int failed = ioctl(file, TIOCGWINSZ, &size);
    close(file);
    if (failed || size.ws_row == 0 || size.ws_col == 0)
        return 0;
    lua_pushinteger(L, size.ws_row);
    lua_pushinteger(L, size.ws_col);
    return 2;
}

/* Reads up to the letter that ends an answer, for as long as each byte takes less than
 * `milliseconds`. */
static size_t read_answer(int file, char *answer, int milliseconds) {
    size_t n = 0;
    struct pollfd wait = {.fd = file, .events = POLLIN};
    while (n < ANSWER && poll(&wait, 1, milliseconds) == 1 && read(file, answer + n, 1) == 1)
        if (answer[n++] == 'c')
            break;
    return n;
}

/* attributes() → what the terminal answers to "what are you?" (primary device attributes), read
 * without echo, for half a second at most; "" where there is none */
static int terminal_attributes(lua_State *L) {
    static const char question[] = "\033[c";
    char answer[ANSWER];
    size_t n = 0;
    struct termios before;
    int file = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (file >= 0 && tcgetpgrp(file) == getpgrp() && tcgetattr(file, &before) == 0) {
        struct termios raw = before;
        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        if (tcsetattr(file, TCSAFLUSH, &raw) == 0 &&
            write(file, question, strlen(question)) == (ssize_t)strlen(question))
            n = read_answer(file, answer, 500);
        tcsetattr(file, TCSANOW, &before);
    }
    if (file >= 0)
        close(file);
    lua_pushlstring(L, answer, n);
    return 1;
}

static const luaL_Reg functions[] = {
    {"attributes", terminal_attributes},
    {"size", terminal_size},
    {NULL, NULL},
};

void l_open_terminal(lua_State *L) {
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "terminal");
}
