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
		{"--ta x", "option --ta is ambiguous: --tag, --tagstring"},
		{"--nosuch", "unknown option: --nosuch"},
		{"-kz", "unknown option: -z"},
		{"--keep-order=1", "option --keep-order takes no value"},
		{"--jobs", "option --jobs needs a value"},
		{"-j", "option -j needs a value"},
		{"--bad x", "--bad: refused"},
		{"--", "rest []"},
	}
	for _, test := range tests {
		var got []string
		set := func(name string) func(string) error {
			return func(v string) error { got = append(got, name+v); return nil }
		}
		s := NewSet([]Option{
			{[]string{"keep-order", "k"}, Flag, set("k")},
			{[]string{"jobs", "j"}, Value, set("j=")},
			{[]string{"l"}, OptionalNumber, set("l=")},
			{[]string{"i"}, Optional, set("i=")},
			{[]string{"tag"}, Flag, set("tag")},
			{[]string{"tagstring"}, Value, set("tagstring=")},
			{[]string{"bad"}, Flag, func(string) error { return errors.New("refused") }},
		})
		rest, err := s.Parse(strings.Fields(test.args))
		if got = append(got, fmt.Sprintf("rest %v", rest)); err != nil {
			got = []string{err.Error()}
		}
		if text := strings.Join(got, " "); text != test.want {
			t.Errorf("%s: %s, want %s", test.args, text, test.want)
		}
	}
}
