/* mgd.h: the public C API of mgd-lua.
 *
 * Opaque types, status codes, no Lua. Every fallible function takes a context, returns an
 * mgd_status and leaves its arguments as they were when it fails; the message (what, where, which
 * value, what would be right) is then in the context. Output pointers are written on success only.
 *
 * Letters used for shapes here and everywhere: N samples, B batch, L lanes, R replicas,
 * P parameters, I inputs, O outputs, K target columns, T history rows.
 */
#ifndef MGD_H
#define MGD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MGD_VERSION "0.1.0"

#if defined(__GNUC__)
#define MGD_API __attribute__((visibility("default")))
#else
#define MGD_API
#endif

/* ---- status ---------------------------------------------------------------------------------- */

typedef enum {
    MGD_OK = 0,
    MGD_ERR_ARGUMENT,  /* a value out of range or of the wrong kind */
    MGD_ERR_SHAPE,     /* shapes that do not go together */
    MGD_ERR_MEMORY,    /* the allocator said no */
    MGD_ERR_IO,        /* the operating system said no */
    MGD_ERR_FORMAT,    /* a file that is not what it should be */
    MGD_ERR_NONFINITE, /* a cost that is NaN or infinite */
    MGD_ERR_INTERRUPT, /* mgd_interrupt_request was called */
    MGD_ERR_CALLBACK,  /* a function given by the user failed */
} mgd_status;

#define MGD_MESSAGE_SIZE 512

/* Holds the last failure. One per thread of control; may live on the stack: mgd_context ctx = {0}
 */
typedef struct {
    mgd_status status;
    char message[MGD_MESSAGE_SIZE];
} mgd_context;

MGD_API const char *mgd_version(void);

/* ---- memory, interrupts, clock --------------------------------------------------------------- */

typedef struct {
    size_t live_blocks;
    size_t live_bytes;
    size_t total_blocks; /* ever allocated: constant while a run steps */
} mgd_memory;

MGD_API mgd_memory mgd_memory_stats(void);

/* For tests: from the n-th allocation on (n ≥ 1, counted from this call) every one fails, until
 * called with 0. */
MGD_API void mgd_memory_fail_from(uint64_t n);

/* Asks every operation that runs, on whatever thread, to stop soon, or else the next one; may be
 * called from a signal handler. Each answers once; what begins after an answer is not asked. */
MGD_API void mgd_interrupt_request(void);
MGD_API bool mgd_interrupt_pending(void);
MGD_API void mgd_interrupt_clear(void);

/* Seconds of a monotonic clock with an arbitrary origin. */
MGD_API double mgd_clock(void);

/* ---- tensors --------------------------------------------------------------------------------- */

typedef enum { MGD_F64, MGD_F32, MGD_I32, MGD_U8 } mgd_dtype;
#define MGD_DTYPE_COUNT 4
#define MGD_MAX_DIMS 8

/* A header (shape, strides, offset) over reference-counted storage. A view retains the storage of
 * its base and writes through. Shapes are row-major; a tensor of no dimensions is a scalar. Axes
 * and indices count from 0 here, from 1 in Lua. Headers over one storage belong to one thread. */
typedef struct mgd_tensor mgd_tensor;

MGD_API size_t mgd_dtype_size(mgd_dtype dtype);
MGD_API const char *mgd_dtype_name(mgd_dtype dtype);            /* "f64", … */
MGD_API bool mgd_dtype_parse(const char *name, mgd_dtype *out); /* false when unknown */

/* Zero-filled and contiguous. */
MGD_API mgd_status mgd_tensor_new(mgd_context *ctx, mgd_dtype dtype, size_t ndim,
                                  const size_t *shape, mgd_tensor **out);
/* Another header over the same storage, same shape. */
MGD_API mgd_status mgd_tensor_view(mgd_context *ctx, const mgd_tensor *t, mgd_tensor **out);
/* NULL is fine; the storage goes with its last header. */
MGD_API void mgd_tensor_free(mgd_tensor *t);

MGD_API mgd_dtype mgd_tensor_dtype(const mgd_tensor *t);
MGD_API size_t mgd_tensor_ndim(const mgd_tensor *t);
MGD_API size_t mgd_tensor_size(const mgd_tensor *t);              /* number of elements */
MGD_API const size_t *mgd_tensor_shape(const mgd_tensor *t);      /* ndim entries */
MGD_API const ptrdiff_t *mgd_tensor_strides(const mgd_tensor *t); /* in elements */
MGD_API void *mgd_tensor_data(const mgd_tensor *t);               /* its first element */
MGD_API bool mgd_tensor_contiguous(const mgd_tensor *t);
MGD_API bool mgd_tensor_shared(const mgd_tensor *t); /* another header holds the same storage */
MGD_API size_t mgd_tensor_storage_bytes(const mgd_tensor *t);

/* -- values -- */

/* `out` is a fresh contiguous tensor of type `dtype` with the same values (rounded to nearest even
 * and range-checked for the integer types: a value that does not fit is an error). */
MGD_API mgd_status mgd_tensor_convert(mgd_context *ctx, const mgd_tensor *t, mgd_dtype dtype,
                                      mgd_tensor **out);
/* One element; `index` has one entry, in range, per dimension. Writing follows mgd_tensor_copy. */
MGD_API double mgd_tensor_get(const mgd_tensor *t, const size_t *index);
MGD_API mgd_status mgd_tensor_set(mgd_context *ctx, mgd_tensor *t, const size_t *index,
                                  double value);
/* Writes `source`, broadcast to the shape of `t`, into `t`. The two may overlap. An integer tensor
 * takes integers in range only: nothing is rounded silently. */
MGD_API mgd_status mgd_tensor_copy(mgd_context *ctx, mgd_tensor *t, const mgd_tensor *source);
MGD_API mgd_status mgd_tensor_fill(mgd_context *ctx, mgd_tensor *t, double value);

/* `value` everywhere. */
MGD_API mgd_status mgd_tensor_full(mgd_context *ctx, mgd_dtype dtype, size_t ndim,
                                   const size_t *shape, double value, mgd_tensor **out);
/* first + i * step for i = 0 … n − 1. */
MGD_API mgd_status mgd_tensor_arange(mgd_context *ctx, mgd_dtype dtype, double first, double step,
                                     size_t n, mgd_tensor **out);
/* n values from `first` to `last`, both met exactly. */
MGD_API mgd_status mgd_tensor_linspace(mgd_context *ctx, mgd_dtype dtype, double first, double last,
                                       size_t n, mgd_tensor **out);
MGD_API mgd_status mgd_tensor_eye(mgd_context *ctx, mgd_dtype dtype, size_t n, mgd_tensor **out);
/* Uniform on the open interval (0, 1), or standard normal; f64 or f32. The element at row-major
 * position e depends on the seed and on e alone, so both types hold the same values up to
 * rounding, and a longer tensor begins with the values of a shorter one. */
MGD_API mgd_status mgd_tensor_rand(mgd_context *ctx, mgd_dtype dtype, size_t ndim,
                                   const size_t *shape, uint64_t seed, mgd_tensor **out);
MGD_API mgd_status mgd_tensor_randn(mgd_context *ctx, mgd_dtype dtype, size_t ndim,
                                    const size_t *shape, uint64_t seed, mgd_tensor **out);

/* -- views -- */

/* Entry `index` along `axis`; the axis goes. */
MGD_API mgd_status mgd_tensor_select(mgd_context *ctx, const mgd_tensor *t, size_t axis,
                                     size_t index, mgd_tensor **out);
/* Entries start, start + step, … along `axis`, `count` of them; `step` may be negative. */
MGD_API mgd_status mgd_tensor_slice(mgd_context *ctx, const mgd_tensor *t, size_t axis,
                                    size_t start, size_t count, ptrdiff_t step, mgd_tensor **out);
/* Dimension i of `out` is dimension axes[i] of `t`; NULL reverses all of them. */
MGD_API mgd_status mgd_tensor_transpose(mgd_context *ctx, const mgd_tensor *t, const size_t *axes,
                                        mgd_tensor **out);
/* The same elements in row-major order under another shape: a view when `t` is contiguous, else a
 * fresh tensor. One entry may be MGD_INFER: what the others leave. */
#define MGD_INFER ((size_t)-1)
MGD_API mgd_status mgd_tensor_reshape(mgd_context *ctx, const mgd_tensor *t, size_t ndim,
                                      const size_t *shape, mgd_tensor **out);

/* -- arithmetic -- */

typedef enum {
    MGD_ADD,
    MGD_SUB,
    MGD_MUL,
    MGD_DIV,
    MGD_POW,
    MGD_MINIMUM, /* NaN wins */
    MGD_MAXIMUM,
    MGD_BINARY_COUNT
} mgd_binary;

typedef enum {
    MGD_NEG,
    MGD_ABS,
    MGD_SIGN,
    MGD_FLOOR,
    MGD_EXP,
    MGD_LOG,
    MGD_SQRT,
    MGD_TANH,
    MGD_SIGMOID,
    MGD_SIN,
    MGD_COS,
    MGD_UNARY_COUNT
} mgd_unary;

MGD_API const char *mgd_binary_name(mgd_binary op); /* "add", … */
MGD_API const char *mgd_unary_name(mgd_unary op);   /* "neg", … */

