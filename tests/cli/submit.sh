#!/usr/bin/env bash
# slurm/submit.sh without Slurm: what its scripts say, and what it refuses. tests/slurm runs them.
set -euo pipefail
source "$MRAD_SOURCE/tests/support/cli.sh"

# A job file with a blank in its name, and an environment with something to recognise.
job="$dir/my job.json"
echo '{}' >"$job"
echo 'export HERE="a $b"' >"$dir/environment"

search=$PATH
submit() { # STATUS ARGS...
    local want=$1 status=0
    shift
    last="submit.sh $*"
    (cd "$dir" && PATH=$search "$MRAD_SOURCE/slurm/submit.sh" "$@") </dev/null >"$dir/out" 2>"$dir/err" || status=$?
    [ "$status" = "$want" ] || fail "$last: exit status $status, wanted $want; stderr: $(head -c 600 "$dir/err")"
}
scripts() { submit 0 "$job" --dry-run --mrad "$MRAD" --environment "$dir/environment" "$@"; }
wrong() { # TEXT ARGS...: refused in one line
    local text=$1
    shift
    submit 2 --dry-run "$@"
    err_has "submit.sh: "
    err_has "$text"
    out_is_empty
    [ "$(wc -l <"$dir/err")" = 1 ] || fail "$last: wanted one line on stderr"
}
directives() { grep '^#SBATCH' "$dir/out" | sort; }
demand_directives() { # LINES: of all scripts
    diff <(sort <<<"$1" | sed 's/^/#SBATCH /') <(directives) >"$dir/diff" || fail "$last: $(cat "$dir/diff")"
}

submit 0 --help
# the help tells every option of the table, and no other
diff <(grep -o -- '--[a-z][a-z-]* [A-Z]' "$dir/out" | sed 's/ .$//' | sort -u) \
    <(sed -n 's/^\([a-z-]*\)  *|.*/--\1/p' "$MRAD_SOURCE/slurm/submit.sh" | sort) >"$dir/diff" ||
    fail "help and options differ: $(cat "$dir/diff")"

# ---- one sweep ----

scripts --nodes 4 --time 12:00:00
demand_directives '--job-name=my_job-sweep
--nodes=4
--ntasks-per-node=1
--time=12:00:00
--signal=B:USR1@120
--requeue
--open-mode=append
--output=results/slurm/%x-%j.out'
bash -n "$dir/out" || fail "$last: not a bash script"
out_has 'export HERE="a $b"'
out_lacks '@'"MRAD@"
[ ! -e "$dir/results" ] || fail "$last: a dry run made a folder"

scripts --nodes=2 --gpus-per-node=4 --cpus-per-task=8 --time=1-12 --partition=gpu --account=me --qos=high --mem=64G \
    --sbatch=--constraint=rome --sbatch --exclusive --signal-before 300 --logs "$dir/logs" --name n --mpi pmix_v4 \
    --restarts 3
demand_directives "--job-name=n-sweep
--nodes=2
--ntasks-per-node=4
--time=1-12
--signal=B:USR1@300
--requeue
--open-mode=append
--output=$dir/logs/%x-%j.out
--gpus-per-node=4
--cpus-per-task=8
--partition=gpu
--account=me
--qos=high
--mem=64G
--constraint=rome
--exclusive"
out_has 'srun --mpi=pmix_v4 '
out_has 'most_restarts=3'

# ---- steps ----

