/* hw: what is wrong with hardware, as pure functions of arrays, named random streams and a clock.
 * Nothing here knows networks, chips or training.
 *
 * A *chain* is a list of models (`mgd_hw_model`) that values pass through in order: weights on
 * their way to the multipliers, a cost on its way to the parameters. Each model has *coefficients*,
 * drawn once for each device (d2d), and *states*, which evolve with the clock (filters,
 * relaxations). Both are owned by the caller, who hands them in with the values.
 *
 * Values lie in one of three ways, and give the same bits in each (see mgd_hw_frame):
 *   lanes   (n × W): site i of W replicas;
 *   row     (n), padded to whole tiles: the sites of one replica side by side;
 *   shared  (n × W): site i of one replica for W samples, which share its coefficients.
 *
 * Letters: n sites of a chain, W lanes, P parameters.
 */
#ifndef MGD_HW_H
#define MGD_HW_H

#include "../base/base.h"

#define MGD_HW_MAX_POLES 8  /* of a filter; relaxations of a 1/f noise: see model.c */
#define MGD_HW_MAX_ORDER 16 /* of linear filters in a row, together: see filters.c */
#define MGD_HW_MAX_COEFS 16 /* kinds of device-to-device draws of one model */
#define MGD_HW_TICKS 2      /* ticks of the signal clock in a step: see mgd_hw_frame */
#define MGD_HW_BLOCK 8      /* sites that one block of random words serves */

typedef enum {
    MGD_HW_NORMAL,    /* mean + spread·z, z standard normal */
    MGD_HW_UNIFORM,   /* mean + spread·z, z uniform on (0, 1) */
    MGD_HW_LOGNORMAL, /* mean·e^(spread·z) */
    MGD_HW_FOLDED,    /* |mean + spread·z| with the sign of the mean */
} mgd_hw_sampling;

/* A device-to-device draw, not below `least`. */
typedef struct {
    double mean, spread, least;
    mgd_hw_sampling sampling;
} mgd_hw_draw;

typedef struct mgd_hw_type mgd_hw_type; /* a row of model.h: what a kind of model is */
typedef struct mgd_hw_chain mgd_hw_chain;
typedef struct mgd_hw_op mgd_hw_op;
typedef struct mgd_hw_frame mgd_hw_frame;

/* values ← model(values); `coef` and `state` begin with those of the op. */
typedef void mgd_hw_kernel(const mgd_hw_chain *chain, const mgd_hw_op *op, const mgd_hw_frame *f,
                           const void *coef, void *state, void *values);

/* A linear filter, or several in a row, whose states are x, input u and output y:
 * ẋ = A·(x − target·u − shift), time being counted in ticks; y = readout·x + through·u + bias. */
typedef struct {
    double a[MGD_HW_MAX_ORDER * MGD_HW_MAX_ORDER]; /* row-major, rows of MGD_HW_MAX_ORDER */
    double b[MGD_HW_MAX_ORDER];                    /* −A·target: what u adds to ẋ */
    double target[MGD_HW_MAX_ORDER], shift[MGD_HW_MAX_ORDER];
    double readout[MGD_HW_MAX_ORDER], through, bias;
    /* by the duration of a measurement, less 1: what the states change by where u goes from 0 to 1
     * along the way that it takes in a tick */
    double drive[MGD_HW_TICKS][MGD_HW_MAX_ORDER];
} mgd_hw_system;

/* A model made ready for a chain. */
struct mgd_hw_op {
    mgd_hw_model model;
    const mgd_hw_type *type;
    mgd_hw_kernel *apply; /* NULL: a function of the user's */
    uint64_t device_seed, noise_seed;
    size_t num_draws;
    mgd_hw_draw draw[MGD_HW_MAX_COEFS];
    size_t coef;          /* its first coefficient array in those of the chain, … */
    size_t state;         /* … and its first state array */
    size_t num_states;    /* arrays like the values */
    size_t order;         /* of linear filters in a row, or number of relaxations */
    mgd_hw_system system; /* of linear filters; … */
    bool driven; /* … whose input moves during a tick: where it ends is one more state array */
    /* by the duration of a measurement, 1 or 2 ticks, less 1: what a state's deviation from the
     * input changes by, e^(A·h) − 1, row-major; relaxations: factor and share of the draw */
    double matrix[MGD_HW_TICKS][MGD_HW_MAX_ORDER * MGD_HW_MAX_ORDER];
    size_t delay; /* in ticks */
};

