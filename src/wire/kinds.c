/* The kinds of wires that have addresses, and the addresses. */

#include "transport.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

static const mgd_transport *const kinds[] = {
    &mgd_transport_tcp,
    &mgd_transport_serial,
    &mgd_transport_child,
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static mgd_status fail(mgd_context *ctx, const char *address, const char *wanted) {
    return mgd_fail(ctx, MGD_ERR_ARGUMENT, "address \"" MGD_ADDRESS "\": expected %s", address,
                    wanted);
}

static mgd_status fail_kind(mgd_context *ctx, const char *address) {
    char usage[200] = "";
    for (size_t i = 0, used = 0; i < KINDS && used < sizeof usage; i++)
        used += (size_t)snprintf(usage + used, sizeof usage - used, "%s%s", i ? " or " : "",
                                 kinds[i]->usage);
    return fail(ctx, address, usage);
}

mgd_status mgd_address_read(mgd_context *ctx, const char *text, char ***out) {
    size_t i = 0, name = 0;
    for (; i < KINDS; i++) {
        name = strlen(kinds[i]->name);
        if (strncasecmp(text, kinds[i]->name, name) == 0)
            break;
    }
    if (i == KINDS)
        return fail_kind(ctx, text);
    size_t bytes = strlen(text + name) + 1;
    size_t most = bytes / 2 + 4; /* words, NULL among them */
    void *block;
    MGD_TRY(mgd_allocate(ctx, "wire: address", most * sizeof(char *) + bytes, 1, &block));
    char **words = block, *rest = memcpy(words + most, text + name, bytes);
    words[0] = (char *)(uintptr_t)kinds[i]->name;
    if (!kinds[i]->read(rest, words)) {
        mgd_free(words);
        return fail(ctx, text, kinds[i]->usage);
    }
    *out = words;
    return MGD_OK;
}

mgd_status mgd_address_kind(mgd_context *ctx, char *const *words, const mgd_transport **out) {
    size_t count = 0;
    while (words[count])
        count++;
    for (size_t i = 0; i < KINDS && count > 0; i++)
        if (strcasecmp(words[0], kinds[i]->name) == 0) {
            *out = kinds[i];
            return count >= kinds[i]->least && count <= kinds[i]->most
                       ? MGD_OK
                       : fail(ctx, words[0], kinds[i]->usage);
        }
    return fail_kind(ctx, count > 0 ? words[0] : "");
}

mgd_status mgd_address_write(mgd_context *ctx, char *const *words, char **out) {
    const mgd_transport *kind;
    MGD_TRY(mgd_address_kind(ctx, words, &kind));
    size_t bytes = sizeof "TCPIP::[]::::SOCKET";
    for (char *const *word = words; *word; word++)
        bytes += strlen(*word) + 1;
    void *text;
    MGD_TRY(mgd_allocate(ctx, "wire: address", bytes, 1, &text));
    kind->write(words, text, bytes);
    *out = text;
    return MGD_OK;
}
