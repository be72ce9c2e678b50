#!/usr/bin/env bash
# run.json: program, libraries, hosts, hashes and counts of what was read, Slurm's numbers, start and end; no
# other file of the results depends on them but status.json and journal.jsonl.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
write_job "$dir/job.json" "fabric cells" '"pairs": [["fabric", "cells"]]'
before=$(date +%s)
OMP_NUM_THREADS=1 SLURM_JOB_ID=417 run 0 sweep "$dir/job.json"
after=$(date +%s)
cp -r "$dir/run" "$dir/first"

run 0 version --json
check_py "run.json of a finished sweep" "$dir" "$before" "$after" "$(hostname)" <<'PY'
import calendar
import glob
import re
import sys
import time
from cli import load
dir, before, after, host = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
run, version = load(f"{dir}/first/run.json"), load(f"{dir}/out")
assert {k: run[k] for k in ("mrad", "commit", "build", "compiler", "flags")} == {k: version[k] for k in ("mrad", "commit", "build", "compiler", "flags")}
assert re.fullmatch(r"(unknown|[0-9a-f]{12}(\+changes)?)", run["commit"]), run["commit"]
assert "-ffp-contract=off" in run["flags"] and "-W" not in run["flags"]
assert run["libraries"] == {k: v for k, v in version.items() if k not in run}, run["libraries"]
assert run["ranks"] == 1 and run["hosts"] == [{"host": host, "ranks": [0]}] and run["host"] == host
assert run["SLURM_JOB_ID"] == "417" and run["OMP_NUM_THREADS"] == "1"
seconds = [calendar.timegm(time.strptime(run[k], "%Y-%m-%dT%H:%M:%SZ")) for k in ("start", "end")]
assert before <= seconds[0] <= seconds[1] <= after, (before, seconds, after)
assert run["state"] == "done"
assert [w["file"] for w in run["weights"]] == [f"{dir}/model.safetensors"]
for entry in run["datasets"]:
    items = [i for c in load(entry["meta"])["test"].values() for i in c]
    assert entry["meta"] == f"{entry['root']}/meta.json" and entry["classes"] == len(load(entry["meta"])["test"])
    assert (entry["images"], entry["anomalous"]) == (len(items), sum(i["anomaly"] for i in items))
    assert entry["masks"] == sum(bool(i["anomaly"] and i["mask_path"]) for i in items)
    shard = open(glob.glob(f"{dir}/store/features/{entry['name']}/*/shard-00000.h5")[0], "rb").read()
    for value in (entry["manifest"], run["weights"][0]["hash"]):  # attributes lie there as they are
        assert len(value) == 32 and value.encode() in shard, entry["name"]
assert [e["name"] for e in run["datasets"]] == ["fabric", "cells"]
PY

# another time, other numbers: the results are the same bytes
SLURM_JOB_ID=418 run 0 sweep "$dir/job.json"
diff -rq -x run.json -x status.json -x journal.jsonl "$dir/run" "$dir/first" || fail "results depend on who ran them"
! cmp -s "$dir/run/run.json" "$dir/first/run.json" || fail "run.json is the same for another job"

# a run that fails, and one that is stopped, say so and when
end_of() { # STATE
    check_py "run.json of a run that ended as $1" "$dir/run/run.json" "$1" <<'PY'
import sys
from cli import load
run = load(sys.argv[1])
assert run["state"] == sys.argv[2] and run["start"] <= run["end"], run
PY
}
run 75 sweep "$dir/job.json" --image-size 28 --time-left 1e-3
end_of stopped
printf 'no image' >"$(find "$dir/world/cells" -path '*/test/*.png' | sort | head -1)"
run 1 sweep "$dir/job.json"
end_of failed
# the commit is that of the sources, whenever they were configured
commit_is() { # COMMIT
    cmake -D SOURCE="$dir/tree" -D OUT="$dir/commit.h" -P "$MRAD_SOURCE/tools/commit.cmake"
    grep -qxF "#define MRAD_COMMIT \"$1\"" "$dir/commit.h" || fail "wanted commit $1: $(cat "$dir/commit.h")"
}
mkdir -p "$dir/tree/src"
touch "$dir/tree/CMakeLists.txt" "$dir/tree/CMakePresets.json" "$dir/tree/src/a.c"
commit_is unknown
in_tree=(git -C "$dir/tree" -c user.name=a -c user.email=a@b -c commit.gpgsign=false)
"${in_tree[@]}" init -q
"${in_tree[@]}" add .
"${in_tree[@]}" commit -qm first
head=$(git -C "$dir/tree" rev-parse HEAD)
commit_is "${head:0:12}"
touch -d '2020-01-01' "$dir/tree/src/a.c" # another time is no change
commit_is "${head:0:12}"
echo more >"$dir/tree/src/a.c"
commit_is "${head:0:12}+changes"
finish
