/* A pool of threads for loops whose every index is independent. Workers spin for a moment before
 * they sleep, because training steps follow each other within microseconds.
 */

#include "base.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define SPIN_SECONDS 1e-3 /* longer than what is done between two runs of a training step */
#define SPINS 256         /* before the processor is offered to others */
#define MAX_THREADS 1024

struct worker {
    mgd_pool *pool;
    size_t index;
    size_t seen; /* generation at which it was started */
    pthread_t thread;
};

/* Indices that belong to one worker: next, …, last − 1 are still to be run. */
struct share {
    atomic_size_t next;
    size_t last;
} MGD_OWN_LINE;

struct mgd_pool {
    size_t wanted;          /* as asked for */
    unsigned forks;         /* when the workers were started */
    size_t threads;         /* that run, the caller included: 1 until there is work for more */
    struct worker *workers; /* threads − 1 of them; worker 0 is the caller */
    struct share *shares;   /* (threads) */
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    atomic_size_t generation; /* raised once per run; workers wait for it to change */
    atomic_size_t running;    /* workers that have not finished this run */
    atomic_bool closing;
    atomic_int caller; /* processor that the caller was on when it last started a run */
    unsigned noted;    /* by the operation that the tasks belong to */
    mgd_task *task;
    void *arg;
};

static void cpu_relax(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#else
    sched_yield();
#endif
}

/* Runs what is left of a share. */
static void run_share(mgd_pool *pool, struct share *share, size_t worker) {
    for (;;) {
        size_t i = atomic_fetch_add_explicit(&share->next, 1, memory_order_relaxed);
        if (i >= share->last)
            return;
        pool->task(pool->arg, i, worker);
    }
}

/* A worker's own share is the same from run to run, so that what it works on stays in its cache;
 * then it helps those that have not come so far. */
static void run_shares(mgd_pool *pool, size_t worker) {
    for (size_t i = 0; i < pool->threads; i++)
        run_share(pool, &pool->shares[(worker + i) % pool->threads], worker);
}

/* Systems start and wake a thread on the processor of the one that did so, which is busy, and take
 * milliseconds to part them. Moves this worker to a processor of its own, counted from the
 * caller's, and leaves it free to be moved again. */
static void part_from_caller(const struct worker *self) {
    cpu_set_t all, one;
    int processor = atomic_load_explicit(&self->pool->caller, memory_order_relaxed);
    if (sched_getaffinity(0, sizeof all, &all) != 0 || processor < 0 || processor >= CPU_SETSIZE)
        return;
    size_t steps = self->index % (size_t)CPU_COUNT(&all);
    if (steps == 0) /* more threads than processors */
        return;
    while (steps > 0) {
        processor = (processor + 1) % CPU_SETSIZE;
        steps -= CPU_ISSET(processor, &all) ? 1 : 0;
    }
    CPU_ZERO(&one);
    CPU_SET(processor, &one);
    sched_setaffinity(0, sizeof one, &one);
    sched_setaffinity(0, sizeof all, &all);
}

/* Waits, first spinning and then asleep, until the generation is no longer `seen`. */
static void await_generation(const struct worker *self, size_t seen) {
    mgd_pool *pool = self->pool;
    double deadline = mgd_clock() + SPIN_SECONDS;
    while (mgd_clock() < deadline) {
        for (int spin = 0; spin < SPINS; spin++) {
            if (atomic_load_explicit(&pool->generation, memory_order_acquire) != seen)
                return;
            cpu_relax();
        }
        sched_yield(); /* the processor may be the one that the caller waits for */
    }
    pthread_mutex_lock(&pool->mutex);
    while (atomic_load(&pool->generation) == seen)
        pthread_cond_wait(&pool->wake, &pool->mutex);
    pthread_mutex_unlock(&pool->mutex);
    part_from_caller(self);
}

static void *worker_main(void *arg) {
    struct worker *self = arg;
    mgd_pool *pool = self->pool;
    part_from_caller(self);
    for (size_t seen = self->seen;; seen++) {
        await_generation(self, seen);
        if (atomic_load(&pool->closing))
            return NULL;
        mgd_operation_join(pool->noted);
        run_shares(pool, self->index);
        atomic_fetch_sub_explicit(&pool->running, 1, memory_order_release);
    }
}

/* A child has only the thread that made it: pools of its parent have no workers there. */
static atomic_uint forks;

static void count_fork(void) {
    atomic_fetch_add(&forks, 1);
}

