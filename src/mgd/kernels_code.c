/* Kernels of the perturbation codes: the pattern of one replica in a row, of many side by side in
 * lanes. A pattern is what code and slot say, times what differs between parameters; each value is
 * a function of (seed, replica, slot, parameter) that is the same in both arrangements.
 */

#include "../base/normals.h"
#include "code.h"

DEFINE_FUNCTION(sinpi_vec, sinpi, u05)
DEFINE_FUNCTION(exp_vec, exp, u10)

extern const mgd_random_kernels MGD_KERNEL_TABLE(random);
static const mgd_random_kernels *const random_kernels = &MGD_KERNEL_TABLE(random);

/* ---- one value ------------------------------------------------------------------------------- */

#define SIGN_SHIFT ((int)(8 * sizeof(real)) - 1)

/* +1 where the lowest bit is 0, −1 where it is 1 */
INLINE vec sign_of(vec_int bits) {
    const vec one = splat(1);
    return (vec)((vec_int)one | bits << SIGN_SHIFT);
}

INLINE vec_int iota(void) {
    vec_int v;
    for (size_t lane = 0; lane < VEC_LANES; lane++)
        v[lane] = (real_int)lane;
    return v;
}

/* s, or 0 where the lower 31 bits of the word fall below the share of zeros */
INLINE vec masked(const mgd_code *code, vec s, vec_int word) {
    return pick((word & 0x7fffffff) < (real_int)code->zero_below, splat(0), s);
}

/* The top bit is the sign, the others decide on zero. */
INLINE vec sparse_of(const mgd_code *code, vec_int word) {
    return masked(code, sign_of(word >> 31), word);
}

/* Which bits of two words make up the window that ends in a slot. */
typedef struct {
    uint32_t now, before;
} window;

static window window_of(const mgd_code *code, uint64_t slot) {
    unsigned here = (unsigned)(slot % 32) + 1, length = code->length;
    uint32_t all = length < 32 ? ((uint32_t)1 << length) - 1 : UINT32_MAX;
    if (here >= length)
        return (window){all << (here - length), 0};
    unsigned earlier = length - here; /* < 32 */
    return (window){all >> earlier, all << (length - earlier) << (32 - length)};
}

