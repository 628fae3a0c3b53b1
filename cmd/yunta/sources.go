package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"

	"yunta/cmd/yunta/internal/input"
)

// A sourceArg is a source of values that stands on the command line: ::: VALUE... or :::: FILE...
type sourceArg struct {
	files  bool
	linked bool // to the one before
	words  []string
}

// sourceMarks are what begins a source. GNU parallel lets the first two be renamed.
type sourceMarks struct{ values, files string }

// splitSources divides arguments into the command and the sources behind it.
func splitSources(args []string, m sourceMarks) (command []string, sources []sourceArg) {
	i := slices.IndexFunc(args, func(a string) bool { _, ok := m.source(a); return ok })
	if i < 0 {
		return args, nil
	}
	command = args[:i:i]
	for _, a := range args[i:] {
		if s, ok := m.source(a); ok {
			sources = append(sources, s)
			continue
		}
		last := &sources[len(sources)-1]
		last.words = append(last.words, a)
	}
	return command, sources
}

func (m sourceMarks) source(word string) (s sourceArg, ok bool) {
	switch word {
	case m.values:
	case m.values + "+":
		s.linked = true
	case m.files:
		s.files = true
	case m.files + "+":
		s.files, s.linked = true, true
	default:
		return s, false
	}
	return s, true
}

// inputOptions say where values come from and how they are cut.
type inputOptions struct {
	args      []sourceArg
	files     []string // -a
	separator string
	columns   string // a regular expression
	header    bool
	link      bool // all sources, each beginning again until the longest has ended
	notBlank  bool
	trim      string // n, l, r or lr
	last      string // the value that ends the input
	lasting   bool   // there is such a value
	shuffle   bool
	skipFirst bool // value of the first source
	orBlank   bool // of several sources one without values has an empty one, as GNU parallel has it
}

// fromStdin reports whether the values come from there for want of another source.
func (o *inputOptions) fromStdin() bool { return len(o.args) == 0 && len(o.files) == 0 }

// open opens all sources.
func (o *inputOptions) open(stdin io.Reader) (*input.Combined, error) {
	var options input.Options
	options.Header, options.Shuffle = o.header, o.shuffle
	if o.columns != "" {
		re, err := regexp.Compile(o.columns)
		if err != nil {
			return nil, usagef("--colsep: %w", err)
		}
		options.Columns = re
	}
	var groups []input.Group
	several := len(o.files)+len(o.args) > 1
	add := func(s input.Source, linked bool) {
		if several && o.orBlank {
			s = input.OrBlank(s)
		}
		if len(groups) > 0 && (linked || o.link) {
			last := &groups[len(groups)-1]
			last.Sources = append(last.Sources, s)
			return
		}
		groups = append(groups, input.Group{Sources: []input.Source{s}, Recycle: o.link})
	}
	file := func(name string) (input.Source, error) {
		in := stdin
		if name != "-" {
			f, err := os.Open(name)
			if err != nil {
				return nil, err
			}
			in = f
		}
		s := input.Source(input.NewLines(in, o.separator))
		if o.skipFirst && len(groups) == 0 {
			_, _ = s.Next(nil) // what is wrong with it shows again
		}
		return o.filter(s), nil
	}
	for _, name := range o.files {
		s, err := file(name)
		if err != nil {
			return nil, err
		}
		add(s, false)
	}
	for _, a := range o.args {
		if !a.files {
			words := a.words
			if o.skipFirst && len(groups) == 0 {
				words = words[min(1, len(words)):]
			}
			add(o.filter(&input.Given{Values: words}), a.linked)
			continue
		}
		for i, name := range a.words {
			s, err := file(name)
			if err != nil {
				return nil, err
			}
			add(s, a.linked && i == 0)
		}
	}
	if len(groups) == 0 {
		s, err := file("-")
		if err != nil {
			return nil, err
		}
		add(s, false)
	}
	return input.Combine(groups, options), nil
}

func (o *inputOptions) filter(s input.Source) input.Source {
	if o.lasting {
		s = input.Until(s, o.last)
	}
	if o.trim != "" && o.trim != "n" {
		s = input.Trim(s, o.trim != "r", o.trim != "l")
	}
	if o.notBlank {
		s = input.NotBlank(s)
	}
	return s
}

// count is how many rows there are, when that can be told without reading anything; 0 if not.
func (o *inputOptions) count() int {
	n := 1
	if len(o.files) > 0 || len(o.args) == 0 || o.link || o.notBlank || o.lasting || o.skipFirst {
		return 0
	}
	for _, a := range o.args {
		if a.files {
			return 0
		}
		values := len(a.words)
		if o.header {
			values--
		}
		if a.linked {
			continue // no more than what it is linked to
		}
		if o.orBlank && len(o.args) > 1 {
			values = max(values, 1)
		}
		if n *= max(values, 0); n > 1<<40 {
			return 0
		}
	}
	return n
}

// names returns the numbers of named columns. It reads their header.
func (o *inputOptions) names(rows *input.Combined) (map[string]int, []string, error) {
	if !o.header {
		return nil, nil, nil
	}
	list, err := rows.Names(nil)
	if err != nil {
		return nil, nil, err
	}
	names := map[string]int{}
	for i, name := range list {
		if _, twice := names[name]; !twice {
			names[name] = i + 1
		}
	}
	return names, list, nil
}

// separators of values as GNU parallel's -d takes them.
func separatorOf(s string) (string, error) {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' || i+1 == len(s) {
			out = append(out, s[i])
			continue
		}
		i++
		switch s[i] {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case 'f':
			out = append(out, '\f')
		case 'v':
			out = append(out, '\v')
		case 'a':
			out = append(out, '\a')
		case '\\':
			out = append(out, '\\')
		case 'x':
			var c byte
			if i+2 >= len(s) {
				return "", fmt.Errorf("%q ends too early", s)
			}
			if _, err := fmt.Sscanf(s[i+1:i+3], "%02x", &c); err != nil {
				return "", fmt.Errorf("%q: %w", s, err)
			}
			out = append(out, c)
			i += 2
		case '0', '1', '2', '3', '4', '5', '6', '7':
			n, j := 0, i
			for ; j < len(s) && j < i+3 && s[j] >= '0' && s[j] <= '7'; j++ {
				n = 8*n + int(s[j]-'0')
			}
			out = append(out, byte(n))
			i = j - 1
		default:
			out = append(out, '\\', s[i])
		}
	}
	if len(out) == 0 {
		return "\x00", nil
	}
	return string(out), nil
}
