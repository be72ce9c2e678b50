/*
 * Unit tests of images/: every fixture against the pixels that Pillow makes of it, damaged and
 * hostile files, PNG writing, and the images of shared/golden/tiny.
 */
#include "check.h"

#include "base/err.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/path.h"
#include "base/rng.h"
#include "base/str.h"
#include "config/json.h"
#include "images/images.h"
#include "tensor/h5.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static const size_t sides[] = {11, 24, 36};
enum { N_SIDES = 3, MAX_FILE = 1 << 20 };

/* tests/fixtures/images/expected.h5: names in order, and for each the pixels at every side. */
struct expected {
    struct path_list names;
    struct tensor pixels; /* [n, sum over sides of 4 * side^2] */
};

static void expected_open(struct expected *e)
{
    struct h5 *f = NULL;
    char *names = NULL;
    char *rest = NULL;
    *e = (struct expected){0};
    CHECK_OK(h5_open(&f, check_fixture("images/expected.h5")));
    CHECK_OK(h5_get_text(f, "/", "names", &names));
    for (char *n = strtok_r(names, "\n", &rest); n; n = strtok_r(NULL, "\n", &rest))
        CHECK_OK(path_list_add(&e->names, n));
    CHECK_OK(h5_read(f, "pixels", DTYPE_U8, &e->pixels));
    assert_int_equal(e->pixels.dim[0], e->names.n);
    MEM_FREE(names);
    h5_close(&f);
}

static void expected_close(struct expected *e)
{
    path_list_free(&e->names);
    tensor_free(&e->pixels);
}

static char *fixture_path(const char *name)
{
    char *path = NULL;
    CHECK_OK(str_make(&path, "%s/%s", check_fixture("images"), name));
    return path;
}

static void fixture_read(const char *name, char **bytes, size_t *n)
{
    char *path = fixture_path(name);
    CHECK_OK(file_read(path, MAX_FILE, bytes, n));
    MEM_FREE(path);
}

static int worst_difference(const uint8_t *a, const uint8_t *b, size_t n)
{
    int worst = 0;
    for (size_t i = 0; i < n; i++)
        worst = abs(a[i] - b[i]) > worst ? abs(a[i] - b[i]) : worst;
    return worst;
}

/* The worst difference over all sides of one file to Pillow's RGB; masks must be equal. */
static int compare_file(const char *name, const uint8_t *want, bool has_mask)
{
    struct image image;
    char *path = fixture_path(name);
    uint8_t *got = NULL;
    int worst = 0;
    CHECK_OK(image_load(&image, path));
    CHECK_OK(MEM_NEW(got, 3 * sides[N_SIDES - 1] * sides[N_SIDES - 1]));
    for (size_t s = 0; s < N_SIDES; s++) {
        size_t n = sides[s] * sides[s];
        int difference;
        CHECK_OK(image_resize_rgb(got, &image, sides[s]));
        difference = worst_difference(got, want, 3 * n);
        worst = difference > worst ? difference : worst;
        CHECK_OK(image_mask(got, &image, sides[s]));
        if (has_mask && worst_difference(got, want + 3 * n, n) != 0) {
            print_error("%s: mask of side %zu differs\n", name, sides[s]);
            fail();
        }
        want += 4 * n;
    }
    MEM_FREE(got);
    MEM_FREE(path);
    image_free(&image);
    return worst;
}

static bool is_jpeg(const char *name)
{
    return strcmp(path_ext(name), ".jpg") == 0;
}

static void pixels_equal_pillow(void **state)
{
    struct expected e;
    int n_wrong = 0;
    (void)state;
    expected_open(&e);
    for (size_t i = 0; i < e.names.n; i++) {
        const uint8_t *want = (const uint8_t *)e.pixels.data + i * e.pixels.dim[1];
        int worst;
        if (is_jpeg(e.names.name[i]))
            continue;
        worst = compare_file(e.names.name[i], want, true);
        if (worst != 0) {
            print_error("%s: differs by up to %d\n", e.names.name[i], worst);
            n_wrong++;
        }
    }
    assert_true(e.names.n > 80);
    assert_int_equal(n_wrong, 0);
    expected_close(&e);
}

