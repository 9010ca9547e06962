/* Reading words, and writing arrays. */

#include "words.h"

#include "../base/number.h"
#include "../wire/wire.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_TEXT 64 /* bytes of the longest number that is read */

mgd_verdict mgd_verdict_fail(mgd_context *ctx, mgd_verdict verdict, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(ctx->message, sizeof ctx->message, format, arguments);
    va_end(arguments);
    return verdict;
}

/* ---- between words --------------------------------------------------------------------------- */

static void skip_blanks(mgd_words *w) {
    while (w->at < w->end && (*w->at == ' ' || *w->at == '\t'))
        w->at++;
}

bool mgd_words_more(mgd_words *w) {
    skip_blanks(w);
    return w->at < w->end;
}

mgd_verdict mgd_words_end(mgd_context *ctx, mgd_words *w) {
    if (!mgd_words_more(w))
        return MGD_DONE;
    size_t left = (size_t)(w->end - w->at);
    return mgd_verdict_fail(ctx, MGD_WRONG, "%zu bytes too many behind the last word", left);
}

/* To the beginning of the next word. */
static mgd_verdict begin(mgd_context *ctx, mgd_words *w, const char *name) {
    bool more = mgd_words_more(w);
    if (more && w->later && w->dialect == MGD_SCPI) {
        if (*w->at != ',')
            return mgd_verdict_fail(ctx, MGD_WRONG, "expected a comma before %s", name);
        w->at++;
        more = mgd_words_more(w);
    }
    w->later = true;
    return more ? MGD_DONE : mgd_verdict_fail(ctx, MGD_MISSING, "%s is missing", name);
}

/* Where a word without quotation marks, parentheses or block ends. */
static const char *end_of(const mgd_words *w) {
    const char *at = w->at;
    while (at < w->end && *at != ' ' && *at != '\t' && !(w->dialect == MGD_SCPI && *at == ','))
        at++;
    return at;
}

/* ---- single values --------------------------------------------------------------------------- */

mgd_verdict mgd_words_text(mgd_context *ctx, mgd_words *w, const char *name, char *text,
                           size_t room) {
    MGD_DO(begin(ctx, w, name));
    bool quoted = w->dialect == MGD_SCPI && (*w->at == '"' || *w->at == '\'');
    const char *first = w->at + quoted, *last = end_of(w), *after = last;
    if (quoted) {
        last = memchr(first, *w->at, (size_t)(w->end - first));
        if (!last)
            return mgd_verdict_fail(ctx, MGD_WRONG, "%s: a quotation mark without its other", name);
        after = last + 1;
    }
    size_t count = (size_t)(last - first);
    if (count >= room)
        return mgd_verdict_fail(ctx, MGD_WRONG, "%s: a word of %zu bytes", name, count);
    memcpy(text, first, count);
    text[count] = 0;
    w->at = after;
    return MGD_DONE;
}

mgd_verdict mgd_words_count(mgd_context *ctx, mgd_words *w, const char *name, uint64_t most,
                            uint64_t *value) {
    char text[NUMBER_TEXT];
    MGD_DO(mgd_words_text(ctx, w, name, text, sizeof text));
    uint64_t sum = 0;
    bool above = false;
    const char *at = text + (*text == '+');
    do {
        if (!isdigit((unsigned char)*at))
            return mgd_verdict_fail(ctx, MGD_WRONG, "%s must be a whole number from 0 on", name);
        uint64_t digit = (uint64_t)(*at - '0');
        above = above || sum > (UINT64_MAX - digit) / 10;
        sum = sum * 10 + digit;
    } while (*++at);
    if (above || sum > most)
        return mgd_verdict_fail(ctx, MGD_RANGE, "%s must be at most %llu, got %s", name,
                                (unsigned long long)most, text);
    *value = sum;
    return MGD_DONE;
}

/* Whether `count` bytes are one finite number; not what strtod takes besides: hexadecimal ones,
 * infinities, NaN. */
static mgd_verdict read_number(mgd_context *ctx, const char *name, const char *from, size_t count,
                               double *value) {
    char text[NUMBER_TEXT], *end;
    bool plain = count > 0 && count < sizeof text;
    for (size_t i = 0; i < count && plain; i++)
        plain = isdigit((unsigned char)from[i]) || memchr("+-.eE", from[i], 5);
    if (!plain && count >= 3 && count <= 9) {
        for (size_t i = 0; i < count; i++)
            text[i] = (char)tolower((unsigned char)from[i]);
        text[count] = 0;
        if (strstr(text, "nan") || strstr(text, "inf"))
            return mgd_verdict_fail(ctx, MGD_RANGE, "%s: %s is no finite number", name, text);
    }
    if (plain) {
        memcpy(text, from, count);
        text[count] = 0;
        *value = strtod(text, &end);
        plain = end == text + count;
    }
    if (!plain)
        return mgd_verdict_fail(ctx, MGD_WRONG, "%s: expected a number", name);
    if (!isfinite(*value))
        return mgd_verdict_fail(ctx, MGD_RANGE, "%s: %s is too large", name, text);
    return MGD_DONE;
}

