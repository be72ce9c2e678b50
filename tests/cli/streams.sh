#!/usr/bin/env bash
# A standard output that is full or closed fails the run, with a message; what was made stays. No carriage
# returns where stderr is no terminal.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

make_world
write_job "$dir/job.json" "fabric cells" '"pairs": [["fabric", "cells"]]'

no_output() { # ARGS...: with a full and with a closed stdout
    local status
    for how in full closed; do
        status=0
        if [ "$how" = full ]; then
            "$MRAD" "$@" </dev/null 2>"$dir/err" >/dev/full || status=$?
        else
            "$MRAD" "$@" </dev/null 2>"$dir/err" >&- || status=$?
        fi
        last="mrad $* with stdout $how"
        [ "$status" = 1 ] || fail "$last: exit status $status, wanted 1"
        err_has 'mrad: cannot write to standard output'
    done
}

no_output sweep "$dir/job.json"
if [ -f "$dir/run/results.json" ]; then
    rm -r "$dir/run"
else
    fail "a full standard output cost the results"
fi
run 0 plan "$dir/job.json"
out_lacks "to make"
listing "$dir/store" | cut -d' ' -f1,2 >"$dir/names"
no_output sweep "$dir/job.json" --json
no_output eval "$dir/job.json" --train fabric --test cells
no_output plan "$dir/job.json"
no_output extract "$dir/job.json"
no_output bank "$dir/job.json"
no_output bank --info "$(find "$dir/store/bank/fabric" -name bank.h5)"
no_output report "$dir/run"
no_output status "$dir/run"
no_output status "$dir/run" --json
no_output metrics "$MRAD_FIXTURES/metrics/more.h5" --json
no_output index mvtec "$dir/world/fabric"
no_output doctor
no_output version
no_output help
no_output help config
no_output help sweep
no_output sweep --help
no_output

# closed streams do not become the files that are written
status=0
"$MRAD" sweep "$dir/job.json" --store "$dir/second store" --out "$dir/second" <&- >&- 2>&- || status=$?
[ "$status" = 1 ] || fail "sweep with all streams closed: exit status $status, wanted 1"
run 0 sweep "$dir/job.json" --json
cmp "$dir/out" "$dir/second/results.json" || fail "closed streams changed the results"
listing "$dir/second store" | cut -d' ' -f1,2 | diff "$dir/names" - || fail "closed streams changed the store"

mkdir "$dir/waits"
mkfifo "$dir/waits/results.json"
exec 9<>"$dir/waits/results.json"
"$MRAD" report "$dir/waits" <&- >&- 2>&- 9>&- &
pid=$!
is_reading() { grep -qF "$dir/waits/results.json" <<<"$(readlink "/proc/$pid"/fd/* || true)"; }
for ((i = 0; i < 3000; i++)); do
    if is_reading; then break; fi
    sleep 0.02
done
is_reading || { kill -9 "$pid" && fail "report with all streams closed did not begin to read within 60 s"; }
for fd in 0 1 2; do
    got=$(readlink "/proc/$pid/fd/$fd" || true)
    [ "$got" = /dev/null ] || fail "a closed stream $fd became $got"
done
echo '{}' >&9
exec 9>&-
status=0
wait "$pid" || status=$?
[ "$status" = 1 ] || fail "report of an empty results.json with all streams closed: exit status $status, wanted 1"

# progress: lines in a log, one line that moves on a terminal
run 0 sweep "$dir/job.json" --store "$dir/third" --out "$dir/third run"
err_has 'pieces done in'
! grep -q $'\r' "$dir/err" || fail "carriage returns in a log: $(cat -v "$dir/err")"
check_py "progress on a terminal" "$MRAD" "$dir" <<'PY'
import os
import pty
import subprocess
import sys
mrad, dir = sys.argv[1:]
ours, theirs = pty.openpty()
with subprocess.Popen([mrad, "sweep", f"{dir}/job.json", "--store", f"{dir}/fourth", "--out", f"{dir}/fourth run"],
                      stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs) as run:
    os.close(theirs)
    text = b""
    try:
        while True:
            part = os.read(ours, 4096)
            if not part:
                break
            text += part
    except OSError:  # the other end is closed
        pass
    out = run.stdout.read()
assert run.returncode == 0, text
assert b"\r\x1b[K" in text and b"pieces done in" in text, text
assert b"\r" not in out and out.startswith(b"| variant"), out
PY

# results alone on stdout, whatever is said on stderr
run 0 sweep "$dir/job.json" --json --verbose --store "$dir/fifth"
cmp "$dir/out" "$dir/second/results.json" || fail "--verbose changes stdout"
finish
