/* What the rows of codes share: numbers of users. */

#include "code.h"
#include "schedule.h"

#include <float.h>
#include <math.h>

uint64_t mgd_code_steps(const mgd_schedule *tau) {
    return mgd_schedule_constant(tau) ? (uint64_t)tau->value : 0;
}

uint64_t mgd_power_of_two_from(uint64_t n) {
    uint64_t power = 1;
    while (power < n)
        power *= 2;
    return power;
}

static inline double real_at(const void *values, size_t real, ptrdiff_t at) {
    return real == sizeof(float) ? (double)((const float *)values)[at]
                                 : ((const double *)values)[at];
}

static inline __attribute__((always_inline)) bool copy_as(const void *from, size_t from_real,
                                                          ptrdiff_t stride, size_t count,
                                                          size_t real, void *out) {
    const double most = real == sizeof(float) ? FLT_MAX : DBL_MAX;
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        double value = real_at(from, from_real, (ptrdiff_t)i * stride);
        finite &= fabs(value) <= most;
        if (real == sizeof(float))
            ((float *)out)[i] = (float)value;
        else
            ((double *)out)[i] = value;
    }
    return finite;
}

/* out (count), of floats or doubles, ← values `stride` apart; whether all of them are finite. Those
 * that lie side by side are every slot's. */
static bool copy_values(const void *from, size_t from_real, ptrdiff_t stride, size_t count,
                        size_t real, void *out) {
    const size_t narrow = sizeof(float), wide = sizeof(double);
    if (stride == 1 && from_real == wide)
        return real == narrow ? copy_as(from, wide, 1, count, narrow, out)
                              : copy_as(from, wide, 1, count, wide, out);
    if (stride == 1 && real == narrow)
        return copy_as(from, narrow, 1, count, narrow, out);
    return copy_as(from, from_real, stride, count, real, out);
}

mgd_status mgd_code_take_values(mgd_context *ctx, const char *what, const mgd_tensor *t,
                                size_t count, size_t real, void *out) {
    mgd_dtype dtype = mgd_tensor_dtype(t);
    if (dtype != MGD_F64 && dtype != MGD_F32)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: got a tensor of integers: expected f64 or f32",
                        what);
    if (mgd_tensor_ndim(t) != 1 || mgd_tensor_size(t) != count)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "%s: got a tensor of %zu dimensions with %zu values: expected shape (%zu), "
                        "one value for each parameter, or node, that is perturbed",
                        what, mgd_tensor_ndim(t), mgd_tensor_size(t), count);
    if (copy_values(mgd_tensor_data(t), mgd_dtype_size(dtype), mgd_tensor_strides(t)[0], count,
                    real, out))
        return MGD_OK;
    size_t i = 0;
    while (fabs(real_at(out, real, (ptrdiff_t)i)) <= DBL_MAX)
        i++;
    double bad = real_at(out, real, (ptrdiff_t)i);
    const char *name = isnan(bad) ? "nan" : bad > 0 ? "inf" : "-inf";
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: value %zu is %s: expected finite numbers", what,
                    i + 1, name);
}
