/* Counter-based random streams on Random123's Philox4x32-10. */

#include "base.h"

#include <Random123/philox.h>
#include <math.h>
#include <sleef.h>

void mgd_random_words(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                      uint32_t index, uint32_t out[4]) {
    philox4x32_ctr_t counter;
    mgd_random_counter(stream, replica, step, index, counter.v);
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t words = philox4x32(counter, key);
    for (int i = 0; i < 4; i++)
        out[i] = words.v[i];
}

static double uniform_open(uint32_t high, uint32_t low) {
    uint64_t bits = ((uint64_t)high << 32 | low) >> 12;
    return ((double)bits + 0.5) * 0x1p-52;
}

void mgd_random_uniform2(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                         uint32_t index, double out[2]) {
    uint32_t words[4];
    mgd_random_words(seed, stream, replica, step, index, words);
    out[0] = uniform_open(words[0], words[1]);
    out[1] = uniform_open(words[2], words[3]);
}

void mgd_random_normal2(uint64_t seed, mgd_stream stream, uint64_t replica, uint64_t step,
                        uint32_t index, double out[2]) {
    double u[2];
    mgd_random_uniform2(seed, stream, replica, step, index, u);
    /* SLEEF's pure C variants give the same bits everywhere, which the C library does not
     * promise. */
    double radius = sqrt(-2.0 * Sleef_cinz_logd1_u10purec(u[0]));
    out[0] = radius * Sleef_cinz_cospid1_u05purec(2.0 * u[1]);
    out[1] = radius * Sleef_cinz_sinpid1_u05purec(2.0 * u[1]);
}

/* FNV-1a over the name, folded into the seed by the finaliser of SplitMix64 (Steele et al. 2014).
 */
uint64_t mgd_random_key(uint64_t seed, const char *name) {
    uint64_t hash = 0xcbf29ce484222325;
    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * 0x100000001b3;
    uint64_t z = (seed ^ hash) + 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}
