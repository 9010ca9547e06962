/* What becomes of failures.
 *
 * A request that fails because a chip was lost is repeated as a whole, once the chip is back. What
 * counts as too often depends on the chip. A *worker*, a stateless program, is started again as
 * long as it does not fall twice over the same step; to know which that is, steps are asked for one
 * by one once a request has failed. One that ends by itself, with status 0, has planned to. Any
 * other chip is looked for as long as its patience lasts.
 *
 * Where failures cost a step and not the run (on_failure = skip), a step whose measurement failed
 * gets the last good cost at all its points, so that C̃ is 0 and it writes nothing. Of a replica
 * that needs what stands in its *fate*: whether any step was good; whether C₀ was ever measured,
 * and whether it is that of the present θ and samples; how many steps in a row were dropped; and
 * for each signal the last C₀ and the last cost of a perturbed θ.
 */

#include "../base/number.h"
#include "instrument_state.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define MOST_LOSSES 32   /* of workers, while one request is repeated */
#define MOST_RESTARTS 16 /* that they planned; more are losses */
#define TWICE 2          /* is too often in the same step */
#define MOST_DROPPED 100 /* steps in a row */

/* ---- again ----------------------------------------------------------------------------------- */

mgd_status mgd_wired_fail(mgd_context *ctx, mgd_wired *s, mgd_crew crew, mgd_status status) {
    mgd_context failure = *ctx;
    for (size_t k = 0; k < crew.count; k++) {
        mgd_device *device = &crew.first[k];
        mgd_context own = {0};
        mgd_wired_talk(s, device)->queued = 0;
        mgd_wired_talk(s, device)->failure = own;
        if (mgd_port_waiting(device->port) == 0 && crew.count > 1 && !mgd_port_lost(device->port))
            continue; /* all that was asked of it has been answered */
        mgd_device_unknown(device);
        mgd_port_forget(&own, device->port);
    }
    *ctx = failure;
    return status;
}

static bool is_worker(const mgd_wired *s, const mgd_device *device) {
    return mgd_wired_described(s)->stateless && mgd_port_is(device->port, "EXEC");
}

/* A worker was lost in the step that begins at point `at`. Whether that is too often. */
static bool is_too_often(mgd_trouble *t, size_t at, bool alone) {
    bool blamed = t->careful || alone;
    t->same = !blamed ? 0 : at == t->point ? t->same + 1 : 1;
    t->point = at;
    t->careful = true;
    return t->same >= TWICE || ++t->losses >= MOST_LOSSES;
}

/* What happened to one of a crew. */
typedef struct {
    bool lost, planned;
    mgd_context why;
} loss;

/* Looks which of a crew were lost; how many but for workers that had planned to end. */
static size_t find_losses(const mgd_context *ctx, mgd_wired *s, mgd_crew crew, loss *of) {
    size_t losses = 0;
    for (size_t k = 0; k < crew.count; k++) {
        mgd_port *port = crew.first[k].port;
        const mgd_context *own = &mgd_wired_talk(s, &crew.first[k])->failure;
        of[k] = (loss){.lost = mgd_port_lost(port), .why = *own->message ? *own : *ctx};
        of[k].planned = of[k].lost && is_worker(s, &crew.first[k]) && mgd_port_ended(port) &&
                        s->trouble.restarts < MOST_RESTARTS;
        s->trouble.restarts += of[k].planned;
        losses += of[k].lost && !of[k].planned;
    }
    return losses;
}

/* Those that were lost are opened anew. */
static mgd_status recover(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const loss *of) {
    for (size_t k = 0; k < crew.count; k++) {
        mgd_device *device = &crew.first[k];
        double until =
            s->trouble.until > 0 ? s->trouble.until : mgd_clock() + s->chip->spec.patience;
        if (!of[k].lost)
            continue;
        if (is_worker(s, device)) /* it may hang, and has nothing to leave in order */
            mgd_port_terminate(device->port);
        *ctx = of[k].why; /* what is reported where it does not come back */
        MGD_TRY(mgd_instrument_recover(ctx, device, until, of[k].planned ? NULL : ctx->message));
    }
    return MGD_OK;
}