/* The type of `a op b` for tensors. One type is kept; mixed types are promoted to the smaller type
 * that holds both exactly: u8 < i32 < f64, u8 < f32 < f64, and i32 with f32 makes f64. Integer
 * tensors give f64 under div and pow. */
MGD_API mgd_dtype mgd_binary_dtype(mgd_binary op, mgd_dtype a, mgd_dtype b);

/* Elementwise, broadcast: shapes are aligned at their last dimension, and a dimension of 1 or a
 * missing one repeats. Values are computed in double and rounded once to the type of the result,
 * which for f32 gives the same + − × ÷ √ as f32 arithmetic; a result that an integer type cannot
 * hold is an error, never wrapped. */
MGD_API mgd_status mgd_tensor_binary(mgd_context *ctx, mgd_binary op, const mgd_tensor *a,
                                     const mgd_tensor *b, mgd_tensor **out);
/* t op value, or value op t when `number_first`. A number takes the type of the tensor, except that
 * an integer tensor with a number that is no integer gives f64. */
MGD_API mgd_status mgd_tensor_binary_number(mgd_context *ctx, mgd_binary op, const mgd_tensor *t,
                                            double value, bool number_first, mgd_tensor **out);
/* neg, abs, sign and floor keep the type; the others give f64 for integer tensors. */
MGD_API mgd_status mgd_tensor_unary(mgd_context *ctx, mgd_unary op, const mgd_tensor *t,
                                    mgd_tensor **out);

/* In place: t := t op b, t := op(t). Only `b` is broadcast; it may overlap `t`. These do not answer
 * an interrupt, so that `t` is never left half done. */
MGD_API mgd_status mgd_tensor_update(mgd_context *ctx, mgd_binary op, mgd_tensor *t,
                                     const mgd_tensor *b);
MGD_API mgd_status mgd_tensor_update_number(mgd_context *ctx, mgd_binary op, mgd_tensor *t,
                                            double value);
MGD_API mgd_status mgd_tensor_apply(mgd_context *ctx, mgd_unary op, mgd_tensor *t);

/* (M, K) × (K, N), (M, K) × (K) or (K) × (K, N). Each element is summed over k in natural order, in
 * f32 when the result is f32 and in f64 otherwise. */
MGD_API mgd_status mgd_tensor_matmul(mgd_context *ctx, const mgd_tensor *a, const mgd_tensor *b,
                                     mgd_tensor **out);
/* Σ a·b over all elements of two tensors of one shape. */
MGD_API mgd_status mgd_tensor_dot(mgd_context *ctx, const mgd_tensor *a, const mgd_tensor *b,
                                  double *out);

/* -- reductions -- */

typedef enum {
    MGD_SUM,
    MGD_MEAN,
    MGD_VAR,  /* Σ (x − mean)² / (n − ddof) */
    MGD_STD,  /* √var */
    MGD_NORM, /* √Σ x², without overflow */
    MGD_MIN,  /* NaN when any element is NaN, and so for the next three: the first NaN wins */
    MGD_MAX,
    MGD_ARGMIN, /* row-major position, from 0, of the first smallest element */
    MGD_ARGMAX,
    MGD_REDUCTION_COUNT
} mgd_reduction;

MGD_API const char *mgd_reduction_name(mgd_reduction op); /* "sum", … */

/* Over all elements. Sums are made in double along a tree that depends on the number of elements
 * alone. `ddof` serves var and std. No elements: sum and norm are 0, the others fail. */
MGD_API mgd_status mgd_tensor_reduce(mgd_context *ctx, mgd_reduction op, const mgd_tensor *t,
                                     size_t ddof, double *out);
/* Along one axis, which goes. min and max keep the type, argmin and argmax give i32, the others f32
 * for f32 and f64 for the rest. */
MGD_API mgd_status mgd_tensor_reduce_axis(mgd_context *ctx, mgd_reduction op, const mgd_tensor *t,
                                          size_t axis, size_t ddof, mgd_tensor **out);

/* Whether |a − b| ≤ atol + rtol |b| everywhere; NaN is close to nothing, an infinity to its like.
 * `b` is a scalar or has the shape of `a`; other shapes are never close. */
MGD_API mgd_status mgd_tensor_allclose(mgd_context *ctx, const mgd_tensor *a, const mgd_tensor *b,
                                       double rtol, double atol, bool *out);
MGD_API mgd_status mgd_tensor_allclose_number(mgd_context *ctx, const mgd_tensor *a, double value,
                                              double rtol, double atol, bool *out);

/* -- NumPy files -- */

/* Format version 1.0, C order, this machine's byte order; through a temporary file beside `path`
 * and a rename, so that a failure leaves an older file as it was. */
MGD_API mgd_status mgd_tensor_save(mgd_context *ctx, const mgd_tensor *t, const char *path);
/* Versions 1.0 to 3.0, either byte order, C or Fortran order (made row-major). f8, f4, i4 and u1
 * are read as they are; f2 becomes f32, bool u8, the other integers i32, or f64 where a value does
 * not fit i32 (an error where it does not fit f64 exactly either). */
MGD_API mgd_status mgd_tensor_load(mgd_context *ctx, const char *path, mgd_tensor **out);

/* -- checkpoint files -- */

/* A checkpoint file: a text of the caller's, which says what the tensors are, and named tensors.
 *
 * Writing replaces `path` whole or not at all, through a temporary file in the same folder, and
 * ends when the bytes are on the disk. Names have 1 to 255 bytes. */
MGD_API mgd_status mgd_checkpoint_write(mgd_context *ctx, const char *path, const char *text,
                                        size_t text_length, size_t count, const char *const *names,
                                        const mgd_tensor *const *tensors);

/* What a checkpoint file holds. Nothing is handed out before magic, version, every length and the
 * checksum have been found right; all else is MGD_ERR_FORMAT. */
typedef struct mgd_checkpoint mgd_checkpoint;

MGD_API mgd_status mgd_checkpoint_read(mgd_context *ctx, const char *path, mgd_checkpoint **out);
MGD_API void mgd_checkpoint_free(mgd_checkpoint *checkpoint);
MGD_API const char *mgd_checkpoint_text(const mgd_checkpoint *checkpoint, size_t *length);
MGD_API size_t mgd_checkpoint_count(const mgd_checkpoint *checkpoint);
MGD_API const char *mgd_checkpoint_name(const mgd_checkpoint *checkpoint, size_t i);
/* Contiguous; the checkpoint's own: to keep it, take a view. */
MGD_API const mgd_tensor *mgd_checkpoint_tensor(const mgd_checkpoint *checkpoint, size_t i);

/* ---- networks -------------------------------------------------------------------------------- */

typedef struct mgd_net mgd_net;

typedef enum {
    MGD_LAYER_DENSE, /* y = W·x + b */
    MGD_LAYER_IDENTITY,
    MGD_LAYER_SIGMOID, /* 1 / (1 + e^−x) */
    MGD_LAYER_TANH,
    MGD_LAYER_RELU,      /* max(x, 0) */
    MGD_LAYER_SOFTPLUS,  /* log(1 + e^x) */
    MGD_LAYER_CONV2D,    /* cross-correlation over (C, H, W), zeros around the image */
    MGD_LAYER_MAXPOOL2D, /* largest of each window; a NaN wins */
    MGD_LAYER_AVGPOOL2D, /* mean of each window, of the pixels that lie in the image */
    MGD_LAYER_AFFINE,    /* y = s·x + b, a pair for each channel */
    MGD_LAYER_RESHAPE,   /* another shape of the same features, in the same order */
    MGD_LAYER_ADD,       /* sum of two values of one shape */
    MGD_LAYER_CONCAT,    /* values one after the other along the first dimension */
    MGD_LAYER_MZI_MESH,  /* a unitary of Mach-Zehnder interferometers, and detectors */
    MGD_LAYER_ELMAN,     /* h_t = act(Wx·x_t + Wh·h_{t−1} + b) along a sequence, h_0 = 0 */
    MGD_LAYER_SSM,       /* s_t = A·s_{t−1} + B·u_t, s_0 = 0 */
    MGD_LAYER_CENTRE,    /* y = x − μ, one for each channel */
} mgd_layer_kind;
#define MGD_LAYER_COUNT 17

/* What a mesh's detectors give of the field E of a mode: |E|², or Re(e^iα·E), α a parameter. */
typedef enum { MGD_DETECT_INTENSITY, MGD_DETECT_FIELD } mgd_detect;
#define MGD_MESH_MODES 64 /* at most */

/* A layer. Layers form a graph: value 0 is the input of the network, value i the output of the
 * i-th layer (from 1); each layer takes the values named by `sources`, all of them earlier. The
 * last layer gives the output of the network. */
typedef struct {
    mgd_layer_kind kind;
    size_t outputs; /* dense: outputs O; conv2d: channels; mzi_mesh: detected modes K; elman, ssm:
                     * states H */
    size_t kernel[2], stride[2], padding[2]; /* conv2d and pools: height, width */
    size_t ndim, shape[MGD_MAX_DIMS];        /* reshape; ndim 0: flat */
    size_t modes;                            /* mzi_mesh: N */
    mgd_detect detect;                       /* mzi_mesh */
    mgd_layer_kind cell;                     /* elman: its activation, tanh, relu or sigmoid */
    bool every;                              /* elman, ssm: all states are its output */
    bool drawn;  /* ssm: A and B by the scheme of mgd_net_init, as weights; else HiPPO-LegS … */
    double step; /* … of this step; 0: one over the length of the sequence */
    bool each_step; /* acts on each step of a sequence (T, …) alone, with one set of parameters */
    size_t num_sources; /* 0: the output of the layer before */
    const size_t *sources;
    const char *name; /* how messages call it; NULL: "layer N" */
} mgd_layer;

