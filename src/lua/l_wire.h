/* l_wire.h: wires for the bindings that talk through them. */
#ifndef MGD_L_WIRE_H
#define MGD_L_WIRE_H

#include "../wire/wire.h" /* internal: raw links are wires without a chip */
#include "l_mgd.h"

#define L_WIRE "mgd.wire"

/* A wire of functions needs to know where it may call them: on the stack of the state that is in a
 * binding, where {open =, write =, read =, close =} lies. */
typedef struct {
    mgd_wire *wire;
    lua_State *L; /* NULL: in none */
    int functions;
    mgd_wire_calls calls;
} l_wire;

/* Reads {timeout =, limit =, baud =, stop_bits =, parity =, flow =}. */
mgd_wire_spec l_wire_settings(lua_State *L, int index);
/* Makes the box's own calls those of the table that is its user value. */
void l_wire_calls(l_wire *box);

/* The open wire at `index`. */
l_wire *l_check_wire(lua_State *L, int index);

/* Between the two, which go in pairs, the wire at `index` may call its functions, which the first
 * leaves on the stack. */
l_wire l_enter_wire(lua_State *L, int index);
void l_leave_wire(l_wire *box, const l_wire *outer);

/* The same for those of an instrument, so many, whose list stands at L_WIRES in the user value of
 * the chip, at `kept`. */
#define L_WIRES 5
void l_enter_wires(lua_State *L, int count, int kept);
void l_leave_wires(lua_State *L, int count, int kept);

#endif
