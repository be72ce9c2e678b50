#!/usr/bin/env bash
# Submit a job of mrad to Slurm.
#
#   slurm/submit.sh JOB.json --nodes N --time T [options] [-- options of mrad]
#
#   --nodes N             nodes of each job
#   --time T              time limit of each job, as Slurm writes it: minutes, H:M:S, D-H, ...
#   --gpus-per-node G     GPUs of a node (default 0)
#   --tasks-per-node R    ranks on a node (default: one for each GPU, else 1)
#   --cpus-per-task C     cores of a rank (default: Slurm's)
#   --array N             share the pairs among N jobs on one store, then one job that makes the table
#   --chain               extract, then sweep (or the array), then report, each when the one before is done
#   --out DIR             folder of results; --chain needs it here
#   --partition P, --account A, --qos Q, --mem M      as for sbatch
#   --sbatch OPTION       any other option of sbatch, e.g. --sbatch=--constraint=rome; may be repeated
#   --signal-before S     stop in order S seconds before the time limit (default 120)
#   --restarts N          how often a job may go back into the queue (default 20)
#   --mpi TYPE            srun's way of starting ranks (default pmix)
#   --environment FILE    modules and containers (default slurm/environment.sh)
#   --mrad PATH           the program (default: build/release/mrad, else the one in PATH)
#   --logs DIR            output of the jobs (default results/slurm)
#   --name NAME           name of the jobs (default: the job file's)
#   --dry-run             print the job scripts, submit nothing
#
# Prints a line for each job submitted: STEP ID. Paths in JOB.json are relative to the current folder.
set -euo pipefail
here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

usage() { sed -n '2,/^set/{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}"; }
refuse() { # TEXT
    echo "submit.sh: $*" >&2
    exit 2
}

# option | what its value must match | what was wanted
name='^[A-Za-z0-9_][A-Za-z0-9_.,:@+=-]*$'
count='^[1-9][0-9]{0,5}$'
options="
nodes           | $count                          | a whole number from 1
time            | ^([0-9]+-)?[0-9]+(:[0-9]+){0,2}\$ | a time limit as minutes, M:S, H:M:S, D-H, D-H:M or D-H:M:S
gpus-per-node   | ^[0-9]{1,4}\$                   | a whole number
tasks-per-node  | $count                          | a whole number from 1
cpus-per-task   | $count                          | a whole number from 1
array           | $count                          | a whole number from 1
out             | .                               | a folder
partition       | $name                           | a name
account         | $name                           | a name
qos             | $name                           | a name
mem             | ^[0-9]+[KMGT]?\$                | a size such as 64G
sbatch          | ^--[a-z][^[:cntrl:]]*\$          | an option of sbatch, --NAME or --NAME=VALUE
signal-before   | $count                          | seconds, a whole number from 1
restarts        | ^[0-9]{1,5}\$                   | a whole number
mpi             | $name                           | a name
environment     | .                               | a file
mrad            | .                               | a file
logs            | ^[A-Za-z0-9_./+@-]+\$           | a folder with plain characters, as Slurm wants it
name            | $name                           | a name
"

# The line of an option without padding: NAME|PATTERN|WANTED.
option_line() { # NAME
    awk -v name="$1" '$1 == name { gsub(/ *[|] */, "|"); print; known = 1 } END { exit !known }' <<<"$options" ||
        refuse "unknown option \"--$1\"; known:" \
        "$(sed -n 's/^\([a-z-]*\) .*/--\1/p' <<<"$options" | tr '\n' ' ')--chain --dry-run --help"
}

declare -A set=([gpus-per-node]=0 [signal-before]=120 [restarts]=20 [mpi]=pmix
    [environment]=$here/environment.sh [logs]=results/slurm)
more_sbatch=() more_mrad=() job='' chain=0 dry_run=0

put() { # NAME VALUE
    local pattern wanted
    IFS='|' read -r _ pattern wanted <<<"$(option_line "$1")"
    [[ $2 =~ $pattern ]] || refuse "--$1: found \"$2\", wanted $wanted"
    if [ "$1" = sbatch ]; then more_sbatch+=("$2"); else set[$1]=$2; fi
}

while [ $# -gt 0 ]; do
    case $1 in
    --help | -h) usage && exit 0 ;;
    --chain) chain=1 ;;
    --dry-run) dry_run=1 ;;
    --) shift && more_mrad=("$@") && break ;;
    --*=*)
        option=${1%%=*}
        option_line "${option#--}" >/dev/null
        put "${option#--}" "${1#*=}"
        ;;
    --*)
        option_line "${1#--}" >/dev/null
        [ $# -gt 1 ] || refuse "$1: wants a value after it"
        put "${1#--}" "$2"
        shift
        ;;
    *)
        [ -z "$job" ] || refuse "found a second job file \"$1\", wanted one"
        job=$1
        ;;
    esac
    shift
done

