/* chip.c: a chip for mgd-lua on a microcontroller, in portable C99: no malloc, files or threads. It
 * answers the requests of docs/guide/chip-contract.md, as lines and as frames, keeps samples with
 * their targets, perturbs θ by itself and returns costs. A port has the five functions below, two
 * of which are your hardware, and calls chip_poll again and again; host.c is one for a computer.
 * printf and strtod must know floating point (newlib-nano: -u _printf_float -u _scanf_float). */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int port_get(void); /* the next byte that has come; −1: none */
void port_put(const void *bytes, size_t count);
uint32_t port_milliseconds(void); /* a clock that may go round */
double port_measure(const double *theta, const double *x);
void port_safe(double *theta); /* on request and after the watchdog's silence; θ as it is then */

enum { INPUTS = 2, P = 9 /* parameters */, SAMPLES = 64 /* that there is room for */ };
enum { LONGEST = 2048 /* bytes of a request or answer */, SILENCE = 1000 /* ms: frames end */ };
enum { NO_REQUEST = 1, WRONG_WORD, WRONG_VALUE, TOO_LONG = 5 };
enum { NONE, OUTPUTS, SEQUENTIAL, WALSH, RANDOM };
const char *const chip_codes[] = {"none", "outputs", "sequential", "walsh", "random", NULL};

static double theta[P], x[SAMPLES][INPUTS], target[SAMPLES];
static unsigned samples;                                   /* that are here */
static char request[LONGEST + 1], answer[1 + LONGEST + 2]; /* sequence number, text, CRC */
static char *const text = answer + 1;
static size_t came, answered; /* bytes of the request, of the answer's text */
static const char *at;        /* what of the request is not yet read */
static int wrong;             /* with it: an error, or 0 */
static uint32_t patience;     /* ms of silence until the watchdog acts; 0: it does not */

static void philox(uint64_t seed, uint32_t w[4]) { /* 4x32-10 (Salmon et al. 2011) */
    uint32_t key0 = (uint32_t)seed, key1 = (uint32_t)(seed >> 32);
    for (int round = 0; round < 10; round++, key0 += 0x9E3779B9u, key1 += 0xBB67AE85u) {
        uint64_t a = (uint64_t)w[0] * 0xD2511F53u, b = (uint64_t)w[2] * 0xCD9E8D57u;
        w[0] = (uint32_t)(b >> 32) ^ w[1] ^ key0;
        w[2] = (uint32_t)(a >> 32) ^ w[3] ^ key1;
        w[1] = (uint32_t)b;
        w[3] = (uint32_t)a;
    }
}

/* The engine's own patterns, bit for bit: s of parameter i of `count`. Of the random code a slot
 * takes 2^b bits: a block of 128 serves one slot or a few, or is one of several of a slot. */
int chip_sign(int code, uint64_t seed, uint64_t replica, uint64_t slot, size_t i, size_t count) {
    int b = 0, sign = 1;
    while (b < 7 && (size_t)1 << b < count)
        b++;
    size_t bit = ((slot & ((1u << (7 - b)) - 1)) << b) + i;
    uint64_t block = slot >> (7 - b);
    uint32_t w[4] = {(uint32_t)(bit / 128), (uint32_t)block,
                     (uint32_t)(block >> 32 & 0xff) | (uint32_t)(replica << 8),
                     (uint32_t)(replica >> 24 & 0xffffff) | 4u << 24}; /* stream 4: codes */
    if (code == RANDOM) {
        philox(seed, w);
        return w[bit % 128 / 32] >> bit % 32 & 1 ? -1 : 1;
    }
    for (uint64_t ones = (i + 1) & slot; ones; ones &= ones - 1)
        sign = -sign;
    return code == WALSH ? sign : code == SEQUENTIAL && i == slot % count;
}

static void check(int good, int error) { /* after the first error there is nothing more to read */
    if (!good && !wrong)
        wrong = error, at = "";
}

