# shellcheck shell=bash disable=SC2034
# Modules and containers: the one place. submit.sh copies this into every job script; commands here run on
# the first node of each job before mrad starts, and what they export reaches all ranks.
#
#   module load gcc openmpi hdf5              # what mrad was built with
#   inside=(apptainer exec --bind "$PWD" mrad.sif)   # ranks run in a container; mrad is then a path in it

inside=() # words between srun and mrad

# Slurm 22 and 23: PMIx's default fence may end before all nodes are there (open-mpi/ompi issue 12495).
export SLURM_PMIX_FENCE=ring
