#ifndef BENCH_PONG_H
#define BENCH_PONG_H

#include <lua.h>

/* The least that a question and its answer cost: `asked` bytes go to another process, `said` bytes
 * come back, and nobody looks at them.
 *   tcp_pong(asked, said)                       a fork of this one, over loopback TCP; or
 *   pipe_pong(asked, said, program, word, …)    a program, on its standard input and output:
 *                                               gets the two numbers as its last words
 *   pong:time(n)    → seconds of n questions, nil and why where it has ended
 *   pong:close()    ends it; so does the collector */
int pong_tcp(lua_State *L);
int pong_pipe(lua_State *L);
void pong_register(lua_State *L); /* makes the metatable */

#endif
