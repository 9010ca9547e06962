/* Ranges and safe limits of parameters. */

#include "reach.h"

#include <math.h>

static const mgd_span_of_unit *range_of(const mgd_reach *reach, size_t i) {
    return reach->num_ranges == 0 ? NULL : &reach->ranges[reach->num_ranges == 1 ? 0 : i];
}

static const mgd_limit *limit_of(const mgd_reach *reach, size_t i) {
    return reach->num_limits == 0 ? NULL : &reach->limits[reach->num_limits == 1 ? 0 : i];
}

double mgd_reach_value(const mgd_reach *reach, size_t i, double theta) {
    const mgd_span_of_unit *r = range_of(reach, i);
    if (!r)
        return theta;
    double share = (theta + 1) / 2;
    return r->logarithmic ? r->low * exp(share * log(r->high / r->low))
                          : r->low + share * (r->high - r->low);
}

double mgd_reach_theta(const mgd_reach *reach, size_t i, double value) {
    const mgd_span_of_unit *r = range_of(reach, i);
    if (!r)
        return value;
    double share = r->logarithmic ? log(value / r->low) / log(r->high / r->low)
                                  : (value - r->low) / (r->high - r->low);
    return 2 * share - 1;
}

static double between(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}

/* Outside of what is to be avoided, on the side where it was. */
static double beside(const mgd_limit *l, double value, double before, double margin) {
    double low = l->avoid_low - margin, high = l->avoid_high + margin;
    if (!(low < high))
        return value; /* NaN: nothing is to be avoided */
    bool below = before <= (l->avoid_low + l->avoid_high) / 2;
    return below ? fmin(value, low) : fmax(value, high);
}

double mgd_reach_keep(const mgd_reach *reach, size_t i, double value, double before) {
    const mgd_span_of_unit *r = range_of(reach, i);
    const mgd_limit *l = limit_of(reach, i);
    if (l)
        value = between(beside(l, value, before, 0), l->low, l->high);
    return r ? between(value, r->low, r->high) : value;
}

/* The same in θ, with room for ±amplitude. */
double mgd_reach_write(const mgd_reach *reach, size_t i, double theta, double before,
                       double amplitude) {
    const mgd_limit *l = limit_of(reach, i);
    double low = -INFINITY, high = INFINITY;
    if (range_of(reach, i)) {
        low = -1;
        high = 1;
    }
    if (l) {
        mgd_limit in_theta = {.avoid_low = mgd_reach_theta(reach, i, l->avoid_low),
                              .avoid_high = mgd_reach_theta(reach, i, l->avoid_high)};
        low = fmax(low, isinf(l->low) ? -INFINITY : mgd_reach_theta(reach, i, l->low));
        high = fmin(high, isinf(l->high) ? INFINITY : mgd_reach_theta(reach, i, l->high));
        theta = beside(&in_theta, theta, before, amplitude);
    }
    if (high - low <= 2 * amplitude)
        return (low + high) / 2;
    return between(theta, low + amplitude, high - amplitude);
}

double mgd_reach_slew(const mgd_reach *reach, size_t i) {
    const mgd_limit *l = limit_of(reach, i);
    return l ? l->slew : INFINITY;
}

double mgd_reach_scale(const mgd_reach *reach) {
    double scale = 1;
    for (size_t i = 0; i < reach->num_ranges; i++) {
        double own = (reach->ranges[i].high - reach->ranges[i].low) / 2;
        if (reach->ranges[i].logarithmic || (i > 0 && own != scale))
            return NAN;
        scale = own;
    }
    return scale;
}
