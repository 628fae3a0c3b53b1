package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"

	"yunta/child"
	"yunta/child/affinity"
	"yunta/child/wire"
)

// spawner starts children from one OS thread that lives as long as any of
// them: the parent-death signal is bound to the thread that forks, and the
// affinity mask that a child inherits is that thread's.
type spawner struct {
	requests chan spawnRequest
	users    int // guarded by spawners.mu
}

// spawnAhead is how many children may wait to be forked while those who want
// them do something else.
const spawnAhead = 64

type spawnRequest struct {
	cmd    *exec.Cmd
	cpus   []int
	answer chan error
}

// spawners has the spawner that all pools and processes share; none while
// there are no children.
var spawners struct {
	mu  sync.Mutex
	one *spawner
}

// takeSpawner returns the spawner, which lives until everybody who took it has
// released it: a child's death, at the earliest.
func takeSpawner() *spawner {
	spawners.mu.Lock()
	defer spawners.mu.Unlock()
	if spawners.one == nil {
		spawners.one = &spawner{requests: make(chan spawnRequest, spawnAhead)}
		go spawners.one.serve()
	}
	spawners.one.users++
	return spawners.one
}

func (s *spawner) release() {
	spawners.mu.Lock()
	defer spawners.mu.Unlock()
	if s.users--; s.users == 0 {
		close(s.requests)
		spawners.one = nil
	}
}

func (s *spawner) serve() {
	// Never unlocked: the thread ends with this goroutine, and its changed
	// mask with it.
	runtime.LockOSThread()
	for r := range s.requests {
		r.answer <- start(r.cmd, r.cpus)
	}
}

func start(cmd *exec.Cmd, cpus []int) error {
	if cpus != nil {
		own, err := affinity.Thread()
		if err != nil {
			return err
		}
		if err := affinity.SetThread(cpus); err != nil {
			return err
		}
		defer func() { _ = affinity.SetThread(own) }() // it was our own a moment ago
	}
	return cmd.Start()
}

// begin has the child started after those before it, and returns where to hear
// how that went.
func (s *spawner) begin(cmd *exec.Cmd, cpus []int) <-chan error {
	answer := make(chan error, 1)
	s.requests <- spawnRequest{cmd, cpus, answer}
	return answer
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
		fmt.Fprintln(os.Stderr, "yunta: this process was started as a worker, but main did not call child.Main before it started a child: call it first in main (in tests: first in TestMain)")
		os.Exit(2)
	}
}
