/* l_train.h: what the bindings of networks, chips and runs share. Tables arrive checked by the
 * schemas in lua/mgd; here they are only read.
 */
#ifndef MGD_L_TRAIN_H
#define MGD_L_TRAIN_H

#include "l_mgd.h"

#define L_NET "mgd.net"
#define L_CHIP "mgd.chip"
#define L_RUN "mgd.run"

mgd_net *l_check_net(lua_State *L, int index);

double l_number_field(lua_State *L, int index, const char *name, double otherwise);
/* Reads {cost =, label_smoothing =}; a cost that is a Lua function leaves function and user NULL.
 */
void l_cost(lua_State *L, int index, mgd_cost *cost);
/* Reads {scheme =, low =, high =, mean =, std =, seed =, replica =}. */
void l_init(lua_State *L, int index, mgd_init *init);

/* A Lua function that C calls back: where it lies on the stack of the state that runs, while it
 * does. Set by the binding that enters the library, NULL outside. */
typedef struct {
    lua_State *L;
    int function; /* stack index */
} l_callback;

/* Calls `callback` with copies of two tensors, protected; the first result is left in *tensor (a
 * fresh header, when not NULL) or *number. `what` names the function: "chip: evaluate". */
mgd_status l_call_back(const l_callback *callback, mgd_context *ctx, const char *what,
                       const mgd_tensor *a, const mgd_tensor *b, mgd_tensor **tensor,
                       double *number);

/* Records that a function of the user's failed. */
mgd_status l_fail(mgd_context *ctx, const char *what, const char *why);

typedef struct {
    mgd_chip *chip;
    l_callback evaluate; /* of an external chip; its function is the box's user value */
} l_chip;

l_chip *l_check_chip(lua_State *L, int index);

#endif
