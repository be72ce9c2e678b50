#!/usr/bin/env bash
# `mrad index` on the raw layout of every published data set, as mrad-mock writes it: items, pairs and paths as
# the layout has them, and for broken copies a message that names what is wrong and where.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

"$bin/mrad-mock" --out "$dir/mock" --size 48 --normal 2 --anomalous 1 --classes 2

# What each download holds, written down by hand: class|image|mask|specie|anomaly of the test split, in order.
cat >"$dir/want" <<'EOT'
mvtec|bottle|bottle/test/good/000.png||good|0
mvtec|bottle|bottle/test/good/001.png||good|0
mvtec|bottle|bottle/test/scratch/000.png|bottle/ground_truth/scratch/000_mask.png|scratch|1
mvtec|cable|cable/test/good/000.png||good|0
mvtec|cable|cable/test/good/001.png||good|0
mvtec|cable|cable/test/scratch/000.png|cable/ground_truth/scratch/000_mask.png|scratch|1
visa|candle|candle/Data/Images/Anomaly/000.JPG|candle/Data/Masks/Anomaly/000.png|defect|1
visa|candle|candle/Data/Images/Normal/0500.JPG||good|0
visa|candle|candle/Data/Images/Normal/0501.JPG||good|0
visa|capsules|capsules/Data/Images/Anomaly/000.JPG|capsules/Data/Masks/Anomaly/000.png|defect|1
visa|capsules|capsules/Data/Images/Normal/0500.JPG||good|0
visa|capsules|capsules/Data/Images/Normal/0501.JPG||good|0
BTAD|01|01/test/ko/0000.bmp|01/ground_truth/ko/0000.png|ko|1
BTAD|01|01/test/ok/0000.bmp||ok|0
BTAD|01|01/test/ok/0001.bmp||ok|0
BTAD|02|02/test/ko/0000.png|02/ground_truth/ko/0000.png|ko|1
BTAD|02|02/test/ok/0000.png||ok|0
BTAD|02|02/test/ok/0001.png||ok|0
BTAD|03|03/test/ko/0000.bmp|03/ground_truth/ko/0000.bmp|ko|1
BTAD|03|03/test/ok/0000.bmp||ok|0
BTAD|03|03/test/ok/0001.bmp||ok|0
DAGM|Class1|Class1/Test/0001.PNG||good|0
DAGM|Class1|Class1/Test/0002.PNG||good|0
DAGM|Class1|Class1/Test/0501.PNG|Class1/Test/Label/0501_label.PNG|defect|1
DAGM|Class2|Class2/Test/0001.PNG||good|0
DAGM|Class2|Class2/Test/0002.PNG||good|0
DAGM|Class2|Class2/Test/0501.PNG|Class2/Test/Label/0501_label.PNG|defect|1
KSDD2|electrical commutators|test/20000.png||good|0
KSDD2|electrical commutators|test/20001.png||good|0
KSDD2|electrical commutators|test/20500.png|test/20500_GT.png|defect|1
KolektorSDD|electrical commutators|kos01/Part0.jpg||good|0
KolektorSDD|electrical commutators|kos01/Part5.jpg|kos01/Part5_label.bmp|defect|1
KolektorSDD|electrical commutators|kos02/Part0.jpg||good|0
HeadCT|brain|head_ct/head_ct/000.png||defect|1
HeadCT|brain|head_ct/head_ct/100.png||good|0
HeadCT|brain|head_ct/head_ct/101.png||good|0
BrainMRI|brain|brain_tumor_dataset/no/1 no.jpeg||no|0
BrainMRI|brain|brain_tumor_dataset/no/2 no.jpeg||no|0
BrainMRI|brain|brain_tumor_dataset/yes/Y1.JPG||yes|1
Br35H|brain|no/no0.jpg||no|0
Br35H|brain|no/no1.jpg||no|0
Br35H|brain|yes/y0.jpg||yes|1
ISIC|skin|ISBI2016_ISIC_Part1_Test_Data/ISIC_0000003.jpg|ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_0000003_Segmentation.png||1
CVC-ClinicDB|colon|images/1.png|masks/1.png||1
CVC-ColonDB|colon|images/1.png|masks/1.png||1
Kvasir|colon|images/1.png|masks/1.png||1
CVC-300|colon|images/1.png|masks/1.png||1
Endo|colon|images/1.jpg|masks/1.png||1
TN3K|thyroid|test-image/0000.jpg|test-mask/0000.jpg||1
COVID-19|chest|COVID/images/COVID-1.png||COVID|1
COVID-19|chest|Normal/images/Normal-1.png||Normal|0
COVID-19|chest|Normal/images/Normal-2.png||Normal|0
EOT

