/* Evaluations by `alter` and `op`, of which nothing is left for the next one.
 *
 * That is ngspice's own doing for the most part, as its source says (of 39): `op` and `tran` run
 * with a reset (if_run → CKTdoJob), which takes matrix, solution and the states of all devices away
 * and makes them anew (CKTunsetup, CKTsetup), all zero, and computes again what follows from values
 * and temperature (CKTtemp). So iterations begin at 0, and pivots are chosen from the first matrix
 * on, without regard to an earlier order.
 *
 * Two things outlive the reset. Source stepping, whether it fails or not, leaves gmin on the
 * diagonal of all later matrices (gillespie_src sets CKTdiagGmin to gmin and not to gshunt): a
 * singular matrix is none from then on. And options are the circuit's: those of a retry stay. After
 * either, and after each failure, the netlist is loaded anew, and all values are set again. Specs
 * compare the bits of circuits of all kinds after what could have left something.
 *
 * So there is no warm start. The solution before as .nodeset, for which the netlist has to be
 * loaded anew, takes longer than it saves, even where it spares gmin stepping (0.50 ms for 0.41, a
 * crossbar of 18 resistors with 10 transistors).
 */

#include "circuit.h"

#include "../base/number.h"
#include "expression.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define COMMAND 512    /* bytes of the longest command */
#define SWEEP_EVERY 50 /* evaluations, so that the library's parser does not grow */
#define SHOWN "%.100s"
#define NO_TRANSIENT "optran 1 1 1 0 0 0" /* ends the search for an operating point */
#define STEP_TEXT 80 /* bytes that the command of a step is longer than that of a value */

typedef struct {
    double want, have; /* NAN: nobody knows what ngspice has */
    double base;       /* as the netlist has it, or θ */
    bool positive;     /* ngspice would take others, and compute nonsense */
    char *name;        /* in messages */
    char *command;     /* up to its value, … */
    const char *tail;  /* … and behind it */
} item;

struct mgd_spice_circuit {
    const mgd_spice_specification *spec;
    item *items;  /* (spec->count) */
    item *inputs; /* (I) */
    mgd_spice_expression **outputs;
    double *z; /* (num_spreads) of the replica … */
    uint64_t replica;
    uint64_t key; /* of the streams of the chip's seed */
    char analysis[COMMAND];
    size_t evaluations;
    bool spoilt; /* the netlist has to be loaded anew before another analysis */
    char *texts;
};

/* ---- setting --------------------------------------------------------------------------------- */

/* How values are set and, unless the host says it, asked for. */
static const char *const commands[] = {
    [MGD_SPICE_VALUE] = "alter %s = ",    [MGD_SPICE_FIELD] = "alter @%s = ",
    [MGD_SPICE_MODEL] = "altermod %s = ", [MGD_SPICE_PARAM] = "alterparam %s = ",
    [MGD_SPICE_OPTION] = "option %s = ",
};

/* What an element's value is called, by its first letter; whether it must be positive. */
static const struct {
    char letter;
    const char *field;
    bool positive;
} elements[] = {
    {'r', "resistance", true}, {'c', "capacitance", true}, {'l', "inductance", true},
    {'v', "dc", false},        {'i', "dc", false},         {'e', "gain", false},
    {'f', "gain", false},      {'g', "gain", false},       {'h', "gain", false},
};

static const char *const positive_fields[] = {"w", "l",          "m",           "area",
                                              "r", "resistance", "capacitance", "inductance"};

static size_t find_element(char letter) {
    size_t i = 0;
    while (i < sizeof elements / sizeof *elements && elements[i].letter != letter)
        i++;
    return i;
}

static bool must_be_positive(const mgd_spice_item *i) {
    size_t element = find_element(i->target[0]);
    const char *field = strchr(i->target, '[');
    if (i->kind == MGD_SPICE_VALUE)
        return element < sizeof elements / sizeof *elements && elements[element].positive;
    for (size_t k = 0; i->kind == MGD_SPICE_FIELD && field &&
                       k < sizeof positive_fields / sizeof *positive_fields;
         k++) {
        size_t length = strlen(positive_fields[k]);
        if (strncmp(field + 1, positive_fields[k], length) == 0 && field[1 + length] == ']')
            return true;
    }
    return false;
}