mgd_verdict mgd_words_number(mgd_context *ctx, mgd_words *w, const char *name, double *value) {
    MGD_DO(begin(ctx, w, name));
    const char *end = end_of(w);
    MGD_DO(read_number(ctx, name, w->at, (size_t)(end - w->at), value));
    w->at = end;
    return MGD_DONE;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

/* The bytes of the block that begins here. */
static mgd_verdict take_block(mgd_context *ctx, mgd_words *w, const char *name, size_t element,
                              const char **bytes, size_t *count) {
    size_t left = (size_t)(w->end - w->at), head = mgd_block_read(w->at, left, left, count);
    if (head == 0 || head == SIZE_MAX || *count > left - head)
        return mgd_verdict_fail(ctx, MGD_WRONG, "%s: no whole block of bytes", name);
    if (*count % element != 0)
        return mgd_verdict_fail(ctx, MGD_WRONG,
                                "%s: %zu bytes are no whole number of values of %zu", name, *count,
                                element);
    *bytes = w->at + head;
    w->at += head + *count;
    w->blocks = true;
    return MGD_DONE;
}

/* The text of the array that begins here: between parentheses, with `mark` behind the first, or to
 * the end of the word. */
static mgd_verdict take_list(mgd_context *ctx, mgd_words *w, const char *name, const char *mark,
                             const char **first, const char **last) {
    if (w->dialect == MGD_SMALL) {
        *first = w->at;
        *last = w->at = end_of(w);
        return MGD_DONE;
    }
    const char *close = memchr(w->at, ')', (size_t)(w->end - w->at));
    size_t marks = strlen(mark);
    if (*w->at != '(' || !close || (size_t)(close - w->at) < 1 + marks ||
        memcmp(w->at + 1, mark, marks) != 0)
        return mgd_verdict_fail(ctx, MGD_WRONG, "%s: expected a block, or numbers in (%s…)", name,
                                mark);
    *first = w->at + 1 + marks;
    *last = close;
    w->at = close + 1;
    return MGD_DONE;
}

/* The next number of a list, without blanks around it; *at is behind its separator, or NULL. */
static const char *next_of(const char **at, const char *end, const char *separators,
                           size_t *count) {
    const char *first = *at, *last = first;
    while (last < end && !memchr(separators, *last, strlen(separators)))
        last++;
    *at = last < end ? last + 1 : NULL;
    while (first < last && *first == ' ')
        first++;
    while (last > first && last[-1] == ' ')
        last--;
    *count = (size_t)(last - first);
    return first;
}

static mgd_verdict put_real(mgd_context *ctx, mgd_dtype dtype, double value, const char *name,
                            mgd_bytes *out) {
    float single = (float)value;
    if (dtype == MGD_F32 && !isfinite(single))
        return mgd_verdict_fail(ctx, MGD_RANGE, "%s: %s is too large for f32", name,
                                MGD_NUMBER(value));
    if (dtype == MGD_F32)
        mgd_bytes_put(out, &single, sizeof single);
    else
        mgd_bytes_put(out, &value, sizeof value);
    return MGD_DONE;
}

static mgd_verdict no_memory(mgd_context *ctx, const mgd_bytes *out, const char *name) {
    return out->failed ? mgd_verdict_fail(ctx, MGD_HARDWARE, "out of memory: %s", name) : MGD_DONE;
}

/* Whether reals that came as bytes are finite. */
static bool all_finite(mgd_dtype dtype, const char *bytes, size_t count) {
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        float single;
        double value;
        if (dtype == MGD_F32) {
            memcpy(&single, bytes + i * sizeof single, sizeof single);
            finite = finite && isfinite(single);
        } else {
            memcpy(&value, bytes + i * sizeof value, sizeof value);
            finite = finite && isfinite(value);
        }
    }
    return finite;
}

mgd_verdict mgd_words_reals(mgd_context *ctx, mgd_words *w, const char *name, mgd_dtype dtype,
                            mgd_bytes *out) {
    const char *first, *last;
    size_t size = mgd_dtype_size(dtype), count;
    MGD_DO(begin(ctx, w, name));
    if (*w->at == '#') {
        MGD_DO(take_block(ctx, w, name, size, &first, &count));
        if (!all_finite(dtype, first, count / size))
            return mgd_verdict_fail(ctx, MGD_RANGE, "%s: a value is not finite", name);
        mgd_bytes_put(out, first, count);
        return no_memory(ctx, out, name);
    }
    MGD_DO(take_list(ctx, w, name, "", &first, &last));
    if (first == last || (last - first == 1 && *first == '-'))
        return MGD_DONE;
    for (const char *at = first; at;) {
        double value;
        const char *text = next_of(&at, last, ",", &count);
        MGD_DO(read_number(ctx, name, text, count, &value));
        MGD_DO(put_real(ctx, dtype, value, name, out));
    }
    return no_memory(ctx, out, name);
}

