/* Kernels of randomness: Philox words and the order of samples for many replicas at once. Integers
 * throughout, so that the precision these are compiled for makes no difference.
 */

#include "../base/philox.h"
#include "random.h"

/* ---- words ----------------------------------------------------------------------------------- */

INLINE vec_u64 splat_word(uint64_t x) {
    return x - (vec_u64){0};
}

/* Of f64 a tile has fewer lanes than a vector has words. */
#define AT_ONCE (LANES < PHILOX_LANES ? LANES : PHILOX_LANES)

static void words(uint64_t seed, mgd_stream stream, const uint64_t *replica, uint64_t step,
                  uint32_t index, size_t width, uint32_t *out) {
    uint32_t fixed[4], drawn[PHILOX_LANES];
    uint64_t number[PHILOX_LANES] = {0};
    mgd_random_counter(stream, 0, step, index, fixed);
    if (width == 1) {
        mgd_random_words(seed, stream, *replica, step, index, out);
        return;
    }
    for (size_t lane = 0; lane < width; lane += AT_ONCE) {
        philox_words w;
        memcpy(number, replica + lane, AT_ONCE * sizeof *number);
        for (size_t h = 0; h < 2; h++) {
            vec_u64 r;
            memcpy(&r, number + h * PHILOX_HALF, sizeof r);
            w.word[0][h] = splat_word(fixed[0]);
            w.word[1][h] = splat_word(fixed[1]);
            w.word[2][h] = r << 8 | fixed[2]; /* as in mgd_random_counter */
            w.word[3][h] = (r >> 24 & 0xffffff) | fixed[3];
        }
        philox_sets(seed, 1, &w);
        for (int i = 0; i < 4; i++) {
            store_words(&w, i, drawn);
            memcpy(out + (size_t)i * width + lane, drawn, AT_ONCE * sizeof *out);
        }
    }
}

static void block_words(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                        uint32_t from, size_t blocks, uint32_t *out) {
    uint32_t fixed[4], word[4][PHILOX_LANES];
    mgd_random_counter(stream, replica, step, 0, fixed);
    for (size_t first = 0; first < blocks; first += PHILOX_LANES) {
        philox_words w;
        for (size_t h = 0; h < 2; h++) {
            vec_u64 index = {0};
            for (size_t lane = 0; lane < PHILOX_HALF; lane++)
                index[lane] = from + first + h * PHILOX_HALF + lane;
            w.word[0][h] = index;
            for (size_t i = 1; i < 4; i++)
                w.word[i][h] = splat_word(fixed[i]);
        }
        philox_sets(seed, 1, &w);
        for (int i = 0; i < 4; i++)
            store_words(&w, i, word[i]);
        size_t n = blocks - first < PHILOX_LANES ? blocks - first : PHILOX_LANES;
        for (size_t block = 0; block < n; block++)
            for (size_t i = 0; i < 4; i++)
                out[(first + block) * 4 + i] = word[i][block];
    }
}

/* ---- order of a large set -------------------------------------------------------------------- */

