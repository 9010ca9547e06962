/* A server as bytes in, bytes out: which bytes are a message, in which dialect it is, and what goes
 * back.
 *
 * A line ends with a line feed that is in no block. A frame ends with a zero; where a byte that no
 * line begins with stands first, or a zero does, all messages are frames from then on. Lines may be
 * the small protocol and SCPI by turns: the first word tells.
 */

#include "talk.h"

#include <string.h>

#define ANSWERS ((size_t)1 << 20) /* bytes that wait to be sent before more is handled, … */
#define LONGEST 0.1               /* … or seconds that the first of them waits */
#define SPARE ((size_t)1 << 16)   /* bytes of `in` that are moved to its front at least */

/* ---- opening --------------------------------------------------------------------------------- */

mgd_status mgd_server_new(mgd_context *ctx, const mgd_server_spec *spec, mgd_server **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "server", 1, sizeof(mgd_server), &memory));
    mgd_server *server = memory;
    mgd_status status = mgd_served_open(ctx, spec, &server->chip);
    if (status != MGD_OK) {
        mgd_free(server);
        return status;
    }
    mgd_scpi_open(&server->scpi);
    *out = server;
    return MGD_OK;
}

void mgd_server_free(mgd_server *server) {
    if (!server)
        return;
    mgd_bytes *bytes[] = {&server->in, &server->out, &server->message, &server->answer,
                          &server->x,  &server->y,   &server->samples};
    for (size_t i = 0; i < sizeof bytes / sizeof *bytes; i++)
        mgd_bytes_free(bytes[i]);
    mgd_served_close(&server->chip);
    mgd_free(server);
}

const char *mgd_server_answers(mgd_server *server, size_t *count) {
    *count = server->out.count;
    return server->out.data;
}

void mgd_server_forget(mgd_server *server) {
    server->in.count = server->begun = server->scanned = server->block = 0;
    server->dropping = false;
}

void mgd_server_meet(mgd_server *server) {
    mgd_server_forget(server);
    server->framed = server->scpi.talks = false;
    server->counts.clients++;
}

size_t mgd_server_longest(const mgd_server *server) {
    return mgd_frame_room(server->chip.spec.message);
}

bool mgd_server_waits(const mgd_server *server) {
    return server->in.count > server->begun || server->dropping;
}

void mgd_server_safe(mgd_server *server) {
    mgd_served_safe(&server->chip);
}

double mgd_server_watchdog(const mgd_server *server) {
    return server->chip.watchdog;
}

mgd_server_counts mgd_server_counted(const mgd_server *server) {
    return server->counts;
}

/* ---- lines ----------------------------------------------------------------------------------- */

/* One line, without its end. */
static mgd_verdict handle_line(mgd_context *ctx, mgd_server *s, const char *text, size_t count) {
    while (count > 0 && (*text == ' ' || *text == '\t')) {
        text++;
        count--;
    }
    if (count == 0)
        return MGD_DONE;
    s->counts.requests++;
    bool small = mgd_small_knows(text, count);
    bool scpi = !small && (s->scpi.talks || mgd_scpi_knows(text, count));
    size_t before = s->out.count;
    s->scpi.talks = scpi;
    mgd_verdict verdict = scpi ? mgd_scpi_handle(ctx, s, text, count, &s->out)
                               : mgd_small_handle(ctx, s, text, count, &s->out);
    if (s->out.count > before)
        mgd_bytes_text(&s->out, "\n");
    return verdict;
}

static void refuse_line(mgd_server *s) {
    s->counts.requests++;
    if (s->scpi.talks) {
        mgd_scpi_refuse(s, MGD_MUCH, "the message is too long");
        return;
    }
    mgd_small_refuse(s, MGD_MUCH, "too long a message", &s->out);
    mgd_bytes_text(&s->out, "\n");
}

void mgd_server_cut(mgd_server *s) {
    bool told = s->dropping || s->framed; /* a frame gets no answer: its sequence is not known */
    mgd_server_forget(s);
    s->out.count = 0;
    if (told)
        return;
    s->counts.requests++;
    if (s->scpi.talks) {
        mgd_scpi_refuse(s, MGD_MISSING, "the message was cut short");
        return;
    }
    mgd_small_refuse(s, MGD_MISSING, "the message was cut short", &s->out);
    mgd_bytes_text(&s->out, "\n");
}

/* What a number sign in a line is. */
typedef enum { NO_BLOCK, BLOCK, TOO_LONG, CUT } sign;

/* A block stands where a word begins. *after: where it ends. */
static sign look_at(const mgd_server *s, const char *first, const char *at, const char *end,
                    const char **after) {
    size_t most = s->chip.spec.message, bytes;
    if (at == first || !memchr(" ,\t", at[-1], 3))
        return NO_BLOCK;
    size_t head = mgd_block_read(at, (size_t)(end - at), SIZE_MAX / 2, &bytes);
    if (head == SIZE_MAX)
        return NO_BLOCK;
    if (head == 0)
        return CUT;
    size_t begins = (size_t)(at - first) + head;
    if (begins > most || bytes > most - begins)
        return TOO_LONG;
    *after = bytes <= (size_t)(end - at) - head ? at + head + bytes : NULL;
    return *after ? BLOCK : CUT;
}

