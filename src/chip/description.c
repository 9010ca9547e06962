/* What a chip says of itself: one line of key=value. */

#include "description.h"

#include "../base/number.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST_PARAMETERS (UINT32_MAX - 1.0)
#define LEAST_MESSAGE 64.0

/* ---- values ---------------------------------------------------------------------------------- */

typedef struct {
    const char *key; /* its name … */
    const char *text;
    size_t count; /* … and characters of its value */
} entry;

static mgd_status wrong(mgd_context *ctx, const entry *e, const char *expected) {
    return mgd_fail(ctx, MGD_ERR_FORMAT, "description: %s=%.*s: expected %s", e->key,
                    e->count < 80 ? (int)e->count : 80, e->text, expected);
}

/* A number from `text` on, which ends where *count says at the latest; what it took. */
static size_t number_at(const char *text, size_t count, double *value) {
    char copy[64], *end;
    size_t n = count < sizeof copy - 1 ? count : sizeof copy - 1;
    memcpy(copy, text, n);
    copy[n] = '\0';
    *value = strtod(copy, &end);
    return copy[0] == ' ' ? 0 : (size_t)(end - copy);
}

static mgd_status read_count(mgd_context *ctx, const entry *e, double least, double most,
                             size_t *out) {
    char expected[80];
    double value;
    size_t used = number_at(e->text, e->count, &value);
    if (used == e->count && used > 0 && mgd_is_count(value, most) && value >= least) {
        *out = (size_t)value;
        return MGD_OK;
    }
    snprintf(expected, sizeof expected, "an integer from %.0f to %.0f", least, most);
    return wrong(ctx, e, expected);
}

static mgd_status read_flag(mgd_context *ctx, const entry *e, bool *out) {
    if (e->count != 1 || (*e->text != '0' && *e->text != '1'))
        return wrong(ctx, e, "0 or 1");
    *out = *e->text == '1';
    return MGD_OK;
}

static bool is(const entry *e, const char *text) {
    return strlen(text) == e->count && memcmp(e->text, text, e->count) == 0;
}

static mgd_status read_text(mgd_context *ctx, const entry *e, size_t room, char *out) {
    if (e->count >= room)
        return wrong(ctx, e, "a shorter text");
    memcpy(out, e->text, e->count);
    out[e->count] = '\0';
    return MGD_OK;
}

static mgd_status read_codes(mgd_context *ctx, const entry *e, mgd_description *out) {
    out->codes[0] = ',';
    MGD_TRY(read_text(ctx, e, sizeof out->codes - 2, out->codes + 1));
    strcat(out->codes, ",");
    return MGD_OK;
}

static size_t entries_of(const entry *e) {
    size_t n = 1;
    for (size_t i = 0; i < e->count; i++)
        n += e->text[i] == ',';
    return n;
}

/* The next one of a list with commas; false behind the last. */
static bool next_of(entry *list, entry *out) {
    if (!list->text)
        return false;
    const char *comma = memchr(list->text, ',', list->count);
    size_t n = comma ? (size_t)(comma - list->text) : list->count;
    *out = (entry){list->key, list->text, n};
    list->count -= comma ? n + 1 : n;
    list->text = comma ? comma + 1 : NULL;
    return true;
}

static mgd_status read_range(mgd_context *ctx, const entry *e, mgd_span_of_unit *out) {
    const char *expected = "low:high, low:high:linear or low:high:log, with low < high (0 < low)";
    size_t at = number_at(e->text, e->count, &out->low), used;
    if (at == 0 || at >= e->count || e->text[at] != ':')
        return wrong(ctx, e, expected);
    used = number_at(e->text + at + 1, e->count - at - 1, &out->high);
    at += 1 + used;
    entry scale = {e->key, e->text + at, e->count - at};
    out->logarithmic = is(&scale, ":log");
    bool known = scale.count == 0 || out->logarithmic || is(&scale, ":linear");
    bool in_order = isfinite(out->low) && isfinite(out->high) && out->low < out->high;
    if (used == 0 || !known || !in_order || (out->logarithmic && !(out->low > 0)))
        return wrong(ctx, e, expected);
    return MGD_OK;
}

