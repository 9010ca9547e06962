/* What a port is made of, for port_parts.c, port_words.c, port_answers.c and port.c,
 * which use each other in this order. */
#ifndef MGD_CHIP_PORT_STATE_H
#define MGD_CHIP_PORT_STATE_H

#include "port.h"

struct mgd_port {
    const mgd_port_spec *spec;
    const mgd_dialect *dialect;
    const char *terminator;
    mgd_wire *wire;
    mgd_description description;
    mgd_text identity, said; /* with a zero at the end */

    mgd_text out; /* requests that have been put together, … */
    size_t *end;  /* … where each of them ends in it, … */
    size_t num_requests, room_requests;
    size_t answered;       /* … and how many of them have got their answer */
    size_t gone;           /* sent, and not answered yet … */
    double since;          /* … since then */
    bool sent;             /* all of them */
    mgd_text answer, rest; /* what was taken last: its value, and what stood behind a block */
    bool is_block;
    uint8_t sequence;
    bool lost;
    bool refused; /* the chip has reported an error, … */
    bool failed;  /* … which was of a measurement */
    mgd_port_times spent;
};

/* Shows bytes in the log, or on stderr for a dry run: '>' out, '<' in. */
void mgd_port_show(FILE *to, char direction, const char *bytes, size_t count);

#endif
