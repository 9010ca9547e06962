/* expression: an output as words in reverse Polish order.
 *
 *   v:NODE       its voltage; v:0 is 0
 *   i:SOURCE     the current through a voltage source (or what has one: an inductor, an E, an H)
 *   1.5e-3       a number
 *   + - * / min max            of the two before
 *   neg abs sqrt exp ln tanh   of the one before
 */
#ifndef MGD_SPICE_EXPRESSION_H
#define MGD_SPICE_EXPRESSION_H

#include "library.h"

typedef struct mgd_spice_expression mgd_spice_expression;

/* `words` is read, and no more needed. */
mgd_status mgd_spice_expression_new(mgd_context *ctx, const char *words,
                                    mgd_spice_expression **out);
void mgd_spice_expression_free(mgd_spice_expression *e);

/* Finds its vectors in the present plot, with at least `count` values each, after each analysis.
 * Fails where there is none. */
mgd_status mgd_spice_expression_find(mgd_context *ctx, mgd_spice_expression *e, size_t count);
/* Its value at a point of the plot. */
double mgd_spice_expression_at(const mgd_spice_expression *e, size_t point);

#endif
