/* layer: what a kind of layer is. A kind is one row, an mgd_layer_type, in one file, layer_*.c;
 * layers.c lists the rows by kind, and layer.c has what the rows share. The graph asks a row for
 * shapes, the plan what may join and what it costs, the network how parameters begin. How a layer
 * computes is a row of kernels (mgd_layer_kernels), in a kernels_*.c.
 */
#ifndef MGD_NET_LAYER_H
#define MGD_NET_LAYER_H

#include "net.h"

typedef struct mgd_layer_type mgd_layer_type;

/* A layer as it was asked for, and where it stands. */
typedef struct {
    mgd_context *ctx;
    const mgd_layer *layer;
    const mgd_layer_type *type;
    size_t index;      /* from 0 */
    size_t parameters; /* of the layers before it */
} mgd_layer_place;

struct mgd_layer_type {
    const char *name;
    bool featurewise; /* acts on every feature by itself: on all steps alike, and in place */
    bool pixelwise;   /* acts on every pixel of an image by itself, as featurewise layers do, too */
    bool recurrent;   /* runs through a sequence, with a state */
    bool linear;      /* outputs are sums of parameters times inputs, and of parameters */

    /* Of these three a layer has at most one. A vertex from what it takes, vertex->in: its output,
     * its own fields, and how many parameters it has; NULL: the output is like the input. */
    mgd_status (*shape)(const mgd_layer_place *place, mgd_vertex *vertex);
    /* Layers that compute nothing give their input in another shape, and leave no vertex. */
    mgd_status (*view)(const mgd_layer_place *place, const mgd_extent *in, mgd_extent *out);
    /* Layers that take several values do it pair by pair: vertex->in and vertex->other. */
    mgd_status (*join)(const mgd_layer_place *place, mgd_vertex *vertex);

    /* NULL, or how many rows (side 0) or columns (1) of an image windows read, from the first on,
     * for so many of its output; it may say more than there are. */
    size_t (*reads)(const mgd_vertex *vertex, size_t side, size_t outputs);

    /* Initial parameters (vertex->count) by a scheme that looks at fans; of layers that have any.
     */
    void (*draw)(const mgd_init *init, uint64_t part, const mgd_vertex *vertex, double *out);
    /* NULL, or initial parameters that the layer knows, whatever the scheme, unless vertex->drawn;
     * scratch (vertex->count). */
    void (*start)(const mgd_init *init, uint64_t part, const mgd_vertex *vertex, double *scratch,
                  double *out);

    /* Floating-point operations of a step, without what has joined; NULL: none. */
    double (*flop)(const mgd_op *op);
    /* Activations of a step that are read and written; NULL: those of input and output. */
    size_t (*traffic)(const mgd_op *op);
    /* Nodes, the sums that node perturbation moves; NULL: none. */
    size_t (*nodes)(const mgd_op *op);
    /* Matrices of its parameters, `first` counted within the layer, into out (MGD_LAYER_MATRICES);
     * NULL: none. */
    size_t (*matrices)(const mgd_vertex *vertex, mgd_matrix *out);
    /* An activation passes on next to no gradient where its output is not between these; 0, 0: it
     * always does. */
    double low, high;
    /* NULL, or what is said of the layer behind its name, " 3×3". */
    void (*detail)(const mgd_vertex *vertex, char *buffer, size_t capacity);
};

/* ---- for the rows: layer.c ------------------------------------------------------------------- */

/* "network: layer 2 (conv2d): …", or by the layer's own name. */
__attribute__((format(printf, 3, 4))) mgd_status
mgd_layer_fail(const mgd_layer_place *place, mgd_status code, const char *format, ...);

/* Fewer than 2^32 features, none of the sizes 0; else false. */
bool mgd_extent_of(size_t ndim, const size_t *size, mgd_extent *out);
/* As text, into buffer (96). */
const char *mgd_extent_text(const mgd_extent *extent, char *buffer);

/* vertex->count: `each` weights, and `biases` (0 or 1), for every one of `outputs`. */
mgd_status mgd_layer_count_parameters(const mgd_layer_place *place, mgd_vertex *vertex,
                                      size_t outputs, size_t each, size_t biases);

/* Matrices of a layer: weights (rows × columns), behind them those of a state (rows × states)
 * unless that is 0, and then the biases (rows), where it has some. */
size_t mgd_layer_matrices(const mgd_vertex *vertex, size_t rows, size_t columns, size_t states,
                          mgd_matrix *out);

#define MGD_POLL_DRAWS ((size_t)1 << 17) /* between two looks for an interrupt */

/* `count` draws into out: uniform on centre ± half, or normal with mean centre and deviation half.
 * Each layer (`part`) has draws of its own, whatever the shapes of the others. Stops early for an
 * interrupt, which the caller answers. */
void mgd_init_draw(const mgd_init *init, uint64_t part, bool normal, double centre, double half,
                   size_t count, double *out);
/* By the schemes of Glorot and He: weights to `outputs`, each of which is used at `area` places;
 * what follows them is 0. */
void mgd_layer_draw_weights(const mgd_init *init, uint64_t part, size_t weights, size_t outputs,
                            size_t area, size_t count, double *out);

#endif