static mgd_status refuse(mgd_context *ctx, const item *i) {
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s = %s: expected a value above 0", i->name,
                    MGD_NUMBER(i->want));
}

/* Sets one that has changed. */
static mgd_status set(mgd_context *ctx, item *i) {
    char command[COMMAND + MGD_NUMBER_TEXT];
    snprintf(command, sizeof command, "%s%.17g%s", i->command, i->want, i->tail);
    i->have = NAN;
    mgd_spice_forget();
    mgd_spice_command(command);
    if (mgd_spice_failed())
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "%s: ngspice: %.300s", i->name, mgd_spice_words());
    i->have = i->want;
    return MGD_OK;
}

/* The netlist as it was loaded; ngspice keeps .param as they were set. */
static void reload(mgd_spice_circuit *c) {
    mgd_spice_command(NO_TRANSIENT); /* if there was one; it is kept by a reset */
    mgd_spice_command("reset");
    c->spoilt = false;
    for (size_t i = 0; i < c->spec->count; i++)
        if (c->spec->items[i].kind != MGD_SPICE_PARAM)
            c->items[i].have = NAN;
    for (size_t i = 0; i < c->spec->num_inputs; i++)
        c->inputs[i].have = NAN;
}

/* Sets all that has changed, .param first, for they need the netlist to be loaded anew. */
static mgd_status set_all(mgd_context *ctx, mgd_spice_circuit *c) {
    const mgd_spice_specification *s = c->spec;
    bool changed = false;
    for (size_t i = 0; i < s->count; i++) {
        if (c->items[i].positive && !(c->items[i].want > 0))
            return refuse(ctx, &c->items[i]);
        if (s->items[i].kind != MGD_SPICE_PARAM || c->items[i].have == c->items[i].want)
            continue;
        MGD_TRY(set(ctx, &c->items[i]));
        changed = true;
    }
    if (changed)
        reload(c);
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i].kind != MGD_SPICE_PARAM && c->items[i].have != c->items[i].want)
            MGD_TRY(set(ctx, &c->items[i]));
    for (size_t i = 0; i < s->num_inputs; i++)
        if (c->inputs[i].have != c->inputs[i].want)
            MGD_TRY(set(ctx, &c->inputs[i]));
    return MGD_OK;
}

/* ---- drawing --------------------------------------------------------------------------------- */

/* z of the replica's devices. */
static void draw_replica(mgd_spice_circuit *c, uint64_t replica) {
    if (replica == c->replica)
        return;
    for (size_t i = 0; i < c->spec->num_spreads; i++) {
        double pair[2] = {0, 0};
        if (replica > 0)
            mgd_random_normal2(c->key, MGD_STREAM_DEVICE, replica, 0,
                               (uint32_t)c->spec->spreads[i].item, pair);
        c->z[i] = pair[0];
    }
    c->replica = replica;
}

static void move(item *items, const mgd_spice_draw *draw, double z) {
    double *value = &items[draw->item].want;
    *value += draw->sigma * z * (draw->relative ? *value : 1);
}

/* Noise of a measurement: its words are the key of what each item gets. */
static void add_noise(mgd_spice_circuit *c, const mgd_spice_point *p) {
    uint32_t words[4];
    double pair[2];
    mgd_random_words(mgd_random_key(p->seed, "spice"), MGD_STREAM_NOISE, p->replica,
                     2 * p->step + p->tick, p->sample, words);
    uint64_t key = (uint64_t)words[0] << 32 | words[1];
    for (size_t i = 0; i < c->spec->num_noises; i++) {
        const mgd_spice_draw *draw = &c->spec->noises[i];
        mgd_random_normal2(key, MGD_STREAM_NOISE, 0, 0, (uint32_t)draw->item, pair);
        move(c->items, draw, pair[0]);
    }
}

/* What everything is to be at a point. */
static void want(mgd_spice_circuit *c, const mgd_spice_point *p) {
    const mgd_spice_specification *s = c->spec;
    for (size_t i = 0; i < s->count; i++)
        c->items[i].want = i < s->parameters ? p->theta[i] : c->items[i].base;
    draw_replica(c, p->replica);
    for (size_t i = 0; i < s->num_spreads; i++)
        move(c->items, &s->spreads[i], c->z[i]);
    if (p->noisy)
        add_noise(c, p);
    for (size_t i = 0; i < s->num_inputs; i++)
        c->inputs[i].want = s->inputs[i].scale * p->x[i] + s->inputs[i].offset;
}