seconds() { # TIME: a time limit of Slurm in seconds
    local days=0 text=$1 part
    [ "$text" = "${text#*-}" ] || { days=${text%%-*} && text=${text#*-}; }
    IFS=: read -ra part <<<"$text"
    if [ "$text" != "$1" ]; then # after days: H, H:M, H:M:S
        echo $((10#$days * 86400 + 10#${part[0]} * 3600 + 10#${part[1]:-0} * 60 + 10#${part[2]:-0}))
    elif [ ${#part[@]} = 3 ]; then
        echo $((10#${part[0]} * 3600 + 10#${part[1]} * 60 + 10#${part[2]}))
    else
        echo $((10#${part[0]} * 60 + 10#${part[1]:-0}))
    fi
}

[ -n "$job" ] || refuse "wanted a job file; --help tells more"
if [ ! -f "$job" ] || [ ! -r "$job" ]; then refuse "no readable job file \"$job\""; fi
for option in nodes time; do
    [ -n "${set[$option]-}" ] || refuse "wanted --$option"
done
[ "$(seconds "${set[time]}")" -gt "${set[signal-before]}" ] || refuse "--time: found \"${set[time]}\"," \
    "wanted more than the ${set[signal-before]} s of --signal-before"
[ -r "${set[environment]}" ] || refuse "--environment: no readable file \"${set[environment]}\""
[ "$chain" = 0 ] || [ -n "${set[out]-}" ] || refuse "--chain: wanted --out DIR too, which the report is made of"
if [ -z "${set[mrad]-}" ]; then
    set[mrad]=$here/../build/release/mrad
    [ -x "${set[mrad]}" ] || set[mrad]=$(command -v mrad) ||
        refuse "found no mrad in build/release nor in PATH, wanted one; build it or say --mrad PATH"
    set[mrad]=$(realpath "${set[mrad]}")
fi
[ "$dry_run" = 1 ] || command -v sbatch >/dev/null || refuse "found no sbatch; --dry-run prints the scripts"
if [ -z "${set[tasks-per-node]-}" ]; then
    set[tasks-per-node]=1
    [ "${set[gpus-per-node]}" = 0 ] || set[tasks-per-node]=${set[gpus-per-node]}
fi
if [ -z "${set[name]-}" ]; then
    set[name]=$(basename "$job" .json)
    set[name]=${set[name]//[^A-Za-z0-9_.-]/_}
fi

sbatch_lines() { # STEP SHAPE: whole or single node; DEPENDENCY or nothing
    local nodes=${set[nodes]} tasks=${set[tasks-per-node]} output=%x-%j.out option line=()
    if [ "$2" = single ]; then nodes=1 tasks=1; fi
    line=("--job-name=${set[name]}-$1" "--nodes=$nodes" "--ntasks-per-node=$tasks" "--time=${set[time]}"
        "--signal=B:USR1@${set[signal-before]}" --requeue --open-mode=append)
    if [ "$2" = array ]; then
        line+=("--array=0-$((set[array] - 1))")
        output=%x-%A_%a.out
    fi
    line+=("--output=${set[logs]}/$output")
    [ "$2" = single ] || [ "${set[gpus-per-node]}" = 0 ] || line+=("--gpus-per-node=${set[gpus-per-node]}")
    for option in cpus-per-task partition account qos mem; do
        [ -z "${set[$option]-}" ] || line+=("--$option=${set[$option]}")
    done
    [ -z "$3" ] || line+=("--dependency=afterok:$3" --kill-on-invalid-dep=yes)
    printf '#SBATCH %s\n' "${line[@]}" ${more_sbatch[@]+"${more_sbatch[@]}"}
}

quoted() { # WORDS...: as bash reads them again
    printf '%q ' "$@" | sed 's/ $//'
}

script() { # STEP SHAPE DEPENDENCY ARGUMENTS_AS_TEXT
    local line
    while IFS= read -r line; do
        case $line in
        '# @STEP@'*) line=${line/@STEP@/$1} && echo "${line/@JOB@/"$job"}" ;;
        @SBATCH@) sbatch_lines "$1" "$2" "$3" ;;
        *@ENVIRONMENT_FILE@*) echo "${line/@ENVIRONMENT_FILE@/"${set[environment]}"}" ;;
        @ENVIRONMENT@) cat -- "${set[environment]}" ;;
        mrad=@MRAD@) echo "mrad=$(quoted "${set[mrad]}")" ;;
        *@ARGUMENTS@*) echo "arguments=($4)" ;;
        *@RESTARTS@*) echo "most_restarts=${set[restarts]}" ;;
        *@MPI@*) echo "${line/@MPI@/"${set[mpi]}"}" ;;
        *) echo "$line" ;;
        esac
    done <"$here/job.sbatch"
}

last='' # id of the last job submitted
submit() { # STEP SHAPE ARGUMENTS_AS_TEXT
    if [ "$dry_run" = 1 ]; then
        echo "# ======== $1"
        script "$1" "$2" "$last" "$3"
        last="ID_OF_${1^^}"
        return
    fi
    last=$(script "$1" "$2" "$last" "$3" | sbatch --parsable)
    last=${last%%;*} # a cluster's name may follow
    echo "$1 $last"
}

[ "$dry_run" = 1 ] || mkdir -p -- "${set[logs]}"
stage=$(quoted "$job" ${more_mrad[@]+"${more_mrad[@]}"})
sweep=$stage
[ -z "${set[out]-}" ] || sweep=$(quoted "$job" --out "${set[out]}" ${more_mrad[@]+"${more_mrad[@]}"})
[ "$chain" = 0 ] || submit extract whole "extract $stage"
if [ -n "${set[array]-}" ]; then
    submit array array "sweep $sweep --part \"\$SLURM_ARRAY_TASK_ID/${set[array]}\""
    submit sweep single "sweep $sweep"
else
    submit sweep whole "sweep $sweep"
fi
[ "$chain" = 0 ] || submit report single "report $(quoted "${set[out]}")"
