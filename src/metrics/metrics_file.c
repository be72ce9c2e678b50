/* metrics_file.c - see metrics.h: the metrics of a file, image by image. */
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "metrics/metrics.h"
#include "tensor/h5.h"

#include <stdio.h>
#include <string.h>

/*
 * Images are read some at a time: a file with chunks or compression across images would otherwise be
 * unpacked anew for each of them.
 */
enum { NAME_MAX_BYTES = 512, SIDE_MAX = 16384, WINDOW_PX = 1 << 22 };

/* One group of datasets: a class in layout (a), the whole file in layout (b). */
struct source {
    struct h5 *f;      /* borrowed */
    const char *group; /* "/" for the root, borrowed */
    size_t n;
    size_t height; /* 0 without maps and masks */
    size_t width;
    bool has_map;
    bool has_mask;
    struct tensor label;    /* [n] I32 */
    struct tensor score;    /* [n] F32 */
    struct tensor class_id; /* [n] I32, layout (b) */
    struct tensor flag;     /* [n] I32 `has_mask`, empty when there is none */
    struct tensor skipped;  /* [n] I32 `skipped`, empty when there is none */
    size_t window;          /* images held at a time */
    size_t first;           /* item of the first image held */
    size_t n_held;
    float *map;      /* [window, height, width] */
    int32_t *number; /* [window, height, width] the mask as it is in the file */
    uint8_t *mask;   /* [height, width] of one image */
};

static void source_release(struct source *s)
{
    tensor_free(&s->label);
    tensor_free(&s->score);
    tensor_free(&s->class_id);
    tensor_free(&s->flag);
    tensor_free(&s->skipped);
    MEM_FREE(s->map);
    MEM_FREE(s->number);
    MEM_FREE(s->mask);
}

static const char *dataset_name(char out[NAME_MAX_BYTES], const struct source *s, const char *name)
{
    bool is_root = s->group[0] == '/' && !s->group[1];
    (void)snprintf(out, NAME_MAX_BYTES, "%s%s%s", is_root ? "" : s->group, is_root ? "" : "/",
                   name);
    return out;
}

/* Read a column of n numbers; the first one read sets n. */
static int read_column(struct source *s, const char *name, enum dtype dtype, struct tensor *out)
{
    int rc = ERR_OK;
    char full[NAME_MAX_BYTES];
    size_t n = s->label.data ? s->n : H5_ANY;
    (void)dataset_name(full, s, name);
    TRY(h5_expect_shape(s->f, full, 1, &n));
    TRY(h5_read(s->f, full, dtype, out));
    s->n = out->dim[0];
out:
    return rc;
}

static int check_flags(const struct source *s, const struct tensor *t, const char *name)
{
    int rc = ERR_OK;
    const int32_t *value = t->data;
    for (size_t i = 0; i < s->n; i++)
        if (value[i] != 0 && value[i] != 1)
            FAIL(ERR_FORMAT, "%s: group '%s': '%s' of item %zu is %d, wanted 0 or 1", h5_path(s->f),
                 s->group, name, i, value[i]);
out:
    return rc;
}

/* A column of 0 and 1 that may be absent. */
static int read_flags(struct source *s, const char *name, struct tensor *out)
{
    int rc = ERR_OK;
    char full[NAME_MAX_BYTES];
    if (!h5_has_dataset(s->f, dataset_name(full, s, name)))
        goto out;
    TRY(read_column(s, name, DTYPE_I32, out));
    TRY(check_flags(s, out, name));
out:
    return rc;
}

/* Check the shape of `map` or `mask` when it is there; the first one sets height and width. */
static int find_images(struct source *s, const char *name, bool *found)
{
    int rc = ERR_OK;
    char full[NAME_MAX_BYTES];
    int rank = 0;
    size_t dim[TENSOR_MAX_RANK];
    size_t want[3] = {s->n, s->height ? s->height : H5_ANY, s->height ? s->width : H5_ANY};
    *found = h5_has_dataset(s->f, dataset_name(full, s, name));
    if (!*found)
        goto out;
    TRY(h5_expect_shape(s->f, full, 3, want));
    TRY(h5_shape(s->f, full, &rank, dim));
    s->height = dim[1];
    s->width = dim[2];
    if (s->height < 1 || s->width < 1 || s->height > SIDE_MAX || s->width > SIDE_MAX)
        FAIL(ERR_FORMAT, "%s: images of '%s' are %zu x %zu, wanted sides from 1 to %d",
             h5_path(s->f), full, s->height, s->width, SIDE_MAX);
out:
    return rc;
}

static int source_open(struct source *s, struct h5 *f, const char *group)
{
    int rc = ERR_OK;
    size_t px;
    *s = (struct source){.f = f, .group = group};
    TRY(read_column(s, "label", DTYPE_I32, &s->label));
    TRY(check_flags(s, &s->label, "label"));
    TRY(read_column(s, "score", DTYPE_F32, &s->score));
    TRY(read_flags(s, "has_mask", &s->flag));
    TRY(read_flags(s, "skipped", &s->skipped));
    TRY(find_images(s, "map", &s->has_map));
    TRY(find_images(s, "mask", &s->has_mask));
    px = s->height * s->width;
    s->window = px && px < WINDOW_PX ? WINDOW_PX / px : 1;
    if (s->window > s->n)
        s->window = s->n;
    if (s->has_map)
        TRY(MEM_NEW(s->map, s->window * px));
    if (s->has_mask) {
        TRY(MEM_NEW(s->number, s->window * px));
        TRY(MEM_NEW(s->mask, px));
    }
out:
    return rc;
}

