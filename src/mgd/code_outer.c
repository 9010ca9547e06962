/* outer: what a chip can do that has a source of random signs for each row and each column of an
 * array instead of one at each synapse: s_ij = r_i·c_j, with m + n sources for m × n weights.
 *
 * Biases are a column whose input is constant. Its source is constant, too, c_0 = 1, which costs
 * nothing: with a drawn c_0 the signs r_i·c_0 and c_j·c_0 would be fair and independent again, and
 * so the law the same with one source more. A parameter in no matrix has a source of its own.
 *
 * Pairs of parameters are independent, as those of fair signs are, and each G_ij has their
 * variance. But the corners of a rectangle multiply to 1, and that correlates G
 * (docs/guide/08-codes.md). r and −r are as likely, so that all odd moments vanish.
 *
 * With source = "register" source k is phase k of one shift register, as a circuit has it: pairs of
 * parameters are correlated by −1/(2^m − 1) over a period, as of the code lfsr. For that the
 * products of phases, which are phases again, have to differ. */

#include "code_outer.h"
#include "code.h"
#include "register.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- sources that are phases of a register --------------------------------------------------- */

/* What a parameter's sign is the parity of: these bits of the register's state, … */
typedef struct {
    uint32_t mask;
    size_t parameter;
} phase;

static int by_mask(const void *a, const void *b) {
    const phase *p = a, *q = b;
    if (p->mask != q->mask)
        return p->mask < q->mask ? -1 : 1;
    return (p->parameter > q->parameter) - (p->parameter < q->parameter);
}

/* … where source k, b_{n+k}, is that of one bit for k < m, and then follows the recurrence. */
static void set_masks(unsigned bits, size_t sources, uint32_t *mask) {
    const uint32_t taps = mgd_register_taps(bits);
    for (size_t k = 0; k < sources; k++) {
        mask[k] = k < bits ? (uint32_t)1 << k : 0;
        for (unsigned t = 1; t <= bits && k >= bits; t++)
            if (taps >> (t - 1) & 1)
                mask[k] ^= mask[k - t];
    }
}

/* Whether no two parameters have the same phase; else which two (0, 1, …). `mask` (sources) and
 * `phases` (P) are scratch. */
static bool all_apart(const mgd_code *code, unsigned bits, uint32_t *mask, phase *phases,
                      size_t two[2]) {
    const mgd_outer *o = code->state;
    set_masks(bits, code->bits, mask);
    for (size_t b = 0; b < o->num_blocks; b++) {
        const mgd_outer_block *block = &o->block[b];
        for (size_t i = 0; i < block->count; i++) {
            size_t columns = block->columns > 0 ? block->columns : 1;
            uint32_t column = block->columns > 0 ? mask[block->column + i % columns] : 0;
            size_t p = block->first + i;
            phases[p] = (phase){mask[block->row + i / columns] ^ column, p};
        }
    }
    qsort(phases, code->parameters, sizeof(phase), by_mask);
    for (size_t i = 1; i < code->parameters; i++)
        if (phases[i].mask == phases[i - 1].mask) {
            two[0] = phases[i - 1].parameter;
            two[1] = phases[i].parameter;
            return false;
        }
    return true;
}

/* The fewest bits from `bits` on with which all are apart; one more than there can be: none. */
static unsigned fewest_bits(const mgd_code *code, unsigned bits, uint32_t *mask, phase *phases) {
    size_t two[2];
    while (bits <= MGD_REGISTER_MAX && !all_apart(code, bits, mask, phases, two))
        bits++;
    return bits;
}

/* `cause` says what is wrong with a register of so many bits. */
static mgd_status refuse(mgd_context *ctx, unsigned bits, const char *cause, unsigned fewest) {
    char expected[80] = "source = \"random\", for none of up to 30 bits does";
    if (fewest <= MGD_REGISTER_MAX)
        snprintf(expected, sizeof expected, "%u, the fewest that keep all apart", fewest);
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "perturbation: a register of bits = %u %s: expected %s",
                    bits, cause, expected);
}

/* No sign is constant where 2^m − 1 > P: sources of a row and of a column are at most P apart. */
static mgd_status choose_bits(mgd_context *ctx, const mgd_train *train, const mgd_code *code,
                              uint32_t *mask, phase *phases, unsigned *bits) {
    const unsigned least = mgd_register_bits((double)code->parameters + 1);
    size_t two[2] = {0, 0};
    char cause[160];
    *bits = train->bits > 0
                ? train->bits
                : fewest_bits(code, mgd_register_ample((double)code->parameters), mask, phases);
    if (*bits > MGD_REGISTER_MAX)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: no register of up to %d bits keeps the rows and columns of "
                        "%zu parameters apart: expected source = \"random\"",
                        MGD_REGISTER_MAX, code->parameters);
    if (*bits < least)
        snprintf(cause, sizeof cause, "shows %.0f phases to %zu parameters", exp2(*bits) - 1,
                 code->parameters);
    else if (!all_apart(code, *bits, mask, phases, two))
        snprintf(cause, sizeof cause,
                 "shows parameters %zu and %zu, products of rows and columns, the same signs",
                 two[0] + 1, two[1] + 1);
    else
        return MGD_OK;
    return refuse(ctx, *bits, cause, fewest_bits(code, least, mask, phases));
}

/* Behind the blocks, in memory that takes the place of theirs. */
static mgd_status draw(mgd_context *ctx, unsigned bits, size_t most, mgd_code *code) {
    const size_t head = sizeof(mgd_outer) + most * sizeof(mgd_outer_block);
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "sequence of the register", 1,
                         head + mgd_register_words(bits, code->bits) * sizeof(uint32_t), &memory));
    memcpy(memory, code->state, head);
    mgd_free(code->state);
    mgd_outer *o = code->state = memory;
    o->sequence = (uint32_t *)(void *)((char *)memory + head);
    return mgd_register_draw(ctx, bits, code->bits, o->sequence);
}

static mgd_status open_register(mgd_context *ctx, const mgd_train *train, size_t most,
                                mgd_code *code) {
    void *mask, *phases = NULL;
    unsigned bits = 0;
    MGD_TRY(mgd_allocate(ctx, "phases of sources", code->bits, sizeof(uint32_t), &mask));
    mgd_status status =
        mgd_allocate(ctx, "phases of parameters", code->parameters, sizeof(phase), &phases);
    if (status == MGD_OK)
        status = choose_bits(ctx, train, code, mask, phases, &bits);
    mgd_free(mask);
    mgd_free(phases);
    if (status == MGD_OK)
        status = draw(ctx, bits, most, code);
    MGD_TRY(status);
    code->bits = 0; /* none are drawn */
    code->shared = true;
    code->period = ((uint64_t)1 << bits) - 1;
    return MGD_OK;
}

/* ---------------------------------------------------------------------------------------------- */

static mgd_status open(mgd_context *ctx, const mgd_train *train, mgd_code *code) {
    MGD_TRY(check(ctx, train, code->parameters));
    if (train->bits > 0 && !train->registered)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "perturbation: bits = %u are those of a register: expected source = "
                        "\"register\" with the code outer",
                        train->bits);
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
    return train->registered ? open_register(ctx, train, most, code) : MGD_OK;
}

static const char *const reads[] = {"source", "bits", NULL};
const mgd_code_type mgd_code_outer = {.name = "outer", .reads = reads, .own = true, .open = open};
