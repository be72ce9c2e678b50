/*
 * layout_table.c - the raw layouts, one row each. docs/DATASETS.md shows them as trees, the fact
 * "layout" in configs/datasets says who describes them. Of a row's rules the first that fits counts.
 */
#include "datasets/dataset_int.h"

#include <strings.h>

const struct layout layouts[] = {
    {.name = "mvtec",
     .expects = "CLASS/{train/good,test/{good,DEFECT},ground_truth/DEFECT/NAME_mask.png}",
     .needs = {"*/test"},
     .class_is_folder = true,
     .rule = {{"*/train/good", TRUTH_NORMAL, .is_train = true},
              {"*/train/ok", TRUTH_NORMAL, .is_train = true},
              {"*/test/good", TRUTH_NORMAL},
              {"*/test/ok", TRUTH_NORMAL},
              {"*/test/*", TRUTH_ANOMALOUS, .masks = "*/ground_truth/*", .suffix = {"_mask", ""}}}},
    {.name = "visa",
     .expects = "CLASS/Data/{Images/{Normal,Anomaly},Masks/Anomaly}/NNNN.*, split_csv/1cls.csv",
     .needs = {"split_csv/1cls.csv"},
     .class_is_folder = true,
     .read_list = read_visa_list,
     .rule = {{"*/Data/Images/Normal", TRUTH_LIST, .list = "split_csv/1cls.csv"},
              {"*/Data/Images/Anomaly", TRUTH_LIST, .masks = "*/Data/Masks/Anomaly", .suffix = {""},
               .list = "split_csv/1cls.csv"}}},
    {.name = "kolektor",
     .expects = "kosNN/{PartN.jpg,PartN_label.bmp}",
     .needs = {"kos*"},
     .rule = {{"kos*", TRUTH_PIXELS, .masks = "kos*", .suffix = {"_label"}}}},
    {.name = "ksdd2",
     .expects = "{train,test}/{NNNNN.png,NNNNN_GT.png}",
     .needs = {"test"},
     .rule = {{"train", TRUTH_PIXELS, .is_train = true, .masks = "train", .suffix = {"_GT"}},
              {"test", TRUTH_PIXELS, .masks = "test", .suffix = {"_GT"}}}},
    {.name = "dagm",
     .expects = "ClassN/{Train,Test}/{NNNN.PNG,Label/NNNN_label.PNG,Label/Labels.txt}",
     .needs = {"Class*"},
     .class_is_folder = true,
     .read_list = read_dagm_list,
     .rule = {{"Class*/Train", TRUTH_LIST, .is_train = true, .masks = "Class*/Train/Label",
               .suffix = {"_label"}, .list = "Class*/Train/Label/Labels.txt"},
              {"Class*/Test", TRUTH_LIST, .masks = "Class*/Test/Label", .suffix = {"_label"},
               .list = "Class*/Test/Label/Labels.txt"}}},
    {.name = "headct",
     .expects = "head_ct/NNN.png or head_ct/head_ct/NNN.png, labels.csv",
     .needs = {"labels.csv", "head_ct"},
     .read_list = read_headct_list,
     .rule = {{"head_ct/head_ct", TRUTH_LIST, .list = "labels.csv"},
              {"head_ct", TRUTH_LIST, .list = "labels.csv"}}},
    {.name = "yes-no",
     .expects = "brain_tumor_dataset/{yes,no}/NAME.jpg, or {yes,no}/NAME.jpg",
     .inner = "brain_tumor_dataset",
     .needs = {"yes", "no"},
     .rule = {{"no", TRUTH_NORMAL}, {"yes", TRUTH_ANOMALOUS}}},
    {.name = "images-masks",
     .expects = "{images,masks}/NAME.*",
     .needs = {"images", "masks"},
     .rule = {{"images", TRUTH_ANOMALOUS, .masks = "masks", .suffix = {""}, .specie = ""}}},
    {.name = "isic",
     .expects = "ISBI2016_ISIC_Part1_Test_{Data/ID.jpg,GroundTruth/ID_Segmentation.png}, or "
                "skin/{test/KIND/ID.jpg,ISBI2016_ISIC_Part1_Test_GroundTruth/ID_Segmentation.png}",
     .rule = {{"ISBI2016_ISIC_Part1_Test_Data", TRUTH_ANOMALOUS,
               .masks = "ISBI2016_ISIC_Part1_Test_GroundTruth", .suffix = {"_Segmentation"},
               .specie = ""},
              {"skin/test/*", TRUTH_ANOMALOUS, .masks = "skin/ISBI2016_ISIC_Part1_Test_GroundTruth",
               .suffix = {"_Segmentation"}}}},
    {.name = "tn3k",
     .expects = "{test-image,test-mask}/NNNN.jpg",
     .needs = {"test-image", "test-mask"},
     .rule = {{"test-image", TRUTH_ANOMALOUS, .masks = "test-mask", .suffix = {""}, .specie = ""}}},
    {.name = "covid",
     .expects = "{Normal,COVID*}/NAME.png or {Normal,COVID*}/images/NAME.png",
     .needs = {"Normal"},
     .rule = {{"Normal/images", TRUTH_NORMAL, .specie = "Normal"},
              {"COVID*/images", TRUTH_ANOMALOUS, .specie = "COVID"},
              {"Normal", TRUTH_NORMAL, .specie = "Normal"},
              {"COVID*", TRUTH_ANOMALOUS, .specie = "COVID"}}},
};

const size_t n_layouts = sizeof layouts / sizeof *layouts;

const struct layout *layout_find(const char *name)
{
    for (size_t i = 0; i < n_layouts; i++)
        if (strcasecmp(layouts[i].name, name) == 0)
            return &layouts[i];
    return NULL;
}
