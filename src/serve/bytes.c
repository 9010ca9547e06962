/* Memory that grows: doubled, so that what is put piece by piece is copied a few times at most. */

#include "bytes.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LEAST 256 /* bytes at first */

void mgd_bytes_free(mgd_bytes *bytes) {
    mgd_free(bytes->data);
    *bytes = (mgd_bytes){0};
}

void *mgd_bytes_room(mgd_bytes *bytes, size_t count) {
    if (count <= bytes->room - bytes->count)
        return bytes->data + bytes->count;
    size_t room = bytes->room < LEAST ? LEAST : bytes->room;
    while (room - bytes->count < count && room <= SIZE_MAX / 2)
        room *= 2;
    char *data = room - bytes->count < count ? NULL : mgd_calloc(room, 1);
    if (!data) {
        bytes->failed = true;
        return NULL;
    }
    if (bytes->count > 0)
        memcpy(data, bytes->data, bytes->count);
    mgd_free(bytes->data);
    bytes->data = data;
    bytes->room = room;
    return data + bytes->count;
}

void mgd_bytes_put(mgd_bytes *bytes, const void *from, size_t count) {
    void *to = count > 0 ? mgd_bytes_room(bytes, count) : NULL;
    if (!to)
        return;
    memcpy(to, from, count);
    bytes->count += count;
}

void mgd_bytes_text(mgd_bytes *bytes, const char *text) {
    mgd_bytes_put(bytes, text, strlen(text));
}

void mgd_bytes_format(mgd_bytes *bytes, const char *format, ...) {
    va_list arguments;
    char text[MGD_MESSAGE_SIZE];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    mgd_bytes_text(bytes, text);
}
