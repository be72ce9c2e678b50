/*
 * How well a defect is found by brightness or by a rare colour alone, for synth.sh:
 * write_baseline ROOT prints the pixel AUROC (percent, mean over classes)
 * of brightness, whichever side is better for the class, and of the distance to the image's mean colour;
 * and the smallest and the largest share of a mask in its picture, in parts of 100000.
 */
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "datasets/datasets.h"
#include "images/images.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { N_LEVELS = 766 };

/* Pixels of a class by score, normal and defect. */
struct levels {
    double count[2][N_LEVELS];
};

static double auroc(const struct levels *l)
{
    double below = 0, wins = 0, n[2] = {0};
    for (int i = 0; i < N_LEVELS; i++) {
        wins += l->count[1][i] * (below + l->count[0][i] / 2);
        below += l->count[0][i];
        n[0] += l->count[0][i];
        n[1] += l->count[1][i];
    }
    return 100 * wins / (n[0] * n[1]);
}

static void add_image(struct levels *bright, struct levels *colour, const uint8_t *rgb,
                      const uint8_t *mask, size_t n)
{
    double mean[3] = {0};
    for (size_t i = 0; i < 3 * n; i++)
        mean[i % 3] += (double)rgb[i] / (double)n;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = rgb + 3 * i;
        double d2 = 0;
        for (int k = 0; k < 3; k++)
            d2 += (p[k] - mean[k]) * (p[k] - mean[k]);
        int is_defect = mask && mask[i];
        bright->count[is_defect][p[0] + p[1] + p[2]]++;
        colour->count[is_defect][(int)sqrt(d2)]++;
    }
}

static int add_item(struct levels *bright, struct levels *colour, const struct manifest *m,
                    size_t i, double share[2])
{
    int rc = ERR_OK;
    char *path = NULL;
    struct image image = {0};
    struct image mask = {0};
    uint8_t *rgb = NULL;
    TRY(manifest_image_path(&path, m, i));
    TRY(image_load(&image, path));
    size_t n = image.width * image.height, n_defect = 0;
    TRY(MEM_NEW(rgb, 3 * n));
    TRY(image_resize_rgb(rgb, &image, image.width));
    if (m->item[i].is_anomalous) {
        MEM_FREE(path);
        TRY(manifest_mask_path(&path, m, i));
        TRY(image_load(&mask, path));
        for (size_t k = 0; k < n; k++)
            n_defect += mask.pixels[k] != 0;
        double s = 100000.0 * (double)n_defect / (double)n;
        share[0] = s < share[0] ? s : share[0];
        share[1] = s > share[1] ? s : share[1];
    }
    add_image(bright, colour, rgb, mask.pixels, n);
out:
    MEM_FREE(rgb);
    image_free(&mask);
    image_free(&image);
    MEM_FREE(path);
    return rc;
}

static int measure(const char *root)
{
    int rc = ERR_OK;
    struct manifest *m = NULL;
    struct levels *bright = NULL;
    struct levels *colour = NULL;
    double sum[2] = {0}, share[2] = {1e9, 0};
    TRY(manifest_load(&m, "set", root, NULL));
    TRY(MEM_NEW(bright, m->n_classes));
    TRY(MEM_NEW(colour, m->n_classes));
    for (size_t i = 0; i < m->n_items; i++) {
        uint32_t c = m->item[i].class_id;
        TRY(add_item(&bright[c], &colour[c], m, i, share));
    }
    for (size_t c = 0; c < m->n_classes; c++) {
        double b = auroc(&bright[c]);
        sum[0] += (b > 50 ? b : 100 - b) / (double)m->n_classes;
        sum[1] += auroc(&colour[c]) / (double)m->n_classes;
    }
    (void)printf("brightness %.0f\ncolour %.0f\nleast %.0f\nmost %.0f\n", sum[0], sum[1], share[0],
                 share[1]);
out:
    MEM_FREE(colour);
    MEM_FREE(bright);
    manifest_free(&m);
    return rc;
}

int main(int argc, char **argv)
{
    int rc = ERR_OK;
    if (argc != 2)
        FAIL(ERR_USAGE, "wanted one folder");
    TRY(measure(argv[1]));
out:
    if (rc != ERR_OK)
        log_error();
    return err_exit_status(rc);
}
