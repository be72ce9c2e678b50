/* Unit tests of datasets/: each raw layout in miniature, with what users' folders add to it. */
#include "check.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/str.h"
#include "datasets/datasets.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void put(const char *dir, const char *name, const char *text)
{
    char *path = NULL;
    CHECK_OK(path_join(&path, dir, name));
    CHECK_OK(file_write(path, text, strlen(text)));
    MEM_FREE(path);
}

/* Write several empty files; the list ends with NULL. */
static void put_all(const char *dir, const char *const *name)
{
    for (; *name; name++)
        put(dir, *name, "");
}

/* One line per item of a split: class|image|mask|specie|anomaly. */
static char *lines(char *const *class_name, const struct item *item, size_t n)
{
    struct str s = {0};
    CHECK_OK(str_add(&s, ""));
    for (size_t i = 0; i < n; i++)
        CHECK_OK(str_addf(&s, "%s|%s|%s|%s|%d\n", class_name[item[i].class_id], item[i].image,
                          item[i].mask, item[i].specie, item[i].is_anomalous));
    return s.text;
}

static void expect_test(const struct manifest *m, const char *wanted)
{
    char *text = lines(m->class_name, m->item, m->n_items);
    assert_string_equal(text, wanted);
    MEM_FREE(text);
}

static void expect_report(struct index_report *r, const char *wanted)
{
    char *text = NULL;
    CHECK_OK(index_report_text(&text, r));
    assert_string_equal(text, wanted);
    MEM_FREE(text);
    index_report_free(r);
}

static void mvtec_folders_become_a_manifest(void **state)
{
    static const char *const files[] = {"b c/train/good/0.png",
                                        "b c/train/bad/0.png",
                                        "b c/test/good/1 x.JPG",
                                        "b c/test/cut/0.png",
                                        "b c/test/cut/1.jpeg",
                                        "b c/test/loose.png",
                                        "b c/ground_truth/cut/0_mask.png",
                                        "b c/ground_truth/cut/1.BMP",
                                        "b c/ground_truth/cut/7_mask.png",
                                        "b c/ground_truth/gone/0_mask.png",
                                        "b c/ground_truth/good/0_mask.png",
                                        "b c/readme.txt",
                                        "b/test/ok/2.png",
                                        "b/test/a/2.png",
                                        "b/test/a b/2.png",
                                        "b/ground_truth/a/2_mask.png",
                                        "b/ground_truth/a b/2_mask.png",
                                        "notes/1.txt",
                                        "LICENSE",
                                        "meta.json",
                                        ".hidden/x",
                                        NULL};
    char *dir = check_folder();
    char *train;
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, files);
    CHECK_OK(dataset_index(&m, &r, "MVTec", dir, NULL));
    assert_string_equal(m->name, "mvtec");
    /* ' ' sorts before '/', so "a b" comes before "a" by the bytes of the path */
    expect_test(m, "b|b/test/a b/2.png|b/ground_truth/a b/2_mask.png|a b|1\n"
                   "b|b/test/a/2.png|b/ground_truth/a/2_mask.png|a|1\n"
                   "b|b/test/ok/2.png||ok|0\n"
                   "b c|b c/test/cut/0.png|b c/ground_truth/cut/0_mask.png|cut|1\n"
                   "b c|b c/test/cut/1.jpeg|b c/ground_truth/cut/1.BMP|cut|1\n"
                   "b c|b c/test/good/1 x.JPG||good|0\n");
    train = lines(m->train.class_name, m->train.item, m->train.n_items);
    assert_string_equal(train, "b c|b c/train/good/0.png||good|0\n");
    MEM_FREE(train);
    expect_report(&r, "warning: masks without an anomalous image (2):\n"
                      "  b c/ground_truth/cut/7_mask.png\n"
                      "  b c/ground_truth/gone/0_mask.png\n"
                      "warning: ignored (6):\n"
                      "  LICENSE\n"
                      "  b c/ground_truth/good/\n"
                      "  b c/readme.txt\n"
                      "  b c/test/loose.png\n"
                      "  b c/train/bad/\n"
                      "  notes/\n");
    manifest_free(&m);
    check_drop_folder(dir);
}

