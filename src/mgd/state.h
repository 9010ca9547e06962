/* state: what a run holds for each of its parameters, replicas and units. Each array is declared
 * here and has one row in state.c, which says what it is one of; memory is taken and freed, seats
 * are exchanged, and a run is saved and restored by these rows.
 */
#ifndef MGD_MGD_STATE_H
#define MGD_MGD_STATE_H

#include "../base/base.h"

typedef struct {
    /* of each parameter of each replica, as units have them: (units × count × width) reals */
    char *theta, *gradient;
    char *first_moment, *second_moment;   /* of the optimizers that have them, else NULL */
    char *window_gradient, *window_theta; /* of the last completed window, when kept */
    char *average, *average_rest;         /* of θ, and what its rounding has left out, when kept */

    /* of each signal of each replica, by seat: (signals × units × lanes), the whole cost first */
    double *c0, *c, *c_tilde;
    double *limit;             /* the |C| beyond which it diverges */
    double *sum_tilde, *sum_c; /* Σ|C̃|, Σ|C| since `summed_from`; those of shares are not used */

    /* of each replica, by seat: (units × lanes) */
    double *alive;                     /* 1, or 0 once stopped and in lanes without a replica */
    double *stopped;                   /* step at which the replica stopped; NaN while it runs */
    double *fatal;                     /* the cost at which it diverged: see divergence.c */
    double *window_first, *window_end; /* steps of the window that is kept; 0, 0: none */
    double *asked_of, *written_of; /* evaluations, and writes of θ, until it stopped; by engines
                                    * that count themselves evaluations while it runs, too */
    double *reference;             /* largest |C| of the first window, for the limit */
    double *diverged;              /* step at which it did; NaN: it has not */
    double *rate;                  /* the factor of its η */
    double *averaged, *share;      /* writes in the average, and what the latest counts there */
    uint64_t *number;              /* which the user gave it, the last one's in lanes without */
    uint64_t *owner;               /* its index among all, the last one's in lanes without */
    uint8_t *finite;               /* 0 when it stopped because it had diverged */

    /* of each unit */
    uint64_t *done;   /* steps done; ahead of the run's only after a chip has failed */
    uint8_t *careful; /* the next write of θ may overflow */
    uint8_t *news;    /* somebody has diverged, since that was last asked */

    /* of each replica, by index: (replicas) */
    uint64_t *seat; /* where it is: unit × lanes + lane */
} mgd_state;

typedef enum { MGD_HELD_REAL, MGD_HELD_DOUBLE, MGD_HELD_COUNT, MGD_HELD_FLAG } mgd_held_type;
typedef enum {
    MGD_OF_PARAMETER,
    MGD_OF_SIGNAL,
    MGD_OF_SEAT,
    MGD_OF_UNIT,
    MGD_OF_REPLICA
} mgd_held_of;

/* What a saved value may be. */
typedef enum {
    MGD_SAVED_ANY,
    MGD_SAVED_STEP,
    MGD_SAVED_STEP_OR_NAN,
    MGD_SAVED_NOT_NEGATIVE,
    MGD_SAVED_POSITIVE
} mgd_saved_value;

typedef struct {
    size_t at; /* of the pointer in mgd_state */
    mgd_held_type type;
    mgd_held_of of;
    const char *saved; /* the name under which; NULL: it follows from the rest, or is not needed */
    mgd_saved_value may_be;
    double initial;
    bool (*exists)(const mgd_run *run); /* NULL: always */
} mgd_state_row;

/* In the order in which they are saved. */
extern const mgd_state_row mgd_state_rows[];
extern const size_t mgd_state_num_rows;

/* The row's array; NULL where the run has none. */
void *mgd_state_array(const mgd_run *run, const mgd_state_row *row);
/* The value of a signal of the replica in a seat, or of its unit, as a number. Not of parameters.
 */
double mgd_state_value(const mgd_run *run, const mgd_state_row *row, size_t signal, size_t seat);
void mgd_state_set_value(mgd_run *run, const mgd_state_row *row, size_t signal, size_t seat,
                         double value);

/* Takes the arrays that the run is to have and has not yet. False: there is no memory; what has
 * been taken stays the run's. */
bool mgd_state_take(mgd_run *run);
void mgd_state_free(mgd_run *run);
/* Exchanges all that two seats hold. Both hold replicas. */
void mgd_state_exchange(mgd_run *run, size_t a, size_t b);

#endif
