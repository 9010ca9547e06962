/* folder: an empty folder as present one and home, for ngspice executes files that it finds there.
 */
#ifndef MGD_SPICE_FOLDER_H
#define MGD_SPICE_FOLDER_H

#include "../base/base.h"

/* Makes one under TMPDIR, goes there, and leaves no variable that names another place to ngspice.
 */
mgd_status mgd_spice_folder_open(mgd_context *ctx);
/* Removes it, and the process stays in what is then no place at all. For as soon as ngspice has
 * started: so nothing is left behind however the process ends. May be called from a signal handler.
 */
void mgd_spice_folder_remove(void);

#endif
