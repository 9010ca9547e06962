/* chip.c: a chip for mgd-lua on a microcontroller, in portable C99: no malloc, no files, no
 * threads.
 *
 *     cc -O2 -o chip *.c -lm     on a computer: host.c says how it is used there
 *
 * It answers the requests of docs/guide/chip-contract.md, which line.c takes as lines and as
 * frames, keeps samples with their targets, perturbs θ by itself and returns costs. What it trains
 * is a 2-2-1 network of sigmoids; where measure() and chip_safe() stand, your hardware does. A port
 * writes the functions of chip.h. printf and strtod must know floating point (newlib-nano: -u
 * _printf_float, -u _scanf_float). */
#include "chip.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUTS = 2, HIDDEN = 2, P = HIDDEN * (INPUTS + 1) + HIDDEN + 1, SAMPLES = 64 };
enum { NO_REQUEST = 1, WRONG_WORD, WRONG_VALUE, TOO_LONG = 5 };
static const char *const errors[] = {
    "", "no such request",        "a word is missing or wrong", "a value is out of range",
    "", "the request is too long"};

static double theta[P]; /* per layer the weights (out × in), then the biases */
static double x[SAMPLES][INPUTS], target[SAMPLES];
static unsigned samples; /* that are here */
static const char *at;   /* what of the request is not yet read */
uint32_t chip_patience;
static int wrong;       /* with it: an error, or 0 */
static char *answer;    /* its text, … */
static size_t answered; /* … and length */

/* ---- patterns: of the engine, bit for bit ---------------------------------------------------- */

const char *const chip_codes[CODES] = {"none", "outputs", "sequential", "walsh", "random"};

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

/* Of the random code a slot takes 2^b bits, enough for all parameters but at most 128: a block of
 * 128 serves one slot or a few, and what does not fit is in blocks of index 1, 2, … */
int chip_sign(chip_code code, uint64_t seed, uint64_t replica, uint64_t slot, size_t i,
              size_t count) {
    int b = 0, sign = 1;
    uint64_t order = 1;
    for (; b < 7 && (size_t)1 << b < count; b++)
        ;
    while (order <= count)
        order *= 2;
    size_t bit = ((slot & ((1u << (7 - b)) - 1)) << b) + i;
    uint64_t block = slot >> (7 - b);
    uint32_t w[4] = {(uint32_t)(bit / 128), (uint32_t)block,
                     (uint32_t)(block >> 32 & 0xff) | (uint32_t)(replica << 8),
                     (uint32_t)(replica >> 24 & 0xffffff) | 4u << 24}; /* stream 4: codes */
    if (code == RANDOM) {
        philox(seed, w);
        return w[bit % 128 / 32] >> bit % 32 & 1 ? -1 : 1;
    }
    for (uint64_t ones = (i + 1) & slot & (order - 1); ones; ones &= ones - 1)
        sign = -sign;
    return code == WALSH ? sign : code == SEQUENTIAL && i == slot % count;
}

/* ---- what is trained ------------------------------------------------------------------------- */

static double sigmoid_of(const double *weights, const double *input, int n, double z) {
    for (int i = 0; i < n; i++)
        z += weights[i] * input[i];
    return 1 / (1 + exp(-z));
}

static double measure(const double *p, const double *input) {
    double hidden[HIDDEN];
    const double *biases = p + HIDDEN * INPUTS, *last = biases + HIDDEN;
    for (int h = 0; h < HIDDEN; h++)
        hidden[h] = sigmoid_of(p + h * INPUTS, input, INPUTS, biases[h]);
    return sigmoid_of(last, hidden, HIDDEN, last[HIDDEN]);
}

void chip_safe(void) { /* on request, and after the watchdog's silence */
    memset(theta, 0, sizeof theta);
}

/* ---- words ----------------------------------------------------------------------------------- */

static void check(int good, int error) {
    wrong = wrong || good ? wrong : error;
}

/* The next word, up to what separates it from others; or one byte that separates. */
static int take(const char *word) {
    size_t n = strlen(word);
    int there = strncmp(at, word, n) == 0 && (n == 1 || !at[n] || at[n] == ' ');
    at += there ? n : 0;
    return there;
}

static double number(void) {
    char *end;
    double value = strtod(at, &end);
    check(end != at && isfinite(value) && (!*end || strchr(" ,/", *end)), WRONG_WORD);
    at = end;
    return wrong ? 0 : value;
}

static uint64_t integer(void) {
    double value = (take(" "), number());
    check(value >= 0 && value <= 0x1p53 && value == floor(value), WRONG_WORD);
    return wrong ? 0 : (uint64_t)value;
}

