/* bytes: memory that grows with what is put into it, up to a limit. */
#ifndef MGD_SERVE_BYTES_H
#define MGD_SERVE_BYTES_H

#include "../base/base.h"

typedef struct {
    char *data;
    size_t count, room;
    bool failed; /* there was no memory: what came since is not there */
} mgd_bytes;

void mgd_bytes_free(mgd_bytes *bytes);
/* Room for `count` more behind what is there; NULL where there is no memory. They count once
 * `bytes->count` says so. */
void *mgd_bytes_room(mgd_bytes *bytes, size_t count);
void mgd_bytes_put(mgd_bytes *bytes, const void *from, size_t count);
void mgd_bytes_text(mgd_bytes *bytes, const char *text);
void mgd_bytes_format(mgd_bytes *bytes, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
