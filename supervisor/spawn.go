package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/child/wire"
)

// spawner starts children from one OS thread that lives as long as the pool:
// the parent-death signal is bound to the thread that forks, and the affinity
// mask that a child inherits is that thread's.
type spawner struct {
	requests chan spawnRequest
	done     chan struct{}
}

type spawnRequest struct {
	cmd    *exec.Cmd
	cpus   []int
	answer chan error
}

func newSpawner() *spawner {
	s := &spawner{requests: make(chan spawnRequest), done: make(chan struct{})}
	go s.serve()
	return s
}

func (s *spawner) serve() {
	defer close(s.done)
	// Never unlocked: the thread ends with this goroutine, and its changed
	// mask with it.
	runtime.LockOSThread()
	own, _ := affinity.Thread() // nil where there is no such thing: nothing is ever set then
	for r := range s.requests {
		r.answer <- start(r.cmd, r.cpus, own)
	}
}

func start(cmd *exec.Cmd, cpus, own []int) error {
	if cpus != nil {
		if err := affinity.SetThread(cpus); err != nil {
			return err
		}
		defer func() { _ = affinity.SetThread(own) }() // it was our own a moment ago
	}
	return cmd.Start()
}

func (s *spawner) start(cmd *exec.Cmd, cpus []int) error {
	answer := make(chan error)
	s.requests <- spawnRequest{cmd, cpus, answer}
	return <-answer
}

func (s *spawner) stop() {
	close(s.requests)
	<-s.done
}

// childEnv is a child's environment: this process's without what would
// override the affinity mask and the memory limit, plus env and the marker.
func childEnv(env []string, marker string) []string {
	base := os.Environ()
	out := make([]string, 0, len(base)+len(env)+1)
	for _, kv := range base {
		key, _, _ := strings.Cut(kv, "=")
		switch key {
		case "GOMAXPROCS", "GOMEMLIMIT", wire.EnvMarker:
		default:
			out = append(out, kv)
		}
	}
	out = append(out, env...)
	return append(out, wire.EnvMarker+"="+marker)
}

// refuseInChild keeps a program whose main forgot child.Main from starting
// children without end.
func refuseInChild() {
	if child.Unserved() {
		fmt.Fprintln(os.Stderr, "yunta: this process was started as a worker, but main did not call child.Main before it made a pool: call it first in main (in tests: first in TestMain)")
		os.Exit(2)
	}
}
