/* lines.c: one line of input, edited with GNU readline when both ends are a terminal, plain
 * otherwise (readline completes on TAB even from a pipe).
 *
 * Readline's callback interface under pselect, with signals that ask to stop blocked everywhere but
 * inside of pselect: Ctrl-C is noticed at one place and no key is lost to it. Readline itself
 * installs no signal handler and jumps nowhere.
 */

#include "main.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static line_status read_plain(const char *prompt, char **text) {
    fputs(prompt, stdout);
    fflush(stdout);
    char *line = NULL;
    size_t capacity = 0;
    errno = 0;
    ssize_t length = getline(&line, &capacity, stdin);
    if (length < 0) {
        int reason = errno;
        free(line);
        if (reason == EINTR && interrupt_take()) {
            clearerr(stdin);
            putchar('\n');
            return LINE_INTERRUPTED;
        }
        return LINE_END;
    }
    if (length > 0 && line[length - 1] == '\n')
        line[length - 1] = '\0';
    *text = line;
    return LINE_READ;
}

#ifdef MGD_HAVE_READLINE

#include <pthread.h>
#include <readline/history.h>
#include <readline/readline.h>
#include <sys/select.h>

#define HISTORY_LENGTH 2000

/* Readline's callback takes no argument, and its own state is as static as this. */
static struct {
    bool terminal;
    bool started;
    bool done;
    char *text;
    char history[PATH_MAX]; /* "" when there is no place for it */
} self;

/* Makes every directory of the path up to its last slash. */
static void make_directories(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(path, 0700);
        *slash = '/';
    }
}

/* $XDG_STATE_HOME/mgd-lua/history, or the same below ~/.local/state */
static void find_history(void) {
    const char *state = getenv("XDG_STATE_HOME");
    const char *home = getenv("HOME");
    int n = -1;
    if (state && state[0] == '/')
        n = snprintf(self.history, sizeof self.history, "%s/mgd-lua/history", state);
    else if (home && home[0] == '/')
        n = snprintf(self.history, sizeof self.history, "%s/.local/state/mgd-lua/history", home);
    if (n < 0 || (size_t)n >= sizeof self.history) {
        self.history[0] = '\0';
        return;
    }
    make_directories(self.history);
    int file = open(self.history, O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (file < 0)
        self.history[0] = '\0';
    else
        close(file);
}

static void take_line(char *text) {
    self.text = text;
    self.done = true;
    rl_callback_handler_remove();
}

static line_status read_edited(const char *prompt, char **text) {
    sigset_t blocked, before;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGINT);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &blocked, &before);
    if (self.started)
        rl_reset_screen_size(); /* the window may have changed while code ran */
    self.started = true;
    self.done = false;
    self.text = NULL;
    bool interrupted = interrupt_take();
    rl_callback_handler_install(prompt, take_line);
    while (!self.done && !interrupted) {
        fd_set set;
        FD_ZERO(&set);
        FD_SET(STDIN_FILENO, &set);
        int ready = pselect(STDIN_FILENO + 1, &set, NULL, NULL, NULL, &before);
        if (ready > 0)
            rl_callback_read_char();
        else if (ready < 0 && errno == EINTR)
            interrupted = interrupt_take();
        else if (ready < 0)
            break;
    }
    if (interrupted) {
        fputs(interrupt_ends() ? "" : "^C", stdout); /* raw: the terminal does not echo it */
        fflush(stdout);
        rl_free_line_state();
        rl_callback_sigcleanup();
        rl_cleanup_after_signal();
        putchar('\n');
        fflush(stdout);
    }
    if (!self.done)
        rl_callback_handler_remove();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (interrupted) {
        free(self.text);
        return LINE_INTERRUPTED;
    }
    *text = self.text;
    return self.text ? LINE_READ : LINE_END;
}

void lines_open(void) {
    self.terminal = isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    if (!self.terminal)
        return;
    rl_readline_name = "mgd-lua";
    rl_catch_signals = 0;
    rl_bind_key('\t', rl_insert);
    using_history();
    stifle_history(HISTORY_LENGTH);
    history_comment_char = '#'; /* timestamps keep the lines of one statement together */
    history_write_timestamps = 1;
    find_history();
    if (self.history[0])
        read_history(self.history);
}

line_status lines_read(const char *prompt, char **text) {
    return self.terminal ? read_edited(prompt, text) : read_plain(prompt, text);
}

void lines_remember(const char *statement) {
    if (!self.terminal || statement[strspn(statement, " \t\n")] == '\0')
        return;
    HIST_ENTRY *last = history_length > 0 ? history_get(history_base + history_length - 1) : NULL;
    if (last && strcmp(last->line, statement) == 0)
        return;
    add_history(statement);
    if (self.history[0])
        append_history(1, self.history);
}

void lines_close(void) {
    if (self.terminal && self.history[0])
        history_truncate_file(self.history, HISTORY_LENGTH);
}

#else /* no readline */

void lines_open(void) {
}

line_status lines_read(const char *prompt, char **text) {
    return read_plain(prompt, text);
}

void lines_remember(const char *statement) {
    (void)statement;
}

void lines_close(void) {
}

#endif
