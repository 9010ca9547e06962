/* Reading a specification. The whole text is kept, and cut into words in place. */

#include "specification.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#define FIRST "mgd-spice 1"
#define MOST_BYTES ((size_t)1 << 30)
#define SHOWN "%.120s" /* a word in a message */

typedef struct {
    mgd_spice_specification *spec;
    const char *path;
    size_t line, lines; /* this one's number; how many there are */
    bool devices;       /* the second round: names of all parameters are known */
    char *rest;         /* of the line, behind the words that were taken */
} reader;

static mgd_status wrong(mgd_context *ctx, const reader *r, const char *what, const char *word) {
    return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: %.150s:%zu: %s, got '" SHOWN "'", r->path, r->line,
                    what, word ? word : "nothing");
}

/* ---- words ----------------------------------------------------------------------------------- */

/* The next word, NULL at the end of the line. */
static char *next_word(reader *r) {
    char *word = r->rest + strspn(r->rest, " ");
    if (*word == '\0')
        return NULL;
    char *end = word + strcspn(word, " ");
    r->rest = *end ? end + 1 : end;
    *end = '\0';
    return word;
}

static mgd_status next_text(mgd_context *ctx, reader *r, const char *what, const char **out) {
    *out = next_word(r);
    return *out ? MGD_OK : wrong(ctx, r, what, NULL);
}

static mgd_status next_number(mgd_context *ctx, reader *r, double *out) {
    char *word = next_word(r), *end = word;
    *out = word ? strtod(word, &end) : 0;
    if (!word || end == word || *end || !isfinite(*out))
        return wrong(ctx, r, "expected a number", word);
    return MGD_OK;
}

/* The position of the next word in a list that ends with NULL. */
static mgd_status next_choice(mgd_context *ctx, reader *r, const char *const *choices,
                              const char *expected, size_t *out) {
    char *word = next_word(r);
    for (*out = 0; word && choices[*out]; ++*out)
        if (strcmp(word, choices[*out]) == 0)
            return MGD_OK;
    return wrong(ctx, r, expected, word);
}

static mgd_status next_flag(mgd_context *ctx, reader *r, bool *out) {
    static const char *const choices[] = {"0", "1", NULL};
    size_t choice;
    MGD_TRY(next_choice(ctx, r, choices, "expected 0 or 1", &choice));
    *out = choice == 1;
    return MGD_OK;
}

static mgd_status next_positive(mgd_context *ctx, reader *r, double *out) {
    MGD_TRY(next_number(ctx, r, out));
    if (!(*out > 0))
        return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: %.150s:%zu: expected a number above 0, got %g",
                        r->path, r->line, *out);
    return MGD_OK;
}

/* ---- lines ----------------------------------------------------------------------------------- */

static mgd_status read_library(mgd_context *ctx, reader *r) {
    r->spec->library = r->rest + strspn(r->rest, " "); /* paths have spaces */
    r->rest += strlen(r->rest);
    return *r->spec->library ? MGD_OK : wrong(ctx, r, "library: expected a path", NULL);
}

static mgd_status read_analysis(mgd_context *ctx, reader *r) {
    static const char *const choices[] = {"op", "tran", NULL};
    size_t tran;
    mgd_spice_specification *s = r->spec;
    MGD_TRY(next_choice(ctx, r, choices, "analysis: expected op or tran", &tran));
    s->tran = tran == 1;
    if (!s->tran)
        return MGD_OK;
    MGD_TRY(next_positive(ctx, r, &s->step));
    MGD_TRY(next_positive(ctx, r, &s->stop));
    MGD_TRY(next_number(ctx, r, &s->average));
    if (!(s->average >= 0 && s->average <= s->stop))
        return wrong(ctx, r, "analysis: expected an average of 0 to STOP", "another");
    const char *word = next_word(r);
    s->uic = word && strcmp(word, "uic") == 0;
    return !word || s->uic ? MGD_OK : wrong(ctx, r, "analysis: expected uic", word);
}

