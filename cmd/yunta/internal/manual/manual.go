// Package manual writes man pages of a tree of commands, from what their help says: the macros of man(7), which man of every system reads.
package manual

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A Page is one of them.
type Page struct {
	Name string // of the file, as yunta-map.1
	Text []byte
}

// Pages makes the pages of a command and of all below it. version stands at the foot of each.
func Pages(root *cobra.Command, version string) (pages []Page) {
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		if cmd != root && !shown(cmd) {
			return
		}
		pages = append(pages, Page{pageName(cmd) + ".1", page(cmd, version)})
		for _, c := range cmd.Commands() {
			walk(c)
		}
	}
	walk(root)
	return pages
}

// Write writes pages into a folder, which is made if it is not there.
func Write(dir string, pages []Page) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	for _, p := range pages {
		if err := os.WriteFile(filepath.Join(dir, p.Name), p.Text, 0o666); err != nil {
			return err
		}
	}
	return nil
}

func shown(cmd *cobra.Command) bool { return cmd.IsAvailableCommand() && cmd.Name() != "help" }

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

func page(cmd *cobra.Command, version string) []byte {
	var b bytes.Buffer
	name := pageName(cmd)
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"%s\" \"User Commands\"\n", escape(strings.ToUpper(name)), escape(version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", escape(name), escape(cmd.Short))
	b.WriteString(".SH SYNOPSIS\n.nf\n")
	if cmd.Runnable() {
		fmt.Fprintf(&b, "%s\n", line(cmd.UseLine()))
	}
	if cmd.HasAvailableSubCommands() {
		fmt.Fprintf(&b, "%s\n", line(cmd.CommandPath()+" COMMAND ..."))
	}
	b.WriteString(".fi\n.SH DESCRIPTION\n")
	text := cmd.Long
	if text == "" {
		text = cmd.Short + "."
	}
	paragraphs(&b, text)
	if cmd.HasAvailableSubCommands() {
		b.WriteString(".SH COMMANDS\n")
		for _, c := range cmd.Commands() {
			if shown(c) {
				fmt.Fprintf(&b, ".TP\n.BR %s (1)\n%s\n", escape(pageName(c)), line(c.Short))
			}
		}
	}
	cmd.InitDefaultHelpFlag()
	if !cmd.DisableFlagParsing { // else the description has them
		b.WriteString(".SH OPTIONS\n")
		cmd.Flags().VisitAll(func(f *pflag.Flag) { option(&b, f) })
	}
	if cmd.HasExample() {
		b.WriteString(".SH EXAMPLES\n")
		paragraphs(&b, cmd.Example)
	}
	also(&b, cmd)
	return b.Bytes()
}

func option(b *bytes.Buffer, f *pflag.Flag) {
	if f.Hidden {
		return
	}
	kind, usage := pflag.UnquoteUsage(f)
	b.WriteString(".TP\n")
	if f.Shorthand != "" {
		fmt.Fprintf(b, "\\fB\\-%s\\fR, ", escape(f.Shorthand))
	}
	fmt.Fprintf(b, "\\fB\\-\\-%s\\fR", escape(f.Name))
	switch {
	case f.NoOptDefVal != "" && f.Value.Type() != "bool":
		fmt.Fprintf(b, "[=\\fI%s\\fR]", escape(kind))
	case kind != "":
		fmt.Fprintf(b, " \\fI%s\\fR", escape(kind))
	}
	fmt.Fprintf(b, "\n%s\n", line(usage))
}

func also(b *bytes.Buffer, cmd *cobra.Command) {
	var names []string
	if parent := cmd.Parent(); parent != nil {
		names = append(names, pageName(parent))
		for _, c := range parent.Commands() {
			if c != cmd && shown(c) {
				names = append(names, pageName(c))
			}
		}
	}
	if len(names) == 0 {
		return
	}
	b.WriteString(".SH SEE ALSO\n")
	for i, n := range names {
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		fmt.Fprintf(b, ".BR %s (1)%s\n", escape(n), end)
	}
}

// paragraphs sets text as help has it: lines that begin with a blank stay as they are, others are filled.
func paragraphs(b *bytes.Buffer, text string) {
	kept := false
	for l := range strings.Lines(text) {
		l = strings.TrimRight(l, " \n")
		switch indented := strings.HasPrefix(l, " "); {
		case l == "" && !kept:
			b.WriteString(".PP\n")
			continue
		case l == "":
			b.WriteString("\n")
			continue
		case indented && !kept:
			b.WriteString(".nf\n")
			kept = true
		case !indented && kept:
			b.WriteString(".fi\n.PP\n")
			kept = false
		}
		b.WriteString(line(l) + "\n")
	}
	if kept {
		b.WriteString(".fi\n")
	}
}

// line is text that begins a line of the page, where a dot or an apostrophe would be a request.
func line(text string) string {
	text = escape(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

// escape keeps groff from reading anything into a text; a dash is the one that can be pasted into a shell.
func escape(text string) string {
	return strings.NewReplacer(`\`, `\e`, "-", `\-`, `"`, `\(dq`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`, "\n", " ").Replace(text)
}