index_is() { # SET DATASET ROOT: the entries are those of SET
    run 0 index "$2" "$3" --variant any --out "$dir/meta.json"
    grep "^$1|" "$dir/want" | cut -d'|' -f2- >"$dir/want.set"
    check_py "$last: other entries" "$dir/meta.json" "$dir/want.set" <<'PY'
import sys
from cli import load
got = [f"{c}|{e['img_path']}|{e['mask_path']}|{e['specie_name']}|{e['anomaly']}" for c, l in load(sys.argv[1])["test"].items() for e in l]
want = open(sys.argv[2]).read().splitlines()
assert got == want and want, "\n".join(got)
PY
}

sets=$(cut -d'|' -f1 "$dir/want" | uniq)
for set in $sets; do
    index_is "$set" "$set" "$dir/mock/$set"
    ! grep -q 'error' "$dir/err" || fail "$last: $(cat "$dir/err")"
done
[ "$(wc -w <<<"$sets")" = 17 ] || fail "written down: $sets"
for set in MPDD DTD-Synthetic; do # mvtec's layout
    run 0 index "$set" "$dir/mock/$set" --variant any --out "$dir/meta.json"
    out_has "    2          1        1"
done
run 0 index COVID-19 "$dir/mock/COVID-19" --variant any --out "$dir/meta.json"
for line in COVID/masks/ Normal/masks/ Lung_Opacity/; do err_has "  $line"; done
run 0 index Br35H "$dir/mock/Br35H" --variant any --out "$dir/meta.json"
err_has '  pred/'

# what trains: as the list or the folder says
check_train() { # SET LINES "class image anomaly"
    run 0 index "$1" "$dir/mock/$1" --variant any --out "$dir/meta.json"
    check_py "$1: other training images" "$dir/meta.json" "$2" <<'PY'
import sys
from cli import load
got = [f"{c} {e['img_path']} {e['anomaly']}" for c, l in load(sys.argv[1])["train"].items() for e in l]
assert got == sys.argv[2].split("\n"), "\n".join(got)
PY
}
check_train visa 'candle candle/Data/Images/Normal/0000.JPG 0
candle candle/Data/Images/Normal/0001.JPG 0
capsules capsules/Data/Images/Normal/0000.JPG 0
capsules capsules/Data/Images/Normal/0001.JPG 0'
check_train KSDD2 'electrical commutators train/10000.png 0
electrical commutators train/10001.png 0
electrical commutators train/10500.png 1'
check_train DAGM 'Class1 Class1/Train/0576.PNG 0
Class1 Class1/Train/0577.PNG 0
Class1 Class1/Train/1076.PNG 1
Class2 Class2/Train/0576.PNG 0
Class2 Class2/Train/0577.PNG 0
Class2 Class2/Train/1076.PNG 1'

# other places of the same files
mkdir -p "$dir/visa" "$dir/head" "$dir/isic/skin/test"
cp -r "$dir/mock/visa/." "$dir/visa" && rm -r "$dir/visa/split_csv"
run 1 index visa "$dir/visa"
err_has "$dir/visa: found no split_csv/1cls.csv; the layout \"visa\" expects CLASS/Data/"
index_is mvtec visa "$dir/mock/mvtec" # converted to MVTec's layout
cp -r "$dir/mock/HeadCT/head_ct/head_ct" "$dir/mock/HeadCT/labels.csv" "$dir/head"
sed 's|head_ct/head_ct/|head_ct/|' "$dir/want" >"$dir/flat" && cp "$dir/want" "$dir/kept" && cp "$dir/flat" "$dir/want"
index_is HeadCT head-ct-hemorrhage "$dir/head"
cp "$dir/kept" "$dir/want"
cp -r "$dir/mock/ISIC/ISBI2016_ISIC_Part1_Test_Data" "$dir/isic/skin/test/bad"
cp -r "$dir/mock/ISIC/ISBI2016_ISIC_Part1_Test_GroundTruth" "$dir/isic/skin"
run 0 index isbi "$dir/isic" --variant any
grep -q '"mask_path": "skin/ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_0000003_Segmentation.png"' "$dir/isic/meta.json" ||
    fail "the copy of ISIC in a folder skin/ has other masks"

