package jobs

import (
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"yunta/oslock/futex"
	"yunta/oslock/mapped"
)

// Level says what a run wants of its jobs. It only ever grows.
type Level uint32

// The levels.
const (
	Going Level = iota
	Drain       // start nothing more, let running jobs finish
	Stop        // stop running jobs: SIGTERM, grace, SIGKILL
	Kill        // kill them at once
)

// Control is memory in the spill folder that the parent shares with all workers, whether they have begun or not. Its first word is the
// run's level. Behind it each worker has one for the process group of the job that it runs, where jobs have their own: whoever
// finds the worker dead ends the job.
type Control struct {
	region *mapped.Region
	word   *atomic.Uint32
}

const (
	controlName = "control"
	controlSize = 4 * (2 + MaxWorkers)
)

// MaxWorkers is as many workers as a run may have.
const MaxWorkers = 4096

// CreateControl makes the word in a new spill folder.
func CreateControl(dir string) (*Control, error) {
	path := filepath.Join(dir, controlName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Written, so that no store to it can fault on a full disk. Nothing waits for the blocks (fallocate(2) would): they never get there.
	if _, err := f.Write(make([]byte, controlSize)); err != nil {
		return nil, err
	}
	return mapControl(f)
}

func openControl(dir string) (*Control, error) {
	f, err := os.OpenFile(filepath.Join(dir, controlName), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mapControl(f)
}

func mapControl(f *os.File) (*Control, error) {
	region, err := mapped.Map(f, 0, controlSize)
	if err != nil {
		return nil, err
	}
	return &Control{region, region.Uint32(0)}, nil
}

// Level returns the present level.
func (c *Control) Level() Level { return Level(c.word.Load()) }

// Raise sets a higher level; a lower one changes nothing.
func (c *Control) Raise(l Level) {
	for {
		now := c.word.Load()
		if Level(now) >= l {
			return
		}
		if c.word.CompareAndSwap(now, uint32(l)) {
			futex.Wake(c.word, 1<<30)
			return
		}
	}
}

// group is the word for the process group of a worker's job, 0 between jobs.
func (c *Control) group(worker int) *atomic.Uint32 { return c.region.Uint32(4 * (1 + worker)) }

// limit is the word for the time that a job may take, in milliseconds.
func (c *Control) limit() *atomic.Uint32 { return c.region.Uint32(4 * (1 + MaxWorkers)) }

// SetLimit bounds how long jobs may take, running ones too, in milliseconds: for Settings.Limited.
func (c *Control) SetLimit(d time.Duration) {
	c.limit().Store(uint32(min(max(d.Milliseconds(), 1), 1<<32-1)))
}

// Limit is the present bound, 0 for none.
func (c *Control) Limit() time.Duration { return time.Duration(c.limit().Load()) * time.Millisecond }

// Close unmaps the word. Level and Raise must not be called any more.
func (c *Control) Close() error { return c.region.Unmap() }

const (
	// watchFor bounds one sleep of a watcher in the kernel.
	watchFor = time.Hour
	// watchEvery is how often it looks where it cannot sleep so: a person waits for the answer.
	watchEvery = 20 * time.Millisecond
)

// watch calls told with each level above Going that it sees, for ever.
func (c *Control) watch(told func(Level)) {
	sleeper := futex.NewPlainSleeper(c.word)
	for seen := Going; ; {
		if l := c.Level(); l != seen {
			seen = l
			told(l)
		}
		if seen == Kill {
			return
		}
		if futex.Native() {
			sleeper.Sleep(uint32(seen), watchFor)
		} else {
			time.Sleep(watchEvery)
		}
	}
}
