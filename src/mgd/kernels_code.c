/* Kernels of the perturbation codes: the pattern of one replica in a row, of many side by side in
 * lanes. A pattern is what code and slot say, by the kernels of its kind, without the parameters
 * that a sparse one leaves out, times what differs between parameters.
 */

#include "kernels_code.h"

DEFINE_FUNCTION(exp_vec, exp, u10)

extern const mgd_pattern_kernels CODE_KERNEL(sequential);
extern const mgd_pattern_kernels CODE_KERNEL(walsh);
extern const mgd_pattern_kernels CODE_KERNEL(random);
extern const mgd_pattern_kernels CODE_KERNEL(sine);
extern const mgd_pattern_kernels CODE_KERNEL(gaussian);
extern const mgd_pattern_kernels CODE_KERNEL(brownian);
extern const mgd_pattern_kernels CODE_KERNEL(lfsr);
extern const mgd_pattern_kernels CODE_KERNEL(function);
extern const mgd_pattern_kernels CODE_KERNEL(outer);

static const mgd_pattern_kernels *const kinds[] = {
    [MGD_CODE_SEQUENTIAL] = &CODE_KERNEL(sequential),
    [MGD_CODE_WALSH] = &CODE_KERNEL(walsh),
    [MGD_CODE_RANDOM] = &CODE_KERNEL(random),
    [MGD_CODE_SINE] = &CODE_KERNEL(sine),
    [MGD_CODE_GAUSSIAN] = &CODE_KERNEL(gaussian),
    [MGD_CODE_BROWNIAN] = &CODE_KERNEL(brownian),
    [MGD_CODE_LFSR] = &CODE_KERNEL(lfsr),
    [MGD_CODE_FUNCTION] = &CODE_KERNEL(function),
    [MGD_CODE_OUTER] = &CODE_KERNEL(outer),
};

/* The exponent of a parameter's amplitude, σ·z − σ², whose mean square is 1; upside down where the
 * amplitude is divided by. */
INLINE vec spread_of(const mgd_code *code, mgd_use use, vec z) {
    const vec sigma = splat((real)code->spread);
    vec exponent = fma_vec(sigma, z, -sigma * sigma);
    return exp_vec(code->divide[use] ? -exponent : exponent);
}

/* ---- a row ----------------------------------------------------------------------------------- */

static void mask_row(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n,
                     real *out) {
    uint32_t drawn[CHUNK_WORDS] = {0};
    const uint32_t *words = row_words(code, at, MGD_STREAM_MASK, at->slot, first, n, drawn);
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(out + i, masked(code, load(out + i), load_words(words + i)));
}

static void scale_row(const mgd_code *code, const mgd_code_place *at, mgd_use use, size_t first,
                      size_t n, real *out) {
    const double *gain = code->gain[use];
    for (size_t i = 0; i < n && gain; i++)
        out[i] *= (real)gain[first + i];
    if (code->spread == 0)
        return;
    real z[CHUNK + VEC_LANES];
    CODE_KERNEL(row_normals)(code, at, MGD_STREAM_AMPLITUDE, 0, first, n, z);
    for (size_t i = n; i < n + VEC_LANES; i++)
        z[i] = 0;
    for (size_t i = 0; i < n; i += VEC_LANES)
        store(out + i, load(out + i) * spread_of(code, use, load(z + i)));
}

static void row(const mgd_code *code, const mgd_pattern *signs, mgd_use use, uint64_t replica,
                uint64_t slot, size_t first, size_t count, void *out) {
    const mgd_code_place place = {.signs = signs, .replica = &replica, .slot = slot};
    const size_t most = code->drawn ? CHUNK : count;
    for (size_t at = 0, n; at < count; at += n) {
        n = count - at < most ? count - at : most;
        real *s = (real *)out + at;
        kinds[code->kind]->row(code, &place, first + at, n, s);
        if (code->masked)
            mask_row(code, &place, first + at, n, s);
        if (code->uneven)
            scale_row(code, &place, use, first + at, n, s);
    }
}

/* ---- a tile of lanes ------------------------------------------------------------------------- */

static void mask_tile(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n,
                      real *out) {
    uint32_t drawn[4 * LANES];
    for (size_t i = 0; i < n; i++) {
        const uint32_t *words =
            tile_words(code, at, MGD_STREAM_MASK, at->slot, first + i, i == 0, drawn);
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES) {
            real *s = out + i * LANES + lane;
            store(s, masked(code, load(s), load_words(words + lane)));
        }
    }
}

/* A pattern that all replicas share, into the lanes of each. */
static void share(const mgd_code *code, const mgd_code_place *at, size_t first, size_t n,
                  void *to) {
    real *out = to;
    real s[MGD_PATTERN_ROWS + LANES];
    kinds[code->kind]->row(code, at, first, n, s);
    for (size_t i = 0; i < n; i++)
        for (size_t lane = 0; lane < LANES; lane += VEC_LANES)
            store(out + i * LANES + lane, splat(s[i]));
}

static void scale_tile(const mgd_code *code, const mgd_code_place *at, mgd_use use, size_t first,
                       size_t n, real *out) {
    const double *gain = code->gain[use];
    for (size_t i = 0; i < n * LANES && gain; i++)
        out[i] *= (real)gain[first + i / LANES];
    if (code->spread == 0)
        return;
    real z[MGD_PATTERN_ROWS * LANES];
    CODE_KERNEL(tile_normals)(code, at, MGD_STREAM_AMPLITUDE, 0, first, n, z);
    for (size_t i = 0; i < n * LANES; i += VEC_LANES)
        store(out + i, load(out + i) * spread_of(code, use, load(z + i)));
}

static void lanes(const mgd_code *code, const mgd_pattern *signs, mgd_use use,
                  const uint64_t *replica, uint64_t slot, size_t first, size_t count, size_t width,
                  void *out) {
    const mgd_pattern_kernels *kind = kinds[code->kind];
    real s[MGD_PATTERN_ROWS * LANES];
    for (size_t lane = 0; lane < width; lane += LANES) {
        const mgd_code_place at = {signs, replica + lane, slot, lane, width};
        (kind->tile && !code->shared ? kind->tile : share)(code, &at, first, count, s);
        if (code->masked)
            mask_tile(code, &at, first, count, s);
        if (code->uneven)
            scale_tile(code, &at, use, first, count, s);
        for (size_t i = 0; i < count; i++)
            memcpy((real *)out + i * width + lane, s + i * LANES, LANES * sizeof(real));
    }
}

extern const mgd_code_kernels MGD_KERNEL_TABLE(code);
const mgd_code_kernels MGD_KERNEL_TABLE(code) = {
    .row = row,
    .lanes = lanes,
};
