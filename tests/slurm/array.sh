#!/usr/bin/env bash
# slurm/submit.sh --array: three jobs share a grid on one store, at the same time and from nothing, so that
# every feature shard, bank and head is wanted by two of them; then one job makes the table. Store and results
# are those of one run. A task that is stopped goes back into the queue without the others.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"
. "$MRAD_SOURCE/tests/support/slurm.sh"

more='"features": {"shard_items": 3}, "variants": ["mrad-tf", "mrad-ft"], "train": {"batch": 2, "checkpoint_steps": 2},'
start_with "cells scans fabric" "$more"

rows() { grep -c . "$dir/$1/rows.jsonl"; }

demand_parts() { # NAME COUNT: each has its own table, together they have all rows
    local part sum=0
    for ((part = 0; part < $2; part++)); do
        sum=$((sum + $(rows "$1/out/part-$part-of-$2")))
        grep -q '"state":.*"done"' "$dir/$1/out/part-$part-of-$2/status.json" || fail "$1: part $part is not done"
    done
    [ "$sum" = "$(rows calm/out)" ] || fail "$1: the parts have $sum rows, wanted $(rows calm/out)"
}

make_job shared world "cells scans fabric" "$more"
submit_job shared --nodes 1 --time 5 --array 3
is_in_state "${id[sweep]}" PENDING || fail "the table does not wait for the array"
demand_job "${id[array]}" COMPLETED 0:0
demand_job "${id[sweep]}" COMPLETED 0:0
demand_same shared calm
demand_parts shared 3
! grep ' made, peak memory' "$dir/shared-sweep-${id[sweep]}.out" >"$log" || fail "the last sweep made artefacts"

# The task with the highest number has the array's own number as SLURM_JOB_ID: only it may start again.
cat >>"$dir/environment.sh" <<'END'
[ "$SLURM_ARRAY_TASK_ID.${SLURM_RESTART_COUNT-0}" != 1.0 ] || export MRAD_PAUSE=score
END
make_job stopped world "cells scans fabric" "$more"
submit_job stopped --nodes 1 --time 5 --array 2
await_that 30 grep -qs '"score"' "$dir/stopped/out/part-1-of-2/status.json" || fail "the second task does not score"
scancel --signal=USR1 --batch "${id[array]}_1"
demand_job "${id[array]}" COMPLETED 0:0
[ "$(field "${id[array]}" Restarts | sort | tr '\n' ' ')" = '0 1 ' ] ||
    fail "restarts of the two tasks: $(field "${id[array]}" Restarts | tr '\n' ' ')"
demand_job "${id[sweep]}" COMPLETED 0:0
demand_same stopped calm
demand_parts stopped 2

# More parts than pairs: every task says so, and the table that cannot be made is taken out of the queue.
make_job many world "cells fabric" "$more"
submit_job many --nodes 1 --time 5 --array 3
demand_job "${id[array]}" FAILED 2:0
output_has "$dir/many-array-${id[array]}_0.out" 'run.part: found "0/3", but there are only 2 pairs to share'
demand_job "${id[sweep]}" CANCELLED
finish