/* (ones − zeros)/√L among the bits of the window: those of the two words do not overlap */
INLINE vec walk_of(const mgd_code *code, window w, vec_int now, vec_int before) {
    typedef real_uint vec_uint __attribute__((vector_size(VEC_BYTES)));
    vec_uint x = ((vec_uint)now & w.now) | ((vec_uint)before & w.before);
    x = x - ((x >> 1) & 0x55555555);
    x = (x & 0x33333333) + ((x >> 2) & 0x33333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f;
    x = x + (x >> 8);
    x = (x + (x >> 16)) & 0x3f;
    return real_of(2 * (vec_int)x - (real_int)code->length) * splat((real)code->step);
}

/* ---- bits in a row --------------------------------------------------------------------------- */

/* Signs of bits from bit `at` on, all turned over with `flip`. Stores whole vectors: `out` has room
 * for VEC_LANES − 1 reals more than `count`, and `words` for one more than the pattern has. */
static void signs_row(const uint32_t *words, size_t at, uint32_t flip, size_t count, real *out) {
    const vec_int steps = iota();
    for (size_t i = 0; i < count; i += VEC_LANES) {
        uint32_t bits = mgd_code_bits(words, at + i) ^ flip;
        store(out + i, sign_of(((real_int)bits - (vec_int){0}) >> steps));
    }
}

static uint32_t flip_of(const mgd_code *code, uint64_t slot) {
    return code->alternate && (slot / code->period & 1) ? UINT32_MAX : 0;
}

/* A maximal-length register: parameter i is i slots ahead of parameter 0. */
static void lfsr_row(const mgd_code *code, uint64_t slot, size_t first, size_t count, real *out) {
    uint64_t place = slot % code->period;
    bool blank = code->balanced && place + 1 == code->period;
    static const uint32_t zero[2] = {0};
    if (blank)
        for (size_t i = 0; i < count; i += VEC_LANES)
            signs_row(zero, 0, flip_of(code, slot), VEC_LANES, out + i);
    else
        signs_row(code->sequence, (size_t)place + first, flip_of(code, slot), count, out);
}

/* Parities of j & k for j = 0 … 31, as bits: each bit of k doubles what the lower ones gave. */
INLINE uint32_t parities(uint32_t k) {
    uint32_t word = 0;
    for (unsigned b = 0; b < 5; b++) {
        uint32_t lower = word & (((uint32_t)1 << (1u << b)) - 1);
        word = lower | (k >> b & 1 ? ~lower : lower) << (1u << b);
    }
    return word;
}

/* s_i = (−1)^popcount((i + 1) & k): row i + 1 of the Hadamard matrix in natural order. Stores whole
 * vectors, as signs_row does. */
static void walsh_row(const mgd_code *code, uint64_t slot, size_t first, size_t count, real *out) {
    const uint32_t k = (uint32_t)(slot & (code->period - 1));
    const uint32_t low = parities(k) ^ flip_of(code, slot);
    const vec_int steps = iota();
    for (size_t i = 0; i < count; i += VEC_LANES) {
        uint32_t at = (uint32_t)(first + i + 1), block = at & ~(uint32_t)31;
        uint64_t here = low ^ -(uint32_t)__builtin_parity(block & k);
        uint64_t next = low ^ -(uint32_t)__builtin_parity((block + 32) & k);
        uint32_t bits = (uint32_t)((next << 32 | here) >> at % 32);
        store(out + i, sign_of(((real_int)bits - (vec_int){0}) >> steps));
    }
}

/* ---- other deterministic codes --------------------------------------------------------------- */

static void sequential_row(const mgd_code *code, uint64_t slot, size_t first, size_t count,
                           real *out) {
    size_t visited = (size_t)(slot % code->period);
    if (code->order)
        visited = code->order[visited];
    memset(out, 0, count * sizeof(real));
    if (visited >= first && visited - first < count)
        out[visited - first] = 1;
}

/* A numerically controlled oscillator: the phase is a 64-bit fraction of a cycle that wraps. */
static void sine_row(const mgd_code *code, uint64_t slot, size_t first, size_t count, real *out) {
    for (size_t i = 0; i < count; i += VEC_LANES) {
        vec turn = splat(0); /* in half cycles, [−1, 1) */
        for (size_t lane = 0; lane < VEC_LANES && i + lane < count; lane++) {
            size_t at = first + i + lane;
            uint64_t phase = code->frequency[at] * slot + code->phase[at];
            turn[lane] = (real)((double)(int64_t)phase * 0x1p-63);
        }
        vec s = sinpi_vec(turn);
        memcpy(out + i, &s, (count - i < VEC_LANES ? count - i : VEC_LANES) * sizeof(real));
    }
}

static void function_row(const mgd_code *code, uint64_t slot, size_t first, size_t count,
                         real *out) {
    memcpy(out, mgd_code_row(code, slot, first), count * sizeof(real));
}

/* ---- drawn codes in a row -------------------------------------------------------------------- */

/* Parameters at once; whole vectors are read and stored. */
#define CHUNK ((size_t)64)
#define CHUNK_WORDS (CHUNK + 8 + VEC_LANES)

/* A word for each of n parameters, n ≤ CHUNK: where they begin in `words` (CHUNK_WORDS). */
static const uint32_t *row_words(const mgd_code *code, mgd_stream stream, uint64_t replica,
                                 uint64_t step, size_t first, size_t n, uint32_t *words) {
    size_t block = first / 4, blocks = (first + n + 3) / 4 - block;
    random_kernels->block_words(code->seed, stream, replica, step, (uint32_t)block, blocks, words);
    return words + first % 4;
}

/* Standard normals of n parameters, n ≤ CHUNK: half a word for each. */
static void row_normals(const mgd_code *code, mgd_stream stream, uint64_t replica, uint64_t step,
                        size_t first, size_t n, real *out) {
    uint32_t words[CHUNK_WORDS] = {0};
    real drawn[CHUNK + 8 + 2 * VEC_LANES];
    size_t block = first / 8, blocks = (first + n + 7) / 8 - block;
    random_kernels->block_words(code->seed, stream, replica, step, (uint32_t)block, blocks, words);
    for (size_t w = 0; w < 4 * blocks; w += VEC_LANES) {
        vec z[2];
        normal_pair(load_words(words + w), z);
        store(drawn + 2 * w, SHUFFLE(z[0], z[1], LOWER_HALVES));
        store(drawn + 2 * w + VEC_LANES, SHUFFLE(z[0], z[1], UPPER_HALVES));
    }
    memcpy(out, drawn + first % 8, n * sizeof(real));
}

static void sparse_row(const mgd_code *code, uint64_t replica, uint64_t slot, size_t first,
                       size_t n, real *out) {
    uint32_t drawn[CHUNK_WORDS] = {0};
    const uint32_t *words = row_words(code, MGD_STREAM_CODE, replica, slot, first, n, drawn);
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(out + i, sparse_of(code, load_words(words + i)));
}

static void walk_row(const mgd_code *code, uint64_t replica, uint64_t slot, size_t first, size_t n,
                     real *out) {
    uint32_t drawn[2][CHUNK_WORDS] = {{0}};
    const uint32_t *now, *before;
    const window w = window_of(code, slot);
    now = row_words(code, MGD_STREAM_CODE, replica, slot / 32 + 1, first, n, drawn[0]);
    before = row_words(code, MGD_STREAM_CODE, replica, slot / 32, first, n, drawn[1]);
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(out + i, walk_of(code, w, load_words(now + i), load_words(before + i)));
}

static void mask_row(const mgd_code *code, uint64_t replica, uint64_t slot, size_t first, size_t n,
                     real *out) {
    uint32_t drawn[CHUNK_WORDS] = {0};
    const uint32_t *words = row_words(code, MGD_STREAM_MASK, replica, slot, first, n, drawn);
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(out + i, masked(code, load(out + i), load_words(words + i)));
}

/* ---- a row ----------------------------------------------------------------------------------- */

/* What code and slot say of n parameters, but for the zeros of a sparse code. */
static void base_row(const mgd_code *code, const mgd_pattern *signs, uint64_t replica,
                     uint64_t slot, size_t first, size_t n, real *out) {
    switch (code->kind) {
    case MGD_CODE_SEQUENTIAL:
        sequential_row(code, slot, first, n, out);
        break;
    case MGD_CODE_WALSH:
        walsh_row(code, slot, first, n, out);
        break;
    case MGD_CODE_RANDOM:
        if (code->zero_below)
            sparse_row(code, replica, slot, first, n, out);
        else
            signs_row(signs->words, signs->bit + first, 0, n, out);
        break;
    case MGD_CODE_SINE:
        sine_row(code, slot, first, n, out);
        break;
    case MGD_CODE_GAUSSIAN:
        row_normals(code, MGD_STREAM_CODE, replica, slot, first, n, out);
        break;
    case MGD_CODE_BROWNIAN:
        walk_row(code, replica, slot, first, n, out);
        break;
    case MGD_CODE_LFSR:
        lfsr_row(code, slot, first, n, out);
        break;
    case MGD_CODE_FUNCTION:
        function_row(code, slot, first, n, out);
        break;
    }
}

/* The exponent of a parameter's amplitude, σ·z − σ², whose mean square is 1; upside down where the
 * amplitude is divided by. */
INLINE vec spread_of(const mgd_code *code, mgd_use use, vec z) {
    const vec sigma = splat((real)code->spread);
    vec exponent = fma_vec(sigma, z, -sigma * sigma);
    return exp_vec(code->divide[use] ? -exponent : exponent);
}

static void scale_row(const mgd_code *code, mgd_use use, uint64_t replica, size_t first, size_t n,
                      real *out) {
    const double *gain = code->gain[use];
    for (size_t i = 0; i < n && gain; i++)
        out[i] *= (real)gain[first + i];
    if (code->spread == 0)
        return;
    real z[CHUNK + VEC_LANES];
    row_normals(code, MGD_STREAM_AMPLITUDE, replica, 0, first, n, z);
    for (size_t i = n; i < n + VEC_LANES; i++)
        z[i] = 0;
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(out + i, load(out + i) * spread_of(code, use, load(z + i)));
}

static void row(const mgd_code *code, const mgd_pattern *signs, mgd_use use, uint64_t replica,
                uint64_t slot, size_t first, size_t count, void *out) {
    const size_t most = code->drawn ? CHUNK : count;
    for (size_t at = 0, n; at < count; at += n) {
        n = count - at < most ? count - at : most;
        real *s = (real *)out + at;
        base_row(code, signs, replica, slot, first + at, n, s);
        if (code->zero_below && code->kind != MGD_CODE_RANDOM)
            mask_row(code, replica, slot, first + at, n, s);
        if (code->uneven)
            scale_row(code, use, replica, first + at, n, s);
    }
}

/* ---- a tile of lanes ------------------------------------------------------------------------- */

/* Words of parameter `at` in each lane of a tile, out of `drawn` (4 × LANES): drawn when it is the
 * first one asked for, or the first of its block. */
static const uint32_t *tile_words(const mgd_code *code, mgd_stream stream, const uint64_t *replica,
                                  uint64_t step, size_t at, bool begin, uint32_t *drawn) {
    if (begin || at % 4 == 0)
        random_kernels->words(code->seed, stream, replica, step, (uint32_t)(at / 4), LANES, drawn);
    return drawn + at % 4 * LANES;
}

/* out (n × LANES) */
static void tile_normals(const mgd_code *code, mgd_stream stream, const uint64_t *replica,
                         uint64_t step, size_t first, size_t n, real *out) {
    uint32_t words[4 * LANES];
    for (size_t at = first - first % 8; at < first + n; at += 2) {
        size_t word = at % 8 / 2;
        if (word == 0)
            random_kernels->words(code->seed, stream, replica, step, (uint32_t)(at / 8), LANES,
                                  words);
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES) {
            vec z[2];
            normal_pair(load_words(words + word * LANES + lane), z);
            if (at >= first)
                store(out + (at - first) * LANES + lane, z[0]);
            if (at + 1 >= first && at + 1 < first + n)
                store(out + (at + 1 - first) * LANES + lane, z[1]);
        }
    }
}

