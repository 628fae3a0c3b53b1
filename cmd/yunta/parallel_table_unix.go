//go:build unix

package main

import (
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"yunta/cmd/yunta/internal/getopt"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/supervisor"
)

// ignorable are options that ask for what is so anyway: there is no notice, no other dialect, and no ssh.
var ignorable = []string{"will-cite willcite nonotice no-notice", "gnu", "no-tty-warning", "exit x", "unsafe", "ctrlc"}

// refused are options of GNU parallel that this command knows and does not have.
var refused = []struct {
	names string
	kind  getopt.Kind
	why   string
}{
	{"sshlogin S", getopt.Value, other},
	{"sshloginfile slf", getopt.Value, other},
	{"ssh", getopt.Value, other},
	{"transferfile transfer-file tf", getopt.Value, other},
	{"transfer", getopt.Flag, other},
	{"return", getopt.Value, other},
	{"cleanup", getopt.Flag, other},
	{"trc", getopt.Value, other},
	{"basefile bf", getopt.Value, other},
	{"onall", getopt.Flag, other},
	{"nonall", getopt.Flag, other},
	{"controlmaster M", getopt.Flag, other},
	{"sshdelay", getopt.Value, other},
	{"filter-hosts", getopt.Flag, other},
	{"hostgroups hgrp", getopt.Flag, other},
	{"workdir-mkdir", getopt.Flag, other},
	{"semaphore sem", getopt.Flag, locks},
	{"semaphorename semaphore-name id", getopt.Value, locks},
	{"fg", getopt.Flag, locks},
	{"bg", getopt.Flag, locks},
	{"wait", getopt.Flag, locks},
	{"semaphoretimeout semaphore-timeout st", getopt.Value, locks},
	{"tmux", getopt.Flag, terminals},
	{"tmuxpane", getopt.Flag, terminals},
	{"interactive p", getopt.Flag, terminals},
	{"sqlmaster", getopt.Value, databases},
	{"sqlworker", getopt.Value, databases},
	{"sqlandworker sql", getopt.Value, databases},
	{"compress", getopt.Flag, "set TMPDIR, or --tmpdir, to a folder with enough room"},
	{"compress-program compressprogram", getopt.Value, "see --compress"},
	{"decompress-program", getopt.Value, "see --compress"},
	{"bin", getopt.Value, keys},
	{"shard", getopt.Value, keys},
	{"groupby group-by", getopt.Value, keys},
	{"memsuspend", getopt.Value, "--memfree begins no jobs while there is less memory"},
	{"noswap", getopt.Flag, "--memfree begins no jobs while there is less memory"},
	{"limit", getopt.Value, "use --load or --memfree"},
	{"filter", getopt.Value, "select the values before"},
	{"ctag", getopt.Flag, colours},
	{"ctagstring", getopt.Value, colours},
	{"color", getopt.Flag, colours},
	{"color-failed cf", getopt.Flag, colours},
	{"latest-line ll", getopt.Flag, "use --line-buffer"},
	{"csv", getopt.Flag, "--colsep , does where no field is quoted"},
	{"record-env", getopt.Flag, "nothing is kept in HOME"},
	{"recordenv", getopt.Flag, "nothing is kept in HOME"},
	{"session", getopt.Flag, "nothing is kept in HOME"},
	{"bibtex citation", getopt.Flag, "there is nothing to cite"},
	{"embed", getopt.Flag, "copy the program, it is one file"},
	{"shebang-wrap hashbang-wrap", getopt.Flag, "only --shebang is"},
	{"tollef", getopt.Flag, "put ::: before the values"},
	{"block-timeout blocktimeout bt", getopt.Value, "blocks are full, or the last"},
	{"line-number", getopt.Flag, "use {#}"},
	{"max-line-length-allowed", getopt.Flag, "use getconf ARG_MAX"},
	{"show-limits", getopt.Flag, "use getconf ARG_MAX"},
	{"number-of-cpus", getopt.Flag, "use nproc"},
	{"number-of-cores", getopt.Flag, "use nproc"},
	{"number-of-threads", getopt.Flag, "use nproc"},
	{"number-of-sockets", getopt.Flag, "use lscpu"},
	{"use-cpus-instead-of-cores", getopt.Flag, cores},
	{"use-cores-instead-of-threads", getopt.Flag, cores},
	{"use-sockets-instead-of-threads", getopt.Flag, cores},
	{"process-slot-var", getopt.Value, "PARALLEL_JOBSLOT has the number"},
	{"arg-file-opt", getopt.Value, "use -a"},
	{"match", getopt.Value, "use --colsep"},
	{"template tmpl", getopt.Value, "make the file in the command"},
	{"sem-timeout", getopt.Value, locks},
	{"D debug", getopt.Value, "there is nothing to see"},
	{"total-jobs total", getopt.Value, "the input says how many there are"},
	{"combine-exec combineexec", getopt.Value, "combine the programs in a script"},
}

const (
	other     = "jobs run on this machine alone"
	locks     = "yunta sem has that"
	terminals = "--tty gives a job the terminal"
	databases = "--results FILE.csv or .json can be loaded into any"
	keys      = "records are not told apart by their fields"
	colours   = "--tag and --tagstring have no colours"
	cores     = "cores are counted as the system lets this process use them"
)

func cpuCount() int { return supervisor.CPUCount() }

// parseTermSequence reads signals and the milliseconds after each: TERM,200,KILL,25.
func parseTermSequence(v string) (steps []jobs.Step, err error) {
	for i, word := range strings.Split(v, ",") {
		if i%2 == 1 {
			ms, err := strconv.ParseFloat(word, 64)
			if err != nil || ms < 0 {
				return nil, fmt.Errorf("%q is not a number of milliseconds", word)
			}
			steps[len(steps)-1].Wait = time.Duration(ms * float64(time.Millisecond))
			continue
		}
		s := unix.SignalNum("SIG" + strings.TrimPrefix(strings.ToUpper(word), "SIG"))
		if n, err := strconv.Atoi(word); err == nil && n > 0 && n < 65 {
			s = syscall.Signal(n)
		}
		if s == 0 {
			return nil, fmt.Errorf("%q is not a signal", word)
		}
		steps = append(steps, jobs.Step{Signal: s})
	}
	return steps, nil
}

// supportedTable is the part of the help that says what there is.
func supportedTable() string {
	var b strings.Builder
	for _, r := range refused {
		var names []string
		for _, n := range strings.Fields(r.names) {
			if len(n) == 1 {
				names = append(names, "-"+n)
			} else {
				names = append(names, "--"+n)
			}
		}
		fmt.Fprintf(&b, "  %-34s %s\n", names[0], r.why)
	}
	return b.String()
}