/* The decoders' inverse DCT, chroma interpolation and colour sums may each round by one. */
static void jpegs_are_near_pillow(void **state)
{
    struct expected e;
    size_t n_seen = 0;
    (void)state;
    expected_open(&e);
    for (size_t i = 0; i < e.names.n; i++) {
        const uint8_t *want = (const uint8_t *)e.pixels.data + i * e.pixels.dim[1];
        if (!is_jpeg(e.names.name[i]))
            continue;
        CHECK_WITHIN(e.names.name[i], compare_file(e.names.name[i], want, false), 3);
        n_seen++;
    }
    assert_int_equal(n_seen, 5);
    expected_close(&e);
}

static void modes_follow_the_file(void **state)
{
    static const struct {
        const char *name;
        enum image_mode mode;
    } cases[] = {
        {"grey1.png", IMAGE_BIT},         {"grey16.png", IMAGE_GREY16},
        {"la8.png", IMAGE_GREY_ALPHA},    {"palette8_trns.png", IMAGE_PALETTE},
        {"rgb8_trns.png", IMAGE_RGB},     {"rgba16.png", IMAGE_RGBA},
        {"rgbx.bmp", IMAGE_RGB},          {"rgba.bmp", IMAGE_RGBA},
        {"grey.bmp", IMAGE_GREY},         {"grey.gif", IMAGE_GREY},
        {"grey.jpg", IMAGE_GREY},         {"bit_group4.tif", IMAGE_BIT},
        {"grey16_big.tif", IMAGE_GREY16}, {"rgbx.tif", IMAGE_RGB},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct image image;
        char *path = fixture_path(cases[i].name);
        CHECK_OK(image_load(&image, path));
        if (image.mode != cases[i].mode)
            print_error("%s\n", path);
        assert_int_equal(image.mode, cases[i].mode);
        image_free(&image);
        MEM_FREE(path);
    }
}

static void normalised_bits_are_those_of_numpy(void **state)
{
    /* ((x / 255.0) - mean) / std of numpy float32 for x = 0, 7, 128, 255 */
    static const float want[3][4] = {
        {-0x1.cad1b8p+0F, -0x1.b0a8a8p+0F, 0x1.38ac40p-4F, 0x1.ee2a82p+0F},
        {-0x1.c08970p+0F, -0x1.a5a498p+0F, 0x1.59e6d6p-3F, 0x1.0995cap+1F},
        {-0x1.7aefb0p+0F, -0x1.617434p+0F, 0x1.5c1b88p-2F, 0x1.12acc0p+1F},
    };
    static const uint8_t levels[4] = {0, 7, 128, 255};
    uint8_t rgb[12];
    float input[3][4];
    (void)state;
    for (size_t i = 0; i < 12; i++)
        rgb[i] = levels[i / 3];
    image_normalise(&input[0][0], rgb, 2, IMAGE_SCALE_CLIP);
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 4; i++)
            assert_true(input[c][i] == want[c][i]);
}

static int decode(const void *bytes, size_t n)
{
    struct image image;
    int rc = image_decode(&image, bytes, n, "x.img");
    if (rc != ERR_OK)
        assert_null(image.pixels); /* on failure the image is empty */
    image_free(&image);
    return rc;
}