/* What becomes of lines, models with a memory, in an evaluation. */
typedef enum {
    MGD_HW_PASSES, /* time passes */
    MGD_HW_JUMPS,  /* none does: these are the values that a driven filter's input sets out from */
    MGD_HW_STANDS  /* none does: lines show where they stand, whatever the values are */
} mgd_hw_flow;

/* Where, when and for whom a chain acts. */
struct mgd_hw_frame {
    size_t rows, width;      /* of the values, (rows × width) */
    size_t sites;            /* n: rows, but in a row padded to tiles */
    bool row;                /* value (i, lane) is site i·width + lane of one replica */
    bool shared;             /* coefficients (n): the same for all lanes */
    size_t used;             /* shared: lanes that hold samples; 0: all */
    size_t device;           /* row and shared: the replica's place among those of the run */
    const uint64_t *replica; /* (width) numbers; row and shared: one for all */
    const uint32_t *sample;  /* (width) place of the lane's sample in the batch; NULL: `copy` */
    uint32_t copy;
    uint64_t tick;  /* MGD_HW_TICKS for each step of the engine: names the event of its draws */
    uint64_t clock; /* the same of the signal clock, which has substeps: of delays and 1/f noise */
    unsigned ticks; /* how long the values have been held: 1 or 2 */
    double step;    /* seconds of a step of the signal clock */
    mgd_hw_flow flow;
    bool settled;           /* these values have stood for ever: lines begin as they then are */
    const void *held_lanes; /* (width) the same by lane, where it is not the same for all */
    double held;            /* seconds since `since` was brought up to date */
    const void *since;      /* (rows × width) seconds since each device was programmed; NULL: 0 */
    const void *stored;     /* (rows × width) weights as they were programmed; NULL: the values */
    const void *alive;      /* (width) 0: the lane's states stay as they are; NULL: all move */
    double time;            /* seconds since the chip was made */
    bool still;             /* settled and without noise: what probes see; … */
    bool noisy;             /* … or with noise, as predictions may be: of draw `tick`, … */
    uint64_t at_step;       /* … at this step */
    bool keeping;  /* time passes for what is stored, `held` of it: leak and diffusion act */
    void *scratch; /* mgd_hw_chain_scratch bytes, for the models that ask for some */
};

#define MGD_HW_MAX_BLOCKS 2 /* of inputs of an array: those of a layer, and its own states */

/* Weights that lie where wires cross: device (o, i) leads from the wire of input i to that of
 * output o. Inputs come in blocks, side by side: device (o, j) of a block is site first + o·width +
 * j. An input's driver is before output 0, an output's amplifier behind its last input; a bias is a
 * device at the amplifier, on an input wire of its own. */
typedef struct {
    size_t outputs, inputs, num_blocks; /* inputs: of all blocks, without the bias */
    struct {
        size_t first, width;
    } block[MGD_HW_MAX_BLOCKS];
    size_t bias; /* site of that of output 0, the others behind it; SIZE_MAX: there is none */
} mgd_hw_array;

/* What sites know of their neighbourhood. */
typedef struct {
    const uint8_t *joined; /* (n) 1 where the site lies beside the one before, on one line */
    const mgd_hw_array *arrays;
    size_t num_arrays;
} mgd_hw_geometry;

/* ---- writing parameters ---------------------------------------------------------------------- */

/* Arrays of state that writing keeps, each like θ, when the update needs them. */
typedef enum {
    MGD_HW_SINCE,   /* seconds since the device was written */
    MGD_HW_WRITES,  /* their number */
    MGD_HW_RESIDUE, /* what was asked for and not written */
    MGD_HW_OFFSET,  /* write noise: what θ reads as, less θ */
    MGD_HW_COMMON,  /* of a pair, the smaller weight of its devices */
    MGD_HW_KEPT
} mgd_hw_kept;