# Each break of a copy has its message. The copy is fresh for each.
copy() { # SET
    rm -rf "$dir/raw"
    cp -r "$dir/mock/$1" "$dir/raw"
    set=$1
}
breaks() { # TEXTS...: index fails, every text is on stderr, nothing is written
    run 1 index "$set" "$dir/raw"
    out_is_empty
    for text in "$@"; do err_has "$text"; done
    [ ! -e "$dir/raw/meta.json" ] || fail "$last wrote meta.json"
}

while read -r set mask image; do # a mask is gone
    copy "$set"
    rm "$dir/raw/$mask"
    breaks 'error: anomalous images without a mask (1):' "  $image" \
        "mrad: $dir/raw: 1 anomalous images have no mask, the first is $image"
done <<'EOT'
mvtec cable/ground_truth/scratch/000_mask.png cable/test/scratch/000.png
MPDD bracket_brown/ground_truth/scratch/000_mask.png bracket_brown/test/scratch/000.png
DTD-Synthetic Fibrous_183/ground_truth/scratch/000_mask.png Fibrous_183/test/scratch/000.png
visa capsules/Data/Masks/Anomaly/000.png capsules/Data/Images/Anomaly/000.JPG
BTAD 03/ground_truth/ko/0000.bmp 03/test/ko/0000.bmp
DAGM Class2/Test/Label/0501_label.PNG Class2/Test/0501.PNG
KSDD2 test/20001_GT.png test/20001.png
KolektorSDD kos02/Part0_label.bmp kos02/Part0.jpg
ISIC ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_0000003_Segmentation.png ISBI2016_ISIC_Part1_Test_Data/ISIC_0000003.jpg
CVC-ClinicDB masks/1.png images/1.png
Endo masks/1.png images/1.jpg
TN3K test-mask/0000.jpg test-image/0000.jpg
EOT

while read -r set file twin; do # two files of one stem
    copy "$set"
    cp "$dir/raw/$file" "$dir/raw/$twin"
    breaks 'error: files with one stem (1):' "  $(dirname "$file")/" "1 pairs of files have one stem"
done <<'EOT'
mvtec bottle/test/good/000.png bottle/test/good/000.jpg
visa candle/Data/Images/Normal/0500.JPG candle/Data/Images/Normal/0500.png
BTAD 01/ground_truth/ko/0000.png 01/ground_truth/ko/0000.bmp
DAGM Class1/Test/0001.PNG Class1/Test/0001.bmp
KSDD2 test/20500.png test/20500.jpg
KolektorSDD kos01/Part5_label.bmp kos01/Part5_label.png
HeadCT head_ct/head_ct/000.png head_ct/head_ct/000.jpg
BrainMRI brain_tumor_dataset/yes/Y1.JPG brain_tumor_dataset/yes/Y1.png
ISIC ISBI2016_ISIC_Part1_Test_Data/ISIC_0000003.jpg ISBI2016_ISIC_Part1_Test_Data/ISIC_0000003.png
Kvasir images/1.png images/1.jpg
TN3K test-image/0000.jpg test-image/0000.png
COVID-19 Normal/images/Normal-1.png Normal/images/Normal-1.jpg
EOT

while read -r set file; do # a file that is no image
    copy "$set"
    echo '<html>404 Not Found</html>' >"$dir/raw/$file"
    breaks 'error: files that are no images (1):' "  $file: not a PNG, JPEG," \
        "1 files are no images, the first is $file: not a PNG"
    : >"$dir/raw/$file"
    breaks "  $file: not a PNG"
done <<'EOT'
mvtec bottle/ground_truth/scratch/000_mask.png
visa candle/Data/Images/Normal/0000.JPG
BTAD 02/test/ok/0001.png
DAGM Class1/Train/Label/1076_label.PNG
KSDD2 train/10001_GT.png
KolektorSDD kos01/Part5_label.bmp
HeadCT head_ct/head_ct/101.png
Br35H yes/y0.jpg
ISIC ISBI2016_ISIC_Part1_Test_GroundTruth/ISIC_0000003_Segmentation.png
CVC-300 images/1.png
TN3K test-mask/0000.jpg
COVID-19 COVID/images/COVID-1.png
EOT

