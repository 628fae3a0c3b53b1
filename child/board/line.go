package board

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"yunta/child/affinity"
	"yunta/oslock/mapped"
)

// Line is a worker's own line. Run and Idle belong to the one goroutine that serves; WaitsFor may be called by
// any. All of them do nothing on a nil Line, and nothing any more once the file was truncated by
// somebody: the board is for onlookers, and no task fails for it.
type Line struct {
	board *Board
	words *line
	gone  atomic.Bool // a fault was met
	who   uint64      // of the worker's words: process id and CPU

	// What the words hold, to spare stores: on some machines each costs 5 ns.
	seq               uint64
	entry             string
	done, failed, job uint64
	index             uint64

	mu      sync.Mutex // guards the words of the wait and waiting
	waitSeq uint64
	waiting waiting
}

// waiting is what the words of the wait hold.
type waiting struct {
	name  string
	owner int
	since time.Time
}

// OpenLine opens line i of the board at path for the process that it is about. The CPU that the
// calling thread is tied to, if it is a single one, is noted.
func OpenLine(path string, i int) (*Line, error) {
	cpus, _ := affinity.Thread()
	return OpenLineFor(path, i, os.Getpid(), cpus)
}

// OpenLineFor is OpenLine on behalf of another process, tied to the given CPUs, that cannot write its line itself.
func OpenLineFor(path string, i, pid int, cpus []int) (*Line, error) {
	b, err := open(path, true)
	if err != nil {
		return nil, err
	}
	if i < 0 || i >= b.header.Lines {
		b.Close()
		return nil, fmt.Errorf("board: no line %d in %s, which has %d", i, path, b.header.Lines)
	}
	l := &Line{board: b, words: b.line(i)}
	cpu := -1
	if len(cpus) == 1 {
		cpu = cpus[0]
	}
	l.who = uint64(uint32(pid)) | uint64(uint16(cpu+1))<<32
	if err := mapped.Guard(func() error { l.reset(); return nil }); err != nil {
		b.Close()
		return nil, fmt.Errorf("board: line %d: %w", i, err)
	}
	return l, nil
}

// reset takes the worker's words over from a process before, which may have been killed while it wrote.
func (l *Line) reset() {
	l.seq = (l.words[wordRunSeq].Load() + 1) | 1
	openSection(&l.words[wordRunSeq], l.seq)
	for i := range 2 { // done, and failed
		before := &l.words[wordBefore+i]
		before.Store(before.Load() + l.words[wordDone+i].Load())
	}
	for i := wordJob; i < wordEntry+entryWords; i++ {
		l.words[i].Store(0)
	}
	l.words[wordWho].Store(l.who | uint64(Idle)<<48)
	l.seq++
	closeSection(&l.words[wordRunSeq], l.seq)

	l.waitSeq = (l.words[wordWaitSeq].Load() + 1) | 1
	openSection(&l.words[wordWaitSeq], l.waitSeq)
	for i := wordOwner; i < lineWords; i++ {
		l.words[i].Store(0)
	}
	l.waitSeq++
	closeSection(&l.words[wordWaitSeq], l.waitSeq)
}

// Run says that the worker runs a task since start, Unix time in ns. Names of more than 32 bytes are cut.
func (l *Line) Run(entry string, job, index uint64, start int64) {
	if l == nil || l.gone.Load() {
		return
	}
	if mapped.Guard(func() error { l.run(entry, job, index, start); return nil }) != nil {
		l.gone.Store(true)
	}
}

func (l *Line) run(entry string, job, index uint64, start int64) {
	w := l.words
	openSection(&w[wordRunSeq], l.seq+1)
	store(&w[wordWho], l.who|uint64(Running)<<48)
	if job != l.job {
		store(&w[wordJob], job)
		l.job = job
	}
	if index != l.index {
		store(&w[wordIndex], index)
		l.index = index
	}
	store(&w[wordStart], uint64(start))
	if entry != l.entry {
		l.name(entry)
	}
	l.seq += 2
	closeSection(&w[wordRunSeq], l.seq)
}

func (l *Line) name(entry string) {
	l.entry = entry
	var words [entryWords]uint64
	toWords(words[:], cut(entry, 8*entryWords))
	for i, v := range words {
		store(&l.words[wordEntry+i], v)
	}
}

// Idle says that the worker waits for tasks, and how many it has done and how many of these failed.
func (l *Line) Idle(done, failed uint64) {
	if l == nil || l.gone.Load() {
		return
	}
	if mapped.Guard(func() error { l.idle(done, failed); return nil }) != nil {
		l.gone.Store(true)
	}
}

func (l *Line) idle(done, failed uint64) {
	w := l.words
	openSection(&w[wordRunSeq], l.seq+1)
	store(&w[wordWho], l.who|uint64(Idle)<<48)
	if done != l.done {
		store(&w[wordDone], done)
		l.done = done
	}
	if failed != l.failed {
		store(&w[wordFailed], failed)
		l.failed = failed
	}
	l.seq += 2
	closeSection(&w[wordRunSeq], l.seq)
}

// WaitsFor says which lock a goroutine of this process waits for since when, and which process owns it, 0 if that is
// not known; a name of "" says that it waits no more. Of a name of more than 56 bytes the end is kept. Of several
// waits the last one told is shown.
func (l *Line) WaitsFor(name string, owner int, since time.Time) {
	if l == nil || l.gone.Load() {
		return
	}
	if len(name) > 8*waitWords {
		name = name[len(name)-8*waitWords:]
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	w := waiting{name, owner, since}
	if w == l.waiting {
		return
	}
	l.waiting = w
	var words [sectionWords]uint64
	if name != "" {
		words[0] = uint64(uint32(owner))
		words[wordSince-wordOwner] = uint64(since.UnixNano())
		toWords(words[wordWait-wordOwner:], name)
	}
	if mapped.Guard(func() error { l.wait(words); return nil }) != nil {
		l.gone.Store(true)
	}
}

func (l *Line) wait(words [sectionWords]uint64) {
	openSection(&l.words[wordWaitSeq], l.waitSeq+1)
	for i, v := range words {
		store(&l.words[wordOwner+i], v)
	}
	l.waitSeq += 2
	closeSection(&l.words[wordWaitSeq], l.waitSeq)
}

// Close unmaps the line's board. Nothing may be called on the line meanwhile or afterwards.
func (l *Line) Close() error {
	if l == nil {
		return nil
	}
	return l.board.Close()
}