static int numbers(double *out, int most) { /* with commas between; how many */
    int n = 0;
    take(" ");
    if (*at == '-' && (at[1] == ' ' || !at[1]))
        return at++, 0;
    do {
        check(n < most, WRONG_VALUE);
        if (!wrong)
            out[n++] = number();
    } while (!wrong && take(","));
    return n;
}

static void say(double value) {
    size_t room = CHIP_LONGEST - answered;
    int n = snprintf(answer + answered, room, "%s%.17g", answered > 2 ? "," : " ", value);
    check((size_t)n < room, WRONG_VALUE);
    answered += wrong ? 0 : (size_t)n;
}

/* ---- requests -------------------------------------------------------------------------------- */

static void put_data(void) {
    uint64_t first = integer();
    check(first <= samples, WRONG_VALUE);
    if (wrong)
        return;
    int room = SAMPLES - (int)first, n = numbers(x[0] + first * INPUTS, room * INPUTS);
    int targets = numbers(target + first, room);
    check(n > 0 && n % INPUTS == 0 && (targets == n / INPUTS || !targets), WRONG_WORD);
    unsigned last = (unsigned)first + (wrong ? 0 : (unsigned)n / INPUTS);
    samples = wrong || last > samples ? last : samples; /* wrong ones lie where others were */
}

static void read_or_write(void) {
    double values[P];
    for (int i = 0; i < P && !*at; i++)
        say(theta[i]);
    if (answered > 2)
        return;
    check(numbers(values, P) == P, WRONG_WORD);
    while (*at && !wrong)
        integer(); /* step and replica: this chip has no use for them */
    if (!wrong)
        memcpy(theta, values, sizeof theta);
}

static void measure_batch(int outputs, const double *p) {
    double sum = 0;
    int n = 0;
    do {
        uint64_t i = integer();
        check(i < samples, WRONG_VALUE);
        double y = wrong ? 0 : measure(p, x[i]), error = wrong ? 0 : y - target[i];
        sum += error * error;
        if (outputs && !wrong)
            say(y);
    } while (n++, !wrong && take(","));
    if (!outputs && !wrong)
        say(sum / n);
}

static void run(void) {
    static const char *const signs[] = {"+-", "0+", "+", "0"};
    uint64_t head[4], batches = 1; /* seed, replica, slot, n */
    int code = 0, order = 2;
    double p[P];
    for (take(" "); code < CODES && !take(chip_codes[code]);)
        code++;
    for (int i = 0; i < 4; i++)
        head[i] = integer();
    double amplitude = (take(" "), number());
    take(" ");
    const char *first = at;
    for (; *at && *at != ' '; at++)
        batches += *at == '/';
    for (order = take(" ") ? 0 : 2; order < 4 && *at && !take(signs[order]);)
        order++;
    if (*at)
        integer(); /* the step */
    check(code < CODES && order < 4 && !*at && (batches == 1 || batches == head[3]), WRONG_WORD);
    at = first;
    for (uint64_t k = 0; k < head[3] && !wrong; k++) {
        const char *batch = at;
        for (const char *sign = signs[order]; *sign && !wrong; sign++) {
            double a = *sign == '0' ? 0 : *sign == '+' ? amplitude : -amplitude;
            for (size_t i = 0; i < P; i++)
                p[i] = theta[i] + a * chip_sign(code, head[0], head[1], head[2] + k, i, P);
            at = batch;
            measure_batch(code == OUTPUTS, p);
        }
        at = batches > 1 ? at + 1 : batch;
    }
    at = "";
}

size_t chip_answer(const char *request, size_t length, char *text) {
    at = request;
    answer = text;
    answered = (size_t)sprintf(answer, "OK");
    wrong = length > CHIP_LONGEST ? TOO_LONG : 0;
    if (wrong)
        at = "";
    else if (take("ID") || take("*IDN?"))
        answered = (size_t)sprintf(answer, "OK mgd-lua,firmware sketch,0,1");
    else if (take("DESC"))
        answered = (size_t)sprintf(
            answer,
            "OK parameters=%d inputs=%d outputs=1 samples=%d message=%d perturbs=1 costs=1 "
            "codes=sequential,walsh,random watchdog=1",
            P, INPUTS, SAMPLES, CHIP_LONGEST);
    else if (take("DATA"))
        put_data();
    else if (take("WRITE"))
        read_or_write();
    else if (take("RUN"))
        run();
    else if (!take("SAFE"))
        check(0, NO_REQUEST);
    else if (*at)
        chip_patience = (uint32_t)integer();
    else
        chip_safe();
    check(!*at, WRONG_WORD);
    if (wrong)
        answered = (size_t)sprintf(answer, "ERR %d %s", wrong, errors[wrong]);
    return answered;
}
