/*
 * layout_list.c - files that say which images are anomalous. See dataset_int.h.
 *
 *     VisA     split_csv/1cls.csv   object,split,label,image,mask; then candle,test,anomaly,candle/...
 *     DAGM     Label/Labels.txt     a first line to skip; then 576<TAB>1<TAB>0576.PNG<TAB>1<TAB>...
 *     HeadCT   labels.csv           id, hemorrhage; then 0,1: the image 000.png
 */
#include "datasets/dataset_int.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX_BYTES = 64 << 20, MAX_CELLS = 8 };

/* A line in cells, without blanks around them. */
struct cells {
    char *cell[MAX_CELLS];
    size_t n;
};

static char *trim(char *text)
{
    size_t n;
    while (isspace((unsigned char)*text))
        text++;
    n = strlen(text);
    while (n && isspace((unsigned char)text[n - 1]))
        text[--n] = '\0';
    return text;
}

/* Cut the next line of *text into cells; false at the end. The text is changed. */
static bool next_line(struct cells *out, char **text, char mark)
{
    char *line = *text;
    char *end = strchr(line, '\n');
    if (!*line)
        return false;
    *text = end ? end + 1 : line + strlen(line);
    if (end)
        *end = '\0';
    for (out->n = 0; line && out->n < MAX_CELLS; out->n++) {
        char *stop = strchr(line, mark);
        if (stop)
            *stop = '\0';
        out->cell[out->n] = trim(line);
        line = stop ? stop + 1 : NULL;
    }
    return true;
}

static bool is_blank(const struct cells *c)
{
    return c->n == 0 || (c->n == 1 && !c->cell[0][0]);
}

static int without_ext(char **out, const char *path)
{
    return str_make(out, "%.*s", (int)(strlen(path) - strlen(path_ext(path))), path);
}

/* Append a label; name is the path of its image, which becomes the list's. */
static int add_label(struct label_list *list, char **name, const struct label *label)
{
    int rc = ERR_OK;
    struct label *added;
    TRY(MEM_GROW(list->label, &list->cap, list->n_labels + 1));
    added = &list->label[list->n_labels++];
    *added = *label;
    added->name = *name;
    *name = NULL;
    TRY(without_ext(&added->image, added->name));
out:
    return rc;
}

static int wrong_line(const struct label_list *list, size_t line, const char *found,
                      const char *wanted)
{
    return err_set(ERR_FORMAT, __FILE__, __LINE__, __func__,
                   "%s, line %zu: found \"%s\", wanted %s", list->path, line, found, wanted);
}

static int read_flag(bool *out, const char *text, const struct label_list *list, size_t line)
{
    *out = strcmp(text, "1") == 0;
    if (!*out && strcmp(text, "0") != 0)
        return wrong_line(list, line, text, "0 or 1");
    return ERR_OK;
}

int read_visa_list(struct label_list *list, const char *images)
{
    int rc = ERR_OK;
    char *at = list->text;
    char *name = NULL;
    struct cells c = {0};
    (void)images; /* the file has whole paths */
    list->has_splits = true;
    for (size_t line = 1; next_line(&c, &at, ','); line++) {
        struct label label = {.line = line};
        if (line == 1 || is_blank(&c))
            continue;
        if (c.n < 4 || !c.cell[3][0])
            TRY(wrong_line(list, line, c.cell[0], "object,split,label,image,mask"));
        label.is_train = strcmp(c.cell[1], "train") == 0;
        if (!label.is_train && strcmp(c.cell[1], "test") != 0)
            TRY(wrong_line(list, line, c.cell[1], "train or test"));
        label.is_anomalous = strcmp(c.cell[2], "anomaly") == 0;
        if (!label.is_anomalous && strcmp(c.cell[2], "normal") != 0)
            TRY(wrong_line(list, line, c.cell[2], "normal or anomaly"));
        TRY(str_dup(&name, c.cell[3]));
        TRY(add_label(list, &name, &label));
    }
out:
    MEM_FREE(name);
    return rc;
}

int read_dagm_list(struct label_list *list, const char *images)
{
    int rc = ERR_OK;
    char *at = list->text;
    char *name = NULL;
    struct cells c = {0};
    for (size_t line = 1; next_line(&c, &at, '\t'); line++) {
        struct label label = {.line = line};
        if (line == 1 || is_blank(&c))
            continue;
        if (c.n < 3)
            TRY(wrong_line(list, line, c.cell[0], "number, 0 or 1, image between tabs"));
        TRY(read_flag(&label.is_anomalous, c.cell[1], list, line));
        TRY(path_join(&name, images, c.cell[2]));
        TRY(add_label(list, &name, &label));
    }
out:
    MEM_FREE(name);
    return rc;
}

int read_headct_list(struct label_list *list, const char *images)
{
    int rc = ERR_OK;
    char *at = list->text;
    char *name = NULL;
    struct cells c = {0};
    for (size_t line = 1; next_line(&c, &at, ','); line++) {
        struct label label = {.line = line};
        char *end = NULL;
        long id;
        if (line == 1 || is_blank(&c))
            continue;
        id = strtol(c.cell[0], &end, 10);
        if (c.n < 2 || !c.cell[0][0] || *end || id < 0)
            TRY(wrong_line(list, line, c.cell[0], "the number of an image and 0 or 1"));
        TRY(read_flag(&label.is_anomalous, c.cell[1], list, line));
        TRY(str_make(&name, "%s/%03ld.png", images, id));
        TRY(add_label(list, &name, &label));
    }
out:
    MEM_FREE(name);
    return rc;
}

static int by_image(const void *a, const void *b)
{
    const struct label *x = a;
    const struct label *y = b;
    int order = strcmp(x->image, y->image);
    if (order)
        return order;
    return x->line < y->line ? -1 : x->line > y->line;
}

int label_list_read(struct label_list *list, const struct indexer *ix, const char *path,
                    const char *images)
{
    int rc = ERR_OK;
    size_t n = 0;
    char *full = NULL;
    *list = (struct label_list){0};
    TRY(str_dup(&list->path, path));
    TRY(path_join(&full, ix->root, path));
    TRY(file_read(full, LIST_MAX_BYTES, &list->text, &n));
    rc = ix->layout->read_list(list, images);
    if (rc)
        err_prefix("%s: ", ix->root);
    TRY(rc);
    if (list->n_labels)
        qsort(list->label, list->n_labels, sizeof *list->label, by_image);
    for (size_t i = 1; i < list->n_labels; i++)
        if (strcmp(list->label[i - 1].image, list->label[i].image) == 0)
            FAIL(ERR_FORMAT, "%s, line %zu: the image %s was listed in line %zu already", full,
                 list->label[i].line, list->label[i].name, list->label[i - 1].line);
out:
    MEM_FREE(full);
    return rc;
}

static int compare_image(const void *image, const void *label)
{
    return strcmp(image, ((const struct label *)label)->image);
}

int label_list_find(struct label **out, const struct label_list *list, const char *path)
{
    int rc = ERR_OK;
    char *image = NULL;
    *out = NULL;
    TRY(without_ext(&image, path));
    if (list->n_labels)
        *out = bsearch(image, list->label, list->n_labels, sizeof *list->label, compare_image);
out:
    MEM_FREE(image);
    return rc;
}

void label_list_free(struct label_list *list)
{
    for (size_t i = 0; i < list->n_labels; i++) {
        MEM_FREE(list->label[i].image);
        MEM_FREE(list->label[i].name);
    }
    MEM_FREE(list->label);
    MEM_FREE(list->text);
    MEM_FREE(list->path);
    *list = (struct label_list){0};
}