/* Coefficients of a writer. */
typedef enum {
    MGD_HW_STEP,     /* of a pulse */
    MGD_HW_UP_DOWN,  /* imbalance */
    MGD_HW_TOP,      /* w_max */
    MGD_HW_BOTTOM,   /* −w_min */
    MGD_HW_GAMMA_UP, /* of the laws that have it */
    MGD_HW_GAMMA_DOWN,
    MGD_HW_ENDURANCE, /* writes until it stands still */
    MGD_HW_REFERENCE, /* that its weight is read against */
    MGD_HW_RESET,     /* what a device of a pair is set back to */
    MGD_HW_SECOND,    /* the first six again, of the other device of a pair, … */
    MGD_HW_OTHER_RESET = MGD_HW_SECOND + MGD_HW_ENDURANCE, /* … and its reset */
    MGD_HW_WRITE_COEFS
} mgd_hw_write_coef;

/* What becomes of a requested change of the parameters: chain, gate, law. */
typedef struct {
    mgd_hw_update model;
    double nominal; /* step that the controller reckons with */
    mgd_hw_op op;   /* its draws and streams */
    bool referred;  /* weights are read against a reference */
    bool keeps[MGD_HW_KEPT];
    bool drawn[MGD_HW_MAX_COEFS];  /* by mgd_hw_write_coef: has an array of its own, … */
    size_t coef[MGD_HW_MAX_COEFS]; /* … this one; else its mean holds for all devices */
} mgd_hw_writer;

/* Reads w (rows × width) and the change asked for; leaves the new w in w, and in `change` 1 where
 * it was written and 0 elsewhere. kept[] as in mgd_hw_kept, NULL where not needed. pulses (width)
 * is added to. */
typedef void mgd_hw_write_kernel(const mgd_hw_writer *writer, const mgd_hw_frame *f,
                                 const void *coef, void *const kept[MGD_HW_KEPT], void *w,
                                 void *change, double *pulses);

/* Kernels beside those of models. */
typedef struct {
    size_t lanes; /* in a tile */
    mgd_hw_write_kernel *write;
    /* the change of one weight by one pulse of the law, wherever it then lies */
    double (*pulse)(const mgd_hw_law *law, double weight, int direction);
    /* y (rows × width) ← y + σ·√(1 + Σ x²)·z, x (inputs × width): sums of products with weights,
     * and biases, that each have noise of σ */
    void (*product)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *x, size_t inputs,
                    void *y);
    /* out (rows × width) ← σ² of the noise of weights w */
    void (*variance)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *w, void *out);
    /* v (rows × width) ← v + √variance·z; variance like v, or `shared` (rows), the same for all
     * lanes; z normal or uniform, of variance 1 */
    void (*scatter)(const mgd_hw_op *op, const mgd_hw_frame *f, const void *variance, bool shared,
                    bool uniform, void *v);
    void (*square)(const void *a, size_t n, void *out); /* out ← a² */
    /* coef (rows × width) of one draw */
    void (*draw)(const mgd_hw_op *op, size_t which, const mgd_hw_frame *f, void *coef);
    /* standard normal or uniform values of an event (rows × width): what user models draw */
    void (*noise)(uint64_t seed, bool uniform, const mgd_hw_frame *f, void *out);
    void (*subtract)(void *a, const void *b, size_t n); /* a ← a − b */
    void (*add)(void *a, const void *b, size_t n);      /* a ← a + b */
    /* a ← where is 1 in `where` (n), else b */
    void (*choose)(void *a, const void *where, const void *b, size_t n);
    /* the same by lane, where (width) */
    void (*choose_lanes)(void *a, const void *where, const void *b, size_t rows, size_t width);
} mgd_hw_kernels;

const mgd_hw_kernels *mgd_hw_kernels_get(mgd_isa isa, mgd_dtype dtype);

/* ---- chains ---------------------------------------------------------------------------------- */

