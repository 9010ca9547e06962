/* The SCPI dialect: headers in their short and long forms, several commands in a line, a queue of
 * errors, and the registers of IEEE 488.2.
 *
 * A command is a row: its header, whose capitals are the short form, and what it does. */

#include "talk.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

enum {
    OPERATION_COMPLETE = 1,
    DEVICE_ERROR = 8,
    EXECUTION_ERROR = 16,
    COMMAND_ERROR = 32,
    POWER_ON = 128
};                                    /* of the event status register; … */
enum { ERROR_WAITS = 4, EVENT = 32 }; /* … of the status byte */

/* ---- the queue of errors --------------------------------------------------------------------- */

/* Text between quotation marks of SCPI, which are ASCII: θ is spelt out, and what else is not ASCII
 * is left out. Returns where it ends, `room` bytes from `to` at the latest. */
static char *put_quoted(char *to, size_t room, const char *from) {
    static const char theta[] = "θ", spelt[] = "theta";
    for (const char *last = to + room; *from && to < last; from++) {
        unsigned char c = (unsigned char)*from;
        if (strncmp(from, theta, sizeof theta - 1) == 0 && last - to >= (long)sizeof spelt) {
            to = (char *)memcpy(to, spelt, sizeof spelt - 1) + sizeof spelt - 1;
            from += sizeof theta - 2;
        } else if (c < 0x80) {
            *to++ = c == '"' ? '\'' : c < ' ' ? ' ' : (char)c;
        }
    }
    return to;
}

static void queue(mgd_scpi *scpi, int code, const char *what, const char *why) {
    if (scpi->waiting == MGD_SCPI_QUEUE) {
        scpi->status |= DEVICE_ERROR;
        snprintf(scpi->queue[MGD_SCPI_QUEUE - 1], MGD_SCPI_ERROR, "-350,\"Queue overflow\"");
        return;
    }
    char *text = scpi->queue[scpi->waiting++];
    int count = snprintf(text, MGD_SCPI_ERROR / 2, "%d,\"%s%s", code, what, *why ? ";" : "");
    char *end = put_quoted(text + count, (size_t)(MGD_SCPI_ERROR - 2 - count), why);
    memcpy(end, "\"", 2);
}

void mgd_scpi_refuse(mgd_server *server, mgd_verdict verdict, const char *why) {
    static const struct {
        int code;
        const char *what;
        uint8_t status;
    } errors[] = {
        [MGD_UNKNOWN] = {-113, "Undefined header", COMMAND_ERROR},
        [MGD_WRONG] = {-100, "Command error", COMMAND_ERROR},
        [MGD_MISSING] = {-109, "Missing parameter", COMMAND_ERROR},
        [MGD_RANGE] = {-222, "Data out of range", EXECUTION_ERROR},
        [MGD_MUCH] = {-223, "Too much data", EXECUTION_ERROR},
        [MGD_HARDWARE] = {-240, "Hardware error", EXECUTION_ERROR},
    };
    server->counts.errors++;
    server->scpi.status |= errors[verdict].status;
    queue(&server->scpi, errors[verdict].code, errors[verdict].what, why);
}

void mgd_scpi_open(mgd_scpi *scpi) {
    *scpi = (mgd_scpi){.status = POWER_ON};
}

/* ---- commands of every instrument ------------------------------------------------------------ */

static mgd_verdict answer_number(mgd_context *ctx, mgd_words *words, mgd_bytes *answer,
                                 unsigned value) {
    MGD_DO(mgd_words_end(ctx, words));
    mgd_bytes_format(answer, "%u", value);
    return MGD_DONE;
}

static mgd_verdict take_byte(mgd_context *ctx, mgd_words *words, uint8_t *out) {
    uint64_t value;
    MGD_DO(mgd_words_count(ctx, words, "value", UINT8_MAX, &value));
    MGD_DO(mgd_words_end(ctx, words));
    *out = (uint8_t)value;
    return MGD_DONE;
}

#define COMMAND(name)                                                                              \
    static mgd_verdict name(mgd_context *ctx, mgd_server *server, mgd_words *words,                \
                            mgd_bytes *answer)

COMMAND(clear) {
    (void)answer;
    MGD_DO(mgd_words_end(ctx, words));
    server->scpi.waiting = 0;
    server->scpi.status = 0;
    return MGD_DONE;
}

COMMAND(reset) {
    (void)answer;
    MGD_DO(mgd_words_end(ctx, words));
    mgd_served_reset(&server->chip);
    server->scpi.real = false;
    return MGD_DONE;
}

