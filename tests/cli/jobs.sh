#!/usr/bin/env bash
# Every job of jobs/ is a valid configuration: without its files it fails by naming one, with others in their
# place it has a plan.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

# all sides that jobs ask for are multiples of the patch
small_shape=image=56,patch=2,native_grid=4,width=64,layers=1,embed=64,text_width=64,text_layers=4,context=24,vocab=128
make_world
mkdir "$dir/work"
cd "$dir/work"
n=0
for job in "$MRAD_SOURCE"/jobs/*.json; do
    n=$((n + 1))
    check_py "cannot read $job" "$job" "$dir/job" <<'PY'
import json
import math
import pathlib
import re
import sys
job, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
text = job.read_text()
tree = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.M))
shown = f"jobs/{job.name}" in text or f"jobs/{job.stem}.sh" in text
assert shown, "the comment does not say how to run it"
roots = {name: d["root"] for name, d in tree["datasets"].items() if "merge" not in d}
names = list(roots)
pairs = tree.get("pairs", "protocol")
cells = len(names) * (len(names) - 1) if pairs == "all" else len(names) if isinstance(pairs, str) else len(pairs)
cells *= len(tree.get("seeds", [1])) * len(tree.get("variants", [1]))
settings = 1
for ablation in tree.get("ablations", []):
    lists = [v if isinstance(v, list) else [v] for v in ablation.values()]
    settings += math.prod(len(v) for v in lists)
cells *= settings
for key in ("out", "store"):
    assert re.match(r"(results|store|demo)(/|$)", tree[key]), f"{key}: {tree[key]} is no folder that git ignores"
out.with_suffix(".weights").write_text(tree["model"]["weights"])
out.with_suffix(".names").write_text("".join(f"{x}\n" for x in names))
out.with_suffix(".roots").write_text("".join(f"{root}\n" for root in roots.values()))
models = {a["model.weights"] for a in tree.get("ablations", []) if "model.weights" in a}
out.with_suffix(".models").write_text("".join(f"{m}\n" for m in sorted(models)))
out.with_suffix(".cells").write_text(str(cells))
PY
    run 1 plan "$job"
    err_has "$(cat "$dir/job.weights")"
    out_is_empty
    while IFS= read -r model; do # those that the job compares
        mkdir -p "$(dirname "$model")"
        cp "$dir/model.safetensors" "$model"
    done <"$dir/job.models"
    run 1 plan "$job" --weights "$dir/model.safetensors" --image-size 56
    grep -qFf <(sed 's|$|/meta.json|' "$dir/job.roots") "$dir/err" || fail "$job: names none of its data sets: $(cat "$dir/err")"
    out_is_empty
    options=(--weights "$dir/model.safetensors" --image-size 56 --store "$dir/store")
    while IFS= read -r name; do
        options+=(--dataset "$name=$dir/world/fabric")
    done <"$dir/job.names"
    if grep -q '"mrad-clip"' "$job"; then # token ids of a model that is not here: a fixture's, and its sizes
        options+=(--set train.clip.n_ctx=4 --set train.clip.deep_layers=3 --set train.clip.deep_len=4
            --set "train.clip.tokens=$MRAD_FIXTURES/tiny/golden.h5:/clip/tokens")
    fi
    run 0 plan "$job" "${options[@]}"
    cells=$(grep -c '^cell' "$dir/out")
    omitted=$(sed -n 's/^omitted   \([0-9]*\) cells\{0,1\}:.*/\1/p' "$dir/out")
    [ $((cells + ${omitted:-0})) = "$(cat "$dir/job.cells")" ] ||
        fail "$job: the plan has $cells cells and omits ${omitted:-0}, wanted $(cat "$dir/job.cells")"
    rm -rf weights
    sed '$d' "$job" >"$dir/cut.json"
    refused 2 "$dir/cut.json:" plan "$dir/cut.json"
    sed 's/"datasets"/"data_sets"/' "$job" >"$dir/cut.json"
    refused 2 "data_sets: no such key, did you mean \"datasets\"?" plan "$dir/cut.json"
done
[ "$n" -ge 1 ] || fail "no jobs found"
[ -z "$(ls -A "$dir/work")" ] || fail "plan left something in the current folder: $(ls -A "$dir/work")"
finish
