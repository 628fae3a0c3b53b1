package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"yunta/cmd/yunta/internal/getopt"
)

// options are those of GNU parallel that mean something for a semaphore; the others are refused by name. jobs is the value of -j.
func (r *semRequest) options(jobs *string) *getopt.Set {
	var list []getopt.Option
	add := func(kind getopt.Kind, names string, set func(v string) error) {
		list = append(list, getopt.Option{Names: strings.Fields(names), Kind: kind, Set: func(_, v string) error { return set(v) }})
	}
	flag := func(names string, to *bool, value bool) {
		add(getopt.Flag, names, func(string) error { *to = value; return nil })
	}
	text := func(names string, to *string) {
		add(getopt.Value, names, func(v string) error { *to = v; return nil })
	}
	text("j P jobs max-procs maxprocs", jobs)
	text("id semaphore-name semaphorename", &r.id)
	add(getopt.Value, "st semaphore-timeout semaphoretimeout", r.setTimeout)
	flag("fg", &r.fg, true)
	flag("bg", &r.fg, false)
	flag("wait", &r.wait, true)
	flag("u ungroup lb line-buffer linebuffer line-buffered linebuffered", &r.ungroup, true)
	add(getopt.Value, "a arg-file argfile", func(v string) error {
		if r.input != "" {
			return errors.New("a semaphore's command has one standard input, not two -a")
		}
		r.input = v
		return nil
	})
	add(getopt.Value, "nice", func(v string) (err error) {
		if r.nice, err = strconv.Atoi(v); err != nil {
			return fmt.Errorf("--nice %q: not a whole number", v)
		}
		return nil
	})
	text("wd workdir work-dir", &r.dir)
	flag("q quote", &r.quote, true)
	flag("v", &r.tell, true)
	flag("t verbose", &r.tellErr, true)
	flag("dry-run dryrun", &r.dryRun, true)
	add(getopt.Flag, "h help", func(string) error { return errSemHelp })
	add(getopt.Flag, "V version", func(string) error { return errSemVersion })
	add(getopt.Flag, "semaphore group k keep-order keeporder gnu plain pipe spreadstdin will-cite willcite nn nonotice no-notice",
		func(string) error { return nil })
	refuse := func(name string, kind getopt.Kind) {
		list = append(list, getopt.Option{Names: []string{name}, Kind: kind, Hidden: true, Set: func(name, _ string) error {
			return fmt.Errorf("%s is an option of GNU parallel that sem does not have here", name)
		}})
	}
	for _, text := range refusedNames {
		name, value := strings.CutSuffix(text, "=")
		refuse(name, map[bool]getopt.Kind{true: getopt.Value}[value])
	}
	for _, c := range refusedLetters {
		refuse(string(c), getopt.Flag)
	}
	for _, c := range refusedValues {
		refuse(string(c), getopt.Value)
	}
	return getopt.NewSet(list)
}

// refusedNames are GNU parallel's other options, those that take a value with =.
var refusedNames = strings.Fields(`arg-file-sep= arg-sep= bar basefile= bf= bin= block= block-size= blocksize= block-timeout= bt= cat
	cleanup col-sep= colsep= compress compress-program= csv ctag ctagstring= ctrlc delay= delimiter= env= eof= eta exit fifo
	files files0 filter= filter-hosts filterhosts halt= halt-on-error= header= hgrp hostgroup hostgroups hostgrp interactive joblog=
	jl= latest-line ll limit= link load= max-args= maxargs= max-chars= maxchars= max-line-length-allowed max-lines= maxlines=
	max-replace-args= memfree= memsuspend= min-version= minversion= no-run-if-empty norunifempty nonall noswap number-of-cores
	number-of-cpus number-of-sockets number-of-threads onall open-tty out-as= output-as-files parens= pipe-part pipepart plus
	process-slot-var= profile= progress recend= record-env recordenv recstart= regex regexp remove-rec-sep removerecsep
	replace= res= results= resume resume-failed resumefailed retries= retry-failed retryfailed return= round round-robin
	roundrobin rpl= rrs rsync-opts= rsyncopts= seqreplace= session shard= shebang shebang-wrap shell-completion= shell-quote
	shellquote show-limits showlimits shuf skip-first-line skipfirstline slf= slotreplace= sql= sql-and-worker= sql-master=
	sql-worker= sqlandworker= sqlmaster= sqlworker= ssh= ssh-delay= sshdelay= ssh-login= sshlogin= ssh-login-file= sshloginfile= tag
	tagstring= tee template= term-seq= termseq= tf= timeout= tmpdir= tempdir= tmpl= tmux tmuxpane total-jobs= totaljobs= total=
	transfer transfer-file= transferfile= trc= trim= tty unquote use-compress-program= use-cpus-instead-of-cores
	use-sockets-instead-of-threads xapply xargs`)

// refusedLetters and refusedValues are its single letters that sem has not, the latter with their values.
const refusedLetters, refusedValues = "0Xmrpx", "CdDEIJLNSUns"
