package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"syscall"
)

// keepGuardName is the name under which this program outlives a yunta keep that was killed, to kill what that has left.
const keepGuardName = "keep-guard"

// keepGuard is the way to such a process. It knows the process groups that live, and learns of this process's end by the pipe's.
type keepGuard struct {
	cmd  *exec.Cmd
	pipe io.WriteCloser
}

func startKeepGuard() (*keepGuard, error) {
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	g := &keepGuard{cmd: &exec.Cmd{Path: exe, Args: []string{"yunta", keepGuardName}, Stderr: os.Stderr}}
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true} // no key of the terminal reaches it
	if g.pipe, err = g.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	return g, g.cmd.Start()
}

// add and remove tell it of a process group. One that was killed itself is done without.
func (g *keepGuard) add(group int)    { _, _ = fmt.Fprintln(g.pipe, group) }
func (g *keepGuard) remove(group int) { _, _ = fmt.Fprintln(g.pipe, -group) }

func (g *keepGuard) end() {
	_ = g.pipe.Close()
	_ = g.cmd.Wait() // its status says nothing
}

// keepGuardMain is that process: numbers on standard input, a group that has begun, or with a minus one that has ended.
func keepGuardMain(args []string) int {
	if len(args) != 0 {
		fmt.Fprintf(os.Stderr, "yunta: %s is yunta keep's own\n", keepGuardName)
		return exitUsage
	}
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) // it ends with keep
	groups := map[int]bool{}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		switch {
		case err != nil || n == 0 || n == 1 || n == -1:
			return exitUsage
		case n > 0:
			groups[n] = true
		default:
			delete(groups, -n)
		}
	}
	for group := range groups {
		_ = syscall.Kill(-group, syscall.SIGKILL) // it has ended just now, at worst
	}
	return 0
}
