/* check.h: whether what a user of mgd.h filled in is a model, or an update, at all. Whether its
 * numbers make sense together is said where options have names: lua/mgd/hw. */
#ifndef MGD_HW_CHECK_H
#define MGD_HW_CHECK_H

#include "../base/base.h"

/* Fail with the model's place in the list (from 1), the field, its value and what would be right.
 */
mgd_status mgd_hw_models_check(mgd_context *ctx, size_t count, const mgd_hw_model *models);
mgd_status mgd_hw_update_check(mgd_context *ctx, const mgd_hw_update *update);
/* Values go through models of one place, or through several that a parameter passes. */
mgd_status mgd_hw_places_check(mgd_context *ctx, size_t count, const mgd_hw_model *models);

#endif
