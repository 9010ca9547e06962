/* Requests in the words of a dialect. */

#include "port_state.h"

#include <string.h>

static void add(mgd_text *text, const char *string) {
    mgd_text_add(text, string, strlen(string));
}

/* ---- dialects -------------------------------------------------------------------------------- */

#define SMALL                                                                                      \
    .identify = "ID", .describe = "DESC", .data = "DATA", .write = "WRITE", .read = "WRITE",       \
    .run = "RUN", .outputs = "", .safe = "SAFE", .separator = " ", .array = {"", ""},              \
    .samples = {"", ""}, .clear = "", .quote = "", .reals = "", .tail = ""

static const mgd_dialect dialects[] = {
    {.name = "lines", SMALL},
    {.name = "frames", .frames = true, SMALL},
    {.name = "scpi",
     .identify = "*IDN?",
     .describe = "CHIP:DESC?",
     .data = "INP:DATA",
     .write = "PAR:WRIT",
     .read = "PAR:WRIT?",
     .run = "COST?",
     .outputs = "OUTP:DATA?",
     .safe = "CHIP:SAFE",
     .separator = ",",
     .array = {"(", ")"},
     .samples = {"(@", ")"},
     .clear = "*CLS",
     .quote = "\"",
     .reals = "FORM REAL",
     .tail = ";:SYST:ERR?"},
};

const mgd_dialect *mgd_dialect_of(const char *name) {
    for (size_t i = 0; i < sizeof dialects / sizeof *dialects; i++)
        if (strcmp(dialects[i].name, name) == 0)
            return &dialects[i];
    return NULL;
}

/* ---- arrays ---------------------------------------------------------------------------------- */

/* Elements of `size` bytes as a block, in the chip's order of bytes. */
static void add_block(mgd_port *port, const void *values, size_t count, size_t size) {
    char head[MGD_BLOCK_HEAD];
    mgd_text_add(&port->out, head, mgd_block_head(count * size, head));
    size_t at = port->out.count;
    mgd_text_add(&port->out, values, count * size);
    if (!port->description.big_endian || port->out.failed)
        return;
    for (char *p = port->out.bytes + at; p < port->out.bytes + port->out.count; p += size)
        for (size_t i = 0; i < size / 2; i++) {
            char swapped = p[i];
            p[i] = p[size - 1 - i];
            p[size - 1 - i] = swapped;
        }
}

/* Numbers of the chip's dtype. */
static void add_reals(mgd_port *port, const void *values, size_t count) {
    bool narrow = port->description.dtype == MGD_F32;
    if (count == 0) {
        add(&port->out, "-");
        return;
    }
    if (port->description.blocks) {
        add_block(port, values, count, narrow ? sizeof(float) : sizeof(double));
        return;
    }
    add(&port->out, port->dialect->array[0]);
    for (size_t i = 0; i < count; i++) {
        if (narrow)
            mgd_text_format(&port->out, i ? ",%.9g" : "%.9g", (double)((const float *)values)[i]);
        else
            mgd_text_format(&port->out, i ? ",%.17g" : "%.17g", ((const double *)values)[i]);
    }
    add(&port->out, port->dialect->array[1]);
}

/* A block has a batch for each of the n steps. */
static void add_samples(mgd_port *port, const uint32_t *samples, size_t batch, size_t batches,
                        uint64_t n) {
    if (port->description.blocks && batch * batches > 1 && batches == n) {
        add_block(port, samples, batch * batches, sizeof *samples);
        return;
    }
    add(&port->out, port->dialect->samples[0]);
    for (size_t i = 0; i < batch * batches; i++) {
        const char *before = i == 0 ? "" : i % batch == 0 ? "/" : ",";
        mgd_text_format(&port->out, "%s%lu", before, (unsigned long)samples[i]);
    }
    add(&port->out, port->dialect->samples[1]);
}

/* ---- requests -------------------------------------------------------------------------------- */

