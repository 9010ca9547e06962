/* Speaking with the program of a chip in Verilog.
 *
 * Steps that were asked for together are done whole or not at all, so that a run goes on after
 * Ctrl-C as if there had been none: the first Ctrl-C waits for them.
 */

#include "rtl_state.h"

#include <limits.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#define MOST_CLOCKS 1000000 /* that the circuit may be busy */
#define MOMENT 1.0          /* seconds that Ctrl-C waits for an answer */

enum { DONE, BUSY, FINISHED };

/* ---- orders ---------------------------------------------------------------------------------- */

static void add(mgd_rtl *rtl, uint16_t kind, uint16_t address, uint32_t value) {
    rtl->message->order[rtl->message->count++] = (mgd_rtl_order){kind, address, value};
}

void mgd_rtl_write(mgd_rtl *rtl, uint16_t address, uint32_t value) {
    add(rtl, MGD_RTL_WRITE, address, value);
}

void mgd_rtl_read(mgd_rtl *rtl, uint16_t address, size_t count) {
    add(rtl, MGD_RTL_READ, address, (uint32_t)count);
    rtl->reads += count;
}

void mgd_rtl_reset(mgd_rtl *rtl) {
    add(rtl, MGD_RTL_RESET, 0, 0);
}

void mgd_rtl_wait(mgd_rtl *rtl) {
    add(rtl, MGD_RTL_WAIT, MGD_RTL_BUSY, MOST_CLOCKS);
}

/* ---- Ctrl-C ---------------------------------------------------------------------------------- */

bool mgd_rtl_hold(mgd_rtl *rtl, mgd_status status) {
    if (status != MGD_ERR_INTERRUPT || rtl->held)
        return false;
    mgd_interrupt_clear();
    rtl->held = true;
    return true;
}

void mgd_rtl_let_go(mgd_rtl *rtl) {
    if (rtl->held)
        mgd_interrupt_request();
    rtl->held = false;
}

/* ---- to and fro ------------------------------------------------------------------------------ */

/* One that hangs is waited for no longer than a moment once Ctrl-C has come. */
static mgd_status take(mgd_context *ctx, mgd_rtl *rtl, size_t count, double *until,
                       const char **bytes) {
    mgd_status status;
    while ((status = mgd_wire_take(ctx, rtl->wire, count, *until, bytes)) != MGD_OK &&
           mgd_rtl_hold(rtl, status))
        *until = fmin(*until, mgd_clock() + MOMENT);
    if (status == MGD_OK || !rtl->held || mgd_wire_fault(rtl->wire) != MGD_FAULT_LATE)
        return status;
    rtl->held = false;
    return mgd_fail(ctx, MGD_ERR_INTERRUPT, "interrupted");
}

/* Messages of steps are so short that either all of one is sent or nothing. */
static mgd_status send(mgd_context *ctx, mgd_rtl *rtl, double until) {
    size_t bytes = sizeof rtl->message->count + rtl->message->count * sizeof(mgd_rtl_order);
    mgd_status status;
    do
        status = mgd_wire_write(ctx, rtl->wire, rtl->message, bytes, until);
    while (status != MGD_OK && bytes <= _POSIX_PIPE_BUF && mgd_rtl_hold(rtl, status));
    return status;
}

static mgd_status fail_answer(mgd_context *ctx, mgd_rtl *rtl, uint32_t status, uint32_t count) {
    if (status == BUSY)
        return mgd_fail(ctx, MGD_ERR_IO, "%s: it is still busy after %d clocks: register 0x%04X",
                        rtl->name, MOST_CLOCKS, MGD_RTL_BUSY);
    if (status == FINISHED)
        return mgd_fail(ctx, MGD_ERR_IO, "%s: it called $finish", rtl->name);
    return mgd_fail(ctx, MGD_ERR_FORMAT,
                    "%s: its program returned %u words and status %u: expected %zu and 0",
                    rtl->name, count, status, rtl->reads);
}

/* The count of words, and those. */
static mgd_status receive(mgd_context *ctx, mgd_rtl *rtl, double until) {
    const char *bytes;
    uint32_t head[2];
    MGD_TRY(take(ctx, rtl, sizeof head, &until, &bytes));
    memcpy(head, bytes, sizeof head);
    if (head[0] != DONE || head[1] != rtl->reads)
        return fail_answer(ctx, rtl, head[0], head[1]);
    MGD_TRY(take(ctx, rtl, rtl->reads * sizeof *rtl->words, &until, &bytes));
    memcpy(rtl->words, bytes, rtl->reads * sizeof *rtl->words);
    return MGD_OK;
}

static mgd_status check_owner(mgd_context *ctx, const mgd_rtl *rtl) {
    if (rtl->owner == (long)getpid())
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "%s: it belongs to the process that opened it: expected a chip of this "
                    "process's own",
                    rtl->name);
}

mgd_status mgd_rtl_exchange(mgd_context *ctx, mgd_rtl *rtl) {
    double until = mgd_clock() + rtl->spec.timeout;
    mgd_status status = check_owner(ctx, rtl);
    if (status == MGD_OK)
        status = send(ctx, rtl, until);
    if (status == MGD_OK)
        status = receive(ctx, rtl, until);
    rtl->message->count = 0;
    rtl->reads = 0;
    if (status != MGD_OK) {
        rtl->user = NULL;
        rtl->lost = true;
        mgd_wire_terminate(rtl->wire);
    }
    return status;
}

/* ---- starting -------------------------------------------------------------------------------- */

static mgd_status greet(mgd_context *ctx, mgd_rtl *rtl) {
    static const char greeting[] = MGD_RTL_GREETING;
    const char *bytes;
    double until = mgd_clock() + rtl->spec.timeout;
    mgd_status status = mgd_wire_take(ctx, rtl->wire, sizeof greeting - 1, until, &bytes);
    if (status != MGD_OK)
        mgd_wire_terminate(rtl->wire);
    MGD_TRY(status);
    if (memcmp(bytes, greeting, sizeof greeting - 1) != 0)
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "%s: its program does not begin with \"%s\": expected one that mgd.chip "
                        "has built",
                        rtl->name, greeting);
    rtl->lost = false;
    return MGD_OK;
}

mgd_status mgd_rtl_open(mgd_context *ctx, mgd_rtl *rtl) {
    const char *const words[] = {"EXEC", rtl->spec.program, NULL};
    mgd_wire_spec spec = {.address = rtl->name, .words = words, .timeout = rtl->spec.timeout};
    rtl->owner = (long)getpid();
    MGD_TRY(mgd_wire_open(ctx, &spec, &rtl->wire));
    return greet(ctx, rtl);
}

mgd_status mgd_rtl_reopen(mgd_context *ctx, mgd_rtl *rtl) {
    if (!rtl->wire)
        return mgd_fail(ctx, MGD_ERR_IO, "%s: it was closed", rtl->name);
    MGD_TRY(mgd_wire_reopen(ctx, rtl->wire));
    return greet(ctx, rtl);
}