static void mvtec_errors_are_all_listed(void **state)
{
    static const char *const files[] = {"a/test/cut/0.png",
                                        "a/test/cut/1.png",
                                        "a/test/cut/2.k.png",
                                        "a/test/cut/2.png",
                                        "a/test/cut/2.bmp",
                                        "a/test/rip/0.png",
                                        "a/ground_truth/cut/1.png",
                                        "a/ground_truth/cut/1_mask.png",
                                        "a/ground_truth/cut/2_mask.png",
                                        NULL};
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, files);
    CHECK_FAILS(dataset_index(&m, &r, "layout:mvtec", dir, NULL), ERR_FORMAT,
                "3 anomalous images have no mask, the first is a/test/cut/0.png");
    assert_null(m);
    expect_report(&r, "error: anomalous images without a mask (3):\n"
                      "  a/test/cut/0.png\n"
                      "  a/test/cut/2.k.png\n"
                      "  a/test/rip/0.png\n"
                      "error: files with one stem (2):\n"
                      "  a/ground_truth/cut/1.png and 1_mask.png\n"
                      "  a/test/cut/2.bmp and 2.png\n");
    check_drop_folder(dir);
}

static void a_duplicate_stem_alone_is_an_error(void **state)
{
    static const char *const files[] = {"a/test/good/0.png", "a/test/good/0.JPG", NULL};
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, files);
    CHECK_FAILS(dataset_index(&m, &r, "layout:mvtec", dir, NULL), ERR_FORMAT,
                "1 pairs of files have one stem, the first is a/test/good/0.JPG and 0.png");
    index_report_free(&r);
    check_drop_folder(dir);
}

static void mvtec_without_masks_has_image_labels_only(void **state)
{
    static const char *const files[] = {"a/test/cut/0.png", "a/test/good/1.png", NULL};
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, files);
    CHECK_OK(dataset_index(&m, &r, "layout:MVTec", dir, NULL));
    expect_test(m, "a|a/test/cut/0.png||cut|1\na|a/test/good/1.png||good|0\n");
    expect_report(&r, "");
    manifest_free(&m);
    /* but a named set that is known to have masks must have them */
    CHECK_FAILS(dataset_index(&m, &r, "MPDD", dir, NULL), ERR_FORMAT, "1 anomalous images have no");
    index_report_free(&r);
    check_drop_folder(dir);
}

static void another_layout_is_named(void **state)
{
    static const char *const files[] = {"candle/Data/Images/Normal/0.JPG", NULL};
    static const char *const empty[] = {"x/test/good/0.png", "y/test/good/0.txt", NULL};
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, files);
    CHECK_FAILS(dataset_index(&m, &r, "visa", dir, NULL), ERR_FORMAT,
                "found no split_csv/1cls.csv; the layout \"visa\" expects CLASS/Data/");
    index_report_free(&r);
    CHECK_FAILS(dataset_index(&m, &r, "layout:mvtec", dir, NULL), ERR_FORMAT,
                "found no */test; the layout \"mvtec\" expects CLASS/{train/good,");
    expect_report(&r, "");
    put_all(dir, empty);
    CHECK_FAILS(dataset_index(&m, &r, "layout:mvtec", dir, NULL), ERR_FORMAT,
                "class \"y\" has no test image");
    index_report_free(&r);
    CHECK_FAILS(dataset_index(&m, &r, "layout:images-masks", dir, NULL), ERR_FORMAT,
                "found no images; the layout \"images-masks\" expects {images,masks}/");
    index_report_free(&r);
    CHECK_FAILS(dataset_index(&m, &r, "layout:yes-no", dir, NULL), ERR_FORMAT,
                "found no yes; the layout \"yes-no\"");
    index_report_free(&r);
    check_drop_folder(dir);
}

/* Stands for the decoder: an empty mask is a file that begins with '0'. */
static int begins_with_zero(const char *path, bool *out)
{
    int rc = ERR_OK;
    char *text = NULL;
    size_t n = 0;
    TRY(file_read(path, 100, &text, &n));
    if (n == 0)
        FAIL(ERR_FORMAT, "%s: not an image", path);
    *out = text[0] == '0';
out:
    MEM_FREE(text);
    return rc;
}

