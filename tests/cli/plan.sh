#!/usr/bin/env bash
# `plan` before, in the middle of and after a sweep; extract and bank as cells of it; --set.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
write_job "$dir/job.json" "fabric cells" '"features": {"shard_items": 3}, "pairs": [["fabric", "cells"]]'

# plan makes nothing, and says of everything that it is to be made
run 0 plan "$dir/job.json"
out_has "weights   $dir/model.safetensors"
out_has "fabric  0 of 3 shards (8 images): to make"
out_has "cells  0 of 3 shards (8 images): to make"
out_has "bank      fabric  to make"
out_has "fabric -> cells  scores to make, 0 of 2 rows there: to make"
out_lacks "bank      cells"
[ ! -e "$dir/run" ] || fail "plan made the folder of results"
[ -z "$(find "$dir/store" -name '*.h5' 2>/dev/null)" ] || fail "plan made artefacts"

run 0 extract "$dir/job.json"
out_has "fabric  3 of 3 shards (8 images)"
listing "$dir/store/features" >"$dir/features"
run 0 plan "$dir/job.json"
out_has "bank      fabric  to make"
out_lacks "images): to make"

run 0 bank "$dir/job.json"
out_has "bank      fabric  there"
out_has "bank      cells  there" # bank means the banks of all data sets
[ ! -e "$dir/store/scores" ] || fail "bank made scores"
run 0 plan "$dir/job.json"
out_has "bank      fabric  there"
out_has "scores to make, 0 of 2 rows there: to make"

bank=$(find "$dir/store/bank/fabric" -name bank.h5)
run 0 bank --info "$bank"
out_has "image keys: 8 of 32 columns, 4 anomalous"
run 0 bank --info "$bank" --json
check_py "bank --info --json" "$dir/out" <<'PY'
import sys
from cli import load
info = load(sys.argv[1])
assert info["image_keys"] == 8 and info["image_anomalous"] == 4 and info["embed"] == 32 and info["width"] == 64
assert info["pixel_keys"] >= 8 and 0 < info["pixel_anomalous"] < info["pixel_keys"], info
PY

run 0 sweep "$dir/job.json" --json
cp "$dir/out" "$dir/results"
listing "$dir/store/features" | diff "$dir/features" - || fail "the sweep made features again"
run 0 plan "$dir/job.json"
out_lacks "to make"
out_has "scores not needed, 2 of 2 rows there"

# a lost row costs that row, a lost shard that shard
listing "$dir/store" | grep -v 'class-00001' >"$dir/rest"
rm "$(find "$dir/store/metrics" -name 'class-00001.json')"
run 0 plan "$dir/job.json"
out_has "scores there, 1 of 2 rows there: to make"
run 0 sweep "$dir/job.json" --json
cmp "$dir/out" "$dir/results" || fail "a lost row came back with other numbers"
listing "$dir/store" | grep -v 'class-00001' | diff "$dir/rest" - || fail "a lost row cost more than itself"
rm "$(find "$dir/store/features/cells" -name 'shard-00001.h5')"
run 0 plan "$dir/job.json"
out_lacks "to make" # the rows are there, nobody needs the shard
run 0 plan "$dir/job.json" --set 'metrics.pro_steps=100'
out_has "cells  2 of 3 shards (8 images): to make"
out_has "bank      fabric  there"
out_has "scores there, 0 of 2 rows there: to make"
run 0 extract "$dir/job.json"
out_has "cells  3 of 3 shards (8 images)"

# an option reaches the stage it belongs to, and no earlier one
run 0 plan "$dir/job.json" --set score.k=0.5
out_has "bank      fabric  there"
out_has "scores to make, 0 of 2 rows there: to make"
run 0 plan "$dir/job.json" --set bank.neighbour_pool=false
out_has "fabric  3 of 3 shards"
out_has "bank      fabric  to make"
run 0 plan "$dir/job.json" --image-size 28
out_has "fabric  0 of 3 shards (8 images): to make"
run 0 plan "$dir/job.json" --set features.dtype=f16
out_has "fabric  0 of 3 shards (8 images): to make"
run 0 plan "$dir/job.json" --set run.threads=2 --kernels ref --set bank.gather=mpi
out_lacks "to make"

# --set and --out win over the file; the last --set wins over the first
run 0 sweep "$dir/job.json" --set out="$dir/unused" --out "$dir/other" --set score.k=0.1 --set score.k=0.5
[ -f "$dir/other/results.json" ] && [ ! -e "$dir/unused" ] || fail "--out does not win over --set out"
check_py "--set in used.json" "$dir" <<'PY'
import sys
from cli import *
dir = sys.argv[1]
assert load(f"{dir}/other/used.json")["score"]["k"] == 0.5
before, after = load(f"{dir}/run/results.json"), load(f"{dir}/other/results.json")
for a, b in zip(before["rows"], after["rows"]):
    same_metrics(a, b, 0, [m for m in METRICS if m[0] == "p"])  # k is a matter of image scores
PY
run 0 sweep "$dir/job.json" --dataset "parts=$dir/world/parts" --set pairs=all --quiet
[ "$(grep -c '^| mrad-tf' "$dir/out")" = 7 ] || fail "--dataset did not add parts: $(cat "$dir/out")"
finish