/* Every fixture cut short must be refused, and say so with its name. */
static void truncated_files_are_refused(void **state)
{
    static const double shares[] = {0.1, 0.4, 0.7, 0.9};
    struct expected e;
    (void)state;
    expected_open(&e);
    for (size_t i = 0; i < e.names.n; i++) {
        char *bytes = NULL;
        size_t n = 0;
        fixture_read(e.names.name[i], &bytes, &n);
        for (size_t s = 0; s < 4; s++) {
            size_t cut = (size_t)((double)n * shares[s]);
            if (strcmp(path_ext(e.names.name[i]), ".tga") == 0 && cut + 80 > n)
                continue; /* a TGA may end in a footer without pixels */
            if (decode(bytes, cut) == ERR_OK)
                print_error("%s cut to %zu of %zu bytes was accepted\n", e.names.name[i], cut, n);
            CHECK_FAILS(decode(bytes, cut), ERR_FORMAT, "x.img: ");
        }
        MEM_FREE(bytes);
    }
    expected_close(&e);
}

static void damage_is_named(void **state)
{
    char *bytes = NULL;
    size_t n = 0;
    struct image image;
    (void)state;
    fixture_read("rgb8.png", &bytes, &n);
    bytes[60] ^= 1;
    CHECK_FAILS(decode(bytes, n), ERR_FORMAT, "checksum of chunk IDAT at byte 33");
    bytes[60] ^= 1;
    CHECK_FAILS(decode(bytes, n - 12), ERR_FORMAT, "truncated PNG: no end chunk");
    MEM_FREE(bytes);
    fixture_read("rgb_420.jpg", &bytes, &n);
    CHECK_FAILS(decode(bytes, n - 2), ERR_FORMAT, "truncated JPEG: no end marker");
    for (size_t i = 0; i + 21 <= n; i++)
        if (!memcmp(bytes + i, "\xff\xc4", 2))
            memset(bytes + i + 5, 17, 16); /* 272 codes, and 256 is the most */
    CHECK_FAILS(decode(bytes, n), ERR_FORMAT, "damaged JPEG: Huffman tables");
    MEM_FREE(bytes);
    fixture_read("rgb_raw.tif", &bytes, &n);
    CHECK_FAILS(decode(bytes, n / 2), ERR_FORMAT, "TIFF");
    MEM_FREE(bytes);
    fixture_read("rgb.bmp", &bytes, &n);
    bytes[28] = 0;
    CHECK_FAILS(decode(bytes, n), ERR_FORMAT, "BMP with 0 bits a pixel");
    MEM_FREE(bytes);
    CHECK_FAILS(decode("hello, world, this is text", 26), ERR_FORMAT, "x.img: not a PNG, JPEG");
    CHECK_FAILS(decode("", 0), ERR_FORMAT, "x.img: not a PNG");
    CHECK_FAILS(image_load(&image, "/no/such.png"), ERR_IO, "/no/such.png");
}

static void claims_beyond_the_limits_are_refused(void **state)
{
    char *bytes = NULL;
    size_t n = 0;
    uint32_t huge = 1U << 30;
    uint32_t big = 15000;
    (void)state;
    CHECK_FAILS(decode("P5\n20000 20000\n255\n ", 20), ERR_FORMAT, "2^28 pixels");
    CHECK_FAILS(decode("P5\n16000 16000\n255\n ", 20), ERR_FORMAT, "bytes can hold");
    CHECK_FAILS(decode("P5\n0 5\n255\n         ", 20), ERR_FORMAT, "no pixels");
    CHECK_FAILS(decode("P5\n5 5\n70000\n       ", 20), ERR_FORMAT, "1..65535");
    CHECK_FAILS(decode("P2\n5 5\n255\n         ", 20), ERR_FORMAT, "text form");
    fixture_read("rgb_tiled.tif", &bytes, &n);
    for (size_t at = 0; at + 12 <= n; at += 2)
        if (!memcmp(bytes + at, "\x01\x01\x04\x00\x01\x00\x00\x00", 8)) /* the height's tag */
            memcpy(bytes + at + 8, &huge, 4);
    CHECK_FAILS(decode(bytes, n), ERR_FORMAT, "x.img: ");
    MEM_FREE(bytes);
    fixture_read("rgb_tiled.tif", &bytes, &n);
    big -= big % 16;
    for (size_t at = 0; at + 12 <= n; at += 2)
        if (!memcmp(bytes + at, "\x43\x01\x04\x00\x01\x00\x00\x00", 8) ||
            !memcmp(bytes + at, "\x42\x01\x04\x00\x01\x00\x00\x00", 8))
            memcpy(bytes + at + 8, &big, 4);
    CHECK_FAILS(decode(bytes, n), ERR_FORMAT, "strips or tiles of");
    MEM_FREE(bytes);
}

