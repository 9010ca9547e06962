/* Child processes: EXEC::program word … */

#include "../base/program.h"
#include "transport.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PIPE_BYTES (1 << 20)
#define MOMENT 2.0      /* seconds that a child has to end by itself once its input is closed … */
#define LAST 1.0        /* … and then to end by SIGTERM */
#define SHORTEST 100000 /* ns between the first two looks at it, doubled each time … */
#define LONGEST 10000000 /* … up to this */
#define ENDING 0.1       /* seconds between the end of its output and its own, at most */

extern char **environ;

/* ::program word … */
static bool read_address(char *text, char **words) {
    if (strncmp(text, "::", 2) != 0)
        return false;
    size_t count = 1;
    char *rest = text + 2;
    for (char *word; (word = strsep(&rest, " \t"));)
        if (*word)
            words[count++] = word;
    return count > 1;
}

/* In one line, whatever is in the words. */
static void write_address(char *const *words, char *text, size_t room) {
    size_t used = (size_t)snprintf(text, room, "EXEC::%s", words[1]);
    for (size_t i = 2; words[i] && used < room; i++)
        used += (size_t)snprintf(text + used, room - used, " %s", words[i]);
    for (char *c = text; *c; c++)
        if (iscntrl((unsigned char)*c))
            *c = ' ';
}

/* ---- starting -------------------------------------------------------------------------------- */

/* Whether one of the list has the name of `entry`, "NAME=text". */
static bool is_changed(char *const *changes, const char *entry) {
    size_t name = strcspn(entry, "=") + 1;
    while (changes && *changes && strncmp(*changes, entry, name) != 0)
        changes++;
    return changes && *changes;
}

/* This process's environment with the changes, and a PATH that the present folder cannot change; in
 * one block. */
static mgd_status make_environment(mgd_context *ctx, char *const *changes, char ***out) {
    const char *rest = NULL, *folder;
    size_t count = 0, span = 0, bytes = sizeof "PATH=";
    while (environ[count])
        count++;
    for (char *const *change = changes; change && *change; change++)
        count++;
    while (mgd_program_folder(&rest, &span))
        bytes += span + 1;
    void *block;
    MGD_TRY(
        mgd_allocate(ctx, "wire: environment", (count + 2) * sizeof(char *) + bytes, 1, &block));
    char **list = block, *path = (char *)(list + count + 2), *next = stpcpy(path, "PATH=");
    rest = NULL;
    while ((folder = mgd_program_folder(&rest, &span))) {
        if (next[-1] != '=')
            *next++ = ':';
        next = (char *)memcpy(next, folder, span) + span;
    }
    size_t n = 0;
    list[n++] = path;
    for (char *const *change = changes; change && *change; change++)
        list[n++] = *change;
    for (char **entry = environ; *entry; entry++)
        if (strncmp(*entry, "PATH=", 5) != 0 && !is_changed(changes, *entry))
            list[n++] = *entry;
    *out = list;
    return MGD_OK;
}

/* Both ends, above the three that every process has. Long messages go at once, where the system
 * lets a pipe hold them. */
static bool make_pipe(int end[2]) {
    if (pipe2(end, O_CLOEXEC) != 0) {
        end[0] = end[1] = -1;
        return false;
    }
#if defined(F_SETPIPE_SZ)
    fcntl(end[1], F_SETPIPE_SZ, PIPE_BYTES);
#endif
    end[0] = mgd_descriptor_above(end[0]);
    end[1] = mgd_descriptor_above(end[1]);
    return end[0] >= 0 && end[1] >= 0;
}

static void close_all(const int *fd, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (fd[i] >= 0)
            close(fd[i]);
}

