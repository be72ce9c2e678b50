#!/usr/bin/env bash
# Every job over the published data sets runs as it is, on all sets in miniature, with the demo's model and two
# ranks: each has rows for every cell, undefined metrics have a reason, and the main one a comparison that names why.
set -euo pipefail
[ ! -w /dev/shm ] || export TMPDIR=/dev/shm
source "$MRAD_SOURCE/tests/support/cli.sh"

if [ -n "${MRAD_SANITIZE-}" ]; then
    echo "skipped: cli/paper_jobs under the sanitizers (trains 31 heads)"
    exit 77
fi
mkdir "$dir/work"
cd "$dir/work"
"$bin/mrad-mock" --out data --size 64 --normal 3 --anomalous 3 --classes 1 >/dev/null
for root in data/*; do
    run 0 index "$(basename "$root")" "$root" --variant any
done
for job in paper_main all_pairs ablation_prompt_bias ablation_bank_size ablation_dropout sensitivity seeds leave_one_out \
    leave_one_domain_out merged_banks; do
    file=$MRAD_SOURCE/jobs/$job.json
    options=(--weights "$MRAD_SOURCE/configs/models/demo-clip/model.safetensors" --image-size 64 --set run.threads=1
        --set train.clip.deep_layers=2 --set train.clip.epochs=1)
    [ "$job" != ablation_bank_size ] || options+=(--set 'ablations=[{"bank.reduce": ["kmeans", "random", "farthest"], "bank.entries": [4, 2]}]')
    launcher=("${two_ranks[@]}")
    run 0 sweep "$file" "${options[@]}"
    launcher=()
    check_py "$job" "$file" "results/$job/results.json" <<'PY'
import json
import pathlib
import re
import sys
from cli import METRICS, load
job = json.loads(re.sub(r"^\s*//.*$", "", pathlib.Path(sys.argv[1]).read_text(), flags=re.M))
tree = load(sys.argv[2])
sets = [name for name, entry in job["datasets"].items() if "merge" not in entry]
medical = {"HeadCT", "BrainMRI", "Br35H", "ISIC", "CVC-ClinicDB", "CVC-ColonDB", "Kvasir", "Endo", "CVC-300"}
pairs = {"all": {(a, b) for a in sets for b in sets if a != b},
         "protocol": {("mvtec" if b == "visa" else "visa", b) for b in sets},
         "leave-one-out": {(f"all-but-{b}", b) for b in sets},
         "leave-one-domain-out": {("all-but-" + ("medical" if b in medical else "industrial"), b) for b in sets}}.get(
             job["pairs"] if isinstance(job["pairs"], str) else "", {tuple(p) for p in job["pairs"] if len(p) == 2})
own = [m for m in tree["means"] if not m.get("ablation")]
want = {(v, *p, s) for v in job["variants"] for p in pairs for s in job.get("seeds", [111])}
# a variant without random numbers has the same rows for every seed
assert {(m["variant"], m["train"], m["test"], m["seed"]) for m in own} == want, len(own)
reasons = {(s["variant"], s["train"], s["test"], s.get("ablation"), s["metric"]) for s in tree["skipped"] if "metric" in s}
for row in tree["rows"]:
    for metric in METRICS:
        assert row[metric] is not None or (row["variant"], row["train"], row["test"], row.get("ablation"), metric) in reasons, row
print(f"{len(tree['rows'])} rows")
PY
done
grep -q '^## Not compared' results/paper_main/comparison.md || fail "no comparison beside the main tables"
for why in 'no published number was found' 'another variant of the data set: published on 467 normal and 1258 anomalous images, ours 3 and 3' \
    'not defined where it was published: the data set has no masks'; do
    grep -q -- "^- $why: " results/paper_main/comparison.md || fail "the comparison does not say: $why"
done
run 3 report results/paper_main --check paper
finish