static void end_request(mgd_port *port) {
    if (port->sent) /* answers to earlier ones were not taken: see mgd_port_forget */
        port->out.failed = true;
    if (!port->dialect->frames) {
        mgd_text_add(&port->out, port->dialect->tail, strlen(port->dialect->tail));
        mgd_text_add(&port->out, port->terminator, strlen(port->terminator));
    }
    if (port->num_requests == port->room_requests) {
        size_t room = 2 * port->room_requests + 16;
        size_t *end = mgd_calloc(room, sizeof *end);
        if (!end) {
            port->out.failed = true;
            return;
        }
        if (port->num_requests)
            memcpy(end, port->end, port->num_requests * sizeof *end);
        mgd_free(port->end);
        port->end = end;
        port->room_requests = room;
    }
    port->end[port->num_requests++] = port->out.count;
}

static void word(mgd_port *port, const char *text) {
    add(&port->out, port->dialect->separator);
    add(&port->out, text);
}

static void word_count(mgd_port *port, uint64_t value) {
    mgd_text_format(&port->out, "%s%llu", port->dialect->separator, (unsigned long long)value);
}

/* The first word of a request; its parameters follow a blank in every dialect. */
static void begin(mgd_port *port, const char *verb) {
    add(&port->out, verb);
    add(&port->out, " ");
}

void mgd_port_data(mgd_port *port, size_t first, const void *x, size_t nx, const void *y,
                   size_t ny) {
    begin(port, port->dialect->data);
    mgd_text_format(&port->out, "%zu%s", first, port->dialect->separator);
    add_reals(port, x, nx);
    if (ny > 0 || *port->dialect->tail == '\0') {
        add(&port->out, port->dialect->separator);
        add_reals(port, y, ny);
    }
    end_request(port);
}

void mgd_port_write(mgd_port *port, const void *theta, uint64_t step, uint64_t replica) {
    begin(port, port->dialect->write);
    add_reals(port, theta, port->description.parameters);
    if (port->description.writes && replica > 0) { /* its law may draw: of which step and replica */
        word_count(port, step);
        word_count(port, replica);
    }
    end_request(port);
}

void mgd_port_read(mgd_port *port) {
    add(&port->out, port->dialect->read);
    end_request(port);
}

/* θ itself is measured without the words that say when where they are 0: as short as can be. */
void mgd_port_run(mgd_port *port, const mgd_burst *b) {
    bool outputs = strcmp(b->code, "outputs") == 0; /* of no step */
    if (outputs && *port->dialect->outputs) {
        begin(port, port->dialect->outputs);
        add_samples(port, b->samples, b->batch, b->batches, b->n);
        end_request(port);
        return;
    }
    begin(port, port->dialect->run);
    add(&port->out, b->code);
    word_count(port, outputs ? 0 : b->seed);
    word_count(port, b->replica);
    word_count(port, outputs ? 0 : b->slot);
    word_count(port, b->n);
    mgd_text_format(&port->out, "%s%.17g%s", port->dialect->separator, b->amplitude,
                    port->dialect->separator);
    add_samples(port, b->samples, b->batch, b->batches, b->n);
    if (outputs) {
        end_request(port);
        return;
    }
    if (strcmp(b->signs, "+") != 0 || b->step != b->slot) {
        word(port, port->dialect->quote);
        add(&port->out, b->signs);
        add(&port->out, port->dialect->quote);
    }
    if (b->step != b->slot)
        word_count(port, b->step);
    end_request(port);
}

void mgd_port_safe(mgd_port *port, double milliseconds) {
    add(&port->out, port->dialect->safe);
    if (milliseconds > 0)
        mgd_text_format(&port->out, " %.0f", milliseconds);
    end_request(port);
}

void mgd_port_say(mgd_port *port, const char *text, size_t count) {
    mgd_text_add(&port->out, text, count);
    end_request(port);
}