/* 0, or an error of the system. */
static int start(mgd_wire *w, const char *path, char **environment) {
    int pipes[4] = {-1, -1, -1, -1}; /* its input: 0, 1; its output: 2, 3 */
    int reason = 0;
    if (!make_pipe(pipes) || !make_pipe(pipes + 2) || !mgd_descriptor_nonblocking(pipes[1]) ||
        !mgd_descriptor_nonblocking(pipes[2]))
        reason = errno;
    if (reason == 0)
        reason = mgd_program_start(path, w->words + 1, environment,
                                   (const int[3]){pipes[0], pipes[3], 2}, &w->child);
    if (reason != 0) {
        w->child = 0;
        close_all(pipes, 4);
        return reason;
    }
    close(pipes[0]);
    close(pipes[3]);
    w->out = pipes[1];
    w->in = pipes[2];
    return 0;
}

static mgd_status open_child(mgd_context *ctx, mgd_wire *w, double until) {
    (void)until;
    char path[PATH_MAX];
    if (!mgd_program_find(w->words[1], path)) {
        w->fault = MGD_FAULT_CLOSED;
        return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": there is no program %.100s%s", w->address,
                        w->words[1],
                        strchr(w->words[1], '/') ? "" : " in the absolute folders of PATH");
    }
    char **environment;
    MGD_TRY(make_environment(ctx, w->environment, &environment));
    int reason = start(w, path, environment);
    mgd_free(environment);
    if (reason == 0)
        return MGD_OK;
    w->fault = MGD_FAULT_CLOSED;
    return mgd_fail(ctx, MGD_ERR_IO, MGD_ADDRESS ": it could not be started: %s", w->address,
                    strerror(reason));
}

/* ---- ending ---------------------------------------------------------------------------------- */

/* Whether it has ended, and how: it is left to be reaped, so that its number stays its own. */
static bool has_ended(pid_t child, siginfo_t *how) {
    int error;
    how->si_pid = 0;
    do
        error = waitid(P_PID, (id_t)child, how, WEXITED | WNOHANG | WNOWAIT);
    while (error != 0 && errno == EINTR);
    return error != 0 || how->si_pid != 0; /* nobody knows it: SIGCHLD is ignored */
}

/* With `drop`, what it still has to say is dropped, so that it does not wait for a reader. */
static bool wait_for_end(const mgd_wire *w, double seconds, bool drop) {
    char dropped[4096];
    siginfo_t how;
    double until = mgd_clock() + seconds;
    long pause = SHORTEST;
    while (!has_ended(w->child, &how)) {
        while (drop && mgd_clock() < until && read(w->in, dropped, sizeof dropped) > 0)
            continue;
        if (mgd_clock() >= until)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = pause}, NULL);
        pause = pause < LONGEST ? 2 * pause : LONGEST;
    }
    return true;
}

/* Its input ends; where that does not end it, SIGTERM; and what is left of its group is killed. */
static void close_child(mgd_wire *w) {
    int status;
    if (w->child == 0)
        return;
    close_all(&w->out, 1);
    w->out = -1;
    if (!wait_for_end(w, MOMENT, true)) {
        kill(-w->child, SIGTERM);
        wait_for_end(w, LAST, true);
    }
    kill(-w->child, SIGKILL);
    mgd_program_reap(w->child, &status, 0);
    w->child = 0;
}

static bool write_ending(mgd_wire *w, char *text, size_t room) {
    siginfo_t how = {0};
    if (!wait_for_end(w, ENDING, false) || !has_ended(w->child, &how) || how.si_pid == 0)
        return false;
    w->ended = how.si_code == CLD_EXITED && how.si_status == 0;
    if (how.si_code == CLD_EXITED)
        snprintf(text, room, "the program ended with status %d", how.si_status);
    else
        snprintf(text, room, "the program was ended by signal %d (%s)", how.si_status,
                 strsignal(how.si_status));
    return true;
}

const mgd_transport mgd_transport_child = {
    .name = "EXEC",
    .usage = "EXEC::program word …",
    .least = 2,
    .most = SIZE_MAX,
    .read = read_address,
    .write = write_address,
    .open = open_child,
    .close = close_child,
    .ending = write_ending,
};