/* Make the checksums of a changed PNG right again, so that the change reaches the decoder. */
static void repair_png(char *bytes, size_t n)
{
    uint8_t *p = (uint8_t *)bytes;
    size_t at = 8;
    while (at + 12 <= n) {
        size_t length = (size_t)p[at] << 24 | (size_t)p[at + 1] << 16 | (size_t)p[at + 2] << 8 |
                        (size_t)p[at + 3];
        uint32_t sum;
        if (length > n - at - 12)
            return;
        sum = (uint32_t)crc32(0, p + at + 4, (uInt)length + 4);
        for (size_t i = 0; i < 4; i++)
            p[at + 8 + length + i] = (uint8_t)(sum >> (24 - 8 * i));
        at += 12 + length;
    }
}

/* A PNG of one pixel that brings 64 MiB of data: refused by the memory it would take. */
static void a_png_bomb_is_refused(void **state)
{
    const size_t n_raw = (size_t)64 << 20;
    const size_t n_room = (size_t)1 << 20;
    static const uint8_t head[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n', 0, 0, 0,
                                   13,   'I', 'H', 'D', 'R',  0,    0,    0,    1, 0, 0,
                                   0,    1,   8,   0,   0,    0,    0,    0,    0, 0, 0};
    uint8_t *raw = NULL;
    char *png = NULL;
    uLongf n_packed = n_room - 100;
    size_t n = sizeof head;
    (void)state;
    CHECK_OK(MEM_NEW(raw, n_raw));
    CHECK_OK(MEM_NEW(png, n_room));
    memcpy(png, head, sizeof head);
    assert_int_equal(compress2((Bytef *)png + n + 8, &n_packed, raw, n_raw, 9), Z_OK);
    for (size_t i = 0; i < 4; i++)
        png[n + i] = (char)(n_packed >> (24 - 8 * i));
    memcpy(png + n + 4, (const char[]){'I', 'D', 'A', 'T'}, 4);
    n += 12 + n_packed;
    memcpy(png + n, (const char[]){0, 0, 0, 0, 'I', 'E', 'N', 'D'}, 8);
    n += 12;
    repair_png(png, n);
    CHECK_FAILS(decode(png, n), ERR_FORMAT, "cannot be decoded: outofmem");
    MEM_FREE(raw);
    MEM_FREE(png);
}

/* A copy with a few bytes changed, sometimes cut. */
static size_t mutate(char *to, const char *from, size_t n, uint64_t seed)
{
    size_t n_changes = 1 + rng_below(seed, 0, 6);
    size_t head = n < 200 ? n : 200;
    memcpy(to, from, n);
    for (size_t i = 0; i < n_changes; i++) {
        bool at_head = rng_below(seed, 3 * i + 1, 2);
        size_t at = rng_below(seed, 3 * i + 2, at_head ? head : n);
        to[at] = (char)rng_below(seed, 3 * i + 3, 256);
    }
    return rng_below(seed, 100, 8) ? n : rng_below(seed, 101, n + 1);
}

/*
 * Whatever the bytes: an image that can be used, or an error with the name. $MRAD_FUZZ sets
 * rounds.
 */
