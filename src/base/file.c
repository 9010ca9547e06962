/* Files that are replaced whole or not at all. */

#include "file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK ((size_t)1 << 20) /* bytes between two looks at the interrupt flag */
#define SYNC_BYTES (4 * CHUNK)  /* of a durable file, brought to the disk at once */
#define MAX_TEMPORARIES 100     /* that crashed processes of our number may have left */
#define MAX_LINKS 40            /* one behind the other, as the system has it */
#define PERMISSIONS 0777        /* of a mode: nothing is to run as somebody else */

static mgd_status cannot_write(mgd_context *ctx, const char *path, int error) {
    return mgd_fail(ctx, MGD_ERR_IO, "cannot write " MGD_FILE_PATH ": %s", path, strerror(error));
}

/* Replaces `path`, a symbolic link of `length` characters in its text, by what it names; false with
 * errno where that is too long. */
static bool follow_link(char path[PATH_MAX], const char *text, size_t length) {
    char *slash = strrchr(path, '/');
    size_t folder = slash && text[0] != '/' ? (size_t)(slash - path) + 1 : 0;
    if (folder + length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(path + folder, text, length);
    path[folder + length] = '\0';
    return true;
}

/* `target` becomes the path of the file itself, the end of all links, whether there is one or not:
 * what is written through a link changes what it names, and the link stays. */
static bool find_target(const char *path, char target[PATH_MAX]) {
    char text[PATH_MAX];
    size_t length = strlen(path);
    if (length >= PATH_MAX) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(target, path, length + 1);
    for (int i = 0; i < MAX_LINKS; i++) {
        ssize_t n = readlink(target, text, sizeof text);
        if (n < 0)
            return true; /* no link, or nothing at all: opening it says what is wrong */
        if (!follow_link(target, text, (size_t)n))
            return false;
    }
    errno = ELOOP;
    return false;
}

/* TARGET.process.tmp, with a number before the dot when that name is taken. Fresh, so that neither
 * a link that waits there nor somebody's file is written to; −1 and errno when none can be made. */
static int open_temporary(const char *target, char *name, size_t room, mode_t mode) {
    int file = -1;
    for (unsigned i = 0; i < MAX_TEMPORARIES && file < 0; i++) {
        if (i == 0)
            snprintf(name, room, "%s.%u.tmp", target, (unsigned)getpid());
        else
            snprintf(name, room, "%s.%u-%u.tmp", target, (unsigned)getpid(), i);
        file = open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
        if (file < 0 && errno != EEXIST)
            return -1;
    }
    return file;
}

/* The new file as the old one was: nobody reads it who could not before. Another's file in a folder
 * of ours becomes ours. */
static bool keep_mode(int file, const struct stat *old) {
    if (fchown(file, old->st_uid, old->st_gid) != 0)
        errno = 0;
    return fchmod(file, old->st_mode & PERMISSIONS) == 0;
}

/* Opens the temporary file beside `target`, whose name is stored in `w`. */
static mgd_status open_beside(mgd_writer *w, const char *target, const struct stat *old) {
    size_t length = strlen(target), room = length + sizeof ".4294967295-99.tmp";
    void *names; /* both, one behind the other */
    MGD_TRY(mgd_allocate(w->ctx, "file names", 1, length + 1 + room, &names));
    w->target = memcpy(names, target, length + 1);
    w->temporary = w->target + length + 1;
    int file = open_temporary(target, w->temporary, room, old ? 0600 : 0666);
    bool made = file >= 0;
    if (made && (!old || keep_mode(file, old)))
        w->file = fdopen(file, "wb");
    if (w->file)
        return MGD_OK;
    int error = errno;
    if (made) {
        close(file);
        remove(w->temporary);
    }
    mgd_free(names);
    return cannot_write(w->ctx, w->path, error);
}

mgd_status mgd_writer_open(mgd_context *ctx, const char *path, bool durable, mgd_writer *out) {
    char target[PATH_MAX];
    struct stat old;
    *out = (mgd_writer){.ctx = ctx, .path = path, .durable = durable};
    if (!*path)
        return mgd_fail(ctx, MGD_ERR_IO, "cannot write a file: its path is empty");
    bool exists = stat(path, &old) == 0; /* the system may refuse to follow a link of others */
    if (!exists && errno != ENOENT)
        return cannot_write(ctx, path, errno);
    if (exists && !S_ISREG(old.st_mode))
        return mgd_fail(ctx, MGD_ERR_IO, "cannot write " MGD_FILE_PATH ": it is %s", path,
                        S_ISDIR(old.st_mode) ? "a folder" : "not a regular file");
    if (exists && access(path, W_OK) != 0) /* renaming would not ask */
        return cannot_write(ctx, path, errno);
    if (!find_target(path, target))
        return cannot_write(ctx, path, errno);
    return open_beside(out, target, exists ? &old : NULL);
}

/* What was written goes to the disk now and then, not all at the end: the system's one call for it
 * would keep Ctrl-C waiting for as long as the disk takes for the whole file. */
static bool sync_some(mgd_writer *w, size_t written) {
    w->unsynced += written;
    if (!w->durable || w->unsynced < SYNC_BYTES)
        return true;
    w->unsynced = 0;
    return fflush(w->file) == 0 && fdatasync(fileno(w->file)) == 0;
}

mgd_status mgd_writer_put(mgd_writer *w, const void *bytes, size_t n) {
    for (size_t done = 0; done < n; done += CHUNK) {
        size_t piece = n - done < CHUNK ? n - done : CHUNK;
        if (fwrite((const char *)bytes + done, 1, piece, w->file) != piece || !sync_some(w, piece))
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

mgd_status mgd_writer_close(mgd_writer *w, mgd_status status) {
    const bool durable = w->durable;
    if (status == MGD_OK && (fflush(w->file) != 0 || (durable && fsync(fileno(w->file)) != 0)))
        status = cannot_write(w->ctx, w->path, errno);
    if (fclose(w->file) != 0 && status == MGD_OK)
        status = cannot_write(w->ctx, w->path, errno);
    if (status == MGD_OK && rename(w->temporary, w->target) != 0)
        status = cannot_write(w->ctx, w->path, errno);
    if (status != MGD_OK)
        remove(w->temporary);
    else if (durable)
        sync_folder(w->temporary);
    mgd_free(w->target);
    *w = (mgd_writer){0};
    return status;
}