MGD_API const char *mgd_layer_name(mgd_layer_kind kind);
/* "intensity", "field"; NULL beyond the last. */
MGD_API const char *mgd_detect_name(unsigned detect);

/* A network of `dtype` f32 or f64, all parameters zero, for inputs of the given shape. Dense layers
 * take any shape, flattened; conv2d and pools take (C, H, W). Windows start every `stride` pixels
 * and lie within the padded image. Flat parameter layout θ (P), layer by layer: of dense the
 * weights (O × I, row-major), of conv2d (O × C × kernel height × kernel width), then the biases
 * (O); of affine the scales, then the shifts; of centre μ; of mzi_mesh θ and φ of its N(N − 1)/2
 * interferometers, column by column from top to bottom, then, where it detects fields, the phases α
 * (K). A mesh takes at most N features, the real amplitudes of its first modes.
 *
 * elman and ssm take sequences (T, F), or (T) of one feature, and give the last state (H) or all
 * (T, H). Their parameters: the weights of the input (H × F), those of the state (H × H), and of
 * elman the biases (H). */
MGD_API mgd_status mgd_net_new(mgd_context *ctx, mgd_dtype dtype, size_t input_ndim,
                               const size_t *input_shape, size_t num_layers,
                               const mgd_layer *layers, mgd_net **out);
MGD_API void mgd_net_free(mgd_net *net);
MGD_API mgd_dtype mgd_net_dtype(const mgd_net *net);
MGD_API size_t mgd_net_num_parameters(const mgd_net *net);
MGD_API size_t mgd_net_inputs(const mgd_net *net);
/* Of the inputs, those that are read: later layers may drop rows and columns of an image. */
MGD_API size_t mgd_net_inputs_read(const mgd_net *net);
MGD_API size_t mgd_net_outputs(const mgd_net *net);

/* Sets μ of every centre layer to the mean of what reaches it, over the samples of x (B, …), pixels
 * and steps; layer after layer, so that later ones see what earlier ones give. */
MGD_API mgd_status mgd_net_centre(mgd_context *ctx, mgd_net *net, const mgd_tensor *x);

/* What a network is compiled to: a list of kernel calls over one arena, in which activations take
 * the place of those that are not needed any more. Figures are for one sample. */
typedef struct {
    char kernel[64];                  /* "conv2d 3×3 + relu + maxpool2d 2×2" */
    size_t ndim, shape[MGD_MAX_DIMS]; /* of its output */
    size_t first, parameters;         /* where its parameters start in θ, and how many they are */
    double flop;        /* a multiply-add is two; windows that no one reads are not computed */
    size_t activations; /* values that it reads and writes */
    size_t offset;      /* of its output in the arena, in values */
} mgd_plan_entry;

MGD_API size_t mgd_net_plan_size(const mgd_net *net);
MGD_API mgd_plan_entry mgd_net_plan_entry(const mgd_net *net, size_t i);
MGD_API size_t mgd_net_plan_arena(const mgd_net *net); /* values of one lane */

/* A layer that has parameters. */
typedef struct {
    mgd_layer_kind kind;
    size_t layer;             /* which of the layers that mgd_net_new got it is, from 0 */
    size_t first, parameters; /* where its parameters start in θ, and how many they are */
    size_t nodes;             /* of its nodes, those that node perturbation can move; … */
    size_t dead;              /* … and those on which no output depends: later layers drop them */
} mgd_part_entry;

/* The layers that have parameters, in the order of θ. */
MGD_API size_t mgd_net_num_parts(const mgd_net *net);
MGD_API mgd_part_entry mgd_net_part(const mgd_net *net, size_t i);

/* Where the parameters of a matrix stand in an array of synapses: what row i multiplies input j
 * with is parameter first + i·columns + j. */
typedef enum {
    MGD_MATRIX_FIRST,  /* weights: an array of their own */
    MGD_MATRIX_BESIDE, /* of a state: more columns of the array before, with the same rows */
    MGD_MATRIX_BIASES  /* its last column, whose input is constant */
} mgd_matrix_place;

typedef struct {
    size_t first, rows, columns;
    mgd_matrix_place place;
} mgd_matrix;

#define MGD_LAYER_MATRICES 3 /* that a layer has at most */

/* The matrices among the parameters, in the order of θ, into `out` unless it is NULL: rows are
 * outputs or filters, columns what they read. Returns how many there are. Parameters of affine
 * layers and of meshes are in none. */
MGD_API size_t mgd_net_matrices(const mgd_net *net, mgd_matrix *out);

/* Times each call of the plan: seconds[i] of the i-th for `tiles` tiles of lanes side by side, with
 * parameters shared by the lanes or private to each; the median of `rounds` passes. *lanes: how
 * many samples that were. */
MGD_API mgd_status mgd_net_plan_time(mgd_context *ctx, const mgd_net *net, size_t tiles,
                                     bool private_parameters, size_t rounds, double *seconds,
                                     size_t *lanes);

typedef enum {
    MGD_INIT_ZEROS,
    MGD_INIT_UNIFORM,        /* every parameter uniform in (low, high) */
    MGD_INIT_NORMAL,         /* every parameter normal, mean, std */
    MGD_INIT_GLOROT_UNIFORM, /* weights uniform in ±√(6 / (I + O)), biases 0 (Glorot, Bengio 2010)
                              * I: inputs of one output, O: outputs of one input (conv2d: channels
                              * times kernel; elman: F + H and H); the scales of affine are 1 under
                              * this and the next, the phases of mzi_mesh uniform in ±π under these
                              * four. An ssm that is not drawn is HiPPO-LegS under all seven. */
    MGD_INIT_GLOROT_NORMAL,  /* weights normal, std √(2 / (I + O)), biases 0 */
    MGD_INIT_HE_UNIFORM,     /* weights uniform in ±√(6 / I), biases 0 (He et al. 2015) */
    MGD_INIT_HE_NORMAL,      /* weights normal, std √(2 / I), biases 0 */
} mgd_init_scheme;

/* "zeros", "uniform", …; NULL beyond the last. */
MGD_API const char *mgd_init_name(unsigned scheme);

typedef struct {
    mgd_init_scheme scheme;
    double low, high; /* uniform */
    double mean, std; /* normal */
    uint64_t seed;
    uint64_t replica; /* ≥ 1: each replica draws its own */
} mgd_init;

MGD_API mgd_status mgd_net_init(mgd_context *ctx, mgd_net *net, const mgd_init *init);

/* A copy of θ, shape (P), of the network's dtype; and back, from any floating dtype. */
MGD_API mgd_status mgd_net_theta(mgd_context *ctx, const mgd_net *net, mgd_tensor **out);
MGD_API mgd_status mgd_net_set_theta(mgd_context *ctx, mgd_net *net, const mgd_tensor *theta);

/* (B, …) → (B, O), or (B, T, K) where the output is a sequence (T, K); of the network's dtype. */
MGD_API mgd_status mgd_net_forward(mgd_context *ctx, const mgd_net *net, const mgd_tensor *x,
                                   mgd_tensor **y);

/* ---- costs ----------------------------------------------------------------------------------- */

typedef enum {
    MGD_COST_MSE,           /* mean over outputs of (y − ŷ)² */
    MGD_COST_CROSS_ENTROPY, /* −Σ ŷ'·log softmax(y), ŷ' = (1 − s)·ŷ + s/K */
    MGD_COST_L2,            /* ‖y − ŷ‖ */
    MGD_COST_FUNCTION,      /* the user's own */
} mgd_cost_kind;

/* "mse", "cross_entropy", …; NULL for functions and beyond them. */
MGD_API const char *mgd_cost_name(unsigned kind);

/* The cost of a batch is the mean over its samples, in double precision; where targets are (B, T,
 * K), an answer for every step, that of a sample is the mean over its steps, and so is its
 * accuracy. A function gets the outputs (B, O) and targets (B, K), or both (B, T, K), and stores
 * the cost of the batch. */
typedef mgd_status mgd_cost_function(void *user, mgd_context *ctx, const mgd_tensor *y,
                                     const mgd_tensor *target, double *cost);

typedef struct {
    mgd_cost_kind kind;
    double label_smoothing; /* s in [0, 1); cross_entropy only */
    mgd_cost_function *function;
    void *user;
} mgd_cost;

/* The reference gradient ∂C/∂θ (P) by back-propagation, and the cost itself when not NULL. */
MGD_API mgd_status mgd_net_gradient(mgd_context *ctx, const mgd_net *net, const mgd_tensor *x,
                                    const mgd_tensor *target, const mgd_cost *cost,
                                    mgd_tensor **gradient, double *value);

/* ---- hardware models ------------------------------------------------------------------------- */

/* What happens to a value. Device-to-device (d2d) draws are made once for each device and replica,
 * from the seed of the chip. docs/physics has each with its equation, units and source. */
