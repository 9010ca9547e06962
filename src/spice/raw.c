#include "raw.h"

#include "library.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers of a line ----------------------------------------------------------------------- */

static mgd_status read_numbers(mgd_context *ctx, FILE *in, const char *what, size_t count,
                               double *out) {
    char *line = NULL;
    size_t room = 0, n = 0;
    mgd_status status = MGD_OK;
    if (getline(&line, &room, in) < 0)
        status = mgd_fail(ctx, MGD_ERR_FORMAT, "spice: raw: expected a line with %s", what);
    for (char *at = line, *end; status == MGD_OK && at; at = end) {
        at += strspn(at, " ,\t\r\n");
        if (*at == '\0')
            break;
        double value = strtod(at, &end);
        if (end == at || !isfinite(value) || n == count)
            status =
                mgd_fail(ctx, MGD_ERR_FORMAT, "spice: raw: %s: expected %zu numbers, got %.100s",
                         what, count, n == count ? "more" : at);
        else
            out[n++] = value;
    }
    free(line);
    if (status == MGD_OK && n < count)
        status = mgd_fail(ctx, MGD_ERR_FORMAT, "spice: raw: %s: expected %zu numbers, got %zu",
                          what, count, n);
    return status;
}

/* ---- vectors --------------------------------------------------------------------------------- */

/* ngspice's vector of a node whose name begins with a digit is V(1). */
static void show_name(FILE *out, const char *name) {
    size_t count = strlen(name);
    bool inner = count > 3 && strncmp(name, "V(", 2) == 0 && name[count - 1] == ')';
    fprintf(out, "%.*s\n", (int)(inner ? count - 3 : count), inner ? name + 2 : name);
}

/* The number of vectors of the plot, and of the points of its longest; others are no part of the
 * analysis, and left out. */
static size_t count_vectors(char **all, size_t *points) {
    mgd_spice_vector vector;
    size_t count = 0;
    *points = 0;
    for (; all && all[count]; count++)
        if (mgd_spice_vector_of(all[count], &vector) && vector.count > *points)
            *points = vector.count;
    return count;
}

/* The vectors as columns, in the order of the netlist, which is ngspice's from its end. */
static mgd_status write_vectors(mgd_context *ctx, const char *path, FILE *names) {
    char **all = mgd_spice_vectors();
    size_t points, count = count_vectors(all, &points), width = 0;
    mgd_spice_vector vector;
    mgd_tensor *out;
    for (size_t i = 0; i < count; i++)
        width += mgd_spice_vector_of(all[i], &vector) && vector.count == points;
    if (width == 0)
        return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: raw: the analysis has no vectors");
    MGD_TRY(mgd_tensor_new(ctx, MGD_F64, 2, (size_t[]){points, width}, &out));
    void *data = mgd_tensor_data(out);
    double *column = data;
    for (int round = 0; round < 2; round++) /* time, then the others */
        for (size_t i = count; i-- > 0;) {
            bool time = strcmp(all[i], "time") == 0;
            if (time != (round == 0) || !mgd_spice_vector_of(all[i], &vector) ||
                vector.count != points)
                continue;
            for (size_t p = 0; p < points; p++)
                column[p * width] = vector.values[p];
            show_name(names, all[i]);
            column++;
        }
    mgd_status status = mgd_tensor_save(ctx, out, path);
    mgd_tensor_free(out);
    if (status == MGD_OK && fflush(names) != 0)
        status = mgd_fail(ctx, MGD_ERR_IO, "spice: raw: cannot write names");
    return status;
}

/* ---- questions ------------------------------------------------------------------------------- */

/* θ, x and a replica's number, a line each; *memory holds them, and is the caller's to free. */
static mgd_status read_point(mgd_context *ctx, const mgd_spice_specification *spec, FILE *in,
                             mgd_spice_point *point, void **memory) {
    double replica = 0;
    MGD_TRY(mgd_allocate(ctx, "spice: raw", spec->parameters + spec->num_inputs, sizeof(double),
                         memory));
    double *theta = *memory, *x = theta + spec->parameters;
    *point = (mgd_spice_point){.theta = theta, .x = x};
    MGD_TRY(read_numbers(ctx, in, "theta", spec->parameters, theta));
    MGD_TRY(read_numbers(ctx, in, "x", spec->num_inputs, x));
    MGD_TRY(read_numbers(ctx, in, "a replica's number", 1, &replica));
    if (!(replica >= 0 && replica < 0x1p47 && replica == floor(replica)))
        return mgd_fail(ctx, MGD_ERR_FORMAT, "spice: raw: replica: expected a whole number");
    point->replica = (uint64_t)replica;
    return MGD_OK;
}

mgd_status mgd_spice_raw(mgd_context *ctx, const mgd_spice_specification *spec,
                         mgd_spice_circuit *circuit, FILE *in, const char *path, FILE *names) {
    void *memory = NULL;
    mgd_spice_point point;
    mgd_status status = read_point(ctx, spec, in, &point, &memory);
    if (status == MGD_OK)
        status = mgd_spice_circuit_analyse(ctx, circuit, &point);
    if (status == MGD_OK)
        status = write_vectors(ctx, path, names);
    mgd_free(memory);
    return status;
}

mgd_status mgd_spice_values(mgd_context *ctx, const mgd_spice_specification *spec,
                            mgd_spice_circuit *circuit, FILE *in, FILE *values) {
    void *memory = NULL;
    mgd_spice_point point;
    mgd_status status = read_point(ctx, spec, in, &point, &memory);
    for (size_t i = 0; status == MGD_OK && i < spec->count; i++)
        fprintf(values, "%s %.17g\n", spec->items[i].name,
                mgd_spice_circuit_value(circuit, &point, i));
    if (status == MGD_OK && fflush(values) != 0)
        status = mgd_fail(ctx, MGD_ERR_IO, "spice: values: cannot write them");
    mgd_free(memory);
    return status;
}