static int take(const char *word) { /* up to what separates it from others; or one byte */
    size_t n = strlen(word);
    int there = strncmp(at, word, n) == 0 && (n == 1 || !at[n] || at[n] == ' ');
    return at += there ? n : 0, there;
}

static int choose(const char *const *words) {
    int i = 0;
    for (take(" "); words[i] && !take(words[i]);)
        i++;
    return check(words[i] != NULL, WRONG_WORD), i;
}

static double number(void) {
    char *end;
    double value = (take(" "), strtod(at, &end));
    int good = end != at && isfinite(value) && (!*end || strchr(" ,/", *end));
    return at = end, check(good, WRONG_WORD), good ? value : 0;
}

static uint64_t integer(void) {
    double value = number();
    check(value >= 0 && value <= 0x1p53 && value == floor(value), WRONG_WORD);
    return wrong ? 0 : (uint64_t)value;
}

static int numbers(double *out, int most) { /* with commas between; how many */
    int n = 0;
    take(" ");
    if (*at == '-' && (at[1] == ' ' || !at[1]))
        return at++, 0;
    do {
        double value = number();
        check(n < most, WRONG_VALUE);
        if (!wrong)
            out[n++] = value;
    } while (take(","));
    return n;
}

static void say(double value) {
    size_t room = LONGEST - answered;
    int n = snprintf(text + answered, room, "%s%.17g", answered > 2 ? "," : " ", value);
    check((size_t)n < room, WRONG_VALUE);
    answered += wrong ? 0 : (size_t)n;
}

static void put_data(void) {
    uint64_t first = integer();
    check(first <= samples, WRONG_VALUE);
    first = wrong ? 0 : first;
    int room = SAMPLES - (int)first, n = numbers(x[0] + first * INPUTS, room * INPUTS);
    int targets = numbers(target + first, room);
    check(n > 0 && n % INPUTS == 0 && (targets == n / INPUTS || !targets), WRONG_WORD);
    unsigned last = (unsigned)first + (unsigned)n / INPUTS;
    samples = wrong || last < samples ? samples : last; /* wrong ones lie where others were */
}

static void read_or_write(void) {
    double values[P];
    int reads = !*at;
    for (int i = 0; i < P && reads; i++)
        say(theta[i]);
    check(reads || numbers(values, P) == P, WRONG_WORD);
    while (*at)
        integer(); /* step and replica: this chip has no use for them */
    if (!reads && !wrong)
        memcpy(theta, values, sizeof theta);
}

/* A batch at θ of one measurement: its cost, or outputs. */
static void measure(int outputs, const double *p) {
    double sum = 0, n = 0;
    do {
        uint64_t i = integer();
        check(i < samples, WRONG_VALUE);
        double y = wrong ? 0 : port_measure(p, x[i]), error = wrong ? 0 : y - target[i];
        sum += error * error;
        if (outputs)
            say(y);
    } while (n++, take(","));
    if (!outputs)
        say(sum / n);
}

static void run(void) {
    static const char *const signs[] = {"+-", "0+", "+", "0", NULL};
    int code = choose(chip_codes);
    uint64_t seed = integer(), replica = integer(), slot = integer(), n = integer(), batches = 1;
    double p[P], amplitude = number();
    const char *batch = at += *at == ' ';
    for (; *at && *at != ' '; at++)
        batches += *at == '/';
    const char *order = signs[*at ? choose(signs) : 2];
    if (*at)
        integer(); /* the step */
    check(!*at && (batches == 1 || batches == n), WRONG_WORD);
    for (uint64_t k = 0; k < n && !wrong; k++, batch = batches > 1 ? at + 1 : batch)
        for (const char *sign = order; *sign && !wrong; sign++) {
            double a = *sign == '0' ? 0 : *sign == '+' ? amplitude : -amplitude;
            for (size_t i = 0; i < P; i++)
                p[i] = theta[i] + a * chip_sign(code, seed, replica, slot + k, i, P);
            at = batch;
            measure(code == OUTPUTS, p);
        }
    at = "";
}