double mgd_spice_circuit_value(mgd_spice_circuit *c, const mgd_spice_point *point, size_t i) {
    want(c, point);
    return c->items[i].want;
}

/* ---- analysing ------------------------------------------------------------------------------- */

/* Other ways to converge: many small steps of gmin, or of the sources; and a transient of 10 µs,
 * which takes 0.1 s and is what ngspice by itself ends with. That finds voltages for nodes as well
 * that nothing holds: it is not for singular matrices. */
static const struct {
    const char *commands[2];
    bool of_singular;
} retries[] = {
    {{"option gminsteps = 10", "option srcsteps = 0"}, true},
    {{"option gminsteps = 0", "option srcsteps = 10"}, true},
    {{"optran 1 1 1 100n 10u 0", ""}, false},
};

static bool analyse_once(mgd_spice_circuit *c) {
    mgd_spice_forget();
    mgd_spice_command(c->analysis);
    c->spoilt = c->spoilt || mgd_spice_stepped() || mgd_spice_failed();
    return !mgd_spice_failed();
}

/* Forgets the analysis, with all that it left. */
static void clear(mgd_spice_circuit *c) {
    mgd_spice_command("destroy all");
    if (c->spoilt)
        reload(c);
    if (++c->evaluations % SWEEP_EVERY == 0)
        mgd_spice_sweep();
}

/* Whether another way to an operating point may help where this was said; a transient that gets
 * stuck has had one. */
static bool may_help(size_t retry, const char *said) {
    return !strstr(said, "Timestep too small") &&
           (retries[retry].of_singular || !strstr(said, "singular matrix"));
}

/* Of all that is wanted; fails with what was said at first. */
static mgd_status analyse(mgd_context *ctx, mgd_spice_circuit *c) {
    MGD_TRY(set_all(ctx, c));
    if (analyse_once(c))
        return MGD_OK;
    mgd_fail(ctx, MGD_ERR_ARGUMENT, "ngspice: %.400s", mgd_spice_words());
    for (size_t i = 0; c->spec->retry && i < sizeof retries / sizeof *retries; i++) {
        mgd_context unused;
        if (!may_help(i, ctx->message))
            continue;
        clear(c);
        mgd_spice_command(retries[i].commands[0]);
        mgd_spice_command(retries[i].commands[1]);
        c->spoilt = true;
        if (set_all(&unused, c) == MGD_OK && analyse_once(c))
            return MGD_OK;
    }
    return MGD_ERR_ARGUMENT;
}

/* The mean over the last of a transient, by trapezia. */
static double mean_of(const mgd_spice_circuit *c, const mgd_spice_expression *e,
                      const mgd_spice_vector *time) {
    const double *t = time->values, from = t[time->count - 1] - c->spec->average;
    double right = mgd_spice_expression_at(e, time->count - 1), sum = 0;
    if (c->spec->average == 0)
        return right;
    for (size_t p = time->count - 1; p > 0 && t[p] > from; p--) {
        double left = mgd_spice_expression_at(e, p - 1), begin = t[p - 1];
        if (begin < from) {
            left = right + (left - right) * (t[p] - from) / (t[p] - begin);
            begin = from;
        }
        sum += (t[p] - begin) * (left + right) / 2;
        right = left;
    }
    return sum / c->spec->average;
}

static mgd_status read_outputs(mgd_context *ctx, mgd_spice_circuit *c, double *outputs) {
    const mgd_spice_specification *s = c->spec;
    mgd_spice_vector time = {.count = 1};
    if (s->tran && !mgd_spice_vector_of("time", &time))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "ngspice: no transient");
    if (s->tran && time.values[time.count - 1] < s->stop * (1 - 1e-9))
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "ngspice: the transient ends at %g s instead of %g",
                        time.values[time.count - 1], s->stop);
    for (size_t o = 0; o < s->num_outputs; o++) {
        mgd_spice_expression *e = c->outputs[o];
        MGD_TRY(mgd_spice_expression_find(ctx, e, time.count));
        outputs[o] = s->tran ? mean_of(c, e, &time) : mgd_spice_expression_at(e, 0);
        if (!isfinite(outputs[o]))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "output %zu is %s", o + 1,
                            MGD_NUMBER(outputs[o]));
    }
    return MGD_OK;
}

