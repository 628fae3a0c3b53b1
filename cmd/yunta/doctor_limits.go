package main

import (
	"fmt"
	"os"
	"strings"

	"yunta/child/affinity"
)

// limitsHere is what yunta does not do, with a word on whether it matters where this runs. README has the same list.
func limitsHere(r *doctorReport) []limit {
	dir, run := r.Directory, r.RunDirectory
	var limits []limit
	add := func(name string, applies bool, format string, args ...any) {
		limits = append(limits, limit{name, applies, fmt.Sprintf(format, args...)})
	}
	on := dir.Path + " is on " + dir.FileSystem
	if dir.Path == "" {
		on = "no directory was tried"
	}
	if dir.Network {
		on += ": locks and shared memory are refused there"
	}
	add("network file systems", dir.Network, "%s", on)
	if dir.FileSystem == "overlay" {
		add("overlay file systems", true, "a file of a lower layer is another file in each container: lock files on a volume that all share")
	} else {
		add("overlay file systems", false, "%s", on)
	}
	add("other users", true, "names without a slash are user %d's alone: share a lock by a path and a mode", os.Geteuid())
	removed, why := cleanedUp(run.Path)
	add("removal by the system", removed, "%s", why)
	add("grandchildren", true, "a task's program that calls setsid outlives a killed supervisor")
	if err := affinity.Supported(); err != nil {
		add("pinning", true, "there is no call for it here")
	} else {
		add("pinning", false, "works here")
	}
	add("retries", true, "a task that is retried may have run in part, or whole, before")
	add("goroutine pools", true, "cannot kill a task, survive its crash or limit its memory")
	return limits
}

// cleanedUp says whether the system removes what is in the run directory while programs run that use it.
func cleanedUp(run string) (removed bool, why string) {
	switch {
	case run == "":
		return false, "there is no run directory"
	case strings.HasPrefix(run, "/dev/shm/"):
		return removedAtLogout(os.Geteuid())
	case strings.HasPrefix(run, "/tmp/"), strings.HasPrefix(run, "/private/tmp/"):
		return true, run + ": files in /tmp that nobody used for days may be removed: exempt it if programs run so long"
	}
	return false, run + " is not known to be cleaned"
}
