#!/usr/bin/env bash
# Several data sets as one to train on: their bank, reduced or not, heads and scores are those of a data set whose
# manifest is theirs one after another; a further one costs that one alone; leave one out; what is refused.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

small_shape=image=56,patch=14,native_grid=4,width=64,layers=2,embed=64,text_width=64,text_layers=3,context=24,vocab=128
make_world
# fabric and cells as one folder: what merging must be equal to
mkdir "$dir/world/both"
python3 - "$dir/world" <<'PY'
import json
import sys
both = {}
for name in ("fabric", "cells"):
    for label, items in json.load(open(f"{sys.argv[1]}/{name}/meta.json"))["test"].items():
        for item in items:
            for key in ("img_path", "mask_path"):
                item[key] = item[key] and f"{sys.argv[1]}/{name}/{item[key]}"
        both[f"{name}-{label}"] = items
json.dump({"train": {}, "test": both}, open(f"{sys.argv[1]}/both/meta.json", "w"))
PY
more='"features": {"shard_items": 3}, "variants": ["mrad-tf", "mrad-ft", "mrad-clip"],
 "train": {"batch": 3, "clip": {"tokens": "'$MRAD_FIXTURES'/tiny/golden.h5:/clip/tokens", "epochs": 2, "n_ctx": 4, "deep_layers": 2, "deep_len": 2}}'
write_job "$dir/job.json" "fabric cells parts scans both" "$more, \"pairs\": [[[\"fabric\", \"cells\"], \"parts\"], [\"both\", \"parts\"]]"

content() { # FILE: what a bank holds, whatever file it lies in
    run 0 bank --info "$1" --json
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["content"])' "$dir/out"
}

# ---- the bank ----
for options in "" "--reduce kmeans:5" "--reduce random:4"; do
    # shellcheck disable=SC2086 # words
    run 0 bank "$dir/job.json" --train fabric+cells --out "$dir/merged.h5" $options
    # shellcheck disable=SC2086
    run 0 bank "$dir/job.json" --train both --out "$dir/concatenated.h5" $options
    [ "$(content "$dir/merged.h5")" = "$(content "$dir/concatenated.h5")" ] || fail "merged bank $options is another"
done
content_of_cells=$(content "$(find "$dir/store/bank/cells" -name bank.h5)")
[ "$(content "$dir/merged.h5")" != "$content_of_cells" ] || fail "all banks have the same content"
run 0 bank "$dir/job.json" --train fabric+cells --out "$dir/merged.h5"
run 0 bank --info "$dir/merged.h5"
out_has "image keys: 16 of 64 columns, 8 anomalous"
[ ! -e "$dir/store/bank/fabric+cells/bank.h5" ] || fail "a merged bank was copied"

# ---- heads, scores, rows ----
run 0 sweep "$dir/job.json"
out_has "fabric+cells"
check_py "rows of merged sets are those of the concatenated one" "$dir/run" <<'PY'
import sys
from cli import *
tree = load(f"{sys.argv[1]}/results.json")
rows = {train: [{k: v for k, v in r.items() if k != "train"} for r in tree["rows"] if r["train"] == train]
        for train in ("fabric+cells", "both")}
assert len(rows["both"]) == 3 * 3 and rows["both"] == rows["fabric+cells"], rows
ft, tf = (next(r for r in rows["both"] if r["variant"] == v) for v in ("mrad-ft", "mrad-tf"))
assert any(ft[m] != tf[m] for m in METRICS), "training made no difference"
run = load(f"{sys.argv[1]}/run.json")
assert [d.get("merge") for d in run["datasets"] if d["name"] == "fabric+cells"] == ["fabric+cells"]
PY
run 0 train clip "$dir/job.json" --train fabric+cells
out_has "head      mrad-clip  fabric+cells, seed 111, 12 steps  there"
run 0 plan "$dir/job.json"
out_has "merged    fabric+cells  fabric+cells (16 images)"
out_has "bank      fabric+cells  there"
out_lacks "to make"
run 0 gc "$dir/job.json" --json
check_py "nothing that a merge refers to is waste" "$dir/out" <<'PY'
import sys
from cli import load
files = [f for item in load(sys.argv[1])["items"] for f in item["files"]]
assert len(files) == 2 * 2 and all("reduced-" in f for f in files), files
PY

