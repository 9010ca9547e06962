/* What all parts of a port use: bytes that grow, what is shown of them, what is known of a port. */

#include "port_state.h"

#include <ctype.h>
#include <stdarg.h>
#include <string.h>

/* ---- bytes ----------------------------------------------------------------------------------- */

/* Room for `more` bytes and a zero. */
static bool grow(mgd_text *text, size_t more) {
    if (text->failed || more > SIZE_MAX / 4 - text->count)
        return !(text->failed = true);
    if (text->room >= text->count + more + 1)
        return true;
    size_t room = (text->count + more + 1) * 2;
    char *bytes = mgd_calloc(room, 1);
    if (!bytes)
        return !(text->failed = true);
    if (text->count)
        memcpy(bytes, text->bytes, text->count);
    mgd_free(text->bytes);
    text->bytes = bytes;
    text->room = room;
    return true;
}

void mgd_text_add(mgd_text *text, const void *bytes, size_t count) {
    if (!grow(text, count))
        return;
    if (count)
        memcpy(text->bytes + text->count, bytes, count);
    text->count += count;
    text->bytes[text->count] = '\0';
}

void mgd_text_format(mgd_text *text, const char *format, ...) {
    char buffer[256];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(buffer, sizeof buffer, format, list);
    va_end(list);
    if (n < 0 || (size_t)n >= sizeof buffer)
        text->failed = true; /* only short texts are written so */
    else
        mgd_text_add(text, buffer, (size_t)n);
}

/* ---- showing --------------------------------------------------------------------------------- */

/* The beginning of a message: blocks are long and say nothing. */
void mgd_port_show(FILE *to, char direction, const char *bytes, size_t count) {
    size_t most = 2000;
    fprintf(to, "%.6f %c ", mgd_clock(), direction);
    for (size_t i = 0; i < count && i < most; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '\n' && i + 1 < count)
            fprintf(to, "\n%.6f %c ", mgd_clock(), direction);
        else if (c != '\n')
            fprintf(to, isprint(c) ? "%c" : "\\x%02x", c);
    }
    fprintf(to, count > most ? " … (%zu bytes)\n" : "\n", count);
}

/* ---- looking --------------------------------------------------------------------------------- */

const mgd_description *mgd_port_description(const mgd_port *port) {
    return &port->description;
}

const char *mgd_port_identity(const mgd_port *port) {
    return port->identity.bytes ? port->identity.bytes : "";
}

const char *mgd_port_said(const mgd_port *port) {
    return port->said.bytes ? port->said.bytes : "";
}

const char *mgd_port_address(const mgd_port *port) {
    return port->wire ? mgd_wire_address(port->wire) : "dry run";
}

const mgd_dialect *mgd_port_dialect(const mgd_port *port) {
    return port->dialect;
}

const char *mgd_port_terminator(const mgd_port *port) {
    return port->terminator;
}

mgd_port_times mgd_port_spent(const mgd_port *port) {
    return port->spent;
}

bool mgd_port_lost(const mgd_port *port) {
    return port->lost;
}

bool mgd_port_failed(const mgd_port *port) {
    return port->failed;
}

bool mgd_port_is(const mgd_port *port, const char *kind) {
    return port->wire && strcmp(mgd_wire_kind(port->wire), kind) == 0;
}

bool mgd_port_ended(const mgd_port *port) {
    return port->lost && port->wire && mgd_wire_ended(port->wire);
}

size_t mgd_port_waiting(const mgd_port *port) {
    return port->out.count;
}
