/* Names of hosts. The system's own look-up cannot be stopped, and may last for half a minute where
 * a name server does not answer: it runs in a thread that may be left behind. */

#include "transport.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAUSE 1000000 /* ns between two looks */

/* Belongs to two: whoever leaves last frees it. */
typedef struct {
    atomic_int users;
    atomic_bool done;
    int error;
    struct addrinfo *found;
    char *host, *port;
} lookup;

static const struct addrinfo numeric = {
    .ai_socktype = SOCK_STREAM,
    .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
};
static const struct addrinfo named = {
    .ai_socktype = SOCK_STREAM,
    .ai_flags = AI_NUMERICSERV,
};

static void leave(lookup *l) {
    if (atomic_fetch_sub(&l->users, 1) > 1)
        return;
    if (l->found)
        freeaddrinfo(l->found);
    mgd_free(l);
}

static void *look_up(void *arg) {
    lookup *l = arg;
    l->error = getaddrinfo(l->host, l->port, &named, &l->found);
    atomic_store(&l->done, true);
    leave(l);
    return NULL;
}

/* Signals are for the thread that waits. */
static int start(lookup *l) {
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, look_up, l);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_detach(thread);
    return error;
}

static mgd_status fail(mgd_context *ctx, const char *host, const char *why) {
    return mgd_fail(ctx, MGD_ERR_IO, "host \"%.200s\": %s", host, why);
}

mgd_status mgd_resolve(mgd_context *ctx, const char *host, const char *port, double until,
                       struct addrinfo **out) {
    if (getaddrinfo(host, port, &numeric, out) == 0)
        return MGD_OK;
    size_t host_bytes = strlen(host) + 1, port_bytes = strlen(port) + 1;
    void *block;
    MGD_TRY(
        mgd_allocate(ctx, "wire: look-up", sizeof(lookup) + host_bytes + port_bytes, 1, &block));
    lookup *l = block;
    l->host = memcpy(l + 1, host, host_bytes);
    l->port = memcpy(l->host + host_bytes, port, port_bytes);
    atomic_init(&l->users, 2);
    atomic_init(&l->done, false);
    int error = start(l);
    if (error != 0) {
        mgd_free(l);
        return fail(ctx, host, strerror(error));
    }
    mgd_status status = MGD_OK;
    while (!atomic_load(&l->done) && status == MGD_OK && mgd_clock() < until) {
        nanosleep(&(struct timespec){.tv_nsec = PAUSE}, NULL);
        status = mgd_interrupt_answer(ctx);
    }
    if (status == MGD_OK && !atomic_load(&l->done)) {
        status = fail(ctx, host, "its name could not be looked up in time");
    } else if (status == MGD_OK && l->error != 0) {
        status = fail(ctx, host, gai_strerror(l->error));
    } else if (status == MGD_OK) {
        *out = l->found;
        l->found = NULL;
    }
    leave(l);
    return status;
}
