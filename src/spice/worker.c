/* spice-worker: a netlist as a chip, in a process of its own: ngspice has one circuit in global
 * state, loses memory, and may crash or never end.
 *
 *   spice-worker SPECIFICATION               serves docs/guide/chip-contract.md on its standard
 *                                            input and output, until the input ends
 *   spice-worker SPECIFICATION raw OUT.npy   runs one analysis; see raw.h
 *   spice-worker SPECIFICATION values        says what one copy of the netlist is; see raw.h
 *
 * SPECIFICATION is a file as specification.h has it. The standard output is taken away from
 * ngspice, whose words all come by its callbacks.
 */

#include "../chip/chip.h"
#include "end.h"
#include "folder.h"
#include "library.h"
#include "raw.h"

#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SAMPLES 1000000
#define MESSAGE ((size_t)64 << 20)
#define SLICE 0.25 /* seconds between two looks at the memory */
#define STALL 10   /* seconds within a message, after which its beginning is forgotten */
#define SUSPECTS 3 /* parameters that a failed evaluation names */
#define SUSPECT_BYTES 256
#define MIB 1048576.0
#define START 3 /* times the limit of an evaluation: as many are made */

typedef struct {
    mgd_chip chip; /* first */
    mgd_spice_specification spec;
    mgd_spice_circuit *circuit;
    char identity[64], more[128]; /* of its description */
    char why[MGD_MESSAGE_SIZE];   /* the last evaluation failed whose outputs are nan */
} netlist;

/* ---- the chip -------------------------------------------------------------------------------- */

static void netlist_theta(const mgd_chip *chip, void *out) {
    mgd_spice_circuit_theta(((const netlist *)chip)->circuit, out);
}

/* Where a failure may come from: the parameters that are furthest from the netlist, relative to
 * what they are there, and their values. */
static void add_suspects(netlist *n, const double *theta, char *text, size_t room) {
    mgd_context unused;
    void *memory;
    size_t parameters = n->spec.parameters, used = strlen(text);
    if (mgd_allocate(&unused, "spice: values", 2 * parameters, sizeof(double), &memory) != MGD_OK)
        return;
    double *own = memory, *distance = own + parameters;
    mgd_spice_circuit_theta(n->circuit, own);
    for (size_t i = 0; i < parameters; i++)
        distance[i] = fabs(theta[i] - own[i]) / (fabs(own[i]) + 1e-12);
    for (int k = 0; k < SUSPECTS && used < room; k++) {
        size_t far = 0;
        for (size_t i = 1; i < parameters; i++)
            far = distance[i] > distance[far] ? i : far;
        if (!(distance[far] > 0))
            break;
        used += (size_t)snprintf(text + used, room - used, "%s%s = %.6g (%.6g)",
                                 k == 0 ? ", with furthest from the netlist " : ", ",
                                 n->spec.items[far].name, theta[far], own[far]);
        distance[far] = 0;
    }
    mgd_free(memory);
}

/* The samples of one measurement. One that fails is named, or its outputs are nan. */
static mgd_status measure(void *user, mgd_context *ctx, const mgd_measurement *m, void *out) {
    netlist *n = user;
    const double *x = m->x;
    size_t inputs = n->spec.num_inputs, width = n->spec.num_outputs;
    double *outputs = out;
    for (size_t b = 0; b < m->count; b++, outputs += width) {
        mgd_context failure;
        mgd_spice_point point = {.theta = m->theta,
                                 .x = x + m->samples[b] * inputs,
                                 .replica = m->replica,
                                 .noisy = !m->noiseless,
                                 .seed = m->seed,
                                 .step = m->step,
                                 .tick = m->tick,
                                 .sample = m->samples[b]};
        mgd_spice_end_within(n->spec.seconds, m->samples[b]);
        mgd_status status = mgd_spice_circuit_evaluate(&failure, n->circuit, &point, outputs);
        mgd_spice_end_rest();
        if (status == MGD_OK)
            continue;
        char suspects[SUSPECT_BYTES] = "";
        add_suspects(n, m->theta, suspects, sizeof suspects);
        mgd_fail(ctx, status, "spice: sample %lu%s: %s", (unsigned long)m->samples[b], suspects,
                 failure.message);
        if (!n->spec.skip)
            return status;
        memcpy(n->why, ctx->message, sizeof n->why);
        for (size_t o = 0; o < width; o++)
            outputs[o] = NAN;
    }
    return MGD_OK;
}

