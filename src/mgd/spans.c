/* Parameters in spans that have something in common, and how kernels go along them. */

#include "engines.h"

void mgd_spans_add(mgd_spans *spans, size_t end, size_t value) {
    spans->span[spans->count++] = (mgd_span){end, value};
}

mgd_stretch mgd_spans_stretch(const mgd_run *run, const mgd_spans *spans, size_t from) {
    size_t i = 0;
    while (spans->span[i].end <= from)
        i++;
    mgd_stretch s = {.span = i, .value = spans->span[i].value, .count = spans->span[i].end - from};
    if (run->layout.in_lanes || spans->span[i].end == run->parameters)
        return s;
    if (s.count >= run->layout.width) { /* in rows, whole tiles */
        s.count -= s.count % run->layout.width;
        return s;
    }
    s.mixed = true;
    s.count =
        run->parameters - from < run->layout.width ? run->parameters - from : run->layout.width;
    return s;
}
