/* recorded: a recording in memory, for the files that read it (recording.c) and keep it
 * (recorded.c).
 *
 * Costs lie by replica, each in stretches of steps that follow each other: one, unless the replica
 * stood still for a while. How many points a step has is the same for all.
 */
#ifndef MGD_RECORDED_H
#define MGD_RECORDED_H

#include "recording.h"

/* An array that grows. */
typedef struct {
    void *at;
    size_t count, room;
} mgd_array;

typedef struct {
    uint64_t first;
    mgd_array costs;     /* doubles: of each step (its points × S) */
    mgd_array witnesses; /* u32: one of each step */
} mgd_recorded_stretch;

/* A replica stands still from a step on, or goes on there. */
typedef struct {
    uint64_t step;
    bool stops;
} mgd_recorded_halt;

typedef struct {
    mgd_array stretches, halts, changes; /* of the two above, and of mgd_recorded_change */
} mgd_recorded_replica;

struct mgd_recording {
    mgd_recording_head head;
    char *text;
    uint64_t *numbers;
    char *theta;
    mgd_recorded_replica *streams; /* (R) */
    mgd_array places;              /* u64: points of all steps before each; one more than steps */
    mgd_array rows;                /* of mgd_recorded_row */
    uint64_t length;               /* of all whole chunks */
    bool cut;
};

/* How a record was read. */
typedef enum { MGD_READ, MGD_READ_WRONG, MGD_READ_NO_MEMORY } mgd_outcome;

/* Room for `more` elements behind those there are; where they begin, or NULL. */
void *mgd_array_grow(mgd_array *a, size_t more, size_t size);
bool mgd_array_push(mgd_array *a, const void *element, size_t size);

/* Points of steps first … first + n − 1, of all replicas. */
mgd_outcome mgd_recording_note(mgd_recording *r, uint64_t first, uint64_t n,
                               const unsigned char *points);
/* Where the witness and the costs of such a step of a replica go. */
mgd_outcome mgd_recording_slot(mgd_recording *r, mgd_recorded_replica *of, uint64_t step,
                               uint32_t **witness, double **cost);
/* Nothing of `step` and later counts, at which the run may have rested, stopped or been probed. */
void mgd_recording_cut(mgd_recording *r, uint64_t step);
void mgd_recorded_row_free(mgd_recorded_row *row);
void mgd_recorded_change_free(mgd_recorded_change *change);

#endif