static const char *why(void *user) {
    return ((const netlist *)user)->why;
}

/* ---- starting -------------------------------------------------------------------------------- */

static int fail(const mgd_context *ctx) {
    fprintf(stderr, "%s\n", ctx->message);
    return 1;
}

static mgd_status start(mgd_context *ctx, const char *path, netlist *n) {
    MGD_TRY(mgd_spice_specification_read(ctx, path, &n->spec));
    MGD_TRY(mgd_spice_folder_open(ctx));
    mgd_spice_end_within(START * n->spec.seconds, MGD_SPICE_LOADING);
    mgd_status status = mgd_spice_library_open(ctx, n->spec.library, mgd_spice_end_wanted);
    mgd_spice_folder_remove();
    MGD_TRY(status);
    MGD_TRY(mgd_spice_circuit_open(ctx, &n->spec, &n->circuit));
    mgd_spice_end_rest();
    n->chip =
        (mgd_chip){.dtype = MGD_F64, .num_parameters = n->spec.parameters, .theta = netlist_theta};
    return MGD_OK;
}

static void stop(netlist *n) {
    mgd_spice_circuit_close(n->circuit);
    mgd_spice_specification_free(&n->spec);
}

/* ---- serving --------------------------------------------------------------------------------- */

/* Bytes of this process in memory; 0 where the system does not say. */
static double resident(void) {
    unsigned long all, present = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file)
        return 0;
    if (fscanf(file, "%lu %lu", &all, &present) != 2)
        present = 0;
    fclose(file);
    return (double)present * (double)sysconf(_SC_PAGESIZE);
}

static mgd_status make_server(mgd_context *ctx, netlist *n, mgd_server **out) {
    snprintf(n->more, sizeof n->more, "%s%s", n->spec.skip ? " fails=1" : "",
             n->spec.num_noises > 0 ? " noisy=1" : "");
    snprintf(n->identity, sizeof n->identity, "ngspice,netlist,%08lx,%s", n->spec.crc,
             mgd_spice_version());
    mgd_server_spec spec = {.chip = &n->chip,
                            .num_parameters = n->spec.parameters,
                            .ndim_x = 1,
                            .ndim_y = 1,
                            .shape_x = {n->spec.num_inputs},
                            .shape_y = {n->spec.num_outputs},
                            .outputs = n->spec.num_outputs,
                            .measure = measure,
                            .why = why,
                            .user = n,
                            .stateless = true,
                            .dt = 1,
                            .samples = SAMPLES,
                            .message = MESSAGE,
                            .identity = n->identity,
                            .more = n->more};
    return mgd_server_new(ctx, &spec, out);
}

/* Until the input ends, or the process has grown too much: then whoever uses it starts another. */
static mgd_status work(mgd_context *ctx, mgd_server *server, mgd_listener *listener, double grows) {
    const mgd_server_limits limits = {.stall = STALL};
    double most = resident() + grows * MIB;
    bool over = false;
    mgd_work *w;
    MGD_TRY(mgd_work_open(ctx, server, listener, &limits, &w));
    mgd_status status = MGD_OK;
    while (status == MGD_OK && !over) {
        status = mgd_work_some(ctx, w, SLICE, &over);
        over = over || (resident() > most && !mgd_server_waits(server));
    }
    mgd_work_close(w);
    return status;
}

