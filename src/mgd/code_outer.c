/* outer: what a chip can do that has a source of random signs for each row and each column of an
 * array instead of one at each synapse: s_ij = r_i·c_j, with m + n sources for m × n weights.
 *
 * Biases are a column whose input is constant. Its source is constant, too, c_0 = 1, which costs
 * nothing: with a drawn c_0 the signs r_i·c_0 and c_j·c_0 would be fair and independent again, and
 * so the law the same with one source more. A parameter in no matrix has a source of its own.
 *
 * Pairs of parameters are independent, as those of fair signs are, and each G_ij has their
 * variance. But the corners of a rectangle multiply to 1, and that correlates G
 * (docs/guide/08-codes.md). r and −r are as likely, so that all odd moments vanish. */

#include "code_outer.h"
#include "code.h"

static mgd_status check(mgd_context *ctx, const mgd_train *train, size_t parameters) {
    if (train->perturb == MGD_PERTURB_NODES)
        return mgd_fail(
            ctx, MGD_ERR_ARGUMENT,
            "perturbation: the code outer perturbs weights in rows and columns: expected "
            "perturb = \"parameters\", or a code such as random for nodes");
    if (train->num_matrices == 0)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: the code outer needs weights in rows and columns, and none "
                        "are known here: expected a chip that is a network, ideal or simulated, "
                        "with a dense, conv2d, elman or ssm layer, or a code such as random");
    for (size_t i = 0, end = 0; i < train->num_matrices; i++) {
        const mgd_matrix *m = &train->matrices[i];
        bool alike = m->place == MGD_MATRIX_FIRST || (i > 0 && m->rows == m[-1].rows);
        bool narrow = m->place != MGD_MATRIX_BIASES || m->columns == 1;
        if (!alike || !narrow || m->rows < 1 || m->columns < 1 || m->first < end ||
            m->first > parameters || m->rows > (parameters - m->first) / m->columns)
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "perturbation: matrix %zu has %zu rows and %zu columns from parameter "
                            "%zu of %zu on: expected matrices one behind the other, those beside "
                            "another with its rows, and one column of biases",
                            i + 1, m->rows, m->columns, m->first + 1, parameters);
        end = m->first + m->rows * m->columns;
    }
    return MGD_OK;
}

/* Parameters up to `end` that are in no matrix: a source each. */
static void take_rest(mgd_outer *o, mgd_code *code, size_t first, size_t end) {
    if (end > first)
        o->block[o->num_blocks++] =
            (mgd_outer_block){.first = first, .count = end - first, .row = code->bits};
    code->bits += end - first;
}

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    MGD_TRY(check(ctx, train, code->parameters));
    const size_t most = 2 * train->num_matrices + 1;
    MGD_TRY(mgd_allocate(ctx, "rows and columns", 1,
                         sizeof(mgd_outer) + most * sizeof(mgd_outer_block), &code->state));
    mgd_outer *o = code->state;
    size_t at = 0, row = 0;
    for (size_t i = 0; i < train->num_matrices; i++) {
        const mgd_matrix *m = &train->matrices[i];
        take_rest(o, code, at, m->first);
        if (m->place == MGD_MATRIX_FIRST) {
            row = code->bits;
            code->bits += m->rows;
        }
        mgd_outer_block *b = &o->block[o->num_blocks++];
        *b = (mgd_outer_block){.first = m->first, .count = m->rows * m->columns, .row = row};
        if (m->place != MGD_MATRIX_BIASES) {
            b->columns = m->columns;
            b->column = code->bits;
            code->bits += m->columns;
        }
        at = m->first + b->count;
    }
    take_rest(o, code, at, code->parameters);
    code->stream = MGD_STREAM_OUTER;
    return MGD_OK;
}

static const char *const reads[] = {NULL};
const mgd_code_type mgd_code_outer = {.name = "outer", .reads = reads, .own = true, .open = open};
