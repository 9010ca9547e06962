/* Writers: what an update draws for each device, and what it keeps. */

#include "hw.h"

#include <math.h>

static void writer_draw(mgd_hw_writer *w, mgd_hw_write_coef which, double mean, double spread,
                        double least) {
    mgd_hw_op *op = &w->law;
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
    mgd_hw_writer w = {.model = *m};
    mgd_hw_name_streams(&w.law, m->stream, seed, run);
    writer_draw(&w, MGD_HW_STEP, m->dw_min, m->dw_min * m->dw_min_d2d, 0);
    writer_draw(&w, MGD_HW_UP_DOWN, m->up_down, m->up_down_d2d, -1);
    writer_draw(&w, MGD_HW_TOP, m->w_max, fabs(m->w_max) * m->w_max_d2d, least_bound(m->w_max));
    writer_draw(&w, MGD_HW_BOTTOM, -m->w_min, fabs(m->w_min) * m->w_min_d2d,
                least_bound(-m->w_min));
    writer_draw(&w, MGD_HW_GAMMA_UP, m->gamma_up, m->gamma_d2d, -INFINITY);
    writer_draw(&w, MGD_HW_GAMMA_DOWN, m->gamma_down, m->gamma_d2d, -INFINITY);
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
            kernels->draw(&writer->law, k, f,
                          (char *)coefs + writer->coef[k] * f->rows * f->width * real_bytes);
}
