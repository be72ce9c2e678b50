#!/usr/bin/env bash
# A job that is stopped in order goes back into the queue and finishes with the bytes of an undisturbed run:
# by its own clock before the time limit, by Slurm's signal before it, by that signal at once, by
# preemption; but not more often than told.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"
. "$MRAD_SOURCE/tests/support/slurm.sh"

more='"features": {"shard_items": 3},'
start_with "cells fabric" "$more"

# The first run of each job rests after its first score shard until it is stopped.
cat >>"$dir/environment.sh" <<'END'
case $SLURM_JOB_NAME.${SLURM_RESTART_COUNT:-0} in
bounded-sweep.*) export MRAD_PAUSE=extract ;;
again-sweep.*) ;;
*.0) export MRAD_PAUSE=score ;;
esac
END
declare -A number
begin() { # NAME OPTIONS...
    make_job "$1" world "cells fabric" "$more"
    submit_job "$@"
    number[$1]=${id[sweep]}
}

begin clock --nodes 2 --time 1 --signal-before 10 -- --set run.time_margin=45
begin signal --nodes 1 --time 1 --signal-before 30 -- --set run.time_margin=0
begin atonce --nodes 1 --time 5
begin bounded --nodes 1 --time 5 --restarts 1 -- --time-left 2

demand_restarted() { # NAME TEXT: at least once (a slow machine may need more), and its output tells why
    local output=$dir/$1-sweep-${number[$1]}.out
    demand_job "${number[$1]}" COMPLETED 0:0
    [ "$(field "${number[$1]}" Restarts)" -ge 1 ] || fail "$1: it never started again"
    output_has "$output" "stopped on request during"
    output_has "$output" "$2"
    demand_same "$1" calm
    grep -q '"SLURM_RESTART_COUNT":.*"[1-9]"' "$dir/$1/out/run.json" || fail "$1: run.json does not tell the restart"
}

await atonce "$(product score)"
before=$(artefacts atonce | grep -v '^scores/.*/shard-') # those go when they are joined
scancel --signal=USR1 --batch "${number[atonce]}"
demand_restarted atonce 'stops 60 s before'
[ -z "$(comm -23 <(echo "$before") <(artefacts atonce))" ] || fail "finished artefacts were made again"

# Enough is enough: the exit status stays, and submitting again goes on.
demand_job "${number[bounded]}" FAILED 75:0
[ "$(field "${number[bounded]}" Restarts)" = 1 ] || fail "wanted one restart, not $(field "${number[bounded]}" Restarts)"
output_has "$dir/bounded-sweep-${number[bounded]}.out" "stopped after 1 restarts"
output_has "$dir/bounded-sweep-${number[bounded]}.out" "stops in 2.0 s as told"

demand_restarted clock 'stops 45 s before'
demand_restarted signal 'stops 0 s before'
submit_job bounded --nodes 2 --name again --time 5
demand_job "${id[sweep]}" COMPLETED 0:0
demand_same bounded calm

# Preemption, when the others are done: an urgent job wants both nodes.
begin yielding --nodes 2 --time 5
await yielding "$(product score)"
urgent=$(sbatch --parsable --partition=urgent --nodes=2 --exclusive --time=1 --output=/dev/null --wrap='sleep 1')
demand_job "$urgent" COMPLETED 0:0
demand_restarted yielding 'stops 60 s before'
finish
