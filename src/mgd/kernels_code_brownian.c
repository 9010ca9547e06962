/* The brownian code: signs counted in a window of bits, which ends in the slot. Slot k has bit k
 * mod 32 of a word of each parameter; the window reaches back into the word before. */

#include "code_brownian.h"
#include "kernels_code.h"

/* Which bits of two words make up the window that ends in a slot. */
typedef struct {
    uint32_t now, before;
} window;

static window window_of(unsigned length, uint64_t slot) {
    unsigned here = (unsigned)(slot % 32) + 1;
    uint32_t all = length < 32 ? ((uint32_t)1 << length) - 1 : UINT32_MAX;
    if (here >= length)
        return (window){all << (here - length), 0};
    unsigned earlier = length - here; /* < 32 */
    return (window){all >> earlier, all << (length - earlier) << (32 - length)};
}

/* (ones − zeros)/√L among the bits of the window: those of the two words do not overlap */
INLINE vec walk_of(const mgd_walk *walk, window w, vec_int now, vec_int before) {
    typedef real_uint vec_uint __attribute__((vector_size(VEC_BYTES)));
    vec_uint x = ((vec_uint)now & w.now) | ((vec_uint)before & w.before);
    x = x - ((x >> 1) & 0x55555555);
    x = (x & 0x33333333) + ((x >> 2) & 0x33333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f;
    x = x + (x >> 8);
    x = (x + (x >> 16)) & 0x3f;
    return real_of(2 * (vec_int)x - (real_int)walk->length) * splat((real)walk->step);
}

static void row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out) {
    uint32_t drawn[2][CHUNK_WORDS] = {{0}};
    const mgd_walk *walk = code->state;
    const window w = window_of(walk->length, at->slot);
    const uint32_t *now =
        row_words(code, at, MGD_STREAM_CODE, at->slot / 32 + 1, first, n, drawn[0]);
    const uint32_t *before =
        row_words(code, at, MGD_STREAM_CODE, at->slot / 32, first, n, drawn[1]);
    for (size_t i = 0; i < n; i += VEC_LANES)
        store((real *)out + i, walk_of(walk, w, load_words(now + i), load_words(before + i)));
}

static void tile(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n,
                 void *out) {
    uint32_t drawn[2][4 * LANES];
    const mgd_walk *walk = code->state;
    const window w = window_of(walk->length, at->slot);
    for (size_t i = 0; i < n; i++) {
        const uint32_t *now =
            tile_words(code, at, MGD_STREAM_CODE, at->slot / 32 + 1, first + i, i == 0, drawn[0]);
        const uint32_t *before =
            tile_words(code, at, MGD_STREAM_CODE, at->slot / 32, first + i, i == 0, drawn[1]);
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store((real *)out + i * LANES + lane,
                  walk_of(walk, w, load_words(now + lane), load_words(before + lane)));
    }
}

const mgd_pattern_kernels CODE_KERNEL(brownian) = {.row = row, .tile = tile};