static void kolektor_labels_are_looked_into(void **state)
{
    static const char *const files[] = {"kos01/Part0.jpg",
                                        "kos01/Part1.JPG",
                                        "kos02/Part0.jpg",
                                        "kos02/sub/Part0.jpg",
                                        "other/Part0.jpg",
                                        "x.png",
                                        NULL};
    const struct index_options options = {.mask_is_empty = begins_with_zero};
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, files);
    put(dir, "kos01/Part0_label.bmp", "0");
    put(dir, "kos01/Part1_label.PNG", "1");
    put(dir, "kos02/Part5_label.bmp", "1");
    CHECK_FAILS(dataset_index(&m, &r, "sdd", dir, NULL), ERR_USAGE, "no reader was given");
    index_report_free(&r);
    CHECK_FAILS(dataset_index(&m, &r, "sdd", dir, &options), ERR_FORMAT,
                "no mask, the first is "
                "kos02/Part0.jpg");
    expect_report(&r, "error: anomalous images without a mask (1):\n  kos02/Part0.jpg\n"
                      "warning: masks without an anomalous image (1):\n  kos02/Part5_label.bmp\n"
                      "warning: ignored (3):\n  kos02/sub/\n  other/\n  x.png\n");
    put(dir, "kos02/Part0_label.bmp", "");
    CHECK_FAILS(dataset_index(&m, &r, "sdd", dir, &options), ERR_FORMAT, "Part0_label.bmp: not an");
    index_report_free(&r);
    put(dir, "kos02/Part0_label.bmp", "0");
    CHECK_OK(dataset_index(&m, &r, "KOLEKTORSDD", dir, &options));
    index_report_free(&r);
    expect_test(m, "electrical commutators|kos01/Part0.jpg||good|0\n"
                   "electrical commutators|kos01/Part1.JPG|kos01/Part1_label.PNG|defect|1\n"
                   "electrical commutators|kos02/Part0.jpg||good|0\n");
    manifest_free(&m);
    check_drop_folder(dir);
}

static void polyps_pair_by_stem(void **state)
{
    static const char *const files[] = {"images/1.png",   "images/10.JPG", "images/2 b.png",
                                        "images/Thumbs",  "masks/1.png",   "masks/10.tif",
                                        "masks/0.png",    "masks/2 b.jpg", "masks/deep/3.png",
                                        "extra/file.txt", "overview.png",  NULL};
    const struct index_options options = {.class_name = "polyp"};
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, files);
    CHECK_OK(dataset_index(&m, &r, "kvasir-seg", dir, NULL));
    expect_test(m, "colon|images/1.png|masks/1.png||1\n"
                   "colon|images/10.JPG|masks/10.tif||1\n"
                   "colon|images/2 b.png|masks/2 b.jpg||1\n");
    expect_report(&r, "warning: masks without an anomalous image (1):\n  masks/0.png\n"
                      "warning: ignored (4):\n  extra/\n  images/Thumbs\n  masks/deep/\n"
                      "  overview.png\n");
    manifest_free(&m);
    CHECK_OK(dataset_index(&m, &r, "layout:images-masks", dir, &options));
    assert_string_equal(m->class_name[0], "polyp");
    index_report_free(&r);
    manifest_free(&m);
    put(dir, "images/3.png", "");
    CHECK_FAILS(dataset_index(&m, &r, "Endo", dir, NULL), ERR_FORMAT, "the first is images/3.png");
    index_report_free(&r);
    check_drop_folder(dir);
}

static void brain_folders_say_yes_or_no(void **state)
{
    static const char *const flat[] = {"no/1 no.jpeg", "yes/Y1.JPG", "pred/p.jpg", "top.jpg", NULL};
    static const char *const inside[] = {"brain_tumor_dataset/no/n.jpg",
                                         "brain_tumor_dataset/yes/y.jpg",
                                         "brain_tumor_dataset/yes/y.txt", NULL};
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, flat);
    CHECK_OK(dataset_index(&m, &r, "Br35H", dir, NULL));
    expect_test(m, "brain|no/1 no.jpeg||no|0\nbrain|yes/Y1.JPG||yes|1\n");
    expect_report(&r, "warning: ignored (2):\n  pred/\n  top.jpg\n");
    manifest_free(&m);
    put_all(dir, inside);
    CHECK_OK(dataset_index(&m, &r, "brainmri", dir, NULL));
    expect_test(m, "brain|brain_tumor_dataset/no/n.jpg||no|0\n"
                   "brain|brain_tumor_dataset/yes/y.jpg||yes|1\n");
    expect_report(&r, "warning: ignored (5):\n  brain_tumor_dataset/yes/y.txt\n  no/\n  pred/\n"
                      "  top.jpg\n  yes/\n");
    manifest_free(&m);
    check_drop_folder(dir);
}