mgd_status mgd_spice_circuit_analyse(mgd_context *ctx, mgd_spice_circuit *c,
                                     const mgd_spice_point *point) {
    want(c, point);
    return analyse(ctx, c);
}

mgd_status mgd_spice_circuit_evaluate(mgd_context *ctx, mgd_spice_circuit *c,
                                      const mgd_spice_point *point, double *outputs) {
    want(c, point);
    mgd_status status = analyse(ctx, c);
    if (status == MGD_OK)
        status = read_outputs(ctx, c, outputs);
    clear(c);
    return status;
}

/* ---- opening --------------------------------------------------------------------------------- */

/* How an item is called in messages and set. They go behind what is in `text`. */
static char *name_item(item *out, const char *name, const char *format, const char *target,
                       char *text) {
    out->have = NAN;
    out->tail = "";
    out->name = text;
    text += sprintf(text, "%s", name) + 1;
    out->command = text;
    return text + sprintf(text, format, target) + 1;
}

static mgd_status make_items(mgd_context *ctx, mgd_spice_circuit *c) {
    const mgd_spice_specification *s = c->spec;
    size_t bytes = 0;
    for (size_t i = 0; i < s->count; i++)
        bytes += strlen(s->items[i].name) + strlen(s->items[i].target);
    for (size_t i = 0; i < s->num_inputs; i++)
        bytes += 2 * strlen(s->inputs[i].source) + STEP_TEXT;
    if (!mgd_take(&c->items, s->count, sizeof *c->items) ||
        !mgd_take(&c->inputs, s->num_inputs, sizeof *c->inputs) ||
        !mgd_take(&c->z, s->num_spreads + 1, sizeof *c->z) ||
        !mgd_take(&c->texts, bytes + (s->count + s->num_inputs) * 32, 1) ||
        !mgd_take(&c->outputs, s->num_outputs, sizeof(mgd_spice_expression *)))
        return mgd_fail(ctx, MGD_ERR_MEMORY, "spice: out of memory: %zu parameters", s->count);
    char *text = c->texts;
    for (size_t i = 0; i < s->count; i++) {
        text = name_item(&c->items[i], s->items[i].name, commands[s->items[i].kind],
                         s->items[i].target, text);
        c->items[i].base = c->items[i].want = s->items[i].value;
        c->items[i].positive = must_be_positive(&s->items[i]);
        char *colon = strrchr(c->items[i].command, ':');
        if (s->items[i].kind == MGD_SPICE_MODEL)
            *colon = ' ';
    }
    for (size_t i = 0; i < s->num_inputs; i++) {
        text = name_item(&c->inputs[i], s->inputs[i].source, commands[MGD_SPICE_VALUE],
                         s->inputs[i].source, text);
        text += STEP_TEXT;
    }
    for (size_t o = 0; o < s->num_outputs; o++)
        MGD_TRY(mgd_spice_expression_new(ctx, s->outputs[o], &c->outputs[o]));
    return MGD_OK;
}

/* What ngspice calls the value of an item. False: it cannot be asked. */
static bool name_of_value(const mgd_spice_item *i, char name[COMMAND]) {
    size_t element = find_element(i->target[0]);
    const char *colon = strrchr(i->target, ':');
    if (i->kind == MGD_SPICE_FIELD)
        snprintf(name, COMMAND, "@%s", i->target);
    else if (i->kind == MGD_SPICE_MODEL)
        snprintf(name, COMMAND, "@%.*s[%s]", (int)(colon - i->target), i->target, colon + 1);
    else if (i->kind == MGD_SPICE_VALUE && element < sizeof elements / sizeof *elements)
        snprintf(name, COMMAND, "@%s[%s]", i->target, elements[element].field);
    else
        return false;
    return true;
}

/* Inputs of a transient step from what the netlist gives them, where the circuit is at rest, to
 * their values within a step of time. */