static mgd_status read_ranges(mgd_context *ctx, const entry *e, mgd_description *out) {
    entry list = *e, one;
    size_t n = 0;
    mgd_free(out->ranges);
    out->ranges = NULL;
    MGD_TRY(mgd_allocate(ctx, "ranges", entries_of(e), sizeof *out->ranges, (void **)&out->ranges));
    while (next_of(&list, &one))
        MGD_TRY(read_range(ctx, &one, &out->ranges[n++]));
    out->num_ranges = n;
    return MGD_OK;
}

static mgd_status read_resolution(mgd_context *ctx, const entry *e, mgd_description *out) {
    entry list = *e, one;
    size_t n = 0;
    mgd_free(out->resolution);
    out->resolution = NULL;
    MGD_TRY(mgd_allocate(ctx, "resolution", entries_of(e), sizeof *out->resolution,
                         (void **)&out->resolution));
    while (next_of(&list, &one)) {
        double *step = &out->resolution[n++];
        if (one.count == 0 || number_at(one.text, one.count, step) != one.count || !(*step >= 0) ||
            isinf(*step))
            return wrong(ctx, &one, "a step ≥ 0");
    }
    out->num_resolutions = n;
    return MGD_OK;
}

/* ---- keys ------------------------------------------------------------------------------------ */

static mgd_status read_dtype(mgd_context *ctx, const entry *e, mgd_description *out) {
    if (!is(e, "f32") && !is(e, "f64"))
        return wrong(ctx, e, "f32 or f64");
    out->dtype = is(e, "f32") ? MGD_F32 : MGD_F64;
    return MGD_OK;
}

static mgd_status read_order(mgd_context *ctx, const entry *e, mgd_description *out) {
    if (!is(e, "little") && !is(e, "big"))
        return wrong(ctx, e, "little or big");
    out->big_endian = is(e, "big");
    return MGD_OK;
}

static mgd_status read_latency(mgd_context *ctx, const entry *e, mgd_description *out) {
    if (e->count == 0 || number_at(e->text, e->count, &out->latency) != e->count ||
        !(out->latency >= 0) || isinf(out->latency))
        return wrong(ctx, e, "seconds");
    return MGD_OK;
}

static mgd_status read_cost(mgd_context *ctx, const entry *e, mgd_description *out) {
    return read_text(ctx, e, sizeof out->cost, out->cost);
}

static mgd_status read_unit(mgd_context *ctx, const entry *e, mgd_description *out) {
    return read_text(ctx, e, sizeof out->unit, out->unit);
}

/* A key is a number, a flag, or has a function of its own. */
static const struct {
    const char *name;
    size_t offset;
    double least, most; /* of a number; most 0: it is none */
    mgd_status (*read)(mgd_context *ctx, const entry *e, mgd_description *out); /* NULL: a flag */
} keys[] = {
#define AT(field) .offset = offsetof(mgd_description, field)
    {"parameters", AT(parameters), 1, MOST_PARAMETERS, NULL},
    {"inputs", AT(inputs), 1, MOST_PARAMETERS, NULL},
    {"outputs", AT(outputs), 0, MOST_PARAMETERS, NULL},
    {"targets", AT(targets), 0, MOST_PARAMETERS, NULL},
    {"samples", AT(samples), 1, MOST_PARAMETERS, NULL},
    {"message", AT(message), LEAST_MESSAGE, MOST_PARAMETERS, NULL},
    {.name = "dtype", .read = read_dtype},
    {.name = "order", .read = read_order},
    {.name = "codes", .read = read_codes},
    {.name = "cost", .read = read_cost},
    {.name = "unit", .read = read_unit},
    {.name = "latency", .read = read_latency},
    {.name = "ranges", .read = read_ranges},
    {.name = "resolution", .read = read_resolution},
    {.name = "blocks", AT(blocks)},
    {.name = "perturbs", AT(perturbs)},
    {.name = "costs", AT(costs)},
    {.name = "integrates", AT(integrates)},
    {.name = "writes", AT(writes)},
    {.name = "stateless", AT(stateless)},
    {.name = "reads", AT(reads)},
    {.name = "watchdog", AT(watchdog)},
    {.name = "halves", AT(halves)},
    {.name = "fails", AT(fails)},
    {.name = "noisy", AT(noisy)},
#undef AT
};

