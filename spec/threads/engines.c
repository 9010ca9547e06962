/* Engines side by side in threads of one process, each with threads of its own, and an interrupt
 * from another; `make threads` runs it under ThreadSanitizer. Ends with 1 where something is wrong,
 * having said what. */

#include "mgd/record.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define ENGINES 3
#define FOREVER UINT64_C(1000000000)

typedef struct {
    mgd_engine kind;
    uint64_t steps;
    mgd_status status; /* of the training */
    double sum;        /* of θ after it */
    atomic_bool ended;
} job;

static void check(mgd_context *ctx, mgd_status status) {
    if (status != MGD_OK) {
        fprintf(stderr, "threads: %s\n", ctx->message);
        exit(1);
    }
}

static void expect(bool right, const char *what) {
    if (!right) {
        fprintf(stderr, "threads: %s\n", what);
        exit(1);
    }
}

/* Both threads append to one recording. */
static void record(mgd_context *ctx, mgd_run *run, char *path) {
    int file = mkstemp(path);
    expect(file >= 0, "no temporary file");
    close(file);
    check(ctx, mgd_run_record(ctx, run, path));
    check(ctx, mgd_run_record_begin(ctx, run, "{}", 2, false, false));
}

/* Trains 64 replicas, which are more than one unit of lanes, so that both threads have work. */
static void *train(void *data) {
    job *self = data;
    mgd_context ctx = {0};
    mgd_layer layers[] = {{.kind = MGD_LAYER_DENSE, .outputs = 3},
                          {.kind = MGD_LAYER_SIGMOID},
                          {.kind = MGD_LAYER_DENSE, .outputs = 1}};
    mgd_init init = {.scheme = MGD_INIT_UNIFORM, .low = -1, .high = 1};
    mgd_train settings = mgd_train_defaults();
    mgd_net *net = NULL;
    mgd_chip *chip = NULL;
    mgd_tensor *x = NULL, *y = NULL, *theta = NULL;
    mgd_run *run = NULL;
    char path[] = "/tmp/mgd-threads-XXXXXX";
    bool records = self->kind != MGD_ENGINE_BACKPROP;

    check(&ctx, mgd_net_new(&ctx, MGD_F32, 1, (size_t[]){2}, 3, layers, &net));
    check(&ctx, mgd_data_parity(&ctx, 2, &x, &y));
    check(&ctx, mgd_chip_ideal(&ctx, net, &chip));
    settings.x = x;
    settings.y = y;
    settings.engine = self->kind;
    if (self->kind == MGD_ENGINE_ANALOG) {
        settings.baseline = MGD_BASELINE_NONE;
        settings.tau_x.value = 4;
    }
    settings.replicas = 64;
    settings.threads = 2;
    settings.seed = 5;
    settings.eta.value = 1e-4;
    settings.init = &init;
    check(&ctx, mgd_run_new(&ctx, chip, &settings, &run));
    if (records)
        record(&ctx, run, path);
    self->status = mgd_run_advance(&ctx, run, self->steps);
    if (self->status != MGD_OK && self->status != MGD_ERR_INTERRUPT)
        check(&ctx, self->status);
    check(&ctx, mgd_run_advance(&ctx, run, 16)); /* what was interrupted goes on */
    check(&ctx, mgd_run_theta(&ctx, run, &theta));
    check(&ctx, mgd_tensor_reduce(&ctx, MGD_SUM, theta, 0, &self->sum));
    atomic_store(&self->ended, true);

    if (records)
        unlink(path);
    mgd_tensor_free(theta);
    mgd_run_free(run);
    mgd_chip_free(chip);
    mgd_tensor_free(x);
    mgd_tensor_free(y);
    mgd_net_free(net);
    return NULL;
}

static void start(pthread_t *threads, job *jobs, mgd_engine kind, uint64_t steps) {
    for (size_t i = 0; i < ENGINES; i++) {
        jobs[i].kind = kind;
        jobs[i].steps = steps;
        atomic_store(&jobs[i].ended, false);
        expect(pthread_create(&threads[i], NULL, train, &jobs[i]) == 0, "no thread");
    }
}

static void join(pthread_t *threads) {
    for (size_t i = 0; i < ENGINES; i++)
        pthread_join(threads[i], NULL);
}

int main(void) {
    static job jobs[ENGINES];
    pthread_t threads[ENGINES];

    for (mgd_engine kind = MGD_ENGINE_DISCRETE; kind <= MGD_ENGINE_BACKPROP; kind++) {
        start(threads, jobs, kind, 500);
        join(threads);
        for (size_t i = 0; i < ENGINES; i++)
            expect(jobs[i].status == MGD_OK && jobs[i].sum == jobs[0].sum,
                   "engines side by side gave different bits");
    }

    /* One request ends all of them. */
    start(threads, jobs, MGD_ENGINE_DISCRETE, FOREVER);
    for (int ended = 0, tries = 0; ended < ENGINES; tries++) {
        expect(tries < 600, "a run goes on in spite of interrupts");
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        ended = 0;
        for (size_t i = 0; i < ENGINES; i++)
            ended += atomic_load(&jobs[i].ended);
        if (tries == 2)
            mgd_interrupt_request();
    }
    join(threads);
    mgd_interrupt_clear();
    for (size_t i = 0; i < ENGINES; i++)
        expect(jobs[i].status == MGD_ERR_INTERRUPT, "a run was not interrupted");

    expect(mgd_memory_stats().live_blocks == 0, "blocks stay allocated");
    puts("threads: no race, the same bits, one interrupt for all");
    return 0;
}
