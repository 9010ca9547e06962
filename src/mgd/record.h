/* record: a run that is recorded: what its chip answers goes to a file, which recording.h of the
 * chips describes. */
#ifndef MGD_MGD_RECORD_H
#define MGD_MGD_RECORD_H

#include "../chip/recording.h"

/* To be said when the run has just been made. Nothing is written yet. */
mgd_status mgd_run_record(mgd_context *ctx, mgd_run *run, const char *path);
/* Opens the file before the first step that is recorded, or goes on with one that was paused.
 * `resumes`: the file is a recording of this run, which goes on at the present step. `keeps_theta`:
 * where the chip writes θ, nothing but a record of it says what it becomes. */
mgd_status mgd_run_record_begin(mgd_context *ctx, mgd_run *run, const char *text, size_t length,
                                bool resumes, bool keeps_theta);
void mgd_run_record_pause(mgd_run *run);
/* Records no more: the file is as it is, and the run may be recorded anew. */
void mgd_run_record_end(mgd_run *run);
/* A row of probes, values (count × R). */
void mgd_run_record_row(mgd_run *run, size_t count, const char *const *names, const double *values);
/* Why the recording has ended, said once; NULL: nothing new. */
const char *mgd_run_record_news(mgd_run *run);

#endif
