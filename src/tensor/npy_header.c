/* npy_header.c: the dictionary at the head of an NPY file, read and written. */

#include "npy.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* ---- a reader of Python literals, as far as these headers need it ---------------------------- */

typedef struct {
    mgd_context *ctx;
    const char *path;
    const char *start, *at, *end;
} cursor;

__attribute__((format(printf, 2, 3))) static mgd_status malformed(const cursor *c,
                                                                  const char *format, ...) {
    char reason[160];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    return mgd_fail(c->ctx, MGD_ERR_FORMAT,
                    "cannot read " MGD_NPY_PATH ": NPY header, byte %td: %s", c->path,
                    c->at - c->start, reason);
}

static void skip_space(cursor *c) {
    while (c->at < c->end && strchr(" \t\r\n", *c->at) && *c->at)
        c->at++;
}

/* Whether the next character is `wanted`; if so, steps over it. */
static bool accept(cursor *c, char wanted) {
    skip_space(c);
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

static mgd_status expect(cursor *c, char wanted) {
    return accept(c, wanted) ? MGD_OK : malformed(c, "expected '%c'", wanted);
}

/* A quoted string without escapes, at most `capacity` − 1 bytes. */
static mgd_status parse_string(cursor *c, char *out, size_t capacity) {
    skip_space(c);
    if (c->at == c->end || (*c->at != '\'' && *c->at != '"'))
        return malformed(c, "expected a string");
    const char *first = c->at + 1;
    const char *last = memchr(first, *c->at, (size_t)(c->end - first));
    if (!last)
        return malformed(c, "a string without its end");
    size_t length = (size_t)(last - first);
    if (length >= capacity)
        return malformed(c, "a string of %zu bytes", length);
    memcpy(out, first, length);
    out[length] = '\0';
    c->at = last + 1;
    return MGD_OK;
}

static mgd_status parse_bool(cursor *c, bool *out) {
    skip_space(c);
    for (int value = 0; value < 2; value++) {
        const char *word = value ? "True" : "False";
        size_t length = strlen(word);
        if ((size_t)(c->end - c->at) >= length && memcmp(c->at, word, length) == 0) {
            c->at += length;
            *out = value;
            return MGD_OK;
        }
    }
    return malformed(c, "fortran_order must be True or False");
}

static mgd_status parse_size(cursor *c, size_t *out) {
    skip_space(c);
    const char *first = c->at;
    size_t value = 0;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++)
        if (__builtin_mul_overflow(value, (size_t)10, &value) ||
            __builtin_add_overflow(value, (size_t)(*c->at - '0'), &value))
            return malformed(c, "a dimension is too large");
    if (c->at == first)
        return malformed(c, "expected a dimension, a number from 0 on");
    accept(c, 'L');
    *out = value;
    return MGD_OK;
}

static mgd_status parse_shape(cursor *c, mgd_npy_header *h) {
    MGD_TRY(expect(c, '('));
    h->ndim = 0;
    while (!accept(c, ')')) {
        size_t size = 0;
        MGD_TRY(parse_size(c, &size));
        if (h->ndim == MGD_MAX_DIMS)
            return malformed(c, "more than %d dimensions", MGD_MAX_DIMS);
        h->shape[h->ndim++] = size;
        if (!accept(c, ',')) {
            MGD_TRY(expect(c, ')'));
            break;
        }
    }
    return MGD_OK;
}

/* ---- the element type ------------------------------------------------------------------------ */

static bool host_is_big(void) {
    return *(const unsigned char *)&(const uint16_t){1} == 0;
}

/* Other names of NumPy's for the types that are read: its characters (l and L as on this kind of
 * machine, with 64 bits) and its words. */
static const char *usual_name(const char *type) {
    static const char *const names[][2] = {
        {"?", "b1"},       {"bool", "b1"},    {"b", "i1"},     {"int8", "i1"},    {"B", "u1"},
        {"uint8", "u1"},   {"h", "i2"},       {"int16", "i2"}, {"H", "u2"},       {"uint16", "u2"},
        {"i", "i4"},       {"int32", "i4"},   {"I", "u4"},     {"uint32", "u4"},  {"l", "i8"},
        {"q", "i8"},       {"int64", "i8"},   {"L", "u8"},     {"Q", "u8"},       {"uint64", "u8"},
        {"e", "f2"},       {"float16", "f2"}, {"f", "f4"},     {"float32", "f4"}, {"d", "f8"},
        {"float64", "f8"},
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(type, names[i][0]) == 0)
            return names[i][1];
    return type;
}

