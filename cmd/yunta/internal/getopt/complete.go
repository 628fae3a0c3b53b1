package getopt

import (
	"errors"
	"slices"
)

// Pending says what may follow some words: the value of an option, an option or operand (rest is nil), or only operands after those in rest.
// Nothing is set.
func (s *Set) Pending(words []string) (rest []string, value bool) {
	d := *s
	d.dry = true
	rest, err := d.Parse(words)
	_, value = errors.AsType[missing](err)
	return rest, value
}

// Words are the options as they are typed, sorted.
func (s *Set) Words() (words []string) {
	for name, o := range s.byName {
		switch {
		case o.Hidden:
		case len(name) == 1:
			words = append(words, "-"+name)
		case name[0] == '-':
			words = append(words, name)
		default:
			words = append(words, "--"+name)
		}
	}
	slices.Sort(words)
	return words
}
