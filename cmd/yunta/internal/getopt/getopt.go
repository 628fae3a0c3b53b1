// Package getopt reads command lines as getopt_long(3) does where it stops at the first argument that is no option: long options that may be
// cut short where that is not ambiguous, single letters that may stand together, values in the same argument or the next. All is in the
// order of the command line, and errors have the words of the C library.
package getopt

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// Kind says what follows an option.
type Kind int

// The kinds.
const (
	Flag           Kind = iota // nothing
	Value                      // a value
	Optional                   // a value, or none when the next word begins as an option does
	OptionalNumber             // a number, or none when the next word is not one
)

// An Option is what may be given under several names, which are without dashes; those of one letter are short, those that begin with a
// dash are letters that mean something else together, such as -tt.
type Option struct {
	Names []string
	Kind  Kind
	Whole bool // its long names must not be cut short
	// Hidden options are not offered when a shell completes a word.
	Hidden bool
	// Set is told the name in full, with its dashes.
	Set func(name, value string) error
}

// A Set finds options by their names.
type Set struct {
	// Perl is how perl's Getopt::Long reads -j=4: the value is 4.
	Perl   bool
	dry    bool // nothing is set
	byName map[string]*Option
	long   []string // in the order in which they were given
}

// NewSet makes a set. Two options of one name panic.
func NewSet(options []Option) *Set {
	s := &Set{byName: map[string]*Option{}}
	for i := range options {
		for _, name := range options[i].Names {
			if s.byName[name] != nil {
				panic("getopt: two options named " + name)
			}
			s.byName[name] = &options[i]
			if len(name) > 1 && name[0] != '-' {
				s.long = append(s.long, name)
			}
		}
	}
	return s
}

// Parse applies the options at the beginning of args and returns the rest. The errors of Set come back as they are.
func (s *Set) Parse(args []string) (rest []string, err error) {
	for len(args) > 0 {
		word := args[0]
		switch {
		case word == "--":
			return args[1:], nil
		case strings.HasPrefix(word, "--"):
			args, err = s.takeLong(args)
		case len(word) > 1 && word[0] == '-':
			args, err = s.takeShort(args)
		default:
			return args, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s *Set) takeLong(args []string) ([]string, error) {
	name, value, given := strings.Cut(args[0][2:], "=")
	args = args[1:]
	name, err := s.find(name)
	if err != nil {
		return nil, err
	}
	o := s.byName[name]
	switch {
	case o.Kind == Flag && given:
		return nil, fmt.Errorf("option '--%s' doesn't allow an argument", name)
	case o.Kind == Value && !given:
		if len(args) == 0 {
			return nil, missing("option '--" + name + "' requires an argument")
		}
		value, args = args[0], args[1:]
	case !given:
		value, args = o.optional(args)
	}
	return args, s.set(o, "--"+name, value)
}

// find returns the long name that is given, or that of the one option which has names that begin so.
func (s *Set) find(name string) (string, error) {
	if len(name) > 1 && s.byName[name] != nil {
		return name, nil
	}
	var near []string
	for _, n := range s.long {
		if strings.HasPrefix(n, name) && !s.byName[n].Whole {
			near = append(near, n)
		}
	}
	switch {
	case len(near) == 0:
		return "", fmt.Errorf("unrecognized option '--%s'", name)
	case slices.ContainsFunc(near, func(n string) bool { return s.byName[n] != s.byName[near[0]] }):
		return "", fmt.Errorf("option '--%s' is ambiguous; possibilities: '--%s'", name, strings.Join(near, "' '--"))
	}
	return near[0], nil
}

func (s *Set) takeShort(args []string) ([]string, error) {
	if o := s.byName[args[0]]; o != nil && len(args[0]) > 2 {
		return args[1:], s.set(o, args[0], "")
	}
	letters := args[0][1:]
	args = args[1:]
	for letters != "" {
		c, size := utf8.DecodeRuneInString(letters)
		name := letters[:size]
		letters = letters[size:]
		o := s.byName[name]
		if o == nil {
			return nil, fmt.Errorf("invalid option -- '%c'", c)
		}
		value := ""
		switch {
		case o.Kind == Flag:
		case letters != "":
			if s.Perl {
				letters = strings.TrimPrefix(letters, "=")
			}
			value, letters = letters, ""
		case o.Kind == Value:
			if len(args) == 0 {
				return nil, missing("option requires an argument -- '" + name + "'")
			}
			value, args = args[0], args[1:]
		default:
			value, args = o.optional(args)
		}
		if err := s.set(o, "-"+name, value); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func (s *Set) set(o *Option, name, value string) error {
	if s.dry {
		return nil
	}
	return o.Set(name, value)
}

// missing says that an option is the last word and needs another.
type missing string

func (m missing) Error() string { return string(m) }

// optional takes the value of an option that may have one from the next word.
func (o *Option) optional(args []string) (value string, rest []string) {
	if len(args) == 0 || o.Kind == Flag || strings.HasPrefix(args[0], "-") || args[0] == "" {
		return "", args
	}
	if o.Kind == OptionalNumber && strings.Trim(args[0], "0123456789") != "" {
		return "", args
	}
	return args[0], args[1:]
}
