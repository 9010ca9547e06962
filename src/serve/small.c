/* The small protocol: a request is a line, and so is its answer. */

#include "talk.h"

#include <stdio.h>
#include <string.h>

/* WRITE [θ …] */
static mgd_verdict write_or_read(mgd_context *ctx, mgd_server *server, mgd_words *words,
                                 mgd_bytes *answer) {
    mgd_verb *verb = mgd_words_more(words) ? mgd_verb_write : mgd_verb_read;
    return verb(ctx, server, words, answer);
}

static const struct {
    const char *name;
    mgd_verb *verb;
} requests[] = {
    {"ID", mgd_verb_identify}, {"*IDN?", mgd_verb_identify}, {"DESC", mgd_verb_describe},
    {"DATA", mgd_verb_data},   {"WRITE", write_or_read},     {"RUN", mgd_verb_run},
    {"SAFE", mgd_verb_safe},   {"WHY", mgd_verb_why},
};

static mgd_verb *find(const char *text, size_t count) {
    const char *blank = memchr(text, ' ', count);
    size_t word = blank ? (size_t)(blank - text) : count;
    for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
        if (word == strlen(requests[i].name) && memcmp(text, requests[i].name, word) == 0)
            return requests[i].verb;
    return NULL;
}

bool mgd_small_knows(const char *text, size_t count) {
    return *text != '*' && find(text, count) != NULL; /* which is SCPI, but in a frame */
}

void mgd_small_refuse(mgd_server *server, mgd_verdict verdict, const char *why, mgd_bytes *answer) {
    static const int codes[] = {[MGD_UNKNOWN] = 1, [MGD_WRONG] = 2, [MGD_MISSING] = 2,
                                [MGD_RANGE] = 3,   [MGD_MUCH] = 5,  [MGD_HARDWARE] = 4};
    char text[MGD_MESSAGE_SIZE];
    snprintf(text, sizeof text, "%s", why);
    for (char *c = text; *c; c++) /* of whatever has a message: it stays a line */
        *c = (unsigned char)*c < ' ' ? ' ' : *c;
    mgd_bytes_format(answer, "ERR %d ", codes[verdict]);
    mgd_bytes_text(answer, text);
    server->counts.errors++;
}

mgd_verdict mgd_small_handle(mgd_context *ctx, mgd_server *server, const char *text, size_t count,
                             mgd_bytes *answer) {
    const char *blank = memchr(text, ' ', count);
    mgd_verb *verb = find(text, count);
    mgd_words words = {.at = blank ? blank : text + count, .end = text + count};
    size_t before = answer->count;
    mgd_verdict verdict = MGD_UNKNOWN;
    mgd_bytes_text(answer, "OK ");
    if (verb)
        verdict = verb(ctx, server, &words, answer);
    else
        mgd_verdict_fail(ctx, verdict,
                         "no such request: expected ID, DESC, DATA, WRITE, RUN or SAFE");
    if (verdict == MGD_DONE && answer->count == before + 3)
        answer->count--; /* nothing behind OK */
    if (verdict == MGD_DONE || verdict == MGD_STOP)
        return verdict;
    answer->count = before;
    mgd_small_refuse(server, verdict, ctx->message, answer);
    return MGD_DONE;
}