static void obey(const char *words, size_t length) {
    static const char about[] =
        "OK parameters=%d inputs=%d outputs=1 samples=%d message=%d perturbs=1 "
        "costs=1 codes=sequential,walsh,random watchdog=1";
    at = words, wrong = 0, answered = (size_t)sprintf(text, "OK");
    check(length <= LONGEST, TOO_LONG);
    if (take("ID") || take("*IDN?"))
        answered = (size_t)sprintf(text, "OK mgd-lua,firmware sketch,0,1");
    else if (take("DESC"))
        answered = (size_t)sprintf(text, about, P, INPUTS, SAMPLES, LONGEST);
    else if (take("DATA"))
        put_data();
    else if (take("WRITE"))
        read_or_write();
    else if (take("RUN"))
        run();
    else if (!take("SAFE"))
        check(0, NO_REQUEST);
    else if (*at)
        patience = (uint32_t)integer();
    else
        port_safe(theta);
    check(!*at, WRONG_WORD);
    if (wrong)
        answered = (size_t)sprintf(text, "ERR %d the request is refused", wrong);
}

static unsigned crc16(const char *bytes, size_t count) { /* CCITT-FALSE */
    unsigned crc = 0xFFFF;
    for (size_t i = 0; i < count; i++) {
        crc ^= (unsigned)(uint8_t)bytes[i] << 8;
        for (int bit = 0; bit < 8; bit++)
            crc = (crc << 1 ^ (crc & 0x8000 ? 0x1021u : 0)) & 0xFFFF;
    }
    return crc;
}

/* COBS: groups without a zero, of up to 254 bytes, each behind its length. */
static void send_frame(void) {
    unsigned crc = crc16(answer, 1 + answered);
    size_t n = 1 + answered + 2;
    answer[n - 2] = (char)(crc >> 8), answer[n - 1] = (char)crc;
    for (size_t from = 0, length; from <= n; from += length < 254 ? length + 1 : length) {
        for (length = 0; from + length < n && length < 254 && answer[from + length];)
            length++;
        port_put(&(uint8_t){(uint8_t)(length + 1)}, 1);
        port_put(answer + from, length);
    }
    port_put("", 1);
}

/* One that is not whole is dropped: it will be sent again. */
static void take_frame(void) {
    static unsigned last_crc = 0x10000;
    size_t n = 0;
    for (size_t from = 0, length; from < came; from += length) {
        length = (uint8_t)request[from++] - 1u;
        if (length > came - from)
            return;
        memmove(request + n, request + from, length);
        n += length;
        if (length < 254 && from + length < came)
            request[n++] = 0;
    }
    if (n < 3 || crc16(request, n) != 0) /* with its CRC behind it, that of the whole is 0 */
        return;
    unsigned crc = crc16(request, n - 2);
    if (answer[0] != request[0] || crc != last_crc) { /* else a retry, which counts once */
        answer[0] = request[0], last_crc = crc, request[n - 2] = 0;
        obey(request + 1, n - 3);
    }
    send_frame();
}

/* What follows a zero is a frame; after a silence a line may come again. */
void chip_poll(void) {
    static int framed;
    static uint32_t last_byte, last_request;
    uint32_t now = port_milliseconds();
    if (framed && now - last_byte > SILENCE)
        framed = 0, came = 0;
    if (patience && now - last_request > patience)
        port_safe(theta);
    for (int byte; (byte = port_get()) >= 0; last_byte = now) {
        if (byte != 0 && (byte != '\n' || framed)) {
            request[came < LONGEST ? came : LONGEST] = (char)byte;
            came += came <= LONGEST; /* one more than there is room for: too long */
            continue;
        }
        last_request = now;
        framed = byte == 0;
        if (framed && came <= LONGEST)
            take_frame();
        if (!framed) {
            came -= came > 0 && came <= LONGEST && request[came - 1] == '\r';
            request[came < LONGEST ? came : LONGEST] = 0;
            obey(request, came);
            text[answered] = '\n';
            port_put(text, answered + 1);
        }
        came = 0;
    }
}