static mgd_status read_seconds(mgd_context *ctx, reader *r) {
    return next_positive(ctx, r, &r->spec->seconds);
}

static mgd_status read_grows(mgd_context *ctx, reader *r) {
    return next_positive(ctx, r, &r->spec->grows);
}

static mgd_status read_retry(mgd_context *ctx, reader *r) {
    return next_flag(ctx, r, &r->spec->retry);
}

static mgd_status read_on_failure(mgd_context *ctx, reader *r) {
    static const char *const choices[] = {"stop", "skip", NULL};
    size_t choice;
    MGD_TRY(next_choice(ctx, r, choices, "on_failure: expected stop or skip", &choice));
    r->spec->skip = choice == 1;
    return MGD_OK;
}

static mgd_status read_seed(mgd_context *ctx, reader *r) {
    char *word = next_word(r), *end = word;
    errno = 0;
    unsigned long long value = word ? strtoull(word, &end, 10) : 0;
    if (!word || end == word || *end || *word == '-' || errno == ERANGE)
        return wrong(ctx, r, "seed: expected a whole number", word);
    r->spec->seed = value;
    return MGD_OK;
}

/* Becomes a line of the netlist. */
static mgd_status read_option(mgd_context *ctx, reader *r) {
    if (strchr(r->rest, '=') == NULL)
        return wrong(ctx, r, "option: expected NAME=VALUE", r->rest);
    r->rest += strlen(r->rest);
    return MGD_OK;
}

static mgd_status read_item(mgd_context *ctx, reader *r) {
    static const char *const kinds[] = {
        [MGD_SPICE_VALUE] = "value", [MGD_SPICE_FIELD] = "field",   [MGD_SPICE_MODEL] = "model",
        [MGD_SPICE_PARAM] = "param", [MGD_SPICE_OPTION] = "option", [MGD_SPICE_KINDS] = NULL};
    mgd_spice_item item = {.value = NAN};
    size_t kind;
    MGD_TRY(next_text(ctx, r, "expected a name", &item.name));
    MGD_TRY(next_choice(ctx, r, kinds, "expected value, field, model, param or option", &kind));
    MGD_TRY(next_text(ctx, r, "expected a target", &item.target));
    item.kind = (mgd_spice_kind)kind;
    if (item.kind == MGD_SPICE_MODEL && !strchr(item.target, ':'))
        return wrong(ctx, r, "expected a target such as nch:vto", item.target);
    if (strcmp(r->rest + strspn(r->rest, " "), "-") == 0)
        next_word(r);
    else
        MGD_TRY(next_number(ctx, r, &item.value));
    r->spec->items[r->spec->count++] = item;
    return MGD_OK;
}

static mgd_status read_parameter(mgd_context *ctx, reader *r) {
    MGD_TRY(read_item(ctx, r));
    r->spec->parameters++;
    return MGD_OK;
}

static mgd_status read_draw(mgd_context *ctx, reader *r, mgd_spice_draw *out) {
    static const char *const choices[] = {"absolute", "relative", NULL};
    const mgd_spice_specification *s = r->spec;
    const char *name;
    size_t relative;
    MGD_TRY(next_text(ctx, r, "expected a name", &name));
    for (out->item = 0; out->item < s->count; out->item++)
        if (strcmp(s->items[out->item].name, name) == 0)
            break;
    if (out->item == s->count)
        return wrong(ctx, r, "expected a parameter or device", name);
    MGD_TRY(next_number(ctx, r, &out->sigma));
    MGD_TRY(next_choice(ctx, r, choices, "expected relative or absolute", &relative));
    out->relative = relative == 1;
    return MGD_OK;
}

static mgd_status read_spread(mgd_context *ctx, reader *r) {
    return read_draw(ctx, r, &r->spec->spreads[r->spec->num_spreads++]);
}

static mgd_status read_noise(mgd_context *ctx, reader *r) {
    return read_draw(ctx, r, &r->spec->noises[r->spec->num_noises++]);
}

