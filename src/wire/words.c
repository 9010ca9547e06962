/* Lists of words, of which addresses are made. */

#include "transport.h"

#include <string.h>

mgd_status mgd_words_copy(mgd_context *ctx, const char *const *words, char ***out) {
    size_t count = 0, bytes = 0;
    for (; words[count]; count++)
        bytes += strlen(words[count]) + 1;
    void *block;
    MGD_TRY(mgd_allocate(ctx, "wire: words", (count + 1) * sizeof(char *) + bytes, 1, &block));
    char **copy = block, *next = (char *)(copy + count + 1);
    for (size_t i = 0; i < count; i++) {
        copy[i] = next;
        next = stpcpy(next, words[i]) + 1;
    }
    *out = copy;
    return MGD_OK;
}

size_t mgd_words_cut(char *text, char **part, size_t most) {
    size_t count = 0, depth = 0;
    part[count++] = text;
    for (char *c = text; *c; c++) {
        depth += *c == '[';
        depth -= *c == ']' && depth > 0;
        if (depth > 0 || c[0] != ':' || c[1] != ':')
            continue;
        if (count == most)
            return most + 1;
        *c++ = '\0';
        part[count++] = c + 1;
    }
    return count;
}
