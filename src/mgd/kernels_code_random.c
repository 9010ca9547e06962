/* The random code: the bits of the words that are kept; or, of a sparse one, a word for each
 * parameter. */

#include "kernels_code.h"

/* The top bit is the sign, the others decide on zero. */
INLINE vec sparse_of(const mgd_code *code, vec_int word) {
    return masked(code, sign_of(word >> 31), word);
}

static void sparse_row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n,
                       real *out) {
    uint32_t drawn[CHUNK_WORDS] = {0};
    const uint32_t *words = row_words(code, at, MGD_STREAM_CODE, at->slot, first, n, drawn);
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(out + i, sparse_of(code, load_words(words + i)));
}

static void row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out) {
    if (code->zero_below)
        sparse_row(code, at, first, n, out);
    else
        signs_row(at->signs->words, at->signs->bit + first, 0, n, out);
}

static void sparse_tile(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n,
                        real *out) {
    uint32_t drawn[4 * LANES];
    for (size_t i = 0; i < n; i++) {
        const uint32_t *words =
            tile_words(code, at, MGD_STREAM_CODE, at->slot, first + i, i == 0, drawn);
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store(out + i * LANES + lane, sparse_of(code, load_words(words + lane)));
    }
}

static void dense_tile(const mgd_code_place *at, size_t first, size_t n, real *out) {
    for (size_t i = 0; i < n; i++) {
        size_t place = at->signs->bit + first + i;
        const uint32_t *words = at->signs->words + place / 32 * at->width + at->lane;
        for (size_t k = 0; k < LANES; k += VEC_LANES)
            store(out + i * LANES + k, sign_of(load_words(words + k) >> (int)(place % 32)));
    }
}

static void tile(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n,
                 void *out) {
    if (code->zero_below)
        sparse_tile(code, at, first, n, out);
    else
        dense_tile(at, first, n, out);
}

const mgd_pattern_kernels CODE_KERNEL(random) = {.row = row, .tile = tile};
