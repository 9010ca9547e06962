/* Frames: sequence, message and CRC, without zeros by COBS (Cheshire and Baker, 1999), and a zero.
 */

#include "wire.h"

#include <string.h>

enum { SEQUENCE = 1, CRC = 2, LONGEST = 254 }; /* bytes; those of a full group of COBS */

static uint16_t crc_of(uint16_t crc, const void *bytes, size_t count) {
    const uint8_t *next = bytes;
    for (size_t i = 0; i < count; i++) {
        crc ^= (uint16_t)(next[i] << 8);
        for (int bit = 0; bit < 8; bit++)
            crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    }
    return crc;
}

uint16_t mgd_crc16(const void *bytes, size_t count) {
    return crc_of(0xFFFF, bytes, count);
}

size_t mgd_frame_room(size_t count) {
    size_t inner = SEQUENCE + count + CRC;
    return inner + inner / LONGEST + 2;
}

/* The group that is being written: its length byte stands before it. */
typedef struct {
    uint8_t *head, *next;
} writer;

static void end_group(writer *g) {
    *g->head = (uint8_t)(g->next - g->head);
    g->head = g->next++;
}

static void put(writer *g, const void *bytes, size_t count) {
    const uint8_t *from = bytes;
    for (size_t i = 0; i < count; i++) {
        if (from[i] != 0)
            *g->next++ = from[i];
        if (from[i] == 0 || g->next - g->head > LONGEST)
            end_group(g);
    }
}

size_t mgd_frame_write(uint8_t sequence, const void *message, size_t count, void *out) {
    uint16_t crc = crc_of(crc_of(0xFFFF, &sequence, 1), message, count);
    writer g = {out, (uint8_t *)out + 1};
    put(&g, &sequence, 1);
    put(&g, message, count);
    put(&g, (const uint8_t[CRC]){(uint8_t)(crc >> 8), (uint8_t)crc}, CRC);
    *g.head = (uint8_t)(g.next - g.head);
    *g.next++ = 0;
    return (size_t)(g.next - (uint8_t *)out);
}

/* Takes COBS away, in place; the length of what is left, 0 where a group is longer than the rest or
 * there is a zero. */
static size_t unstuff(uint8_t *frame, size_t count) {
    size_t length = 0;
    for (size_t at = 0; at < count;) {
        size_t group = frame[at++];
        if (group == 0 || group - 1 > count - at || memchr(frame + at, 0, group - 1))
            return 0;
        memmove(frame + length, frame + at, group - 1);
        length += group - 1;
        at += group - 1;
        if (group <= LONGEST && at < count)
            frame[length++] = 0;
    }
    return length;
}

bool mgd_frame_read(void *frame, size_t count, uint8_t *sequence, char **message, size_t *length) {
    uint8_t *bytes = frame;
    size_t inner = unstuff(bytes, count);
    if (inner < SEQUENCE + CRC)
        return false;
    size_t checked = inner - CRC;
    if (mgd_crc16(bytes, checked) != (bytes[checked] << 8 | bytes[checked + 1]))
        return false;
    *sequence = bytes[0];
    *message = (char *)bytes + SEQUENCE;
    *length = checked - SEQUENCE;
    return true;
}