static mgd_status read_input(mgd_context *ctx, reader *r) {
    mgd_spice_input *input = &r->spec->inputs[r->spec->num_inputs++];
    MGD_TRY(next_text(ctx, r, "expected a source", &input->source));
    MGD_TRY(next_number(ctx, r, &input->scale));
    return next_number(ctx, r, &input->offset);
}

static mgd_status read_output(mgd_context *ctx, reader *r) {
    const char *words = r->rest + strspn(r->rest, " ");
    r->rest += strlen(r->rest);
    if (*words == '\0')
        return wrong(ctx, r, "output: expected words", NULL);
    r->spec->outputs[r->spec->num_outputs++] = words;
    return MGD_OK;
}

typedef mgd_status read_line(mgd_context *ctx, reader *r);

/* What names items is read in a second round, once all parameters are known. */
static const struct {
    const char *word;
    read_line *read;
    int round;
} words[] = {
    {"library", read_library, 0},     {"analysis", read_analysis, 0},
    {"seconds", read_seconds, 0},     {"grows", read_grows, 0},
    {"retry", read_retry, 0},         {"on_failure", read_on_failure, 0},
    {"seed", read_seed, 0},           {"option", read_option, 0},
    {"input", read_input, 0},         {"output", read_output, 0},
    {"parameter", read_parameter, 0}, {"device", read_item, 1},
    {"spread", read_spread, 2},       {"noise", read_noise, 2},
};
enum { ROUNDS = 3 };

/* One line, in the round that it belongs to. */
static mgd_status take_line(mgd_context *ctx, reader *r, char *line, int round) {
    size_t length = strcspn(line, " ");
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strlen(words[i].word) != length || strncmp(words[i].word, line, length) != 0)
            continue;
        if (words[i].round != round)
            return MGD_OK;
        r->rest = line + length;
        MGD_TRY(words[i].read(ctx, r));
        const char *more = next_word(r);
        return more ? wrong(ctx, r, "expected no more words", more) : MGD_OK;
    }
    return wrong(ctx, r, "no such word", line);
}

/* ---- the whole ------------------------------------------------------------------------------- */

static mgd_status read_text(mgd_context *ctx, const char *path, char **out) {
    FILE *file = fopen(path, "rb");
    if (!file)
        return mgd_fail(ctx, MGD_ERR_IO, "spice: cannot read %.200s: %s", path, strerror(errno));
    size_t room = (size_t)1 << 16, count = 0;
    char *text = NULL;
    mgd_status status = MGD_OK;
    for (bool over = false; status == MGD_OK && !over;) {
        void *more;
        room *= 2;
        status = mgd_allocate(ctx, "spice: specification", room, 1, &more);
        if (status != MGD_OK)
            break;
        if (count > 0)
            memcpy(more, text, count);
        mgd_free(text);
        text = more;
        count += fread(text + count, 1, room - 1 - count, file);
        over = count < room - 1;
        if (ferror(file))
            status = mgd_fail(ctx, MGD_ERR_IO, "spice: cannot read %.200s", path);
        else if (room > MOST_BYTES || memchr(text, 0, count))
            status = mgd_fail(ctx, MGD_ERR_FORMAT, "spice: %.200s is no specification", path);
    }
    fclose(file);
    if (status == MGD_OK)
        *out = text;
    else
        mgd_free(text);
    return status;
}

/* Ends each line of the text with a zero; *lines: (count) where they begin. */
static mgd_status cut_lines(mgd_context *ctx, char *text, char ***lines, size_t *count) {
    void *memory;
    *count = 1;
    for (const char *c = text; *c; c++)
        *count += *c == '\n';
    MGD_TRY(mgd_allocate(ctx, "spice: lines", *count, sizeof **lines, &memory));
    *lines = memory;
    size_t n = 0;
    for (char *line = text, *end; line; line = end) {
        end = strchr(line, '\n');
        if (end)
            *end++ = '\0';
        size_t length = strlen(line);
        if (length > 0 && line[length - 1] == '\r')
            line[length - 1] = '\0';
        (*lines)[n++] = line;
    }
    return MGD_OK;
}

