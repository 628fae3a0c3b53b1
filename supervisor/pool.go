package supervisor

import (
	"context"
	"os"
	"sync"

	"yunta/child/board"
	"yunta/child/wire"
	"yunta/ipc"
	"yunta/oslock/rundir"
)

// Pool is a fixed number of workers that run tasks: Python's
// multiprocessing.Pool. A worker that dies is replaced, its task is retried or
// reported, and nothing else is lost. All methods may be called from any
// goroutine; a copy made by With shares the workers.
type Pool struct {
	core *core
	call CallOptions
}

type poolState int

const (
	poolOpen poolState = iota
	poolClosing
	poolTerminated
)

// readerAsWriter is the supervisor's own number as a writer of extents, for
// arguments; workers count from 1.
const readerAsWriter = 0

// core is what all views of a pool share.
type core struct {
	o         PoolOptions
	masks     [][]int
	dir       *rundir.Dir
	file      *os.File // of extents
	extents   *ipc.Extents
	assigned  []uint32 // the first extents of the first workers
	area      []byte
	shared    *wire.Shared
	board     *board.Board
	boardPath string
	spawner   *spawner
	oom       oomCount
	stdout    *lineWriter
	stderr    *lineWriter
	logs      *logPump
	canSpin   bool
	ledger    *ledger // nil without a ResultsFile
	trace     *tracer // nil without a Trace

	mu            sync.Mutex
	state         poolState
	reason        error // why it was terminated
	jobs          jobQueue
	entries       []string // that the program of Command has, as far as a worker has said
	live          map[*job]struct{}
	workers       []*worker      // the present incarnation of each; nil while one is being replaced
	running       int            // workers not yet gone
	unstarted     int            // the first index that no worker was started for yet
	failedStarts  []failedStarts // by index
	writers       uint32         // the next number for a writer of extents
	measures      map[string]*measure
	inFlight      int
	argumentBytes int
	uses          uint64
	stats         Stats
	watching      bool // the monitor looks at outstanding chunks
	napping       bool // and has found that it need not for longer than a tick
	leaving       bool // workers have been asked to leave
	twins         *twins

	wake    chan struct{} // to the monitor
	started chan error    // first failure to start, or nil when all (or the first) are ready
	once    sync.Once
	over    bool          // mu: all workers are gone for good
	quit    chan struct{} // closed then: the monitor ends
	done    chan struct{} // and closed when everything is released
	helpers sync.WaitGroup
	unhook  func() bool

	// holders counts who touches mapped memory outside a worker's goroutine;
	// it is unmapped when there are none, and hold fails from then on. A
	// holder may hold again.
	holders  int
	unmapped bool
	released *sync.Cond // on mu
}

// NewPool starts a pool. It returns when the first worker is ready, or, with
// an Initializer, when all have run it; an error of a child's start or of the
// Initializer is returned, and what was started is stopped again.
//
// The end of ctx terminates the pool, as Terminate does.
func NewPool(ctx context.Context, o PoolOptions) (*Pool, error) {
	refuseInChild()
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	p := &core{
		o: o, live: make(map[*job]struct{}), measures: make(map[string]*measure),
		workers: make([]*worker, o.Processes), failedStarts: make([]failedStarts, o.Processes),
		writers: uint32(o.Processes) + 1, wake: make(chan struct{}, 1), started: make(chan error, 1), quit: make(chan struct{}), done: make(chan struct{}),
	}
	p.unhook = func() bool { return true }
	p.released = sync.NewCond(&p.mu)
	if err := p.openResults(); err != nil {
		return nil, err
	}
	p.trace = newTracer(p)
	if o.Model == Goroutines {
		if err := p.startTwins(); err != nil {
			p.trace.close(p)
			return nil, err
		}
	} else if err := p.startProcesses(ctx); err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { p.terminate(context.Cause(ctx)) })
	p.mu.Lock()
	p.unhook = stop
	p.mu.Unlock()
	return &Pool{core: p}, nil
}

// Close lets the pool finish what was submitted and then ends the workers; it
// takes no more work and does not block: Wait does. Python: Pool.close. A
// program that ends without it leaves no process behind all the same.
func (p *Pool) Close() error {
	c := p.core
	c.mu.Lock()
	if c.state == poolOpen {
		c.state = poolClosing
	}
	c.mu.Unlock()
	c.settleDown()
	return nil
}

// Terminate ends the pool at once: outstanding calls fail with
// ErrPoolTerminated, workers and what they started get SIGTERM, and SIGKILL
// after the grace. It does not block: Wait does. Python: Pool.terminate.
func (p *Pool) Terminate() error {
	p.core.terminate(ErrPoolTerminated)
	return nil
}

func (p *core) terminate(reason error) {
	p.mu.Lock()
	if p.state == poolTerminated {
		p.mu.Unlock()
		return
	}
	p.state, p.reason = poolTerminated, reason
	cause := p.closedErr()
	var jobs []*job
	for j := range p.live {
		jobs = append(jobs, j)
	}
	workers := p.present()
	p.mu.Unlock()
	for _, j := range jobs {
		p.end(j, cause)
	}
	for _, w := range workers {
		w.escalate(0)
	}
	if p.twins != nil {
		p.twins.terminate()
	}
	p.settleDown()
}

// Wait blocks until the pool is closed or terminated and all its workers are
// gone, or until ctx ends, whose error it then returns. Python: Pool.join.
func (p *Pool) Wait(ctx context.Context) error {
	select {
	case <-p.core.done: // even if ctx has ended, too
		return nil
	default:
	}
	select {
	case <-p.core.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// With returns a view of the same workers with other settings for its calls.
// Fields of o that are zero keep what this view has. It panics on values that
// make no sense.
func (p *Pool) With(o CallOptions) *Pool {
	if err := o.check(); err != nil {
		panic(err.Error())
	}
	v := *p
	if o.ChunkSize != 0 {
		v.call.ChunkSize = o.ChunkSize
	}
	if o.Timeout != 0 {
		v.call.Timeout = o.Timeout
	}
	if o.Retries != 0 {
		v.call.Retries = o.Retries
	}
	if o.Buffer != 0 {
		v.call.Buffer = o.Buffer
	}
	if o.OnProgress != nil {
		v.call.OnProgress = o.OnProgress
	}
	if o.Job != "" {
		v.call.Job = o.Job
	}
	v.call.FailFast = v.call.FailFast || o.FailFast
	return &v
}
