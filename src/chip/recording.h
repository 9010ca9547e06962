/* recording: what a chip answered in a run, in a file, and the chip that answers so again.
 *
 * A file is eight bytes that name it and chunks, each
 *
 *     length of its contents   u64
 *     CRC-32 of its contents   u32
 *     contents
 *
 * Numbers are little-endian; "number" is a varint: seven bits a byte, the lowest first, the top bit
 * set where more follow. The first chunk is the head: what the run was. All others hold records:
 *
 *     MGD_RECORD_COSTS    step, steps n, replicas m (numbers); the replicas, each as its distance
 *                         from the one before and 1, zigzag; points of each step (n bytes);
 *                         witnesses u32 (n × m); costs f64, (points of step 1 × S × m), …
 *     MGD_RECORD_THETA    step, replica (numbers), an mgd_theta_event (byte), count (number), count
 *                         times parameters that are skipped (number) and a real of θ
 *     MGD_RECORD_STOP     step, replica (numbers): it stands still from there on, …
 *     MGD_RECORD_GO_ON    … or goes on there
 *     MGD_RECORD_ROW      step, probes n (numbers), n times length of the name (number), name,
 *                         values f64 (R)
 *     MGD_RECORD_RESUMED  step (number): what was recorded of it and later does not count
 *
 * Chunks are appended and never changed, so that a file that was cut short is whole up to its last
 * whole chunk. Of what was measured twice the later counts, so that the order in which threads
 * append says nothing.
 *
 * Letters: P parameters, R replicas, S signals.
 */
#ifndef MGD_RECORDING_H
#define MGD_RECORDING_H

#include "chip.h"

#define MGD_RECORDING_MAGIC "\x8bMGR\r\n\x1a\n"
#define MGD_RECORDING_VERSION 1
enum {
    MGD_RECORDING_MAGIC_SIZE = 8,
    MGD_RECORDING_CHUNK = 12, /* bytes before the contents of a chunk */
    MGD_RECORDING_HEAD = 70,  /* of the head, before its text */
};

enum {
    MGD_RECORD_COSTS = 1,
    MGD_RECORD_THETA,
    MGD_RECORD_STOP,
    MGD_RECORD_GO_ON,
    MGD_RECORD_ROW,
    MGD_RECORD_RESUMED,
};

/* How θ became what is recorded. */
typedef enum { MGD_THETA_WRITTEN, MGD_THETA_RESTED, MGD_THETA_FAILED } mgd_theta_event;

/* What the run was, beside a text that only Lua reads. */
typedef struct {
    mgd_dtype dtype;  /* of θ */
    bool keeps_theta; /* where the chip makes of θ what was not asked for, that is recorded: nothing
                       * else knows */
    size_t parameters, replicas, signals;
    uint64_t begin;          /* the first step */
    double resolution;       /* the chip's */
    double age;              /* seconds, of the chip when the run was made */
    const uint64_t *numbers; /* (R) which the user gave the replicas */
    const void *theta;       /* (theta_rows × P) when the run was made, … */
    size_t theta_rows;       /* … R, or 1 where all replicas begin alike */
    const char *text;
    size_t text_length;
} mgd_recording_head;

/* ---- witnesses ------------------------------------------------------------------------------- */

/* A few bits of what was asked at a step: of the pattern's slot, of the first sample, and of some
 * parameters, others at each step. A run that departs from the recorded one differs in them, within
 * a few steps. */
enum { MGD_WITNESSES = 4 }; /* parameters */

#define MGD_WITNESS_THETA 0xffff0000u
#define MGD_WITNESS_SLOT 0x0000ff00u
#define MGD_WITNESS_SAMPLE 0x000000ffu

/* Of every lane of a unit, whose θ is (P × width), at the first point of a step; out (width). */
static inline void mgd_witness(const mgd_point *point, const void *theta, mgd_dtype dtype,
                               size_t parameters, size_t width, uint32_t *out) {
    const uint32_t odd = 0x9e3779b1u;
    const uint32_t slot = (uint32_t)point->slot * odd >> 24 << 8;
    for (size_t lane = 0; lane < width; lane++)
        out[lane] = 0;
    for (uint32_t k = 0; k < MGD_WITNESSES; k++) {
        const uint32_t place = ((uint32_t)point->step * MGD_WITNESSES + k) * odd; /* of 2^32 */
        const size_t row = (size_t)((uint64_t)place * parameters >> 32) * width;
        const uint32_t *narrow = (const uint32_t *)theta + row;
        const uint64_t *wide = (const uint64_t *)theta + row;
        if (dtype == MGD_F32)
            for (size_t lane = 0; lane < width; lane++)
                out[lane] = (out[lane] << 5 | out[lane] >> 27) + narrow[lane];
        else
            for (size_t lane = 0; lane < width; lane++)
                out[lane] = (out[lane] << 5 | out[lane] >> 27) +
                            ((uint32_t)wide[lane] ^ (uint32_t)(wide[lane] >> 32) * odd);
    }
    for (size_t lane = 0; lane < width; lane++)
        out[lane] = (out[lane] * odd & MGD_WITNESS_THETA) | slot | point->samples[lane] * odd >> 24;
}

