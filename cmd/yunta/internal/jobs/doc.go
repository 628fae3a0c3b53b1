// Package jobs runs commands inside the workers of yunta map, one at a time in each worker.
//
// A job is an argument vector. Its standard input is /dev/null; its standard output and error are two files in the run's spill
// folder, which the worker keeps open from job to job: no pipe has to be read while the job runs, and nothing is lost of a job
// that is killed. What a job has written comes back in its [Result], or, when it is much, as the name of a file that the
// receiver copies and removes.
//
// On Linux a worker adopts what its jobs leave behind (it is their subreaper), so it knows whether anybody may still write to
// those two files, and finds the whole tree of a job that has to go, whatever sessions it is spread over. Elsewhere a job has a
// process group of its own, which is killed as one, and each job gets new files.
package jobs
