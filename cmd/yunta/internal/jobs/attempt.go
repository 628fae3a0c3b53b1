package jobs

import (
	"errors"
	"os"
	"slices"
	"syscall"
	"time"
)

// attempt runs a job once.
func (r *runner) attempt(s *Spec) (res Result) {
	if r.control.Level() != Going {
		return Result{End: NotRun}
	}
	start := time.Now()
	res.Start = start.UnixNano()
	f, err := r.files(s)
	if err != nil {
		res.refuse(err, exitCannotRun)
		return res
	}
	f.lead(s.Lead)
	j, err := r.start(s, f)
	if err != nil {
		f.close()
		res.refuse(err, startStatus(err))
		return res
	}
	f.started()
	var timer *time.Timer
	switch {
	case r.Limited:
		go r.limit(j, start)
	case r.Timeout > 0:
		timer = time.AfterFunc(r.Timeout, func() { r.stop(j, TimedOut, false) })
	}
	switch l := r.control.Level(); { // raised since it was asked for, and before there was a job to stop
	case l == Kill:
		r.stop(j, Stopped, true)
	case l == Stop:
		r.stop(j, Stopped, false)
	}
	status := waitFor(j.pid)
	if timer != nil {
		timer.Stop()
	}
	r.mu.Lock()
	r.hold() // with a result that nobody reads, this process would end before the rest of the job has
	r.running = nil
	close(j.ended)
	j.pid = 0 // it is reaped: the number may be another's
	if published {
		r.control.group(r.worker).Store(0)
	}
	stopped := j.stopped
	r.mu.Unlock()
	if stopped != nil {
		<-stopped
	}
	res.Elapsed = time.Since(start)
	res.End = j.reason
	res.Code = status.ExitStatus()
	if status.Signaled() {
		res.Signal, res.Core = status.Signal(), status.CoreDump()
	}
	if r.Output == Grouped {
		f.close()
		r.out.collect(&res, r.alone())
	} else {
		r.alone()
		f.finish(&res)
	}
	return res
}

// Exit statuses that a shell gives for commands it cannot run.
const (
	exitCannotRun = 126
	exitNotFound  = 127
)

func startStatus(err error) int {
	if errors.Is(err, os.ErrNotExist) {
		return exitNotFound
	}
	return exitCannotRun
}

func (r *Result) refuse(err error, status int) {
	r.End, r.Code, r.Problem = NotStarted, status, err.Error()
	r.DiskFull = isFull(err)
}

// start starts the job, unless this process is about to end.
func (r *runner) start(s *Spec, f *files) (*running, error) {
	argv := s.Argv
	path, err := r.find(argv[0])
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hold()
	attr := &syscall.ProcAttr{Dir: s.Wd, Env: merged(r.env, s.Env), Files: f.job[:], Sys: f.sys()}
	pid, err := syscall.ForkExec(path, argv, attr)
	if errors.Is(err, syscall.ENOEXEC) { // a script without #!: execvp(3) gives it to the shell, and so do all shells
		pid, err = syscall.ForkExec("/bin/sh", slices.Concat([]string{"sh", path}, argv[1:]), attr)
	}
	if err != nil {
		delete(r.paths, argv[0]) // it may have moved
		return nil, explain(s, err)
	}
	r.running = &running{pid: pid, reason: Exited, ended: make(chan struct{})}
	if published {
		r.control.group(r.worker).Store(uint32(pid))
	}
	return r.running, nil
}

// hold does not return when this process is about to be killed. mu is held.
func (r *runner) hold() {
	for r.closing {
		r.mu.Unlock()
		time.Sleep(time.Minute)
		r.mu.Lock()
	}
}

// find returns the path of a command, and remembers it.
func (r *runner) find(name string) (string, error) {
	if path, ok := r.paths[name]; ok {
		return path, nil
	}
	path, err := Find(name)
	if err == nil {
		r.paths[name] = path
	}
	return path, err
}

// waitFor blocks until a child has ended, and reaps it.
func waitFor(pid int) (status syscall.WaitStatus) {
	for {
		if _, err := syscall.Wait4(pid, &status, 0, nil); err != syscall.EINTR {
			return status
		}
	}
}
