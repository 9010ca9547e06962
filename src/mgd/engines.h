/* engines: what each engine of training has of its own, one row and one file each; engine.c
 * advances all of them. A row is chosen once, when a run is made.
 */
#ifndef MGD_MGD_ENGINES_H
#define MGD_MGD_ENGINES_H

#include "step.h"

/* A part of a unit's parameters with their pattern and the signal of a step. */
typedef struct {
    char *g;
    char *theta; /* to be written by the way; NULL: it is not */
    mgd_pattern s;
    const void *signal; /* (width) */
    size_t rows;        /* of width reals */
    uint64_t step;
} mgd_part;

struct mgd_engine_type {
    const char *name; /* in the option `engine`; NULL: other options ask for it */

    /* How it goes with time. */
    bool windows; /* G is summed over windows of τ_θ and begins anew in each; else θ is written at
                   * every step, and … */
    bool filters; /* … C̃ is a high-pass of C, and G a low-pass of time constant τ_θ, any number
                   * above 0 */
    bool lasts;   /* what G holds lasts beyond the write at the end of a window */
    bool by_step; /* replicas in rows, one step in a request; … */
    bool alone;   /* … of one replica after the other, which all threads share */
    bool teaches; /* the chip trains: blocks of steps end nowhere of themselves */

    /* What it asks the chip for, besides costs, and who counts that. */
    bool gradients, nodes;
    bool counts; /* `measure` counts evaluations, in asked_of: no formula knows them */

    bool signals; /* parameters may hear different ones */

    /* NULL: each window writes every parameter. Else how often so many write one, at most. */
    double (*writes)(const mgd_run *run, double windows);

    /* May be NULL. Refuses options and chips that it cannot work with. */
    mgd_status (*check)(mgd_context *ctx, const mgd_train *train, const mgd_chip *chip);
    /* May be NULL. θ has been set: it becomes what the engine can hold. */
    mgd_status (*hold)(mgd_context *ctx, mgd_run *run);
    /* May be NULL. What a worker has besides (`own`); `close` gets NULL where there is none. */
    mgd_status (*open)(mgd_context *ctx, const mgd_run *run, void **own);
    void (*close)(void *own);

    /* Asks the chip for a block of steps and takes in what that says. */
    mgd_status (*measure)(mgd_context *ctx, mgd_run *run, mgd_worker *w, mgd_request *request,
                          uint64_t first, size_t steps);
    /* Takes a block into G; NULL where `measure` has done so. */
    void (*integrate)(mgd_run *run, mgd_worker *w, size_t unit, uint64_t first, size_t steps,
                      bool write);
    /* Where `integrate` is mgd_step_integrate, which can write plain descent by the way. */
    void (*integrate_part)(const mgd_run *run, const mgd_worker *w, const mgd_part *part);
    /* Writes θ where a block ends a window; NULL where `measure` has done so. */
    mgd_status (*write)(mgd_context *ctx, mgd_run *run, mgd_worker *w, size_t unit, uint64_t first,
                        size_t steps);
};

extern const mgd_engine_type mgd_engine_discrete, mgd_engine_analog, mgd_engine_nodes,
    mgd_engine_backprop, mgd_engine_chip, mgd_engine_ode, mgd_engine_circuit, mgd_engine_counters;

/* θ as chips that train by themselves have it; nothing to do for others. */
mgd_status mgd_engine_read_back(mgd_context *ctx, mgd_run *run);

/* What options the equations of the analog engine ask for. */
mgd_status mgd_analog_check(mgd_context *ctx, const mgd_train *train, const mgd_chip *chip);

/* The names of the options `engine` and `integrator`; NULL beyond the last. */
const char *mgd_engine_name(unsigned engine);
const char *mgd_integrator_name(unsigned integrator);

/* The one that the options ask for, which have been checked each by itself. */
const mgd_engine_type *mgd_engine_of(const mgd_train *train);

#endif