# ---- one set more: only what is new is made ----
listing "$dir/store" >"$dir/before"
run 0 sweep "$dir/job.json" --set 'pairs=[[["fabric", "cells", "scans"], "parts"]]' --set 'variants=["mrad-tf"]' --out "$dir/three"
listing "$dir/store" >"$dir/after"
[ -z "$(comm -23 "$dir/before" "$dir/after")" ] || fail "merging one more made what was there again: $(comm -23 "$dir/before" "$dir/after")"
check_py "only the new set is made" "$dir/three/journal.jsonl" <<'PY'
import json
import sys
made = [(e["stage"], e["item"].split("/")[1]) for e in map(json.loads, open(sys.argv[1])) if "item" in e]
assert {p for s, p in made if s in ("extract", "bank", "gather")} == {"scans"}, made
assert sum(s == "gather" for s, _ in made) == 1, made
PY
# by a name of its own, and the merged bank as a file in the place of a data set's
run 0 eval "$dir/job.json" --set 'datasets.trio.merge=fabric+cells+scans' --train trio --test parts --set 'variants=["mrad-tf"]' --json
cp "$dir/out" "$dir/trio"
check_py "a merge by name" "$dir/trio" "$dir/three/results.json" <<'PY'
import sys
from cli import *
named, listed = (load(p)["rows"] for p in sys.argv[1:])
assert {r["train"] for r in named} == {"trio"} and {r["train"] for r in listed} == {"fabric+cells+scans"}
for a, b in zip(named, listed):
    same_metrics(a, b, 0)
PY
run 0 eval "$dir/job.json" --set "datasets.both.bank=$dir/merged.h5" --train both --test parts --set 'variants=["mrad-tf"]' --json
check_py "a merged bank as a file" "$dir/out" "$dir/run/results.json" <<'PY'
import sys
from cli import *
same_metrics(load(sys.argv[1])["rows"][0], load(sys.argv[2])["rows"][0], 0)
PY

# ---- an image that cannot be read, in one part; then it can ----
bad=$dir/world/fabric/$(python3 -c 'import json, sys; print(next(iter(json.load(open(sys.argv[1]))["test"].values()))[1]["img_path"])' "$dir/world/fabric/meta.json")
cp "$bad" "$dir/good.png"
head -c "$(stat -c %s "$dir/good.png")" /dev/zero >"$bad" # its remembered hash will be that of these bytes
touch -d '2020-01-01' "$bad" "$dir/good.png"
skip=(--set 'pairs=[[["fabric", "cells"], "parts"], [["fabric", "cells"], "fabric"]]' --set 'variants=["mrad-tf"]' --on-bad-item skip
    --store "$dir/skips" --out "$dir/skips/run")
run 1 sweep "$dir/job.json" "${skip[@]}" --on-bad-item stop
err_has "data set fabric, item 1: "
run 0 sweep "$dir/job.json" "${skip[@]}" --out "$dir/skips/one" --set 'pairs=[[["fabric", "cells"], "parts"]]'
run 0 sweep "$dir/job.json" "${skip[@]}"
for out in one run; do
    check_py "what the bank lacks is named" "$dir/skips/$out/results.json" <<'PY'
