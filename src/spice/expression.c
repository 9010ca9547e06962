/* Outputs of a circuit: a program of a few steps on a small stack, checked when it is made. */

#include "expression.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 32     /* numbers on the stack */
#define WORD_BYTES 256 /* of the longest word, with its end */
#define SHOWN "%.120s"

typedef struct step step;
struct step {
    void (*act)(const step *s, size_t point, double **top); /* *top: behind the last number */
    double number;
    char *vector; /* its name in the plot; NULL: none */
    const double *values;
};

struct mgd_spice_expression {
    size_t count;
    step *steps;
    char *names;
};

/* ---- what steps do --------------------------------------------------------------------------- */

static void push_number(const step *s, size_t point, double **top) {
    (void)point;
    *(*top)++ = s->number;
}

static void push_vector(const step *s, size_t point, double **top) {
    *(*top)++ = s->values[point];
}

#define BINARY(name, value)                                                                        \
    static void name(const step *s, size_t point, double **top) {                                  \
        (void)s;                                                                                   \
        (void)point;                                                                               \
        const double b = *--*top, a = (*top)[-1];                                                  \
        (*top)[-1] = (value);                                                                      \
    }
#define UNARY(name, value)                                                                         \
    static void name(const step *s, size_t point, double **top) {                                  \
        (void)s;                                                                                   \
        (void)point;                                                                               \
        const double a = (*top)[-1];                                                               \
        (*top)[-1] = (value);                                                                      \
    }

BINARY(add, a + b)
BINARY(subtract, a - b)
BINARY(multiply, a *b)
BINARY(divide, a / b)
BINARY(minimum, a < b || isnan(a) ? a : b)
BINARY(maximum, a > b || isnan(a) ? a : b)
UNARY(negate, -a)
UNARY(absolute, fabs(a))
UNARY(root, sqrt(a))
UNARY(exponential, exp(a))
UNARY(logarithm, log(a))
UNARY(hyperbolic, tanh(a))

static const struct {
    const char *word;
    void (*act)(const step *s, size_t point, double **top);
    size_t takes;
} operators[] = {
    {"+", add, 2},       {"-", subtract, 2},      {"*", multiply, 2},   {"/", divide, 2},
    {"min", minimum, 2}, {"max", maximum, 2},     {"neg", negate, 1},   {"abs", absolute, 1},
    {"sqrt", root, 1},   {"exp", exponential, 1}, {"ln", logarithm, 1}, {"tanh", hyperbolic, 1},
};

/* ---- making ---------------------------------------------------------------------------------- */

/* A word with a colon behind its first letter: which vector it is. False: none. */
static bool read_vector(const char *word, char *name, step *out) {
    const char *rest = word + 2;
    if ((*word != 'v' && *word != 'i') || word[1] != ':' || *rest == '\0')
        return false;
    if (*word == 'v' && (strcmp(rest, "0") == 0 || strcmp(rest, "gnd") == 0)) {
        *out = (step){.act = push_number};
        return true;
    }
    sprintf(name, *word == 'v' ? "%s" : "%s#branch", rest);
    *out = (step){.act = push_vector, .vector = name};
    return true;
}

/* One word. *depth: of the stack before and after it. */
static mgd_status read_step(mgd_context *ctx, const char *word, char *name, size_t *depth,
                            step *out) {
    for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
        if (strcmp(word, operators[i].word) == 0) {
            if (*depth < operators[i].takes)
                return mgd_fail(ctx, MGD_ERR_FORMAT,
                                "spice: output: '%s' needs %zu values before it", word,
                                operators[i].takes);
            *depth -= operators[i].takes - 1;
            *out = (step){.act = operators[i].act};
            return MGD_OK;
        }
    if (++*depth > DEEPEST)
        return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: output: more than %d values wait at once",
                        DEEPEST);
    if (read_vector(word, name, out))
        return MGD_OK;
    char *end;
    *out = (step){.act = push_number, .number = strtod(word, &end)};
    if (end == word || *end || !isfinite(out->number))
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "spice: output: expected v:NODE, i:SOURCE, a number or an operator, got "
                        "'" SHOWN "'",
                        word);
    return MGD_OK;
}

static mgd_status read_steps(mgd_context *ctx, const char *words, mgd_spice_expression *e) {
    char word[WORD_BYTES], *name = e->names;
    size_t depth = 0;
    for (const char *at = words + strspn(words, " "); *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        if (length >= sizeof word)
            return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: output: '" SHOWN "…' is too long", at);
        memcpy(word, at, length);
        word[length] = '\0';
        at += length;
        MGD_TRY(read_step(ctx, word, name, &depth, &e->steps[e->count]));
        if (e->steps[e->count].vector)
            name += strlen(name) + 1;
        e->count++;
    }
    if (depth != 1)
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "spice: output: '" SHOWN "' leaves %zu values: expected 1", words, depth);
    return MGD_OK;
}

mgd_status mgd_spice_expression_new(mgd_context *ctx, const char *words,
                                    mgd_spice_expression **out) {
    size_t length = strlen(words), most = length / 2 + 1; /* words */
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "spice: output", 1, sizeof(mgd_spice_expression), &memory));
    mgd_spice_expression *e = memory;
    mgd_status status = MGD_OK;
    if (!mgd_take(&e->steps, most, sizeof *e->steps) ||
        !mgd_take(&e->names, length + most * sizeof "#branch", 1))
        status = mgd_fail(ctx, MGD_ERR_MEMORY, "spice: out of memory: an output");
    if (status == MGD_OK)
        status = read_steps(ctx, words, e);
    if (status == MGD_OK)
        *out = e;
    else
        mgd_spice_expression_free(e);
    return status;
}

void mgd_spice_expression_free(mgd_spice_expression *e) {
    if (!e)
        return;
    mgd_free(e->steps);
    mgd_free(e->names);
    mgd_free(e);
}

/* ---- evaluating ------------------------------------------------------------------------------ */

mgd_status mgd_spice_expression_find(mgd_context *ctx, mgd_spice_expression *e, size_t count) {
    for (size_t i = 0; i < e->count; i++) {
        mgd_spice_vector vector;
        if (!e->steps[i].vector)
            continue;
        if (!mgd_spice_vector_of(e->steps[i].vector, &vector) || vector.count < count)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "the circuit has no " SHOWN, e->steps[i].vector);
        e->steps[i].values = vector.values;
    }
    return MGD_OK;
}

double mgd_spice_expression_at(const mgd_spice_expression *e, size_t point) {
    double stack[DEEPEST], *top = stack;
    for (size_t i = 0; i < e->count; i++)
        e->steps[i].act(&e->steps[i], point, &top);
    return stack[0];
}