static mgd_status read_entry(mgd_context *ctx, const char *name, size_t length, const char *text,
                             size_t count, mgd_description *out) {
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (strlen(keys[i].name) != length || memcmp(keys[i].name, name, length) != 0)
            continue;
        entry e = {keys[i].name, text, count};
        void *at = (char *)out + keys[i].offset;
        if (keys[i].read)
            return keys[i].read(ctx, &e, out);
        if (keys[i].most > 0)
            return read_count(ctx, &e, keys[i].least, keys[i].most, at);
        return read_flag(ctx, &e, at);
    }
    return MGD_OK; /* of a later version of the contract */
}

void mgd_description_default(mgd_description *out) {
    *out = (mgd_description){
        .targets = SIZE_MAX, .dtype = MGD_F64, .samples = 1, .message = 1000000, .reads = true};
}

mgd_status mgd_description_read(mgd_context *ctx, const char *line, size_t count,
                                mgd_description *out) {
    const char *end = line + count;
    while (line < end) {
        const char *space = memchr(line, ' ', (size_t)(end - line));
        const char *stop = space ? space : end;
        const char *equals = memchr(line, '=', (size_t)(stop - line));
        if (equals)
            MGD_TRY(read_entry(ctx, line, (size_t)(equals - line), equals + 1,
                               (size_t)(stop - equals - 1), out));
        else if (stop > line)
            return mgd_fail(ctx, MGD_ERR_FORMAT, "description: '%.*s': expected key=value",
                            stop - line < 80 ? (int)(stop - line) : 80, line);
        line = space ? space + 1 : end;
    }
    return MGD_OK;
}

static mgd_status check_list(mgd_context *ctx, const char *name, size_t entries,
                             size_t parameters) {
    if (entries <= 1 || entries == parameters)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_FORMAT,
                    "description: %s has %zu entries: expected 1 or one for each of the %zu "
                    "parameters",
                    name, entries, parameters);
}

mgd_status mgd_description_check(mgd_context *ctx, const mgd_description *d) {
    if (d->parameters < 1 || d->inputs < 1)
        return mgd_fail(ctx, MGD_ERR_FORMAT, "description: %s is missing: how many has the chip?",
                        d->parameters < 1 ? "parameters" : "inputs");
    if (d->outputs < 1 && !d->costs && !d->integrates)
        return mgd_fail(ctx, MGD_ERR_FORMAT, "description: expected outputs, or costs=1");
    if (d->integrates && !d->writes)
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "description: integrates=1 without writes=1: G of a chip cannot be read; "
                        "expected a chip that writes θ, too, or none that integrates");
    size_t number = d->blocks ? mgd_dtype_size(d->dtype) : 2; /* bytes, with its comma */
    if (d->parameters > d->message / number + 1)
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "description: parameters=%zu do not fit into message=%zu bytes: expected "
                        "fewer, or a longer message",
                        d->parameters, d->message);
    MGD_TRY(check_list(ctx, "ranges", d->num_ranges, d->parameters));
    return check_list(ctx, "resolution", d->num_resolutions, d->parameters);
}

bool mgd_description_same(const mgd_description *a, const mgd_description *b) {
    bool sizes = a->parameters == b->parameters && a->inputs == b->inputs &&
                 a->outputs == b->outputs && a->targets == b->targets && a->samples == b->samples &&
                 a->message == b->message && a->num_ranges == b->num_ranges;
    bool words = a->dtype == b->dtype && a->blocks == b->blocks && a->big_endian == b->big_endian;
    bool flags = a->perturbs == b->perturbs && a->costs == b->costs &&
                 a->integrates == b->integrates && a->writes == b->writes &&
                 a->stateless == b->stateless && a->reads == b->reads &&
                 a->watchdog == b->watchdog && a->halves == b->halves && a->fails == b->fails &&
                 a->noisy == b->noisy;
    bool same =
        sizes && words && flags && strcmp(a->codes, b->codes) == 0 && strcmp(a->cost, b->cost) == 0;
    for (size_t i = 0; same && i < a->num_ranges; i++)
        same = a->ranges[i].low == b->ranges[i].low && a->ranges[i].high == b->ranges[i].high &&
               a->ranges[i].logarithmic == b->ranges[i].logarithmic;
    return same;
}

void mgd_description_close(mgd_description *d) {
    mgd_free(d->ranges);
    mgd_free(d->resolution);
    d->ranges = NULL;
    d->resolution = NULL;
}
