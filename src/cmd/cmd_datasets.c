/* cmd_datasets.c - mrad datasets: the catalog, and what a folder holds of it. */
#include "base/err.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/str.h"
#include "cmd/cmd.h"
#include "config/json.h"
#include "datasets/datasets.h"

#include <cjson/cJSON.h>
#include <string.h>

/* One data set at one place, or nowhere. */
struct row {
    const struct dataset_info *set;
    char *root;                    /* NULL: no folder asked for, or none found */
    const char *status;            /* NULL: no folder asked for */
    char *why;                     /* of a broken manifest or missing files, or NULL */
    struct manifest *m;            /* holds the texts of the comparison */
    struct tally counts;           /* without a variant where there is no manifest */
    const struct variant *variant; /* what is wanted */
};

static void row_free(struct row *r)
{
    tally_free(&r->counts);
    manifest_free(&r->m);
    MEM_FREE(r->root);
    MEM_FREE(r->why);
}

static const char *status_of(const struct tally *c)
{
    return c->state == COUNTS_RIGHT   ? "right"
           : c->state == COUNTS_WRONG ? "counts differ"
                                      : "counts unknown";
}

/* Keep the current error as the reason of a status. */
static int give_up(struct row *r, const char *status)
{
    int rc = str_dup(&r->why, err_message());
    r->status = status;
    if (rc == ERR_OK)
        err_clear();
    return rc;
}

/* Fill status and counts from ROOT/meta.json. */
static int look(struct row *r)
{
    int rc = ERR_OK;
    char *meta = NULL;
    struct path_list missing = {0};
    TRY(path_join(&meta, r->root, "meta.json"));
    if (!path_is_file(meta)) {
        r->status = "not indexed";
        goto out;
    }
    if (manifest_load(&r->m, r->set->name, r->root, NULL) != ERR_OK) {
        TRY(give_up(r, "broken"));
        goto out;
    }
    TRY(manifest_compare(&r->counts, r->m, r->set, NULL));
    r->variant = r->counts.variant;
    r->status = status_of(&r->counts);
    if (manifest_check_files(r->m, &missing) != ERR_OK)
        TRY(give_up(r, "files missing"));
out:
    path_list_free(&missing);
    MEM_FREE(meta);
    return rc;
}

/* ---- as a table ---- */

static const char *metrics_of(const struct dataset_info *set)
{
    return set->has_pixel && set->has_image ? "pixel, image" : set->has_pixel ? "pixel" : "image";
}

static int add_number(struct str *s, long n)
{
    return n < 0 ? str_addf(s, " %9s", "-") : str_addf(s, " %9ld", n);
}

static int add_counts(struct str *s, const struct known_count *n)
{
    int rc = ERR_OK;
    TRY(add_number(s, n->normal));
    TRY(add_number(s, n->anomalous));
    TRY(add_number(s, n->masks));
out:
    return rc;
}

static struct known_count as_known(const struct class_count *c)
{
    return (struct known_count){"", (long)c->n_normal, (long)c->n_anomalous, (long)c->n_masks};
}

/* Who makes the meta.json of a variant. */
static const char *maker_of(const struct variant *v)
{
    return v->is_indexed ? "mrad index" : "its meta.json";
}

static int row_line(struct str *s, const struct row *r)
{
    int rc = ERR_OK;
    const struct known_count none = {"", -1, -1, -1};
    const struct variant *v = r->variant;
    const struct known_count found = as_known(&r->counts.total.found);
    TRY(str_addf(s, "%-14s %-10s %-12s", r->set->name, r->set->domain, metrics_of(r->set)));
    if (r->status) {
        TRY(str_addf(s, " %-14s", r->status));
        TRY(add_counts(s, r->counts.variant ? &found : &none));
    }
    TRY(str_addf(s, "  %-9s", v->name));
    TRY(add_counts(s, &v->total));
    TRY(str_addf(s, "  %-9s %s\n", v->mark, maker_of(v)));
out:
    return rc;
}

static int head_line(struct str *s, bool has_dir)
{
    int rc = ERR_OK;
    TRY(str_addf(s, "%-14s %-10s %-12s", "data set", "domain", "metrics"));
    if (has_dir)
        TRY(str_addf(s, " %-14s %9s %9s %9s", "status", "normal", "anomalous", "masks"));
    TRY(str_addf(s, "  %-9s %9s %9s %9s  %s\n", "variant", "normal", "anomalous", "masks",
                 "known"));
out:
    return rc;
}

/* ---- as JSON ---- */

