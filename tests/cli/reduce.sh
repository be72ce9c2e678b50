#!/usr/bin/env bash
# mrad bank --reduce, what --info says of it, a reduction of a given file, refused values, and
# retrieval.by through a sweep.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
write_job "$dir/job.json" "fabric parts" '"pairs": [["fabric", "parts"]]'

run 0 bank "$dir/job.json" --reduce kmeans:5
out_has "bank      fabric  there"
small=$(find "$dir/store/bank/fabric" -name 'reduced-*.h5')
full=$(find "$dir/store/bank/fabric" -name bank.h5)
run 0 bank --info "$small"
out_has "image keys: 8 of 32 columns, 4 anomalous"
out_has "pixel keys: 5 of 64 columns"
out_has 'reduction: {"bank.reduce":"kmeans","bank.entries":5,"bank.image_entries":0,"bank.seed":111}'
run 0 bank --info "$small" --json
cp "$dir/out" "$dir/small.json"
run 0 bank --info "$full"
out_has "reduction: none"
run 0 bank --info "$full" --json
check_py "bank --info --json" "$dir/small.json" "$dir/out" <<'PY'
import sys
from cli import load
small, full = load(sys.argv[1]), load(sys.argv[2])
assert full["reduction"] is None and full["pixel_keys"] > 5, full
assert small["pixel_keys"] == 5 and 1 <= small["pixel_anomalous"] < 5, small
assert small["reduction"]["bank.reduce"] == "kmeans" and small["reduction"]["bank.entries"] == 5
PY

# --reduce is --set bank.reduce and bank.entries; a method alone keeps the number
run 0 plan "$dir/job.json" --set bank.reduce=kmeans --set bank.entries=5
out_has "bank      fabric  there"
run 0 bank "$dir/job.json" --set bank.entries=4 --reduce random
run 0 plan "$dir/job.json" --set bank.entries=4 --set bank.reduce=random
out_has "bank      fabric  there"
run 0 plan "$dir/job.json" --set bank.reduce=farthest
out_has "bank      fabric  to make"
refused 2 'bank.reduce' bank "$dir/job.json" --reduce median:5
refused 2 'bank.entries' bank "$dir/job.json" --reduce kmeans:1
refused 2 'bank.entries' bank "$dir/job.json" --reduce kmeans:
refused 2 'bank.image_entries' bank "$dir/job.json" --set bank.image_entries=-1

# as ablations: a bank, scores and rows each, those of a job with the values set directly
run 0 sweep "$dir/job.json" --store "$dir/store4" --out "$dir/varied" \
    --set 'ablations=[{"bank.reduce": ["random", "kmeans"], "bank.entries": 3}]'
[ "$(find "$dir/store4/bank" -name 'reduced-*.h5' | wc -l)" = 2 ] || fail "wanted two reduced banks"
[ "$(find "$dir/store4/bank" -name 'shard-*.h5' | wc -l)" = "$(find "$dir/store/bank" -path '*fabric*' -name 'shard-*.h5' | wc -l)" ] ||
    fail "shards of the bank were not shared"
for method in random kmeans; do
    run 0 sweep "$dir/job.json" --store "$dir/store5" --out "$dir/$method" --set bank.reduce=$method --set bank.entries=3
done
check_py "rows of reduced banks" "$dir" <<'PY'
import sys
from cli import load
dir = sys.argv[1]
rows = load(f"{dir}/varied/results.json")["rows"]
for method in ("random", "kmeans"):
    label = f"bank.reduce={method} bank.entries=3"
    got = [{k: v for k, v in r.items() if k != "ablation"} for r in rows if r.get("ablation") == label]
    assert got == load(f"{dir}/{method}/results.json")["rows"], label
    assert got != [r for r in rows if "ablation" not in r], label
PY

# a given file is reduced as well, to the same entries, and nothing is built for it
given=(--set "datasets.fabric.bank=$dir/given.h5" --store "$dir/store2")
cp "$full" "$dir/given.h5"
run 0 sweep "$dir/job.json" --json --set bank.reduce=kmeans --set bank.entries=5
cp "$dir/out" "$dir/results"
run 0 sweep "$dir/job.json" --json --set bank.reduce=kmeans --set bank.entries=5 "${given[@]}"
cmp "$dir/out" "$dir/results" || fail "the given bank, reduced, gives other results"
[ ! -e "$dir/store2/features/fabric" ] || fail "features of a given bank's data set were made"
cmp "$small" "$(find "$dir/store2/bank/fabric" -name 'reduced-*.h5')" || fail "the reduced banks differ"
listing "$dir/store2" >"$dir/before"
run 0 sweep "$dir/job.json" --json --set bank.reduce=kmeans --set bank.entries=5 "${given[@]}"
listing "$dir/store2" | diff "$dir/before" - || fail "a second run made something"

# the reduced file can be given itself
run 0 sweep "$dir/job.json" --json --set "datasets.fabric.bank=$small" --store "$dir/store3"
cmp "$dir/out" "$dir/results" || fail "the reduced bank as a given file gives other results"

# nearest entries: other scores, the same bank
run 0 plan "$dir/job.json" --set retrieval.by=nearest
out_has "bank      fabric  there"
out_has "scores to make, 0 of 3 rows there: to make"
run 0 sweep "$dir/job.json" --json --set retrieval.by=nearest
! cmp -s "$dir/out" "$dir/results" || fail "retrieval.by changes nothing"

# the map of mrad-clip keeps the priors it was trained with, that of mrad-ft does not
"$bin/mrad-weights" --out "$dir/text.safetensors" --shape \
    image=56,patch=14,native_grid=4,width=64,layers=1,embed=64,text_width=64,text_layers=4,context=24,vocab=128
options=(--weights "$dir/text.safetensors" --set 'variants=["mrad-ft", "mrad-clip"]' --set train.ft.epochs=2
    --set train.clip.epochs=1 --set train.clip.n_ctx=4 --set train.clip.deep_layers=2 --set train.clip.deep_len=2
    --set "train.clip.tokens=$MRAD_FIXTURES/tiny/golden.h5:/clip/tokens" --set retrieval.tau=0.05)
run 0 sweep "$dir/job.json" --json "${options[@]}"
cp "$dir/out" "$dir/mass.json"
run 0 sweep "$dir/job.json" --json "${options[@]}" --set retrieval.by=nearest
check_py "retrieval.by with heads" "$dir/mass.json" "$dir/out" <<'PY'
import sys
from cli import load
mass, nearest = (load(f)["rows"] for f in sys.argv[1:])
def differ(variant, letter):
    return any(a[m] != b[m] for a, b in zip(mass, nearest) if a["variant"] == variant for m in a
               if m.startswith((f"{letter}_", "pro" if letter == "p" else f"{letter}_")))
assert differ("mrad-ft", "p") and not differ("mrad-clip", "p"), (mass, nearest)
PY
[ "$(find "$dir/store/head" -name head.h5 | wc -l)" = 2 ] || fail "retrieval.by trained heads again"
refused 2 'retrieval.by' plan "$dir/job.json" --set retrieval.by=neighbour
finish