COMMAND(complete) {
    (void)answer;
    MGD_DO(mgd_words_end(ctx, words));
    server->scpi.status |= OPERATION_COMPLETE;
    return MGD_DONE;
}

COMMAND(ask_complete) {
    (void)server;
    return answer_number(ctx, words, answer, 1);
}

COMMAND(wait) {
    (void)server, (void)answer;
    return mgd_words_end(ctx, words);
}

COMMAND(test) {
    (void)server;
    return answer_number(ctx, words, answer, 0);
}

COMMAND(ask_status) {
    MGD_DO(answer_number(ctx, words, answer, server->scpi.status));
    server->scpi.status = 0;
    return MGD_DONE;
}

COMMAND(enable) {
    (void)answer;
    return take_byte(ctx, words, &server->scpi.enabled);
}

COMMAND(ask_enabled) {
    return answer_number(ctx, words, answer, server->scpi.enabled);
}

COMMAND(service) {
    (void)answer;
    return take_byte(ctx, words, &server->scpi.service);
}

COMMAND(ask_service) {
    return answer_number(ctx, words, answer, server->scpi.service);
}

COMMAND(ask_byte) {
    const mgd_scpi *s = &server->scpi;
    unsigned byte = (s->waiting > 0 ? ERROR_WAITS : 0) | (s->status & s->enabled ? EVENT : 0);
    return answer_number(ctx, words, answer, byte | (byte & s->service ? 64u : 0));
}

COMMAND(ask_error) {
    mgd_scpi *s = &server->scpi;
    MGD_DO(mgd_words_end(ctx, words));
    mgd_bytes_text(answer, s->waiting > 0 ? s->queue[0] : "0,\"No error\"");
    if (s->waiting > 0)
        memmove(s->queue[0], s->queue[1], --s->waiting * sizeof *s->queue);
    return MGD_DONE;
}

COMMAND(ask_version) {
    (void)server;
    MGD_DO(mgd_words_end(ctx, words));
    mgd_bytes_text(answer, "1999.0");
    return MGD_DONE;
}

/* Whether a word is a name in its short or long form. */
static bool is_name(const char *name, const char *word, size_t count) {
    size_t in_short = 0, at = 0;
    while (isupper((unsigned char)name[in_short]) || name[in_short] == '*')
        in_short++;
    while (at < count && name[at] &&
           toupper((unsigned char)name[at]) == toupper((unsigned char)word[at]))
        at++;
    return at == count && (count == in_short || !name[count]);
}

COMMAND(format) {
    (void)answer;
    char name[8];
    uint64_t bits;
    MGD_DO(mgd_words_text(ctx, words, "format", name, sizeof name));
    bool real = is_name("REAL", name, strlen(name));
    if (!real && !is_name("ASCii", name, strlen(name)))
        return mgd_verdict_fail(ctx, MGD_WRONG, "expected ASCii or REAL");
    if (mgd_words_more(words)) /* digits or bits, which the chip's precision decides */
        MGD_DO(mgd_words_count(ctx, words, "length", 64, &bits));
    MGD_DO(mgd_words_end(ctx, words));
    server->scpi.real = real;
    return MGD_DONE;
}

COMMAND(ask_format) {
    MGD_DO(mgd_words_end(ctx, words));
    mgd_bytes_text(answer, server->scpi.real ? "REAL" : "ASC");
    return MGD_DONE;
}

/* ---- the table ------------------------------------------------------------------------------- */

static const struct {
    const char *header; /* a question mark at its end: it has an answer */
    mgd_verb *verb;
} commands[] = {
    {"*IDN?", mgd_verb_identify},
    {"*RST", reset},
    {"*CLS", clear},
    {"*OPC", complete},
    {"*OPC?", ask_complete},
    {"*WAI", wait},
    {"*TST?", test},
    {"*ESR?", ask_status},
    {"*ESE", enable},
    {"*ESE?", ask_enabled},
    {"*SRE", service},
    {"*SRE?", ask_service},
    {"*STB?", ask_byte},
    {"SYSTem:ERRor?", ask_error},
    {"SYSTem:ERRor:NEXT?", ask_error},
    {"SYSTem:VERSion?", ask_version},
    {"FORMat", format},
    {"FORMat?", ask_format},
    {"CHIP:DESCribe?", mgd_verb_describe},
    {"CHIP:SAFE", mgd_verb_safe},
    {"INPut:DATA", mgd_verb_data},
    {"PARameter:WRITe", mgd_verb_write},
    {"PARameter:WRITe?", mgd_verb_read},
    {"PARameter:PERTurb", mgd_verb_give},
    {"COST?", mgd_verb_run},
    {"OUTPut:DATA?", mgd_verb_outputs},
};