static int put_known(cJSON *o, const char *key, long n)
{
    if (n >= 0)
        return json_put_number(o, key, (double)n);
    return json_put_text(o, key, NULL);
}

static int put_counts(cJSON *o, const char *key, const struct known_count *n)
{
    int rc = ERR_OK;
    cJSON *counts;
    TRY(json_put_object(o, key, &counts));
    TRY(put_known(counts, "normal", n->normal));
    TRY(put_known(counts, "anomalous", n->anomalous));
    TRY(put_known(counts, "masks", n->masks));
out:
    return rc;
}

static int put_row(cJSON *list, const struct row *r)
{
    int rc = ERR_OK;
    cJSON *o;
    const struct variant *v = r->variant;
    const struct known_count found = as_known(&r->counts.total.found);
    TRY(json_push_object(list, &o));
    TRY(json_put_text(o, "name", r->set->name));
    TRY(json_put_text(o, "title", r->set->title));
    TRY(json_put_text(o, "domain", r->set->domain));
    TRY(json_put_text(o, "metrics", metrics_of(r->set)));
    TRY(json_put_text(o, "source", r->set->source));
    TRY(json_put_text(o, "licence", r->set->licence));
    if (r->status) {
        TRY(json_put_text(o, "status", r->status));
        TRY(json_put_text(o, "root", r->root));
        TRY(json_put_text(o, "why", r->why));
        if (r->counts.variant)
            TRY(put_counts(o, "found", &found));
    }
    TRY(json_put_text(o, "published", r->set->published));
    TRY(json_put_text(o, "variant", v->name));
    TRY(put_counts(o, "wanted", &v->total));
    TRY(json_put_text(o, "mark", v->mark));
    TRY(json_put_text(o, "from", v->from));
    TRY(json_put_text(o, "made_by", maker_of(v)));
out:
    return rc;
}

/* ---- the verb ---- */

static int print_row(struct str *s, cJSON *list, const struct row *r)
{
    int rc = ERR_OK;
    if (list)
        return put_row(list, r);
    TRY(row_line(s, r));
    if (r->why)
        TRY(str_addf(s, "  %s\n", r->why));
out:
    return rc;
}

/* Every folder of dir whose name is one of the set's; a line says so where there is none. */
static int print_places(struct str *s, cJSON *list, const struct catalog *catalog,
                        const struct dataset_info *set, const char *dir,
                        const struct path_list *names)
{
    int rc = ERR_OK;
    size_t n_found = 0;
    struct row r = {0};
    for (size_t i = 0; i < names->n; i++) {
        r = (struct row){.set = set, .variant = &set->variant[0]};
        if (catalog_find(catalog, names->name[i]) != set)
            continue;
        TRY(path_join(&r.root, dir, names->name[i]));
        if (path_is_dir(r.root)) {
            TRY(look(&r));
            TRY(print_row(s, list, &r));
            n_found++;
        }
        row_free(&r);
    }
    r = (struct row){.set = set, .status = "absent", .variant = &set->variant[0]};
    if (n_found == 0)
        TRY(print_row(s, list, &r));
out:
    row_free(&r);
    return rc;
}

/* The catalog alone: every variant of a set. */
static int print_variants(struct str *s, cJSON *list, const struct dataset_info *set)
{
    int rc = ERR_OK;
    for (size_t i = 0; i < set->n_variants; i++) {
        const struct row r = {.set = set, .variant = &set->variant[i]};
        TRY(print_row(s, list, &r));
    }
out:
    return rc;
}

int cmd_datasets(struct args *a)
{
    int rc = ERR_OK;
    const char *dir = args_operand(a, 0);
    struct catalog *catalog = NULL;
    struct path_list names = {0};
    struct str s = {0};
    cJSON *tree = NULL;
    cJSON *list = NULL;
    char *text = NULL;
    TRY(args_operands(a, 0, 1, "at most one folder"));
    TRY(catalog_load(&catalog, NULL));
    if (dir)
        TRY(path_list_dir(&names, dir));
    if (a->json) {
        TRY(json_new(&tree));
        TRY(json_put_array(tree, "datasets", &list));
    } else {
        TRY(head_line(&s, dir != NULL));
    }
    for (size_t i = 0; i < catalog->n_sets; i++)
        TRY(dir ? print_places(&s, list, catalog, &catalog->set[i], dir, &names)
                : print_variants(&s, list, &catalog->set[i]));
    if (tree)
        TRY(json_text(&text, tree));
    TRY(cmd_print(a, tree ? text : s.text));
out:
    MEM_FREE(text);
    json_free(&tree);
    str_free(&s);
    path_list_free(&names);
    catalog_free(&catalog);
    return rc;
}
