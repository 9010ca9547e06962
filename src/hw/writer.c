/* Writers: what an update draws for each device, and what it keeps. */

#include "hw.h"
#include "law.h"

#include <math.h>

static void writer_draw(mgd_hw_writer *w, size_t which, mgd_hw_draw draw) {
    mgd_hw_op *op = &w->op;
    op->draw[which] = draw;
    w->drawn[which] = draw.spread > 0;
    w->coef[which] = op->num_draws;
    op->num_draws += draw.spread > 0;
}

/* Bounds keep their side of zero. */
static mgd_hw_draw draw_bound(const mgd_hw_update *m, double bound, double d2d) {
    double least = bound > 0 && !m->fold ? bound / 20 : -INFINITY;
    return (mgd_hw_draw){bound, fabs(bound) * d2d, least, m->fold ? MGD_HW_FOLDED : MGD_HW_NORMAL};
}

/* One device; `set`: 0, or MGD_HW_SECOND. */
static void draw_device(mgd_hw_writer *w, size_t set) {
    const mgd_hw_update *m = &w->model;
    const mgd_hw_law *law = &m->as_law;
    const mgd_hw_sampling sign = m->fold ? MGD_HW_FOLDED : MGD_HW_NORMAL;
    writer_draw(w, set + MGD_HW_STEP,
                m->dw_min_lognormal ? (mgd_hw_draw){law->dw_min, m->dw_min_d2d, 0, MGD_HW_LOGNORMAL}
                                    : (mgd_hw_draw){law->dw_min, law->dw_min * m->dw_min_d2d,
                                                    law->one_sided ? -INFINITY : 0,
                                                    law->one_sided ? MGD_HW_NORMAL : sign});
    writer_draw(w, set + MGD_HW_UP_DOWN,
                law->one_sided ? (mgd_hw_draw){.spread = m->up_down_d2d, .least = -INFINITY}
                               : (mgd_hw_draw){law->up_down, m->up_down_d2d, -1, MGD_HW_NORMAL});
    writer_draw(w, set + MGD_HW_TOP, draw_bound(m, law->w_max, m->w_max_d2d));
    writer_draw(w, set + MGD_HW_BOTTOM, draw_bound(m, -law->w_min, m->w_min_d2d));
    writer_draw(w, set + MGD_HW_GAMMA_UP,
                (mgd_hw_draw){law->gamma_up, m->gamma_up_d2d, -INFINITY, sign});
    writer_draw(w, set + MGD_HW_GAMMA_DOWN,
                (mgd_hw_draw){law->gamma_down, m->gamma_down_d2d, -INFINITY, sign});
}

mgd_hw_writer mgd_hw_writer_of(const mgd_hw_update *m, uint64_t seed, uint64_t run) {
    const mgd_hw_law *law = &m->as_law;
    const mgd_hw_law_type *type = mgd_hw_law_type_of(law->kind);
    const mgd_hw_draw reset = {m->reset, m->reset_d2d, -INFINITY, MGD_HW_NORMAL};
    mgd_hw_writer w = {.model = *m, .nominal = type->nominal ? type->nominal(law) : law->dw_min};
    if (m->nominal > 0)
        w.nominal = m->nominal;
    w.referred = m->reference != 0 || m->reference_d2d > 0 || m->subtract_symmetry;
    mgd_hw_name_streams(&w.op, m->stream, seed, run);
    draw_device(&w, 0);
    writer_draw(&w, MGD_HW_ENDURANCE,
                (mgd_hw_draw){m->endurance, m->endurance * m->endurance_spread, 0, MGD_HW_NORMAL});
    writer_draw(&w, MGD_HW_REFERENCE,
                (mgd_hw_draw){m->reference, m->reference_d2d, -INFINITY, MGD_HW_NORMAL});
    if (m->pair) {
        writer_draw(&w, MGD_HW_RESET, reset);
        draw_device(&w, MGD_HW_SECOND);
        writer_draw(&w, MGD_HW_OTHER_RESET, reset);
    }
    w.keeps[MGD_HW_SINCE] = m->interval > 0;
    w.keeps[MGD_HW_WRITES] = true;
    w.keeps[MGD_HW_RESIDUE] = m->accumulate;
    w.keeps[MGD_HW_OFFSET] = m->write_noise > 0;
    w.keeps[MGD_HW_COMMON] = m->pair;
    return w;
}

void mgd_hw_writer_draw(const mgd_hw_writer *writer, const mgd_hw_kernels *kernels,
                        size_t real_bytes, const mgd_hw_frame *f, void *coefs) {
    for (size_t k = 0; k < MGD_HW_WRITE_COEFS; k++)
        if (writer->drawn[k])
            kernels->draw(&writer->op, k, f,
                          (char *)coefs + writer->coef[k] * f->rows * f->width * real_bytes);
}

void mgd_hw_writer_start(const mgd_hw_writer *writer, const mgd_hw_kernels *kernels,
                         const mgd_hw_frame *f, void *const kept[MGD_HW_KEPT]) {
    mgd_hw_op op = writer->op;
    if (!kept[MGD_HW_OFFSET])
        return;
    op.device_seed = op.noise_seed; /* happens to devices, and is none of what they are */
    op.draw[0] = (mgd_hw_draw){0, writer->model.write_noise, -INFINITY, MGD_HW_NORMAL};
    kernels->draw(&op, 0, f, kept[MGD_HW_OFFSET]);
}
