#ifndef BENCH_SPICE_H
#define BENCH_SPICE_H

#include <lua.h>

/* ngspice's shared library in this process, which has one circuit: operating points in a bare loop.
 *   spice_here()                whether there is such a library
 *   spice(netlist, vector)      loads a text
 *   spice_time(n, commands)     → seconds of n rounds of a list of commands; after each "op" the
 *                               vector is read, and what the operating point left is freed */
int spice_here(lua_State *L);
int spice_load(lua_State *L);
int spice_time(lua_State *L);

#endif
