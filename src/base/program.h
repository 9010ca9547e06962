/* program: other programs. They are found in the absolute folders of PATH, never in the present
 * one, and started without a shell, in a group of their own, which signals end as by default.
 */
#ifndef MGD_BASE_PROGRAM_H
#define MGD_BASE_PROGRAM_H

#include "base.h"

#include <limits.h>
#include <sys/types.h>

/* The next absolute folder of PATH and its length; NULL after the last. *rest is NULL at first. */
const char *mgd_program_folder(const char **rest, size_t *span);

/* Where a program is; a name with a slash is a path. False: there is none. */
bool mgd_program_find(const char *name, char path[PATH_MAX]);

/* Starts it with `files` as 0, 1 and 2; returns 0 or an error of the system. */
int mgd_program_start(const char *path, char *const *words, char *const *environment,
                      const int files[3], pid_t *pid);

/* waitpid; a signal does not cut it short. */
pid_t mgd_program_reap(pid_t pid, int *status, int options);

#endif
