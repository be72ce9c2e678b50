/*
 * slurm.h - what Slurm says about the job this process is part of, and stopping before the job's end.
 *
 * Everything comes from the environment; outside a job there is nothing to say. All functions are local.
 */
#ifndef PAR_SLURM_H
#define PAR_SLURM_H

#include "par/comm.h"

/*
 * Stop by the clock (par/cores.h), and log on rank 0 which clock: `time_left` seconds from now if that is
 * not 0; else, in a Slurm job, `margin` seconds before SLURM_JOB_END_TIME (seconds since 1970), at once
 * when that is over. ERR_CONFIG when SLURM_JOB_END_TIME is no such number.
 */
int slurm_stop_in_time(double time_left, double margin);

/*
 * The job in one line for people: id, array task, nodes, tasks, end; NULL outside a job. Says so when
 * Slurm started another number of tasks than comm has ranks. Free with MEM_FREE.
 */
int slurm_job_text(char **out, const struct comm *comm);

/*
 * ERR_MPI when srun started this process as one of several tasks but not as an MPI rank: each of them
 * would do all the work. Ask only where no MPI launcher left its mark.
 */
int slurm_check_alone(void);

#endif /* PAR_SLURM_H */
