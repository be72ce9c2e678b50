/*
 * mem.h - counted memory. All heap memory of the program comes from here.
 *
 * Blocks are zeroed and aligned to 64 bytes (a cache line, an AVX-512 register). Sizes are checked
 * for overflow. The live count lets every test end by demanding balance.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stddef.h>

/* Allocate n elements of *p and store the address in p. ERR_MEMORY on overflow or exhaustion. */
#define MEM_NEW(p, n) mem_get(&(p), (n), sizeof *(p))

/* Free p (NULL is fine) and set it to NULL. p is evaluated twice. */
#define MEM_FREE(p) (mem_release(p), (p) = NULL)

/*
 * Grow *p from its old size to at least n elements, keeping the content; new space is zeroed.
 * *cap is the number of elements p has room for and is updated (it at least doubles).
 */
#define MEM_GROW(p, cap, n) mem_grow(&(p), (cap), (n), sizeof *(p))

/* The functions behind the macros; `slot` is the address of a pointer variable. */
int mem_get(void *slot, size_t n, size_t size);
int mem_grow(void *slot, size_t *cap, size_t n, size_t size);
void mem_release(void *block);

/* Blocks allocated and not yet freed, in all threads. */
size_t mem_live(void);

/* Largest resident set of this process so far, in bytes (the kernel's figure). */
size_t mem_peak_rss(void);

#endif /* BASE_MEM_H */
