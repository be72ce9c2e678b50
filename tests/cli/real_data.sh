#!/usr/bin/env bash
# The real samples of shared/, which are no part of the repository: their folders give their meta.json, and
# jobs/real-sample.json runs on two ranks, twice, with the reason for every number that it cannot give.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

shared=${MRAD_SHARED:-$MRAD_SOURCE/../shared}
[ -d "$shared/data" ] && [ -f "$shared/golden/metal-bottle/model.safetensors" ] || skip "needs shared/data; set MRAD_SHARED"
shared=$(cd "$shared" && pwd -P)

for pair in mvtec:mvtec hazelnut_toy:mvtec KolektorSDD:KSDD CVC-ClinicDB:ClinicDB BrainMRI:brainmri; do
    set=${pair%:*}
    [ -d "$shared/data/$set" ] || skip "needs shared/data/$set; set MRAD_SHARED"
    run 0 index "${pair#*:}" "$shared/data/$set" --variant any --out "$dir/$set.json"
    check_py "index of $set" "$dir/$set.json" "$shared/data/$set/meta.json" "$dir/out" <<'PY'
import sys
from cli import load
got, want = load(sys.argv[1])["test"], load(sys.argv[2])["test"]
assert list(got) == list(want)
assert got == want
counts = [line.rsplit(None, 3) for line in open(sys.argv[3])][1:]
assert [(c, int(n), int(a)) for c, n, a, _ in counts] == \
    [(c, sum(not e["anomaly"] for e in l), sum(e["anomaly"] for e in l)) for c, l in want.items()], counts
PY
done

# the job's paths are relative to the current folder
mkdir "$dir/work"
ln -s "$shared" "$dir/shared"
cd "$dir/work"
sweep() { # NAME
    "${two_ranks[@]}" "$MRAD" sweep "$MRAD_SOURCE/jobs/real-sample.json" --set run.threads=1 \
        </dev/null >"$dir/$1.txt" 2>"$dir/$1.err" || fail "$1 run: exit status $?: $(tail -n5 "$dir/$1.err")"
}
sweep first
listing store >"$dir/before"
cp results/real-sample/results.json "$dir/first.json"
sweep second
cmp "$dir/first.txt" "$dir/second.txt" || fail "the second run prints something else"
cmp "$dir/first.json" results/real-sample/results.json || fail "the second run writes another results.json"
listing store | diff "$dir/before" - || fail "the second run touched the store"
! grep -q ' made' "$dir/second.err" || fail "the second run made something: $(cat "$dir/second.err")"

check_py "results of the real samples" "$dir" <<'PY'
import sys
from cli import *
dir = sys.argv[1]
tree = load(f"{dir}/first.json")
sets = ["mvtec", "hazelnut_toy", "KolektorSDD", "CVC-ClinicDB", "BrainMRI"]
assert [(m["train"], m["test"]) for m in tree["means"]] == [(a, b) for a in sets for b in sets if a != b]
assert len(tree["rows"]) == 24
check_means(tree)
check_skipped(tree)
for row in tree["rows"]:
    null = [m for m in METRICS if row[m] is None]
    want = [m for m in METRICS if m[:2] != "i_"] if row["test"] == "BrainMRI" else []
    want += [m for m in METRICS if m[:2] == "i_"] if row["test"] == "CVC-ClinicDB" else []
    want += ["pro"] if row["train"] == "BrainMRI" else []  # flat maps
    assert null == want, (row, want)
for s in tree["skipped"]:
    want = "an anomalous image has no mask" if s["test"] == "BrainMRI" else \
        "no normal image" if s["metric"][:2] == "i_" else "all pixel scores are equal"
    assert s["why"] == want, s
table, = tables(f"{dir}/first.txt")
check_table(table[:-1], tree["means"])
assert table[-1]["train"] == "mean"
told = remarks(f"{dir}/first.txt")
assert len(told) == 5 + 3 + 5 + len(tree["warnings"]), told
assert "BrainMRI/brain: no P-AUROC: an anomalous image has no mask" in told
assert "CVC-ClinicDB/colon: no I-AUROC: no normal image" in told
assert "BrainMRI -> mvtec/bottle: no PRO: all pixel scores are equal" in told
PY
finish
