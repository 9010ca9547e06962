/* Models tried out by themselves: a tensor of values, row after row as time goes on, through the
 * devices of one replica.
 */

#include "../base/number.h"
#include "check.h"
#include "hw.h"

#include <math.h>
#include <string.h>

/* The devices of one row. */
typedef struct {
    mgd_hw_frame frame;
    size_t real, sites, padded;
    char *values, *change, *coefs, *states;
    uint8_t *joined;
    mgd_hw_array array; /* they lie on the wire of one output */
    void *kept[MGD_HW_KEPT];
} bench;

static void bench_close(bench *b) {
    void *blocks[] = {b->values, b->change, b->coefs, b->states, b->joined, b->frame.scratch};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        mgd_free(blocks[i]);
    for (size_t i = 0; i < MGD_HW_KEPT; i++)
        mgd_free(b->kept[i]);
}

static mgd_status bench_open(mgd_context *ctx, const mgd_hw_conditions *c, mgd_dtype dtype,
                             size_t sites, size_t coefs, size_t states, bench *b) {
    size_t real = mgd_dtype_size(dtype), lanes = MGD_ALIGNMENT / real;
    size_t rows = (sites + lanes - 1) / lanes;
    *b = (bench){.real = real, .sites = sites, .padded = rows * lanes};
    b->frame = (mgd_hw_frame){.rows = rows,
                              .width = lanes,
                              .sites = sites,
                              .row = true,
                              .replica = &c->replica,
                              .ticks = MGD_HW_TICKS,
                              .step = c->step,
                              .held = c->held,
                              .keeping = true,
                              .still = c->still};
    bool taken = mgd_take(&b->values, b->padded, real) && mgd_take(&b->change, b->padded, real) &&
                 mgd_take(&b->coefs, coefs + 1, b->padded * real) &&
                 mgd_take(&b->states, states + 1, b->padded * real) &&
                 mgd_take(&b->joined, sites + 1, 1);
    for (size_t i = 0; i < MGD_HW_KEPT && taken; i++)
        taken = mgd_take(&b->kept[i], b->padded, real);
    if (!taken) {
        bench_close(b);
        *b = (bench){0};
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: %zu devices", sites);
    }
    for (size_t i = 0; i < sites; i++)
        b->joined[i] = i > 0;
    b->array = (mgd_hw_array){1, sites, 1, {{0, sites}}, SIZE_MAX};
    return MGD_OK;
}

static void load_row(const bench *b, const mgd_tensor *t, size_t row, char *to) {
    memcpy(to, (const char *)mgd_tensor_data(t) + row * b->sites * b->real, b->sites * b->real);
}

static void store_row(const bench *b, mgd_tensor *t, size_t row, const char *from) {
    memcpy((char *)mgd_tensor_data(t) + row * b->sites * b->real, from, b->sites * b->real);
}

static mgd_status check_rows(mgd_context *ctx, const mgd_tensor *t, const char *what) {
    mgd_dtype dtype = mgd_tensor_dtype(t);
    char shape[96];
    if ((dtype == MGD_F32 || dtype == MGD_F64) && mgd_tensor_ndim(t) == 2 && mgd_tensor_size(t) > 0)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_SHAPE, "hw: %s is %s of %s: expected (T, n) of f32 or f64", what,
                    mgd_shape_format(shape, sizeof shape, mgd_tensor_ndim(t), mgd_tensor_shape(t)),
                    mgd_dtype_name(dtype));
}

static mgd_status check_conditions(mgd_context *ctx, const mgd_hw_conditions *c) {
    if (c->step > 0 && c->held >= 0 && isfinite(c->step) && isfinite(c->held) && c->replica >= 1)
        return MGD_OK;
    return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                    "hw: step = %s s, held = %s s and replica %llu: expected step > 0, held ≥ 0, "
                    "both finite, and replica ≥ 1",
                    MGD_NUMBER(c->step), MGD_NUMBER(c->held), (unsigned long long)c->replica);
}