static void tile_sparse(const mgd_code *code, const uint64_t *replica, uint64_t slot, size_t first,
                        size_t n, real *out) {
    uint32_t drawn[4 * LANES];
    for (size_t i = 0; i < n; i++) {
        const uint32_t *words =
            tile_words(code, MGD_STREAM_CODE, replica, slot, first + i, i == 0, drawn);
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store(out + i * LANES + lane, sparse_of(code, load_words(words + lane)));
    }
}

static void tile_walk(const mgd_code *code, const uint64_t *replica, uint64_t slot, size_t first,
                      size_t n, real *out) {
    uint32_t drawn[2][4 * LANES];
    const window w = window_of(code, slot);
    for (size_t i = 0; i < n; i++) {
        const uint32_t *now =
            tile_words(code, MGD_STREAM_CODE, replica, slot / 32 + 1, first + i, i == 0, drawn[0]);
        const uint32_t *before =
            tile_words(code, MGD_STREAM_CODE, replica, slot / 32, first + i, i == 0, drawn[1]);
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store(out + i * LANES + lane,
                  walk_of(code, w, load_words(now + lane), load_words(before + lane)));
    }
}

static void tile_mask(const mgd_code *code, const uint64_t *replica, uint64_t slot, size_t first,
                      size_t n, real *out) {
    uint32_t drawn[4 * LANES];
    for (size_t i = 0; i < n; i++) {
        const uint32_t *words =
            tile_words(code, MGD_STREAM_MASK, replica, slot, first + i, i == 0, drawn);
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES) {
            real *s = out + i * LANES + lane;
            store(s, masked(code, load(s), load_words(words + lane)));
        }
    }
}

