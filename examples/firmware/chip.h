/* chip.h: what chip.c needs of a port, and what the port calls. */
#ifndef CHIP_H
#define CHIP_H

#include <stddef.h>
#include <stdint.h>

/* The port's: host.c has them for a computer, yours for a microcontroller. */
int port_get(void); /* the next byte that has come; −1: none */
void port_put(const void *bytes, size_t count);
uint32_t port_milliseconds(void); /* a clock that may go round */

/* The chip's: called again and again, it takes what has come and answers. */
void chip_poll(void);

/* Between line.c and chip.c. */
enum { CHIP_LONGEST = 2048 };  /* bytes of a request and of an answer */
extern uint32_t chip_patience; /* ms of silence until the watchdog acts; 0: it does not */
void chip_safe(void);
/* Of a request, which is too long where `length` says so; returns the length of the answer. */
size_t chip_answer(const char *request, size_t length, char *answer);

typedef enum { NONE, OUTPUTS, SEQUENTIAL, WALSH, RANDOM, CODES } chip_code;
extern const char *const chip_codes[CODES];
/* s of parameter i of `count` in a slot. */
int chip_sign(chip_code code, uint64_t seed, uint64_t replica, uint64_t slot, size_t i,
              size_t count);

#endif
