/* Meshes of Mach-Zehnder interferometers (Clements et al., Optica 3, 1460, 2016), which apply a
 * unitary matrix to amplitudes of light, and the detection of what comes out.
 *
 * Column c of N (from 0) couples the modes i, i + 1 with i ≡ c (mod 2). An interferometer is
 * C·diag(e^iθ, 1)·C·diag(e^iφ, 1), with couplers C = (1/√2)·[[1, i], [i, 1]], which is
 *
 *     i·e^(iθ/2) · [[s, c], [c, −s]] · diag(e^iφ, 1),   s = sin θ/2, c = cos θ/2;
 *
 * in this form nothing cancels, and the matrix of s and c is its own inverse. Parameters: θ and φ
 * of every interferometer, column by column, then the phases of the K outputs where detection is of
 * the field. Fields wait on the stack, and a vector of lanes passes through the whole mesh.
 */

#include "kernels.h"

#define PHASES (MGD_MESH_MODES * MGD_MESH_MODES) /* at most; whole vectors of them */
#define TILE_VECS (LANES / VEC_LANES)

typedef struct {
    vec re, im;
} complex_vec;

/* Of the phases as they are used, θ/2, φ and α: shared by all lanes. */
typedef struct {
    real sine[PHASES], cosine[PHASES];
} turns;

typedef struct {
    const mgd_vertex *vertex;
    const real *theta;  /* (P × W), from the lane on, or NULL: … */
    const turns *turns; /* … shared */
    size_t width;
} mesh;

/* e^(ix) */
INLINE complex_vec turn_by(vec x) {
#if defined(SLEEF_VECTOR)
    const __typeof__(SLEEF_VECTOR(sincos, u10)(x)) both = SLEEF_VECTOR(sincos, u10)(x);
    return (complex_vec){(vec)both.y, (vec)both.x};
#else
    real sine[VEC_LANES], cosine[VEC_LANES];
    for (size_t lane = 0; lane < VEC_LANES; lane++) {
        const __typeof__(SLEEF_SCALAR(sincos, u10)(0)) both = SLEEF_SCALAR(sincos, u10)(x[lane]);
        sine[lane] = both.x;
        cosine[lane] = both.y;
    }
    return (complex_vec){load(cosine), load(sine)};
#endif
}

/* a·b */
INLINE complex_vec times(complex_vec a, complex_vec b) {
    return (complex_vec){fma_vec(a.re, b.re, -(a.im * b.im)), fma_vec(a.re, b.im, a.im * b.re)};
}

/* a·b̄ */
INLINE complex_vec times_conjugate(complex_vec a, complex_vec b) {
    return (complex_vec){fma_vec(a.re, b.re, a.im * b.im), fma_vec(a.im, b.re, -(a.re * b.im))};
}

/* Im āb: what the real part of the inner product gains per radian by which b lags */
INLINE vec cross(complex_vec a, complex_vec b) {
    return fma_vec(a.im, b.re, -(a.re * b.im));
}

/* ---- phases ---------------------------------------------------------------------------------- */

static size_t count_mzis(const mgd_vertex *vertex) {
    return vertex->modes * (vertex->modes - 1) / 2;
}

/* Sines and cosines of shared parameters (P), once for all lanes. */
static void turns_of(const mgd_vertex *vertex, const real *theta, turns *out) {
    const size_t inner = 2 * count_mzis(vertex);
    for (size_t p = 0; p < vertex->count; p += VEC_LANES) {
        real angle[VEC_LANES] = {0};
        for (size_t k = 0; k < VEC_LANES && p + k < vertex->count; k++)
            angle[k] = p + k < inner && (p + k) % 2 == 0 ? theta[p + k] * (real)0.5 : theta[p + k];
        complex_vec e = turn_by(load(angle));
        store(out->sine + p, e.im);
        store(out->cosine + p, e.re);
    }
}

/* e^(i·phase) of parameter p, or of its half */
INLINE complex_vec turn_at(const mesh *m, size_t p, const bool half, const bool private) {
    if (!private)
        return (complex_vec){splat(m->turns->cosine[p]), splat(m->turns->sine[p])};
    vec angle = load(m->theta + p * m->width);
    return turn_by(half ? (vec)(angle * splat((real)0.5)) : angle);
}

