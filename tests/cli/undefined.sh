#!/usr/bin/env bash
# Data sets that lack something: without masks (as BrainMRI) and without normal images (as the polyp sets). What
# cannot be computed is null with its reason, in every form, and enters no mean.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
brain=$dir/world/brain/brain_tumor_dataset polyp=$dir/world/polyp
mkdir -p "$brain/yes" "$brain/no" "$polyp/images" "$polyp/masks"
for image in "$dir"/world/scans/*/test/*/*.png; do
    part=${image#"$dir"/world/scans/}
    kind=${part#*/test/}
    name=${part//\//_}
    case $kind in
    good/*) cp "$image" "$brain/no/$name" ;;
    *) cp "$image" "$brain/yes/$name" ;;
    esac
done
for image in "$dir"/world/cells/*/test/*/*.png; do
    mask=${image/test/ground_truth}
    mask=${mask%.png}_mask.png
    name=${image#"$dir"/world/cells/}
    [ ! -f "$mask" ] || { cp "$image" "$polyp/images/${name//\//_}" && cp "$mask" "$polyp/masks/${name//\//_}"; }
done
run 0 index BrainMRI "$dir/world/brain" --variant any
run 0 index Kvasir "$polyp" --variant any

write_job "$dir/job.json" "fabric brain polyp"
run 0 sweep "$dir/job.json"
cp "$dir/out" "$dir/sweep.txt"
run 0 eval "$dir/job.json" --train fabric --test polyp --dump "$dir/polyp.h5"
cp "$dir/out" "$dir/eval.txt"
run 0 metrics "$dir/polyp.h5" --json
cp "$dir/out" "$dir/polyp.json"
run 0 eval "$dir/job.json" --train fabric --test brain --dump "$dir/brain.h5" --quiet
run 0 metrics "$dir/brain.h5" --json

check_py "undefined metrics" "$dir" <<'PY'
import sys
from cli import *
dir = sys.argv[1]
tree = load(f"{dir}/run/results.json")
check_means(tree)
check_skipped(tree)
check_csv(f"{dir}/run/results.csv", tree["rows"], tree["means"])
check_table(tables(f"{dir}/run/results.md")[1], tree["rows"])
check_table(tables(f"{dir}/sweep.txt")[0][:-1], tree["means"])
image, pixel = [m for m in METRICS if m[:2] == "i_"], [m for m in METRICS if m[:2] != "i_"]
for row in tree["rows"]:
    null = {m for m in METRICS if row[m] is None}
    want = {"brain": pixel, "polyp": image, "fabric": []}[row["test"]]
    if row["train"] == "brain" and row["test"] != "brain":
        want = [*want, "pro"]  # a bank without defect regions: all maps are flat
    assert null == set(want), (row, null)
    if row["train"] == "brain" and "p_auroc" not in null:
        assert row["p_auroc"] == 0.5, row
by_train = {m["train"]: m for m in tree["means"] if m["test"] == "fabric"}
assert by_train["brain"]["pro"] is None and by_train["polyp"]["pro"] is not None

why = {(s["test"], s["metric"], s["why"]) for s in tree["skipped"]}
assert ("polyp", "i_ap", "no normal image") in why, why
assert ("brain", "p_ap", "an anomalous image has no mask") in why, why
assert ("fabric", "pro", "all pixel scores are equal") in why, why
assert len(tree["warnings"]) == 2, tree["warnings"]  # brain -> fabric, brain -> polyp

# remarks: once for what holds whatever the bank, with the bank for the rest
for text in (f"{dir}/sweep.txt", f"{dir}/run/results.md"):
    told = remarks(text)
    assert len(told) == len(set(told)) == 3 + 5 + 2 + 1 + 2, told
    assert "polyp/colon: no I-AP: no normal image" in told, told
    assert "brain/brain: no PRO exact: an anomalous image has no mask" in told, told
    assert "brain -> fabric/weave: no PRO: all pixel scores are equal" in told, told
    assert "brain -> polyp/colon: no PRO: all pixel scores are equal" in told, told
    assert not any(t.startswith("fabric/") for t in told), told
    assert all(f"warning: {w}" in told for w in tree["warnings"]), told
assert remarks(f"{dir}/eval.txt") == [f"polyp/colon: no {t}: no normal image" for t in ("I-AUROC", "I-AP", "I-F1max")]

# `metrics` has no benchmark rule: with one label AP and F1max have a value, which says nothing
rows = {(r["train"], r["test"]): r for r in tree["rows"]}
polyp, brain = load(f"{dir}/polyp.json"), load(f"{dir}/out")
for got in (polyp, brain):
    check_skipped(got)
same_metrics(polyp["rows"][0], rows["fabric", "polyp"], 1e-12, pixel)
assert polyp["rows"][0]["i_auroc"] is None and polyp["rows"][0]["i_ap"] == polyp["rows"][0]["i_f1max"] == 1
same_metrics(brain["rows"][0], rows["fabric", "brain"], 1e-12)
PY

# the reasons come back from results.json
cp -r "$dir/run" "$dir/again"
rm "$dir/again"/results.[mc]* "$dir/again/rows.jsonl"
run 0 report "$dir/again"
cmp "$dir/out" "$dir/sweep.txt" || fail "report prints another table, or other remarks"
for file in results.json results.md results.csv rows.jsonl; do
    cmp "$dir/run/$file" "$dir/again/$file" || fail "report writes another $file"
done
finish
