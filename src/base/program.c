/* Other programs: where they are, and how one starts. */

#include "program.h"

#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define USUAL_PATH "/usr/local/bin:/usr/bin:/bin" /* where there is no PATH */

const char *mgd_program_folder(const char **rest, size_t *span) {
    const char *next = *rest ? *rest : getenv("PATH");
    if (!next)
        next = USUAL_PATH;
    while (*next) {
        const char *folder = next;
        *span = strcspn(next, ":");
        next += *span + (next[*span] == ':');
        *rest = next;
        if (folder[0] == '/')
            return folder;
    }
    return NULL;
}

static bool is_program(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && access(path, X_OK) == 0;
}

bool mgd_program_find(const char *name, char path[PATH_MAX]) {
    int n = snprintf(path, PATH_MAX, "%s", name);
    if (strchr(name, '/'))
        return n < PATH_MAX && is_program(path);
    const char *rest = NULL, *folder;
    size_t span = 0;
    while (*name && (folder = mgd_program_folder(&rest, &span))) {
        n = snprintf(path, PATH_MAX, "%.*s/%s", (int)span, folder, name);
        if (n > 0 && n < PATH_MAX && is_program(path))
            return true;
    }
    return false;
}

int mgd_program_start(const char *path, char *const *words, char *const *environment,
                      const int files[3], pid_t *pid) {
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, ends; /* blocked; as by default */
    sigemptyset(&none);
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGQUIT);
    sigaddset(&ends, SIGTERM);
    sigaddset(&ends, SIGPIPE);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK |
                                              POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &ends);
    for (int i = 0; i < 3; i++)
        posix_spawn_file_actions_adddup2(&actions, files[i], i);
    int error = posix_spawn(pid, path, &actions, &attributes, words, environment);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return error;
}

pid_t mgd_program_reap(pid_t pid, int *status, int options) {
    pid_t found;
    do
        found = waitpid(pid, status, options);
    while (found < 0 && errno == EINTR);
    return found;
}
