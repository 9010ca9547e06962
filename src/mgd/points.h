/* points: measuring where somebody else says, with the patterns, the order of time and the bits of
 * the engine. What a run does between two writes of θ, for the chip server: a run in process and
 * one through the server measure by the same code.
 */
#ifndef MGD_MGD_POINTS_H
#define MGD_MGD_POINTS_H

#include "../chip/chip.h"

/* What the points belong to; another session of the chip for each. */
typedef struct {
    const mgd_tensor *x, *y; /* retained: values may change, shapes may not */
    mgd_cost cost;
    size_t batch;
    mgd_code_kind code; /* with its options at their defaults */
    uint64_t seed, replica;
    double dt;
    size_t threads; /* 0: as many as training takes */
} mgd_points_spec;

typedef struct mgd_points mgd_points;

mgd_status mgd_points_open(mgd_context *ctx, mgd_chip *chip, const mgd_points_spec *spec,
                           mgd_points **out);
void mgd_points_close(mgd_points *points);

/* Whether patterns of a code follow from what a request says: from seed, replica and slot. */
bool mgd_points_knows(mgd_code_kind code);
/* Whether the chip changes what is written. */
bool mgd_points_writes(const mgd_points *points);

/* θ (P) becomes this as it is. */
void mgd_points_place(mgd_points *points, const void *theta);
/* θ (P) is asked for at the end of a step; what the chip makes of it is left there. A write that
 * fails changes nothing. */
mgd_status mgd_points_write(mgd_context *ctx, mgd_points *points, uint64_t step, void *theta);

/* Costs (count) of points in the order of time. The chip's clock goes on to the last step. */
mgd_status mgd_points_measure(mgd_context *ctx, mgd_points *points, double amplitude, size_t count,
                              const mgd_point *point, double *cost);
/* θ + θ̃ (P) of a point. */
void mgd_points_perturbed(mgd_points *points, double amplitude, const mgd_point *point, void *out);
/* Outputs for x (B, …) at a θ (P), settled and without noise. */
mgd_status mgd_points_predict(mgd_context *ctx, mgd_points *points, uint64_t step,
                              const void *theta, const mgd_tensor *x, mgd_tensor **y);

#endif
