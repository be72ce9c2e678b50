# slurm.sh - what the scripts of tests/slurm share; sourced after mpi.sh, not run.
#
# A private, real Slurm: munged, slurmctld and two virtual nodes n1 and n2 with 4 CPUs and 2 GPUs each, all of
# them claimed only. Configuration, keys, sockets, state and logs lie in $cluster, a folder of its own that
# goes with the script, as do the daemons and whatever jobs leave behind; ports are free ones; nothing of
# /etc or /var is read or written. Root is not needed, but with it each node has a host name.
#
# Partitions: "cpu", the default, and "urgent", whose jobs take the place of those in "cpu".

submit=$MRAD_SOURCE/slurm/submit.sh
cluster='' daemons=()
PATH=$PATH:/usr/sbin:/sbin

skip() { # WHY: the whole script
    echo "skipped: $(basename "$0" .sh) ($1)"
    exit 77
}

need_slurm() {
    local command
    for command in munged slurmctld slurmd slurmstepd sbatch srun scontrol squeue scancel sinfo setpriv; do
        command -v "$command" >/dev/null || skip "no $command; tools/setup.sh --slurm installs it"
    done
    # getaddrinfo, as Slurm calls it, leaves loopback addresses out
    awk '/32 host LOCAL/ { if (at !~ /^127[.]/) found = 1 } { at = $2 } END { exit !found }' /proc/net/fib_trie ||
        skip "this machine has no IPv4 address but the loopback's"
}

# Until the command succeeds, SECONDS at most.
await_that() { # SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt "$end" ] || return 1
        sleep 0.1
    done
}

# ---- the cluster ----

is_free() { # PORT
    awk -v end="$(printf ':%04X' "$1")" 'substr($2, length($2) - 4) == end { used = 1 } END { exit used }' \
        /proc/net/tcp
}

free_ports() { # the first of three in a row, below those that clients get
    local port try
    for ((try = 0; try < 200; try++)); do
        port=$((20000 + RANDOM % 12000))
        is_free $port && is_free $((port + 1)) && is_free $((port + 2)) && echo $port && return 0
    done
    return 1
}

write_slurm_conf() { # HOST
    local port i host
    port=$(free_ports)
    cat <<END
ClusterName=test
SlurmctldHost=$1(127.0.0.1)
SlurmctldPort=$port
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
CredType=cred/munge
# cred_expire is also how long a job waits that goes back into the queue
AuthInfo=socket=$cluster/munge/socket,cred_expire=5
StateSaveLocation=$cluster/state
SlurmdSpoolDir=$cluster/spool/%n
# the PMIx servers of two nodes would use one folder without the %n
TmpFS=$cluster/tmp/%n
SlurmctldPidFile=$cluster/run/slurmctld.pid
SlurmdPidFile=$cluster/run/slurmd-%n.pid
SlurmctldLogFile=$cluster/log/slurmctld.log
SlurmdLogFile=$cluster/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MailProg=/bin/true
MpiDefault=none
GresTypes=gpu
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SlurmdParameters=config_overrides
ReturnToService=2
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0,bf_interval=1
MinJobAge=3600
KillWait=5
InactiveLimit=0
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
END
    for i in 1 2; do
        host=$1
        [ "$has_names" = 0 ] || host=n$i
        echo "NodeName=n$i NodeHostname=$host NodeAddr=127.0.0.1 Port=$((port + i)) CPUs=4 RealMemory=64000 Gres=gpu:2"
    done
    echo "PartitionName=cpu Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=5 PriorityTier=1 GraceTime=30"
    echo "PartitionName=urgent Nodes=ALL MaxTime=INFINITE DefaultTime=5 PriorityTier=2"
}

write_configuration() {
    local host
    host=$(uname -n)
    mkdir -p "$cluster"/{etc,munge,log,run,state,spool/n1,spool/n2,tmp/n1,tmp/n2}
    chmod 711 "$cluster/munge"
    (umask 077 && head -c 1024 /dev/urandom >"$cluster/munge/key")
    write_slurm_conf "${host%%.*}" >"$cluster/etc/slurm.conf"
    # PMIx's other fences do not leave the node in this Slurm: one start in a hundred would crash
    echo "PMIxCollFence=ring" >"$cluster/etc/mpi.conf"
    echo "CgroupPlugin=cgroup/v1" >"$cluster/etc/cgroup.conf" # read, but not used
    : >"$cluster/etc/gpu0" && : >"$cluster/etc/gpu1"
    echo "Name=gpu File=$cluster/etc/gpu[0-1]" >"$cluster/etc/gres.conf"
}

# In the background, until stop_cluster or the end of this script, however it comes.
start_daemon() { # NAME COMMAND...
    local name=$1
    shift
    setpriv --pdeathsig KILL "$@" >>"$cluster/log/$name.out" 2>&1 </dev/null &
    daemons+=($!)
}

is_ready() {
    [ "$(timeout 10 sinfo -h -N -o '%N %t' | sort -u | grep -cE ' (idle|mix|alloc|comp)$')" = 2 ]
}

