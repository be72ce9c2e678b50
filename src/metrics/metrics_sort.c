/* metrics_sort.c - see metrics_int.h: columns, and their radix sort in three digits of 11, 11, 10 bits. */
#include "base/err.h"
#include "base/mem.h"
#include "metrics/metrics_int.h"

enum { DIGIT_BITS = 11, RADIX = 1 << DIGIT_BITS, DIGITS = 3 };

void column_init(struct column *c, size_t element_bytes)
{
    *c = (struct column){.element_bytes = element_bytes};
}

static size_t block_count(const struct column *c, size_t i)
{
    size_t first = i * COLUMN_BLOCK;
    return c->count - first < COLUMN_BLOCK ? c->count - first : COLUMN_BLOCK;
}

int column_room(struct column *c, size_t want, void **at, size_t *got)
{
    int rc = ERR_OK;
    size_t used = c->count % COLUMN_BLOCK;
    size_t room = COLUMN_BLOCK - used;
    BUG_ON(c->sorted || want == 0);
    if (c->count == c->n_blocks * COLUMN_BLOCK) {
        TRY(MEM_GROW(c->block, &c->cap_blocks, c->n_blocks + 1));
        TRY(mem_get(&c->block[c->n_blocks], COLUMN_BLOCK, c->element_bytes));
        c->n_blocks++;
    }
    *at = (char *)c->block[c->count / COLUMN_BLOCK] + used * c->element_bytes;
    *got = want < room ? want : room;
    c->count += *got;
out:
    return rc;
}

static void count_keys(size_t at[DIGITS][RADIX], const uint32_t *key, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        at[0][key[i] % RADIX]++;
        at[1][(key[i] >> DIGIT_BITS) % RADIX]++;
        at[2][key[i] >> 2 * DIGIT_BITS]++;
    }
}

static void count_defects(size_t at[DIGITS][RADIX], const uint64_t *defect, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint32_t key = defect_key(defect[i]);
        count_keys(at, &key, 1);
    }
}

/*
 * Turn the counts of each digit into start offsets; pass[] gets the digits that differ at all.
 * Returns their number, at least 1: a column of equal keys still has to leave its blocks.
 */
static size_t plan_passes(size_t at[DIGITS][RADIX], size_t count, unsigned pass[DIGITS])
{
    size_t n_pass = 0;
    for (unsigned d = 0; d < DIGITS; d++) {
        size_t sum = 0;
        bool constant = false;
        for (size_t i = 0; i < RADIX; i++) {
            size_t n = at[d][i];
            constant = constant || n == count;
            at[d][i] = sum;
            sum += n;
        }
        if (!constant)
            pass[n_pass++] = d;
    }
    if (n_pass == 0)
        pass[n_pass++] = 0;
    return n_pass;
}

static void scatter_keys(uint32_t *to, const uint32_t *from, size_t n, unsigned digit, size_t *at)
{
    unsigned shift = digit * DIGIT_BITS;
    for (size_t i = 0; i < n; i++)
        to[at[(from[i] >> shift) % RADIX]++] = from[i];
}

static void scatter_defects(uint64_t *to, const uint64_t *from, size_t n, unsigned digit,
                            size_t *at)
{
    unsigned shift = 32 + digit * DIGIT_BITS;
    for (size_t i = 0; i < n; i++)
        to[at[(from[i] >> shift) % RADIX]++] = from[i];
}

static void scatter(const struct column *c, void *to, const void *from, size_t n, unsigned digit,
                    size_t *at)
{
    if (c->element_bytes == sizeof(uint32_t))
        scatter_keys(to, from, n, digit, at);
    else
        scatter_defects(to, from, n, digit, at);
}

static void release_blocks(struct column *c)
{
    for (size_t i = 0; i < c->n_blocks; i++)
        MEM_FREE(c->block[i]);
    MEM_FREE(c->block);
    c->n_blocks = 0;
    c->cap_blocks = 0;
}

int column_sort(struct column *c)
{
    int rc = ERR_OK;
    size_t at[DIGITS][RADIX] = {{0}};
    unsigned pass[DIGITS];
    size_t n_pass;
    void *a = NULL;
    void *b = NULL;
    if (c->sorted)
        goto out;
    for (size_t i = 0; i < c->n_blocks; i++) {
        if (c->element_bytes == sizeof(uint32_t))
            count_keys(at, c->block[i], block_count(c, i));
        else
            count_defects(at, c->block[i], block_count(c, i));
    }
    n_pass = plan_passes(at, c->count, pass);
    TRY(mem_get(&a, c->count, c->element_bytes));
    for (size_t i = 0; i < c->n_blocks; i++)
        scatter(c, a, c->block[i], block_count(c, i), pass[0], at[pass[0]]);
    release_blocks(c); /* before the second array is taken: the peak is two arrays, not three */
    if (n_pass > 1)
        TRY(mem_get(&b, c->count, c->element_bytes));
    for (size_t p = 1; p < n_pass; p++) {
        void *from = a;
        scatter(c, b, from, c->count, pass[p], at[pass[p]]);
        a = b;
        b = from;
    }
    c->sorted = a;
    a = NULL;
out:
    MEM_FREE(a);
    MEM_FREE(b);
    return rc;
}

void column_release(struct column *c)
{
    release_blocks(c);
    MEM_FREE(c->sorted);
    c->count = 0;
}