scripts --nodes 3 --time 60 --array 5 --chain --out "a b"
[ "$(grep '^# ====' "$dir/out" | tr -d '#= \n')" = extractarraysweepreport ] || fail "$last: other steps"
for line in --array=0-4 --dependency=afterok:ID_OF_EXTRACT --dependency=afterok:ID_OF_ARRAY \
    --dependency=afterok:ID_OF_SWEEP; do
    [ "$(grep -cxF -- "#SBATCH $line" "$dir/out")" = 1 ] || fail "$last: wanted one $line"
done
[ "$(grep -cxF '#SBATCH --kill-on-invalid-dep=yes' "$dir/out")" = 3 ] || fail "$last: a step would wait for ever"
[ "$(grep -cxF '#SBATCH --nodes=3' "$dir/out")" = 2 ] || fail "$last: the table needs one node"

# What each script runs, with words as they were given.
printf '#!/usr/bin/env bash\nprintf "<%%s>" "$@" && echo\n' >"$dir/srun"
printf '#!/usr/bin/env bash\nexit 1\n' >"$dir/squeue"
chmod +x "$dir/srun" "$dir/squeue"
scripts --nodes 3 --time 60 --array 5 --chain --out "a b" -- --set 'score.k=0.5' --weights "it's"
csplit -s -f "$dir/step" "$dir/out" '/^# ====/' '{*}'
for step in "$dir"/step0[1-4]; do
    SLURM_JOB_ID=1 SLURM_ARRAY_JOB_ID=1 SLURM_ARRAY_TASK_ID=3 PATH=$dir:$PATH bash "$step" || fail "$step failed"
done >"$dir/run"
given="<$job>"
more="<--set><score.k=0.5><--weights><it's>"
cat >"$dir/want" <<END
<--mpi=pmix><$MRAD><extract>$given$more
<--mpi=pmix><$MRAD><sweep>$given<--out><a b>$more<--part><3/5>
<--mpi=pmix><$MRAD><sweep>$given<--out><a b>$more
<--mpi=pmix><$MRAD><report><a b>
END
diff "$dir/want" "$dir/run" >"$dir/diff" || fail "$last: $(cat "$dir/diff")"

# ---- what the documentation shows ----

cp "$job" "$dir/job.json"
cp -r "$MRAD_SOURCE/jobs" "$dir/jobs"
n=0
while read -ra words; do
    submit 0 "${words[@]:1}" --dry-run --mrad "$MRAD"
    n=$((n + 1))
done < <(grep -h '^ *slurm/submit.sh ' "$MRAD_SOURCE/README.md" "$MRAD_SOURCE"/docs/*.md)
[ "$n" -ge 4 ] || fail "found only $n commands in the documentation"

# ---- refused ----

good=("$job" --nodes 1 --time 60 --mrad "$MRAD")
wrong 'wanted a job file' --nodes 1 --time 5
wrong "no readable job file \"$dir/none.json\"" "$dir/none.json" --nodes 1 --time 5
wrong 'wanted --nodes' "$job" --time 5
wrong 'wanted --time' "$job" --nodes 1
wrong 'found a second job file' "${good[@]}" other.json
wrong '--mem: wants a value after it' "${good[@]}" --mem
for option in --nodez --Nodes '--.*'; do
    wrong "unknown option \"$option\"; known: --nodes --time" "${good[@]}" "$option" 3
    wrong "unknown option \"$option\"; known: --nodes --time" "${good[@]}" "$option=3"
done
for value in 0 -1 1.5 x ' ' '' 1000000 '1 2'; do
    wrong "--nodes: found \"$value\", wanted a whole number from 1" "$job" --time 60 --nodes "$value"
done
for value in x 1h 1:2:3:4 -5 '' 1-2-3; do
    wrong "--time: found \"$value\", wanted a time limit" "$job" --nodes 1 --time "$value"
done
for value in 0 1 2 1:59 0:01:59 0-0:2; do
    wrong "--time: found \"$value\", wanted more than the 120 s" "$job" --nodes 1 --time "$value"
done
for value in 3 2:01 0:02:01 0-1 0-0:3 08:09; do
    scripts --nodes 1 --time "$value"
done
wrong '--mem: found "64X"' "${good[@]}" --mem 64X
wrong '--partition: found "a b"' "${good[@]}" --partition 'a b'
wrong '--sbatch: found "exclusive"' "${good[@]}" --sbatch exclusive
wrong '--sbatch: found "--a' "${good[@]}" --sbatch $'--a\tb'
wrong '--logs: found "a b"' "${good[@]}" --logs 'a b'
wrong '--environment: no readable file' "${good[@]}" --environment "$dir/none"
wrong '--chain: wanted --out DIR' "${good[@]}" --chain

# nothing to submit with: a PATH that has all but sbatch
mkdir "$dir/bin"
for command in bash env sed awk tr cat dirname basename realpath; do
    ln -s "$(command -v "$command")" "$dir/bin/$command"
done
search=$dir/bin
submit 2 "${good[@]}"
err_has 'found no sbatch'
finish