/* What went wrong at the start is the answer to each request. */
static void refuse(mgd_listener *listener, const char *why) {
    mgd_context ctx;
    mgd_wire *client;
    char text[MGD_MESSAGE_SIZE + 8];
    int length = snprintf(text, sizeof text, "ERR 4 %s\n", why);
    for (char *c = text; c < text + length - 1; c++)
        *c = (unsigned char)*c < ' ' ? ' ' : *c;
    if (mgd_listener_accept(&ctx, listener, INFINITY, MESSAGE, &client) != MGD_OK)
        return;
    const char *line;
    size_t count;
    while (mgd_wire_take_until(&ctx, client, '\n', INFINITY, &line, &count) == MGD_OK &&
           mgd_wire_write(&ctx, client, text, (size_t)length, INFINITY) == MGD_OK)
        continue;
    mgd_wire_close(client);
}

static int serve(const char *path) {
    mgd_context ctx = {0};
    netlist n = {.circuit = NULL};
    mgd_server *server = NULL;
    mgd_listener *listener;
    mgd_spice_end_prepare(fcntl(1, F_DUPFD_CLOEXEC, 3), true);
    mgd_status status = mgd_listener_open(&ctx, "-", &listener);
    if (status != MGD_OK)
        return fail(&ctx);
    status = start(&ctx, path, &n);
    if (status == MGD_OK)
        status = make_server(&ctx, &n, &server);
    mgd_spice_end_serve(server);
    if (status != MGD_OK)
        refuse(listener, ctx.message);
    else if ((status = work(&ctx, server, listener, n.spec.grows)) != MGD_OK)
        fail(&ctx);
    mgd_spice_end_serve(NULL);
    mgd_server_free(server);
    mgd_listener_close(listener);
    stop(&n);
    return status != MGD_OK;
}

/* ---- raw ------------------------------------------------------------------------------------- */

/* Paths are of the folder that the process is started in. */
static mgd_status absolute(mgd_context *ctx, const char *path, char out[PATH_MAX]) {
    char present[PATH_MAX] = "";
    if (*path != '/' && !getcwd(present, sizeof present))
        return mgd_fail(ctx, MGD_ERR_IO, "spice: raw: the present folder has gone");
    if (snprintf(out, PATH_MAX, "%s%s%s", present, *present ? "/" : "", path) >= PATH_MAX)
        return mgd_fail(ctx, MGD_ERR_IO, "spice: raw: %.100s…: too long a path", path);
    return MGD_OK;
}

/* To the file `out`; NULL: the values. */
static int raw(const char *path, const char *out) {
    mgd_context ctx = {0};
    netlist n = {.circuit = NULL};
    char target[PATH_MAX];
    int shown = fcntl(1, F_DUPFD_CLOEXEC, 3);
    FILE *words = shown >= 0 && dup2(2, 1) >= 0 ? fdopen(shown, "w") : NULL;
    mgd_status status =
        words ? MGD_OK : mgd_fail(&ctx, MGD_ERR_IO, "spice: raw: no standard output");
    if (status == MGD_OK && out)
        status = absolute(&ctx, out, target);
    mgd_spice_end_prepare(2, false);
    if (status == MGD_OK)
        status = start(&ctx, path, &n);
    if (status == MGD_OK) {
        mgd_spice_end_within(n.spec.seconds, 0);
        status = out ? mgd_spice_raw(&ctx, &n.spec, n.circuit, stdin, target, words)
                     : mgd_spice_values(&ctx, &n.spec, n.circuit, stdin, words);
    }
    if (words)
        fclose(words);
    stop(&n);
    return status == MGD_OK ? 0 : fail(&ctx);
}

int main(int argc, char **argv) {
    if (argc == 2 && *argv[1] != '-')
        return serve(argv[1]);
    if (argc == 4 && strcmp(argv[2], "raw") == 0)
        return raw(argv[1], argv[3]);
    if (argc == 3 && strcmp(argv[2], "values") == 0)
        return raw(argv[1], NULL);
    fprintf(stderr, "usage: spice-worker SPECIFICATION [raw OUT.npy | values]\n");
    return 2;
}