/* A well-mixing function of 32 bits: two rounds of multiply and xor-shift. */
INLINE vec_u32 mix(vec_u32 x) {
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

#define WALKS 4 /* vectors of places at once: one alone would wait for its own multiplications */

/* The keyed bijection on squares of 2^half, walked until it lands at `last` or below. */
INLINE void walk_from(vec_u32 place[WALKS], uint32_t last, unsigned half, const vec_u32 key[4]) {
    const uint32_t mask = (1u << half) - 1;
    vec_u32 outside[WALKS], any;
    for (size_t k = 0; k < WALKS; k++)
        outside[k] = ~(vec_u32){0};
    do {
        any = (vec_u32){0};
        for (size_t k = 0; k < WALKS; k++) {
            vec_u32 left = place[k] >> half, right = place[k] & mask;
            for (size_t round = 0; round < 4; round++) {
                vec_u32 next = left ^ (mix(right ^ key[round]) & mask);
                left = right;
                right = next;
            }
            place[k] = (outside[k] & (left << half | right)) | (~outside[k] & place[k]);
            outside[k] &= (vec_u32)(place[k] > last);
            any |= outside[k];
        }
    } while (any_word(any));
}

/* Of one replica: the lanes are places. */
static void walk_row(uint32_t last, unsigned half, const uint32_t *keys, uint32_t place,
                     size_t count, uint32_t *samples) {
    enum { MOST = WALKS * WORD_LANES };
    vec_u32 key[4], at[WALKS] = {{0}};
    uint32_t found[MOST];
    for (size_t round = 0; round < 4; round++)
        key[round] = keys[round] - (vec_u32){0};
    for (size_t i = 0; i < count; i += MOST) {
        size_t n = count - i < MOST ? count - i : MOST;
        for (size_t k = 0; k < MOST; k++)
            found[k] = place + (uint32_t)(i + (k < n ? k : 0));
        memcpy(at, found, sizeof at);
        walk_from(at, last, half, key);
        memcpy(samples + i, at, n * sizeof *samples);
    }
}

static void walk(uint64_t n, unsigned half, const uint32_t *keys, size_t lanes, uint32_t place,
                 size_t count, uint32_t *samples) {
    const uint32_t last = (uint32_t)(n - 1);
    if (lanes == 1) {
        walk_row(last, half, keys, place, count, samples);
        return;
    }
    for (size_t lane = 0; lane < lanes; lane += AT_ONCE) {
        vec_u32 key[4] = {{0}};
        for (size_t round = 0; round < 4; round++)
            memcpy(&key[round], keys + round * lanes + lane, AT_ONCE * sizeof *keys);
        for (size_t i = 0; i < count; i += WALKS) {
            vec_u32 at[WALKS];
            for (size_t k = 0; k < WALKS; k++)
                at[k] = (place + (uint32_t)(i + k < count ? i + k : i)) - (vec_u32){0};
            walk_from(at, last, half, key);
            for (size_t k = 0; k < WALKS && i + k < count; k++)
                memcpy(samples + (i + k) * lanes + lane, &at[k], AT_ONCE * sizeof *samples);
        }
    }
}

/* ---- order of a small set -------------------------------------------------------------------- */

/* A choice among `range` from what is left of a word: its leading digit in base `range`. */
INLINE uint8_t choose(uint32_t *word, size_t range) {
    uint64_t scaled = (uint64_t)*word * range;
    *word = (uint32_t)scaled;
    return (uint8_t)(scaled >> 32);
}

/* Looking at every row, with the lanes side by side, is faster than each lane's way to its own. */
static void exchange(uint8_t *restrict table, uint32_t *restrict left, size_t lanes, size_t i) {
    uint8_t *restrict last = table + i * lanes;
    if (lanes == 1) {
        uint8_t *other = table + choose(left, i + 1), swap = *last;
        *last = *other;
        *other = swap;
        return;
    }
    for (size_t first = 0; first < lanes; first += LANES) {
        uint8_t other[LANES], mine[LANES], drawn[LANES];
        for (size_t lane = 0; lane < LANES; lane++) {
            other[lane] = choose(&left[first + lane], i + 1);
            mine[lane] = drawn[lane] = last[first + lane];
        }
        for (size_t j = 0; j < i; j++) {
            uint8_t *row = table + j * lanes + first;
            for (size_t lane = 0; lane < LANES; lane++) {
                uint8_t value = row[lane];
                bool hit = other[lane] == j;
                row[lane] = hit ? mine[lane] : value;
                drawn[lane] = hit ? value : drawn[lane];
            }
        }
        for (size_t lane = 0; lane < LANES; lane++)
            last[first + lane] = drawn[lane];
    }
}

/* ---- any order ------------------------------------------------------------------------------- */

static void count_up(uint32_t first, size_t count, size_t lanes, uint32_t *samples) {
    for (size_t i = 0; i < count; i++, samples += lanes)
        for (size_t lane = 0; lane < lanes; lane++)
            samples[lane] = first + (uint32_t)i;
}

static void widen(const uint8_t *table, size_t n, uint32_t *samples) {
    for (size_t i = 0; i < n; i++)
        samples[i] = table[i];
}

extern const mgd_random_kernels MGD_KERNEL_TABLE(random);
const mgd_random_kernels MGD_KERNEL_TABLE(random) = {
    .words = words,
    .block_words = block_words,
    .walk = walk,
    .exchange = exchange,
    .count_up = count_up,
    .widen = widen,
};