static void mutated_files_never_crash(void **state)
{
    const char *more = getenv("MRAD_FUZZ");
    uint64_t rounds = more ? strtoull(more, NULL, 10) : 20;
    struct expected e;
    size_t n_good = 0;
    uint8_t *rgb = NULL;
    (void)state;
    expected_open(&e);
    CHECK_OK(MEM_NEW(rgb, 3 * 16 * 16));
    for (size_t i = 0; i < e.names.n; i++) {
        char *bytes = NULL;
        char *copy = NULL;
        size_t n = 0;
        fixture_read(e.names.name[i], &bytes, &n);
        for (uint64_t round = 0; round < rounds; round++) {
            struct image image;
            size_t left;
            CHECK_OK(MEM_NEW(copy, n));
            left = mutate(copy, bytes, n, 1000000 * (i + 1) + round);
            if (round % 4 && strcmp(path_ext(e.names.name[i]), ".png") == 0)
                repair_png(copy, left);
            if (image_decode(&image, (uint8_t *)copy, left, "x.img") == ERR_OK) {
                CHECK_OK(image_resize_rgb(rgb, &image, 16));
                CHECK_OK(image_mask(rgb, &image, 16));
                n_good++;
            } else {
                assert_non_null(strstr(err_message(), "x.img"));
                err_clear();
            }
            image_free(&image);
            MEM_FREE(copy);
        }
        MEM_FREE(bytes);
    }
    print_message("    %zu of %zu mutated files were still images\n", n_good,
                  e.names.n * (size_t)rounds);
    MEM_FREE(rgb);
    expected_close(&e);
}

static void written_png_reads_back(void **state)
{
    static const enum image_mode modes[] = {IMAGE_GREY, IMAGE_GREY_ALPHA, IMAGE_RGB, IMAGE_RGBA};
    char *dir = check_folder();
    char *path = NULL;
    uint8_t pixels[7 * 5 * 4];
    struct image image;
    (void)state;
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)rng_below(1, i, 256);
    CHECK_OK(path_join(&path, dir, "new/x.png"));
    for (size_t channels = 1; channels <= 4; channels++) {
        CHECK_OK(image_write_png(path, pixels, 7, 5, channels));
        CHECK_OK(image_load(&image, path));
        assert_int_equal(image.width, 7);
        assert_int_equal(image.height, 5);
        assert_int_equal(image.mode, modes[channels - 1]);
        assert_memory_equal(image.pixels, pixels, 7 * 5 * channels);
        image_free(&image);
    }
    CHECK_FAILS(image_write_png(path, pixels, 0, 5, 3), ERR_SHAPE, "cannot write 0 x 5");
    CHECK_FAILS(image_write_png(path, pixels, 7, 5, 5), ERR_SHAPE, "5 channels");
    MEM_FREE(path);
    check_drop_folder(dir);
}

static void sides_are_checked(void **state)
{
    uint8_t pixel[3] = {1, 2, 3};
    const struct image image = {1, 1, IMAGE_RGB, pixel};
    uint8_t out[12];
    (void)state;
    CHECK_FAILS(image_resize_rgb(out, &image, 0), ERR_SHAPE, "side of 0 pixels");
    CHECK_FAILS(image_mask(out, &image, (size_t)1 << 40), ERR_SHAPE, "wanted 1 to 16384");
    CHECK_OK(image_resize_rgb(out, &image, 2));
    assert_memory_equal(out, "\1\2\3\1\2\3\1\2\3\1\2\3", 12);
}

