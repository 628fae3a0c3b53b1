package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"yunta/child/affinity"
	"yunta/child/board"
	"yunta/oslock/futex"
	"yunta/oslock/mapped"
	"yunta/oslock/rundir"
)

// lowSpace is how much room the run directory should have: locks and boards need some KiB, so less than this says that the
// file system as a whole is full.
const lowSpace = 16 << 20

// A runDirReport is about the run directory.
type runDirReport struct {
	Path        string             `json:"path"`
	Owner       int                `json:"owner"`
	Mode        string             `json:"mode"`
	FileSystem  string             `json:"file_system"`
	Free        uint64             `json:"free_bytes"`
	Swept       int                `json:"swept"`
	Supervisors []supervisorReport `json:"supervisors"`
}

// A supervisorReport is about one living supervisor of this user.
type supervisorReport struct {
	PID     int       `json:"pid"`
	Name    string    `json:"name"`
	Program string    `json:"program"`
	Started time.Time `json:"started"`
	Workers int       `json:"workers"` // lines of its board; 0 if it has none
}

// examine does all checks. dir is the directory to try, "" for the run directory.
func examine(ctx context.Context, dir string) *doctorReport {
	r := &doctorReport{}
	r.examineProcessors()
	r.examineKernel()
	r.examineRunDirectory()
	if dir == "" {
		dir = r.RunDirectory.Path
	}
	if dir != "" {
		r.examineDirectory(ctx, dir)
	}
	r.Limits = limitsHere(r)
	r.OK = !r.failed()
	return r
}

// tieToEach ties a thread to each of the CPUs in turn and sees whether it runs there.
func tieToEach(cpus []int) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine, and with it the mask
		for _, cpu := range cpus {
			if err := affinity.SetThread([]int{cpu}); err != nil {
				done <- err
				return
			}
			if now := affinity.CurrentCPU(); now != cpu {
				done <- fmt.Errorf("a thread tied to CPU %d runs on CPU %d", cpu, now)
				return
			}
		}
		done <- nil
	}()
	return <-done
}

func (r *doctorReport) examineKernel() {
	const group = "kernel"
	if !futex.Native() {
		r.add(group, "portable paths", verdictInfo, "waits poll and deaths are learnt by wait: no futex, process descriptor or anonymous file is used")
		return
	}
	if err := wakeSleeper(); err != nil {
		r.add(group, "futex", verdictFailed, "%s", oneLine(err))
	} else {
		r.add(group, "futex", verdictOK, "a sleeper was woken")
	}
	r.examineSystem(group)
	if err := processHandle(); err != nil {
		r.add(group, "pidfd", verdictWarning, "%s: deaths are learnt by wait", oneLine(err))
	} else {
		r.add(group, "pidfd", verdictOK, "a process can be waited for and signalled without a number that may be reused")
	}
	f, err := mapped.Anonymous("yunta-doctor", int64(mapped.PageSize()))
	if err != nil {
		r.add(group, "anonymous file", verdictFailed, "%s", oneLine(err))
		return
	}
	defer f.Close()
	if err := checkSealed(f); err != nil {
		r.add(group, "anonymous file", verdictWarning, "%s: results go through an unlinked file", oneLine(err))
	} else {
		r.add(group, "anonymous file", verdictOK, "memfd, sealed against shrinking")
	}
}

// wakeSleeper has one goroutine wake another that sleeps on a word.
func wakeSleeper() error {
	word := new(atomic.Uint32)
	woken := make(chan bool)
	go func() {
		s := futex.NewPlainSleeper(word)
		defer s.Leave()
		for word.Load() == 0 {
			s.Sleep(0, time.Second)
		}
		woken <- true
	}()
	time.Sleep(time.Millisecond) // most likely it sleeps by now; if not, it need not
	word.Store(1)
	futex.Wake(word, 1)
	select {
	case <-woken:
		return nil
	case <-time.After(5 * time.Second):
		return errors.New("a sleeper was not woken")
	}
}

// processHandle says whether the system gives out handles of processes.
func processHandle() error {
	p, err := os.FindProcess(os.Getpid())
	if err != nil {
		return err
	}
	defer func() { _ = p.Release() }()
	return p.WithHandle(func(uintptr) {})
}

func (r *doctorReport) examineRunDirectory() {
	const group = "run directory"
	d := &r.RunDirectory
	d.Supervisors = []supervisorReport{}
	path, err := rundir.Root()
	if err != nil {
		r.add(group, "directory", verdictFailed, "%s", oneLine(err))
		return
	}
	d.Path, d.Owner = path, os.Geteuid() // Root refuses all others
	if info, err := os.Stat(path); err == nil {
		d.Mode = fmt.Sprintf("%04o", info.Mode().Perm())
	}
	d.FileSystem, d.Free = fileSystem(path)
	where := ""
	if os.Getenv(rundir.Env) != "" {
		where = ", named by $" + rundir.Env
	}
	r.add(group, "directory", verdictOK, "%s, of user %d, mode %s, on %s%s", path, d.Owner, d.Mode, d.FileSystem, where)
	if d.Free < lowSpace {
		r.add(group, "space", verdictWarning, "%s free, want %s at least", binarySize(d.Free), binarySize(lowSpace))
	} else {
		r.add(group, "space", verdictOK, "%s free", binarySize(d.Free))
	}

	var sweepErr error
	d.Swept, sweepErr = rundir.Sweep()
	switch {
	case sweepErr != nil:
		r.add(group, "leftovers", verdictWarning, "%s", oneLine(sweepErr))
	case d.Swept == 0:
		r.add(group, "leftovers", verdictOK, "none of dead programs")
	default:
		r.add(group, "leftovers", verdictOK, "of %d dead programs, removed", d.Swept)
	}
	r.listSupervisors(group)
}

func (r *doctorReport) listSupervisors(group string) {
	folders, err := rundir.List()
	if err != nil {
		r.add(group, "supervisors", verdictWarning, "%s", oneLine(err))
		return
	}
	var names []string
	for _, f := range folders {
		s := supervisorReport{PID: f.PID, Name: f.Name, Program: f.Program, Started: f.Started}
		if b, err := board.Open(filepath.Join(f.Path, "board")); err == nil {
			s.Workers = b.Header().Lines
			_ = b.Close()
		}
		r.RunDirectory.Supervisors = append(r.RunDirectory.Supervisors, s)
		names = append(names, fmt.Sprintf("%s (%s, pid %d, %d workers, since %s)",
			s.Name, s.Program, s.PID, s.Workers, s.Started.Format("2006-01-02 15:04:05")))
	}
	if len(names) == 0 {
		names = []string{"none running"}
	}
	r.add(group, "supervisors", verdictInfo, "%s", strings.Join(names, "; "))
}

// binarySize writes a number of bytes with a unit.
func binarySize(n uint64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}
	f, i := float64(n), 0
	for ; f >= 1024 && i < len(units)-1; i++ {
		f /= 1024
	}
	if i == 0 {
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f %s", f, units[i])
}