start_cluster() {
    local i as_node
    need_slurm
    cluster=$(mktemp -d /tmp/mrad-slurm.XXXXXX) # short: names of sockets hold 107 characters
    trap 'stop_cluster; cleanup' EXIT
    has_names=1
    unshare --uts hostname n0 2>/dev/null || has_names=0
    write_configuration
    export SLURM_CONF=$cluster/etc/slurm.conf
    # Two nodes on one host: their ranks share its cores, and meet on the loopback interface.
    export OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_btl_tcp_if_include=lo OMPI_MCA_oob_tcp_if_include=lo
    [ "$has_names" = 1 ] || export OMPI_MCA_btl=self,tcp # shared memory is named after the host
    start_daemon munged munged --foreground --force --key-file="$cluster/munge/key" \
        --socket="$cluster/munge/socket" --pid-file="$cluster/run/munged.pid" \
        --log-file="$cluster/log/munged.log" --seed-file="$cluster/munge/seed"
    await_that 10 test -S "$cluster/munge/socket" || give_up "munged did not start"
    start_daemon slurmctld slurmctld -D -f "$SLURM_CONF"
    for i in 1 2; do
        as_node=()
        [ "$has_names" = 0 ] || as_node=(unshare --uts sh -c 'hostname "$0" && exec "$@"' "n$i")
        start_daemon "slurmd-$i" ${as_node[@]+"${as_node[@]}"} slurmd -D -f "$SLURM_CONF" -N "n$i"
    done
    await_that 30 is_ready || give_up "the cluster was not ready within 30 s"
}

give_up() { # WHY
    tail -n 5 "$cluster"/log/*.out "$cluster"/log/*.log >"$log" 2>/dev/null || true
    fail "$1"
    exit 1
}

# Processes of jobs of this cluster that outlived them. This script is none: it has no SLURM_TASK_PID.
strays() {
    local file pid
    grep -lzxsF -- "SLURM_CONF=$SLURM_CONF" /proc/[0-9]*/environ | while read -r file; do
        grep -qzs '^SLURM_TASK_PID=' "$file" || continue
        pid=${file#/proc/}
        echo "${pid%/environ}"
    done
}

is_over() { [ -z "$(timeout 10 squeue -h -o %i || echo unknown)" ]; }
has_no_strays() { [ -z "$(strays)" ]; }
has_ended() { ! kill -0 "$1" 2>/dev/null; }

stop_cluster() {
    local i pid
    [ -n "$cluster" ] || return 0
    if is_ready 2>/dev/null; then
        timeout 10 squeue -h -o %A | sort -u | timeout 10 xargs -r scancel 2>/dev/null || true
        await_that 15 is_over || echo "jobs stay in the queue"
    fi
    await_that 3 has_no_strays || for pid in $(strays); do kill -9 "$pid" 2>/dev/null || true; done
    for ((i = ${#daemons[@]} - 1; i >= 0; i--)); do
        pid=${daemons[i]}
        kill "$pid" 2>/dev/null || continue
        await_that 5 has_ended "$pid" || kill -9 "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    rm -rf "$cluster"
}

# ---- jobs ----

declare -A id # of each step that the last submit_job submitted

# Submit a job file of $dir. The steps' numbers are in ${id[STEP]}, their output in $dir/NAME-STEP-*.out.
submit_job() { # NAME OPTIONS...
    local name=$1 step number
    shift
    id=()
    "$submit" "$dir/$name.json" --logs "$dir" --mrad "$MRAD" --environment "$dir/environment.sh" "$@" \
        >"$dir/submitted" 2>"$log" || fail "$name: submit.sh ended with $?"
    while read -r step number; do id[$step]=$number; done <"$dir/submitted"
}
cp "$MRAD_SOURCE/slurm/environment.sh" "$dir/environment.sh"

# One value that scontrol knows of a job; of an array one line for each task.
field() { # ID NAME
    scontrol -o show job "$1" | tr ' ' '\n' | sed -n "s/^$2=//p"
}

is_out() { [ -z "$(squeue -h -j "$1" -o %i 2>/dev/null)" ]; }
is_in_state() { [ "$(field "$1" JobState)" = "$2" ]; }

await_job() { # ID SECONDS: until it is out of the queue
    await_that "$2" is_out "$1" && return 0
    scontrol -o show job "$1" >"$log"
    fail "job $1 is still there after $2 s"
}

# It ends within two minutes, all of it in the state.
demand_job() { # ID STATE [EXIT]
    local got
    await_job "$1" 120
    got=$(field "$1" JobState | sort -u)
    if [ "$got" != "$2" ] || { [ -n "${3-}" ] && [ "$(field "$1" ExitCode | sort -u)" != "$3" ]; }; then
        { scontrol -o show job "$1" && tail -n 40 "$dir"/*-"$1"*.out; } >"$log" 2>&1 || true
        fail "job $1: $(field "$1" JobState | tr '\n' ' ')$(field "$1" ExitCode | tr '\n' ' '), wanted $2 ${3-}"
    fi
}

output_has() { # FILE TEXT
    grep -qF -- "$2" "$1" || { cp "$1" "$log" && fail "$(basename "$1") does not say \"$2\""; }
}

# The cluster, $dir/world, and the undisturbed run of a job over it, `calm`.
start_with() { # "SETS" MORE
    start_cluster
    make_world world
    make_job calm world "$1" "$2"
    demand 0 0 sweep "$dir/calm.json"
}
