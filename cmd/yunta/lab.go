package main

import "github.com/spf13/cobra"

func newLabCommand() *cobra.Command {
	lab := &cobra.Command{
		Use:   "lab",
		Short: "Small programs that show one thing each",
		Long: `The lab holds small programs that show one thing each: a pool of processes, a semaphore,
a lock. They are the first programs of any course on Python's multiprocessing, with processes
that do share what they seem to share.`,
	}
	isGroup(lab)
	lab.AddCommand(newLabSumCommand(), newLabGuardCommand(guardSemaphore), newLabGuardCommand(guardLock))
	return lab
}
