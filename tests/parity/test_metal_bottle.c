/*
 * Photographs through the whole pipeline: a bank of metal nuts, bottles against it, patches of 16 px,
 * compared with what the PyTorch specification gave. Needs golden/metal-bottle and data/mvtec in shared.
 */
#include "check.h"
#include "parity.h"

#include <stdio.h>

/* shared/NAME copied out of check_shared's storage; NULL without shared. */
static const char *place(char *out, size_t n, const char *name)
{
    const char *path = check_shared(name);
    if (!path)
        return NULL;
    (void)snprintf(out, n, "%s", path);
    return out;
}

static int start(void **state)
{
    static char text[5][1024];
    const size_t n = sizeof text[0];
    const char *root = place(text[0], n, "data/mvtec");
    const struct parity_source source = {
        .name = "metal-bottle",
        .golden = place(text[1], n, "golden/metal-bottle/golden.h5"),
        .weights = place(text[2], n, "golden/metal-bottle/model.safetensors"),
        .root = {root, root},
        .meta = {place(text[3], n, "golden/metal-bottle/meta_A.json"),
                 place(text[4], n, "golden/metal-bottle/meta_B.json")}};
    return parity_start(state, &source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pixels_equal_the_golden),
        cmocka_unit_test(labels_and_masks_equal_the_golden),
        cmocka_unit_test(features_equal_the_golden),
        cmocka_unit_test(the_bank_equals_the_golden),
        cmocka_unit_test(scores_and_maps_equal_the_golden),
        cmocka_unit_test(metrics_of_our_maps_equal_the_golden),
        cmocka_unit_test(metrics_of_the_golden_maps_equal_the_golden),
        cmocka_unit_test(training_equals_the_golden),
    };
    return cmocka_run_group_tests(tests, start, parity_stop);
}