/* ---- light ----------------------------------------------------------------------------------- */

/* The matrix of s and c */
INLINE void rotate(complex_vec half, complex_vec *a, complex_vec *b) {
    const vec s = half.im, c = half.re;
    complex_vec u = *a, v = *b;
    *a = (complex_vec){fma_vec(s, u.re, c * v.re), fma_vec(s, u.im, c * v.im)};
    *b = (complex_vec){fma_vec(c, u.re, -(s * v.re)), fma_vec(c, u.im, -(s * v.im))};
}

/* Interferometer `index` on the modes a and b */
INLINE void pass(const mesh *m, size_t index, complex_vec *a, complex_vec *b, const bool private) {
    complex_vec half = turn_at(m, 2 * index, true, private);
    complex_vec outer = turn_at(m, 2 * index + 1, false, private);
    complex_vec common = {-half.im, half.re}; /* i·e^(iθ/2) */
    *a = times(*a, outer);
    rotate(half, a, b);
    *a = times(*a, common);
    *b = times(*b, common);
}

/* From the amplitudes x (F × W), from the lane on, to the fields after the last column. */
INLINE void propagate(const mesh *m, const real *x, complex_vec *field, const bool private) {
    const size_t modes = m->vertex->modes, lit = m->vertex->in.features;
    for (size_t i = 0; i < modes; i++)
        field[i] = (complex_vec){i < lit ? load(x + i * m->width) : splat(0), splat(0)};
    size_t index = 0;
    for (size_t column = 0; column < modes; column++)
        for (size_t i = column % 2; i + 1 < modes; i += 2)
            pass(m, index++, &field[i], &field[i + 1], private);
}

INLINE vec detected(const mesh *m, size_t k, complex_vec field, const bool private) {
    if (m->vertex->detect == MGD_DETECT_INTENSITY)
        return fma_vec(field.re, field.re, field.im * field.im);
    return times(field, turn_at(m, 2 * count_mzis(m->vertex) + k, false, private)).re;
}

INLINE void forward(const mgd_op *op, mesh m, void *arena, const bool private) {
    complex_vec field[MGD_MESH_MODES];
    const size_t width = m.width, outputs = op->vertex.out.features;
    real *y = (real *)arena + op->y * width;
    for (size_t lane = 0; lane < width; lane += VEC_LANES) {
        propagate(&m, (const real *)arena + op->x[0] * width + lane, field, private);
        for (size_t k = 0; k < outputs; k++)
            store(y + k * width + lane, detected(&m, k, field[k], private));
        if (private)
            m.theta += VEC_LANES;
    }
    NET_KERNEL(activate)(op->activation, y, outputs * width);
}

static void shared_forward(const mgd_op *op, const void *theta, void *arena, size_t width) {
    turns shared;
    turns_of(&op->vertex, theta, &shared);
    forward(op, (mesh){.vertex = &op->vertex, .turns = &shared, .width = width}, arena, false);
}

static void private_forward(const mgd_op *op, const void *theta, void *arena, size_t width) {
    forward(op, (mesh){.vertex = &op->vertex, .theta = theta, .width = width}, arena, true);
}

/* ---- backward -------------------------------------------------------------------------------- */

/* A tile on its way back: fields, and their adjoints ∂C/∂Re E + i·∂C/∂Im E, which pass through the
 * inverse of a unitary as the fields do. */
typedef struct {
    complex_vec field[TILE_VECS][MGD_MESH_MODES], adjoint[TILE_VECS][MGD_MESH_MODES];
} returning;

/* The inverse of `pass`; between its two halves, nothing but φ has acted on mode a. */
INLINE void unrotate(complex_vec half, complex_vec *a, complex_vec *b) {
    complex_vec common = {-half.im, half.re};
    *a = times_conjugate(*a, common);
    *b = times_conjugate(*b, common);
    rotate(half, a, b);
}

/* √2 times the field of the upper arm between the couplers, behind θ: the first row of C⁻¹ */
INLINE complex_vec upper_arm(complex_vec a, complex_vec b) {
    return (complex_vec){a.re + b.im, a.im - b.re};
}

