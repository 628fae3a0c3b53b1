//go:build unix && !linux

package supervisor_test

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
)

// hasLinks says that openFiles tells what the descriptors are.
const hasLinks = false

// processes lists the living processes of the machine as ps(1) does.
func processes() []process {
	out, _ := listProcesses("", "-A")
	return out
}

// descendants lists the processes whose environment has the run's mark, which
// nothing that descends from it loses. The system shows that of one's own
// processes only, and these are.
func descendants(run string) []process {
	_, marked := listProcesses(runEnv+"="+run, "-A", "-E", "-ww")
	return marked
}

func listProcesses(mark string, args ...string) (all, marked []process) {
	text, err := exec.Command("ps", append(args, "-o", "pid=,ppid=,pgid=,stat=,command=")...).Output()
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 5 || strings.HasPrefix(f[3], "Z") {
			continue
		}
		p := process{name: f[4]}
		p.pid, _ = strconv.Atoi(f[0])
		p.parent, _ = strconv.Atoi(f[1])
		p.group, _ = strconv.Atoi(f[2])
		all = append(all, p)
		if mark != "" && strings.Contains(line+" ", mark+" ") {
			marked = append(marked, p)
		}
	}
	return all, marked
}

// openFiles returns the descriptors of this process; what they are is not to
// be had here.
func openFiles() map[int]string {
	out := make(map[int]string)
	for fd := range 256 {
		if syscall.Access("/dev/fd/"+strconv.Itoa(fd), 0) == nil {
			out[fd] = ""
		}
	}
	return out
}
