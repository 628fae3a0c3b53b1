package getopt

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	t.Parallel()
	tests := []struct{ args, want string }{
		{"echo -k", "rest [echo -k]"},
		{"-k echo", "k rest [echo]"},
		{"-kj4 echo", "k j=4 rest [echo]"},
		{"-kj 4 echo", "k j=4 rest [echo]"},
		{"-l echo", "l= rest [echo]"},
		{"-l 3 echo", "l=3 rest [echo]"},
		{"-i ,, echo", "i=,, rest [echo]"},
		{"-i -k echo", "i= k rest [echo]"},
		{"-i,, echo", "i=,, rest [echo]"},
		{"-l3 echo", "l=3 rest [echo]"},
		{"--jobs 4 --keep-order x", "j=4 k rest [x]"},
		{"--jobs=4 --kee x", "j=4 k rest [x]"},
		{"--tag x", "tag rest [x]"},
		{"--tags a x", "tagstring=a rest [x]"},
		{"-k -- -k", "k rest [-k]"},
		{"- x", "rest [- x]"},
		{"-k", "k rest []"},
		{"--ta x", "option '--ta' is ambiguous; possibilities: '--tag' '--tagstring'"},
		{"--nosuch", "unrecognized option '--nosuch'"},
		{"-kz", "invalid option -- 'z'"},
		{"--keep-order=1", "option '--keep-order' doesn't allow an argument"},
		{"--jobs", "option '--jobs' requires an argument"},
		{"-j", "option requires an argument -- 'j'"},
		{"-kä", "invalid option -- 'ä'"},
		{"-j=4 x", "j=4 rest [x]"},
		{"-tt x", "twice rest [x]"},
		{"--max x", "max rest [x]"}, // two names of one option
		{"--who x", "who rest [x]"},
		{"--wh x", "unrecognized option '--wh'"},
		{"--b x", "--bad refused"},
		{"--", "rest []"},
	}
	for _, test := range tests {
		var got []string
		set := func(name string) func(string, string) error {
			return func(_, v string) error { got = append(got, name+v); return nil }
		}
		s := NewSet([]Option{
			{Names: []string{"keep-order", "k"}, Kind: Flag, Set: set("k")},
			{Names: []string{"jobs", "j"}, Kind: Value, Set: set("j=")},
			{Names: []string{"l"}, Kind: OptionalNumber, Set: set("l=")},
			{Names: []string{"i"}, Kind: Optional, Set: set("i=")},
			{Names: []string{"tag"}, Kind: Flag, Set: set("tag")},
			{Names: []string{"tagstring"}, Kind: Value, Set: set("tagstring=")},
			{Names: []string{"bad"}, Set: func(name, _ string) error { return errors.New(name + " refused") }},
			{Names: []string{"t"}, Set: set("t")},
			{Names: []string{"-tt"}, Set: set("twice")},
			{Names: []string{"max-args", "max-values"}, Set: set("max")},
			{Names: []string{"who"}, Whole: true, Set: set("who")},
		})
		s.Perl = true
		rest, err := s.Parse(strings.Fields(test.args))
		if got = append(got, fmt.Sprintf("rest %v", rest)); err != nil {
			got = []string{err.Error()}
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %s, want %s", test.args, text, test.want)
		}
	}
}

func TestPending(t *testing.T) {
	t.Parallel()
	set := func(string, string) error { return errors.New("set") }
	s := NewSet([]Option{
		{Names: []string{"jobs", "j"}, Kind: Value, Set: set},
		{Names: []string{"keep", "k"}, Set: set},
		{Names: []string{"gone"}, Hidden: true, Set: set},
	})
	for words, want := range map[string]string{
		"":           "option",
		"-k":         "option",
		"-j":         "value",
		"-kj":        "value",
		"--jobs":     "value",
		"--jobs=2":   "option",
		"-j 2":       "option",
		"-j2 echo":   "after [echo]",
		"-k --":      "after []",
		"echo -j":    "after [echo -j]",
		"--nonsense": "option",
	} {
		rest, value := s.Pending(strings.Fields(words))
		got := "option"
		switch {
		case value:
			got = "value"
		case rest != nil:
			got = fmt.Sprintf("after %v", rest)
		}
		if got != want {
			t.Errorf("after %q: %s, want %s", words, got, want)
		}
	}
	if got := strings.Join(s.Words(), " "); got != "--jobs --keep -j -k" {
		t.Errorf("words: %s", got)
	}
}
