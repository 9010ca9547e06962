/* Files that are replaced whole or not at all. */

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20) /* bytes between two looks at the interrupt flag */
#define MAX_TEMPORARIES 100     /* that crashed processes of our number may have left */

static mgd_status cannot_write(mgd_context *ctx, const char *path, int error) {
    return mgd_fail(ctx, MGD_ERR_IO, "cannot write " MGD_FILE_PATH ": %s", path, strerror(error));
}

/* PATH.process.tmp, with a number before the dot when that name is taken; NULL and errno when none
 * can be made. */
static FILE *open_temporary(const char *path, char *name, size_t room) {
    FILE *file = NULL;
    for (unsigned i = 0; i < MAX_TEMPORARIES && !file; i++) {
        if (i == 0)
            snprintf(name, room, "%s.%u.tmp", path, (unsigned)getpid());
        else
            snprintf(name, room, "%s.%u-%u.tmp", path, (unsigned)getpid(), i);
        file = fopen(name, "wbx");
        if (!file && errno != EEXIST)
            return NULL;
    }
    return file;
}

mgd_status mgd_writer_open(mgd_context *ctx, const char *path, mgd_writer *out) {
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode))
        return mgd_fail(ctx, MGD_ERR_IO, "cannot write " MGD_FILE_PATH ": it is %s", path,
                        S_ISDIR(info.st_mode) ? "a folder" : "not a regular file");
    size_t room = strlen(path) + sizeof ".4294967295-99.tmp";
    void *temporary;
    MGD_TRY(mgd_allocate(ctx, "a file name", 1, room, &temporary));
    FILE *file = open_temporary(path, temporary, room);
    if (!file) {
        int error = errno;
        mgd_free(temporary);
        return cannot_write(ctx, path, error);
    }
    *out = (mgd_writer){ctx, path, temporary, file};
    return MGD_OK;
}

mgd_status mgd_writer_put(mgd_writer *w, const void *bytes, size_t n) {
    for (size_t done = 0; done < n; done += CHUNK) {
        size_t piece = n - done < CHUNK ? n - done : CHUNK;
        if (fwrite((const char *)bytes + done, 1, piece, w->file) != piece)
            return cannot_write(w->ctx, w->path, errno);
        MGD_TRY(mgd_interrupt_answer(w->ctx));
    }
    return MGD_OK;
}

/* Brings the entry of `name` in its folder to the disk. The file has its contents already: where a
 * folder cannot be synchronised nothing is lost but time, so that is no failure. `name` is cut. */
static void sync_folder(char *name) {
    char *slash = strrchr(name, '/');
    if (slash)
        slash[slash == name] = '\0';
    int folder = open(slash ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return;
    fsync(folder);
    close(folder);
}

mgd_status mgd_writer_close(mgd_writer *w, mgd_status status, bool durable) {
    if (status == MGD_OK && (fflush(w->file) != 0 || (durable && fsync(fileno(w->file)) != 0)))
        status = cannot_write(w->ctx, w->path, errno);
    if (fclose(w->file) != 0 && status == MGD_OK)
        status = cannot_write(w->ctx, w->path, errno);
    if (status == MGD_OK && rename(w->temporary, w->path) != 0)
        status = cannot_write(w->ctx, w->path, errno);
    if (status != MGD_OK)
        remove(w->temporary);
    else if (durable)
        sync_folder(w->temporary);
    mgd_free(w->temporary);
    *w = (mgd_writer){0};
    return status;
}
