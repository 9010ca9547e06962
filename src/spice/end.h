/* end: how the process of a worker ends before its input does, whatever it is in the middle of.
 * What waits for an answer gets one, and nothing is left behind.
 */
#ifndef MGD_SPICE_END_H
#define MGD_SPICE_END_H

#include "../serve/serve.h"

/* From now on signals that end the process do so cleanly, and what is to be said goes to `out`: as
 * answers of the protocol, or as plain lines. */
void mgd_spice_end_prepare(int out, bool protocol);
/* Whose answers are sent before. */
void mgd_spice_end_serve(mgd_server *server);

/* What is under way must end within so many seconds, or a quarter more, or the process says what
 * took too long and ends: the loading of the netlist, or the evaluation of a sample. */
#define MGD_SPICE_LOADING UINT32_MAX
void mgd_spice_end_within(double seconds, uint32_t sample);
void mgd_spice_end_rest(void); /* nothing is under way */

/* ngspice wants to end; see library.h. */
void mgd_spice_end_wanted(const char *why);

#endif
