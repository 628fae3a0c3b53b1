package child

import (
	"os"
	"strings"
	"sync"
)

// Info says who this process is. Python: multiprocessing.current_process.
type Info struct {
	Name        string // "yunta:w3" in a child, the program's name in a parent
	Pool        string // name of the pool, "" in a parent
	Worker      int    // index in the pool, -1 in a process that is no worker
	Identity    []int  // numbers of this process and of those it descends from, as in "Process-1:2"; nil in the program itself
	Daemon      bool   // a process that was started as a daemon
	Incarnation int    // which start of this worker, or child of a group, it is, from 1; else 0
	PID         int
	ParentPID   int   // the supervisor's in a child
	CPUs        []int // the affinity mask it was pinned to, nil when not pinned
}

var self struct {
	sync.Mutex
	info   *Info
	parent *ParentProcess
	server *server
}

// Self returns the identity of this process.
func Self() Info {
	self.Lock()
	defer self.Unlock()
	if self.info != nil {
		return *self.info
	}
	return Info{Name: programName(), Worker: -1, PID: os.Getpid(), ParentPID: os.Getppid()}
}

func programName() string {
	name := os.Args[0]
	return name[strings.LastIndexByte(name, '/')+1:]
}

// introduce makes Self and Parent tell what the configuration says.
func (s *server) introduce() {
	c := &s.config
	i := &Info{
		Name: c.Name, Pool: c.Pool, Worker: c.Worker, Incarnation: c.Incarnation, Identity: c.Identity,
		PID: os.Getpid(), ParentPID: c.ParentPID, CPUs: c.CPUs,
	}
	if c.Process != nil {
		i.Worker, i.Daemon = -1, c.Process.Daemon
	}
	self.Lock()
	defer self.Unlock()
	self.info, self.server = i, s
	self.parent = &ParentProcess{name: c.ParentName, pid: c.ParentPID, done: make(chan struct{})}
}

// ParentProcess is the process that started this one. Python:
// multiprocessing.parent_process.
type ParentProcess struct {
	name string
	pid  int
	once sync.Once
	done chan struct{}
}

// Parent returns the process whose supervisor started this one, nil in the
// program itself.
func Parent() *ParentProcess {
	self.Lock()
	defer self.Unlock()
	return self.parent
}

// Name returns the parent's name, as Self tells it there.
func (p *ParentProcess) Name() string { return p.name }

// PID returns the parent's process number.
func (p *ParentProcess) PID() int { return p.pid }

// Alive reports whether the parent is not known to be dead.
func (p *ParentProcess) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Done is closed when the parent has died. This process is then about to be
// killed with its group: what it still has to do belongs into a function given
// to [BeforeKill]. In Python a child outlives its parent.
func (p *ParentProcess) Done() <-chan struct{} { return p.done }

func (p *ParentProcess) end() { p.once.Do(func() { close(p.done) }) }
