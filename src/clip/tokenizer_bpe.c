/*
 * tokenizer_bpe.c - one word into tokens: its bytes, then merges in the order of their rank.
 *
 * A round applies the best merge to all its places from left to right, as the published code does.
 */
#include "clip/tokenizer_int.h"

#include "base/err.h"
#include "base/mem.h"

/* Stands for "look again": a neighbour of this symbol was merged. */
static const struct merge stale;

int bpe_space_init(struct bpe_space *s, size_t cap)
{
    int rc = ERR_OK;
    TRY(MEM_NEW(s->symbol, cap));
    TRY(MEM_NEW(s->merge, cap));
out:
    return rc;
}

void bpe_space_release(struct bpe_space *s)
{
    MEM_FREE(s->symbol);
    mem_release((void *)s->merge);
    s->merge = NULL;
}

/* Bytes of the word as symbols; the last one ends it. */
static size_t spell(const struct tokenizer *t, int32_t *symbol, const uint32_t *code, size_t n)
{
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        char utf8[4];
        size_t bytes = utf8_put(utf8, code[i]);
        for (size_t b = 0; b < bytes; b++)
            symbol[len++] = t->byte_id[i + 1 == n && b + 1 == bytes][(unsigned char)utf8[b]];
    }
    return len;
}

static const struct merge *best_merge(const struct merge *const *merge, size_t n)
{
    const struct merge *best = NULL;
    for (size_t i = 0; i + 1 < n; i++)
        if (merge[i] && (!best || merge[i]->rank < best->rank))
            best = merge[i];
    return best;
}

/* Apply one merge everywhere. Returns the new number of symbols. */
static size_t apply(struct bpe_space *s, size_t n, const struct merge *best)
{
    size_t kept = 0;
    for (size_t at = 0; at < n; kept++) {
        if (at + 1 < n && s->merge[at] == best) {
            s->symbol[kept] = best->result;
            s->merge[kept] = &stale;
            at += 2;
        } else {
            s->symbol[kept] = s->symbol[at];
            s->merge[kept] = s->merge[at];
            at++;
        }
    }
    return kept;
}

/* Look up the pairs that changed. In order: entry i + 1 is still marked when entry i is judged. */
static void refresh(const struct tokenizer *t, struct bpe_space *s, size_t n)
{
    for (size_t i = 0; i + 1 < n; i++)
        if (s->merge[i] == &stale || s->merge[i + 1] == &stale)
            s->merge[i] = vocab_merge(t, s->symbol[i], s->symbol[i + 1]);
    s->merge[n - 1] = NULL;
}

size_t bpe_word(const struct tokenizer *t, struct bpe_space *space, const uint32_t *code, size_t n)
{
    const struct merge *best;
    size_t len = spell(t, space->symbol, code, n);
    for (size_t i = 0; i < len; i++)
        space->merge[i] = &stale;
    refresh(t, space, len);
    while ((best = best_merge(space->merge, len))) {
        len = apply(space, len, best);
        refresh(t, space, len);
    }
    return len;
}
