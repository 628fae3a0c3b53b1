package board

import (
	"encoding/binary"
	"fmt"
	"time"

	"yunta/oslock/mapped"
)

// State is what a worker is doing.
type State uint8

// The states of a worker. Starting, Stopping and Dead are the supervisor's word, the others the worker's own.
const (
	Unused   State = iota // no worker has been started for the line
	Starting              // started, and not heard of yet
	Idle                  // waits for tasks
	Running               // runs a task
	Stopping              // has been asked to leave
	Dead                  // has ended, and was not replaced
)

var stateNames = [...]string{"unused", "starting", "idle", "running", "stopping", "dead"}

// String returns the state's name, "state 9" for one that has none.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Status is one line as it was at one moment.
type Status struct {
	PID      int
	CPU      int // that the worker is tied to; -1 if it is free or not known
	State    State
	Entry    string    // of the current task, or of the last
	Job      uint64    // as the worker's pool numbers them
	Index    uint64    // of the task in its job
	Start    time.Time // of the task; zero before the first
	Done     uint64    // tasks by this process
	Failed   uint64
	Restarts int       // how many processes served the line before this one
	WaitsFor string    // the end of the name of a lock, "" while it waits for none
	Owner    int       // process id of that lock's owner, 0 if there is none or it is not known
	Since    time.Time // when that wait began
	// What the processes did that served the line before this one.
	DoneBefore, FailedBefore uint64
	// Torn says that the worker was stopped or killed while it wrote, or writes without a pause: the fields are
	// each right by themselves, and may not belong together.
	Torn bool
}

// tornTries is how often a reader looks for words that belong together before it takes what there is. A change takes a
// writer some 10 ns, so that thousands of looks in vain, 50 us, mean one that does not run, nearly always.
const tornTries = 4096

// Read returns line i. It panics if there is none; an error says that the file was truncated.
func (b *Board) Read(i int) (s Status, err error) {
	l := b.line(i)
	err = mapped.Guard(func() error { s = l.status(); return nil })
	if err != nil {
		return Status{}, fmt.Errorf("board: line %d: %w", i, err)
	}
	return s, nil
}

// All returns all lines, each as of its own moment.
func (b *Board) All() ([]Status, error) {
	all := make([]Status, b.header.Lines)
	for i := range all {
		var err error
		if all[i], err = b.Read(i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// Places of a line; see the package's introduction.
const (
	wordSupervisor = 0
	wordRunSeq     = 1
	wordWho        = 2
	wordJob        = 3
	wordIndex      = 4
	wordStart      = 5
	wordDone       = 6
	wordFailed     = 7
	wordEntry      = 8
	entryWords     = 4
	wordBefore     = 12 // done, and failed
	wordWaitSeq    = 14
	wordOwner      = 15
	wordSince      = 16
	wordWait       = 17
	waitWords      = 7
	runWords       = wordWaitSeq - wordWho
	sectionWords   = lineWords - wordOwner // of the wait
)

func (l *line) status() Status {
	var run [runWords]uint64
	var wait [sectionWords]uint64
	whole := l.section(wordRunSeq, run[:])
	wholeWait := l.section(wordWaitSeq, wait[:])
	boss := l[wordSupervisor].Load()
	s := Status{
		PID:      int(int32(boss)),
		Restarts: int(boss >> 32 & 0xffffff),
		State:    State(boss >> 56),
		CPU:      -1,
	}
	who := run[0]
	if int(int32(who)) != s.PID || s.PID == 0 {
		return s // the worker of the line has not written yet: the words are of one before it
	}
	s.CPU = int(who>>32&0xffff) - 1
	if s.State == Idle {
		s.State = State(who >> 48 & 0xff)
	}
	s.Job, s.Index, s.Done, s.Failed = run[1], run[2], run[4], run[5]
	if ns := int64(run[3]); ns != 0 {
		s.Start = time.Unix(0, ns)
	}
	s.Entry = fromWords(run[wordEntry-wordWho : wordBefore-wordWho])
	s.DoneBefore, s.FailedBefore = run[wordBefore-wordWho], run[wordBefore+1-wordWho]
	if s.WaitsFor = fromWords(wait[wordWait-wordOwner:]); s.WaitsFor != "" {
		s.Owner = int(int32(wait[0]))
		if ns := int64(wait[wordSince-wordOwner]); ns != 0 {
			s.Since = time.Unix(0, ns)
		}
	}
	s.Torn = !whole || !wholeWait
	return s
}

// section copies the words after a sequence number, and says whether they belong together. Loads are atomic
// so that they come in this order, and so that each word is whole whatever else.
func (l *line) section(seq int, words []uint64) bool {
	for range tornTries {
		before := l[seq].Load()
		for i := range words {
			words[i] = l[seq+1+i].Load()
		}
		if before%2 == 0 && l[seq].Load() == before {
			return true
		}
	}
	return false
}

func fromWords(words []uint64) string {
	var buf [8 * waitWords]byte
	for i, w := range words {
		binary.NativeEndian.PutUint64(buf[8*i:], w)
	}
	return text(buf[:8*len(words)])
}

func toWords(words []uint64, s string) {
	var buf [8 * waitWords]byte
	copy(buf[:8*len(words)], s)
	for i := range words {
		words[i] = binary.NativeEndian.Uint64(buf[8*i:])
	}
}

// The supervisor's word changes by itself, so it needs no sequence number. Nobody but the supervisor writes it.

// Starting says that a process was started for line i, after restarts others before it.
func (b *Board) Starting(i, pid, restarts int) error {
	return b.set(i, func(uint64) uint64 {
		return uint64(uint32(pid)) | uint64(min(restarts, 0xffffff))<<32 | uint64(Starting)<<56
	})
}

// Serving says that the worker of line i takes tasks; what it does from now on is its own to say.
func (b *Board) Serving(i int) error { return b.state(i, Idle) }

// Stopping says that the worker of line i has been asked to leave.
func (b *Board) Stopping(i int) error { return b.state(i, Stopping) }

// Dead says that the worker of line i has ended.
func (b *Board) Dead(i int) error { return b.state(i, Dead) }

func (b *Board) state(i int, s State) error {
	return b.set(i, func(w uint64) uint64 { return w&(1<<56-1) | uint64(s)<<56 })
}

func (b *Board) set(i int, f func(uint64) uint64) error {
	l := b.line(i)
	err := mapped.Guard(func() error {
		w := &l[wordSupervisor] // in here: the compiler's nil check of l touches the memory
		w.Store(f(w.Load()))
		return nil
	})
	if err != nil {
		return fmt.Errorf("board: line %d: %w", i, err)
	}
	return nil
}