typedef enum {
    MGD_HW_AFFINE,    /* v·(gain + gain_spread·z) + offset + offset_spread·z' */
    MGD_HW_SHIFT,     /* (v − offset − offset_spread·z)·(gain + gain_spread·z') */
    MGD_HW_ASYMMETRY, /* v·(1 ± strength/2), + where v > 0; strength_spread d2d */
    MGD_HW_QUANTISE,  /* to offset + k·step, k from low to high; stochastic: up with the chance of
                       * what is left over */
    MGD_HW_LEVELS,    /* to the nearest entry of a rising table */
    MGD_HW_CLAMP,     /* to [low, high] */
    MGD_HW_COMPRESS,  /* v/(1 + strength·|v|) */
    MGD_HW_SATURATE,  /* strength·tanh(v/strength) */
    MGD_HW_NOISE,     /* v + σ(v)·z, drawn at every evaluation (or write): see mgd_hw_noise */
    MGD_HW_PROGRAM, /* conductances g → max(m(g) + σ(m)·z, 0) at every write, each device of a pair
                     * by itself; σ: a law of conductances but pcm_read; m(g): see table */
    MGD_HW_FLICKER, /* v + `poles` relaxations between f_low and f_high, together of rms sigma */
    MGD_HW_DRIFT, /* conductances times (t/t0)^−ν since their programming, ν = |mean + sd·z| */
    MGD_HW_LEAK,  /* offset + (v − offset)·e^(−t/τ_i), τ_i = tau·(1 + tau_spread·z) */
    MGD_HW_DIFFUSION, /* v + sigma·√t·z while time passes */
    MGD_HW_STUCK,     /* shares fraction[0 … 2] of the devices stand at low, at high, anywhere */
    MGD_HW_IR_DROP, /* voltage lost on the wires of an array, strength: the resistance of a segment
                     * over that of a device at mapping.g_max; see docs/physics/wires.md */
    MGD_HW_NODAL,   /* the same by solving the circuit of wires and devices */
    MGD_HW_CROSSTALK, /* v_i + strength·(v_{i−1} + v_{i+1}) along a line */
    MGD_HW_LOW_PASS,  /* `poles` poles of time constant tau */
    MGD_HW_HIGH_PASS, /* one pole of time constant tau */
    MGD_HW_RINGING,   /* second order: frequency f0, damping ζ */
    MGD_HW_DELAY,     /* by tau seconds */
    MGD_HW_SLEW,      /* moves at most strength each second */
    MGD_HW_FUNCTION,  /* what the user's function makes of it */
    MGD_HW_KIND_COUNT
} mgd_hw_kind;

/* Where it happens. */
typedef enum {
    MGD_HW_AT_INPUT,        /* features of a sample, on their way to the network */
    MGD_HW_AT_NEURON,       /* what enters an activation, … */
    MGD_HW_AT_ACTIVATION,   /* … and what leaves it */
    MGD_HW_AT_OUTPUT,       /* the network's outputs, on their way to the cost */
    MGD_HW_AT_COST,         /* the cost, on its way to the parameters */
    MGD_HW_AT_PERTURBATION, /* θ̃ */
    MGD_HW_AT_MEMORY,       /* θ while time passes */
    MGD_HW_AT_WEIGHT,       /* θ as it is read, before the perturbation is added, … */
    MGD_HW_AT_DRIVE,        /* … and the sum of both */
    MGD_HW_AT_CHANGE,       /* the change of θ that is asked for */
    MGD_HW_AT_WRITE,        /* θ when it has been written */
    MGD_HW_AT_PRODUCT, /* weights at the multipliers, behind all else: MGD_HW_NOISE alone, drawn
                        * anew for every sample. Of layers that are sums of products the sums'
                        * noise is drawn, for each output, and not each weight's */
    MGD_HW_PLACE_COUNT
} mgd_hw_place;

/* σ of MGD_HW_NOISE and MGD_HW_PROGRAM. Of conductances: σ(g) in the unit of g. */
typedef enum {
    MGD_HW_NOISE_ADDITIVE,     /* sigma */
    MGD_HW_NOISE_PROPORTIONAL, /* sigma·|v| */
    MGD_HW_NOISE_INVERSE,      /* sigma·scale/|v|, |v| not below scale/100 */
    MGD_HW_NOISE_POLYNOMIAL, /* max(c0 + c1·r + c2·r², 0), r = g/g_max; g within g_min … g_max */
    MGD_HW_NOISE_LINEAR,     /* max(c0 + c1·g, 0), likewise */
    MGD_HW_NOISE_EXPONENTIAL, /* c0·(1 − e^(−g/c1)) */
    MGD_HW_NOISE_PCM_READ, /* g·Q·√(ln((t + t_r)/(2·t_r))), Q = min(c0/r^0.65, c1), t_r = c2; r of
                            * the device as it was programmed */
    MGD_HW_NOISE_COUNT
} mgd_hw_noise;

/* "affine", "weight", "pcm_read"; "unknown" of what there is not. */
MGD_API const char *mgd_hw_kind_name(mgd_hw_kind kind);
MGD_API const char *mgd_hw_place_name(mgd_hw_place place);
MGD_API const char *mgd_hw_noise_name(mgd_hw_noise noise);

/* How weights are conductances: single g = g_min + per_weight·(w − w_min); differential g⁺, g⁻ =
 * g_min + per_weight·max(±w, 0), w = (g⁺ − g⁻)/per_weight. */
typedef struct {
    bool differential;
    double g_min, g_max, w_min, per_weight;
    double averaging; /* σ is this many times that of one device: 1/√N of N in parallel */
} mgd_hw_mapping;

/* L values in n sites: values (L, n), f64; returns as many. */
typedef struct {
    const uint64_t *replica; /* (L) */
    size_t lanes, sites;
    uint64_t step; /* engine step */
    double time;   /* seconds since the chip was made */
    double dt;     /* how long the values have been held, s */
    bool still;    /* asked by a probe: without noise, settled */
    /* (L, n) standard normal or uniform on (0, 1), the k-th of this event */
    mgd_status (*draw)(mgd_context *ctx, const void *event, bool uniform, uint64_t k,
                       mgd_tensor **out);
    const void *event;
    size_t device; /* the replica's place among those of the run, from 0, where there is one; … */
    size_t chain;  /* … and which of the chip's places this is */
} mgd_hw_event;
typedef mgd_status mgd_hw_function(void *user, mgd_context *ctx, const mgd_tensor *values,
                                   const mgd_hw_event *event, mgd_tensor **out);

typedef struct {
    mgd_hw_kind kind;
    mgd_hw_place place;
    char stream[64]; /* names its random draws: unlike in one chip */
    /* A function with a memory is called once for each replica and evaluation, its lanes being the
     * samples shown, in order. `keep` (or NULL) is called before a request that may fail, for what
     * a replica remembers to be put aside, and with `undo` when it has failed. */
    bool memory;
    mgd_status (*keep)(void *user, mgd_context *ctx, size_t device, bool undo);
    double gain, gain_spread, offset, offset_spread;
    double low, high, step;
    bool stochastic;
    /* quantise: 1: values are scaled so that the largest |v| is the highest level; 2: halved until
     * none exceeds it; and scaled back */
    size_t management;
    double strength, strength_spread, scale;
    mgd_hw_noise noise;
    bool uniform; /* noise: ±√3·σ, evenly */
    double sigma, c[3];
    mgd_hw_mapping mapping;
    double tau, tau_spread, frequency, damping, f_low, f_high;
    size_t poles;
    double t0, nu, nu_spread; /* drift; spread absolute */
    bool pcm_nu;              /* ν of the PCM law, from r */
    size_t compensation;      /* drift: 0 none, 1 one factor, 2 one for each line */
    double fraction[3];
    /* levels: (m); drift: (m × 3) g, mean of ν, its spread; programming: (m) coefficients of the
     * polynomial m(g) − g, that of g_max where g is larger. Copied. */
    const double *table;
    size_t table_size; /* numbers in it */
    mgd_hw_function *function;
    void *user;
} mgd_hw_model;

/* The fields of a model, a law and an update by name, for those who fill them in from texts. Not
 * among them are pointers, enumerators, and structures but for `mapping`. */
typedef enum {
    MGD_HW_NUMBER,
    MGD_HW_SIZE,
    MGD_HW_FLAG
} mgd_hw_field_type; /* double, size_t, bool */
typedef enum {
    MGD_HW_ANY,          /* a number, infinite ones too */
    MGD_HW_FINITE,       /* a finite number */
    MGD_HW_NOT_NEGATIVE, /* from 0 on */
    MGD_HW_SHARE,        /* from 0 to 1 */
    MGD_HW_CHOICE,       /* 0, 1 or 2 */
} mgd_hw_range;
typedef struct {
    const char *name; /* "tau"; "mapping.g_min" of the structure `mapping` */
    mgd_hw_field_type type;
    size_t offset, count; /* so many of them, one behind the other */
    mgd_hw_range range;
} mgd_hw_field;
MGD_API const mgd_hw_field *mgd_hw_model_fields(size_t *count);
MGD_API const mgd_hw_field *mgd_hw_law_fields(size_t *count);
MGD_API const mgd_hw_field *mgd_hw_update_fields(size_t *count);