/* Whether words with colons between are a header of the table. */
static bool is_header(const char *header, const char *text, size_t count) {
    bool asks = count > 0 && text[count - 1] == '?', row_asks = strchr(header, '?') != NULL;
    if (asks != row_asks)
        return false;
    count -= asks;
    for (;;) {
        const char *colon = memchr(text, ':', count);
        size_t word = colon ? (size_t)(colon - text) : count, name = strcspn(header, ":?");
        char own[16] = "";
        memcpy(own, header, name);
        if (!is_name(own, text, word))
            return false;
        header += name;
        if (!colon || *header != ':')
            return !colon && *header != ':';
        header++;
        count -= word + 1;
        text = colon + 1;
    }
}

static mgd_verb *find(const char *text, size_t count) {
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
        if (is_header(commands[i].header, text, count))
            return commands[i].verb;
    return NULL;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static bool is_blank(char c) {
    return c == ' ' || c == '\t';
}

static size_t header_of(const char *text, size_t count) {
    size_t header = 0;
    while (header < count && !is_blank(text[header]) && text[header] != ';')
        header++;
    return header;
}

bool mgd_scpi_knows(const char *text, size_t count) {
    size_t header = header_of(text, count);
    return *text == '*' || memchr(text, ':', header) || memchr(text, '?', header) ||
           find(text, header);
}

/* Where the command ends: at a semicolon that is in no block, string or list. */
static const char *command_end(const char *at, const char *end) {
    for (; at < end && *at != ';'; at++) {
        size_t bytes, head;
        if (*at == '"' || *at == '\'') {
            const char *close = memchr(at + 1, *at, (size_t)(end - at - 1));
            at = close ? close : at;
        } else if (*at == '#' &&
                   (head = mgd_block_read(at, (size_t)(end - at), (size_t)(end - at), &bytes)) !=
                       0 &&
                   head != SIZE_MAX && bytes <= (size_t)(end - at) - head) {
            at += head + bytes - 1;
        }
    }
    return at;
}

/* Headers go on where the one before them was, unless they begin with a colon. */
typedef struct {
    char level[64]; /* with its colon */
    size_t count;
} path;

/* The verb of a header. The next one begins at its level. */
static mgd_verb *find_from(path *p, const char *text, size_t count) {
    char whole[2 * sizeof p->level];
    if (count >= sizeof p->level)
        return NULL;
    if (*text == '*') /* is of no level */
        return find(text, count);
    if (*text == ':') {
        p->count = 0;
        text++;
        count--;
    }
    memcpy(whole, p->level, p->count);
    memcpy(whole + p->count, text, count);
    mgd_verb *verb = find(whole, p->count + count);
    size_t all = p->count + count;
    if (!verb) { /* or from the root, as most instruments have it */
        verb = find(text, count);
        memmove(whole, text, count);
        all = count;
    }
    while (all > 0 && whole[all - 1] != ':')
        all--;
    if (verb && all <= sizeof p->level) {
        memcpy(p->level, whole, all);
        p->count = all;
    }
    return verb;
}

static mgd_verdict handle(mgd_context *ctx, mgd_server *server, path *p, const char *text,
                          size_t count, mgd_bytes *answer) {
    size_t header = header_of(text, count);
    mgd_verb *verb = find_from(p, text, header);
    mgd_words words = {.at = text + header, .end = text + count, .dialect = MGD_SCPI};
    if (!verb)
        return mgd_verdict_fail(ctx, MGD_UNKNOWN, "%.*s", header < 64 ? (int)header : 64, text);
    return verb(ctx, server, &words, answer);
}

mgd_verdict mgd_scpi_handle(mgd_context *ctx, mgd_server *server, const char *text, size_t count,
                            mgd_bytes *answer) {
    const char *at = text, *end = text + count;
    path p = {.count = 0};
    size_t start = answer->count;
    while (at < end) {
        while (at < end && is_blank(*at))
            at++;
        const char *last = command_end(at, end);
        if (last == at) { /* nothing between two semicolons */
            at++;
            continue;
        }
        size_t before = answer->count;
        if (before > start)
            mgd_bytes_text(answer, ";");
        size_t empty = answer->count;
        mgd_verdict verdict = handle(ctx, server, &p, at, (size_t)(last - at), answer);
        if (verdict != MGD_DONE || answer->count == empty)
            answer->count = before;
        if (verdict == MGD_STOP)
            return verdict;
        if (verdict != MGD_DONE)
            mgd_scpi_refuse(server, verdict, ctx->message);
        at = last < end ? last + 1 : end;
    }
    return MGD_DONE;
}
