/* There is one worker in a process, and signal handlers know nothing else: so this is static. What
 * handlers do is safe in them: the thread that they stop is in an evaluation, and changes neither
 * the server's answers nor what stands here.
 */

#include "end.h"

#include "folder.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#define LIMIT 64 /* bytes of the seconds as a text */
#define TICKS 4  /* of the timer in that time: so the limit is kept within a quarter */
#define STACK 65536
#define REASON 400 /* of what ngspice said */

static struct {
    int out;
    bool protocol;
    mgd_server *server;
    char limit[LIMIT];
    double seconds;           /* that it stands for */
    volatile uint32_t number; /* of what is under way, … */
    uint32_t seen;            /* … as the last tick found it, … */
    unsigned ticks;           /* … and how many have */
    volatile uint32_t sample; /* that is evaluated */
    volatile sig_atomic_t works;
} state = {.out = 2};

/* ---- saying ---------------------------------------------------------------------------------- */

static void send(const char *bytes, size_t count) {
    while (count > 0) {
        ssize_t n = write(state.out, bytes, count);
        if (n > 0) {
            bytes += n;
            count -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            struct pollfd ready = {.fd = state.out, .events = POLLOUT};
            poll(&ready, 1, -1);
        } else if (n == 0 || errno != EINTR)
            return;
    }
}

static void say(const char *text) {
    send(text, strlen(text));
}

static void say_number(uint32_t number) {
    char digits[16], *first = digits + sizeof digits - 1;
    *first = '\0';
    do
        *--first = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    say(first);
}

/* Whole answers first, for one may have been begun; then the beginning of a failure. */
static void begin_failure(void) {
    if (state.server) {
        size_t count;
        const char *answers = mgd_server_answers(state.server, &count);
        while (count > 0 && answers[count - 1] != '\n')
            count--;
        send(answers, count);
    }
    say(state.protocol ? "ERR 4 spice: " : "spice: ");
}

static void name_work(void) {
    say(state.sample == MGD_SPICE_LOADING ? "the netlist as it stands" : "sample ");
    if (state.sample != MGD_SPICE_LOADING)
        say_number(state.sample);
    say(": ");
}

static void __attribute__((noreturn)) leave(int status) {
    mgd_spice_folder_remove(); /* it may not have started */
    _exit(status);
}

/* ---- reasons --------------------------------------------------------------------------------- */

/* The timer ticks on, and costs nothing where nothing takes long: what it finds again and again has
 * taken too long. */
static void on_tick(int number) {
    (void)number;
    if (state.number != state.seen)
        state.ticks = 0;
    state.seen = state.number;
    if (!state.works || state.ticks++ < TICKS)
        return;
    begin_failure();
    name_work();
    say("an evaluation took longer than ");
    say(state.limit);
    say(" s and was ended, with its process\n");
    leave(1);
}

/* ngspice handles some of these itself, and gives up; not while it loads a netlist. */
static void on_crash(int number) {
    begin_failure();
    name_work();
    say("ngspice crashed, with signal ");
    say_number((uint32_t)number);
    say(", and its process ends\n");
    leave(1);
}

static void on_signal(int number) {
    (void)number;
    leave(1);
}

void mgd_spice_end_wanted(const char *why) {
    char reason[REASON];
    snprintf(reason, sizeof reason, "%s", why);
    for (char *c = reason; *c; c++)
        *c = (unsigned char)*c < ' ' ? ' ' : *c;
    begin_failure();
    name_work();
    say("ngspice gave up, and its process ends: ");
    say(reason);
    say("\n");
    leave(1);
}

/* ---- preparing ------------------------------------------------------------------------------- */

void mgd_spice_end_prepare(int out, bool protocol) {
    static const int ends[] = {SIGTERM, SIGHUP, SIGINT};
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    static char stack[STACK]; /* for where the other one is used up */
    const stack_t other = {.ss_sp = stack, .ss_size = sizeof stack};
    struct sigaction action = {.sa_handler = on_signal};
    state.out = out;
    state.protocol = protocol;
    state.sample = MGD_SPICE_LOADING;
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        sigaction(ends[i], &action, NULL);
    action.sa_handler = on_crash;
    action.sa_flags = (int)SA_RESETHAND | SA_ONSTACK;
    sigaltstack(&other, NULL);
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        sigaction(crashes[i], &action, NULL);
    action.sa_flags = 0;
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
    action.sa_handler = on_tick;
    action.sa_flags = SA_RESTART;
    sigaction(SIGALRM, &action, NULL);
}

void mgd_spice_end_serve(mgd_server *server) {
    state.server = server;
}

static void start_timer(double seconds) {
    double tick = seconds / TICKS;
    struct timeval time = {.tv_sec = (time_t)tick,
                           .tv_usec = (suseconds_t)(fmod(tick, 1) * 1e6) + 1};
    setitimer(ITIMER_REAL, &(struct itimerval){.it_interval = time, .it_value = time}, NULL);
    snprintf(state.limit, sizeof state.limit, "%g", seconds);
    state.seconds = seconds;
}

void mgd_spice_end_within(double seconds, uint32_t sample) {
    if (state.seconds != seconds)
        start_timer(seconds);
    state.sample = sample;
    state.number++;
    state.works = 1;
}

void mgd_spice_end_rest(void) {
    state.works = 0;
}
