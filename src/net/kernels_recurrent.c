/* Recurrent layers along a sequence: h_t = act(Wx·x_t + Wh·h_{t−1} + b) from h_0 = 0; a linear
 * state-space layer is the same without activation and biases. Each step is the blocks of a dense
 * layer twice, sums waiting in h_t in between: from the bias over the input, then over the state.
 * A few vectors of lanes run through the whole sequence, so that weights and state stay in the
 * cache; x_t and h_t are (F × W) and (H × W), one step after the other.
 *
 * Parameters: Wx (H × F), Wh (H × H), b (H).
 */

#include "kernels.h"

static size_t inputs_of(const mgd_vertex *vertex) {
    return vertex->in.features / vertex->length;
}

/* The activation of (H × W), `lanes` of them, where sums could not pass through it. */
static void activate_lanes(mgd_layer_kind cell, real *h, size_t states, size_t lanes,
                           size_t width) {
    if (in_registers(cell))
        return;
    if (lanes == width) {
        NET_KERNEL(activate)(cell, h, states * width);
        return;
    }
    for (size_t i = 0; i < states; i++)
        NET_KERNEL(activate)(cell, h + i * width, lanes);
}

static void run_lanes(const mgd_op *op, dense_lanes input, dense_lanes state, real *arena,
                      bool private, size_t lanes) {
    const mgd_vertex *vertex = &op->vertex;
    const size_t states = mgd_vertex_states(vertex), width = input.width;
    const mgd_layer_kind last = in_registers(vertex->cell) ? vertex->cell : MGD_LAYER_IDENTITY;
    const real *before = NULL;
    for (size_t t = 0; t < vertex->length; t++) {
        real *h = arena + mgd_state_place(op, t) * width;
        input.x = arena + (op->x[0] + t * input.inputs) * width;
        input.activation = before ? MGD_LAYER_IDENTITY : last;
        input.y = state.y = h;
        NET_KERNEL(dense_forward)(&input, states, private, lanes);
        if (before) {
            state.x = before;
            state.activation = last;
            NET_KERNEL(dense_forward)(&state, states, private, lanes);
        }
        activate_lanes(vertex->cell, h, states, lanes, width);
        before = h;
    }
}

static void recurrent(const mgd_op *op, const void *thetas, void *arenas, size_t width,
                      bool private) {
    const mgd_vertex *vertex = &op->vertex;
    const size_t states = mgd_vertex_states(vertex), inputs = inputs_of(vertex);
    const size_t each = private ? width : 1;
    const real *theta = thetas;
    real *arena = arenas;
    dense_lanes input = {.w = theta, .inputs = inputs, .width = width};
    dense_lanes state = {
        .w = theta + states * inputs * each, .inputs = states, .width = width, .onto = true};
    if (vertex->kind == MGD_LAYER_ELMAN)
        input.b = state.w + states * states * each;
    for (size_t lane = 0, step; lane < width; lane += step) {
        step = dense_step(width - lane);
        run_lanes(op, input, state, arena + lane, private, step);
        if (private) {
            input.w += step;
            state.w += step;
            if (input.b)
                input.b += step;
        }
    }
}

static void shared_forward(const mgd_op *op, const void *theta, void *arena, size_t width) {
    recurrent(op, theta, arena, width, false);
}

static void private_forward(const mgd_op *op, const void *theta, void *arena, size_t width) {
    recurrent(op, theta, arena, width, true);
}

/* Back-propagation through time: what the state of step t owes is what its output and step t + 1
 * have left in its delta. */
static void backward(const mgd_op *op, const void *thetas, const void *arenas, void *delta_arena,
                     double *gradient, size_t width) {
    const mgd_vertex *vertex = &op->vertex;
    const size_t states = mgd_vertex_states(vertex), inputs = inputs_of(vertex);
    const real *theta = thetas, *arena = arenas, *of_state = theta + states * inputs;
    real *deltas = delta_arena;
    double *by_state = gradient + states * inputs, *by_bias = by_state + states * states;
    for (size_t t = vertex->length; t-- > 0;) {
        const size_t at = mgd_state_place(op, t) * width, x = (op->x[0] + t * inputs) * width;
        real *delta = deltas + at;
        NET_KERNEL(activate_backward)(vertex->cell, arena + at, delta, states * width);
        NET_KERNEL(dense_gradient)(inputs, states, delta, arena + x, gradient, width);
        for (size_t i = 0; i < states && vertex->kind == MGD_LAYER_ELMAN; i++)
            by_bias[i] += (double)sum_lanes(delta + i * width, width);
        if (op->x[0] != 0) /* nobody asks for the delta of the network's input */
            NET_KERNEL(dense_spread)(inputs, states, theta, delta, deltas + x, width);
        if (t == 0)
            break;
        const size_t before = mgd_state_place(op, t - 1) * width;
        NET_KERNEL(dense_gradient)(states, states, delta, arena + before, by_state, width);
        NET_KERNEL(dense_spread)(states, states, of_state, delta, deltas + before, width);
    }
}

const mgd_layer_kernels NET_KERNEL(recurrent) = {.forward = {shared_forward, private_forward},
                                                 .backward = backward};
