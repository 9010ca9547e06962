/* The functions of the shared library, by dlopen: mgd-lua is built and runs without it. The types
 * are those of ngspice's sharedspice.h (versions 27 to 44 agree in what is used here).
 */

#include "library.h"

#include <ctype.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST 34 /* of 2021; 39 is what this was written with */

/* Where the loader finds it. */
static const char *const names[] = {"libngspice.so.0", "libngspice.so", "libngspice.dylib"};

typedef struct {
    double real, imaginary;
} complex_number;

typedef struct {
    char *name;
    int type;
    short flags;
    double *real;
    complex_number *complex;
    int length;
} vector_info;

typedef int send_text(char *text, int library, void *user);
typedef int controlled_exit(int status, bool immediate, bool quit, int library, void *user);
typedef int thread_runs(bool ended, int library, void *user);

/* What is used of it. */
static struct {
    int (*init)(send_text *print, send_text *status, controlled_exit *exit, void *data,
                void *data_init, thread_runs *thread, void *user);
    int (*circuit)(char **lines);
    int (*command)(char *text);
    vector_info *(*vector)(char *name);
    char *(*plot)(void);
    char **(*vectors)(char *plot);
} library;

static struct {
    char text[MGD_SPICE_WORDS];
    size_t count;
    bool failed, stepped;
    char version[16];
    mgd_spice_end *end;
} said;

/* ---- words ----------------------------------------------------------------------------------- */

/* How lines begin that say nothing of a failure. */
static const char *const idle[] = {"Doing analysis at TEMP",
                                   "Using SPARSE",
                                   "Using KLU",
                                   "No. of Data Rows",
                                   "No compatibility mode selected",
                                   "Compatibility modes selected",
                                   "Circuit:",
                                   "Note:",
                                   "Trying gmin",
                                   "Supplies reduced to",
                                   "Warning: Further gmin increment",
                                   "Warning: Last gmin step failed",
                                   "Warning: Dynamic gmin stepping failed",
                                   "Warning: True gmin stepping failed",
                                   "Warning: spice3 gmin stepping failed",
                                   "Warning: gmin step failed",
                                   "Warning: source stepping failed",
                                   "DC solution failed",
                                   "Initial Transient Solution",
                                   "Reference value",
                                   "Reset re-loads circuit",
                                   "Last Node Voltages",
                                   "Node ",
                                   "----",
                                   "****",
                                   "** "};

static bool is_idle(const char *line) {
    if (line[strspn(line, " \t-")] == '\0')
        return true;
    for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
        if (strncmp(line, idle[i], strlen(idle[i])) == 0)
            return true;
    return false;
}

/* A row of a table of nodes: a name, a value and, after a failure, the value before it, with a star
 * behind where they differ. */
static bool is_node(const char *line, int *name, bool *unsettled) {
    double last, before;
    int end = 0, later = 0;
    int numbers = sscanf(line, "%*s%n %lf%n %lf%n", name, &last, &end, &before, &later);
    if (numbers < 1)
        return false;
    const char *rest = line + (numbers == 2 ? later : end);
    rest += strspn(rest, " ");
    *unsettled = *rest == '*';
    return *rest == '\0' || *unsettled;
}

/* Once, however often it is said. */
static void keep(const char *text, size_t count) {
    size_t gap = said.count > 0 ? 3 : 0;
    if (said.count + gap + count + 1 > sizeof said.text ||
        memmem(said.text, said.count, text, count))
        return;
    memcpy(said.text + said.count, " | ", gap);
    memcpy(said.text + said.count + gap, text, count);
    said.count += gap + count;
    said.text[said.count] = '\0';
}

static void keep_line(const char *line) {
    int name;
    bool unsettled;
    if (is_node(line, &name, &unsettled)) {
        char text[128];
        int length = snprintf(text, sizeof text, "%.*s has not settled", name, line);
        if (unsettled)
            keep(text, length < (int)sizeof text ? (size_t)length : sizeof text - 1);
        return;
    }
    size_t count = strlen(line);
    while (count > 0 && isspace((unsigned char)line[count - 1]))
        count--;
    keep(line, count);
}

/* Each line has the name of its stream before it. */
static int on_print(char *text, int id, void *user) {
    (void)id;
    (void)user;
    const char *line = text;
    if (strncmp(line, "stdout ", 7) == 0 || strncmp(line, "stderr ", 7) == 0)
        line += 7;
    if (said.version[0] == '\0')
        sscanf(line, "** ngspice-%15[0-9.+]", said.version);
    line += strspn(line, " \t");
    said.stepped = said.stepped || strstr(line, "source stepping") != NULL;
    if (is_idle(line))
        return 0;
    said.failed = said.failed || strncasecmp(line, "error", 5) == 0 ||
                  strncasecmp(line, "fatal", 5) == 0 || strstr(line, "aborted") != NULL;
    keep_line(line);
    return 0;
}

