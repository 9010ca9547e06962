/* What requests do, in whichever dialect: words in, an operation, words out. */

#include "talk.h"

#include <ctype.h>
#include <string.h>

#define EXACT (UINT64_C(1) << 53) /* steps and the like are counted up to here */
#define MOST_MS 1e9               /* of silence */

static void put_reals(mgd_server *server, const mgd_words *words, mgd_dtype dtype,
                      const void *values, size_t count, mgd_bytes *answer) {
    bool block = words->dialect == MGD_SCPI ? server->scpi.real : words->blocks;
    mgd_answer_reals(answer, dtype, values, count, block);
}

mgd_verdict mgd_verb_identify(mgd_context *ctx, mgd_server *server, mgd_words *words,
                              mgd_bytes *answer) {
    MGD_DO(mgd_words_end(ctx, words));
    mgd_bytes_text(answer, server->chip.spec.identity);
    return MGD_DONE;
}

mgd_verdict mgd_verb_describe(mgd_context *ctx, mgd_server *server, mgd_words *words,
                              mgd_bytes *answer) {
    MGD_DO(mgd_words_end(ctx, words));
    mgd_served_describe(&server->chip, answer);
    return MGD_DONE;
}

/* first x [y] */
mgd_verdict mgd_verb_data(mgd_context *ctx, mgd_server *server, mgd_words *words,
                          mgd_bytes *answer) {
    (void)answer;
    uint64_t first;
    mgd_dtype dtype = server->chip.spec.chip->dtype;
    server->x.count = server->y.count = 0;
    MGD_DO(mgd_words_count(ctx, words, "first", EXACT, &first));
    MGD_DO(mgd_words_reals(ctx, words, "x", dtype, &server->x));
    if (mgd_words_more(words) || words->dialect == MGD_SMALL)
        MGD_DO(mgd_words_reals(ctx, words, "y", dtype, &server->y));
    MGD_DO(mgd_words_end(ctx, words));
    return mgd_served_take(ctx, &server->chip, first, &server->x, &server->y);
}

/* θ [step replica] */
mgd_verdict mgd_verb_write(mgd_context *ctx, mgd_server *server, mgd_words *words,
                           mgd_bytes *answer) {
    (void)answer;
    uint64_t step = 0, replica = 0;
    server->x.count = 0;
    MGD_DO(mgd_words_reals(ctx, words, "θ", server->chip.spec.chip->dtype, &server->x));
    bool stepped = mgd_words_more(words);
    if (stepped) {
        MGD_DO(mgd_words_count(ctx, words, "step", EXACT, &step));
        MGD_DO(mgd_words_count(ctx, words, "replica", EXACT, &replica));
    }
    MGD_DO(mgd_words_end(ctx, words));
    return mgd_served_write(ctx, &server->chip, &server->x, stepped, step, replica);
}

mgd_verdict mgd_verb_read(mgd_context *ctx, mgd_server *server, mgd_words *words,
                          mgd_bytes *answer) {
    MGD_DO(mgd_words_end(ctx, words));
    const mgd_server_spec *spec = &server->chip.spec;
    put_reals(server, words, spec->chip->dtype, server->chip.theta, spec->num_parameters, answer);
    return MGD_DONE;
}

/* θ̃ */
mgd_verdict mgd_verb_give(mgd_context *ctx, mgd_server *server, mgd_words *words,
                          mgd_bytes *answer) {
    (void)answer;
    server->x.count = 0;
    MGD_DO(mgd_words_reals(ctx, words, "θ̃", server->chip.spec.chip->dtype, &server->x));
    MGD_DO(mgd_words_end(ctx, words));
    return mgd_served_give(ctx, &server->chip, &server->x);
}

static mgd_verdict read_signs(mgd_context *ctx, mgd_words *words, mgd_step_signs *out) {
    static const char *const names[] = {
        [MGD_SIGNS_PLUS] = "+",  [MGD_SIGNS_FIRST] = "+.", [MGD_SIGNS_SECOND] = ".+",
        [MGD_SIGNS_BASE] = "0+", [MGD_SIGNS_BOTH] = "+-",  [MGD_SIGNS_ZERO] = "0"};
    char text[8];
    MGD_DO(mgd_words_text(ctx, words, "signs", text, sizeof text));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (mgd_step_signs)i;
            return MGD_DONE;
        }
    return mgd_verdict_fail(ctx, MGD_WRONG, "signs: expected +, 0+, +-, 0, +. or .+");
}

