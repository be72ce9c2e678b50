#!/usr/bin/env bash
# SIGTERM, SIGINT, SIGUSR1 and the clock stop a run: every rank ends with 75, status.json says so, the
# reason is told once, nothing half-written stays, and the same command finishes with the bytes of an
# undisturbed run without making a finished artefact again.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_world world
more='"features": {"shard_items": 4},'
make_job calm world "cells fabric" "$more"
demand 0 0 sweep "$dir/calm.json"

demand_stopped() { # NAME
    grep -q '"state":.*"stopped"' "$dir/$1/out/status.json" || fail "$1: status.json does not say stopped"
    [ -z "$(find "$dir/$1" -name '*.tmp.*')" ] || fail "$1: half-written files"
    [ "$(grep -c '^mrad: ' "$dir/$1.log")" = 1 ] || { cp "$dir/$1.log" "$log" && fail "$1: wanted one message"; }
    "$MRAD" status "$dir/$1/out" >"$log" 2>&1 || fail "$1: mrad status failed"
    grep -q '^stopped' "$log" || fail "$1: mrad status does not say stopped"
}

finish_run() { # NAME N
    local before
    before=$(artefacts "$1" | grep -v '^scores/.*/shard-' || true) # those go when they are joined
    demand 0 "$2" sweep "$dir/$1.json"
    demand_same "$1" calm
    [ -z "$(comm -23 <(echo "$before") <(artefacts "$1"))" ] || fail "$1: finished artefacts were made again"
}

# Start, wait until the stage has its first artefact, send a signal to some ranks, look at the end.
interrupt() { # NAME N STAGE SIGNAL WHICH: first, last, all, or launcher (which passes it on)
    local pids status=0 job run=() pause=$3
    case $5 in first | last) pause+=:0.5 ;; esac # the others must come to hear of it
    make_job "$1" world "cells fabric" "$more"
    rm -rf "$dir/status"
    mkdir "$dir/status"
    [ "$2" = 0 ] || run=(timeout -k 5 60 mpirun --oversubscribe --bind-to none -n "$2" bash "$dir/each.sh")
    MRAD_PAUSE=$pause STATUS_DIR=$dir/status "${run[@]}" "$MRAD" sweep "$dir/$1.json" >"$dir/$1.log" 2>&1 &
    job=$!
    await "$1" "$(product "$3")"
    pids=$(ranks_of "/$1.json")
    case $5 in
    first) pids=$(head -n 1 <<<"$pids") ;;
    last) pids=$(tail -n 1 <<<"$pids") ;;
    launcher) pids=$(pgrep -P "$job" mpirun) ;;
    esac
    # shellcheck disable=SC2086
    kill -s "$4" $pids
    wait "$job" || status=$?
    if [ "$2" = 0 ]; then
        [ "$status" = 75 ] || fail "$1: status $status, wanted 75"
    else
        demand_statuses 75 "$2" "$1"
    fi
    demand_stopped "$1"
    finish_run "$1" "$2"
}

interrupt solo-term 0 extract TERM all
interrupt solo-int 0 join INT all
interrupt solo-usr1 0 measure USR1 all
interrupt all-term 3 extract TERM all
interrupt one-term 3 bank TERM last
interrupt one-usr1 2 score USR1 first
interrupt gather 2 gather USR1 last
interrupt passed-on 2 join USR1 launcher

# mpirun's own status, where no wrapper is between it and the program.
make_job plain world "cells fabric" "$more"
got=0
MRAD_PAUSE=score ranks 2 sweep "$dir/plain.json" --time-left 1 || got=$?
[ "$got" = 75 ] || fail "mpirun ended with $got, wanted 75"
cp "$log" "$dir/plain.log"
demand_stopped plain
finish_run plain 2

# The clock, wherever it strikes: in the middle of a shard or between stages. Each run may do a little
# more; a time limit that is used up at once changes nothing.
make_job clock world "cells fabric" "$more"
stops=0
for left in 0.0001 0.01 0.02 0.03 0.04 0.05 0.06 0.08 0.1 0.15 0.2 0.4 60; do
    got=0
    ranks 0 sweep "$dir/clock.json" --time-left "$left" || got=$?
    cp "$log" "$dir/clock.log"
    [ "$got" != 0 ] || break
    stops=$((stops + 1))
    [ "$got" = 75 ] || fail "--time-left $left: status $got, wanted 75"
    demand_stopped clock
done
[ "$stops" -ge 1 ] || fail "the clock stopped no run"
demand_same clock calm
finish
