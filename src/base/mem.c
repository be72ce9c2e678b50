/* mem.c - see mem.h. A block is preceded by a header that remembers calloc's own address. */
#include "base/mem.h"

#include "base/err.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

enum { ALIGN = 64 };

struct header {
    void *origin;
    size_t bytes;
};

static atomic_size_t live;

static void *block_new(size_t bytes)
{
    struct header *h;
    uintptr_t at;
    char *origin = calloc(1, bytes + ALIGN + sizeof *h);
    if (!origin)
        return NULL;
    at = (uintptr_t)origin + sizeof *h;
    at += (ALIGN - at % ALIGN) % ALIGN;
    h = (struct header *)at - 1;
    h->origin = origin;
    h->bytes = bytes;
    atomic_fetch_add(&live, 1);
    return (void *)at;
}

int mem_get(void *slot, size_t n, size_t size)
{
    int rc = ERR_OK;
    void *block = NULL;
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 2)
        FAIL(ERR_MEMORY, "cannot allocate %zu elements of %zu bytes", n, size);
    block = block_new(bytes ? bytes : 1);
    if (!block)
        FAIL(ERR_MEMORY, "out of memory: %zu bytes wanted", bytes);
out:
    memcpy(slot, &block, sizeof block);
    return rc;
}

int mem_grow(void *slot, size_t *cap, size_t n, size_t size)
{
    int rc = ERR_OK;
    void *old;
    void *block = NULL;
    size_t want = *cap * 2 > n ? *cap * 2 : n;
    if (n <= *cap)
        return ERR_OK;
    memcpy(&old, slot, sizeof old);
    TRY(mem_get(&block, want, size));
    if (old)
        memcpy(block, old, *cap * size);
    mem_release(old);
    memcpy(slot, &block, sizeof block);
    *cap = want;
out:
    return rc;
}

void mem_release(void *block)
{
    if (!block)
        return;
    atomic_fetch_sub(&live, 1);
    free(((struct header *)block - 1)->origin);
}

size_t mem_live(void)
{
    return atomic_load(&live);
}

size_t mem_peak_rss(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage))
        return 0;
    return (size_t)usage.ru_maxrss * 1024;
}
