package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"yunta/oslock"
	"yunta/oslock/mapped"
)

// A dirReport is about the directory whose locks were tried.
type dirReport struct {
	Path       string `json:"path"`
	FileSystem string `json:"file_system"`
	Network    bool   `json:"network"`
}

// Names in the folder where locks are tried, and what two processes say to each other in its memory.
const (
	probeFlock  = "flock"
	probeLock   = "lock"
	probeMemory = "memory"

	probeCall   = 0x63616c6c
	probeAnswer = 0x616e7377
)

// probeResult is what the second process of yunta doctor found.
type probeResult struct {
	Flock  bool   `json:"flock"` // it got the flock
	Lock   bool   `json:"lock"`  // it got the Lock
	Memory bool   `json:"memory"`
	Error  string `json:"error,omitempty"`
}

// examineDirectory tries locks and shared memory in a folder of its own below dir.
func (r *doctorReport) examineDirectory(ctx context.Context, dir string) {
	const group = "directory"
	r.Directory.Path = dir
	r.Directory.FileSystem, _ = fileSystem(dir)
	folder, err := os.MkdirTemp(dir, ".yunta-doctor-")
	if err != nil {
		r.add(group, "directory", verdictFailed, "%s", oneLine(err))
		return
	}
	defer func() { _ = os.RemoveAll(folder) }()
	r.add(group, "directory", verdictOK, "%s, on %s", dir, r.Directory.FileSystem)

	closeFlock := r.tryFlock(group, filepath.Join(folder, probeFlock))
	defer closeFlock()
	memory, closeMemory := r.tryMemory(group, filepath.Join(folder, probeMemory))
	defer closeMemory()
	locked, closeLock := r.tryLock(group, filepath.Join(folder, probeLock))
	defer closeLock()

	probe, err := startProbe(ctx, folder)
	if err != nil {
		r.add(group, "second process", verdictFailed, "%s", oneLine(err))
		return
	}
	r.verdict(group, "flock of processes", !probe.Flock, "one excludes the other", "both got it: do not lock files here")
	if memory != nil {
		answered := false
		err := mapped.Guard(func() error { answered = memory.Uint32(0).Load() == probeAnswer; return nil })
		r.verdict(group, "memory of processes", probe.Memory && answered && err == nil,
			"each sees what the other wrote", "they do not see each other's: locks cannot work here")
	}
	if locked {
		r.verdict(group, "lock of processes", !probe.Lock, "one excludes the other", "both got it")
	}
	if probe.Error != "" {
		r.add(group, "second process", verdictFailed, "%s", probe.Error)
	}
}

func (r *doctorReport) verdict(group, name string, ok bool, good, bad string) {
	if ok {
		r.add(group, name, verdictOK, "%s", good)
	} else {
		r.add(group, name, verdictFailed, "%s", bad)
	}
}

// tryFlock locks the file and leaves it locked for the second process.
func (r *doctorReport) tryFlock(group, path string) (done func()) {
	one, two := oslock.NewFileLock(path), oslock.NewFileLock(path)
	done = func() { _, _ = one.Close(), two.Close() }
	got, err := one.TryLock()
	if err != nil || !got {
		r.add(group, "flock", verdictFailed, "a new file could not be locked: %s", orElse(text(err), "refused"))
		return done
	}
	again, err := two.TryLock()
	r.verdict(group, "flock of descriptors", !again && err == nil, "one excludes the other", orElse(text(err), "both got it"))
	return done
}

// tryMemory maps a file and writes the call that the second process answers.
func (r *doctorReport) tryMemory(group, path string) (region *mapped.Region, done func()) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		defer f.Close()
		if err = mapped.Reserve(f, 0, int64(mapped.PageSize())); err == nil {
			region, err = mapped.Map(f, 0, mapped.PageSize())
		}
	}
	if err == nil {
		err = mapped.Guard(func() error { region.Uint32(0).Store(probeCall); return nil })
	}
	if err != nil {
		r.add(group, "mapped memory", verdictFailed, "%s", oneLine(err))
		return nil, func() {}
	}
	return region, func() { _ = region.Unmap() }
}

// tryLock owns a Lock until done is called.
func (r *doctorReport) tryLock(group, path string) (locked bool, done func()) {
	l, err := oslock.OpenLock(path, oslock.LockOptions{})
	if errors.Is(err, oslock.ErrNetwork) {
		r.Directory.Network = true
		r.add(group, "lock", verdictFailed, "refused on a network file system: %s", oneLine(err))
		return false, func() {}
	}
	if err != nil {
		r.add(group, "lock", verdictFailed, "%s", oneLine(err))
		return false, func() {}
	}
	if got, err := l.TryLock(); err != nil || !got {
		r.add(group, "lock", verdictFailed, "a new lock could not be taken: %s", orElse(text(err), "refused"))
		return false, func() { _ = l.Close() }
	}
	return true, func() { _, _ = l.Unlock(), l.Close() }
}

// startProbe runs this program once more on the folder. Its first argument is the command's name, whatever this process
// was called.
func startProbe(ctx context.Context, folder string) (probeResult, error) {
	var result probeResult
	exe, err := os.Executable()
	if err != nil {
		return result, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe)
	cmd.Args = []string{"yunta", "doctor", "--probe", folder}
	out, err := cmd.Output()
	if err != nil {
		return result, fmt.Errorf("%s could not be started again: %w", exe, err)
	}
	return result, json.Unmarshal(out, &result)
}

// probeDirectory is what the second process does: everything is locked by the first, and its memory holds a call.
func probeDirectory(folder string) probeResult {
	var result probeResult
	var errs []error
	flock := oslock.NewFileLock(filepath.Join(folder, probeFlock))
	defer func() { _ = flock.Close() }()
	got, err := flock.TryLock()
	result.Flock, errs = got, append(errs, err)

	if l, err := oslock.OpenLock(filepath.Join(folder, probeLock), oslock.LockOptions{}); err == nil {
		result.Lock, err = l.TryLock()
		errs = append(errs, err)
		if result.Lock {
			errs = append(errs, l.Unlock())
		}
		_ = l.Close()
	} else if !errors.Is(err, oslock.ErrNetwork) {
		errs = append(errs, err)
	}

	if f, err := os.OpenFile(filepath.Join(folder, probeMemory), os.O_RDWR, 0); err == nil {
		defer f.Close()
		region, err := mapped.Map(f, 0, mapped.PageSize())
		if err == nil {
			err = mapped.Guard(func() error {
				result.Memory = region.Uint32(0).CompareAndSwap(probeCall, probeAnswer)
				return nil
			})
			_ = region.Unmap()
		}
		errs = append(errs, err)
	}
	result.Error = text(errors.Join(errs...))
	return result
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return oneLine(err)
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
