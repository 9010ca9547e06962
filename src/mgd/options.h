/* options: what the fields of mgd_train are called, what they take, and what they are without. */
#ifndef MGD_MGD_OPTIONS_H
#define MGD_MGD_OPTIONS_H

#include "../base/base.h"

/* Whether each field of `train` is what its row of the table asks for; what several fields have to
 * say to each other is for those who use them. */
mgd_status mgd_options_check(mgd_context *ctx, const mgd_train *train);

#endif
