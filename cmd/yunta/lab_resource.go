package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"yunta/oslock/mapped"
)

// A resource is a text that processes append to, in a file that each maps into its memory.
//
//	offset  0  uint32  how many processes have come to the meeting
//	offset  8  uint64  length of the text
//	offset 64          the text
//
// The length is loaded and stored whole, but nothing keeps another process from coming in between: that is the lab's subject.
type resource struct{ region *mapped.Region }

const (
	resourceMet    = 0
	resourceLength = 8
	resourceText   = 64
)

func resourcePath(dir string) string { return filepath.Join(dir, "resource") }

// createResource makes the file with room for text of size bytes.
func createResource(dir string, size int) (*resource, error) {
	f, err := os.OpenFile(resourcePath(dir), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := mapped.Reserve(f, 0, int64(resourceText+size)); err != nil {
		return nil, err
	}
	return mapResource(f)
}

func openResource(dir string) (*resource, error) {
	f, err := os.OpenFile(resourcePath(dir), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return mapResource(f)
}

func mapResource(f *os.File) (*resource, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	region, err := mapped.Map(f, 0, int(info.Size()))
	if err != nil {
		return nil, err
	}
	return &resource{region}, nil
}

func (r *resource) close() error { return r.region.Unmap() }

// meet waits until n processes have called it, so that they begin together. It waits no longer than patience.
func (r *resource) meet(ctx context.Context, n uint32, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, errAlone)
	defer cancel()
	met := r.region.Uint32(resourceMet)
	met.Add(1)
	for met.Load() < n {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		time.Sleep(50 * time.Microsecond)
	}
	return nil
}

var errAlone = errors.New("the other processes did not come")

// append adds line to the text in three steps; window is how long the second waits for the first.
func (r *resource) append(line string, window time.Duration) {
	length := r.region.Uint64(resourceLength)
	end := length.Load()
	time.Sleep(window)
	copy(r.region.Bytes()[resourceText+end:], line)
	length.Store(end + uint64(len(line)))
}

// A labFinding is what became of the lines.
type labFinding struct {
	whole []string // lines as a process wrote them, each once
	torn  []string // what else stands there
}

// inspect sorts out the text after two processes have appended lines of them each.
func (r *resource) inspect(lines int) labFinding {
	expected := make(map[string]bool, 2*lines)
	for process := 1; process <= 2; process++ {
		for n := 1; n <= lines; n++ {
			expected[strings.TrimSuffix(labLine(process, n, lines), "\n")] = true
		}
	}
	text := r.region.Bytes()[resourceText:][:r.region.Uint64(resourceLength).Load()]
	var found labFinding
	for line := range strings.SplitSeq(strings.TrimSuffix(string(text), "\n"), "\n") {
		if expected[line] {
			delete(expected, line)
			found.whole = append(found.whole, line)
		} else {
			found.torn = append(found.torn, line)
		}
	}
	return found
}
