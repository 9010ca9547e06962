/* run: what a training run is made of, for all files of this folder.
 *
 * Replicas are kept in units. In rows a unit is one replica and its arrays are (P'), P' being P
 * rounded up to whole tiles. In lanes a unit is W replicas side by side and its arrays are (P × W).
 * Either way a unit's array is `count` × `width` reals: kernels of the engine see no difference.
 * The last unit may have lanes without a replica; they run along, not alive.
 *
 * A *seat* is one lane of one unit. Replicas that have stopped make room: in lanes they change
 * places with living ones, so that those fill the first `live_units` units and the rest is not
 * advanced. What concerns a replica is found by its seat; everything that users see is in the order
 * of replicas.
 */
#ifndef MGD_MGD_RUN_H
#define MGD_MGD_RUN_H

#include "../chip/recording.h"
#include "../circuit/circuit.h"
#include "kernels.h"
#include "order.h"
#include "schedule.h"
#include "state.h"

#define MGD_AHEAD 4      /* batches whose samples are worked out together */
#define MGD_MAX_LANES 16 /* in a tile, of any precision */
#define MGD_SHOWN 32     /* changes of the sample time that are remembered */

/* ---- what a worker needs --------------------------------------------------------------------- */

/* Places of a step's points among those of its block. */
typedef struct {
    size_t plus, minus, base; /* index of the point; base: the latest one, when any */
    bool has_base;
} mgd_places;

/* What is asked of the chip for a block of steps, and what comes of it. */
typedef struct {
    mgd_point *points;    /* (max_points) */
    mgd_places *places;   /* (block_steps) */
    size_t num_points;    /* of the block, and their costs: … */
    double *cost;         /* … (signals × num_points × lanes of a unit) */
    double *against;      /* (lanes of a unit) C₀ of an earlier block */
    uint32_t *samples;    /* (block_steps × B × lanes of a unit) */
    uint32_t *ahead;      /* (MGD_AHEAD × B × lanes) samples of the batches from … */
    uint64_t ahead_batch; /* … this number on; UINT64_MAX: none */
    char *signal; /* (signals × block_steps × width) C̃·scale, in the kernels' precision */
    char *mixed;  /* (width) of a tile whose parameters hear different signals */
} mgd_block;

/* Patterns: all that every thread needs, which may help with another's unit. */
typedef struct {
    mgd_code_cache code;           /* random words of the present unit */
    char *values;                  /* one part of a pattern: see MGD_PATTERN_ROWS; … */
    uint64_t held_slot;            /* … of which slot, … */
    mgd_use held_use;              /* … for what, … */
    size_t held_first, held_count; /* … and which parameters; count 0: nothing */
    char *factor;                  /* (lanes of a tile) in rows: ±a or 0 of each point, … */
    uint64_t factor_signs;         /* … for these signs; 0: none */
    uint32_t signs[MGD_PATTERN_ROW / 32 * MGD_MAX_LANES]; /* of one part of each point's pattern */
} mgd_patterns;

/* η of a unit's replicas, as the kernels want it, (width). */
typedef struct {
    char *eta, *lives; /* η and 1 of replicas that run, 0 of others, … */
    char *decay;       /* … and η·λ, … */
    double held;       /* … for this η; NaN: to be made again */
    char *share;       /* of θ in its average; whatever it was before */
    char *own[3];      /* the same three for parameters of one rule, or of a tile of several */
} mgd_rates;

typedef struct mgd_engine_type mgd_engine_type; /* see engines.h */

typedef struct {
    mgd_patterns patterns;
    mgd_block block;
    mgd_rates rates;
    char *before; /* (a unit's θ) θ as it was before a write that may overflow */
    void *own;    /* the engine's */
} MGD_OWN_LINE mgd_worker;

/* ---- parts of a run -------------------------------------------------------------------------- */

/* Where replicas are kept, and how they are advanced. */
typedef struct {
    bool in_lanes;
    size_t lanes; /* replicas in a unit: W, or 1 */
    size_t units;
    size_t live_units;          /* units from here on have no replica that runs */
    size_t count, width;        /* of a unit's arrays, see above */
    bool one_by_one;            /* units are advanced one after the other, each by all threads */
    size_t block_steps;         /* steps evaluated in one request, at most */
    size_t max_points;          /* and their points */
    size_t workers, requesters; /* threads, and how many of them ask the chip */
} mgd_layout;

