package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"yunta/cmd/yunta/internal/input"
)

const (
	// aheadMemory is how much output may wait in memory for that of an earlier job, in bytes. More waits in a file.
	aheadMemory = 32 << 20
	// aheadDisk is how much may wait on disk, in bytes, before no further jobs are begun.
	aheadDisk = 1 << 30
	// aheadJobs is how far jobs may run ahead of the oldest that has not ended.
	aheadJobs = 100_000
)

// An order puts finished jobs into the order of their inputs.
type order struct {
	dir     string // the spill folder
	memory  int64  // how much may wait in memory
	waiting map[int]*finished
	inside  int64 // bytes that wait in memory
	file    *os.File
	end     int64 // of the file

	mu      sync.Mutex // guards what follows: whoever pulls inputs asks for it
	next    int        // number of the oldest that has not been printed
	outside int64      // bytes that wait on disk
	moved   chan struct{}
}

// spilled is where a waiting job's bytes are.
type spilled struct {
	stored                 bool
	at                     int64
	value, tag, command    int
	stdout, stderr         int
	inMemory, onDisk, file int64 // what it counts for; file of its own large outputs
}

func (s *spilled) size() int { return s.value + s.tag + s.command + s.stdout + s.stderr }

func newOrder(dir string) *order {
	return &order{dir: dir, memory: aheadMemory, waiting: map[int]*finished{}, next: 1, moved: make(chan struct{}, 1)}
}

// room waits until a job of this number may begin.
func (o *order) room(number int, stop <-chan struct{}) error {
	for {
		o.mu.Lock()
		ok := number == o.next || number-o.next < aheadJobs && o.outside < aheadDisk
		o.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-o.moved:
		case <-stop:
			return input.ErrStopped
		}
	}
}

// put takes a finished job and calls ready with those whose turn it is.
func (o *order) put(f *finished, ready func(*finished) error) error {
	if f.number != o.next { // only this goroutine changes it
		if err := o.keep(f); err != nil {
			return err
		}
		o.waiting[f.number] = f
		return nil
	}
	for {
		if err := ready(f); err != nil {
			return err
		}
		o.mu.Lock()
		o.next++
		next := o.next
		o.mu.Unlock()
		select {
		case o.moved <- struct{}{}:
		default:
		}
		var ok bool
		if f, ok = o.waiting[next]; !ok {
			return nil
		}
		delete(o.waiting, next)
		if err := o.recall(f); err != nil {
			return err
		}
	}
}

// rest calls ready with what still waits when nothing more will come, in order.
func (o *order) rest(ready func(*finished) error) error {
	for ; len(o.waiting) > 0; o.next++ {
		f, ok := o.waiting[o.next]
		if !ok {
			continue
		}
		delete(o.waiting, o.next)
		if err := errors.Join(o.recall(f), ready(f)); err != nil {
			return err
		}
	}
	return nil
}

// keep accounts for a job that has to wait, and moves it to disk when memory has no more room.
func (o *order) keep(f *finished) error {
	s, r := &f.spill, &f.result
	for _, out := range []struct {
		file string
		size int64
	}{{r.Stdout.File, r.Stdout.Size}, {r.Stderr.File, r.Stderr.Size}} {
		if out.file != "" {
			s.file += out.size
		}
	}
	s.value, s.tag, s.command, s.stdout, s.stderr = len(f.value), len(f.tag), len(f.command), len(r.Stdout.Data), len(r.Stderr.Data)
	n := int64(s.size())
	if o.inside+n <= o.memory {
		s.inMemory = n
		o.inside += n
	} else if err := o.store(f); err != nil {
		return fmt.Errorf("output that waits for an earlier job's: %w", err)
	}
	o.mu.Lock()
	o.outside += s.onDisk + s.file
	o.mu.Unlock()
	return nil
}

// store moves a job's bytes into the file, which has no name and so goes with this process.
func (o *order) store(f *finished) error {
	if o.file == nil {
		file, err := os.OpenFile(filepath.Join(o.dir, "waiting"), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		if err := os.Remove(file.Name()); err != nil {
			return err
		}
		o.file = file
	}
	s := &f.spill
	all := make([]byte, 0, s.size())
	all = append(append(append(all, f.value...), f.tag...), f.command...)
	all = append(append(all, f.result.Stdout.Data...), f.result.Stderr.Data...)
	if _, err := o.file.WriteAt(all, o.end); err != nil {
		return err
	}
	s.stored, s.at, s.onDisk = true, o.end, int64(len(all))
	o.end += int64(len(all))
	f.value, f.tag, f.command, f.result.Stdout.Data, f.result.Stderr.Data = "", "", "", nil, nil
	return nil
}

// recall makes a job whole again whose turn it is.
func (o *order) recall(f *finished) error {
	s := &f.spill
	o.inside -= s.inMemory
	o.mu.Lock()
	o.outside -= s.onDisk + s.file
	empty := o.outside == 0
	o.mu.Unlock()
	if !s.stored {
		return nil
	}
	all := make([]byte, s.onDisk)
	if _, err := io.ReadFull(io.NewSectionReader(o.file, s.at, s.onDisk), all); err != nil {
		return err
	}
	take := func(n int) []byte {
		piece := all[:n]
		all = all[n:]
		return piece
	}
	f.value, f.tag, f.command = string(take(s.value)), string(take(s.tag)), string(take(s.command))
	f.result.Stdout.Data, f.result.Stderr.Data = take(s.stdout), take(s.stderr)
	if empty { // none other waits there: its blocks can be given back
		o.end = 0
		return o.file.Truncate(0)
	}
	return nil
}

func (o *order) close() {
	if o.file != nil {
		_ = o.file.Close()
	}
}
