package main

import (
	"os"

	"yunta/cmd/yunta/internal/getopt"
	"yunta/cmd/yunta/internal/jobs"
)

// parallelVersion is the version of GNU parallel that was compared with.
const parallelVersion = 20221122

func (o *parallelOptions) outputSet(add adder, flag flager, text texter) {
	way := func(w jobs.Way) func(string) error {
		return func(string) error { o.run.settings.Output = w; return nil }
	}
	flag("keep-order k", &o.run.keep)
	add(getopt.Flag, "group", way(jobs.Grouped))
	add(getopt.Flag, "ungroup u", way(jobs.Straight))
	add(getopt.Flag, "line-buffer lb linebuffer", way(jobs.Lines))
	add(getopt.Flag, "tty", way(jobs.Terminal))
	flag("tag", &o.tag)
	add(getopt.Value, "tagstring", func(v string) error { o.tag, o.tagString = v != "", v; return nil })
	flag("verbose v", &o.run.verbose)
	flag("t", &o.run.announce)
	text("results res", &o.results)
	flag("files", &o.files)
	text("joblog", &o.logPath)
	flag("resume", &o.goOn)
	add(getopt.Flag, "resume-failed", func(string) error { o.goOn, o.again = true, true; return nil })
	flag("retry-failed", &o.retry)
	flag("bar", &o.run.bar.bar)
	flag("eta", &o.run.bar.bar)
	flag("progress", &o.run.bar.bar)
	add(getopt.Value, "tmpdir tempdir", func(v string) error {
		if _, err := os.Stat(v); err != nil {
			return err
		}
		return os.Setenv("TMPDIR", v)
	})
	add(getopt.Flag, "shellquote shell-quote", func(string) error { o.shellQuote++; return nil })
}
