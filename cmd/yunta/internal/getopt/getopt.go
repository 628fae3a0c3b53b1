// Package getopt reads command lines as GNU programs do: long options that may be shortened, short ones that may stand together, values in
// the same word or the next. It ends at the first word that is no option.
package getopt

import (
	"fmt"
	"slices"
	"strings"
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

// An Option is what may be given under several names, which are without dashes; those of one letter are short.
type Option struct {
	Names []string
	Kind  Kind
	Set   func(value string) error
}

// A Set finds options by their names.
type Set struct {
	byName map[string]*Option
	names  []string
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
			s.names = append(s.names, name)
		}
	}
	slices.Sort(s.names)
	return s
}

// Parse applies the options at the beginning of args and returns the rest.
func (s *Set) Parse(args []string) (rest []string, err error) {
	for len(args) > 0 {
		word := args[0]
		switch {
		case word == "--":
			return args[1:], nil
		case strings.HasPrefix(word, "--"):
			args, err = s.long(args)
		case len(word) > 1 && word[0] == '-':
			args, err = s.short(args)
		default:
			return args, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (s *Set) long(args []string) ([]string, error) {
	name, value, given := strings.Cut(args[0][2:], "=")
	args = args[1:]
	o, err := s.find(name)
	if err != nil {
		return nil, err
	}
	switch {
	case o.Kind == Flag && given:
		return nil, fmt.Errorf("option --%s takes no value", name)
	case o.Kind == Value && !given:
		if len(args) == 0 {
			return nil, fmt.Errorf("option --%s needs a value", name)
		}
		value, args = args[0], args[1:]
	case !given:
		value, args = o.optional(args)
	}
	return args, wrap("--"+name, o.Set(value))
}

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

// find returns the option of a long name, or of the only one that begins so.
func (s *Set) find(name string) (*Option, error) {
	if o := s.byName[name]; o != nil && (len(name) > 1) {
		return o, nil
	}
	var found *Option
	var meant []string
	for _, n := range s.names {
		if len(n) > 1 && name != "" && strings.HasPrefix(n, name) && s.byName[n] != found {
			found = s.byName[n]
			meant = append(meant, "--"+n)
		}
	}
	switch len(meant) {
	case 0:
		return nil, fmt.Errorf("unknown option: --%s", name)
	case 1:
		return found, nil
	}
	return nil, fmt.Errorf("option --%s is ambiguous: %s", name, strings.Join(meant, ", "))
}

func (s *Set) short(args []string) ([]string, error) {
	// One that has a name of several letters, such as -tt.
	if o := s.byName["-"+args[0][1:]]; o != nil {
		return args[1:], wrap(args[0], o.Set(""))
	}
	letters := args[0][1:]
	args = args[1:]
	for letters != "" {
		name := letters[:1]
		letters = letters[1:]
		o := s.byName[name]
		if o == nil {
			return nil, fmt.Errorf("unknown option: -%s", name)
		}
		value := ""
		switch {
		case o.Kind == Flag:
		case letters != "":
			value, letters = strings.TrimPrefix(letters, "="), ""
		case o.Kind == Value:
			if len(args) == 0 {
				return nil, fmt.Errorf("option -%s needs a value", name)
			}
			value, args = args[0], args[1:]
		default:
			value, args = o.optional(args)
		}
		if err := wrap("-"+name, o.Set(value)); err != nil {
			return nil, err
		}
	}
	return args, nil
}

func wrap(name string, err error) error {
	if err != nil {
		err = fmt.Errorf("%s: %w", name, err)
	}
	return err
}
