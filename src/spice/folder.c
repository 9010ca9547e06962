/* What ngspice executes when it starts: spinit of its own installation, then .spiceinit of the
 * present folder or else of the user's home, which it takes from the system's list of users
 * whatever HOME says. So the folder has a .spiceinit, with nothing in it. Later versions look into
 * folders that variables name, too.
 */

#include "folder.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[PATH_MAX - 16], init[PATH_MAX];

/* Variables by which ngspice finds files. */
static const char *const variables[] = {"SPICE_LIB_DIR",      "SPICE_SCRIPTS",     "SPICE_EXEC_DIR",
                                        "SPICE_USERINIT_DIR", "SPICE_PATH",        "SPICE_NEWS",
                                        "SPICE_HELP_DIR",     "NGSPICE_INPUT_DIR", "USERPROFILE",
                                        "SPICE_ASCIIRAWFILE"};

mgd_status mgd_spice_folder_open(mgd_context *ctx) {
    const char *temporary = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/mgd-spice-XXXXXX",
             temporary && *temporary == '/' ? temporary : "/tmp");
    FILE *file = NULL;
    bool good = mkdtemp(folder) && chdir(folder) == 0;
    if (good) {
        snprintf(init, sizeof init, "%s/.spiceinit", folder);
        file = fopen(init, "w");
    }
    good = file && fputs("* nothing\n", file) >= 0;
    int reason = errno;
    if (file && fclose(file) != 0)
        good = false;
    if (!good) {
        mgd_fail(ctx, MGD_ERR_IO, "spice: cannot make a folder at %.200s: %s", folder,
                 strerror(reason));
        mgd_spice_folder_remove();
        return MGD_ERR_IO;
    }
    setenv("HOME", folder, 1);
    setenv("TZ", "UTC0", 1); /* each plot has its date, for which files would be looked at */
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    return MGD_OK;
}

void mgd_spice_folder_remove(void) {
    if (folder[0] == '\0')
        return;
    unlink(init);
    rmdir(folder);
}