while read -r set file from list; do # an image that the label list does not have, and one that is gone
    copy "$set"
    cp "$dir/raw/$from" "$dir/raw/$file"
    breaks 'error: images that the label list does not have (1):' "  $file" "1 images are not in the label list"
    copy "$set"
    rm "$dir/raw/$from"
    breaks 'error: listed images that are missing (1):' "  $from ($list, line " "1 listed images are missing"
done <<'EOT'
visa candle/Data/Images/Normal/0777.JPG candle/Data/Images/Normal/0501.JPG split_csv/1cls.csv
DAGM Class1/Test/0777.PNG Class1/Test/0002.PNG Class1/Test/Label/Labels.txt
HeadCT head_ct/head_ct/177.png head_ct/head_ct/100.png labels.csv
EOT

while read -r set list from to text; do # a line of a label list
    copy "$set"
    sed -i "$from s/.*/${to//_/$'\t'}/" "$dir/raw/$list"
    breaks "mrad: $dir/raw: $list, line $from: ${text//_/ }"
done <<'EOT'
visa split_csv/1cls.csv 3 a,val,normal,a.JPG, found_"val",_wanted_train_or_test
visa split_csv/1cls.csv 3 a,test,bad,a.JPG, found_"bad",_wanted_normal_or_anomaly
visa split_csv/1cls.csv 4 candle found_"candle",_wanted_object,split,label,image,mask
DAGM Class2/Test/Label/Labels.txt 2 1_2_0001.PNG found_"2",_wanted_0_or_1
DAGM Class2/Test/Label/Labels.txt 3 nothing found_"nothing",_wanted_number,_0_or_1,_image_between_tabs
HeadCT labels.csv 2 x,1 found_"x",_wanted_the_number_of_an_image_and_0_or_1
EOT
copy HeadCT
echo '0,1' >>"$dir/raw/labels.csv"
breaks "$dir/raw/labels.csv, line 5: the image head_ct/head_ct/000.png was listed in line 2 already"

# What only warns: a mask without an image shifts no pair, since stems decide and not the order
copy CVC-ColonDB
for n in 2 3; do cp "$dir/raw/images/1.png" "$dir/raw/images/$n.png" && cp "$dir/raw/masks/1.png" "$dir/raw/masks/$n.png"; done
cp "$dir/raw/masks/1.png" "$dir/raw/masks/0.png"
cp "$dir/raw/masks/1.png" "$dir/raw/masks/Thumbs.db"
run 0 index CVC-ColonDB "$dir/raw" --variant any
err_has 'warning: masks without an anomalous image (1):'
err_has '  masks/0.png'
err_has '  masks/Thumbs.db'
check_py "pairs beside an extra mask" "$dir/raw/meta.json" <<'PY'
import sys
from cli import load
pairs = [(e["img_path"], e["mask_path"]) for e in load(sys.argv[1])["test"]["colon"]]
assert pairs == [(f"images/{n}.png", f"masks/{n}.png") for n in (1, 2, 3)], pairs
PY
copy DAGM # without its lists, masks decide, and that is said
rm "$dir"/raw/Class*/*/Label/Labels.txt
index_is DAGM DAGM "$dir/raw"
err_has 'warning: no label list, so images with a mask are the anomalous ones (4):'
err_has '  Class1/Test/Label/Labels.txt'
copy DAGM # a mask of an image that the list calls normal
cp "$dir/raw/Class1/Test/Label/0501_label.PNG" "$dir/raw/Class1/Test/Label/0002_label.PNG"
index_is DAGM DAGM "$dir/raw"
err_has 'warning: masks without an anomalous image (1):'
err_has '  Class1/Test/Label/0002_label.PNG'
copy mvtec # extensions in any case
mv "$dir/raw/bottle/test/scratch/000.png" "$dir/raw/bottle/test/scratch/000.PnG"
mv "$dir/raw/bottle/ground_truth/scratch/000_mask.png" "$dir/raw/bottle/ground_truth/scratch/000_mask.BMP"
run 0 index mvtec "$dir/raw" --variant any
grep -q '"mask_path": "bottle/ground_truth/scratch/000_mask.BMP"' "$dir/raw/meta.json" || fail "extensions in another case: $(cat "$dir/err")"
finish
