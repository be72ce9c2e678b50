/* str.c - see str.h. */
#include "base/str.h"

#include "base/err.h"
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int str_add_bytes(struct str *s, const char *bytes, size_t n)
{
    int rc = ERR_OK;
    TRY(MEM_GROW(s->text, &s->cap, s->len + n + 1));
    if (n)
        memcpy(s->text + s->len, bytes, n);
    s->len += n;
    s->text[s->len] = '\0';
out:
    return rc;
}

int str_add(struct str *s, const char *text)
{
    return str_add_bytes(s, text, strlen(text));
}

static int addv(struct str *s, const char *fmt, va_list ap)
{
    int rc = ERR_OK;
    va_list again;
    int n;
    va_copy(again, ap);
    n = vsnprintf(NULL, 0, fmt, again);
    va_end(again);
    if (n < 0)
        FAIL(ERR_FORMAT, "cannot format '%s'", fmt);
    TRY(MEM_GROW(s->text, &s->cap, s->len + (size_t)n + 1));
    (void)vsnprintf(s->text + s->len, (size_t)n + 1, fmt, ap);
    s->len += (size_t)n;
out:
    return rc;
}

int str_addf(struct str *s, const char *fmt, ...)
{
    int rc;
    va_list ap;
    va_start(ap, fmt);
    rc = addv(s, fmt, ap);
    va_end(ap);
    return rc;
}

void str_reset(struct str *s)
{
    s->len = 0;
    if (s->text)
        s->text[0] = '\0';
}

void str_free(struct str *s)
{
    MEM_FREE(s->text);
    s->len = s->cap = 0;
}

int str_dup(char **out, const char *text)
{
    int rc = ERR_OK;
    size_t n = strlen(text) + 1;
    *out = NULL;
    TRY(MEM_NEW(*out, n));
    memcpy(*out, text, n);
out:
    return rc;
}

int str_make(char **out, const char *fmt, ...)
{
    int rc;
    struct str s = {0};
    va_list ap;
    va_start(ap, fmt);
    rc = addv(&s, fmt, ap);
    va_end(ap);
    *out = rc ? NULL : s.text;
    if (rc)
        str_free(&s);
    return rc;
}

bool str_starts(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool str_ends(const char *text, const char *suffix)
{
    size_t n = strlen(text);
    size_t m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

size_t str_distance(const char *a, const char *b)
{
    enum { MAX = 63 };
    size_t row[MAX + 1];
    size_t na = strnlen(a, MAX);
    size_t nb = strnlen(b, MAX);
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[nb];
}

const char *str_nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t limit = strlen(word) / 3 + 2; /* a third of the letters may be wrong */
    for (size_t i = 0; i < n; i++) {
        size_t d = str_distance(word, names[i]);
        if (d < limit) {
            limit = d;
            best = names[i];
        }
    }
    return best;
}
