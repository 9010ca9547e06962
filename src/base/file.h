/* file: files that are replaced whole or not at all. */
#ifndef MGD_BASE_FILE_H
#define MGD_BASE_FILE_H

#include "base.h"

#include <stdio.h>

#define MGD_FILE_PATH "%.200s" /* how messages print a path: room is left for the reason */

/* A file on its way to `path`. What is written goes to a temporary file in the same folder; closing
 * gives it its name. Until then, and for ever when something fails, an older file stays as it was,
 * and no temporary file is left behind. The permissions of an older file are kept; a symbolic link
 * stays, and the file that it names is replaced. What is no file, such as a device, and what may
 * not be written are refused. */
typedef struct {
    mgd_context *ctx; /* where failures are reported: "cannot write PATH: …" */
    const char *path; /* the caller's, for as long as the writer is open */
    char *target;     /* the end of all links */
    char *temporary;
    FILE *file;
    bool durable;
    size_t unsynced; /* bytes of a durable file that may not be on the disk */
} mgd_writer;

/* On failure nothing is open. A durable file and its name are on the disk before its writer is
 * closed, as far as the operating system can tell: neither old nor new contents are lost with the
 * power. */
mgd_status mgd_writer_open(mgd_context *ctx, const char *path, bool durable, mgd_writer *out);

/* Writes `n` bytes; answers interrupts. */
mgd_status mgd_writer_put(mgd_writer *w, const void *bytes, size_t n);

/* Ends every opened writer. `status` is how the writing went: the file gets its name when all is
 * well and is thrown away otherwise; either way `w` is done with. Returns `status`, or what failed
 * now. */
mgd_status mgd_writer_close(mgd_writer *w, mgd_status status);

#endif
