/* optimizers: how θ follows from G. Each has a row in optimizers.c and a kernel in
 * kernels_optimizer.c.
 */
#ifndef MGD_MGD_OPTIMIZERS_H
#define MGD_MGD_OPTIMIZERS_H

#include "../base/base.h"

typedef struct {
    const char *name;
    unsigned moments; /* arrays like θ that it keeps from write to write: 0, 1 or 2 */
    bool plain;       /* θ ← θ − η·G, which can be done while the last of G is integrated */
} mgd_optimizer_type;

/* NULL beyond the last. */
const mgd_optimizer_type *mgd_optimizer_type_of(unsigned optimizer);
const char *mgd_optimizer_name(unsigned optimizer);

/* A unit's write; arrays (count × width) of reals. */
typedef struct {
    const mgd_train *train; /* for the numbers that are the optimizer's own */
    double time;            /* the write's number, from 1 */
    void *theta;
    const void *g;
    void *first, *second; /* moments */
    const void *eta;      /* (width) 0 where θ is to stay */
    const void *lives;    /* (width) 0 where the moments are */
    size_t count, width;
} mgd_optimizer_step;

typedef void mgd_optimizer_kernel(const mgd_optimizer_step *step);

#endif