/* code seed replica slot n amplitude samples [signs [step]] */
static mgd_verdict read_ask(mgd_context *ctx, mgd_server *server, mgd_words *words, mgd_ask *ask) {
    MGD_DO(mgd_words_text(ctx, words, "code", ask->code, sizeof ask->code));
    for (char *c = ask->code; *c; c++)
        *c = (char)tolower((unsigned char)*c);
    MGD_DO(mgd_words_count(ctx, words, "seed", UINT64_MAX, &ask->seed));
    MGD_DO(mgd_words_count(ctx, words, "replica", EXACT, &ask->replica));
    MGD_DO(mgd_words_count(ctx, words, "slot", EXACT, &ask->slot));
    MGD_DO(mgd_words_count(ctx, words, "n", EXACT, &ask->steps));
    MGD_DO(mgd_words_number(ctx, words, "amplitude", &ask->amplitude));
    server->samples.count = 0;
    MGD_DO(mgd_words_samples(ctx, words, ask->steps, &server->samples, &ask->batch, &ask->batches));
    const void *samples = server->samples.data;
    ask->samples = samples;
    if (mgd_words_more(words))
        MGD_DO(read_signs(ctx, words, &ask->signs));
    ask->step = ask->slot;
    if (mgd_words_more(words))
        MGD_DO(mgd_words_count(ctx, words, "step", EXACT, &ask->step));
    MGD_DO(mgd_words_end(ctx, words));
    if (ask->steps == 0)
        return mgd_verdict_fail(ctx, MGD_RANGE, "n must be at least 1");
    return MGD_DONE;
}

static mgd_verdict run(mgd_context *ctx, mgd_server *server, const mgd_words *words,
                       const mgd_ask *ask, mgd_bytes *answer) {
    MGD_DO(mgd_served_run(ctx, &server->chip, ask));
    put_reals(server, words, server->chip.dtype, server->chip.values.data, server->chip.count,
              answer);
    return MGD_DONE;
}

mgd_verdict mgd_verb_run(mgd_context *ctx, mgd_server *server, mgd_words *words,
                         mgd_bytes *answer) {
    mgd_ask ask = {.code = ""};
    MGD_DO(read_ask(ctx, server, words, &ask));
    return run(ctx, server, words, &ask, answer);
}

/* samples */
mgd_verdict mgd_verb_outputs(mgd_context *ctx, mgd_server *server, mgd_words *words,
                             mgd_bytes *answer) {
    const mgd_served_session *present = server->chip.present;
    mgd_ask ask = {.code = "outputs", .steps = 1, .replica = present ? present->replica : 1};
    server->samples.count = 0;
    MGD_DO(mgd_words_samples(ctx, words, 1, &server->samples, &ask.batch, &ask.batches));
    MGD_DO(mgd_words_end(ctx, words));
    const void *samples = server->samples.data;
    ask.samples = samples;
    return run(ctx, server, words, &ask, answer);
}

/* [ms] */
mgd_verdict mgd_verb_safe(mgd_context *ctx, mgd_server *server, mgd_words *words,
                          mgd_bytes *answer) {
    (void)answer;
    double ms;
    if (!mgd_words_more(words)) {
        mgd_served_safe(&server->chip);
        return MGD_DONE;
    }
    MGD_DO(mgd_words_number(ctx, words, "ms", &ms));
    MGD_DO(mgd_words_end(ctx, words));
    if (!(ms >= 0 && ms <= MOST_MS))
        return mgd_verdict_fail(ctx, MGD_RANGE, "ms must be from 0 to %g", MOST_MS);
    server->chip.watchdog = ms / 1e3;
    return MGD_DONE;
}

mgd_verdict mgd_verb_why(mgd_context *ctx, mgd_server *server, mgd_words *words,
                         mgd_bytes *answer) {
    const mgd_server_spec *spec = &server->chip.spec;
    MGD_DO(mgd_words_end(ctx, words));
    for (const char *c = spec->why ? spec->why(spec->user) : ""; *c; c++) /* it stays a line */
        mgd_bytes_put(answer, (unsigned char)*c < ' ' ? " " : c, 1);
    return MGD_DONE;
}
