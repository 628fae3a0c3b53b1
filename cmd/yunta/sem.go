package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"yunta/supervisor"
)

const semShort = "Run shell commands in the background, so many at a time, as GNU sem does"

const semLong = `yunta sem is GNU sem: it waits until fewer than -j commands of the same --id run, starts its own in the
background, and returns.

  for f in *.log; do yunta sem -j 4 --id logs gzip "$f"; done; yunta sem --id logs --wait

  yunta sem [OPTIONS] COMMAND [ARG...]      the words are joined and read by the shell, $PARALLEL_SHELL or $SHELL
  yunta sem [--id NAME] --wait              wait until no command of that name runs

  -j, --jobs, -P, --max-procs N   how many at a time (1): a number, 0 for no limit, N% of the cores, +N or -N
                                  for more or fewer than there are, or a file that says so
      --id, --semaphorename NAME  which semaphore; the terminal's if it is not given
      --fg                        stay until the command has ended, with its status
      --bg                        the default
      --wait                      wait for the end of all
      --st, --semaphoretimeout T  if no place is free after T seconds (or 1m30s), T > 0: run all the same;
                                  T < 0: give up, with status 1
  -u, --ungroup, --lb             output as it comes; else all of a command's output comes at its end
  -a, --arg-file FILE             the command's standard input, which else is sem's (--pipe says so, too)
      --nice N   --wd, --workdir DIR   -q, --quote   -v   -t, --verbose   --dry-run
  -h, --help   -V, --version

Of no effect here: --semaphore, -k, --group, --gnu, --plain, --will-cite and its like. Other options of GNU parallel
are refused by name.

A place is the command's own: it inherits a descriptor for which the kernel knows when the command and all that got
it from there have ended. So the place stays taken if yunta sem is killed, and is free when the command
is, however it ends; when the command ends in the ordinary way, what it has left running keeps no place. Nothing
is to be cleaned up after a crash.

Called as sem, through a link of that name, it is the same.

Exit status: 0 when the command was started; with --fg the command's own, or 128 and the number of the signal
that ended it; 1 when --st gave up; 255 bad command line, or nothing could be started.`

func newSemCommand() *cobra.Command {
	return newWholeCommand("sem", "sem [OPTIONS] COMMAND [ARG...]", semShort, semLong)
}

// exitSem is GNU parallel's status for what is its own fault.
const exitSem = 255

// semRequest is a command line of sem.
type semRequest struct {
	prog     string
	limit    int
	id       string
	fg, wait bool
	timeout  time.Duration
	steal    bool // when the timeout is over: run all the same

	ungroup       bool
	input         string // "" for sem's own
	nice          int
	dir           string
	quote         bool
	tell, tellErr bool
	dryRun        bool
	command       string
}

var (
	errSemHelp    = errors.New("help")
	errSemVersion = errors.New("version")
)

func semMain(args []string) int     { return semStatus(&semRequest{prog: "yunta sem"}, args) }
func semLinkMain(args []string) int { return semStatus(&semRequest{prog: "sem"}, args) }

func semStatus(r *semRequest, args []string) int {
	err := r.parse(args)
	if err == nil {
		var status int
		if status, err = r.run(); err == nil {
			return status
		}
	}
	switch {
	case errors.Is(err, errSemHelp):
		return printed(semLong + "\n")
	case errors.Is(err, errSemVersion):
		return printed(r.prog + " of yunta " + programVersion() + "\n")
	}
	fmt.Fprintf(os.Stderr, "%s: %s\n", r.prog, oneLine(err))
	return exitSem
}

// parse reads the command line.
func (r *semRequest) parse(args []string) error {
	jobs := "1"
	rest, err := r.options(&jobs).Parse(args)
	if err != nil {
		return err
	}
	if r.limit, err = parseJobs(jobs, 0); err != nil {
		return err
	}
	if r.id == "" {
		r.id = terminalName()
	}
	if len(rest) == 0 && !r.wait {
		return fmt.Errorf("no command (see '%s --help')", r.prog)
	}
	for _, w := range rest {
		if w == ":::" || w == "::::" || w == ":::+" || w == "::::+" {
			return fmt.Errorf("%s: a semaphore's command has no values; parallel has", w)
		}
	}
	r.command = r.shellCommand(rest)
	return nil
}

// semPermits is as many as a semaphore has permits.
const semPermits = 1<<15 - 1

// parseJobs reads the value of -j. A file may name another one, though not for ever.
func parseJobs(text string, depth int) (int, error) {
	bad := fmt.Errorf("-j %q is no number, N%%, +N, -N or file", text)
	text = strings.TrimSpace(text)
	var n float64
	rest, sign := text, 0.0
	switch {
	case strings.HasPrefix(text, "+"):
		rest, sign = text[1:], 1
	case strings.HasPrefix(text, "-"):
		rest, sign = text[1:], -1
	}
	if percent, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(percent, 64)
		if err != nil || strings.Trim(percent, "0123456789.") != "" {
			return 0, bad
		}
		n = float64(supervisor.CPUCount()) * p / 100
	} else if k, err := strconv.ParseUint(rest, 10, 31); err == nil {
		n = float64(k)
		switch {
		case sign != 0:
			n = float64(supervisor.CPUCount()) + sign*n
		case k == 0:
			n = semPermits
		}
	} else {
		b, err := os.ReadFile(text)
		if err != nil || depth > 4 {
			return 0, bad
		}
		return parseJobs(string(b), depth+1)
	}
	return int(min(max(math.Ceil(n), 1), semPermits)), nil
}

// setTimeout reads seconds, or a sum such as 1m30s.
func (r *semRequest) setTimeout(text string) error {
	size := strings.TrimPrefix(text, "-")
	seconds, err := unitSeconds(size)
	if err != nil {
		return fmt.Errorf("--st %q: neither seconds nor a duration such as 1m30s", text)
	}
	r.timeout = time.Duration(min(seconds*float64(time.Second), math.MaxInt64/2))
	r.steal = size == text
	return nil
}

func unitSeconds(text string) (sum float64, err error) {
	units := map[byte]float64{'s': 1, 'm': 60, 'h': 3600, 'd': 86400}
	for text != "" {
		end := strings.IndexAny(text, "smhdSMHD")
		unit := 1.0
		number := text
		if end >= 0 {
			unit, number, text = units[text[end]|0x20], text[:end], text[end+1:]
		} else {
			text = ""
		}
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || n < 0 || math.IsInf(n, 0) || math.IsNaN(n) {
			return 0, strconv.ErrSyntax
		}
		sum += n * unit
	}
	return sum, nil
}

// shellCommand joins the words as GNU sem does: replacement strings have no value to stand for.
func (r *semRequest) shellCommand(words []string) string {
	if r.quote {
		for i, w := range words {
			words[i] = shellQuote(w)
		}
	}
	command := strings.Join(words, " ")
	replaced := strings.NewReplacer("{}", "", "{.}", "", "{/}", "", "{//}", "", "{/.}", "", "{#}", "1", "{%}", "1").Replace(command)
	if replaced == command {
		return command + " " // where the value would be
	}
	return replaced
}

// shellQuote makes one word of a text for any shell.
func shellQuote(text string) string {
	if text != "" && strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+=./:,@%") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