/* The line feed that ends the line, NULL where it has not come; *too_long: it never will. */
static const char *line_end(mgd_server *s, const char *first, const char *end, bool *too_long) {
    const char *at = first + s->scanned;
    *too_long = false;
    while (at < end) {
        const char *feed = memchr(at, '\n', (size_t)(end - at)), *after;
        const char *mark = memchr(at, '#', (size_t)((feed ? feed : end) - at));
        if (!mark) {
            if (feed)
                return feed;
            at = end;
            break;
        }
        sign what = look_at(s, first, mark, end, &after);
        s->scanned = (size_t)(mark - first);
        if (what == TOO_LONG)
            *too_long = true;
        if (what == TOO_LONG || what == CUT)
            return NULL;
        at = what == BLOCK ? after : mark + 1;
        s->block = what == BLOCK ? (size_t)(after - first) : s->block;
    }
    s->scanned = (size_t)(at - first);
    *too_long = s->scanned > s->chip.spec.message;
    return NULL;
}

/* Handles the next line; false where there is no whole one. */
static bool next_line(mgd_context *ctx, mgd_server *s, mgd_verdict *verdict) {
    const char *first = s->in.data + s->begun, *end = s->in.data + s->in.count;
    bool too_long = false;
    const char *feed = s->dropping ? memchr(first, '\n', (size_t)(end - first))
                                   : line_end(s, first, end, &too_long);
    if (feed && !s->dropping) {
        size_t count = (size_t)(feed - first);
        if (count > s->block && first[count - 1] == '\r')
            count--;
        *verdict = count <= s->chip.spec.message ? handle_line(ctx, s, first, count) : MGD_DONE;
        if (count > s->chip.spec.message)
            refuse_line(s);
    }
    if (too_long) {
        refuse_line(s);
        feed = memchr(first + s->scanned, '\n', (size_t)(end - first) - s->scanned);
    }
    bool dropping = s->dropping || too_long;
    s->dropping = dropping && !feed;
    if (!feed && !dropping)
        return false;
    s->begun = feed ? (size_t)(feed + 1 - s->in.data) : s->in.count;
    s->scanned = s->block = 0;
    return feed != NULL;
}

/* ---- frames ---------------------------------------------------------------------------------- */

/* Whether a message that begins so is no line. */
static bool is_frame(unsigned char first) {
    return (first < ' ' && first != '\t' && first != '\n' && first != '\r') || first > '~';
}

static void send_frame(mgd_server *s, uint8_t sequence, const mgd_bytes *message) {
    char *to = mgd_bytes_room(&s->out, mgd_frame_room(message->count));
    if (to)
        s->out.count += mgd_frame_write(sequence, message->data, message->count, to);
}

/* A frame that came twice is answered twice and handled once. */
static mgd_verdict handle_frame(mgd_context *ctx, mgd_server *s, uint8_t sequence,
                                const char *message, size_t count) {
    bool again = s->answered && sequence == s->sequence && count == s->message.count &&
                 (count == 0 || memcmp(message, s->message.data, count) == 0);
    if (again) {
        send_frame(s, sequence, &s->answer);
        return MGD_DONE;
    }
    s->counts.requests++;
    s->message.count = s->answer.count = 0;
    s->answered = false; /* until it is, for it may be cut short */
    mgd_bytes_put(&s->message, message, count);
    mgd_verdict verdict = mgd_small_handle(ctx, s, message, count, &s->answer);
    if (verdict != MGD_DONE || s->message.failed || s->answer.failed)
        return verdict;
    s->sequence = sequence;
    s->answered = true;
    send_frame(s, sequence, &s->answer);
    return verdict;
}

/* Handles the next frame; false where there is no whole one. */
static bool next_frame(mgd_context *ctx, mgd_server *s, mgd_verdict *verdict) {
    char *first = s->in.data + s->begun, *message;
    size_t count = s->in.count - s->begun, most = mgd_frame_room(s->chip.spec.message), length;
    char *end = memchr(first + s->scanned, 0, count - s->scanned);
    uint8_t sequence;
    if (!end) {
        s->scanned = count;
        if (count > most) { /* its beginning is of no use */
            s->dropping = true;
            s->begun = s->in.count;
            s->scanned = 0;
        }
        return false;
    }
    size_t frame = (size_t)(end - first);
    if (!s->dropping && frame > 0 && frame <= most &&
        mgd_frame_read(first, frame, &sequence, &message, &length))
        *verdict = handle_frame(ctx, s, sequence, message, length);
    s->dropping = false;
    s->begun += frame + 1;
    s->scanned = 0;
    return true;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* What has been handled makes room. */
static void move_up(mgd_server *s) {
    if (s->begun < s->in.count && s->begun < SPARE)
        return;
    if (s->begun < s->in.count)
        memmove(s->in.data, s->in.data + s->begun, s->in.count - s->begun);
    s->in.count -= s->begun;
    s->begun = 0;
}

static bool next_message(mgd_context *ctx, mgd_server *s, mgd_verdict *verdict) {
    if (s->begun >= s->in.count)
        return false;
    if (!s->framed && !s->dropping && s->scanned == 0)
        s->framed = is_frame((unsigned char)s->in.data[s->begun]);
    return s->framed ? next_frame(ctx, s, verdict) : next_line(ctx, s, verdict);
}

mgd_status mgd_server_take(mgd_context *ctx, mgd_server *s, const void *bytes, size_t count) {
    mgd_verdict verdict = MGD_DONE;
    double until = mgd_clock() + LONGEST;
    s->out.count = 0;
    mgd_bytes_put(&s->in, bytes, count);
    while (verdict == MGD_DONE && s->out.count < ANSWERS && next_message(ctx, s, &verdict))
        if (s->out.count > 0 && mgd_clock() > until)
            break;
    move_up(s);
    if (verdict == MGD_STOP)
        return MGD_ERR_INTERRUPT;
    mgd_bytes *all[] = {&s->in, &s->out, &s->message, &s->answer};
    bool failed = false;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        failed = failed || all[i]->failed;
        all[i]->failed = false;
    }
    return failed ? mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a message") : MGD_OK;
}
