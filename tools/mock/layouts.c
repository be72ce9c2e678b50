/* layouts.c - see layouts.h. The layouts are those of docs/DATASETS.md. */
#include "mock/layouts.h"

#include <stddef.h>

/* Parts of a row. */
#define NORMAL(set_, classes_, image_, first_) \
    .set = (set_), .classes = (classes_), .image = (image_), .first = (first_)
#define DEFECT(set_, classes_, image_, first_) \
    NORMAL(set_, classes_, image_, first_), .is_anomalous = true
#define LABELS(list_, style_) .list = (list_), .list_style = (style_)

#define MVTEC(name)                                       \
    {NORMAL(name, NULL, "@/train/good/###.png", 0)},      \
        {NORMAL(name, NULL, "@/test/good/###.png", 0)},   \
    {                                                     \
        DEFECT(name, NULL, "@/test/scratch/###.png", 0),  \
            .mask = "@/ground_truth/scratch/###_mask.png" \
    }

#define VISA LABELS("split_csv/1cls.csv", LIST_VISA)

#define BTAD(class, ext, mask_ext)                         \
    {NORMAL("BTAD", class, "@/train/ok/####." ext, 0)},    \
        {NORMAL("BTAD", class, "@/test/ok/####." ext, 0)}, \
    {                                                      \
        DEFECT("BTAD", class, "@/test/ko/####." ext, 0),   \
            .mask = "@/ground_truth/ko/####." mask_ext     \
    }

#define DAGM_CLASSES "Class1 Class2 Class3 Class4 Class5 Class6 Class7 Class8 Class9 Class10"
#define DAGM(part, n)                                                   \
    {NORMAL("DAGM", DAGM_CLASSES, "@/" part "/####.PNG", n),            \
     LABELS("@/" part "/Label/Labels.txt", LIST_DAGM)},                 \
    {                                                                   \
        DEFECT("DAGM", DAGM_CLASSES, "@/" part "/####.PNG", (n) + 500), \
            .mask = "@/" part "/Label/####_label.PNG",                  \
            LABELS("@/" part "/Label/Labels.txt", LIST_DAGM)            \
    }

#define KSDD2(part, n)                                                                  \
    {NORMAL("KSDD2", "", part "/#####.png", n), .mask = part "/#####_GT.png",           \
     .style = MASK_BLACK},                                                              \
    {                                                                                   \
        DEFECT("KSDD2", "", part "/#####.png", (n) + 500), .mask = part "/#####_GT.png" \
    }

#define POLYPS(name, ext)                                           \
    {                                                               \
        DEFECT(name, "", "images/#." ext, 1), .mask = "masks/#.png" \
    }

#define ISIC "ISBI2016_ISIC_Part1_Test_"

const struct group groups[] = {
    MVTEC("mvtec"),
    MVTEC("MPDD"),
    MVTEC("DTD-Synthetic"),
    {NORMAL("visa", NULL, "@/Data/Images/Normal/####.JPG", 0), VISA, .split = "train"},
    {NORMAL("visa", NULL, "@/Data/Images/Normal/####.JPG", 500), VISA, .split = "test"},
    {DEFECT("visa", NULL, "@/Data/Images/Anomaly/###.JPG", 0),
     .mask = "@/Data/Masks/Anomaly/###.png", .style = MASK_LABELS, VISA, .split = "test"},
    BTAD("01", "bmp", "png"),
    BTAD("02", "png", "png"),
    BTAD("03", "bmp", "bmp"),
    DAGM("Train", 576),
    DAGM("Test", 1),
    KSDD2("train", 10000),
    KSDD2("test", 20000),
    {NORMAL("KolektorSDD", "", "kos##/Part0.jpg", 1), .mask = "kos##/Part0_label.bmp",
     .style = MASK_BLACK},
    {DEFECT("KolektorSDD", "", "kos##/Part5.jpg", 1), .mask = "kos##/Part5_label.bmp"},
    {DEFECT("HeadCT", "", "head_ct/head_ct/###.png", 0), LABELS("labels.csv", LIST_HEADCT)},
    {NORMAL("HeadCT", "", "head_ct/head_ct/###.png", 100), LABELS("labels.csv", LIST_HEADCT)},
    /* the archive holds everything twice */
    {NORMAL("BrainMRI", "", "brain_tumor_dataset/no/# no.jpeg", 1)},
    {DEFECT("BrainMRI", "", "brain_tumor_dataset/yes/Y#.JPG", 1)},
    {NORMAL("BrainMRI", "", "no/# no.jpeg", 1)},
    {DEFECT("BrainMRI", "", "yes/Y#.JPG", 1)},
    {NORMAL("Br35H", "", "no/no#.jpg", 0)},
    {DEFECT("Br35H", "", "yes/y#.jpg", 0)},
    {DEFECT("Br35H", "", "pred/pred#.jpg", 0)},
    {DEFECT("ISIC", "", ISIC "Data/ISIC_#######.jpg", 3),
     .mask = ISIC "GroundTruth/ISIC_#######_Segmentation.png"},
    POLYPS("CVC-ClinicDB", "png"),
    POLYPS("CVC-ColonDB", "png"),
    POLYPS("Kvasir", "png"),
    POLYPS("CVC-300", "png"),
    POLYPS("Endo", "jpg"),
    {DEFECT("TN3K", "", "test-image/####.jpg", 0), .mask = "test-mask/####.jpg"},
    {DEFECT("TN3K", "", "trainval-image/####.jpg", 0), .mask = "trainval-mask/####.jpg"},
    {NORMAL("COVID-19", "", "Normal/images/Normal-#.png", 1)},
    {NORMAL("COVID-19", "", "Normal/masks/Normal-#.png", 1)}, /* of the lungs */
    {DEFECT("COVID-19", "", "COVID/images/COVID-#.png", 1)},
    {DEFECT("COVID-19", "", "COVID/masks/COVID-#.png", 1)},
    {DEFECT("COVID-19", "", "Lung_Opacity/images/Lung_Opacity-#.png", 1)},
    {0},
};