static mgd_status apply_rows(mgd_context *ctx, const mgd_hw_chain *chains, bench *b,
                             mgd_tensor *t) {
    for (size_t row = 0; row < mgd_tensor_shape(t)[0]; row++) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        b->frame.tick = b->frame.clock = MGD_HW_TICKS * row;
        b->frame.time = b->frame.step * (double)row;
        load_row(b, t, row, b->values);
        load_row(b, t, row, b->change);
        b->frame.stored = b->change;
        size_t coef = 0, state = 0;
        for (size_t place = 0; place < MGD_HW_PLACE_COUNT; place++) {
            const mgd_hw_chain *c = &chains[place];
            MGD_TRY(mgd_hw_chain_apply(ctx, c, &b->frame, b->coefs + coef * b->padded * b->real,
                                       b->states + state * b->padded * b->real, b->values));
            coef += c->num_coefs;
            state += c->num_states;
        }
        store_row(b, t, row, b->values);
    }
    return MGD_OK;
}

/* What is stored is read: leak is applied once, where it is read. */
static bool is_read(size_t place) {
    return place != MGD_HW_AT_MEMORY;
}

static mgd_status open_scratch(mgd_context *ctx, const mgd_hw_chain *chains, bench *b) {
    size_t most = 0;
    for (size_t place = 0; place < MGD_HW_PLACE_COUNT; place++) {
        size_t bytes = mgd_hw_chain_scratch(&chains[place], b->frame.width * b->real);
        most = bytes > most ? bytes : most;
    }
    return mgd_allocate(ctx, "wires", most + 1, 1, &b->frame.scratch);
}

static mgd_status apply_chains(mgd_context *ctx, mgd_hw_chain *chains, const mgd_hw_conditions *c,
                               mgd_tensor *t) {
    size_t coefs = 0, states = 0;
    bench b;
    for (size_t place = 0; place < MGD_HW_PLACE_COUNT; place++) {
        coefs += chains[place].num_coefs;
        states += chains[place].num_states;
    }
    MGD_TRY(bench_open(ctx, c, mgd_tensor_dtype(t), mgd_tensor_shape(t)[1], coefs, states, &b));
    coefs = states = 0;
    for (size_t place = 0; place < MGD_HW_PLACE_COUNT; place++) {
        mgd_hw_chain *chain = &chains[place];
        chain->number = place;
        chain->geometry = (mgd_hw_geometry){b.joined, &b.array, 1};
        mgd_hw_chain_draw(chain, &b.frame, b.coefs + coefs * b.padded * b.real);
        mgd_hw_chain_start(chain, &b.frame, b.states + states * b.padded * b.real);
        coefs += chain->num_coefs;
        states += chain->num_states;
    }
    mgd_status status = open_scratch(ctx, chains, &b);
    if (status == MGD_OK)
        status = apply_rows(ctx, chains, &b, t);
    bench_close(&b);
    return status;
}