/* Back through interferometer `index` on the modes i, i + 1; its part of the gradient. */
INLINE void pass_back(const mesh *m, size_t index, size_t i, returning *r, double *gradient) {
    real by_theta[LANES], by_phi[LANES];
    complex_vec half = turn_at(m, 2 * index, true, false);
    complex_vec outer = turn_at(m, 2 * index + 1, false, false);
    for (size_t part = 0; part < TILE_VECS; part++) {
        complex_vec *f = &r->field[part][i], *d = &r->adjoint[part][i];
        vec slope = cross(upper_arm(d[0], d[1]), upper_arm(f[0], f[1]));
        store(by_theta + part * VEC_LANES, splat((real)0.5) * slope);
        unrotate(half, &f[0], &f[1]);
        unrotate(half, &d[0], &d[1]);
        store(by_phi + part * VEC_LANES, cross(d[0], f[0]));
        f[0] = times_conjugate(f[0], outer);
        d[0] = times_conjugate(d[0], outer);
    }
    gradient[2 * index] += (double)tile_sum(by_theta);
    gradient[2 * index + 1] += (double)tile_sum(by_phi);
}

/* The adjoint of output k from its delta (from the lane on); the gradient of its phase. */
INLINE void detect_back(const mesh *m, size_t k, const real *delta, returning *r,
                        double *gradient) {
    const size_t p = 2 * count_mzis(m->vertex) + k;
    const bool intensity = m->vertex->detect == MGD_DETECT_INTENSITY;
    real by_phase[LANES];
    for (size_t part = 0; part < TILE_VECS; part++) {
        complex_vec field = r->field[part][k], *d = &r->adjoint[part][k];
        vec given = load(delta + part * VEC_LANES);
        if (intensity) {
            given += given;
            *d = (complex_vec){given * field.re, given * field.im};
            continue;
        }
        complex_vec phase = turn_at(m, p, false, false);
        store(by_phase + part * VEC_LANES, -(given * times(field, phase).im));
        *d = (complex_vec){given * phase.re, -(given * phase.im)};
    }
    if (!intensity)
        gradient[p] += (double)tile_sum(by_phase);
}

/* One tile: x, delta and dx from its first lane on. */
static void return_tile(const mesh *m, const real *x, const real *delta, real *dx,
                        double *gradient) {
    const size_t modes = m->vertex->modes, outputs = m->vertex->out.features, width = m->width;
    returning r;
    for (size_t part = 0; part < TILE_VECS; part++) {
        propagate(m, x + part * VEC_LANES, r.field[part], false);
        for (size_t i = outputs; i < modes; i++)
            r.adjoint[part][i] = (complex_vec){splat(0), splat(0)};
    }
    for (size_t k = 0; k < outputs; k++)
        detect_back(m, k, delta + k * width, &r, gradient);
    size_t index = count_mzis(m->vertex);
    for (size_t column = modes; column-- > 0;)
        for (size_t pair = (modes - column % 2) / 2; pair-- > 0;)
            pass_back(m, --index, column % 2 + 2 * pair, &r, gradient);
    for (size_t i = 0; i < m->vertex->in.features; i++)
        for (size_t part = 0; part < TILE_VECS; part++) {
            real *to = dx + i * width + part * VEC_LANES;
            store(to, load(to) + r.adjoint[part][i].re);
        }
}

static void backward(const mgd_op *op, const void *theta, const void *arena, void *deltas,
                     double *gradient, size_t width) {
    const real *x = (const real *)arena + op->x[0] * width;
    real *delta = (real *)deltas + op->y * width, *dx = (real *)deltas + op->x[0] * width;
    turns shared;
    turns_of(&op->vertex, theta, &shared);
    mesh m = {.vertex = &op->vertex, .turns = &shared, .width = width};
    NET_KERNEL(activate_backward)
    (op->activation, (const real *)arena + op->y * width, delta, op->out.features * width);
    for (size_t lane = 0; lane < width; lane += LANES)
        return_tile(&m, x + lane, delta + lane, dx + lane, gradient);
}

const mgd_layer_kernels NET_KERNEL(mzi_mesh) = {.forward = {shared_forward, private_forward},
                                                .backward = backward};
