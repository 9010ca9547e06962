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

/* Where θ may lie, and what it is to avoid between: NaN, nothing. */
static mgd_limit limit_in_theta(const mgd_reach *reach, size_t i) {
    const mgd_limit *l = limit_of(reach, i);
    mgd_limit own = {-INFINITY, INFINITY, INFINITY, NAN, NAN};
    if (range_of(reach, i)) {
        own.low = -1;
        own.high = 1;
    }
    if (l) {
        own.low = fmax(own.low, isinf(l->low) ? -INFINITY : mgd_reach_theta(reach, i, l->low));
        own.high = fmin(own.high, isinf(l->high) ? INFINITY : mgd_reach_theta(reach, i, l->high));
        own.avoid_low = mgd_reach_theta(reach, i, l->avoid_low);
        own.avoid_high = mgd_reach_theta(reach, i, l->avoid_high);
    }
    return own;
}

/* The same in θ, with room for ±amplitude. */
double mgd_reach_write(const mgd_reach *reach, size_t i, double theta, double before,
                       double amplitude) {
    mgd_limit own = limit_in_theta(reach, i);
    theta = beside(&own, theta, before, amplitude);
    if (own.high - own.low <= 2 * amplitude)
        return (own.low + own.high) / 2;
    return between(theta, own.low + amplitude, own.high - amplitude);
}

double mgd_reach_room(const mgd_reach *reach) {
    size_t different =
        reach->num_ranges > reach->num_limits ? reach->num_ranges : reach->num_limits;
    double room = INFINITY;
    for (size_t i = 0; i < different; i++) {
        mgd_limit own = limit_in_theta(reach, i);
        bool parted = own.avoid_low < own.avoid_high;
        double below = (parted ? own.avoid_low : own.high) - own.low;
        double above = own.high - (parted ? own.avoid_high : own.low);
        room = fmin(room, fmin(below, above) / 2);
    }
    return room;
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