/* Input of the first image and all masks of one golden set, against what torch and Pillow made. */
static void compare_golden(const char *set, struct h5 *golden, size_t side)
{
    char *root = NULL;
    char *path = NULL;
    char *name = NULL;
    struct cJSON *meta = NULL;
    struct tensor masks;
    uint8_t *rgb = NULL;
    uint8_t *mask = NULL;
    size_t n = 0;
    const struct cJSON *group;
    const struct cJSON *item;
    CHECK_OK(str_make(&root, "%s/%s", check_shared("golden/tiny"), set));
    CHECK_OK(path_join(&path, root, "meta.json"));
    CHECK_OK(json_read(&meta, path, MAX_FILE));
    MEM_FREE(path);
    CHECK_OK(str_make(&name, "%s/mask", set));
    CHECK_OK(h5_read(golden, name, DTYPE_U8, &masks));
    CHECK_OK(MEM_NEW(rgb, 3 * side * side));
    CHECK_OK(MEM_NEW(mask, side * side));
    cJSON_ArrayForEach(group, cJSON_GetObjectItem(meta, "test"))
    {
        cJSON_ArrayForEach(item, group)
        {
            const char *file = cJSON_GetObjectItem(item, "mask_path")->valuestring;
            struct image image;
            memset(mask, 0, side * side);
            if (file[0]) {
                CHECK_OK(path_join(&path, root, file));
                CHECK_OK(image_load(&image, path));
                CHECK_OK(image_mask(mask, &image, side));
                image_free(&image);
                MEM_FREE(path);
            }
            assert_true(n < masks.dim[0]);
            assert_memory_equal(mask, (uint8_t *)masks.data + n * side * side, side * side);
            n++;
        }
    }
    assert_int_equal(n, masks.dim[0]);
    tensor_free(&masks);
    json_free(&meta);
    MEM_FREE(mask);
    MEM_FREE(rgb);
    MEM_FREE(name);
    MEM_FREE(root);
}

static void golden_masks_are_equal(void **state)
{
    struct h5 *golden = NULL;
    (void)state;
    if (!check_shared("golden/tiny/golden.h5"))
        check_skip_shared("golden_masks_are_equal", "golden/tiny");
    CHECK_OK(h5_open(&golden, check_shared("golden/tiny/golden.h5")));
    compare_golden("A", golden, 112);
    compare_golden("B", golden, 112);
    h5_close(&golden);
}

static void golden_input_is_bit_equal(void **state)
{
    enum { SIDE = 112 };
    struct h5 *golden = NULL;
    struct image image;
    struct tensor want;
    uint8_t *rgb = NULL;
    float *input = NULL;
    (void)state;
    if (!check_shared("golden/tiny/golden.h5"))
        check_skip_shared("golden_input_is_bit_equal", "golden/tiny");
    CHECK_OK(h5_open(&golden, check_shared("golden/tiny/golden.h5")));
    CHECK_OK(h5_read(golden, "A/input0", DTYPE_F32, &want));
    assert_int_equal(tensor_count(&want), 3 * SIDE * SIDE);
    CHECK_OK(MEM_NEW(rgb, 3 * SIDE * SIDE));
    CHECK_OK(MEM_NEW(input, 3 * SIDE * SIDE));
    CHECK_OK(image_load(&image, check_shared("golden/tiny/A/c0/000.png")));
    CHECK_OK(image_resize_rgb(rgb, &image, SIDE));
    image_normalise(input, rgb, SIDE, IMAGE_SCALE_CLIP);
    assert_memory_equal(input, want.data, 3 * SIDE * SIDE * sizeof *input);
    image_free(&image);
    MEM_FREE(input);
    MEM_FREE(rgb);
    tensor_free(&want);
    h5_close(&golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_equal_pillow),
        cmocka_unit_test(jpegs_are_near_pillow),
        cmocka_unit_test(modes_follow_the_file),
        cmocka_unit_test(normalised_bits_are_those_of_numpy),
        cmocka_unit_test(truncated_files_are_refused),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(claims_beyond_the_limits_are_refused),
        cmocka_unit_test(a_png_bomb_is_refused),
        cmocka_unit_test(mutated_files_never_crash),
        cmocka_unit_test(written_png_reads_back),
        cmocka_unit_test(sides_are_checked),
        cmocka_unit_test(golden_masks_are_equal),
        cmocka_unit_test(golden_input_is_bit_equal),
    };
    return cmocka_run_group_tests(tests, NULL, check_balance);
}
