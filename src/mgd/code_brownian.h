/* code_brownian: what the brownian code keeps for its kernel. */
#ifndef MGD_MGD_CODE_BROWNIAN_H
#define MGD_MGD_CODE_BROWNIAN_H

typedef struct {
    unsigned length; /* L, the signs that are added up, and … */
    double step;     /* … 1/√L */
} mgd_walk;

#endif