static int on_exit_wanted(int status, bool immediate, bool quit, int id, void *user) {
    (void)status;
    (void)immediate;
    (void)quit;
    (void)id;
    (void)user;
    said.end(said.count > 0 ? said.text : "it gave no reason");
    return 0;
}

static int on_status(char *text, int id, void *user) {
    (void)text;
    (void)id;
    (void)user;
    return 0;
}

static int on_thread(bool ended, int id, void *user) {
    (void)ended;
    (void)id;
    (void)user;
    return 0;
}

const char *mgd_spice_words(void) {
    return said.text;
}

bool mgd_spice_failed(void) {
    return said.failed;
}

bool mgd_spice_stepped(void) {
    return said.stepped;
}

void mgd_spice_forget(void) {
    said.count = 0;
    said.text[0] = '\0';
    said.failed = said.stepped = false;
}

/* ---- loading --------------------------------------------------------------------------------- */

static mgd_status find_functions(mgd_context *ctx, const char *path, void *handle) {
    const struct {
        const char *name;
        void *slot;
    } functions[] = {
        {"ngSpice_Init", &library.init},       {"ngSpice_Circ", &library.circuit},
        {"ngSpice_Command", &library.command}, {"ngGet_Vec_Info", &library.vector},
        {"ngSpice_CurPlot", &library.plot},    {"ngSpice_AllVecs", &library.vectors},
    };
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        void *found = dlsym(handle, functions[i].name);
        if (!found)
            return mgd_fail(ctx, MGD_ERR_FORMAT,
                            "spice: %.200s is no ngspice, or one that is too old: it has no "
                            "function %s; expected ngspice %d or later",
                            path, functions[i].name, OLDEST);
        memcpy(functions[i].slot, &found, sizeof found);
    }
    return MGD_OK;
}

/* By its path, or the first of the names that is there; the failure is that of the first. */
static mgd_status load(mgd_context *ctx, const char **path, void **handle) {
    const char *name = *path ? *path : names[0];
    *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!*handle)
        mgd_fail(ctx, MGD_ERR_IO,
                 "spice: ngspice's shared library is not here (%.250s): install it, on Debian and "
                 "Ubuntu: apt install libngspice0",
                 dlerror());
    for (size_t i = 1; !*path && !*handle && i < sizeof names / sizeof *names; i++) {
        name = names[i];
        *handle = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    }
    *path = name;
    return *handle ? MGD_OK : MGD_ERR_IO;
}

mgd_status mgd_spice_library_open(mgd_context *ctx, const char *path, mgd_spice_end *end) {
    const char *name = path;
    void *handle;
    MGD_TRY(load(ctx, &name, &handle));
    MGD_TRY(find_functions(ctx, name, handle));
    said.end = end;
    if (library.init(on_print, on_status, on_exit_wanted, NULL, NULL, on_thread, NULL) != 0)
        return mgd_fail(ctx, MGD_ERR_IO, "spice: %.100s does not start: %.300s", name, said.text);
    if (strtol(said.version, NULL, 10) < OLDEST)
        return mgd_fail(ctx, MGD_ERR_FORMAT,
                        "spice: %.200s is ngspice %s: expected %d or later; on Debian and Ubuntu: "
                        "apt install libngspice0",
                        name, said.version[0] ? said.version : "of an unknown version", OLDEST);
    mgd_spice_forget();
    return MGD_OK;
}

const char *mgd_spice_version(void) {
    return said.version;
}

/* ---- use ------------------------------------------------------------------------------------- */

void mgd_spice_load(char **lines) {
    library.circuit(lines);
}

void mgd_spice_command(const char *command) {
    library.command((char *)(uintptr_t)command); /* it takes a copy */
}

void mgd_spice_sweep(void) {
    library.command(NULL);
}

bool mgd_spice_vector_of(const char *name, mgd_spice_vector *out) {
    const vector_info *info = library.vector((char *)(uintptr_t)name); /* it takes a copy */
    if (!info || !info->real || info->length < 1)
        return false;
    *out = (mgd_spice_vector){info->real, (size_t)info->length};
    return true;
}

char **mgd_spice_vectors(void) {
    return library.vectors(library.plot());
}