/* "<f8", "|u1", "=i4", "f4", …: byte order, kind, bytes. */
static mgd_status parse_descr(cursor *c, mgd_npy_header *h) {
    skip_space(c);
    if (c->at < c->end && (*c->at == '[' || *c->at == '('))
        return malformed(c, "a structured dtype; tensors hold numbers only");
    char descr[32];
    MGD_TRY(parse_string(c, descr, sizeof descr));
    const char *type = descr;
    h->big = host_is_big();
    if (*type && strchr("<>|=", *type)) {
        if (*type == '<' || *type == '>')
            h->big = *type == '>';
        type++;
    }
    static const char *const supported[] = {"f8", "f4", "f2", "i8", "i4", "i2",
                                            "i1", "u8", "u4", "u2", "u1", "b1"};
    type = usual_name(type);
    for (size_t i = 0; i < sizeof supported / sizeof *supported; i++)
        if (strcmp(type, supported[i]) == 0) {
            h->kind = type[0];
            h->item = (size_t)(type[1] - '0');
            return MGD_OK;
        }
    if (type[0] == 'O')
        return malformed(c, "dtype '%s' holds Python objects; tensors hold numbers only", descr);
    return malformed(c, "dtype '%s' is not supported (f2 f4 f8, i1 to i8, u1 to u8, bool are)",
                     descr);
}

/* ---- the dictionary -------------------------------------------------------------------------- */

static const char *const keys[] = {"descr", "fortran_order", "shape"};
enum { KEYS = sizeof keys / sizeof *keys };

static mgd_status parse_entry(cursor *c, mgd_npy_header *h, bool seen[KEYS]) {
    char name[32];
    MGD_TRY(parse_string(c, name, sizeof name));
    size_t key = 0;
    while (key < KEYS && strcmp(name, keys[key]) != 0)
        key++;
    if (key == KEYS)
        return malformed(c, "unknown key '%s'", name);
    if (seen[key])
        return malformed(c, "key '%s' comes twice", name);
    seen[key] = true;
    MGD_TRY(expect(c, ':'));
    switch (key) {
    case 0:
        return parse_descr(c, h);
    case 1:
        return parse_bool(c, &h->fortran);
    default:
        return parse_shape(c, h);
    }
}

mgd_status mgd_npy_parse(mgd_context *ctx, const char *path, const char *text, size_t length,
                         mgd_npy_header *out) {
    cursor c = {ctx, path, text, text, text + length};
    mgd_npy_header h = {0};
    bool seen[KEYS] = {false};
    MGD_TRY(expect(&c, '{'));
    while (!accept(&c, '}')) {
        MGD_TRY(parse_entry(&c, &h, seen));
        if (!accept(&c, ',')) {
            MGD_TRY(expect(&c, '}'));
            break;
        }
    }
    skip_space(&c);
    if (c.at != c.end)
        return malformed(&c, "something follows the dictionary");
    for (size_t key = 0; key < KEYS; key++)
        if (!seen[key])
            return malformed(&c, "key '%s' is missing", keys[key]);
    *out = h;
    return MGD_OK;
}

size_t mgd_npy_format(const mgd_tensor *t, char buffer[MGD_NPY_HEADER_SIZE]) {
    static const char *const types[MGD_DTYPE_COUNT] = {
        [MGD_F64] = "f8", [MGD_F32] = "f4", [MGD_I32] = "i4", [MGD_U8] = "u1"};
    const size_t prefix = 10; /* magic, version, length of the rest */
    size_t room = MGD_NPY_HEADER_SIZE;
    char order = t->dtype == MGD_U8 ? '|' : host_is_big() ? '>' : '<';
    size_t used = prefix;
    used += (size_t)snprintf(buffer + used, room - used,
                             "{'descr': '%c%s', 'fortran_order': False, 'shape': (", order,
                             types[t->dtype]);
    for (size_t i = 0; i < t->ndim; i++)
        used += (size_t)snprintf(buffer + used, room - used, i ? ", %zu" : "%zu", t->shape[i]);
    used += (size_t)snprintf(buffer + used, room - used, "%s), }", t->ndim == 1 ? "," : "");
    size_t total = (used + 1 + MGD_ALIGNMENT - 1) / MGD_ALIGNMENT * MGD_ALIGNMENT;
    memset(buffer + used, ' ', total - used);
    buffer[total - 1] = '\n';
    size_t length = total - prefix;
    memcpy(buffer, "\x93NUMPY\x01\x00", 8);
    buffer[8] = (char)(length & 0xff);
    buffer[9] = (char)(length >> 8);
    return total;
}