/* The step that begins at point `at` of the request is given up. */
static void bar(mgd_wired *s, size_t at) {
    const mgd_request *r = s->asked;
    for (size_t p = at; r && p < r->num_points && r->points[p].step == r->points[at].step; p++)
        s->barred[p] = true;
    s->trouble.same = 0;
}

static bool is_of_one_step(const mgd_request *r) {
    return r->points[0].step == r->points[r->num_points - 1].step;
}

/* Whether what was lost is to be looked for, and the request repeated. */
static bool may_repeat(mgd_wired *s, mgd_crew crew, size_t losses, bool *given_up) {
    mgd_trouble *t = &s->trouble;
    if (losses == 0)
        return true;
    if (!is_worker(s, crew.first)) {
        t->until = t->until > 0 ? t->until : mgd_clock() + s->chip->spec.patience;
        return mgd_clock() < t->until;
    }
    bool alone = !s->asked || is_of_one_step(s->asked);
    *given_up = is_too_often(t, s->asked ? s->wave_first : 0, alone);
    return !*given_up || mgd_wired_skips(s);
}

mgd_status mgd_wired_mend(mgd_context *ctx, mgd_wired *s, mgd_crew crew, mgd_status status,
                          bool *given_up) {
    mgd_context failure = *ctx;
    bool any = false;
    void *memory;
    *given_up = false;
    MGD_TRY(mgd_allocate(ctx, "chips", crew.count, sizeof(loss), &memory));
    loss *of = memory;
    size_t losses = find_losses(&failure, s, crew, of);
    for (size_t k = 0; k < crew.count; k++)
        any = any || of[k].lost;
    mgd_wired_fail(&failure, s, crew, status);
    *ctx = failure;
    if (any && status != MGD_ERR_INTERRUPT && may_repeat(s, crew, losses, given_up)) {
        if (*given_up) {
            snprintf(s->words, sizeof s->words, "%.299s", failure.message);
            bar(s, s->wave_first);
        }
        status = recover(ctx, s, crew, of);
    }
    mgd_free(memory);
    return status;
}

/* ---- fates ----------------------------------------------------------------------------------- */

enum { LEARNT, HAS_BASE, BASE_HOLDS, DROPPED, COSTS }; /* then C₀ and C of each signal */

static double *fate_of(const mgd_wired *s, size_t unit) {
    return s->fates + unit * s->session.num_states;
}

static double *cost_of(const mgd_wired *s, bool perturbed, size_t signal) {
    return s->fate + COSTS + 2 * signal + perturbed;
}

static bool has_base(const mgd_wired *s) {
    return s->train->baseline == MGD_BASELINE_MEASURED && s->fate[HAS_BASE] != 0;
}

/* The last good costs of a kind become those of the point. */
static void lend(const mgd_wired *s, const mgd_request *r, size_t p, bool perturbed) {
    for (size_t signal = 0; signal < s->signals; signal++)
        *mgd_request_cost(r, signal, p, 1) = *cost_of(s, perturbed, signal);
}

static void note(const mgd_wired *s, const mgd_request *r, size_t p) {
    bool perturbed = r->points[p].sign != 0;
    for (size_t signal = 0; signal < s->signals; signal++)
        *cost_of(s, perturbed, signal) = *mgd_request_cost(r, signal, p, 1);
    if (!perturbed)
        s->fate[HAS_BASE] = s->fate[BASE_HOLDS] = 1;
}

/* What one of a crew says of the last evaluation that failed, where it says anything. */
static void ask_why(mgd_wired *s, mgd_crew crew) {
    for (size_t k = 0; k < crew.count && mgd_wired_described(s)->fails; k++) {
        mgd_port *port = crew.first[k].port;
        mgd_context own = {0};
        const char *text;
        size_t count;
        mgd_port_say(port, "WHY", 3);
        if (mgd_port_text(&own, port, &text, &count) != MGD_OK)
            mgd_port_forget(&own, port);
        else if (count > 0)
            snprintf(s->words, sizeof s->words, "%.*s", count < 299 ? (int)count : 299, text);
    }
}

