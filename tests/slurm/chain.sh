#!/usr/bin/env bash
# slurm/submit.sh --chain: extract, then sweep, then report, each when the one before is done, with the bytes
# of one run; with --array too; and what follows a step that fails is taken out of the queue.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"
. "$MRAD_SOURCE/tests/support/slurm.sh"

more='"features": {"shard_items": 3},'
start_with "cells fabric" "$more"
"$MRAD" report "$dir/calm/out" >"$dir/calm.table" 2>"$log" || fail "mrad report failed"

submit_chain() { # NAME OPTIONS...
    local name=$1
    shift
    submit_job "$name" --nodes 2 --time 5 --chain --out "$dir/$name/out" "$@"
}

demand_chain() { # NAME STEPS...: all done, each after the one before
    local name=$1 step before=''
    shift
    [ ${#id[@]} = $# ] || fail "$name: wanted $# jobs, submitted ${#id[@]}"
    for step; do
        demand_job "${id[$step]}" COMPLETED 0:0
        [ -z "$before" ] || [ "$(field "${id[$before]}" EndTime | sort | tail -n 1)" \< \
            "$(field "${id[$step]}" StartTime | sort | head -n 1)x" ] || fail "$name: $step began before $before ended"
        before=$step
    done
    demand_same "$name" calm
    diff "$dir/calm.table" "$dir/$name-report-${id[report]}.out" >"$log" ||
        fail "$name: the report shows another table"
}

make_job plain world "cells fabric" "$more"
submit_chain plain
is_in_state "${id[report]}" PENDING || fail "the report does not wait"
make_job parts world "cells fabric" "$more"
demand_chain plain extract sweep report
! grep 'feature shards made' "$dir/plain-sweep-${id[sweep]}.out" >"$log" || fail "the sweep extracted again"
submit_chain parts --array 2
demand_chain parts extract array sweep report

# A step that fails: the others never run.
image=$(find "$dir/world/data/fabric" -name '*.png' -path '*test*' | sort | head -n 1)
head -c 100 "$image" >"$dir/cut" && mv "$dir/cut" "$image"
make_job broken world "cells fabric" "$more"
submit_chain broken
demand_job "${id[extract]}" FAILED 1:0
output_has "$dir/broken-extract-${id[extract]}.out" "$image"
demand_job "${id[sweep]}" CANCELLED
demand_job "${id[report]}" CANCELLED
[ ! -e "$dir/broken/out/results.json" ] || fail "a failed chain left results"
finish
