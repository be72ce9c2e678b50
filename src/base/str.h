/*
 * str.h - a growing string, and a few questions about plain ones.
 *
 * `struct str s = {0};` is an empty string; s.text is NULL until something was added, after that it
 * always ends in '\0'. str_free() releases the content.
 */
#ifndef BASE_STR_H
#define BASE_STR_H

#include <stdbool.h>
#include <stddef.h>

struct str {
    char *text;
    size_t len;
    size_t cap;
};

/* Append n bytes. */
int str_add_bytes(struct str *s, const char *bytes, size_t n);

/* Append a string. */
int str_add(struct str *s, const char *text);

/* Append formatted text. */
int str_addf(struct str *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Set the length to zero; memory is kept. */
void str_reset(struct str *s);

/* Release the content and make it empty. */
void str_free(struct str *s);

/* A copy of text; the caller frees *out with MEM_FREE. */
int str_dup(char **out, const char *text);

/* Formatted text in fresh memory; the caller frees *out with MEM_FREE. */
int str_make(char **out, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

bool str_starts(const char *text, const char *prefix);
bool str_ends(const char *text, const char *suffix);

/* Number of single-character edits from a to b; both are cut at 63 characters. */
size_t str_distance(const char *a, const char *b);

/*
 * The entry of names (n of them) that is nearest to word, or NULL when none is near enough to be a
 * likely misspelling. The result belongs to names.
 */
const char *str_nearest(const char *word, const char *const *names, size_t n);

#endif /* BASE_STR_H */
