#!/usr/bin/env bash
# run.json names every host with its ranks; where ranks may have host names of their own, also of several hosts.
set -euo pipefail
. "$MRAD_SOURCE/tests/support/mpi.sh"

make_world world

hosts_are() { # NAME HOSTS: as JSON
    python3 - "$dir/$1/out/run.json" "$2" <<'PY' || fail "$1: other hosts than $2"
import json
import sys
run = json.load(open(sys.argv[1]))
want = json.loads(sys.argv[2])
assert run["hosts"] == want, run["hosts"]
assert run["ranks"] == sum(len(h["ranks"]) for h in want) and run["host"] == want[0]["host"]
PY
}

make_job one world "cells"
demand 2 2 sweep "$dir/one.json" # a data set alone is no pair
[ ! -e "$dir/one/out/run.json" ] || fail "a sweep that never began wrote run.json"

make_job two world "cells fabric"
demand 0 2 sweep "$dir/two.json"
hosts_are two "[{\"host\": \"$(hostname)\", \"ranks\": [0, 1]}]"

if unshare -u true 2>/dev/null; then
    cat >"$dir/elsewhere.sh" <<'END'
#!/usr/bin/env bash
exec unshare -u bash -c 'hostname "node-$((OMPI_COMM_WORLD_RANK % 2))" && exec "$@"' - "$@"
END
    make_job apart world "cells fabric"
    timeout -k 5 60 mpirun --oversubscribe --bind-to none -n 3 bash "$dir/elsewhere.sh" "$MRAD" \
        sweep "$dir/apart.json" >"$log" 2>&1 || fail "ranks with names of their own: status $?"
    hosts_are apart '[{"host": "node-0", "ranks": [0, 2]}, {"host": "node-1", "ranks": [1]}]'
    demand_same apart two
else
    echo "skipped: several hosts (no host name of one's own here)"
fi
finish
