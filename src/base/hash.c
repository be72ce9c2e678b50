/* hash.c - see hash.h. */
#include "base/hash.h"

#include "base/err.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

struct hasher {
    XXH3_state_t *state;
};

static struct hash from_xxh(XXH128_hash_t x)
{
    return (struct hash){.hi = x.high64, .lo = x.low64};
}

int hasher_new(struct hasher **out)
{
    int rc = ERR_OK;
    *out = NULL;
    TRY(MEM_NEW(*out, 1));
    (*out)->state = XXH3_createState();
    if (!(*out)->state)
        FAIL(ERR_MEMORY, "out of memory: a hash state");
    (void)XXH3_128bits_reset((*out)->state);
out:
    if (rc)
        hasher_free(out);
    return rc;
}

void hasher_add(struct hasher *h, const void *bytes, size_t n)
{
    if (n)
        (void)XXH3_128bits_update(h->state, bytes, n);
}

void hasher_add_text(struct hasher *h, const char *text)
{
    hasher_add(h, text, strlen(text) + 1);
}

struct hash hasher_finish(struct hasher **h)
{
    struct hash out = from_xxh(XXH3_128bits_digest((*h)->state));
    hasher_free(h);
    return out;
}

void hasher_free(struct hasher **h)
{
    if (*h)
        (void)XXH3_freeState((*h)->state);
    MEM_FREE(*h);
}

struct hash hash_bytes(const void *bytes, size_t n)
{
    return from_xxh(XXH3_128bits(bytes, n));
}

int hash_file(struct hash *out, const char *path)
{
    enum { CHUNK = 1 << 20 };
    int rc = ERR_OK;
    FILE *in = fopen(path, "rb");
    char *chunk = NULL;
    struct hasher *h = NULL;
    size_t n;
    if (!in)
        FAIL(ERR_IO, "cannot open %s: %s", path, strerror(errno));
    TRY(MEM_NEW(chunk, CHUNK));
    TRY(hasher_new(&h));
    while ((n = fread(chunk, 1, CHUNK, in)) > 0)
        hasher_add(h, chunk, n);
    if (ferror(in))
        FAIL(ERR_IO, "cannot read %s: %s", path, strerror(errno));
    *out = hasher_finish(&h);
out:
    if (in)
        (void)fclose(in);
    MEM_FREE(chunk);
    hasher_free(&h);
    return rc;
}

void hash_hex(char out[HASH_HEX], struct hash h)
{
    (void)snprintf(out, HASH_HEX, "%016llx%016llx", (unsigned long long)h.hi,
                   (unsigned long long)h.lo);
}

int hash_parse(struct hash *out, const char *text)
{
    int rc = ERR_OK;
    uint64_t part[2] = {0, 0};
    if (strlen(text) != HASH_HEX - 1 || strspn(text, "0123456789abcdef") != HASH_HEX - 1)
        FAIL(ERR_FORMAT, "'%.40s' is not a hash: 32 hexadecimal digits wanted", text);
    for (int i = 0; i < HASH_HEX - 1; i++) {
        unsigned digit =
            text[i] <= '9' ? (unsigned)(text[i] - '0') : (unsigned)(text[i] - 'a' + 10);
        part[i / 16] = part[i / 16] << 4 | digit;
    }
    *out = (struct hash){.hi = part[0], .lo = part[1]};
out:
    return rc;
}

bool hash_equal(struct hash a, struct hash b)
{
    return a.hi == b.hi && a.lo == b.lo;
}

#define NUMBER(n)       #n
#define DOTTED(a, b, c) NUMBER(a) "." NUMBER(b) "." NUMBER(c)

const char *hash_library(void)
{
    return "xxHash " DOTTED(XXH_VERSION_MAJOR, XXH_VERSION_MINOR, XXH_VERSION_RELEASE);
}
