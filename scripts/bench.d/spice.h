#ifndef BENCH_SPICE_H
#define BENCH_SPICE_H

#include <lua.h>

/* ngspice's shared library in this process, which has one circuit: operating points in a bare loop.
 *   spice(netlist, vector)      loads a text; nil and why where the library is not here
 *   spice_time(n, commands)     → seconds of n rounds of a list of commands; after each "op" the
 *                               vector is read, and what the operating point left is freed */
int spice_load(lua_State *L);
int spice_time(lua_State *L);

#endif