static mgd_status make_steps(mgd_context *ctx, mgd_spice_circuit *c) {
    const mgd_spice_specification *s = c->spec;
    for (size_t i = 0; i < s->num_inputs && s->tran && !s->uic; i++) {
        char name[COMMAND];
        mgd_spice_vector rest;
        const char *source = s->inputs[i].source;
        mgd_spice_forget();
        snprintf(name, sizeof name, "@%s[dc]", source);
        if (!mgd_spice_vector_of(name, &rest))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT, "spice: input %s: ngspice: %.200s", source,
                            mgd_spice_words());
        sprintf(c->inputs[i].command, "alter @%s[pwl] = [ 0 %.17g %.17g ", source, rest.values[0],
                s->step);
        c->inputs[i].tail = " ]";
    }
    return MGD_OK;
}

static mgd_status ask_values(mgd_context *ctx, mgd_spice_circuit *c) {
    for (size_t i = 0; i < c->spec->count; i++) {
        char name[COMMAND];
        mgd_spice_vector vector;
        if (!isnan(c->items[i].base))
            continue;
        mgd_spice_forget();
        if (!name_of_value(&c->spec->items[i], name) || !mgd_spice_vector_of(name, &vector))
            return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                            "spice: %s: the netlist does not say its value; ngspice: %.200s",
                            c->items[i].name, mgd_spice_words());
        c->items[i].base = c->items[i].want = vector.values[0];
    }
    return MGD_OK;
}

/* The netlist as it is; outputs that no plot can have are found now. A failure is none yet: θ will
 * be another. */
static mgd_status try_outputs(mgd_context *ctx, mgd_spice_circuit *c) {
    mgd_context failure = {0};
    mgd_status found = MGD_OK;
    size_t o = 0;
    bool good = analyse_once(c);
    while (good && o < c->spec->num_outputs && found == MGD_OK)
        found = mgd_spice_expression_find(&failure, c->outputs[o++], 1);
    clear(c);
    if (found != MGD_OK)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "spice: output %zu: %s", o, failure.message);
    return MGD_OK;
}

static mgd_status load(mgd_context *ctx, mgd_spice_circuit *c) {
    const mgd_spice_specification *s = c->spec;
    /* before a netlist is there, this is of all that are loaded, and their own options count more
     */
    mgd_spice_command(NO_TRANSIENT);
    mgd_spice_command("set num_threads = 1");
    mgd_spice_forget();
    mgd_spice_load(s->netlist);
    if (mgd_spice_failed())
        return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: ngspice: %.400s", mgd_spice_words());
    if (s->tran)
        snprintf(c->analysis, sizeof c->analysis, "tran %.17g %.17g%s", s->step, s->stop,
                 s->uic ? " uic" : "");
    else
        snprintf(c->analysis, sizeof c->analysis, "op");
    return MGD_OK;
}

static mgd_status open(mgd_context *ctx, mgd_spice_circuit *c) {
    MGD_TRY(make_items(ctx, c));
    MGD_TRY(load(ctx, c));
    MGD_TRY(try_outputs(ctx, c));
    MGD_TRY(ask_values(ctx, c));
    MGD_TRY(make_steps(ctx, c));
    mgd_status status = set_all(ctx, c);
    if (status != MGD_OK) {
        mgd_context failure = *ctx;
        return mgd_fail(ctx, status, "spice: %s", failure.message);
    }
    return MGD_OK;
}

mgd_status mgd_spice_circuit_open(mgd_context *ctx, const mgd_spice_specification *spec,
                                  mgd_spice_circuit **out) {
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "spice: circuit", 1, sizeof(mgd_spice_circuit), &memory));
    mgd_spice_circuit *c = memory;
    *c = (mgd_spice_circuit){.spec = spec, .key = mgd_random_key(spec->seed, "spice")};
    mgd_status status = open(ctx, c);
    if (status == MGD_OK)
        *out = c;
    else
        mgd_spice_circuit_close(c);
    return status;
}

void mgd_spice_circuit_close(mgd_spice_circuit *c) {
    if (!c)
        return;
    for (size_t o = 0; c->outputs && o < c->spec->num_outputs; o++)
        mgd_spice_expression_free(c->outputs[o]);
    mgd_free(c->outputs);
    mgd_free(c->items);
    mgd_free(c->inputs);
    mgd_free(c->z);
    mgd_free(c->texts);
    mgd_free(c);
}

void mgd_spice_circuit_theta(const mgd_spice_circuit *c, double *theta) {
    for (size_t i = 0; i < c->spec->parameters; i++)
        theta[i] = c->items[i].base;
}
