/* The code of rows and columns: the exclusive-or of two of the slot's bits. */

#include "code_outer.h"
#include "kernels_code.h"

/* The block that a parameter is in. */
static const mgd_outer_block *block_of(const mgd_outer *o, size_t parameter) {
    const mgd_outer_block *b = o->block;
    while (parameter >= b->first + b->count)
        b++;
    return b;
}

/* Signs of up to n parameters from the i-th of a block on, as far as their row goes; returns of how
 * many. */
static size_t signs_of(const mgd_outer_block *b, const mgd_pattern *bits, size_t i, size_t n,
                       real *out) {
    size_t source = b->row + i, left = b->count - i;
    uint32_t flip = 0;
    if (b->columns > 0) {
        size_t row = i / b->columns, column = i % b->columns;
        flip = -(mgd_code_bits(bits->words, bits->bit + b->row + row) & 1);
        source = b->column + column;
        left = b->columns - column;
    }
    n = n < left ? n : left;
    signs_row(bits->words, bits->bit + source, flip, n, out);
    return n;
}

static void row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out) {
    const mgd_outer *o = code->state;
    mgd_pattern bits = {.words = o->sequence};
    if (o->sequence)
        bits.bit = (size_t)(at->slot % code->period);
    else
        bits = *at->signs;
    for (size_t i = 0; i < n;) {
        const mgd_outer_block *b = block_of(o, first + i);
        i += signs_of(b, &bits, first + i - b->first, n - i, (real *)out + i);
    }
}

/* A bit of each lane, the lowest of what is returned. */
INLINE vec_int bits_at(const mgd_code_place *at, size_t source, size_t lane) {
    size_t place = at->signs->bit + source;
    const uint32_t *words = at->signs->words + place / 32 * at->width + at->lane + lane;
    return load_words(words) >> (int)(place % 32);
}

/* Of one parameter, into out (LANES). */
static void signs_across(const mgd_outer_block *b, const mgd_code_place *at, size_t row,
                         size_t column, real *out) {
    for (size_t lane = 0; lane < LANES; lane += VEC_LANES) {
        vec_int bits = bits_at(at, b->row + row, lane);
        if (b->columns > 0)
            bits ^= bits_at(at, b->column + column, lane);
        store(out + lane, sign_of(bits));
    }
}

static void tile(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n,
                 void *out) {
    const mgd_outer_block *b = block_of(code->state, first);
    for (size_t k = 0, end; k < n; k = end, b++) {
        const size_t i = first + k - b->first, left = b->count - i;
        size_t row = b->columns > 0 ? i / b->columns : i;
        size_t column = b->columns > 0 ? i % b->columns : 0;
        end = left < n - k ? k + left : n;
        for (size_t p = k; p < end; p++) {
            signs_across(b, at, row, column, (real *)out + p * LANES);
            if (++column >= b->columns) {
                column = 0;
                row++;
            }
        }
    }
}

const mgd_pattern_kernels CODE_KERNEL(outer) = {.row = row, .tile = tile};
