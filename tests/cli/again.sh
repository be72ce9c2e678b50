#!/usr/bin/env bash
# `plan` says why something is made again: which option, weights, images, labels or seed differ from what the
# store has; a stale bank, head, score or row names the product before it; equal reasons share a line.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
write_job "$dir/job.json" "fabric parts cells" \
    '"features": {"shard_items": 3}, "pairs": [["fabric", "parts"], ["fabric", "cells"], ["cells", "fabric"]], "variants": ["mrad-tf", "mrad-ft"]'

# The lines about what is made again are exactly these.
again() { # LINES, plan's options...
    local want=$1
    shift
    run 0 plan "$dir/job.json" "$@"
    sed -n 's/^again  *//p' "$dir/out" >"$dir/again"
    diff <(printf '%s' "$want") "$dir/again" >"$dir/diff" || fail "$last: $(cat "$dir/diff")"
}

again "" # nothing of any kind is there: missing, not stale
run 0 sweep "$dir/job.json"
again ""

sets='fabric, parts, cells'
cells='mrad-tf fabric -> parts, mrad-tf fabric -> cells, mrad-tf cells -> fabric and 3 more'
stale="bank of fabric, cells: the features changed
head of mrad-ft on fabric, mrad-ft on cells: the bank changed
scores of $cells: the bank changed; the features of the test set changed
rows of $cells: the scores changed
"
again "features of $sets: model.image_size was 56, is 28
$stale" --image-size 28
again "features of $sets: model.image_size was 56, is 28; features.dtype was \"f32\", is \"bf16\"
$stale" --image-size 28 --set features.dtype=bf16
again "scores of $cells: score.k was 0.7, is 0.5
rows of $cells: the scores changed
" --set score.k=0.5
again "rows of $cells: metrics.pro_steps was 200, is 100
" --set metrics.pro_steps=100
again "bank of fabric, cells: run.on_bad_item changed
head of mrad-ft on fabric, mrad-ft on cells: the bank changed
scores of $cells: the bank changed
rows of $cells: the scores changed
" --on-bad-item skip
again "head of mrad-ft on fabric, mrad-ft on cells: train.ft.epochs was 1, is 2; seed was 111, is 5
scores of mrad-ft fabric -> parts, mrad-ft fabric -> cells, mrad-ft cells -> fabric: the head changed
rows of mrad-tf fabric -> parts, mrad-tf fabric -> cells, mrad-tf cells -> fabric: seed was 111, is 5
rows of mrad-ft fabric -> parts, mrad-ft fabric -> cells, mrad-ft cells -> fabric: the scores changed; seed was 111, is 5
" --set train.ft.epochs=2 --set seeds=[5]
# a product that another setting of the same job uses is not a former one
again "" --set 'ablations=[{"score.k": 0.1}]'
again "" --set seeds=[111,5]

# reduced banks are compared with reduced ones
run 0 bank "$dir/job.json" --reduce random:6
run 0 plan "$dir/job.json" --set bank.reduce=random --set bank.entries=4
out_has "again     reduced bank of fabric, cells: bank.entries was 6, is 4"

# of several former products the nearest counts: one option away, not two
run 0 extract "$dir/job.json" --image-size 28 --set features.dtype=f16
run 0 plan "$dir/job.json" --image-size 28
out_has "again     features of $sets: features.dtype was \"f16\", is \"f32\""

# images: another content, one more, one less, another label, another name
meta=$dir/world/fabric/meta.json
cp "$meta" "$dir/meta.json"
of_fabric() { # LINE
    run 0 plan "$dir/job.json"
    grep -qxF "again     features of fabric: $1" "$dir/out" || fail "$1: not in $(grep '^again' "$dir/out")"
    ! grep -q '^again .*features of .*\(cells\|parts\)' "$dir/out" || fail "only fabric changed: $(grep '^again' "$dir/out")"
}
edit_meta() { # PYTHON on `items`, a list of all entries
    python3 - "$dir/meta.json" "$meta" "$1" <<'PY'
import json
import sys
tree = json.load(open(sys.argv[1]))
name = next(iter(tree["test"]))
items = tree["test"][name]
exec(sys.argv[3])
json.dump(tree, open(sys.argv[2], "w"))
PY
}
n=$(python3 -c 'import json, sys; print(sum(map(len, json.load(open(sys.argv[1]))["test"].values())))' "$meta")
mapfile -t image < <(python3 -c 'import json, sys; [print(i["img_path"]) for c in json.load(open(sys.argv[1]))["test"].values() for i in c]' "$meta")

edit_meta 'items[0]["anomaly"] = 1 - items[0]["anomaly"]'
of_fabric "the labels of 1 of $n images changed: ${image[0]}"
edit_meta 'items.reverse()'
of_fabric "the order of the images changed"
edit_meta 'del items[1]'
of_fabric "1 of $n images removed"
edit_meta 'tree["test"] = {"other" if c == name else c: i for c, i in tree["test"].items()}'
of_fabric "names of images or classes changed"
cp "$(find "$dir/world/cells" -path '*/test/*.png' | sort | head -1)" "$dir/world/fabric/more.png"
edit_meta 'items.append({**items[0], "img_path": "more.png"})'
of_fabric "1 of $((n + 1)) images added: more.png"
edit_meta 'items[1] = {**items[0], "img_path": "more.png"}; del items[2]'
of_fabric "1 of $((n - 1)) images or masks changed or added: more.png; 2 of $n former ones gone"
cp "$dir/meta.json" "$meta"
for i in 0 2 3 5; do # other bytes, the same picture: all that counts is the content of the file
    printf 'more' >>"$dir/world/fabric/${image[$i]}"
done
of_fabric "4 of $n images or masks changed: ${image[0]}, ${image[2]}, ${image[3]}, ..."
mask=$(find "$dir/world/fabric" -name '*_mask.png' | sort | head -1)
printf 'more' >>"$mask"
run 0 plan "$dir/job.json"
grep -qE "^again     features of fabric: [45] of $n images or masks changed: " "$dir/out" || fail "a mask: $(cat "$dir/out")"
out_has "again     bank of fabric: the features changed"
out_has "again     scores of mrad-tf fabric -> parts, mrad-tf fabric -> cells, mrad-ft fabric -> parts and 1 more: the bank changed"

# other weights too; a former product that is damaged says nothing
"$bin/mrad-weights" --out "$dir/model.safetensors" --shape "$small_shape" --seed 2
run 0 plan "$dir/job.json"
out_has "again     features of parts, cells: the weights changed"
[ "$(grep -c '^again' "$dir/out")" -le 6 ] || fail "more lines than reasons: $(cat "$dir/out")"
for file in $(find "$dir/store/features/cells" -name '*.h5'); do
    printf 'no HDF5' >"$file"
done
run 0 plan "$dir/job.json"
out_has "again     features of parts: the weights changed"
finish
