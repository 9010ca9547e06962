/* l_tensor.h: what the files that bind tensors share; see l_mgd.h for what all bindings do. */
#ifndef MGD_L_TENSOR_H
#define MGD_L_TENSOR_H

#include "l_mgd.h"

/* The options that constructors and methods take in a trailing table. */
typedef struct {
    mgd_dtype dtype; /* f64 unless given */
    bool has_dtype;
    uint64_t seed;     /* 1 */
    double rtol, atol; /* 1e-6, 0 */
    size_t ddof;       /* 0 */
} l_options;

enum { L_OPT_DTYPE = 1, L_OPT_SEED = 2, L_OPT_RTOL = 4, L_OPT_ATOL = 8, L_OPT_DDOF = 16 };

/* Reads the table at `index` (absent or nil: all defaults). An option outside of the set `allowed`
 * or of the wrong kind is an error. */
l_options l_tensor_options(lua_State *L, int index, const char *what, unsigned allowed);

/* Reads a shape such as {2, 3} into `shape`; returns the number of dimensions. Entries are `low` or
 * more; −1 is returned as MGD_INFER. */
size_t l_tensor_shape(lua_State *L, int index, const char *what, int low,
                      size_t shape[MGD_MAX_DIMS]);

/* Pushes the tensor that mgd.tensor makes of the nested tables or the number at `index`. */
mgd_tensor *l_tensor_push_nested(lua_State *L, int index, mgd_dtype dtype);

/* The tensor of which `name` + `suffix` is a method, at index 1; or an error that says so: it was
 * called with a dot. */
mgd_tensor *l_tensor_self(lua_State *L, const char *name, const char *suffix);

/* The number of entries of the list at `index`, which holds nothing else; or an error. */
size_t l_tensor_list(lua_State *L, int index, const char *what);

/* An axis in Lua's counting (1 … ndim, or −ndim … −1) as one that counts from 0. */
size_t l_tensor_axis(lua_State *L, int index, const char *what, const mgd_tensor *t);

double l_tensor_number(lua_State *L, int index, const char *what);
mgd_dtype l_tensor_dtype(lua_State *L, int index, const char *what);
const char *l_tensor_path(lua_State *L, int index, const char *what);

/* Pushes an element or a sum of elements: an integer (where Lua has them) for integer types. */
void l_tensor_push_value(lua_State *L, mgd_dtype dtype, double value);

/* Each adds its methods to the metatable on top of the stack … */
void l_tensor_add_indexing(lua_State *L);
void l_tensor_add_math(lua_State *L);
int l_tensor_tostring(lua_State *L);
/* … or its functions to the module table there. */
void l_tensor_add_constructors(lua_State *L);

#endif
