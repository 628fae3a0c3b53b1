//go:build unix

package jobs

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// files are what a job has as its descriptors 0, 1 and 2.
type files struct {
	job            [3]uintptr
	feed           *feed // nil: /dev/null
	stdout, stderr *stream
	tty            *os.File // for Terminal
}

// files opens what a job needs.
func (r *runner) files(s *Spec) (f *files, err error) {
	f = &files{job: [3]uintptr{uintptr(r.stdin), 1, 2}}
	defer func() {
		if err != nil {
			f.close()
		}
	}()
	if s.Input.File != "" {
		if f.feed, err = s.Input.open(); err != nil {
			return f, err
		}
		f.job[0] = uintptr(f.feed.fd)
	}
	switch r.Output {
	case Grouped:
		if err := r.out.open(); err != nil {
			return f, err
		}
		f.job[1], f.job[2] = uintptr(r.out.stdout.fd), uintptr(r.out.stderr.fd)
	case Lines:
		if f.stdout, err = newStream(r.lock, 1, s.Tag); err != nil {
			return f, err
		}
		if f.stderr, err = newStream(r.lock, 2, s.Tag); err != nil {
			return f, err
		}
		f.job[1], f.job[2] = uintptr(f.stdout.write), uintptr(f.stderr.write)
	case Terminal:
		if f.tty, err = os.OpenFile("/dev/tty", os.O_RDWR, 0); err != nil {
			return f, err
		}
		f.job[0], f.job[2] = f.tty.Fd(), f.tty.Fd()
	}
	return f, nil
}

// sys says what the job's process is to be beside its files.
func (f *files) sys() *syscall.SysProcAttr {
	sys := sysProcAttr()
	if f.tty != nil {
		sys.Foreground, sys.Ctty = true, int(f.tty.Fd())
	}
	return sys
}

// lead prints what comes before a job's own output.
func (f *files) lead(text string) {
	switch {
	case text == "":
	case f.stdout != nil:
		f.stdout.put([]byte(text))
	default:
		_, _ = unix.Write(1, []byte(text)) // an error shows when the job writes
	}
}

func (f *files) started() {
	if f.feed != nil {
		f.feed.started()
	}
	if f.stdout != nil {
		f.stdout.started()
		f.stderr.started()
	}
}

// finish takes what streams have counted, once the job has ended.
func (f *files) finish(res *Result) {
	if f.stdout != nil {
		var err1, err2 error
		res.Stdout.Size, err1 = f.stdout.finish()
		res.Stderr.Size, err2 = f.stderr.finish()
		if err1 == nil {
			err1 = err2
		}
		if err1 != nil {
			res.Problem, res.DiskFull = err1.Error(), isFull(err1)
		}
		f.stdout, f.stderr = nil, nil
	}
	f.close()
}

func (f *files) close() {
	if f.feed != nil {
		f.feed.stop()
	}
	for _, s := range []*stream{f.stdout, f.stderr} {
		if s != nil {
			_, _ = s.finish()
		}
	}
	if f.tty != nil {
		// The terminal goes back to who has started all this; a process in the background may ask for that only when it does not mind.
		signal.Ignore(syscall.SIGTTOU)
		if group, err := unix.Getpgid(os.Getppid()); err == nil {
			_ = unix.IoctlSetPointerInt(int(f.tty.Fd()), unix.TIOCSPGRP, group)
		}
		signal.Reset(syscall.SIGTTOU)
		_ = f.tty.Close()
	}
	*f = files{}
}
