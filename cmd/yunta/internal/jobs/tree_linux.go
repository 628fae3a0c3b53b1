//go:build linux && !portable

package jobs

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// Kernel versions: PR_SET_CHILD_SUBREAPER 3.4, /proc/PID/task/TID/children 3.5 (CONFIG_PROC_CHILDREN; without it all of /proc is read),
// pidfd_open 5.3 (without it signals go by number).

// sysProcAttr: SIGKILL when this process dies without having killed the job. The job stays in this worker's process group, so that the
// supervisor's kill reaches it, too.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}

// published reports whether the parent is told of the job's process group.
const published = false

// EndGroup has nothing to do: a dead worker's job was in its process group, and went with it.
func (c *Control) EndGroup(int) {}

// adopt makes this process the parent of what its jobs leave behind.
func adopt() error {
	return os.NewSyscallError("prctl", unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
}

// tree is what a runner knows of its jobs' processes.
type tree struct {
	left family // what jobs left behind that ended by themselves
}

// family is a set of processes: when each of them started, by its number.
type family map[int]uint64

func (f family) has(p process) bool {
	started, ok := f[p.pid]
	return ok && started == p.started
}

// alone reports, after a job has ended and been reaped, whether there is nobody of its who could still write to its files. What it has
// left behind is remembered and spared from then on.
func (r *runner) alone() bool {
	for {
		var info unix.Siginfo
		err := unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.ECHILD:
			if len(r.tree.left) > 0 {
				r.mu.Lock()
				r.tree.left = nil
				r.mu.Unlock()
			}
			return true
		}
		break
	}
	for { // zombies: all children are ours to reap
		if pid, err := unix.Wait4(-1, nil, unix.WNOHANG, nil); pid <= 0 && err != unix.EINTR {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now, fresh := family{}, false
	walk(os.Getpid(), func(p process) bool {
		fresh = fresh || !r.tree.left.has(p)
		now[p.pid] = p.started
		return true
	})
	r.tree.left = now
	return !fresh
}

// signalTree sends a signal to all living processes of the running job that are not in told, adds them there, and returns how many live.
// pid is the job's own process, 0 when it is reaped. mu is held.
func (r *runner) signalTree(pid int, sig syscall.Signal, told family) (n int) {
	sessions := map[int]bool{}
	own, _ := unix.Getsid(0)
	for pid, started := range r.tree.left {
		if p, ok := look(pid); ok && p.started == started && p.session != own {
			sessions[p.session] = true
		}
	}
	for range 2 { // while the list changes, the kernel may leave one out
		walk(os.Getpid(), func(p process) bool {
			if r.tree.left.has(p) || sessions[p.session] {
				return false
			}
			if p.zombie {
				if p.pid != pid && p.parent == os.Getpid() {
					_, _ = unix.Wait4(p.pid, nil, unix.WNOHANG, nil)
				}
				return true
			}
			n++
			if !told.has(p) {
				told[p.pid] = p.started
				p.signal(sig)
				if sig == syscall.SIGTERM {
					p.signal(syscall.SIGCONT) // one that is stopped would not hear it
				}
			}
			return true
		})
		if n > 0 {
			break
		}
	}
	return n
}

// process is one of /proc.
type process struct {
	pid, parent, session int
	started              uint64 // in clock ticks since the machine's start
	zombie               bool
}

// signal sends a signal to this very process, not to another that has got its number.
func (p process) signal(sig syscall.Signal) {
	fd, err := unix.PidfdOpen(p.pid, 0)
	if err == unix.ENOSYS || err == unix.EPERM {
		_ = unix.Kill(p.pid, sig)
		return
	}
	if err != nil {
		return // gone
	}
	defer unix.Close(fd)
	if now, ok := look(p.pid); ok && now.started == p.started {
		_ = unix.PidfdSendSignal(fd, sig, nil, 0) // gone, at worst
	}
}

// look reads /proc/PID/stat, proc(5).
func look(pid int) (process, bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return process{}, false
	}
	// The name, in parentheses, may hold anything.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 20 {
		return process{}, false
	}
	p := process{pid: pid, zombie: fields[0] == "Z" || fields[0] == "X"}
	p.parent, _ = strconv.Atoi(fields[1])
	p.session, _ = strconv.Atoi(fields[3])
	p.started, _ = strconv.ParseUint(fields[19], 10, 64)
	return p, true
}

// walk visits the descendants of a process, and does not go below one for which visit returns false.
func walk(pid int, visit func(process) bool) {
	for _, c := range childrenOf(pid) {
		if p, ok := look(c); ok && visit(p) {
			walk(c, visit)
		}
	}
}

func childrenOf(pid int) (children []int) {
	tasks := "/proc/" + strconv.Itoa(pid) + "/task"
	threads, err := os.ReadDir(tasks)
	if err != nil {
		return nil
	}
	for _, t := range threads {
		b, err := os.ReadFile(tasks + "/" + t.Name() + "/children")
		if errors.Is(err, fs.ErrNotExist) && !hasChildrenFiles() {
			return scanChildren(pid)
		}
		for _, f := range strings.Fields(string(b)) {
			if c, err := strconv.Atoi(f); err == nil {
				children = append(children, c)
			}
		}
	}
	return children
}

func hasChildrenFiles() bool {
	self := strconv.Itoa(os.Getpid())
	_, err := os.Stat("/proc/" + self + "/task/" + self + "/children")
	return err == nil
}

// scanChildren finds children by their parent, where there are no lists.
func scanChildren(pid int) (children []int) {
	all, _ := os.ReadDir("/proc")
	for _, e := range all {
		n, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := look(n); ok && p.parent == pid {
			children = append(children, n)
		}
	}
	return children
}
