// Package joblog writes and reads GNU parallel's log of jobs.
package joblog

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// Header is the first line of a log.
const Header = "Seq\tHost\tStarttime\tJobRuntime\tSend\tReceive\tExitval\tSignal\tCommand"

// An Entry is a line of a log.
type Entry struct {
	Seq      int
	Start    time.Time
	Elapsed  time.Duration
	Sent     int64 // bytes given to the job's standard input by --pipe
	Received int64 // bytes of its standard output
	Exit     int
	Signal   int
	Command  string
}

// Failed reports whether the job did.
func (e Entry) Failed() bool { return e.Exit != 0 || e.Signal != 0 }

func (e Entry) line() string {
	return fmt.Sprintf("%d\t:\t%.3f\t%10.3f\t%d\t%d\t%d\t%d\t%s\n", e.Seq, float64(e.Start.UnixMilli())/1000, e.Elapsed.Seconds(),
		e.Sent, e.Received, e.Exit, e.Signal, Escape(e.Command))
}

// Escape keeps a command on its line, as GNU parallel does: a NUL, which no command has, stands for a new line.
func Escape(s string) string { return escaper.Replace(s) }

// Unescape undoes it.
func Unescape(s string) string { return unescaper.Replace(s) }

var unescaper = strings.NewReplacer("\x00", "\n")

var escaper = strings.NewReplacer("\n", "\x00")

// A Log is a log that is being written.
type Log struct{ f *os.File }

// Create begins a log, or goes on with one; "-" is standard output. Each line is written at once, so that a log outlives whatever dies.
func Create(path string, goOn bool) (*Log, error) {
	if path == "-" {
		_, err := io.WriteString(os.Stdout, Header+"\n")
		return &Log{os.Stdout}, err
	}
	flags := os.O_WRONLY | os.O_CREATE | os.O_APPEND
	if !goOn {
		flags |= os.O_TRUNC
	}
	f, err := os.OpenFile(path, flags, 0o666)
	if err != nil {
		return nil, err
	}
	if info, err := f.Stat(); err == nil && (info.Size() == 0 || !info.Mode().IsRegular()) {
		if _, err := io.WriteString(f, Header+"\n"); err != nil {
			return nil, err
		}
	} else if cutShort(path) {
		if _, err := io.WriteString(f, "\n"); err != nil { // whoever wrote it was killed
			return nil, err
		}
	}
	return &Log{f}, nil
}

func cutShort(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	var last [1]byte
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false
	}
	_, err = f.ReadAt(last[:], info.Size()-1)
	return err == nil && last[0] != '\n'
}

// Add writes a line.
func (l *Log) Add(e Entry) error {
	_, err := io.WriteString(l.f, e.line())
	return err
}

// Close closes the file.
func (l *Log) Close() error { return l.f.Close() }

// Read reads a log; no file is an empty one. Lines that are not whole are left out.
func Read(path string) (entries []Entry, err error) {
	f, err := os.Open(path)
	if os.IsNotExist(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReaderSize(f, 64<<10)
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if err == io.EOF {
			return entries, nil
		}
		if err != nil {
			return nil, err
		}
		line = strings.TrimSuffix(line, "\n")
		if n == 1 {
			if !strings.HasPrefix(line, "Seq\t") {
				return nil, fmt.Errorf("%s does not begin as a log of jobs does", path)
			}
			continue
		}
		if e, ok := parse(line); ok {
			entries = append(entries, e)
		}
	}
}

func parse(line string) (e Entry, ok bool) {
	fields := strings.SplitN(line, "\t", 9)
	if len(fields) < 9 {
		return e, false
	}
	var errs [7]error
	var start, elapsed float64
	e.Seq, errs[0] = strconv.Atoi(fields[0])
	start, errs[1] = strconv.ParseFloat(strings.TrimSpace(fields[2]), 64)
	elapsed, errs[2] = strconv.ParseFloat(strings.TrimSpace(fields[3]), 64)
	e.Sent, errs[3] = strconv.ParseInt(fields[4], 10, 64)
	e.Received, errs[4] = strconv.ParseInt(fields[5], 10, 64)
	e.Exit, errs[5] = strconv.Atoi(fields[6])
	e.Signal, errs[6] = strconv.Atoi(fields[7])
	for _, err := range errs {
		if err != nil {
			return e, false
		}
	}
	e.Start = time.UnixMilli(int64(start * 1000))
	e.Elapsed = time.Duration(elapsed * float64(time.Second))
	e.Command = fields[8]
	return e, true
}
