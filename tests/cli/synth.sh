#!/usr/bin/env bash
# mrad-synth: the same pixels everywhere, MVTec's layout, a mask for each anomalous picture, captions, and
# defects that neither brightness nor a rare colour gives away.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

synth=$bin/mrad-synth

# The hash is of pixels, masks and captions; it changes only when they are changed on purpose.
small=(--seed 5 --size 72 --normal 2 --anomalous 5)
want="120 files, pixels cb2ecedb9fc7d872609435602b25eefc"
got=$("$synth" --out "$dir/a b" "${small[@]}")
[ "$got" = "$want" ] || fail "printed \"$got\", wanted \"$want\""

again=$(OMP_NUM_THREADS=3 "$synth" --out "$dir/c" --part benchmark "${small[@]}")
[ "$again" = "$got" ] || fail "a second run printed \"$again\""
diff -r "$dir/a b" "$dir/c" || fail "a second run, on three threads, wrote other files"

other=$("$synth" --out "$dir/d" "${small[@]}" --seed 6)
[ "$other" != "$got" ] || fail "another seed gave the same pixels"

# One class alone: the same pictures as among all.
"$synth" --out "$dir/one" --class weave "${small[@]}" >/dev/null
diff -r "$dir/one/fabric/weave" "$dir/c/fabric/weave" || fail "--class draws other pictures"
[ "$(find "$dir/one" -mindepth 2 -maxdepth 2 -type d)" = "$dir/one/fabric/weave" ] || fail "--class writes other classes"

layout=$(cd "$dir/c" && find fabric/weave -type f | sort)
wanted='fabric/weave/ground_truth/hole/000_mask.png
fabric/weave/ground_truth/misweave/000_mask.png
fabric/weave/ground_truth/pulled_thread/000_mask.png
fabric/weave/ground_truth/stain/000_mask.png
fabric/weave/ground_truth/distortion/000_mask.png
fabric/weave/test/good/000.png
fabric/weave/test/good/001.png
fabric/weave/test/hole/000.png
fabric/weave/test/misweave/000.png
fabric/weave/test/pulled_thread/000.png
fabric/weave/test/stain/000.png
fabric/weave/test/distortion/000.png'
[ "$layout" = "$(sort <<<"$wanted")" ] || fail "the layout of fabric/weave is
$layout"

# meta.json is what `mrad index` makes of the folder; captions.jsonl has the same pictures and masks.
"$synth" --out "$dir/train" --part train --size 32 --normal 1 --anomalous 6 >/dev/null
for set in "$dir"/c/* "$dir"/train/*; do
    run 0 index layout:mvtec "$set" --out "$dir/meta.json"
    cmp "$dir/meta.json" "$set/meta.json" || fail "$set/meta.json is not what mrad index writes"
    check_py "$set: captions.jsonl" "$set" <<'PY'
import json
import sys
from cli import load
entries = {e["img_path"]: e for l in load(sys.argv[1] + "/meta.json")["test"].values() for e in l}
lines = [json.loads(line) for line in open(sys.argv[1] + "/captions.jsonl")]
assert len(lines) == len(entries) and {l["image"] for l in lines} == set(entries)
good = {"flawless", "perfect", "normal", "good", "intact", "unblemished"}
bad = {"damaged", "defective", "broken", "abnormal", "flawed"}
for l in lines:
    e = entries[l["image"]]
    assert (l["mask"] or "", l["class"], l["label"]) == (e["mask_path"], e["cls_name"], e["anomaly"]), l
    assert (l["defect"] or "good") == e["specie_name"], l
    words = set(l["caption"].split())
    assert bool(words & bad) == bool(l["label"]), l
    if l["label"]:
        assert not words & (good - {"good"}), l
assert any("object" in l["caption"] for l in lines) and any("object" not in l["caption"] for l in lines)
PY
done
[ "$(find "$dir"/train/*/* -maxdepth 0 -type d | wc -l)" -ge 14 ] || fail "fewer than 14 classes to train on"
both=$(comm -12 <(cd "$dir/c" && ls -d */*/ | cut -d/ -f2 | sort) <(cd "$dir/train" && ls -d */*/ | cut -d/ -f2 | sort))
[ -z "$both" ] || fail "in both parts: $both"

# Masks cover 0.3 % to 12 %, and the simple baselines (write_baseline.c) stay under 75.
"$synth" --out "$dir/hard" --size 112 --normal 4 --anomalous 12 >/dev/null
for set in "$dir"/hard/*; do
    "$bin/tests/write_baseline" "$set" >"$dir/out"
    while read -r name value; do
        case $name in
        brightness | colour) [ "$value" -lt 75 ] || fail "$set: pixel AUROC of $name is $value, wanted under 75" ;;
        least) [ "$value" -ge 300 ] || fail "$set: a mask covers $value / 100000 of its picture, wanted 300 or more" ;;
        most) [ "$value" -le 12000 ] || fail "$set: a mask covers $value / 100000 of its picture, wanted 12000 or less" ;;
        esac
    done <"$dir/out"
    [ "$(wc -l <"$dir/out")" = 4 ] || fail "write_baseline $set printed $(cat "$dir/out")"
done

wrong() { # TEXT OPTIONS...
    local status=0
    "$synth" "${@:2}" >"$dir/out" 2>"$dir/err" || status=$?
    last="mrad-synth ${*:2}"
    [ "$status" = 2 ] || fail "$last ended with $status, wanted 2"
    err_has "$1"
}
wrong '--out is missing' --size 64
wrong '--size "9": wanted a whole number from 32 to 2048' --out "$dir/e" --size 9
wrong '--part all: wanted train or benchmark' --out "$dir/e" --part all
wrong '--class wood: part benchmark has weave leather' --out "$dir/e" --class wood
wrong 'wanted at least one picture' --out "$dir/e" --normal 0 --anomalous 0
[ ! -e "$dir/e" ] || fail "a refused command line wrote something"
finish
