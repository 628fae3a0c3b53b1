package child

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"yunta/child/wire"
	"yunta/ipc"
)

// takeSignals gives the process a worker's dispositions. SIGINT is taken and
// dropped rather than ignored: what a terminal's Ctrl-C means is decided by
// the supervisor, and an ignored signal would be inherited by the programs
// that tasks start. SIGTERM keeps its meaning, but if it comes because the
// parent died the whole process group goes.
func (s *server) takeSignals() (terminated chan struct{}) {
	terminated = make(chan struct{})
	// A channel of its own: interrupts must not take SIGTERM's place.
	interrupts, terms := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(interrupts, syscall.SIGINT)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		for {
			select {
			case <-interrupts:
			case <-terms:
				dieOfSIGTERM(wire.FDLifeline, s.config.ParentPID, terminated)
			}
		}
	}()
	return terminated
}

// parentGrace is how long a SIGTERM of unknown origin waits for the news that
// the parent is dead. The kernel sends the parent-death signal when one thread
// of the parent has ended, and closes its descriptors when all have, which on a
// busy machine takes longer than this: so doomed looks at the others.
const parentGrace = 50 * time.Millisecond

// dieOfSIGTERM ends the process as SIGTERM does by default and the rest of its
// process group with it, or, when the parent is dead, both at once. The group
// must not depend on a supervisor that may not be there any more.
func dieOfSIGTERM(lifeline, parent int, announced <-chan struct{}) {
	select {
	case <-announced: // the supervisor's own: it looks after the group
	default:
		for end := time.Now().Add(parentGrace); time.Now().Before(end); time.Sleep(time.Millisecond) {
			if os.Getppid() != parent || hungUp(lifeline) || doomed(parent) {
				orphaned()
			}
		}
	}
	beforeKill.run()
	killOthers()
	signal.Reset(syscall.SIGTERM)
	_ = syscall.Kill(os.Getpid(), syscall.SIGTERM)
	select {} // the signal is on its way
}

// killOthers kills everything of this process's group but itself, so that it
// can still end of what it was sent: it goes over to its parent's group first.
// Without a parent to go to, it ends with the others.
func killOthers() {
	group := os.Getpid()
	if syscall.Getpgrp() != group {
		return
	}
	syscall.ForkLock.Lock() // for good: what was started once this process has left the group would not be in it
	to, err := syscall.Getpgid(os.Getppid())
	if err == nil {
		err = syscall.Setpgid(0, to)
	}
	if err != nil {
		killGroup()
	}
	_ = syscall.Kill(-group, syscall.SIGKILL) // nobody else was in it, at best
}

// holdLifeline blocks on the lifeline for the process's whole life. A child
// that runs something reads nothing else, so this is the way to cancel it, and
// the end of the pipe is how it learns that the supervisor is dead.
func (s *server) holdLifeline(line *ipc.PipeFile, terminated chan struct{}) {
	frames := ipc.NewFrameReader(line, wire.MaxFrame)
	var announce, leave sync.Once
	var slots []uint32
	for {
		body, err := frames.Next()
		if err != nil || len(body) == 0 {
			orphaned()
		}
		switch body[0] {
		case wire.KindTerminate:
			announce.Do(func() { close(terminated) })
		case wire.KindLeave:
			leave.Do(func() { close(s.mayLeave) })
		case wire.KindStop:
			s.cancel()
		case wire.KindCancel, wire.KindExpire:
			cause := context.Canceled
			if body[0] == wire.KindExpire {
				cause = context.DeadlineExceeded
			}
			slots, _ = wire.ParseSlots(slots[:0], body)
			c := s.current.Load()
			for _, slot := range slots {
				// A condemned slot stays this chunk's: nothing else begins.
				if c != nil && c.number == slot {
					c.ctx.end(cause)
				}
			}
		}
	}
}

// orphaned ends this process because its parent is dead.
func orphaned() {
	if p := Parent(); p != nil {
		p.end()
	}
	killGroup()
}

// killGroup ends this process and everything of its process group, which a
// supervisor made for it, after what BeforeKill was given.
func killGroup() {
	beforeKill.run()
	if syscall.Getpgrp() == os.Getpid() {
		_ = syscall.Kill(0, syscall.SIGKILL)
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	os.Exit(exitProtocol) // in case the group could not be signalled
}
