/* Heads of definite blocks: IEEE 488.2-1992, 7.7.6 and 8.7.9. */

#include "wire.h"

#include <assert.h>
#include <stdio.h>

#define MOST 999999999 /* bytes of a block: nine digits */

size_t mgd_block_head(size_t bytes, char head[MGD_BLOCK_HEAD]) {
    assert(bytes <= MOST);
    char digits[MGD_BLOCK_HEAD];
    int n = snprintf(digits, sizeof digits, "%zu", bytes % (MOST + (size_t)1));
    head[0] = '#';
    head[1] = (char)('0' + n);
    for (int i = 0; i < n; i++)
        head[2 + i] = digits[i];
    return 2 + (size_t)n;
}

size_t mgd_block_read(const char *text, size_t count, size_t most, size_t *bytes) {
    if (count == 0)
        return 0;
    if (text[0] != '#' || (count > 1 && (text[1] < '1' || text[1] > '9')))
        return SIZE_MAX;
    size_t length = count > 1 ? 2 + (size_t)(text[1] - '0') : MGD_BLOCK_HEAD;
    size_t value = 0;
    for (size_t i = 2; i < length && i < count; i++) {
        if (text[i] < '0' || text[i] > '9')
            return SIZE_MAX;
        value = 10 * value + (size_t)(text[i] - '0');
    }
    if (value > most)
        return SIZE_MAX;
    if (count < length)
        return 0;
    *bytes = value;
    return length;
}