static void tile_signs(const mgd_pattern *signs, size_t lane, size_t first, size_t n, size_t width,
                       real *out) {
    for (size_t i = 0; i < n; i++) {
        size_t place = signs->bit + first + i;
        const uint32_t *words = signs->words + place / 32 * width + lane;
        for (size_t k = 0; k < LANES; k += VEC_LANES)
            store(out + i * LANES + k, sign_of(load_words(words + k) >> (int)(place % 32)));
    }
}

/* A pattern that all replicas share, into the lanes of each. */
static void tile_shared(const mgd_code *code, uint64_t slot, size_t first, size_t n, real *out) {
    real s[MGD_PATTERN_ROWS + LANES];
    base_row(code, NULL, 0, slot, first, n, s);
    for (size_t i = 0; i < n; i++)
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store(out + i * LANES + lane, splat(s[i]));
}

static void tile_scale(const mgd_code *code, mgd_use use, const uint64_t *replica, size_t first,
                       size_t n, real *out) {
    const double *gain = code->gain[use];
    for (size_t i = 0; i < n * LANES && gain; i++)
        out[i] *= (real)gain[first + i / LANES];
    if (code->spread == 0)
        return;
    real z[MGD_PATTERN_ROWS * LANES];
    tile_normals(code, MGD_STREAM_AMPLITUDE, replica, 0, first, n, z);
    for (size_t i = 0; i < n * LANES; i += VEC_LANES)
        store(out + i, load(out + i) * spread_of(code, use, load(z + i)));
}

static void lanes(const mgd_code *code, const mgd_pattern *signs, mgd_use use,
                  const uint64_t *replica, uint64_t slot, size_t first, size_t count, size_t width,
                  void *out) {
    real s[MGD_PATTERN_ROWS * LANES];
    for (size_t lane = 0; lane < width; lane += LANES) {
        const uint64_t *who = replica + lane;
        if (code->kind == MGD_CODE_GAUSSIAN)
            tile_normals(code, MGD_STREAM_CODE, who, slot, first, count, s);
        else if (code->kind == MGD_CODE_BROWNIAN)
            tile_walk(code, who, slot, first, count, s);
        else if (code->kind == MGD_CODE_RANDOM && code->zero_below)
            tile_sparse(code, who, slot, first, count, s);
        else if (code->kind == MGD_CODE_RANDOM)
            tile_signs(signs, lane, first, count, width, s);
        else
            tile_shared(code, slot, first, count, s);
        if (code->zero_below && code->kind != MGD_CODE_RANDOM)
            tile_mask(code, who, slot, first, count, s);
        if (code->uneven)
            tile_scale(code, use, who, first, count, s);
        for (size_t i = 0; i < count; i++)
            memcpy((real *)out + i * width + lane, s + i * LANES, LANES * sizeof(real));
    }
}

extern const mgd_code_kernels MGD_KERNEL_TABLE(code);
const mgd_code_kernels MGD_KERNEL_TABLE(code) = {
    .row = row,
    .lanes = lanes,
};