static void label_lists_decide(void **state)
{
    static const char *const files[] = {"Class1/Test/0001.PNG",
                                        "Class1/Test/0002.PNG",
                                        "Class1/Test/0003.png",
                                        "Class1/Test/Label/0002_label.PNG",
                                        "Class1/Test/Label/0003_label.PNG",
                                        "Class1/Test/Label/0009_label.PNG",
                                        NULL};
    static const char list[] = "1\n1\t0\t0001.PNG\t0\t0\r\n\n2\t1\t0002.PNG\t1\t0002_label.PNG\n";
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, files);
    put(dir, "Class1/Test/Label/Labels.txt", list);
    CHECK_FAILS(dataset_index(&m, &r, "DAGM", dir, NULL), ERR_FORMAT,
                "1 images are not in the label list, the first is Class1/Test/0003.png");
    index_report_free(&r);
    put(dir, "Class1/Test/Label/Labels.txt", "1\n1\t0\t0001.PNG\n2\t1\t0002.PNG\n3\t0\t0003.PNG");
    CHECK_OK(dataset_index(&m, &r, "DAGM", dir, NULL));
    expect_test(m, "Class1|Class1/Test/0001.PNG||good|0\n"
                   "Class1|Class1/Test/0002.PNG|Class1/Test/Label/0002_label.PNG|defect|1\n"
                   "Class1|Class1/Test/0003.png||good|0\n");
    expect_report(&r, "warning: masks without an anomalous image (2):\n"
                      "  Class1/Test/Label/0003_label.PNG\n"
                      "  Class1/Test/Label/0009_label.PNG\n");
    manifest_free(&m);
    put(dir, "Class1/Test/Label/Labels.txt", "1\n1\t0\t0001.PNG\n7\t1\t0001.PNG\n");
    CHECK_FAILS(dataset_index(&m, &r, "DAGM", dir, NULL), ERR_FORMAT,
                "Labels.txt, line 3: the image Class1/Test/0001.PNG was listed in line 2 already");
    index_report_free(&r);
    put(dir, "Class1/Test/Label/Labels.txt", "1\n1\tx\t0001.PNG\n");
    CHECK_FAILS(dataset_index(&m, &r, "DAGM", dir, NULL), ERR_FORMAT,
                "Labels.txt, line 2: found \"x\", wanted 0 or 1");
    index_report_free(&r);
    check_drop_folder(dir);
}

/* Stands for the decoder: an image is a file that is not empty. */
static int is_not_empty(const char *path)
{
    int rc = ERR_OK;
    char *text = NULL;
    size_t n = 0;
    TRY(file_read(path, 100, &text, &n));
    if (n == 0)
        FAIL(ERR_FORMAT, "%s: empty", path);
out:
    MEM_FREE(text);
    return rc;
}

static void files_that_are_no_images_are_listed(void **state)
{
    static const char *const empty[] = {"no/1.jpg", "yes/2.jpg", NULL};
    const struct index_options options = {.check_image = is_not_empty};
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    (void)state;
    put_all(dir, empty);
    put(dir, "yes/1.jpg", "x");
    CHECK_FAILS(dataset_index(&m, &r, "Br35H", dir, &options), ERR_FORMAT,
                "2 files are no images, the first is no/1.jpg: empty");
    expect_report(&r, "error: files that are no images (2):\n"
                      "  no/1.jpg: empty\n  yes/2.jpg: empty\n");
    check_drop_folder(dir);
}