/* Time, in steps. */
typedef struct {
    uint64_t step;                   /* done by all units */
    mgd_timer slots, windows, shows; /* periods of τ_p, τ_θ, τ_x, as they are at `step` */
    mgd_timer shown[MGD_SHOWN];   /* earlier `shows`, the latest first; those of tau 0: not known */
    double rested;                /* seconds at rest that θ has been through */
    uint64_t began, began_window; /* at which step, and with which of the windows, what the run
                                   * remembers began: 0, or where θ was set */
} mgd_time;

/* What schedules give at the present step, and what follows from it. */
typedef struct {
    double amplitude;     /* a; of the present slot where it is a function */
    double per_amplitude; /* a for each unit of what the schedule gives: 1, or that of a norm */
    double scale;         /* signal = C̃·scale; G = Σ signal·s over a window, … */
    bool steady;          /* … the same at all steps */
    double tau_theta;     /* analog: of the low-pass; of the present step where it is a function */
    double eta;           /* of the next write of θ, where it is a function */
    double huge_eta;      /* from which on a write may overflow, with the largest of the factors */
} mgd_present;

/* What is counted, up to which step. */
typedef struct {
    double asked;         /* evaluations of a replica that runs, … */
    uint64_t asked_step;  /* … before this step */
    uint64_t summed_from; /* the sums of |C̃| and |C| begin here */
} mgd_tally;

/* Looking out for replicas that diverge (divergence.c), and for a signal that is lost. */
typedef struct {
    double factor;       /* of the limit; 0: nobody watches */
    double least;        /* reference, at least */
    double first_window; /* its steps */
    bool ends;           /* who diverges stops */
    bool warned;
    char warning[MGD_MESSAGE_SIZE];
} mgd_watch;

/* Parameters from the end of the span before to this one's have something in common: the signal
 * that they hear, the rule by which they learn. */
typedef struct {
    size_t end, value;
} mgd_span;

typedef struct {
    size_t count;
    mgd_span *span; /* in the order of parameters, all of them */
} mgd_spans;

/* Cost signals that are demodulated each by itself: that of the whole cost, then those of shares.
 */
typedef struct {
    size_t count;
    mgd_range *outputs; /* (count − 1) whose shares the further ones are */
    mgd_spans spans;    /* number of the signal that is heard */
} mgd_signals;

/* How parameters learn: rules.c. */
typedef struct {
    size_t count;
    mgd_rule *rule;     /* rule 0 holds where none is given */
    mgd_spans spans;    /* number of the rule */
    mgd_node_use *uses; /* (the chip's groups) where nodes are perturbed */
    size_t nodes;       /* perturbed ones, the first in the code's pattern, and … */
    size_t singles;     /* … parameters that are perturbed by themselves beside them */
} mgd_rules;

/* Where what the chip answers is recorded: see record.h. */
typedef struct {
    mgd_recorder *recorder; /* NULL: nowhere */
    double age;             /* of the chip when the run was made, and … */
    mgd_tensor *theta;      /* … θ of all replicas then, until the file is begun */
    bool begun;
    char *asked; /* (workers × a unit's θ) what the chip was asked to write, where it is kept */
} mgd_recorded_run;

struct mgd_run {
    mgd_train train; /* as checked; x and y are views that the run owns */
    mgd_chip *chip;
    mgd_session *session;
    const mgd_engine_type *engine;
    const mgd_engine_kernels *kernels;
    const mgd_circuit_kernels *circuit; /* of the engine circuit, else NULL */
    mgd_pool *pool;
    mgd_code code;
    mgd_order order;
    size_t real;        /* bytes of a real */
    size_t parameters;  /* P */
    bool keeps_windows; /* G and θ of the last completed one */
    bool shows_average; /* to who looks at θ */

    mgd_layout layout;
    mgd_time clock;
    mgd_present now;
    mgd_signals signals;
    mgd_rules rules;
    bool kept; /* what the chip keeps of layers that stand still is of the present θ */
    mgd_tally counters;
    mgd_watch watch;
    mgd_recorded_run recording;
    mgd_state state;
    mgd_order_cache *orders; /* (units) */
    mgd_worker *workers;
};

static inline size_t mgd_run_seats(const mgd_run *run) {
    return run->layout.units * run->layout.lanes;
}

