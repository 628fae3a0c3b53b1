package supervisor_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"yunta/supervisor"
)

// CPython is refused sysconf(3), which says how many semaphores there may be. A
// pool asks for its cores, for limits and for the memory there is: a seccomp
// filter (seccomp(2), Linux 3.17) refuses all that, here and in the children.
func TestCPython_ProcessPoolExecutorTest_test_sysconf_permission_error(t *testing.T) {
	t.Parallel()
	p := command(t, sandboxed).start()
	if got := p.say("got"); got != "49 2" {
		t.Errorf("got %q", got)
	}
	if status := p.wait(); status != 0 {
		t.Errorf("exit status %d, stderr %q", status, p.stderr.String())
	}
}

var sandboxed = helper("sandboxed", func([]string) int {
	must(refuse(unix.SYS_SCHED_GETAFFINITY, unix.SYS_SCHED_SETAFFINITY, unix.SYS_PRLIMIT64, unix.SYS_SYSINFO))
	if err := unix.SchedGetaffinity(0, new(unix.CPUSet)); !errors.Is(err, unix.EPERM) {
		must(fmt.Errorf("the filter refuses nothing: %w", err))
	}
	p, err := supervisor.NewPool(context.Background(), supervisor.PoolOptions{Processes: 2})
	must(err)
	got, err := supervisor.Apply(helperContext(), p, square, 7)
	must(err)
	fmt.Println("got", got, len(p.Workers()))
	p.Close()
	must(p.Wait(helperContext()))
	return 0
})

// refuse makes system calls of this process, and of those it starts, fail with
// EPERM.
func refuse(calls ...uint32) error {
	statement := func(code uint16, k uint32) unix.SockFilter { return unix.SockFilter{Code: code, K: k} }
	program := []unix.SockFilter{statement(unix.BPF_LD|unix.BPF_W|unix.BPF_ABS, 0)} // the call's number
	for _, call := range calls {
		program = append(program, unix.SockFilter{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, Jf: 1, K: call},
			statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ERRNO|uint32(unix.EPERM)))
	}
	program = append(program, statement(unix.BPF_RET|unix.BPF_K, unix.SECCOMP_RET_ALLOW))
	filter := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}

	runtime.LockOSThread() // the filter of one thread becomes that of all
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl", err)
	}
	_, _, errno := unix.Syscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, unix.SECCOMP_FILTER_FLAG_TSYNC, uintptr(unsafe.Pointer(&filter)))
	runtime.KeepAlive(program)
	if errno != 0 {
		return os.NewSyscallError("seccomp", errno)
	}
	return nil
}
