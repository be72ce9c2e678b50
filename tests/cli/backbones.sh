#!/usr/bin/env bash
# Models and options of the features as ablations: each setting has its own features, its rows are those of a job
# that has the values directly, and what settings have in common is made once. Models of other kinds, and in several files.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
"$bin/mrad-weights" --out "$dir/other.safetensors" --shape image=64,patch=8,native_grid=8,width=128,layers=1,embed=64,text_width=64,text_layers=1,context=8,vocab=32
more='"features": {"shard_items": 3}, "variants": ["mrad-tf", "mrad-ft"], "seeds": [3, 4],
 "pairs": [["fabric", "parts"], [["fabric", "cells"], "parts"]]'
settings="[{\"model.weights\": \"$dir/other.safetensors\", \"model.image_size\": [64, 32]}, {\"features.dtype\": \"f16\", \"score.k\": [0.7, 0]},
 {\"score.k\": 0}, {\"encoder.class_ln_post\": true}, {\"metrics.pro_limit\": 0.5}]"
write_job "$dir/plain.json" "fabric cells parts" "$more"
write_job "$dir/job.json" "fabric cells parts" "$more, \"ablations\": $settings"

run 0 plan "$dir/job.json"
[ "$(grep -c '^weights' "$dir/out")" = 5 ] || fail "wanted five kinds of features: $(grep '^weights' "$dir/out")"
[ "$(grep -c '^features' "$dir/out")" = $((3 * 5)) ] || fail "wanted features of three sets for each: $(grep '^features' "$dir/out")"
run 0 extract "$dir/job.json" # one model after another
run 0 sweep "$dir/job.json"
cp "$dir/run/results.json" "$dir/results.json"
[ "$(find "$dir/store/features" -name 'shard-00000.h5' | wc -l)" = 15 ] || fail "wanted 15 folders of features"
[ "$(find "$dir/store/bank" -name bank.h5 | wc -l)" = 10 ] || fail "wanted 10 banks"

i=0
for set in "" "model.weights=$dir/other.safetensors model.image_size=64" "model.weights=$dir/other.safetensors model.image_size=32" \
    "features.dtype=f16 score.k=0.7" "features.dtype=f16 score.k=0" "score.k=0" "encoder.class_ln_post=true" "metrics.pro_limit=0.5"; do
    i=$((i + 1))
    options=()
    for one in $set; do options+=(--set "$one"); done
    run 0 sweep "$dir/plain.json" --quiet --store "$dir/store-$i" --out "$dir/direct-$i" "${options[@]}"
    printf '%s\n' "$set" >"$dir/direct-$i/label"
done
check_py "each setting's rows are those of a job of its own" "$dir" $i <<'PY'
import json
import sys
from cli import *
dir, n = sys.argv[1], int(sys.argv[2])
tree = load(f"{dir}/results.json")
check_means(tree)
seen = []
for i in range(1, n + 1):
    label = open(f"{dir}/direct-{i}/label").read().strip()
    want = load(f"{dir}/direct-{i}/results.json")["rows"]
    got = [{k: v for k, v in r.items() if k != "ablation"} for r in tree["rows"] if r.get("ablation", "") == label]
    assert got == want, label
    assert len(got) == 3 * 2 * (2 + 2), (label, len(got))
    assert want not in seen, f"{label} makes no difference"
    seen.append(want)
assert len(tree["rows"]) == n * 24
made = [(e["item"], e["outcome"]) for e in map(json.loads, open(f"{dir}/run/journal.jsonl")) if "item" in e]
assert len(made) == len(dict(made)) > 200 and {outcome for _, outcome in made} == {"made"}, "something was planned twice"
weights = load(f"{dir}/run/run.json")["weights"]
assert [w["file"] for w in weights] == [f"{dir}/model.safetensors", f"{dir}/other.safetensors"], weights
assert weights[0]["hash"] != weights[1]["hash"]
PY
listing "$dir/store" >"$dir/before"
run 0 sweep "$dir/job.json"
listing "$dir/store" >"$dir/after"
cmp "$dir/before" "$dir/after" || fail "a second run made something again"
run 0 plan "$dir/job.json" --simulate ranks=1,2
# ---- kinds of models ----
"$bin/mrad-weights" --out "$dir/dinov2.safetensors" --names dinov2 --shape patch=8,native_grid=5,width=128,layers=2,registers=4
run 0 doctor --weights "$dir/dinov2.safetensors"
out_has "Hugging Face DINOv2 names, ViT of width 128, 2 blocks, patch 8, joint width 128; GELU (usual for this kind), heads of 64 columns"
out_has "ImageNet's mean and deviation; no text tower, so no mrad-clip"
dinov2=(--weights "$dir/dinov2.safetensors" --image-size 64)
run 0 eval "$dir/plain.json" --train fabric --test parts --set 'seeds=[3]' --set 'variants=["mrad-ft"]' "${dinov2[@]}" --json
check_py "a row of each class on DINOv2" "$dir/out" <<'PY'
import sys
from cli import *
rows = load(sys.argv[1])["rows"]
assert len(rows) == 3 and all(r[m] is not None for r in rows for m in METRICS)
PY
refused 2 "dinov2.safetensors: has no text tower, which mrad-clip needs" plan "$dir/plain.json" --set 'variants=["mrad-clip"]' "${dinov2[@]}"
refused 2 "dinov2.safetensors: has no text tower, which mrad-clip needs" sweep "$dir/plain.json" --set 'variants=["mrad-clip"]' "${dinov2[@]}"

# what the tensors do not tell is part of the key, and the published model's keys are without it
keys() {
    run 0 plan "$dir/plain.json" "$@"
    grep -o 'store/features/[a-z]*/[0-9a-f]*' "$dir/out" | sort -u
}
before=$(keys)
for set in model.activation=gelu model.head_size=32 model.normalise=imagenet; do
    [ -z "$(comm -12 <(echo "$before") <(keys --set "$set"))" ] || fail "$set does not change the key of features"
done
for set in model.activation=quick-gelu model.head_size=64 model.normalise=clip model.activation=auto; do
    [ "$before" = "$(keys --set "$set")" ] || fail "$set changes the key of features"
done
run 0 plan "$dir/plain.json" --set model.activation=gelu --store "$dir/store-1"
out_has "GELU (model.activation), heads of 64 columns (usual for this width), CLIP's mean and deviation"
out_has 'again     features of fabric, parts, cells: model.activation was unknown, is "gelu"'
refused 2 'heads of 48 columns (model.head_size) do not divide the vision width of 64' plan "$dir/plain.json" --set model.head_size=48

# ---- a model in several files ----

check_py "the model in three files" "$dir/model.safetensors" "$dir/parts" <<'PY'
import json
import os
import struct
import sys
source, folder = sys.argv[1:]
data = open(source, "rb").read()
(n,) = struct.unpack("<Q", data[:8])
header, data = json.loads(data[8:8 + n]), data[8 + n:]
header.pop("__metadata__", None)
names = sorted(header)
files = {f"model-{i + 1:05d}-of-00003.safetensors": names[i::3] for i in range(3)}
os.mkdir(folder)
for file, own in files.items():
    tensors, chunks, at = {}, [], 0
    for name in own:
        begin, end = header[name]["data_offsets"]
        tensors[name] = {**header[name], "data_offsets": [at, at + end - begin]}
        chunks.append(data[begin:end])
        at += end - begin
    text = json.dumps(tensors).encode()
    with open(f"{folder}/{file}", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
index = {"metadata": {"total_size": len(data)}, "weight_map": {name: file for file, own in files.items() for name in own}}
def write(name, **more):
    tree = {**index, "weight_map": {**index["weight_map"], **more}}
    open(f"{folder}/{name}.index.json", "w").write(json.dumps(tree, indent=2))
write("model.safetensors")
write("outside", **{names[0]: "../model.safetensors"})
write("swapped", **{names[0]: "model-00002-of-00003.safetensors"})
write("absent", **{names[0]: "model-00004-of-00004.safetensors"})
write("itself", **{names[0]: "itself.index.json"})
open(f"{folder}/other.index.json", "w").write('{"weights": {}, "more": 1}')
PY
parts=$dir/parts/model.safetensors.index.json
for weights in "$dir/model.safetensors" "$parts"; do
    run 0 bank "$dir/plain.json" --train fabric --out "$dir/fabric.h5" --weights "$weights"
    run 0 bank --info "$dir/fabric.h5"
    cat "$dir/out"
done >"$dir/content"
[ "$(grep -c '^content' "$dir/content")" = 2 ] && [ "$(grep '^content' "$dir/content" | sort -u | wc -l)" = 1 ] ||
    fail "a model in three files gives other features: $(cat "$dir/content")"
run 0 doctor --weights "$parts"
out_has "OpenAI or open_clip names, ViT of width 64"
before=$(keys --weights "$parts")
printf '\0' | dd of="$dir/parts/model-00003-of-00003.safetensors" bs=1 seek=$(($(stat -c %s "$dir/parts/model-00003-of-00003.safetensors") - 1)) conv=notrunc 2>/dev/null
[ -z "$(comm -12 <(echo "$before") <(keys --weights "$parts"))" ] || fail "another byte in one of the files does not change the key of features"
refused 1 "outside.index.json: weight_map: 'ln_final.bias': wanted the name of a file in the same folder" plan "$dir/plain.json" --weights "$dir/parts/outside.index.json"
refused 1 "swapped.index.json: weight_map: tensor 'ln_final.bias' is not in model-00002-of-00003.safetensors" plan "$dir/plain.json" --weights "$dir/parts/swapped.index.json"
refused 1 "model-00004-of-00004.safetensors" plan "$dir/plain.json" --weights "$dir/parts/absent.index.json"
refused 1 "itself.index.json: $dir/parts/itself.index.json: " plan "$dir/plain.json" --weights "$dir/parts/itself.index.json"
refused 1 'other.index.json: has no "weight_map"' plan "$dir/plain.json" --weights "$dir/parts/other.index.json"

refused 2 'is no multiple of the model' plan "$dir/plain.json" --set 'ablations=[{"model.image_size": 60}]'
refused 1 'none.safetensors' plan "$dir/plain.json" --set 'ablations=[{"model.weights": "none.safetensors"}]'
finish