/* A whole number of 32 bits. */
static mgd_verdict put_sample(mgd_context *ctx, const char *text, size_t count, mgd_bytes *out) {
    uint64_t value = 0;
    bool digits = count > 0;
    for (size_t i = 0; i < count && digits; i++) {
        digits = isdigit((unsigned char)text[i]);
        if (value <= UINT32_MAX)
            value = value * 10 + (uint64_t)(text[i] - '0');
    }
    if (!digits)
        return mgd_verdict_fail(ctx, MGD_WRONG, "samples: expected numbers from 0 on");
    if (value > UINT32_MAX)
        return mgd_verdict_fail(ctx, MGD_RANGE, "samples: no sample has a number above %lu",
                                (unsigned long)UINT32_MAX);
    uint32_t sample = (uint32_t)value;
    mgd_bytes_put(out, &sample, sizeof sample);
    return MGD_DONE;
}

/* Batches of text, which are of one size. */
static mgd_verdict read_batches(mgd_context *ctx, const char *first, const char *last,
                                mgd_bytes *out, size_t *each, size_t *stated) {
    size_t in_batch = 0, count;
    *each = *stated = 0;
    for (const char *at = first; at;) {
        const char *text = next_of(&at, last, ",/", &count);
        MGD_DO(put_sample(ctx, text, count, out));
        in_batch++;
        if (at && at[-1] == ',')
            continue;
        if (*stated > 0 && in_batch != *each)
            return mgd_verdict_fail(ctx, MGD_WRONG, "samples: batches of %zu and of %zu", *each,
                                    in_batch);
        *each = in_batch;
        in_batch = 0;
        ++*stated;
    }
    return MGD_DONE;
}

mgd_verdict mgd_words_samples(mgd_context *ctx, mgd_words *w, uint64_t batches, mgd_bytes *out,
                              size_t *each, size_t *stated) {
    const char *first, *last;
    size_t count;
    MGD_DO(begin(ctx, w, "samples"));
    if (*w->at == '#') {
        MGD_DO(take_block(ctx, w, "samples", sizeof(uint32_t), &first, &count));
        size_t samples = count / sizeof(uint32_t);
        if (samples == 0 || batches == 0 || samples % batches != 0)
            return mgd_verdict_fail(ctx, MGD_WRONG, "samples: %zu in a block are no %llu batches",
                                    samples, (unsigned long long)batches);
        *each = (size_t)(samples / batches);
        *stated = (size_t)batches;
        mgd_bytes_put(out, first, count);
        return no_memory(ctx, out, "samples");
    }
    MGD_DO(take_list(ctx, w, "samples", "@", &first, &last));
    MGD_DO(read_batches(ctx, first, last, out, each, stated));
    if (*stated != 1 && *stated != batches)
        return mgd_verdict_fail(ctx, MGD_WRONG,
                                "samples: %zu batches for %llu steps: expected one "
                                "for all, or one for each",
                                *stated, (unsigned long long)batches);
    return no_memory(ctx, out, "samples");
}

/* ---- answers --------------------------------------------------------------------------------- */

#define DIGITS 26 /* bytes of a number, with its comma */

void mgd_answer_reals(mgd_bytes *answer, mgd_dtype dtype, const void *values, size_t count,
                      bool block) {
    if (block) {
        char head[MGD_BLOCK_HEAD];
        size_t bytes = count * mgd_dtype_size(dtype);
        mgd_bytes_put(answer, head, mgd_block_head(bytes, head));
        mgd_bytes_put(answer, values, bytes);
        return;
    }
    char *to = mgd_bytes_room(answer, count * DIGITS + 2);
    if (!to)
        return;
    char *first = to;
    if (count == 0)
        *to++ = '-';
    for (size_t i = 0; i < count; i++) {
        double value =
            dtype == MGD_F32 ? (double)((const float *)values)[i] : ((const double *)values)[i];
        if (i > 0)
            *to++ = ',';
        if (isnan(value)) /* printf would tell its sign */
            to = (char *)memcpy(to, "nan", 3) + 3;
        else
            to += snprintf(to, DIGITS, dtype == MGD_F32 ? "%.9g" : "%.17g", value);
    }
    answer->count += (size_t)(to - first);
}
