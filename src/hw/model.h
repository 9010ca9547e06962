/* model: what a kind of model is. A kind is one row, an mgd_hw_type, in a model_*.c, and its kernel
 * in a kernels_*.c; models.c lists the rows by kind. Chains ask a row what a model draws and
 * remembers, checks whether its numbers make sense, and chips what they have to keep for it.
 */
#ifndef MGD_HW_MODEL_H
#define MGD_HW_MODEL_H

#include "hw.h"

struct mgd_hw_type {
    const char *name;
    /* By instruction set; f64, f32: MGD_HW_KERNELS(name). NULL: the user's function. */
    mgd_hw_kernel *kernel[MGD_ISA_COUNT][2];
    bool noise; /* all that it does is to add noise, which probes do not see */

    /* At its neutral values a model changes nothing, in any bit, and is left out; NULL: never. */
    bool (*neutral)(const mgd_hw_model *m);
    /* What is wrong with it beside the ranges of its fields, or NULL: nothing; NULL: nothing is. */
    const char *(*fault)(const mgd_hw_model *m);
    bool products; /* it may stand at MGD_HW_AT_PRODUCT, where there may be no values */
    /* Whether what it does to values that are held changes while they are held; NULL: no. */
    bool (*timed)(const mgd_hw_model *m);
    /* Whether it asks how long ago a device was programmed; NULL: no. */
    bool (*ages)(const mgd_hw_model *m);
    /* Linear filters; all NULL: it is none. How many poles it has; the system goes on through it,
     * whose states follow the first `order` of those there are; e^(A·h) − 1 of it alone. Times in
     * seconds; a system counts in ticks. */
    size_t (*poles)(const mgd_hw_model *m);
    void (*filter)(const mgd_hw_model *m, double tick, size_t order, mgd_hw_system *system);
    void (*exponential)(const mgd_hw_model *m, double h, double *matrix);
    /* For steps of so many seconds: its draws, in the order in which the kernel looks for them, its
     * states, and what else the kernel wants to find in the op; NULL: none of these. */
    mgd_status (*prepare)(mgd_context *ctx, mgd_hw_op *op, double step);
    /* Bytes of scratch that it needs for values of so many bytes a row; NULL: none. */
    size_t (*scratch)(const mgd_hw_geometry *geometry, size_t lane_bytes);
    /* What its k-th state is drawn from at rest; NULL: states rest at 0. */
    mgd_hw_draw (*rest)(const mgd_hw_op *op, size_t k);
};

const mgd_hw_type *mgd_hw_type_of(mgd_hw_kind kind);

static inline bool mgd_hw_is_neutral(const mgd_hw_model *model) {
    const mgd_hw_type *type = mgd_hw_type_of(model->kind);
    return type->neutral && type->neutral(model);
}

/* ---- for the rows ---------------------------------------------------------------------------- */

/* The kernels that a kernels_*.c makes of MODEL_KERNEL(name): MGD_HW_DECLARE(name) before the row,
 * MGD_HW_KERNELS(name) in it. */
#define MGD_HW_KERNELS_OF(name, isa)                                                               \
    mgd_hw_##name##_kernels_##isa##_f64, mgd_hw_##name##_kernels_##isa##_f32
#if defined(MGD_HAVE_X86_KERNELS)
#define MGD_HW_DECLARE(name)                                                                       \
    mgd_hw_kernel MGD_HW_KERNELS_OF(name, portable), MGD_HW_KERNELS_OF(name, avx2),                \
        MGD_HW_KERNELS_OF(name, avx512)
#define MGD_HW_KERNELS(name)                                                                       \
    {                                                                                              \
        [MGD_ISA_PORTABLE] = {MGD_HW_KERNELS_OF(name, portable)},                                  \
        [MGD_ISA_AVX2] = {MGD_HW_KERNELS_OF(name, avx2)},                                          \
        [MGD_ISA_AVX512] = {MGD_HW_KERNELS_OF(name, avx512)},                                      \
    }
#else
#define MGD_HW_DECLARE(name) mgd_hw_kernel MGD_HW_KERNELS_OF(name, portable)
#define MGD_HW_KERNELS(name)                                                                       \
    {                                                                                              \
        [MGD_ISA_PORTABLE] = { MGD_HW_KERNELS_OF(name, portable) }                                 \
    }
#endif

/* filters.c: how many ops from the first on, a linear filter, are a row of such, with none but
 * plain gains between; these as one op; and its input moves at a rate per tick, 0: straight ahead.
 */
#define MGD_HW_FASTEST 1e15 /* rates per tick beyond it are as good as at once */
size_t mgd_hw_filters_count(const mgd_hw_op *ops, size_t count);
mgd_status mgd_hw_filters_prepare(mgd_context *ctx, mgd_hw_op *op, const mgd_hw_op *from,
                                  size_t count, double step);
void mgd_hw_filters_drive(mgd_hw_op *op, double rate);

static inline void mgd_hw_add_draw(mgd_hw_op *op, double mean, double spread, double least) {
    op->draw[op->num_draws++] = (mgd_hw_draw){mean, spread, least, MGD_HW_NORMAL};
}

static inline const char *mgd_hw_poles_fault(const mgd_hw_model *m) {
    return m->poles >= 1 && m->poles <= MGD_HW_MAX_POLES ? NULL : "poles: expected 1 to 8";
}

#endif
