/* talk: a server's conversation, what the dialects share. */
#ifndef MGD_SERVE_TALK_H
#define MGD_SERVE_TALK_H

#include "served.h"

#define MGD_SCPI_QUEUE 16  /* errors that wait */
#define MGD_SCPI_ERROR 256 /* bytes of one, with its end */

/* What IEEE 488.2 wants an instrument to keep. */
typedef struct {
    char queue[MGD_SCPI_QUEUE][MGD_SCPI_ERROR];
    size_t waiting;
    uint8_t status, enabled, service; /* ESR, ESE, SRE */
    bool real;                        /* FORMat REAL */
    bool talks;                       /* the last request was SCPI */
} mgd_scpi;

struct mgd_server {
    mgd_served chip;
    mgd_server_counts counts;
    mgd_scpi scpi;

    mgd_bytes in, out;
    size_t begun;   /* of `in`, where the message under way begins; of it … */
    size_t scanned; /* … so much has been looked through … */
    size_t block;   /* … and here the last block ends */
    bool dropping;  /* what comes up to the end of the line is too much */
    bool framed;    /* messages are frames */

    uint8_t sequence;          /* of the last frame, … */
    mgd_bytes message, answer; /* … what it asked, and the answer to it, as frame */
    bool answered;             /* there was one */

    mgd_bytes x, y, samples; /* arrays of a request */
};

/* What a request does; an answer is put behind what is in `answer`. */
typedef mgd_verdict mgd_verb(mgd_context *ctx, mgd_server *server, mgd_words *words,
                             mgd_bytes *answer);
mgd_verb mgd_verb_identify, mgd_verb_describe, mgd_verb_data, mgd_verb_write, mgd_verb_read,
    mgd_verb_give, mgd_verb_run, mgd_verb_outputs, mgd_verb_safe, mgd_verb_why;

/* One request of the small protocol, without its end, answered without an end. */
mgd_verdict mgd_small_handle(mgd_context *ctx, mgd_server *server, const char *text, size_t count,
                             mgd_bytes *answer);
/* Whether it is one, by its first word. */
bool mgd_small_knows(const char *text, size_t count);
/* The answer to one that failed. */
void mgd_small_refuse(mgd_server *server, mgd_verdict verdict, const char *why, mgd_bytes *answer);

void mgd_scpi_open(mgd_scpi *scpi);
/* A line of commands with semicolons between. */
mgd_verdict mgd_scpi_handle(mgd_context *ctx, mgd_server *server, const char *text, size_t count,
                            mgd_bytes *answer);
bool mgd_scpi_knows(const char *text, size_t count);
void mgd_scpi_refuse(mgd_server *server, mgd_verdict verdict, const char *why);

#endif
