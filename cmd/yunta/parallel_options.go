package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"yunta/cmd/yunta/internal/fill"
	"yunta/cmd/yunta/internal/getopt"
	"yunta/cmd/yunta/internal/halt"
	"yunta/cmd/yunta/internal/machine"
)

// parallelOptions are what a command line of GNU parallel's asks for.
type parallelOptions struct {
	run    runOptions
	in     inputOptions
	pipe   pipeOptions
	marks  sourceMarks
	own    map[string]string // --rpl
	rename map[string]string // from what {} and its kin are to what they mean

	slots              string
	dry, quote, plus   bool
	tag                bool
	tagString          string
	around, join       bool // -X, -m
	sharing            bool // what is left at the end is shared out
	most               int  // -n, -N, -L
	none               bool // -N0
	length             int  // -s
	results            string
	files              bool
	logPath            string
	goOn, again, retry bool // --resume, --resume-failed, --retry-failed
	wd                 string
	header             string
	open, shut         string // --parens
	shebang            bool
	shellQuote         int
	help, version      bool
	number             bool // --minversion
	plain              bool // --plain: no options from the environment
}

func newParallelOptions() *parallelOptions {
	o := &parallelOptions{marks: sourceMarks{":::", "::::"}, rename: map[string]string{}, own: map[string]string{}}
	o.in.separator, o.in.orBlank = "\n", true
	o.pipe.block = 1 << 20
	o.pipe.marks.End = "\n"
	o.run.settings.Steps, _ = parseTermSequence("TERM,200,TERM,100,TERM,50,KILL,25")
	o.run.quiet = true
	return o
}

// set lists the options that are supported, and refuses by their names those that are not.
func (o *parallelOptions) set() *getopt.Set {
	var list []getopt.Option
	add := func(kind getopt.Kind, names string, set func(v string) error) {
		list = append(list, getopt.Option{Names: strings.Fields(names), Kind: kind, Set: func(name, v string) error {
			if err := set(v); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		}})
	}
	flag := func(names string, b *bool) { add(getopt.Flag, names, func(string) error { *b = true; return nil }) }
	text := func(names string, s *string) { add(getopt.Value, names, func(v string) error { *s = v; return nil }) }
	o.inputSet(add, flag, text)
	o.runSet(add, flag, text)
	o.outputSet(add, flag, text)
	o.pipeSet(add, flag, text)
	for _, names := range ignorable {
		add(getopt.Flag, names, func(string) error { return nil })
	}
	shown := len(list)
	for _, r := range refused {
		add(r.kind, r.names, func(string) error { return errors.New("this option of GNU parallel is not supported: " + r.why) })
	}
	for i := range list[shown:] {
		list[shown+i].Hidden = true
	}
	s := getopt.NewSet(list)
	s.Perl = true
	return s
}

type (
	adder  func(kind getopt.Kind, names string, set func(v string) error)
	flager func(names string, b *bool)
	texter func(names string, s *string)
)

func (o *parallelOptions) inputSet(add adder, flag flager, text texter) {
	add(getopt.Value, "arg-file a", func(v string) error { o.in.files = append(o.in.files, v); return nil })
	add(getopt.Flag, "null 0", func(string) error { o.in.separator = "\x00"; return nil })
	add(getopt.Value, "delimiter d", func(v string) (err error) { o.in.separator, err = separatorOf(v); return err })
	text("colsep C", &o.in.columns)
	text("header", &o.header)
	flag("link xapply", &o.in.link)
	flag("no-run-if-empty r", &o.in.notBlank)
	flag("shuf", &o.in.shuffle)
	text("arg-sep argsep", &o.marks.values)
	text("arg-file-sep argfilesep", &o.marks.files)
	flag("shebang hashbang", &o.shebang)
	flag("skip-first-line", &o.in.skipFirst)
	add(getopt.Value, "trim", func(v string) error {
		switch v {
		case "n", "l", "r", "lr", "rl":
			o.in.trim = v
			return nil
		}
		return fmt.Errorf("%q is none of n, l, r, lr, rl", v)
	})
	end := func(v string) error { o.in.last, o.in.lasting = v, v != ""; return nil }
	add(getopt.Value, "E", end)
	add(getopt.Optional, "eof e", end)
	number := func(n *int, least int) func(string) error {
		return func(v string) (err error) {
			if *n, err = strconv.Atoi(v); err != nil || *n < least {
				return fmt.Errorf("%q is not a number of at least %d", v, least)
			}
			return nil
		}
	}
	group := func(v string) error {
		if v == "0" {
			o.none, o.most = true, 1
			return nil
		}
		return number(&o.most, 1)(v)
	}
	add(getopt.Value, "max-args n", group)
	add(getopt.Value, "max-replace-args N", group)
	add(getopt.Value, "L", func(v string) error {
		err := number(&o.most, 1)(v)
		o.pipe.lines = o.most
		return err
	})
	add(getopt.OptionalNumber, "max-lines l", func(v string) error {
		if v == "" {
			v = "1"
		}
		return number(&o.most, 1)(v)
	})
	add(getopt.Value, "max-chars s", func(v string) error {
		n, err := machine.ParseBytes(v)
		if err == nil && (n < 1 || n > longestCommand) {
			err = fmt.Errorf("%s is not between 1 and %d", v, longestCommand)
		}
		o.length = int(n)
		return err
	})
	flag("X", &o.around)
	add(getopt.Flag, "m", func(string) error { o.join, o.sharing = true, true; return nil })
	flag("xargs", &o.join)
	flag("plus", &o.plus)
	replacement := func(meaning string) func(string) error {
		return func(v string) error {
			if v == "" {
				v = meaning
			}
			if v != meaning {
				o.rename[v] = meaning
			}
			return nil
		}
	}
	add(getopt.Value, "I", replacement("{}"))
	add(getopt.Optional, "replace i", replacement("{}"))
	add(getopt.Value, "extensionreplace er", replacement("{.}"))
	add(getopt.Value, "U", replacement("{.}"))
	add(getopt.Value, "basenamereplace bnr", replacement("{/}"))
	add(getopt.Value, "dirnamereplace dnr", replacement("{//}"))
	add(getopt.Value, "basenameextensionreplace bner", replacement("{/.}"))
	add(getopt.Value, "seqreplace", replacement("{#}"))
	add(getopt.Value, "slotreplace", replacement("{%}"))
	add(getopt.Value, "rpl", func(v string) error {
		name, expr, ok := strings.Cut(v, " ")
		if !ok || strings.ContainsAny(name, "()") {
			return fmt.Errorf("%q is not a word, a blank and an expression: words that are patterns are not supported", v)
		}
		if _, err := (fill.Syntax{Own: map[string]string{name: expr}}).Parse(name); err != nil {
			return err
		}
		o.own[name] = expr
		return nil
	})
	add(getopt.Value, "parens", func(v string) error {
		if len(v) < 2 || len(v)%2 != 0 {
			return fmt.Errorf("%q is not two marks of one length", v)
		}
		o.open, o.shut = v[:len(v)/2], v[len(v)/2:]
		return nil
	})
}

