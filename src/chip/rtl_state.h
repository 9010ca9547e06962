/* What a chip in Verilog is made of, for rtl_talk.c, which speaks with its program, and rtl.c. */
#ifndef MGD_CHIP_RTL_STATE_H
#define MGD_CHIP_RTL_STATE_H

#include "rtl.h"

#include "../net/net.h"
#include "../wire/wire.h"

enum { MGD_RTL_WRITE, MGD_RTL_READ, MGD_RTL_RESET, MGD_RTL_WAIT };

typedef struct {
    uint16_t kind, address;
    uint32_t value; /* to write; how many registers to read; how many clocks to wait at most */
} mgd_rtl_order;

typedef struct {
    mgd_chip chip;
    mgd_chip *ideal; /* the network that is evaluated */
    mgd_rtl_spec spec;
    mgd_rtl_about about;
    char *name;
    mgd_wire *wire;
    long owner; /* the process that started the program: none that it forks may use it */
    struct {
        uint32_t count;
        mgd_rtl_order order[]; /* (room) */
    } * message;
    size_t room, reads; /* words that the orders read */
    int32_t *words;     /* (room) that came last */
    const void *user;   /* the session whose steps the circuit goes on from; NULL: none */
    bool lost;          /* the program has to be started anew */
    bool held;          /* Ctrl-C came, and waits until the circuit's step is over */
} mgd_rtl;

/* Starts the program, or starts it anew. */
mgd_status mgd_rtl_open(mgd_context *ctx, mgd_rtl *rtl);
mgd_status mgd_rtl_reopen(mgd_context *ctx, mgd_rtl *rtl);

/* Orders of the next message. */
void mgd_rtl_write(mgd_rtl *rtl, uint16_t address, uint32_t value);
void mgd_rtl_read(mgd_rtl *rtl, uint16_t address, size_t count);
void mgd_rtl_reset(mgd_rtl *rtl);
void mgd_rtl_wait(mgd_rtl *rtl); /* until it is not busy */
/* Sends them and waits for the words, which are left in rtl->words. After a failure nobody knows
 * what the circuit holds. */
mgd_status mgd_rtl_exchange(mgd_context *ctx, mgd_rtl *rtl);

/* Whether something that failed with `status` is to be done again: it was the first Ctrl-C, which
 * waits. */
bool mgd_rtl_hold(mgd_rtl *rtl, mgd_status status);
/* What waited is asked for again. */
void mgd_rtl_let_go(mgd_rtl *rtl);

#endif
