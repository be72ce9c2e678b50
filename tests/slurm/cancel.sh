#!/usr/bin/env bash
# Jobs that end before their time and do not come back by themselves: scancel, and kill -9 of a rank. Submitted
# again they finish with the bytes of an undisturbed run and make nothing twice. A node that fails is Slurm's
# affair: it runs the job again.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"
. "$MRAD_SOURCE/tests/support/slurm.sh"

more='"features": {"shard_items": 3},'
start_with "cells fabric" "$more"
cp "$dir/environment.sh" "$dir/plain.sh"
echo '[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || export MRAD_PAUSE=score' >"$dir/held.sh"

begin() { # NAME: held in the middle of scoring
    make_job "$1" world "cells fabric" "$more"
    cat "$dir/plain.sh" "$dir/held.sh" >"$dir/environment.sh"
    submit_job "$1" --nodes 2 --tasks-per-node 2 --time 5
    await "$1" "$(product score)"
    before=$(artefacts "$1" | grep -v '^scores/.*/shard-') # those go when they are joined
}

begin_again() { # NAME
    [ "$(field "${id[sweep]}" Restarts)" = 0 ] || fail "$1: it started again by itself"
    await_that 10 has_no_ranks "$1" || fail "$1: ranks survived their job"
    cp "$dir/plain.sh" "$dir/environment.sh"
    submit_job "$1" --nodes 2 --time 5
    demand_job "${id[sweep]}" COMPLETED 0:0
    demand_kept "$1"
}
has_no_ranks() { [ -z "$(ranks_of "/$1.json")" ]; }

demand_kept() { # NAME
    demand_same "$1" calm
    [ -z "$(comm -23 <(echo "$before") <(artefacts "$1"))" ] || fail "$1: finished artefacts were made again"
}

begin cancelled
scancel "${id[sweep]}"
demand_job "${id[sweep]}" CANCELLED
begin_again cancelled

begin killed
[ "$(ranks_of /killed.json | wc -l)" = 4 ] || fail "wanted 4 ranks, not $(ranks_of /killed.json | wc -l)"
kill -9 "$(ranks_of /killed.json | tail -n 1)"
demand_job "${id[sweep]}" FAILED 137:0
begin_again killed

begin failing
scontrol update nodename=n2 state=down reason=test
demand_job "${id[sweep]}" COMPLETED 0:0
[ "$(field "${id[sweep]}" Restarts)" = 1 ] || fail "a failed node: $(field "${id[sweep]}" Restarts) restarts, wanted 1"
demand_kept failing
finish
