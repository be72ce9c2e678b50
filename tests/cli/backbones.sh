#!/usr/bin/env bash
# Models and options of the features as ablations: each setting has its own features, its rows are those of a job
# that has the values directly, and what settings have in common is made once.
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
refused 2 'is no multiple of the model' plan "$dir/plain.json" --set 'ablations=[{"model.image_size": 60}]'
refused 1 'none.safetensors' plan "$dir/plain.json" --set 'ablations=[{"model.weights": "none.safetensors"}]'
finish