/* Hold the images from item i on, unless that one is held. */
static int hold(struct source *s, size_t i)
{
    int rc = ERR_OK;
    char full[NAME_MAX_BYTES];
    if (i >= s->first && i - s->first < s->n_held)
        goto out;
    s->first = i;
    s->n_held = s->n - i < s->window ? s->n - i : s->window;
    if (s->has_map)
        TRY(h5_read_rows(s->f, dataset_name(full, s, "map"), i, s->n_held, DTYPE_F32, s->map));
    if (s->has_mask)
        TRY(h5_read_rows(s->f, dataset_name(full, s, "mask"), i, s->n_held, DTYPE_I32, s->number));
out:
    return rc;
}

/* The mask as bytes; what fits none becomes 255, which the set refuses by name. */
static const uint8_t *mask_bytes(struct source *s, const int32_t *number)
{
    for (size_t p = 0; p < s->height * s->width; p++)
        s->mask[p] = (uint8_t)(number[p] < 0 || number[p] > 255 ? 255 : number[p]);
    return s->mask;
}

static int add_item(struct source *s, struct metric_set *set, size_t i)
{
    int rc = ERR_OK;
    bool masked = s->has_mask && (!s->flag.data || ((const int32_t *)s->flag.data)[i]);
    size_t at;
    TRY(hold(s, i));
    at = (i - s->first) * s->height * s->width;
    rc = metric_set_add(set, (uint8_t)((const int32_t *)s->label.data)[i],
                        ((const float *)s->score.data)[i], s->has_map ? s->map + at : NULL,
                        masked ? mask_bytes(s, s->number + at) : NULL);
    if (rc)
        err_prefix("%s: group '%s', item %zu: ", h5_path(s->f), s->group, i);
    TRY(rc);
out:
    return rc;
}

/* Does item i belong to a class (any for class_id < 0), and could it be read when it was scored? */
static bool counts(const struct source *s, size_t i, int class_id)
{
    if (s->skipped.data && ((const int32_t *)s->skipped.data)[i])
        return false;
    return class_id < 0 || ((const int32_t *)s->class_id.data)[i] == class_id;
}

/* Append the row of the items of one class; class_id < 0 takes all items. */
static int add_row(struct metric_results *out, struct source *s, const char *name, int class_id,
                   const struct metric_options *options)
{
    int rc = ERR_OK;
    struct metric_set *set = NULL;
    struct metric_result *result;
    TRY(MEM_GROW(out->item, &out->cap, out->n + 1));
    result = &out->item[out->n];
    TRY(metric_set_new(&set, s->height, s->width));
    for (size_t i = 0; i < s->n; i++)
        if (counts(s, i, class_id))
            TRY(add_item(s, set, i));
    TRY(metric_set_compute(set, options, &result->row));
    TRY(str_dup(&result->name, name));
    out->n++;
out:
    metric_set_free(&set);
    return rc;
}

static int read_groups(struct h5 *f, const struct metric_options *options,
                       struct metric_results *out)
{
    int rc = ERR_OK;
    struct source s = {0};
    struct path_list groups = {0};
    TRY(h5_list(f, "/", true, &groups));
    if (groups.n == 0)
        FAIL(ERR_FORMAT, "%s: has neither groups (one per class) nor a dataset 'label'",
             h5_path(f));
    for (size_t i = 0; i < groups.n; i++) {
        if (strlen(groups.name[i]) > NAME_MAX_BYTES / 2)
            FAIL(ERR_FORMAT, "%s: the name of group %zu is too long", h5_path(f), i);
        TRY(source_open(&s, f, groups.name[i]));
        TRY(add_row(out, &s, groups.name[i], -1, options));
        source_release(&s);
    }
out:
    source_release(&s);
    path_list_free(&groups);
    return rc;
}

/* The names class.0, class.1, ... of the root. */
static int read_class_names(struct h5 *f, struct path_list *out)
{
    int rc = ERR_OK;
    char key[32] = "class.0";
    char *name = NULL;
    while (h5_has(f, "/", key)) {
        TRY(h5_get_text(f, "/", key, &name));
        TRY(path_list_add(out, name));
        MEM_FREE(name);
        (void)snprintf(key, sizeof key, "class.%zu", out->n);
    }
out:
    MEM_FREE(name);
    return rc;
}

static int read_root(struct h5 *f, const struct metric_options *options, struct metric_results *out)
{
    int rc = ERR_OK;
    struct source s = {0};
    struct path_list names = {0};
    const int32_t *id;
    TRY(source_open(&s, f, "/"));
    TRY(read_column(&s, "class", DTYPE_I32, &s.class_id));
    TRY(read_class_names(f, &names));
    id = s.class_id.data;
    for (size_t i = 0; i < s.n; i++)
        if (id[i] < 0 || (size_t)id[i] >= names.n)
            FAIL(ERR_FORMAT,
                 "%s: 'class' of item %zu is %d, but the root has no attribute class.%d",
                 h5_path(f), i, id[i], id[i]);
    for (size_t i = 0; i < names.n; i++)
        TRY(add_row(out, &s, names.name[i], (int)i, options));
out:
    source_release(&s);
    path_list_free(&names);
    return rc;
}

int metrics_of_file(const char *path, const struct metric_options *options,
                    struct metric_results *out)
{
    int rc = ERR_OK;
    struct h5 *f = NULL;
    *out = (struct metric_results){0};
    TRY(h5_open(&f, path));
    if (h5_has_dataset(f, "label") || h5_has_dataset(f, "class"))
        TRY(read_root(f, options, out));
    else
        TRY(read_groups(f, options, out));
out:
    h5_close(&f);
    return rc;
}

void metric_results_free(struct metric_results *results)
{
    for (size_t i = 0; i < results->n; i++)
        MEM_FREE(results->item[i].name);
    MEM_FREE(results->item);
    *results = (struct metric_results){0};
}
