#!/usr/bin/env bash
# `mrad index`: each raw layout in miniature, the counts on stdout, the report on stderr, and broken layouts.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

"$bin/mrad-synth" --out "$dir/world" --size 64 --normal 1 --anomalous 2 >/dev/null
image=$dir/world/fabric/leather/test/good/000.png
mask=$(find "$dir/world/fabric" -name '*_mask.png' | sort | head -n1)

put() { # SOURCE FILES...: copies in $dir/raw
    local file
    for file in "${@:2}"; do
        mkdir -p "$dir/raw/$(dirname "$file")"
        cp "$1" "$dir/raw/$file"
    done
}

counts_are() { # LINES "class normal anomalous masks"
    local got
    got=$(sed -E 's/ +([0-9]+) +([0-9]+) +([0-9]+)$/ \1 \2 \3/' "$dir/out" | tail -n +2)
    [ "$got" = "$1" ] || fail "$last: the counts are
$got
wanted
$1"
    [ "$(head -n1 "$dir/out" | xargs)" = "class normal anomalous masks" ] || fail "$last: $(head -n1 "$dir/out")"
}

entries_are() { # FILE LINES "class image mask specie anomaly" of the test split
    check_py "$last: other entries" "$1" "$2" <<'PY'
import sys
from cli import load
meta = load(sys.argv[1])
got = [f"{c}|{e['img_path']}|{e['mask_path']}|{e['specie_name']}|{e['anomaly']}" for c, l in meta["test"].items() for e in l]
assert all(e["cls_name"] == c for c, l in meta["test"].items() for e in l)
assert got == sys.argv[2].split("\n"), "\n".join(got)
PY
}

# mvtec: folders name the classes; what does not belong is reported, an orphan mask too
put "$image" b/train/good/0.png b/test/good/0.png b/test/cut/0.png b/test/cut/1.png 'a c/test/ok/0.png' notes/0.png
put "$mask" b/ground_truth/cut/0_mask.png b/ground_truth/cut/1.png b/ground_truth/cut/9_mask.png
run 0 index MVTec-AD "$dir/raw" --variant any
counts_are 'a c 1 0 0
b 1 2 2'
entries_are "$dir/raw/meta.json" 'a c|a c/test/ok/0.png||ok|0
b|b/test/cut/0.png|b/ground_truth/cut/0_mask.png|cut|1
b|b/test/cut/1.png|b/ground_truth/cut/1.png|cut|1
b|b/test/good/0.png||good|0'
err_has 'warning: masks without an anomalous image (1):'
err_has '  b/ground_truth/cut/9_mask.png'
err_has 'warning: ignored (1):'
err_has '  notes/'
err_has "mrad: $dir/raw/meta.json"
cp "$dir/raw/meta.json" "$dir/first.json"

# again: the same bytes, its own product is no news; --out leaves the root alone
run 0 index mvtec "$dir/raw" --variant any --out "$dir/elsewhere/x.json"
cmp "$dir/first.json" "$dir/elsewhere/x.json" || fail "--out writes something else"
! grep -q 'meta\.json' "$dir/err" || fail "$last reports meta.json: $(cat "$dir/err")"

# what an error reports is complete, and no manifest is written
rm "$dir/raw/meta.json" "$dir/raw/b/ground_truth/cut/1.png"
put "$image" b/test/good/0.jpg b/test/rip/3.png
run 1 index mvtec "$dir/raw"
out_is_empty
err_has 'error: anomalous images without a mask (2):'
err_has '  b/test/cut/1.png'
err_has '  b/test/rip/3.png'
err_has 'error: files with one stem (1):'
err_has '  b/test/good/0.jpg and 0.png'
err_has "mrad: $dir/raw: 2 anomalous images have no mask, the first is b/test/cut/1.png"
[ ! -e "$dir/raw/meta.json" ] || fail "a refused index wrote meta.json"
rm -r "$dir/raw"

# kolektor: the pixels of a label decide
black_png() { # FILE: a picture without a pixel above zero
    python3 - "$1" <<'PY'
import struct
import sys
import zlib
def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
rows = b"".join(b"\0" + bytes(8) for _ in range(8))
open(sys.argv[1], "wb").write(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)) +
                              chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b""))
PY
}
black_png "$dir/black.png"
put "$image" kos01/Part0.jpg kos01/Part1.jpg kos02/Part0.jpg
put "$mask" kos01/Part0_label.png
put "$dir/black.png" kos01/Part1_label.png kos02/Part0_label.png
run 0 index ksdd "$dir/raw" --variant any
counts_are 'electrical commutators 2 1 1'
entries_are "$dir/raw/meta.json" 'electrical commutators|kos01/Part0.jpg|kos01/Part0_label.png|defect|1
electrical commutators|kos01/Part1.jpg||good|0
electrical commutators|kos02/Part0.jpg||good|0'
put "$MRAD" kos02/Part0_label.png # no image at all
run 1 index KolektorSDD "$dir/raw"
err_has 'kos02/Part0_label.png'
out_is_empty
rm "$dir/raw/kos02/Part0_label.png"
run 1 index KolektorSDD "$dir/raw"
err_has '  kos02/Part0.jpg'
rm -r "$dir/raw"

# images-masks: all anomalous
put "$image" images/1.png images/2.bmp
put "$mask" masks/1.png masks/2.png masks/3.png
run 0 index layout:images-masks "$dir/raw" --class polyp
counts_are 'polyp 0 2 2'
err_has '  masks/3.png'
run 0 index ClinicDB "$dir/raw" --variant any
counts_are 'colon 0 2 2'
entries_are "$dir/raw/meta.json" 'colon|images/1.png|masks/1.png||1
colon|images/2.bmp|masks/2.png||1'
rm "$dir/raw/masks/2.png"
run 1 index ClinicDB "$dir/raw"
err_has '1 anomalous images have no mask, the first is images/2.bmp'
rm -r "$dir/raw/masks"
run 1 index ClinicDB "$dir/raw"
err_has 'found no masks; the layout "images-masks" expects {images,masks}/'
rm -r "$dir/raw"

# yes-no: no masks; the archive holds everything twice
put "$image" brain_tumor_dataset/yes/Y1.jpg brain_tumor_dataset/no/1\ no.jpeg yes/Y1.jpg
run 0 index BrainMRI "$dir/raw" --variant any
counts_are 'brain 1 1 0'
entries_are "$dir/raw/meta.json" 'brain|brain_tumor_dataset/no/1 no.jpeg||no|0
brain|brain_tumor_dataset/yes/Y1.jpg||yes|1'
err_has '  yes/'
rm -r "$dir/raw/brain_tumor_dataset"
put "$image" no/1.jpg pred/1.jpg
run 0 index Br35H "$dir/raw" --variant any
counts_are 'brain 1 1 0'
err_has '  pred/'

# another layout, no folder, no right to write
run 1 index mvtec "$dir/raw"
err_has 'found no */test; the layout "mvtec" expects CLASS/'
out_is_empty
refused 1 "cannot open the folder $dir/none" index mvtec "$dir/none"
refused 1 "cannot open the folder $image" index mvtec "$image"
run 1 index Br35H "$dir/raw" --out "$image/meta.json"
err_has "$image"
out_is_empty
refused 2 'unknown data set "layout:mvte"' index layout:mvte "$dir/raw"
finish