static void watch_forks(void) {
    pthread_atfork(NULL, NULL, count_fork);
}

static void init_wake(mgd_pool *pool) {
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pool->threads = 1;
    pool->forks = atomic_load(&forks);
}

/* Leaves the workers of a parent behind. */
static void forget_parent(mgd_pool *pool) {
    if (pool->forks != atomic_load_explicit(&forks, memory_order_relaxed))
        init_wake(pool);
}

static void next_generation(mgd_pool *pool) {
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->mutex);
}

mgd_status mgd_pool_new(mgd_context *ctx, size_t threads, mgd_pool **out) {
    if (threads < 1 || threads > MAX_THREADS)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT, "threads: expected 1 to %d, got %zu", MAX_THREADS,
                        threads);
    void *memory;
    MGD_TRY(mgd_allocate(ctx, "thread pool", 1, sizeof(mgd_pool), &memory));
    mgd_pool *pool = memory;
    if (!mgd_take(&pool->workers, threads, sizeof(struct worker)) ||
        !mgd_take(&pool->shares, threads, sizeof(struct share))) {
        mgd_free(pool->workers);
        mgd_free(pool);
        return mgd_fail(ctx, MGD_ERR_MEMORY, "out of memory: a pool of %zu threads", threads);
    }
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, watch_forks);
    init_wake(pool);
    pool->wanted = threads;
    *out = pool;
    return MGD_OK;
}

/* Starts the workers; where the system gives fewer, fewer share the work. */
static void start_workers(mgd_pool *pool) {
    for (size_t i = 1; i < pool->wanted; i++) {
        struct worker *worker = &pool->workers[i - 1];
        worker->pool = pool;
        worker->index = i;
        worker->seen = atomic_load(&pool->generation);
        if (pthread_create(&worker->thread, NULL, worker_main, worker) != 0)
            break;
        pool->threads++;
    }
    pool->wanted = pool->threads;
}

void mgd_pool_free(mgd_pool *pool) {
    if (!pool)
        return;
    forget_parent(pool);
    atomic_store(&pool->closing, true);
    next_generation(pool);
    for (size_t i = 1; i < pool->threads; i++)
        pthread_join(pool->workers[i - 1].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    mgd_free(pool->workers);
    mgd_free(pool->shares);
    mgd_free(pool);
}

size_t mgd_pool_threads(const mgd_pool *pool) {
    return pool ? pool->wanted : 1;
}

void mgd_pool_run(mgd_pool *pool, mgd_task *task, void *arg, size_t count) {
    if (pool)
        forget_parent(pool);
    if (pool && pool->wanted > 1 && count > 1)
        atomic_store_explicit(&pool->caller, sched_getcpu(), memory_order_relaxed);
    if (pool && pool->threads < pool->wanted && count > 1)
        start_workers(pool);
    if (!pool || pool->threads == 1 || count <= 1) {
        for (size_t i = 0; i < count; i++)
            task(arg, i, 0);
        return;
    }
    pool->task = task;
    pool->arg = arg;
    pool->noted = mgd_operation_noted();
    for (size_t i = 0; i < pool->threads; i++) {
        atomic_store_explicit(&pool->shares[i].next, count * i / pool->threads,
                              memory_order_relaxed);
        pool->shares[i].last = count * (i + 1) / pool->threads;
    }
    atomic_store(&pool->running, pool->threads - 1);
    next_generation(pool);
    run_shares(pool, 0);
    for (size_t spins = 1; atomic_load_explicit(&pool->running, memory_order_acquire) > 0; spins++)
        if (spins % SPINS == 0)
            sched_yield(); /* the processor may be the one that a worker waits for */
        else
            cpu_relax();
}

static size_t processors(void) {
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) == 0)
        return (size_t)CPU_COUNT(&set);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    return online >= 1 ? (size_t)online : 1;
}

mgd_status mgd_threads_default(mgd_context *ctx, size_t *out) {
    const char *wanted = getenv("MGD_THREADS");
    if (!wanted || !*wanted) {
        *out = processors();
        return MGD_OK;
    }
    char *end;
    long threads = strtol(wanted, &end, 10);
    if (*end || threads < 1 || threads > MAX_THREADS)
        return mgd_fail(ctx, MGD_ERR_ARGUMENT,
                        "MGD_THREADS=%s: expected a number of threads from 1 to %d, or nothing",
                        wanted, MAX_THREADS);
    *out = (size_t)threads;
    return MGD_OK;
}
