package main

import (
	"fmt"
	"strings"
)

// optionSet reads options as getopt_long(3) does where it stops at the first argument that is none: single letters in bundles, whose
// last may have its value in the same argument or the next; long names, also cut short where that is not ambiguous, with = or the
// next argument for the value. All is in the order of the command line.
type optionSet struct {
	short string // letters; a colon follows one that takes a value
	long  []longOption
}

// longOption is a long name for what a letter stands for, which may be one beyond ASCII that nobody can type.
type longOption struct {
	name  string
	as    rune
	value bool
	whole bool // must not be cut short
}

// parse calls take with each option and returns the arguments after them.
func (g *optionSet) parse(args []string, take func(opt rune, value string) error) (rest []string, err error) {
	for len(args) > 0 {
		arg := args[0]
		if len(arg) < 2 || arg[0] != '-' {
			return args, nil
		}
		args = args[1:]
		switch {
		case arg == "--":
			return args, nil
		case strings.HasPrefix(arg, "--"):
			args, err = g.takeLong(arg[2:], args, take)
		default:
			args, err = g.takeShort(arg[1:], args, take)
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func (g *optionSet) takeShort(bundle string, args []string, take func(rune, string) error) ([]string, error) {
	for i, c := range bundle {
		at := strings.IndexRune(g.short, c)
		if at < 0 || c == ':' {
			return nil, fmt.Errorf("invalid option -- '%c'", c)
		}
		if !strings.HasPrefix(g.short[at+len(string(c)):], ":") {
			if err := take(c, ""); err != nil {
				return nil, err
			}
			continue
		}
		if value := bundle[i+len(string(c)):]; value != "" {
			return args, take(c, value)
		}
		if len(args) == 0 {
			return nil, fmt.Errorf("option requires an argument -- '%c'", c)
		}
		return args[1:], take(c, args[0])
	}
	return args, nil
}

func (g *optionSet) takeLong(text string, args []string, take func(rune, string) error) ([]string, error) {
	name, value, given := strings.Cut(text, "=")
	o, err := g.find(name)
	switch {
	case err != nil:
		return nil, err
	case !o.value && given:
		return nil, fmt.Errorf("option '--%s' doesn't allow an argument", o.name)
	case o.value && !given:
		if len(args) == 0 {
			return nil, fmt.Errorf("option '--%s' requires an argument", o.name)
		}
		value, args = args[0], args[1:]
	}
	return args, take(o.as, value)
}

// find returns the option of that name, or the one that it is the beginning of.
func (g *optionSet) find(name string) (longOption, error) {
	var near []longOption
	for _, o := range g.long {
		if o.name == name {
			return o, nil
		}
		if !o.whole && strings.HasPrefix(o.name, name) {
			near = append(near, o)
		}
	}
	if len(near) == 0 {
		return longOption{}, fmt.Errorf("unrecognized option '--%s'", name)
	}
	var names strings.Builder
	same := true
	for _, o := range near {
		same = same && o.as == near[0].as
		fmt.Fprintf(&names, " '--%s'", o.name)
	}
	if !same {
		return longOption{}, fmt.Errorf("option '--%s' is ambiguous; possibilities:%s", name, names.String())
	}
	return near[0], nil
}