static void counts_are_compared_with_the_nearest_variant(void **state)
{
    static const char *const files[] = {"images/1.png", "masks/1.png", NULL};
    char *dir = check_folder();
    struct manifest *m = NULL;
    struct index_report r;
    struct catalog *catalog = NULL;
    struct tally c;
    const struct dataset_info *set;
    (void)state;
    put_all(dir, files);
    CHECK_OK(dataset_index(&m, &r, "clinicdb", dir, NULL));
    index_report_free(&r);
    CHECK_OK(catalog_load(&catalog, NULL));
    assert_null(catalog_find(catalog, "clinic"));
    set = catalog_find(catalog, "CLINICDB");
    assert_non_null(set);
    CHECK_OK(manifest_compare(&c, m, set, NULL));
    assert_string_equal(c.variant->name, "pranet"); /* 62 is nearer to 1 than 612 */
    assert_int_equal(c.state, COUNTS_WRONG);
    assert_int_equal(c.n_lines, 1);
    assert_int_equal(c.line[0].found.n_masks, 1);
    assert_int_equal(c.line[0].wanted.anomalous, 62);
    tally_free(&c);
    CHECK_OK(manifest_compare(&c, m, set, "OFFICIAL"));
    assert_int_equal(c.line[0].wanted.anomalous, 612);
    tally_free(&c);
    CHECK_FAILS(manifest_compare(&c, m, set, "x"), ERR_USAGE, "known: official, pranet");
    CHECK_OK(manifest_compare(&c, m, catalog_find(catalog, "tn3k"), NULL));
    assert_int_equal(c.state, COUNTS_UNKNOWN);
    tally_free(&c);
    catalog_free(&catalog);
    CHECK_FAILS(catalog_load(&catalog, dir), ERR_FORMAT, "holds no NAME.json");
    put(dir, "x.json", "{\"name\": \"x\", \"order\": 1, \"title\": 5}");
    CHECK_FAILS(catalog_load(&catalog, dir), ERR_FORMAT, "x.json: title: wanted a text");
    put(dir, "x.json", "{");
    CHECK_FAILS(catalog_load(&catalog, dir), ERR_CONFIG, "x.json");
    manifest_free(&m);
    check_drop_folder(dir);
}

static void an_unreadable_folder_is_named(void **state)
{
    static const char *const files[] = {"images/1.png", "masks/1.png", NULL};
    char *dir = check_folder();
    char *masks = NULL;
    struct manifest *m = NULL;
    struct index_report r;
    bool is_root = geteuid() == 0;
    (void)state;
    put_all(dir, files);
    CHECK_OK(path_join(&masks, dir, "masks"));
    assert_int_equal(chmod(dir, 0755), 0);
    assert_int_equal(chmod(masks, 0), 0);
    /* nothing is unreadable for root, so be nobody for a moment */
    if (is_root)
        assert_int_equal(seteuid(65534), 0);
    CHECK_FAILS(dataset_index(&m, &r, "CVC-ColonDB", dir, NULL), ERR_IO, "masks: Permission");
    if (is_root)
        assert_int_equal(seteuid(0), 0);
    index_report_free(&r);
    assert_int_equal(chmod(masks, 0755), 0);
    CHECK_FAILS(dataset_index(&m, &r, "mvtec", "/nowhere", NULL), ERR_IO, "/nowhere");
    index_report_free(&r);
    MEM_FREE(masks);
    check_drop_folder(dir);
}

static void unknown_names_list_the_known_ones(void **state)
{
    struct manifest *m = NULL;
    struct index_report r;
    char *text = NULL;
    (void)state;
    CHECK_FAILS(dataset_index(&m, &r, "kvasor", ".", NULL), ERR_USAGE,
                "unknown data set \"kvasor\" (did you mean Kvasir?); wanted mvtec, visa, ");
    CHECK_FAILS(dataset_index(&m, &r, "layout:x", ".", NULL), ERR_USAGE, "or layout:covid");
    CHECK_OK(dataset_list(&text));
    assert_non_null(
        strstr(text, "Br35H          layout yes-no or mvtec, also called Br35, brain-tumor-"));
    assert_non_null(strstr(text, "layout:kolektor      kosNN/"));
    MEM_FREE(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mvtec_folders_become_a_manifest),
        cmocka_unit_test(mvtec_errors_are_all_listed),
        cmocka_unit_test(a_duplicate_stem_alone_is_an_error),
        cmocka_unit_test(mvtec_without_masks_has_image_labels_only),
        cmocka_unit_test(another_layout_is_named),
        cmocka_unit_test(kolektor_labels_are_looked_into),
        cmocka_unit_test(polyps_pair_by_stem),
        cmocka_unit_test(brain_folders_say_yes_or_no),
        cmocka_unit_test(label_lists_decide),
        cmocka_unit_test(files_that_are_no_images_are_listed),
        cmocka_unit_test(counts_are_compared_with_the_nearest_variant),
        cmocka_unit_test(an_unreadable_folder_is_named),
        cmocka_unit_test(unknown_names_list_the_known_ones),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