/* The netlist's lines but for ".end", then the options, which so count more than its own. */
static mgd_status make_netlist(mgd_context *ctx, mgd_spice_specification *s, char **lines,
                               size_t head, size_t count) {
    static char end[] = ".end";
    void *memory;
    size_t n = 0, bytes = 0;
    for (size_t i = 0; i < head; i++)
        bytes += strlen(lines[i]) + sizeof ".options ";
    MGD_TRY(mgd_allocate(ctx, "spice: netlist", 1, (count + 2) * sizeof(char *) + bytes, &memory));
    s->netlist = memory;
    char *options = (char *)memory + (count + 2) * sizeof(char *);
    for (size_t i = head + 1; i < count; i++) {
        if (strcasecmp(lines[i], end) == 0)
            continue;
        s->netlist[n++] = lines[i];
    }
    for (size_t i = 0; i < head; i++)
        if (strncmp(lines[i], "option ", 7) == 0) {
            s->netlist[n++] = options;
            options += sprintf(options, ".options %s", lines[i] + 7) + 1;
        }
    s->netlist[n++] = end;
    s->netlist[n] = NULL;
    return MGD_OK;
}

static mgd_status take_lines(mgd_context *ctx, reader *r, char **lines, size_t count) {
    mgd_spice_specification *s = r->spec;
    size_t head = 1;
    if (count < 1 || strcmp(lines[0], FIRST) != 0)
        return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: %.200s does not begin with '" FIRST "'",
                        r->path);
    while (head < count && strcmp(lines[head], "netlist") != 0)
        head++;
    if (head + 1 >= count || lines[head + 1][0] == '\0')
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "spice: %.200s: expected the word netlist, then a title and a netlist",
                        r->path);
    MGD_TRY(make_netlist(ctx, s, lines, head, count));
    if (!mgd_take(&s->items, head, sizeof *s->items) ||
        !mgd_take(&s->spreads, head, sizeof *s->spreads) ||
        !mgd_take(&s->noises, head, sizeof *s->noises) ||
        !mgd_take(&s->inputs, head, sizeof *s->inputs) ||
        !mgd_take(&s->outputs, head, sizeof *s->outputs))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "spice: out of memory: %zu lines", head);
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 1; i < head; i++) {
            r->line = i + 1;
            if (lines[i][0])
                MGD_TRY(take_line(ctx, r, lines[i], round));
        }
    if (s->parameters == 0 || s->num_inputs == 0 || s->num_outputs == 0)
        return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: %.200s: expected a %s", r->path,
                        s->parameters == 0   ? "parameter"
                        : s->num_inputs == 0 ? "input"
                                             : "output");
    return MGD_OK;
}

mgd_status mgd_spice_specification_read(mgd_context *ctx, const char *path,
                                        mgd_spice_specification *out) {
    *out = (mgd_spice_specification){.seconds = 10, .grows = 256, .retry = true};
    reader r = {.spec = out, .path = path};
    char **lines = NULL;
    size_t count;
    mgd_status status = read_text(ctx, path, &out->text);
    if (status == MGD_OK) {
        out->crc = crc32(0, (const void *)out->text, (unsigned)strlen(out->text));
        status = cut_lines(ctx, out->text, &lines, &count);
    }
    if (status == MGD_OK)
        status = take_lines(ctx, &r, lines, count);
    mgd_free(lines);
    if (status != MGD_OK)
        mgd_spice_specification_free(out);
    return status;
}

void mgd_spice_specification_free(mgd_spice_specification *s) {
    mgd_free(s->netlist);
    mgd_free(s->items);
    mgd_free(s->spreads);
    mgd_free(s->noises);
    mgd_free(s->inputs);
    mgd_free(s->outputs);
    mgd_free(s->text);
    *s = (mgd_spice_specification){0};
}
