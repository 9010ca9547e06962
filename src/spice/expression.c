/* Outputs of a circuit: a program of a few steps on a small stack, checked when it is made. */

#include "expression.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEEPEST 32     /* numbers on the stack */
#define WORD_BYTES 256 /* of the longest word, with its end */
#define SHOWN "%.120s"

typedef enum {
    NUMBER,
    VECTOR,
    ADD,
    SUBTRACT,
    MULTIPLY,
    DIVIDE,
    MINIMUM,
    MAXIMUM,
    NEGATE,
    ABSOLUTE,
    ROOT,
    EXPONENTIAL,
    LOGARITHM,
    TANGENT
} operation;

typedef struct {
    operation operation;
    double number;
    char *vector; /* its name in the plot; NULL: none */
    const double *values;
} step;

struct mgd_spice_expression {
    size_t count;
    step *steps;
    char *names;
};

/* How many of the numbers before an operator takes. */
static const struct {
    const char *word;
    operation operation;
    size_t takes;
} operators[] = {
    {"+", ADD, 2},       {"-", SUBTRACT, 2},      {"*", MULTIPLY, 2},   {"/", DIVIDE, 2},
    {"min", MINIMUM, 2}, {"max", MAXIMUM, 2},     {"neg", NEGATE, 1},   {"abs", ABSOLUTE, 1},
    {"sqrt", ROOT, 1},   {"exp", EXPONENTIAL, 1}, {"ln", LOGARITHM, 1}, {"tanh", TANGENT, 1},
};

/* ---- making ---------------------------------------------------------------------------------- */

/* A word with a colon behind its first letter: which vector it is. False: none. */
static bool read_vector(const char *word, char *name, step *out) {
    const char *rest = word + 2;
    if ((*word != 'v' && *word != 'i') || word[1] != ':' || *rest == '\0')
        return false;
    if (*word == 'v' && (strcmp(rest, "0") == 0 || strcmp(rest, "gnd") == 0)) {
        *out = (step){.operation = NUMBER};
        return true;
    }
    sprintf(name, *word == 'v' ? "%s" : "%s#branch", rest);
    *out = (step){.operation = VECTOR, .vector = name};
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
            *out = (step){.operation = operators[i].operation};
            return MGD_OK;
        }
    if (++*depth > DEEPEST)
        return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: output: more than %d values wait at once",
                        DEEPEST);
    if (read_vector(word, name, out))
        return MGD_OK;
    char *end;
    *out = (step){.operation = NUMBER, .number = strtod(word, &end)};
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

/* Of one number or two; nan wins in all of them. */
static double apply(operation what, double a, double b) {
    switch (what) {
    case ADD:
        return a + b;
    case SUBTRACT:
        return a - b;
    case MULTIPLY:
        return a * b;
    case DIVIDE:
        return a / b;
    case MINIMUM:
        return a < b || isnan(a) ? a : b;
    case MAXIMUM:
        return a > b || isnan(a) ? a : b;
    case NEGATE:
        return -a;
    case ABSOLUTE:
        return fabs(a);
    case ROOT:
        return sqrt(a);
    case EXPONENTIAL:
        return exp(a);
    case LOGARITHM:
        return log(a);
    case TANGENT:
        return tanh(a);
    default:
        return NAN;
    }
}

double mgd_spice_expression_at(const mgd_spice_expression *e, size_t point) {
    double stack[DEEPEST], *top = stack; /* behind the last number */
    for (const step *s = e->steps; s < e->steps + e->count; s++) {
        if (s->operation == NUMBER) {
            *top++ = s->number;
        } else if (s->operation == VECTOR) {
            *top++ = s->values[point];
        } else if (s->operation < NEGATE) {
            top--;
            top[-1] = apply(s->operation, top[-1], top[0]);
        } else
            top[-1] = apply(s->operation, top[-1], 0);
    }
    return stack[0];
}