import sys
from cli import load
skipped = [(s["dataset"], s["item"]) for s in load(sys.argv[1])["skipped"] if "item" in s]
assert skipped and set(skipped) == {("fabric", 1)}, skipped
PY
done
cp -p "$dir/good.png" "$bad"
run 0 sweep "$dir/job.json" "${skip[@]}" --retry-failed
err_has "1 skipped items are tried again"
check_py "the repaired bank is the whole one" "$dir/skips/run/results.json" "$dir/run/results.json" <<'PY'
import sys
from cli import *
repaired, whole = (load(p) for p in sys.argv[1:])
assert not [s for s in repaired["skipped"] if "item" in s]
for a, b in zip([r for r in repaired["rows"] if r["test"] == "parts"],
                [r for r in whole["rows"] if r["train"] == "fabric+cells" and r["variant"] == "mrad-tf"], strict=True):
    same_metrics(a, b, 0)
PY

# ---- leave one out ----
trains() { # the data sets behind each merge of the plan
    sed -nE 's/^merged    ([^ ]*)  ([^ ]*) .*/\1=\2/p' "$dir/out" | paste -sd' '
}
options=(--set 'datasets={}' --set 'variants=["mrad-tf"]')
for set in visa=fabric btad=cells isic=parts headct=scans; do options+=(--dataset "${set%=*}=$dir/world/${set#*=}"); done
run 0 plan "$dir/job.json" "${options[@]}" --set pairs=leave-one-out
[ "$(trains)" = "all-but-visa=btad+isic all-but-btad=visa+isic all-but-isic=visa+btad all-but-headct=visa+btad+isic" ] ||
    fail "leave-one-out: $(trains)"
err_has "headct has no masks: it is tested, and left out of all banks"
run 0 plan "$dir/job.json" "${options[@]}" --set pairs=leave-one-domain-out
[ "$(trains)" = "all-but-industrial=isic all-but-medical=visa+btad" ] || fail "leave-one-domain-out: $(trains)"
[ "$(grep -c '^cell' "$dir/out")" = 4 ] || fail "leave-one-domain-out: wanted four cells"
run 0 plan "$dir/job.json" "${options[@]}" --dataset "mine=$dir/world/fabric" --set datasets.mine.domain=space --set pairs=leave-one-domain-out
[ "$(trains)" = "all-but-industrial=isic+mine all-but-medical=visa+btad+mine all-but-space=visa+btad+isic" ] || fail "a domain of its own: $(trains)"

# ---- refused ----
refused 2 'datasets.fabric.domain: missing' plan "$dir/job.json" --set pairs=leave-one-domain-out
refused 2 'no data set with masks is left to train on where the domain medical is left out' plan "$dir/job.json" --set 'datasets={}' \
    --dataset "isic=$dir/world/parts" --dataset "headct=$dir/world/scans" --set pairs=leave-one-domain-out
refused 2 'merging fabric+cels: no data set "cels" among the 5' plan "$dir/job.json" --set 'pairs=[[["fabric", "cels"], "parts"]]'
refused 2 'found "fabric" twice' bank "$dir/job.json" --train fabric+fabric
refused 2 'found "fabric+cells" to test on, which is merged' plan "$dir/job.json" --set 'pairs=[["parts", "fabric+cells"]]'
refused 2 "'+' stands between" plan "$dir/job.json" --dataset "a+b=$dir/world/cells"
refused 2 'found "merge" beside "root"' plan "$dir/job.json" --set datasets.both.merge=fabric+cells
refused 2 'found "trio", which is merged itself' plan "$dir/job.json" --set datasets.trio.merge=fabric+cells --set 'pairs=[["trio+parts", "scans"]]'
refused 2 '"all-but-fabric" is the name of a data set and of merged ones' plan "$dir/job.json" --dataset "all-but-fabric=$dir/world/cells" --set pairs=leave-one-out
refused 2 'wanted ["train", "test"] or [["train", ...], "test"]' plan "$dir/job.json" --set 'pairs=[[[], "parts"]]'
refused 2 '--out is for one bank: found several data sets' bank "$dir/job.json" --out "$dir/none.h5"
[ ! -e "$dir/none.h5" ] || fail "a refused command wrote a file"
finish
