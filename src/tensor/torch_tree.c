/* torch_tree.c - the values of a file: checked once, then searched and walked. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "tensor/torch_int.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT = 24 };

const char *torch_kind_name(const struct torch_value *value)
{
    static const char *const names[] = {"None",   "a bool", "an integer", "a number",
                                        "a text", "a list", "a dict",     "a tensor"};
    return value ? names[value->kind] : "nothing";
}

int torch_demand(const struct torch_value *v, enum torch_kind kind, const char *what)
{
    int rc = ERR_OK;
    const struct torch_value wanted = {.kind = kind};
    if (((const struct node *)v)->role != ROLE_VALUE)
        FAIL(ERR_FORMAT, "%s is no plain value, wanted %s", what, torch_kind_name(&wanted));
    if (v->kind != kind)
        FAIL(ERR_FORMAT, "%s is %s, wanted %s", what, torch_kind_name(v), torch_kind_name(&wanted));
out:
    return rc;
}

static int by_key(const void *a, const void *b)
{
    const struct torch_value *x = *(struct torch_value *const *)a;
    const struct torch_value *y = *(struct torch_value *const *)b;
    if (x->kind != y->kind)
        return x->kind < y->kind ? -1 : 1;
    if (x->kind == TORCH_TEXT)
        return strcmp(x->text, y->text);
    return x->integer < y->integer ? -1 : x->integer > y->integer;
}

/* Python would let the last one win; a file that relies on it was not made by torch.save. */
static int check_keys(const struct torch_value *dict)
{
    int rc = ERR_OK;
    char shown[64];
    struct torch_value **key = NULL;
    TRY(MEM_NEW(key, dict->n));
    if (dict->n)
        memcpy(key, dict->key, dict->n * sizeof *key);
    qsort(key, dict->n, sizeof *key, by_key);
    for (size_t i = 1; i < dict->n; i++)
        if (by_key(&key[i - 1], &key[i]) == 0)
            FAIL(ERR_FORMAT, "a dict has the key '%s' twice",
                 key[i]->kind == TORCH_TEXT ? torch_shown(shown, key[i]->text, strlen(key[i]->text))
                                            : "(a number)");
out:
    MEM_FREE(key);
    return rc;
}

static int check_value(struct node *v, int depth);

/* Shared values are counted each time, as a walk would meet them. */
static int check_items(struct node *v, int depth)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < v->v.n; i++) {
        struct node *item = (struct node *)v->v.item[i];
        TRY(check_value(item, depth + 1));
        v->n_unfolded += item->n_unfolded;
        if (v->n_unfolded > TORCH_MAX_VALUES)
            FAIL(ERR_FORMAT, "more than %d values, shared ones counted each time",
                 TORCH_MAX_VALUES);
        v->height = item->height + 1 > v->height ? item->height + 1 : v->height;
    }
out:
    return rc;
}

static int check_value(struct node *v, int depth)
{
    int rc = ERR_OK;
    if (v->is_open)
        FAIL(ERR_FORMAT, "a value holds itself");
    if (v->role != ROLE_VALUE || v->is_module)
        FAIL(ERR_FORMAT, "the tree holds a global, a storage or a module without its state");
    if (v->height == 0) {
        v->is_open = true;
        v->height = 1;
        v->n_unfolded = 1;
        if (depth > TORCH_MAX_DEPTH)
            FAIL(ERR_FORMAT, "values are nested more than %d deep", TORCH_MAX_DEPTH);
        if (v->v.kind == TORCH_DICT)
            TRY(check_keys(&v->v));
        TRY(check_items(v, depth));
        v->is_open = false;
    }
    if (depth + v->height - 1 > TORCH_MAX_DEPTH)
        FAIL(ERR_FORMAT, "values are nested more than %d deep", TORCH_MAX_DEPTH);
out:
    return rc;
}

int torch_check_tree(struct torch_value *root)
{
    return check_value((struct node *)root, 1);
}

/* The name of the i-th item; in text where it is a number. */
static const char *name_of(const struct torch_value *v, size_t i, char text[NUMBER_TEXT])
{
    if (v->kind == TORCH_DICT && v->key[i]->kind == TORCH_TEXT)
        return v->key[i]->text;
    if (v->kind == TORCH_DICT)
        (void)snprintf(text, NUMBER_TEXT, "%lld", (long long)v->key[i]->integer);
    else
        (void)snprintf(text, NUMBER_TEXT, "%zu", i);
    return text;
}

static bool is_branch(const struct torch_value *v)
{
    return v->kind == TORCH_DICT || v->kind == TORCH_LIST;
}

static const struct torch_value *child(const struct torch_value *v, const char *name, size_t n)
{
    char text[NUMBER_TEXT];
    for (size_t i = 0; i < v->n; i++) {
        const char *own = name_of(v, i, text);
        if (strncmp(own, name, n) == 0 && own[n] == '\0')
            return v->item[i];
    }
    return NULL;
}

static const struct torch_value *search(const struct torch_value *v, const char *key)
{
    const struct torch_value *found = child(v, key, strlen(key));
    for (const char *dot = strchr(key, '.'); dot && !found; dot = strchr(dot + 1, '.')) {
        const struct torch_value *part = child(v, key, (size_t)(dot - key));
        if (part && is_branch(part))
            found = search(part, dot + 1);
    }
    return found;
}

const struct torch_value *torch_get(const struct torch_value *dict, const char *key)
{
    return dict && dict->kind == TORCH_DICT ? search(dict, key) : NULL;
}

size_t torch_count(const struct torch_value *tensor)
{
    size_t n = 1;
    for (int i = 0; i < tensor->rank; i++)
        n *= tensor->dim[i];
    return n;
}

struct walk {
    torch_visit_fn visit;
    void *user;
    struct str name;
};

static int walk_value(struct walk *w, const struct torch_value *v)
{
    int rc = ERR_OK;
    char text[NUMBER_TEXT];
    size_t len = w->name.len;
    if (v->kind == TORCH_TENSOR)
        return w->visit(w->user, w->name.text ? w->name.text : "", v);
    for (size_t i = 0; is_branch(v) && i < v->n; i++) {
        TRY(str_addf(&w->name, "%s%s", len ? "." : "", name_of(v, i, text)));
        if (w->name.len > TORCH_MAX_KEY)
            FAIL(ERR_FORMAT, "a name of %zu bytes, at most %d are read", w->name.len,
                 TORCH_MAX_KEY);
        TRY(walk_value(w, v->item[i]));
        w->name.len = len;
        if (w->name.text) /* not there yet after an empty key */
            w->name.text[len] = '\0';
    }
out:
    return rc;
}

int torch_walk(const struct torch_value *value, torch_visit_fn visit, void *user)
{
    int rc = ERR_OK;
    struct walk w = {.visit = visit, .user = user};
    TRY(walk_value(&w, value));
out:
    str_free(&w.name);
    return rc;
}