/* The law by which one programming pulse changes a weight. Δ is dw_min, β is up_down,
 * R = w_max − w_min:
 *
 *   constant     up Δ(1 + β), down −Δ(1 − β), clipped to [w_min, w_max]
 *   linear       the same times max(0, 1 + gamma_up·w) or max(0, 1 + gamma_down·w), clipped
 *   soft bounds  up Δ(1 + β)(1 − w/w_max), down −Δ(1 − β)(1 − w/w_min); w_min < 0 < w_max
 *   exponential  up Δ(1 + β)·max(0, 1 − amplitude_up·e^(gamma_up·z)),
 *                down −Δ(1 − β)·max(0, 1 − amplitude_down·e^(−gamma_down·z)), clipped;
 *                z = 2·a·w/R + b
 *   power        up Δ(1 + β)((w_max − w)/R)^gamma_up, down −Δ(1 − β)((w − w_min)/R)^gamma_down
 *   LTP/LTD      one pulse along w(p) = w_min + R(1 − e^(−ν·p/N))/(1 − e^(−ν)), ν being
 *                nonlinearity_up and N levels, or down along its mirror image with
 *                nonlinearity_down; clipped
 *   table        one pulse along the measured curve, interpolated: `up` rises, `down` falls
 *
 * Sources: Gokmen and Vlasov, Front. Neurosci. 10, 333 (2016), constant; Fusi and Abbott, Nat.
 * Neurosci. 10, 485 (2007), soft bounds; Rasch et al., AICAS 2021 (aihwkit), linear, exponential,
 * power; Chen, Peng and Yu, IEEE TCAD 37, 3067 (2018) (NeuroSim), LTP/LTD. */
typedef enum {
    MGD_HW_LAW_CONSTANT,
    MGD_HW_LAW_LINEAR,
    MGD_HW_LAW_SOFT_BOUNDS,
    MGD_HW_LAW_EXPONENTIAL,
    MGD_HW_LAW_POWER,
    MGD_HW_LAW_LTP_LTD,
    MGD_HW_LAW_TABLE,
    MGD_HW_LAW_IDEAL, /* no pulses: the change that is asked for */
    MGD_HW_LAW_COUNT
} mgd_hw_law_kind;

MGD_API const char *mgd_hw_law_name(mgd_hw_law_kind kind); /* "constant", "soft_bounds", … */

/* The numbers of a law. dw_min, w_min, w_max: weight units; up_down: steps up are 1 + this, down
 * 1 − this, or, one-sided, 1 + min(this, 0) and 1 − max(this, 0); up, down: of a table, weights
 * after 0, 1, 2 … pulses, the caller's. */
#define MGD_HW_LAW_NUMBERS                                                                         \
    double dw_min, up_down, w_min, w_max;                                                          \
    double gamma_up, gamma_down, amplitude_up, amplitude_down, a, b;                               \
    double levels, nonlinearity_up, nonlinearity_down;                                             \
    const double *up, *down;                                                                       \
    size_t up_size, down_size;                                                                     \
    bool one_sided;

typedef struct {
    mgd_hw_law_kind kind;
    MGD_HW_LAW_NUMBERS
} mgd_hw_law;

/* The change of a weight w by one pulse up (direction > 0) or down; 0 of the ideal law. */
MGD_API double mgd_hw_law_step(const mgd_hw_law *law, double w, int direction);

/* The numbers of a law by name: "dw_min", "up_down", …, in the order of the structure. */
#define MGD_HW_PARAMETERS 13
MGD_API const char *mgd_hw_parameter_name(size_t i);
MGD_API bool mgd_hw_parameter_used(mgd_hw_law_kind kind, size_t i);
MGD_API double mgd_hw_parameter_get(const mgd_hw_law *law, size_t i);
MGD_API void mgd_hw_parameter_set(mgd_hw_law *law, size_t i, double value);

/* How parameters are written: the law, how devices spread around it, and what decides whether a
 * device is written. */
typedef struct {
    union { /* the law, as a whole or by its fields; its curves are copied */
        mgd_hw_law as_law;
        struct {
            mgd_hw_law_kind law;
            MGD_HW_LAW_NUMBERS
        };
    };
    char stream[64];
    double resolution; /* ideal: changes are multiples of it; 0: any. Rounded as pulses are */
    double threshold;  /* smaller changes are not written */
    double interval;   /* seconds that pass between two writes of a device, at least */
    bool accumulate;   /* what is not written is kept and added to the next change */
    double endurance, endurance_spread; /* writes until a device stands still; 0: no end */
    double sigma, proportional;         /* noise of a write: absolute, and of the change */
    /* pulses: spreads of dw_min and of the bounds as fractions, of the others absolute. One-sided,
     * that of up_down is one of both steps, up_down_d2d·dw_min·z */
    double dw_min_d2d, up_down_d2d, w_min_d2d, w_max_d2d, gamma_up_d2d, gamma_down_d2d;
    bool dw_min_lognormal; /* dw_min·e^(dw_min_d2d·z) */
    bool fold;             /* what a spread would turn round keeps its sign and its size */
    /* noise of a pulse: c2c·(its step + c2c_add + c2c_slope·|w|), where c2c_of_full c2c·(the step
     * where nothing limits it); the two others with laws that are not affine in w alone */
    double c2c, c2c_add, c2c_slope;
    bool c2c_of_full;
    double write_noise; /* of what is read from a write to the next; what is stored has none */
    double reference, reference_d2d; /* w is the device's weight less this, … */
    bool subtract_symmetry;          /* … and less where steps up and down are equal */
    /* w is the difference of two devices that pulses raise alone, from 0 on (w_min). When the one
     * exceeds refresh_upper·w_max and the other refresh_lower·w_max, both are set to reset +
     * reset_d2d·z + reset_noise·z', and the difference is written anew by pulses. */
    bool pair;
    double refresh_upper, refresh_lower, reset, reset_d2d, reset_noise;
    double nominal;    /* step that a controller reckons with; 0: dw_min */
    size_t max_pulses; /* of one write */
    bool stochastic;   /* of a fraction of a pulse */
} mgd_hw_update;

/* Values (T, n) through a chain of models, row after row as time goes on by `step` seconds: what
 * one replica's devices 1 … n make of them. All models must be of one place. f32 or f64 tensors are
 * computed in their own precision. */
typedef struct {
    double step; /* seconds between rows */
    double held; /* seconds since the devices were programmed */
    uint64_t seed, replica;
    bool still; /* settled and without noise */
} mgd_hw_conditions;
MGD_API mgd_status mgd_hw_apply(mgd_context *ctx, size_t count, const mgd_hw_model *models,
                                const mgd_hw_conditions *conditions, const mgd_tensor *values,
                                mgd_tensor **out);
/* Weights (T, n), written once by the changes of each row: one device for each column, row after
 * row. Returns what the weights read as after each row. */
MGD_API mgd_status mgd_hw_write(mgd_context *ctx, const mgd_hw_update *update,
                                const mgd_hw_conditions *conditions, const mgd_tensor *start,
                                const mgd_tensor *changes, mgd_tensor **out);

/* ---- chips ----------------------------------------------------------------------------------- */

/* What MGD trains: P parameters in, outputs or costs out. */
typedef struct mgd_chip mgd_chip;

/* The ideal chip: the network itself. Retains nothing: the network must outlive the chip. */
MGD_API mgd_status mgd_chip_ideal(mgd_context *ctx, mgd_net *net, mgd_chip **out);

/* Anything at all: `evaluate` gets θ (P) and x (B, …) and returns y (B, O) in a new tensor, which
 * the caller frees. Called on the thread that called mgd_run_advance, never on another. */
typedef mgd_status mgd_chip_evaluate(void *user, mgd_context *ctx, const mgd_tensor *theta,
                                     const mgd_tensor *x, mgd_tensor **y);
MGD_API mgd_status mgd_chip_external(mgd_context *ctx, size_t num_parameters,
                                     const mgd_tensor *theta, /* present θ (P), or NULL: zeros */
                                     mgd_chip_evaluate *evaluate, void *user, mgd_chip **out);

/* The same chip with M nodes, which perturb = MGD_PERTURB_NODES perturbs. `move` is `evaluate` with
 * ξ (B, M) added to them, a row for each sample. `products` gets e (B, M), what each node hears of
 * each sample, and returns Σ_b e_bj·x_bi (P) in a new tensor: for every parameter, e of its node
 * times what that reads of the sample by this parameter, 1 for a bias, added up over the batch (and
 * over its nodes, where they share it); x is what it reads at θ without ξ, or has just read. */
typedef mgd_status mgd_chip_move(void *user, mgd_context *ctx, const mgd_tensor *theta,
                                 const mgd_tensor *x, const mgd_tensor *xi, mgd_tensor **y);
typedef mgd_status mgd_chip_products(void *user, mgd_context *ctx, const mgd_tensor *theta,
                                     const mgd_tensor *x, const mgd_tensor *e,
                                     mgd_tensor **products);
MGD_API mgd_status mgd_chip_external_nodes(mgd_context *ctx, mgd_chip *chip, size_t num_nodes,
                                           mgd_chip_move *move, mgd_chip_products *products);

/* A network on hardware that is not ideal: models in the order of the signal within each place, and
 * how parameters are written. */
