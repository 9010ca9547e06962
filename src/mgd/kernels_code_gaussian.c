/* The gaussian code, and normals for others. */

#include "kernels_code.h"

void CODE_KERNEL(row_normals)(const mgd_code *code, const mgd_code_place *at, mgd_stream stream,
                              uint64_t step, size_t first, size_t n, real *out) {
    uint32_t words[CHUNK_WORDS] = {0};
    real drawn[CHUNK + 8 + 2 * VEC_LANES];
    size_t block = first / 8, blocks = (first + n + 7) / 8 - block;
    MGD_KERNEL_TABLE(random).block_words(code->seed, stream, *at->replica, step, (uint32_t)block,
                                         blocks, words);
    for (size_t w = 0; w < 4 * blocks; w += VEC_LANES) {
        vec z[2];
        normal_pair(load_words(words + w), z);
        store(drawn + 2 * w, SHUFFLE(z[0], z[1], LOWER_HALVES));
        store(drawn + 2 * w + VEC_LANES, SHUFFLE(z[0], z[1], UPPER_HALVES));
    }
    memcpy(out, drawn + first % 8, n * sizeof(real));
}

void CODE_KERNEL(tile_normals)(const mgd_code *code, const mgd_code_place *at, mgd_stream stream,
                               uint64_t step, size_t first, size_t n, real *out) {
    uint32_t words[4 * LANES];
    for (size_t i = first - first % 8; i < first + n; i += 2) {
        size_t word = i % 8 / 2;
        if (word == 0)
            MGD_KERNEL_TABLE(random).words(code->seed, stream, at->replica, step, (uint32_t)(i / 8),
                                           LANES, words);
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES) {
            vec z[2];
            normal_pair(load_words(words + word * LANES + lane), z);
            if (i >= first)
                store(out + (i - first) * LANES + lane, z[0]);
            if (i + 1 >= first && i + 1 < first + n)
                store(out + (i + 1 - first) * LANES + lane, z[1]);
        }
    }
}

static void row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n, void *out) {
    CODE_KERNEL(row_normals)(code, at, MGD_STREAM_CODE, at->slot, first, n, out);
}

static void tile(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n,
                 void *out) {
    CODE_KERNEL(tile_normals)(code, at, MGD_STREAM_CODE, at->slot, first, n, out);
}

const mgd_pattern_kernels CODE_KERNEL(gaussian) = {.row = row, .tile = tile};
