package main

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"yunta/oslock/futex"
)

// A buildReport says which build this is; --json prints it as it stands.
type buildReport struct {
	Version  string `json:"version"`            // of the module; "(devel)" when built without version control
	Revision string `json:"revision,omitempty"` // of the source
	Time     string `json:"time,omitempty"`     // of the revision
	Modified bool   `json:"modified"`           // the source was changed since
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
	Paths    string `json:"paths"` // "native", or "portable" without the kernel's own means
}

func newVersionCommand() *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Long: `Prints the version and the source revision of this program, the Go release that built it, the
system it was built for, and whether it uses the system's own means (native: on Linux futexes,
process descriptors, affinity) or does without them (portable: everywhere else, and when built
with the tag portable).`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			info, ok := debug.ReadBuildInfo()
			if !ok {
				info = &debug.BuildInfo{}
			}
			r := buildOf(info)
			if asJSON {
				return r.printJSON(cmd.OutOrStdout())
			}
			return r.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object instead of lines")
	return cmd
}

func buildOf(info *debug.BuildInfo) buildReport {
	r := buildReport{Version: info.Main.Version, Go: info.GoVersion, Paths: "portable"}
	if r.Version == "" {
		r.Version = "(devel)"
	}
	if futex.Native() {
		r.Paths = "native"
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			r.Revision = s.Value
		case "vcs.time":
			r.Time = s.Value
		case "vcs.modified":
			r.Modified = s.Value == "true"
		case "GOOS":
			r.OS = s.Value
		case "GOARCH":
			r.Arch = s.Value
		}
	}
	return r
}

func (r buildReport) printJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

func (r buildReport) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "yunta\t%s\n", r.Version)
	if r.Revision != "" {
		modified := ""
		if r.Modified {
			modified = ", changed since"
		}
		fmt.Fprintf(table, "source\t%s of %s%s\n", r.Revision, r.Time, modified)
	}
	fmt.Fprintf(table, "go\t%s\n", r.Go)
	fmt.Fprintf(table, "system\t%s/%s\n", r.OS, r.Arch)
	fmt.Fprintf(table, "paths\t%s\n", r.Paths)
	return table.Flush()
}
