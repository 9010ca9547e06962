/* l_tensor_print.c: tostring(t). Shape and type first, then the numbers in aligned columns.
 *
 *     tensor 2×3 f64
 *       1  2  3
 *       4  5  6
 *
 * Long dimensions show their ends and "…" between; of a tensor of more than two dimensions the
 * first and last matrices are shown, each under its indices. One format serves all the numbers
 * shown: integers without decimals, else four decimals, else an exponent.
 */

#include "l_tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { EDGE = 6, MATRIX_EDGE = 3 };
#define GAP ((size_t)-1) /* the slot of "…" */

/* A dimension of `size` entries is shown whole up to 2 · edge, else `edge` from each end. */
static size_t slots(size_t size, size_t edge) {
    return size <= 2 * edge ? size : 2 * edge + 1;
}

/* The entry in a slot, or GAP. */
static size_t slot_entry(size_t size, size_t edge, size_t slot) {
    if (size <= 2 * edge || slot < edge)
        return slot;
    return slot == edge ? GAP : size - (2 * edge + 1) + slot;
}

/* ---- format ---------------------------------------------------------------------------------- */

typedef struct {
    const mgd_tensor *t;
    size_t matrices, rows, columns; /* a vector is one row, a scalar one element */
    double least, most;             /* magnitudes of the finite numbers shown, 0 left out */
    bool fractions;
    char format[8]; /* for snprintf of one double */
    int width;
} sheet;

static double element(const sheet *s, size_t matrix, size_t row, size_t column) {
    const size_t *shape = mgd_tensor_shape(s->t);
    size_t ndim = mgd_tensor_ndim(s->t), index[MGD_MAX_DIMS];
    if (ndim >= 1)
        index[ndim - 1] = column;
    if (ndim >= 2)
        index[ndim - 2] = row;
    for (size_t axis = ndim > 2 ? ndim - 2 : 0; axis-- > 0; matrix /= shape[axis])
        index[axis] = matrix % shape[axis];
    return mgd_tensor_get(s->t, index);
}

typedef void visitor(sheet *s, double value);

static void visit_shown(sheet *s, visitor *visit) {
    for (size_t m = 0; m < slots(s->matrices, MATRIX_EDGE); m++) {
        size_t matrix = slot_entry(s->matrices, MATRIX_EDGE, m);
        for (size_t r = 0; r < slots(s->rows, EDGE) && matrix != GAP; r++) {
            size_t row = slot_entry(s->rows, EDGE, r);
            for (size_t c = 0; c < slots(s->columns, EDGE) && row != GAP; c++) {
                size_t column = slot_entry(s->columns, EDGE, c);
                if (column != GAP)
                    visit(s, element(s, matrix, row, column));
            }
        }
    }
}

static void measure_magnitude(sheet *s, double value) {
    double magnitude = fabs(value);
    if (!isfinite(value) || magnitude == 0)
        return;
    s->fractions = s->fractions || value != floor(value);
    s->least = s->most == 0 ? magnitude : fmin(s->least, magnitude);
    s->most = fmax(s->most, magnitude);
}

enum { NUMBER_TEXT = 40 };

/* The C library may print the sign of a NaN, which says nothing. */
static int format_number(char text[NUMBER_TEXT], const sheet *s, double value) {
    if (isnan(value))
        return snprintf(text, NUMBER_TEXT, "nan");
    return snprintf(text, NUMBER_TEXT, s->format, value);
}

static void measure_width(sheet *s, double value) {
    char text[NUMBER_TEXT];
    int width = format_number(text, s, value);
    s->width = width > s->width ? width : s->width;
}

static void choose_format(sheet *s) {
    mgd_dtype dtype = mgd_tensor_dtype(s->t);
    visit_shown(s, measure_magnitude);
    bool integer_type = dtype == MGD_I32 || dtype == MGD_U8;
    if (integer_type || (!s->fractions && s->most < 1e7))
        strcpy(s->format, "%.0f");
    else if (s->least >= 1e-4 && s->most < 1e5)
        strcpy(s->format, "%.4f");
    else
        strcpy(s->format, "%.4e");
    visit_shown(s, measure_width);
}

/* ---- text ------------------------------------------------------------------------------------ */

static void add_header(luaL_Buffer *text, const mgd_tensor *t) {
    char number[24];
    luaL_addstring(text, "tensor ");
    for (size_t i = 0; i < mgd_tensor_ndim(t); i++) {
        snprintf(number, sizeof number, "%zu", mgd_tensor_shape(t)[i]);
        luaL_addstring(text, i ? "×" : "");
        luaL_addstring(text, number);
    }
    luaL_addstring(text, mgd_tensor_ndim(t) ? " " : "scalar ");
    luaL_addstring(text, mgd_dtype_name(mgd_tensor_dtype(t)));
}

static void add_row(luaL_Buffer *text, const sheet *s, size_t matrix, size_t row) {
    char number[NUMBER_TEXT];
    luaL_addstring(text, "\n");
    for (size_t c = 0; c < slots(s->columns, EDGE); c++) {
        size_t column = slot_entry(s->columns, EDGE, c);
        luaL_addstring(text, "  ");
        if (column == GAP) {
            luaL_addstring(text, "…");
            continue;
        }
        int length = format_number(number, s, element(s, matrix, row, column));
        for (int i = length; i < s->width; i++)
            luaL_addchar(text, ' ');
        luaL_addstring(text, number);
    }
}

/* "[2][1]" above a matrix: what t is to be indexed with to see it. */
static void add_label(luaL_Buffer *text, const sheet *s, size_t matrix) {
    const size_t *shape = mgd_tensor_shape(s->t);
    size_t index[MGD_MAX_DIMS] = {0}, batch = mgd_tensor_ndim(s->t) - 2;
    for (size_t axis = batch; axis-- > 0; matrix /= shape[axis])
        index[axis] = matrix % shape[axis];
    luaL_addstring(text, "\n");
    for (size_t axis = 0; axis < batch; axis++) {
        char number[24];
        snprintf(number, sizeof number, "[%zu]", index[axis] + 1);
        luaL_addstring(text, number);
    }
}

static void add_matrix(luaL_Buffer *text, const sheet *s, size_t matrix) {
    if (mgd_tensor_ndim(s->t) > 2)
        add_label(text, s, matrix);
    for (size_t r = 0; r < slots(s->rows, EDGE); r++) {
        size_t row = slot_entry(s->rows, EDGE, r);
        if (row == GAP)
            luaL_addstring(text, "\n  …");
        else
            add_row(text, s, matrix, row);
    }
}

int l_tensor_tostring(lua_State *L) {
    const mgd_tensor *t = l_check_tensor(L, 1, "tostring");
    size_t ndim = mgd_tensor_ndim(t);
    const size_t *shape = mgd_tensor_shape(t);
    sheet s = {.t = t,
               .matrices = 1,
               .rows = ndim > 1 ? shape[ndim - 2] : 1,
               .columns = ndim > 0 ? shape[ndim - 1] : 1};
    for (size_t i = 0; i + 2 < ndim; i++)
        s.matrices *= shape[i];
    luaL_Buffer text;
    luaL_buffinit(L, &text);
    add_header(&text, t);
    if (mgd_tensor_size(t) > 0) {
        choose_format(&s);
        for (size_t m = 0; m < slots(s.matrices, MATRIX_EDGE); m++) {
            size_t matrix = slot_entry(s.matrices, MATRIX_EDGE, m);
            if (matrix == GAP)
                luaL_addstring(&text, "\n…");
            else
                add_matrix(&text, &s, matrix);
        }
    }
    luaL_pushresult(&text);
    return 1;
}
