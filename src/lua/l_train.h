/* l_train.h: what the bindings of networks, chips and runs share. Tables arrive checked by the
 * schemas in lua/mgd; here they are only read.
 */
#ifndef MGD_L_TRAIN_H
#define MGD_L_TRAIN_H

#include "l_mgd.h"

#define L_NET "mgd.net"
#define L_CHIP "mgd.chip"
#define L_RUN "mgd.run"

/* Networks serve chips, and chips serve runs: `users` counts whom, and a run's is whether it is at
 * work. Nobody can free what has users: the collector never tries, for users keep it alive. */
typedef struct {
    mgd_net *net;
    int users;
} l_net;

l_net *l_check_net_box(lua_State *L, int index);
mgd_net *l_check_net(lua_State *L, int index);

/* ---- fields of tables: l_fields.c ------------------------------------------------------------ */

double l_number_field(lua_State *L, int index, const char *name, double otherwise);
/* A field that becomes an integer of C: raises where it is none from 0 to `most`; and a seed, any
 * whole number that a double holds exactly. */
uint64_t l_count_field(lua_State *L, int index, const char *name, double otherwise, double most);
uint64_t l_seed_field(lua_State *L, int index, const char *name);
bool l_flag_field(lua_State *L, int index, const char *name);
/* A value of an enumeration by its name; `name_of` gives NULL beyond the last. */
typedef const char *l_namer(unsigned value);
unsigned l_choice_field(lua_State *L, int index, const char *name, l_namer *name_of,
                        unsigned otherwise);
/* Pushes the list of the names. */
void l_push_names(lua_State *L, l_namer *name_of);
/* The tensor that the table keeps alive; NULL: none. */
const mgd_tensor *l_tensor_field(lua_State *L, int index, const char *name);

/* ---- tables as structures -------------------------------------------------------------------- */

/* Reads {cost =, label_smoothing =}; a cost that is a Lua function leaves function and user NULL.
 */
void l_cost(lua_State *L, int index, mgd_cost *cost);
/* Reads {scheme =, low =, high =, mean =, std =, seed =, replica =}. */
void l_init(lua_State *L, int index, mgd_init *init);
/* Reads what mgd_train_options lists, by the names there, and `is_norm`; what is not there stays as
 * it is. A Lua function for a schedule leaves function and user NULL. */
void l_train_options(lua_State *L, int index, mgd_train *train);
/* Reads signals = {{outputs =, parameters =}, …}; they live in a userdata that is left on
 * the stack. */
void l_train_signals(lua_State *L, int index, mgd_train *train);
/* And of `rules` and `keep`; where there are rules they stay on the stack. */
void l_train_rules(lua_State *L, int index, mgd_train *train);

/* A Lua function that C calls back: where it lies on the stack of the state that runs, while it
 * does. Set by the binding that enters the library, NULL outside. */
typedef struct {
    lua_State *L;
    int function; /* stack index */
    int memory;   /* of what models of the user's remember, where they do */
} l_callback;

/* Calls `callback` with copies of two tensors, or three, unless c is NULL, protected; the first
 * result is left in *tensor (a fresh header, when not NULL) or *number. `what` names the function:
 * "chip: evaluate". */
mgd_status l_call_back(const l_callback *callback, mgd_context *ctx, const char *what,
                       const mgd_tensor *a, const mgd_tensor *b, const mgd_tensor *c,
                       mgd_tensor **tensor, double *number);

/* lua_pcall of a function of the user's, with its failure told in `ctx`: MGD_ERR_CALLBACK, or
 * MGD_ERR_INTERRUPT where it was Ctrl-C that ended it. */
mgd_status l_protected(lua_State *L, int arguments, int results, mgd_context *ctx,
                       const char *what);

/* Records that a function of the user's failed. */
mgd_status l_fail(mgd_context *ctx, const char *what, const char *why);

typedef struct {
    mgd_chip *chip;
    l_net *net; /* that it serves; NULL: none */
    int users;
    l_callback evaluate; /* of an external chip; its function is in the box's user value, below */
    int wires;           /* of an instrument, that are functions: a list in its user value */
} l_chip;

l_chip *l_check_chip(lua_State *L, int index);
/* A run that may be changed: no call is at work on it. */
mgd_run *l_check_run(lua_State *L, int index);
/* Notes that a chip that was made uses the network. */
void l_chip_serves(l_chip *chip, l_net *net);

#endif