struct mgd_hw_chain {
    const mgd_hw_kernels *kernels;
    mgd_dtype dtype;
    size_t num_ops;
    mgd_hw_op *ops;
    size_t num_coefs, num_states; /* arrays of them */
    bool timed;                   /* what it does to held values changes with time */
    bool calls;                   /* some of its models are functions of the user's */
    size_t number;                /* among the chains of a chip */
    mgd_hw_geometry geometry;
};

/* Models of `place`, in order, whose parameters do something; the others of the list belong to
 * other chains. `step` in seconds; `seed` of the devices, `run` of what happens to them. Tables
 * are the caller's. */
mgd_status mgd_hw_chain_open(mgd_context *ctx, const mgd_hw_model *models, size_t count,
                             mgd_hw_place place, double step, uint64_t seed, uint64_t run,
                             mgd_dtype dtype, mgd_hw_chain *out);
void mgd_hw_chain_close(mgd_hw_chain *chain);

/* ---- lines ----------------------------------------------------------------------------------- */

/* Whether models other than noise remember. */
bool mgd_hw_chain_remembers(const mgd_hw_chain *chain);

/* How what comes out of a chain whose input is held goes from one tick's end to the next's. */
typedef struct {
    bool moves; /* without a jump; else it is where it ends from the tick's beginning on … */
    double tau; /* … as 1 − e^(−t/τ) does, seconds, or straight ahead: INFINITY */
} mgd_hw_shape;
mgd_hw_shape mgd_hw_chain_shape(const mgd_hw_chain *chain);

/* Tells the first filters of a chain that their input moves so instead of being held, in steps of
 * so many seconds; false where they do not come first of all that remembers. To be called before
 * memory for states is taken. */
bool mgd_hw_chain_drive(mgd_hw_chain *chain, double tau, double step);

/* The streams of what is drawn under this name. */
void mgd_hw_name_streams(mgd_hw_op *op, const char *stream, uint64_t seed, uint64_t run);

/* Device draws, coefs (num_coefs × rows × width, or × n when shared), and states as they are at
 * rest, (num_states × rows × width). */
void mgd_hw_chain_draw(const mgd_hw_chain *chain, const mgd_hw_frame *f, void *coefs);
void mgd_hw_chain_start(const mgd_hw_chain *chain, const mgd_hw_frame *f, void *states);

/* Bytes that the models of a chain need while they act on values of `lane_bytes` a row. */
size_t mgd_hw_chain_scratch(const mgd_hw_chain *chain, size_t lane_bytes);

/* values ← chain(values). Fails when a function of the user's does. */
mgd_status mgd_hw_chain_apply(mgd_context *ctx, const mgd_hw_chain *chain, const mgd_hw_frame *f,
                              const void *coefs, void *states, void *values);

/* What a function of the user's makes of the values. */
mgd_status mgd_hw_call(mgd_context *ctx, const mgd_hw_chain *chain, const mgd_hw_op *op,
                       const mgd_hw_frame *f, void *values);

/* The writer of an update; its coefficients, (op.num_draws × rows × width). */
mgd_hw_writer mgd_hw_writer_of(const mgd_hw_update *update, uint64_t seed, uint64_t run);
void mgd_hw_writer_draw(const mgd_hw_writer *writer, const mgd_hw_kernels *kernels,
                        size_t real_bytes, const mgd_hw_frame *f, void *coefs);
/* Its states before the first write. */
void mgd_hw_writer_start(const mgd_hw_writer *writer, const mgd_hw_kernels *kernels,
                         const mgd_hw_frame *f, void *const kept[MGD_HW_KEPT]);

/* One pole that goes at least a tenth of the way in each tick: what rounding takes from its value
 * is made good at once, so it needs no second state. */
static inline bool mgd_hw_filter_is_fast(const mgd_hw_op *op) {
    return op->order == 1 && -op->matrix[0][0] >= 0.1;
}

/* Whether finite numbers rise, or fall (sign −1), from one to the next. */
static inline bool mgd_hw_rises(const double *table, size_t size, double sign) {
    for (size_t i = 0; i < size; i++)
        if (!(table[i] - table[i] == 0) || (i > 0 && !(sign * table[i] > sign * table[i - 1])))
            return false;
    return true;
}

#endif
