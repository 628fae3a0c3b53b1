package main

import "strings"

// Letters of sem's long options that have none.
const (
	optID = 0x200 + iota
	optFg
	optBg
	optWait
	optTimeout
	optNice
	optDir
	optDryRun
	optNothing // understood, and of no effect
	optRefused // the first of those that GNU parallel has and sem has not
)

// semNames are the long names that sem knows, by what they stand for.
var semNames = []struct {
	names string
	as    rune
	value bool
}{
	{"jobs max-procs maxprocs", 'j', true},
	{"id semaphore-name semaphorename", optID, true},
	{"st semaphore-timeout semaphoretimeout", optTimeout, true},
	{"fg", optFg, false},
	{"bg", optBg, false},
	{"wait", optWait, false},
	{"ungroup lb line-buffer linebuffer line-buffered linebuffered", 'u', false},
	{"arg-file argfile", 'a', true},
	{"nice", optNice, true},
	{"wd workdir work-dir", optDir, true},
	{"quote", 'q', false},
	{"verbose", 't', false},
	{"dry-run dryrun", optDryRun, false},
	{"help", 'h', false},
	{"version", 'V', false},
	{"semaphore group keep-order keeporder gnu plain pipe spreadstdin will-cite willcite nn nonotice no-notice", optNothing, false},
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

// refusedLetters are its single letters that sem has not, with their values.
const refusedLetters = "0XmrpxC:d:D:E:I:J:L:N:S:U:n:s:"

func semOptions() *optionSet {
	g := &optionSet{short: "j:P:a:uqvktVh" + refusedLetters}
	for _, group := range semNames {
		for name := range strings.FieldsSeq(group.names) {
			g.long = append(g.long, longOption{name: name, as: group.as, value: group.value})
		}
	}
	for i, text := range refusedNames {
		name, value := strings.CutSuffix(text, "=")
		g.long = append(g.long, longOption{name: name, as: rune(optRefused + i), value: value})
	}
	return g
}

// semOptionName is how an option that was refused is written.
func semOptionName(opt rune) string {
	if i := int(opt) - optRefused; i >= 0 {
		return "--" + strings.TrimSuffix(refusedNames[i], "=")
	}
	return "-" + string(opt)
}