/* The words of the last failure, as an error of the run. */
static mgd_status give_up(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const mgd_request *r,
                          size_t p, const char *what) {
    ask_why(s, crew);
    return mgd_fail(ctx, MGD_ERR_CALLBACK, "on_failure = \"skip\": %s at step %llu: %s", what,
                    (unsigned long long)r->points[p].step,
                    *s->words ? s->words : "its baseline could not be measured");
}

/* Points p to before `end` are of a step that is dropped. */
static mgd_status drop(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const mgd_request *r,
                       size_t p, size_t end) {
    bool base = r->points[p].sign == 0;
    if (s->fate[LEARNT] == 0)
        return give_up(ctx, s, crew, r, p, "the first measurement failed");
    if (base && !s->bad[p])
        note(s, r, p);
    else if (base)
        s->fate[BASE_HOLDS] = 0; /* nor do the steps that would be compared with it count */
    for (size_t q = p; q < end; q++)
        lend(s, r, q, !has_base(s));
    if (++s->fate[DROPPED] >= MOST_DROPPED)
        return give_up(ctx, s, crew, r, p, "100 steps in a row failed, the last one");
    s->chip->failures++;
    return MGD_OK;
}

/* A step has its base first, or none of its own: then it is compared with an earlier one. */
static mgd_status forgive_all(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const mgd_request *r) {
    for (size_t p = 0, end; p < r->num_points; p = end) {
        bool bad = false, base = r->points[p].sign == 0;
        for (end = p; end < r->num_points && r->points[end].step == r->points[p].step; end++)
            bad = bad || s->bad[end];
        if (bad || (!base && has_base(s) && s->fate[BASE_HOLDS] == 0)) {
            MGD_TRY(drop(ctx, s, crew, r, p, end));
            continue;
        }
        s->fate[LEARNT] = 1;
        s->fate[DROPPED] = 0;
        for (size_t q = p; q < end; q++)
            note(s, r, q);
    }
    return MGD_OK;
}

mgd_status mgd_wired_forgive(mgd_context *ctx, mgd_wired *s, mgd_crew crew, const mgd_request *r) {
    if (!s->fates)
        return MGD_OK;
    double *own = fate_of(s, r->unit);
    size_t bytes = s->session.num_states * sizeof *own;
    memcpy(s->fate, own, bytes);
    MGD_TRY(forgive_all(ctx, s, crew, r));
    memcpy(own, s->fate, bytes);
    return MGD_OK;
}

/* ---- as states ------------------------------------------------------------------------------- */

static void state_get(const mgd_session *session, size_t seat, double *states) {
    const mgd_wired *s = (const mgd_wired *)session;
    memcpy(states, fate_of(s, seat), session->num_states * sizeof *states);
}

static bool state_fits(const mgd_session *session, size_t seat, const double *states) {
    (void)session;
    (void)seat;
    return mgd_is_count(states[LEARNT], 1) && mgd_is_count(states[HAS_BASE], 1) &&
           mgd_is_count(states[BASE_HOLDS], 1) && mgd_is_count(states[DROPPED], MOST_DROPPED);
}

static void state_set(mgd_session *session, size_t seat, const double *states) {
    const mgd_wired *s = (const mgd_wired *)session;
    memcpy(fate_of(s, seat), states, session->num_states * sizeof *states);
}

mgd_status mgd_fate_open(mgd_context *ctx, mgd_wired *s, size_t units) {
    size_t states = COSTS + 2 * s->signals;
    if (!mgd_wired_skips(s))
        return MGD_OK;
    if (!mgd_take(&s->fates, units * states, sizeof *s->fates) ||
        !mgd_take(&s->fate, states, sizeof *s->fate))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu replicas", units);
    s->session.num_states = states;
    s->session.state_get = state_get;
    s->session.state_fits = state_fits;
    s->session.state_set = state_set;
    for (size_t unit = 0; unit < units; unit++)
        for (size_t i = COSTS; i < states; i++)
            fate_of(s, unit)[i] = NAN;
    return MGD_OK;
}