typedef struct {
    size_t num_models;
    const mgd_hw_model *models;
    const mgd_hw_update *update; /* NULL: as asked, at once */
    uint64_t seed;               /* of the devices */
    size_t substeps; /* of each tick of its signals, with an evaluation in each; 0 or 1: none */
} mgd_chip_spec;

/* Copies the specification; the network must outlive the chip. Models at their neutral values cost
 * nothing: without any others it is the ideal chip. */
MGD_API mgd_status mgd_chip_simulated(mgd_context *ctx, mgd_net *net, const mgd_chip_spec *spec,
                                      mgd_chip **out);

/* Time passes at rest: what is stored leaks, diffuses and drifts. The runs on this chip notice. */
MGD_API void mgd_chip_advance(mgd_chip *chip, double seconds);
/* Seconds since the chip was made: dt for each step of its runs, and rests. */
MGD_API double mgd_chip_age(const mgd_chip *chip);
MGD_API void mgd_chip_free(mgd_chip *chip);
MGD_API size_t mgd_chip_num_parameters(const mgd_chip *chip);
/* Pre-activations that can be perturbed instead of the parameters; 0 where the chip shows none. */
MGD_API size_t mgd_chip_num_nodes(const mgd_chip *chip);

/* ---- training runs --------------------------------------------------------------------------- */

typedef enum {
    MGD_CODE_SEQUENTIAL,
    MGD_CODE_WALSH,
    MGD_CODE_RANDOM,
    MGD_CODE_SINE,
    MGD_CODE_GAUSSIAN,
    MGD_CODE_BROWNIAN,
    MGD_CODE_LFSR,
    MGD_CODE_FUNCTION,
    MGD_CODE_OUTER,
} mgd_code_kind;

/* "sequential", "walsh", …; NULL beyond the last. And the options that a code reads and not all do,
 * of those that mgd_train_options lists, NULL behind the last. */
MGD_API const char *mgd_code_name(unsigned kind);
MGD_API const char *const *mgd_code_reads(unsigned kind);
typedef enum { MGD_PERTURB_PARAMETERS, MGD_PERTURB_NODES } mgd_perturb;
typedef enum { MGD_BASELINE_MEASURED, MGD_BASELINE_TWO_SIDED, MGD_BASELINE_NONE } mgd_baseline;
typedef enum { MGD_CONVENTION_GRADIENT, MGD_CONVENTION_PUBLISHED } mgd_convention;
typedef enum {
    MGD_OPTIMIZER_SGD,
    MGD_OPTIMIZER_MOMENTUM,
    MGD_OPTIMIZER_NESTEROV,
    MGD_OPTIMIZER_ADAM,
    MGD_OPTIMIZER_SIGN
} mgd_optimizer;
typedef enum {
    MGD_ENGINE_DISCRETE,
    MGD_ENGINE_ANALOG,   /* first-order filters in continuous time; see src/mgd/analog.c */
    MGD_ENGINE_BACKPROP, /* G is the true gradient of the batch: the baseline to compare with */
    MGD_ENGINE_CHIP,     /* the chip trains by itself */
    MGD_ENGINE_CIRCUIT   /* as a digital learning circuit does, in integers */
} mgd_engine;

/* The digital learning circuit at each parameter and the cost unit that they share: what they
 * compute stands in src/circuit/circuit.h, and their Verilog in lua/mgd/circuits. */
typedef enum { MGD_CIRCUIT_NONE, MGD_CIRCUIT_SIGN_SIGN, MGD_CIRCUIT_ACCUMULATOR } mgd_circuit_set;

typedef struct {
    mgd_circuit_set set;
    unsigned weight_bits; /* of the weight register w, two's complement; θ = w·lsb, … */
    double lsb;           /* … a power of 2 */
    unsigned cost_bits;   /* of the converter; a cost of cost_range is 2^cost_bits */
    double cost_range;
    unsigned counter_bits;     /* sign-sign: of the up/down counter of votes, … */
    unsigned step;             /* … whose overflow moves w by so much */
    unsigned magnitude_bits;   /* accumulator: of |C̃|, … */
    unsigned accumulator_bits; /* … of the sum over τ_θ, … */
    unsigned shift;            /* … of which w gets 2^−shift */
} mgd_circuit;

/* How the analog engine's equations are solved: by its filters, one step at a time; or in
 * continuous time by a solver of GSL, which chooses its steps: explicit ones up to MSADAMS,
 * implicit ones, for stiff circuits, from RK2IMP on. */
typedef enum {
    MGD_INTEGRATOR_EULER,
    MGD_INTEGRATOR_RK2,
    MGD_INTEGRATOR_RK4,
    MGD_INTEGRATOR_RKF45,
    MGD_INTEGRATOR_RKCK,
    MGD_INTEGRATOR_RK8PD,
    MGD_INTEGRATOR_MSADAMS,
    MGD_INTEGRATOR_RK2IMP,
    MGD_INTEGRATOR_RK4IMP,
    MGD_INTEGRATOR_BSIMP,
    MGD_INTEGRATOR_MSBDF
} mgd_integrator;

/* A mean of θ beside θ, over the writes at the ends of steps `since`, since + 1, …: each counts as
 * much as any other, or the latest most: w_k ∝ decay^(n − k), which sum to 1 from the first write
 * on. */
typedef enum { MGD_AVERAGE_NONE, MGD_AVERAGE_EMA, MGD_AVERAGE_MEAN } mgd_average_kind;

typedef struct {
    mgd_average_kind kind;
    double decay; /* ema: in (0, 1) */
    uint64_t since;
} mgd_average;

/* A value that may change with the engine step n; t = n/every. */
typedef enum {
    MGD_SCHEDULE_CONSTANT,    /* v */
    MGD_SCHEDULE_STEP,        /* v·factor^⌊t⌋ */
    MGD_SCHEDULE_EXPONENTIAL, /* v·factor^t */
    MGD_SCHEDULE_COSINE,      /* from v to `to` by half a cosine over `every` steps; stays there */
    MGD_SCHEDULE_INVERSE,     /* v/(1 + factor·t) */
    MGD_SCHEDULE_SPSA,        /* v/(offset + 1 + t)^factor, the gains of Spall 1998 */
    MGD_SCHEDULE_FUNCTION     /* what `function` says */
} mgd_schedule_kind;

/* Called on the caller's thread, when the value is needed and not before. */
typedef mgd_status mgd_schedule_function(void *user, mgd_context *ctx, uint64_t step,
                                         double *value);

typedef struct {
    mgd_schedule_kind kind;
    double value; /* v */
    double factor, every, to, offset;
    uint64_t from; /* n counts from this step on; functions get the step itself */
    mgd_schedule_function *function;
    void *user;
} mgd_schedule;

/* "constant", "step", …; NULL for functions and beyond them. */
MGD_API const char *mgd_schedule_name(unsigned kind);
/* The value at a step; not for functions. The same bits everywhere. */
MGD_API double mgd_schedule_at(const mgd_schedule *schedule, uint64_t step);

/* The pattern θ̃/a of a slot that begins at `time` in seconds: (P) in f64 or f32, in a new tensor,
 * which the caller frees. Called on the thread that called mgd_run_advance, once for each slot and
 * in their order; a resumed run begins with the slot where it stands. */
typedef mgd_status mgd_code_function(void *user, mgd_context *ctx, uint64_t slot, double time,
                                     mgd_tensor **pattern);

/* `count` in a row from `first` on, from 0. */
typedef struct {
    size_t first, count;
} mgd_range;

/* A cost signal: the share of some outputs in the cost, which some parameters hear instead of the
 * whole. */
typedef struct {
    mgd_range parameters, outputs;
} mgd_signal;

/* How some parameters learn, those of a layer as a rule. */
typedef struct {
    mgd_range parameters;
    bool still;          /* neither perturbed nor written */
    mgd_perturb perturb; /* by themselves; or by the nodes that they feed, where the run does so */
    double amplitude;    /* factor of a; 0: not perturbed */
    double eta;          /* factor of η */
    double weight_decay; /* λ */
} mgd_rule;

/* Whether outputs of layers that stand still are kept, one set for each training sample, instead of
 * computed anew in each evaluation: where they depend on the sample alone. */
typedef enum {
    MGD_KEEP_FITTING, /* if they fit into a quarter of the machine's memory */
    MGD_KEEP_ALWAYS,  /* an error where they cannot be */
    MGD_KEEP_NEVER
} mgd_keep;

