package ipc

import (
	"errors"
	"fmt"
	"math"
	"os"
)

// maxProblems bounds ResultsReport.Problems.
const maxProblems = 100

// ResultsReport says what is in a result file.
type ResultsReport struct {
	Records      int // whole ones, which are the four that follow
	Succeeded    int
	Failed       int
	Unsuccessful int
	Running      int // begun and not ended

	Damaged   int   // places that cannot be read
	Bytes     int64 // size of the file
	Lost      int64 // bytes in damaged places and in what was cut off
	Truncated bool
	Problems  []error // at most 100
}

func (r *ResultsReport) count(s RecordStatus) {
	r.Records++
	switch s {
	case RecordRunning:
		r.Running++
	case RecordSucceeded:
		r.Succeeded++
	case RecordFailed:
		r.Failed++
	case RecordUnsuccessful:
		r.Unsuccessful++
	}
}

func (r *ResultsReport) problem(err error) {
	if len(r.Problems) < maxProblems {
		r.Problems = append(r.Problems, err)
	}
}

// Verify reads all of the file and reports what is in it. Unlike the other ways
// of reading it also looks for records where by rights there can be none. The
// error is that the file could not be read at all.
func (f *ResultFile) Verify() (ResultsReport, error) {
	return f.verify(func(*Record) error { return nil })
}

func (f *ResultFile) verify(each func(*Record) error) (ResultsReport, error) {
	var report ResultsReport
	fi, err := f.file.Stat()
	if err != nil {
		return report, f.failed(err)
	}
	report.Bytes = fi.Size()
	c := f.cursor(true)
	err = f.walk(c, false, func(r *Record) (bool, error) {
		report.count(r.Status)
		return true, f.guard(func() error { return each(r) })
	}, func(d *damage) bool {
		report.Damaged++
		report.Lost += d.size
		report.problem(d.err)
		return true
	})
	if errors.Is(err, ErrTruncated) {
		report.Truncated = true
		report.Lost += max(0, c.cut-report.Bytes)
		report.problem(err)
		err = nil
	}
	return report, err
}

// RepairResults writes every whole record of a damaged or truncated file into a
// new one, which must not exist, and reports what was in the old one. The records
// keep all but their place. The old file is only read; even one whose header is
// damaged can be, if one of its extents is whole.
func RepairResults(from, to string) (ResultsReport, error) {
	old, err := openToRepair(from)
	if err != nil {
		return ResultsReport{}, err
	}
	defer old.Close()
	repaired, err := OpenResults(to, ResultsOptions{New: true, Exclusive: true, ExtentSize: int(old.head.extentSize)})
	if err != nil {
		return ResultsReport{}, err
	}
	report, err := old.verify(func(r *Record) error { return repaired.appendRecord(r, r.Argument) })
	if err == nil {
		err = repaired.Sync()
	}
	if err = errors.Join(err, repaired.Close()); err != nil {
		return report, errors.Join(err, os.Remove(to))
	}
	return report, nil
}

func openToRepair(path string) (*ResultFile, error) {
	f, err := OpenResults(path, ResultsOptions{ReadOnly: true})
	if err == nil || !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrNotResults) {
		return f, err
	}
	o, _ := ResultsOptions{ReadOnly: true}.withDefaults()
	file, _, openErr := openResultsPath(path, o)
	if openErr != nil {
		return nil, errors.Join(err, openErr)
	}
	f = &ResultFile{path: path, file: file, opts: o}
	if !f.findIdentity() {
		return nil, errors.Join(fmt.Errorf("%w, and no extent is whole", err), file.Close())
	}
	return f, f.begin()
}

// findIdentity takes what the header should say from the first whole extent.
func (f *ResultFile) findIdentity() bool {
	fi, err := f.file.Stat()
	if err != nil {
		return false
	}
	b := make([]byte, extentHeadBytes)
	for at := int64(resultsBase); at < fi.Size() && at < math.MaxInt64-grain; at += grain {
		if _, err := f.file.ReadAt(b, at); err != nil {
			return false
		}
		if h, ok := decodeExtentHead(b, at); ok {
			f.head = resultsHeader{extentSize: defaultExtentSize, id: h.id}
			return true
		}
	}
	return false
}
