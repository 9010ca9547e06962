/* description: what a chip says of itself, and where its parameters may stand. See
 * docs/guide/chip-contract.md.
 */
#ifndef MGD_CHIP_DESCRIPTION_H
#define MGD_CHIP_DESCRIPTION_H

#include "../base/base.h"

#define MGD_DESCRIPTION_TEXT 256

/* Onto what θ in [−1, 1] of a parameter is mapped, in its unit. */
typedef struct {
    double low, high;
    bool logarithmic;
} mgd_span_of_unit;

typedef struct {
    size_t parameters, inputs, outputs, targets;
    mgd_dtype dtype;
    bool blocks, big_endian;
    size_t samples, message;
    bool perturbs, costs, integrates, writes;
    bool stateless, reads, watchdog, halves, fails, noisy;
    double latency;                   /* s; 0: not said */
    char codes[MGD_DESCRIPTION_TEXT]; /* ",walsh,random,": a comma before and behind each name */
    char cost[16], unit[16];          /* "" where not said */
    mgd_span_of_unit *ranges;         /* (num_ranges) 0, 1 for all, or P */
    double *resolution;               /* (num_resolutions) likewise */
    size_t num_ranges, num_resolutions;
} mgd_description;

/* Takes one line of key=value apart; keys that it does not name keep what stands in *out, which is
 * what mgd_description_default gives or another line has filled. Must be closed in any case. */
void mgd_description_default(mgd_description *out);
mgd_status mgd_description_read(mgd_context *ctx, const char *line, size_t count,
                                mgd_description *out);
/* Whether what was read is a chip: P and I are there, all lists have as many entries as they may.
 */
mgd_status mgd_description_check(mgd_context *ctx, const mgd_description *d);
/* Whether two chips are used alike: all but the times and units that they tell. */
bool mgd_description_same(const mgd_description *a, const mgd_description *b);
void mgd_description_close(mgd_description *d);

/* Numbers of a chip's dtype. */
static inline double mgd_real_at(mgd_dtype dtype, const void *reals, size_t i) {
    return dtype == MGD_F32 ? (double)((const float *)reals)[i] : ((const double *)reals)[i];
}

static inline void mgd_real_set(mgd_dtype dtype, void *reals, size_t i, double value) {
    if (dtype == MGD_F32)
        ((float *)reals)[i] = (float)value;
    else
        ((double *)reals)[i] = value;
}

/* Of parameter i; the caller knows that there are some. */
static inline const mgd_span_of_unit *mgd_description_range(const mgd_description *d, size_t i) {
    return &d->ranges[d->num_ranges == 1 ? 0 : i];
}

#endif
