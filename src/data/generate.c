/* Data sets that are computed: n-bit parity and NIST7x7. */

#include "data.h"

#include <string.h>

/* ---- parity ---------------------------------------------------------------------------------- */

mgd_status mgd_data_parity(mgd_context *ctx, size_t bits, mgd_tensor **x, mgd_tensor **y) {
    MGD_OPERATION;
    if (bits < 1 || bits > MGD_PARITY_MAX_BITS)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "parity: bits must be from 1 to %d, got %zu",
                        MGD_PARITY_MAX_BITS, bits);
    size_t n = (size_t)1 << bits;
    mgd_tensor *inputs, *targets;
    MGD_TRY(mgd_tensor_new(ctx, MGD_F32, 2, (size_t[]){n, bits}, &inputs));
    mgd_status status = mgd_tensor_new(ctx, MGD_F32, 2, (size_t[]){n, 1}, &targets);
    if (status != MGD_OK) {
        mgd_tensor_free(inputs);
        return status;
    }
    float *xs = mgd_tensor_data(inputs);  /* (n, bits) */
    float *ys = mgd_tensor_data(targets); /* (n, 1) */
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < bits; j++)
            xs[i * bits + j] = (float)(i >> (bits - 1 - j) & 1);
        ys[i] = (float)__builtin_parityll(i);
    }
    *x = inputs;
    *y = targets;
    return MGD_OK;
}

/* ---- NIST7x7 --------------------------------------------------------------------------------- */

/* The published set (44,136 images of the letters N, I, S, T on 7x7 pixels) is not public. Its size
 * is 4 letters × 9 positions of a 5×5 glyph × 1,226 ways to flip at most two of the 49 pixels,
 * 1,226 = 1 + 49 + C(49, 2), so that is what is made here. The glyphs are our own; those of two
 * letters differ in at least 6 pixels wherever they stand, so that no image has two labels. */

#define LETTERS 4
#define GLYPH 5
#define SIDE 7
#define PIXELS (SIDE * SIDE)
#define OFFSETS (SIDE - GLYPH + 1)
#define FLIPS (1 + PIXELS + PIXELS * (PIXELS - 1) / 2)
#define IMAGES (LETTERS * OFFSETS * OFFSETS * FLIPS)

static const char glyphs[LETTERS][GLYPH][GLYPH + 1] = {
    {"#...#", "##..#", "#.#.#", "#..##", "#...#"},
    {"#####", "..#..", "..#..", "..#..", "#####"},
    {".####", "#....", ".###.", "....#", "####."},
    {"#####", "#.#.#", "..#..", "..#..", "..#.."},
};

_Static_assert(IMAGES == 44136, "the size of the published set");

static void draw(float image[PIXELS], int letter, int top, int left) {
    memset(image, 0, PIXELS * sizeof *image);
    for (int row = 0; row < GLYPH; row++)
        for (int column = 0; column < GLYPH; column++)
            if (glyphs[letter][row][column] == '#')
                image[(top + row) * SIDE + left + column] = 1;
}

/* Writes the FLIPS variants of `image`: none, then each pixel, then each pair of pixels. */
static float *write_variants(float *x, const float image[PIXELS]) {
    const size_t size = PIXELS * sizeof *image;
    memcpy(x, image, size);
    x += PIXELS;
    for (int p = 0; p < PIXELS; p++, x += PIXELS) {
        memcpy(x, image, size);
        x[p] = 1 - x[p];
    }
    for (int p = 0; p < PIXELS; p++)
        for (int q = p + 1; q < PIXELS; q++, x += PIXELS) {
            memcpy(x, image, size);
            x[p] = 1 - x[p];
            x[q] = 1 - x[q];
        }
    return x;
}

mgd_status mgd_data_nist7x7(mgd_context *ctx, mgd_tensor **x, mgd_tensor **y) {
    MGD_OPERATION;
    mgd_tensor *inputs, *targets;
    MGD_TRY(mgd_tensor_new(ctx, MGD_F32, 2, (size_t[]){IMAGES, PIXELS}, &inputs));
    mgd_status status = mgd_tensor_new(ctx, MGD_F32, 2, (size_t[]){IMAGES, LETTERS}, &targets);
    if (status != MGD_OK) {
        mgd_tensor_free(inputs);
        return status;
    }
    float *xs = mgd_tensor_data(inputs);  /* (IMAGES, PIXELS) */
    float *ys = mgd_tensor_data(targets); /* (IMAGES, LETTERS) */
    for (int letter = 0; letter < LETTERS; letter++)
        for (int top = 0; top < OFFSETS; top++)
            for (int left = 0; left < OFFSETS; left++) {
                float image[PIXELS];
                draw(image, letter, top, left);
                xs = write_variants(xs, image);
            }
    for (size_t i = 0; i < IMAGES; i++)
        ys[i * LETTERS + i / (IMAGES / LETTERS)] = 1;
    *x = inputs;
    *y = targets;
    return MGD_OK;
}
