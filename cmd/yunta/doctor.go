package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"yunta/child/affinity"
)

// Verdicts of a finding.
const (
	verdictOK      = "ok"
	verdictInfo    = "info"    // neither good nor bad
	verdictWarning = "warning" // something works, but worse than it could
	verdictFailed  = "failed"  // what yunta needs does not work
)

// A finding is what one check of yunta doctor came to.
type finding struct {
	Group   string `json:"group"`
	Name    string `json:"name"`
	Verdict string `json:"verdict"`
	Detail  string `json:"detail"`
}

// A limit is something that yunta does not do, and whether it matters here.
type limit struct {
	Name    string `json:"name"`
	Applies bool   `json:"applies"`
	Detail  string `json:"detail"`
}

// A doctorReport is all that yunta doctor found; --json prints it as it stands.
type doctorReport struct {
	OK           bool         `json:"ok"`
	Processors   processors   `json:"processors"`
	RunDirectory runDirReport `json:"run_directory"`
	Directory    dirReport    `json:"directory"`
	Findings     []finding    `json:"findings"`
	Limits       []limit      `json:"limits"`
}

// processors says how many cores may be used, and why.
type processors struct {
	Count      int     `json:"count"`
	Online     int     `json:"online,omitempty"`
	Usable     []int   `json:"usable"`
	Cpuset     []int   `json:"cpuset,omitempty"`
	CpusetFile string  `json:"cpuset_file,omitempty"`
	Quota      float64 `json:"quota,omitempty"`
	QuotaFile  string  `json:"quota_file,omitempty"`
}

func newDoctorCommand() *cobra.Command {
	asJSON, probe := false, false
	cmd := &cobra.Command{
		Use:   "doctor [DIR]",
		Short: "Say what this machine offers, and what will not work here",
		Long: `Looks at what yunta needs and can use: how many cores this process may use and why, whether
processes can be pinned, futexes, process descriptors, anonymous files; the run directory, who
lives in it, and what dead programs left there, which it removes; how locks and shared memory
behave on the file system of DIR (the run directory if none is given), tried with a second
process in a folder of its own that is removed again; and which of yunta's limits matter here.

ok and info need no action; warning says what works worse than it could; failed says what does
not work. Exit status: 0 nothing failed, 1 something did, 2 bad command line.`,
		Example: "  yunta doctor\n  yunta doctor /mnt/shared\n  yunta doctor --json | jq .processors.count",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("takes one DIR at most, not %d", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			dir := ""
			if len(args) == 1 {
				if info, err := os.Stat(args[0]); err != nil || !info.IsDir() {
					return usagef("DIR %q is no directory", args[0])
				}
				var err error
				if dir, err = filepath.Abs(args[0]); err != nil {
					return err
				}
			}
			if probe {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(probeDirectory(dir))
			}
			r := examine(cmd.Context(), dir)
			if err := r.write(cmd.OutOrStdout(), asJSON); err != nil {
				return err
			}
			if !r.OK {
				return errReported
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object instead of text")
	cmd.Flags().BoolVar(&probe, "probe", false, "be the second process")
	_ = cmd.Flags().MarkHidden("probe") // the error is for a flag that does not exist
	return cmd
}

func (r *doctorReport) add(group, name, verdict, format string, args ...any) {
	r.Findings = append(r.Findings, finding{group, name, verdict, fmt.Sprintf(format, args...)})
}

// failed says whether any check failed.
func (r *doctorReport) failed() bool {
	for _, f := range r.Findings {
		if f.Verdict == verdictFailed {
			return true
		}
	}
	return false
}

func (r *doctorReport) write(w io.Writer, asJSON bool) error {
	if asJSON {
		encoder := json.NewEncoder(w)
		encoder.SetIndent("", "  ")
		return encoder.Encode(r)
	}
	width := 0 // of a name, over all groups
	for _, f := range r.Findings {
		width = max(width, len(f.Name))
	}
	for _, l := range r.Limits {
		width = max(width, len(l.Name))
	}
	var b strings.Builder
	line := func(first, name, detail string) { fmt.Fprintf(&b, "  %-7s  %-*s  %s\n", first, width, name, detail) }
	group := ""
	for _, f := range r.Findings {
		if f.Group != group {
			if group != "" {
				b.WriteByte('\n')
			}
			group = f.Group
			b.WriteString(group + "\n")
		}
		verdict := f.Verdict
		if verdict == verdictFailed {
			verdict = "FAILED"
		}
		line(verdict, f.Name, f.Detail)
	}
	b.WriteString("\nlimits\n")
	for _, l := range r.Limits {
		applies := "-"
		if l.Applies {
			applies = "here"
		}
		line(applies, l.Name, l.Detail)
	}
	sum := "Everything that yunta needs works here."
	if !r.OK {
		var names []string
		for _, f := range r.Findings {
			if f.Verdict == verdictFailed {
				names = append(names, f.Name)
			}
		}
		sum = "Does not work here: " + strings.Join(names, ", ") + "."
	}
	b.WriteString("\n" + sum + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *doctorReport) examineProcessors() {
	const group = "processors"
	l := affinity.Measure()
	r.Processors = processors(l)
	why := "CPUs " + affinity.FormatList(l.Usable)
	if l.Online > 0 {
		why += fmt.Sprintf(" of %d online", l.Online)
	}
	if l.Cpuset != nil && len(l.Cpuset) < l.Online {
		why += fmt.Sprintf(", cpuset %s (%s)", affinity.FormatList(l.Cpuset), l.CpusetFile)
	}
	if l.Quota > 0 {
		why += fmt.Sprintf(", quota %.2f (%s)", l.Quota, l.QuotaFile)
	} else {
		why += ", no quota"
	}
	r.add(group, "usable cores", verdictOK, "%d: %s", l.Count, why)

	switch err := affinity.Supported(); {
	case err != nil:
		r.add(group, "affinity", verdictInfo, "workers cannot be pinned to cores: %s", oneLine(err))
	default:
		if err := tieToEach(l.Usable); err != nil {
			r.add(group, "affinity", verdictWarning, "workers cannot be pinned: %s", oneLine(err))
		} else {
			r.add(group, "affinity", verdictOK, "a thread ran on each of CPUs %s when tied to it", affinity.FormatList(l.Usable))
		}
	}
}
