/* stepped: how every kernel moves θ. Only files named kernels*.c include it. */
#ifndef MGD_MGD_STEPPED_H
#define MGD_MGD_STEPPED_H

#include "../base/simd.h"

/* θ − η·step; where η is 0 θ stays, whatever the step: a stopped replica's may not be finite. */
INLINE vec stepped(vec theta, vec eta, vec step) {
    return pick(eta != splat(0), fma_vec(-eta, step, theta), theta);
}

#endif
