/* The kinds of perturbation codes, a row each. */

#include "code.h"

extern const mgd_code_type mgd_code_sequential;
extern const mgd_code_type mgd_code_walsh;
extern const mgd_code_type mgd_code_random;
extern const mgd_code_type mgd_code_sine;
extern const mgd_code_type mgd_code_gaussian;
extern const mgd_code_type mgd_code_brownian;
extern const mgd_code_type mgd_code_lfsr;
extern const mgd_code_type mgd_code_of_function;
extern const mgd_code_type mgd_code_outer;

static const mgd_code_type *const rows[] = {
    [MGD_CODE_SEQUENTIAL] = &mgd_code_sequential,
    [MGD_CODE_WALSH] = &mgd_code_walsh,
    [MGD_CODE_RANDOM] = &mgd_code_random,
    [MGD_CODE_SINE] = &mgd_code_sine,
    [MGD_CODE_GAUSSIAN] = &mgd_code_gaussian,
    [MGD_CODE_BROWNIAN] = &mgd_code_brownian,
    [MGD_CODE_LFSR] = &mgd_code_lfsr,
    [MGD_CODE_FUNCTION] = &mgd_code_of_function,
    [MGD_CODE_OUTER] = &mgd_code_outer,
};

const mgd_code_type *mgd_code_of(unsigned kind) {
    return kind < sizeof rows / sizeof *rows ? rows[kind] : NULL;
}

const char *mgd_code_name(unsigned kind) {
    const mgd_code_type *type = mgd_code_of(kind);
    return type ? type->name : NULL;
}

const char *const *mgd_code_reads(unsigned kind) {
    const mgd_code_type *type = mgd_code_of(kind);
    return type ? type->reads : NULL;
}
