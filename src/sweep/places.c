/* places.c - every place of the store that a sweep refers to, and every file it names. See sweep.h. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "sweep/sweep_int.h"

#include <string.h>

static int add_place(struct path_list *out, const struct sweep *s, const char *path)
{
    return path_list_add(out, path_below(path, s->config->store));
}

static int add_member(struct path_list *out, const struct sweep *s, const struct member *m)
{
    int rc = ERR_OK;
    char *path = NULL;
    if (m->n_parts) /* these are members */
        return ERR_OK;
    TRY(add_place(out, s, m->features->dir));
    TRY(str_make(&path, "hashes/%s.txt", m->entry->name));
    TRY(path_list_add(out, path));
out:
    MEM_FREE(path);
    return rc;
}

/* The folder of the whole bank, and the file where that is reduced. */
static int add_bank(struct path_list *out, const struct sweep *s, const struct bank_place *place)
{
    int rc = ERR_OK;
    char *path = NULL;
    TRY(add_place(out, s, place->dir));
    if (place->full) {
        TRY(bank_path(&path, place));
        TRY(add_place(out, s, path));
    }
out:
    MEM_FREE(path);
    return rc;
}

int sweep_places(struct path_list *out, const struct sweep *s)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < s->n_members; i++)
        TRY(add_member(out, s, &s->member[i]));
    for (size_t i = 0; i < s->n_memories; i++)
        TRY(add_bank(out, s, s->memory[i].place));
    for (size_t i = 0; i < s->n_trainees; i++)
        TRY(add_place(out, s, s->trainee[i].place->dir));
    for (size_t i = 0; i < s->n_cells; i++) {
        TRY(add_place(out, s, s->cell[i].place->dir));
        TRY(add_place(out, s, s->cell[i].row_dir));
    }
    path_list_sort(out);
out:
    return rc;
}

/* FILE or FILE:/object. */
static int add_named(struct path_list *out, const char *text)
{
    int rc = ERR_OK;
    char *path = NULL;
    const char *colon = text ? strstr(text, ":/") : NULL;
    if (!text)
        return ERR_OK;
    TRY(path_list_add(out, text));
    if (colon) {
        TRY(str_make(&path, "%.*s", (int)(colon - text), text));
        TRY(path_list_add(out, path));
    }
out:
    MEM_FREE(path);
    return rc;
}

int sweep_files(struct path_list *out, const struct sweep *s)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < s->n_settings; i++) {
        const struct config *c = s->setting[i].config;
        const char *const named[] = {c->weights,   c->tokenizer,  c->ft_head,
                                     c->clip_head, c->ft_init,    c->ft_order,
                                     c->clip_init, c->clip_order, c->clip_tokens};
        for (size_t k = 0; k < sizeof named / sizeof *named; k++)
            TRY(add_named(out, named[k]));
        for (size_t k = 0; k < c->n_datasets; k++) {
            TRY(add_named(out, c->dataset[k].bank));
            TRY(add_named(out, c->dataset[k].meta));
        }
    }
out:
    return rc;
}
