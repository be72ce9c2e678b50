#!/usr/bin/env bash
# Which pairs a job means, the two presets, and how names and paths may look.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world

cells_are() { # WANTED: "train>test" in the order of the plan
    local got
    got=$(sed -nE 's/^cell      mrad-tf(, seed [0-9]+)?  (.*) -> (.*)  scores .*/\2>\3/p' "$dir/out" | paste -sd' ')
    [ "$got" = "$1" ] || fail "$last: the cells are $got, wanted $1"
}

write_job "$dir/all.json" "fabric parts cells"
run 0 plan "$dir/all.json"
cells_are "fabric>parts fabric>cells parts>fabric parts>cells cells>fabric cells>parts"
run 0 plan "$dir/all.json" --set 'pairs=[["cells", "fabric"], ["cells", "cells"]]'
cells_are "cells>fabric cells>cells"
out_lacks "features  parts"
run 0 plan "$dir/all.json" --set 'pairs=[["cells", "fabric"]]' --set 'seeds=[7, 8]'
cells_are "cells>fabric cells>fabric"

# the published protocol: train on visa, for visa on mvtec, whatever the case and the order
options=()
for set in MVTec scans ViSA; do
    options+=(--dataset "$set=$dir/world/fabric")
done
run 0 plan "$dir/all.json" --set 'datasets={}' "${options[@]}" --set pairs=protocol
cells_are "ViSA>MVTec ViSA>scans MVTec>ViSA"

write_job "$dir/job.json" "fabric cells" '"preset": "released", "pairs": [["fabric", "cells"]]'
refused 2 '"datasets" has no visa' plan "$dir/job.json" --set pairs=protocol
refused 2 '"datasets" has no mvtec' plan "$dir/job.json" --set pairs=protocol --dataset "visa=$dir/world/fabric"
refused 2 'no data set "cels", did you mean "cells"?' plan "$dir/job.json" --set 'pairs=[["fabric", "cels"]]'
refused 2 'no data set "xyzzyplugh" among the 2' plan "$dir/job.json" --set 'pairs=[["xyzzyplugh", "cells"]]'
refused 2 'no data set "fabri", did you mean "fabric"?' eval "$dir/job.json" --train fabri --test cells
refused 2 'fabric -> cells is listed twice' plan "$dir/job.json" --set 'pairs=[["fabric","cells"],["fabric","cells"]]'
refused 2 'fabric -> cells is listed twice' plan "$dir/job.json" --set 'seeds=[5, 5]'
refused 2 'fabric -> cells is listed twice' plan "$dir/job.json" --set 'variants=["mrad-tf", "mrad-tf"]'
refused 2 'wanted ["train", "test"]' plan "$dir/job.json" --set 'pairs=[["fabric"]]'
refused 2 'wanted "protocol", "all", "leave-one-out", "leave-one-domain-out" or a list of pairs' plan "$dir/job.json" --set pairs=some
refused 2 'a list of pairs that is not empty' plan "$dir/job.json" --set 'pairs=[]'
run 0 plan "$dir/job.json" --set 'datasets={}' --dataset "fabric=$dir/world/fabric" --set 'pairs=[["fabric", "fabric"]]'
refused 2 '1 data sets give no pair' plan "$dir/job.json" --set 'datasets={}' --dataset "fabric=$dir/world/fabric" --set pairs=all
refused 2 'no variant "mrad-tt"; known: mrad-tf' plan "$dir/job.json" --set 'variants=["mrad-tt"]'
refused 2 'one variant and one seed wanted' eval "$dir/job.json" --train fabric --test cells --set 'seeds=[1, 2]'

