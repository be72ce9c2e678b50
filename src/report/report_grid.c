/* report_grid.c - a Markdown table whose columns line up. See report_int.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "report/report_int.h"

#include <string.h>

int report_grid_add(struct report_grid *g, const char *text)
{
    int rc = ERR_OK;
    TRY(MEM_GROW(g->cell, &g->cap, g->n + 1));
    TRY(str_dup(&g->cell[g->n], text));
    g->n++;
out:
    return rc;
}

void report_grid_free(struct report_grid *g)
{
    for (size_t i = 0; i < g->n; i++)
        MEM_FREE(g->cell[i]);
    mem_release((void *)g->cell);
    g->cell = NULL;
    g->n = g->cap = 0;
}

/* Width on the screen: bytes that do not continue a UTF-8 character, and a backslash before a bar. */
static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
        n += *text == '|';
    }
    return n;
}

/* A bar inside a cell would end it. */
static int print_escaped(struct str *s, const char *text)
{
    int rc = ERR_OK;
    for (const char *bar; (bar = strchr(text, '|')); text = bar + 1) {
        TRY(str_add_bytes(s, text, (size_t)(bar - text)));
        TRY(str_add(s, "\\|"));
    }
    TRY(str_add(s, text));
out:
    return rc;
}

static int print_line(struct str *s, const struct report_grid *g, size_t line, const size_t *width)
{
    int rc = ERR_OK;
    for (size_t c = 0; c < g->n_columns; c++) {
        const char *text = g->cell[line * g->n_columns + c];
        int gap = (int)(width[c] - width_of(text));
        TRY(str_addf(s, "| %*s", c < g->n_left ? 0 : gap, ""));
        TRY(print_escaped(s, text));
        TRY(str_addf(s, "%*s ", c < g->n_left ? gap : 0, ""));
    }
    TRY(str_add(s, "|\n"));
out:
    return rc;
}

static int print_rule(struct str *s, const struct report_grid *g, const size_t *width)
{
    int rc = ERR_OK;
    for (size_t c = 0; c < g->n_columns; c++) {
        TRY(str_add(s, "|"));
        for (size_t i = 0; i < width[c] + 1; i++)
            TRY(str_add(s, "-"));
        TRY(str_add(s, c < g->n_left ? "-" : ":"));
    }
    TRY(str_add(s, "|\n"));
out:
    return rc;
}

int report_grid_text(char **out, const struct report_grid *g)
{
    int rc = ERR_OK;
    struct str s = {0};
    size_t *width = NULL;
    size_t n_lines = g->n / g->n_columns;
    BUG_ON(g->n % g->n_columns != 0 || n_lines == 0);
    TRY(MEM_NEW(width, g->n_columns));
    for (size_t i = 0; i < g->n; i++) {
        size_t w = width_of(g->cell[i]);
        if (w > width[i % g->n_columns])
            width[i % g->n_columns] = w;
    }
    for (size_t line = 0; line < n_lines; line++) {
        TRY(print_line(&s, g, line, width));
        if (line == 0)
            TRY(print_rule(&s, g, width));
    }
    *out = s.text;
    s.text = NULL;
out:
    MEM_FREE(width);
    str_free(&s);
    return rc;
}