mgd_status mgd_hw_apply(mgd_context *ctx, size_t count, const mgd_hw_model *models,
                        const mgd_hw_conditions *conditions, const mgd_tensor *values,
                        mgd_tensor **out) {
    MGD_OPERATION;
    mgd_hw_chain chains[MGD_HW_PLACE_COUNT] = {{0}};
    mgd_tensor *t = NULL;
    MGD_TRY(check_rows(ctx, values, "a tensor of values"));
    MGD_TRY(check_conditions(ctx, conditions));
    MGD_TRY(mgd_hw_models_check(ctx, count, models));
    MGD_TRY(mgd_hw_places_check(ctx, count, models));
    mgd_status status = mgd_tensor_convert(ctx, values, mgd_tensor_dtype(values), &t);
    bool leaks = false;
    for (size_t i = 0; i < count; i++)
        leaks = leaks || models[i].place == MGD_HW_AT_WEIGHT;
    for (size_t place = 0; place < MGD_HW_PLACE_COUNT && status == MGD_OK; place++)
        if (is_read(place) || !leaks)
            status = mgd_hw_chain_open(ctx, models, count, (mgd_hw_place)place, conditions->step,
                                       conditions->seed, 0, mgd_tensor_dtype(t), &chains[place]);
    if (status == MGD_OK)
        status = apply_chains(ctx, chains, conditions, t);
    for (size_t place = 0; place < MGD_HW_PLACE_COUNT; place++)
        mgd_hw_chain_close(&chains[place]);
    if (status == MGD_OK)
        *out = t;
    else
        mgd_tensor_free(t);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------- */

static mgd_status write_rows(mgd_context *ctx, const mgd_hw_writer *writer,
                             const mgd_hw_kernels *kernels, bench *b, mgd_tensor *changes) {
    double pulses[MGD_ALIGNMENT] = {0};
    for (size_t row = 0; row < mgd_tensor_shape(changes)[0]; row++) {
        MGD_TRY(mgd_interrupt_answer(ctx));
        b->frame.tick = b->frame.clock = MGD_HW_TICKS * row;
        load_row(b, changes, row, b->change);
        kernels->write(writer, &b->frame, b->coefs, b->kept, b->values, b->change, pulses);
        memcpy(b->change, b->values, b->padded * b->real);
        if (b->kept[MGD_HW_OFFSET])
            kernels->add(b->change, b->kept[MGD_HW_OFFSET], b->padded);
        store_row(b, changes, row, b->change);
    }
    return MGD_OK;
}

mgd_status mgd_hw_write(mgd_context *ctx, const mgd_hw_update *update,
                        const mgd_hw_conditions *conditions, const mgd_tensor *start,
                        const mgd_tensor *changes, mgd_tensor **out) {
    MGD_OPERATION;
    mgd_isa isa;
    MGD_TRY(mgd_isa_select(ctx, &isa));
    MGD_TRY(check_rows(ctx, changes, "changes"));
    MGD_TRY(check_conditions(ctx, conditions));
    MGD_TRY(mgd_hw_update_check(ctx, update));
    mgd_dtype dtype = mgd_tensor_dtype(changes);
    size_t sites = mgd_tensor_shape(changes)[1];
    if (mgd_tensor_size(start) != sites)
        return mgd_fail(ctx, MGD_ERR_SHAPE, "hw: %zu weights and changes of %zu devices",
                        mgd_tensor_size(start), sites);
    const mgd_hw_writer writer = mgd_hw_writer_of(update, conditions->seed, 0);
    const mgd_hw_kernels *kernels = mgd_hw_kernels_get(isa, dtype);
    mgd_tensor *weights = NULL, *t = NULL;
    bench b = {0};
    mgd_status status = bench_open(ctx, conditions, dtype, sites, writer.op.num_draws, 0, &b);
    if (status == MGD_OK)
        status = mgd_tensor_convert(ctx, start, dtype, &weights);
    if (status == MGD_OK)
        status = mgd_tensor_convert(ctx, changes, dtype, &t);
    for (size_t i = 0; i < MGD_HW_KEPT; i++) {
        if (!writer.keeps[i]) {
            mgd_free(b.kept[i]);
            b.kept[i] = NULL;
        }
    }
    if (status == MGD_OK) {
        b.frame.held = conditions->step;
        load_row(&b, weights, 0, b.values);
        mgd_hw_writer_draw(&writer, kernels, b.real, &b.frame, b.coefs);
        mgd_hw_writer_start(&writer, kernels, &b.frame, b.kept);
        status = write_rows(ctx, &writer, kernels, &b, t);
    }
    bench_close(&b);
    mgd_tensor_free(weights);
    if (status == MGD_OK)
        *out = t;
    else
        mgd_tensor_free(t);
    return status;
}
