/* Writers: what an update draws for each device, and what it keeps. */

#include "hw.h"
#include "law.h"

#include <math.h>

static void writer_draw(mgd_hw_writer *w, mgd_hw_write_coef which, double mean, double spread,
                        double least) {
    mgd_hw_op *op = &w->op;
    op->draw[which] = (mgd_hw_draw){mean, spread, least, false};
    w->drawn[which] = spread > 0;
    w->coef[which] = op->num_draws;
    op->num_draws += spread > 0;
}

/* Bounds keep their side of zero. */
static double least_bound(double bound) {
    return bound > 0 ? bound / 20 : -INFINITY;
}

mgd_hw_writer mgd_hw_writer_of(const mgd_hw_update *m, uint64_t seed, uint64_t run) {
    const mgd_hw_law *law = &m->as_law;
    const mgd_hw_law_type *type = mgd_hw_law_type_of(law->kind);
    mgd_hw_writer w = {.model = *m, .nominal = type->nominal ? type->nominal(law) : law->dw_min};
    mgd_hw_name_streams(&w.op, m->stream, seed, run);
    writer_draw(&w, MGD_HW_STEP, law->dw_min, law->dw_min * m->dw_min_d2d, 0);
    writer_draw(&w, MGD_HW_UP_DOWN, law->up_down, m->up_down_d2d, -1);
    writer_draw(&w, MGD_HW_TOP, law->w_max, fabs(law->w_max) * m->w_max_d2d,
                least_bound(law->w_max));
    writer_draw(&w, MGD_HW_BOTTOM, -law->w_min, fabs(law->w_min) * m->w_min_d2d,
                least_bound(-law->w_min));
    writer_draw(&w, MGD_HW_GAMMA_UP, law->gamma_up, m->gamma_d2d, -INFINITY);
    writer_draw(&w, MGD_HW_GAMMA_DOWN, law->gamma_down, m->gamma_d2d, -INFINITY);
    writer_draw(&w, MGD_HW_ENDURANCE, m->endurance, m->endurance * m->endurance_spread, 0);
    w.keeps[MGD_HW_SINCE] = m->interval > 0;
    w.keeps[MGD_HW_WRITES] = true;
    w.keeps[MGD_HW_RESIDUE] = m->accumulate;
    return w;
}

void mgd_hw_writer_draw(const mgd_hw_writer *writer, const mgd_hw_kernels *kernels,
                        size_t real_bytes, const mgd_hw_frame *f, void *coefs) {
    for (size_t k = 0; k < MGD_HW_WRITE_COEFS; k++)
        if (writer->drawn[k])
            kernels->draw(&writer->op, k, f,
                          (char *)coefs + writer->coef[k] * f->rows * f->width * real_bytes);
}