typedef struct {
    /* data and cost; the tensors are retained */
    const mgd_tensor *x; /* (N, …) */
    const mgd_tensor *y; /* (N, K), or (N, T, K): an answer for every step */
    mgd_cost cost;
    size_t batch;
    bool shuffle;

    /* perturbation */
    mgd_perturb perturb; /* what is perturbed: parameters, or pre-activations by sample */
    mgd_code_kind code;
    mgd_schedule amplitude; /* a, per parameter, asked at the first step of each slot; or, … */
    bool norm;              /* … Δ of the whole vector */
    const mgd_tensor *amplitudes; /* (P) factors of a by parameter; NULL: 1 */
    double amplitude_spread;      /* σ of the logarithm of a further factor of each parameter and
                                   * replica, whose mean square is 1; in [0, 1] */
    bool shuffled;                /* sequential: visit the parameters in a drawn order */
    bool alternate;               /* walsh, lfsr: flip all signs from period to period */
    double sparsity;  /* random, gaussian, brownian, lfsr: fraction of zeros, in [0, 1) */
    double low, high; /* sine: band in cycles per step; 0, 0: the bins of τ_θ */
    unsigned length;  /* brownian: slots in which it forgets, 2 … 32 */
    bool registered;  /* outer: sources are phases of a shift register instead of random signs */
    unsigned bits;    /* lfsr, outer: of the register, 2 … 30; 0: so many that correlations hardly
                       * count */
    bool balanced;    /* lfsr: one slot of +1 more in a period, which makes it orthogonal */
    mgd_code_function *code_function; /* MGD_CODE_FUNCTION: gives the patterns, … */
    void *code_user;
    const mgd_tensor *energy; /* … whose mean squares are these (P) */
    /* outer: of the parameters, where a code is looked at by itself; a run takes those of its chip
     */
    size_t num_matrices;
    const mgd_matrix *matrices;

    mgd_engine engine;
    /* time constants, in steps, each asked at the first step of what it lasts; rounded to integers
     * but for tau_theta of the analog engine */
    mgd_schedule tau_p, tau_theta, tau_x;
    double tau_hp;             /* analog: of the high-pass on the cost, > 1 */
    mgd_integrator integrator; /* analog */
    double tolerance; /* of GSL's integrators: error of a trial, absolute and relative; 1e−8 */
    uint64_t settle;  /* steps after a sample changed or θ was written that do not count */
    double dt;        /* seconds that a step stands for */

    mgd_schedule eta; /* asked at the step at whose end θ is written */
    mgd_baseline baseline;
    mgd_convention convention;
    double clamp;           /* |C̃| is at most this; 0: any */
    double clip, clip_norm; /* |G_i|, and |G|, are at most this when θ is written; 0: any */
    mgd_optimizer optimizer;
    double momentum;              /* momentum, nesterov: 0.9 */
    double beta1, beta2, epsilon; /* adam: 0.9, 0.999, 1e−8 */
    double threshold;             /* sign: what |G_i| has to exceed */
    double weight_decay;          /* λ ≥ 0: θ ← θ − η·(step + λ·θ) */
    mgd_average average;          /* not with the engine chip */
    mgd_circuit circuit;          /* with the engine circuit, with the baseline two-sided */

    /* Several cost signals, each demodulated by itself: in the order of parameters, none twice;
     * with the cost mse, which is a sum over outputs. Copied. */
    size_t num_signals;
    const mgd_signal *signals;

    /* How layers learn, in the order of θ, none twice; all other parameters as the run says.
     * Copied. */
    size_t num_rules;
    const mgd_rule *rules;
    bool gate; /* nodes: what a unit adds to G is dropped where its own derivative is 0 */
    mgd_keep keep;

    const mgd_init *init; /* NULL: the chip's present θ for every replica */
    size_t replicas;
    uint64_t replica; /* number of the first replica, ≥ 1; the others follow, unless … */
    const mgd_tensor *numbers; /* … each has this number, (R) f64: several may have the same; */
    const mgd_tensor *eta_factors; /* and (R) f64 factors of η; NULL: 1. Both are copied. */
    uint64_t seed;
    size_t threads; /* 0: MGD_THREADS or all processors */
} mgd_train;

typedef struct mgd_run mgd_run;

/* What one field of mgd_train is: everything but x, y, cost, functions, signals, init and what each
 * replica has of its own. */
typedef enum {
    MGD_OPTION_NUMBER,  /* double */
    MGD_OPTION_INTEGER, /* as wide as the field, and not negative */
    MGD_OPTION_SEED,    /* any 64 bits */
    MGD_OPTION_FLAG,
    MGD_OPTION_CHOICE,
    MGD_OPTION_TENSOR /* NULL: none */
} mgd_option_type;

typedef struct {
    const char *name; /* as scripts spell it */
    mgd_option_type type;
    size_t offset, size;      /* of the field */
    const char *part;         /* the table of options that it stands in; NULL: the run's own */
    double low, high;         /* numbers and integers: the range, … */
    bool open_low, open_high; /* … and whether an end does not belong to it */
    bool schedule;            /* the field is an mgd_schedule of such numbers */
    bool may_lack;            /* and 0 stands for none */
    double otherwise;         /* the default */
    const char *(*choice)(unsigned value); /* names of choices; NULL beyond the last */
    const char *unit, *doc;
} mgd_option;

/* The table of them; what mgd_train_defaults gives and mgd_run_new checks. */
MGD_API const mgd_option *mgd_train_options(size_t *count);
/* Sets a field that is no tensor; of a schedule the constant. */
MGD_API void mgd_train_set(mgd_train *train, const mgd_option *option, double value);
MGD_API mgd_train mgd_train_defaults(void);

/* Checks every field; the chip and, through it, the network must outlive the run. */
MGD_API mgd_status mgd_run_new(mgd_context *ctx, mgd_chip *chip, const mgd_train *train,
                               mgd_run **out);
MGD_API void mgd_run_free(mgd_run *run);

/* Does `steps` more steps. MGD_ERR_INTERRUPT: stopped early, at a step boundary. When a cost turns
 * non-finite its replica stops with its last finite θ (see mgd_run_stopped) and the others go on;
 * MGD_ERR_NONFINITE once none is left. Returns earlier, soon after a replica has diverged, where
 * mgd_run_watch asked for that: mgd_run_steps_done tells. */
MGD_API mgd_status mgd_run_advance(mgd_context *ctx, mgd_run *run, uint64_t steps);
MGD_API uint64_t mgd_run_steps_done(const mgd_run *run);
MGD_API size_t mgd_run_replicas(const mgd_run *run);
/* Units that replicas are kept in, and how many of them the last steps advanced. */
MGD_API size_t mgd_run_units(const mgd_run *run, size_t *active);

/* θ of all replicas becomes this: (P), the same for all, or (R, P); any float type. As where a run
 * begins it is there at once, with no law of writing, and the devices, paths and lines of a
 * simulated chip are as at a start; what they have been through (writes, age) stays. G, the window,
 * moments, the last costs and the average begin anew, and so do replicas that had diverged; what
 * stops and counts steps goes on. Not for a run that is recorded. */
MGD_API mgd_status mgd_run_set_theta(mgd_context *ctx, mgd_run *run, const mgd_tensor *theta);

/* Stops replica index r (0-based) where it stands: nothing of it changes any more. */
MGD_API void mgd_run_stop(mgd_run *run, size_t r);
/* From now on a replica diverges, too, at a step whose |C| exceeds `factor` (> 1) times the largest
 * of its first window: the steps before θ is written for the first time, or τ_θ steps of the analog
 * engine. That largest counts as a thousandth of the mean square of the targets at least. `ends`:
 * it stops there, as with a cost that is not finite, with θ as it was; and a run of which none is
 * left is no error. */
MGD_API mgd_status mgd_run_watch(mgd_context *ctx, mgd_run *run, double factor, bool ends);
/* The step at which replica r diverged, or UINT64_MAX; the cost there; and what it is compared
 * with.
 */
MGD_API uint64_t mgd_run_diverged(const mgd_run *run, size_t r, double *cost, double *reference);
/* Lets all stopped replicas go on from where they stand, but those that have diverged. */
MGD_API void mgd_run_go_on(mgd_run *run);
/* The step at which replica r stopped, or UINT64_MAX while it runs; *finite tells why. */
MGD_API uint64_t mgd_run_stopped(const mgd_run *run, size_t r, bool *finite);

/* Keeps G of each completed window, and the θ it was measured at, from the next write of θ on: for
 * the two probes of G below. */
MGD_API mgd_status mgd_run_keep_gradient(mgd_context *ctx, mgd_run *run);

/* Outputs of the chip as it stands, settled: without noise where `draw` is 0, else with the noise
 * of that number. x (B, …); out (B, O), or (B, T, O), with R in front for an ensemble. Nothing of
 * the run changes. */
MGD_API mgd_status mgd_run_predict(mgd_context *ctx, mgd_run *run, const mgd_tensor *x,
                                   uint64_t draw, mgd_tensor **out);

/* Whether mgd_run_predict, mgd_run_theta and mgd_run_evaluate see the average of θ from now on,
 * read as θ is, instead of θ. Before the first write that counts it is θ; that of a replica that
 * has diverged means nothing. An error where the run keeps none. */
MGD_API mgd_status mgd_run_show_average(mgd_context *ctx, mgd_run *run, bool average);

/* Copies of θ, (P) for one replica, (R, P) for an ensemble; and of G of the last window: zeros
 * before one has ended. */
MGD_API mgd_status mgd_run_theta(mgd_context *ctx, mgd_run *run, mgd_tensor **out);
MGD_API mgd_status mgd_run_gradient(mgd_context *ctx, const mgd_run *run, mgd_tensor **out);

/* Last measured C and C̃ of each replica (R entries each), and |C̃| in units in the last place of C,
 * as the chip's arithmetic has them; NaN where C is 0. `mean`: mean |C| and |C̃| of the last steps
 * instead, for replicas that run; returns how many steps those were. */
MGD_API uint64_t mgd_run_signal(const mgd_run *run, bool mean, double *c, double *c_tilde,
                                double *ulps);

