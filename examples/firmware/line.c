/* line.c: how requests come to chip.c and answers leave: as lines, or as frames that find their
 * feet again after a lost byte. What follows a zero is a frame; after a silence a line may come
 * again. */
#include "chip.h"

#include <string.h>

enum { SILENCE = 1000 }; /* ms */

static char request[CHIP_LONGEST + 1];
static char answer[1 + CHIP_LONGEST + 2]; /* sequence number, text, CRC: kept for a retry */
static size_t came, answered;             /* bytes of the request, of the answer's text */
static int framed;
static uint32_t last_byte, last_request; /* ms */

static unsigned crc16(const char *bytes, size_t count) { /* CCITT-FALSE */
    unsigned crc = 0xFFFF;
    for (size_t i = 0; i < count; i++) {
        crc ^= (unsigned)(uint8_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ (crc & 0x8000 ? 0x1021u : 0)) & 0xFFFF;
    }
    return crc;
}

/* COBS: groups without a zero, of up to 254 bytes, each behind its length. */
static void send_frame(void) {
    unsigned crc = crc16(answer, 1 + answered);
    size_t n = 1 + answered + 2;
    answer[1 + answered] = (char)(crc >> 8);
    answer[2 + answered] = (char)crc;
    for (size_t from = 0, length; from <= n; from += length < 254 ? length + 1 : length) {
        for (length = 0; from + length < n && length < 254 && answer[from + length];)
            length++;
        port_put(&(uint8_t){(uint8_t)(length + 1)}, 1);
        port_put(answer + from, length);
    }
    port_put("", 1);
}

/* One that is not whole is dropped: it will be sent again. */
static void take_frame(void) {
    static unsigned last_crc = 0x10000;
    size_t n = 0;
    for (size_t from = 0, length; from < came; from += length) {
        length = (uint8_t)request[from++] - 1u;
        if (length > came - from)
            return;
        memmove(request + n, request + from, length);
        n += length;
        if (length < 254 && from + length < came)
            request[n++] = 0;
    }
    if (n < 3 || crc16(request, n) != 0) /* with its CRC behind it, that of the whole is 0 */
        return;
    unsigned crc = crc16(request, n - 2);
    if (answer[0] != request[0] || crc != last_crc) { /* else a retry, which counts once */
        answer[0] = request[0];
        last_crc = crc;
        request[n - 2] = 0;
        answered = chip_answer(request + 1, n - 3, answer + 1);
    }
    send_frame();
}

static void take_line(void) {
    if (came > 0 && came <= CHIP_LONGEST && request[came - 1] == '\r')
        came--;
    request[came <= CHIP_LONGEST ? came : 0] = 0;
    answered = chip_answer(request, came, answer + 1);
    answer[1 + answered] = '\n';
    port_put(answer + 1, answered + 1);
}

void chip_poll(void) {
    uint32_t now = port_milliseconds();
    if (framed && now - last_byte > SILENCE)
        framed = 0, came = 0;
    if (chip_patience && now - last_request > chip_patience)
        chip_safe();
    for (int byte; (byte = port_get()) >= 0; last_byte = now) {
        if (byte == 0 || (byte == '\n' && !framed)) {
            last_request = now;
            if (byte == '\n')
                take_line();
            else if (came <= CHIP_LONGEST)
                take_frame();
            framed = byte == 0;
            came = 0;
        } else {
            if (came < CHIP_LONGEST)
                request[came] = (char)byte;
            came += came <= CHIP_LONGEST; /* one more than there is room for: too long */
        }
    }
}