/* Bytes of a unit's array like θ. */
static inline size_t mgd_run_unit_bytes(const mgd_run *run) {
    return run->layout.count * run->layout.width * run->real;
}

/* Where parameter i of the replica in a seat lies in such an array. */
static inline size_t mgd_run_place(const mgd_run *run, size_t seat, size_t i) {
    const mgd_layout *l = &run->layout;
    size_t stride = l->in_lanes ? l->width : 1;
    return seat / l->lanes * mgd_run_unit_bytes(run) + (i * stride + seat % l->lanes) * run->real;
}

/* `requests`: it asks the chip. */
mgd_status mgd_worker_open(mgd_context *ctx, const mgd_run *run, bool requests, mgd_worker *worker);
void mgd_worker_close(const mgd_run *run, mgd_worker *worker);

/* What is needed of a unit to form its patterns and perturbed parameters: see source.c. */
typedef struct {
    const mgd_run *run;
    const char *theta;
    const uint64_t *replica; /* (lanes) numbers of its replicas */
} mgd_unit_source;

mgd_unit_source mgd_unit_source_of(const mgd_run *run, size_t unit);
/* As the chip sees it; lives as long as *unit. */
mgd_source mgd_unit_source_open(const mgd_unit_source *unit);
/* How many parameters, from `first` on, of `last`, have their pattern taken at once; and that
 * pattern, good until the worker asks for another. In rows it is MGD_PATTERN_OWN. */
size_t mgd_unit_part(const mgd_run *run, size_t first, size_t last);
mgd_pattern mgd_unit_pattern(const mgd_unit_source *unit, mgd_worker *w, mgd_use use, uint64_t slot,
                             size_t first, size_t n);

/* Rows or lanes, and the size of a unit. */
void mgd_run_choose_layout(mgd_run *run);

/* Copies θ-like state between a unit's layout and a row (P) of replica index r, or of a seat. The
 * first two answer interrupts: for what is new and thrown away then. */
mgd_status mgd_run_seat_set(mgd_context *ctx, const mgd_run *run, char *array, size_t seat,
                            const void *row);
mgd_status mgd_run_row_copy(mgd_context *ctx, const mgd_run *run, const char *array, size_t r,
                            void *row);
void mgd_run_row_get(const mgd_run *run, const char *array, size_t r, void *row);
void mgd_run_row_set(const mgd_run *run, char *array, size_t r, const void *row);

/* Whether replica r stands within the window that is under way, so that its G counts: one that
 * stopped in a window that has ended since begins anew. */
bool mgd_run_in_window(const mgd_run *run, size_t r);

/* What rests of the chip have done to θ since it was last looked at. */
void mgd_run_settle(mgd_run *run);

/* The average is θ of replicas that have none yet; nothing where the run keeps none. */
void mgd_average_begin(mgd_run *run);
/* What probes of θ look at: θ as it is by now, or its average. */
const char *mgd_run_shown(mgd_run *run);

/* Moves living replicas to the front, where that leaves fewer units to advance. */
void mgd_run_compact(mgd_run *run);

/* Value number i of an array of reals. */
static inline double mgd_run_real(const mgd_run *run, const void *reals, size_t i) {
    return run->real == sizeof(float) ? (double)((const float *)reals)[i]
                                      : ((const double *)reals)[i];
}

static inline void mgd_run_real_set(const mgd_run *run, void *reals, size_t i, double value) {
    if (run->real == sizeof(float))
        ((float *)reals)[i] = (float)value;
    else
        ((double *)reals)[i] = value;
}

/* The amplitude a in a slot, η of a step that writes, and τ_θ of the analog engine's low-pass. */
double mgd_run_amplitude(const mgd_run *run, uint64_t slot);
double mgd_run_eta(const mgd_run *run, uint64_t step);
double mgd_run_tau_theta(const mgd_run *run, uint64_t step);

/* The samples (B × lanes) of batch number `batch` of a unit. */
void mgd_run_samples(const mgd_run *run, size_t unit, uint64_t batch, uint32_t *out);

/* Counts what has been asked up to the present step, before time constants may change. */
void mgd_run_count(mgd_run *run);
/* Sums of |C̃| and |C| begin anew at the present step. */
void mgd_run_sum_anew(mgd_run *run);
/* Notes that a replica stands still from `step` on. */
void mgd_run_stopped_at(mgd_run *run, size_t seat, uint64_t step);

#endif
