/* library: ngspice's shared library, found at run time, and what it says.
 *
 * Its state is global and its commands return 0 whatever happens, so there is one of it in a
 * process, and what went wrong is read off its words.
 */
#ifndef MGD_SPICE_LIBRARY_H
#define MGD_SPICE_LIBRARY_H

#include "../base/base.h"

#define MGD_SPICE_WORDS 4096 /* bytes of what it said that are kept */

/* Values of a vector: the library's own, good until its next command. */
typedef struct {
    const double *values;
    size_t count;
} mgd_spice_vector;

/* Is called where ngspice wants the process to end: it must not return. */
typedef void mgd_spice_end(const char *why);

/* Loads the library, by its path or, NULL, where the loader finds libngspice.so.0, and starts it.
 * It executes the file .spiceinit of the present folder and, where that has none, the user's. */
mgd_status mgd_spice_library_open(mgd_context *ctx, const char *path, mgd_spice_end *end);
/* "39.3" */
const char *mgd_spice_version(void);

/* Gives it a netlist: lines, the last of them ".end", then NULL. */
void mgd_spice_load(char **lines);
void mgd_spice_command(const char *command);
/* Frees what the commands before have left in its parser. */
void mgd_spice_sweep(void);
/* A vector of the present plot, or a parameter (@m1[w]); false: there is none. */
bool mgd_spice_vector_of(const char *name, mgd_spice_vector *out);
/* The names of the present plot's vectors, NULL at the end. */
char **mgd_spice_vectors(void);

/* What it has said since it was last told to forget: lines with " | " between, without those that
 * say that all is well. "" where nothing is amiss. */
const char *mgd_spice_words(void);
/* The same: whether one of them is of an error, or an analysis was given up. */
bool mgd_spice_failed(void);
/* The same: whether it tried to step the sources up from zero. */
bool mgd_spice_stepped(void);
void mgd_spice_forget(void);

#endif