func (o *parallelOptions) runSet(add adder, flag flager, text texter) {
	text("jobs j max-procs P", &o.slots)
	text("wd workdir", &o.wd)
	add(getopt.Value, "profile J", func(string) error { return nil }) // read before, see expandOptions
	flag("plain", &o.plain)
	flag("dry-run dryrun", &o.dry)
	flag("quote q", &o.quote)
	add(getopt.Value, "delay", func(v string) (err error) { o.run.gate.delay, err = parseSpan(v); return err })
	add(getopt.Value, "load", func(v string) error {
		number, percent := strings.CutSuffix(v, "%")
		f, err := strconv.ParseFloat(number, 64)
		if err != nil || f <= 0 {
			return fmt.Errorf("%q is not a load such as 4 or 80%%", v)
		}
		if percent {
			f *= float64(cpuCount()) / 100
		}
		if _, err := machine.Load(); err != nil {
			return err
		}
		o.run.gate.load = f
		return nil
	})
	add(getopt.Value, "memfree", func(v string) (err error) {
		if o.run.gate.memfree, err = machine.ParseBytes(v); err == nil {
			_, err = machine.Free()
		}
		return err
	})
	add(getopt.Value, "nice", func(v string) (err error) {
		if o.run.settings.Nice, err = strconv.Atoi(v); err != nil || o.run.settings.Nice < -20 || o.run.settings.Nice > 19 {
			err = fmt.Errorf("%q is not between -20 and 19", v)
		}
		return err
	})
	add(getopt.Value, "timeout", func(v string) (err error) {
		if number, ok := strings.CutSuffix(v, "%"); ok {
			o.run.percent, err = strconv.ParseFloat(number, 64)
			if err == nil && !(o.run.percent > 0) {
				err = errors.New("must be above 0")
			}
			return err
		}
		if o.run.settings.Timeout, err = parseSpan(v); err == nil && o.run.settings.Timeout < 0 {
			err = errors.New("must not be negative")
		}
		return err
	})
	add(getopt.Value, "termseq", func(v string) (err error) { o.run.settings.Steps, err = parseTermSequence(v); return err })
	add(getopt.Value, "retries", func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("%q is not a number of attempts", v)
		}
		o.run.settings.Retries = max(n-1, 0)
		if n == 0 {
			o.run.settings.Retries = 1 << 30
		}
		return nil
	})
	add(getopt.Value, "halt halt-on-error H", func(v string) (err error) { o.run.halt, err = halt.Parse(v); return err })
	add(getopt.Value, "env", func(v string) error {
		if v == "_" {
			return errors.New("_ needs a file in HOME, and none is read: jobs have the whole environment")
		}
		return nil // here jobs have the whole environment
	})
	flag("version V", &o.version)
	flag("help h", &o.help)
	add(getopt.Value, "minversion", func(v string) error {
		n, err := strconv.Atoi(v)
		if err == nil && n > parallelVersion {
			err = fmt.Errorf("this does what GNU parallel %d does", parallelVersion)
		}
		o.number = true
		return err
	})
}