# the presets differ in how the image score is put together, and in nothing else
run 0 sweep "$dir/job.json" --json
cp "$dir/out" "$dir/released"
run 0 sweep "$dir/job.json" --json --set preset=paper --out "$dir/paper run"
cp "$dir/out" "$dir/paper"
run 0 sweep "$dir/job.json" --json --set score.fusion=sum --out "$dir/sum"
cmp "$dir/out" "$dir/paper" || fail "preset paper is not score.fusion=sum"
run 0 sweep "$dir/job.json" --json --set preset=paper --set score.fusion=weighted --out "$dir/weighted"
cmp "$dir/out" "$dir/released" || fail "--set does not win over the preset"
run 0 eval "$dir/job.json" --train fabric --test cells --quiet --dump "$dir/released.h5"
run 0 eval "$dir/job.json" --train fabric --test cells --quiet --dump "$dir/paper.h5" --set preset=paper
run 0 metrics "$dir/paper.h5" --json
check_py "preset paper against released" "$dir" <<'PY'
import sys
from cli import *
dir = sys.argv[1]
a, b, c = load(f"{dir}/released"), load(f"{dir}/paper"), load(f"{dir}/out")
for x, y, z in zip(a["rows"], b["rows"], c["rows"]):
    same_metrics(x, y, 0, [m for m in METRICS if not m.startswith("i_")])
    same_metrics(y, z, 1e-12)
used = load(f"{dir}/run/used.json"), load(f"{dir}/paper run/used.json")
assert used[0]["preset"] == "released" and used[0]["score"].pop("fusion") == "weighted"
assert used[1]["preset"] == "paper" and used[1]["score"].pop("fusion") == "sum"
assert used[0]["score"] == used[1]["score"] and used[0]["bank"] == used[1]["bank"]
PY
cmp -s "$dir/released.h5" "$dir/paper.h5" && fail "the presets give the same image scores"

# names and paths with blanks and quotes, from the command line, from a folder of its own, and moved away
mkdir "$dir/a folder"
cp -r "$dir/world/fabric" "$dir/a folder/my \"own\" sét"
cp -r "$dir/world/cells" "$dir/a folder/cells, 2"
cp "$dir/model.safetensors" "$dir/a folder/my model.safetensors"
cd "$dir/a folder"
cat >'my job.json' <<'JSON'
{ // relative to the current folder
  "model": {"weights": "my model.safetensors", "image_size": 56}, "run": {"threads": 1},
  "datasets": {"my \"own\" sét": {"root": "my \"own\" sét"}, "cells, 2": {"root": "./cells, 2/"}},
  "pairs": [["my \"own\" sét", "cells, 2"]], "store": "a store", "out": "my results"
}
JSON
run 0 sweep 'my job.json'
check_py "names with blanks, commas and quotes" "$dir" <<'PY'
import sys
from cli import *
dir = sys.argv[1]
tree, plain = load(f"{dir}/a folder/my results/results.json"), load(f"{dir}/released")
assert tree["means"][0]["train"] == 'my "own" sét' and tree["means"][0]["test"] == "cells, 2"
for a, b in zip(tree["rows"], plain["rows"]):
    same_metrics(a, b, 0)
check_csv(f"{dir}/a folder/my results/results.csv", tree["rows"], tree["means"])
check_table(tables(f"{dir}/out")[0], tree["means"])
PY
listing 'a store' >"$dir/before"
run 0 eval 'my job.json' --train 'my "own" sét' --test 'cells, 2' --json
cmp -s "$dir/out" 'my results/results.json' || fail "eval does not know a name with quotes"
cd "$dir"
# the same files by absolute paths and from elsewhere: nothing is made again
run 0 plan --set pairs=all --set "out=$dir/x" "$dir/a folder/my job.json" --weights "$dir/a folder/my model.safetensors" \
    --store "$dir/a folder/a store" --set 'datasets={}' --set 'pairs=[["my \"own\" sét", "cells, 2"]]' \
    --dataset "my \"own\" sét=$dir/a folder/my \"own\" sét" --dataset "cells, 2=$dir/a folder/cells, 2"
out_lacks "to make"
finish
