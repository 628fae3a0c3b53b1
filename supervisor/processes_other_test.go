//go:build unix && !linux

package supervisor_test

import (
	"os/exec"
	"strconv"
	"strings"
)

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
