package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"yunta/cmd/yunta/internal/fill"
	"yunta/cmd/yunta/internal/input"
	"yunta/cmd/yunta/internal/jobs"
	"yunta/cmd/yunta/internal/quote"
)

// A work is one job, ready to be run.
type work struct {
	seq     int
	values  []string
	value   string // for messages
	tag     string // in front of each line of output
	command string // as --dry-run, -v and logs show it
	tree    string // where its outputs are kept, filled in
	spec    jobs.Spec
	file    string // in the spill folder, removed when the job has ended
	sent    int64  // bytes of its input
	feed    func() // gives it its input, as it is taken
}

// A plan makes the jobs of a run, one after the other.
type plan struct {
	rows    *input.Packer
	blocks  *blockSource // of --pipe; then rows is nil, unless each job gets all of the input
	line    *fill.Template
	argv    []*fill.Template // when no shell is asked
	append  bool             // values stand behind the command
	around  bool             // -X: the words around {} are repeated
	rawAll  bool             // there is no command: the values are it, as they are
	quoted  func(string) string
	tag     *fill.Template // nil: none
	wd      *fill.Template
	tree    *fill.Template
	treed   func(string) string // makes values parts of file names; nil: they are as they are
	makeWd  bool                // the working directory is made
	slots   int
	longest int  // bytes of a command; 0: the system's limit
	shown   bool // the command is wanted as text
	env     []string
	done    func(w *work) bool // jobs that are left out

	seq   int
	seqs  []int // of the jobs, where they have others than 1, 2, 3
	known int   // how many jobs there are, 0 when that is not known yet
}

// next returns the next job; the errors are those of a Source.
func (p *plan) next(stop <-chan struct{}) (*work, error) {
	for {
		w, err := p.make(stop)
		if err != nil {
			return nil, err
		}
		if p.done == nil || !p.done(w) {
			return w, nil
		}
	}
}

func (p *plan) make(stop <-chan struct{}) (*work, error) {
	if p.blocks != nil {
		return p.blocks.next(p, stop)
	}
	rows, err := p.rows.Next(stop)
	if err != nil {
		return nil, err
	}
	var values []string
	if len(rows) == 1 {
		values = rows[0]
	} else {
		for _, r := range rows {
			values = append(values, r...)
		}
	}
	p.seq++
	w := &work{seq: p.seq, values: values}
	if len(p.seqs) >= p.seq {
		w.seq = p.seqs[p.seq-1]
	}
	return w, p.fill(w, "")
}

// fill makes the command of a job. file, if there is one, is what {} stands for in it.
func (p *plan) fill(w *work, file string) error {
	c := &fill.Context{Values: w.values, Seq: w.seq, Slot: jobs.SlotMark, Slots: p.slots, Total: p.total}
	if len(w.values) == 1 {
		w.value = w.values[0]
	} else {
		w.value = strings.Join(w.values, " ")
	}
	w.spec.Seq, w.spec.Env = w.seq, p.env
	var err error
	text := func(t *fill.Template) string {
		if t == nil || err != nil {
			return ""
		}
		var s string
		s, err = t.Fill(c)
		return s
	}
	if p.tag != nil {
		w.tag = text(p.tag) + "\t"
	}
	w.spec.Tag, w.spec.Wd = w.tag, text(p.wd)
	c.Quote = p.treed
	w.tree = text(p.tree)
	c.Quote = nil
	if err == nil && p.makeWd && w.spec.Wd != "" {
		err = os.MkdirAll(w.spec.Wd, 0o777)
	}
	if err != nil {
		return err
	}
	if file != "" {
		c.Values = []string{file}
	}
	if p.line != nil {
		w.command, err = p.commandLine(c)
		w.spec.Argv = []string{w.command}
		if err == nil && p.longest > 0 && len(w.command) > p.longest {
			err = fmt.Errorf("the command of job %d has %d bytes, more than %d: %.60q", w.seq, len(w.command), p.longest, w.command)
		}
		return err
	}
	w.spec.Argv, err = p.vector(c)
	if err == nil && p.shown {
		w.command = quote.Command(w.spec.Argv)
	}
	return err
}

// commandLine is what a shell is given.
func (p *plan) commandLine(c *fill.Context) (string, error) {
	if !p.rawAll {
		c.Quote = p.quoted
	}
	if p.around {
		return p.line.FillContext(c)
	}
	return p.line.Fill(c)
}

// vector is what is run without one.
func (p *plan) vector(c *fill.Context) (argv []string, err error) {
	argv = make([]string, 0, len(p.argv)+len(c.Values))
	for _, t := range p.argv {
		words, err := t.FillWord(c)
		if err != nil {
			return nil, err
		}
		argv = append(argv, words...)
	}
	if p.append {
		argv = append(argv, c.Values...)
	}
	return argv, nil
}

// size is how long the command of some rows is, in bytes.
func (p *plan) size(rows []input.Row) int {
	var values []string
	for _, r := range rows {
		values = append(values, r...)
	}
	c := &fill.Context{Values: values, Seq: p.seq + 1, Slot: "1", Slots: p.slots, Total: func() (int, error) { return 1 << 20, nil }}
	if p.line != nil {
		s, err := p.commandLine(c)
		if err != nil {
			return 0 // it will be told when the job is made
		}
		return len(s) + 1
	}
	n := 0
	argv, _ := p.vector(c)
	for _, a := range argv {
		n += len(a) + 1
	}
	return n
}

// total is how many jobs there will be. It reads the whole input.
func (p *plan) total() (int, error) {
	if p.known > 0 {
		return p.known, nil
	}
	if p.rows == nil {
		return 0, errors.New("how many jobs there will be is not known with --pipe")
	}
	var packs [][]input.Row
	for {
		rows, err := p.rows.Next(nil)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		packs = append(packs, rows)
	}
	p.known = p.seq + len(packs)
	p.rows = p.rows.Rest(packs)
	return p.known, nil
}

// shownCommand is a job's command once it is known where it ran.
func (w *work) shownCommand(worker int) string { return jobs.Slotted(w.command, worker) }