/* Mean cost and accuracy of every replica (R entries each) over a data set; without the run's own
 * cost noise. Accuracy: argmax against argmax, or a threshold at ½ where there is one output.
 * Replicas whose entry of `known` (R, or NULL) is set are left out: they keep what stands there. */
MGD_API mgd_status mgd_run_evaluate(mgd_context *ctx, mgd_run *run, const mgd_tensor *x,
                                    const mgd_tensor *y, const bool *known, double *cost,
                                    double *accuracy);

/* What G of the last completed window is worth against the true gradient g at the θ it was measured
 * at: over the samples of that window, or over the whole training set. R entries each: the angle
 * between them in degrees; the signal-to-noise ratio |g|²/|G − g|². error (R × P), where not NULL:
 * G − g. NaN before a window has ended; the angle when a vector is zero. G counts as a mean here,
 * whatever the convention. */
MGD_API mgd_status mgd_run_angle(mgd_context *ctx, mgd_run *run, bool whole_set, double *angle,
                                 double *snr, double *error);

/* Euclidean norm of what has become of θ since the last window ended: its write, and rests. R
 * entries, NaN before a window has ended. */
MGD_API mgd_status mgd_run_update_norm(mgd_context *ctx, const mgd_run *run, double *norm);

/* The share of units that stand at a bound of their activation for every sample of x, where they
 * pass on next to no gradient: R entries. Within 1 % of the range of a bound for sigmoid and tanh,
 * within 0.01 of zero for softplus, at zero for relu. *units: how many have such an activation;
 * none is an error, and so is a chip that shows no activations. */
MGD_API mgd_status mgd_run_saturated(mgd_context *ctx, mgd_run *run, const mgd_tensor *x,
                                     const mgd_tensor *y, double *share, size_t *units);

/* What the run has asked of the chip so far, of each replica (R entries each): evaluations; writes
 * of a parameter, mean and most; pulses; and the share of its writes that the most worn device has
 * left, 1 where endurance has no end. */
typedef struct {
    double *evaluations, *writes_mean, *writes_max, *pulses, *endurance_left;
} mgd_counters;
MGD_API void mgd_run_counters(mgd_run *run, const mgd_counters *out);
/* Evaluations of the first n steps: forward passes of one sample, under one perturbation or none.
 * Where time constants change, as far as they are known: as they are now for steps to come. NaN for
 * an engine that counts as it goes: mgd_run_counters has what was asked. */
MGD_API double mgd_run_evaluations(mgd_run *run, uint64_t n);

/* What is kept of layers that stand still: values of a sample, and bytes in all; 0 and 0 where
 * nothing is, and why not. */
MGD_API const char *mgd_run_kept(const mgd_run *run, size_t *values, double *bytes);

/* Takes from another set of options what may change between stages: rules, gate, keep, amplitude,
 * η and weight decay. θ and time go on; moments of the optimizer begin anew, and so does the window
 * that is under way. */
MGD_API mgd_status mgd_run_restage(mgd_context *ctx, mgd_run *run, const mgd_train *train);

/* NULL, or once the signal C̃ has sunk to a few units in the last place of C: what happened and the
 * amplitude that would mend it. */
MGD_API const char *mgd_run_warning(const mgd_run *run);

/* The unit patterns (slots × P, f64) that the code in `train` shows from slot `first` on: what is
 * multiplied by the amplitude. */
MGD_API mgd_status mgd_code_pattern(mgd_context *ctx, const mgd_train *train, size_t parameters,
                                    uint64_t first, size_t slots, mgd_tensor **out);

/* Slots after which the patterns of that code come again, 0 where they do not; and ⟨s²⟩ of a
 * parameter over all time, before its amplitude. */
MGD_API mgd_status mgd_code_figures(mgd_context *ctx, const mgd_train *train, size_t parameters,
                                    uint64_t *period, double *mean_square);

/* The complete state as named tensors, for checkpoints: `count` of them; `get` makes a copy of the
 * i-th; `set` restores all from tensors in the same order. */
MGD_API size_t mgd_run_state_count(const mgd_run *run);
MGD_API const char *mgd_run_state_name(const mgd_run *run, size_t i);
MGD_API mgd_status mgd_run_state_get(mgd_context *ctx, mgd_run *run, size_t i, mgd_tensor **out);
MGD_API mgd_status mgd_run_state_set(mgd_context *ctx, mgd_run *run, mgd_tensor *const *tensors);

/* ---- data ------------------------------------------------------------------------------------ */

/* Every tensor that comes out is fresh and contiguous. */

/* Reads an IDX file, plain or gzipped: u8, i32, f32 or f64, at most four dimensions; signed
 * integers of 8 and 16 bits become i32. Anything missing, left over or corrupt is MGD_ERR_FORMAT.
 */
MGD_API mgd_status mgd_idx_read(mgd_context *ctx, const char *path, mgd_tensor **out);

/* Reads CIFAR-10 files of the binary version, one after the other: x (N, 3, 32, 32) in [0, 1] and y
 * (N, 10) one-hot, in f32 or f64, N being all their records together. A size that is no whole
 * number of records and a label above 9 are MGD_ERR_FORMAT. Takes no memory but the two tensors and
 * one buffer. */
MGD_API mgd_status mgd_cifar10_read(mgd_context *ctx, size_t files, const char *const *paths,
                                    mgd_dtype dtype, mgd_tensor **x, mgd_tensor **y);

/* u8 pixels to [0, 1]: value / 255, in f32 or f64. */
MGD_API mgd_status mgd_data_unit(mgd_context *ctx, const mgd_tensor *t, mgd_dtype dtype,
                                 mgd_tensor **out);

/* Labels (N) of any dtype, base … base + classes − 1, to one-hot rows (N, classes), in f32 or f64;
 * `what` opens the message about a label out of range. */
MGD_API mgd_status mgd_data_one_hot(mgd_context *ctx, const char *what, const mgd_tensor *labels,
                                    int base, size_t classes, mgd_dtype dtype, mgd_tensor **out);

/* The numbers 1 … n in a random order, (n) i32; and rows of a contiguous tensor by such numbers. */
MGD_API mgd_status mgd_data_permutation(mgd_context *ctx, size_t n, uint64_t seed,
                                        mgd_tensor **out);
MGD_API mgd_status mgd_data_rows(mgd_context *ctx, const mgd_tensor *t, const mgd_tensor *index,
                                 mgd_tensor **out);

/* Fails when a value of `t` is NaN or infinite, naming `what` and the position of the first. */
MGD_API mgd_status mgd_data_check_finite(mgd_context *ctx, const char *what, const mgd_tensor *t);

/* Folds dtype, shape and values of `t` into *hash (the same on machines of the same endianness). */
MGD_API mgd_status mgd_data_hash(mgd_context *ctx, const mgd_tensor *t, uint64_t *hash);

/* All 2^bits words in counting order, most significant bit first: x (2^bits, bits), y (2^bits, 1):
 * 1 where the number of ones is odd. f32. */
#define MGD_PARITY_MAX_BITS 20
MGD_API mgd_status mgd_data_parity(mgd_context *ctx, size_t bits, mgd_tensor **x, mgd_tensor **y);

/* x (44136, 49) of 0 and 1, y (44136, 4) one-hot for N, I, S, T, f32. Order: letter, then position
 * of the 5x5 glyph (rows, then columns), then flipped pixels: none, each, each pair. */
MGD_API mgd_status mgd_data_nist7x7(mgd_context *ctx, mgd_tensor **x, mgd_tensor **y);

/* ---- hardware: fits -------------------------------------------------------------------------- */

/* Weights measured along pulses of one direction (+1, −1): w[i] after pulse[i] pulses, which rise
 * and are whole. `fit`, where not NULL, receives what the fitted law says at the same pulses. */
typedef struct {
    int direction;
    size_t count;
    const double *pulse, *w;
    double *fit;
} mgd_hw_curve;

typedef struct {
    mgd_hw_law law;
    double error[MGD_HW_PARAMETERS]; /* standard errors; 0: held; NaN: the data do not tell */
    double residual;                 /* root mean square of measured − fitted, weight units */
    /* The likeliest noises: a step is multiplied by 1 + c2c·ξ, and a reading adds noise·ξ. The
     * square of the first with its standard error. */
    double c2c_squared, c2c_squared_error, noise_squared;
    size_t points, iterations;
} mgd_hw_fit;

/* Fits a law to the curves of one device, at least one up and one down, by least squares
 * (Levenberg and Marquardt): its curves are followed pulse by pulse, each from a start of its own.
 * Numbers of `start` that are not `free` are held; free ones that are NaN are guessed from the
 * curves. Standard errors count the noise of the steps, `c2c_squared` where it is known better,
 * from other devices, than these curves tell; NaN where not. `name` opens every message. At least 3
 * points per curve, and more than there are unknowns. */
MGD_API mgd_status mgd_hw_fit_device(mgd_context *ctx, const char *name, const mgd_hw_law *start,
                                     const bool free[MGD_HW_PARAMETERS], size_t curves,
                                     const mgd_hw_curve *curve, double c2c_squared,
                                     size_t max_iterations, mgd_hw_fit *out);

#ifdef __cplusplus
}
#endif

#endif