/* How many of the points from `first` on are of the same step. */
static inline size_t mgd_points_of_step(const mgd_request *r, size_t first) {
    size_t p = first;
    while (p < r->num_points && r->points[p].step == r->points[first].step)
        p++;
    return p - first;
}

/* ---- writing (recorder.c) -------------------------------------------------------------------- */

/* Appends to a file from any thread. It never fails once it is open: what cannot be written any
 * more ends the recording, with a warning, and not the run. */
typedef struct mgd_recorder mgd_recorder;

/* A file of another kind at `path`, or a place where none can be, is refused; nothing is opened. */
mgd_status mgd_recorder_new(mgd_context *ctx, const char *path, mgd_recorder **out);
/* Begins the file. An older recording is replaced. */
mgd_status mgd_recorder_begin(mgd_context *ctx, mgd_recorder *r, const mgd_recording_head *head);
/* Goes on in a recording of the same run, which must reach `step` at least. */
mgd_status mgd_recorder_resume(mgd_context *ctx, mgd_recorder *r, const mgd_recording_head *head);
/* Between two calls that advance the run: what is in memory is written, where it lasts no longer
 * than a second anyway, and others may write the file; and then no others. */
void mgd_recorder_pause(mgd_recorder *r);
void mgd_recorder_go_on(mgd_recorder *r);
void mgd_recorder_free(mgd_recorder *r);

/* What was measured. `owner` and `alive` (width) are of the unit's replicas: their index among all,
 * and 0 where one has stopped. */
void mgd_recorder_costs(mgd_recorder *r, const mgd_request *request, size_t width,
                        const uint64_t *owner, const double *alive);
/* θ (P × width) of a replica in a lane of its unit, after the chip has changed it, or has failed
 * to: what differs from the θ that was asked for, or all of it where that is NULL. */
void mgd_recorder_theta(mgd_recorder *r, uint64_t step, uint64_t replica, mgd_theta_event event,
                        const void *theta, const void *asked, size_t width, size_t lane);
void mgd_recorder_halt(mgd_recorder *r, uint64_t step, uint64_t replica, bool stops);
/* values (count × R) */
void mgd_recorder_row(mgd_recorder *r, uint64_t step, size_t count, const char *const *names,
                      const double *values);
/* Why the recording has ended, where it has and nobody has been told; else NULL. */
const char *mgd_recorder_news(mgd_recorder *r);
bool mgd_recorder_has_news(const mgd_recorder *r);

/* ---- reading (recording.c) ------------------------------------------------------------------- */

typedef struct mgd_recording mgd_recording;

mgd_status mgd_recording_read(mgd_context *ctx, const char *path, mgd_recording **out);
void mgd_recording_free(mgd_recording *r);
const mgd_recording_head *mgd_recording_head_of(const mgd_recording *r);
/* The first step that is not there whole; and the bytes of the file that count. */
uint64_t mgd_recording_end(const mgd_recording *r);
uint64_t mgd_recording_length(const mgd_recording *r);
/* Whether the file ended within a chunk, or with what is none. */
bool mgd_recording_was_cut(const mgd_recording *r);

typedef struct {
    uint64_t step;
    size_t count; /* probes */
    char **names;
    double *values; /* (count × R) */
} mgd_recorded_row;
/* In the order in which they were taken. */
const mgd_recorded_row *mgd_recording_rows(const mgd_recording *r, size_t *count);

/* Points that all steps before this one had, of steps that are there, and behind the last. */
uint64_t mgd_recording_place(const mgd_recording *r, uint64_t step);
/* Whether there is anything of these steps: of all together, see mgd_recording_end. */
bool mgd_recording_has(const mgd_recording *r, uint64_t first, size_t steps);

/* Steps of a replica that follow each other. */
typedef struct {
    uint64_t first, end;
    const double *cost;      /* of each step (its points × S) */
    const uint32_t *witness; /* one of each step */
} mgd_recorded_steps;

typedef enum {
    MGD_RECORDED,        /* it is there */
    MGD_RECORDED_NOT,    /* the recording has no such step, … */
    MGD_RECORDED_STOPPED /* … or not of this replica, which stood still by then */
} mgd_recorded;

/* Those among which a step is. */
mgd_recorded mgd_recording_steps(const mgd_recording *r, size_t replica, uint64_t step,
                                 mgd_recorded_steps *out);
/* What of θ became other than it was asked to be. */
typedef struct {
    uint64_t step;
    mgd_theta_event event;
    size_t count;
    uint32_t *index;
    void *value; /* (count) reals */
} mgd_recorded_change;

/* That of a replica by the write at the end of a step, or at rest at a step; NULL: nothing. */
const mgd_recorded_change *mgd_recording_change(const mgd_recording *r, size_t replica,
                                                uint64_t step, bool rested);

/* ---- replaying (replay.c) -------------------------------------------------------------------- */

/* A chip that answers what is recorded, and says where a run departs from that. `model` may be
 * NULL: the chip that was recorded, made again, which says what becomes of θ when it is written;
 * what it would measure is never asked. Both must outlive the chip. */
mgd_status mgd_chip_replay(mgd_context *ctx, const mgd_recording *recording, mgd_chip *model,
                           mgd_chip **out);

#endif
