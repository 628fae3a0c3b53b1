package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"yunta/cmd/yunta/internal/fill"
	"yunta/cmd/yunta/internal/jobs"
)

// A keeper puts outputs into files, as GNU parallel's --results and --files do, and prints none of them.
type keeper struct {
	root   string   // of the tree
	names  []string // of the columns
	filled bool     // the path of each job was a template
	table  *os.File // of a csv, tsv or json file
	form   string
	list   bool // --files: names of files are what is printed
	wide   int  // columns of the table's head
}

// openKeeper prepares for keeping in what --results names; t is that, read as a template.
func openKeeper(path string, t *fill.Template, goOn bool) (*keeper, error) {
	k := &keeper{root: path, filled: !t.Empty()}
	if !k.filled {
		switch ext := filepath.Ext(path); ext {
		case ".csv", ".tsv", ".json":
			k.form = ext[1:]
			flags := os.O_WRONLY | os.O_CREATE | os.O_TRUNC
			if goOn {
				flags = os.O_WRONLY | os.O_CREATE | os.O_APPEND
			}
			f, err := os.OpenFile(path, flags, 0o666)
			if err != nil {
				return nil, err
			}
			if info, err := f.Stat(); err == nil && info.Size() > 0 {
				k.wide = -1 // it has its head
			}
			k.table = f
			return k, nil
		}
		return k, os.MkdirAll(path, 0o777)
	}
	// The part before the first replacement string must be a place where files can be made.
	fixed, done := "", false
	t.Literals(func(literal, placeholder string) {
		done = done || placeholder != ""
		if !done {
			fixed += literal
		}
	})
	return k, os.MkdirAll(filepath.Dir(fixed+"x"), 0o777)
}

// escapePart makes a value the name of a folder, as GNU parallel does.
func escapePart(v string) string {
	return strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\x00", `\0`, "/", `\_`).Replace(v)
}

// prefix is what the names of a job's files begin with.
func (k *keeper) prefix(values []string, filledIn string) string {
	if k.filled {
		return filledIn
	}
	path := k.root
	for i, v := range values {
		name := strconv.Itoa(i + 1)
		if i < len(k.names) {
			name = k.names[i]
		}
		path = filepath.Join(path, escapePart(name)) + "/" + escapePart(v)
	}
	return path + "/"
}

// has reports whether a job's outputs are there.
func (k *keeper) has(w *work) bool {
	if k.form != "" || k.list {
		return false
	}
	_, seq, _ := outputPaths(k.prefix(w.values, jobs.Slotted(w.tree, 0)))
	_, err := os.Stat(seq)
	return err == nil
}

func outputPaths(prefix string) (stdout, seq, stderr string) {
	if strings.HasSuffix(prefix, "/") {
		return prefix + "stdout", prefix + "seq", prefix + "stderr"
	}
	return prefix, prefix + ".seq", prefix + ".err"
}

// keep puts a job's outputs where they belong.
func (k *keeper) keep(f *finished, p *printer) error {
	switch {
	case k.list:
		return k.name(f, p)
	case k.form != "":
		return k.row(f, p)
	}
	stdout, seq, stderr := outputPaths(k.prefix(f.values, f.tree))
	if err := os.MkdirAll(filepath.Dir(stdout), 0o777); err != nil {
		return err
	}
	return errors.Join(
		k.file(stdout, f, f.result.Stdout, ".out", p),
		k.file(stderr, f, f.result.Stderr, ".err", p),
		os.WriteFile(seq, []byte(strconv.Itoa(f.seq)), 0o666),
	)
}

func (k *keeper) file(path string, f *finished, o jobs.Output, suffix string, p *printer) error {
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(p.pieces(out, f, o, suffix), out.Close())
}

// name is --files.
func (k *keeper) name(f *finished, p *printer) error {
	out, err := os.CreateTemp("", "par*.par")
	if err != nil {
		return err
	}
	err = errors.Join(p.pieces(out, f, f.result.Stdout, ".out"), out.Close())
	if err == nil {
		_, p.err = io.WriteString(p.stdout, f.tag+out.Name()+"\n")
		err = p.pieces(p.stderr, f, f.result.Stderr, ".err")
	}
	return err
}

// row writes a job into a table.
func (k *keeper) row(f *finished, p *printer) error {
	var stdout, stderr strings.Builder
	err := errors.Join(p.pieces(&stdout, f, f.result.Stdout, ".out"), p.pieces(&stderr, f, f.result.Stderr, ".err"))
	if err != nil {
		return err
	}
	start, elapsed := fmt.Sprintf("%.3f", float64(f.result.Start/1e6)/1000), fmt.Sprintf("%.3f", f.result.Elapsed.Seconds())
	if k.form == "json" {
		text := jsonText
		values := make([]string, len(f.values))
		for i, v := range f.values {
			values[i] = text(v)
		}
		_, err := fmt.Fprintf(k.table, `{ "Seq": %d, "Host": ":", "Starttime": %s, "JobRuntime": %s, "Send": %d, "Receive": %d, "Exitval": %d, "Signal": %d, "Command": %s, "V": [ %s ], "Stdout": %s, "Stderr": %s }`+"\n",
			f.seq, start, elapsed, f.sent, f.result.Stdout.Size, f.status(), int(f.result.Signal), text(f.command),
			strings.Join(values, ", "), text(stdout.String()), text(stderr.String()))
		return err
	}
	separator := ","
	if k.form == "tsv" {
		separator = "\t"
	}
	line := func(fields []string) error {
		for i, s := range fields {
			if strings.ContainsAny(s, " ,\"\t\n\r") {
				fields[i] = `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
			}
		}
		_, err := io.WriteString(k.table, strings.Join(fields, separator)+"\n")
		return err
	}
	if k.wide == 0 {
		k.wide = max(len(f.values), 1)
		head := []string{"Seq", "Host", "Starttime", "JobRuntime", "Send", "Receive", "Exitval", "Signal", "Command"}
		for i := range f.values {
			name := "V" + strconv.Itoa(i+1)
			if i < len(k.names) {
				name = k.names[i]
			}
			head = append(head, name)
		}
		if err := line(append(head, "Stdout", "Stderr")); err != nil {
			return err
		}
	}
	fields := []string{
		strconv.Itoa(f.seq), ":", start, elapsed, strconv.FormatInt(f.sent, 10), strconv.FormatInt(f.result.Stdout.Size, 10),
		strconv.Itoa(f.status()), strconv.Itoa(int(f.result.Signal)), f.command,
	}
	return line(append(append(fields, f.values...), stdout.String(), stderr.String()))
}

// jsonText writes a string with the escapes that GNU parallel uses. What is no UTF-8 cannot be in JSON and is replaced.
func jsonText(s string) string {
	b := []byte{'"'}
	for _, c := range []byte(strings.ToValidUTF8(s, "\ufffd")) {
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = fmt.Appendf(b, `\u%04x`, c)
		default:
			b = append(b, c)
		}
	}
	return string(append(b, '"'))
}

func (k *keeper) close() error {
	if k.table == nil {
		return nil
	}
	return k.table.Close()
}
