#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <lua.h>

/* child(program, argument, …) → a process that answers lines with lines, or nil and why not:
 *   child:request(line) → the line it answers, or nil and why there is none
 *   child:close()       ends it; so do to-be-closed variables and the collector */
int child_start(lua_State *L);
void child_register(lua_State *L); /* makes the metatable */

#endif
