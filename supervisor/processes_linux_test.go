package supervisor_test

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// hasLinks says that openFiles tells what the descriptors are.
const hasLinks = true

// processes lists the living processes of the machine from proc(5).
func processes() (out []process) {
	dirs, err := os.ReadDir("/proc")
	if err != nil {
		panic(err)
	}
	for _, d := range dirs {
		pid, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + d.Name() + "/stat")
		if err != nil {
			continue // ended meanwhile
		}
		// pid (comm) state ppid pgrp; comm may hold anything.
		open, end := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
		f := strings.Fields(string(stat[end+1:]))
		if f[0] == "Z" || f[0] == "X" {
			continue
		}
		p := process{pid: pid, name: string(stat[open+1 : end])}
		p.parent, _ = strconv.Atoi(f[1])
		p.group, _ = strconv.Atoi(f[2])
		out = append(out, p)
	}
	return out
}

// descendants lists the processes whose environment has the run's mark, which
// nothing that descends from it loses.
func descendants(run string) (out []process) {
	mark := []byte(runEnv + "=" + run + "\x00")
	for _, p := range processes() {
		if env, err := os.ReadFile("/proc/" + strconv.Itoa(p.pid) + "/environ"); err == nil && bytes.Contains(env, mark) {
			out = append(out, p)
		}
	}
	return out
}

// openFiles returns the descriptors of this process and what they are.
func openFiles() map[int]string {
	out := make(map[int]string)
	dirs, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		panic(err)
	}
	for _, d := range dirs {
		fd, err := strconv.Atoi(d.Name())
		if err != nil {
			continue
		}
		if what, err := os.Readlink("/proc/self/fd/" + d.Name()); err == nil { // else it was the directory's own
			out[fd] = what
		}
	}
	return out
}
