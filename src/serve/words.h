/* words: what stands in a request, and arrays in an answer, in both dialects. Texts are bytes with
 * an end and may hold anything.
 *
 * The small protocol has one space between words, and an array is a word of numbers with commas
 * between. SCPI has commas between words, and an array is such numbers in parentheses. In both it
 * may be a definite block of IEEE 488.2 instead.
 */
#ifndef MGD_SERVE_WORDS_H
#define MGD_SERVE_WORDS_H

#include "bytes.h"

/* What became of a request: the codes of errors, in both dialects, follow from it. */
typedef enum {
    MGD_DONE,
    MGD_UNKNOWN,  /* no such request */
    MGD_WRONG,    /* a word is not what is expected */
    MGD_MISSING,  /* a word is missing */
    MGD_RANGE,    /* a value is out of its range */
    MGD_MUCH,     /* more data than are taken */
    MGD_HARDWARE, /* the chip failed */
    MGD_STOP,     /* Ctrl-C: the server ends */
} mgd_verdict;

/* Records the message in `ctx` and returns the verdict. */
mgd_verdict mgd_verdict_fail(mgd_context *ctx, mgd_verdict verdict, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#define MGD_DO(call)                                                                               \
    do {                                                                                           \
        mgd_verdict do_verdict_ = (call);                                                          \
        if (do_verdict_ != MGD_DONE)                                                               \
            return do_verdict_;                                                                    \
    } while (0)

typedef enum { MGD_SMALL, MGD_SCPI } mgd_dialect;

typedef struct {
    const char *at, *end;
    mgd_dialect dialect;
    bool blocks; /* an array came as a block: so goes the answer */
    bool later;  /* a word has been taken: the next one has a separator before it */
} mgd_words;

/* Whether there is another word. */
bool mgd_words_more(mgd_words *words);
/* Nothing may follow. */
mgd_verdict mgd_words_end(mgd_context *ctx, mgd_words *words);

/* The next word, called `name` in messages. A text is cut to its place, and keeps the quotation
 * marks off; numbers are whole or finite ones. */
mgd_verdict mgd_words_text(mgd_context *ctx, mgd_words *words, const char *name, char *text,
                           size_t room);
mgd_verdict mgd_words_count(mgd_context *ctx, mgd_words *words, const char *name, uint64_t most,
                            uint64_t *value);
mgd_verdict mgd_words_number(mgd_context *ctx, mgd_words *words, const char *name, double *value);
/* An array of f32 or f64, finite; `out->count` is in bytes. Of the small protocol "-" has none. */
mgd_verdict mgd_words_reals(mgd_context *ctx, mgd_words *words, const char *name, mgd_dtype dtype,
                            mgd_bytes *out);
/* Numbers of samples (uint32_t), `batches` of them or, as text, one for all; *each: of one batch,
 * *stated: how many of these there are. */
mgd_verdict mgd_words_samples(mgd_context *ctx, mgd_words *words, uint64_t batches, mgd_bytes *out,
                              size_t *each, size_t *stated);

/* Puts an array into an answer. */
void mgd_answer_reals(mgd_bytes *answer, mgd_dtype dtype, const void *values, size_t count,
                      bool block);

#endif
